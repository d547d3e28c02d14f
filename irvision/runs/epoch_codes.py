"""Codes of the validation images after every epoch, for a curve of feature fidelity.

Training never sees attributes and cannot score the codes itself, so it writes them for
`ira evaluate`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from irtheory.runs.files import InputError, write_bytes
from irvision.runs.names import CODES

# What numpy and zipfile raise for damaged files.
DAMAGED = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def write_epoch_codes(run: Path, epoch: int, codes: UInt8[np.ndarray, "m d"]) -> None:
    """Write F_q(x) of the validation images after an epoch, compressed."""
    folder, stream = run / CODES, io.BytesIO()
    folder.mkdir(exist_ok=True)
    np.savez_compressed(stream, codes=codes)
    write_bytes(folder / f"epoch-{epoch:04d}.npz", stream.getbuffer())


def read_epoch_codes(
    run: Path, samples: int, dim: int, bits: int
) -> Iterator[tuple[int, UInt8[np.ndarray, "m d"]]]:
    """Epochs, ascending, with their codes: d = `dim` codes of r = `bits` bits for each image.

    Raises:
        InputError: a file is damaged, or belongs to other images.
    """
    for file in sorted((run / CODES).glob("epoch-*.npz")):
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as content:
                codes = content["codes"]
            epoch = int(file.stem.removeprefix("epoch-"))
        except DAMAGED:
            raise _other(file, "a damaged file", samples) from None
        if codes.dtype != np.uint8 or codes.shape != (samples, dim):
            raise _other(file, f"{codes.dtype} {list(codes.shape)}, not {dim} of each", samples)
        if codes.max(initial=0) >= 2**bits:
            raise _other(file, f"code {codes.max()} of {bits} bits", samples)
        yield epoch, codes


def _other(file: Path, found: str, samples: int) -> InputError:
    return InputError(f"{file}: expected codes of {samples} validation images, found {found}")
