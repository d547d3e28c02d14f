"""The decorator of every compiled function, and numba's cache of them on disk.

Numba reloads a kernel from the cache if the kernel's own source file has not changed. But
kernels call, and inline, kernels of other files, and constants of other files are compiled
into them. So no kernel is loaded that was compiled before the last change of any source file
of kernels: `kernel` removes such entries of a file's cache when it meets the file's first
kernel, which is before any of them can be called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.extending import intrinsic as _intrinsic

# Every value in the searches is finite (splits that are not allowed score `lanes.BAD`), so
# sums and maxima may be reordered, which is what lets LLVM turn their loops into vector code.
FAST = {"reassoc", "contract", "nsz", "nnan", "ninf", "arcp"}

# Kernels that have an entry of their own in the cache, in the order of their definition.
KERNELS: list[Any] = []

# Numba's annotations take an intrinsic for its own typing function.
intrinsic: Any = _intrinsic

_TREES = Path(__file__).parents[1]
_MARK = "from irtheory.trees.kernels.kernel import"


def kernel(
    function: Callable | None = None,
    *,
    fast: bool = False,
    unchecked_division: bool = False,
    inline: bool = False,
) -> Any:
    """Compile a function with numba, without the interpreter's lock, and cache it on disk.

    Use it as `@kernel` or as `@kernel(fast=True)`.

    Args:
        function: the function to compile.
        fast: let LLVM reorder floating-point operations on finite numbers (`FAST`).
        unchecked_division: x / 0 is infinite, as in numpy, instead of an exception; the check
            would keep a loop with a division from becoming vector code.
        inline: copy the body into every kernel that calls it, before types are inferred, so
            that an argument None or 0 selects code at compile time. Such a kernel has no
            entry of its own in the cache.
    """
    if function is None:
        return lambda function: kernel(
            function, fast=fast, unchecked_division=unchecked_division, inline=inline
        )
    dispatcher: Any = numba.njit(
        nogil=True,
        cache=True,
        fastmath=FAST if fast else False,
        error_model="numpy" if unchecked_division else "python",
        inline="always" if inline else "never",
    )(function)
    _discard_stale(Path(dispatcher.stats.cache_path), Path(inspect.getfile(function)).stem)
    if not inline:
        KERNELS.append(dispatcher)
    return dispatcher


def kernel_sources() -> list[Path]:
    """Files of `irtheory.trees` that define kernels, also those not yet imported."""
    files = sorted(_TREES.rglob("*.py"))
    return [file for file in files if _MARK in file.read_text(encoding="utf-8")]


def is_cached(dispatcher: Any) -> bool:
    """Whether numba's cache on disk has an index of this kernel.

    The index is not read, so one that numba will reject (made for another processor, say)
    counts.
    """
    function = dispatcher.py_func
    stem, line = Path(inspect.getfile(function)).stem, function.__code__.co_firstlineno
    indexes = Path(dispatcher.stats.cache_path).glob(
        f"{stem}.{function.__qualname__}-{line}.py*.nbi"
    )
    return any(indexes)


@cache
def _newest_source() -> float:
    """Modification time of the source of kernels that changed last."""
    return max(file.stat().st_mtime for file in (Path(__file__), *kernel_sources()))


@cache  # once for each file that defines kernels
def _discard_stale(folder: Path, stem: str) -> None:
    """Remove the indexes of one source file's kernels that are older than any source."""
    for index in folder.glob(f"{stem}.*.nbi"):
        with suppress(FileNotFoundError):  # another process may do the same at this moment
            if index.stat().st_mtime < _newest_source():
                index.unlink()
