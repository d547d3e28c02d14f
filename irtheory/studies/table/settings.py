"""The options of `ira table` and `ira predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from irtheory.runs.files import InputError
from irtheory.runs.folder import RunFiles, register_run_files
from irtheory.runs.options import Interval, Option, at_least, between, check_ranges, flag_of
from irtheory.tables.options import PLAIN, TableOptions

Method = Literal["exact", "greedy", "ira"]
Criterion = Literal["misclassification", "gini", "entropy"]
# Headings of the options in --help.
TREE, CODES, SCORE, RUN, OUTPUT = "Tree", "Codes (--method ira)", "Held-out rows", "Run", "Output"
MOST_DEPTH, MOST_EXACT, MOST_BINS = 32, 8, 256
# What options mean where they are not given, by method.
DEPTHS = {"exact": 3, "greedy": 3, "ira": None}
BINS = {"exact": 8, "greedy": 32, "ira": None}
CRITERIA: dict[Method, Criterion | None] = {
    "exact": "misclassification",
    "greedy": "gini",
    "ira": None,
}
TIME_LIMIT, CODE_COUNT = 60.0, 64
# Files of `ira table` in the folder of a run, and those of `ira predict`.
WRITTEN = (
    "result.json key.txt key.json tree.json tree.dot model.json model.safetensors "
    "predictions.csv confusion.csv *.svg *.png"
)
PREDICTED = "predicted-*.csv"


@dataclass(frozen=True)
class TableSettings:
    """The options of `ira table`; None means "not given".

    Attributes:
        reading: how the table is read, by options that all commands with tables share.
    """

    table: Annotated[
        Path, Option("The table: a CSV file with a header.", argument=True, metavar="FILE.csv")
    ]
    label: Annotated[
        str | None,
        Option("Column that holds the class; needed.", TREE, metavar="COLUMN"),
    ] = None
    method: Annotated[
        Method,
        Option(
            "How the tree is found: the best of its depth (exact), test by test (greedy), or on "
            "codes that a network learns (ira).",
            TREE,
        ),
    ] = "exact"
    depth: Annotated[
        int | None,
        Option(
            "Largest number of tests on a path.",
            TREE,
            between(1, MOST_DEPTH),
            default="3; ira ⌈log2 classes⌉ + 2",
        ),
    ] = None
    bins: Annotated[
        int | None,
        Option(
            "Values of a column of numbers that the tree may tell apart.",
            TREE,
            between(2, MOST_BINS),
            default="8; greedy 32",
        ),
    ] = None
    min_samples_leaf: Annotated[
        int, Option("Fewest training rows in a leaf.", TREE, at_least(1))
    ] = 1
    max_leaves: Annotated[
        int | None,
        Option("Largest number of leaves.", TREE, at_least(2), default="as the depth allows"),
    ] = None
    criterion: Annotated[
        Criterion | None,
        Option(
            "What the tree makes small; misclassification for exact alone.",
            TREE,
            default="misclassification; greedy gini",
        ),
    ] = None
    balanced: Annotated[
        bool, Option("Count all classes the same, however many rows they have.", TREE)
    ] = False
    most_words: Annotated[
        int,
        Option("Columns of text with more different words are left out.", TREE, between(2, 256)),
    ] = 30
    time_limit: Annotated[
        float | None,
        Option(
            "Seconds after which the best exact tree known is taken.",
            TREE,
            Interval(0, low_open=True),
            default="60",
        ),
    ] = None
    max_memory: Annotated[
        float | None,
        Option(
            "Memory in GiB that the search for an exact tree may take.",
            TREE,
            Interval(0, low_open=True),
            default="a share of what is free",
        ),
    ] = None
    codes: Annotated[
        int | None,
        Option("Number of codes that the network learns.", CODES, at_least(1), default="64"),
    ] = None
    epochs: Annotated[
        int | None,
        Option(
            "Passes over the training rows.",
            CODES,
            at_least(1),
            default="about 1500 steps, at least 20 passes",
        ),
    ] = None
    test_share: Annotated[
        float,
        Option(
            "Share of the rows of every class that is held out to score the tree; 0 for none.",
            SCORE,
            between(0, 0.9),
        ),
    ] = 0.3
    seed: Annotated[int, Option("Seed of every random draw.", SCORE, at_least(0))] = 0
    threads: Annotated[
        int | None,
        Option("Threads of the search.", RUN, at_least(1), default="all cores"),
    ] = None
    reading: TableOptions = PLAIN

    def __post_init__(self) -> None:
        """Check ranges and options without effect; InputError names the option."""
        check_ranges(self)
        idle = ("codes", "epochs")
        if self.method == "ira":
            idle = ("bins", "max_leaves", "criterion", "time_limit", "max_memory", "balanced")
        elif self.method == "greedy":
            idle += ("time_limit", "max_memory")
        for name in idle:
            if getattr(self, name) not in (None, False):
                raise InputError(
                    f"{flag_of(TableSettings, name)}: without effect with --method {self.method}"
                )
        if self.method == "exact" and (self.depth or 0) > MOST_EXACT:
            raise InputError(
                f"--depth: expected 1 … {MOST_EXACT} with --method exact, found {self.depth}"
            )
        if self.method == "greedy" and self.criterion == "misclassification":
            raise InputError("--criterion misclassification: needs --method exact")

    def resolved(self) -> TableSettings:
        """The settings with the defaults of the method filled in."""
        filled = {
            "depth": DEPTHS[self.method],
            "bins": BINS[self.method],
            "criterion": CRITERIA[self.method],
        }
        if self.method == "exact":
            filled["time_limit"] = TIME_LIMIT
        if self.method == "ira":
            filled["codes"] = CODE_COUNT
        own = {name: value for name, value in filled.items() if getattr(self, name) is None}
        return replace(self, **own)


@dataclass(frozen=True)
class TableRequest:
    """What `ira table` takes beside the settings of the run."""

    out: Annotated[
        Path | None, Option("Run folder to make.", RUN, default="runs/table-NAME-TIME")
    ] = None
    overwrite: Annotated[bool, Option("Replace an earlier run in --out.", RUN)] = False
    as_json: Annotated[
        bool, Option("Print result.json and nothing else.", OUTPUT, flag="--json")
    ] = False


def _paths(words: Sequence[str]) -> tuple[Path, ...]:
    return tuple(map(Path, words))


@dataclass(frozen=True)
class PredictRequest:
    """The options of `ira predict`."""

    run: Annotated[
        Path,
        Option("Folder of a finished run of ira table or ira train.", argument=True, metavar="RUN"),
    ]
    inputs: Annotated[
        tuple[Path, ...],
        Option(
            "What to predict. Of ira table: a CSV file with the columns of the training table, in "
            "any order. Of ira train: images, and folders of images.",
            argument=True,
            metavar="NEW.csv|IMAGE...",
            repeatable=True,
            read=_paths,
        ),
    ]
    out: Annotated[
        Path | None,
        Option("File to write.", OUTPUT, default="RUN/predicted-NAME.csv", metavar="FILE.csv"),
    ] = None
    overwrite: Annotated[bool, Option("Replace the file if it is there.", OUTPUT)] = False
    as_json: Annotated[
        bool, Option("Print a summary as JSON and nothing else.", OUTPUT, flag="--json")
    ] = False

    @property
    def table(self) -> Path:
        """The one table to predict; InputError for several files."""
        if len(self.inputs) != 1:
            raise InputError(
                f"NEW.csv: expected one table for {self.run}, found {len(self.inputs)} files"
            )
        return self.inputs[0]


register_run_files("table", RunFiles(f"{WRITTEN} {PREDICTED}"))
