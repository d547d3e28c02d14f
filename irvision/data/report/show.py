"""An overview picture of a data set: a few samples of each class."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from irtheory.runs.files import InputError, write_bytes
from irvision.data.examples import BadImage, Examples, PixelSource

PAPER, TEXT, BAD = (250, 249, 245), (30, 30, 30), (190, 60, 50)
GAP, LABEL = 6, 160


def sample_grid(examples: Examples, columns: int, size: int, seed: int) -> Image.Image:
    """One row per class: its name and up to `columns` samples, chosen at random.

    A sample that cannot be read is drawn as a red square.

    Args:
        examples: the data set.
        columns: number of samples per class, at most.
        size: side of a sample, in pixels.
        seed: of the random choice.
    """
    step = size + GAP
    grid = Image.new("RGB", (LABEL + columns * step, len(examples.classes) * step + GAP), PAPER)
    pen = ImageDraw.Draw(grid)
    chance = np.random.default_rng(seed)
    for row, name in enumerate(examples.classes):
        top = GAP + row * step
        pen.text((GAP, top + size // 2 - 7), name[:22], fill=TEXT, font_size=12)
        members = np.flatnonzero(examples.labels == row)
        chosen = chance.permutation(members)[:columns]
        for column, index in enumerate(chosen.tolist()):
            sample = Image.fromarray(_read(examples.pixels, index, size))
            grid.paste(sample, (LABEL + column * step, top))
    return grid


def write_png(image: Image.Image, path: Path) -> None:
    """Write a picture atomically; InputError if it cannot be written."""
    packed = io.BytesIO()
    image.save(packed, "PNG")
    try:
        write_bytes(path, packed.getbuffer())
    except OSError as error:
        raise InputError(f"--out {path}: cannot write there ({error.strerror})") from error


def _read(pixels: PixelSource, index: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
    try:
        return pixels.read(index, size)
    except BadImage:
        return np.full((size, size, 3), BAD, np.uint8)
