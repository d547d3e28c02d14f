"""What a run records of its environment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from irtheory.runs import environment


def _fail() -> None:
    raise OSError("no git here")


@pytest.mark.parametrize(
    "broken", [lambda *a, **k: _fail(), lambda *a, **k: type("R", (), {"returncode": 128})()]
)
def test_the_environment_is_told_without_git(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[..., object]
) -> None:
    monkeypatch.setattr(environment.subprocess, "run", broken)
    found = environment.environment(3)
    assert found["git"] is None and found["seed"] == 3
