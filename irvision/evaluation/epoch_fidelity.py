"""Feature fidelity after every epoch (Figs. 7 and 8 of the paper), on the validation images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from irtheory.fidelity import feature_fidelity
from irtheory.intersection.quantize import binarize
from irvision.data.examples import Attributes
from irvision.runs.epoch_codes import read_epoch_codes

# A few shuffles suffice: the null varies between epochs by less than the width of its curve.
NULL_DRAWS = 5


@dataclass(frozen=True)
class EpochFidelity:
    """Feature fidelity d(f;g) after an epoch, of the codes that are kept in the end.

    Attributes:
        epoch: 1, 2, …
        images: number of validation images, on which it was scored.
        fidelity: d(f;g).
        null: the same with the images shuffled; None without shuffles.
    """

    epoch: int
    images: int
    fidelity: float
    null: float | None


def fidelity_by_epoch(
    run: Path,
    attributes: Attributes,
    kept: Int[np.ndarray, " kept"],
    dim: int,
    bits: int,
    null_draws: int,
    seed: int,
) -> tuple[EpochFidelity, ...]:
    """Score the codes of the validation images that training wrote after every epoch.

    Args:
        run: folder of the run.
        attributes: attributes of the validation images.
        kept: numbers of the kept codes.
        dim: d, number of all codes.
        bits: r of the codes.
        null_draws: number of shuffles, limited to `NULL_DRAWS`; 0 for no null.
        seed: seed of the shuffles.

    Returns:
        One result for every epoch whose codes exist; none without validation images or
        annotations.

    Raises:
        InputError: a file is damaged, or belongs to other images.
    """
    values, draws = attributes.values, min(null_draws, NULL_DRAWS)
    if np.isnan(values).all():
        return ()
    scored = []
    for epoch, codes in read_epoch_codes(run, len(values), dim, bits):
        columns = binarize(codes[:, kept], bits)
        found = feature_fidelity(values, columns, null_draws=draws, bootstrap=0, seed=seed)
        scored.append(EpochFidelity(epoch, len(values), found.score, found.null_mean))
    return tuple(scored)
