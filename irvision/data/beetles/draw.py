"""A beetle seen from above, drawn from its attributes and its scene."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from irvision.data.beetles.body import paint_head, paint_pronotum, paint_shadow
from irvision.data.beetles.elytra import elytra_of, paint_elytra
from irvision.data.beetles.ground import paint_ground, paint_light, paint_noise
from irvision.data.beetles.limbs import paint_limbs
from irvision.data.beetles.raster import Canvas
from irvision.data.beetles.scene import scene
from irvision.data.beetles.traits import traits

# To be raised whenever a picture changes, so that caches of older pictures become invalid.
VERSION = 1


def draw(index: int, seed: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The picture of a beetle with a side of `size` pixels; the scene is the same at every size."""
    return picture(index, seed, size, traits(index, seed))


def picture(
    index: int, seed: int, size: int, values: UInt8[np.ndarray, " n"]
) -> UInt8[np.ndarray, "size size 3"]:
    """The scene of a beetle, drawn with the given attributes."""
    seen, canvas, shape = scene(index, seed), Canvas(size), elytra_of(values)
    paint_ground(canvas, seen, seed, index)
    paint_shadow(canvas, seen.body, shape.half)
    paint_limbs(canvas, seen, values, shape.half)
    paint_head(canvas, seen, values)
    paint_pronotum(canvas, seen, values, shape.half)
    paint_elytra(canvas, seen, values, shape)
    paint_light(canvas, seen)
    paint_noise(canvas, seen, seed, index)
    return canvas.pixels()
