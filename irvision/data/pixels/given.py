"""Images that a user gives one by one: files, Pillow images, arrays."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from irtheory.runs.files import InputError
from irvision.data.examples import BadImage
from irvision.data.pixels.image_files import SUFFIXES, read_tree
from irvision.data.pixels.photographs import Photographs, as_rgb
from irvision.data.pixels.ranges import Ranges

# Modes of Pillow with eight bits a channel, whose values need no range.
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")
TABLES = (".csv", ".tsv", ".xlsx", ".json")
# Images that are decoded in advance, for each thread.
AHEAD = 8

Given = str | os.PathLike[str] | Image.Image | np.ndarray


def read_given(image: Given, size: int, ranges: Ranges) -> UInt8[np.ndarray, "size size 3"]:
    """One image as the training images were read: turned upright, RGB on white, a square.

    Of a large JPEG file fewer pixels are decoded than of the opened image; both may differ by a
    little.

    Args:
        image: path of a file, Pillow image, or uint8 array h × w × 3.
        size: side of the square.
        ranges: of the run, for files with more than eight bits.

    Raises:
        BadImage: a file that cannot be read.
        InputError: an object that is no image of eight bits.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        return Photographs(path.parent, (path.name,), ranges=ranges).read(0, size)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(
                f"image: expected a uint8 array h × w × 3, found {image.dtype} {image.shape}"
            )
        image = Image.fromarray(np.ascontiguousarray(image))
    if not isinstance(image, Image.Image):
        raise InputError(
            f"image: expected a path, a Pillow image or an array, found {type(image).__name__}"
        )
    if image.mode not in EIGHT_BITS:
        raise InputError(
            f"image: expected eight bits a channel, found mode {image.mode}; pass the path of the "
            "file, which is read with the range of values of the run"
        )
    try:
        upright = as_rgb(ImageOps.exif_transpose(image))
        return np.array(upright.resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError) as error:
        name = str(getattr(image, "filename", "") or "image")
        raise BadImage(name, " ".join(str(error).split())) from error


def as_list(images: Any) -> list[Given]:
    """Images as a list: one image, a sequence of them, or an array m × h × w × 3."""
    if isinstance(images, str | os.PathLike | Image.Image):
        return [images]
    if isinstance(images, np.ndarray):
        if images.ndim == 3:
            return [images]
        if images.ndim != 4:
            raise InputError(f"images: expected an array m × h × w × 3, found shape {images.shape}")
    try:
        return list(images)
    except TypeError:
        raise InputError(
            f"images: expected paths, Pillow images or arrays, found {type(images).__name__}"
        ) from None


def image_paths(inputs: Sequence[Path]) -> list[Path]:
    """The files that were given, and all images below the folders that were given.

    Linked folders are not followed, nor links to files out of the folder.

    Raises:
        InputError: no such file, or a folder without images.
    """
    found: list[Path] = []
    for given in inputs:
        if given.is_dir():
            below = [given / name for name in _below(given)]
            if not below:
                kinds = ", ".join(SUFFIXES)
                raise InputError(f"{given}: expected images ({kinds}), found none")
            found += below
        elif given.suffix.casefold() in TABLES:
            raise InputError(f"{given}: expected an image or a folder of images, found a table")
        elif given.exists():
            found.append(given)
        else:
            raise InputError(f"{given}: expected an image or a folder of images, found none")
    return list(dict.fromkeys(found))


def _below(folder: Path) -> list[str]:
    try:
        names, root = read_tree(folder).images_below(), folder.resolve()
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    return [name for name in names if (folder / name).resolve().is_relative_to(root)]


def read_many(
    paths: Sequence[Path], size: int, ranges: Ranges
) -> Iterator[UInt8[np.ndarray, "size size 3"] | BadImage]:
    """Read files in order, by one thread a core a little in advance; errors take their place.

    Pillow decodes and resizes without Python's lock, so that this runs beside the network.
    """
    with closing(_in_advance(paths, size, ranges)) as read:
        yield from read


def _in_advance(paths: Sequence[Path], size: int, ranges: Ranges) -> Generator[Any, None, None]:
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, "images")
    try:
        pending: deque[Future[Any]] = deque()
        for path in paths:
            pending.append(pool.submit(_read_or_error, path, size, ranges))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_or_error(path: Path, size: int, ranges: Ranges) -> UInt8[np.ndarray, "s s 3"] | BadImage:
    try:
        return read_given(path, size, ranges)
    except BadImage as error:
        return error
