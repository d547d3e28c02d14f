"""Results of an evaluation, as plain numbers and words: the content of evaluation.json."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool

from irvision.evaluation.epoch_fidelity import EpochFidelity
from irvision.evaluation.node_names import NodeName
from irvision.runs.attribute_table import AttributeRow

Interval = tuple[float, float]


@dataclass(frozen=True)
class Share:
    """A share of images with its 95% Wilson interval."""

    value: float
    interval: Interval
    images: int

    @classmethod
    def of(cls, hits: Bool[np.ndarray, " m"]) -> Share:
        """The share of hits among one or more images."""
        total = int(hits.sum())
        return cls(total / len(hits), wilson_interval(total, len(hits)), len(hits))


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracies of G and T on the images of one class; None if it has no images."""

    name: str
    images: int
    g: float | None
    t: float | None


@dataclass(frozen=True)
class FidelityRow:
    """Feature fidelity of one set of binary features, named as in `FeatureFidelity`."""

    name: str
    features: int
    attributes_by_features: float
    features_by_attributes: float | None = None
    score: float | None = None
    interval: Interval | None = None
    null_mean: float | None = None
    null_sd: float | None = None
    adjusted: float | None = None
    dead_features: int | None = None


@dataclass(frozen=True)
class WithinClass:
    """Recovery of attributes within classes, with codes picked on training images.

    Attributes:
        pairs: number of pairs of a class and an attribute that varies in it.
        classes, attributes: number of classes and of attributes in these pairs.
        auc, f1_excess: means over the pairs; ½ and 0 for codes that depend only on the class.
        auc_interval, f1_excess_interval: 95% intervals over pairs; None without bootstrap.
    """

    pairs: int
    classes: int
    attributes: int
    auc: float
    auc_interval: Interval | None
    f1_excess: float
    f1_excess_interval: Interval | None


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of a run.

    Attributes:
        accuracy_g, accuracy_t: accuracy of G and of the tree.
        agreement: share of images for which both predict the same class.
        codes: number of kept codes.
        bits: bits of a code.
        codes_tested, leaves: number of codes that the tree tests, and of its leaves.
        classes: accuracies for every class.
        fidelity: rows for all codes, for those that the tree tests, and for the predicted and the
            true class as references.
        within: None if it cannot be computed; `within_note` then says why.
        tests: attributes that tests of the tree match.
        attributes: a row for every attribute; empty if the data set has no attributes.
        epochs: fidelity on the validation images after every epoch whose codes were kept.
    """

    accuracy_g: Share
    accuracy_t: Share
    agreement: Share
    codes: int
    bits: int
    codes_tested: int
    leaves: int
    classes: tuple[ClassAccuracy, ...]
    fidelity: tuple[FidelityRow, ...] = ()
    within: WithinClass | None = None
    within_note: str = "no attributes"
    tests: tuple[NodeName, ...] = ()
    attributes: tuple[AttributeRow, ...] = ()
    epochs: tuple[EpochFidelity, ...] = ()


def wilson_interval(hits: int, size: int) -> Interval:
    """95% interval of a share of `size` ≥ 1 independent trials, after Wilson (1927)."""
    z = NormalDist().inv_cdf(0.975)
    share, weight = hits / size, z * z / size
    centre = (share + weight / 2) / (1 + weight)
    half = z * (share * (1 - share) / size + weight / (4 * size)) ** 0.5 / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)
