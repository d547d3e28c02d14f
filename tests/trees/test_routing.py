from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree


def random_tree(rng: np.random.Generator, depth: int, d: int, levels: int, k: int) -> Tree:
    """Any shape, repeated tests included."""
    if depth == 0 or rng.random() < 0.2:
        return Tree.leaf(rng.normal(size=k), 1.0, d)
    left, right = (random_tree(rng, depth - 1, d, levels, k) for _ in range(2))
    threshold = rng.integers(0, levels - 1) + 0.5
    return Tree.grow(int(rng.integers(d)), threshold, left, right, np.zeros(k), 1.0)


def multilinear(tree: Tree, s: torch.Tensor, node: int = 0) -> torch.Tensor:
    """Σ_leaf v Π_path (s or 1 − s), by recursion; `s` [nodes] for one sample."""
    if tree.feature[node] < 0:
        return torch.tensor(tree.value[node].copy())
    left, right = (multilinear(tree, s, int(c[node])) for c in (tree.left, tree.right))
    return (1 - s[node]) * left + s[node] * right


@given(
    depth=st.integers(0, 5),
    d=st.integers(1, 6),
    levels=st.sampled_from([2, 4]),
    k=st.integers(1, 4),
    seed=st.integers(0, 10_000),
)
def test_forward_is_the_prediction_of_the_tree(
    depth: int, d: int, levels: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, depth, d, levels, k)
    codes = rng.integers(0, levels, (17, d))
    routing = Routing.of(tree, dtype=torch.float64)
    given_codes = torch.tensor(codes, dtype=torch.float64, requires_grad=True)
    wanted = tree.predict(codes)
    np.testing.assert_array_equal(routing.forward(given_codes).detach().numpy(), wanted)
    np.testing.assert_array_equal(routing.predict(given_codes).numpy(), wanted)
    assert not routing.predict(given_codes).requires_grad


@given(depth=st.integers(1, 4), levels=st.sampled_from([2, 4]), seed=st.integers(0, 10_000))
def test_gradient_is_that_of_the_multilinear_extension(depth: int, levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, k, m = 4, 3, 6
    tree = random_tree(rng, depth, d, levels, k)
    codes, weight = rng.integers(0, levels, (m, d)), rng.normal(size=(m, k))
    given_codes = torch.tensor(codes, dtype=torch.float64, requires_grad=True)
    out = Routing.of(tree, dtype=torch.float64).forward(given_codes)
    if tree.depth:
        (out * torch.tensor(weight)).sum().backward()
    wanted = np.zeros((m, d))
    for i in range(m):
        steps = codes[i][np.maximum(tree.feature, 0)] > tree.threshold
        s = torch.tensor(steps.astype(float), requires_grad=True)
        loss = (multilinear(tree, s) * torch.tensor(weight[i])).sum()
        if loss.requires_grad:
            loss.backward()
            assert s.grad is not None
            for node in np.flatnonzero(tree.feature >= 0):
                wanted[i, tree.feature[node]] += s.grad[node].item()
    found = np.zeros((m, d)) if given_codes.grad is None else given_codes.grad.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_one_test_passes_the_difference_of_its_leaves() -> None:
    left, right = Tree.leaf([1.0, 0.0], 1, 2), Tree.leaf([0.0, 3.0], 1, 2)
    tree = Tree.grow(1, 0.5, left, right, [0.5, 1.5], 2)
    codes = torch.tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    Routing.of(tree).forward(codes)[:, 1].sum().backward()
    assert codes.grad is not None
    assert codes.grad.tolist() == [[0.0, 3.0], [0.0, 3.0]]


def test_a_leaf_alone_passes_no_gradient() -> None:
    codes = torch.zeros(2, 3, requires_grad=True)
    out = Routing.of(Tree.leaf([0.25, 0.75], 4, 3)).forward(codes)
    assert out.tolist() == [[0.25, 0.75]] * 2
    assert not out.requires_grad


@pytest.mark.parametrize(("depth", "k"), [(3, 1), (3, 20), (10, 1), (10, 20)])
def test_large_trees_of_scikit_learn_route_as_they_predict(depth: int, k: int) -> None:
    rng = np.random.default_rng(depth * k)
    codes, y = rng.integers(0, 4, (600, 12)), rng.random((600, k))
    fitted = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(codes, y).tree_
    leaf = fitted.children_left < 0
    tree = Tree(
        np.where(leaf, -1, fitted.feature),
        np.where(leaf, 0, fitted.threshold),
        fitted.children_left,
        fitted.children_right,
        fitted.value[:, :, 0],
        fitted.n_node_samples.astype(float),
        12,
    )
    routing = Routing.of(tree, dtype=torch.float64).to("cpu")
    out = routing.forward(torch.tensor(codes, dtype=torch.float64))
    np.testing.assert_array_equal(out.numpy(), tree.predict(codes))


@pytest.mark.parametrize("codes", [None, np.zeros((2, 1)), torch.zeros(2), [[0.0]]])
def test_codes_that_are_no_tensor_are_named(codes) -> None:
    routing = Routing.of(Tree.leaf([1.0], 1, 1), torch.device("cpu"))
    with pytest.raises(ValueError, match="codes: expected a tensor m × d, found"):
        routing.predict(codes)
