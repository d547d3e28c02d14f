"""Solvers of trees of a given depth behind one call: this project's and other packages'.

`solvers(task)` lists those whose package is installed (`pip install ira[bench]`). Each is
asked for a tree of depth ≤ D, through the estimator that its package offers. `measure` runs
one fit in a child process, which a solver that ignores its time limit cannot outlive.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from irtheory.trees.estimators import OptimalTreeClassifier, OptimalTreeRegressor

Task = Literal["classification", "regression"]

# A fit that took longer is timed once; shorter ones at least thrice, and until the time is spent.
SLOW = 2.0
SPENT, FITS = 0.3, (3, 15)
# Seconds over its time limit after which a child is ended.
GRACE = 30.0


@dataclass(frozen=True)
class Problem:
    """Binary columns [m, n] with labels 0/1 [m] and values [m, k]."""

    name: str
    codes: np.ndarray
    labels: np.ndarray
    values: np.ndarray

    def targets(self, task: Task, outputs: int = 1) -> np.ndarray:
        """What is fitted: the labels, or the first columns of the values."""
        if task == "classification":
            return self.labels
        return self.values[:, 0] if outputs == 1 else self.values[:, :outputs]


@dataclass(frozen=True)
class Solver:
    """One estimator: `fit(X, y, depth, seconds)` gives the fitted model."""

    name: str
    exact: bool
    fit: Callable[[np.ndarray, np.ndarray, int, float], Any]


@dataclass(frozen=True)
class Outcome:
    """What one solver did with one problem.

    Attributes:
        seconds: least time of 3 to 15 fits (of one, if slow); the limit if it did not finish.
        loss: misclassified samples, or Σ‖y − T‖²; None if there is no tree.
        finished: False if the time limit or an error ended the search.
        note: what else there is to say of it.
        error: the error that ended it, which is not counted as slow.
    """

    seconds: float
    loss: float | None
    finished: bool
    note: str = ""
    error: str = ""


def ours(task: Task, threads: int) -> Solver:
    """The estimator of this project on a given number of threads."""
    model = OptimalTreeClassifier if task == "classification" else OptimalTreeRegressor

    def fit(x: np.ndarray, y: np.ndarray, depth: int, seconds: float) -> Any:
        return model(max_depth=depth, time_limit=seconds, threads=threads).fit(x, y)

    return Solver("ira", True, fit)


def _pystreed(task: Task) -> Solver:
    pystreed: Any = import_module("pystreed")
    model, objective = (
        (pystreed.STreeDClassifier, "cost-complex-accuracy")
        if task == "classification"
        else (pystreed.STreeDRegressor, "cost-complex-regression")
    )

    def fit(x: np.ndarray, y: np.ndarray, depth: int, seconds: float) -> Any:
        return model(
            objective,
            max_depth=depth,
            max_num_nodes=2**depth - 1,
            cost_complexity=0.0,
            time_limit=seconds,
        ).fit(x, y)

    return Solver("pystreed", True, fit)


def _pytrees(task: Task) -> list[Solver]:
    if task == "regression":  # its trees predict classes
        return []
    pytrees: Any = import_module("pytrees")

    def timed(model: Any) -> Callable[[np.ndarray, np.ndarray, int, float], Any]:
        return lambda x, y, depth, s: model(max_depth=depth, max_time=s).fit(x, y)

    return [
        Solver("dl85", True, timed(pytrees.DL85Classifier)),
        Solver("contree", True, timed(pytrees.ConTreeClassifier)),
        Solver("lgdt", False, lambda x, y, d, s: pytrees.LGDTClassifier(max_depth=d).fit(x, y)),
    ]


def _licketysplit(task: Task) -> Solver:
    peer: Any = import_module("licketysplit")
    classifies = task == "classification"
    model = peer.LicketySPLITClassifier if classifies else peer.LicketySPLITRegressor
    return Solver(
        "licketysplit",
        False,
        lambda x, y, d, s: model(lambda_leaf=0.0, depth_budget=d).fit(x, y),
    )


def _cart(task: Task) -> Solver:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    model = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    return Solver(
        "scikit-learn", False, lambda x, y, d, s: model(max_depth=d, random_state=0).fit(x, y)
    )


def penalised(price: float, limit: float) -> Any:
    """The estimator of imodels: share of errors + price · leaves, at any depth."""
    imodels: Any = import_module("imodels")
    return imodels.FastSmallTreeClassifier(regularization=price, time_limit=limit)


def penalised_ours(price: float, depth: int, limit: float, threads: int) -> Any:
    """This project's estimator for the same objective, up to a depth."""
    return OptimalTreeClassifier(
        max_depth=depth, ccp_alpha=price, time_limit=limit, threads=threads
    )


def solvers(task: Task, threads: int = 1) -> list[Solver]:
    """All solvers of trees of a given depth that are installed, ours first."""
    found = [ours(task, threads)]
    if find_spec("pystreed"):
        found.append(_pystreed(task))
    if find_spec("pytrees"):
        found += _pytrees(task)
    if find_spec("licketysplit"):
        found.append(_licketysplit(task))
    return [*found, _cart(task)]


def loss_of(predicted: np.ndarray, y: np.ndarray, task: Task) -> float:
    """Misclassified samples, or the sum of squared errors."""
    if task == "classification":
        return float((np.asarray(predicted) != y).sum())
    return float(((np.asarray(predicted) - y) ** 2).sum())


def measure(
    solver: Solver, problem: Problem, task: Task, depth: int, limit: float, outputs: int = 1
) -> Outcome:
    """Fit in a child process; a child that passes its limit by `GRACE` seconds is ended."""

    def work() -> Outcome:
        return _fit(solver, problem.codes, problem.targets(task, outputs), task, depth, limit)

    return in_child(work, limit)


def in_child(work: Callable[[], Outcome], limit: float) -> Outcome:
    """The outcome of `work` in a forked process."""
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)

    def child() -> None:
        warnings.simplefilter("ignore")
        try:
            writer.send(work())
        except Exception as error:
            writer.send(Outcome(limit, None, False, error=f"{type(error).__name__}: {error}"))

    process = context.Process(target=child)
    process.start()
    writer.close()
    try:
        if reader.poll(limit + GRACE):
            return reader.recv()
        return Outcome(limit, None, False, f"ended {GRACE:.0f} s after its time limit")
    except EOFError:
        return Outcome(limit, None, False, error="its process ended without a result")
    finally:
        process.kill()
        process.join()


def _fit(
    solver: Solver, x: np.ndarray, y: np.ndarray, task: Task, depth: int, limit: float
) -> Outcome:
    seconds, model = [], None
    while not seconds or (
        seconds[0] <= SLOW
        and (len(seconds) < FITS[0] or (sum(seconds) < SPENT and len(seconds) < FITS[1]))
    ):
        start = time.perf_counter()
        model = solver.fit(x, y, depth, limit)
        seconds.append(time.perf_counter() - start)
    assert model is not None
    least = min(seconds)
    finished = getattr(model, "status_", "optimal") == "optimal" and least < limit
    loss = loss_of(model.predict(x), y, task)
    note = "" if finished else "time limit"
    return Outcome(least if finished else max(least, limit), loss, finished, note)
