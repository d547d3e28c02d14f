"""`ira`: the command line. One thin function a command; heavy imports happen inside."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from irtheory.runs.commands import command, refuse_given
from irtheory.runs.folder import command_of
from irtheory.runs.options import take
from irtheory.studies.recovery.settings import RecoverRequest, RecoverySettings
from irtheory.studies.simulate.settings import SimulateRequest, SimulateSettings
from irtheory.studies.table.settings import PredictRequest, TableRequest, TableSettings
from irtheory.tables.options import FileOptions, TableOptions
from irvision.settings.requests import (
    CheckRequest,
    DoctorRequest,
    DownloadRequest,
    EvaluateRequest,
    ExplainRequest,
    ExportRequest,
    ImageOptions,
    KeyRequest,
    ListRequest,
    NameRequest,
    PlotRequest,
    PrepareRequest,
    ReportRequest,
    ShowRequest,
    TrainRequest,
)
from irvision.settings.train import TrainSettings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
data_app = typer.Typer(
    help="List, check, download, decode and show data sets.", no_args_is_help=True
)
app.add_typer(data_app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from irtheory import __version__

        typer.echo(f"ira {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the attributes behind class labels, and test the theory that says one can."""


@command(
    app,
    SimulateSettings,
    TableOptions,
    SimulateRequest,
    examples=(
        "ira simulate --setting logistic --seeds 20",
        "ira simulate --data docs/animals.csv --label type --out runs/animals",
    ),
)
def simulate(given: dict[str, Any]) -> int:
    """Run Proposition 1 or 2 where the optima are known, and print its certificate as numbers.

    Exit code 0: every assumption and promise holds; 1: one is broken; 2: bad input; 130: Ctrl-C.
    """
    settings, request = take(SimulateSettings, given), take(SimulateRequest, given)
    settings = replace(settings, reading=take(TableOptions, given))
    if settings.widths is not None:
        from irtheory.studies.width.command import width_command

        return width_command(settings, request)
    from irtheory.studies.simulate.command import simulate_command

    return simulate_command(settings, request)


@command(
    app,
    RecoverySettings,
    RecoverRequest,
    examples=(
        "ira recover --seeds 1 --methods quantised,paper,ira",
        "ira recover --sweep noise=0.1,0.3 --out runs/noise --resume",
    ),
)
def recover(given: dict[str, Any]) -> int:
    """Measure when attributes are recovered: methods × regimes × seeds on drawn worlds.

    Exit code 0: done; 1: a cell failed; 2: bad input; 130: Ctrl-C, and --resume goes on.
    """
    from irtheory.studies.recovery.command import recover_command

    return recover_command(given)


@command(
    app,
    TableSettings,
    TableOptions,
    TableRequest,
    examples=(
        "ira table docs/animals.csv --label type --index animal",
        "ira table mine.csv --label kind --na 'NA,?' --method greedy --depth 5",
    ),
)
def table(given: dict[str, Any]) -> int:
    """Grow a tree from a CSV table, score it on held-out rows, and print it as a key.

    Exit code 0: done; 2: bad input; 130: Ctrl-C.
    """
    from irtheory.studies.table.command import table_command

    settings = replace(take(TableSettings, given), reading=take(TableOptions, given))
    return table_command(settings, take(TableRequest, given))


@command(
    app,
    PredictRequest,
    FileOptions,
    ImageOptions,
    examples=(
        "ira predict runs/animals new.csv",
        "ira predict runs/animals new.csv --out named.csv",
        "ira predict runs/beetles photographs more.jpg",
    ),
)
def predict(given: dict[str, Any]) -> int:
    """Name the class of every row of a CSV table, or of images, with a run of table or train.

    Exit code 0: done; 2: bad input; 130: Ctrl-C, and nothing was written.
    """
    request = take(PredictRequest, given)
    if command_of(request.run) == "train":
        from irvision.commands.predict import predict_images

        refuse_given(given, FileOptions, f"{request.run} is a run on images")
        return predict_images(request, take(ImageOptions, given))
    from irtheory.studies.table.predict import predict_command

    refuse_given(given, ImageOptions, f"{request.run} is no run on images")
    return predict_command(request, take(FileOptions, given))


@command(
    app,
    TrainSettings,
    TrainRequest,
    examples=(
        "ira train --dataset beetles --out runs/beetles",
        "ira train --resume runs/beetles",
    ),
)
def train(given: dict[str, Any]) -> int:
    """Train F, G and T on labelled images; attributes are never read.

    Exit code 0: done; 2: bad input; 130, 143 or 129: Ctrl-C, SIGTERM or a hang-up, and
    --resume goes on.
    """
    from irvision.commands.train import train_command

    return train_command(given)


