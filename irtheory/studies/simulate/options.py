"""The options of `ira simulate`; parameters carry the names of the fields of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Setting = Annotated[
    Literal["convex", "logistic", "agreement", "ntk"],
    typer.Option(
        help="Loss and network: squared, cross-entropy, (1 − ab)², or squared on a linearised "
        "network."
    ),
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
    int | None,
    typer.Option(
        help="Synthetic problem: samples m.", show_default="240; with --widths 192, half held out"
    ),
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
        help="Weight of ½‖θ‖² (ntk: ½‖θ − θ0‖²) in the label loss.",
        show_default="convex, ntk 0; logistic 0.01; agreement 0.1",
    ),
]
StepSize = Annotated[
    float, typer.Option("--step-size", help="μβ, the step as a share of 1/β; promised below 1.")
]
Tolerance = Annotated[float, typer.Option("--tol", help="Stop when both gaps are below tol · Q_1.")]
MaxSteps = Annotated[
    int | None,
    typer.Option(help="At most so many steps.", show_default="100000; --jump 1e12; --widths 512"),
]
Jump = Annotated[
    bool,
    typer.Option(
        "--jump", help="Squared loss: in closed form from one change of the tree to the next."
    ),
]
PANEL = "Linearised networks (--setting ntk)"
Network = Annotated[
    Literal["mlp", "cnn"] | None,
    typer.Option(
        help="A perceptron, or convolutions on images of digits.",
        show_default="mlp",
        rich_help_panel=PANEL,
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        help="Hidden units, or channels, of a layer.",
        show_default="512; cnn 32",
        rich_help_panel=PANEL,
    ),
]
Layers = Annotated[
    int | None, typer.Option(help="Hidden layers.", show_default="2", rich_help_panel=PANEL)
]
Activation = Annotated[
    Literal["relu", "tanh", "gelu"] | None,
    typer.Option(help="After every hidden layer.", show_default="relu", rich_help_panel=PANEL),
]
Parametrisation = Annotated[
    Literal["ntk", "standard"] | None,
    typer.Option(
        help="Sizes of weights as factors, or in the weights.",
        show_default="ntk",
        rich_help_panel=PANEL,
    ),
]
MaxMemory = Annotated[
    float | None,
    typer.Option(
        help="GiB for the kernel and its eigenvectors, all processes together.",
        show_default="4",
        rich_help_panel=PANEL,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where networks are: cpu, cuda or cuda:N.", show_default="cpu", rich_help_panel=PANEL
    ),
]
Widths = Annotated[
    str | None,
    typer.Option(
        help="Train networks of these widths beside their linearisations.",
        metavar="64,128,…",
        rich_help_panel=PANEL,
    ),
]
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
Seeds = Annotated[
    int | None,
    typer.Option(
        help="So many independent problems, in parallel.", show_default="1; with --widths 5"
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Threads = Annotated[
    int | None,
    typer.Option(help="Threads of the tree search, or processes of --seeds and --widths."),
]
Out = Annotated[
    Path | None, typer.Option(help="Run folder.", show_default="runs/simulate-SETTING-TIME")
]
Overwrite = Annotated[bool, typer.Option(help="Replace an earlier run in --out.")]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print certificate.json (or seeds.json, widths.json) and no more."),
]
Debug = Annotated[bool, typer.Option(help="Show the traceback of an error.")]
