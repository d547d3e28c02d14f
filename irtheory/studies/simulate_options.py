"""The options of `ira simulate`; parameters carry the names of the fields of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
