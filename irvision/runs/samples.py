"""The samples of a run: the drawn split as a table, and what shows whether they have changed.

A digest of a sample's pixels shows that they are the same; if it differs, a small picture of their
mean colours and a hash of their luminance tell a sample that another version of the decoder rounds
otherwise from another picture.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt64

from irtheory.runs.files import InputError, write_bytes
from irvision.data.examples import PARTS, Examples, names_below
from irvision.data.pixels.prints import PRINT, Prints, digests
from irvision.runs.names import SAMPLES

COLUMNS = ("image", "class", "part", "pixels", "colours", "luminance")
MOST_BYTES = 1 << 30
DIGEST, THUMBNAIL = (PRINT[name].itemsize for name in ("digest", "thumbnail"))
# Another version of a decoder changes mean colours by at most so many levels, and at most so many
# of the 64 bits of the hash.
ROUNDING, FEW_BITS = 3, 8
CODING = {"encoding": "utf-8", "errors": "surrogateescape"}


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a run, in the order of the data set.

    Attributes:
        names: of the images below their common folder.
        classes: name of the class of each.
        parts: part of each; an empty word for a sample that has none.
        digests: of the pixels of each in hexadecimal; an empty word for one that was not read.
        colours: mean colours of each on a 4 × 4 grid.
        luminance: hash of each.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    digests: tuple[str, ...]
    colours: UInt8[np.ndarray, "m 48"]
    luminance: UInt64[np.ndarray, " m"]

    @property
    def pixels(self) -> str:
        """Digest of the pixels of all samples."""
        total = hashlib.sha256()
        for name, digest in zip(self.names, self.digests, strict=True):
            total.update(f"{name}\0{digest}\n".encode(**CODING))
        return total.hexdigest()[:32]


def list_samples(examples: Examples, prints: Prints, bad: Sequence[int]) -> Samples:
    """The samples of a data set.

    Args:
        examples: with the parts of the run.
        prints: of the decoded samples.
        bad: samples that could not be read.
    """
    found, unread = digests(prints), set(bad)
    return Samples(
        distinct_names(examples),
        tuple(examples.classes[label] for label in examples.labels.tolist()),
        tuple(PARTS[part] for part in examples.parts.tolist()),
        tuple("" if row in unread else digest for row, digest in enumerate(found)),
        prints["thumbnail"].reshape(len(prints), -1).copy(),
        prints["hash"].astype(np.uint64),
    )


def distinct_names(examples: Examples) -> tuple[str, ...]:
    """Names of the samples below their common folder; a sample that comes again has a number."""
    counts = Counter[str]()
    found = []
    for name in names_below(examples):
        counts[name] += 1
        again = f" (again, {counts[name]})" if counts[name] > 1 else ""
        found.append(name.removeprefix("/") + again)
    return tuple(found)


def write_samples(run: Path, samples: Samples) -> None:
    """Write samples.csv."""
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    table.writerow(COLUMNS)
    colours = (row.tobytes().hex() for row in samples.colours)
    hashes = (f"{value:016x}" for value in samples.luminance.tolist())
    table.writerows(
        zip(
            samples.names,
            samples.classes,
            samples.parts,
            samples.digests,
            colours,
            hashes,
            strict=True,
        )
    )
    write_bytes(run / SAMPLES, stream.getvalue().encode(**CODING))


def read_samples(run: Path) -> Samples | None:
    """The samples of a run; None if it has no samples.csv, as runs of earlier releases.

    Raises:
        InputError: the file is not what `ira train` writes.
    """
    path = run / SAMPLES
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: expected at most {MOST_BYTES} bytes, found more")
        text = path.read_bytes().decode(**CODING)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    kept: list[Sequence[str]] = []
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}")
        kept.extend(_checked(row) for row in rows)
        return _samples(kept)
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: line {rows.line_num}: {error}; it is not what `ira train` wrote"
        ) from None


def _checked(row: list[str]) -> list[str]:
    """A row of samples.csv; ValueError if it is none."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} cells, found {len(row)}")
    name, _, part, digest, colours, luminance = row
    sizes = len(digest) in (0, 2 * DIGEST), len(colours) == 2 * THUMBNAIL, len(luminance) == 16
    if not name or part not in PARTS or not all(sizes):
        raise ValueError(f"expected a sample, found {','.join(row)!r:.80}")
    # ValueError unless these are hexadecimal.
    bytes.fromhex(digest + colours + luminance)
    return row


def _samples(rows: Sequence[Sequence[str]]) -> Samples:
    names, classes, parts, digests, colours, luminance = (
        zip(*rows, strict=True) if rows else [()] * 6
    )
    if len(set(names)) < len(names):
        raise ValueError("expected every image once")
    packed = np.frombuffer(bytes.fromhex("".join(colours)), np.uint8)
    return Samples(
        names,
        classes,
        parts,
        digests,
        packed.reshape(-1, THUMBNAIL),
        np.array([int(value, 16) for value in luminance], np.uint64),
    )
