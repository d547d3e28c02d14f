from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irtheory.runs.files import InputError
from irvision.data.beetles import SPECIES, TRAITS, draw, species
from irvision.data.beetles.draw import picture
from irvision.data.beetles.hashing import words
from irvision.data.beetles.raster import Canvas, turned
from irvision.data.beetles.scene import scene
from irvision.data.beetles.species import Trait
from irvision.data.report.beetle_sheet import GAP, LINE, MARGIN, contact_sheet, toggled

# Mean levels of the 16 squares of pictures of 64 px, row by row, channels averaged.
GOLDEN: dict[tuple[int, int], list[float]] = {
    (0, 0): [
        155.57, 133.91, 144.77, 137.49, 156.73, 122.97, 140.13, 127.43,
        179.60, 156.47, 114.53, 163.70, 178.71, 164.29, 139.32, 160.89,
    ],
    (17, 3): [
        159.65, 153.63, 139.18, 154.62, 137.26, 87.36, 89.37, 162.59,
        132.68, 90.24, 78.29, 154.53, 140.51, 132.08, 127.36, 131.83,
    ],
    (1234, 8): [
        158.39, 112.28, 106.22, 132.25, 155.97, 120.43, 95.28, 120.03,
        145.87, 113.20, 132.66, 152.62, 175.09, 137.70, 143.90, 169.21,
    ],
}  # fmt: skip


# Of their bytes: the drawing is the same to the bit on every machine.
EXACT = {
    (0, 0, 48): "1c1337cd5527450b884df83252f2223cbf797c28d602afca25186a53a6803836",
    (7, 3, 96): "76be555eb9b692899280d624280099c1cba06e41e27975017c3bd6d1c6974a3a",
    (41, 1, 33): "c9a371cb4cf38e1dc43e1df95c3d97bc009ff4a55ebec5583bfd080f821183a6",
}


@pytest.mark.parametrize("key", EXACT)
def test_pictures_are_the_same_to_the_bit(key: tuple[int, int, int]) -> None:
    assert hashlib.sha256(draw(*key).tobytes()).hexdigest() == EXACT[key]


