"""The best epoch so far, which `--keep best` keeps, with its weights and its tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from irtheory.intersection.engine import Intersection
from irtheory.intersection.epoch import Epoch
from irtheory.trees.tree import Tree
from irvision.runs.checkpoint import check_shapes


@dataclass(frozen=True, eq=False)
class Best:
    """The epoch with the highest accuracy of T on the validation images so far.

    Of equal epochs the later one is taken: it has learned for longer. The epoch with which --drops
    ends a run is never taken, as the rule discards it.

    Attributes:
        epoch: its number.
        accuracy: of its T on the validation images.
        network: state dict of G∘q∘F after it, on the CPU.
        tree: its T as JSON.
    """

    epoch: int
    accuracy: float
    network: dict[str, Tensor]
    tree: str

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return dict(vars(self))

    def restore(self, engine: Intersection) -> None:
        """Make its weights and its tree those of the engine."""
        engine.network.load_state_dict(self.network)
        engine.set_tree(Tree.from_json(self.tree))


def better(best: Best | None, record: Epoch, engine: Intersection) -> Best | None:
    """The best epoch once another one is done, with whose state the engine is now."""
    accuracy = record.validation_t
    if engine.stopped or accuracy is None or (best is not None and accuracy < best.accuracy):
        return best
    assert engine.tree is not None
    state = engine.network.state_dict()
    network = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
    return Best(record.epoch, accuracy, network, engine.tree.to_json())


def best_of(state: Mapping[str, Any] | None, engine: Intersection) -> Best | None:
    """The best epoch of a checkpoint.

    Raises:
        InputError, ValueError, KeyError, TypeError: it is not what `Best.state_dict` returned, or
            of another network.
    """
    if state is None:
        return None
    best = Best(**state)
    check_shapes(best.network, engine.network.state_dict(), "best epoch")
    Tree.from_json(best.tree)
    return best
