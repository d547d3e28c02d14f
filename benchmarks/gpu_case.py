"""One case of `gpu_training.py`: a run of the engine, beside a bare loop of the same network."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from gpu_loops import (
    PASSES,
    Timed,
    bare_loop,
    clocked,
    epoch_of,
    first_steps,
    parts_of_epoch,
    peak_mib,
    restart_peak,
    timed_epoch,
)
from gpu_profile import profile_of
from gpu_squares import CLASSES
from rich.console import Console

from irvision.data.batches.material import Material
from irvision.runs.checkpoint import save_checkpoint
from irvision.runs.writer import Writer
from irvision.runtime.device import Runtime
from irvision.settings.train import TrainSettings
from irvision.training.setup import Setup, set_up


def measure(
    settings: TrainSettings, material: Material, runtime: Runtime, epochs: int, rate: float
) -> dict[str, Any]:
    """All numbers of one case; `rate` is that of matrices, in operations a second."""
    device = runtime.device
    if settings.compile:
        torch.compiler.reset()
    restart_peak(device)
    setup = _set_up(settings, material, runtime)
    first, steps = first_steps(setup.engine, setup.train, device)
    epoch_of(setup.engine, setup.train)
    # Without what cuDNN tries when it chooses its kernels.
    first_peak = peak_mib(device)
    restart_peak(device)
    timed = [timed_epoch(setup.engine, setup.train, device) for _ in range(epochs)]
    parts = parts_of_epoch(setup.engine, setup.train, device)
    peak = peak_mib(device)
    seconds, size = _checkpoint(setup, device)
    saved = _epochs_with_checkpoints(setup, device, epochs)
    batch, blocks = next(iter(setup.train(1))), (epochs, setup.steps)
    del setup
    release(device)
    bare = bare_loop(settings, CLASSES, batch, runtime, blocks)
    found = _compared(timed, len(material.examples.labels), bare.images_per_second)
    flops = bare.flops_per_image
    return {
        **found,
        "seconds_of_parts": parts,
        "share_outside_passes": 1 - parts[PASSES] / sum(parts.values()),
        "gigaflops_per_image": flops / 1e9,
        "teraflops": found["images_per_second"] * flops / 1e12,
        "share_of_matrix_rate": found["images_per_second"] * flops / rate,
        "bare_share_of_matrix_rate": bare.images_per_second * flops / rate,
        "saved_epoch_seconds": saved,
        "peak_mib": peak,
        "first_peak_mib": first_peak,
        "first_epoch_seconds": first,
        "first_steps_seconds": steps,
        "checkpoint_seconds": seconds,
        "checkpoint_mib": size,
    }


def _compared(timed: list[Timed], images: int, bare: float) -> dict[str, Any]:
    seconds = median(epoch.seconds for epoch in timed)
    without = median(epoch.seconds - epoch.tree for epoch in timed)
    return {
        "epoch_seconds": seconds,
        "every_epoch_seconds": [epoch.seconds for epoch in timed],
        "tree_seconds": median(epoch.tree for epoch in timed),
        "images_per_second": images / seconds,
        "images_per_second_without_tree": images / without,
        "bare_images_per_second": bare,
        "pipeline_to_bare": images / seconds / bare,
        "pipeline_to_bare_without_tree": images / without / bare,
    }


def _set_up(settings: TrainSettings, material: Material, runtime: Runtime) -> Setup:
    # Nothing is frozen, so the folder for features is not used.
    return set_up(settings, material, runtime, Path(), Console(quiet=True))


def _checkpoint(setup: Setup, device: torch.device) -> tuple[float, float]:
    """Seconds and MiB of what `ira train` writes after every epoch, into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:

        def save() -> None:
            save_checkpoint(Path(folder), 1, 0, {"engine": setup.engine.state_dict()})

        seconds = clocked(device, save)
        return seconds, sum(f.stat().st_size for f in Path(folder).iterdir()) / 2**20


def _epochs_with_checkpoints(setup: Setup, device: torch.device, epochs: int) -> float:
    """Seconds of an epoch where, as in `ira train`, a thread writes the state of the one before."""
    with tempfile.TemporaryDirectory() as folder, Writer() as writer:

        def epoch() -> None:
            epoch_of(setup.engine, setup.train)
            state = {"engine": setup.engine.state_dict()}
            writer.save(Path(folder), setup.engine.epoch, 0, state)

        epoch()
        return median(clocked(device, epoch) for _ in range(epochs))


def profiled(settings: TrainSettings, material: Material, runtime: Runtime) -> str:
    """The profile of an epoch after two others."""
    setup = _set_up(settings, material, runtime)
    for _ in range(2):
        epoch_of(setup.engine, setup.train)
    return profile_of(lambda: epoch_of(setup.engine, setup.train), runtime.device)


def release(device: torch.device) -> None:
    """Give memory back that nothing uses, before the next case."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
