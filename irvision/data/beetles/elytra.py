"""The wing cases: their outline, and patterns that never hide one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from irvision.data.beetles.body import EDGE
from irvision.data.beetles.raster import Canvas, Field, Window
from irvision.data.beetles.scene import CREAM, INK, Scene
from irvision.data.beetles.species import Trait

# In units of the body: height at which the elytra are widest, and their reach from there.
WIDEST, FRONT, ROUNDED, POINTED = -0.15, 0.38, 0.55, 0.75
BAND, BAND_HALF = -0.19, 0.085
# Stripes are at these shares of the half-width; spots are between them, clear of the band.
STRIPES, STRIPE_HALF = (0.26, 0.76), 0.026
SPOTS, SPOT_SHARE = (0.06, -0.36, -0.54), 0.51
WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Elytra:
    """Shape of the elytra, in units of the body.

    Attributes:
        half: half-width at the widest place.
        rear: reach from there to the rear end.
        pointed: whether they end in a point.
        spot: radius of a spot.
    """

    half: float
    rear: float
    pointed: bool
    spot: float

    def width(self, v: Field) -> Field:
        """Half-width at each height."""
        room = np.maximum(1.0 - self._level(*self._shares(v)), 0.0)
        return self.half * (room if self.pointed else np.sqrt(room))

    def distance(self, u: Field, v: Field) -> Field:
        """Signed distance to the outline, to first order; negative inside."""
        front, rear = self._shares(v)
        s = np.abs(u) / self.half
        rise = 4.0 * front * front * front / FRONT
        if self.pointed:
            level, slope, fall = s, 1.0 / self.half, 2.0 * rear
        else:
            level, slope, fall = s * s, 2.0 * s / self.half, rear + 2.0 * rear * rear * rear
        steep = rise + fall / self.rear
        over = level + self._level(front, rear) - 1.0
        return over / np.sqrt(steep * steep + slope * slope + 0.01)

    def _level(self, front: Field, rear: Field) -> Field:
        """Level from 0 at the widest place to 1 at the ends; it rises later for blunt ends."""
        front, rear = front * front, rear * rear
        return front * front + (rear if self.pointed else 0.5 * (rear + rear * rear))

    def _shares(self, v: Field) -> tuple[Field, Field]:
        """Position of a height between the widest place and the front end, and the rear end."""
        t = v - WIDEST
        return np.maximum(t, 0.0) / FRONT, np.maximum(-t, 0.0) / self.rear


def elytra_of(traits: UInt8[np.ndarray, " n"]) -> Elytra:
    """Shape of the elytra for given attributes."""
    pointed = bool(traits[Trait.POINTED_REAR])
    half, spot = (0.46, 0.076) if traits[Trait.ROUND_BODY] else (0.32, 0.067)
    return Elytra(half, POINTED if pointed else ROUNDED, pointed, spot)


def paint_elytra(
    canvas: Canvas, scene: Scene, traits: UInt8[np.ndarray, " n"], shape: Elytra
) -> None:
    """Paint outline, colours, band, stripes, seam, gloss and spots, in that order."""
    frame = scene.body
    window = canvas.window(frame.place(0.0, -0.33), 0.60 * frame.scale)
    u, v = frame.local(*canvas.axes(window))
    across, distance = np.abs(u), shape.distance(u, v)

    def within(edge: Field) -> Field:
        return canvas.coverage(edge * frame.scale)

    inner = within(distance + EDGE)
    canvas.paint(window, within(distance), INK)
    canvas.paint(window, inner, scene.front)
    if traits[Trait.TWO_COLOURS]:
        canvas.paint(window, inner * within(v - BAND), scene.rear)
    if traits[Trait.BAND]:
        canvas.paint(window, inner * within(np.abs(v - BAND) - BAND_HALF), CREAM)
    if traits[Trait.STRIPES]:
        first, second = (np.abs(across - share * shape.width(v)) for share in STRIPES)
        canvas.paint(window, inner * within(np.minimum(first, second) - STRIPE_HALF), INK)
    canvas.paint(window, inner * within(across - 0.010), INK)
    _paint_gloss(canvas, window, inner, u / shape.half, v)
    if traits[Trait.SPOTS]:
        _paint_spots(canvas, scene, shape)


def _paint_spots(canvas: Canvas, scene: Scene, shape: Elytra) -> None:
    frame, heights = scene.body, np.array(SPOTS, np.float32)[:, None]
    for height, width in zip(SPOTS, shape.width(heights)[:, 0].tolist(), strict=True):
        for side in (-1.0, 1.0):
            centre = frame.place(side * SPOT_SHARE * width, height)
            canvas.disc(centre, shape.spot * frame.scale, CREAM)


def _paint_gloss(canvas: Canvas, window: Window, inner: Field, s: Field, v: Field) -> None:
    """Darker towards the sides, a highlight on the left; `s` is 1 at the widest place."""
    canvas.paint(window, inner * np.clip(0.3 * s * s, 0.0, 0.3), INK)
    a, b = (s + 0.42) * 3.5, (v - 0.02) * 4.5
    canvas.paint(window, inner * np.clip(0.35 * (1.0 - a * a - b * b), 0.0, 1.0), WHITE)
