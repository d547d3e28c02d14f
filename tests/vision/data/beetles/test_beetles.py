from __future__ import annotations

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irvision.data.beetles import (
    PREVALENCE,
    SPECIES,
    TRAITS,
    VERSION,
    Drawn,
    draw,
    load_attributes,
    load_examples,
    species,
    traits,
    true_key,
)
from irvision.data.beetles.hashing import uniforms, words
from irvision.data.beetles.species import FIXED, Trait
from irvision.data.examples import PARTS, Examples
from irvision.settings.data import DataOptions

OPTIONS = DataOptions(beetles=1200, split_seed=3)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return load_examples(OPTIONS)


@pytest.fixture(scope="module")
def values(examples: Examples) -> np.ndarray:
    return load_attributes(OPTIONS, examples).values


def test_words_are_the_published_ones() -> None:
    # The first outputs of splitmix64 from state 0.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert words(3).tolist() == published
    assert uniforms(2).tolist() == [(word >> 11) / 2**53 for word in published[:2]]


@pytest.mark.parametrize("other", [(4, 5), (5, 3), (3, 5, 0), (3, 6), (-3, 5), (3 + 2**64, 6)])
def test_another_key_gives_other_words(other: tuple[int, ...]) -> None:
    assert not np.intersect1d(words(200, 3, 5), words(200, *other)).size


def test_key_is_a_bushy_tree_of_depth_four_over_eight_attributes() -> None:
    key = true_key()
    tested = key.feature[key.feature >= 0].tolist()
    assert (key.depth, key.n_leaves, len(key.used_features), len(tested)) == (4, 12, 8, 11)
    assert [tested.count(t) for t in (Trait.HORNS, Trait.LONG_ANTENNAE, Trait.STRIPES)] == [2, 2, 2]
    depths = [int(key.decision_path(row[None]).sum()) - 1 for row in _one_beetle_each()]
    assert sorted(depths) == [3] * 4 + [4] * 8


def test_key_values_are_shares_of_species() -> None:
    key = true_key()
    assert np.array_equal(np.sort(key.value[key.leaves].argmax(1)), np.arange(12))
    np.testing.assert_allclose(key.value[0], 1 / 12)
    inner = np.flatnonzero(key.feature >= 0)
    mixed = sum(
        key.count[child][:, None] * key.value[child]
        for child in (key.left[inner], key.right[inner])
    )
    np.testing.assert_allclose(key.count[inner][:, None] * key.value[inner], mixed)


def test_key_names_every_beetle(examples: Examples, values: np.ndarray) -> None:
    assert np.array_equal(true_key().predict(values).argmax(1), examples.labels)


def test_attributes_off_the_path_are_free(examples: Examples, values: np.ndarray) -> None:
    for k, name in enumerate(SPECIES):
        rows = values[examples.labels == k]
        for trait in Trait:
            if trait in FIXED[name]:
                assert (rows[:, trait] == FIXED[name][trait]).all()
                continue
            p = PREVALENCE[trait]
            spread = np.sqrt(p * (1 - p) / len(rows))
            assert abs(rows[:, trait].mean() - p) < 4 * spread, (name, trait)


def test_free_attributes_are_independent(values: np.ndarray) -> None:
    free = [t for t in Trait if not any(t in fixed for fixed in FIXED.values())]
    assert len(free) == 8
    shared = np.corrcoef(values[:, free].T) - np.eye(8)
    assert np.abs(shared).max() < 4 / np.sqrt(len(values))


def test_prevalence_is_from_a_quarter_to_a_half() -> None:
    assert list(PREVALENCE) == list(Trait)
    assert all(0.25 <= p <= 0.5 for p in PREVALENCE.values())


def test_each_run_of_twelve_holds_each_species_once() -> None:
    runs = [[species(index, 7) for index in range(start, start + 12)] for start in (0, 12, 1200)]
    assert all(sorted(run) == list(range(12)) for run in runs)
    assert runs[0] != runs[1] != runs[2]


def test_parts_are_stratified(examples: Examples) -> None:
    assert (len(examples.labels), examples.classes) == (1200, SPECIES)
    for part, count in zip(PARTS, (63, 7, 30), strict=True):
        found = np.bincount(examples.labels[examples.rows(part)], minlength=12)
        assert found.tolist() == [count] * 12


def test_seed_fixes_the_set(examples: Examples) -> None:
    again, other = load_examples(OPTIONS), load_examples(replace(OPTIONS, split_seed=4))
    assert np.array_equal(again.labels, examples.labels)
    assert np.array_equal(again.parts, examples.parts)
    assert not np.array_equal(other.labels, examples.labels)
    assert not np.array_equal(other.parts, examples.parts)


def test_more_beetles_leave_the_first_as_they_are(examples: Examples, values: np.ndarray) -> None:
    options = replace(OPTIONS, beetles=130)
    fewer = load_examples(options)
    assert np.array_equal(fewer.labels, examples.labels[:130])
    assert np.array_equal(load_attributes(options, fewer).values, values[:130])


def test_examples_hold_no_attributes(examples: Examples) -> None:
    assert isinstance(examples.pixels, Drawn)
    assert [field.name for field in fields(examples.pixels)] == ["seed", "count"]
    assert not set(TRAITS) & set(examples.classes)


def test_attributes_are_those_of_each_beetle(examples: Examples) -> None:
    attributes = load_attributes(OPTIONS, examples)
    assert (attributes.names, attributes.level) == (TRAITS, "sample")
    assert attributes.values.shape == (1200, 16)
    assert np.array_equal(attributes.values[41], traits(41, OPTIONS.split_seed))


def test_pixels_are_drawn_in_another_process_alike(examples: Examples) -> None:
    copy = pickle.loads(pickle.dumps(examples.pixels))
    assert len(copy) == 1200
    assert np.array_equal(copy.read(17, 40), draw(17, 3, 40))
    assert copy.name(17) == "beetle 17 of seed 3"
    assert copy.stamp(17) == f"drawing {VERSION}, seed 3"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beetles": 119}, "beetles: expected at least 120, found 119"),
        ({"split_seed": -1}, "split_seed"),
        ({"validation": 1.0}, "validation"),
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_examples(replace(OPTIONS, **wrong))


def _one_beetle_each() -> np.ndarray:
    rows = [traits(index, 0) for index in range(12)]
    return np.array(rows, dtype=float)
