"""Which samples of a data set, and how they are split; shared by the commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from irtheory.runs.files import InputError
from irtheory.runs.options import Option, at_least

Unit = Literal["object", "image"]
Layout = Literal[
    "auto",
    "class",
    "part/class",
    "group/class",
    "class/part",
    "part/group/class",
    "group/part/class",
]
DATA = "Data"
SampleUnit = Annotated[
    Unit,
    Option(
        "What a sample of aPascal or aYahoo is: each annotated object, or each image (its "
        "largest object).",
        DATA,
    ),
]
FolderLayout = Annotated[
    Layout,
    Option(
        "What the folders in a folder of images stand for, from the top down: classes, parts "
        "(train, validation, test) or groups (domains, folds, sites), whose classes are pooled; "
        "auto recognises part/class and class, and refuses what is not clear.",
        DATA,
    ),
]
KeptTogether = Annotated[
    str | None,
    Option(
        "For a folder of images, what stays together when parts are drawn: a column of its "
        "groups.csv, or a regular expression whose first group, or whole match, in an image's "
        "path names its group.",
        DATA,
        metavar="COLUMN|REGEX",
    ),
]
BeetleCount = Annotated[int, Option("Number of beetles to draw.", DATA, at_least(120))]


class OptionError(InputError):
    """Bad input that another value of an option mends, rather than other files."""


@dataclass(frozen=True)
class DataOptions:
    """Which samples of a data set, and how they are split.

    Attributes:
        data_dir: folder of the data set, or a folder that holds it; None for drawn images.
        unit: what a sample is where an image holds several objects.
        split_seed: seed of the split, where there is no official one.
        validation: share of the training samples of each class that is held out.
        beetles: number of beetles to draw, all parts together.
        layout: what the folders in a folder of images stand for.
        group: column of groups.csv or regular expression for what stays in one part.
    """

    data_dir: Path | None = None
    unit: Unit = "object"
    split_seed: int = 0
    validation: float = 0.1
    beetles: int = 3000
    layout: Layout = "auto"
    group: str | None = None
