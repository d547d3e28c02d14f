from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.runs.files import InputError
from irvision.data.datasets.splits import Draw, check_disjoint, draw_share, make_parts, share_of
from irvision.settings.data import DataOptions

TRAIN, VALIDATION, TEST = range(3)


def singles(counts: list[int]) -> tuple[np.ndarray, list[str]]:
    labels = np.repeat(np.arange(len(counts)), counts)
    return labels, [f"{label}/{row:05d}.jpg" for row, label in enumerate(labels.tolist())]


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, list[str]]:
    labels = draw(st.lists(st.integers(0, 4), min_size=1, max_size=60))
    images = st.lists(st.integers(0, 30), min_size=len(labels), max_size=len(labels))
    return np.array(labels), [f"{image}.jpg" for image in draw(images)]


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(10, 0.3, 3), (5, 0.3, 2), (4, 0.3, 1), (1, 0.3, 0), (2, 0.3, 1), (3, 0.1, 1), (9, 0, 0)],
)
def test_share_is_rounded_to_nearest_with_at_least_one(count, share, expected):
    assert share_of(count, share) == expected


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_single_images_get_exact_shares(seed):
    counts = [1, 2, 3, 10, 25, 100]
    labels, names = singles(counts)
    parts = make_parts(labels, names, DataOptions(split_seed=seed))
    for label, count in enumerate(counts):
        here = np.bincount(parts[labels == label], minlength=3)
        test = share_of(count, 0.3)
        validation = share_of(count - test, 0.1)
        assert here.tolist() == [count - test - validation, validation, test]


def test_the_split_of_seed_0_never_changes():
    labels, names = singles([5, 5])
    parts = make_parts(labels, names, DataOptions())
    assert parts.tolist() == [0, 1, 2, 2, 0, 0, 2, 1, 2, 0]


def test_order_of_listing_does_not_matter():
    labels, names = singles([40, 30, 20])
    order = np.random.default_rng(0).permutation(len(labels))
    parts = make_parts(labels, names, DataOptions(split_seed=3))
    shuffled = make_parts(labels[order], [names[i] for i in order], DataOptions(split_seed=3))
    np.testing.assert_array_equal(shuffled, parts[order])


def test_another_seed_gives_another_split():
    labels, names = singles([40, 30, 20])
    splits = {make_parts(labels, names, DataOptions(split_seed=s)).tobytes() for s in range(5)}
    assert len(splits) == 5


def test_validation_is_not_the_draw_of_test_again():
    labels, names = singles([100])
    first = draw_share(labels, names, 0.3, seed=0, stream=0)
    second = draw_share(labels, names, 0.3, seed=0, stream=1)
    assert (first != second).any()


@given(grouped(), st.integers(0, 3))
def test_whole_images_and_a_training_sample_of_every_class(sample, seed):
    labels, groups = sample
    parts = make_parts(labels, groups, DataOptions(split_seed=seed, validation=0.2))
    pairs = set(zip(groups, parts.tolist(), strict=True))
    assert len(pairs) == len(set(groups))
    assert set(labels[parts == TRAIN].tolist()) == set(labels.tolist())


def test_shares_are_near_when_images_hold_several_classes():
    random = np.random.default_rng(1)
    groups = [f"{image}.jpg" for image in random.integers(0, 400, 1000)]
    labels = random.choice(4, 1000, p=[0.6, 0.2, 0.15, 0.05])
    test = draw_share(labels, groups, 0.3, seed=0, stream=0)
    for label in range(4):
        assert test[labels == label].mean() == pytest.approx(0.3, abs=0.06)


def test_official_test_samples_stay_and_validation_comes_from_the_rest():
    labels, names = singles([20, 20])
    official = np.arange(40) % 4 == 0
    parts = make_parts(labels, names, DataOptions(), official)
    np.testing.assert_array_equal(parts == TEST, official)
    assert [int((parts[labels == c] == VALIDATION).sum()) for c in (0, 1)] == [2, 2]


def test_no_validation_where_its_share_is_zero():
    labels, names = singles([20, 20])
    assert VALIDATION not in make_parts(labels, names, DataOptions(validation=0))


def test_an_official_split_that_divides_an_image_is_refused():
    with pytest.raises(InputError, match=r"^b\.jpg: expected an image in one part, found it in"):
        make_parts(
            np.array([0, 0, 1]),
            ["a.jpg", "b.jpg", "b.jpg"],
            DataOptions(validation=0),
            np.array([False, False, True]),
        )
    check_disjoint(np.array([0, 2, 2], np.uint8), ["a", "b", "b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DataOptions(validation=1.0), "validation: expected a share"),
        (DataOptions(validation=float("nan")), "validation: expected a share"),
        (DataOptions(split_seed=-1), "split_seed: expected a number"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        make_parts(np.array([0, 1]), ["a", "b"], options)


def test_a_draw_repeats_its_parts_and_keeps_coarser_groups_together():
    labels, names = singles([40, 30, 20])
    options = DataOptions(split_seed=3)
    draw = Draw(tuple(names), None, options)
    np.testing.assert_array_equal(draw.parts(labels), make_parts(labels, names, options))
    coarser = [names[row // 2 * 2] for row in range(len(names))]
    parts = draw.parts(labels, coarser)
    np.testing.assert_array_equal(parts, make_parts(labels, coarser, options))
    np.testing.assert_array_equal(parts[::2], parts[1::2])
    assert np.bincount(parts, minlength=3).tolist() == [54, 8, 28]


def test_coarser_groups_leave_a_given_test_part_as_it_is():
    labels, names = singles([40, 40])
    test = np.arange(80) % 4 == 0
    # Each group has one sample in the given test part and three others.
    coarser = [names[row // 4 * 4] for row in range(80)]
    parts = Draw(tuple(names), test, DataOptions()).parts(labels, coarser)
    np.testing.assert_array_equal(parts == TEST, test)
    held = (parts == VALIDATION).reshape(20, 4)[:, 1:]
    assert (held.all(1) | ~held.any(1)).all() and held.any()
