"""In which order, how deep and under which number the leads of a key stand, by style."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irtheory.trees.keys.choices import Style
from irtheory.trees.keys.key import End, Key, Lead


@dataclass(frozen=True)
class Line:
    """A lead as it stands in a key.

    Attributes:
        lead: what it says.
        label: what stands before it, such as "3a", "3 (1)" or "–".
        depth: by how many steps it is indented.
        opens: whether it is the first lead of its couplet.
        goal: what stands after it: an end, a number, or None where the next couplet follows.
    """

    lead: Lead
    label: str
    depth: int
    opens: bool
    goal: End | int | None


def lines_of(key: Key, style: Style) -> tuple[Line, ...]:
    """All leads of a key, in the order in which they stand.

    * numbered: couplet by couplet, with letters: "2a", "2b".
    * bracketed: couplet by couplet; the number of the couplet that a reader comes from stands in
      brackets, and the second lead has a dash: "2 (1)", "–".
    * indented: below each lead stand those that follow from it, further in.
    """
    if style == "indented":
        return tuple(_indented(key))
    return tuple(
        Line(lead, _bracketed(key, lead) if style == "bracketed" else lead.label, 0,
             lead.label.endswith("a"), lead.goal)
        for lead in key.leads
    )  # fmt: skip


def _bracketed(key: Key, lead: Lead) -> str:
    if lead.label.endswith("b"):
        return "–"
    couplet = key.couplets[int(lead.label[:-1]) - 1]
    return str(couplet.number) + (f" ({couplet.parent.label[:-1]})" if couplet.parent else "")


def _indented(key: Key) -> Iterator[Line]:
    pending = list(reversed(key.couplets[0].leads)) if key.couplets else []
    while pending:
        lead = pending.pop()
        depth = key.couplets[int(lead.label[:-1]) - 1].depth
        follows = lead.goal if isinstance(lead.goal, int) else None
        goal = None if follows is not None else lead.goal
        yield Line(lead, lead.label, depth, lead.label.endswith("a"), goal)
        if follows is not None:
            pending += reversed(key.couplets[follows - 1].leads)
