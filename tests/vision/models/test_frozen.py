from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from irtheory.runs.files import InputError
from irvision.data.batches.augment import View
from irvision.data.batches.pictures import Pictures, place_pictures
from irvision.models import feature_pieces
from irvision.models.frozen import frozen_features
from irvision.runtime.device import Runtime

M, SIDE = 42, 8
VIEW = View(SIDE, 0, 0.5, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Slow(nn.Module):
    """Features of an image in closed form; ends the pass at a given image, if any."""

    def __init__(self, ends: int | None = None, error: type[BaseException] = KeyboardInterrupt):
        super().__init__()
        self.seen, self.ends, self.error = 0, ends, error
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        if self.ends is not None and self.seen > 2 * self.ends:
            raise self.error
        assert isinstance(self.scale, Tensor)
        rows = torch.arange(1.0, SIDE + 1)
        return torch.stack([images.mean((1, 2, 3)), (images[:, 0] * rows).mean((1, 2))], 1) / (
            self.scale
        )


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    pixels = np.random.default_rng(0).integers(0, 256, (M, SIDE, SIDE, 3), dtype=np.uint8)
    return place_pictures(pixels, np.zeros(M, np.int64), Runtime(torch.device("cpu")))


def features(backbone: nn.Module, pictures: Pictures, folder: Path) -> tuple[Tensor, str]:
    said = io.StringIO()
    console = Console(file=said, soft_wrap=True)
    found = frozen_features(backbone, pictures, VIEW, "key", folder, console)
    return torch.stack([found.plain, found.mirrored]), said.getvalue()


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pieces/*.npy"))


def expected(pictures: Pictures) -> Tensor:
    images = torch.from_numpy(np.asarray(pictures.pixels)).permute(0, 3, 1, 2) / 255 * 2 - 1
    return torch.stack([Slow()(images), Slow()(images.flip(-1))])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupted_pass_goes_on_with_the_same_bytes(
    pictures: Pictures, tmp_path: Path, error: type[BaseException]
) -> None:
    whole, _ = features(Slow(), pictures, tmp_path / "straight")
    torch.testing.assert_close(whole, expected(pictures))
    folder = tmp_path / "stopped"
    for ends in (10, 20):
        with pytest.raises(error):
            features(Slow(ends, error), pictures, folder)
    assert len(kept(folder)) == 2 and not list(folder.glob("*.npy"))
    last = Slow()
    found, said = features(last, pictures, folder)
    assert "goes on at image 28 of 42" in said and last.seen == 2 * (M - 28)
    assert torch.equal(found, whole) and not kept(folder)
    files = [next((tmp_path / name).glob("*.npy")) for name in ("straight", "stopped")]
    assert files[0].name == files[1].name and files[0].read_bytes() == files[1].read_bytes()
    again = Slow()
    assert torch.equal(features(again, pictures, folder)[0], whole) and again.seen == 0


def test_after_a_kill_it_goes_on_with_the_pieces_that_are_whole(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_pieces, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        features(Slow(24), pictures, tmp_path)
    pieces = kept(tmp_path)
    assert [int(piece.stem) for piece in pieces] == [0, 4, 8, 12, 16, 20]
    (pieces[0].parent / ".000000024.npy.abcd1234").write_bytes(b"half")
    pieces[4].write_bytes(pieces[4].read_bytes()[:-3])
    found, said = features(Slow(), pictures, tmp_path)
    assert "goes on at image 16 of 42" in said
    torch.testing.assert_close(found, expected(pictures))
    assert not (pieces[0].parent).exists()


def test_a_piece_of_another_shape_is_not_taken(pictures: Pictures, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        features(Slow(12), pictures, tmp_path)
    piece = kept(tmp_path)[0]
    for wrong in (np.zeros((2, M + 1, 2), np.float32), np.zeros((2, 12, 2)), np.zeros((2, 0, 2))):
        np.save(piece, wrong)
        assert feature_pieces.read_pieces(piece.parent, M) == []
    np.save(piece, np.full((2, 12, 2), np.nan, np.float32))
    torch.testing.assert_close(features(Slow(), pictures, tmp_path)[0], expected(pictures))


def test_features_that_are_not_finite_are_named(pictures: Pictures, tmp_path: Path) -> None:
    backbone = Slow()
    backbone.scale.fill_(0.0)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="finite features, found others, at one of images 0 to 3"):
        features(backbone, pictures, tmp_path)


def test_of_two_that_need_the_same_features_one_computes_them(
    pictures: Pictures, tmp_path: Path
) -> None:
    begun = Event()

    class Waiting(Slow):
        def forward(self, images: Tensor) -> Tensor:
            begun.set()
            time.sleep(0.01)
            return super().forward(images)

    first, second = Waiting(), Slow()
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(features, first, pictures, tmp_path)
        begun.wait(10)
        found, said = features(second, pictures, tmp_path)
    assert "another process is making it" in said
    assert first.seen == 2 * M and second.seen == 0
    assert torch.equal(found, computed.result()[0])
