from __future__ import annotations

import numpy as np
import pytest

from irvision.data.examples import Examples
from irvision.data.pixels.prints import PRINT
from irvision.data.report.mirrored import mirrored_classes


def a_set(classes: tuple[str, ...], pictures: list[np.ndarray], each: int, noise: float):
    """Thumbnails of pictures of 4 × 4 colours with noise, `each` of every class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(classes)), each)
    prints = np.zeros(len(labels), PRINT)
    drawn = np.stack(pictures)[labels] + rng.normal(0, noise, (len(labels), 4, 4, 3))
    prints["thumbnail"] = drawn.clip(0, 255)
    parts = np.zeros(len(labels), np.uint8)
    return Examples("set", classes, labels, parts, None), prints, np.arange(len(labels))


def pictures(*seeds: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).uniform(40, 200, (4, 4, 3)) for seed in seeds]


def test_a_class_and_its_mirror_image_are_named() -> None:
    one, other = pictures(1, 2)
    examples = a_set(("b", "x", "d"), [one, other, one[:, ::-1]], 20, noise=40)
    assert mirrored_classes(*examples) == [("b", "d")]


def test_other_classes_are_not() -> None:
    one, other, third = pictures(1, 2, 3)
    even = (one + one[:, ::-1]) / 2
    names = ("a", "b", "c", "d", "e")
    assert not mirrored_classes(*a_set(names, [one, other, third, even, even], 20, noise=40))
    # Two classes that look the same, and as often mirrored as not.
    assert not mirrored_classes(*a_set(("a", "b"), [even, even], 200, noise=60))


def test_few_images_say_nothing() -> None:
    (one,) = pictures(1)
    assert not mirrored_classes(*a_set(("b", "d"), [one, one[:, ::-1]], 7, noise=40))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("turn left", "turn right"), [(0, 1)]),
        (("Right_Hand", "left-hand"), [(1, 0)]),
        (("HandLeft", "HandRight", "other"), [(0, 1)]),
        (("L", "R"), [(0, 1)]),
        (("rotate clockwise", "rotate anticlockwise"), [(0, 1)]),
        (("left", "write"), []),
        (("leftover", "rightover"), []),
        (("left shoe", "right hand"), []),
        (("bright", "bleft"), []),
        (("lamp", "ramp"), []),
    ],
)
def test_names_of_sides(names, expected) -> None:
    even = np.full((4, 4, 3), 100.0)
    found = mirrored_classes(*a_set(names, [even] * len(names), 10, noise=1))
    assert found == [(names[one], names[other]) for one, other in expected]
