"""Feature fidelity of a model and of its references, with and without constant features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from irtheory.fidelity import FeatureFidelity, class_oracle_fidelity, feature_fidelity
from irtheory.intersection.quantize import binarize, column_name
from irvision.data.examples import Attributes
from irvision.evaluation.results import FidelityRow
from irvision.evaluation.subject import Subject
from irvision.runs.attribute_table import AttributeRow

ALL_CODES, TREE_CODES, ORACLE = "all codes", "codes T tests", "class oracle"
PREDICTED, PREDICTED_PLAIN = "predicted class", "predicted class, one-hot"
# Random stream of the shuffles for single attributes; `irtheory.fidelity` uses streams 0 and 1.
ATTRIBUTE_NULL = 2


@dataclass(frozen=True)
class Draws:
    """Shuffles for nulls, resamples for intervals, and the seed of both."""

    null: int
    bootstrap: int
    seed: int

    def keywords(self) -> dict[str, Any]:
        """Arguments of `feature_fidelity`."""
        return {"null_draws": self.null, "bootstrap": self.bootstrap, "seed": self.seed}


def score_fidelity(
    subject: Subject, attributes: Attributes, named: set[str], draws: Draws
) -> tuple[tuple[FidelityRow, ...], tuple[AttributeRow, ...]]:
    """The rows of the table of feature fidelity, and those of the table of attributes.

    Args:
        subject: scored on its test images.
        attributes: of these images.
        named: attributes that name a test of T.
        draws: for nulls and intervals.
    """
    values, test, bits = attributes.values, subject.test, subject.bits
    constant = subject.constant()
    constant[subject.kept[list(subject.tree.used_features)]] = False
    # Without any varying code one is kept, as there is nothing to score otherwise.
    varying = np.flatnonzero(~constant) if not constant.all() else np.arange(1)
    columns = binarize(test.codes[:, varying], bits)
    found = feature_fidelity(values, columns, **draws.keywords())
    every = binarize(test.codes, bits) if constant.any() else None
    again = _scored_again(values, every, draws)
    rows = [_row(ALL_CODES, columns.shape[1], found, int(constant.sum()), again)]
    if subject.tree.used_features:
        tested = binarize(subject.kept_codes("test")[:, list(subject.tree.used_features)], bits)
        own = feature_fidelity(values, tested, **draws.keywords())
        rows.append(_row(TREE_CODES, tested.shape[1], own))
    classes = _class_rows(subject, values, draws)
    oracle = class_oracle_fidelity(values, test.labels)
    rows += [row for row, _ in classes]
    rows.append(FidelityRow(ORACLE, len(np.unique(test.labels)), oracle.mean))
    references = {
        "null": _attribute_null(values, columns, draws),
        "predicted_class": classes[0][1],
        "class_oracle": oracle.per_attribute,
    }
    return tuple(rows), _table(attributes, found, references, bits, varying, named)


def _class_rows(
    subject: Subject, values: Float[np.ndarray, "m n"], draws: Draws
) -> list[tuple[FidelityRow, Float[np.ndarray, " n"]]]:
    """Rows for the class that G names, with complements and without, and their best F1.

    The columns are the classes that have test images or are named for some. A class without
    either is no feature of this test.
    """
    named = subject.by_g("test")
    seen = np.union1d(named, subject.test.labels)
    ever = np.union1d(named, subject.by_g("train")) if "train" in subject.parts else named
    never = ~np.isin(seen, ever)
    rows = []
    for name, complement in ((PREDICTED, True), (PREDICTED_PLAIN, False)):
        columns = _one_hot(named, seen[~never], complement)
        found = feature_fidelity(values, columns, **draws.keywords())
        every = _one_hot(named, seen, complement) if never.any() else None
        again = _scored_again(values, every, draws)
        row = _row(name, columns.shape[1], found, int(never.sum()), again)
        rows.append((row, found.per_attribute))
    return rows


def _one_hot(
    named: Int[np.ndarray, " m"], classes: Int[np.ndarray, " c"], complement: bool
) -> Bool[np.ndarray, "m D"]:
    columns = named[:, None] == classes
    return np.hstack([columns, ~columns]) if complement else columns


def _scored_again(
    values: Float[np.ndarray, "m n"], columns: Bool[np.ndarray, "m D"] | None, draws: Draws
) -> FeatureFidelity | None:
    """The score of all columns, constant ones included; None if there are no constant ones."""
    if columns is None:
        return None
    return feature_fidelity(values, columns, null_draws=draws.null, seed=draws.seed)


def _row(
    name: str,
    features: int,
    found: FeatureFidelity,
    constant: int = 0,
    every: FeatureFidelity | None = None,
) -> FidelityRow:
    every = every or found
    return FidelityRow(
        name,
        features,
        found.attributes_by_features,
        found.features_by_attributes,
        found.score,
        found.interval,
        found.null_mean,
        found.null_sd,
        found.adjusted,
        found.dead_features,
        constant,
        every.score,
        every.features_by_attributes,
        every.adjusted,
    )


def _attribute_null(
    values: Float[np.ndarray, "m n"], columns: Bool[np.ndarray, "m D"], draws: Draws
) -> Float[np.ndarray, " n"]:
    """Mean over shuffles of the images of the best F1 of every attribute; NaN without shuffles."""
    if not draws.null:
        return np.full(values.shape[1], np.nan)
    rng = np.random.default_rng([draws.seed, ATTRIBUTE_NULL])
    orders = (rng.permutation(len(values)) for _ in range(draws.null))
    return np.mean([feature_fidelity(values[o], columns).per_attribute for o in orders], axis=0)


def _table(
    attributes: Attributes,
    found: FeatureFidelity,
    references: dict[str, Float[np.ndarray, " n"]],
    bits: int,
    codes: Int[np.ndarray, " codes"],
    named: set[str],
) -> tuple[AttributeRow, ...]:
    annotated = (~np.isnan(attributes.values)).sum(0)
    present = np.nansum(attributes.values, axis=0)
    rows = []
    for i, name in enumerate(attributes.names):
        size = int(annotated[i])
        if not size:
            rows.append(AttributeRow(name, 0))
            continue
        column, flipped = int(found.best_feature[i]), bool(found.complemented[i])
        code = column % (2**bits * len(codes)) // 2**bits
        others = {key: _finite(column[i]) for key, column in references.items()}
        row = AttributeRow(
            name,
            size,
            float(present[i] / size),
            float(found.per_attribute[i]),
            **others,
            column=column_words(column, flipped, bits, codes),
            code=int(codes[code]),
            tested=name in named,
        )
        rows.append(row)
    return tuple(rows)


def column_words(
    column: int, flipped: bool, bits: int, codes: Sequence[int] | Int[np.ndarray, " codes"]
) -> str:
    """Name of a column of `binarize`, or of its complement, with the number of the code."""
    half = 2**bits * len(codes)
    name = column_name((column + half * flipped) % (2 * half), bits, len(codes))
    _, index, sign, level = name.split()
    if bits == 1 and sign == "≠":
        sign, level = "=", str(1 - int(level))
    return f"code {codes[int(index)]} {sign} {level}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
