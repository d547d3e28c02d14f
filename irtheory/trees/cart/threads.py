"""Share out the nodes of a level among threads; keep sums for the next level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt32

from irtheory.trees.cart import split
from irtheory.trees.cart.codes import JOINED, CodeColumns, reorder
from irtheory.trees.cart.held import Held
from irtheory.trees.cart.plan import SUBTRACTED, choose_ways, time_of_subtraction
from irtheory.trees.kernels.lanes import LANES, aligned_zeros
from irtheory.trees.kernels.workers import run_each

# Rough ns above which the columns of one node are shared out among threads.
_LARGE = 3e6
# Additions in a level below which starting threads costs more than it saves.
_SMALL = 1e7
# Bytes that held sums and their counts may take.
_HELD = 2**27

Rows = UInt32[np.ndarray, " m"]


class _Family(NamedTuple):
    """A node that was split: the rows of its children, and the place of its sums.

    The children have the rows start … middle − 1 and middle … stop − 1.
    """

    start: int
    middle: int
    stop: int
    place: int


class _Unit(NamedTuple):
    """Nodes that one thread splits one after the other, and a rough time in ns per column.

    Two are siblings, the smaller one first; `place` is where their parent's sums are.
    """

    nodes: tuple[int, ...]
    place: int
    time: float


class _Level(NamedTuple):
    """What is chosen for the nodes of a level: see `split.Plan` and `plan.choose_ways`."""

    size: Int[np.ndarray, " nodes"]
    choices: Int[np.ndarray, "nodes 2"]
    times: Float[np.ndarray, "nodes 2"]
    way: Int[np.ndarray, " nodes"]
    place: Int[np.ndarray, " nodes"]
    other: Int[np.ndarray, " nodes"]


class Threads:
    """Splits the nodes of a level on threads: large nodes by columns, small ones by nodes.

    Where a node's sums are held, its larger child's are these less the smaller child's. So
    siblings go to one thread, the smaller one first. At the last level the smaller child's
    sums have no further use, and the next pair overwrites them.
    """

    def __init__(self, codes: CodeColumns, data: split.Data, max_depth: int, threads: int) -> None:
        self.padded, self.m = codes.rank.shape
        self.width = len(data.y) // self.m
        self.data, self.levels = data, codes.levels
        self.threads = 1 if self.m * self.padded * self.width < _SMALL * LANES else threads
        self.codes = np.empty_like(codes.rank)
        self.spaces = [
            (
                split.new_space(codes, self.width),
                split.new_scores(codes),
                split.new_node(self.width),
            )
            for _ in range(self.threads)
        ]
        self.left, self.families = max_depth, list[_Family]()
        self.held, self.free = self._make_room()
        self.places = len(self.free)

    def _make_room(self) -> tuple[Held, list[int]]:
        cells = self.padded * self.levels
        nodes = min(2 ** min(self.left - 2, 30), self.m // 2) if self.left > 1 else 0
        places = min(nodes + 4 * self.threads, _HELD // (8 * max(cells, 1) * (self.width + 1)))
        places = places if nodes and places > 1 else 0  # a subtraction takes two
        size = cells * self.width if places else 0
        sums = aligned_zeros(places * size).reshape(max(places, 1), size)
        below = np.zeros((max(places, 1), self.padded, self.levels), np.int64)
        return Held(sums, below), list(range(places))

    def split(self, step: split.Step, rows: Rows) -> None:
        """Find the best split of every node and fill `step`."""
        self.left -= 1
        level = self._describe(step)
        # Largest first, so that no thread is left with a large unit when the others are done.
        units = sorted(self._units(step, level), key=lambda unit: -unit.time)
        large, batches = self._share_out(units)
        for batch in (*[[unit] for unit in large], *batches):
            self._find_places(level, batch)
        plan = split.Plan(level.way, level.place, level.other, self.held, self.codes)
        self._put_in_order(plan, step, rows)
        for unit in large:
            for i in unit.nodes:
                self._split_large(plan, i, step, rows)

        def split_batch(b: int, space: Any) -> None:
            own, scores, node = space
            nodes = np.array([i for unit in batches[b] for i in unit.nodes])
            every = (0, self.padded)
            split.split_nodes(self.data, plan, nodes, *every, rows, node, own, scores, step)

        run_each(len(batches), split_batch, self.spaces[: max(1, len(batches))], None, None)
        self._hand_on(plan, step)

    def _describe(self, step: split.Step) -> _Level:
        size = step.stop - step.start
        choices, times = np.zeros((len(size), 2), np.int64), np.zeros((len(size), 2))
        space, by_entropy = self.spaces[0][0], len(self.data.row_entropy) > 0
        most = (len(space.z) // self.width, len(space.rest))
        blocks = self.width // LANES
        choose_ways(self.data.joints, size, self.levels, blocks, by_entropy, *most, choices, times)
        none = np.full(len(size), -1)
        return _Level(size, choices, times, choices[:, 0].copy(), none, none.copy())

    def _units(self, step: split.Step, level: _Level) -> list[_Unit]:
        """Pairs of siblings for which a subtraction saves time, and all other nodes."""
        node_at = {start: i for i, start in enumerate(step.start.tolist())}
        spare, units, paired = time_of_subtraction(self.levels, self.width // LANES), [], set()
        for start, middle, stop, place in self.families:
            pair = [node_at.get(start, -1), node_at.get(middle, -1)]
            both = min(pair) >= 0 and step.stop[pair].tolist() == [middle, stop]
            small, large = sorted(pair, key=lambda i: level.size[i])
            time = level.times[small, 1] + spare
            if both and time < level.times[pair, 0].sum():
                units.append(_Unit((small, large), place, time))
                paired |= {small, large}
            else:
                self.free.append(place)
        others = [i for i in range(len(level.size)) if i not in paired]
        return units + [_Unit((i,), -1, level.times[i, 0]) for i in others]

    def _share_out(self, units: list[_Unit]) -> tuple[list[_Unit], list[list[_Unit]]]:
        """Units whose columns are shared out, and batches of the others; all largest first."""
        # A unit above a quarter of a thread's share could leave the other threads idle.
        total = sum(unit.time for unit in units)
        least = max(_LARGE / self.padded, total / (4 * self.threads))  # else units are enough
        several = self.threads > 1 and self.padded > JOINED
        large = [unit for unit in units if several and unit.time > least]
        small = units[len(large) :]
        n = min(4 * self.threads, len(small))
        return large, [small[b::n] for b in range(n)]

    def _find_places(self, level: _Level, batch: list[_Unit]) -> None:
        """Choose places for the sums of one thread's nodes, and set their ways accordingly."""
        # At the last level (left = 0) one place serves all pairs of a thread, one after another.
        spot = -1
        for nodes, parent, _ in batch:
            i = nodes[0]
            if spot < 0 or self.left:
                wanted = parent >= 0 or self._worth_holding(level, i)
                spot = self.free.pop() if wanted and self.free else -1
            if parent >= 0 and spot < 0:
                self.free.append(parent)
            elif parent >= 0 or (spot >= 0 and self.left):
                level.way[i], level.place[i] = level.choices[i, 1], spot
            if parent >= 0 and spot >= 0:
                level.way[nodes[1]], level.place[nodes[1]] = SUBTRACTED, parent
                level.other[nodes[1]] = spot

    def _worth_holding(self, level: _Level, i: int) -> bool:
        """Whether a node's larger child would cost more than holding and subtracting sums."""
        if not self.left:
            return False
        direct, held = level.times[i]
        spare = time_of_subtraction(self.levels, self.width // LANES)
        return held - direct + spare < direct / 2

    def _put_in_order(self, plan: split.Plan, step: split.Step, rows: Rows) -> None:
        """Codes in the order of the rows, for nodes that read them one by one."""
        if not (own := (plan.ways < 0) & (plan.ways != SUBTRACTED)).any():
            return
        begins, ends = step.start[own], step.stop[own]
        cuts = np.arange(self.threads + 1) * self.padded // self.threads

        def some(part: int, _: Any) -> None:
            mine = (int(cuts[part]), int(cuts[part + 1]))
            reorder(self.data.joints[0], rows, begins, ends, *mine, self.codes)

        run_each(self.threads, some, self.spaces, None, None)

    def _split_large(self, plan: split.Plan, i: int, step: split.Step, rows: Rows) -> None:
        """One node whose columns are shared out among the threads."""
        parts = min(4 * self.threads, self.padded // JOINED)
        cuts = np.arange(parts + 1) * (self.padded // JOINED) // parts * JOINED
        this, (space, shared, node) = np.array([i]), self.spaces[0]

        def score(part: int, mine: Any) -> None:
            some = (int(cuts[part]), int(cuts[part + 1]))
            split.split_nodes(self.data, plan, this, *some, rows, mine[2], mine[0], shared, step)

        run_each(parts, score, self.spaces, None, None)
        split.split_nodes(self.data, plan, this, 0, 0, rows, node, space, shared, step)

    def _hand_on(self, plan: split.Plan, step: split.Step) -> None:
        """Remember whose sums the next level may use; other places are free again."""
        own = np.flatnonzero((plan.place >= 0) & (step.column >= 0) & (self.left > 0))
        ranges = (step.start[own], step.middle[own], step.stop[own], plan.place[own])
        self.families = [_Family(*map(int, one)) for one in zip(*ranges, strict=True)]
        taken = {family.place for family in self.families}
        self.free = [p for p in range(self.places) if p not in taken]
