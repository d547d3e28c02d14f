"""Numba's cache of the kernels: whether it is filled, and throwing away what is stale.

Numba compares a cached kernel with its own source file only, though kernels inline each
other across files. So whatever is older than the newest of those files is removed.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path

from irtheory.trees import (
    _cart_codes,
    _cart_entropy,
    _cart_grow,
    _cart_held,
    _cart_plan,
    _cart_rows,
    _cart_scatter,
    _cart_sums,
    _lanes,
    _lattice,
    _nodes,
    _refine,
    _select,
    _statistics,
    _targets,
    binning,
)

_ENTRIES = (
    _statistics.collect,
    _nodes.write_small,
    _nodes.route,
    _nodes.cost_of_partition,
    _lattice.mark_feasible,
    _lattice.collect_on,
    _lattice.fill_depth3,
    _lattice.fill_depth4,
    _select.shift,
    _select.leaf_costs,
    _select.search_roots,
    _select.write_tree,
    _targets.sum_squares_rows,
    _targets.leaf_values,
    binning.narrow,
    binning.count_bytes,
    binning.look_up,
    binning.by_column,
    binning.cut_counted,
    binning.cut_sorted,
    binning.write_codes,
    _cart_codes.transpose,
    _cart_codes.rank_codes,
    _cart_codes.reorder,
    _cart_entropy.row_entropies,
    _cart_grow.describe,
    _cart_grow.split_nodes,
    _cart_plan.choose_ways,
    _refine.place,
    _refine.refit,
    _refine.squared_error,
    _refine.sweep,
    _refine.hand_over,
)
_SOURCES = (
    _cart_codes,
    _cart_entropy,
    _cart_grow,
    _cart_held,
    _cart_plan,
    _cart_rows,
    _cart_scatter,
    _cart_sums,
    _lanes,
    _lattice,
    _nodes,
    _refine,
    _select,
    _statistics,
    _targets,
    binning,
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
discard_stale(Path(str(_statistics.collect.stats.cache_path)), _newest_source())
