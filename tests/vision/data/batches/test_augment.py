from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from irtheory.runs.files import InputError
from irvision.data.batches.augment import Draws, View, central_view, draw, training_view


def pictures(b: int, side: int, seed: int = 0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (b, side, side, 3), dtype=torch.uint8, generator=chance)


def by_pillow(image: torch.Tensor, view: View, top: int, left: int, flip: bool) -> np.ndarray:
    """Pad with black, crop, mirror, then normalise: one picture, as PIL does it."""
    picture = ImageOps.expand(Image.fromarray(image.numpy()), view.padding)
    picture = picture.crop((left, top, left + view.size, top + view.size))
    picture = ImageOps.mirror(picture) if flip else picture
    return (np.asarray(picture) / 255 - view.mean).transpose(2, 0, 1) / np.reshape(
        view.sd, (3, 1, 1)
    )


@given(
    b=st.integers(1, 4),
    side=st.integers(3, 12),
    padding=st.integers(0, 3),
    crop=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_training_views_are_those_of_pillow(
    b: int, side: int, padding: int, crop: int, seed: int
) -> None:
    view = View(max(1, side + 2 * padding - crop), padding)
    images, draws = pictures(b, side, seed), draw(view, side, b, seed, 1)
    found = training_view(images, view, draws)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.dtype == torch.float32 and found.shape == (b, 3, view.size, view.size)
    for i in range(b):
        chosen = [int(v[i]) for v in (draws.top, draws.left, draws.flip)]
        expected = by_pillow(images[i], view, chosen[0], chosen[1], bool(chosen[2]))
        np.testing.assert_allclose(found[i].numpy(), expected, atol=2e-6)


@pytest.mark.parametrize(("side", "size", "edge"), [(8, 8, 0), (9, 6, 1), (8, 3, 2)])
def test_the_central_view_is_the_middle(side: int, size: int, edge: int) -> None:
    images, view = pictures(3, side), View(size, padding=2)
    found = central_view(images, view)
    assert found.is_contiguous(memory_format=torch.channels_last)
    corner = edge + view.padding
    for i in range(3):
        expected = by_pillow(images[i], view, corner, corner, False)
        np.testing.assert_allclose(found[i].numpy(), expected, atol=2e-6)


def test_half_precision_rounds_at_the_end_only() -> None:
    images, view = pictures(2, 6), View(4)
    draws = draw(view, 6, 2, 0, 1)
    exact = training_view(images, view, draws)
    assert torch.equal(training_view(images, view, draws, torch.bfloat16), exact.bfloat16())


def test_a_view_from_inference_mode_does_not_keep_training_from_gradients() -> None:
    images, view = pictures(2, 7), View(5, mean=(0.1, 0.2, 0.3))
    with torch.inference_mode():
        central_view(images, view)
    layer = torch.nn.Conv2d(3, 1, 3)
    layer(training_view(images, view, draw(view, 7, 2, 0, 1))).sum().backward()
    assert layer.weight.grad is not None


def test_draws_reach_every_corner_and_half_are_mirrored() -> None:
    view = View(6, padding=1)
    draws = draw(view, 8, 4000, 0, 1)
    for corners in (draws.top, draws.left):
        assert corners.unique().tolist() == list(range(5))
        assert torch.bincount(corners).min() > 700
    assert 0.46 < draws.flip.float().mean() < 0.54
    # Independent of each other.
    together = torch.bincount(5 * draws.top + draws.left, minlength=25)
    assert together.min() > 100
    assert not draw(View(6, flip=0), 8, 100, 0, 1).flip.any()
    assert draw(View(6, flip=1), 8, 100, 0, 1).flip.all()


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    view = View(4)

    def numbers(seed: int, epoch: int) -> list:
        draws = draw(view, 30, 20, seed, epoch)
        return [draws.top.tolist(), draws.left.tolist(), draws.flip.tolist()]

    first = numbers(3, 1)
    torch.manual_seed(5)
    assert numbers(3, 1) == first
    assert numbers(3, 2) != first and numbers(4, 1) != first and numbers(1, 3) != first


def test_draws_may_be_shared_out() -> None:
    images, view = pictures(6, 9), View(5)
    draws = draw(view, 9, 6, 0, 1)
    whole = training_view(images, view, draws)
    for rank in range(2):
        share = slice(rank, 6, 2)
        assert isinstance(draws[share], Draws)
        assert torch.equal(training_view(images[share], view, draws[share]), whole[share])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "crop: expected a side ≥ 1 and a padding ≥ 0, found 0, 0"),
        ({"size": 4, "padding": -1}, "found 4, -1"),
        ({"size": 4, "flip": 1.5}, "flip: expected a probability, found 1.5"),
        ({"size": 4, "sd": (1.0, 0.0, 1.0)}, "sd: expected three numbers > 0, found"),
    ],
)
def test_impossible_views_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        View(**settings)


def test_a_crop_larger_than_the_cache_is_refused() -> None:
    with pytest.raises(InputError, match="crop: expected at most the cached side 96, found 97"):
        View(97).check(96)
