"""Opens the pixel cache of a data set, or decodes its images into a new one."""

from __future__ import annotations

import os
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from irtheory.runs.files import InputError, check_room
from irvision.data.examples import BadImage, Examples, PixelSource
from irvision.data.pixels.cache_folder import (
    PARTIAL,
    Message,
    cache_errors,
    cache_folder,
    lock_cache,
    sweep,
)
from irvision.data.pixels.decode import Bad, Progress, check_processes, decode
from irvision.data.pixels.photographs import Photographs, measured
from irvision.data.pixels.pixel_file import (
    CHECKED_BYTES,
    Contents,
    Damaged,
    check_pixels,
    map_pixels,
    read_contents,
    read_prints,
    row_bytes,
    rows_in_block,
    write_contents,
)
from irvision.data.pixels.prints import PRINT, Prints
from irvision.data.pixels.ranges import UNKNOWN, Ranges, with_ranges
from irvision.data.pixels.stamps import cache_name, stamps_digest


@dataclass(frozen=True, eq=False)
class PixelCache:
    """The pixels of a data set at one size.

    Attributes:
        pixels: RGB of all m samples, read-only, mapped into memory.
        bad: index, name and reason of each image that could not be read; its row is zero.
        prints: of all samples, see `irvision.data.pixels.prints`.
        ranges: of the values of images with more than eight bits, with which they were decoded.
        path: of the cache file.
        made: whether the cache was made now rather than found.
    """

    pixels: UInt8[np.memmap, "m S S 3"]
    bad: tuple[Bad, ...]
    prints: Prints
    ranges: Ranges
    path: Path
    made: bool


def prepare(
    examples: Examples,
    size: int,
    folder: Path | None = None,
    *,
    processes: int | None = None,
    max_bad: float = 0.0,
    on_progress: Progress | None = None,
    on_message: Message | None = None,
    checked: float = CHECKED_BYTES,
) -> PixelCache:
    """Open the cache of a data set; make it if it is missing, damaged or out of date.

    Several processes may call this at the same time: one makes the cache, the others wait.

    Args:
        examples: the m samples.
        size: side S of the square that each becomes, in pixels.
        folder: of caches; None for `cache_folder()`.
        processes: number of decoding processes; None for one per core, or one for few images.
        max_bad: largest share of images that may be unreadable.
        on_progress: called with the number of samples decoded so far and in total.
        on_message: told why a cache is made again, or that another process is waited for.
        checked: bytes of an existing cache to compare with their checksums, at most.

    Raises:
        InputError: more unreadable images than `max_bad`, a full disk, no permission to write,
            or settings out of range.
    """
    _check_settings(examples, size, processes, max_bad)
    folder = folder or cache_folder()
    path = folder / cache_name(examples, size)
    tell = on_message or _silent
    stamps = stamps_digest(examples.pixels)
    with cache_errors(folder):
        if (cache := _opened(path, examples, size, stamps, checked, tell)) is None:
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
            with lock_cache(path, tell):
                # The process that was waited for may have made it.
                cache = _opened(path, examples, size, stamps, checked, _silent)
                if cache is None:
                    pixels = ranged(examples.pixels, on_progress, on_message)
                    cache = _made(path, examples, pixels, size, stamps, processes, on_progress)
    _check_bad(examples, cache.bad, max_bad)
    return cache


def ranged(
    pixels: PixelSource, on_progress: Progress | None = None, on_message: Message | None = None
) -> PixelSource:
    """The same images, decoded with one range of values for the whole set."""
    if not isinstance(pixels, Photographs):
        return pixels
    return with_ranges(pixels, measured(pixels, on_progress, on_message))


def _silent(text: str) -> None:
    pass


def _check_settings(examples: Examples, size: int, processes: int | None, max_bad: float) -> None:
    if size < 1:
        raise InputError(f"--size: expected at least 1 pixel, found {size}")
    check_processes(processes)
    if not 0 <= max_bad <= 1:
        raise InputError(f"--max-bad: expected a share in [0, 1], found {max_bad}")
    if not len(examples.pixels):
        raise InputError(f"{examples.name}: expected images, found none")


def _check_bad(examples: Examples, bad: tuple[Bad, ...], max_bad: float) -> None:
    total = len(examples.pixels)
    if len(bad) <= max_bad * total:
        return
    first = "; ".join(f"{name}: {why}" for _, name, why in bad[:3])
    more = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
    raise InputError(
        f"{examples.name}: {len(bad)} of {total} images cannot be read, expected a share of at "
        f"most --max-bad {max_bad:g} ({first}{more})"
    )


def _opened(
    path: Path, examples: Examples, size: int, stamps: str, checked: float, tell: Message
) -> PixelCache | None:
    """The cache if it exists, is intact and matches its images; else report why not."""
    try:
        contents = read_contents(path)
        if contents.stamps != stamps:
            tell(f"{path.name}: the images have changed since; decoding them again")
            return None
        if (contents.count, contents.size) != (len(examples.pixels), size):
            raise Damaged("it holds other pixels")
        if (name := _mended(examples.pixels, contents)) is not None:
            tell(f"{path.name}: {name} can be read by now; decoding the images again")
            return None
        pixels = map_pixels(path, contents)
        prints = read_prints(path, contents)
        check_pixels(pixels, contents, checked)
    except FileNotFoundError:
        return None
    except Damaged as error:
        tell(f"{path.name}: damaged, {error}; decoding the images again")
        return None
    return PixelCache(pixels, contents.bad, prints, contents.ranges, path, made=False)


def _mended(pixels: PixelSource, contents: Contents) -> str | None:
    """Name of the first bad image that can be read now, although its stamp is unchanged."""
    readable = with_ranges(pixels, contents.ranges)
    for index, name, _ in contents.bad:
        with suppress(BadImage):
            readable.read(index, contents.size)
            return name
    return None


def _made(
    path: Path,
    examples: Examples,
    pixels: PixelSource,
    size: int,
    stamps: str,
    processes: int | None,
    on_progress: Progress | None,
) -> PixelCache:
    # Frees the space of a damaged or outdated cache; processes that have it open keep their copy.
    path.unlink(missing_ok=True)
    count = len(pixels)
    folder = path.parent
    needed = count * (row_bytes(size) + PRINT.itemsize)
    check_room(f"--cache-dir {folder}", folder, needed, "pass another folder")
    handle, name = tempfile.mkstemp(PARTIAL, f"{path.stem}.", folder)
    os.close(handle)
    partial = Path(name)
    try:
        decoded = decode(pixels, size, partial, processes, on_progress)
        ranges = getattr(pixels, "ranges", UNKNOWN)
        contents = Contents(
            examples.name,
            size,
            count,
            stamps,
            rows_in_block(size),
            decoded.checksums,
            decoded.bad,
            ranges,
            zlib.crc32(decoded.prints.tobytes()),
        )
        write_contents(partial, contents, decoded.prints)
        partial.chmod(0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    found = map_pixels(path, contents)
    return PixelCache(found, decoded.bad, decoded.prints, ranges, path, made=True)
