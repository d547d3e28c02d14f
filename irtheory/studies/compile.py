"""Compile the tree kernels before a study starts its runs."""

from __future__ import annotations

from collections.abc import Callable

from irtheory.trees.compile import kernels_compiled, warm_up


def compile_kernels(say: Callable[[str], None]) -> None:
    """Fill numba's cache of the tree kernels, unless it is filled already.

    Args:
        say: called with one line of text if there is something to compile.
    """
    if not kernels_compiled():
        say("compiling the tree kernels: once, one to two minutes …")
        warm_up()
