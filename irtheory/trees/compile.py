"""Numba's cache of the kernels: whether it is filled, and throwing away what is stale.

Numba compares a cached kernel with its own source file only, though kernels inline each
other across files. So whatever is older than the newest of those files is removed.
"""

from __future__ import annotations

import inspect
import time
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np

from irtheory.trees.cart import codes as _cart_codes
from irtheory.trees.cart import entropy, held, plan, rows, scatter, split, sums
from irtheory.trees.cart.fit import warm_up as warm_up_cart
from irtheory.trees.exact import lattice, nodes, select, statistics, targets
from irtheory.trees.exact.solver import ExactTreeSolver
from irtheory.trees.kernels import lanes
from irtheory.trees.refine import sweep
from irtheory.trees.refine.fit import warm_up_refine

_ENTRIES = (
    statistics.collect,
    nodes.write_small,
    nodes.route,
    nodes.cost_of_partition,
    lattice.mark_feasible,
    lattice.collect_on,
    lattice.fill_depth3,
    lattice.fill_depth4,
    select.shift,
    select.leaf_costs,
    select.search_roots,
    select.write_tree,
    targets.sum_squares_rows,
    targets.leaf_values,
    _cart_codes.transpose,
    _cart_codes.rank_codes,
    _cart_codes.reorder,
    entropy.row_entropies,
    split.describe,
    split.split_nodes,
    plan.choose_ways,
    sweep.place,
    sweep.refit,
    sweep.squared_error,
    sweep.sweep,
    sweep.hand_over,
)
_SOURCES = (
    _cart_codes,
    entropy,
    split,
    held,
    plan,
    rows,
    scatter,
    sums,
    lanes,
    lattice,
    nodes,
    sweep,
    select,
    statistics,
    targets,
)


def _newest_source() -> float:
    return max(Path(inspect.getfile(module)).stat().st_mtime for module in _SOURCES)


def discard_stale(folder: Path, newest: float) -> None:
    """Remove from numba's cache folder the kernels that are older than `newest` (a mtime)."""
    stems = {Path(inspect.getfile(module)).stem for module in _SOURCES}
    for index in folder.glob("*.nbi"):
        with suppress(FileNotFoundError):  # another process may do the same at this moment
            if index.name.split(".", 1)[0] in stems and index.stat().st_mtime < newest:
                index.unlink()


def kernels_compiled() -> bool:
    """Whether numba holds every kernel, in this process or in its cache on disk.

    Looks for index files only and reads none, so an index that numba will reject (made
    for another processor, say) counts as compiled.
    """
    return all(kernel.signatures or _indexed(kernel) for kernel in _ENTRIES)


def _indexed(kernel) -> bool:
    source = Path(inspect.getfile(kernel.py_func))
    line = kernel.py_func.__code__.co_firstlineno
    name = f"{source.stem}.{kernel.py_func.__qualname__}-{line}.py*.nbi"
    return any(Path(kernel.stats.cache_path).glob(name))


# On import, before any kernel can be loaded from the cache.
discard_stale(Path(str(statistics.collect.stats.cache_path)), _newest_source())


def warm_up() -> float:
    """Compile every kernel, or load it from numba's cache; returns the seconds it took."""
    start = time.perf_counter()
    codes = np.arange(32)[:, None] >> np.arange(5) & 1
    for depth, k in product((2, 3, 4), (1, 4)):
        solver = ExactTreeSolver(codes, depth, threads=1)
        for power in (1, 2):
            solver.solve(np.arange(32.0)[:, None] ** power * np.ones(k))
    warm_up_cart()
    warm_up_refine()
    return time.perf_counter() - start
