"""Which samples of a data set, and how they are split; shared by the commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from irtheory.runs.options import Option, at_least

Unit = Literal["object", "image"]
DATA = "Data"
SampleUnit = Annotated[
    Unit,
    Option(
        "What a sample of aPascal or aYahoo is: each annotated object, or each image (its "
        "largest object).",
        DATA,
    ),
]
BeetleCount = Annotated[int, Option("Number of beetles to draw.", DATA, at_least(120))]


@dataclass(frozen=True)
class DataOptions:
    """Which samples of a data set, and how they are split.

    Attributes:
        data_dir: folder of the data set, or a folder that holds it; None for drawn images.
        unit: what a sample is where an image holds several objects.
        split_seed: seed of the split, where there is no official one.
        validation: share of the training samples of each class that is held out.
        beetles: number of beetles to draw, all parts together.
    """

    data_dir: Path | None = None
    unit: Unit = "object"
    split_seed: int = 0
    validation: float = 0.1
    beetles: int = 3000
