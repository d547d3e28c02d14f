"""The probes of `ira doctor`, one function each; a probe that fails is reported as failed."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import distributed

from irtheory.runs.files import InputError
from irtheory.trees.compile import kernels_compiled
from irvision.data.pixels.cache_folder import cache_folder
from irvision.data.registry import DATASETS, load_examples
from irvision.runtime.device import choose_runtime
from irvision.settings.data import DataOptions

GIB = 2**30
# Below this the cache of a data set at the paper's resolution may not fit.
LITTLE_DISK = 15 * GIB
CGROUP = Path("/sys/fs/cgroup")
DRAWN = "beetles"
ONE_PROCESS = "train in one process, or install a torch built with gloo"


@dataclass(frozen=True)
class Finding:
    """The result of a probe.

    Attributes:
        what: was looked at.
        state: "missing" if something will not work for want of it.
        found: what is there.
        advice: what to do or to know; may be empty.
    """

    what: str
    state: Literal["ok", "note", "missing"]
    found: str
    advice: str = ""


def versions() -> Finding:
    """Versions of Python, torch and this package."""
    build = torch.version.cuda or torch.version.hip
    made_for = f"for GPUs ({build})" if build else "for CPUs alone"
    try:
        own = metadata.version("ira")
    except metadata.PackageNotFoundError:
        own = "not installed"
    found = f"Python {sys.version.split()[0]}, torch {torch.__version__} {made_for}, ira {own}"
    return Finding("versions", "ok", found)


def gpus() -> Finding:
    """Names, memory and capability of the GPUs."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count:
        return Finding("GPU", "ok", "; ".join(_gpu(index) for index in range(count)))
    if not (torch.version.cuda or torch.version.hip):
        found, advice = "none: this torch is built for CPUs alone", ""
        if Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists():
            advice = "a card is there; install a torch built for it (see pytorch.org)"
        return Finding("GPU", "note", found, advice or "training is slow on all but small networks")
    advice = "look for a driver (nvidia-smi) and at CUDA_VISIBLE_DEVICES"
    return Finding("GPU", "missing", "none that torch can use", advice)


def _gpu(index: int) -> str:
    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    memory = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    return f"{properties.name} ({memory}, capability {properties.major}.{properties.minor})"


def precision() -> Finding:
    """The device and precision that a run takes by default."""
    runtime = choose_runtime()
    return Finding("default", "ok", f"{runtime.device}, {runtime.precision}", runtime.reason[1])


def compiling() -> Finding:
    """Whether torch.compile finds a compiler; compiling a test would take a minute."""
    lacking = []
    named = os.environ.get("CXX", "")
    if not any(shutil.which(name) for name in (named, "c++", "g++", "clang++") if name):
        lacking.append("a C++ compiler")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        lacking.append("Python.h")
    if torch.cuda.is_available() and find_spec("triton") is None:
        lacking.append("triton")
    if lacking:
        return Finding("--compile", "missing", f"lacks {', '.join(lacking)}", "pass --no-compile")
    return Finding("--compile", "ok", "a compiler and its headers are there")


def processors() -> Finding:
    """Cores that this process may use, and threads of torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"{cores} cores, {torch.get_num_threads()} threads of torch"
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(quota) < (cores or 1) * int(period):
        share = int(quota) / int(period)
        advice = f"this container gets {share:g} of them: set OMP_NUM_THREADS={max(1, int(share))}"
        return Finding("processor", "note", found, advice)
    return Finding("processor", "ok", found)


def memory() -> Finding:
    """Memory of the machine, and the limit of the container if there is one."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found, limit = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free", _read(CGROUP / "memory.max")
    if limit.isdecimal() and int(limit) < total:
        return Finding("memory", "note", found, f"this container gets {int(limit) / GIB:.1f} GiB")
    return Finding("memory", "ok", found)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def caches() -> Finding:
    """Folder of decoded images and weights, its size, and the free space on its disk."""
    folder = cache_folder().parent
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        advice = "pass --cache-dir or set IRA_CACHE"
        return Finding("cache", "missing", f"{folder} cannot be written", advice)
    free = shutil.disk_usage(there).free
    kept = [f"{name} {size / GIB:.2f} GiB" for name, size in _sizes(folder)]
    found = f"{folder}: {', '.join(kept) or 'empty'}; {free / GIB:.1f} GiB free"
    if free < LITTLE_DISK:
        return Finding("cache", "note", found, "little room; --cache-dir names another place")
    return Finding("cache", "ok", found)


