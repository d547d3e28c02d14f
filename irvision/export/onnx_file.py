"""Writes a run as one ONNX file, and checks that onnxruntime gives what the run gives."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from irtheory.runs.files import InputError, write_bytes
from irvision.data.batches.augment import central_view
from irvision.export.graph import Graph
from irvision.models.network import view_of
from irvision.runs.trained import Trained

INPUT = "pixels"
OUTPUTS = ("codes", "probabilities", "class_of_tree", "values_of_tree")
# ONNX files are protocol buffers, which hold at most two gigabytes.
LARGEST = 2_000_000_000
# Images that both are compared on.
COMPARED = 16


@dataclass(frozen=True)
class Comparison:
    """How an ONNX file compares with the run on random images.

    Attributes:
        images: number of images.
        codes: share of codes that are the same.
        classes: share of images for which T names the same class.
        probabilities: largest difference of probabilities of G.
    """

    images: int
    codes: float
    classes: float
    probabilities: float


def write_onnx(trained: Trained, path: Path) -> Comparison:
    """Write F, q, G and T as an ONNX graph, once onnxruntime has been seen to agree with the run.

    Input `pixels`: uint8 [images, c, c, 3], RGB, the central c × c of an S × S picture. Outputs:
    `codes` uint8 [images, d]; `probabilities` of G and `values_of_tree`, float32 [images, k];
    `class_of_tree` int64 [images]. The metadata of the file says the rest (`about`).

    Raises:
        InputError: packages of the extra `onnx` are missing, or the run cannot be exported.
    """
    onnxruntime = _packages()
    side = view_of(trained.settings).size
    graph = Graph(trained).eval()
    content = _exported(graph, side, about(trained))
    found = _compared(onnxruntime, content, trained)
    if found.codes < 0.999 or found.classes < 1.0 or not found.probabilities < 1e-3:
        raise InputError(
            f"export: onnxruntime gives other results than the run ({found.codes:.2%} of the codes "
            f"and {found.classes:.0%} of the classes are the same); nothing was written"
        )
    write_bytes(path, content)
    return found


def about(trained: Trained) -> dict[str, str]:
    """What a user of the file must know: names, and how an image becomes its input."""
    settings, view = trained.settings, view_of(trained.settings)
    return {
        "classes": json.dumps(trained.classes),
        "kept_codes": json.dumps(trained.kept.tolist()),
        "bits": str(settings.bits),
        "resize": str(settings.resize),
        "crop": str(view.size),
        "preprocessing": (
            f"turn the image by its EXIF orientation, RGB on white, resize to {settings.resize} × "
            f"{settings.resize} pixels whatever its shape (bilinear with antialiasing), then take "
            f"the central {view.size} × {view.size} pixels; normalisation is part of the graph"
        ),
        "tree": trained.tree.to_json(
            [f"code {code}" for code in trained.kept.tolist()], trained.classes
        ),
    }


def _packages() -> Any:
    """The module onnxruntime; InputError without the packages of the extra."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--to: ONNX files need the packages of the extra `onnx` ({error}); "
            "run `pip install 'ira[onnx]'`"
        ) from None
    return onnxruntime


def _exported(graph: Graph, side: int, metadata: dict[str, str]) -> bytes:
    import onnx

    size = sum(t.numel() * t.element_size() for t in graph.state_dict().values())
    if size > LARGEST:
        raise InputError(f"export: expected weights of at most {LARGEST:,} bytes, found {size:,}")
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with _silent():
        program = torch.onnx.export(
            graph, (example,), dynamo=True, verbose=False, external_data=False,
            input_names=[INPUT], output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("images", min=1)},),
        )  # fmt: skip
    assert program is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        program.save(str(file), external_data=False)
        model = onnx.load(str(file))
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@contextlib.contextmanager
def _silent():
    """Without the exporter's own reports of its steps, which concern its authors."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _compared(onnxruntime: Any, content: bytes, trained: Trained) -> Comparison:
    """Onnxruntime beside the network and the tree themselves, not beside what was traced."""
    view = view_of(trained.settings)
    pixels = _noise(view.size)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    codes, probabilities, classes, _ = session.run(None, {INPUT: pixels})
    with torch.inference_mode():
        own = trained.network.codes(central_view(torch.from_numpy(pixels), view))
        outputs = trained.network.logits(own).softmax(dim=1).numpy()
    by_t = trained.tree.predict(own.numpy()[:, trained.kept]).argmax(1)
    return Comparison(
        COMPARED,
        float((codes == own.numpy()).mean()),
        float((classes == by_t).mean()),
        float(np.abs(probabilities - outputs).max()),
    )


def _noise(side: int) -> UInt8[np.ndarray, "b c c 3"]:
    """Random images with structures of all sizes, so that codes differ between them."""
    rng = np.random.default_rng(0)
    total = np.zeros((COMPARED, side, side, 3))
    for cells in (2, 4, 8, side):
        coarse = rng.normal(size=(COMPARED, cells, cells, 3))
        where = np.arange(side) * cells // side
        total += coarse[:, where][:, :, where]
    low, high = total.min(), total.max()
    return (255 * (total - low) / (high - low)).round().astype(np.uint8)
