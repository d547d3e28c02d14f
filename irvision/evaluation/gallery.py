"""Makes the gallery of a run: pictures of the chosen images, and where their codes come from."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from irvision.evaluation.choice import Choice
from irvision.models.localise import is_frozen, localise
from irvision.runs.gallery import Gallery

# Side of a picture in pixels: of up to FEW pictures, and of more.
LARGE, SMALL, FEW = 128, 96, 800
QUALITY = 80
# Side of a map at most.
MAP = 14
# Images that are mapped at a time.
AT_ONCE = 16

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Seen:
    """How the network sees the scored images.

    Attributes:
        source: row in `pixels` of each scored image.
        pixels: S × S pictures of all samples, an array or a tensor.
        side: c of the central crop, which F sees.
        view: from pictures [b, S, S, 3] to the input of F, on its device.
        represent: F in eval mode.
    """

    source: Int[np.ndarray, " m"]
    pixels: UInt8[Tensor, "n S S 3"] | UInt8[np.ndarray, "n S S 3"]
    side: int
    view: Callable[[UInt8[Tensor, "b S S 3"]], Float[Tensor, "b 3 c c"]]
    represent: nn.Module

    def pictures(self, rows: Sequence[int]) -> UInt8[Tensor, "b S S 3"]:
        """Pixels of scored images, where the pixels are."""
        chosen = self.source[list(rows)]
        if isinstance(self.pixels, Tensor):
            return self.pixels[torch.from_numpy(chosen).to(self.pixels.device)]
        return torch.from_numpy(np.stack([self.pixels[row] for row in chosen.tolist()]))


def make_gallery(
    choice: Choice,
    seen: Seen,
    unread: Sequence[tuple[str, str]],
    on_progress: Progress | None = None,
) -> Gallery:
    """Pictures of the chosen images, and maps of their codes.

    Args:
        choice: which images.
        seen: their pixels, and F.
        unread: names of images that could not be decoded, with the reason.
        on_progress: called with the number of maps that are done, and of all.
    """
    side = min(seen.side, LARGE if len(choice.rows) <= FEW else SMALL)
    pictures = {row: _jpeg(seen, row, side) for row in choice.rows}
    maps: dict[tuple[int, int], np.ndarray] = {}
    wanted = set(choice.mapped)
    for rows, codes in _jobs(choice, is_frozen(seen.represent)):
        found = localise(seen.represent, seen.view(seen.pictures(rows)), codes)
        for place, code in enumerate(codes):
            for row, cells in zip(rows, _reduced(found[:, place]), strict=True):
                if (row, code) in wanted:
                    maps[row, code] = cells
        if on_progress:
            on_progress(len(maps), len(wanted))
    of_code = {code: tuple(rows) for code, rows in choice.of_code.items()}
    return Gallery(side, pictures, of_code, maps, tuple(unread))


def _jobs(choice: Choice, frozen: bool) -> Iterator[tuple[list[int], list[int]]]:
    """Rows and codes to map together: a few images with all their codes, or a code with its images.

    The first is faster where further codes of an image cost little.
    """
    pairs = [(row, code) for row, code in dict.fromkeys(choice.mapped)]
    by_first: dict[int, list[int]] = {}
    if frozen:
        for row, code in pairs:
            by_first.setdefault(row, []).append(code)
        for some in _batches(list(by_first)):
            yield some, sorted({code for row in some for code in by_first[row]})
        return
    for row, code in pairs:
        by_first.setdefault(code, []).append(row)
    for code, rows in by_first.items():
        yield from ((some, [code]) for some in _batches(rows))


def _batches(rows: list[int]) -> list[list[int]]:
    return [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]


def _jpeg(seen: Seen, row: int, side: int) -> bytes:
    """The central crop of an image as a small JPEG."""
    pixels = seen.pictures([row])[0].cpu().numpy()
    edge = (len(pixels) - seen.side) // 2
    inside = slice(edge, edge + seen.side)
    image = Image.fromarray(np.ascontiguousarray(pixels[inside, inside]))
    packed = io.BytesIO()
    small = image.resize((side, side), Image.Resampling.LANCZOS) if side < seen.side else image
    small.save(packed, "JPEG", quality=QUALITY, optimize=True)
    return packed.getvalue()


def _reduced(maps: Float[np.ndarray, "b s s"]) -> UInt8[np.ndarray, "b t t"]:
    """Maps as bytes, at most MAP cells wide, each cell the mean of those that it replaces."""
    cells = torch.from_numpy(maps)[:, None]
    if cells.shape[-1] > MAP:
        cells = functional.adaptive_avg_pool2d(cells, MAP)
    return (255 * cells[:, 0].clamp(0, 1)).round().to(torch.uint8).numpy()
