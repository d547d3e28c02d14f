"""A trained F, G and T in a run folder: written once training is over, read by all that follows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from irtheory.network import Network
from irtheory.runs import CONFIG, InputError, write_bytes, write_json, write_text
from irtheory.trees.export import to_key
from irtheory.trees.merge import merge_same_class
from irtheory.trees.tree import Tree
from irvision.backbones.registry import BACKBONES
from irvision.checkpoint import check_shapes
from irvision.data.registry import is_known
from irvision.methods.contract import image_methods
from irvision.models import make_network
from irvision.settings import TrainSettings, settings_from

WEIGHTS, TREE, CLASSES, RESULT = "weights.safetensors", "tree.json", "classes.json", "result.json"
KEY = "key.txt"
FILES = (WEIGHTS, TREE, KEY, CLASSES, RESULT)


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        kept: the codes that count, ascending.
        samples: digest of the data set, see `irvision.data.identity`.
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
    settings = settings_from(content, str(file))
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
    """The same with the data set in another folder."""
    if folder is None:
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
    try:
        classes, result = tuple(map(str, _json(run / CLASSES))), _json(run / RESULT)
        samples = str(result["samples"])
        tree = Tree.from_json((run / TREE).read_text(encoding="utf-8"))
        kept = np.array(result["kept"], dtype=np.int64)
        tensors = load_file(run / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{run}: expected the files of a finished run ({error})") from None
    with torch.random.fork_rng(devices=[]):
        network = make_network(settings, len(classes), "none")
    check_shapes(tensors, dict(_state(network)), str(run / WEIGHTS))
    network.load_state_dict(tensors)
    return Trained(settings, network.eval(), tree, kept, classes, samples)


def _state(network: Network) -> list[tuple[str, torch.Tensor]]:
    return list(network.state_dict().items())


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: expected JSON ({error})") from None
