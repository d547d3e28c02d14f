"""The public names: each can be imported, is documented and typed, and loads nothing early."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FACES = ("irtheory", "irtheory.trees")
NAMES = [(face, name) for face in FACES for name in importlib.import_module(face).__all__]
HEAVY = "torch numba scipy sklearn cvxpy matplotlib pandas joblib numpy"


@pytest.mark.parametrize(("face", "name"), NAMES)
def test_a_public_name_is_documented_and_typed(face: str, name: str) -> None:
    value = getattr(importlib.import_module(face), name)
    if not callable(value):
        return
    assert inspect.getdoc(value), "expected a docstring"
    call = value.__init__ if inspect.isclass(value) else value
    if getattr(call, "__qualname__", "").startswith(("object", "ValueError")):
        return
    parameters = inspect.signature(call).parameters.values()
    untyped = [p.name for p in parameters if p.annotation is p.empty and p.name != "self"]
    assert not [n for n in untyped if n not in ("args", "kwargs")]
    if not inspect.isclass(value):
        assert inspect.signature(call).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("face", FACES)
def test_what_type_checkers_see_is_what_there_is(face: str) -> None:
    module = importlib.import_module(face)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    shown = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(shown) == sorted(module.__all__)
    for name, home in shown.items():
        assert getattr(module, name) is getattr(importlib.import_module(str(home)), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'irtheory' has no attribute 'Nothing'"):
        importlib.import_module("irtheory").Nothing  # noqa: B018
    with pytest.raises(ImportError, match="Nothing"):
        from irtheory.trees import Nothing  # noqa: F401  # pyright: ignore


@pytest.mark.parametrize("face", [*FACES, "irvision"])
def test_importing_a_package_loads_nothing_heavy(face: str) -> None:
    code = f"import sys, {face}; print(*sorted(set('{HEAVY}'.split()) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_every_public_name_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for face, name in NAMES:
        assert f"`{name}`" in text, f"{face}.{name}"


def test_every_module_of_the_reference_is_there() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    modules = [line[4:].strip() for line in text.splitlines() if line.startswith("::: ")]
    assert len(modules) == len(set(modules)) > 50
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), module
