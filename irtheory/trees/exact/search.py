"""The exact search at any depth: prepares targets, keeps what was proven, runs the kernels."""

from __future__ import annotations

import numpy as np

from irtheory.trees.exact import lattice, select
from irtheory.trees.exact.deep import branch
from irtheory.trees.exact.design import BinaryTests, Design, Pruning, restricted
from irtheory.trees.exact.nodes import Shape, cost_of_partition, narrow, route, write_small
from irtheory.trees.exact.select import Question
from irtheory.trees.exact.statistics import Statistics, collect, new_statistics
from irtheory.trees.exact.structure import Found
from irtheory.trees.exact.targets import sum_regret_rows, sum_squares_rows
from irtheory.trees.kernels.lanes import LANES, aligned_zeros, blocks_of, width_of
from irtheory.trees.kernels.workers import Progress, default_threads, run_each

# Additions below which starting threads costs more than it saves.
_SMALL = 5_000_000
_NO_LIMIT = 2**62


class Search:
    """Search over trees of depth ≤ `depth`, or as deep as the tests can go if that is less."""

    def __init__(
        self,
        tests: BinaryTests,
        depth: int,
        linear: bool,
        least: float,
        pruning: Pruning,
        threads: int | None,
    ) -> None:
        self.tests = tests
        self.depth, self.linear, self.least = min(depth, tests.deepest), linear, float(least)
        self.pruning = pruning
        self.threads = threads or default_threads()
        self.version = 0
        self.heap = np.full(2**self.depth - 1, -1, np.int64)
        self.width = 0  # of the targets last seen; 0 before the first solve
        self.patience = self._patience()

    def run(
        self, targets, deadline: float | None, guess, progress: Progress | None, slack: float = 0.0
    ) -> Found:
        """Solve for these targets, warm if the last targets had the same padded width.

        `slack` is the least difference of costs that counts, if larger than the search's own.
        """
        # Depths 0 to 2 need no lattice; depths above 4 branch down to searches of depth 4.
        fresh = self.width != width_of(targets.shape[1])
        if fresh:
            self._allocate(targets.shape[1])
        constant = self._prepare(targets)
        self.version += 1
        slack = max(slack, self._rounding(targets))
        ask = Question(self.y, self.q, slack, self.version, _NO_LIMIT, True)
        if self.depth <= 2:
            return self._direct(ask, constant)
        if self.depth > 4:
            return self._branched(ask, constant, targets, deadline, guess, progress)
        # Warm: every pair has a bound from earlier solves, which the move of the targets weakens.
        # The better the incumbent, the fewer pairs a bound lets through; the last tree, refitted,
        # is a good one where targets moved little.
        # Cold: all pairs are solved, save those that the incumbent rules out. If time runs out,
        # pairs that were not solved have bound 0 and the next solve is cold again.
        warm = not fresh and self.pruning.reuse and self.complete
        if warm:
            select.shift(self.design, self.y, self.old_y, self.shape, self.lattice, self.change)
            upper, heap = self._incumbent(ask, [self.heap, guess])
        else:
            upper, heap = self._incumbent(ask, [self._greedy(ask), guess])
            self.complete = self._fill(ask, upper, deadline, progress)
        return self._combine(ask, constant, upper, heap, warm, deadline, progress)

    @property
    def design(self) -> Design:
        """What the kernels read of the tests."""
        return self.tests.design

    def _prepare(self, targets) -> float:
        """Put the padded target sums of the merged rows into y, their squares into q.

        The sums before stay in old_y. Returns the cost that every tree pays.
        """
        self.old_y, self.y = self.y, self.old_y
        row_of, weight = self.tests.row_of, self.design.weight
        if self.linear:
            return float(sum_regret_rows(targets, row_of, self.width, self.y, self.q))
        return float(sum_squares_rows(targets, row_of, weight, self.width, self.y, self.q))

    def _patience(self) -> int:
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

    def _rounding(self, targets) -> float:
        """Largest difference of costs that counts as rounding; centring adds the second terms."""
        if self.linear:
            return 1e-12 * float(self.y.sum()) + 1e-14 * float(np.abs(targets).sum())
        return 1e-12 * float(self.q.sum()) + 1e-28 * float(np.vdot(targets, targets))

    def _allocate(self, k: int) -> None:
        p, self.width = self.tests.n_tests, width_of(k)
        blocks = np.uintp(blocks_of(k))
        self.shape = Shape(p, self.width, blocks, self.linear, self.least, self.depth)
        self.y = aligned_zeros(self.tests.n_rows * self.width)
        self.old_y = aligned_zeros(self.tests.n_rows * self.width)
        self.q = np.zeros(self.tests.n_rows)
        self.stats = new_statistics(p, self.width)
        # Clearing pair sums takes longer than filling single ones: depth 1 has its own room.
        self.singles = new_statistics(p, self.width, pairs=False)
        self.best = np.zeros((2, p))
        self.leaves, self.sides = np.zeros(2 * p + 1), np.zeros(2 * p)
        self.change = np.zeros(p + 1)
        self.leaf_of = np.zeros(self.tests.n_rows, np.int64)
        self.sums = aligned_zeros((2 ** (self.depth + 1) - 1) * self.width)
        self.weights = np.zeros(2 ** (self.depth + 1) - 1)
        self.lattice = lattice.new_lattice(p if self.depth in (3, 4) else 0)
        self.complete = False

    def _everything(self) -> np.ndarray:
        return np.arange(self.tests.n_rows).astype(np.uintp)

    def cost_of(self, ask: Question, heap) -> float:
        """Cost of a heap refitted to the targets; leaves `leaf_of` routed."""
        route(self.design, heap, self.leaf_of)
        return cost_of_partition(
            self.design, ask.y, ask.q, self.leaf_of, self.shape, self.sums, self.weights
        )

    def _incumbent(self, ask: Question, heaps):
        known = [h for h in heaps if h is not None]
        costs = [self.cost_of(ask, heap) for heap in known]
        cheapest = int(np.argmin(costs))
        return costs[cheapest], known[cheapest]

    def _greedy(self, ask: Question):
        """Best tree of depth 2, grown on by best small trees in its leaves."""
        heap = np.full_like(self.heap, -1)
        self._grow(ask, heap, 0, self._everything(), self.depth)
        return heap

    def _grow(self, ask: Question, heap, node: int, rows, depth: int) -> None:
        if depth == 0 or len(rows) == 0:
            return
        args = (self.design, ask.y, ask.q, rows, min(depth, 2), self.shape)
        write_small(*args, ask.slack, self.stats, self.best, heap, node)
        if depth <= 2 or heap[node] < 0:
            return
        for side in range(2):
            child, inner = 2 * node + 1 + side, narrow(self.design, rows, 2 * heap[node] + side)
            for turn in range(2):
                if heap[child] >= 0:
                    part = narrow(self.design, inner, 2 * heap[child] + turn)
                    self._grow(ask, heap, 2 * child + 1 + turn, part, depth - 2)

    def _fill(self, ask: Question, upper: float, deadline, progress: Progress | None) -> bool:
        """Solve the small problems of every pair; False if time ran out first."""
        self.lattice.reach[:] = 0.0
        self.lattice.drift[:] = 0.0
        self.lattice.solved[:] = 0
        p, rows = self.tests.n_tests, self._everything()
        collect(self.design, ask.y, ask.q, rows, self.shape.blocks, True, self.stats)
        lattice.mark_feasible(self.stats, self.least, self.lattice)
        budget = upper + ask.slack
        if self.depth == 3:
            return self._each(p, self._task3(ask, budget), deadline, progress)
        ons = _stacked(self.stats, p)
        args = (self.design, ask.y, ask.q)
        gather = self._each(
            p, lambda i, _: lattice.collect_on(*args, i, self.shape, ons), deadline, None
        )
        return gather and self._each(p, self._task4(ask, budget, ons), deadline, progress)

    def _task3(self, ask: Question, budget: float):
        def task(f: int, work) -> None:
            part, rest, _, _, best = work
            lattice.fill_depth3(
                self.design, ask.y, ask.q, f, self.shape, self.stats, budget,
                self.pruning.incumbent, ask.version, (part, rest, best), self.lattice,
            )  # fmt: skip

        return task

    def _task4(self, ask: Question, budget: float, ons: Statistics):
        def task(f: int, work) -> None:
            both, f_only, g_only, neither, best = work
            f_off = new_statistics(self.shape.p, self.width)
            lattice.fill_depth4(
                self.design, ask.y, ask.q, f, self.shape, ons, self.stats, budget,
                self.pruning.incumbent, ask.version,
                (both, f_only, g_only, f_off, neither, best), self.lattice,
            )  # fmt: skip

        return task

    def _workspace(self):
        p = self.tests.n_tests
        return (*(new_statistics(p, self.width) for _ in range(4)), np.zeros((2, p)))

    def _each(self, p: int, task, deadline, progress: Progress | None) -> bool:
        """Run task(i, workspace) for every test; False if the deadline passed."""
        on = np.diff(self.design.indptr.astype(np.float64))
        work = float((on**3).sum()) if self.depth == 3 else float((on**4).sum()) / 4
        threads = 1 if work < _SMALL else min(self.threads, p)
        spaces = [self._workspace() for _ in range(threads)]
        return run_each(p, task, spaces, deadline, progress)

    def _combine(self, ask, constant, upper, incumbent, warm, deadline, progress) -> Found:
        # After a cold search that ran out of time nothing more is solved: bounds alone give
        # the proven lower bound, and the incumbent may be returned.
        ask = ask._replace(allowed=warm or self.complete)
        before = self.lattice.solved.copy() if warm else np.zeros(2, np.int64)
        if warm:
            ask = ask._replace(most=int(before[0]) + self.patience)
        scratch = (self.singles if self.depth == 3 else self.stats, self.best)
        select.leaf_costs(self.design, ask, self.shape, self.singles, self.best, self.leaves)
        cost, lower, finished = select.search_roots(
            self.design, ask, self.shape, self.lattice, upper, self.leaves, self.sides, *scratch
        )
        if not finished:  # the targets moved too far: start anew with the same incumbent
            ask = ask._replace(most=_NO_LIMIT)
            self.complete = self._fill(ask, upper, deadline, progress)
            return self._combine(ask, constant, upper, incumbent, False, deadline, progress)
        heap = np.full_like(self.heap, -1)
        written = ask.allowed and select.write_tree(
            self.design, ask, self.shape, self.lattice, cost, self.leaves, self.sides,
            *scratch, heap,
        )  # fmt: skip
        heap = heap if written else incumbent
        solved, skipped = (int(c) for c in self.lattice.solved - before)
        bound = None if ask.allowed else lower
        return self._found(ask, constant, heap, bound, warm, (solved, skipped))

    def _direct(self, ask: Question, constant: float) -> Found:
        """Depths 0 to 2 in one kernel."""
        heap = np.full_like(self.heap, -1)
        if self.depth:
            args = (self.design, ask.y, ask.q, self._everything(), self.depth, self.shape)
            write_small(*args, ask.slack, self.stats, self.best, heap, 0)
        return self._found(ask, constant, heap, None, False, (1, 0))

    def _branched(self, ask: Question, constant: float, targets, deadline, guess, progress):
        """Depths above 4, in costs ≥ 0: regrets, or squares with the scatter `within` rows."""
        within = 0.0 if self.linear else constant
        upper, heap = self._incumbent(ask, [self._greedy(ask), guess])
        heap, lower, state = branch(
            self, targets, upper + within, heap, ask.slack, deadline, progress
        )
        # Branching looks at root tests only: a single leaf comes first among ties.
        leaf = np.full_like(heap, -1)
        if self.cost_of(ask, leaf) + within <= state.upper + ask.slack:
            heap = leaf
        bound = max(lower - within, 0.0) if state.late else None
        return self._found(ask, constant, heap, bound, False, (state.solved, state.skipped))

    def _found(self, ask, constant, heap, lower: float | None, warm, counts) -> Found:
        """Refit the heap and report; `lower` None means that it is proven optimal."""
        self.heap = heap
        cost = self.cost_of(ask, heap)
        proven = lower is None
        bound = cost if proven else min(lower, cost)
        return Found(heap, self.leaf_of.copy(), cost, bound, constant, proven, warm, *counts)

    def child(self, inside: np.ndarray) -> Search:
        """The same search one level lower on the samples `inside`."""
        tests = restricted(self.tests, inside, self.pruning.merge_rows, self.pruning.merge_columns)
        return Search(tests, self.depth - 1, self.linear, self.least, self.pruning, self.threads)


def _stacked(stats: Statistics, p: int) -> Statistics:
    """Room for p statistics of (at least) the same sizes, each row aligned."""
    rooms = []
    for array in stats:
        stride = -(-len(array) // LANES) * LANES
        rooms.append(aligned_zeros(p * stride).reshape(p, stride))
    return Statistics(*rooms)
