"""Image files as a source of pixels: decoded, rotated by EXIF, made RGB, cropped, resized."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from irtheory.runs.files import InputError
from irvision.data.examples import BadImage, Examples

# Formats that Pillow decodes itself; it passes PostScript, for example, to an interpreter.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
MOST_PIXELS = 100_000_000
# A JPEG may be decoded at reduced size, but at no less than this multiple of the target size.
SPARE = 2
LONGEST_REASON = 100


@dataclass(frozen=True, eq=False)
class Photographs:
    """Samples that are image files, or boxes in them.

    A box refers to the pixels as stored; a whole image is rotated by its EXIF orientation.
    Transparent pixels become white. Of 16-bit pixels the upper eight bits are used; pixels of 32
    bits or in floating point have no fixed range, so the range of the image is used.

    Attributes:
        folder: that the paths of the files are relative to.
        files: paths of the m samples.
        boxes: left, upper, right and lower edge of each sample in pixels, counted from 0, right
            and lower excluded; None if samples are whole images.
    """

    folder: Path
    files: tuple[str, ...]
    boxes: Int[np.ndarray, "m 4"] | None = None

    def __len__(self) -> int:
        """Number of samples m."""
        return len(self.files)

    def path(self, index: int) -> Path:
        """Path of the file that holds the sample."""
        return self.folder / self.files[index]

    def name(self, index: int) -> str:
        """The file, with its box as in the annotations: counted from 1, all edges included."""
        if self.boxes is None:
            return str(self.path(index))
        left, upper, right, lower = self.boxes[index].tolist()
        return f"{self.path(index)} box {left + 1} {upper + 1} {right} {lower}"

    def stamp(self, index: int) -> str:
        """Size and modification time of the file; BadImage if there is no such file."""
        try:
            status = self.path(index).stat()
        except OSError as error:
            raise BadImage(self.name(index), _reason(error)) from error
        # Opening a named pipe would block for ever.
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(self.name(index), "not a regular file")
        return f"{status.st_size} {status.st_mtime_ns}"

    def read(self, index: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """The sample resized to a square of RGB pixels, bilinear with antialiasing.

        Raises:
            BadImage: the file cannot be decoded, is too large, or the box lies outside.
        """
        try:
            with _quiet():
                image = self._image(index, size)
                return np.array(image.resize((size, size), Image.Resampling.BILINEAR))
        # Decoders raise all kinds of errors on damaged files.
        except Exception as error:
            raise BadImage(self.name(index), _reason(error)) from error

    def _image(self, index: int, size: int) -> Image.Image:
        path, stamp = str(self.path(index)), self.stamp(index)
        if self.boxes is None:
            return _open_upright(path, size)
        image = _open_stored(path, stamp)
        left, upper, right, lower = self.boxes[index].tolist()
        width, height = image.size
        box = max(left, 0), max(upper, 0), min(right, width), min(lower, height)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError(f"the box lies outside the image of {width} × {height} pixels")
        return image.crop(box)


def check_same(examples: Examples, photographs: Photographs) -> None:
    """InputError unless the rows of `examples` are these photographs, in this order."""
    pixels = examples.pixels
    here = (photographs.name(row) for row in range(len(photographs)))
    if len(pixels) != len(photographs) or any(
        pixels.name(row) != name for row, name in enumerate(here)
    ):
        raise InputError(
            f"{examples.name}: its files have changed since its images were listed; start again"
        )


# Objects of the same image are consecutive. The stamp invalidates the entry of a changed file.
@lru_cache(maxsize=1)
def _open_stored(path: str, stamp: str) -> Image.Image:
    with Image.open(path, formats=FORMATS) as image:
        _check_size(image)
        return _as_rgb(image, _has_sixteen_bits(image))


def _open_upright(path: str, size: int) -> Image.Image:
    with Image.open(path, formats=FORMATS) as image:
        _check_size(image)
        image.draft(None, (SPARE * size, SPARE * size))
        return _as_rgb(ImageOps.exif_transpose(image), _has_sixteen_bits(image))


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width} × {height} pixels are more than {MOST_PIXELS:,}")


def _has_sixteen_bits(image: Image.Image) -> bool:
    # Pillow 10 opens a 16-bit PNG with 32-bit pixels.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def _as_rgb(image: Image.Image, sixteen: bool) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        # Pillow would clip values above 255.
        grey = np.asarray(image).astype(np.float64)
        image = Image.fromarray((grey // 256 if sixteen else _scaled(grey)).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _scaled(grey: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """The values, mapped linearly to the range from 0 to 255."""
    low, span = grey.min(), np.ptp(grey)
    if not np.isfinite(span):
        raise ValueError("pixels that are not finite")
    return ((grey - low) * (255 / span if span else 0)).round()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings on odd metadata; only whether the image can be read matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(error: Exception) -> str:
    """A few words on why an image cannot be read."""
    if isinstance(error, BadImage):
        return error.why
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:LONGEST_REASON]
