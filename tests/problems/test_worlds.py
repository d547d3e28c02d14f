"""Worlds: what labels, attributes and observability follow from, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from irtheory.problems.worlds import World, WorldSettings, draw_world, observability
from irtheory.trees.tree import Tree

STRUCTURES = ("every-path", "distinct", "reused")
SMALL = WorldSettings(attributes=6, dimension=12, nuisance=2, samples=300, test_samples=200)


def paths(tree: Tree, node: int = 0, seen: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """The attributes tested on the way to every leaf, from left to right."""
    if tree.feature[node] < 0:
        yield seen
        return
    for child in (tree.left[node], tree.right[node]):
        yield from paths(tree, int(child), (*seen, int(tree.feature[node])))


def route(tree: Tree, f: tuple[int, ...]) -> list[int]:
    """Nodes that the pattern f visits, by hand."""
    visited = [0]
    while tree.feature[visited[-1]] >= 0:
        node = visited[-1]
        visited.append(int((tree.right if f[tree.feature[node]] else tree.left)[node]))
    return visited


def law(world: World) -> dict[tuple[int, ...], float]:
    """Probability of each of the 2^n patterns."""
    most = world.settings.sparsity or world.settings.attributes
    p = np.broadcast_to(world.settings.marginals, world.settings.attributes)
    weight = {
        f: math.prod(q if on else 1 - q for q, on in zip(p, f, strict=True))
        for f in product((0, 1), repeat=len(p))
        if sum(f) <= most
    }
    total = sum(weight.values())
    return {f: w / total for f, w in weight.items()}


def same(one: World, two: World) -> bool:
    return one.truth == two.truth and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in ((one.train, two.train), (one.test, two.test))
        for name in ("x", "attributes", "labels")
    )


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("mixing", ["linear", "mlp"])
def test_labels_are_the_leaves_that_attributes_lead_to(structure, mixing) -> None:
    world = draw_world(replace(SMALL, structure=structure, mixing=mixing), seed=1)
    leaves = [node for node in range(world.truth.n_nodes) if world.truth.feature[node] < 0]
    for sample, m in ((world.train, 300), (world.test, 200)):
        assert (sample.x.shape, sample.attributes.shape) == ((m, 12), (m, 6))
        found = [array.dtype for array in (sample.x, sample.attributes, sample.labels)]
        assert found == [np.float32, np.bool_, np.int64]
        by_hand = [leaves.index(route(world.truth, tuple(f))[-1]) for f in sample.attributes]
        np.testing.assert_array_equal(sample.labels, by_hand)
    assert world.n_classes == world.truth.n_outputs == 8
    assert not np.array_equal(world.train.attributes[:200], world.test.attributes)


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_every_path_tests_the_same_attributes_in_the_same_order(depth: int, seed: int) -> None:
    world = draw_world(replace(SMALL, depth=depth), seed)
    (order,) = set(paths(world.truth))
    assert len(set(order)) == len(order) == depth
    assert world.used == tuple(sorted(order))
    expected = [float(i in order) for i in range(6)]
    np.testing.assert_allclose(world.observability, expected, atol=1e-15)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("seed", range(5))
def test_trees_are_full_and_no_path_tests_an_attribute_twice(structure, seed: int) -> None:
    world = draw_world(replace(SMALL, depth=4, structure=structure), seed)
    assert [len(set(path)) for path in paths(world.truth)] == [4] * 16
    np.testing.assert_array_equal(world.truth.value[world.truth.leaves], np.eye(16))


@pytest.mark.parametrize(("pool", "size"), [(None, 4), (3, 3), (5, 5)])
def test_reused_attributes_come_from_a_pool(pool: int | None, size: int) -> None:
    chosen = replace(SMALL, attributes=30, structure="reused", pool=pool)
    worlds = [draw_world(chosen, seed) for seed in range(12)]
    assert max(len(world.used) for world in worlds) == size
    assert any(len(set(paths(world.truth))) > 1 for world in worlds)
    assert len({world.used for world in worlds}) > 6
    distinct = [draw_world(replace(SMALL, attributes=30, structure="distinct"), s) for s in (0, 1)]
    assert min(len(world.used) for world in distinct) > size
    assert len(draw_world(replace(chosen, attributes=3, pool=None)).used) == 3


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    structure=st.sampled_from(STRUCTURES),
    marginals=st.lists(st.floats(0.1, 0.9), min_size=5, max_size=5).map(tuple),
    sparsity=st.none() | st.integers(2, 5),
    depth=st.integers(1, 3),
)
def test_observability_and_marginals_agree_with_enumeration(
    seed, structure, marginals, sparsity, depth
) -> None:
    chosen = WorldSettings(
        attributes=5, depth=depth, structure=structure, marginals=marginals, sparsity=sparsity,
        dimension=3, nuisance=1, samples=200, test_samples=1,
    )  # fmt: skip
    world = draw_world(chosen, seed)
    seen, on = np.zeros(5), np.zeros(5)
    for f, probability in law(world).items():
        on += probability * np.array(f)
        tested = {int(world.truth.feature[node]) for node in route(world.truth, f)} - {-1}
        seen[list(tested)] += probability
    np.testing.assert_allclose(world.observability, seen, atol=1e-12)
    np.testing.assert_allclose(world.marginals, on, atol=1e-12)


@pytest.mark.parametrize("sparsity", [None, 2])
def test_samples_follow_the_law_of_the_patterns(sparsity: int | None) -> None:
    chosen = replace(
        SMALL, attributes=4, marginals=(0.2, 0.5, 0.6, 0.8), sparsity=sparsity, samples=20000,
        dimension=2, structure="distinct",
    )  # fmt: skip
    world = draw_world(chosen, seed=2)
    patterns, counts = np.unique(world.train.attributes, axis=0, return_counts=True)
    expected = law(world)
    assert len(patterns) == len(expected)
    for pattern, count in zip(patterns, counts, strict=True):
        p = expected[tuple(int(on) for on in pattern)]
        assert abs(count / 20000 - p) < 4.5 * math.sqrt(p * (1 - p) / 20000)
    # A share of 20000 samples has sd ≤ 0.0035.
    shares = observability(world.truth, world.train.attributes)
    np.testing.assert_allclose(shares, world.observability, atol=0.016)
    np.testing.assert_allclose(world.train.attributes.mean(axis=0), world.marginals, atol=0.016)


@pytest.mark.parametrize("sparsity", [1, 2, 5])
def test_no_sample_has_more_than_d0_attributes_on(sparsity: int) -> None:
    asked = (0.1, 0.3, 0.5, 0.7, 0.9, 0.2)
    free = draw_world(replace(SMALL, marginals=asked), seed=3)
    np.testing.assert_array_equal(free.marginals, asked)
    sparse = draw_world(replace(SMALL, marginals=asked, sparsity=sparsity, samples=2000), seed=3)
    assert sparse.train.attributes.sum(axis=1).max() == sparsity
    assert sparse.test.attributes.sum(axis=1).max() <= sparsity
    assert np.all(sparse.marginals < asked)


def test_observability_counts_a_sample_once() -> None:
    leaf = [Tree.leaf([float(i)], 1.0, 3) for i in range(4)]
    twice = Tree.grow(1, -0.5, leaf[1], leaf[2], [0.0], 1.0)
    tree = Tree.grow(1, 0.5, leaf[0], Tree.grow(0, 0.5, twice, leaf[3], [0.0], 1.0), [0.0], 1.0)
    f = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(observability(tree, f), [0.5, 1.0, 0.0])
    with pytest.raises(ValueError, match="attributes: expected at least one sample"):
        observability(tree, f[:0])
    with pytest.raises(ValueError, match=r"expected \(m, 3\), found shape \(4, 2\)"):
        observability(tree, f[:, :2])


@pytest.mark.parametrize("mixing", ["linear", "mlp"])
def test_training_inputs_are_standardised_and_test_inputs_by_the_same_map(mixing) -> None:
    world = draw_world(replace(SMALL, mixing=mixing, samples=4000, test_samples=4000), seed=4)
    np.testing.assert_allclose(world.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(world.train.x.std(axis=0), 1, atol=1e-5)
    test_mean, test_sd = world.test.x.mean(axis=0), world.test.x.std(axis=0)
    assert np.all((np.abs(test_mean) < 0.1) & (test_mean != 0) & (np.abs(test_sd - 1) < 0.1))


@pytest.mark.parametrize(("mixing", "noise"), [("linear", 0.1), ("linear", 1.0), ("mlp", 0.1)])
def test_noise_has_the_sd_asked_for_and_is_white(mixing, noise: float) -> None:
    chosen = replace(SMALL, mixing=mixing, noise=0.0, samples=4000)
    clean, noisy = draw_world(chosen, 5), draw_world(replace(chosen, noise=noise), 5)
    np.testing.assert_array_equal(clean.train.attributes, noisy.train.attributes)
    rescaled = noisy.train.x * math.sqrt(1 + noise**2)
    np.testing.assert_allclose((rescaled - clean.train.x).std(axis=0), noise, rtol=0.1)
    # Least squares on the clean signal leaves the noise alone.
    design = clean.train.x.astype(np.float64)
    fit, *_ = np.linalg.lstsq(design, noisy.train.x.astype(np.float64), rcond=1e-6)
    residual = noisy.train.x - design @ fit
    expected = noise / math.sqrt(1 + noise**2)
    np.testing.assert_allclose(residual.std(axis=0), expected, rtol=0.06)
    np.testing.assert_allclose(np.corrcoef(residual.T), np.eye(12), atol=0.08)


def test_linear_mixing_is_linear_in_attributes_and_factors_and_the_mlp_is_not() -> None:
    world = draw_world(replace(SMALL, noise=0.0, nuisance=3), seed=6)
    x = world.train.x.astype(np.float64)
    assert np.linalg.matrix_rank(x, tol=1e-3) == 9
    design = np.hstack([x, np.ones((300, 1))])
    fit, *_ = np.linalg.lstsq(design, world.train.attributes.astype(float), rcond=1e-6)
    np.testing.assert_allclose(design @ fit, world.train.attributes, atol=1e-4)
    bent = draw_world(replace(SMALL, noise=0.0, nuisance=3, mixing="mlp"), seed=6)
    assert np.linalg.matrix_rank(bent.train.x, tol=1e-3) > 9


def test_all_attributes_and_factors_weigh_the_same_in_linear_mixing() -> None:
    chosen = replace(SMALL, dimension=1, noise=0.0, samples=4000)
    # Unit columns of one row are ±1, so x counts attributes.
    assert len(np.unique(draw_world(replace(chosen, nuisance=0)).train.x.round(4))) == 7
    train = draw_world(replace(chosen, nuisance=6)).train
    explained = LinearRegression().fit(train.attributes, train.x).score(train.attributes, train.x)
    assert explained == pytest.approx(0.5, abs=0.04)


def test_each_attribute_can_be_read_off_the_inputs_by_a_supervised_probe() -> None:
    for mixing in ("linear", "mlp"):
        world = draw_world(WorldSettings(mixing=mixing), seed=0)
        train, test = world.train, world.test
        if mixing == "linear":
            probes = [LogisticRegression().fit(train.x, f) for f in train.attributes.T]
            read = np.stack([probe.predict(test.x) for probe in probes], axis=1)
        else:
            probe = MLPClassifier((128,), learning_rate_init=3e-3, tol=1e-2, random_state=0)
            read = probe.fit(train.x, train.attributes).predict(test.x)
        assert np.mean(read == test.attributes, axis=0).min() > 0.97


def test_label_noise_redraws_its_share_of_training_labels_alone() -> None:
    chosen = replace(SMALL, samples=4000)
    clean, noisy = draw_world(chosen, 7), draw_world(replace(chosen, label_noise=0.4), 7)
    np.testing.assert_array_equal(clean.train.x, noisy.train.x)
    np.testing.assert_array_equal(clean.test.labels, noisy.test.labels)
    # A redrawn label is another one in 7 of 8 cases: mean 0.35, sd 0.0075.
    changed = np.mean(clean.train.labels != noisy.train.labels)
    assert changed == pytest.approx(0.35, abs=0.03)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_same_seed_gives_the_same_world_and_another_seed_another(structure) -> None:
    chosen = replace(SMALL, structure=structure, mixing="mlp", sparsity=3, label_noise=0.1)
    one, two, other = (draw_world(chosen, seed) for seed in (8, 8, 9))
    assert same(one, two) and not same(one, other)
    assert one.truth != other.truth and not np.array_equal(one.test.x, other.test.x)


def test_worlds_of_other_sizes_share_tree_and_test_attributes() -> None:
    one = draw_world(SMALL, 10)
    for change in ({"samples": 500}, {"dimension": 5}, {"mixing": "mlp"}, {"noise": 0.5}):
        two = draw_world(replace(SMALL, **change), 10)
        assert one.truth == two.truth and not same(one, two)
        np.testing.assert_array_equal(one.test.attributes, two.test.attributes)
        np.testing.assert_array_equal(one.test.labels, two.test.labels)


def test_classes_that_no_sample_reaches_still_count() -> None:
    world = draw_world(replace(SMALL, depth=5, samples=10))
    assert world.n_classes == 32 and len(np.unique(world.train.labels)) <= 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"depth": 0}, "depth: expected a whole number from 1 to 10, found 0"),
        ({"depth": 7}, "attributes: expected a whole number ≥ 7, found 6"),
        ({"structure": "tree"}, "structure: expected one of .*, found 'tree'"),
        ({"mixing": "cubic"}, "mixing: expected one of .*, found 'cubic'"),
        ({"marginals": 0.0}, "marginals: expected numbers between 0 and 1, found 0.0"),
        ({"marginals": (0.5,) * 5 + (1.0,)}, "marginals: expected .*, found 1.0"),
        ({"marginals": float("nan")}, "marginals: expected .*, found nan"),
        ({"marginals": (0.5, 0.5)}, r"marginals: expected one number or 6, found shape \(2,\)"),
        ({"sparsity": 0}, "sparsity: expected a whole number from 1 to 6, found 0"),
        ({"sparsity": 1, "attributes": 900}, "sparsity: expected more, found 1, of probability"),
        ({"structure": "reused", "pool": 2}, "pool: expected a whole number from 3 to 6, found 2"),
        ({"pool": 4}, "pool: expected None unless 'reused', found 4"),
        ({"dimension": 0}, "dimension: expected .*, found 0"),
        ({"noise": -0.1}, "noise: expected a finite number ≥ 0, found -0.1"),
        ({"noise": float("nan")}, "noise: expected .*, found nan"),
        ({"label_noise": 1.1}, "label_noise: expected a probability, found 1.1"),
        ({"samples": 1}, "samples: expected a whole number ≥ 2, found 1"),
        ({"samples": True}, "samples: expected .*, found True"),
    ],
)
def test_bad_settings_are_named(change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}"):
        replace(SMALL, **change)


def test_a_bad_seed_and_a_sample_of_one_class_are_refused() -> None:
    with pytest.raises(ValueError, match="seed: expected a whole number ≥ 0, found -1"):
        draw_world(SMALL, -1)
    rare = replace(SMALL, marginals=1e-9, noise=0.0, nuisance=0)
    for label_noise in (0.0, 1.0):
        with pytest.raises(ValueError, match="samples: expected two classes, found one in 300"):
            draw_world(replace(rare, label_noise=label_noise))
