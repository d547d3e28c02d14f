"""Sections → one HTML file with its style, script, data and pictures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from irvision.data.examples import PARTS
from irvision.report.rendering import render, script_json
from irvision.report.section import Section
from irvision.report.source import ReportRun

ROOM = Path(__file__).parent


def report_page(run: ReportRun, sections: Sequence[Section]) -> str:
    """The report of one run.

    Args:
        run: what it is about.
        sections: in the order of the page.
    """
    rows = sorted({row for section in sections for row in section.pictures})
    pictures = {} if run.gallery is None else run.gallery.pictures
    return page(
        title=run.name,
        subtitle=f"Report of a run on {Path(str(run.settings.get('dataset', 'images'))).name}",
        notes=run.notes,
        sections=sections,
        data={"classes": run.classes, "parts": PARTS, "images": _images(run, rows)},
        pictures={row: pictures[row] for row in rows if row in pictures},
    )


def page(
    title: str,
    subtitle: str,
    notes: Sequence[str],
    sections: Sequence[Section],
    data: Mapping[str, Any],
    pictures: Mapping[int, bytes],
) -> str:
    """A page of sections.

    Args:
        title: heading of the page.
        subtitle: the line above it.
        notes: sentences on what is missing.
        sections: in the order of the page.
        data: what the scripts of all sections share.
        pictures: JPEG files, by the number with which `<img data-picture>` asks for them.
    """
    script = _script()
    coded = {str(row): base64.b64encode(file).decode() for row, file in pictures.items()}
    return render(
        "page.html",
        title=title,
        subtitle=subtitle,
        notes=notes,
        sections=[(section, script_json(dict(section.data))) for section in sections],
        data=script_json(dict(data)),
        pictures=script_json(coded),
        style=Markup(_joined("style", "css")),
        script=Markup(script),
        digest=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
    )


def _images(run: ReportRun, rows: Sequence[int]) -> dict[str, list[Any]]:
    """By row: class, class by G, class by T, part, and name of an image."""
    scored = run.scored
    if scored is None:
        return {}
    by_g = scored.by_g
    numbers = (scored.labels, by_g, scored.by_t, scored.parts)
    return {str(row): [*(int(each[row]) for each in numbers), scored.names[row]] for row in rows}


@cache
def _script() -> str:
    """One script of all files; `page.js` comes first and `start` runs what the others declare."""
    return f'"use strict";\n(() => {{\n{_joined("script", "js", "page")}\nira.start();\n}})();\n'


@cache
def _joined(folder: str, kind: str, first: str = "page") -> str:
    files = sorted((ROOM / folder).glob(f"*.{kind}"), key=lambda path: (path.stem != first, path))
    return "\n".join(path.read_text(encoding="utf-8").strip() for path in files)
