"""Compiling the kernels ahead of time, so that no fit is the one that takes a minute."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

import irtheory.trees
from irtheory.trees.binning import bin_columns
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.exact.near_optimal import near_optimal_trees
from irtheory.trees.exact.path import fit_exact_tree_of_size, optimal_tree_path
from irtheory.trees.exact.solver import ExactTreeSolver, fit_exact_tree
from irtheory.trees.kernels.kernel import KERNELS, is_cached, kernel_sources
from irtheory.trees.refine.fit import refine_tree
from irtheory.trees.tree import Tree

Part = Literal["exact", "greedy"]


def kernels_compiled() -> bool:
    """Whether numba holds every kernel, in this process or in its cache on disk."""
    _import_kernels()
    return all(kernel.signatures or is_cached(kernel) for kernel in KERNELS)


def warm_up(*parts: Part) -> float:
    """Compile kernels, or load them from numba's cache; returns the seconds it took.

    Args:
        parts: "exact" and "greedy", the rest; all without. Two processes may take one each.
    """
    start = time.perf_counter()
    for part, warm in _PARTS.items():
        if not parts or part in parts:
            warm()
    return time.perf_counter() - start


def compile_kernels(say: Callable[[str], None]) -> None:
    """Fill numba's cache of the kernels before a long computation, unless it is filled already.

    Args:
        say: called with one line of text if there is something to compile.
    """
    if not kernels_compiled():
        say("compiling the tree kernels: once, two to four minutes …")
        warm_up()


def _import_kernels() -> None:
    """Import every file that defines kernels, so that `KERNELS` is complete."""
    package = Path(irtheory.trees.__file__).parent
    for file in kernel_sources():
        parts = file.relative_to(package).with_suffix("").parts
        importlib.import_module(".".join(("irtheory.trees", *parts)))


def _warm_up_exact() -> None:
    codes = np.arange(32)[:, None] >> np.arange(5) & 1
    for depth, k in product((2, 3, 4), (1, 4)):
        solver = ExactTreeSolver(codes, depth, threads=1)
        for power in (1, 2):  # the second solve is warm
            solver.solve(np.arange(32.0)[:, None] ** power * np.ones(k))
    for cost in ("linear", "entropy"):
        fit_exact_tree(codes, np.eye(2)[codes[:, 0]], 2, cost=cost, threads=1)
    targets = np.c_[codes[:, 0] * 1e6, codes[:, 1]]
    fit_exact_tree(codes, targets, 2, threads=1)  # a tie that sums of the whole do not settle
    fit_exact_tree(codes, np.arange(32.0), 3, threads=1, time_limit=0)
    near_optimal_trees(codes, targets, 2, 0.1)
    optimal_tree_path(codes, targets, 3, threads=1)
    fit_exact_tree_of_size(codes, np.arange(32.0), 3, 3, threads=1)


def _warm_up_greedy() -> None:
    _warm_up_cart()
    _warm_up_refine()
    _warm_up_binning()


def _warm_up_cart() -> None:
    codes = 1 + (np.arange(8)[:, None] >> np.arange(3) & 1)
    fit_cart(codes, np.eye(4)[codes.sum(axis=1) - 3], 2, threads=1)


def _warm_up_binning() -> None:
    for kind in (np.int64, np.float32, np.float64):
        whole = np.arange(6, dtype=kind).reshape(3, 2)
        for x in (whole, -whole):  # bytes, and what has to be sorted
            bin_columns(x, 2)


def _warm_up_refine() -> None:
    codes = np.arange(4, dtype=np.uint8)[:, None]
    leaf = Tree.leaf([0.0], 4, 1)
    stump = Tree.grow(0, 0.5, leaf, leaf, [0.0], 4)
    refine_tree(stump, codes, np.arange(4.0), min_samples_leaf=2)


_PARTS: dict[Part, Callable[[], None]] = {"exact": _warm_up_exact, "greedy": _warm_up_greedy}
