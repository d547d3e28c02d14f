"""Small finished runs, drawn from a seed and written as `ira train` and `ira evaluate` do."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from irtheory.runs.files import write_bytes, write_json, write_text
from irtheory.runs.folder import open_run
from irtheory.trees.tree import Tree
from irvision.data.examples import PARTS, Attributes, Part
from irvision.data.pixels.ranges import Ranges
from irvision.evaluation.choice import choose
from irvision.evaluation.files import write_evaluation
from irvision.evaluation.predictions import scored_images
from irvision.evaluation.scores import evaluate
from irvision.evaluation.subject import Predictions, Subject
from irvision.runs.gallery import Gallery, write_gallery
from irvision.runs.key import key_text
from irvision.runs.leaf_counts import write_leaf_counts
from irvision.runs.named_tree import name_tree
from irvision.runs.names import CLASSES, KEY, METRICS, RESULT, TREE, WEIGHTS
from irvision.runs.scored_images import scored_digest
from irvision.runs.trained import Result, settings_content
from irvision.settings.train import TrainSettings
from irvision.training.recipes import resolve

# Names that would break a page if they were not treated as text.
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m",
    "a \"double\" and 'single' quote & ampersand",
    '"><img src=x onerror=alert(1)>',
    "</noscript></title><svg onload=alert(1)>",
    "two\u2028lines",
    "x" * 300,
    "{{ 7*7 }} {% raw %}",
)


@dataclass(frozen=True)
class Made:
    """What a run is drawn from; names of classes are "class 0", … unless they are given."""

    classes: int = 6
    depth: int = 4
    codes: int = 12
    images: int = 240
    bits: int = 1
    attributes: bool = True
    evaluated: bool = True
    pictures: int = 1500
    names: tuple[str, ...] = ()
    side: int = 24
    noise: float = 0.04
    confused: float = 0.0
    seed: int = 0


def make_run(folder: Path, made: Made = Made()) -> Subject:
    """Write a finished run; returns what it was scored on."""
    rng = np.random.default_rng(made.seed)
    signatures = rng.integers(0, 2**made.bits, (made.classes, made.codes))
    kept = np.delete(np.arange(made.codes), 1)
    tree = _grown(rng, signatures[:, kept], np.arange(made.classes), made, 0)
    subject = _subject(rng, signatures, tree, kept, made)
    given = {"dataset": "beetles", "dim": made.codes, "bits": made.bits}
    settings = resolve(given, on_gpu=False, classes=made.classes)
    open_run(folder, settings_content(settings), False, made.seed)
    _write_trained(folder, settings, subject, made)
    if made.evaluated:
        images = _names(subject, made)
        write_evaluation(folder, evaluate(subject, 2, 10, made.seed), subject, images)
        if made.pictures:
            _write_pictures(folder, rng, subject, images, made)
    return subject


def _grown(
    rng: np.random.Generator, signatures: np.ndarray, classes: np.ndarray, made: Made, depth: int
) -> Tree:
    """A tree that parts classes by codes chosen at random."""
    value = np.bincount(classes, minlength=made.classes) / max(len(classes), 1)
    varied = np.flatnonzero(np.ptp(signatures[classes], axis=0)) if len(classes) else []
    if depth == made.depth or not len(varied):
        return Tree.leaf(value, len(classes), signatures.shape[1])
    code = int(rng.choice(varied))
    found = signatures[classes, code]
    threshold = float(rng.choice(np.unique(found)[:-1])) + 0.5
    sides = classes[found <= threshold], classes[found > threshold]
    low, high = (_grown(rng, signatures, side, made, depth + 1) for side in sides)
    return Tree.grow(code, threshold, low, high, value, len(classes))


def _subject(
    rng: np.random.Generator, signatures: np.ndarray, tree: Tree, kept: np.ndarray, made: Made
) -> Subject:
    parts: dict[Part, Predictions] = {}
    attributes: dict[Part, Attributes] = {}
    words = tuple(f"attribute {HOSTILE[i] if made.names else i}" for i in range(5))
    for part in PARTS:
        labels = rng.permutation(np.arange(made.images) % made.classes)
        clean = signatures[labels].astype(float)
        levels = np.clip(clean + rng.normal(0, 0.12, clean.shape), -0.4, 2**made.bits - 0.6)
        flipped = rng.random(clean.shape) < made.noise
        levels = np.where(flipped, 2**made.bits - 1 - levels, levels).astype(np.float16)
        codes = np.round(levels).clip(0, 2**made.bits - 1).astype(np.uint8)
        outputs = rng.dirichlet(np.full(made.classes, 0.05), made.images).astype(np.float32) * 0.3
        favoured = labels
        if made.confused:
            other = rng.random(made.images) < made.confused
            favoured = np.where(other, (labels + 1) % made.classes, labels)
        outputs[np.arange(made.images), favoured] += 0.35
        outputs /= outputs.sum(1, keepdims=True)
        parts[part] = Predictions(codes, outputs, labels, levels)
        if made.attributes:
            values = (codes[:, : len(words)] > 0).astype(float)
            wrong = rng.random(values.shape) < 0.05
            attributes[part] = Attributes(words, np.where(wrong, 1 - values, values))
    names = made.names or tuple(f"class {label}" for label in range(made.classes))
    return Subject(tree, kept, made.bits, names, parts, attributes)


def _names(subject: Subject, made: Made) -> dict[Part, list[str]]:
    odd = "<b>\x1b[1m\udcff" if made.names else ""
    return {part: [f"{odd}{part}/{i}.png" for i in range(made.images)] for part in subject.parts}


def _write_trained(folder: Path, settings: TrainSettings, subject: Subject, made: Made) -> None:
    counts, names, kept = subject.counts(), subject.classes, subject.kept.tolist()
    named = name_tree(subject.tree, counts, names, kept, made.bits)
    write_bytes(folder / WEIGHTS, b"")
    write_text(folder / TREE, subject.tree.to_json([f"code {code}" for code in kept]))
    write_leaf_counts(folder, subject.tree, names, counts)
    write_text(folder / KEY, key_text(named) + "\n")
    write_json(folder / CLASSES, list(names))
    rows = [_epoch(epoch) for epoch in range(1, 6)]
    write_text(folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))
    short = named.short.tree
    result = Result(
        tuple(kept), made.bits, "samples", 5, 5, False, "validation", made.images, 0.9, 0.85, 0.9,
        subject.tree.n_leaves, len(subject.tree.used_features), short.n_leaves, made.classes, (),
        "pixels", Ranges(),
    )  # fmt: skip
    write_json(folder / RESULT, asdict(result))


def _epoch(epoch: int) -> dict[str, object]:
    losses = {"label": 2 / epoch, "tree": None if epoch == 1 else 3 / epoch, "sparsity": 60.0}
    names = ("accuracy_g", "accuracy_t", "agreement", "validation_g", "validation_t")
    return {
        "epoch": epoch,
        "losses": losses,
        "total": sum(each or 0 for each in losses.values()),
        **{name: 1 - 0.8 / (epoch + place) for place, name in enumerate(names)},
        "validation_agreement": 0.9,
        "leaves": 8,
        "depth": 3,
        "codes_used": 6,
        "density": 0.5,
        "constant": 0.0,
        "samples": 100,
        "seconds": 1.5,
        "images_per_second": 66.7,
    }


def _write_pictures(
    folder: Path,
    rng: np.random.Generator,
    subject: Subject,
    images: dict[Part, list[str]],
    made: Made,
) -> None:
    scored = scored_images(subject, images)
    kept = subject.kept.tolist()
    named = name_tree(subject.tree, subject.counts(), subject.classes, kept, made.bits)
    choice = choose(scored, named, made.pictures)
    colours = rng.integers(40, 215, (made.classes, 3))
    pictures = {row: _picture(rng, colours[scored.labels[row]], made.side) for row in choice.rows}
    maps = {key: rng.integers(0, 256, (6, 6)).astype(np.uint8) for key in choice.mapped}
    of_code = {code: tuple(rows) for code, rows in choice.of_code.items()}
    unread = (("broken.png", "not an image"),)
    gallery = Gallery(made.side, pictures, of_code, maps, unread)
    write_gallery(folder, gallery, scored_digest(folder))


def _picture(rng: np.random.Generator, colour: Sequence[int], side: int) -> bytes:
    """A JPEG of soft spots on one colour."""
    coarse = rng.normal(np.asarray(colour), 40, (side // 4, side // 4, 3)).clip(0, 255)
    image = Image.fromarray(coarse.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()
