from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from irvision.methods.contract import make_network
from irvision.runtime.device import Runtime

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
Main = Callable[..., Any]


@pytest.fixture(scope="module")
def main() -> Iterator[Main]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import gpu_training  # type: ignore[import-not-found]

        def call(*arguments: str) -> Any:
            patch.setattr(sys, "argv", ["gpu_training.py", *arguments])
            gpu_training.main()
            return gpu_training

        yield call


@pytest.fixture(scope="module")
def out(main: Main, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gpu") / "found.json"
    main("--quick", "--device", "cpu", "--methods", "ira", "--profile", "--out", str(out))
    return out


def numbers(content: Any) -> list[float]:
    if isinstance(content, dict | list):
        inner = content.values() if isinstance(content, dict) else content
        return [number for item in inner for number in numbers(item)]
    return [content]


def test_every_metric_is_finite_and_positive(out: Path) -> None:
    found = json.loads(out.read_text())
    assert list(found["cases"]) == ["pmg, ira", "plain, ira"]
    assert found["device"] == "cpu" and not found["pictures_on_gpu"]
    for case in found["cases"].values():
        assert len(numbers(case)) > 20
        assert all(math.isfinite(number) and number > 0 for number in numbers(case))
        assert case["share_outside_passes"] < 1
        assert len(case["first_steps_seconds"]) == 2
        assert case["tree_seconds"] < case["epoch_seconds"]
        assert case["pipeline_to_bare"] < case["pipeline_to_bare_without_tree"]


def test_operations_are_those_of_the_layers(
    out: Path, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gpu_training  # type: ignore[import-not-found]
    from gpu_loops import bare_loop  # type: ignore[import-not-found]
    from gpu_squares import CLASSES  # type: ignore[import-not-found]

    monkeypatch.setattr(sys, "argv", ["gpu_training.py", "--quick", "--device", "cpu"])
    settings = gpu_training.settings_of(gpu_training.parse(), "plain", "paper")
    batch, classes = 4, CLASSES
    images, labels = torch.randn(batch, 3, 32, 32), torch.arange(batch)
    runtime = Runtime(torch.device("cpu"))
    found = bare_loop(settings, classes, (images, labels), runtime, (1, 1)).flops_per_image

    network, products = make_network(settings, classes, "none"), []

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        # Each output number takes as many products as a filter or a row has weights.
        products.append(output.numel() * weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network(images)
    # A product and a sum; forward, and backward to weights and inputs but for those of images.
    assert found * batch == 2 * (3 * sum(products) - products[0])


def test_profile_lists_the_longest_first(out: Path) -> None:
    text = (out.parent / "found_profile.txt").read_text()
    parts = text.split("\n\n")
    assert [part.partition(",")[0] for part in parts] == ["pmg", "plain"]
    for part in parts:
        rows = [line.split() for line in part.splitlines() if line.lstrip()[:1].isdigit()]
        spent = [float(row[1]) for row in rows]
        assert len(rows) == 25 and spent == sorted(spent, reverse=True)
        assert any("convolution" in row[3] for row in rows[:5])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main("--quick", "--out", str(tmp_path / "found.json"))
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert len(lines) == 1 and lines[0].startswith("--device cuda: expected a GPU")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--epochs", "--images"])
def test_nothing_to_time_is_refused(
    main: Main, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main("--quick", "--device", "cpu", option, "0")
    assert capsys.readouterr().err == f"{option}: expected at least 1, found 0\n"
