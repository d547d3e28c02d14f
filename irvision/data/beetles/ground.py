"""The ground with soil and leaves, and the light and noise of the whole picture."""

from __future__ import annotations

import numpy as np

from irvision.data.beetles.hashing import uniforms, words
from irvision.data.beetles.raster import Canvas, Field, Frame, turned
from irvision.data.beetles.scene import Scene

# Lattices of the soil: cells along an edge, and amplitude of the lightness.
SOIL = ((4, 0.05), (11, 0.045), (29, 0.05))
LEAVES = 7


def paint_ground(canvas: Canvas, scene: Scene, *key: int) -> None:
    """Cover the canvas with soil and leaves, at random places determined by `key`."""
    canvas.rgb[:] = np.array(scene.ground, np.float32)[:, None, None]
    for cells, amplitude in SOIL:
        canvas.rgb += amplitude * _clouds(canvas, cells, *key, 3)
    for r in uniforms(8 * LEAVES, *key, 4).reshape(LEAVES, 8).tolist():
        slope, size = 4.0 * r[0] - 2.0, 0.25 + 0.25 * r[1]
        leaf = turned(slope, 2.4 * r[2] - 1.2, 2.4 * r[3] - 1.2, size)
        shade = 0.15 * (2.0 * r[4] - 1.0)
        tint = np.array([0.10 * r[5] - 0.03, 0.08 * r[6] - 0.04, -0.06 * r[7]], np.float32) + shade
        _paint_leaf(canvas, leaf, 0.25 + 0.3 * r[7], tint)


def paint_light(canvas: Canvas, scene: Scene) -> None:
    """Brighten or darken the picture, unevenly."""
    canvas.rgb *= scene.gain + scene.slope[0] * canvas.x + scene.slope[1] * canvas.y


def paint_noise(canvas: Canvas, scene: Scene, *key: int) -> None:
    """Add to each pixel and channel the sum of two uniform numbers, from -noise to noise."""
    cells = canvas.rgb.size
    raw = words((cells + 3) // 4, *key, 5).astype("<u8").view("<u2")[:cells]
    grain = ((raw >> 8) + (raw & 255)).astype(np.float32).reshape(canvas.rgb.shape)
    canvas.rgb += grain * (scene.noise / 255.0) - scene.noise


def _paint_leaf(canvas: Canvas, leaf: Frame, width: float, tint: Field) -> None:
    """Paint a leaf: two arcs from tip to tip, and a vein."""
    window = canvas.window((leaf.x, leaf.y), leaf.scale)
    u, v = leaf.local(*canvas.axes(window))
    across = np.abs(u)
    outline = (across - width * (1.0 - v * v)) * leaf.scale
    alpha = canvas.coverage(np.maximum(outline, (np.abs(v) - 1.0) * leaf.scale))
    vein = canvas.coverage(across * leaf.scale - 0.012)
    canvas.rgb[:, window[0], window[1]] += alpha * (tint[:, None, None] - 0.05 * vein)


def _clouds(canvas: Canvas, cells: int, *key: int) -> Field:
    """Smooth noise in [-1, 1], interpolated between random numbers on a lattice."""
    knots = (2.0 * uniforms((cells + 1) ** 2, *key, cells) - 1.0).astype(np.float32)
    knots = knots.reshape(cells + 1, cells + 1)
    place = (canvas.x[0] + 1.0) * (cells / 2)
    floor = np.floor(place)
    low, share = floor.astype(np.int64), place - floor
    share = share * share * (3.0 - 2.0 * share)
    rows = knots[low] + share[:, None] * (knots[low + 1] - knots[low])
    return rows[:, low] + share * (rows[:, low + 1] - rows[:, low])
