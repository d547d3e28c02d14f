"""Sentences on a tree and on what its search has proven, and the same as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from irtheory.studies.table.settings import TableSettings
from irtheory.tables.place import counted

# Columns that a sentence names, at most.
MOST_NAMED = 6


def facts_of(
    estimator: Any, settings: TableSettings, rows: int
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Sentences on a fitted estimator, and the numbers in them.

    Args:
        estimator: an optimal or a greedy tree.
        settings: resolved.
        rows: number of training rows.
    """
    depth, leaves = estimator.get_depth(), estimator.get_n_leaves()
    numbers: dict[str, Any] = {"depth": depth, "leaves": leaves}
    facts = [
        f"{settings.method} tree: depth {depth}, {counted(leaves, 'leaf', 'leaves')}, "
        f"{counted(rows, 'training row')}"
    ]
    cut = tuple(estimator.cut_columns_)
    numbers["cut_columns"] = list(cut)
    if settings.method == "exact":
        found = {"loss": float(estimator.loss_), "lower_bound": float(estimator.lower_bound_)}
        numbers |= {"status": estimator.status_, "criterion": settings.criterion, **found}
        facts.append(proven(numbers, settings, bool(cut)))
    if cut:
        facts.append(_left_out(estimator, settings, cut))
    return tuple(facts), numbers


def restrictions(settings: TableSettings) -> str:
    """The trees among which the search looked: depth, leaves and their rows, as asked for."""
    among = [f"depth {settings.depth}"]
    if settings.max_leaves is not None:
        among.append(f"at most {counted(settings.max_leaves, 'leaf', 'leaves')}")
    if settings.min_samples_leaf > 1:
        among.append(f"at least {settings.min_samples_leaf} rows in every leaf")
    return " and ".join([", ".join(among[:-1]), among[-1]] if len(among) > 1 else among)


def proven(numbers: dict[str, Any], settings: TableSettings, cut: bool) -> str:
    """What the search has proven about the loss on the training rows."""
    what = {
        "misclassification": "training rows named wrongly",
        "gini": "Gini impurity of the training rows",
        "entropy": "entropy of the training rows",
    }[str(settings.criterion)]
    what += ", all classes weighing the same" if settings.balanced else ""
    loss, bound = numbers["loss"], numbers["lower_bound"]
    among = restrictions(settings)
    # Nothing is less than 0, whatever the cuts.
    among += " with these cuts" if cut and loss > 0 else ""
    if numbers["status"] == "optimal" or loss == 0:
        return f"{what}: {loss:.6g}, proven the least of all trees of {among}"
    least = f"no tree of {among} has less than {bound:.6g}" if bound > 0 else "nothing is proven"
    return (
        f"{what}: {loss:.6g}, perhaps not the least: {least} "
        f"(stopped after {settings.time_limit:g} s, --time-limit)"
    )


def _left_out(estimator: Any, settings: TableSettings, cut: Sequence[str]) -> str:
    """The columns that were cut at fewer places than they could, and how much that may matter."""
    shown = ", ".join(cut[:MOST_NAMED]) + (", …" if len(cut) > MOST_NAMED else "")
    fact = f"cut at fewer places than there are values (--bins {settings.bins}): {shown}"
    if settings.method != "exact":
        return fact
    loss = float(estimator.loss_)
    if loss == 0:
        return f"{fact}; no tree with more cuts can be better on the training rows"
    moved = getattr(estimator, "most_moved_", None)
    counts_rows = settings.criterion == "misclassification" and not settings.balanced
    if moved is None or not counts_rows or settings.min_samples_leaf > 1:
        return fact
    errors = round(loss)
    least = max(0, math.ceil(float(estimator.lower_bound_) - moved - 1e-6))
    if least == 0:
        rows = "the one training row" if errors == 1 else f"all {errors} training rows"
        return f"{fact}; a tree with all cuts may name {rows} right that this tree names wrongly"
    rows = counted(least, "training row")
    return f"{fact}; a tree of {restrictions(settings)} with all cuts names {rows} or more wrongly"
