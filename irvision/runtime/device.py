"""Where a run computes: device, precision, and its place among several processes."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, get_args

import torch
from torch import distributed

from irtheory.runs.files import InputError
from irvision.settings.train import Precision

# Numbers of glibc's malloc.h.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
# From here on NVIDIA cards have matrix units for bfloat16.
AMPERE = (8, 0)
# Processes wait for the one that grows the tree, and an exact tree takes its time.
PATIENCE = timedelta(hours=2)
# Variables of torchrun, and what they are where it did not start the process.
PLACES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))


@dataclass(frozen=True)
class Runtime:
    """What a process computes with.

    Attributes:
        device: of tensors and networks.
        precision: of forward passes; weights, losses and optimisers are always in fp32.
        rank, world: number of this process and how many there are.
        local_rank: number among those of this machine.
        reason: sentences on what was chosen and why.
    """

    device: torch.device
    precision: Precision = "fp32"
    rank: int = 0
    world: int = 1
    local_rank: int = 0
    reason: tuple[str, ...] = ()


def start_runtime(
    device: str | None = None, precision: str | None = None, deterministic: bool = False
) -> Runtime:
    """Choose device and precision, and join the other processes that torchrun started.

    Args:
        device: "cpu", "cuda" or "cuda:1"; the default is a GPU if there is one.
        precision: "bf16" or "fp32"; the default is bf16 on GPUs that are made for it.
        deterministic: choose algorithms that give the same bits every time, where there are
            any, at some cost in speed.

    Raises:
        InputError: no such device or precision, or fewer GPUs than processes.
    """
    runtime = choose_runtime(device, precision)
    on_gpu, world = runtime.device.type == "cuda", runtime.world
    if on_gpu:
        _tune(runtime.device)
    else:
        _keep_memory()
    if deterministic:
        _make_deterministic()
    if world > 1 and not distributed.is_initialized():
        backend = "nccl" if on_gpu else "gloo"
        distributed.init_process_group(
            backend, rank=runtime.rank, world_size=world, timeout=PATIENCE
        )
    return runtime


def choose_runtime(device: str | None = None, precision: str | None = None) -> Runtime:
    """What `start_runtime` would start; nothing is changed.

    Raises:
        InputError: no such device or precision, or fewer GPUs than processes.
    """
    rank, world, local = (_number(*item) for item in PLACES)
    where, why_there = _device(device, world, local)
    with_what, why_so = _precision(precision, where)
    return Runtime(where, with_what, rank, world, local, (why_there, why_so))


def stop_runtime(runtime: Runtime) -> None:
    """Part from the other processes, if there are any."""
    if runtime.world > 1 and distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def running(runtime: Runtime) -> Iterator[None]:
    """Part from the other processes at the end.

    After an error the others may be waiting in a collective call, and to part by nccl would
    wait for them: then this process just ends, and torchrun ends the others.
    """
    try:
        yield
    except BaseException:
        if runtime.device.type == "cpu":
            stop_runtime(runtime)
        raise
    stop_runtime(runtime)


def device_name(runtime: Runtime) -> str:
    """Of the GPU, or "cpu"."""
    on_gpu = runtime.device.type == "cuda"
    return torch.cuda.get_device_name(runtime.device) if on_gpu else "cpu"


def autocast(runtime: Runtime) -> Callable[[], AbstractContextManager[Any]]:
    """Makes the context of a forward pass."""
    if runtime.precision == "fp32":
        return nullcontext
    return partial(torch.autocast, runtime.device.type, torch.bfloat16)


def _number(name: str, default: int) -> int:
    found = os.environ.get(name, str(default))
    if not found.isdecimal():
        raise InputError(f"{name}: expected the whole number that torchrun sets, found {found!r}")
    return int(found)


def _device(asked: str | None, world: int, local: int) -> tuple[torch.device, str]:
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked is None and not there:
        return torch.device("cpu"), "device: the CPU, as torch sees no GPU"
    device = _parse("cuda" if asked is None else asked)
    if device.type == "cpu":
        return device, "device: the CPU, as asked"
    index = local if device.index is None else device.index
    if world > 1 and device.index is not None:
        raise InputError(
            f"--device {asked}: expected cuda, for each of {world} processes takes its own GPU"
        )
    if index >= there:
        raise InputError(_too_few(asked, there, index, world))
    device = torch.device("cuda", index)
    why = "as asked" if asked else "the default where there is one"
    return device, f"device: {torch.cuda.get_device_name(device)} ({device}), {why}"


def _parse(asked: str) -> torch.device:
    kind, _, index = asked.partition(":")
    if kind == "cpu" and not index:
        return torch.device(kind)
    if kind == "cuda" and (index.isdecimal() or asked == "cuda"):
        return torch.device(asked)
    raise InputError(f"--device: expected cpu, cuda or cuda:NUMBER, found {asked!r}")


def _too_few(asked: str | None, there: int, index: int, world: int) -> str:
    if world > 1 and there:
        return (
            f"--nproc-per-node: expected at most {there}, one process for each GPU, "
            f"found one with LOCAL_RANK {index}"
        )
    if there:
        return f"--device {asked}: expected a GPU from cuda:0 to cuda:{there - 1}, found none"
    build = torch.version.cuda or torch.version.hip
    why = "no GPU or driver was found" if build else "this torch is built for CPUs alone"
    return f"--device {asked}: expected a GPU, but {why}; pass --device cpu, or see ira doctor"


def _precision(asked: str | None, device: torch.device) -> tuple[Precision, str]:
    if asked is not None and asked not in get_args(Precision):
        raise InputError(f"--precision: expected bf16 or fp32, found {asked!r}")
    if device.type == "cpu":
        if asked == "bf16":
            return "bf16", "precision: bf16, as asked; few CPUs are quicker with it"
        return "fp32", "precision: fp32, as few CPUs are quicker with less"
    made_for_it = torch.version.hip or torch.cuda.get_device_capability(device) >= AMPERE
    if asked == "fp32" or (asked is None and not made_for_it):
        why = "as asked" if asked else "as this GPU is not made for bf16"
        return "fp32", f"precision: fp32 (TF32 in matrix products where there is), {why}"
    if not made_for_it:
        raise InputError("--precision bf16: this GPU is not made for it; pass --precision fp32")
    return "bf16", "precision: bf16 in forward passes, for which this GPU is made"


def _tune(device: torch.device) -> None:
    torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True


def _keep_memory() -> None:
    """Let glibc keep large blocks that are freed, where it is the C library.

    It hands blocks above 32 MiB back to the system, and the maps of a batch of photographs are
    larger: fresh pages for every layer then cost as much as the arithmetic (measured: half the
    speed of MobileNetV2 at 224 pixels).
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            library.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def _make_deterministic() -> None:
    # cuBLAS reads this when it starts; where nothing deterministic exists torch only warns.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
