"""Runs → the file of their report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irtheory.runs.files import InputError, write_text
from irtheory.runs.outputs import check_output
from irvision.report.page import page, report_page
from irvision.report.sections import COMPARISON, SECTIONS
from irvision.report.source import ReportRun, read_report_run
from irvision.runs.names import REPORT

MOST_RUNS = 8


def write_report(
    folders: Sequence[Path], out: Path | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write the report of a run, or the comparison of several.

    Args:
        folders: of finished runs of `ira train`, one to eight.
        out: file to write; None is report.html in the folder of the run, or report-RUN2-… in the
            folder of the first of several.
        overwrite: replace an `out` that is there; the run's own report is always replaced.

    Returns:
        file, bytes, sections (their keys), pictures (their number) and notes.

    Raises:
        InputError: a run that cannot be read, the same one twice, or a file that cannot be written.
    """
    _check(folders, out, overwrite)
    runs = [read_report_run(folder) for folder in folders]
    path = out or folders[0] / _file_name(runs)
    if len(runs) == 1:
        made = [make(runs[0]) for make in SECTIONS]
        sections = [section for section in made if section is not None]
        text, notes = report_page(runs[0], sections), runs[0].notes
    else:
        made = [make(runs, path.parent) for make in COMPARISON]
        sections = [section for section in made if section is not None]
        notes = tuple(f"{run.name}: {note}" for run in runs for note in run.notes)
        text = page(" · ".join(run.name for run in runs), "Runs compared", notes, sections, {}, {})
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot write there ({error.strerror})") from error
    pictures = {row for section in sections for row in section.pictures}
    return {
        "file": str(path),
        "bytes": len(text.encode()),
        "sections": [section.key for section in sections],
        "pictures": len(pictures),
        "notes": list(notes),
    }


def _check(folders: Sequence[Path], out: Path | None, overwrite: bool) -> None:
    if len(folders) > MOST_RUNS:
        raise InputError(f"RUN: expected at most {MOST_RUNS} runs, found {len(folders)}")
    seen: dict[Path, Path] = {}
    for folder in folders:
        if (twin := seen.setdefault(folder.resolve(), folder)) is not folder:
            raise InputError(f"RUN: expected different runs, found {twin} and {folder}")
    if out is None:
        return
    if not out.is_dir() and out.suffix.casefold() not in (".html", ".htm"):
        raise InputError(f"--out {out}: expected a name that ends in .html")
    for folder in folders:
        check_output(out, overwrite, folder, "report*.html")


def _file_name(runs: Sequence[ReportRun]) -> str:
    """report.html, or report-against-RUN2-RUN3.html."""
    if len(runs) == 1:
        return REPORT
    stem, _, kind = REPORT.partition(".")
    return f"{stem}-against-{'-'.join(run.name for run in runs[1:])}"[:200] + f".{kind}"
