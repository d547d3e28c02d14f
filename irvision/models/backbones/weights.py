"""Loads the weights of a backbone: published ones, those of a file, or none."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console

from irtheory.runs.console import print_plain
from irtheory.runs.files import InputError
from irvision.data.download.download import fetch_file, verified_digest
from irvision.data.download.progress import download_progress
from irvision.data.pixels.cache_folder import cache_folder
from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.fitting import check_alive, check_values, find_weights
from irvision.models.backbones.mobilenet import MobileNetV2, fill_mobilenet_v2
from irvision.models.backbones.registry import BACKBONES
from irvision.models.backbones.weight_file import kind_of, read_tensors


def load_weights(
    backbone: Backbone, name: str, source: str | Path, cache: Path | None = None
) -> tuple[str, ...]:
    """Load weights into a backbone; returns notes on what was taken from the file.

    Args:
        backbone: network of that name, on the CPU.
        name: one of `BACKBONES`.
        source: "none" keeps the random initial weights. "imagenet" uses the published weights,
            downloaded once and kept in the cache. Otherwise a file, known by its content: of
            `torch.save` (only tensors are unpickled), of safetensors, or the published `.npz` of
            MobileNetV2. It must hold all tensors of the backbone, finite and dense, under one
            prefix; see `irvision.models.backbones.fitting.find_weights`.
        cache: folder whose sub-folder `weights` holds downloads; None for the common cache.

    Raises:
        InputError: the file is missing, damaged or of another network, or holds numbers that
            cannot be weights; or there is nothing to download.
    """
    if str(source) == "none":
        return ()
    if str(source) == "imagenet":
        file = _published(name, (cache or cache_folder().parent) / "weights")
    else:
        file = Path(source)
    if not file.is_file():
        raise InputError(f"--weights {source}: expected imagenet, none or a file, found no file")
    notes = _fill(backbone, name, file)
    return (*notes, *check_alive(backbone, file))


def _fill(backbone: Backbone, name: str, file: Path) -> tuple[str, ...]:
    kind = kind_of(file)
    if kind == "npz":
        _fill_from_npz(backbone, name, file)
        check_values(backbone.state_dict(), file)
        return ()
    found = find_weights(backbone.state_dict(), read_tensors(file, kind), name, file)
    check_values(found.tensors, file)
    backbone.load_state_dict(found.tensors)
    return found.notes


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


def _fill_from_npz(backbone: Backbone, name: str, file: Path) -> None:
    if not isinstance(backbone, MobileNetV2):
        raise InputError(f"{file}: .npz files hold mobilenet_v2, expected weights of {name}")
    try:
        fill_mobilenet_v2(backbone, file)
    except (OSError, ValueError) as error:
        raise InputError(" ".join(str(error).split())) from error
