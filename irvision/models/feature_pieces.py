"""A long pass over many images, kept on disk in pieces, so that it goes on after any end."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from irtheory.runs.files import write_bytes

# A piece is written once it has this many images, or after this many seconds.
IMAGES, SECONDS = 512, 15.0

Rows = Float[np.ndarray, "2 n C"]


def read_array(file: Path) -> np.ndarray | None:
    """The features of a file, of images and of mirrored ones; None if it is missing or damaged."""
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.ndim == 3 and len(found) == 2 and found.dtype == np.float32
    return found if fits and np.isfinite(found).all() else None


def write_array(file: Path, features: Rows) -> None:
    """Write features atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.save(stream, features)
    write_bytes(file, stream.getbuffer())


def read_pieces(folder: Path, samples: int) -> list[np.ndarray]:
    """The pieces from the first image on, up to the first one that is missing or damaged.

    Args:
        folder: of the pieces, each named after the number of its first image.
        samples: number of all images.
    """
    pieces: list[np.ndarray] = []
    done = 0
    while done < samples and (piece := read_array(_file(folder, done))) is not None:
        if not 0 < piece.shape[1] <= samples - done or piece.shape[2] != _width(pieces, piece):
            break
        pieces.append(piece)
        done += piece.shape[1]
    return pieces


def kept(folder: Path, start: int, batches: Iterable[Rows]) -> Generator[np.ndarray, None, None]:
    """Pass batches on one by one; they are on disk a few seconds later, however this ends.

    Batches are never cut, so that a pass that goes on has the batches of one without a stop.
    Processes that compute the same pieces write the same content.

    Args:
        folder: of the pieces.
        start: number of the image that the first batch begins with.
        batches: features of consecutive images.
    """
    held: list[np.ndarray] = []
    since = time.monotonic()
    try:
        for batch in batches:
            held.append(batch)
            yield batch
            count = sum(each.shape[1] for each in held)
            if count >= IMAGES or time.monotonic() - since >= SECONDS:
                write_array(_file(folder, start), np.concatenate(held, axis=1))
                start, since = start + count, time.monotonic()
                held.clear()
    finally:
        if held:
            write_array(_file(folder, start), np.concatenate(held, axis=1))


def remove_pieces(folder: Path) -> None:
    """Remove the pieces once the whole is on disk."""
    shutil.rmtree(folder, ignore_errors=True)


def _file(folder: Path, start: int) -> Path:
    return folder / f"{start:09d}.npy"


def _width(pieces: list[np.ndarray], piece: np.ndarray) -> int:
    return (pieces or [piece])[0].shape[2]
