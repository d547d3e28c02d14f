"""A trained F, G and T in a run folder: written when training ends, read by later commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from irtheory.intersection.network import Network
from irtheory.runs.files import InputError, write_bytes, write_json, write_text
from irtheory.runs.folder import CONFIG
from irtheory.runs.options import from_content
from irtheory.trees.tree import Tree
from irvision.data.examples import Part
from irvision.data.pixels.ranges import Ranges, read_ranges
from irvision.data.registry import is_known
from irvision.methods.contract import image_methods, make_network
from irvision.models.backbones.registry import BACKBONES
from irvision.runs.checkpoint import check_shapes
from irvision.runs.key import key_text
from irvision.runs.leaf_counts import Counts, write_leaf_counts
from irvision.runs.named_tree import name_tree
from irvision.runs.names import CLASSES, KEY, LEAVES, RESULT, TREE, WEIGHTS
from irvision.runs.reader import read_classes, read_kept, read_result, read_tree
from irvision.settings.train import TrainSettings

FILES = (WEIGHTS, TREE, KEY, LEAVES, CLASSES, RESULT)
# Earlier releases took the upper eight of 16 bits, whatever the values.
OF_EARLIER_RELEASES = Ranges(largest=0xFFFF)


@dataclass(frozen=True)
class Result:
    """Result of a run, the content of result.json.

    Attributes:
        kept: numbers of the kept codes, ascending.
        bits: r of the codes.
        samples: digest of the data set, see `irvision.data.examples`.
        epochs: number of epochs.
        kept_epoch: the epoch whose weights and tree these are (--keep).
        stopped: whether the stopping rule (--drops) ended the run.
        part: the images on which the following was measured, "validation" or "train".
        images: number of these images.
        accuracy_g, accuracy_t: accuracy of G and of T.
        agreement: share of images for which G and T predict the same class.
        leaves, codes_tested: number of leaves of T, and of codes that it tests.
        key_leaves: leaves of the key, in which branches that predict one class are merged, and
            those that no image reaches are left out.
        classes_named: number of classes that some leaf of T names.
        warnings: what was found odd, each with what to try.
        pixels: digest of the pixels of all samples, see `irvision.runs.samples`.
        ranges: of the values of images with more than eight bits, see
            `irvision.data.pixels.ranges`.
    """

    kept: tuple[int, ...]
    bits: int
    samples: str
    epochs: int
    kept_epoch: int
    stopped: bool
    part: str
    images: int
    accuracy_g: float
    accuracy_t: float
    agreement: float
    leaves: int
    codes_tested: int
    key_leaves: int
    classes_named: int
    warnings: tuple[str, ...]
    pixels: str
    ranges: Ranges

    def __str__(self) -> str:
        """Summary in one line."""
        return (
            f"on {self.images} {self.part} images: G {self.accuracy_g:.3f}, "
            f"T {self.accuracy_t:.3f}, they agree on {self.agreement:.3f}; T has {self.leaves} "
            f"leaves ({self.key_leaves} in its key) and tests {self.codes_tested} of "
            f"{len(self.kept)} codes"
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """The trained model of a finished run.

    Attributes:
        settings: settings of the run.
        network: G∘q∘F in eval mode, on the CPU.
        tree: T over the kept codes.
        kept: numbers of the kept codes, ascending.
        classes: names of the k classes.
        samples: digest of the data set.
        pixels: digest of its pixels; None if the run is of an earlier release.
        ranges: with which its images were decoded.
    """

    settings: TrainSettings
    network: Network
    tree: Tree
    kept: Int[np.ndarray, " kept"]
    classes: tuple[str, ...]
    samples: str
    pixels: str | None
    ranges: Ranges


def read_settings(run: Path) -> TrainSettings:
    """The settings of a run of `ira train`.

    Raises:
        InputError: no such run, or a `config.yaml` that is not what `ira train` writes.
    """
    file = run / CONFIG
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise InputError(f"{file}: expected the settings of a run ({why})") from None
    command = content.get("command") if isinstance(content, dict) else None
    if command != "train":
        raise InputError(f"{file}: expected a run of ira train, found {command!r}")
    settings = from_content(TrainSettings, content, str(file))
    if settings.backbone not in BACKBONES:
        names = ", ".join(BACKBONES)
        raise InputError(f"{file}: backbone: expected one of {names}, found {settings.backbone!r}")
    if settings.method not in image_methods():
        names = ", ".join(image_methods())
        raise InputError(f"{file}: method: expected one of {names}, found {settings.method!r}")
    return settings


def settings_content(settings: TrainSettings) -> dict[str, Any]:
    """Content of the `config.yaml` of a run with these settings."""
    return {"command": "train", **asdict(settings)}


def write_settings(run: Path, settings: TrainSettings) -> None:
    """Write the settings with which a run is resumed to its `config.yaml`."""
    text = yaml.safe_dump(settings_content(settings), sort_keys=False, allow_unicode=True)
    write_text(run / CONFIG, text)


def with_data_dir(settings: TrainSettings, folder: Path | None) -> TrainSettings:
    """The settings with the data set in another folder, or unchanged if `folder` is None.

    Args:
        settings: settings of the run.
        folder: folder of a known data set, or the folder of images itself.

    Raises:
        InputError: no folder is given, and the images are no longer where they were.
    """
    if folder is None:
        if not is_known(settings.dataset) and not Path(settings.dataset).is_dir():
            raise InputError(
                f"{settings.dataset}: expected the images of the run, found no such folder; "
                "pass --data-dir with the folder that holds them now"
            )
        return settings
    place = str(folder.resolve())
    if is_known(settings.dataset):
        return replace(settings, data_dir=place)
    return replace(settings, dataset=place)


def save_trained(
    run: Path,
    network: Network,
    tree: Tree,
    classes: Sequence[str],
    result: Result,
    counts: Mapping[Part, Counts],
) -> None:
    """Write weights, tree, key, numbers of images at leaves, names of classes, and result.

    The result comes last: a run with a result.json is finished. `counts` are images of each class
    at each node.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in _state(network)}
    write_bytes(run / WEIGHTS, save(tensors))
    write_text(run / TREE, tree.to_json([f"code {code}" for code in result.kept], classes))
    write_leaf_counts(run, tree, classes, counts)
    named = name_tree(tree, counts, classes, result.kept, result.bits)
    write_text(run / KEY, key_text(named) + "\n")
    write_json(run / CLASSES, list(classes))
    write_json(run / RESULT, asdict(result))


