"""A ranked tree as a `Tree`, with the leaf values that cost least and its exact loss."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from irtheory.trees.exact.all_trees.problem import Problem
from irtheory.trees.exact.all_trees.ranking import Ranked
from irtheory.trees.tree import Tree


def tree_of(problem: Problem, ranked: Ranked) -> tuple[Tree, float]:
    """The tree and what it costs; inner nodes carry the mean prediction below them."""
    nodes: list[list] = []
    losses: list[float] = []

    def build(tree: Ranked, samples: Int[np.ndarray, " s"]) -> int:
        """Append the nodes in preorder; returns the place of the first."""
        place = len(nodes)
        if tree.left is None or tree.right is None:
            value, loss = leaf_of(problem, samples)
            losses.append(loss)
            nodes.append([-1, 0.0, -1, -1, value, len(samples)])
            return place
        nodes.append([tree.feature, tree.threshold, -1, -1, None, len(samples)])
        goes_left = problem.codes[samples, tree.feature] <= tree.threshold
        halves = (samples[goes_left], samples[~goes_left])
        left, right = build(tree.left, halves[0]), build(tree.right, halves[1])
        shares = np.array([len(half) for half in halves]) / len(samples)
        value = shares[0] * nodes[left][4] + shares[1] * nodes[right][4]
        nodes[place][2:5] = left, right, value
        return place

    build(ranked, np.arange(len(problem.codes)))
    feature, threshold, left, right, value, count = map(np.array, zip(*nodes, strict=True))
    tree = Tree(feature, threshold, left, right, value, count, problem.codes.shape[1])
    return tree, problem.constant + sum(losses)


def leaf_of(
    problem: Problem, samples: Int[np.ndarray, " s"]
) -> tuple[Float[np.ndarray, " k"], float]:
    """Value and cost of the leaf that holds these samples."""
    weight, targets = problem.weight[samples], problem.targets[samples]
    mass = weight.sum()
    if problem.cost == "linear":
        sums = weight @ targets
        choice = int(np.argmin(sums))
        return np.eye(len(sums))[choice], float(sums[choice])
    # About the first sample, so that equal targets have their own value as mean.
    mean = targets[0] + weight @ (targets - targets[0]) / mass
    if problem.cost == "squared_error":
        return mean, float(weight @ ((targets - mean) ** 2).sum(axis=1))
    positive = mean[mean > 0]
    return mean, max(float(-mass * (positive @ np.log(positive))), 0.0)
