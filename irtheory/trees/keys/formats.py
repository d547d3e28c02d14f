"""All formats of keys by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from irtheory.trees.keys.choices import Format, Style
from irtheory.trees.keys.clavis import as_clavis
from irtheory.trees.keys.graph import as_dot
from irtheory.trees.keys.key import Key
from irtheory.trees.keys.latex import as_latex
from irtheory.trees.keys.markdown import as_markdown
from irtheory.trees.keys.page import as_html
from irtheory.trees.keys.sdd import as_sdd
from irtheory.trees.keys.stored import as_json
from irtheory.trees.keys.table import as_csv
from irtheory.trees.keys.text import as_text

# For readers: these come in styles.
STYLED: dict[str, Callable[[Key, Style], str]] = {
    "text": lambda key, style: f"{as_text(key, style)}\n",
    "markdown": as_markdown,
    "latex": as_latex,
    "html": as_html,
}


def write_key(key: Key, form: Format, style: Style, version: str, created: datetime) -> str:
    """A key in one of the formats, with a line end at its end.

    Args:
        key: the key.
        form: of which kind.
        style: of formats for readers; others have none.
        version: of the program, for formats that say it.
        created: when the key was made, for formats that say it.
    """
    if form in STYLED:
        return STYLED[form](key, style)
    plain: dict[str, Callable[[], str]] = {
        "json": lambda: as_json(key),
        "dot": lambda: as_dot(key),
        "csv": lambda: as_csv(key),
        "sdd": lambda: as_sdd(key, version, created),
        "clavis": lambda: as_clavis(key, created),
    }
    return plain[form]()
