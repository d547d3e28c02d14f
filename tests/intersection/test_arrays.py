from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from irtheory.intersection.array_settings import ArraySettings, default_depth
from irtheory.intersection.arrays import fit_arrays, shuffled
from irtheory.intersection.engine import Intersection
from irtheory.intersection.epoch import Epoch
from irtheory.intersection.growers import EXTRA_LOSS, Grower
from irtheory.intersection.layers import Head, SoftTreeHead, Standardise, SummedHead, representation
from irtheory.intersection.methods import METHODS, method_named
from irtheory.intersection.network import Collected
from irtheory.trees.exact.solver import fit_exact_tree
from irtheory.trees.tree import Tree

SMALL = ArraySettings(dim=8, hidden=(16,), head_hidden=16, epochs=8, batch_size=32, max_depth=3)


def problem(m: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    f = rng.integers(0, 2, (m, 3))
    x = (2 * f - 1) @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(m, 6))
    return x, f[:, 0] + 2 * f[:, 1]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_and_repeats_itself(name: str) -> None:
    x, y = problem()
    longer = replace(SMALL, epochs=25, learning_rate=0.02)
    state = torch.get_rng_state()
    first, second = (fit_arrays(x, y, 4, METHODS[name], longer) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    codes, outputs = first.apply(x)
    assert codes.shape == (240, len(first.kept)) == (240, first.tree.n_features)
    # Gates of a soft tree move slowly; chance is 0.25.
    assert (outputs.argmax(axis=1) == y).mean() > (0.5 if name == "soft-tree" else 0.9)
    assert (first.tree.predict(codes).argmax(axis=1) == y).mean() > 0.5
    assert first.tree == second.tree
    np.testing.assert_array_equal(outputs, second.apply(x)[1])


def test_pruning_drops_the_codes_that_never_change_and_no_other() -> None:
    x, y = problem()
    heavy = replace(METHODS["ira"], weights=replace(METHODS["ira"].weights, sparsity=0.1))
    pruned = fit_arrays(x, y, 4, heavy, SMALL)
    whole = fit_arrays(x, y, 4, replace(heavy, prune=False), SMALL)
    codes = whole.apply(x)[0]
    varies = np.flatnonzero((codes != codes[0]).any(axis=0))
    assert 0 < len(varies) < 8
    np.testing.assert_array_equal(pruned.kept, varies)
    np.testing.assert_array_equal(pruned.apply(x)[0], codes[:, varies])
    np.testing.assert_array_equal(pruned.tree.predict(codes[:, varies]), whole.tree.predict(codes))


def test_a_refit_tree_keeps_its_tests_and_takes_the_finished_networks_outputs() -> None:
    x, y = problem()
    method = replace(METHODS["ira"], prune=False)
    last, refit = (fit_arrays(x, y, 4, replace(method, final=f), SMALL) for f in ("last", "refit"))
    np.testing.assert_array_equal(refit.tree.feature, last.tree.feature)
    np.testing.assert_array_equal(refit.tree.threshold, last.tree.threshold)
    codes, outputs = refit.apply(x)
    visited = refit.tree.decision_path(codes)
    np.testing.assert_array_equal(refit.tree.count, visited.sum(axis=0))
    for node in np.flatnonzero(visited.any(axis=0)):
        mean = outputs[visited[:, node]].mean(axis=0)
        np.testing.assert_allclose(refit.tree.value[node], mean, rtol=1e-5, atol=1e-7)


def test_a_summed_head_adds_the_logits_of_both() -> None:
    torch.manual_seed(0)
    head, codes = SummedHead(6, 3, 4, 5).double(), torch.randint(0, 4, (7, 6)).double()
    weights = head.linear[1], head.deep[1], head.deep[3]
    scaled = codes / 3
    hidden = torch.relu(scaled @ weights[1].weight.T + weights[1].bias)
    expected = scaled @ weights[0].weight.T + weights[0].bias
    expected = expected + hidden @ weights[2].weight.T + weights[2].bias
    torch.testing.assert_close(head(codes), expected)


def test_columns_far_from_zero_are_standardised_in_double_precision() -> None:
    x, y = problem()
    near, far = (fit_arrays(z, y, 4, METHODS["ira"], SMALL) for z in (x, x * 1e-3 + 1e6))
    assert (near.apply(x)[1].argmax(1) == far.apply(x * 1e-3 + 1e6)[1].argmax(1)).mean() > 0.99


def test_a_constant_column_is_centred() -> None:
    x = torch.tensor([[5.0, 1.0], [5.0, 3.0]], dtype=torch.float64)
    assert Standardise.of(x)(x).tolist() == [[0.0, -1.0], [0.0, 1.0]]


def test_validation_fills_the_records_and_the_hook_sees_every_epoch() -> None:
    x, y = problem()
    seen: list[tuple[int, Tree | None]] = []

    def hook(record: Epoch, engine: Intersection) -> None:
        seen.append((record.epoch, engine.tree))

    fitted = fit_arrays(x, y, 4, METHODS["paper"], SMALL, problem(100, 1), hook)
    assert [epoch for epoch, _ in seen] == list(range(1, 9))
    assert all(record.validation_g is not None for record in fitted.records)
    last = seen[-1][1]
    # The same tree, with the counts of the finished codes.
    reached = fitted.tree.decision_path(fitted.apply(x)[0]).sum(axis=0)
    assert last is not None and fitted.tree.count.tolist() == reached.tolist()
    assert replace(last, count=fitted.tree.count) == fitted.tree


@pytest.mark.parametrize(("samples", "epochs"), [(64, 45), (240, 20)])
def test_small_sets_take_more_epochs_by_default(
    samples: int, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("irtheory.intersection.arrays.STEPS", 90)
    settings = replace(SMALL, epochs=None)
    x, y = problem(samples)
    assert len(fit_arrays(x, y, 4, METHODS["quantised"], settings).records) == epochs


def test_batches_depend_on_seed_and_epoch_alone_and_cover_all() -> None:
    x, y = torch.arange(10.0)[:, None], torch.arange(10)
    first, again, other = (
        torch.cat([by for _, by in shuffled(x, y, 3, seed)(epoch)])
        for seed, epoch in ((0, 1), (0, 1), (0, 2))
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert sorted(first.tolist()) == list(range(10))


@pytest.mark.parametrize(("k", "depth"), [(2, 3), (3, 4), (8, 5), (20, 7), (200, 10)])
def test_default_depth(k: int, depth: int) -> None:
    assert default_depth(k) == depth


def collected(m: int = 60, d: int = 6, k: int = 3) -> Collected:
    rng = np.random.default_rng(0)
    codes = torch.tensor(rng.integers(0, 2, (m, d)), dtype=torch.uint8)
    outputs = torch.tensor(rng.dirichlet(np.ones(k), m), dtype=torch.float32)
    return Collected(codes, outputs, outputs.argmax(dim=1))


def loss(tree: Tree, seen: Collected) -> float:
    return ((tree.predict(seen.codes.numpy()) - seen.outputs.numpy()) ** 2).sum()


def test_growers_get_better_from_greedy_to_best() -> None:
    seen = collected()
    trees = [
        Grower(3, "squared_error", search=search)(seen, None)
        for search in ("greedy", "refined", "best")
    ]
    losses = [loss(tree, seen) for tree in trees]
    targets = seen.outputs.numpy().astype(float)
    wanted = fit_exact_tree(seen.codes.numpy(), targets, 3).loss
    spread = ((targets - targets.mean(axis=0)) ** 2).sum()
    assert losses[0] >= losses[1] >= wanted - 1e-9
    assert wanted - 1e-9 <= losses[2] <= wanted + EXTRA_LOSS * spread


def test_the_best_search_takes_the_fewest_codes_that_tell_the_classes_apart() -> None:
    rng = np.random.default_rng(0)
    f = rng.integers(0, 2, (200, 3))
    # Majorities name the classes as well, but only two of them with further codes.
    more = np.stack([f.sum(axis=1) > 1, f[:, 0] ^ f[:, 1], f[:, 1] & f[:, 2]], axis=1)
    codes = torch.tensor(np.concatenate([more, f], axis=1), dtype=torch.uint8)
    labels = torch.tensor(f @ [1, 2, 4])
    seen = Collected(codes, torch.eye(8)[labels], labels)
    tree = Grower(3, search="best")(seen, None)
    assert len(tree.used_features) == 3
    assert (tree.predict(codes.numpy()).argmax(axis=1) == labels.numpy()).all()


def test_refinement_starts_from_the_previous_tree_too() -> None:
    seen = collected()
    targets = seen.outputs.numpy().astype(float)
    best = fit_exact_tree(seen.codes.numpy(), targets, 3).tree
    warm = Grower(3, "squared_error", search="refined")(seen, best)
    assert loss(warm, seen) == pytest.approx(loss(best, seen))


def test_the_best_search_falls_back_where_it_would_take_long() -> None:
    seen = collected(80, 60)
    assert Grower(3, search="best")(seen, None) == Grower(3, search="refined")(seen, None)


def test_labels_as_targets_make_leaves_of_label_shares() -> None:
    seen = collected()
    tree = Grower(2, targets="labels")(seen, None)
    leaf = tree.apply(seen.codes.numpy())
    for node in tree.leaves:
        share = np.bincount(seen.labels.numpy()[leaf == node], minlength=3) / (leaf == node).sum()
        np.testing.assert_allclose(tree.value[node], share)


def test_the_soft_tree_is_a_mixture_of_its_leaves() -> None:
    torch.manual_seed(0)
    head = SoftTreeHead(4, 3, 2, 2).double()
    codes = torch.randint(0, 2, (5, 4)).double()
    p = torch.sigmoid(head.gates(codes))
    reach = [(1 - p[:, 0]) * (1 - p[:, 1]), (1 - p[:, 0]) * p[:, 1]]
    reach += [p[:, 0] * (1 - p[:, 2]), p[:, 0] * p[:, 2]]
    leaves = head.leaves.softmax(dim=1)
    wanted = sum(r[:, None] * leaf for r, leaf in zip(reach, leaves, strict=True))
    torch.testing.assert_close(head(codes).exp(), wanted)


def test_a_linear_head_adds_up_what_every_code_says() -> None:
    head = Head(3, 2, 4, hidden=0)
    zero, one = torch.zeros(1, 3), torch.tensor([[3.0, 0.0, 1.5]])
    weight, bias = head[1].weight, head[1].bias
    torch.testing.assert_close(head(zero)[0], bias)
    torch.testing.assert_close(head(one)[0], bias + weight[:, 0] + 0.5 * weight[:, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 0}, "dim: expected a whole number ≥ 1, found 0"),
        ({"max_depth": 0}, "max_depth: expected a whole number ≥ 1, found 0"),
        ({"hidden": (8, 0)}, "hidden: expected a whole number ≥ 1, found 0"),
        ({"epochs": 1.5}, "epochs: expected a whole number ≥ 1, found 1.5"),
        ({"dropout": 1.0}, "dropout: expected a share"),
        ({"learning_rate": -1.0}, "learning_rate: expected a number ≥ 0"),
        ({"bits": 9}, "bits: expected a whole number from 1 to 8, found 9"),
        ({"seed": 1.5}, "seed: expected a whole number, found 1.5"),
        ({"epochs": 0}, "epochs: expected a whole number ≥ 1, found 0"),
        ({"max_depth": 0}, "max_depth: expected a whole number ≥ 1, found 0"),
        ({"range": 0}, "range: expected one of 'running', 'batch', 'unit', found 0"),
        ({"range": ""}, "range: expected one of 'running', 'batch', 'unit', found ''"),
        ({"activation": "tanh"}, "activation: expected one of 'relu', 'sigmoid', found 'tanh'"),
        ({"criterion": "gini"}, "criterion: expected one of 'entropy', 'squared_error', found"),
        ({"device": "nowhere"}, "device: expected one of torch's that is here, found 'nowhere'"),
    ],
)
def test_settings_out_of_range_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArraySettings(**change)


def test_bad_arrays_are_named() -> None:
    x, y = problem(20)
    method = METHODS["paper"]
    hole = x.copy()
    hole[3, 2] = np.inf
    for bad_x, bad_y, k, message in (
        (hole, y, 4, "x: expected finite numbers, found inf in row 3, column 2"),
        (x[0], y, 4, "x: expected an m × p array"),
        (x, y[:-1], 4, "y: expected 20 classes"),
        (x, y, 3, "y: expected 0 … 2, found 3"),
        (x, y * 0, 4, "y: expected two classes or more, found only class 0"),
        (x[:3], np.array([0, 1, 2]), 4, "x: expected at least 4 samples"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_arrays(bad_x, bad_y, k, method, SMALL)
    with pytest.raises(ValueError, match="x: expected an m × 6 array, found shape"):
        fit_arrays(x, y, 4, method, SMALL, (x[:, :1], y))
    fitted = fit_arrays(x, y, 4, method, replace(SMALL, epochs=1))
    with pytest.raises(ValueError, match="x: expected an m × 6 array, found shape"):
        fitted.apply(x[:, :1])
    with pytest.raises(ValueError, match="x: expected finite numbers, found inf"):
        fitted.apply(hole)
    with pytest.raises(ValueError, match=r"method: expected one of quantised, .*, found 'no'"):
        method_named("no")
    with pytest.raises(ValueError, match="activation: expected 'relu' or 'sigmoid'"):
        representation(3, (), 2, "tanh")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "labels", [None, np.full(20, None), np.full(20, "a"), [[0], [1, 2]] * 10, {}, np.full(20, 0.5)]
)
def test_labels_that_are_no_classes_are_named(labels) -> None:
    x, _ = problem(20)
    with pytest.raises(ValueError, match="y: expected"):
        fit_arrays(x, labels, 4, METHODS["paper"], SMALL)


def test_labels_and_inputs_may_be_tensors() -> None:
    x, y = problem(60)
    settings, method = replace(SMALL, epochs=1), METHODS["paper"]
    by_tensor = fit_arrays(torch.tensor(x), torch.tensor(y > 1), 2, method, settings)
    by_array = fit_arrays(x, (y > 1).astype(int), 2, method, settings)
    assert by_tensor.tree == by_array.tree
