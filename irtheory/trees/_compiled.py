"""Whether the kernels are compiled already: the first compilation takes most of a minute."""

from __future__ import annotations

import inspect
from pathlib import Path

from irtheory.trees import _lattice, _nodes, _select, _statistics

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
)


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
    indices = list(Path(kernel.stats.cache_path).glob(name))
    return any(index.stat().st_mtime >= source.stat().st_mtime for index in indices)
