"""Problems of known truth: what their labels follow from, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from irtheory.problems.synthetic import key_problem, random_key, xor_problem


@pytest.mark.parametrize("seed", range(5))
def test_without_noise_labels_follow_the_key(seed: int) -> None:
    problem = key_problem(samples=50, attributes=6, classes=3, depth=2, noise=0.0, seed=seed)
    truth = problem.truth
    assert truth is not None
    for codes, label in zip(problem.codes, problem.classes, strict=True):
        node = 0
        while truth.feature[node] >= 0:
            right = codes[truth.feature[node]] > truth.threshold[node]
            node = truth.right[node] if right else truth.left[node]
        assert truth.value[node, label] == 1.0
    assert "0 labels redrawn" in problem.notes[0]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_attributes_are_distinct_on_every_path_and_classes_take_turns(depth: int) -> None:
    key = random_key(depth, 5, 3, np.random.default_rng(depth))
    leaves = []

    def walk(node: int, seen: list[int]) -> None:
        if key.feature[node] < 0:
            assert len(seen) == len(set(seen)) == depth
            leaves.append(int(key.value[node].argmax()))
            return
        for child in (key.left[node], key.right[node]):
            walk(int(child), [*seen, int(key.feature[node])])

    walk(0, [])
    assert leaves == [i % 3 for i in range(2**depth)]


def test_noise_redraws_about_its_share_of_the_labels() -> None:
    clean = key_problem(samples=4000, classes=4, noise=0.0, seed=3)
    noisy = key_problem(samples=4000, classes=4, noise=0.4, seed=3)
    np.testing.assert_array_equal(clean.codes, noisy.codes)
    # A redrawn label is another one in 3 of 4 cases: mean 0.3, sd 0.0072.
    assert np.mean(clean.classes != noisy.classes) == pytest.approx(0.3, abs=0.03)


def test_the_same_seed_gives_the_same_problem() -> None:
    one, two, other = (key_problem(samples=30, seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.codes, two.codes)
    np.testing.assert_array_equal(one.classes, two.classes)
    assert one.truth == two.truth and not np.array_equal(one.codes, other.codes)


def test_shapes_and_names() -> None:
    problem = key_problem(samples=30, attributes=5, classes=4)
    assert problem.codes.shape == (30, 5) and problem.one_hot.shape == (30, 4)
    assert problem.feature_names == ("f0", "f1", "f2", "f3", "f4")
    assert problem.class_names[-1] == "class 3"
    np.testing.assert_array_equal(problem.one_hot.argmax(axis=1), problem.classes)


def test_features_are_an_intercept_and_codes_on_minus_one_to_one() -> None:
    codes = np.array([[0, 7, 2], [1, 7, 4], [2, 7, 6]])
    problem = replace(key_problem(samples=3, attributes=3), codes=codes)
    np.testing.assert_array_equal(problem.features, [[1, -1, -1, -1], [1, 0, -1, 0], [1, 1, -1, 1]])


@pytest.mark.parametrize("attributes", [2, 3, 5])
def test_exclusive_or_is_uncorrelated_with_everything_exactly(attributes: int) -> None:
    problem = xor_problem(100, attributes)
    assert len(problem.codes) % 2**attributes == 0 and 100 <= len(problem.codes) < 100 + 32
    np.testing.assert_array_equal(problem.features.T @ problem.signs, 0)
    np.testing.assert_array_equal(problem.classes, (problem.codes[:, 0] + problem.codes[:, 1]) % 2)
    assert len(problem.notes) == 1 and "exclusive or of f0 and f1" in problem.notes[0]
    _, counts = np.unique(problem.codes, axis=0, return_counts=True)
    assert len(counts) == 2**attributes and len(set(counts)) == 1


@pytest.mark.parametrize("attributes", [2, 4])
def test_seeds_draw_other_exclusive_ors_that_are_uncorrelated_too(attributes: int) -> None:
    problems = [xor_problem(16, attributes, seed) for seed in range(8)]
    for problem in problems:
        np.testing.assert_array_equal(problem.features.T @ problem.signs, 0)
        named = re.search(r"exclusive or of f(\d) and f(\d)", problem.notes[0])
        assert named is not None
        first, second = (int(column) for column in named.groups())
        swapped = sum(note.startswith((f"f{first}:", f"f{second}:")) for note in problem.notes)
        parity = problem.codes[:, first] ^ problem.codes[:, second] ^ (swapped % 2)
        np.testing.assert_array_equal(problem.classes, parity)
    samples = {(problem.codes.tobytes(), problem.classes.tobytes()) for problem in problems}
    assert len(samples) >= (6 if attributes == 4 else 3)
    np.testing.assert_array_equal(problems[5].codes, xor_problem(16, attributes, 5).codes)


def test_signs_are_minus_one_and_one_for_two_classes_only() -> None:
    problem = xor_problem(4, 2)
    np.testing.assert_array_equal(problem.signs[:, 0], 2 * problem.classes - 1)
    with pytest.raises(ValueError, match="labels: the agreement loss takes 2 classes, found 4"):
        _ = key_problem(samples=20).signs


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 0}, "samples: expected a whole number ≥ 1, found 0"),
        ({"attributes": 0}, "attributes: expected"),
        ({"classes": -1}, "classes: expected"),
        ({"depth": 0}, "depth: expected"),
        ({"depth": 4, "attributes": 3}, r"depth: expected at most 3 \(the attributes\), found 4"),
        ({"noise": 1.5}, "noise: expected a probability, found 1.5"),
        ({"noise": float("nan")}, "noise: expected a probability, found nan"),
    ],
)
def test_bad_settings_of_a_key_are_named(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        key_problem(**settings)


@pytest.mark.parametrize(("samples", "attributes"), [(0, 4), (10, 1), (10, 13)])
def test_bad_settings_of_exclusive_or_are_named(samples: int, attributes: int) -> None:
    with pytest.raises(ValueError, match=r"samples: |attributes: expected 2 to 12"):
        xor_problem(samples, attributes)
