"""`ira export`: a run as an ONNX file, or as a folder without training data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from irtheory.runs.console import make_console, print_plain, print_written
from irtheory.runs.files import InputError, json_text
from irtheory.runs.options import take
from irtheory.runs.outputs import check_output
from irvision.export.folder import copy_model
from irvision.runs.names import CARD, MODEL
from irvision.runs.trained import load_trained
from irvision.settings.requests import ExportRequest

ONNX = ".onnx"
# Endings that nobody gives a folder.
NO_FOLDERS = (
    ".txt", ".json", ".pt", ".pth", ".pkl", ".safetensors", ".pb", ".tflite", ".zip", ".onxx",
    ".csv", ".html",
)  # fmt: skip


def export_command(given: Mapping[str, Any]) -> None:
    """Export the model of a finished run.

    Args:
        given: options of the command line, by the names of `ExportRequest`.

    Raises:
        InputError: a run that is not finished, or a place that cannot be written.
    """
    request = take(ExportRequest, given)
    console = make_console(quiet=request.as_json)
    run, to = request.folder, request.to or request.folder / MODEL
    trained = load_trained(run)
    summary: dict[str, Any] = {"run": str(run), "wrote": str(to)}
    try:
        if to.suffix.casefold() == ONNX:
            overwrite = request.overwrite or request.to is None
            check_output(to, overwrite, run, MODEL, flag="--to")
            from irvision.export.onnx_file import write_onnx

            with console.status("tracing F, q, G and T …"):
                found = write_onnx(trained, to)
            print_plain(
                console,
                f"onnxruntime beside the run, on {found.images} random images: {found.codes:.2%} "
                f"of the codes and {found.classes:.0%} of the classes of T are the same",
            )
            print_plain(console, f"wrote {to}: {to.stat().st_size / 1e6:.1f} MB")
            print_plain(console, "next: onnxruntime.InferenceSession reads it; docs/export.md")
            summary |= {"onnxruntime": asdict(found)}
        elif to.suffix.casefold() in NO_FOLDERS:
            raise InputError(f"--to {to}: expected a folder or FILE.onnx")
        else:
            written = copy_model(run, to, request.overwrite)
            print_written(console, to, written, _following(to))
            summary |= {"files": sorted(path.name for path in written)}
    except OSError as error:
        raise InputError(f"--to {to}: cannot write there ({error.strerror})") from error
    if request.as_json:
        print(json_text(summary))


def _following(to: Path) -> str:
    card = f"read {to / CARD}, then " if (to / CARD).is_file() else ""
    return f"{card}{shlex.join(['ira', 'predict', str(to), 'IMAGES'])}"
