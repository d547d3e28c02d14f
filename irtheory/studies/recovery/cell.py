"""One cell: draw a world, train on it, and measure recovery on its test sample."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from irtheory.fidelity import FeatureFidelity, feature_fidelity
from irtheory.intersection.arrays import Fitted, fit_arrays, in_order
from irtheory.intersection.engine import Intersection
from irtheory.intersection.epoch import Epoch
from irtheory.intersection.network import collect
from irtheory.intersection.quantize import binarize
from irtheory.problems.worlds import World, draw_world
from irtheory.runs.files import json_text, write_json
from irtheory.studies.recovery.grid import VERSION, Cell
from irtheory.trees.tree import Tree

Codes = UInt8[np.ndarray, "m d"]
Attributes = Bool[np.ndarray, "m n"]


@dataclass(frozen=True)
class Moment:
    """The state after one epoch; accuracies and recovery on the test sample.

    Attributes:
        label_loss: mean L[G, y] of the epoch.
        tree_loss: mean L[G, T]; None in the first epoch.
    """

    epoch: int
    label_loss: float
    tree_loss: float | None
    accuracy_g: float
    accuracy_t: float
    recovered_by_tree: float
    recovered_by_codes: float


@dataclass(frozen=True)
class AttributeRecovery:
    """Best r̂ of an attribute that t uses, with the codes of T and with all kept codes.

    Attributes:
        observability: exact probability that a sample reaches a node of t that tests it.
    """

    attribute: int
    observability: float
    by_tree: float
    by_codes: float


@dataclass(frozen=True)
class Measured:
    """The measurements of one cell, on the test sample, for the attributes that t uses.

    Attributes:
        accuracy_g, accuracy_t, agreement: of G, of T, and the share on which both agree.
        recovered_by_tree: d_D(f‖g), g the binarised codes that T tests; 0 if it tests none.
        recovered_by_codes: the same for all kept codes.
        features_by_attributes, score: d_D(g‖f) and d_D(f; g) of all kept codes.
        constant_code: what one constant code scores for d_D(f‖g), mean of 2p/(1 + p).
        leaves, codes_used: of T, and how many codes it tests.
        kept: number of codes kept.
        density: share of kept codes that are not 0.
        seconds: to draw, train and measure.
        attributes: one entry for every attribute that t uses.
        moments: one per epoch, if the cell asks for it.
        by_codes_without_constant, by_codes_with_constant: d_D(f‖g) of all d codes of the network,
            without those that are constant on the training sample, and with them. Only some
            methods drop such codes, so that methods are compared in these columns. None in cells
            of version 0.1.
        score_without_constant, score_with_constant: d_D(f; g) of the same.
    """

    accuracy_g: float
    accuracy_t: float
    agreement: float
    recovered_by_tree: float
    recovered_by_codes: float
    features_by_attributes: float
    score: float
    constant_code: float
    leaves: int
    codes_used: int
    kept: int
    density: float
    seconds: float
    attributes: tuple[AttributeRecovery, ...]
    moments: tuple[Moment, ...] = ()
    by_codes_without_constant: float | None = None
    by_codes_with_constant: float | None = None
    score_without_constant: float | None = None
    score_with_constant: float | None = None


@dataclass(frozen=True)
class Failed:
    """A cell that ended in an error, and the error's message."""

    message: str


def run_cell(cell: Cell) -> Measured:
    """Draw, train on one torch thread, measure; the same cell gives the same result, except time.

    Raises:
        FloatingPointError: a loss is not finite.
        ValueError: the world has fewer than two classes.
    """
    start = time.perf_counter()
    world = draw_world(cell.world, cell.seed)
    x, y, k = world.train.x, world.train.labels, world.n_classes
    moments: list[Moment] = []
    watch = _watch(world, cell.array.bits, moments) if cell.dynamics else None
    with _one_thread(), warnings.catch_warnings():
        # Constant codes are a result here, and counted.
        warnings.filterwarnings("ignore", message=".*codes are constant over")
        fitted = fit_arrays(x, y, k, cell.method, cell.array, on_epoch=watch)
    return _measure(world, fitted, cell.array.bits, start, tuple(moments))


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _watch(world: World, bits: int, moments: list[Moment]) -> Callable[[Epoch, Intersection], None]:
    """A callback that appends the moment of every epoch to `moments`."""
    test, f = world.test, _used_attributes(world)
    x = torch.as_tensor(test.x, dtype=torch.float64)
    batches = in_order(x, torch.as_tensor(test.labels))

    def watch(record: Epoch, engine: Intersection) -> None:
        seen, tree = collect(engine.network, batches(0)), engine.tree
        assert tree is not None
        codes = seen.codes.numpy()
        by_t, _ = _by_tree(f, codes, tree, bits)
        every = feature_fidelity(f, binarize(codes, bits)).attributes_by_features
        losses = record.losses["label"], record.losses["tree"]
        moments.append(
            Moment(
                record.epoch,
                losses[0],
                losses[1] if np.isfinite(losses[1]) else None,
                *seen.accuracies(tree)[:2],
                recovered_by_tree=by_t,
                recovered_by_codes=every,
            )
        )

    return watch


