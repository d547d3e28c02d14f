"""The exact search at any depth: prepares targets, keeps what was proven, runs the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from irtheory.trees.exact import lattice, select
from irtheory.trees.exact.deep import TIE, branch
from irtheory.trees.exact.design import BinaryTests, Design, restricted
from irtheory.trees.exact.memory import plan_search
from irtheory.trees.exact.nodes import (
    Shape,
    cost_of_partition,
    narrow,
    root_costs,
    route,
    write_small,
)
from irtheory.trees.exact.select import Question
from irtheory.trees.exact.settle import settle
from irtheory.trees.exact.statistics import ENTROPY, Statistics, collect, new_statistics
from irtheory.trees.exact.structure import Found
from irtheory.trees.exact.sums import Sums
from irtheory.trees.exact.targets import leaf_losses
from irtheory.trees.exact.terms import Task, Terms
from irtheory.trees.kernels.deadline import Deadline
from irtheory.trees.kernels.lanes import LANES, aligned_zeros
from irtheory.trees.kernels.workers import Progress, run_each

# Additions below which starting threads costs more than it saves.
_SMALL = 5_000_000
# Additions above which no tree is written from a search that was cut short.
_LATE_WORK = 200_000_000
_NO_LIMIT = 2**62
# Searches on parts of the samples that are kept for the next solve: tests and number, so that
# they take a few MB.
_SMALL_PART, _MOST_PARTS = 64, 64


class Search:
    """Search over trees of depth ≤ `depth`, or as deep as the tests can go if that is less.

    Costs inside are those of the scaled targets, see `Sums`. A cost counts the penalties of all
    leaves but one.
    """

    def __init__(
        self, tests: BinaryTests, depth: int, terms: Terms, weights: Float[np.ndarray, " m"]
    ) -> None:
        """Arrange a search; `weights` of the samples is empty if all weigh 1."""
        self.tests, self.terms, self.weights = tests, terms, weights
        self.depth = min(depth, tests.deepest)
        self.version, self.room = 0, 0
        self.heap = np.full(2**self.depth - 1, -1, np.int64)
        self.sums = Sums(tests, terms.rule, weights)
        self._parts: dict[tuple[int, bytes], Search] = {}

    def run(self, task: Task) -> Found:
        """Solve for these targets, warm if the last targets had the same width and size."""
        found = self._run(task)
        self.heap = found.heap
        return found

    def _run(self, task: Task) -> Found:
        fresh = self._prepare(task)
        self.version += 1
        ask = self._question()
        if self.plan.way == "branch":
            return self._branched(ask, task)
        if self.plan.way == "direct":
            return self._direct(ask, task)
        # Warm: every pair has a bound from earlier solves, which the move of the targets weakens.
        # The better the incumbent, the fewer pairs a bound lets through; the last tree, refitted,
        # is a good one where targets moved little.
        # Cold: all pairs are solved, save those that the incumbent rules out. If time runs out,
        # pairs that were not solved have bound 0 and the next solve is cold again.
        warm = not fresh and self.terms.pruning.reuse and self.complete
        if warm:
            select.shift(
                self.design,
                ask,
                self.sums.old_y,
                self.sums.old_q,
                self.shape,
                self.lattice,
                self.change,
            )
            upper, heap = self._cheapest(ask, [self.heap, task.guess])
        else:
            upper, heap = self._incumbent(ask, task)
            self.complete = self._fill(ask, upper, task)
        return self._combine(ask, upper, heap, warm, task)

    @property
    def design(self) -> Design:
        """What the kernels read of the tests."""
        return self.tests.design

    @cached_property
    def patience(self) -> int:
        """Number of small problems that take half the time of a cold search on demand.

        Counts additions: on demand every problem sums over its own rows, a cold search
        serves four problems with one pass. A warm search that needs more is given up.
        """
        on = np.diff(self.design.indptr.astype(np.float64))
        p, scan = self.tests.n_tests, 2.0 * self.tests.n_tests**2
        if self.depth == 3:
            cold, single = (on**3).sum() / 2 + 2 * p * scan, on.sum() / 4
        else:
            cold, single = (on**4).sum() / 4 + p * p / 2 * 4 * scan, (on**2).sum() / 8 + scan
        return int(cold / (single + 2 * len(on)) / 2)

    def _prepare(self, task: Task) -> bool:
        """Take the targets of a task; whether nothing that was proven before counts."""
        sums, k = self.sums, task.targets.shape[1]
        fresh = not sums.load(task.targets, self.depth > 1)
        if sums.width != self.room:
            self.room = 0  # until all is allocated: it may be refused
            self._allocate(sums.width)
            self.room = sums.width
        if self.values.shape[1] != k:
            self.values = np.zeros((len(self.losses), k))
        # No split gains as much as the second term, and a larger penalty would drown the costs.
        alpha = min(task.alpha * sums.unit, 2 * sums.size)
        fresh |= alpha != self.shape.alpha  # bounds of earlier solves hold for their penalty
        # Entropy is infinitely steep at pure leaves: no move of targets bounds its change.
        fresh |= self.terms.rule == ENTROPY
        self.shape = self.shape._replace(
            table=sums.table, alpha=alpha, stop=task.deadline.stop, kinds=sums.kinds,
            values=sums.values,
        )  # fmt: skip
        return fresh

    def _question(self) -> Question:
        return Question(self.sums.y, self.sums.q, self.sums.slack, self.version, _NO_LIMIT)

    def _allocate(self, width: int) -> None:
        p, g = self.tests.n_tests, self.tests.n_rows
        rule, least, empty = self.terms.rule, self.terms.least, np.zeros(0)
        self.plan = plan_search(p, self.depth, width, self.terms.threads, self.terms.memory)
        blocks = np.uintp(0 if width == 1 else width // LANES)
        stop, kinds = np.zeros(1, np.int64), np.zeros((0, 0), np.int64)
        self.shape = Shape(
            p, width, blocks, rule, empty, 0.0, least, self.depth, stop, kinds, empty
        )
        # Clearing pair sums takes longer than filling single ones: depth 1 has its own room.
        self.singles = new_statistics(p, width, pairs=False)
        pairs = self.plan.reach == 2 and self.depth > 1
        self.stats = new_statistics(p, width) if pairs else self.singles
        self.best = np.zeros((2, p))
        self.leaves, self.sides = np.zeros(2 * p + 1), np.zeros(2 * p)
        self.change = np.zeros(p + 1)
        self.leaf_of = np.zeros(g, np.int64)
        nodes = 2 ** (self.depth + 1) - 1
        self.leaf_sums, self.counts = aligned_zeros(nodes * width), np.zeros(nodes)
        self.losses, self.values = np.zeros(nodes), np.zeros((nodes, 0))
        self.lattice = lattice.new_lattice(p if self.plan.way == "lattice" else 0)
        self.complete = False

    def everything(self) -> np.ndarray:
        """All merged rows."""
        return np.arange(self.tests.n_rows).astype(np.uintp)

    def _cost_of(self, ask: Question, heap) -> float:
        """Cost of a heap refitted to the targets; leaves `leaf_of` routed."""
        route(self.design, heap, self.leaf_of)
        return cost_of_partition(
            self.design, ask.y, ask.q, self.leaf_of, self.shape, self.leaf_sums, self.counts
        )

    def _cheapest(self, ask: Question, heaps) -> tuple[float, np.ndarray]:
        known = [h for h in heaps if h is not None]
        costs = [self._cost_of(ask, heap) for heap in known]
        cheapest = int(np.argmin(costs))
        return costs[cheapest], known[cheapest]

    def _incumbent(self, ask: Question, task: Task) -> tuple[float, np.ndarray]:
        """The cheapest of a leaf, the guess and greedy trees, as far as time allows."""
        # Large problems under a limit: a tree grown by single splits takes a fraction of the time.
        reaches = [1, self.plan.reach] if task.deadline.limited else [self.plan.reach]
        grown = [self._grown(ask, reach, task.deadline) for reach in dict.fromkeys(reaches)]
        return self._cheapest(ask, [np.full_like(self.heap, -1), task.guess, *grown])

    def _grown(self, ask: Question, reach: int, deadline: Deadline) -> np.ndarray | None:
        """A greedy tree of small trees of depth `reach`; None if time ran out."""
        heap = np.full_like(self.heap, -1)
        self._grow(ask, heap, 0, self.everything(), self.depth, reach)
        return None if deadline.passed else heap

    def _grow(self, ask: Question, heap, node: int, rows, depth: int, reach: int) -> None:
        """Best tree of depth `reach` ≤ 2 on the rows, grown on by such trees in its leaves."""
        if depth == 0 or len(rows) == 0 or self.shape.stop[0]:
            return
        own = min(depth, reach)
        args = (self.design, ask.y, ask.q, rows, own, self.shape, ask.slack)
        write_small(*args, self.singles if own == 1 else self.stats, self.best, heap, node)
        for below, part in self._leaves_below(heap, node, rows, own) if depth > own else ():
            self._grow(ask, heap, below, part, depth - own, reach)

    def _leaves_below(self, heap, node: int, rows, levels: int) -> list[tuple[int, np.ndarray]]:
        """Places and rows of the leaves that are exactly `levels` tests below a place."""
        if levels == 0:
            return [(node, rows)]
        if heap[node] < 0:
            return []
        return [
            leaf
            for side in range(2)
            for leaf in self._leaves_below(
                heap, 2 * node + 1 + side, narrow(self.design, rows, 2 * heap[node] + side),
                levels - 1,
            )
        ]  # fmt: skip

    def _fill(self, ask: Question, upper: float, task: Task) -> bool:
        """Solve the small problems of every pair; False if time ran out first."""
        self.lattice.reach[:] = 0.0
        self.lattice.drift[:] = 0.0
        self.lattice.solved[:] = 0
        # Until the sizes of all parts are known, every split counts as allowed.
        self.lattice.root_ok[:] = self.lattice.split_ok[:] = True
        p, rows = self.tests.n_tests, self.everything()
        collect(self.design, ask.y, ask.q, rows, self.shape, True, self.stats)
        if task.deadline.passed:
            return False
        lattice.mark_feasible(self.stats, self.terms.least, self.lattice)
        budget = upper + ask.slack
        if self.depth == 3:
            return self._each(p, self._task3(ask, budget), task.deadline, task.progress)
        ons = _stacked(self.stats, p)
        args = (self.design, ask.y, ask.q)
        gather = self._each(
            p, lambda i, _: lattice.collect_on(*args, i, self.shape, ons), task.deadline, None
        )
        return gather and self._each(p, self._task4(ask, budget, ons), task.deadline, task.progress)

    def _task3(self, ask: Question, budget: float):
        def solve(f: int, work) -> None:
            part, rest, best = work
            lattice.fill_depth3(
                self.design, ask.y, ask.q, f, self.shape, self.stats, budget,
                self.terms.pruning.incumbent, ask.version, (part, rest, best), self.lattice,
            )  # fmt: skip

        return solve

    def _task4(self, ask: Question, budget: float, ons: Statistics):
        def solve(f: int, work) -> None:
            lattice.fill_depth4(
                self.design, ask.y, ask.q, f, self.shape, ons, self.stats, budget,
                self.terms.pruning.incumbent, ask.version, work, self.lattice,
            )  # fmt: skip

        return solve

    def _workspace(self) -> tuple:
        p, rooms = self.tests.n_tests, 2 if self.depth == 3 else 5
        return (*(new_statistics(p, self.shape.width) for _ in range(rooms)), np.zeros((2, p)))

    def _each(self, p: int, solve, deadline: Deadline, progress: Progress | None) -> bool:
        """Run solve(i, workspace) for every test; False if the deadline passed."""
        on = np.diff(self.design.indptr.astype(np.float64))
        work = float((on**3).sum()) if self.depth == 3 else float((on**4).sum()) / 4
        threads = 1 if work < _SMALL else min(self.plan.threads, p)
        return run_each(p, solve, [self._workspace() for _ in range(threads)], deadline, progress)

    def _combine(self, ask: Question, upper: float, incumbent, warm: bool, task: Task) -> Found:
        before = self.lattice.solved.copy() if warm else np.zeros(2, np.int64)
        if warm:
            ask = ask._replace(most=int(before[0]) + self.patience)
        scratch = (self.singles if self.depth == 3 else self.stats, self.best)
        # One pass over rows, which a deadline need not cut short.
        patient = self.shape._replace(stop=np.zeros(1, np.int64))
        select.leaf_costs(self.design, ask, patient, self.singles, self.best, self.leaves)
        cost, lower, finished = select.search_roots(
            self.design, ask, self.shape, self.lattice, upper, self.leaves, self.sides, *scratch
        )
        if not finished:  # the targets moved too far: start anew with the same incumbent
            ask = ask._replace(most=_NO_LIMIT)
            self.complete = self._fill(ask, upper, task)
            return self._combine(ask, upper, incumbent, False, task)
        late = task.deadline.passed
        if late:
            self.complete = False
            cost = self._known_cost(ask, upper)
            ask = ask._replace(most=0)
        heap = np.full_like(self.heap, -1)
        written = cost <= upper and select.write_tree(
            self.design, ask, patient, self.lattice, cost, self.leaves, self.sides, *scratch, heap,
        )  # fmt: skip
        solved, skipped = (int(c) for c in self.lattice.solved - before)
        found = self.report(
            heap if written else incumbent, task, lower if late else None, warm, (solved, skipped)
        )
        return found if late else settle(self, task, found)

    def _known_cost(self, ask: Question, upper: float) -> float:
        """Cost of the best tree of solved pairs; no tree if writing it would take long."""
        cost = select.known_sides(self.shape, self.lattice, self.leaves, ask.version, self.sides)
        on = float(len(self.design.indices)) / max(self.tests.n_rows, 1)
        long = self.depth == 4 and on * len(self.design.indices) > _LATE_WORK
        return np.inf if long else cost

    def _direct(self, ask: Question, task: Task) -> Found:
        """Depths 0 to 2: one small problem."""
        # Under a limit, first what takes a fraction of the time: greedily, by single splits.
        first = self.depth == 2 and task.deadline.limited
        greedy = self._grown(ask, 1, task.deadline) if first else None
        heap = self._grown(ask, self.plan.reach, task.deadline)
        if heap is not None:
            return settle(self, task, self.report(heap, task, None, False, (1, 0)))
        _, heap = self._cheapest(ask, [np.full_like(self.heap, -1), task.guess, greedy])
        return self.report(heap, task, 0.0, False, (1, 0))

    def _branched(self, ask: Question, task: Task) -> Found:
        """Branch over root tests: depths above 4, and what would need too much memory."""
        _, heap = self._incumbent(ask, task)
        known = self.report(heap, task, 0.0, False, (0, 0))
        best = branch(self, task, known, range(self.tests.n_tests))
        return self._leaf_first(task, best)

    def _leaf_first(self, task: Task, found: Found) -> Found:
        """A single leaf comes first among ties; branching looks at root tests only."""
        leaf = self.report(np.full_like(found.heap, -1), task, 0.0, False, (0, 0))
        if leaf.cost > found.cost * (1 + TIE):
            return found
        return replace(leaf, lower=min(found.lower, leaf.cost), proven=found.proven)

    def candidates(self) -> Sequence[int]:
        """Root tests whose best tree costs as much as the best tree, as far as sums can tell.

        Ascending, with −1 first where a single leaf is as good.
        """
        p, ask = self.tests.n_tests, self._question()
        costs = np.empty(p + 1)
        if self.plan.way == "lattice":
            costs[:p] = self.sides[::2] + self.sides[1::2] + self.shape.alpha
            costs[p] = self.leaves[2 * p]
        else:
            stats = self.stats if self.depth == 2 else self.singles
            args = (self.design, ask.y, ask.q, self.everything(), self.depth, self.shape)
            root_costs(*args, stats, self.best, costs)
        close = costs <= costs.min() + 2 * self.sums.slack
        return [-1] * int(close[p]) + np.flatnonzero(close[:p]).tolist()

    def report(
        self, heap, task: Task, lower: float | None, warm: bool, counts: tuple[int, int]
    ) -> Found:
        """The tree of a heap, its losses from its own samples, and what is proven of it.

        lower: bound in costs of the kernels, beyond what every tree pays; None where the search
        is complete, so that only ties and rounding are left.
        """
        route(self.design, heap, self.leaf_of)
        leaf_of = self.leaf_of.copy()
        constant = float(leaf_losses(
            task.targets, self.weights, leaf_of[self.tests.row_of], self.terms.rule,
            self.values, self.losses,
        ))  # fmt: skip
        cost = float(self.losses.sum()) + task.alpha * int((heap >= 0).sum())
        sums = self.sums
        within = max(sums.within - sums.slack, 0.0) / sums.unit
        proven = lower is None
        if lower is None:
            bound = cost - (self.tie if self.depth else 0.0)  # a leaf's cost is computed as it is
        else:
            # Halves need no such bound: that of the whole search is better.
            if self.shape.stop[0] and task.report is not None:
                lower = max(lower, sums.value_bound(self.depth))
            bound = (lower - sums.slack) / sums.unit + within
        bound = float(min(max(bound, within, 0.0), cost))
        if task.report is not None:
            task.report(cost + constant, bound + constant)
        return Found(
            heap, leaf_of, self.values.copy(), self.losses.copy(), cost, bound, constant,
            proven, warm, *counts,
        )  # fmt: skip

    @property
    def tie(self) -> float:
        """Loss that ties and rounding may cost in all: a slack for each node of a tree."""
        return 2.0**self.depth * self.sums.slack / self.sums.unit

    def part(self, inside: np.ndarray, levels: int = 1) -> Search:
        """`child`, of which small ones are kept: in a sequence the same parts come again."""
        if self.depth - levels > 2 or self.tests.n_tests > _SMALL_PART:
            return self.child(inside, levels)
        key = levels, np.packbits(inside).tobytes()
        if key not in self._parts:
            if len(self._parts) == _MOST_PARTS:
                self._parts.clear()
            self._parts[key] = self.child(inside, levels)
        return self._parts[key]

    def child(self, inside: np.ndarray, levels: int = 1) -> Search:
        """The same search some levels lower on the samples `inside`."""
        pruning = self.terms.pruning
        tests = restricted(self.tests, inside, pruning.merge_rows, pruning.merge_columns)
        weights = self.weights[inside] if len(self.weights) else self.weights
        return Search(tests, self.depth - levels, self.terms, weights)


def _stacked(stats: Statistics, p: int) -> Statistics:
    """Room for p statistics of (at least) the same sizes, each row aligned."""
    rooms = []
    for array in stats:
        stride = -(-len(array) // LANES) * LANES
        rooms.append(aligned_zeros(p * stride).reshape(p, stride))
    return Statistics(*rooms)
