from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from irtheory.intersection.processes import SingleProcess
from irtheory.runs.files import InputError
from irvision.runtime import device as module
from irvision.runtime.device import Runtime, autocast, start_runtime, stop_runtime
from irvision.runtime.processes import parallelise

PLACES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PLACES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings_of_torch() -> Iterator[None]:
    """Whatever a test switches on is off again after it."""
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark = benchmark


def gpus(patch: pytest.MonkeyPatch, count: int, capability: tuple[int, int] = (9, 0)) -> list:
    """As if torch saw so many GPUs; returns where the choice of one will be noted."""
    chosen: list = []
    patch.setattr(torch.cuda, "is_available", lambda: count > 0)
    patch.setattr(torch.cuda, "device_count", lambda: count)
    patch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    patch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    patch.setattr(torch.cuda, "set_device", chosen.append)
    return chosen


def test_a_cpu_is_the_default_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    runtime = start_runtime()
    assert (runtime.device, runtime.precision) == (torch.device("cpu"), "fp32")
    assert (runtime.rank, runtime.world, runtime.local_rank) == (0, 1, 0)
    assert runtime.reason == (
        "device: the CPU, as torch sees no GPU",
        "precision: fp32, as few CPUs are faster with bf16",
    )
    stop_runtime(runtime)


@pytest.mark.usefixtures("settings_of_torch")
def test_a_gpu_is_the_default_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = gpus(monkeypatch, 2)
    runtime = start_runtime()
    assert (str(runtime.device), runtime.precision) == ("cuda:0", "bf16")
    assert chosen == [torch.device("cuda:0")]
    assert runtime.reason[0] == "device: Some GPU (cuda:0), the default if there is one"
    assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.benchmark
    assert str(start_runtime("cuda:1").device) == "cuda:1"
    assert start_runtime("cuda", "fp32").precision == "fp32"
    assert start_runtime("cpu").device.type == "cpu"


@pytest.mark.usefixtures("settings_of_torch")
def test_an_old_gpu_computes_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 1, (7, 5))
    runtime = start_runtime()
    assert runtime.precision == "fp32" and "no matrix units for bf16" in runtime.reason[1]
    with pytest.raises(
        InputError, match="--precision bf16: expected a GPU with matrix units for bf16"
    ):
        start_runtime(precision="bf16")


@pytest.mark.parametrize(
    ("there", "device", "message"),
    [
        (0, "cuda", "--device cuda: expected a GPU, but .*; pass --device cpu, or see ira doctor"),
        (2, "cuda:2", "--device cuda:2: expected a GPU from cuda:0 to cuda:1, found none"),
        (2, "gpu", "--device: expected cpu, cuda or cuda:NUMBER, found 'gpu'"),
        (2, "cuda:", "--device: expected .*, found 'cuda:'"),
        (2, "cpu:1", "--device: expected .*, found 'cpu:1'"),
    ],
)
def test_a_missing_device_is_one_line(
    monkeypatch: pytest.MonkeyPatch, there: int, device: str, message: str
) -> None:
    gpus(monkeypatch, there)
    with pytest.raises(InputError, match=message) as caught:
        start_runtime(device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("local", "device", "message"),
    [
        (2, None, "--nproc-per-node: expected at most 2, one process for each GPU, .*RANK 2"),
        (0, "cuda:0", "--device cuda:0: expected cuda, as each of 3 processes uses its own GPU"),
    ],
)
def test_processes_do_not_share_a_gpu(
    monkeypatch: pytest.MonkeyPatch, local: int, device: str | None, message: str
) -> None:
    gpus(monkeypatch, 2)
    for name, value in zip(PLACES, (local, 3, local), strict=True):
        monkeypatch.setenv(name, str(value))
    with pytest.raises(InputError, match=message):
        start_runtime(device)


def test_processes_of_torchrun_join(monkeypatch: pytest.MonkeyPatch) -> None:
    joined: dict = {}
    gpus(monkeypatch, 0)
    for name, value in zip(PLACES, ("3", "4", "1"), strict=True):
        monkeypatch.setenv(name, value)

    def join(backend: str, **more) -> None:
        joined.update(more, backend=backend)

    monkeypatch.setattr(module.distributed, "init_process_group", join)
    runtime = start_runtime()
    assert (runtime.rank, runtime.world, runtime.local_rank) == (3, 4, 1)
    assert (joined["backend"], joined["rank"], joined["world_size"]) == ("gloo", 3, 4)


def test_other_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--precision: expected bf16 or fp32, found 'fp16'"):
        start_runtime("cpu", "fp16")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(InputError, match="WORLD_SIZE: expected the whole number that torchrun"):
        start_runtime("cpu")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_forward_passes_have_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    make = autocast(start_runtime("cpu", precision))
    layer = torch.nn.Linear(4, 2)
    for _ in range(2):
        with make():
            assert layer(torch.ones(3, 4)).dtype == dtype
    assert layer(torch.ones(3, 4)).dtype == torch.float32


@pytest.mark.usefixtures("settings_of_torch")
def test_deterministic_algorithms_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    start_runtime("cpu")
    assert not torch.are_deterministic_algorithms_enabled()
    gpus(monkeypatch, 1)
    start_runtime("cuda", deterministic=True)
    assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark


def test_a_single_process_needs_no_others() -> None:
    network = torch.nn.Linear(2, 2)
    same, processes = parallelise(network, Runtime(torch.device("cpu")))  # type: ignore[arg-type]
    assert same is network and isinstance(processes, SingleProcess)
