from __future__ import annotations

import numpy as np
import pytest
import torch

from irtheory.trees import fit_cart


def problem(m, d, levels, k, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, size=(m, d))
    logits = codes @ rng.normal(size=(d, k)) / levels + rng.normal(size=(m, k))
    weights = np.exp(logits)
    return codes, weights / weights.sum(axis=1, keepdims=True)


def compare(device, criterion, size, **settings):
    codes, targets = problem(*size, seed=sum(size))
    tensors = torch.as_tensor(codes, device=device), torch.as_tensor(targets, device=device)
    expected = fit_cart(codes, targets, 6, criterion=criterion, **settings)
    assert fit_cart(*tensors, 6, criterion=criterion, **settings) == expected
    assert expected.depth >= 4


@pytest.mark.parametrize("criterion", ["squared_error", "entropy"])
@pytest.mark.parametrize("size", [(400, 9, 2, 3), (500, 7, 4, 12), (300, 5, 16, 1 + 16)])
def test_same_tree_on_tensors(criterion, size):
    compare("cpu", criterion, size)
    compare("cpu", criterion, size, min_samples_leaf=3, columns=[0, 1, 2, 4])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("criterion", ["squared_error", "entropy"])
def test_same_tree_on_cuda(criterion):
    compare("cuda", criterion, (2000, 30, 4, 12))


def test_same_tree_in_small_pieces(monkeypatch):
    monkeypatch.setattr("irtheory.trees.cart.device._MOST", 100)
    compare("cpu", "entropy", (300, 7, 4, 6))


def test_leaf_and_low_precision():
    codes = torch.tensor([[0.0], [1.0]], dtype=torch.bfloat16)
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    assert fit_cart(codes, targets, 1).n_leaves == 2
    assert fit_cart(codes, targets, 0).n_nodes == 1
    assert fit_cart(codes, targets, 1, min_samples_leaf=2).n_nodes == 1
    with pytest.raises(ValueError, match="codes: expected whole numbers"):
        fit_cart(codes / 2, targets, 1)
