"""What `ira simulate` imports: packages that a setting does not use stay unloaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
from pathlib import Path
from irtheory.studies.simulate.command import simulate_command
from irtheory.studies.simulate.settings import SimulateRequest, SimulateSettings

settings = SimulateSettings(
    setting=sys.argv[1], samples=16, attributes=3, depth=2, threads=1, reference="closed-form"
)
out = Path(sys.argv[2])
assert simulate_command(settings, SimulateRequest(out=out)) == 0
assert (out / "certificate.json").exists()
"""
LOADED = "print(*sorted({{{names}}} & set(sys.modules)))"


def loaded(code: str, packages: list[str], *arguments: str) -> list[str]:
    """The packages that a fresh interpreter has loaded after this code."""
    code += "\nprint()\n" + LOADED.format(names=", ".join(map(repr, packages)))
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["convex", "logistic", "agreement"])
def test_a_run_without_a_network_loads_no_torch(setting: str, tmp_path: Path) -> None:
    packages = ["torch", "sklearn", "pandas", "cvxpy", "joblib"]
    assert loaded(RUN, packages, setting, str(tmp_path / "run")) == []


def test_the_command_loads_slow_packages_when_it_needs_them() -> None:
    packages = ["torch", "sklearn", "pandas", "cvxpy", "joblib", "matplotlib", "scipy.optimize"]
    assert loaded("import sys, irtheory.studies.simulate.command", packages) == []


def test_the_width_study_is_no_part_of_the_simulate_study() -> None:
    packages = ["irtheory.studies.width", "irtheory.propositions.tangent"]
    assert loaded("import sys, irtheory.studies.simulate.command", packages) == []
