from __future__ import annotations

import os
from pathlib import Path

from numba import njit

from irtheory.trees import compile
from irtheory.trees.compile import kernels_compiled, warm_up


@njit(cache=True)
def never_called(x):
    return x


def test_warm_up_leaves_nothing_to_compile():
    assert warm_up() > 0
    assert kernels_compiled()


def test_a_kernel_that_was_never_called_is_not_compiled(monkeypatch):
    monkeypatch.setattr(compile, "_ENTRIES", (never_called,))
    assert not kernels_compiled()


def test_an_index_on_disk_counts():
    warm_up()
    assert all(compile._indexed(kernel) for kernel in compile._ENTRIES)


def test_only_kernels_older_than_their_sources_are_discarded(tmp_path):
    names = ["_lattice.f-1.py311.nbi", "_nodes.g-2.py311.nbi", "other.h-3.py311.nbi"]
    for name, age in zip(names, (100, 300, 100), strict=True):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    compile.discard_stale(tmp_path, newest=200)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_an_index_that_another_process_removes_first_is_no_error(tmp_path, monkeypatch):
    ghost = tmp_path / "_lattice.f-1.py311.nbi"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([ghost]))
    compile.discard_stale(tmp_path, newest=200)
    assert not ghost.exists()
