"""Algorithm 1 on an array: makes networks, optimisers and batches for a `Method`, and trains."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int, Num, UInt8
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from irtheory.checks import check_whole
from irtheory.intersection.array_settings import ArraySettings, default_range
from irtheory.intersection.choices import Range
from irtheory.intersection.engine import Batches, Intersection
from irtheory.intersection.epoch import Epoch
from irtheory.intersection.final_tree import final_tree
from irtheory.intersection.growers import Grower
from irtheory.intersection.layers import make_head, representation
from irtheory.intersection.methods import Method
from irtheory.intersection.network import Collected, Network, collect
from irtheory.intersection.quantize import UniformQuantizer
from irtheory.intersection.scaling import FAR, ColumnScale
from irtheory.trees.tree import Tree

# Default number of epochs: enough for this many steps, and at least this many epochs.
STEPS, FEWEST_EPOCHS = 1500, 20
EVALUATION_BATCH = 4096


@dataclass(frozen=True, eq=False)
class Fitted:
    """F, G and T after training.

    Attributes:
        network: G∘q∘F in eval mode.
        kept: numbers of the kept codes, ascending; all d of them unless the method prunes.
        tree: T over the kept codes.
        records: one record for every epoch.
        width: p, number of columns of x.
    """

    network: Network
    kept: Int[np.ndarray, " kept"]
    tree: Tree
    records: tuple[Epoch, ...]
    width: int

    def apply(
        self, x: Num[np.ndarray, "m p"]
    ) -> tuple[UInt8[np.ndarray, "m kept"], Float[np.ndarray, "m k"]]:
        """Kept codes of x, and class probabilities by G.

        Raises:
            ValueError: x is not a finite array with the p columns of the training set.
        """
        seen = self._collected(x)
        return seen.codes.cpu().numpy()[:, self.kept], seen.outputs.cpu().numpy()

    def codes(self, x: Num[np.ndarray, "m p"]) -> UInt8[np.ndarray, "m d"]:
        """All d codes of x, those that are not kept among them; ValueError as for `apply`."""
        return self._collected(x).codes.cpu().numpy()

    def _collected(self, x: Num[np.ndarray, "m p"]) -> Collected:
        x = _check_inputs(x, self.width)
        inputs = _inputs(x, next(self.network.parameters()).device)
        unknown = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
        return collect(self.network, in_order(inputs, unknown)(0))


def shuffled(x: Tensor, y: Tensor, batch_size: int, seed: int) -> Batches:
    """Batches of an epoch, shuffled by the seed and the number of the epoch.

    Nothing else enters, neither global random state nor earlier epochs, so that an epoch can be
    resumed: its batches come in the same order again.
    """

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(x), generator=generator).to(x.device)
        for rows in order.split(batch_size):
            yield x[rows], y[rows]

    return batches


def in_order(x: Tensor, y: Tensor) -> Batches:
    """All samples in order, in large batches."""
    return lambda _: zip(x.split(EVALUATION_BATCH), y.split(EVALUATION_BATCH), strict=True)


def build_network(
    x: Float[Tensor, "m p"], classes: int, method: Method, settings: ArraySettings
) -> Network:
    """New F, q and G with weights drawn from torch's random state; F first scales the columns.

    Cells that are too far out to count as they are raise a warning that names their column.
    """
    scale = ColumnScale.of(x)
    _warn_of_outliers(scale, x)
    f = representation(
        x.shape[1], settings.hidden, settings.dim, settings.activation, settings.dropout
    )
    depth, levels = settings.depth(classes), 2**settings.bits
    g = make_head(method.head, settings.dim, classes, levels, settings.head_hidden, depth)
    q = UniformQuantizer(settings.bits, _range(settings))
    return Network(nn.Sequential(scale, f), q, g).to(x.device)


def _warn_of_outliers(scale: ColumnScale, x: Float[Tensor, "m p"]) -> None:
    outlying = scale.outlying(x)
    for column in outlying.nonzero()[:, 0].tolist():
        warnings.warn(
            f"x: {int(outlying[column])} of {len(x)} cells in column {column} lie more than "
            f"{FAR:g} times as far from its middle as is typical; they count as that far",
            stacklevel=4,
        )


def _range(settings: ArraySettings) -> Range:
    return default_range(settings.activation) if settings.range is None else settings.range


def fit_arrays(
    x: Num[np.ndarray, "m p"],
    y: Int[np.ndarray, " m"],
    classes: int,
    method: Method,
    settings: ArraySettings,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    on_epoch: Callable[[Epoch, Intersection], None] | None = None,
) -> Fitted:
    """Train F, G and T on x [m, p] with classes y [m] in 0 … k − 1.

    Equal arguments give equal results on CPU; torch's global random state is left unchanged.

    Args:
        x: training samples.
        y: their classes.
        classes: k.
        method: one of `irtheory.intersection.methods.METHODS`, or your own.
        settings: all other settings.
        validation: x and y of a validation set, for the records and the stopping rule.
        on_epoch: called after every epoch with its record and the engine.

    Raises:
        ValueError: x is not a finite m × p array, y is not m classes with at least two different
            ones, or there are fewer samples than classes.
        FloatingPointError: a loss is not finite.
    """
    check_whole("classes", classes, 1)
    x = _check_inputs(x)
    y = _check_labels(y, len(x), classes)
    if len(np.unique(y)) < 2:
        raise ValueError(f"y: expected two classes or more, found only class {y[0]}")
    if len(x) < classes:
        raise ValueError(f"x: expected at least {classes} samples, one per class, found {len(x)}")
    device = torch.device(settings.device)
    inputs, labels = _inputs(x, device), _labels(y, device)
    held = None if validation is None else _held_out(*validation, x.shape[1], classes, device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        network = build_network(inputs, classes, method, settings)
        steps = math.ceil(len(inputs) / settings.batch_size)
        epochs = settings.epochs
        if epochs is None:
            epochs = max(FEWEST_EPOCHS, math.ceil(STEPS / steps))
        grower = _grower(classes, method, settings)
        engine = _engine(network, method, settings, grower, steps * epochs)
        batches = shuffled(inputs, labels, settings.batch_size, settings.seed)
        records = []
        for record in engine.run(batches, epochs, held):
            records.append(record)
            if on_epoch is not None:
                on_epoch(record, engine)
    network.eval()
    seen = collect(network, in_order(inputs, labels)(0))
    assert engine.tree is not None
    tree, kept = final_tree(engine.tree, seen, method, grower)
    return Fitted(network, kept, tree, tuple(records), x.shape[1])


def _held_out(
    x: np.ndarray, y: np.ndarray, width: int, classes: int, device: torch.device
) -> Batches:
    """Batches of a validation set of that width."""
    x = _check_inputs(x, width)
    y = _check_labels(y, len(x), classes)
    return in_order(_inputs(x, device), _labels(y, device))


def _check_inputs(x: npt.ArrayLike, width: int | None = None) -> np.ndarray:
    """X as an array of finite numbers, m × width."""
    x = _numbers("x", x)
    if x.ndim != 2 or not x.size or x.shape[1] != (width or x.shape[1]):
        raise ValueError(f"x: expected an m × {width or 'p'} array, found shape {x.shape}")
    for row, column in np.argwhere(~np.isfinite(x))[:1]:
        found = f"{x[row, column]} in row {row}, column {column}"
        raise ValueError(f"x: expected finite numbers, found {found}")
    return x


def _check_labels(y: npt.ArrayLike, samples: int, classes: int) -> np.ndarray:
    """Y as an array of `samples` classes."""
    y = _numbers("y", y)
    if y.shape != (samples,):
        raise ValueError(f"y: expected {samples} classes, one per row of x, found shape {y.shape}")
    for row in np.flatnonzero((y < 0) | (y >= classes) | (y != np.floor(y)))[:1]:
        raise ValueError(f"y: expected 0 … {classes - 1}, found {y[row]} in row {row}")
    return y


def _numbers(name: str, found: npt.ArrayLike) -> np.ndarray:
    """Rows of numbers or booleans as an array; tensors and lists too."""
    try:
        array = np.asarray(found.detach().cpu() if isinstance(found, Tensor) else found)
    except ValueError as error:
        raise ValueError(f"{name}: expected equal rows, found no array ({error})") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected numbers, found dtype {array.dtype}")
    return array


def _inputs(x: np.ndarray, device: torch.device) -> Tensor:
    # Double precision until x is standardised: columns may have means far larger than their sd.
    return torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float64, device=device)


def _labels(y: np.ndarray, device: torch.device) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(y), dtype=torch.int64, device=device)


def _grower(classes: int, method: Method, settings: ArraySettings) -> Grower:
    return Grower(
        settings.depth(classes),
        settings.criterion,
        settings.min_samples_leaf,
        method.search,
    )


def _engine(
    network: Network, method: Method, settings: ArraySettings, grower: Grower, steps: int
) -> Intersection:
    optimisers = [
        AdamW(part.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        for part in (network.represent, network.classify)
    ]
    return Intersection(
        network,
        method.weights,
        grower,
        *optimisers,
        schedulers=[CosineAnnealingLR(optimiser, steps) for optimiser in optimisers],
        drops=settings.drops,
    )
