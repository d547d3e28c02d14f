"""A of Algorithm 1: how the tree T is grown from the codes and outputs of an epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from irtheory.intersection.balance import balanced_draw
from irtheory.intersection.choices import Search
from irtheory.intersection.network import Collected
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.choices import Criterion
from irtheory.trees.exact.solver import ExactFit, fit_exact_tree
from irtheory.trees.refine.fit import refine_tree
from irtheory.trees.tree import Tree

# Limits up to which the exact search takes a fraction of a second: number of tests, and depth.
EXACT_TESTS, EXACT_DEPTH = 48, 3
# How much larger the loss of a tree on fewer codes may be, as a share of Σ‖y − mean‖².
EXTRA_LOSS = 0.02


@dataclass(frozen=True)
class Grower:
    """Grows T on codes toward the outputs of G, or toward the labels.

    Attributes:
        max_depth: d_max, largest number of tests on a path.
        criterion: of the greedy splits, "entropy" (the paper's information gain) or
            "squared_error".
        min_samples_leaf: samples a leaf must hold.
        search: "greedy" grows a new CART, as the paper does. "refined" improves that tree
            and the previous one by changing one test at a time, and takes the better one.
            "best" takes the globally optimal tree if it can be found quickly (at most
            48 tests, depth 3), on the fewest codes with nearly the same loss; otherwise it is
            "refined". Both compare trees by squared error.
        targets: what T is fitted to, "outputs" of G or one-hot "labels".
        balanced: grow T on as many samples, drawn so that all classes are equally frequent.
    """

    max_depth: int
    criterion: Criterion = "entropy"
    min_samples_leaf: int = 1
    search: Search = "greedy"
    targets: Literal["outputs", "labels"] = "outputs"
    balanced: bool = False

    def __call__(self, seen: Collected, previous: Tree | None) -> Tree:
        """T for the samples of an epoch; `previous` is the tree of the epoch before."""
        if self.balanced:
            seen = _balanced(seen)
        targets = targets_of(seen, self.targets)
        if self.search == "greedy" and seen.codes.is_cuda:
            return self._greedy(seen.codes, targets)
        codes, targets = seen.codes.cpu().numpy(), targets.cpu().numpy().astype(np.float64)
        if self.search == "greedy":
            return self._greedy(codes, targets)
        if self.search == "best" and self._is_small(codes):
            return self._on_few_codes(codes, targets)
        starts = [self._greedy(codes, targets)]
        if previous is not None and previous.depth <= self.max_depth:
            starts.append(previous)
        leaf = self.min_samples_leaf
        trees = [refine_tree(t, codes, targets, min_samples_leaf=leaf) for t in starts]
        return min(trees, key=lambda tree: ((tree.predict(codes) - targets) ** 2).sum())

    def _on_few_codes(self, codes: np.ndarray, targets: np.ndarray) -> Tree:
        """The optimal tree, with codes dropped one by one while the loss grows little.

        Many sets of codes tell the classes apart. Attributes that separate classes serve several
        tests of a tree, so the smallest set is the most likely to consist of attributes.
        """
        best = self._best(codes, targets, range(codes.shape[1]))
        limit = best.loss + EXTRA_LOSS * ((targets - targets.mean(axis=0)) ** 2).sum()
        while len(used := best.tree.used_features) > 1:
            fits = [self._best(codes, targets, [k for k in used if k != j]) for j in used]
            fewer = min(fits, key=lambda fit: fit.loss)
            if fewer.loss > limit:
                break
            best = fewer
        return best.tree

    def _best(self, codes: np.ndarray, targets: np.ndarray, columns: Iterable[int]) -> ExactFit:
        # Constant columns allow no tests; the numbers of the codes stay the same.
        available = np.zeros_like(codes)
        available[:, list(columns)] = codes[:, list(columns)]
        leaf = self.min_samples_leaf
        return fit_exact_tree(available, targets, self.max_depth, min_samples_leaf=leaf, threads=1)

    def _greedy(self, codes: Any, targets: Any) -> Tree:
        return fit_cart(
            codes,
            targets,
            self.max_depth,
            criterion=self.criterion,
            min_samples_leaf=self.min_samples_leaf,
        )

    def _is_small(self, codes: np.ndarray) -> bool:
        tests = int((codes.max(axis=0) - codes.min(axis=0)).astype(np.int64).sum())
        return self.max_depth <= EXACT_DEPTH and tests <= EXACT_TESTS


def targets_of(seen: Collected, targets: Literal["outputs", "labels"]) -> Tensor:
    """What T is fitted to, for every sample: [m, k]."""
    return seen.outputs if targets == "outputs" else _one_hot(seen)


def _balanced(seen: Collected) -> Collected:
    """As many samples, with classes of equal frequency; a function of the samples alone."""
    drawn = balanced_draw(seen.labels.cpu(), torch.Generator().manual_seed(0))
    rows = drawn.to(seen.labels.device)
    return Collected(seen.codes[rows], seen.outputs[rows], seen.labels[rows])


def _one_hot(seen: Collected) -> Tensor:
    return torch.nn.functional.one_hot(seen.labels, seen.outputs.shape[1]).to(seen.outputs.dtype)
