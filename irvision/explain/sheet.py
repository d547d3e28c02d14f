"""Explanations as one HTML page that needs no other file and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from irtheory.trees.writing import one_line
from irvision.explain.examples import Examples
from irvision.explain.explanation import CLOSE, Explanation, Step
from irvision.explain.overlay import data_uri, enlarged, jpeg_uri, overlay
from irvision.explain.text import change_words, distance, mix_words

TEMPLATES = Path(__file__).parent / "templates"
# Sides of the image and of its maps on the page, in pixels.
LARGE, SMALL = 288, 160


def sheet_page(
    run: Path, explained: Sequence[tuple[str, Explanation]], examples: Examples | None
) -> str:
    """A page with an article for each image.

    Args:
        run: folder of the run.
        explained: names of the images, with their explanations.
        examples: images of the run on either side of its tests, or None.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    articles = [_article(name, found, examples) for name, found in explained]
    page = environment.get_template("sheet.html")
    return page.render(run=run.resolve().name, articles=articles, examples=examples is not None)


def _shown(value: Any) -> Any:
    """Words without control characters."""
    return one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _article(name: str, found: Explanation, examples: Examples | None) -> dict[str, Any]:
    closest = found.closest
    return {
        "name": Path(name).name,
        "picture": data_uri(enlarged(found.pixels, LARGE)),
        "steps": [_step(found, step, examples) for step in found.steps],
        "by_t": found.by_t,
        "by_g": found.by_g,
        "agree": found.by_t == found.by_g,
        "mix": mix_words(found),
        "as_trained": found.as_trained,
        "likeliest": [(label, f"{p:.3f}", round(100 * p, 1)) for label, p in found.likeliest],
        "change": change_words(found),
        "close": None
        if closest is None or closest.margin >= CLOSE
        else f"{closest.words}, by {closest.margin:.2f} of a step",
    }


def _step(found: Explanation, step: Step, examples: Examples | None) -> dict[str, Any]:
    sides = {} if examples is None else examples.beside(step)
    name, code = step.test.name_words(step.passed), step.test.code_words(step.passed)
    return {
        "label": step.label,
        "words": name or code,
        "code": code if name else "",
        "distance": distance(step),
        "map": data_uri(overlay(enlarged(found.pixels, SMALL), step.map)),
        "mapped": bool(step.map.max() > 0),
        "sides": [
            {
                "words": step.test.name_words(passed) or step.test.code_words(passed),
                "here": passed == step.passed,
                "pictures": [(e.label, e.name, jpeg_uri(e.jpeg)) for e in sides.get(passed, ())],
            }
            for passed in (step.passed, not step.passed)
        ],
    }
