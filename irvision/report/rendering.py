"""Text and data on a page: names of classes and files stay text, whatever they contain."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from irtheory.trees.writing import one_line

TEMPLATES = Path(__file__).parent / "templates"
# Characters that could end a script element or, in old browsers, a line of it.
UNSAFE = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def render(template: str, **values: Any) -> Markup:
    """A template filled in; every value is escaped, and control characters are shown as text.

    Args:
        template: name of a file in `templates`.
        values: what it may use; `Markup` is taken as HTML.
    """
    return Markup(_environment().get_template(template).render(values))


def script_json(data: Any) -> Markup:
    """JSON for a script element; numbers that are not finite become null."""
    text = json.dumps(_plain(data), separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(UNSAFE))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """A value as a template prints it."""
    return one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _plain(data: Any) -> Any:
    """Data whose words can be shown, without numbers that JSON lacks."""
    if isinstance(data, dict):
        return {_shown(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return _shown(data)
