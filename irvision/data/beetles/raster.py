"""Anti-aliased shapes, drawn from their signed distances.

Only sums, products, quotients, square roots and rounding of single numbers are used: IEEE 754
defines each of them exactly, so that a picture is the same to the bit on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8

Field = Float32[np.ndarray, "#h #w"]
Point = tuple[float, float]
Colour = tuple[float, float, float]
Window = tuple[slice, slice]
FAR = 9.0


@dataclass(frozen=True)
class Frame:
    """Coordinates of a shape: rotated by an angle of given cosine and sine, scaled, moved.

    The image is the square [-1, 1]²; its second coordinate points up.
    """

    cos: float
    sin: float
    x: float
    y: float
    scale: float

    def place(self, u: float, v: float) -> Point:
        """Image coordinates of the point (u, v) of the frame."""
        turned = self.cos * u - self.sin * v, self.sin * u + self.cos * v
        return self.x + self.scale * turned[0], self.y + self.scale * turned[1]

    def local(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Frame coordinates of points of the image."""
        x, y = (x - self.x) / self.scale, (y - self.y) / self.scale
        return self.cos * x + self.sin * y, self.cos * y - self.sin * x


def turned(slope: float, x: float, y: float, scale: float) -> Frame:
    """A frame rotated by 2·arctan(slope), counter-clockwise."""
    square = 1.0 + slope * slope
    return Frame((1.0 - slope * slope) / square, 2.0 * slope / square, x, y, scale)


class Canvas:
    """A square picture to paint on: `rgb`, float32 [3, size, size], from 0 (black) to 1."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.x, self.y = _axes(size)
        self.rgb = np.empty((3, size, size), np.float32)

    def window(self, centre: Point, radius: float) -> Window:
        """The rows and columns of the pixels that a disc may touch."""
        half, reach = self.size / 2, radius + 2.0 / self.size
        x, y = centre
        return (
            self._slice((1 - y - reach) * half, (1 - y + reach) * half),
            self._slice((1 + x - reach) * half, (1 + x + reach) * half),
        )

    def axes(self, window: Window) -> tuple[Field, Field]:
        """Image coordinates of the window's pixels: a row of x, a column of y."""
        return self.x[:, window[1]], self.y[window[0]]

    def coverage(self, distance: Field) -> Field:
        """The share of each pixel inside a shape, from the signed distance of its centre."""
        return np.clip(0.5 - distance * (self.size / 2), 0.0, 1.0)

    def paint(self, window: Window, alpha: Field, colour: Colour | Field) -> None:
        """Lay a colour over the window, opaque where `alpha` is 1."""
        below = self.rgb[:, window[0], window[1]]
        over = np.array(colour, np.float32)[:, None, None] if isinstance(colour, tuple) else colour
        below += alpha * (over - below)

    def disc(self, centre: Point, radius: float, colour: Colour, rim: Colour | None = None) -> None:
        """Paint a disc, with a rim of another colour inside its edge."""
        window = self.window(centre, radius)
        x, y = self.axes(window)
        x, y = x - centre[0], y - centre[1]
        distance = np.sqrt(x * x + y * y) - radius
        if rim is not None:
            self.paint(window, self.coverage(distance), rim)
            distance += 0.3 * radius
        self.paint(window, self.coverage(distance), colour)

    def empty_field(self) -> Field:
        """A distance field of no shape."""
        return np.full((self.size, self.size), FAR, np.float32)

    def add_rod(self, field: Field, a: Point, b: Point, ra: float, rb: float) -> None:
        """Add a rod to the field: from `a` with radius `ra` to `b` with radius `rb`."""
        along = b[0] - a[0], b[1] - a[1]
        square = along[0] * along[0] + along[1] * along[1]
        middle = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        # With a margin for an outline around the rod.
        reach = max(abs(along[0]), abs(along[1])) / 2 + max(ra, rb) + 0.03
        window = self.window(middle, reach)
        x, y = self.axes(window)
        x, y = x - a[0], y - a[1]
        share = np.clip(x * (along[0] / square) + y * (along[1] / square), 0.0, 1.0)
        x, y = x - share * along[0], y - share * along[1]
        distance = np.sqrt(x * x + y * y) - (share * (rb - ra) + ra)
        part = field[window]
        np.minimum(part, distance, out=part)

    def pixels(self) -> UInt8[np.ndarray, "size size 3"]:
        """The picture as 8-bit RGB."""
        levels = np.clip(self.rgb, 0.0, 1.0) * 255.0 + 0.5
        return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))

    def _slice(self, first: float, last: float) -> slice:
        return slice(min(max(int(first), 0), self.size), min(max(int(last) + 1, 0), self.size))


@lru_cache(maxsize=8)
def _axes(size: int) -> tuple[Field, Field]:
    centres = ((np.arange(size) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
    x, y = centres[None, :], -centres[:, None]
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y
