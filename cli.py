"""`ira`: the command line. One thin function a command; heavy imports happen inside."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from irtheory.studies.recovery import options as given

app = typer.Typer(
    help="Find the attributes behind class labels, and test the theory that says one can.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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


def _fail(error: Exception, debug: bool) -> typer.Exit:
    if debug:
        raise error
    line = " ".join(str(error).splitlines())
    typer.secho(f"ira: {line}", fg=typer.colors.RED, err=True)
    return typer.Exit(2)


# The options of `simulate`; parameters carry the names of the fields of `Settings`.
Setting = Annotated[
    Literal["convex", "logistic", "agreement"],
    typer.Option(help="Loss and network: squared, cross-entropy, or (1 − ab)²."),
]
Algorithm = Annotated[
    Literal["alternating", "bcgd"] | None,
    typer.Option(help="Prop. 1 or Prop. 2.", show_default="alternating; bcgd for agreement"),
]
Order = Annotated[
    Literal["gauss-seidel", "jacobi"],
    typer.Option(help="Tree fitted to the new θ (the proof) or to the old one (as printed)."),
]
TreeStep = Annotated[
    Literal["exact", "cart"],
    typer.Option(help="ω-step: the globally best tree, or a greedy one (breaks Prop. 1)."),
]
Depth = Annotated[
    int | None,
    typer.Option(help="Largest depth of a tree, at most 8.", show_default="3; agreement 2"),
]
MinSamplesLeaf = Annotated[int, typer.Option(help="Samples a leaf must hold.")]
Data = Annotated[
    str | None, typer.Option(help="Your table, a CSV file with a header.", metavar="FILE.csv")
]
Label = Annotated[str | None, typer.Option(help="The column of --data that holds the class.")]
Bins = Annotated[
    int | None, typer.Option(help="Codes per real-valued column of --data.", show_default="8")
]
Samples = Annotated[
    int | None, typer.Option(help="Synthetic problem: samples m.", show_default="240")
]
Attributes = Annotated[
    int | None, typer.Option(help="Synthetic problem: attributes.", show_default="12; agreement 4")
]
Classes = Annotated[
    int | None,
    typer.Option(help="Synthetic problem: classes k.", show_default="4; agreement always 2"),
]
Noise = Annotated[
    float | None,
    typer.Option(
        help="Synthetic problem: share of labels redrawn.", show_default="0.1; agreement always 0"
    ),
]
Ridge = Annotated[
    float | None,
    typer.Option(
        help="Weight of ½‖θ‖² in the label loss.",
        show_default="convex 0, logistic 0.01, agreement 0.1",
    ),
]
StepSize = Annotated[
    float, typer.Option("--step-size", help="μβ, the step as a share of 1/β; promised below 1.")
]
Tolerance = Annotated[float, typer.Option("--tol", help="Stop when both gaps are below tol · Q_1.")]
MaxSteps = Annotated[int, typer.Option(help="At most so many steps.")]
Start = Annotated[
    Literal["random", "saddle"], typer.Option(help="bcgd: start anywhere, or at a strict saddle.")
]
Offset = Annotated[float, typer.Option(help="Distance from the saddle at the start.")]
Reference = Annotated[
    Literal["cvxpy", "closed-form"],
    typer.Option(help="Check the optima with cvxpy too, or by closed form and Newton only."),
]
Joint = Annotated[
    bool, typer.Option("--global", help="Also the global minimum over all trees (small cases).")
]
Seeds = Annotated[int, typer.Option(help="So many independent problems, in parallel.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Threads = Annotated[
    int | None, typer.Option(help="Threads of the tree search, or processes of --seeds.")
]
Out = Annotated[
    Path | None, typer.Option(help="Run folder.", show_default="runs/simulate-SETTING-TIME")
]
Overwrite = Annotated[bool, typer.Option(help="Replace an earlier run in --out.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print certificate.json (or seeds.json) and no more.")
]
Debug = Annotated[bool, typer.Option(help="Show the traceback of an error.")]


@app.command()
def simulate(
    context: typer.Context,
    setting: Setting = "convex",
    algorithm: Algorithm = None,
    order: Order = "gauss-seidel",
    tree: TreeStep = "exact",
    depth: Depth = None,
    min_samples_leaf: MinSamplesLeaf = 1,
    data: Data = None,
    label: Label = None,
    bins: Bins = None,
    samples: Samples = None,
    attributes: Attributes = None,
    classes: Classes = None,
    noise: Noise = None,
    ridge: Ridge = None,
    step_size: StepSize = 0.9,
    tolerance: Tolerance = 1e-09,
    max_steps: MaxSteps = 100000,
    start: Start = "random",
    offset: Offset = 0.0,
    reference: Reference = "cvxpy",
    joint: Joint = False,
    seeds: Seeds = 1,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run Proposition 1 or 2 where the optima are known; print its certificate as numbers.

    Exit code 0: every assumption and promise holds; 1: one is broken; 2: bad input; 130: Ctrl-C.
    """
    try:
        from irtheory.console import make_console
        from irtheory.studies.settings import Settings
        from irtheory.studies.simulate_command import simulate_command

        settings = Settings(
            **{field.name: context.params[field.name] for field in fields(Settings)}
        )
        console = make_console(quiet=as_json)
        code, folder = simulate_command(settings, seeds, out, overwrite, console)
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        raise _fail(error, debug) from None
    except KeyboardInterrupt:
        # Before the first step or after the last one; in between the command keeps the steps.
        typer.secho("ira: interrupted", err=True)
        raise typer.Exit(130) from None
    if as_json and code in (0, 1):
        name = "certificate.json" if seeds == 1 else "seeds.json"
        typer.echo((folder / name).read_text(encoding="utf-8"), nl=False)
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
    try:
        from irtheory.console import make_console
        from irtheory.studies.recovery.command import recover_command
        from irtheory.studies.recovery.settings import settings_of

        settings = settings_of(context.params)
        console = make_console(quiet=as_json)
        code, folder = recover_command(settings, threads, out, overwrite, resume, console)
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        raise _fail(error, debug) from None
    except KeyboardInterrupt:
        typer.secho("ira: interrupted", err=True)
        raise typer.Exit(130) from None
    if as_json and code in (0, 1):
        typer.echo((folder / "results.json").read_text(encoding="utf-8"), nl=False)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
