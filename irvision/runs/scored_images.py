"""predictions.safetensors: codes and outputs of every image that was scored. Loads no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError, safe_open

from irtheory.runs.files import InputError
from irvision.data.examples import PARTS, Part
from irvision.runs.names import CLASSES, PREDICTIONS_CODES
from irvision.runs.reader import check_of_tree, read_classes


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """The images of an evaluation, in the order of predictions.csv.

    Attributes:
        names: of the m images, as in predictions.csv.
        classes: names of the k classes.
        parts: index into PARTS of each image.
        labels: y.
        codes: all d codes of F_q(x).
        outputs: probabilities of G.
        by_t: classes that T names.
        leaf: leaves of T that the images reach, nodes of tree.json.
        levels: features in units of codes before they are clamped and rounded, in half precision;
            of all d codes. None in runs of earlier releases.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    parts: UInt8[np.ndarray, " m"]
    labels: Int[np.ndarray, " m"]
    codes: UInt8[np.ndarray, "m d"]
    outputs: Float[np.ndarray, "m k"]
    by_t: Int[np.ndarray, " m"]
    leaf: Int[np.ndarray, " m"]
    levels: Float[np.ndarray, "m d"] | None

    @property
    def by_g(self) -> Int[np.ndarray, " m"]:
        """Classes that G names."""
        return self.outputs.argmax(1)

    def rows(self, part: Part) -> Int[np.ndarray, " rows"]:
        """The images of a part."""
        return np.flatnonzero(self.parts == PARTS.index(part))


def read_scored_images(run: Path) -> ScoredImages:
    """The images that `ira evaluate` scored.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = run / PREDICTIONS_CODES
    if not path.is_file():
        raise InputError(f"{path}: expected what `ira evaluate {run}` writes, found no such file")
    try:
        with safe_open(path, "np") as stream:
            about = stream.metadata() or {}
            arrays = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
        found = _checked(about, arrays)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path}: expected what `ira evaluate {run}` writes ({why}); run it again"
        ) from None
    check_of_tree(run, path, about.get("tree"))
    if (run / CLASSES).is_file():
        classes = read_classes(run, len(found.classes))
        if classes != found.classes:
            raise InputError(
                f"{path}: expected the classes of {run / CLASSES}, found others; run "
                f"`ira evaluate {run}`"
            )
    return found


def scored_digest(run: Path) -> str:
    """Digest of the predictions.safetensors of a run, to which its gallery refers."""
    with (run / PREDICTIONS_CODES).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _checked(about: dict[str, str], arrays: dict[str, np.ndarray]) -> ScoredImages:
    """The content, or a ValueError, KeyError or TypeError that says what does not fit."""
    names, classes = (tuple(map(str, json.loads(about[key]))) for key in ("images", "classes"))
    m, k = len(names), len(classes)
    codes, outputs, levels = arrays["codes"], arrays["outputs"], arrays.get("levels")
    columns = [arrays[key] for key in ("part", "labels", "named_by_t", "leaf")]
    if codes.ndim != 2 or codes.dtype != np.uint8 or len(codes) != m:
        raise ValueError(f"codes: expected {m} rows of uint8, found {codes.dtype} {codes.shape}")
    if outputs.shape != (m, k) or not np.isfinite(outputs).all():
        raise ValueError(f"outputs: expected {m} × {k} finite numbers, found {outputs.shape}")
    if levels is not None and levels.shape != codes.shape:
        raise ValueError(f"levels: expected the shape of codes, found {levels.shape}")
    for column, most in zip(columns, (len(PARTS), k, k, np.inf), strict=True):
        if column.shape != (m,) or column.dtype.kind not in "iu":
            raise ValueError(f"expected {m} whole numbers, found {column.dtype} {column.shape}")
        if m and not 0 <= column.min() <= column.max() < most:
            raise ValueError(f"expected numbers below {most}, found {column.max()}")
    part, labels, by_t, leaf = columns
    return ScoredImages(names, classes, part, labels, codes, outputs, by_t, leaf, levels)
