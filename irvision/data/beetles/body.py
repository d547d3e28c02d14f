"""Shadow, head and pronotum."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from irvision.data.beetles.raster import Canvas, Field, Frame, Point, Window
from irvision.data.beetles.scene import CREAM, INK, Scene
from irvision.data.beetles.species import Trait

EDGE = 0.024  # width of the dark outlines, in units of the body
GOLD = (0.98, 0.80, 0.25)
DARK_HEAD = (0.17, 0.13, 0.13)


def paint_shadow(canvas: Canvas, frame: Frame, half: float) -> None:
    """Paint a soft shadow around a body of half-width `half`."""
    window = canvas.window((frame.x, frame.y), 1.07 * frame.scale)
    u, v = frame.local(*canvas.axes(window))
    u, v = u / (half + 0.22), (v + 0.08) / 0.9
    depth = np.clip(1.15 - (u * u + v * v), 0.0, 1.0)
    canvas.paint(window, 0.36 * depth, INK)


def paint_head(canvas: Canvas, scene: Scene, traits: UInt8[np.ndarray, " n"]) -> None:
    """Paint the head, and the eyes at its sides."""
    frame = scene.body
    window, d, _, _ = _oval(canvas, frame, (0.0, 0.57), (0.175, 0.15))
    canvas.paint(window, canvas.coverage(d), INK)
    fill = CREAM if traits[Trait.PALE_HEAD] else DARK_HEAD
    canvas.paint(window, canvas.coverage(d + EDGE * frame.scale), fill)
    radius, apart = (0.105, 0.20) if traits[Trait.LARGE_EYES] else (0.035, 0.155)
    for side in (-1.0, 1.0):
        canvas.disc(frame.place(side * apart, 0.59), radius * frame.scale, GOLD, rim=INK)


def paint_pronotum(
    canvas: Canvas, scene: Scene, traits: UInt8[np.ndarray, " n"], half: float
) -> None:
    """Paint the shield between head and elytra; `half` is the half-width of the elytra."""
    frame, wide = scene.body, 0.15 + 0.40 * half
    window, d, u, _ = _oval(canvas, frame, (0.0, 0.33), (wide, 0.18))
    canvas.paint(window, canvas.coverage(d), INK)
    inner = canvas.coverage(d + EDGE * frame.scale)
    # Darker towards the sides, where the colour of the outline shows through.
    canvas.paint(
        window, inner * (1.0 - 0.35 * np.clip(u * u / (wide * wide), 0.0, 1.0)), scene.thorax
    )
    if traits[Trait.PALE_COLLAR]:
        sides = canvas.coverage((wide - 0.105 - np.abs(u)) * frame.scale)
        canvas.paint(window, inner * sides, CREAM)


def _oval(
    canvas: Canvas, frame: Frame, centre: Point, axes: Point
) -> tuple[Window, Field, Field, Field]:
    """A squarish oval: its window, signed distances in the image, coordinates from its centre.

    Distances are of first order: the level function divided by the length of its gradient.
    """
    window = canvas.window(frame.place(*centre), 1.3 * max(axes) * frame.scale)
    u, v = frame.local(*canvas.axes(window))
    u, v = u - centre[0], v - centre[1]
    s, t = u / axes[0], v / axes[1]
    s2, t2 = s * s, t * t
    level = s2 * s2 + 0.5 * (t2 * t2 + t2) - 1.0
    du, dv = 4.0 * s2 * s / axes[0], (2.0 * t2 * t + t) / axes[1]
    return window, level / np.sqrt(du * du + dv * dv + 0.01) * frame.scale, u, v
