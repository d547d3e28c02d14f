from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from irtheory.runs.files import InputError
from irtheory.trees.tree import Tree
from irvision.data.examples import PARTS
from irvision.evaluation.choice import Choice, choose
from irvision.evaluation.gallery import Seen, make_gallery
from irvision.models.backbones.registry import build_backbone
from irvision.models.features import PlainFeatures
from irvision.runs.gallery import Gallery, read_gallery, write_gallery
from irvision.runs.named_tree import NamedTree, name_tree
from irvision.runs.scored_images import ScoredImages

M, D, CLASSES = 240, 6, ("ant", "bee", "cicada")
KEPT = (0, 2, 3, 5)


def scored(seed: int = 0, bits: int = 1, levels: bool = True) -> ScoredImages:
    rng = np.random.default_rng(seed)
    real = rng.uniform(-0.4, 2**bits - 0.6, (M, D))
    real[:, 3] = 0.1
    codes = np.round(real).clip(0, 2**bits - 1).astype(np.uint8)
    labels = rng.integers(0, 3, M)
    outputs = rng.dirichlet([0.3] * 3, M).astype(np.float32)
    tree = a_tree()
    leaf = tree.apply(codes[:, KEPT])
    return ScoredImages(
        tuple(f"{i}.png" for i in range(M)), CLASSES, rng.integers(0, 3, M).astype(np.uint8),
        labels, codes, outputs, tree.predict(codes[:, KEPT]).argmax(1), leaf,
        real.astype(np.float16) if levels else None,
    )  # fmt: skip


def a_tree() -> Tree:
    ends = [Tree.leaf(row, 1, len(KEPT)) for row in np.eye(3)]
    right = Tree.grow(1, 0.5, ends[1], ends[2], [0, 0.5, 0.5], 2)
    return Tree.grow(0, 0.5, ends[0], right, [1 / 3] * 3, 3)


def a_named_tree(bits: int = 1) -> NamedTree:
    counts = {"train": np.full((5, 3), 9)}
    return name_tree(a_tree(), counts, CLASSES, KEPT, bits)  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("levels", [True, False])
def test_every_test_class_and_code_is_shown(bits: int, levels: bool) -> None:
    images = scored(bits=bits, levels=levels)
    choice = choose(images, a_named_tree(bits), 1000)
    shown = np.array(list(choice.rows))
    right = images.codes[:, 0] > 0.5
    for reached, code in ((np.ones(M, bool), 0), (right, 2)):
        for passed in (True, False):
            side = reached & ((images.codes[:, code] > 0.5) == passed)
            assert side[shown].sum() >= 4
    assert set(images.labels[shown]) == {0, 1, 2}
    # Code 3 is the same everywhere, codes 1 and 4 are not kept.
    assert set(choice.of_code) == {0, 2, 5}
    for code, rows in choice.of_code.items():
        assert set(rows) <= set(choice.rows) and len(set(rows)) == len(rows)
        values = np.unique(images.codes[:, code])
        expected = values if len(values) <= 4 else values[[0, 1, -2, -1]]
        assert set(images.codes[rows, code]) == set(expected)
    assert {row for row, code in choice.mapped if code == 0} == set(choice.of_code[0])


def test_typical_images_lie_far_from_the_threshold_and_borderline_ones_close() -> None:
    images = scored(1)
    rows = np.array(choose(images, a_named_tree(), 1000).of_code[0])
    assert images.levels is not None
    margin = np.abs(images.levels[rows, 0].astype(float) - 0.5)
    present = images.codes[rows, 0] == 1
    for side in (present, ~present):
        everyone = np.abs(images.levels[images.codes[:, 0] == side[present][0], 0] - 0.5)
        assert margin[side].min() <= np.sort(np.abs(images.levels[:, 0] - 0.5))[40]
        assert np.sort(margin[side])[-4:].min() > np.median(everyone)


def test_images_that_training_has_not_seen_come_first() -> None:
    images = scored(2)
    rows = [*choose(images, a_named_tree(), 1000).of_code[0]]
    assert (images.parts[rows] != PARTS.index("train")).all()


@pytest.mark.parametrize("most", [0, 1, 7, 30])
def test_no_more_pictures_than_asked_for(most: int) -> None:
    images = scored(3)
    choice = choose(images, a_named_tree(), most)
    assert len(choice.rows) == most
    assert {row for row, _ in choice.mapped} <= set(choice.rows)
    assert {row for rows in choice.of_code.values() for row in rows} <= set(choice.rows)


def test_the_most_confident_errors_are_shown() -> None:
    images = scored(4)
    choice = choose(images, a_named_tree(), 1000)
    held_out = images.parts != PARTS.index("train")
    wrong = np.flatnonzero((images.by_g != images.labels) & held_out)
    surest = wrong[np.argsort(-images.outputs[wrong].max(1))][0]
    assert int(surest) in choice.rows


