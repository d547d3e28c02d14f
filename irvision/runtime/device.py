"""Device and precision of a run, and the rank of this process among several."""

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
# First compute capability of NVIDIA GPUs with matrix units for bfloat16.
AMPERE = (8, 0)
# Processes wait for process 0 to grow the tree, and an exact tree can take long.
PROCESS_TIMEOUT = timedelta(hours=2)
# Environment variables that torchrun sets, and their values for a single process.
TORCHRUN = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))


@dataclass(frozen=True)
class Runtime:
    """Device, precision and rank of a process.

    Attributes:
        device: device of tensors and networks.
        precision: precision of forward passes; weights, losses and optimisers are always in fp32.
        rank, world: number of this process, and number of processes.
        local_rank: number of this process among those of this machine.
        reason: sentences that say what was chosen and why.
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
        precision: "bf16" or "fp32"; the default is bf16 on GPUs with matrix units for it.
        deterministic: use deterministic algorithms where torch has them; they are slower.

    Raises:
        InputError: no such device or precision, or fewer GPUs than processes.
    """
    runtime = choose_runtime(device, precision)
    on_gpu, world = runtime.device.type == "cuda", runtime.world
    if on_gpu:
        _configure_gpu(runtime.device)
    else:
        _keep_freed_memory()
    if deterministic:
        _make_deterministic()
    if world > 1 and not distributed.is_initialized():
        backend = "nccl" if on_gpu else "gloo"
        distributed.init_process_group(
            backend, rank=runtime.rank, world_size=world, timeout=PROCESS_TIMEOUT
        )
    return runtime


def choose_runtime(device: str | None = None, precision: str | None = None) -> Runtime:
    """The runtime that `start_runtime` would start; changes no settings.

    Raises:
        InputError: no such device or precision, or fewer GPUs than processes.
    """
    rank, world, local = (_number(*item) for item in TORCHRUN)
    chosen, device_reason = _device(device, world, local)
    number_format, precision_reason = _precision(precision, chosen)
    reasons = device_reason, precision_reason
    return Runtime(chosen, number_format, rank, world, local, reasons)


def stop_runtime(runtime: Runtime) -> None:
    """Leave the process group, if there is one."""
    if runtime.world > 1 and distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def running(runtime: Runtime) -> Iterator[None]:
    """Leave the process group at the end of the context.

    After an error the other processes may be waiting in a collective operation, and with NCCL
    leaving the group would wait for them. This process then ends without leaving, and torchrun
    ends the others.
    """
    try:
        yield
    except BaseException:
        if runtime.device.type == "cpu":
            stop_runtime(runtime)
        raise
    stop_runtime(runtime)


def device_name(runtime: Runtime) -> str:
    """Name of the GPU, or "cpu"."""
    on_gpu = runtime.device.type == "cuda"
    return torch.cuda.get_device_name(runtime.device) if on_gpu else "cpu"


def autocast(runtime: Runtime) -> Callable[[], AbstractContextManager[Any]]:
    """A function that returns the context of a forward pass."""
    if runtime.precision == "fp32":
        return nullcontext
    return partial(torch.autocast, runtime.device.type, torch.bfloat16)


def _number(name: str, default: int) -> int:
    found = os.environ.get(name, str(default))
    if not found.isdecimal():
        raise InputError(f"{name}: expected the whole number that torchrun sets, found {found!r}")
    return int(found)


def _device(requested: str | None, world: int, local: int) -> tuple[torch.device, str]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested is None and not gpus:
        return torch.device("cpu"), "device: the CPU, as torch sees no GPU"
    device = _parse("cuda" if requested is None else requested)
    if device.type == "cpu":
        return device, "device: the CPU, as requested"
    index = local if device.index is None else device.index
    if world > 1 and device.index is not None:
        raise InputError(
            f"--device {requested}: expected cuda, as each of {world} processes uses its own GPU"
        )
    if index >= gpus:
        raise InputError(_too_few(requested, gpus, index, world))
    device = torch.device("cuda", index)
    why = "as requested" if requested else "the default if there is one"
    return device, f"device: {torch.cuda.get_device_name(device)} ({device}), {why}"


def _parse(name: str) -> torch.device:
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return torch.device(kind)
    if kind == "cuda" and (index.isdecimal() or name == "cuda"):
        return torch.device(name)
    raise InputError(f"--device: expected cpu, cuda or cuda:NUMBER, found {name!r}")


def _too_few(requested: str | None, gpus: int, index: int, world: int) -> str:
    if world > 1 and gpus:
        return (
            f"--nproc-per-node: expected at most {gpus}, one process for each GPU, "
            f"found one with LOCAL_RANK {index}"
        )
    if gpus:
        return f"--device {requested}: expected a GPU from cuda:0 to cuda:{gpus - 1}, found none"
    build = torch.version.cuda or torch.version.hip
    why = "no GPU or driver was found" if build else "this build of torch supports only CPUs"
    return f"--device {requested}: expected a GPU, but {why}; pass --device cpu, or see ira doctor"


def _precision(requested: str | None, device: torch.device) -> tuple[Precision, str]:
    if requested is not None and requested not in get_args(Precision):
        raise InputError(f"--precision: expected bf16 or fp32, found {requested!r}")
    if device.type == "cpu":
        if requested == "bf16":
            return "bf16", "precision: bf16, as requested; few CPUs are faster with it"
        return "fp32", "precision: fp32, as few CPUs are faster with bf16"
    has_units = torch.version.hip or torch.cuda.get_device_capability(device) >= AMPERE
    if requested == "fp32" or (requested is None and not has_units):
        why = "as requested" if requested else "as this GPU has no matrix units for bf16"
        return "fp32", f"precision: fp32 (TF32 in matrix products if the GPU has it), {why}"
    if not has_units:
        raise InputError(
            "--precision bf16: expected a GPU with matrix units for bf16, found an older one; "
            "pass --precision fp32"
        )
    return "bf16", "precision: bf16 in forward passes, as this GPU has matrix units for it"


def _configure_gpu(device: torch.device) -> None:
    torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True


def _keep_freed_memory() -> None:
    """Make glibc keep freed blocks of memory, if it is the C library.

    By default it returns freed blocks above 32 MiB to the system. Feature maps of a batch of
    photographs are larger, and mapping fresh pages for every layer takes as long as the arithmetic
    (measured: MobileNetV2 at 224 pixels runs at half speed).
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            library.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def _make_deterministic() -> None:
    # cuBLAS reads the variable when it starts. For operations without a deterministic version
    # torch only warns.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
