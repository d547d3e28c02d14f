"""gallery.safetensors: small pictures of some scored images, and where their codes come from.

`ira evaluate` chooses the images and writes the file, so that reports need neither the data set
nor the network. Loads no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from irtheory.runs.files import InputError, write_bytes
from irvision.runs.names import GALLERY

# The format of the pictures, as the first bytes of a JPEG tell.
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures and maps of some images of an evaluation.

    Attributes:
        side: of the pictures, in pixels.
        pictures: JPEG files by row of `irvision.runs.scored_images.ScoredImages`.
        of_code: by code, the rows that were chosen to show it.
        maps: how much each cell of an image adds to a code, 0 … 255, by (row, code).
        unread: names of images that could not be decoded, with the reason.
    """

    side: int
    pictures: Mapping[int, bytes]
    of_code: Mapping[int, tuple[int, ...]]
    maps: Mapping[tuple[int, int], UInt8[np.ndarray, "s s"]]
    unread: tuple[tuple[str, str], ...] = ()

    def rows_of(self, code: int) -> Int[np.ndarray, " rows"]:
        """The images that were chosen to show a code; those far from the next value come first."""
        return np.array(self.of_code.get(code, ()), np.int64)


def write_gallery(run: Path, gallery: Gallery, scored: str) -> Path:
    """Write a gallery.

    Args:
        run: folder of the run.
        gallery: the pictures.
        scored: digest of the predictions.safetensors whose rows it refers to.
    """
    rows, files = np.array(list(gallery.pictures), np.int64), list(gallery.pictures.values())
    keys = np.array(list(gallery.maps), np.int64).reshape(-1, 2)
    shown = [(row, code) for code, rows_of in gallery.of_code.items() for row in rows_of]
    maps = np.array(list(gallery.maps.values()), np.uint8)
    arrays = {
        "rows": rows,
        "ends": np.cumsum([len(file) for file in files], dtype=np.int64),
        "jpeg": np.frombuffer(b"".join(files), np.uint8),
        "shown": np.array(shown, np.int64).reshape(-1, 2),
        "map_keys": keys,
        "maps": maps if len(maps) else np.zeros((0, 1, 1), np.uint8),
    }
    about = {"side": str(gallery.side), "scored": scored, "unread": json.dumps(gallery.unread)}
    write_bytes(run / GALLERY, save(arrays, about))
    return run / GALLERY


def read_gallery(run: Path, scored: str) -> Gallery | None:
    """The gallery of an evaluation; None if there is none, or one of other predictions.

    Args:
        run: folder of the run.
        scored: digest of the predictions.safetensors beside it.

    Raises:
        InputError: the file is damaged.
    """
    path = run / GALLERY
    if not path.is_file():
        return None
    try:
        with safe_open(path, "np") as stream:
            about = stream.metadata() or {}
            arrays = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
        return _checked(about, arrays) if about["scored"] == scored else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path}: expected what `ira evaluate {run}` writes ({why}); run it again"
        ) from None


def _checked(about: dict[str, str], arrays: dict[str, np.ndarray]) -> Gallery:
    rows, ends, jpeg = arrays["rows"], arrays["ends"], arrays["jpeg"]
    keys, maps, shown = arrays["map_keys"], arrays["maps"], arrays["shown"]
    if rows.shape != ends.shape or rows.ndim != 1 or jpeg.dtype != np.uint8:
        raise ValueError(f"expected one end for each picture, found {rows.shape}, {ends.shape}")
    if np.any(np.diff(ends, prepend=0) <= 0) or (ends[-1] if len(ends) else 0) != len(jpeg):
        raise ValueError("ends: expected ascending numbers up to the size of jpeg")
    if keys.shape != (len(maps), 2) or maps.ndim != 3 or maps.dtype != np.uint8:
        raise ValueError(f"maps: expected one of uint8 a key, found {keys.shape}, {maps.shape}")
    if shown.ndim != 2 or shown.shape[1] != 2:
        raise ValueError(f"shown: expected pairs of row and code, found {shown.shape}")
    data, starts = jpeg.tobytes(), [0, *ends.tolist()[:-1]]
    cuts = zip(rows.tolist(), starts, ends.tolist(), strict=True)
    pictures = {row: data[start:end] for row, start, end in cuts}
    if not all(file.startswith(JPEG) for file in pictures.values()):
        raise ValueError("jpeg: expected JPEG files, found others")
    of_code: dict[int, list[int]] = {}
    for row, code in shown.tolist():
        if row not in pictures:
            raise ValueError(f"shown: expected rows with a picture, found {row}")
        of_code.setdefault(code, []).append(row)
    by_key = {(row, code): each for (row, code), each in zip(keys.tolist(), maps, strict=True)}
    unread = tuple((str(name), str(why)) for name, why in json.loads(about["unread"]))
    by_code = {code: tuple(found) for code, found in of_code.items()}
    return Gallery(int(about["side"]), pictures, by_code, by_key, unread)
