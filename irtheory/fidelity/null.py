"""Draws over the samples: permutation null and bootstrap of the feature fidelity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from irtheory.fidelity.inputs import count_dtype
from irtheory.fidelity.pairs import Draw, FeatureBlocks, halves
from irtheory.intervals import SHARE, Interval, centred_interval

# Streams of one seed, so that asking for one kind of draw does not change the other.
PERMUTATIONS, RESAMPLES = 0, 1


@dataclass(frozen=True)
class Null:
    """Mean and standard deviation of d_D(f; g) over draws with the rows of f shuffled.

    The deviation has n − 1 in its denominator; it is None for fewer than two draws.
    """

    mean: float
    sd: float | None

    def adjusted(self, score: float) -> float:
        """(score − null) / (1 − null); 0 where the null is 1 and leaves no room above it."""
        return (score - self.mean) / (1 - self.mean) if self.mean < 1 else 0.0


def _permutation(order: Tensor) -> Draw:
    return lambda a: a[order]


def _weighting(weights: Tensor) -> Draw:
    return lambda a: a * weights[:, None]


def permutation_null(blocks: FeatureBlocks, draws: int, seed: int) -> Null:
    """Null of the score: one order of the rows for all attributes and their missing cells."""
    rng = np.random.default_rng([seed, PERMUTATIONS])
    positive = blocks.annotation.positive
    orders = [torch.from_numpy(rng.permutation(len(positive))) for _ in range(draws)]
    permutations = [_permutation(order.to(positive.device)) for order in orders]
    scores = [half.score for half in halves(blocks, permutations)]
    return Null(float(np.mean(scores)), float(np.std(scores, ddof=1)) if draws > 1 else None)


def bootstrap_interval(blocks: FeatureBlocks, score: float, draws: int, seed: int) -> Interval:
    """95% bootstrap interval about the score, samples drawn with replacement as weights.

    Resampling raises the maxima in the score, so the percentiles are shifted by the difference
    between the score and the mean over resamples, and cut at 0 and 1. (How much maxima add to the
    score itself is shown by the null.)
    """
    rng = np.random.default_rng([seed, RESAMPLES])
    m, device = len(blocks.annotation.positive), blocks.features.device
    counts = rng.multinomial(m, np.full(m, 1 / m), size=draws)
    weights = torch.from_numpy(counts).to(device, count_dtype(m))
    resamples = [_weighting(w) for w in weights]
    scores = np.array([half.score for half in halves(blocks, resamples)])
    return centred_interval(score, scores, SHARE)
