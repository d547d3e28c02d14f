"""Loads the weights of a backbone: published ones, those of a file, or none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from irtheory.runs.console import print_plain
from irtheory.runs.files import InputError
from irvision.data.download.download import fetch_file, verified_digest
from irvision.data.download.progress import download_progress
from irvision.data.pixels.cache_folder import cache_folder
from irvision.models.backbones.mobilenet import MobileNetV2, fill_mobilenet_v2
from irvision.models.backbones.registry import BACKBONES

PICKLED = (".pth", ".pt")
# Names shown of each kind of mismatch.
TOLD = 3
# Prefix of the classifier in published files, which backbones do not have.
CLASSIFIER = "fc."
# Counters that older files lack and that are not used here.
COUNTER = "num_batches_tracked"


def load_weights(
    backbone: nn.Module, name: str, source: str | Path, cache: Path | None = None
) -> None:
    """Load weights into a backbone.

    Args:
        backbone: network of that name.
        name: one of `BACKBONES`.
        source: "none" keeps the random initial weights. "imagenet" uses the published weights,
            downloaded once and kept in the cache. Otherwise a file: a state dict as `.pth` or
            `.pt` (only tensors are unpickled) or `.safetensors`, or the published `.npz` of
            MobileNetV2. It must hold all tensors of the backbone and no others, except for a
            classifier named `fc`.
        cache: folder whose sub-folder `weights` holds downloads; None for the common cache.

    Raises:
        InputError: the file is missing, damaged or of another network; or nothing to download.
    """
    if str(source) == "none":
        return
    if str(source) == "imagenet":
        file = _published(name, (cache or cache_folder().parent) / "weights")
    else:
        file = Path(source)
    if not file.is_file():
        raise InputError(f"--weights {source}: expected imagenet, none or a file, found no file")
    if file.suffix == ".npz":
        _fill_from_npz(backbone, name, file)
    else:
        _fill(backbone, name, file, _state_dict(file))


def _published(name: str, folder: Path) -> Path:
    """The file of published weights in a folder, downloaded if it is missing."""
    url = BACKBONES[name].url
    if url is None:
        known = " and ".join(name for name, kind in BACKBONES.items() if kind.url)
        raise InputError(
            f"--weights imagenet: there are downloads for {known} only; "
            f"for {name} expected a file or none"
        )
    file = folder / url.rpartition("/")[2]
    start = file.stem.rpartition("-")[2]
    if not file.exists():
        _download(url, file, f"sha256:{start}")
    elif not verified_digest(file, f"sha256:{start}"):
        raise InputError(
            f"{file}: expected a SHA-256 that begins {start}, found another; remove the file"
        )
    return file


def _download(url: str, file: Path, known: str) -> None:
    console = Console(stderr=True)
    try:
        with download_progress(console, file.name) as show:
            fetch_file(url, file, known, "in its name", show, partial(print_plain, console))
    except InputError as error:
        raise InputError(f"--weights imagenet: {error}; or pass --weights none") from error
    except OSError as error:
        raise InputError(
            f"--weights imagenet: cannot write {file} ({error.strerror or error}); put the file "
            f"from {url} there, or pass --weights none"
        ) from error


def _state_dict(file: Path) -> dict[str, Tensor]:
    """Names and tensors of a file, without the levels and prefixes that wrappers add."""
    if file.suffix not in (*PICKLED, ".safetensors"):
        kinds = ", ".join((*PICKLED, ".safetensors"))
        raise InputError(f"{file}: expected a file that ends in {kinds} or .npz")
    content = _unpickled(file) if file.suffix in PICKLED else _safe(file)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    tensors = isinstance(content, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )
    if not tensors or not content:
        raise InputError(f"{file}: expected a state dict of tensors, found something else")
    prefix = "module." if all(key.startswith("module.") for key in content) else ""
    return {key.removeprefix(prefix): value for key, value in content.items()}


def _unpickled(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    # A damaged file can make the reader raise anything; the user gets one line.
    except Exception as error:
        raise InputError(
            f"{file}: expected a file of torch.save with tensors alone, found one that is damaged "
            f"or holds other objects, which are not loaded ({type(error).__name__})"
        ) from error


def _safe(file: Path) -> Any:
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{file}: expected a safetensors file ({error})") from error


def _fill_from_npz(backbone: nn.Module, name: str, file: Path) -> None:
    if not isinstance(backbone, MobileNetV2):
        raise InputError(f"{file}: .npz files hold mobilenet_v2, expected weights of {name}")
    try:
        fill_mobilenet_v2(backbone, file)
    except (OSError, ValueError) as error:
        raise InputError(" ".join(str(error).split())) from error


def _fill(backbone: nn.Module, name: str, file: Path, found: Mapping[str, Tensor]) -> None:
    own = backbone.state_dict()
    found = {key: value for key, value in found.items() if not key.startswith(CLASSIFIER)}
    counters = {key: value for key, value in own.items() if key.endswith(COUNTER)}
    wrong = _mismatch(own, {**counters, **found})
    if wrong:
        raise InputError(f"{file}: expected weights of {name}, found {'; '.join(wrong)}")
    infinite = [key for key, value in found.items() if not value.isfinite().all()]
    if infinite:
        raise InputError(f"{file}: expected finite weights, found others in {_first(infinite)}")
    backbone.load_state_dict({**counters, **found})


def _mismatch(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Phrases on missing, unexpected and wrongly shaped tensors, one of each kind."""
    shapes = [
        f"{key} of shape {list(found[key].shape)} for {list(value.shape)}"
        for key, value in own.items()
        if key in found and found[key].shape != value.shape
    ]
    kinds = (
        ("missing", [key for key in own if key not in found]),
        ("unexpected", [key for key in found if key not in own]),
        ("wrong", shapes),
    )
    return [f"{kind} {_first(keys)}" for kind, keys in kinds if keys]


def _first(names: list[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more