def _blocks(pixels: np.ndarray, cells: int) -> np.ndarray:
    side = len(pixels) // cells
    return pixels.reshape(cells, side, cells, side, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("key", GOLDEN)
def test_pictures_are_those_of_version_one(key: tuple[int, int]) -> None:
    # If this fails, the drawing has changed: raise VERSION and store the new means.
    found = _blocks(draw(*key, 64), 4).mean(axis=-1).ravel()
    np.testing.assert_allclose(found, GOLDEN[key], atol=0.02)


def test_a_picture_depends_on_its_number_and_the_seed_alone() -> None:
    first = draw(8, 2, 48)
    assert not np.array_equal(first, draw(9, 2, 48))
    assert not np.array_equal(first, draw(8, 3, 48))
    assert np.array_equal(first, draw(8, 2, 48))


@pytest.mark.parametrize("size", [1, 7, 33, 96, 250])
def test_any_size(size: int) -> None:
    pixels = draw(5, 0, size)
    assert (pixels.shape, pixels.dtype) == ((size, size, 3), np.uint8)
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("index", range(6))
def test_one_scene_at_every_size(index: int) -> None:
    small, large = (_blocks(draw(index, 0, size).astype(float), 12) for size in (96, 192))
    # The noise of pixels is averaged away; what is left is the rendering of edges.
    assert np.abs(small - large).mean() < 1.5
    assert np.abs(small - large).max() < 8.0


@pytest.mark.parametrize("trait", Trait, ids=TRAITS)
def test_no_attribute_is_hidden_by_others(trait: Trait) -> None:
    size = 64
    for index in range(50):
        values = (words(len(TRAITS), 1, index, trait) >> np.uint64(63)).astype(np.uint8)
        without, having = values.copy(), values.copy()
        without[trait], having[trait] = 0, 1
        pair = [picture(index, 1, size, shown).astype(int) for shown in (without, having)]
        changed = np.abs(pair[0] - pair[1]).max(axis=-1) > 50
        assert changed.sum() > 0.004 * size * size, (trait.name, index)


def test_toggling_leaves_the_scene_as_it_was() -> None:
    without, having = toggled(3, 0, 96, Trait.BAND)
    same = (without == having).all(axis=-1)
    assert same[:15].all() and same[-15:].all()
    assert not same.all()


def test_drawing_gives_the_attributes_of_the_beetle() -> None:
    pairs = [toggled(index, 0, 32, Trait.SPOTS) for index in range(20)]
    from_traits = [draw(index, 0, 32) for index in range(20)]
    shown = [
        [np.array_equal(image, drawn) for image in pair]
        for pair, drawn in zip(pairs, from_traits, strict=True)
    ]
    assert all(sum(found) == 1 for found in shown)
    assert {tuple(found) for found in shown} == {(True, False), (False, True)}


def test_poses_and_colours_vary_within_bounds() -> None:
    scenes = [scene(index, 0) for index in range(300)]
    sines = np.array([s.body.sin for s in scenes])
    assert np.abs(sines).max() <= np.sin(np.radians(25.1))
    assert sines.min() < -0.38 and sines.max() > 0.38
    luma = np.array([0.30, 0.59, 0.11])
    for name, low, high in (("front", 0.42, 0.48), ("rear", 0.26, 0.30), ("ground", 0.56, 0.66)):
        colours = np.array([getattr(s, name) for s in scenes])
        assert colours.min() > -1e-9 and colours.max() < 1 + 1e-9
        assert ((colours @ luma > low - 1e-9) & (colours @ luma < high + 1e-9)).all()


def test_rod_agrees_with_brute_force() -> None:
    canvas = Canvas(40)
    field = canvas.empty_field()
    a, b = (-0.4, -0.2), (0.5, 0.3)
    canvas.add_rod(field, a, b, 0.1, 0.1)
    along = np.linspace(0, 1, 4001)[:, None]
    points = np.array(a) + along * (np.array(b) - np.array(a))
    centres = (np.arange(40) + 0.5) / 20 - 1
    for row in range(0, 40, 3):
        for column in range(0, 40, 3):
            here = np.array([centres[column], -centres[row]])
            expected = np.sqrt(((points - here) ** 2).sum(1)).min() - 0.1
            # Fields are cut off away from the shape, where nothing is painted.
            if expected < 0.03:
                assert abs(field[row, column] - expected) < 1e-4


def test_disc_covers_its_area() -> None:
    canvas = Canvas(64)
    canvas.rgb[:] = 0.0
    canvas.disc((0.13, -0.21), 0.3, (1.0, 1.0, 1.0))
    assert canvas.rgb[0].mean() * 4 == pytest.approx(np.pi * 0.09, rel=0.01)


def test_frames_turn_and_return() -> None:
    frame = turned(0.2, 0.1, -0.3, 0.7)
    angle = 2 * np.arctan(0.2)
    assert (frame.cos, frame.sin) == pytest.approx((np.cos(angle), np.sin(angle)))
    x, y = frame.place(0.4, -0.6)
    back = frame.local(np.array([[x]]), np.array([[y]]))
    np.testing.assert_allclose(np.ravel(back), [0.4, -0.6])


def test_sheet_shows_species_and_attributes(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    contact_sheet(path, columns=2, pairs=1, size=40, seed=5)
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]
    sheet = np.asarray(Image.open(path))
    shown = [index for index in range(24) if species(index, 5) == 1]
    top = MARGIN + 2 * LINE + (40 + GAP)
    for column, index in enumerate(shown):
        left = MARGIN + 150 + column * (40 + GAP)
        assert np.array_equal(sheet[top : top + 40, left : left + 40], draw(index, 5, 40))
    lower = 3 * MARGIN + 2 * LINE + len(SPECIES) * (40 + GAP) - MARGIN
    below = lower + 2 * LINE + (40 + GAP)
    left = MARGIN + 130
    pair = toggled(1, 5, 40, Trait.LONG_ANTENNAE)
    for side, image in enumerate(pair):
        here = left + side * 42
        assert np.array_equal(sheet[below : below + 40, here : here + 40], image)


def test_sheet_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none" / "sheet.png"
    with pytest.raises(InputError, match="cannot write there"):
        contact_sheet(path, columns=1, pairs=1, size=8)
