"""Keys as Markdown, in which no name is taken for markup."""

from __future__ import annotations

import re

from irtheory.trees.keys.choices import Style
from irtheory.trees.keys.key import End, Key
from irtheory.trees.keys.layout import Line, lines_of

# Characters that may begin or end markup somewhere in a line, in CommonMark or its extensions.
MARKS = re.compile(r"([\\`*_{}\[\]()#+\-!|<>&~$^=@\"'])")
# What extensions make links of: www.example.org and https://example.org.
LINKS = re.compile(r"(?i)(www)\.|(:)//")


def as_markdown(key: Key, style: Style = "numbered") -> str:
    """A heading, and paragraphs or a nested list of leads; couplets are linked."""
    head = f"# {as_paragraph(key.title)}\n\n" if key.title else ""
    if key.only is not None:
        return f"{head}→ {_end(key.only)}\n"
    lines = lines_of(key, style)
    if style == "indented":
        return head + "".join(f"{'  ' * line.depth}- {_lead(line)}\n" for line in lines)
    pairs = zip(lines[::2], lines[1::2], strict=True)
    # A backslash at the end of a line breaks it.
    return head + "\n".join(
        f'<a id="couplet-{number}"></a>{_lead(first)}\\\n{_lead(second)}\n'
        for number, (first, second) in enumerate(pairs, start=1)
    )


def _lead(line: Line) -> str:
    goal = "" if line.goal is None else f" → {_goal(line.goal)}"
    return f"**{as_paragraph(line.label)}** {as_paragraph(line.lead.statement)}{goal}"


def _goal(goal: End | int) -> str:
    return _end(goal) if isinstance(goal, End) else f"[{goal}](#couplet-{goal})"


def _end(end: End) -> str:
    return f"**{as_paragraph(end.name)}**{as_paragraph(end.about)}"


def as_paragraph(text: str) -> str:
    """Any text as Markdown that shows it as it is."""
    marked = MARKS.sub(r"\\\1", text)
    return LINKS.sub(lambda found: f"{found[1]}\\." if found[1] else ":\\//", marked)
