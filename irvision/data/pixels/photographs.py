"""Image files as a source of pixels: decoded, rotated by EXIF, made RGB, cropped, resized."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, UnidentifiedImageError

from irtheory.runs.files import InputError
from irvision.data.examples import BadImage, Examples
from irvision.data.pixels.metadata import JPEG, turn_of, without_metadata
from irvision.data.pixels.ranges import (
    UNKNOWN,
    Ranges,
    Source,
    as_stored,
    deep_files,
    in_eight_bits,
    measure,
)

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
    Transparent pixels become white. Pixels with more than eight bits are reduced to eight by the
    range of the whole set, see `irvision.data.pixels.ranges`.

    Attributes:
        folder: that the paths of the files are relative to.
        files: paths of the m samples.
        boxes: left, upper, right and lower edge of each sample in pixels, counted from 0, right
            and lower excluded; None if samples are whole images.
        ranges: of the values of images with more than eight bits.
    """

    folder: Path
    files: tuple[str, ...]
    boxes: Int[np.ndarray, "m 4"] | None = None
    ranges: Ranges = UNKNOWN

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
        """What identifies the file and its state; BadImage if there is no such file.

        Size and time alone would not show that two files of one size were exchanged.
        """
        try:
            status = self.path(index).stat()
        except OSError as error:
            raise BadImage(self.name(index), _reason(error)) from error
        # Opening a named pipe would block for ever.
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(self.name(index), "not a regular file")
        numbers = status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns
        return " ".join(map(str, numbers))

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
            return _open_whole(path, stamp, size, self.ranges)
        image = _open_stored(path, stamp, self.ranges)
        left, upper, right, lower = self.boxes[index].tolist()
        width, height = image.size
        box = max(left, 0), max(upper, 0), min(right, width), min(lower, height)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError(f"the box lies outside the image of {width} × {height} pixels")
        return image.crop(box)


def measured(
    photographs: Photographs,
    on_progress: Callable[[int, int], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Ranges:
    """The range of all images with more than eight bits; what is known already is not measured.

    Every image that may have them is read, which takes time only where there are some.
    """
    files = deep_files([photographs.path(row) for row in range(len(photographs))])
    if not files:
        return photographs.ranges
    if on_message:
        on_message(f"finding the range of values of {len(files)} images of PNG-16 or TIFF")
    with _quiet():
        found = measure(files, _opened, on_progress)
    return photographs.ranges.beside(found)


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
def _open_stored(path: str, stamp: str, ranges: Ranges) -> Image.Image:
    return _whatever_its_metadata(path, lambda source: _decoded(source, ranges, None, False))


def _open_whole(path: str, stamp: str, size: int, ranges: Ranges) -> Image.Image:
    with open(path, "rb") as stream:
        reducible = stream.read(len(JPEG)) == JPEG
    if not reducible:
        return _open_upright(path, stamp, ranges)
    return _whatever_its_metadata(path, lambda source: _decoded(source, ranges, size, True))


# An image is read at two sizes: for its cache and for its fingerprint.
@lru_cache(maxsize=1)
def _open_upright(path: str, stamp: str, ranges: Ranges) -> Image.Image:
    return _whatever_its_metadata(path, lambda source: _decoded(source, ranges, None, True))


def _whatever_its_metadata(path: str, read: Callable[[Source], Image.Image]) -> Image.Image:
    """Read an image; if that fails, without its metadata, which may be all that is wrong."""
    try:
        return read(path)
    except Exception:
        for exif in (True, False):
            lean = without_metadata(Path(path), exif)
            if lean is not None:
                with suppress(Exception):
                    return read(io.BytesIO(lean))
        raise


def _decoded(source: Source, ranges: Ranges, size: int | None, upright: bool) -> Image.Image:
    """An image file as RGB; a JPEG may be decoded at reduced size for a target size."""
    with _opened(source) as image:
        if size is not None:
            image.draft(None, (SPARE * size, SPARE * size))
        eight = in_eight_bits(image, source, ranges)
        rgb = as_rgb(as_stored(image) if eight is image else eight)
        # Last, as Pillow loads a PNG where it looks for its tags.
        turn = turn_of(image) if upright else None
        return rgb if turn is None else rgb.transpose(turn)


def _opened(source: Source) -> Image.Image:
    """An image file whose pixels are not read yet; ValueError if it is too large."""
    image = Image.open(source, formats=FORMATS)
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise ValueError(f"{width} × {height} pixels are more than {MOST_PIXELS:,}")
    return image


def as_rgb(image: Image.Image) -> Image.Image:
    """An image with eight bits per channel as RGB, transparent pixels as white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


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
