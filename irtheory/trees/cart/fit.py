"""Greedy trees (CART) on integer codes, with m × k targets.

The splits of a node come from sums of targets per code (a histogram), not from sorted
columns; `irtheory.trees.cart.scatter` describes how these sums are computed quickly. Memory is
that of codes (up to 3 bytes each) and targets (two copies), at most 128 MB of sums that are
held for the next level, and for every thread 24 bytes for each column and code, and 64 bytes
for each joint code and output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from irtheory.checks import check_whole
from irtheory.trees.cart import split
from irtheory.trees.cart.careful import Weighted
from irtheory.trees.cart.codes import LEVELS, CodeColumns, arrange, check_columns
from irtheory.trees.cart.entropy import row_entropies
from irtheory.trees.cart.levels import finished, grow_levels
from irtheory.trees.cart.targets import Levelled, level_targets
from irtheory.trees.cart.threads import Threads
from irtheory.trees.cart.weighted import grow_weighted
from irtheory.trees.checks import check_codes, check_distributions, check_targets, check_weights
from irtheory.trees.choices import Criterion
from irtheory.trees.kernels.lanes import LANES, aligned_zeros
from irtheory.trees.kernels.workers import default_threads
from irtheory.trees.tree import Tree

# Rounding in a share of a total weight.
_ROUNDING_OF_WEIGHT = 1e-12


def fit_cart(
    codes: Any,
    targets: Any,
    max_depth: int | None,
    *,
    criterion: Criterion = "entropy",
    sample_weight: npt.ArrayLike | None = None,
    min_samples_leaf: int = 1,
    min_weight_leaf: float = 0.0,
    max_leaf_nodes: int | None = None,
    columns: Sequence[int] | None = None,
    threads: int | None = None,
) -> Tree:
    """Grow a tree from the root by the best single split of every node.

    The gain of a split is what it takes off the squared error Σ‖y − mean‖², or, for
    "entropy", the information gain of the mean soft label, n H(p) − n_L H(p_L) − n_R H(p_R).
    A node is split while its targets differ and depth and `min_samples_leaf` allow, even if
    the best split gains nothing; then splits whose subtree gains nothing over a leaf are
    collapsed, bottom up. Thresholds lie half-way between consecutive codes of a column.

    Gains within 1e-12 of the node's own squared error, or of n H(p) + 0.01 n for "entropy", are
    ties: the lowest column wins, then the lowest threshold, with any number of threads. Nodes
    whose targets differ far less than they lie from the mean of all are searched by a slower,
    careful way; for the others rounding may add 1e-9 of the node's squared error to a tie.
    Targets differ if an output does by more than its last digits.

    Args:
        codes: m × n whole numbers 0 … 255. As a torch tensor, like the targets, it is
            searched on its device; the tree is the same.
        targets: m × k (or m) numbers; for "entropy" rows that are ≥ 0 and sum to 1.
        max_depth: largest number of tests on a path; None is no limit.
        criterion: "entropy" or "squared_error".
        sample_weight: [m], finite and ≥ 0, not all 0: every sum is weighted, so that a whole
            weight is as good as so many equal rows, and samples of weight 0 are left out. None
            and equal weights give the same tree; others are searched on the CPU, by a slower way.
        min_samples_leaf: samples a leaf must hold, whatever their weight.
        min_weight_leaf: total weight a leaf must hold.
        max_leaf_nodes: the largest number of leaves: the leaf is split next whose split takes
            off most; None is no limit.
        columns: the columns that may be tested; None is all.
        threads: threads of the search; None takes all cores that NUMBA_NUM_THREADS leaves.

    Returns:
        The tree; a node's value is the mean target of its samples, its count their number.

    Raises:
        ValueError: bad codes, targets or settings, named.
    """
    _check_settings(max_depth, criterion, min_samples_leaf, threads)
    if max_leaf_nodes is not None:
        check_whole("max_leaf_nodes", max_leaf_nodes, 1)
    least = int(min_samples_leaf), float(min_weight_leaf)
    asked = _Asked(max_depth, criterion, *least, max_leaf_nodes, columns, threads)
    return _fit(codes, targets, sample_weight, asked)


class _Asked(NamedTuple):
    """The settings of `fit_cart`."""

    max_depth: int | None
    criterion: Criterion
    min_samples_leaf: int
    min_weight_leaf: float
    max_leaf_nodes: int | None
    columns: Sequence[int] | None
    threads: int | None


def _fit(codes: Any, targets: Any, sample_weight: npt.ArrayLike | None, asked: _Asked) -> Tree:
    device, criterion, least = None, asked.criterion, asked.min_samples_leaf
    if _is_tensor(codes) or _is_tensor(targets):
        from irtheory.trees.cart.device import as_arrays

        device, codes, targets = as_arrays(codes, targets)
    small = check_codes(codes, 0, LEVELS - 1, np.uint8)
    levelled = _levelled(targets, len(small), criterion)
    targets = levelled.targets
    weight = None
    if sample_weight is not None:
        weight = check_weights(sample_weight, len(small))
        small, targets, weight = _without_weightless(small, targets, weight)
    arranged = arrange(small, check_columns(asked.columns, small.shape[1]))
    most = len(small) if asked.max_depth is None else int(asked.max_depth)
    one = 1.0 if weight is None else float(weight[0])
    if weight is not None and (weight != one).any():
        rank = arranged.rank[: len(arranged.column)]
        rules = (levelled.offset, least, asked.min_weight_leaf, criterion == "entropy")
        growth = grow_weighted(Weighted(rank, targets, weight, *rules), most)
        return _restored(finished(growth, arranged, asked.max_leaf_nodes), levelled)
    weighed = int(np.ceil(asked.min_weight_leaf / one * (1 - _ROUNDING_OF_WEIGHT)))
    data = prepare(arranged, targets, criterion, max(least, weighed), levelled.offset)
    if device is not None:
        from irtheory.trees.cart.device import DeviceSearch

        search = DeviceSearch(arranged, data, device).split
    else:
        search = Threads(arranged, data, most, asked.threads or default_threads()).split
    growth = grow_levels(arranged, data, most, search)
    return _restored(finished(growth, arranged, asked.max_leaf_nodes), levelled)


def _levelled(targets: Any, m: int, criterion: Criterion) -> Levelled:
    """Targets as the search reads them; labels are read as they are."""
    if criterion == "squared_error":
        return level_targets(targets, m)
    labels = check_targets(targets, m)
    check_distributions(labels)
    return Levelled(labels, np.zeros(labels.shape[1]), 0)


def _restored(tree: Tree, levelled: Levelled) -> Tree:
    """The tree with values in the units of the targets."""
    if levelled.power == 0 and not levelled.offset.any():
        return tree
    return tree.with_values(levelled.restored(tree.value))


def _without_weightless(
    codes: np.ndarray, targets: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = weight > 0
    if kept.all():
        return codes, targets, weight
    return codes[kept], np.ascontiguousarray(targets[kept]), weight[kept]


def _is_tensor(found: Any) -> bool:
    return type(found).__module__.partition(".")[0] == "torch"


def _check_settings(
    max_depth: object, criterion: object, min_samples_leaf: object, threads: object = None
) -> None:
    """Refuse settings out of range (ValueError, named)."""
    if max_depth is not None:
        check_whole("max_depth", max_depth, 0)
    check_whole("min_samples_leaf", min_samples_leaf, 1)
    if threads is not None:
        check_whole("threads", threads, 1)
    if criterion not in ("entropy", "squared_error"):
        raise ValueError(f"criterion: expected 'entropy' or 'squared_error', found {criterion!r}")


def in_blocks(targets: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " blocks_m_8"]:
    """Targets as blocks of eight outputs, [blocks, m, 8] flat, padded with 0."""
    m, k = targets.shape
    blocks = -(-k // LANES)
    y = aligned_zeros(blocks * m * LANES)
    for b, part in enumerate(y.reshape(blocks, m, LANES)):
        own = targets[:, b * LANES : (b + 1) * LANES]
        part[:, : own.shape[1]] = own
    return y


def prepare(
    codes: CodeColumns,
    targets: Float[np.ndarray, "m k"],
    criterion: str,
    least: int,
    offset: Float[np.ndarray, " k"] | None = None,
) -> split.Data:
    """Data for the kernels; for squared error the targets are centred, to keep sums accurate."""
    m, k = targets.shape
    row_entropy, slack = np.zeros(0), 0.0
    if criterion == "entropy":
        row_entropy = np.zeros(m)
        row_entropies(targets, row_entropy)
        slack = 1e-11 + 10 * float(np.abs(targets.sum(axis=1) - 1).max())
    mean = targets.mean(axis=0)
    y = in_blocks(targets if criterion == "entropy" else targets - mean)
    taken = np.zeros(k) if offset is None else offset
    return split.Data(codes.joints, targets, y, row_entropy, mean, taken, least, slack)
