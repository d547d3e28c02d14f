"""Within-class recovery: how well features recover attributes among samples of one class.

The feature fidelity d_D also rewards features that only encode the class. Such a feature is
constant inside each class, so every attribute that varies inside a class is matched there: the
best column is chosen on one half of the data and scored on the other, which keeps the maximum
over columns from biasing the score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irtheory.checks import check_whole
from irtheory.fidelity.cuts import best_cuts, f1_excess, level_cuts, quartile_cuts
from irtheory.fidelity.inputs import (
    Matrix,
    annotation,
    class_labels,
    finite_matrix,
    same_length,
)
from irtheory.fidelity.ranks import auc_excess, midranks
from irtheory.intervals import DIFFERENCE, SHARE, Interval, percentile_interval


@dataclass(frozen=True)
class WithinClassRecovery:
    """Scores of P pairs of a class and an attribute, on the test half.

    Attributes:
        class_label: P classes.
        attribute: P attribute indices.
        n_test: P numbers of annotated test samples.
        column: P columns of the values, largest |AUC − ½| on the first half.
        sign: P signs of AUC − ½ there, +1 for 0.
        auc: P values of the AUC of sign · column.
        f1_column: P columns of the values behind the binary column of the largest F1 excess.
        f1_excess: P values of its F1 minus the mean F1 over permutations of the attribute.
        mean_auc: mean over pairs; NaN without pairs, as is `mean_f1_excess`.
        auc_interval: 95% bootstrap interval over pairs; None without pairs or if not asked for.
        mean_f1_excess: mean over pairs.
        f1_excess_interval: as `auc_interval`.
    """

    class_label: npt.NDArray[np.int64]
    attribute: npt.NDArray[np.int64]
    n_test: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    sign: npt.NDArray[np.int64]
    auc: npt.NDArray[np.float64]
    f1_column: npt.NDArray[np.int64]
    f1_excess: npt.NDArray[np.float64]
    mean_auc: float
    auc_interval: Interval | None
    mean_f1_excess: float
    f1_excess_interval: Interval | None


@dataclass(frozen=True)
class _Half:
    """One half of the data: positive and annotated m × n booleans, labels m, values m × d."""

    positive: npt.NDArray[np.bool_]
    annotated: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int64]
    values: npt.NDArray

    def of_class(self, label: int) -> _Half:
        """The samples of one class."""
        rows = self.labels == label
        return _Half(
            self.positive[rows], self.annotated[rows], self.labels[rows], self.values[rows]
        )

    def eligible(self, prevalence: Interval, min_samples: int) -> npt.NDArray[np.bool_]:
        """Per attribute: enough annotations, both values present, prevalence in the range."""
        size, present = self.annotated.sum(0), self.positive.sum(0)
        share = present / np.maximum(size, 1)
        mixed = (present > 0) & (present < size) & (size >= min_samples)
        return mixed & (share >= prevalence[0]) & (share <= prevalence[1])


@dataclass(frozen=True)
class _Pair:
    """Scores of one pair, named as in `WithinClassRecovery`."""

    class_label: int
    attribute: int
    n_test: int
    column: int
    sign: int
    auc: float
    f1_column: int
    f1_excess: float


def within_class_recovery(
    attributes: Matrix,
    labels: Matrix,
    values: Matrix,
    test_attributes: Matrix,
    test_labels: Matrix,
    test_values: Matrix,
    *,
    bits: int | None = None,
    prevalence: Interval = (0.1, 0.9),
    min_samples: int = 20,
    bootstrap: int = 1000,
    seed: int = 0,
) -> WithinClassRecovery:
    """Score the best column for every attribute inside every class, cross-fitted.

    Codes that are a function of the class score AUC ½ and F1 excess 0, exactly. Pairs of a class
    share its samples, so the intervals, which resample pairs, are conditional on these samples.

    Args:
        attributes: m × n zeros and ones, NaN where missing; first half, where columns are chosen.
        labels: m whole numbers.
        values: m × d finite numbers, or codes 0 … 2^bits − 1 where `bits` is given.
        test_attributes: as `attributes`, of the half that is scored.
        test_labels: as `labels`.
        test_values: as `values`.
        bits: for codes, F1 is of the binary columns 1[v = j] and complements; for numbers, of
            1[v > t] at the quartiles of the class in the first half, and complements.
        prevalence: range of the attribute's prevalence inside the class, in both halves.
        min_samples: least annotated samples of the class, in both halves.
        bootstrap: resamples of the pairs.
        seed: of the bootstrap.

    Raises:
        ValueError: for entries other than those above, or axes that do not fit.
    """
    for name, found, least in (("bootstrap", bootstrap, 0), ("min_samples", min_samples, 1)):
        check_whole(name, found, least)
    check_whole("seed", seed, 0)
    if not 0 <= prevalence[0] <= prevalence[1] <= 1:
        raise ValueError(f"prevalence: expected 0 <= low <= high <= 1, found {prevalence}")
    first = _half("", attributes, labels, values, bits)
    test = _half("test_", test_attributes, test_labels, test_values, bits)
    _same_width("test_attributes", test.positive, first.positive)
    _same_width("test_values", test.values, first.values)
    pairs = list(_pairs(first, test, bits, prevalence, min_samples))
    return _summary(pairs, bootstrap, seed)


def _half(
    prefix: str, attributes: Matrix, labels: Matrix, values: Matrix, bits: int | None
) -> _Half:
    """One half, checked, without samples that have no annotation."""
    f = annotation(f"{prefix}attributes", attributes)
    y = class_labels(f"{prefix}labels", labels)
    v = finite_matrix(f"{prefix}values", values).cpu().numpy()
    same_length(f.length, **{f"{prefix}labels": len(y), f"{prefix}values": len(v)})
    if bits is not None:
        v = _codes(f"{prefix}values", v, check_whole("bits", bits, 1))
    rows = slice(None) if f.rows is None else f.rows.cpu().numpy()
    positive = f.positive.cpu().numpy().astype(bool)
    annotated = np.broadcast_to(f.annotated.cpu().numpy().astype(bool), positive.shape)
    return _Half(positive, annotated, y[rows], v[rows])


def _codes(name: str, values: npt.NDArray, bits: int) -> npt.NDArray[np.int16]:
    """Values as whole numbers 0 … 2^bits − 1, in a dtype that sorts fast."""
    if bits > 8:
        raise ValueError(f"bits: expected at most 8, found {bits}")
    wrong = values[(values < 0) | (values > 2**bits - 1) | (values != np.floor(values))]
    if len(wrong):
        raise ValueError(f"{name}: expected codes 0 to {2**bits - 1}, found {wrong[0]}")
    return values.astype(np.int16)


def _same_width(name: str, found: npt.NDArray, expected: npt.NDArray) -> None:
    if found.shape[1] != expected.shape[1]:
        raise ValueError(f"{name}: expected {expected.shape[1]} columns, found {found.shape[1]}")


def _pairs(
    first: _Half, test: _Half, bits: int | None, prevalence: Interval, min_samples: int
) -> Iterator[_Pair]:
    """Scores of all pairs, by class and attribute."""
    for label in np.unique(first.labels).tolist():
        one, other = first.of_class(label), test.of_class(label)
        eligible = one.eligible(prevalence, min_samples) & other.eligible(prevalence, min_samples)
        chosen = np.flatnonzero(eligible)
        if len(chosen) == 0:
            continue
        # Attributes annotated on the same samples share their ranks: most often, all of them.
        _, group = np.unique(one.annotated[:, chosen], axis=1, return_inverse=True)
        scores: dict[int, _Pair] = {}
        for g in range(group.max() + 1):
            for pair in _same_rows(one, other, chosen[group == g], label, bits):
                scores[pair.attribute] = pair
        yield from (scores[i] for i in chosen.tolist())


def _same_rows(
    one: _Half, other: _Half, attributes: npt.NDArray, label: int, bits: int | None
) -> Iterator[_Pair]:
    """Choose columns for attributes that are annotated on the same samples, and score them."""
    rows = one.annotated[:, attributes[0]]
    values, positive = one.values[rows], one.positive[rows][:, attributes].astype(np.float64)
    ranks, ascending = midranks(values)
    excess = auc_excess(ranks, positive)
    columns = np.abs(excess).argmax(0)
    signs = np.where(excess[columns, np.arange(len(columns))] < 0, -1, 1)
    cuts = quartile_cuts(ascending) if bits is None else level_cuts(bits, values.shape[1])
    complemented, f1_columns, which = best_cuts(cuts, values, positive)
    for k, i in enumerate(attributes.tolist()):
        seen = other.annotated[:, i]
        truth, column = other.positive[seen, i], f1_columns[k]
        rank, _ = midranks(other.values[seen, columns[k]][:, None])
        auc = 0.5 + signs[k] * auc_excess(rank, truth[:, None].astype(np.float64)).item()
        on = cuts.indicator(other.values[seen, column], which[k], column) ^ complemented[k]
        f1 = f1_excess(truth, on)
        yield _Pair(label, i, len(truth), int(columns[k]), int(signs[k]), auc, int(column), f1)


def _summary(pairs: list[_Pair], bootstrap: int, seed: int) -> WithinClassRecovery:
    """Arrays over pairs, their means and the bootstrap over pairs."""
    auc = np.array([p.auc for p in pairs], dtype=np.float64)
    excess = np.array([p.f1_excess for p in pairs], dtype=np.float64)
    resamples = None
    if pairs and bootstrap:
        resamples = np.random.default_rng(seed).integers(0, len(pairs), (bootstrap, len(pairs)))
    return WithinClassRecovery(
        class_label=np.array([p.class_label for p in pairs], dtype=np.int64),
        attribute=np.array([p.attribute for p in pairs], dtype=np.int64),
        n_test=np.array([p.n_test for p in pairs], dtype=np.int64),
        column=np.array([p.column for p in pairs], dtype=np.int64),
        sign=np.array([p.sign for p in pairs], dtype=np.int64),
        auc=auc,
        f1_column=np.array([p.f1_column for p in pairs], dtype=np.int64),
        f1_excess=excess,
        mean_auc=float(auc.mean()) if pairs else float("nan"),
        auc_interval=_interval(auc, resamples, SHARE),
        mean_f1_excess=float(excess.mean()) if pairs else float("nan"),
        f1_excess_interval=_interval(excess, resamples, DIFFERENCE),
    )


def _interval(
    scores: npt.NDArray, resamples: npt.NDArray | None, within: Interval
) -> Interval | None:
    return None if resamples is None else percentile_interval(scores[resamples].mean(1), within)
