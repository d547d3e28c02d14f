"""Build network, optimisers, batches and engine of a run from its settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from rich.console import Console
from torch import nn

from irtheory.intersection.balance import class_weights
from irtheory.intersection.engine import Batches, Intersection
from irtheory.intersection.growers import Grower
from irtheory.intersection.network import Network
from irtheory.runs.files import InputError
from irvision.data.batches.loader import batch_bounds, evaluation_batches, training_batches
from irvision.data.batches.material import Material
from irvision.methods.contract import assemble, image_method, make_network
from irvision.models.frozen import (
    feature_batches,
    features_in_order,
    features_of,
    weights_digest,
)
from irvision.models.network import (
    Frozen,
    compile_f,
    make_backbone,
    make_neck,
    view_of,
)
from irvision.runtime.device import Runtime, autocast
from irvision.runtime.processes import averaged_f, parallelise
from irvision.settings.train import TrainSettings
from irvision.training.balance import smallest_leaf
from irvision.training.jigsaw import progressive_steps
from irvision.training.optimisers import optimisers, schedulers

# Rows of frozen features in one forward pass during evaluation.
EVALUATION_ROWS = 256


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that a run trains with.

    Attributes:
        engine: Algorithm 1.
        grower: grows T of the result.
        network: G∘q∘F from images to logits. With a frozen backbone the engine trains only what
            follows the backbone; both networks share these modules.
        train, validation: batches of the engine; `validation` is None without a validation set.
        fit: the training samples in order, without augmentation, as input of the engine's network.
        steps: batches in an epoch.
        backbone: digest of a frozen backbone's weights, which checkpoints do not hold.
    """

    engine: Intersection
    grower: Grower
    network: Network
    train: Batches
    validation: Batches | None
    fit: Batches
    steps: int
    backbone: str = ""


def set_up(
    settings: TrainSettings,
    material: Material,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
) -> Setup:
    """Build the network and the engine; sets torch's random state from the seed and draws from it.

    Raises:
        InputError: options that exclude each other, weights that cannot be read, or a class
            without a training image that can be read.
    """
    rows, validation_rows = material.rows("train"), material.rows("validation")
    _check_classes(material)
    if not len(validation_rows) and (settings.keep == "best" or settings.drops is not None):
        option = "--drops" if settings.drops is not None else "--keep best"
        raise InputError(f"{option}: expected validation images, found none")
    torch.manual_seed(settings.seed)
    if settings.freeze_backbone:
        return _set_up_frozen(settings, material, runtime, cache_dir, console)
    classes, labels = len(material.examples.classes), material.examples.labels[rows]
    network = make_network(settings, classes, settings.weights).to(runtime.device)
    view, pictures = view_of(settings), material.pictures
    drawn = settings.balance == "sampler"
    train = training_batches(pictures, rows, view, settings.batch_size, settings.seed, drawn)
    validation = None
    if len(validation_rows):
        validation = evaluation_batches(pictures, validation_rows, view, settings.images_at_once)
    fit = evaluation_batches(pictures, rows, view, settings.images_at_once)
    steps = len(batch_bounds(len(rows), settings.batch_size, runtime.world))
    engine, grower = _engine(settings, network, classes, labels, steps, runtime)
    return Setup(engine, grower, network, train, validation, fit, steps)


def _check_classes(material: Material) -> None:
    """InputError if no training image of a class could be read."""
    examples = material.examples
    listed, readable = (examples.labels[each.rows("train")] for each in (examples, material))
    for label in np.setdiff1d(listed, readable):
        raise InputError(
            f"{examples.classes[label]}: expected training images that can be read, found none"
        )


def _set_up_frozen(
    settings: TrainSettings,
    material: Material,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
) -> Setup:
    backbone = Frozen(make_backbone(settings, settings.weights)).to(runtime.device)
    features = features_of(settings, material, backbone, cache_dir, console)
    rows, validation_rows = material.rows("train"), material.rows("validation")
    classes, labels = len(material.examples.classes), material.pictures.labels
    neck = make_neck(settings, torch.cat([features.plain[rows], features.mirrored[rows]]))
    head = assemble(neck, settings, classes).to(runtime.device)
    whole = Network(nn.Sequential(backbone, head.represent), head.quantize, head.classify)
    mirrored = settings.flip > 0
    size, drawn = settings.batch_size, settings.balance == "sampler"
    train = feature_batches(features, labels, rows, size, settings.seed, mirrored, drawn)
    fit = features_in_order(features, labels, rows, EVALUATION_ROWS)
    validation = None
    if len(validation_rows):
        validation = features_in_order(features, labels, validation_rows, EVALUATION_ROWS)
    own = material.examples.labels[rows]
    samples = np.tile(own, 1 + mirrored)
    steps = math.ceil(len(samples) / size)
    engine, grower = _engine(settings, head, classes, samples, steps, runtime)
    # T of the result is grown on the images as they are; an epoch holds mirrored ones as well.
    grower = replace(grower, min_samples_leaf=smallest_leaf(settings, own))
    digest = weights_digest(backbone)
    return Setup(engine, grower, whole, train, validation, fit, steps, digest)


def _engine(
    settings: TrainSettings,
    network: Network,
    classes: int,
    labels: Int[np.ndarray, " m"],
    steps: int,
    runtime: Runtime,
) -> tuple[Intersection, Grower]:
    """The engine, and the grower of T of the result; `labels` are those of an epoch's samples."""
    method, balance = image_method(settings.method).training, settings.balance
    leaf = smallest_leaf(settings, labels)
    # With a sampler the samples of an epoch are balanced already.
    grower = Grower(
        settings.depth, settings.criterion, leaf, method.search, balanced=balance == "weights"
    )
    weights = None
    if balance == "weights":
        weights = class_weights(torch.from_numpy(labels).long(), classes).to(runtime.device)
    parallel, processes = parallelise(network, runtime, in_parts=settings.progressive)
    optimise_f, optimise_g = optimisers(network, settings)
    before_step = None
    if settings.progressive:
        before_step = progressive_steps(
            averaged_f(parallel),
            optimise_f,
            autocast(runtime),
            settings.accumulate,
            processes.broadcast,
            weights,
        )
    if settings.compile:
        compile_f(network)
    if runtime.rank:
        # Processes draw different dropout masks; initial weights were drawn from the same state.
        torch.manual_seed(settings.seed + 7919 * runtime.rank)
    engine = Intersection(
        parallel,
        settings.lambdas,
        grower,
        optimise_f,
        optimise_g,
        schedulers=schedulers((optimise_f, optimise_g), settings, steps * settings.epochs),
        precision=autocast(runtime),
        drops=settings.drops,
        chunks=settings.accumulate,
        label_smoothing=settings.label_smoothing,
        class_weights=weights,
        before_step=before_step,
        processes=processes,
    )
    return engine, replace(grower, balanced=balance != "none")
