from __future__ import annotations

from numba import njit

from irtheory.trees import _compiled
from irtheory.trees.exact import kernels_compiled, warm_up


@njit(cache=True)
def never_called(x):
    return x


def test_warm_up_leaves_nothing_to_compile():
    assert warm_up() > 0
    assert kernels_compiled()


def test_a_kernel_that_was_never_called_is_not_compiled(monkeypatch):
    monkeypatch.setattr(_compiled, "_ENTRIES", (never_called,))
    assert not kernels_compiled()


def test_an_index_on_disk_counts():
    warm_up()
    assert all(_compiled._indexed(kernel) for kernel in _compiled._ENTRIES)
