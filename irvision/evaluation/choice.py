"""Which of the scored images a report shows: at every test, of every class and code, and errors.

Images that training has not seen come first, and those that are shown already are preferred among
equally good ones, so that few pictures show much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from irvision.data.examples import PARTS
from irvision.runs.named_tree import NamedTree
from irvision.runs.scored_images import ScoredImages

# Images on either side of a test, of a class, and of errors of one kind.
ASIDE, OF_CLASS, ERRORS = 4, 3, 24
# Images at a value of a code: far from the next value, and close to it; of tested codes, of others.
TYPICAL, BORDERLINE, TYPICAL_OF_OTHERS, BORDERLINE_OF_OTHERS = 4, 2, 3, 1
# Of codes with more values than this, the outer ones are shown.
MOST_VALUES = 4
# Among how many times as many candidates images that are shown already are preferred.
POOL = 4
# Up to which share of all images tests, then errors, then classes are given; codes get the rest.
UP_TO = (0.5, 0.6, 0.75)


@dataclass
class Choice:
    """The images that are shown.

    Attributes:
        most: largest number of images.
        rows: of `ScoredImages`, as keys, in the order in which they were chosen.
        of_code: by code, the images that show it.
        mapped: (row, code) for which it is worth showing where in the image the code comes from.
    """

    most: int
    rows: dict[int, None] = field(default_factory=dict)
    of_code: dict[int, list[int]] = field(default_factory=dict)
    mapped: list[tuple[int, int]] = field(default_factory=list)

    def take(self, candidates: Sequence[int], count: int) -> list[int]:
        """Choose up to `count` of the candidates, best first; without room, shown ones only."""
        pool = candidates[: POOL * count]
        shown = [row for row in pool if row in self.rows]
        fresh = [row for row in pool if row not in self.rows]
        # The best stays the best even if others are shown already.
        first = [row for row in candidates[:1] if row in fresh and len(self.rows) < self.most]
        room = self.most - len(self.rows)
        taken = [*first, *shown, *(row for row in fresh if row not in first)]
        kept = [row for row in taken if row in self.rows or room > 0][:count]
        new = [row for row in kept if row not in self.rows]
        kept = [row for row in kept if row not in new[room:]]
        self.rows.update(dict.fromkeys(kept))
        return kept


def choose(scored: ScoredImages, named: NamedTree, most: int) -> Choice:
    """Choose images for tests, errors, classes and codes, in this order.

    Args:
        scored: all images.
        named: T of the run.
        most: largest number of images.
    """
    choice = Choice(int(UP_TO[0] * most))
    _tests(choice, scored, named)
    choice.most = int(UP_TO[1] * most)
    _errors(choice, scored, named)
    choice.most = int(UP_TO[2] * most)
    for label in range(len(scored.classes)):
        of_class = np.flatnonzero(scored.labels == label)
        right = (scored.by_g[of_class] == label).astype(int) + (scored.by_t[of_class] == label)
        choice.take(_ordered(scored, of_class, -right - scored.outputs[of_class, label]), OF_CLASS)
    choice.most = most
    tested = dict.fromkeys(test.code for test in named.tests.values())
    for code in tested:
        _code(choice, scored, code, TYPICAL, BORDERLINE, True)
    for code in named.kept:
        if code not in tested:
            _code(choice, scored, code, TYPICAL_OF_OTHERS, BORDERLINE_OF_OTHERS, False)
    return choice


def distance(scored: ScoredImages, code: int) -> Float[np.ndarray, " m"]:
    """Levels of a code; without levels, the codes themselves."""
    found = scored.codes if scored.levels is None else scored.levels
    return found[:, code].astype(np.float64)


def _tests(choice: Choice, scored: ScoredImages, named: NamedTree) -> None:
    """Images on either side of every test, of as many classes as there are."""
    kept = scored.codes[:, list(named.kept)]
    reached = named.short.tree.decision_path(kept) if len(kept) else np.zeros((0, 1), bool)
    for node in np.flatnonzero(named.short.tree.feature >= 0).tolist():
        test = named.test_at(node)
        levels = distance(scored, test.code)
        for passed in (True, False):
            side = (scored.codes[:, test.code] > test.threshold) == passed
            rows = np.flatnonzero(reached[:, node] & side)
            outward = levels[rows] if passed else -levels[rows]
            choice.take(_by_class(scored, rows, -outward), ASIDE)


def _errors(choice: Choice, scored: ScoredImages, named: NamedTree) -> None:
    """The most confident errors of T and of G."""
    values = named.tree.value
    total = np.maximum(values.sum(1), 1e-12)
    sure_t = (values.max(1) / total)[scored.leaf] if len(scored.leaf) else np.zeros(0)
    sure_g = scored.outputs.max(1) if len(scored.labels) else np.zeros(0)
    for wrong, sure in (
        (scored.by_t != scored.labels, sure_t),
        (scored.by_g != scored.labels, sure_g),
    ):
        rows = np.flatnonzero(wrong & (scored.parts != PARTS.index("train")))
        # Just these, shown already or not: a report lists the surest ones.
        choice.take(_ordered(scored, rows, -sure[rows])[:ERRORS], ERRORS)


def _code(
    choice: Choice, scored: ScoredImages, code: int, typical: int, borderline: int, tested: bool
) -> None:
    """Images at the values of a code: typical ones, and those closest to the next value."""
    codes, levels = scored.codes[:, code], distance(scored, code)
    values = np.unique(codes).tolist()
    if len(values) < 2:
        return
    half = MOST_VALUES // 2
    shown = values if len(values) <= MOST_VALUES else [*values[:half], *values[-half:]]
    found: list[int] = []
    for value in shown:
        rows = np.flatnonzero(codes == value)
        far = np.abs(levels[rows] - value)
        if value in (values[0], values[-1]):
            far = levels[rows] if value == values[0] else -levels[rows]
        taken = choice.take(_by_class(scored, rows, far), typical)
        found += taken
        if tested or value == values[-1]:
            choice.mapped += [(row, code) for row in taken]
        if scored.levels is not None:
            close = _to_the_edge(levels[rows], value, values[0], values[-1])
            taken = [
                row
                for row in choice.take(_ordered(scored, rows, close), borderline)
                if row not in found
            ]
            found += taken
            choice.mapped += [(row, code) for row in taken if tested]
    choice.of_code[code] = found


def _to_the_edge(
    levels: Float[np.ndarray, " n"], value: int, lowest: int, highest: int
) -> Float[np.ndarray, " n"]:
    """How far levels with one value lie from where it changes, half way to the next value.

    Beyond the outer values nothing changes, however far out a level lies.
    """
    below = np.inf if value == lowest else levels - (value - 0.5)
    above = np.inf if value == highest else (value + 0.5) - levels
    return np.minimum(below, above)


def _ordered(scored: ScoredImages, rows: Int[np.ndarray, " n"], key: np.ndarray) -> list[int]:
    """The rows by rising key; images of training come last."""
    seen = scored.parts[rows] == PARTS.index("train")
    return rows[np.lexsort((key, seen))].tolist()


def _by_class(scored: ScoredImages, rows: Int[np.ndarray, " n"], key: np.ndarray) -> list[int]:
    """The first of every class, then the second of every class, frequent classes first."""
    ordered = np.array(_ordered(scored, rows, key), np.int64)
    labels = scored.labels[ordered]
    counts = np.bincount(labels, minlength=len(scored.classes))
    grouped = np.argsort(labels, kind="stable")
    starts = np.cumsum(counts) - counts
    place = np.empty(len(ordered), np.int64)
    place[grouped] = np.arange(len(ordered)) - starts[labels[grouped]]
    # Stable: among classes of one size the better image stays first.
    seen = scored.parts[ordered] == PARTS.index("train")
    return ordered[np.lexsort((-counts[labels], place, seen))].tolist()
