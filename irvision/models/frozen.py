"""Features of a frozen backbone: computed once and kept on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from torch import Tensor, nn

from irtheory.intersection.engine import Batches
from irtheory.runs.console import Pulse, clock, print_plain, progress_bar
from irtheory.runs.files import InputError
from irvision.data.batches.augment import View
from irvision.data.batches.loader import epoch_order, evaluation_batches
from irvision.data.batches.material import Material
from irvision.data.batches.pictures import Pictures
from irvision.data.pixels.cache_folder import lock_cache
from irvision.data.pixels.stamps import stamps_digest
from irvision.models.feature_pieces import (
    kept,
    read_array,
    read_pieces,
    remove_pieces,
    write_array,
)
from irvision.models.network import view_of
from irvision.runtime.device import autocast
from irvision.settings.train import TrainSettings

# Images per pass through the backbone. On a CPU, the maps of a few images reuse the same memory;
# for more images, allocating new pages costs more than the arithmetic.
ON_GPU, ON_CPU = 64, 4
# To be raised when the same images, weights and view give different features.
VERSION = 2


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """Features of every sample and of its mirror image; float32 [m, C] each."""

    plain: Float[Tensor, "m C"]
    mirrored: Float[Tensor, "m C"]


def frozen_features(
    backbone: nn.Module, pictures: Pictures, view: View, key: str, folder: Path, console: Console
) -> FrozenFeatures:
    """Features of all pictures, read from disk if they were computed before.

    The pass is kept in pieces: after an interruption, or a kill, it goes on with what is there. Of
    several processes that need the same features one computes them, and the others wait.

    Args:
        backbone: images → [b, C], in eval mode on the device of the pictures.
        pictures: of the data set.
        view: of which the central crop is used.
        key: identifies the content of the pictures.
        folder: that features are kept in.
        console: shows the progress.

    Raises:
        InputError: features are not finite.
    """
    known = (VERSION, key, view, pictures.runtime.precision, weights_digest(backbone))
    file = folder / f"{hashlib.sha256(repr(known).encode()).hexdigest()[:32]}.npy"
    found = _read(file, len(pictures.labels))
    if found is None:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_cache(file, partial(print_plain, console)):
            # The process that was waited for may have computed them.
            found = _read(file, len(pictures.labels))
            if found is None:
                found = _computed(backbone, pictures, view, file.with_suffix(".pieces"), console)
                write_array(file, found)
                remove_pieces(file.with_suffix(".pieces"))
    plain, mirrored = torch.from_numpy(found).to(pictures.runtime.device)
    return FrozenFeatures(plain, mirrored)


def _read(file: Path, samples: int) -> np.ndarray | None:
    found = read_array(file)
    return found if found is not None and found.shape[1] == samples else None


def _computed(
    backbone: nn.Module, pictures: Pictures, view: View, folder: Path, console: Console
) -> Float[np.ndarray, "2 m C"]:
    total = len(pictures.labels)
    parts = read_pieces(folder, total)
    start = done = sum(part.shape[1] for part in parts)
    if done:
        print_plain(console, f"· the pass through the backbone goes on at image {done} of {total}")
    began = time.perf_counter()
    with (
        progress_bar(console) as bar,
        closing(kept(folder, start, _passed(backbone, pictures, view, start))) as batches,
    ):
        pulse = Pulse(console, bar, "frozen features", total)
        for features in batches:
            parts.append(features)
            done += features.shape[1]
            rate = (done - start) / max(time.perf_counter() - began, 1e-9)
            left = clock((total - done) / rate)
            text = f"{done} of {total} images through the backbone, {rate:.0f} images/s"
            pulse.show(f"{text}, {left} left", done)
    return np.concatenate(parts, axis=1)


def _passed(
    backbone: nn.Module, pictures: Pictures, view: View, start: int
) -> Iterator[Float[np.ndarray, "2 b C"]]:
    """Features of every batch from an image on, and those of its mirror images."""
    rows = np.arange(start, len(pictures.labels))
    if not len(rows):
        return
    size = ON_GPU if pictures.runtime.device.type == "cuda" else ON_CPU
    precision = autocast(pictures.runtime)
    for images, _ in evaluation_batches(pictures, rows, view, size)(0):
        with torch.inference_mode(), precision():
            both = torch.stack([backbone(images), backbone(images.flip(-1))]).float().cpu()
        if not both.isfinite().all():
            raise InputError(
                "--weights: expected weights that give finite features, found others, at one of "
                f"images {start} to {start + len(images) - 1}"
            )
        start += len(images)
        yield both.numpy()


def feature_batches(
    features: FrozenFeatures,
    labels: Tensor,
    rows: Int[np.ndarray, " n"],
    size: int,
    seed: int,
    mirrored: bool,
    balanced: bool = False,
) -> Batches:
    """Batches of an epoch, shuffled by seed and epoch; with `mirrored`, each sample comes twice.

    With `balanced` as many are drawn, from all classes equally often.
    """
    known = torch.from_numpy(rows)
    twice = labels.cpu()[known].repeat(1 + mirrored) if balanced else None

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        count = (1 + mirrored) * len(known)
        order = epoch_order(count, twice, generator).to(labels.device)
        where = known.to(labels.device)
        for chosen in order.split(size):
            sample, mirror = where[chosen % len(where)], chosen >= len(where)
            x = torch.where(mirror[:, None], features.mirrored[sample], features.plain[sample])
            yield x, labels[sample]

    return batches


def features_in_order(
    features: FrozenFeatures, labels: Tensor, rows: Int[np.ndarray, " n"], size: int
) -> Batches:
    """Batches of the plain features of the rows, in order, the same in every epoch."""
    where = torch.from_numpy(rows).to(labels.device)
    return lambda _: ((features.plain[part], labels[part]) for part in where.split(size))


def weights_digest(backbone: nn.Module) -> str:
    """Digest of the names and values of all weights."""
    digest = hashlib.sha256()
    for name, value in backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def features_of(
    settings: TrainSettings,
    material: Material,
    backbone: nn.Module,
    cache_dir: Path,
    console: Console,
) -> FrozenFeatures:
    """Frozen features of the whole data set, computed or read from the cache."""
    key = f"{material.cache.path.name} {stamps_digest(material.examples.pixels)}"
    view, folder = view_of(settings), cache_dir / "features"
    return frozen_features(backbone, material.pictures, view, key, folder, console)
