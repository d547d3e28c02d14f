"""`ira`: the command line. One thin function a command; heavy imports happen inside."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated

import typer

from irtheory.studies.recovery import options as given
from irtheory.studies.simulate import options as asked
from irvision import options as run
from irvision import options_training as net
from irvision.commands.data_options import data_app

app = typer.Typer(
    help="Find the attributes behind class labels, and test the theory that says one can.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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


@contextmanager
def _one_line(debug: bool) -> Iterator[None]:
    """Bad input and what the machine lacks as one line and exit code 2; Ctrl-C as 130."""
    try:
        yield
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        if debug:
            raise
        line = " ".join(str(error).splitlines())
        typer.secho(f"ira: {line}", fg=typer.colors.RED, err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.secho("ira: interrupted", err=True)
        raise typer.Exit(130) from None


@app.command()
def simulate(
    context: typer.Context,
    setting: asked.Setting = "convex",
    algorithm: asked.Algorithm = None,
    order: asked.Order = "gauss-seidel",
    tree: asked.TreeStep = "exact",
    depth: asked.Depth = None,
    min_samples_leaf: asked.MinSamplesLeaf = 1,
    data: asked.Data = None,
    label: asked.Label = None,
    bins: asked.Bins = None,
    samples: asked.Samples = None,
    attributes: asked.Attributes = None,
    classes: asked.Classes = None,
    noise: asked.Noise = None,
    ridge: asked.Ridge = None,
    step_size: asked.StepSize = 0.9,
    tolerance: asked.Tolerance = 1e-09,
    max_steps: asked.MaxSteps = None,
    start: asked.Start = "random",
    offset: asked.Offset = 0.0,
    reference: asked.Reference = "cvxpy",
    joint: asked.Joint = False,
    jump: asked.Jump = False,
    network: asked.Network = None,
    width: asked.Width = None,
    layers: asked.Layers = None,
    activation: asked.Activation = None,
    parametrisation: asked.Parametrisation = None,
    max_memory: asked.MaxMemory = None,
    device: asked.Device = None,
    widths: asked.Widths = None,
    seeds: asked.Seeds = None,
    seed: asked.Seed = 0,
    threads: asked.Threads = None,
    out: asked.Out = None,
    overwrite: asked.Overwrite = False,
    as_json: asked.AsJson = False,
    debug: asked.Debug = False,
) -> None:
    """Run Proposition 1 or 2 where the optima are known; print its certificate as numbers.

    Exit code 0: every assumption and promise holds; 1: one is broken; 2: bad input; 130: Ctrl-C.
    """
    with _one_line(debug):
        from irtheory.runs.console import make_console
        from irtheory.studies.simulate.settings import Settings

        settings = Settings(
            **{field.name: context.params[field.name] for field in fields(Settings)}
        )
        console = make_console(quiet=as_json)
        if settings.widths is None:
            from irtheory.studies.simulate.command import simulate_command as command
        else:
            from irtheory.studies.width.command import width_command as command
        code, result = command(settings, seeds, out, overwrite, console)
    if as_json and code in (0, 1):
        typer.echo(result.read_text(encoding="utf-8"), nl=False)
    raise typer.Exit(code)


@app.command()
def recover(
    context: typer.Context,
    regimes: given.Regimes = "every-path,reused",
    methods: given.Methods = "all",
    depth: given.Depth = 3,
    attributes: given.Attributes = 8,
    sparsity: given.Sparsity = None,
    noise: given.Noise = 0.1,
    samples: given.Samples = 4000,
    mixing: given.Mixing = "linear",
    bits: given.Bits = 1,
    dim: given.Dim = 16,
    hidden: given.Hidden = "128",
    dropout: given.Dropout = 0.3,
    epochs: given.Epochs = 20,
    lambda_tree: given.LambdaTree = None,
    lambda_sparsity: given.LambdaSparsity = None,
    lambda_route: given.LambdaRoute = None,
    sweeps: given.SweepOver = None,
    seeds: given.Seeds = 4,
    seed: given.Seed = 0,
    threads: given.Threads = None,
    out: given.Out = None,
    overwrite: given.Overwrite = False,
    resume: given.Resume = False,
    as_json: given.AsJson = False,
    debug: given.Debug = False,
) -> None:
    """Measure when attributes are recovered: methods × regimes × seeds on drawn worlds.

    Exit code 0: done; 1: a cell failed; 2: bad input; 130: Ctrl-C, and --resume goes on.
    """
    with _one_line(debug):
        from irtheory.runs.console import make_console
        from irtheory.studies.recovery.command import recover_command
        from irtheory.studies.recovery.settings import settings_of

        settings = settings_of(context.params)
        console = make_console(quiet=as_json)
        code, folder = recover_command(settings, threads, out, overwrite, resume, console)
    if as_json and code in (0, 1):
        typer.echo((folder / "results.json").read_text(encoding="utf-8"), nl=False)
    raise typer.Exit(code)


# fmt: off
@app.command()
def train(
    context: typer.Context, dataset: run.Dataset = None, data_dir: run.DataDir = None,
    unit: run.Unit = None, validation: run.Validation = None, split_seed: run.SplitSeed = None,
    beetles: run.Beetles = None, max_bad: run.MaxBad = None, method: net.Method = None,
    recipe: net.Recipe = None, epochs: net.Epochs = None, batch_size: net.BatchSize = None,
    learning_rate: net.LearningRate = None, backbone_factor: net.BackboneFactor = None,
    optimiser: net.Optimiser = None, weight_decay: net.WeightDecay = None,
    momentum: net.Momentum = None, schedule: net.Schedule = None, drops: net.Drops = None,
    progressive: net.Progressive = None, lambda_label: net.LambdaLabel = None,
    lambda_tree: net.LambdaTree = None, lambda_sparsity: net.LambdaSparsity = None,
    lambda_route: net.LambdaRoute = None, criterion: net.Criterion = None,
    min_samples_leaf: net.MinSamplesLeaf = None, seed: net.Seed = None,
    backbone: net.Backbone = None, weights: net.Weights = None,
    freeze_backbone: net.FreezeBackbone = None, features: net.Features = None, dim: net.Dim = None,
    bits: net.Bits = None, depth: net.Depth = None, activation: net.Activation = None,
    dropout: net.Dropout = None, hidden: net.Hidden = None, head_hidden: net.HeadHidden = None,
    resize: run.Resize = None, crop: run.Crop = None, padding: run.Padding = None,
    flip: run.Flip = None, normalise: run.Normalise = None, device: run.Device = None,
    precision: run.Precision = None, deterministic: run.Deterministic = False,
    compile_: run.Compile = None, accumulate: run.Accumulate = None, cache_dir: run.CacheDir = None,
    out: run.Out = None, overwrite: run.Overwrite = False, resume: run.Resume = None,
    tensorboard: run.TensorBoard = False, as_json: run.AsJson = False, debug: run.Debug = False,
) -> None:
    # fmt: on
    """Train F, G and T on labelled images; attributes are never read.

    Exit code 0: done; 2: bad input; 130 or 143: Ctrl-C or SIGTERM, and --resume goes on.
    """
    with _one_line(debug):
        from irvision.commands.train import train_command

        code, folder = train_command(context.params)
    # Of several processes the first one speaks.
    if as_json and not code and os.environ.get("RANK", "0") == "0":
        from irtheory.runs.files import json_text

        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        typer.echo(json_text({"run": str(folder), **result}))
    raise typer.Exit(code)


@app.command()
def evaluate(
    folder: run.Folder,
    data_dir: run.MovedData = None,
    device: run.Device = None,
    cache_dir: run.CacheDir = None,
    null_draws: run.NullDraws = 20,
    bootstrap: run.Bootstrap = 200,
    seed: run.EvaluationSeed = 0,
    as_json: run.AsJson = False,
    debug: run.Debug = False,
) -> None:
    """Score a finished run on its test images: accuracy, and codes against attributes."""
    with _one_line(debug):
        from irtheory.runs.console import make_console
        from irvision.commands.evaluate import evaluate_command

        console = make_console(quiet=as_json)
        evaluate_command(folder, data_dir, device, cache_dir, null_draws, bootstrap, seed, console)
    if as_json:
        typer.echo((folder / "evaluation.json").read_text(encoding="utf-8"), nl=False)


@app.command()
def plot(
    folder: run.Folder,
    other: run.Other = None,
    debug: run.Debug = False,
) -> None:
    """Draw a run: training, tree, attributes; with a second run, both side by side."""
    with _one_line(debug):
        from irtheory.runs.console import make_console, print_written
        from irvision.figures.run import plot_run

        drawn = plot_run(folder, other)
        pictures = [path for path in drawn if path.suffix == ".png"]
        print_written(make_console(), folder, drawn, f"look at {pictures[0]}")


@app.command()
def doctor(as_json: run.AsJson = False, debug: run.Debug = False) -> None:
    """Say what this machine can run, and what not, and why."""
    with _one_line(debug):
        from irtheory.runs.console import make_console
        from irvision.commands.doctor import doctor_command

        code = doctor_command(make_console(), as_json)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold bytes that are no text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
