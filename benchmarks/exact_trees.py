"""Exact trees beside other packages, through the estimators that people use.

    python benchmarks/exact_trees.py [--quick] [--cases WORDS] [--depths DEPTHS] [--parts PARTS]
                                     [--limit SECONDS] [--threads N] [--out FILE] [--data DIR]

Peers are an extra: pip install -e '.[bench]'; what is not installed is left out.

* `compare`: loss and seconds of one fit with one output, all solvers on one thread. A solver
  that did not finish a case within the limit is not asked for deeper trees on the same data: it
  counts as one that takes the limit.
* `outputs`: eight outputs against one. `threads`: two threads against one, at depth 4.
* `fresh`: the first fit in a new process whose kernels are already compiled.
* `penalised`: imodels' trees, which have a price per leaf and no largest depth; ours with that
  price, up to the depth of its tree.

Losses of exact solvers that finished must agree to 1e-9; otherwise the exit code is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from exact_peers import (
    Outcome,
    Problem,
    Solver,
    Task,
    in_child,
    loss_of,
    measure,
    penalised,
    penalised_ours,
    solvers,
)
from exact_report import ROOT, environment, geometric_mean, show, write_json
from rich.console import Console

from irtheory.trees.compile import warm_up

SIZES = ((500, 32), (1000, 64), (2000, 64), (500, 128), (2000, 128), (5000, 200))
FILES = ("anneal", "vote", "mushroom", "tic-tac-toe")
TASKS: tuple[Task, ...] = ("classification", "regression")
DEPTHS = (2, 3, 4, 5)
PARTS = ("compare", "outputs", "threads", "fresh", "penalised")
QUICK_COLUMNS, QUICK_LIMIT = 64, 20.0
PRICES = (0.05, 0.01, 0.005)
FRESH = """
import time
start = time.perf_counter()
import numpy as np
from irtheory.trees.estimators import OptimalTreeRegressor
imported = time.perf_counter()
rng = np.random.default_rng(0)
codes, targets = rng.integers(0, 2, (1000, 64)), rng.normal(size=1000)
ready = time.perf_counter()
OptimalTreeRegressor({depth}).fit(codes, targets)
first = time.perf_counter()
OptimalTreeRegressor({depth}).fit(codes, targets)
print(imported - start, first - ready, time.perf_counter() - first)
"""


@dataclass(frozen=True)
class Case:
    """One problem, task and depth, with the outcome of every solver."""

    name: str
    task: Task
    depth: int
    outcomes: dict[str, Outcome]
    exact: dict[str, bool]

    @property
    def ours(self) -> Outcome:
        """What this project did."""
        return self.outcomes["ira"]

    @property
    def best_peer(self) -> tuple[str, Outcome] | None:
        """The fastest exact peer; one that did not finish took at least the limit."""
        peers = [
            (name, outcome)
            for name, outcome in self.outcomes.items()
            if self.exact[name] and name != "ira" and not outcome.error
        ]
        return min(peers, key=lambda peer: peer[1].seconds) if peers else None

    @property
    def ratio(self) -> float | None:
        """Our time over that of the best exact peer; None if neither finished."""
        peer = self.best_peer
        if peer is None or not (self.ours.finished or peer[1].finished):
            return None
        return self.ours.seconds / peer[1].seconds

    def disagreement(self) -> str | None:
        """Solvers whose proven optimum is not ours, or whose tree is better than it."""
        ours = self.ours
        if not ours.finished or ours.loss is None:
            return None
        slack = 1e-9 * (1.0 + ours.loss)
        wrong = [
            f"{name} {o.loss}"
            for name, o in self.outcomes.items()
            if o.loss is not None
            and (
                o.loss < ours.loss - slack
                or (self.exact[name] and o.finished and o.loss > ours.loss + slack)
            )
        ]
        return (
            f"{self.name}, {self.task}, depth {self.depth}: ira {ours.loss}, " + (", ".join(wrong))
            if wrong
            else None
        )


def planted(rng: np.random.Generator, codes: np.ndarray, k: int) -> np.ndarray:
    """Values of a random tree of depth 3 on the first columns, plus noise of sd 0.5."""
    leaf = codes[:, 0] * 4 + np.where(codes[:, 0], codes[:, 1], codes[:, 2]) * 2 + codes[:, 3]
    return rng.normal(size=(8, k))[leaf] + 0.5 * rng.normal(size=(len(codes), k))


def problems(data: Path) -> Iterator[Problem]:
    """Noise and planted trees of every size, then the files; values have eight columns."""
    for m, n in SIZES:
        rng = np.random.default_rng([m, n])
        codes = rng.integers(0, 2, (m, n))
        for kind, values in (
            ("noise", rng.normal(size=(m, 8))),
            ("planted", planted(rng, codes, 8)),
        ):
            labels = (values[:, 0] > np.median(values[:, 0])).astype(int)
            yield Problem(f"{kind} {m} × {n}", codes, labels, values)
    for name in FILES:
        table = np.loadtxt(data / f"{name}.txt", dtype=int)
        labels, codes = table[:, 0], np.ascontiguousarray(table[:, 1:])
        rng = np.random.default_rng(0)
        linear = codes @ rng.normal(size=(codes.shape[1], 8))
        values = linear + rng.normal(size=linear.shape)
        yield Problem(f"{name} {len(codes)} × {codes.shape[1]}", codes, labels, values)


def wanted(name: str, task: str, depth: int, words: list[str]) -> bool:
    """Whether a case has all words that were asked for, such as "mushroom" and "depth=3"."""
    text = f"{name} {task} depth={depth}"
    return all(word in text for word in words)


def compare(options: argparse.Namespace, console: Console) -> Iterator[Case]:
    """Every solver on every case that is asked for."""
    for problem in problems(options.data):
        if options.quick and problem.codes.shape[1] > QUICK_COLUMNS and problem.name[0] in "np":
            continue
        for task in TASKS:
            beyond: set[str] = set()
            for depth in options.depths:
                if wanted(problem.name, task, depth, options.cases):
                    case = one_case(problem, task, depth, options, beyond)
                    describe(case, console)
                    yield case


def one_case(
    problem: Problem, task: Task, depth: int, options: argparse.Namespace, beyond: set[str]
) -> Case:
    """All solvers but those beyond their limit, which takes up those that reach it here."""
    outcomes, exact = {}, {}
    for solver in solvers(task, options.threads):
        exact[solver.name] = solver.exact
        if solver.name in beyond:
            outcomes[solver.name] = Outcome(options.limit, None, False, "not run")
            continue
        outcome = measure(solver, problem, task, depth, options.limit)
        outcomes[solver.name] = outcome
        if not outcome.finished:
            beyond.add(solver.name)
    return Case(problem.name, task, depth, outcomes, exact)


def describe(case: Case, console: Console) -> None:
    """One line: seconds and loss of every solver."""
    parts = []
    for name, o in case.outcomes.items():
        seconds = seconds_of(o) + ("" if o.error else " s")
        loss = o.error or ("no tree" if o.loss is None else f"loss {o.loss:.6g}")
        parts.append(f"{name} {seconds}, {loss}")
    ratio = "" if case.ratio is None else f" [{case.ratio:.2f}]"
    console.print(f"{case.name}, {case.task}, depth {case.depth}{ratio}: " + "; ".join(parts))


def ours_only(
    options: argparse.Namespace, depths: tuple[int, ...], change: str
) -> Iterator[tuple[Any, ...]]:
    """(case, task, depth, seconds, seconds after the change, ratio) of this project alone."""
    tasks: tuple[Task, ...] = ("regression",) if change == "outputs" else TASKS
    for problem in problems(options.data):
        if options.quick and problem.codes.shape[1] > QUICK_COLUMNS and problem.name[0] in "np":
            continue
        for task in tasks:
            for depth in depths:
                if not wanted(problem.name, task, depth, options.cases):
                    continue
                one = measure(ours_on(task, 1), problem, task, depth, options.limit)
                threads, outputs = (1, 8) if change == "outputs" else (2, 1)
                other = measure(
                    ours_on(task, threads), problem, task, depth, options.limit, outputs
                )
                if one.finished and other.finished:
                    ratio = other.seconds / one.seconds
                    yield (problem.name, task, depth, one.seconds, other.seconds, ratio)


def ours_on(task: Task, threads: int) -> Solver:
    """This project's estimator."""
    return solvers(task, threads)[0]


