"""Legs, antennae, horns and tail."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from jaxtyping import UInt8
from numpy import ndarray

from irvision.data.beetles.raster import Canvas, Colour, Field, Frame, Point
from irvision.data.beetles.scene import CREAM, INK, Scene
from irvision.data.beetles.species import Trait

SIDES = (-1.0, 1.0)
OUTLINE = 0.02
# The three legs of a side: heights of base, knee and foot, then the distances of knee and foot
# from the edge of the body.
LEGS = (
    (0.30, 0.44, 0.62, 0.17, 0.27),
    (0.02, 0.02, -0.12, 0.20, 0.34),
    (-0.22, -0.32, -0.62, 0.19, 0.30),
)
LONG = ((0.09, 0.63), (0.26, 0.86), (0.52, 0.93), (0.78, 0.78))
SHORT = ((0.09, 0.63), (0.24, 0.71), (0.37, 0.72))
HORN = ((0.08, 0.66), (0.15, 0.80), (0.13, 0.92), (0.05, 1.00))
TAIL = ((0.10, -0.50), (0.23, -0.77), (0.32, -0.97))


def paint_limbs(
    canvas: Canvas, scene: Scene, traits: UInt8[ndarray, " n"], half_width: float
) -> None:
    """Paint all limbs; the body is painted over them later. `half_width` is that of the body."""
    legs, dark = canvas.empty_field(), canvas.empty_field()
    for side in SIDES:
        for pair in range(3):
            bend = scene.bends[pair + (3 if side > 0 else 0)]
            _add_leg(canvas, legs, scene.body, traits, LEGS[pair], half_width, side, bend)
        _add_antenna(canvas, dark, scene, traits, side)
        if traits[Trait.HORNS]:
            _add_path(canvas, dark, scene.body, side, HORN, (0.06, 0.05, 0.035, 0.012))
        if traits[Trait.FORKED_TAIL]:
            _add_path(canvas, dark, scene.body, side, TAIL, (0.055, 0.042, 0.014))
    _paint(canvas, legs, CREAM if traits[Trait.PALE_LEGS] else INK)
    _paint(canvas, dark, INK)


def _paint(canvas: Canvas, field: Field, colour: Colour) -> None:
    everywhere = (slice(None), slice(None))
    if colour != INK:
        canvas.paint(everywhere, canvas.coverage(field - OUTLINE), INK)
    canvas.paint(everywhere, canvas.coverage(field), colour)


def _add_path(
    canvas: Canvas, field: Field, frame: Frame, side: float,
    points: Sequence[Point], radii: Sequence[float],
) -> None:  # fmt: skip
    """Add a chain of rods on one side of the body."""
    placed = [frame.place(side * u, v) for u, v in points]
    wide = [radius * frame.scale for radius in radii]
    for k in range(len(placed) - 1):
        canvas.add_rod(field, placed[k], placed[k + 1], wide[k], wide[k + 1])


def _add_leg(
    canvas: Canvas, field: Field, frame: Frame, traits: UInt8[ndarray, " n"],
    leg: tuple[float, ...], half_width: float, side: float, bend: float,
) -> None:  # fmt: skip
    base, knee, foot, out, far = leg
    thick = 2.0 if traits[Trait.THICK_LEGS] else 1.0
    start = (0.7 * half_width, base)
    joint = (half_width + out, knee + 0.03 * bend)
    end = (half_width + far, foot + 0.07 * bend)
    radii = (0.026 * thick, 0.038 * thick, 0.020 * thick)
    _add_path(canvas, field, frame, side, (start, joint, end), radii)
    if traits[Trait.TOOTHED_LEGS]:
        _add_teeth(canvas, field, frame, side, joint, end, thick)


def _add_teeth(
    canvas: Canvas, field: Field, frame: Frame, side: float, joint: Point, end: Point, thick: float
) -> None:
    """Add three spines on the outer edge of a shin."""
    along = end[0] - joint[0], end[1] - joint[1]
    outward = (along[1], -along[0]) if along[1] > 0 else (-along[1], along[0])
    length = sqrt(outward[0] * outward[0] + outward[1] * outward[1])
    reach = 0.10 + 0.02 * thick
    for share in (0.15, 0.5, 0.85):
        foot = joint[0] + share * along[0], joint[1] + share * along[1]
        tip = foot[0] + reach * outward[0] / length, foot[1] + reach * outward[1] / length
        _add_path(canvas, field, frame, side, (foot, tip), (0.032, 0.008))


def _add_antenna(
    canvas: Canvas, field: Field, scene: Scene, traits: UInt8[ndarray, " n"], side: float
) -> None:
    points = LONG if traits[Trait.LONG_ANTENNAE] else SHORT
    bend = 0.04 * scene.bends[6 if side < 0 else 7]
    held = [points[0], *((u, v + bend) for u, v in points[1:])]
    _add_path(canvas, field, scene.body, side, held, [0.022] * len(held))
    if traits[Trait.CLUBBED_ANTENNAE]:
        (u, v), (before, lower) = held[-1], held[-2]
        tip = (u + 0.25 * (u - before), v + 0.25 * (v - lower))
        _add_path(canvas, field, scene.body, side, (held[-1], tip), (0.070, 0.070))
