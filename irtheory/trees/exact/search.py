"""The exact search at any depth: prepares targets, keeps what was proven, runs the kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from irtheory.trees.exact import lattice, select
from irtheory.trees.exact.bounds import interval_scatter, scatter_of_halves
from irtheory.trees.exact.deep import TIE, branch
from irtheory.trees.exact.design import BinaryTests, Design, Pruning, restricted
from irtheory.trees.exact.memory import plan_search
from irtheory.trees.exact.nodes import (
    Shape,
    cost_of_partition,
    narrow,
    root_costs,
    route,
    write_small,
)
from irtheory.trees.exact.packed import MOST_KINDS, find_kinds
from irtheory.trees.exact.select import Question
from irtheory.trees.exact.settle import settle
from irtheory.trees.exact.statistics import (
    ENTROPY,
    LINEAR,
    SQUARES,
    WEIGHTED,
    Statistics,
    collect,
    new_statistics,
)
from irtheory.trees.exact.structure import Found
from irtheory.trees.exact.targets import (
    leaf_losses,
    spread_of,
    sum_class_rows,
    sum_regret_rows,
    sum_squares_rows,
)
from irtheory.trees.kernels.deadline import Deadline
from irtheory.trees.kernels.lanes import LANES, aligned_zeros, blocks_of, width_of
from irtheory.trees.kernels.workers import Progress, run_each

# Additions below which starting threads costs more than it saves.
_SMALL = 5_000_000
_NO_LIMIT = 2**62
_NO_KINDS = np.zeros((0, 0), np.int64), np.zeros(0)
# Differences of costs that rounding may cause, relative to the sums that costs are made of. Sums
# of g rows are off by about √g · 1e-16 of their size, so this leaves a factor of about 1000 / √g.
ROUNDING = 1e-13
# Work that is done for a better bound once time is up: rows times tests.
_LATE_WORK = 20_000_000
# What is called with the cost of a better tree, and a lower bound.
Report = Callable[[float, float], None]


@dataclass(frozen=True)
class Terms:
    """What a search and those of its halves have in common.

    Attributes:
        rule: SQUARES, LINEAR, ENTROPY or WEIGHTED, see `statistics`.
        least: fewest samples of a leaf.
        pruning: rules that make the search smaller.
        threads: threads of a cold search.
        memory: bytes that it may allocate; None is a share of what is free.
    """

    rule: int
    least: float
    pruning: Pruning
    threads: int
    memory: int | None


@dataclass(frozen=True)
class Task:
    """One solve: what `Search.run` is asked for.

    Attributes:
        targets: m × k.
        alpha: penalty of a leaf, in units of the loss.
        deadline: when to stop.
        guess: heap of a tree that may be a good one.
        progress, report: called with the share of the search that is done; with a better tree.
    """

    targets: Float[np.ndarray, "m k"]
    alpha: float
    deadline: Deadline
    guess: Int[np.ndarray, " inner"] | None = None
    progress: Progress | None = None
    report: Report | None = None


class Search:
    """Search over trees of depth ≤ `depth`, or as deep as the tests can go if that is less.

    Inside, targets are scaled to a size of about 1, and costs with them: `unit` is the cost of
    the kernels for a loss of 1. A cost counts the penalties of all leaves but one.
    """

    def __init__(
        self, tests: BinaryTests, depth: int, terms: Terms, weights: Float[np.ndarray, " m"]
    ) -> None:
        """Arrange a search; `weights` of the samples is empty if all weigh 1."""
        self.tests, self.terms, self.weights = tests, terms, weights
        self.depth = min(depth, tests.deepest)
        self.version = 0
        self.heap = np.full(2**self.depth - 1, -1, np.int64)
        self.width = 0  # of the targets last seen; 0 before the first solve
        # Weights count relative to each other: the largest is brought to 1/2 … 1.
        self.heaviest = 1.0 if len(weights) == 0 else 0.5 ** np.frexp(weights.max())[1]
        self._relative = weights * self.heaviest

    def run(self, task: Task) -> Found:
        """Solve for these targets, warm if the last targets had the same width and size."""
        found = self._run(task)
        self.heap = found.heap
        return found

    def _run(self, task: Task) -> Found:
        fresh = self._prepare(task)
        self.version += 1
        ask = Question(self.y, self.q, self.slack, self.version, _NO_LIMIT)
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
                self.design, ask, self.old_y, self.old_q, self.shape, self.lattice, self.change
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
        """Put the target sums of the merged rows into y and q; whether nothing before counts.

        The sums before stay in old_y and old_q. Sets what every tree pays, the cost of a loss of
        1, and the least difference of costs that is not rounding.
        """
        targets, rule = task.targets, self.terms.rule
        k = targets.shape[1]
        width = _width(rule, k)
        fresh = self.width != width
        if fresh:
            self._allocate(rule, width)
        if fresh or self.values.shape[1] != k:
            self.values = np.zeros((len(self.losses), k))
        if rule != ENTROPY:
            size = float(spread_of(targets, rule == LINEAR)) * self.scale
            if fresh or (size > 0 and not 2.0**-30 < size < 2.0**30):
                fresh, spread = True, size / self.scale
                # Squares of less than this would be below the smallest float64.
                self.scale = 0.5 ** np.frexp(spread)[1] if spread > 1e-200 else 1.0
        self.shape = self.shape._replace(table=self._table(targets))
        self.old_y, self.y, self.old_q, self.q = self.y, self.old_y, self.q, self.old_q
        self.within = self._sum_rows(targets, rule)
        unit = {LINEAR: self.scale, ENTROPY: 1.0}.get(rule, self.scale**2)
        self.unit = unit * self.heaviest
        self.slack = ROUNDING * self._size_of_sums(rule)
        # No split gains as much as the second term, and a larger penalty would drown the costs.
        alpha = min(task.alpha * self.unit, 2 * self._size_of_sums(rule))
        kinds, values = self._kinds(targets) if self.depth > 1 else _NO_KINDS
        self.shape = self.shape._replace(
            alpha=alpha, stop=task.deadline.stop, kinds=kinds, values=values
        )
        return fresh

    def _kinds(self, targets) -> tuple[np.ndarray, np.ndarray]:
        """Samples of each kind of target in the merged rows, and the target rows of the kinds."""
        kind = np.empty(len(targets), np.int64)
        n = int(find_kinds(targets, kind)) if len(self.weights) == 0 else 0
        if not 0 < n <= MOST_KINDS:
            return _NO_KINDS
        row_of, g = self.tests.row_of, self.tests.n_rows
        kinds = np.bincount(row_of * n + kind, minlength=g * n).reshape(g, n)
        # The row of a kind is what remains of a sum of rows of one kind, divided by their number.
        values = np.zeros((n, self.width))
        sums, total = self.y.reshape(g, self.width), kinds.sum(axis=1)
        for v in range(n):
            pure = np.flatnonzero((kinds[:, v] > 0) & (kinds[:, v] == total))
            if not len(pure):
                return _NO_KINDS
            values[v] = sums[pure[0]] / total[pure[0]]
        return kinds, values.ravel()

    def _sum_rows(self, targets, rule: int) -> float:
        """Fill y and q; the cost within merged rows."""
        row_of, weights = self.tests.row_of, self._relative
        if rule == LINEAR:
            args = (targets, weights, row_of, self.width, self.scale, self.y, self.q)
            return float(sum_regret_rows(*args))
        if rule == ENTROPY:
            args = (targets, weights, row_of, self.width, self.shape.table, self.y, self.q)
            return float(sum_class_rows(*args))
        count = self.design.weight
        args = (targets, weights, row_of, count, self.width, self.scale, self.y, self.q)
        return float(sum_squares_rows(*args))

    def _size_of_sums(self, rule: int) -> float:
        """Size of the sums that costs are differences of."""
        if rule == LINEAR:
            return float(np.abs(self.y).sum())
        if rule == ENTROPY:
            total = float(self.y.sum())
            return abs(total * np.log(max(total, 2.0)))
        return float(self.q.sum())

    def _allocate(self, rule: int, width: int) -> None:
        p, g, self.width, self.scale = self.tests.n_tests, self.tests.n_rows, width, 1.0
        least = self.terms.least
        self.plan = plan_search(p, self.depth, width, self.terms.threads, self.terms.memory)
        blocks = np.uintp(0 if width == 1 else width // LANES)
        self.shape = Shape(
            p, width, blocks, rule, np.zeros(1), 0.0, least, self.depth, np.zeros(1, np.int64),
            *_NO_KINDS,
        )  # fmt: skip
        self.y, self.old_y = aligned_zeros(g * width), aligned_zeros(g * width)
        self.q, self.old_q = np.zeros(g), np.zeros(g)
        # Clearing pair sums takes longer than filling single ones: depth 1 has its own room.
        self.singles = new_statistics(p, width, pairs=False)
        pairs = self.plan.reach == 2 and self.depth > 1
        self.stats = new_statistics(p, width) if pairs else self.singles
        self.best = np.zeros((2, p))
        self.leaves, self.sides = np.zeros(2 * p + 1), np.zeros(2 * p)
        self.change = np.zeros(p + 1)
        self.leaf_of = np.zeros(g, np.int64)
        nodes = 2 ** (self.depth + 1) - 1
        self.sums, self.counts = aligned_zeros(nodes * width), np.zeros(nodes)
        self.losses = np.zeros(nodes)
        self.lattice = lattice.new_lattice(p if self.plan.way == "lattice" else 0)
        self.complete = False

    def _table(self, targets) -> Float[np.ndarray, " size"]:
        """What the leaf rule looks up: x log x for whole numbers, or the least weight."""
        if self.terms.rule == WEIGHTED:
            return np.array([self._relative.min()])
        if self.terms.rule == ENTROPY and len(self.weights) == 0:
            x = np.arange(len(targets) + 1.0)
            if np.isin(targets, (0.0, 1.0)).all():
                return x * np.log(np.maximum(x, 1.0))
        return np.zeros(1)

    def everything(self) -> np.ndarray:
        """All merged rows."""
        return np.arange(self.tests.n_rows).astype(np.uintp)

    def _cost_of(self, ask: Question, heap) -> float:
        """Cost of a heap refitted to the targets; leaves `leaf_of` routed."""
        route(self.design, heap, self.leaf_of)
        return cost_of_partition(
            self.design, ask.y, ask.q, self.leaf_of, self.shape, self.sums, self.counts
        )

    def _cheapest(self, ask: Question, heaps) -> tuple[float, np.ndarray]:
        known = [h for h in heaps if h is not None]
        costs = [self._cost_of(ask, heap) for heap in known]
        cheapest = int(np.argmin(costs))
        return costs[cheapest], known[cheapest]

    def _incumbent(self, ask: Question, task: Task) -> tuple[float, np.ndarray]:
        """The cheapest of a leaf, the guess and greedy trees, as far as time allows."""
        heaps = [np.full_like(self.heap, -1), task.guess]
        # Large problems under a limit: a tree grown by single splits takes a fraction of the time.
        reaches = [1, self.plan.reach] if task.deadline.limited else [self.plan.reach]
        for reach in dict.fromkeys(reaches):
            heap = np.full_like(self.heap, -1)
            self._grow(ask, heap, 0, self.everything(), self.depth, reach)
            if not task.deadline.passed:
                heaps.append(heap)
        return self._cheapest(ask, heaps)

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
        return (*(new_statistics(p, self.width) for _ in range(rooms)), np.zeros((2, p)))

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
        long = self.depth == 4 and on * len(self.design.indices) > 10 * _LATE_WORK
        return np.inf if long else cost

    def _direct(self, ask: Question, task: Task) -> Found:
        """Depths 0 to 2: one small problem."""
        heap = np.full_like(self.heap, -1)
        self._grow(ask, heap, 0, self.everything(), self.depth, self.plan.reach)
        if not task.deadline.passed:
            return settle(self, task, self.report(heap, task, None, False, (1, 0)))
        # Time is up, so that nothing more is grown: the better of a leaf and the guess.
        _, heap = self._incumbent(ask, task)
        return self.report(heap, task, 0.0, False, (1, 0))

    def _branched(self, ask: Question, task: Task) -> Found:
        """Branch over root tests: depths above 4, and what would need too much memory."""
        _, heap = self._incumbent(ask, task)
        known = self.report(heap, task, 0.0, False, (0, 0))
        best = branch(self, task, known, range(self.tests.n_tests))
        return self._leaf_first(task, best)

    def _leaf_first(self, task: Task, found: Found) -> Found:
        """A single leaf comes first among ties; branching looks at root tests only."""
        leaf = self.report(np.full_like(found.heap, -1), task, None, False, (0, 0))
        if leaf.cost > found.cost * (1 + TIE):
            return found
        return replace(leaf, lower=min(found.lower, leaf.cost), proven=found.proven)

    def candidates(self, task: Task) -> Sequence[int]:
        """Root tests whose best tree costs as much as the best tree, as far as sums can tell."""
        p = self.tests.n_tests
        ask = Question(self.y, self.q, self.slack, self.version, _NO_LIMIT)
        if self.plan.way == "lattice":
            costs = self.sides[::2] + self.sides[1::2] + self.shape.alpha
            best = min(float(costs.min()), float(self.leaves[2 * p]))
        else:
            costs, rows = np.empty(p + 1), self.everything()
            stats = self.stats if self.depth == 2 else self.singles
            args = (self.design, ask.y, ask.q, rows, self.depth, self.shape, stats, self.best)
            root_costs(*args, costs)
            best = float(costs.min())
        return np.flatnonzero(costs[:p] <= best + 2 * self.slack).tolist()

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
        within = max(self.within - self.slack, 0.0) / self.unit
        proven = lower is None
        if lower is None:
            bound = cost - (self.tie if self.depth else 0.0)  # a leaf's cost is computed as it is
        else:
            bound = (lower - self.slack) / self.unit + within
            if self.shape.stop[0]:
                bound = max(bound, self._late_bound() / self.unit + within)
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
        return 2.0**self.depth * self.slack / self.unit

    def _late_bound(self) -> float:
        """What values alone say about the cost, in costs of the kernels; see `bounds`."""
        g, p, width = self.tests.n_rows, self.tests.n_tests, self.width
        if self.terms.rule not in (SQUARES, WEIGHTED) or g == 0:
            return 0.0
        rows = self.y.reshape(g, width)
        weighted = self.terms.rule == WEIGHTED
        weight = np.ascontiguousarray(rows[:, -1]) if weighted else self.design.weight
        outputs = [c for c in range(width - weighted) if rows[:, c].any()]
        total, halves = 0.0, np.zeros(p)
        both = self.depth > 0 and g * (p + 1) * len(outputs) <= _LATE_WORK
        for c in outputs:
            value = rows[:, c] / weight
            order = np.argsort(value, kind="stable")
            value, own = value[order], weight[order]
            total += float(interval_scatter(value, own, 2**self.depth))
            for f in range(p) if both else ():
                on = np.ascontiguousarray(self.design.bits[order, f])
                halves[f] += scatter_of_halves(value, own, on, 2 ** (self.depth - 1))
        if both:
            leaf = float(self.q.sum())  # a single leaf: all that lies between merged rows
            total = max(total, min(float(halves.min()), leaf)) if p else leaf
        return max(total * (1 - 1e-9) - self.slack, 0.0)

    def child(self, inside: np.ndarray, levels: int = 1) -> Search:
        """The same search some levels lower on the samples `inside`."""
        pruning = self.terms.pruning
        tests = restricted(self.tests, inside, pruning.merge_rows, pruning.merge_columns)
        weights = self.weights[inside] if len(self.weights) else self.weights
        return Search(tests, self.depth - levels, self.terms, weights)


def _width(rule: int, k: int) -> int:
    """Doubles in a target row: see `statistics` for what the rules put there."""
    if rule == SQUARES:
        return width_of(k)
    if rule == LINEAR:
        return width_of(max(k - 1, 1))
    return LANES * max(blocks_of(k + (rule == WEIGHTED)), 1)


def _stacked(stats: Statistics, p: int) -> Statistics:
    """Room for p statistics of (at least) the same sizes, each row aligned."""
    rooms = []
    for array in stats:
        stride = -(-len(array) // LANES) * LANES
        rooms.append(aligned_zeros(p * stride).reshape(p, stride))
    return Statistics(*rooms)
