"""Scores of a trained network and its tree: accuracy, and fidelity to attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from irtheory.fidelity import (
    FeatureFidelity,
    class_oracle_fidelity,
    feature_fidelity,
    predicted_class_fidelity,
    within_class_recovery,
)
from irtheory.intersection.quantize import binarize, column_name
from irtheory.trees.export import merge_same_class
from irtheory.trees.tree import Tree
from irvision.data.examples import Attributes
from irvision.evaluation.node_names import name_tests
from irvision.evaluation.results import ClassAccuracy, Evaluation, FidelityRow, Share, WithinClass
from irvision.runs.attribute_table import AttributeRow

ALL_CODES, TREE_CODES, ORACLE = "all codes", "codes T tests", "class oracle"
PREDICTED, PREDICTED_PLAIN = "predicted class", "predicted class, one-hot"
# Random stream of the shuffles for single attributes; `irtheory.fidelity` uses streams 0 and 1.
ATTRIBUTE_NULL = 2


@dataclass(frozen=True, eq=False)
class Predictions:
    """Codes and outputs of a network for m images.

    Attributes:
        codes: the kept codes of F_q(x).
        outputs: G(F_q(x)), probabilities or logits of k classes.
        labels: y, true classes.
    """

    codes: UInt8[np.ndarray, "m kept"]
    outputs: Float[np.ndarray, "m k"]
    labels: Int[np.ndarray, " m"]


@dataclass(frozen=True)
class _Draws:
    null: int
    bootstrap: int
    seed: int

    def keywords(self) -> dict[str, Any]:
        return {"null_draws": self.null, "bootstrap": self.bootstrap, "seed": self.seed}


def evaluate(
    test: Predictions,
    tree: Tree,
    bits: int,
    attributes: Attributes | None = None,
    fit: Predictions | None = None,
    fit_attributes: Attributes | None = None,
    null_draws: int = 20,
    bootstrap: int = 200,
    seed: int = 0,
    *,
    classes: Sequence[str] | None = None,
    kept: Sequence[int] | Int[np.ndarray, " kept"] | None = None,
) -> Evaluation:
    """Score a network and its tree on test images.

    Args:
        test: predictions for the images to score.
        tree: T over the kept codes.
        bits: r of the codes.
        attributes: rows are those of `test`. With None or without annotations only accuracies are
            computed.
        fit: predictions for training images, on which within-class recovery picks its codes.
        fit_attributes: rows are those of `fit`.
        null_draws: number of shuffles for the permutation nulls; 0 for no nulls.
        bootstrap: number of resamples for the intervals; 0 for no intervals.
        seed: seed of both.
        classes: k names; numbers by default.
        kept: the number of each kept code; 0, 1, … by default.

    Raises:
        ValueError: axes that do not match, or codes out of range.
    """
    codes = list(range(test.codes.shape[1]) if kept is None else map(int, kept))
    names = list(classes or map(str, range(test.outputs.shape[1])))
    _check_axes(test, tree, names, codes)
    accuracies = _accuracies(test, tree, bits, names)
    if attributes is None or np.isnan(attributes.values).all():
        return accuracies
    draws = _Draws(null_draws, bootstrap, seed)
    within = _within(test, attributes, fit, fit_attributes, bits, draws)
    # Only tests of the merged tree: the others do not change the predicted class.
    tests = name_tests(merge_same_class(tree), test.codes, attributes, codes, seed)
    named = {test.attribute for test in tests}
    rows, table = _fidelity(test, tree, bits, attributes, codes, named, draws)
    return replace(
        accuracies,
        fidelity=rows,
        within=within if isinstance(within, WithinClass) else None,
        within_note=within if isinstance(within, str) else "",
        tests=tests,
        attributes=table,
    )


def _check_axes(test: Predictions, tree: Tree, classes: Sequence[str], kept: Sequence[int]) -> None:
    for name, found, expected in (
        ("tree", tree.n_features, test.codes.shape[1]),
        ("kept", len(kept), test.codes.shape[1]),
        ("labels", len(test.labels), len(test.codes)),
        ("classes", len(classes), test.outputs.shape[1]),
    ):
        if found != expected:
            raise ValueError(f"{name}: expected {expected} entries, found {found}")


def _accuracies(test: Predictions, tree: Tree, bits: int, classes: Sequence[str]) -> Evaluation:
    """The part of the evaluation that needs no attributes."""
    by_g, by_t = test.outputs.argmax(1), tree.predict(test.codes).argmax(1)
    right_g, right_t = by_g == test.labels, by_t == test.labels
    return Evaluation(
        Share.of(right_g),
        Share.of(right_t),
        Share.of(by_g == by_t),
        codes=test.codes.shape[1],
        bits=bits,
        codes_tested=len(tree.used_features),
        leaves=tree.n_leaves,
        classes=_by_class(classes, test.labels, right_g, right_t),
    )


def _by_class(
    names: Sequence[str], labels: np.ndarray, right_g: np.ndarray, right_t: np.ndarray
) -> tuple[ClassAccuracy, ...]:
    size, g, t = (
        np.bincount(labels, weights=hits, minlength=len(names)) for hits in (None, right_g, right_t)
    )
    return tuple(
        ClassAccuracy(name, int(n), float(g[i] / n), float(t[i] / n))
        if n
        else ClassAccuracy(name, 0, None, None)
        for i, (name, n) in enumerate(zip(names, size, strict=True))
    )


def _fidelity(
    test: Predictions,
    tree: Tree,
    bits: int,
    attributes: Attributes,
    kept: Sequence[int],
    named: set[str],
    draws: _Draws,
) -> tuple[tuple[FidelityRow, ...], tuple[AttributeRow, ...]]:
    """The rows of the table of feature fidelity, and those of the table of attributes."""
    values, k = attributes.values, test.outputs.shape[1]
    predicted = test.outputs.argmax(1)
    columns = binarize(test.codes, bits)
    found = feature_fidelity(values, columns, **draws.keywords())
    rows = [_row(ALL_CODES, found, columns.shape[1])]
    if tree.used_features:
        tested = binarize(test.codes[:, list(tree.used_features)], bits)
        own = feature_fidelity(values, tested, **draws.keywords())
        rows.append(_row(TREE_CODES, own, tested.shape[1]))
    scored = predicted_class_fidelity(values, predicted, k, complement=True, **draws.keywords())
    plain = predicted_class_fidelity(values, predicted, k, **draws.keywords())
    oracle = class_oracle_fidelity(values, test.labels)
    rows += [_row(PREDICTED, scored, 2 * k), _row(PREDICTED_PLAIN, plain, k)]
    rows.append(FidelityRow(ORACLE, len(np.unique(test.labels)), oracle.mean))
    references = {
        "null": _attribute_null(values, columns, draws),
        "predicted_class": scored.per_attribute,
        "class_oracle": oracle.per_attribute,
    }
    return tuple(rows), _table(attributes, found, references, bits, kept, named)


def _row(name: str, found: FeatureFidelity, features: int) -> FidelityRow:
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
    )


def _attribute_null(
    values: Float[np.ndarray, "m n"], columns: Bool[np.ndarray, "m D"], draws: _Draws
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
    kept: Sequence[int],
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
        code = column % (2**bits * len(kept)) // 2**bits
        others = {key: _finite(column[i]) for key, column in references.items()}
        row = AttributeRow(
            name,
            size,
            float(present[i] / size),
            float(found.per_attribute[i]),
            **others,
            column=column_words(column, flipped, bits, kept),
            code=int(kept[code]),
            tested=name in named,
        )
        rows.append(row)
    return tuple(rows)


def column_words(column: int, flipped: bool, bits: int, kept: Sequence[int]) -> str:
    """Name of a column of `binarize`, or of its complement, with the number of the kept code."""
    half = 2**bits * len(kept)
    name = column_name((column + half * flipped) % (2 * half), bits, len(kept))
    _, index, sign, level = name.split()
    if bits == 1 and sign == "≠":
        sign, level = "=", str(1 - int(level))
    return f"code {kept[int(index)]} {sign} {level}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _within(
    test: Predictions,
    attributes: Attributes,
    fit: Predictions | None,
    fit_attributes: Attributes | None,
    bits: int,
    draws: _Draws,
) -> WithinClass | str:
    """Recovery of attributes within classes, or the reason why it cannot be computed."""
    if attributes.level == "class":
        return "attributes are annotated by class, so none varies inside one"
    if fit is None or fit_attributes is None or np.isnan(fit_attributes.values).all():
        return "no annotated training images to pick codes on"
    found = within_class_recovery(
        fit_attributes.values, fit.labels, fit.codes,
        attributes.values, test.labels, test.codes,
        bits=bits, bootstrap=draws.bootstrap, seed=draws.seed,
    )  # fmt: skip
    if not len(found.auc):
        return "no attribute varies inside a class with enough images"
    return WithinClass(
        len(found.auc),
        len(np.unique(found.class_label)),
        len(np.unique(found.attribute)),
        found.mean_auc,
        found.auc_interval,
        found.mean_f1_excess,
        found.f1_excess_interval,
    )
