"""Features of a frozen backbone: computed once and kept on disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from torch import Tensor, nn

from irtheory.intersection.engine import Batches
from irtheory.runs.console import Pulse, progress_bar
from irtheory.runs.files import write_bytes
from irvision.data.batches.augment import View
from irvision.data.batches.loader import evaluation_batches
from irvision.data.batches.material import Material
from irvision.data.batches.pictures import Pictures
from irvision.data.pixels.stamps import stamps_digest
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

    Args:
        backbone: images → [b, C], in eval mode on the device of the pictures.
        pictures: of the data set.
        view: of which the central crop is used.
        key: identifies the content of the pictures.
        folder: that features are kept in.
        console: shows the progress.
    """
    known = (VERSION, key, view, pictures.runtime.precision, weights_digest(backbone))
    file = folder / f"{hashlib.sha256(repr(known).encode()).hexdigest()[:32]}.npy"
    found = _read(file, len(pictures.labels))
    if found is None:
        found = _computed(backbone, pictures, view, console)
        _write(file, found)
    plain, mirrored = torch.from_numpy(found).to(pictures.runtime.device)
    return FrozenFeatures(plain, mirrored)


def _computed(
    backbone: nn.Module, pictures: Pictures, view: View, console: Console
) -> Float[np.ndarray, "2 m C"]:
    rows = np.arange(len(pictures.labels))
    size = ON_GPU if pictures.runtime.device.type == "cuda" else ON_CPU
    batches = evaluation_batches(pictures, rows, view, size)(0)
    done, parts, precision = 0, [], autocast(pictures.runtime)
    with torch.inference_mode(), progress_bar(console) as bar:
        pulse = Pulse(console, bar, "frozen features", len(rows))
        for images, _ in batches:
            with precision():
                both = [backbone(images), backbone(images.flip(-1))]
            parts.append(torch.stack([features.float().cpu() for features in both]))
            done += len(images)
            pulse.show(f"{done} of {len(rows)} images through the backbone", done)
    return torch.cat(parts, dim=1).numpy()


def feature_batches(
    features: FrozenFeatures,
    labels: Tensor,
    rows: Int[np.ndarray, " n"],
    size: int,
    seed: int,
    mirrored: bool,
) -> Batches:
    """Batches of an epoch, shuffled by seed and epoch; with `mirrored`, each sample comes twice."""
    known = torch.from_numpy(rows)

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        count = (1 + mirrored) * len(known)
        order = torch.randperm(count, generator=generator).to(labels.device)
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


def _read(file: Path, samples: int) -> np.ndarray | None:
    """The features, or None if the file is missing or damaged."""
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.ndim == 3 and found.shape[:2] == (2, samples) and found.dtype == np.float32
    return found if fits and np.isfinite(found).all() else None


def _write(file: Path, features: Float[np.ndarray, "2 m C"]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.save(stream, features)
    write_bytes(file, stream.getbuffer())


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
