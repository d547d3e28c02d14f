"""Where a data set lies, and how it is divided into parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Unit = Literal["object", "image"]


@dataclass(frozen=True)
class DataOptions:
    """Which samples of a data set, and how they are split.

    Attributes:
        data_dir: folder of the data set, or a folder that holds it; not for drawn ones.
        unit: what a sample is where images hold several objects: each annotated "object", or
            the "image", that is, its largest object.
        split_seed: of the parts that no official split gives.
        validation: share of the training samples of each class that is held out.
        beetles: number of beetles to draw, all parts together.
    """

    data_dir: Path | None = None
    unit: Unit = "object"
    split_seed: int = 0
    validation: float = 0.1
    beetles: int = 3000