def _used_attributes(world: World) -> Attributes:
    """The attributes of the test sample that t tests."""
    return world.test.attributes[:, list(world.used)]


def _by_tree(f: Attributes, codes: Codes, tree: Tree, bits: int) -> tuple[float, Sequence[float]]:
    """d_D(f‖g) of the codes that T tests, and its part of every attribute."""
    if not tree.used_features:
        return 0.0, [0.0] * f.shape[1]
    own = feature_fidelity(f, binarize(codes[:, list(tree.used_features)], bits))
    return own.attributes_by_features, own.per_attribute.tolist()


def _measure(
    world: World, fitted: Fitted, bits: int, start: float, moments: tuple[Moment, ...]
) -> Measured:
    codes, outputs = fitted.apply(world.test.x)
    f, y, tree = _used_attributes(world), world.test.labels, fitted.tree
    by_g, by_t = outputs.argmax(axis=1), tree.predict(codes).argmax(axis=1)
    every = feature_fidelity(f, binarize(codes, bits))
    own, own_each = _by_tree(f, codes, tree, bits)
    share = f.mean(axis=0)
    without, both = _without_and_with_constant(world, fitted, f, bits)
    return Measured(
        accuracy_g=float((by_g == y).mean()),
        accuracy_t=float((by_t == y).mean()),
        agreement=float((by_g == by_t).mean()),
        recovered_by_tree=own,
        recovered_by_codes=every.attributes_by_features,
        features_by_attributes=every.features_by_attributes,
        score=every.score,
        constant_code=float((2 * share / (1 + share)).mean()),
        leaves=tree.n_leaves,
        codes_used=len(tree.used_features),
        kept=codes.shape[1],
        density=float((codes > 0).mean()),
        seconds=time.perf_counter() - start,
        attributes=_each(world, own_each, every),
        moments=moments,
        by_codes_without_constant=without.attributes_by_features,
        by_codes_with_constant=both.attributes_by_features,
        score_without_constant=without.score,
        score_with_constant=both.score,
    )


def _without_and_with_constant(
    world: World, fitted: Fitted, f: Attributes, bits: int
) -> tuple[FeatureFidelity, FeatureFidelity]:
    """Fidelity of all d codes, without those that are constant in training, and with them."""
    train, test = fitted.codes(world.train.x), fitted.codes(world.test.x)
    varies = (train != train[:1]).any(axis=0)
    # Where all are constant, one is scored: there is nothing else.
    varies[0] |= not varies.any()
    found = (feature_fidelity(f, binarize(g, bits)) for g in (test[:, varies], test))
    return next(found), next(found)


def _each(
    world: World, by_tree: Sequence[float], every: FeatureFidelity
) -> tuple[AttributeRecovery, ...]:
    return tuple(
        AttributeRecovery(i, float(world.observability[i]), own, best)
        for i, own, best in zip(world.used, by_tree, every.per_attribute.tolist(), strict=True)
    )


def write_cell(folder: Path, cell: Cell, measured: Measured) -> None:
    """Write <key>.json in one piece: the settings and the measurements."""
    content = {"version": VERSION, "cell": cell.content(), "measured": asdict(measured)}
    write_json(folder / f"{cell.key}.json", content)


def read_cell(folder: Path, cell: Cell) -> Measured | None:
    """The measurements of an earlier run for this cell; None without a readable file of it."""
    try:
        content: Any = json.loads((folder / f"{cell.key}.json").read_text(encoding="utf-8"))
        if content["cell"] != json.loads(json_text(cell.content())):
            return None
        found = content["measured"]
        return Measured(
            **{
                **found,
                "attributes": tuple(AttributeRecovery(**each) for each in found["attributes"]),
                "moments": tuple(Moment(**each) for each in found["moments"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
