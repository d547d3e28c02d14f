"""Settings of `ira simulate`, their defaults and what is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from irtheory.runs.files import InputError
from irtheory.runs.folder import RunFiles, register_run_files
from irtheory.runs.options import Interval, Option, at_least, between, check_ranges, flag_of

Setting = Literal["convex", "logistic", "agreement", "ntk"]
Algorithm = Literal["alternating", "bcgd"]
# Headings of the options in --help.
WHAT, PROBLEM, STEPS, RUN, OUTPUT = "What is run", "Problem", "Steps", "Run", "Output"
LINEARISED = "Linearised networks (--setting ntk)"
MAX_DEPTH = 8  # the search grows by about twice the number of tests a level
RIDGES = {"convex": 0.0, "logistic": 1e-2, "agreement": 0.1, "ntk": 0.0}
# Steps one by one, and in closed form.
MAX_STEPS, MAX_LEAP = 100_000, 10**12
# Of a linearised network: how it is made, and hidden units or channels.
NETWORK = {
    "network": "mlp",
    "layers": 2,
    "activation": "relu",
    "parametrisation": "ntk",
    "max_memory": 4.0,
    "device": "cpu",
}
WIDTHS = {"mlp": 512, "cnn": 32}
# The width study: steps, and samples of which half are held out.
STUDY_STEPS, STUDY_SAMPLES = 512, 192


@dataclass(frozen=True)
class SimulateSettings:
    """All settings of one run of `ira simulate`; None means the default, where there is one."""

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
        Literal["exact", "cart"],
        Option(
            "Tree of the ω-step: the globally best one, or a greedy one, which breaks "
            "Proposition 1.",
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

    def resolved(self) -> SimulateSettings:
        """The same settings with the default of every setting that has a meaning here.

        What a table brings with it (its size, classes and noise) stays None with `data`, `bins`
        without, and classes and noise for the exclusive-or labels of the agreement setting.
        """
        agreement, study = self.setting == "agreement", self.widths is not None
        defaults: dict[str, Any] = {
            "algorithm": "bcgd" if agreement else "alternating",
            "depth": 2 if agreement else 3,
            "ridge": RIDGES[self.setting],
            "max_steps": STUDY_STEPS if study else MAX_LEAP if self.jump else MAX_STEPS,
            **self._problem_defaults(),
        }
        if self.setting == "ntk":
            defaults |= NETWORK
            defaults["width"] = None if study else WIDTHS[self.network or "mlp"]
        missing = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return replace(self, **missing)

    def _problem_defaults(self) -> dict[str, Any]:
        if self.data is not None:
            return {"bins": 8}
        if self.setting == "agreement":
            return {"samples": 240, "attributes": 4}
        sizes = {"samples": 240 if self.widths is None else STUDY_SAMPLES, "classes": 4}
        return sizes if self.network == "cnn" else {**sizes, "attributes": 12, "noise": 0.1}


def check(settings: SimulateSettings) -> None:
    """Refuse settings that no run can use; raises InputError naming the option."""
    _check_network(settings)
    check_ranges(settings)
    _check_idle(settings)
    _check_algorithm(settings)


def _check_idle(settings: SimulateSettings) -> None:
    """Refuse options that would change nothing."""
    own_table = settings.data is not None
    idle, reason = (), ""
    if own_table:
        idle, reason = ("samples", "attributes", "classes", "noise"), "the table of --data decides"
    elif settings.setting == "agreement":
        idle, reason = ("classes", "noise"), "exclusive-or labels are two classes without noise"
    elif settings.network == "cnn":
        idle, reason = ("attributes", "noise"), "the convolutional network sees images of digits"
    for name in idle:
        if getattr(settings, name) is not None:
            raise InputError(f"--{name} {getattr(settings, name)}: without effect, {reason}")
    if settings.bins is not None and not own_table:
        raise InputError("--bins needs --data FILE.csv")
    if settings.label is not None and not own_table:
        raise InputError("--label needs --data FILE.csv")
    if settings.offset and settings.start != "saddle":
        raise InputError("--offset needs --start saddle")


def _check_algorithm(settings: SimulateSettings) -> None:
    bcgd = settings.algorithm == "bcgd"
    if bcgd and (settings.order, settings.tree) != ("gauss-seidel", "exact"):
        raise InputError("--order and --tree belong to --algorithm alternating")
    if settings.start == "saddle" and settings.setting in ("convex", "ntk"):
        raise InputError(
            f"--start saddle: the {settings.setting} setting is convex in both blocks together "
            "and has no strict saddle; use --setting agreement"
        )
    if settings.start == "saddle" and not bcgd:
        raise InputError("--start saddle belongs to --algorithm bcgd")
    if settings.jump and settings.setting not in ("convex", "ntk"):
        raise InputError(
            f"--jump: the closed form is of squared loss, found --setting {settings.setting}"
        )
    if settings.jump and (bcgd or settings.order == "jacobi" or settings.tree == "cart"):
        raise InputError(
            "--jump: the closed form is of --algorithm alternating, --order gauss-seidel and "
            "--tree exact"
        )
    if settings.jump and settings.step_size >= 2:
        raise InputError(f"--step-size {settings.step_size:g}: --jump needs less than 2")
    if settings.setting == "logistic" and bcgd:
        raise InputError(
            "--algorithm bcgd: L[G, T] of the logistic setting is linear in T, so Q has no "
            "minimum over free leaf values; use --algorithm alternating"
        )
    if settings.joint and bcgd and settings.setting == "agreement":
        raise InputError(
            "--global: over free leaf values the agreement objective is not convex; "
            "use --algorithm alternating or --setting convex"
        )


def _check_network(settings: SimulateSettings) -> None:
    """Refuse options of linearised networks that cannot be used or would change nothing."""
    if settings.setting != "ntk":
        for name in (*NETWORK, "width", "widths"):
            if getattr(settings, name) is not None:
                found = f"{flag_of(SimulateSettings, name)} {getattr(settings, name)}"
                raise InputError(f"{found}: belongs to --setting ntk")
        return
    if not re.fullmatch(r"cpu|cuda(:\d+)?", settings.device or "cpu"):
        raise InputError(f"--device: expected cpu, cuda or cuda:N, found '{settings.device}'")
    if settings.network == "cnn" and settings.data is not None:
        raise InputError("--network cnn: sees images of digits; a table of --data needs mlp")
    if settings.widths is not None:
        _check_study(settings)


def width_list(text: str) -> list[int]:
    """The widths of --widths, ascending; InputError unless two or more different ones ≥ 1."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) >= 1 for word in words):
        raise InputError(f"--widths: expected whole numbers ≥ 1 with commas, found '{text}'")
    widths = sorted(set(map(int, words)))
    if len(widths) < 2:
        raise InputError(f"--widths: expected two different widths or more, found '{text}'")
    return widths


def _check_study(settings: SimulateSettings) -> None:
    width_list(settings.widths or "")
    if settings.width is not None:
        raise InputError(f"--width {settings.width}: without effect, --widths says which")
    if settings.step_size >= 2:
        raise InputError(f"--step-size {settings.step_size:g}: --widths needs less than 2")
    if settings.max_steps is not None and settings.max_steps < 2:
        raise InputError(f"--max-steps {settings.max_steps}: --widths needs 2 steps or more")
    usual = SimulateSettings()
    for name in ("order", "tree", "start", "offset", "reference", "tolerance", "joint", "jump"):
        if getattr(settings, name) != getattr(usual, name):
            raise InputError(
                f"{flag_of(SimulateSettings, name)}: without effect in a study of --widths"
            )
    if settings.algorithm == "bcgd" or settings.ridge:
        raise InputError("--widths: trains by --algorithm alternating with --ridge 0 alone")


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
        "certificate.json seeds.json columns.json tree.json key.txt trajectory.csv escape.csv "
        "trajectories/seed-*.csv widths.csv widths.json trajectories/width-*.csv *.svg *.png",
        folders="trajectories",
    ),
)
