"""Results of an evaluation, as plain numbers and words: the content of evaluation.json."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from irtheory.intervals import Interval, wilson_interval
from irvision.evaluation.epoch_fidelity import EpochFidelity
from irvision.evaluation.node_names import NodeName
from irvision.runs.attribute_table import AttributeRow


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
class Majority:
    """What naming one class for every image would score: the most frequent one of training."""

    name: str
    accuracy: float


@dataclass(frozen=True)
class Confused:
    """How often G and T name another class for images of a class."""

    name: str
    named: str
    by_g: int
    by_t: int


@dataclass(frozen=True)
class FidelityRow:
    """Feature fidelity of one set of binary features, named as in `FeatureFidelity`.

    Every method is scored twice, so that no method gains by dropping what another one keeps: here
    without the codes that are constant over the training images, and in the last three fields
    with them. A code that is always 0 matches nothing, which lowers d(g‖f); one that is never 0
    matches every frequent attribute.

    Attributes:
        constant: number of constant codes (for predicted classes: of classes never predicted).
        score_with_constant, features_by_attributes_with_constant, adjusted_with_constant: d(f;g),
            d(g‖f) and the adjusted score with these.
    """

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
    constant: int | None = None
    score_with_constant: float | None = None
    features_by_attributes_with_constant: float | None = None
    adjusted_with_constant: float | None = None


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
        balanced_g, balanced_t: mean of the accuracies of the classes that have images.
        majority: accuracy of the most frequent class of training.
        agreement: share of images for which both predict the same class.
        codes: number of kept codes.
        bits: bits of a code.
        codes_tested, leaves: number of codes that the tree tests, and of its leaves.
        classes: accuracies for every class.
        confused: the most frequent errors of T, then of G.
        classes_named: number of classes that some leaf of T names.
        warnings: sentences on what looks wrong with the model.
        fidelity: rows for all codes, for those that the tree tests, and for the predicted and the
            true class as references.
        within: None if it cannot be computed; `within_note` then says why.
        fidelity_note: why there are no attributes to score; empty if there are.
        tests: attributes that tests of the tree match.
        left_out: number of samples of the run that were not scored, with --only-known.
        inner: number of tests of the tree as readers see it, of which `tests` are named.
        attributes: a row for every attribute; empty if the data set has no attributes.
        epochs: fidelity on the validation images after every epoch whose codes were kept.
    """

    accuracy_g: Share
    accuracy_t: Share
    agreement: Share
    balanced_g: float
    balanced_t: float
    majority: Majority
    codes: int
    bits: int
    codes_tested: int
    leaves: int
    classes: tuple[ClassAccuracy, ...]
    confused: tuple[Confused, ...] = ()
    classes_named: int = 0
    warnings: tuple[str, ...] = ()
    fidelity_note: str = "no attributes: accuracy and tree only"
    fidelity: tuple[FidelityRow, ...] = ()
    within: WithinClass | None = None
    within_note: str = "no attributes"
    tests: tuple[NodeName, ...] = ()
    inner: int = 0
    left_out: int = 0
    attributes: tuple[AttributeRow, ...] = ()
    epochs: tuple[EpochFidelity, ...] = ()
