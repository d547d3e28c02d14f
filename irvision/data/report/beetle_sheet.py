"""A contact sheet: beetles by species, then each attribute switched off and on in a beetle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from irvision.data.beetles.draw import draw, picture
from irvision.data.beetles.species import SPECIES, TRAITS, species
from irvision.data.beetles.traits import traits
from irvision.data.report.show import write_png

PAPER, TEXT, FAINT = (250, 249, 245), (30, 30, 30), (120, 120, 120)
GAP, LINE, MARGIN = 6, 18, 20
BLOCKS = 2  # columns of attributes


def contact_sheet(
    path: Path, columns: int = 9, pairs: int = 2, size: int = 96, seed: int = 0
) -> None:
    """Write the sheet as a PNG, atomically.

    Args:
        path: of the file; its folder must exist.
        columns: number of beetles per species.
        pairs: number of beetles that each attribute is toggled in; nothing else changes.
        size: side of a picture, in pixels.
        seed: of the beetles.

    Raises:
        InputError: the file cannot be written.
    """
    upper, lower = _species_part(columns, size, seed), _trait_part(pairs, size, seed)
    width = max(upper.width, lower.width) + 2 * MARGIN
    sheet = Image.new("RGB", (width, upper.height + lower.height + 3 * MARGIN), PAPER)
    sheet.paste(upper, (MARGIN, MARGIN))
    sheet.paste(lower, (MARGIN, upper.height + 2 * MARGIN))
    write_png(sheet, path)


def toggled(
    index: int, seed: int, size: int, trait: int
) -> tuple[UInt8[np.ndarray, "size size 3"], UInt8[np.ndarray, "size size 3"]]:
    """A beetle without an attribute and with it; everything else is equal."""
    values = traits(index, seed)
    without, having = values.copy(), values.copy()
    without[trait], having[trait] = 0, 1
    return picture(index, seed, size, without), picture(index, seed, size, having)


def _species_part(columns: int, size: int, seed: int) -> Image.Image:
    label = 150
    height = 2 * LINE + len(SPECIES) * (size + GAP)
    part = Image.new("RGB", (label + columns * (size + GAP), height), PAPER)
    pen = ImageDraw.Draw(part)
    pen.text((0, 0), f"{len(SPECIES)} species, seed {seed}", fill=TEXT, font_size=15)
    for row, name in enumerate(SPECIES):
        top = 2 * LINE + row * (size + GAP)
        pen.text((0, top + size // 2 - 8), name, fill=TEXT, font_size=13)
        found = _members(row, seed)
        for column in range(columns):
            beetle = Image.fromarray(draw(next(found), seed, size))
            part.paste(beetle, (label + column * (size + GAP), top))
    return part


def _members(kind: int, seed: int) -> Iterator[int]:
    """Indices of the beetles of a species; there is one in every twelve."""
    index = 0
    while True:
        if species(index, seed) == kind:
            yield index
        index += 1


def _trait_part(pairs: int, size: int, seed: int) -> Image.Image:
    label, pair = 130, 2 * size + 2 + 2 * GAP
    block = label + pairs * pair + 2 * GAP
    rows = -(-len(TRAITS) // BLOCKS)
    part = Image.new("RGB", (BLOCKS * block, 3 * LINE + rows * (size + GAP)), PAPER)
    pen = ImageDraw.Draw(part)
    title = f"{len(TRAITS)} attributes: the same beetle without and with each"
    pen.text((0, 0), title, fill=TEXT, font_size=15)
    for trait, name in enumerate(TRAITS):
        left, row = trait // rows * block, trait % rows
        top = 2 * LINE + row * (size + GAP)
        pen.text((left, top + size // 2 - 8), name, fill=TEXT, font_size=13)
        for k in range(pairs):
            x = left + label + k * pair
            images = toggled(trait * pairs + k, seed, size, trait)
            for side, image in enumerate(images):
                part.paste(Image.fromarray(image), (x + side * (size + 2), top))
    return part
