"""Opens the pixel cache of a data set, or decodes its images into a new one."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    remove_partial,
    sweep,
)
from irvision.data.pixels.decode import Bad, Progress, check_processes, decode
from irvision.data.pixels.journal import Journal, Pass, journal_of
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

# Unit in which the system counts the space of a file.
BLOCK = 512


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
            with lock_cache(path, tell) as held:
                # The process that was waited for may have made it.
                cache = _opened(path, examples, size, stamps, checked, _silent)
                if cache is None:
                    pixels = ranged(examples.pixels, on_progress, on_message)
                    work = Pass(stamps, len(pixels), size, getattr(pixels, "ranges", UNKNOWN))
                    with _partial(path, held, work, tell) as partial:
                        cache = _made(path, examples, pixels, work, partial, processes, on_progress)
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


@dataclass(frozen=True, eq=False)
class _Partial:
    """The file of a cache that is being made, and its journal if it has one."""

    path: Path
    journal: Journal | None


@contextmanager
def _partial(path: Path, held: bool, work: Pass, tell: Message) -> Iterator[_Partial]:
    """A partial cache, or that of an earlier process that was interrupted.

    What is done is kept where this process is interrupted, too, but not where the disk is full.
    Without a lock, other processes may be making the same cache, and each has a file of its own.
    """
    # Frees the space of a damaged or outdated cache; processes that have it open keep their copy.
    path.unlink(missing_ok=True)
    folder = path.parent
    partial = path.with_suffix(PARTIAL)
    spared = partial.stat().st_blocks * BLOCK if held and partial.is_file() else 0
    needed = work.count * (row_bytes(work.size) + PRINT.itemsize) - spared
    check_room(f"--cache-dir {folder}", folder, needed, "pass another folder")
    if not held:
        handle, name = tempfile.mkstemp(PARTIAL, f"{path.stem}.", folder)
        os.close(handle)
        partial = Path(name)
    with ExitStack() as until_done:
        journal = None
        if held:
            journal = Journal(partial, work)
            until_done.callback(journal.close)
            if journal.known:
                blocks, step = len(journal.known), rows_in_block(work.size)
                done = min(blocks * step, work.count)
                tell(f"{path.name}: going on after {done} of {work.count} images")
        try:
            yield _Partial(partial, journal)
        except BaseException as error:
            if journal is None or journal.empty or isinstance(error, OSError):
                remove_partial(partial)
            raise
        journal_of(partial).unlink(missing_ok=True)


def _made(
    path: Path,
    examples: Examples,
    pixels: PixelSource,
    work: Pass,
    partial: _Partial,
    processes: int | None,
    on_progress: Progress | None,
) -> PixelCache:
    decoded = decode(
        pixels, work.size, partial.path, processes, on_progress, journal=partial.journal
    )
    contents = Contents(
        examples.name,
        work.size,
        work.count,
        work.stamps,
        rows_in_block(work.size),
        decoded.checksums,
        decoded.bad,
        work.ranges,
        zlib.crc32(decoded.prints.tobytes()),
    )
    write_contents(partial.path, contents, decoded.prints)
    partial.path.chmod(0o644)
    partial.path.replace(path)
    found = map_pixels(path, contents)
    return PixelCache(found, decoded.bad, decoded.prints, work.ranges, path, made=True)
