"""Imports point one way: no room imports one above it, and nowhere is there a circle.

The floors are those of docs/architecture.md. Every import counts, also one inside a function.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the lowest floor up; rooms of one floor do not import each other.
FLOORS = {
    "irtheory": [
        {"checks", "lazy"},
        {"intervals"},
        {"runs", "trees", "fidelity"},
        {"tables"},
        {"intersection", "propositions", "problems"},
        {"estimators"},
        {"studies"},
    ],
    "irtheory.propositions": [{"tangent"}, {"objectives"}, {"solvers"}, {"certificates"}],
    "irtheory.studies": [{"simulate", "recovery", "table"}, {"width"}],
    "irtheory.trees": [
        {"checks", "choices", "kernels", "serialise", "writing"},
        {"tree"},
        {"short_tree", "written"},
        {"keys"},
        {"binning", "exact", "cart", "export", "routing"},
        {"refine"},
        {"compile", "estimators"},
    ],
    "irvision": [
        {"settings"},
        {"runtime"},
        {"data"},
        {"models"},
        {"methods"},
        {"runs"},
        {"training", "evaluation", "figures", "export", "report"},
        {"explain"},
        {"model"},
        {"commands"},
    ],
}


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Full names of all that a file imports, modules and names in them alike."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: expected an absolute import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


def arrows(package: Path, root: Path) -> dict[str, dict[str, str]]:
    """For each child of a package, the siblings that it imports, and a file that does so."""
    prefix = (*package.relative_to(root).parts,)
    children = {
        path.stem
        for path in package.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    found: dict[str, dict[str, str]] = {child: {} for child in sorted(children)}
    for path in sorted(package.rglob("*.py")):
        child = path.relative_to(package).with_suffix("").parts[0]
        if child == "__init__":
            continue
        for name in imported(path):
            parts = tuple(name.split("."))
            if parts[: len(prefix)] == prefix and len(parts) > len(prefix):
                target = parts[len(prefix)]
                if target in children and target != child:
                    found[child].setdefault(target, path.relative_to(root).as_posix())
    return found


def faults(package: Path, root: Path, floors: list[set[str]] | None) -> list[str]:
    """What is wrong with the imports between the children of a package."""
    found = arrows(package, root)
    wrong = []
    if floors is not None:
        floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}
        wrong += [f"{room}: on no floor" for room in found if room not in floor_of]
        wrong += [f"{room}: not there" for room in floor_of if room not in found]
        wrong += [
            f"{file}: {room} imports {target}, which is not below it"
            for room, targets in found.items()
            for target, file in targets.items()
            if floor_of.get(target, 0) >= floor_of.get(room, 0)
        ]
    try:
        TopologicalSorter({room: set(targets) for room, targets in found.items()}).prepare()
    except CycleError as error:
        wrong.append(f"circle: {' → '.join(error.args[1])}")
    return wrong


PACKAGES = [
    path.parent.relative_to(ROOT).as_posix().replace("/", ".")
    for name in ("irtheory", "irvision")
    for path in sorted((ROOT / name).rglob("__init__.py"))
]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package: str) -> None:
    assert faults(ROOT / package.replace(".", "/"), ROOT, FLOORS.get(package)) == []


def test_every_folder_of_modules_is_a_package() -> None:
    """A folder without __init__.py works in a checkout, but is left out of an installation."""
    for name in ("irtheory", "irvision"):
        for path in (ROOT / name).rglob("*.py"):
            folders = [folder for folder in path.parents if folder.is_relative_to(ROOT / name)]
            assert all((folder / "__init__.py").exists() for folder in folders), path


def test_irtheory_never_imports_irvision() -> None:
    for path in (ROOT / "irtheory").rglob("*.py"):
        assert not [name for name in imported(path) if name.split(".")[0] in ("irvision", "cli")]


def write(root: Path, **files: str) -> Path:
    """A package of modules with these contents."""
    package = root / "house"
    package.mkdir()
    for name, content in {"__init__": "", **files}.items():
        (package / f"{name}.py").write_text(content)
    return package


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"low": "import house.high", "high": ""}, "low imports high, which is not below it"),
        ({"low": "def f():\n    from house import high", "high": ""}, "low imports high"),
        ({"low": "", "high": "", "attic": ""}, "attic: on no floor"),
        ({"low": ""}, "high: not there"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, files: dict[str, str], fault: str) -> None:
    found = faults(write(tmp_path, **files), tmp_path, [{"low"}, {"high"}])
    assert len(found) == 1 and fault in found[0]


def test_a_circle_is_found(tmp_path: Path) -> None:
    files = {"a": "import house.b", "b": "from house.c import x", "c": "from house import a"}
    assert "circle" in faults(write(tmp_path, **files), tmp_path, None)[0]
