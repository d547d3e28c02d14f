"""What the commands take beside the settings of a run: folders, machine, form of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from irtheory.runs.options import Option, at_least, between
from irtheory.trees.keys.choices import Format, Style
from irvision.settings.data import DATA, FolderLayout, KeptTogether, SampleUnit
from irvision.settings.train import MACHINE

RUN, OUTPUT = "Run", "Output"
Run = Annotated[Path, Option("Folder of a run of ira train.", metavar="RUN", argument=True)]
DeviceName = Annotated[
    str | None,
    Option("Device: cpu, cuda or cuda:N.", MACHINE, default="a GPU if there is one"),
]
CacheFolder = Annotated[
    Path | None,
    Option(
        "Folder in which decoded images are kept.", MACHINE, default="$IRA_CACHE or ~/.cache/ira"
    ),
]
Json = Annotated[bool, Option("Print the result as JSON and nothing else.", OUTPUT, flag="--json")]
IMAGES = "Images"


def _paths(words: Sequence[str]) -> tuple[Path, ...]:
    return tuple(map(Path, words))


Images = Annotated[
    tuple[Path, ...],
    Option(
        "Images, and folders of images.",
        metavar="IMAGE...",
        argument=True,
        repeatable=True,
        read=_paths,
    ),
]
DataFolder = Annotated[
    Path | None,
    Option(
        "Folder of the data set, or the one that holds it.", DATA, default="$IRA_DATA or ./data"
    ),
]
DataSet = Annotated[
    str,
    Option(
        "beetles, aYahoo, aPascal, AwA2, CUB, or a folder of images.",
        metavar="NAME",
        argument=True,
    ),
]
Decoders = Annotated[
    int | None,
    Option("Processes that decode images.", MACHINE, at_least(1), default="one a core"),
]


@dataclass(frozen=True)
class TrainRequest:
    """What `ira train` takes beside `TrainSettings`."""

    device: DeviceName = None
    cache_dir: CacheFolder = None
    out: Annotated[
        Path | None, Option("Run folder to make.", RUN, default="runs/train-DATA-METHOD-TIME")
    ] = None
    overwrite: Annotated[bool, Option("Replace an earlier run in --out.", RUN)] = False
    resume: Annotated[
        Path | None,
        Option("Go on with this run and its settings.", RUN, metavar="RUN"),
    ] = None
    tensorboard: Annotated[bool, Option("Also write metrics for TensorBoard.", OUTPUT)] = False
    as_json: Json = False


@dataclass(frozen=True)
class EvaluateRequest:
    """What `ira evaluate` takes."""

    folder: Run
    data_dir: Annotated[
        Path | None,
        Option(
            "Where the data set is now: as for training; for your own images, their folder.",
            DATA,
            default="where it was in training",
        ),
    ] = None
    test: Annotated[
        Path | None,
        Option(
            "Score the images of another folder with the classes of the run, all of them.",
            DATA,
            metavar="FOLDER",
        ),
    ] = None
    layout: FolderLayout = "auto"
    only_known: Annotated[
        bool,
        Option(
            "Where images were added, removed or changed since: score those that are as they were.",
            DATA,
        ),
    ] = False
    device: DeviceName = None
    cache_dir: CacheFolder = None
    null_draws: Annotated[
        int, Option("Number of shuffles of the attributes for the null.", within=at_least(0))
    ] = 20
    bootstrap: Annotated[
        int, Option("Number of resamples of the test images for intervals.", within=at_least(0))
    ] = 200
    pictures: Annotated[
        int,
        Option(
            "Largest number of small pictures that are kept in the run folder for its report; "
            "0 for none.",
            within=between(0, 20_000),
        ),
    ] = 1500
    seed: Annotated[
        int, Option("Seed of shuffles and resamples.", within=between(0, 2**32 - 1))
    ] = 0
    as_json: Json = False


@dataclass(frozen=True)
class PlotRequest:
    """What `ira plot` takes."""

    folder: Run
    other: Annotated[
        Path | None,
        Option(
            "Another run of the same data set, to draw both side by side.",
            metavar="RUN2",
            argument=True,
        ),
    ] = None


def read_folders(values: Sequence[str]) -> tuple[Path, ...]:
    """Arguments of the command line as folders."""
    return tuple(Path(value) for value in values)


@dataclass(frozen=True)
class ReportRequest:
    """What `ira report` takes."""

    folders: Annotated[
        tuple[Path, ...],
        Option(
            "Folder of a run of ira train; several are compared.",
            metavar="RUN",
            argument=True,
            repeatable=True,
            read=read_folders,
        ),
    ]
    out: Annotated[
        Path | None,
        Option(
            "File to write.",
            OUTPUT,
            metavar="FILE.html",
            default="RUN/report.html; report-against-RUN2.html for several runs",
        ),
    ] = None
    overwrite: Annotated[bool, Option("Replace the file of --out.", OUTPUT)] = False
    as_json: Json = False


@dataclass(frozen=True)
class ExplainRequest:
    """What `ira explain` takes."""

    folder: Run
    images: Images
    out: Annotated[
        Path | None,
        Option(
            "Sheet to write: FILE.html for any number of images, FILE.png for one.",
            OUTPUT,
            metavar="FILE",
        ),
    ] = None
    overwrite: Annotated[bool, Option("Replace the sheet if it is there.", OUTPUT)] = False
    device: DeviceName = None
    as_json: Json = False


@dataclass(frozen=True)
class ImageOptions:
    """What `ira predict` takes for images alone."""

    codes: Annotated[
        Literal["tested", "all", "none"],
        Option("Images: codes that are columns of the table.", IMAGES),
    ] = "tested"
    device: Annotated[
        str | None,
        Option("Images: device, cpu, cuda or cuda:N.", IMAGES, default="a GPU if there is one"),
    ] = None


@dataclass(frozen=True)
class ExportRequest:
    """What `ira export` takes."""

    folder: Run
    to: Annotated[
        Path | None,
        Option(
            "File ending in .onnx, or a folder for a copy of the model without training data.",
            OUTPUT,
            metavar="FILE.onnx|FOLDER",
            default="RUN/model.onnx",
        ),
    ] = None
    overwrite: Annotated[bool, Option("Replace what is there.", OUTPUT)] = False
    as_json: Json = False


@dataclass(frozen=True)
class KeyRequest:
    """What `ira key` takes."""

    folder: Annotated[
        Path,
        Option(
            "Folder of a run of ira train, ira table or ira simulate.",
            metavar="RUN",
            argument=True,
        ),
    ]
    form: Annotated[
        Format,
        Option(
            "text, markdown, latex and html for readers; json, csv and dot for programs; sdd and "
            "clavis for software for identification keys.",
            OUTPUT,
            flag="--format",
        ),
    ] = "text"
    style: Annotated[
        Style,
        Option(
            "Of formats for readers: couplets with letters (numbered), with the couplet before in "
            "brackets (bracketed), or each below the lead that goes there (indented).",
            OUTPUT,
        ),
    ] = "numbered"
    out: Annotated[
        Path | None, Option("File to write.", OUTPUT, metavar="FILE", default="standard output")
    ] = None
    overwrite: Annotated[bool, Option("Replace the file if it is there.", OUTPUT)] = False
    as_json: Annotated[bool, Option("The same as --format json.", OUTPUT, flag="--json")] = False


@dataclass(frozen=True)
class NameRequest:
    """What `ira name` takes."""

    folder: Run
    as_json: Json = False


@dataclass(frozen=True)
class DoctorRequest:
    """What `ira doctor` takes."""

    as_json: Json = False


@dataclass(frozen=True)
class ListRequest:
    """What `ira data list` takes."""

    data_dir: DataFolder = None
    cache_dir: CacheFolder = None


@dataclass(frozen=True)
class CheckRequest:
    """What `ira data check` takes."""

    name: DataSet
    data_dir: DataFolder = None
    unit: SampleUnit = "object"
    layout: FolderLayout = "auto"
    group: KeptTogether = None
    processes: Decoders = None
    as_json: Json = False


@dataclass(frozen=True)
class DownloadRequest:
    """What `ira data download` takes."""

    name: DataSet
    data_dir: DataFolder = None


@dataclass(frozen=True)
class PrepareRequest:
    """What `ira data prepare` takes."""

    name: DataSet
    size: Annotated[
        int | None,
        Option(
            "Side in pixels of the squares that images are decoded to.",
            within=at_least(1),
            default="that of ira train on this machine",
        ),
    ] = None
    data_dir: DataFolder = None
    unit: SampleUnit = "object"
    layout: FolderLayout = "auto"
    cache_dir: CacheFolder = None
    processes: Decoders = None
    max_bad: Annotated[
        float | None,
        Option(
            "Share of images that may fail to decode.",
            DATA,
            between(0, 1),
            default="that of ira train",
        ),
    ] = None


@dataclass(frozen=True)
class ShowRequest:
    """What `ira data show` takes."""

    name: DataSet
    data_dir: DataFolder = None
    unit: SampleUnit = "object"
    layout: FolderLayout = "auto"
    out: Annotated[
        Path | None, Option("PNG file to write, replaced if it is there.", default="NAME.png")
    ] = None
    seed: Annotated[int, Option("Seed of the choice of samples.", within=at_least(0))] = 0
