"""Keys as plain text."""

from __future__ import annotations

from irtheory.trees.keys.choices import Style
from irtheory.trees.keys.key import End, Key
from irtheory.trees.keys.layout import Line, lines_of

ARROW, STEP = " → ", "  "


def as_text(key: Key, style: Style = "numbered") -> str:
    """A line for each lead: what it says, then an arrow and where it goes.

    Arrows in names become ``->`` and an end that is a number stands in quotation marks, so that
    no line can be read in two ways. In the indented style leads without an arrow go to the lines
    below them, which are further in. Without couplets it is an arrow and the end.
    """
    if key.only is not None:
        return f"{ARROW.lstrip()}{goal_text(key.only)}"
    lines = lines_of(key, style)
    wide = max(len(line.label) for line in lines) if style == "bracketed" else 0
    return "\n".join(_line(line, wide) for line in lines)


def _line(line: Line, wide: int) -> str:
    mark = f"{line.label:<{wide}}  " if wide else f"{line.label}. "
    goal = "" if line.goal is None else ARROW + goal_text(line.goal)
    return f"{STEP * line.depth}{mark}{_without_arrow(line.lead.statement)}{goal}"


def goal_text(goal: End | int) -> str:
    """Where a lead goes, as text."""
    if not isinstance(goal, End):
        return str(goal)
    text = _without_arrow(goal.text)
    return f'"{text}"' if text.isdigit() else text


def _without_arrow(text: str) -> str:
    return text.replace(ARROW.strip(), "->")
