"""A small folder of images, and two processes as torchrun would start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
WORLD = 2
# What each process runs: the functions that the file lists as SCENARIOS, on its runtime.
PROGRAM = """
import runpy, sys, torch
from irvision.runtime.device import start_runtime, stop_runtime
scenarios = runpy.run_path(sys.argv[1])["SCENARIOS"]
runtime = start_runtime("cpu")
results = {scenario.__name__: scenario(runtime) for scenario in scenarios}
torch.save(results, f"{sys.argv[2]}/{runtime.rank}.pt")
stop_runtime(runtime)
"""


def _environment() -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(WORLD)}
    quiet = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return {**os.environ, **place, **quiet}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes of 23 images of noise."""
    rng = np.random.default_rng(0)
    for kind in ("ash", "birch", "cedar"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(23):
            pixels = rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def in_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[dict]]:
    """What each of two processes returns for every scenario of a file, by name."""

    def run(file: str) -> list[dict]:
        import torch

        out, shared = tmp_path_factory.mktemp("processes"), _environment()
        started = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, file, str(out)],
                env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(WORLD)
        ]
        try:
            errors = [process.communicate(timeout=120)[1] for process in started]
        finally:
            for process in started:
                process.kill()
        assert [process.returncode for process in started] == [0] * WORLD, "\n".join(errors)
        return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]

    return run


@pytest.fixture
def check_apart() -> Callable[[Figure], None]:
    """Checks the texts of a figure."""

    def check_apart(figure: Figure) -> None:
        """No text runs into another or over the edge of the page."""
        figure.draw_without_rendering()
        texts = [
            text for text in figure.axes[0].texts if text.get_text() and not text.get_rotation()
        ]
        edges = np.array([text.get_window_extent().extents for text in texts])
        apart = (edges[:, None, :2] >= edges[None, :, 2:] - 1).any(-1)
        assert (apart | apart.T | np.eye(len(edges), dtype=bool)).all()
        assert (edges[:, :2] >= 0).all()
        assert (edges[:, 2:] <= figure.bbox.extents[2:]).all()

    return check_apart
