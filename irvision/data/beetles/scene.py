"""Everything about a picture that is not an attribute: pose, colours, light, ground."""

from __future__ import annotations

from dataclasses import dataclass

from irvision.data.beetles.hashing import uniforms
from irvision.data.beetles.raster import Colour, Frame, turned

INK: Colour = (0.07, 0.05, 0.05)
CREAM: Colour = (0.98, 0.93, 0.76)


@dataclass(frozen=True)
class Scene:
    """Pose, colours and light of a picture.

    Attributes:
        body: frame of the beetle, with its head up.
        bends: 8 numbers in [-1, 1]: the positions of the legs and antennae.
        front: colour of the elytra, or of their front half.
        rear: colour of the rear half of elytra of two colours.
        thorax: colour of the pronotum.
        ground: colour of the ground.
        gain: brightness of the whole picture.
        slope: change of brightness from the centre to the right and to the upper edge.
        noise: amplitude of the pixel noise.
    """

    body: Frame
    bends: tuple[float, ...]
    front: Colour
    rear: Colour
    thorax: Colour
    ground: Colour
    gain: float
    slope: tuple[float, float]
    noise: float


def scene(index: int, seed: int) -> Scene:
    """The scene of a beetle, independent of its attributes."""
    r = uniforms(26, seed, index, 2).tolist()
    hue = r[0]
    return Scene(
        # 0.2217 is the tangent of half of 25 degrees, the largest rotation.
        body=turned(0.2217 * _signed(r[1]), 0.06 * _signed(r[2]), 0.05 * _signed(r[3]),
                    0.80 + 0.12 * r[4]),
        bends=tuple(_signed(x) for x in r[18:26]),
        front=_coloured(hue, 0.75 + 0.2 * r[5], 0.42 + 0.06 * r[6]),
        rear=_coloured(hue + 0.4 + 0.2 * r[7], 0.85, 0.26 + 0.04 * r[8]),
        thorax=_coloured(hue + 0.04 * _signed(r[9]), 0.6, 0.24 + 0.06 * r[10]),
        ground=_coloured(0.04 + 0.3 * r[11], 0.08 + 0.20 * r[12], 0.56 + 0.1 * r[13]),
        gain=0.88 + 0.2 * r[14],
        slope=(0.14 * _signed(r[15]), 0.14 * _signed(r[16])),
        noise=0.03 + 0.05 * r[17],
    )  # fmt: skip


def _signed(share: float) -> float:
    return 2.0 * share - 1.0


def _coloured(hue: float, saturation: float, luma: float) -> Colour:
    """A colour of given lightness, with the highest possible saturation up to `saturation`."""
    pure = [min(max(abs((hue + k / 3.0) % 1.0 * 6.0 - 3.0) - 1.0, 0.0), 1.0) for k in (0, 2, 1)]
    weight = 0.30 * pure[0] + 0.59 * pure[1] + 0.11 * pure[2]
    # Grey of that lightness, plus as much of the hue as keeps all channels within [0, 1].
    off = [channel - weight for channel in pure]
    room = [(1.0 - luma) / x if x > 0 else -luma / x for x in off if x != 0.0]
    share = saturation * min(room, default=0.0)
    return (luma + share * off[0], luma + share * off[1], luma + share * off[2])
