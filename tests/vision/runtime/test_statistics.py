from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from irtheory.intersection.quantize import UniformQuantizer
from irvision.runtime.device import Runtime
from irvision.runtime.statistics import share_statistics


def statistics(runtime: Runtime) -> dict:
    """Batch norms of both kinds and the quantiser's range, on 5 and 3 of 8 samples."""
    mine = slice(0, 5) if runtime.rank == 0 else slice(5, 8)
    return {name: case(mine, True) for name, case in CASES.items()}


def norm_case(shape: tuple[int, ...], momentum: float | None, dtype: torch.dtype) -> Callable:
    def case(mine: slice, shared: bool) -> dict:
        torch.manual_seed(1)
        kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
        norm = nn.Sequential(kind(shape[1], momentum=momentum))
        norm[0].weight.data.uniform_(0.5, 2.0)  # type: ignore[union-attr]
        x, weight = 3 * torch.randn(shape) + 20, torch.randn(shape)
        if shared:
            norm = share_statistics(norm)
        norm.to(dtype)
        mine_x = x[mine].to(dtype).requires_grad_()
        for _ in range(2):
            out = norm(mine_x)
        (out * weight[mine]).sum().backward()
        assert mine_x.grad is not None
        grads = [p.grad for p in norm.parameters()]
        held = norm.eval()(x.to(dtype))
        return {
            "by sample": [out.detach(), mine_x.grad],
            "summed": grads,
            "equal": [held.detach(), *norm.state_dict().values()],
        }

    return case


def range_case(x: Tensor, bits: int) -> Callable:
    def case(mine: slice, shared: bool) -> dict:
        quantizer = UniformQuantizer(bits)
        if shared:
            share_statistics(quantizer)
        mine_x = x[mine].clone().requires_grad_()
        codes = quantizer(mine_x)
        weight = torch.linspace(-1, 2, x.numel()).view_as(x)
        (codes * weight[mine]).sum().backward()
        assert mine_x.grad is not None
        held = quantizer.eval()(x)
        return {
            "by sample": [codes.detach(), mine_x.grad],
            "summed": [],
            "equal": [held.detach(), *quantizer.state_dict().values()],
        }

    return case


RELU = torch.randn(8, 6, generator=torch.Generator().manual_seed(0)).relu()
CASES: dict[str, Callable] = {
    "2d": norm_case((8, 4, 3, 3), 0.1, torch.float32),
    "1d": norm_case((8, 4), 0.3, torch.float64),
    "cumulative": norm_case((8, 4), None, torch.float32),
    "range of relu": range_case(RELU, 2),
    "ties at both ends": range_case(torch.tensor([[-1.0, 2, 0.3]] * 8), 3),
    "constant": range_case(torch.ones(8, 2), 1),
}
JOINED: dict[str, Callable] = {
    "by sample": lambda parts: [torch.cat(parts)],
    "summed": lambda parts: [sum(parts)],
    "equal": lambda parts: parts,
}
SCENARIOS = (statistics,)


@pytest.fixture(scope="module")
def processes(in_two_processes: Callable[[str], list[dict]]) -> list[dict]:
    return in_two_processes(__file__)


@pytest.mark.parametrize("name", CASES)
def test_statistics_are_those_of_the_joint_batch(processes: list[dict], name: str) -> None:
    alone = CASES[name](slice(None), False)
    first, second = (process["statistics"][name] for process in processes)
    for key, expected in alone.items():
        for whole, *parts in zip(expected, first[key], second[key], strict=True):
            for found in JOINED[key](parts):
                torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)
