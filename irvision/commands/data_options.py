"""`ira data`: what is there, is it whole, fetch it, decode it once, look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

data_app = typer.Typer(
    help="Data sets: what is there, is it whole, fetch it, decode it once, look at it.",
    no_args_is_help=True,
)

Name = Annotated[
    str,
    typer.Argument(help="beetles, aYahoo, aPascal, AwA2, CUB, or a folder.", metavar="NAME"),
]
DataDir = Annotated[
    Path,
    typer.Option(help="Folder of the data set, or the one that holds it.", envvar="IRA_DATA"),
]
UnitOption = Annotated[
    Literal["object", "image"],
    typer.Option(help="aPascal, aYahoo: a sample is each object, or an image (its largest one)."),
]
Processes = Annotated[
    int | None,
    typer.Option(help="Processes that decode, one a core at most.", show_default="one a core"),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Folder of caches.", show_default="$IRA_CACHE/pixels or ~/.cache/ira/pixels"),
]
Debug = Annotated[bool, typer.Option(help="Show the traceback of an error.")]
DATA = Path("data")


@contextmanager
def _one_line(debug: bool, given: Path | None = None) -> Iterator[None]:
    """End with one line on standard error, and 2, or 130 after Ctrl-C.

    A data folder that was given on the command line must be there.
    """
    try:
        if given and not given.is_dir():
            raise ValueError(f"--data-dir {given}: expected a folder, found none")
        yield
    except KeyboardInterrupt:
        typer.secho("ira: interrupted", err=True)
        raise typer.Exit(130) from None
    except (ValueError, OSError, ImportError) as error:
        if debug:
            raise
        line = " ".join(str(error).splitlines())
        typer.secho(f"ira: {line}", fg=typer.colors.RED, err=True)
        raise typer.Exit(2) from None


def _given(context: typer.Context, data_dir: Path) -> Path | None:
    """The data folder, unless it is the default or that of the environment."""
    source = context.get_parameter_source("data_dir")
    return data_dir if source and source.name == "COMMANDLINE" else None


@data_app.command("list")
def list_command(
    context: typer.Context,
    data_dir: DataDir = DATA,
    cache_dir: CacheDir = None,
    debug: Debug = False,
) -> None:
    """Which data sets are there, how large, and which are decoded already."""
    with _one_line(debug, _given(context, data_dir)):
        from irtheory.runs.console import make_console, print_plain
        from irvision.data.pixels.cache_folder import cache_folder
        from irvision.data.report.listing import list_datasets, print_list

        console = make_console()
        print_list(
            console, list_datasets(data_dir, cache_dir / "pixels" if cache_dir else cache_folder())
        )
        print_plain(console, f"next: ira data check NAME --data-dir {data_dir}")


@data_app.command("check")
def check_command(
    context: typer.Context,
    name: Name,
    data_dir: DataDir = DATA,
    unit: UnitOption = "object",
    processes: Processes = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and no more.")] = False,
    debug: Debug = False,
) -> None:
    """Look at every file and image of a data set: missing, bad, boxes, counts.

    Exit code 0: whole; 1: something is missing or bad; 2: bad input; 130: Ctrl-C.
    """
    with _one_line(debug, _given(context, data_dir)):
        from irvision.commands.data import check_work

        code = check_work(name, data_dir, unit, processes, as_json)
    raise typer.Exit(code)


@data_app.command("download")
def download_command(name: Name, data_dir: DataDir = DATA, debug: Debug = False) -> None:
    """Fetch a published data set, check its hash, unpack it; goes on where it was cut off."""
    with _one_line(debug):
        from irvision.commands.data import download_work

        download_work(name, data_dir)


@data_app.command("prepare")
def prepare_command(
    context: typer.Context,
    name: Name,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side that images are resized to, in pixels.",
            show_default="that of ira train on this machine",
        ),
    ] = None,
    data_dir: DataDir = DATA,
    unit: UnitOption = "object",
    cache_dir: CacheDir = None,
    processes: Processes = None,
    max_bad: Annotated[
        float | None,
        typer.Option(help="Largest share of images that may be bad.", show_default="0.01"),
    ] = None,
    debug: Debug = False,
) -> None:
    """Decode every image once into a cache that training maps into memory."""
    with _one_line(debug, _given(context, data_dir)):
        from irvision.commands.data import prepare_work

        prepare_work(name, data_dir, unit, size, cache_dir, processes, max_bad)


@data_app.command("show")
def show_command(
    context: typer.Context,
    name: Name,
    data_dir: DataDir = DATA,
    unit: UnitOption = "object",
    out: Annotated[
        Path | None,
        typer.Option(help="PNG file, replaced if it is there.", show_default="NAME.png"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of samples.")] = 0,
    debug: Debug = False,
) -> None:
    """Write a picture of a few samples of each class; of beetles also of each attribute."""
    with _one_line(debug, _given(context, data_dir)):
        from irvision.commands.data import show_work

        show_work(name, data_dir, unit, out, seed)
