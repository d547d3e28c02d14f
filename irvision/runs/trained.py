"""A trained F, G and T in a run folder: written once training is over, read by all that follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

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
from irtheory.trees.export import merge_same_class, to_key
from irtheory.trees.tree import Tree
from irvision.data.registry import is_known
from irvision.methods.contract import image_methods, make_network
from irvision.models.backbones.registry import BACKBONES
from irvision.runs.checkpoint import check_shapes
from irvision.settings.train import TrainSettings

WEIGHTS, TREE, CLASSES, RESULT = "weights.safetensors", "tree.json", "classes.json", "result.json"
KEY = "key.txt"
FILES = (WEIGHTS, TREE, KEY, CLASSES, RESULT)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        kept: the codes that count, ascending.
        samples: digest of the data set, see `irvision.data.examples`.
        epochs: trained.
        stopped: whether the rule of --drops ended it.
        part: on which images the rest was measured, "validation" or "train".
        images: how many.
        accuracy_g, accuracy_t, agreement: of G, of T, and how often they name the same class.
        leaves, codes_tested: of T.
        key_leaves: leaves that are left where branches that name one class are merged.
    """

    kept: tuple[int, ...]
    samples: str
    epochs: int
    stopped: bool
    part: str
    images: int
    accuracy_g: float
    accuracy_t: float
    agreement: float
    leaves: int
    codes_tested: int
    key_leaves: int

    def __str__(self) -> str:
        """In one line."""
        return (
            f"on {self.images} {self.part} images: G {self.accuracy_g:.3f}, "
            f"T {self.accuracy_t:.3f}, they agree on {self.agreement:.3f}; T has {self.leaves} "
            f"leaves ({self.key_leaves} in its key) and tests {self.codes_tested} of "
            f"{len(self.kept)} codes"
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """What a finished run holds.

    Attributes:
        settings: of the run.
        network: G∘q∘F in eval mode, on the CPU.
        tree: T over the kept codes.
        kept: the codes that count, ascending.
        classes: names of the k classes.
        samples: digest of the data set.
    """

    settings: TrainSettings
    network: Network
    tree: Tree
    kept: Int[np.ndarray, " kept"]
    classes: tuple[str, ...]
    samples: str


def read_settings(run: Path) -> TrainSettings:
    """The settings of a run of `ira train`.

    Raises:
        InputError: no such run, or a `config.yaml` that is not as it was written.
    """
    file = run / CONFIG
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        why = "it is not there" if isinstance(error, FileNotFoundError) else str(error)
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
    """What `config.yaml` holds of a run with these settings."""
    return {"command": "train", **asdict(settings)}


def write_settings(run: Path, settings: TrainSettings) -> None:
    """Bring `config.yaml` up to the settings with which a run goes on."""
    text = yaml.safe_dump(settings_content(settings), sort_keys=False, allow_unicode=True)
    write_text(run / CONFIG, text)


def moved(settings: TrainSettings, folder: Path | None) -> TrainSettings:
    """The same with the data set in another folder; for a folder of images, that folder itself.

    Raises:
        InputError: no folder is given, and the images are no longer where they were.
    """
    if folder is None:
        if not is_known(settings.dataset) and not Path(settings.dataset).is_dir():
            raise InputError(
                f"{settings.dataset}: expected the images of the run, found no such folder; "
                "pass --data-dir with the folder that they are in now"
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
    binary: bool,
) -> None:
    """Write weights, tree, key and names, and the result last: with it a run is finished.

    In the key, codes of one bit (`binary`) are present or absent.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in _state(network)}
    write_bytes(run / WEIGHTS, save(tensors))
    write_text(run / TREE, tree.to_json())
    names = [f"code {code}" for code in result.kept]
    key = to_key(merge_same_class(tree), names, classes, binary=binary)
    write_text(run / KEY, key + "\n")
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
    classes = _read(run / CLASSES, _classes)
    kept, samples = _read(run / RESULT, lambda text: _codes_and_samples(text, settings.dim))
    tree = _read(run / TREE, Tree.from_json)
    if (found := (tree.n_features, tree.n_outputs)) != (len(kept), len(classes)):
        expected = f"{len(kept)} codes and {len(classes)} classes"
        raise InputError(f"{run / TREE}: expected {expected}, found {found[0]} and {found[1]}")
    tensors = _weights(run / WEIGHTS)
    with torch.random.fork_rng(devices=[]):
        network = make_network(settings, len(classes), "none")
    check_shapes(tensors, dict(_state(network)), str(run / WEIGHTS))
    network.load_state_dict(tensors)
    return Trained(settings, network.eval(), tree, kept, classes, samples)


def _state(network: Network) -> list[tuple[str, torch.Tensor]]:
    return list(network.state_dict().items())


def _read(file: Path, understand: Callable[[str], Found]) -> Found:
    """What a text file holds; InputError that names it if it is not as it was written."""
    try:
        return understand(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{file}: expected a file of a finished run ({why})") from None


def _classes(text: str) -> tuple[str, ...]:
    names = json.loads(text)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"expected a list of names, found {names!r:.60}")
    return tuple(names)


def _codes_and_samples(text: str, dim: int) -> tuple[Int[np.ndarray, " kept"], str]:
    result = json.loads(text)
    kept = result["kept"]
    whole = isinstance(kept, list) and all(type(code) is int for code in kept)
    if not whole or not kept or kept != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= dim:
        raise ValueError(f"kept: expected codes 0 … {dim - 1}, ascending, found {kept!r:.60}")
    return np.array(kept, dtype=np.int64), str(result["samples"])


def _weights(file: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = load_file(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{file}: expected the weights of a finished run ({error})") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{file}: {name}: expected finite numbers, found others")
    return tensors