@command(
    app,
    EvaluateRequest,
    examples=("ira evaluate runs/beetles", "ira evaluate runs/beetles --bootstrap 1000 --json"),
)
def evaluate(given: dict[str, Any]) -> None:
    """Score a finished run on its test images: accuracy, and codes against attributes."""
    from irvision.commands.evaluate import evaluate_command

    evaluate_command(given)


@command(app, PlotRequest, examples=("ira plot runs/beetles", "ira plot runs/beetles runs/paper"))
def plot(given: dict[str, Any]) -> None:
    """Draw a run: training, tree and attributes; with a second run, both side by side."""
    from irvision.commands.plot import plot_command

    plot_command(given)


@command(
    app,
    ExplainRequest,
    examples=(
        "ira explain runs/beetles docs/beetle.png",
        "ira explain runs/beetles docs/beetle.png --out why.html",
    ),
)
def explain(given: dict[str, Any]) -> None:
    """Say why a run names what it names for an image: its path through the tree, with pictures."""
    from irvision.commands.explain import explain_command

    explain_command(given)


@command(
    app,
    ReportRequest,
    examples=("ira report runs/beetles", "ira report runs/beetles runs/paper --out both.html"),
)
def report(given: dict[str, Any]) -> None:
    """Write one HTML page about a run: key, atlas of codes, scores; several runs are compared."""
    from irvision.commands.report import report_command

    report_command(given)


@command(
    app,
    ExportRequest,
    examples=("ira export runs/beetles", "ira export runs/beetles --to beetles-model"),
)
def export(given: dict[str, Any]) -> None:
    """Write the model of a finished run as one ONNX file, or as a folder to pass on."""
    from irvision.commands.export import export_command

    export_command(given)


@command(
    app,
    KeyRequest,
    examples=(
        "ira key runs/beetles",
        "ira key runs/beetles --format html --style bracketed --out key.html",
    ),
)
def key(given: dict[str, Any]) -> None:
    """Print the tree of a run as a dichotomous key, in one of nine formats."""
    from irvision.commands.key import key_command

    key_command(given)


@command(app, NameRequest, examples=("ira name runs/beetles", "ira name runs/beetles --json"))
def name(given: dict[str, Any]) -> None:
    """Write RUN/names.csv, in which an expert names the codes that the tree tests.

    Run it again when names are filled in: nothing that people wrote is lost, and the key, figures,
    report and explanations use the names.
    """
    from irvision.commands.name import name_command

    name_command(given)


@command(app, DoctorRequest, examples=("ira doctor", "ira doctor --json"))
def doctor(given: dict[str, Any]) -> None:
    """Say what this machine can run, and what not, and why."""
    from irvision.commands.doctor import doctor_command

    doctor_command(given)


@command(
    data_app,
    ListRequest,
    name="list",
    examples=("ira data list", "ira data list --data-dir data"),
)
def data_list(given: dict[str, Any]) -> None:
    """List the data sets: which are there, how large, and which are decoded already."""
    from irvision.commands.data import list_command

    list_command(given)


@command(
    data_app,
    CheckRequest,
    name="check",
    examples=("ira data check beetles", "ira data check CUB --data-dir data --json"),
)
def data_check(given: dict[str, Any]) -> int:
    """Check every file and image of a data set: missing, bad, boxes, counts.

    Exit code 0: whole; 1: something is missing or bad; 2: bad input; 130: Ctrl-C.
    """
    from irvision.commands.data import check_command

    return check_command(given)


@command(
    data_app,
    DownloadRequest,
    name="download",
    examples=("ira data download aPascal", "ira data download CUB --data-dir data"),
)
def data_download(given: dict[str, Any]) -> None:
    """Download a published data set, check its hash and unpack it; resumes where it stopped."""
    from irvision.commands.data import download_command

    download_command(given)


@command(
    data_app,
    PrepareRequest,
    name="prepare",
    examples=("ira data prepare beetles", "ira data prepare CUB --size 512"),
)
def data_prepare(given: dict[str, Any]) -> None:
    """Decode every image once into a cache, which training maps into memory."""
    from irvision.commands.data import prepare_command

    prepare_command(given)


@command(
    data_app,
    ShowRequest,
    name="show",
    examples=("ira data show beetles", "ira data show CUB --out birds.png"),
)
def data_show(given: dict[str, Any]) -> None:
    """Write a picture of a few samples of each class; of beetles also of each attribute."""
    from irvision.commands.data import show_command

    show_command(given)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold bytes that are not text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