def test_shown_images_are_preferred_but_for_the_best() -> None:
    choice = Choice(10, rows={7: None, 5: None})
    assert choice.take([1, 2, 7, 5, 9], 3) == [1, 7, 5]
    assert choice.take([1, 2], 2) == [1, 2]
    full = Choice(1, rows={3: None})
    assert full.take([4, 3, 5], 2) == [3]


def a_gallery(choice: Choice) -> tuple[Gallery, Tensor]:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (M, 40, 40, 3), dtype=torch.uint8)
    represent = PlainFeatures(build_backbone("resnet10"), D, "sigmoid").eval()
    seen = Seen(np.arange(M)[::-1].copy(), pixels, 32, as_floats, represent)
    return make_gallery(choice, seen, [("bad.png", "truncated")]), pixels


def as_floats(pictures: Tensor) -> Tensor:
    return pictures[:, 4:36, 4:36].permute(0, 3, 1, 2).float() / 255


def test_a_gallery_is_read_as_it_was_written(tmp_path: Path) -> None:
    choice = choose(scored(5), a_named_tree(), 60)
    made, pixels = a_gallery(choice)
    write_gallery(tmp_path, made, "one")
    assert read_gallery(tmp_path, "another") is None
    found = read_gallery(tmp_path, "one")
    assert found is not None
    assert dict(found.pictures) == dict(made.pictures) and len(found.pictures) > 40
    assert found.unread == (("bad.png", "truncated"),) and found.side == 32
    assert found.of_code == made.of_code
    assert found.maps.keys() == made.maps.keys() == set(choice.mapped)
    for key, cells in made.maps.items():
        np.testing.assert_array_equal(found.maps[key], cells)
    row = next(iter(choice.rows))
    picture = np.asarray(Image.open(io.BytesIO(found.pictures[row]))).astype(float)
    # The picture is the central crop of the source row.
    crop = pixels[M - 1 - row, 4:36, 4:36].numpy().astype(float)
    assert np.corrcoef(picture.ravel(), crop.ravel())[0, 1] > 0.5


def test_a_run_without_a_gallery_has_none(tmp_path: Path) -> None:
    assert read_gallery(tmp_path, "one") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ends", np.array([5, 3], np.int64)),
        ("jpeg", np.zeros(9, np.uint8)),
        ("shown", np.array([[99_999, 0]], np.int64)),
        ("maps", np.zeros((1, 2, 2), np.uint8)),
        ("rows", None),
    ],
)
def test_a_damaged_gallery_is_named(tmp_path: Path, name: str, value: np.ndarray | None) -> None:
    made, _ = a_gallery(choose(scored(6), a_named_tree(), 20))
    path = write_gallery(tmp_path, made, "one")
    arrays = load_file(path)
    arrays.pop(name)
    if value is not None:
        arrays[name] = value
    save_file(arrays, path, {"side": "32", "scored": "one", "unread": "[]"})
    with pytest.raises(InputError, match=r"gallery\.safetensors: expected what `ira evaluate"):
        read_gallery(tmp_path, "one")
    path.write_bytes(b"\x00" * 40)
    with pytest.raises(InputError, match=r"gallery\.safetensors"):
        read_gallery(tmp_path, "one")


def test_maps_of_a_frozen_backbone_are_those_of_one_image_at_a_time() -> None:
    from irvision.models.localise import localise
    from irvision.models.network import Frozen

    torch.manual_seed(0)
    represent = nn.Sequential(Frozen(build_backbone("resnet10")), nn.Linear(224, D)).eval()
    pixels = torch.randint(0, 256, (M, 40, 40, 3), dtype=torch.uint8)
    seen = Seen(np.arange(M), pixels, 32, as_floats, represent)
    made = make_gallery(choose(scored(7), a_named_tree(), 40), seen, [])
    (row, code), cells = next(iter(made.maps.items()))
    alone = localise(represent, as_floats(pixels[row : row + 1]), [code])[0, 0]
    np.testing.assert_allclose(cells / 255, alone, atol=0.01)


def test_no_image_beyond_the_outer_values_is_borderline() -> None:
    """A level of −0.5 is as far from the next value as one can be, not on an edge."""
    images = scored(8)
    assert images.levels is not None
    images.levels[:, 0] = np.where(images.codes[:, 0] == 0, -0.5, 1.5)
    images.levels[5, 0] = 0.49 if images.codes[5, 0] == 0 else 0.51
    images.parts[5] = PARTS.index("test")
    rows = choose(images, a_named_tree(), 1000).of_code[0]
    same = [row for row in rows if images.codes[row, 0] == images.codes[5, 0]]
    assert 5 in same[-2:], "the one image at the edge is borderline, after the typical ones"