def _sizes(folder: Path) -> list[tuple[str, int]]:
    """Size in bytes of each folder of the cache."""
    parts = sorted(path for path in folder.glob("*") if path.is_dir())
    return [
        (part.name, sum(file.stat().st_size for file in part.rglob("*") if file.is_file()))
        for part in parts
    ]


def tree_kernels() -> Finding:
    """Whether the tree kernels are compiled already."""
    if kernels_compiled():
        return Finding("tree kernels", "ok", "compiled")
    advice = "the first run compiles them, which takes about a minute"
    return Finding("tree kernels", "note", "not compiled yet", advice)


def processes() -> Finding:
    """Backend for several processes: nccl or gloo."""
    if not distributed.is_available():
        return Finding("torchrun", "missing", "this torch has no torch.distributed", ONE_PROCESS)
    kinds = {"gloo": distributed.is_gloo_available(), "nccl": distributed.is_nccl_available()}
    found = ", ".join(name for name, there in kinds.items() if there) or "nothing"
    # On GPUs too, flags and trees are sent with gloo.
    if not kinds["gloo"]:
        return Finding("torchrun", "missing", f"speaks through {found}, not gloo", ONE_PROCESS)
    return Finding("torchrun", "ok", f"speaks through {found}")


def torchvision() -> Finding:
    """Whether torchvision can be imported; it is not needed, but users ask for it."""
    advice = "not needed; one test compares the networks with its own"
    if find_spec("torchvision") is None:
        return Finding("torchvision", "ok", "not installed", advice)
    try:
        import_module("torchvision")
    except Exception as error:
        return Finding("torchvision", "ok", f"cannot be imported ({_line(error)})", advice)
    return Finding("torchvision", "ok", metadata.version("torchvision"), advice)


def tensorboard() -> Finding:
    """Whether the optional TensorBoard is installed."""
    if find_spec("tensorboard") is None:
        advice = "pip install 'ira[tensorboard]'; metrics.jsonl is written anyway"
        return Finding("--tensorboard", "missing", "not installed", advice)
    return Finding("--tensorboard", "ok", metadata.version("tensorboard"))


def data_sets() -> Finding:
    """The data sets in the data folder; beetles are drawn and need no files."""
    folder = Path(os.environ.get("IRA_DATA") or "data")
    found, absent = [f"{DRAWN} (drawn)"], []
    for name in DATASETS:
        if name == DRAWN:
            continue
        try:
            examples = load_examples(name, DataOptions(folder))
            found.append(f"{name} ({len(examples.labels)} samples)")
        except (InputError, OSError):
            absent.append(name)
    if not absent:
        return Finding("data sets", "ok", ", ".join(found))
    advice = f"not in {folder}: {', '.join(absent)}; ira data check NAME says what is missing"
    return Finding("data sets", "note", ", ".join(found), advice)


PROBES: tuple[Callable[[], Finding], ...] = (
    versions, gpus, precision, compiling, processors, memory, caches, tree_kernels,
    processes, torchvision, tensorboard, data_sets,
)  # fmt: skip


def examine(probe: Callable[[], Finding]) -> Finding:
    """Run a probe; an exception becomes a finding."""
    try:
        return probe()
    except Exception as error:
        name = probe.__name__.replace("_", " ")
        return Finding(name, "note", f"could not be looked at ({_line(error)})")


def _line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:120]}" if words else type(error).__name__
