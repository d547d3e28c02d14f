"""Images of the run on either side of a test, from its gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irvision.explain.explanation import Step
from irvision.runs.gallery import Gallery, read_gallery
from irvision.runs.names import PREDICTIONS_CODES
from irvision.runs.scored_images import ScoredImages, read_scored_images, scored_digest
from irvision.runs.trained import Trained

ASIDE = 4


@dataclass(frozen=True)
class Example:
    """An image of the run: its class, its name, and a JPEG of it."""

    label: str
    name: str
    jpeg: bytes


@dataclass(frozen=True, eq=False)
class Examples:
    """The images of a run that its gallery shows."""

    scored: ScoredImages
    gallery: Gallery

    def beside(self, step: Step) -> Mapping[bool, tuple[Example, ...]]:
        """Typical images where the code of a step passes its test, and where it fails."""
        codes = self.scored.codes[:, step.test.code]
        rows = self.gallery.rows_of(step.test.code)
        sides: dict[bool, tuple[Example, ...]] = {}
        for passed in (True, False):
            here = [row for row in rows.tolist() if (codes[row] > step.test.threshold) == passed]
            sides[passed] = tuple(map(self._example, self._typical(here, step)[:ASIDE]))
        return sides

    def _typical(self, rows: list[int], step: Step) -> list[int]:
        """Rows that lie close to the threshold come last."""
        if self.scored.levels is None:
            return rows
        levels = self.scored.levels[:, step.test.code].astype(np.float64)
        return sorted(rows, key=lambda row: abs(levels[row] - (step.test.lowest - 0.5)) < 0.25)

    def _example(self, row: int) -> Example:
        label = self.scored.classes[self.scored.labels[row]]
        return Example(label, self.scored.names[row], self.gallery.pictures[row])


def read_examples(run: Path, trained: Trained) -> Examples | None:
    """The images that a run shows; None where there are none, or none of these classes and codes.

    Raises:
        InputError: a file is damaged.
    """
    if not (run / PREDICTIONS_CODES).is_file():
        return None
    scored = read_scored_images(run)
    fits = scored.classes == trained.classes and scored.codes.shape[1] == trained.settings.dim
    gallery = read_gallery(run, scored_digest(run)) if fits else None
    return None if gallery is None else Examples(scored, gallery)
