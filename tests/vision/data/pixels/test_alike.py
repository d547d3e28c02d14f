from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from irvision.data.pixels import alike
from irvision.data.pixels.alike import equal_groups, near_pairs
from irvision.data.pixels.prints import FLAT, PRINT, SIDE, Prints, _print, flat_rows

SCALE = 6


def scene(seed: int) -> Image.Image:
    """A picture of soft shapes, as unlike another as two photographs."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8))
    fine = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
    size = (SIDE * SCALE, SIDE * SCALE)
    return Image.blend(coarse.resize(size, Image.Resampling.BICUBIC), fine.resize(size), 0.2)


def saved(image: Image.Image, kind: str, **more) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return Image.open(stream).convert("RGB")


def prints_of(images: list[Image.Image]) -> Prints:
    small = (image.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in images)
    return np.array([_print(np.array(image)) for image in small], PRINT)


def everyone(prints: Prints) -> np.ndarray:
    return np.ones(len(prints), dtype=bool)


CHANGES = {
    "jpeg": lambda image: saved(image, "JPEG", quality=60),
    "small jpeg": lambda image: saved(image.resize((192, 192)), "JPEG", quality=30),
    "webp": lambda image: saved(image, "WEBP", quality=50),
    "smaller": lambda image: image.resize((150, 150), Image.Resampling.BICUBIC),
    "brighter": lambda image: image.point([min(255, v + 4) for v in range(256)] * 3),
    "cropped": lambda image: image.crop((2, 2, 382, 382)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_picture_saved_again_is_alike_and_other_pictures_are_not(change) -> None:
    images = [scene(seed) for seed in range(12)]
    prints = prints_of([*images, *map(change, images)])
    assert not equal_groups(prints, everyone(prints))
    pairs = near_pairs(prints, everyone(prints))
    assert pairs is not None
    assert pairs.tolist() == [[row, row + 12] for row in range(12)]


def test_equal_pictures_are_equal_and_not_just_alike() -> None:
    images = [scene(0), scene(1), scene(0), scene(2), scene(1), scene(0)]
    prints = prints_of(images)
    groups = [rows.tolist() for rows in equal_groups(prints, everyone(prints))]
    assert groups == [[0, 2, 5], [1, 4]]
    assert near_pairs(prints, everyone(prints)).tolist() == []
    some = everyone(prints)
    some[[2, 4]] = False
    assert [rows.tolist() for rows in equal_groups(prints, some)] == [[0, 5]]


def test_mirrored_turned_and_other_coloured_pictures_are_others() -> None:
    image = scene(3)
    swapped = Image.merge("RGB", image.split()[::-1])
    others = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.rotate(90), swapped]
    prints = prints_of([image, *others])
    assert near_pairs(prints, everyone(prints)).tolist() == []


def test_plain_colours_show_nothing() -> None:
    rng = np.random.default_rng(0)
    plain = [Image.new("RGB", (8, 8), colour) for colour in ("red", "red", "white", "black")]
    noisy = Image.fromarray((rng.integers(0, 5, (SIDE, SIDE, 3)) + 90).astype(np.uint8))
    prints = prints_of([*plain, noisy, scene(0)])
    assert flat_rows(prints, []).tolist() == [True] * 5 + [False]
    assert flat_rows(prints, [1, 4]).tolist() == [True, False, True, True, False, False]
    # A solid red square has other values in its three colours, but each of them is constant.
    assert prints["spread"][0] == 0 and prints["spread"][4] < FLAT < prints["spread"][5]


def test_one_hot_pixel_hides_no_constant_image() -> None:
    """As of 10-bit values among which one is the largest of 16 bits."""
    dark = np.random.default_rng(0).integers(0, 4, (SIDE, SIDE, 3)).astype(np.uint8)
    hot = dark.copy()
    hot[5:9, 7:10] = 255
    prints = prints_of([Image.fromarray(hot), Image.fromarray(dark)])
    assert hot.std() > FLAT and flat_rows(prints, []).all()


def test_the_search_is_complete_whatever_its_blocks(monkeypatch) -> None:
    rng = np.random.default_rng(1)
    prints = np.zeros(300, PRINT)
    prints["hash"] = rng.integers(0, 1 << 63, 300)
    prints["digest"] = rng.integers(0, 256, prints["digest"].shape)
    prints["grey"] = rng.integers(0, 256, prints["grey"].shape)
    for one, other, bits in ((3, 290, 0), (10, 11, 5), (100, 200, 8), (50, 60, 9)):
        flipped = sum(1 << int(bit) for bit in rng.choice(64, bits, replace=False))
        prints["hash"][other] = prints["hash"][one] ^ np.uint64(flipped)
        prints["grey"][other] = prints["grey"][one]
    expected = [[3, 290], [10, 11], [100, 200]]
    for at_once in (1, 1000, 1 << 20):
        monkeypatch.setattr(alike, "AT_ONCE", at_once)
        assert near_pairs(prints, everyone(prints)).tolist() == expected
    assert near_pairs(prints, everyone(prints), limit=2).tolist() == expected[:2]
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert near_pairs(prints, everyone(prints)).tolist() == expected
    monkeypatch.setattr(alike, "MOST_COMPARED", 299)
    assert near_pairs(prints, everyone(prints)) is None


def test_real_images_raise_no_alarm(shared_data) -> None:
    folder = shared_data / "wbcatt-1000/train"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    files = sorted(folder.glob("*/*.jpg"))[::4]
    prints = prints_of([Image.open(file).convert("RGB") for file in files])
    assert not flat_rows(prints, []).any()
    assert not equal_groups(prints, everyone(prints))
    assert near_pairs(prints, everyone(prints)).tolist() == []
