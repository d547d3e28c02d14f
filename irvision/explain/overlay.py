"""Pictures of explanations: an image, and the image with what speaks for a code left in colour."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

# How much of the colour stays, and how dark it is, where nothing speaks for the code.
COLOUR, LIGHT = 0.1, 0.45


def overlay(
    pixels: UInt8[np.ndarray, "c c 3"], cells: Float[np.ndarray, "s s"]
) -> UInt8[np.ndarray, "c c 3"]:
    """The image, grey and darker where nothing speaks for the code."""
    side = pixels.shape[0]
    small = Image.fromarray((255 * np.clip(cells, 0, 1)).astype(np.uint8))
    wide = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)) / 255.0
    weight = wide[..., None]
    colour = pixels.astype(np.float64)
    grey = colour.mean(axis=2, keepdims=True)
    dull = LIGHT * (COLOUR * colour + (1 - COLOUR) * grey)
    return (weight * colour + (1 - weight) * dull).round().clip(0, 255).astype(np.uint8)


def enlarged(pixels: UInt8[np.ndarray, "c c 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
    """A square picture at another size."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def data_uri(pixels: UInt8[np.ndarray, "h w 3"]) -> str:
    """A picture as a JPEG inside an address, so that a page needs no other file."""
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(packed, "JPEG", quality=88)
    return jpeg_uri(packed.getvalue())


def jpeg_uri(file: bytes) -> str:
    """A JPEG file as such an address."""
    return f"data:image/jpeg;base64,{base64.b64encode(file).decode()}"
