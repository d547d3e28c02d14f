from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees.exact.solver import fit_exact_tree

FILES = ("anneal", "hepatitis", "mushroom", "tic-tac-toe", "vote", "zoo-1")
# Depth 4 takes the peer seconds on the larger files.
CASES = [(name, depth) for name in FILES for depth in (2, 3)] + [("hepatitis", 4), ("zoo-1", 4)]


@pytest.mark.parametrize("name, depth", CASES)
def test_equals_pystreed(shared_data, name, depth):
    pystreed = pytest.importorskip("pystreed", reason="pystreed is not installed")
    codes = np.loadtxt(shared_data / "binary" / f"{name}.txt", dtype=int)[:, 1:]
    rng = np.random.default_rng(0)
    targets = codes @ rng.normal(size=codes.shape[1]) + rng.normal(size=len(codes))
    peer = pystreed.STreeDRegressor(
        optimization_task="regression", max_depth=depth, max_num_nodes=2**depth - 1
    ).fit(codes, targets)
    theirs = float(((peer.predict(codes) - targets) ** 2).sum())
    ours = fit_exact_tree(codes, targets, depth, threads=1)
    assert ours.status == "optimal"
    assert ours.loss == pytest.approx(theirs, rel=1e-9)
