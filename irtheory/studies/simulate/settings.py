"""The options of `ira simulate`; `irtheory.studies.simulate.resolve` fills in their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from irtheory.runs.folder import RunFiles, register_run_files
from irtheory.runs.options import Interval, Option, at_least, between
from irtheory.tables.options import PLAIN, TableOptions

Setting = Literal["convex", "logistic", "agreement", "ntk"]
Algorithm = Literal["alternating", "bcgd"]
# Headings of the options in --help.
WHAT, PROBLEM, STEPS, RUN, OUTPUT = "What is run", "Problem", "Steps", "Run", "Output"
LINEARISED = "Linearised networks (--setting ntk)"
MAX_DEPTH = 8  # the search grows by about twice the number of tests a level


@dataclass(frozen=True)
class SimulateSettings:
    """The options of one run of `ira simulate`, as asked for; None means "not given".

    Attributes:
        reading: how the table of --data is read, by options that all commands with tables share.
    """

    setting: Annotated[
        Setting,
        Option(
            "Loss and model: squared (convex), cross-entropy (logistic), (1 − ab)² (agreement), or "
            "squared on a linearised network (ntk).",
            WHAT,
        ),
    ] = "convex"
    algorithm: Annotated[
        Algorithm | None,
        Option(
            "Algorithm of Proposition 1 (alternating) or Proposition 2 (bcgd).",
            WHAT,
            default="alternating; bcgd for agreement",
        ),
    ] = None
    order: Annotated[
        Literal["gauss-seidel", "jacobi"],
        Option(
            "Fit the tree to the new θ, as in the proof (gauss-seidel), or to the old one, as "
            "printed in the paper (jacobi).",
            WHAT,
        ),
    ] = "gauss-seidel"
    tree: Annotated[
        Literal["exact", "greedy", "cart"],
        Option(
            "Tree of the ω-step: the globally best one, or a greedy one, which breaks "
            "Proposition 1; cart is an older name of greedy.",
            WHAT,
        ),
    ] = "exact"
    depth: Annotated[
        int | None,
        Option("Largest depth of the tree.", WHAT, between(0, MAX_DEPTH), default="3; agreement 2"),
    ] = None
    min_samples_leaf: Annotated[
        int, Option("Fewest samples in a leaf of the tree.", WHAT, at_least(1))
    ] = 1
    samples: Annotated[
        int | None,
        Option(
            "Samples m of the drawn problem.",
            PROBLEM,
            at_least(1),
            default="240; with --widths 192, half of them held out",
        ),
    ] = None
    attributes: Annotated[
        int | None,
        Option("Attributes of the drawn problem.", PROBLEM, at_least(1), default="12; agreement 4"),
    ] = None
    classes: Annotated[
        int | None,
        Option(
            "Classes k of the drawn problem.",
            PROBLEM,
            at_least(2),
            default="4; agreement always 2",
        ),
    ] = None
    noise: Annotated[
        float | None,
        Option(
            "Share of the labels that are redrawn.",
            PROBLEM,
            between(0, 1),
            default="0.1; agreement always 0",
        ),
    ] = None
    data: Annotated[
        str | None,
        Option("Your own table: a CSV file with a header.", PROBLEM, metavar="FILE.csv"),
    ] = None
    label: Annotated[
        str | None, Option("Column of --data that holds the class.", PROBLEM, metavar="COLUMN")
    ] = None
    bins: Annotated[
        int | None,
        Option("Codes per real-valued column of --data.", PROBLEM, at_least(2), default="8"),
    ] = None
    ridge: Annotated[
        float | None,
        Option(
            "Weight of ½‖θ‖² (ntk: ½‖θ − θ0‖²) in the label loss.",
            WHAT,
            at_least(0),
            default="0; logistic 0.01; agreement 0.1",
        ),
    ] = None
    step_size: Annotated[
        float,
        Option(
            "Step size μβ, as a share of 1/β; the propositions need less than 1.",
            STEPS,
            Interval(0, low_open=True),
        ),
    ] = 0.9
    tolerance: Annotated[
        float,
        Option(
            "Stop when both gaps are below this share of Q_1.",
            STEPS,
            Interval(0, 1, low_open=True, high_open=True),
            flag="--tol",
        ),
    ] = 1e-9
    max_steps: Annotated[
        int | None,
        Option(
            "Largest number of steps.",
            STEPS,
            at_least(1),
            default="100000; --jump 1e12; --widths 512",
        ),
    ] = None
    start: Annotated[
        Literal["random", "saddle"],
        Option("Start of bcgd: a random point, or a strict saddle.", STEPS),
    ] = "random"
    offset: Annotated[
        float, Option("Distance of the start from the saddle.", STEPS, at_least(0))
    ] = 0.0
    reference: Annotated[
        Literal["cvxpy", "closed-form"],
        Option(
            "Check the optima with cvxpy as well, or by closed form and Newton's method alone.",
            WHAT,
        ),
    ] = "cvxpy"
    joint: Annotated[
        bool,
        Option(
            "Also find the global minimum over all trees (small problems).", WHAT, flag="--global"
        ),
    ] = False
    jump: Annotated[
        bool,
        Option("Squared loss: go in closed form from one change of the tree to the next.", STEPS),
    ] = False
    network: Annotated[
        Literal["mlp", "cnn"] | None,
        Option(
            "Network: a perceptron, or convolutions on images of digits.",
            LINEARISED,
            default="mlp",
        ),
    ] = None
    width: Annotated[
        int | None,
        Option(
            "Hidden units, or channels, of a layer.",
            LINEARISED,
            at_least(1),
            default="512; cnn 32",
        ),
    ] = None
    layers: Annotated[
        int | None, Option("Number of hidden layers.", LINEARISED, at_least(1), default="2")
    ] = None
    activation: Annotated[
        Literal["relu", "tanh", "gelu"] | None,
        Option("Activation after every hidden layer.", LINEARISED, default="relu"),
    ] = None
    parametrisation: Annotated[
        Literal["ntk", "standard"] | None,
        Option(
            "Scale of the weights: a factor of each layer (ntk), or in the weights themselves.",
            LINEARISED,
            default="ntk",
        ),
    ] = None
    max_memory: Annotated[
        float | None,
        Option(
            "Memory in GiB for the kernel and its eigenvectors, of all processes together.",
            LINEARISED,
            Interval(0, low_open=True),
            default="4",
        ),
    ] = None
    device: Annotated[
        str | None, Option("Device of the network: cpu, cuda or cuda:N.", LINEARISED, default="cpu")
    ] = None
    widths: Annotated[
        str | None,
        Option(
            "Train networks of these widths beside their linearisations.",
            LINEARISED,
            metavar="64,128,…",
        ),
    ] = None
    seed: Annotated[int, Option("Seed of every random draw.", PROBLEM, at_least(0))] = 0
    threads: Annotated[
        int | None,
        Option(
            "Threads of the tree search, or processes of --seeds and --widths.",
            RUN,
            at_least(1),
            default="all cores",
        ),
    ] = None
    reading: TableOptions = PLAIN


@dataclass(frozen=True)
class SimulateRequest:
    """What `ira simulate` takes beside the settings of a run."""

    seeds: Annotated[
        int | None,
        Option(
            "Number of independent problems, run in parallel.",
            RUN,
            at_least(1),
            default="1; with --widths 5",
        ),
    ] = None
    out: Annotated[
        Path | None, Option("Run folder to make.", RUN, default="runs/simulate-SETTING-TIME")
    ] = None
    overwrite: Annotated[bool, Option("Replace an earlier run in --out.", RUN)] = False
    as_json: Annotated[
        bool,
        Option(
            "Print certificate.json (or seeds.json, widths.json) and nothing else.",
            OUTPUT,
            flag="--json",
        ),
    ] = False


register_run_files(
    "simulate",
    RunFiles(
        "certificate.json seeds.json columns.json tree.json key.txt key.json trajectory.csv "
        "escape.csv trajectories/seed-*.csv widths.csv widths.json trajectories/width-*.csv "
        "*.svg *.png",
        folders="trajectories",
    ),
)
