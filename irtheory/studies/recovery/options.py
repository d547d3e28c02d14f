"""The options of `ira recover`; parameters carry the names of the fields of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Regimes = Annotated[
    str, typer.Option(help="Comma list of every-path, reused, distinct.", metavar="A,B")
]
Methods = Annotated[
    str, typer.Option(help="Comma list of methods, or all.", metavar="A,B", show_default=True)
]
Depth = Annotated[int, typer.Option(help="Depth of the labelling tree t, and of T.")]
Attributes = Annotated[int, typer.Option(help="Attributes of a world.")]
Sparsity = Annotated[
    int | None,
    typer.Option(help="d0, at most so many attributes on together.", show_default="no limit"),
]
Noise = Annotated[float, typer.Option(help="White noise on x, in sd of the signal.")]
Samples = Annotated[int, typer.Option(help="Training samples.")]
Mixing = Annotated[
    Literal["linear", "mlp"], typer.Option(help="How attributes and nuisance make x.")
]
Bits = Annotated[int, typer.Option(help="r, bits of a code.")]
Dim = Annotated[int, typer.Option(help="d, number of codes.")]
Hidden = Annotated[
    str,
    typer.Option(help="Widths of F's hidden layers, comma list; 0 for a linear F.", metavar="N,N"),
]
Dropout = Annotated[float, typer.Option(help="Share of inputs left out, of every layer of F.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training.")]
LambdaTree = Annotated[
    float | None,
    typer.Option(help="λ2 of the methods that have it.", show_default="the method's own"),
]
LambdaSparsity = Annotated[
    float | None,
    typer.Option(help="λ3 of the methods that have it.", show_default="the method's own"),
]
LambdaRoute = Annotated[
    float | None,
    typer.Option(help="λ4 of the methods that have it.", show_default="the method's own"),
]
SweepOver = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        help="Also vary a setting: depth, attributes, sparsity, noise, samples, bits, dim, "
        "dropout, lambda-tree, lambda-sparsity or lambda-route. Twice for a phase diagram.",
        metavar="NAME=V,V",
        show_default="none",
    ),
]
Seeds = Annotated[int, typer.Option(help="Worlds of every regime.")]
Seed = Annotated[int, typer.Option(help="The first seed.")]
Threads = Annotated[
    int | None, typer.Option(help="Processes that train side by side.", show_default="all cores")
]
Out = Annotated[
    Path | None, typer.Option(help="Run folder.", show_default="runs/recover-REGIMES-TIME")
]
Overwrite = Annotated[bool, typer.Option(help="Replace an earlier run in --out.")]
Resume = Annotated[
    bool, typer.Option(help="Go on in --out: cells that are there are not run again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print results.json and no more.")]
Debug = Annotated[bool, typer.Option(help="Show the traceback of an error.")]
