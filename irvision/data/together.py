"""Equal pictures stay in one part where parts are drawn: one in each would be no test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from irvision.data.examples import Examples
from irvision.data.pixels.alike import equal_groups
from irvision.data.pixels.prints import Prints, flat_rows


def keep_together(examples: Examples, prints: Prints, bad: Sequence[int]) -> Examples:
    """The samples with parts drawn again, so that equal pictures share one.

    Nothing changes where parts are given, where no pictures are equal, or where all of them are in
    one group already. Nearly constant images show nothing and may be divided.

    Args:
        examples: as listed.
        prints: of the decoded samples.
        bad: samples that could not be read.
    """
    draw = examples.draw
    if draw is None:
        return examples
    usable = ~flat_rows(prints, bad)
    usable[list(bad)] = False
    groups = list(draw.groups)
    equal = [rows.tolist() for rows in equal_groups(prints, usable)]
    merged = _merged(groups, [[groups[row] for row in rows] for rows in equal])
    if merged == groups:
        return examples
    return replace(examples, parts=draw.parts(examples.labels, merged))


def _merged(groups: Sequence[str], together: Sequence[Sequence[str]]) -> list[str]:
    """The groups, those of each sequence joined under the name that comes first of them."""
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for names in together:
        roots = sorted({root(name) for name in names})
        for other in roots[1:]:
            parent[other] = roots[0]
    return [root(group) for group in groups]
