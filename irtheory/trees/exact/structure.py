"""Convert between the search's heap of tests and `Tree`.

The heap of a tree of depth ≤ D has 2^D − 1 entries: the test of each inner node, −1 where
there is none. Node i's child on the "off" side is 2i + 1, on the "on" side 2i + 2; leaves
may sit below the last inner level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from irtheory.trees.exact.design import BinaryTests
from irtheory.trees.tree import Tree


def tree_of(
    heap: Int[np.ndarray, " inner"],
    tests: BinaryTests,
    leaf_of: Int[np.ndarray, " m"],
    predictions: Float[np.ndarray, "m k"],
    weights: Float[np.ndarray, " m"] | None = None,
) -> Tree:
    """Assemble the `Tree` of a heap; inner nodes carry the mean prediction below them.

    Samples count with their `weights`, or with 1.
    """
    weights = np.ones(len(leaf_of)) if weights is None else weights
    nodes: list[list] = []
    # The ancestors of place i (from 1) are i // 2, i // 4, …: in binary, what it begins with.
    place_of = leaf_of + 1
    depth = np.frexp(place_of)[1]

    def build(node: int, samples: Int[np.ndarray, " s"]) -> int:
        """Append the nodes below a place of the heap in preorder; returns where they begin."""
        place = len(nodes)
        if node >= len(heap) or heap[node] < 0:
            # Every sample of a leaf has the leaf's own value: take it without rounding.
            nodes.append([-1, 0.0, -1, -1, predictions[samples[0]], weights[samples].sum()])
            return place
        test = heap[node]
        own = [tests.feature[test], tests.threshold[test], -1, -1]
        total = weights[samples].sum()
        nodes.append([*own, weights[samples] @ predictions[samples] / total, total])
        below = depth[samples] - (node + 1).bit_length() - 1
        on = (place_of[samples] >> below) == 2 * node + 3
        halves = [(2 * node + 1, samples[~on]), (2 * node + 2, samples[on])]
        left, right = halves[::-1] if tests.flipped[test] else halves
        nodes[place][2:4] = build(*left), build(*right)
        return place

    build(0, np.arange(len(leaf_of)))
    feature, threshold, left, right, value, count = map(np.array, zip(*nodes, strict=True))
    return Tree(feature, threshold, left, right, value, count, tests.n_features)


def leaves_of(
    heap: Int[np.ndarray, " inner"], tests: BinaryTests, codes: Float[np.ndarray, "m n"]
) -> Int[np.ndarray, " m"]:
    """The leaf of every row of any codes, as a place of the heap."""
    place = np.zeros(len(codes), np.int64)
    for _ in range((len(heap) + 1).bit_length() - 1):
        test = np.where(place < len(heap), heap[np.minimum(place, len(heap) - 1)], -1)
        above = codes[np.arange(len(codes)), tests.feature[test]] > tests.threshold[test]
        on = above ^ tests.flipped[test]
        place = np.where(test >= 0, 2 * place + 1 + on, place)
    return place


def _test_index(tests: BinaryTests) -> dict[bytes, int]:
    """Kept test by the way it splits the merged rows, up to complement."""
    bits = tests.design.bits.astype(bool)
    canonical = np.packbits(bits ^ bits[:1], axis=0).T
    return {column.tobytes(): j for j, column in reversed(list(enumerate(canonical)))}


def heap_of(tree: Tree, tests: BinaryTests, depth: int) -> Int[np.ndarray, " inner"] | None:
    """Heap of a tree on the same codes; None if it is not in the class of depth ≤ `depth`.

    Splits that part no sample are skipped. Raises ValueError for other features.
    """
    if tree.n_features != tests.n_features:
        raise ValueError(
            f"warm_start: expected a tree on {tests.n_features} features, found {tree.n_features}"
        )
    heap = np.full(2**depth - 1, -1, np.int64)
    values = tests.row_codes
    known = _test_index(tests)

    def place(node: int, slot: int, rows: Int[np.ndarray, " s"]) -> bool:
        f = tree.feature[node]
        if f < 0 or len(rows) == 0:
            return True
        right = values[:, f] > tree.threshold[node]
        low, high = int(tree.left[node]), int(tree.right[node])
        if right[rows].all() or not right[rows].any():
            return place(high if right[rows].all() else low, slot, rows)
        test = known.get(np.packbits(right ^ right[:1]).tobytes())
        if test is None or slot >= len(heap):
            return False
        heap[slot] = test
        on = tests.design.bits[:, test].astype(bool)
        same = bool(on[0] == right[0])
        off_child, on_child = (low, high) if same else (high, low)
        return place(off_child, 2 * slot + 1, rows[~on[rows]]) and place(
            on_child, 2 * slot + 2, rows[on[rows]]
        )

    return heap if place(0, 0, np.arange(tests.n_rows)) else None


@dataclass(frozen=True)
class Found:
    """Outcome of a search.

    Attributes:
        heap: the tests.
        leaf_of: leaf of every merged row, a place of the heap.
        values, losses: value and loss of every leaf, [places, k] and [places].
        cost: loss of the tree and penalties of all its leaves but one; of a linear cost the
            regret, that is less what every tree pays.
        lower: proven bound on the cost of all trees.
        constant: what every tree pays beside the cost.
        proven: no tree is better by more than ties and rounding, cost − lower.
        warm, solved, skipped: counts for `SearchStatistics`.
    """

    heap: Int[np.ndarray, " inner"]
    leaf_of: Int[np.ndarray, " g"]
    values: Float[np.ndarray, "places k"]
    losses: Float[np.ndarray, " places"]
    cost: float
    lower: float
    constant: float
    proven: bool
    warm: bool
    solved: int
    skipped: int


def graft(heap: Int[np.ndarray, " inner"], below: Int[np.ndarray, " less"], node: int) -> None:
    """Copy the heap `below` into `heap` so that its root becomes `node`."""
    first, start, width = node, 0, 1
    while start < len(below):
        heap[first : first + width] = below[start : start + width]
        start, width = 2 * start + 1, 2 * width
        first = 2 * first + 1


def translated(
    heap: Int[np.ndarray, " less"], tests: BinaryTests, whole: BinaryTests, depth: int
) -> Int[np.ndarray, " inner"]:
    """A heap of tests on some of the samples, in the tests of all samples they were taken from."""
    into = np.full(2**depth - 1, -1, np.int64)
    pending = [(0, 0)]
    while pending:
        node, place = pending.pop()
        if node >= len(heap) or heap[node] < 0:
            continue
        test = int(heap[node])
        j = whole.place_of[int(tests.feature[test]), float(tests.threshold[test])]
        into[place] = j
        # The rarer side is "on", and which one that is may differ between the two.
        swap = int(tests.flipped[test] != whole.flipped[j])
        pending += [(2 * node + 1 + side, 2 * place + 1 + (side ^ swap)) for side in (0, 1)]
    return into
