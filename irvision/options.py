"""Options on data, pictures, machine and run; parameters carry the names of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

DATA, VIEW, MACHINE, RUN = "Data", "Pictures", "Machine", "Run"

Dataset = Annotated[
    str | None,
    typer.Option(
        help="beetles, aYahoo, aPascal, AwA2, CUB, or a folder of class folders.",
        rich_help_panel=DATA,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder that holds the data set.",
        show_default="$IRA_DATA or ./data",
        rich_help_panel=DATA,
    ),
]
MovedData = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where the data set is now: as for training; of your own images, their folder.",
        show_default="where it was in training",
    ),
]
Unit = Annotated[
    Literal["object", "image"] | None,
    typer.Option(
        help="aPascal, aYahoo: each annotated object, or the largest of an image.",
        show_default="object",
        rich_help_panel=DATA,
    ),
]
Validation = Annotated[
    float | None,
    typer.Option(
        help="Share of the training images held out.", show_default="0.1", rich_help_panel=DATA
    ),
]
SplitSeed = Annotated[
    int | None,
    typer.Option(
        help="Seed of the parts that no official split gives.",
        show_default="0",
        rich_help_panel=DATA,
    ),
]
Beetles = Annotated[
    int | None,
    typer.Option(help="How many beetles to draw.", show_default="3000", rich_help_panel=DATA),
]
MaxBad = Annotated[
    float | None,
    typer.Option(
        help="Share of images that may fail to decode.", show_default="0.01", rich_help_panel=DATA
    ),
]
Resize = Annotated[
    int | None,
    typer.Option(
        help="Side of the squares that images are decoded to.",
        show_default="by recipe and machine",
        rich_help_panel=VIEW,
    ),
]
Crop = Annotated[
    int | None,
    typer.Option(
        help="Side of the random crops.",
        show_default="by recipe and machine",
        rich_help_panel=VIEW,
    ),
]
Padding = Annotated[
    int | None,
    typer.Option(help="Black pixels around a square.", show_default="0", rich_help_panel=VIEW),
]
Flip = Annotated[
    float | None,
    typer.Option(help="Probability of a mirrored crop.", show_default="0.5", rich_help_panel=VIEW),
]
Normalise = Annotated[
    Literal["backbone", "half"] | None,
    typer.Option(
        help="Mean and sd of colours: the backbone's, or 0.5 for both.",
        show_default="by recipe",
        rich_help_panel=VIEW,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="cpu, cuda or cuda:N.", show_default="a GPU if there is one", rich_help_panel=MACHINE
    ),
]
Precision = Annotated[
    Literal["bf16", "fp32"] | None,
    typer.Option(
        help="Of forward passes.",
        show_default="bf16 on GPUs that have it",
        rich_help_panel=MACHINE,
    ),
]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="The same bits again on a GPU.", rich_help_panel=MACHINE),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="F by torch.compile.",
        show_default="no",
        rich_help_panel=MACHINE,
    ),
]
Accumulate = Annotated[
    int | None,
    typer.Option(
        help="Pass a batch through F in so many parts, for small cards.",
        show_default="1",
        rich_help_panel=MACHINE,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Where decoded images are kept.",
        show_default="$IRA_CACHE or ~/.cache/ira",
        rich_help_panel=MACHINE,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Run folder.", show_default="runs/train-DATA-METHOD-TIME", rich_help_panel=RUN
    ),
]
Folder = Annotated[Path, typer.Argument(help="Folder of a run of ira train.", metavar="RUN")]
Other = Annotated[
    Path | None, typer.Argument(help="Another run of the same data set.", metavar="RUN2")
]
NullDraws = Annotated[int, typer.Option(help="Shuffles of the attributes for the null.")]
Bootstrap = Annotated[int, typer.Option(help="Resamples of the test images for intervals.")]
EvaluationSeed = Annotated[int, typer.Option("--seed", help="Of shuffles and resamples.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an earlier run in --out.", rich_help_panel=RUN),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Go on with this run, with its settings.", metavar="RUN", rich_help_panel=RUN
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Also write metrics for TensorBoard.", rich_help_panel=RUN),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON and no more.", rich_help_panel=RUN)
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=RUN)
]