def load_trained(run: Path) -> Trained:
    """Read a finished run.

    Raises:
        InputError: the run is not finished, or a file of it is damaged or does not fit.
    """
    settings = read_settings(run)
    if not (run / RESULT).is_file():
        raise InputError(f"{run}: not finished; run `ira train --resume {run}` first")
    tree = read_tree(run)
    classes = read_classes(run, tree.n_outputs)
    kept = np.array(read_kept(run, tree.n_features), dtype=np.int64)
    if kept[-1] >= settings.dim:
        raise InputError(
            f"{run / RESULT}: kept: expected codes 0 … {settings.dim - 1}, found {kept[-1]}"
        )
    result = read_result(run)
    samples, pixels = result.get("samples"), result.get("pixels")
    if not isinstance(samples, str):
        raise InputError(
            f"{run / RESULT}: expected samples, a digest of the data set, found {samples!r:.60}"
        )
    if not isinstance(pixels, str | None):
        raise InputError(
            f"{run / RESULT}: expected pixels, a digest of the images, found {pixels!r:.60}"
        )
    tensors = _weights(run / WEIGHTS)
    with torch.random.fork_rng(devices=[]):
        network = make_network(settings, len(classes), "none")
    check_shapes(tensors, dict(_state(network)), str(run / WEIGHTS))
    network.load_state_dict(tensors)
    ranges = _ranges(run, result)
    return Trained(settings, network.eval(), tree, kept, classes, samples, pixels, ranges)


def _ranges(run: Path, result: dict[str, Any]) -> Ranges:
    """The range of values of a run's images with more than eight bits."""
    if "ranges" not in result:
        return OF_EARLIER_RELEASES
    try:
        return read_ranges(result["ranges"])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(f"{run / RESULT}: ranges: {error}") from None


def _state(network: Network) -> list[tuple[str, torch.Tensor]]:
    return list(network.state_dict().items())


def _weights(file: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = load_file(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{file}: expected the weights of a finished run ({error})") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{file}: {name}: expected finite numbers, found others")
    return tensors
