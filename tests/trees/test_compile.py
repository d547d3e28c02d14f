from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irtheory.trees import compile
from irtheory.trees.compile import kernels_compiled, warm_up
from irtheory.trees.kernels import kernel as kernel_module
from irtheory.trees.kernels.kernel import is_cached, kernel, kernel_sources

ROOT = Path(kernel_module.__file__).parents[3]
# Prints folder and source file of every kernel's cache; importing them sweeps all of it.
IMPORT_KERNELS = """
import inspect
from irtheory.trees import compile
compile._import_kernels()
for kernel in compile.KERNELS:
    print(kernel.stats.cache_path, inspect.getfile(kernel.py_func), sep="|")
"""


def never_called(x):
    return x


def test_warm_up_leaves_nothing_to_compile():
    assert warm_up() > 0
    assert kernels_compiled()


def test_a_kernel_that_was_never_called_is_not_compiled(monkeypatch):
    monkeypatch.setattr(kernel_module, "KERNELS", [])
    monkeypatch.setattr(compile, "KERNELS", [kernel(never_called)])
    assert not kernels_compiled()


def test_an_index_on_disk_counts():
    warm_up()
    assert all(is_cached(one) for one in compile.KERNELS)


def test_every_file_with_kernels_is_a_source_and_no_other_framework_is_imported():
    packages = {file.parent.name for file in kernel_sources()}
    assert {"cart", "exact", "kernels", "refine"} <= packages
    program = f"{IMPORT_KERNELS}\nimport sys\nassert not {{'torch', 'sklearn'}} & set(sys.modules)"
    _run(program, {})


def test_kernels_read_names_from_source_files_of_kernels_only():
    compile._import_kernels()
    used = {name for one in compile.KERNELS for name in one.py_func.__code__.co_names}
    sources = {str(file.relative_to(ROOT)) for file in kernel_sources()}
    sources.add(str(Path(kernel_module.__file__).relative_to(ROOT)))
    for file in kernel_sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("irtheory."):
                origin = str(node.module).replace(".", "/") + ".py"
                for name in node.names:
                    if name.name in used and file.name != "compile.py":
                        assert origin in sources, f"{file}: {name.name}"


def _run(program: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", program]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("own_folder", [False, True])
def test_stale_indexes_are_removed_in_every_folder(own_folder, tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)} if own_folder else {}
    lines = {tuple(line.split("|")) for line in _run(IMPORT_KERNELS, environment).splitlines()}
    names = {(Path(folder), Path(source).stem) for folder, source in lines}
    assert len({folder for folder, _ in names}) >= 3
    stale = [folder / f"{stem}.gone-1.py311.nbi" for folder, stem in names]
    fresh = [folder / f"{stem}.kept-1.py311.nbi" for folder, stem in names]
    others = [folder / f"another_{stem}.kept-1.py311.nbi" for folder, stem in names]
    try:
        for index in (*stale, *fresh, *others):
            index.touch()
        for index in (*stale, *others):
            os.utime(index, (100, 100))
        _run(IMPORT_KERNELS, environment)
        assert not any(index.exists() for index in stale)
        assert all(index.exists() for index in (*fresh, *others))
    finally:
        for index in (*stale, *fresh, *others):
            index.unlink(missing_ok=True)


def test_only_kernels_older_than_their_sources_are_discarded(tmp_path, monkeypatch):
    names = ["lattice.f-1.py311.nbi", "lattice.g-2.py311.nbi", "other.h-3.py311.nbi"]
    for name, age in zip(names, (100, 300, 100), strict=True):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    monkeypatch.setattr(kernel_module, "_newest_source", lambda: 200)
    kernel_module._discard_stale(tmp_path, "lattice")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_an_index_that_another_process_removes_first_is_no_error(tmp_path, monkeypatch):
    ghost = tmp_path / "lattice.f-1.py311.nbi"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([ghost]))
    kernel_module._discard_stale(tmp_path, "lattice")
    assert not ghost.exists()
