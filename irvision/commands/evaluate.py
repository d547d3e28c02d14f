"""`ira evaluate` behind the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from torch import nn

from irtheory.intersection.network import Network, collect
from irtheory.runs.console import make_console, print_plain, print_written
from irtheory.runs.files import InputError
from irtheory.runs.options import take
from irvision.commands.run_pictures import write_pictures
from irvision.commands.scored_samples import other_samples, own_samples
from irvision.data.batches.loader import evaluation_batches
from irvision.data.batches.material import Material
from irvision.data.examples import PARTS, Attributes, Part
from irvision.data.pixels.cache_folder import cache_folder
from irvision.evaluation.epoch_fidelity import EpochFidelity, fidelity_by_epoch
from irvision.evaluation.files import write_evaluation
from irvision.evaluation.report import print_evaluation
from irvision.evaluation.results import Evaluation
from irvision.evaluation.scores import evaluate
from irvision.evaluation.subject import Predictions, Subject
from irvision.models.frozen import features_in_order, features_of
from irvision.models.network import view_of
from irvision.runs.card import write_card
from irvision.runs.code_names import read_code_names
from irvision.runs.leaf_counts import read_leaf_counts
from irvision.runs.names import GALLERY
from irvision.runs.samples import distinct_names
from irvision.runs.trained import Trained, load_trained, with_data_dir
from irvision.runtime.device import autocast, start_runtime
from irvision.runtime.memory import report_out_of_memory
from irvision.settings.requests import EvaluateRequest
from irvision.training.setup import EVALUATION_ROWS


def evaluate_command(given: Mapping[str, Any]) -> None:
    """Score a finished run on its test images; print and write what was found.

    Args:
        given: options of the command line, by the names of `EvaluateRequest`.

    Raises:
        InputError: a run that is not finished, or a data set that is not that of the run.
    """
    request = take(EvaluateRequest, given)
    console = make_console(quiet=request.as_json)
    written = _evaluate(request, console)
    if request.as_json:
        print(written.read_text(encoding="utf-8"), end="")


def _evaluate(request: EvaluateRequest, console: Console) -> Path:
    """Score what was asked for; returns the path of the result."""
    run, null_draws, seed = request.folder, request.null_draws, request.seed
    trained = load_trained(run)
    settings = trained.settings
    # Its errors come before the work.
    read_code_names(run, settings.dim)
    if request.test is None:
        settings = with_data_dir(settings, request.data_dir)
    # A run trained in bf16 is scored in bf16 if the device supports it, else in fp32.
    runtime = start_runtime(request.device, "fp32" if settings.precision == "fp32" else None)
    cache_dir = request.cache_dir or cache_folder().parent
    advice = ": pass --device cpu" if runtime.device.type == "cuda" else ""
    with report_out_of_memory(f"out of memory on {runtime.device}{advice}"):
        if request.test is None:
            scored = own_samples(request, trained, settings, runtime, cache_dir, console)
        else:
            scored = other_samples(request, trained, runtime, cache_dir, console)
        material = scored.material
        if not (count := len(material.rows("test"))):
            raise InputError(
                f"{request.test or settings.dataset}: expected test images, found none"
            )
        print_plain(console, f"scoring {count} test images on {runtime.device}")
        trained.network.to(runtime.device)
        try:
            predictions = predict(trained, material, cache_dir, console)
        except FloatingPointError as error:
            raise InputError(
                f"{run}: its network has no codes for these images ({error})"
            ) from error
    attributes, note = scored.attributes(), ""
    subject = _subject(run, trained, material, predictions, attributes)
    with console.status("scoring codes against attributes …"):
        evaluation = evaluate(subject, null_draws, request.bootstrap, seed)
        held = _of(attributes, material.rows("validation"))
        if held is not None and scored.folder is None:
            epochs, note = _by_epoch(run, trained, held, null_draws, seed)
            evaluation = replace(evaluation, epochs=epochs)
    # Written before it is printed: a closed pipe then loses nothing.
    evaluation = _without(evaluation, scored.left_out)
    written = write_evaluation(run, evaluation, subject, _names(material), scored.folder)
    if scored.folder is None and request.pictures:
        written.append(write_pictures(run, trained, subject, material, request.pictures, console))
    if scored.folder is None and not request.pictures:
        (run / GALLERY).unlink(missing_ok=True)
    if scored.folder is None and (card := write_card(run)) is not None:
        written.append(card)
    print_evaluation(console, evaluation)
    if note:
        print_plain(console, f"· {note}")
    if scored.folder is not None:
        print_plain(console, f"wrote {run}/: {', '.join(path.name for path in written)}")
    else:
        print_written(console, run, written, shlex.join(["ira", "report", str(run)]))
    return written[0]


def _by_epoch(
    run: Path, trained: Trained, held: Attributes, null_draws: int, seed: int
) -> tuple[tuple[EpochFidelity, ...], str]:
    """Fidelity by epoch, or an empty tuple and the reason; the rest does not depend on it."""
    try:
        dim, bits = trained.settings.dim, trained.settings.bits
        epochs = fidelity_by_epoch(run, held, trained.kept, dim, bits, null_draws, seed)
    except InputError as error:
        return (), f"no curve of fidelity: {error}"
    return epochs, ""


def _without(evaluation: Evaluation, left_out: int) -> Evaluation:
    """The evaluation, with a warning if samples of the run were left out."""
    if not left_out:
        return evaluation
    sentence = f"{left_out} samples of the run have changed and are not scored"
    return replace(evaluation, left_out=left_out, warnings=(sentence, *evaluation.warnings))


def _subject(
    run: Path,
    trained: Trained,
    material: Material,
    predictions: dict[Part, Predictions],
    attributes: Attributes | None,
) -> Subject:
    annotated: dict[Part, Attributes] = {}
    for part in predictions:
        if (found := _of(attributes, material.rows(part))) is not None:
            annotated[part] = found
    trained_on = read_leaf_counts(run, trained.tree, trained.classes).get("train")
    return Subject(
        trained.tree,
        trained.kept,
        trained.settings.bits,
        trained.classes,
        predictions,
        annotated,
        None if trained_on is None else trained_on[0],
    )


def _names(material: Material) -> dict[Part, list[str]]:
    """Names of the images of each part, as in samples.csv."""
    names = distinct_names(material.examples)
    return {part: [names[row] for row in material.rows(part).tolist()] for part in PARTS}


def predict(
    trained: Trained,
    material: Material,
    cache_dir: Path,
    console: Console,
) -> dict[Part, Predictions]:
    """Codes, probabilities of G, and labels of the samples of each part that has some."""
    parts: list[Part] = [part for part in PARTS if len(material.rows(part))]
    runtime, settings = material.pictures.runtime, trained.settings
    network, labels = trained.network, material.pictures.labels
    if settings.freeze_backbone:
        assert isinstance(network.represent, nn.Sequential)
        backbone, neck = network.represent
        features = features_of(settings, material, backbone, cache_dir, console)
        network = Network(neck, network.quantize, network.classify)
        batches = [
            features_in_order(features, labels, material.rows(part), EVALUATION_ROWS)
            for part in parts
        ]
    else:
        view = view_of(settings)
        batches = [
            evaluation_batches(
                material.pictures, material.rows(part), view, settings.images_at_once
            )
            for part in parts
        ]
    found: dict[Part, Predictions] = {}
    for part, made in zip(parts, batches, strict=True):
        seen = collect(network, made(0), autocast(runtime), levels=True)
        codes, outputs, y = (t.cpu().numpy() for t in (seen.codes, seen.outputs, seen.labels))
        levels = None if seen.levels is None else seen.levels.cpu().numpy()
        found[part] = Predictions(codes, outputs, y, levels)
    return found


def _of(attributes: Attributes | None, rows: np.ndarray) -> Attributes | None:
    """The attributes of the given samples."""
    return None if attributes is None else replace(attributes, values=attributes.values[rows])
