"""The smallest change of codes that would change the class of T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from irtheory.trees.tree import Tree


@dataclass(frozen=True)
class Change:
    """Codes that must change, and the class that T would then name.

    Attributes:
        label: the class.
        leaf: node of T that is then reached.
        codes: for each code that changes its column of T, its value, and the value it must get.
    """

    label: int
    leaf: int
    codes: tuple[tuple[int, int, int], ...]


def smallest_change(
    tree: Tree,
    codes: Sequence[int] | Int[np.ndarray, " d"],
    levels: Float[np.ndarray, " d"] | None,
    largest: int,
) -> Change | None:
    """The fewest codes whose change leads to a leaf of another class; None if there is none.

    A leaf is reached if each code lies in the interval that the tests on its path leave to it, so
    that the codes outside their intervals are those that must change, and no others. Among equal
    numbers of codes the one with the smallest total distance wins, then the first leaf.

    Args:
        tree: T over the kept codes.
        codes: values of the d kept codes.
        levels: these before rounding, for the distances; None takes the codes.
        largest: largest value of a code, 2^r − 1.
    """
    now = np.asarray(codes, np.int64)
    at = now.astype(np.float64) if levels is None else np.asarray(levels, np.float64)
    label = int(tree.predict(now[None]).argmax())
    best: tuple[int, float, int] | None = None
    found: Change | None = None
    for leaf, (low, high) in _boxes(tree, len(now), largest).items():
        named = int(tree.value[leaf].argmax())
        if named == label or (low > high).any():
            continue
        changed = np.flatnonzero((now < low) | (now > high))
        to = np.clip(now, low, high)[changed]
        # To become the value v a level has to pass v − ½ from below, or v + ½ from above.
        edge = np.where(to > now[changed], to - 0.5, to + 0.5)
        cost = len(changed), float(np.abs(edge - at[changed]).sum()), leaf
        if best is None or cost < best:
            best = cost
            moves = zip(changed.tolist(), now[changed].tolist(), to.tolist(), strict=True)
            found = Change(named, leaf, tuple(moves))
    return found


def _boxes(
    tree: Tree, d: int, largest: int
) -> dict[int, tuple[Int[np.ndarray, " d"], Int[np.ndarray, " d"]]]:
    """The smallest and largest values of the codes that reach each leaf."""
    waiting = [(0, np.zeros(d, np.int64), np.full(d, largest, np.int64))]
    boxes = {}
    while waiting:
        node, low, high = waiting.pop()
        feature = int(tree.feature[node])
        if feature < 0:
            boxes[node] = low, high
            continue
        most = int(np.floor(tree.threshold[node]))
        below, above = high.copy(), low.copy()
        below[feature] = min(high[feature], most)
        above[feature] = max(low[feature], most + 1)
        waiting += [(int(tree.right[node]), above, high), (int(tree.left[node]), low, below)]
    return boxes