def fresh() -> list[tuple[Any, ...]]:
    """(depth, seconds of the imports, of the first fit, of the second) in new processes."""
    rows = []
    for depth in DEPTHS[:3]:
        command = [sys.executable, "-c", FRESH.format(depth=depth)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append((depth, *(float(word) for word in done.stdout.split())))
    return rows


def penalised_trees(options: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    """(case, price, then seconds, objective, leaves, depth of imodels' tree and of ours)."""
    for problem in problems(options.data):
        if problem.name[0] in "np" or not wanted(problem.name, "classification", 0, options.cases):
            continue
        for price in PRICES:
            theirs = in_child(
                partial(penalised_fit, penalised(price, options.limit), problem, price),
                2 * options.limit,
            )
            if theirs.loss is None:
                yield (problem.name, price, theirs.error or theirs.note, *[""] * 7)
                continue
            depth = int(theirs.note.split()[1])
            model = penalised_ours(price, max(depth, 1), options.limit, options.threads)
            mine = in_child(partial(penalised_fit, model, problem, price), 2 * options.limit)
            cells = [(seconds_of(o), o.loss, *o.note.split()) for o in (theirs, mine)]
            yield (problem.name, price, *cells[0], *cells[1])


def penalised_fit(model: Any, problem: Problem, price: float) -> Outcome:
    """The second fit of a process, which loads no kernel; the note has leaves and depth."""
    x, y = problem.codes, problem.labels
    model.fit(x[:50], y[:50])
    start = time.perf_counter()
    model.fit(x, y)
    seconds = time.perf_counter() - start
    peer = hasattr(model, "n_leaves_")
    leaves = int(model.n_leaves_ if peer else model.get_n_leaves())
    depth = int(model.estimator_.get_depth() if peer else model.get_depth())
    errors = loss_of(model.predict(x), y, "classification")
    proven = bool(model.optimal_) if peer else model.status_ == "optimal"
    return Outcome(seconds, errors / len(y) + price * leaves, proven, f"{leaves} {depth}")


def print_comparison(cases: list[Case], console: Console) -> dict[str, Any]:
    """The table of all cases and what it comes to."""
    rows, names = [], list(dict.fromkeys(n for case in cases for n in case.outcomes))
    lossy = [n for n in names if any(not case.exact.get(n, True) for case in cases)]
    for case in cases:
        row: list[Any] = [case.name, case.task[:5], case.depth]
        for name in names:
            outcome = case.outcomes.get(name)
            row.append("" if outcome is None else seconds_of(outcome))
        row.append("" if case.ratio is None else case.ratio)
        row += [loss_text(case.outcomes.get(name)) for name in ("ira", *lossy)]
        rows.append(tuple(row))
    head = ("case", "task", "depth", *(f"{n}, s" for n in names), "ira / best exact")
    show(console, "One fit", (*head, *(f"loss, {n}" for n in ("ira", *lossy))), rows)
    ratios = [case.ratio for case in cases if case.ratio is not None]
    means = {"all": geometric_mean(ratios)}
    for task in TASKS:
        for depth in DEPTHS:
            chosen = [
                c.ratio
                for c in cases
                if c.task == task and c.depth == depth and c.ratio is not None
            ]
            if chosen:
                means[f"{task}, depth {depth}"] = geometric_mean(chosen)
    show(console, "ira / best exact peer, geometric means", ("cases", "ratio"), [*means.items()])
    slower = [c for c in cases if c.ratio is not None and c.ratio > 1]
    for case in sorted(slower, key=lambda c: -(c.ratio or 0)):
        name = case.best_peer[0] if case.best_peer else ""
        console.print(
            f"slower: {case.name}, {case.task}, depth {case.depth}: {case.ratio:.2f} × {name}"
        )
    return {"geometric_means": means, "slower": len(slower), "compared": len(ratios)}


def seconds_of(outcome: Outcome) -> str:
    """Seconds, the limit that was reached, or that the solver failed."""
    if outcome.error:
        return "failed"
    return f"{outcome.seconds:.3g}" if outcome.finished else f"> {outcome.seconds:.3g}"


def loss_text(outcome: Outcome | None) -> str:
    """A loss to six digits."""
    return "" if outcome is None or outcome.loss is None else f"{outcome.loss:.6g}"


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All parts that are asked for; results are written after every case."""
    results: dict[str, Any] = {
        "environment": environment(),
        "quick": options.quick,
        "limit": options.limit,
        "threads": options.threads,
    }
    if "compare" in options.parts:
        cases: list[Case] = []
        for case in compare(options, console):
            cases.append(case)
            results["cases"] = [asdict(c) for c in cases]
            write_json(options.out, results)
        results["summary"] = print_comparison(cases, console)
        results["disagreements"] = [text for c in cases if (text := c.disagreement())]
    head = ("case", "task", "depth", "before, s", "after, s", "after / before")
    for part, depths, title in (
        ("outputs", (3, 4), "Eight outputs against one"),
        ("threads", (4,), "Two threads against one"),
    ):
        if part in options.parts:
            rows = list(ours_only(options, depths, part))
            show(console, title, head, rows)
            mean = geometric_mean([row[-1] for row in rows])
            console.print(f"geometric mean {mean:.3f}")
            results[part] = {"rows": rows, "geometric_mean": mean}
    if "fresh" in options.parts:
        results["fresh"] = fresh()
        head = ("depth", "imports, s", "first fit, s", "second fit, s")
        show(console, "A new process, 1000 × 64", head, results["fresh"])
    if "penalised" in options.parts:
        rows = list(penalised_trees(options))
        results["penalised"] = rows
        columns = ("s", "objective", "leaves", "depth")
        head = ("case", "price of a leaf")
        head += tuple(f"{name}, {column}" for name in ("imodels", "ira") for column in columns)
        show(console, "imodels, and ira up to the depth of its tree", head, rows)
    return results


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small cases, depths 2 and 3")
    parser.add_argument(
        "--cases",
        default="",
        help="only cases with all of these words, split by commas: mushroom,depth=3",
    )
    parser.add_argument("--depths", help="depths of `compare`: 2,3,4,5 (quick: 2,3)")
    parser.add_argument("--parts", default=",".join(PARTS), help="which of " + ", ".join(PARTS))
    parser.add_argument("--limit", type=float, help="seconds a fit may take (120, quick 20)")
    parser.add_argument("--threads", type=int, default=1, help="threads of ira in `compare`")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/exact_trees.json")
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/binary")
    options = parser.parse_args()
    options.cases = [word for word in options.cases.split(",") if word]
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"--parts: expected {', '.join(PARTS)}, found {', '.join(sorted(unknown))}")
    if options.depths is None:
        options.depths = "2,3" if options.quick else "2,3,4,5"
    options.depths = [int(word) for word in options.depths.split(",")]
    if options.limit is None:
        options.limit = QUICK_LIMIT if options.quick else 120.0
    return options


def main() -> None:
    """Run, write the results as JSON, and say which losses differ."""
    options = parsed()
    console = Console(width=200)
    console.print(f"kernels ready after {warm_up():.1f} s")
    results = run(options, console)
    write_json(options.out, results)
    console.print(f"wrote {options.out}")
    for text in results.get("disagreements", []):
        console.print(f"LOSSES DIFFER: {text}")
    if results.get("disagreements"):
        sys.exit(1)


if __name__ == "__main__":
    main()
