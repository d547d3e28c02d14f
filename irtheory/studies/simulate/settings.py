"""Settings of `ira simulate`, their defaults and what is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from irtheory.runs.files import InputError

Setting = Literal["convex", "logistic", "agreement", "ntk"]
Algorithm = Literal["alternating", "bcgd"]
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
OPTIONS = {"tolerance": "tol", "joint": "global"}
WIDTHS = {"mlp": 512, "cnn": 32}
# The width study: steps, and samples of which half are held out.
STUDY_STEPS, STUDY_SAMPLES = 512, 192


@dataclass(frozen=True)
class Settings:
    """All settings of one run of `ira simulate`; None means the default, where there is one."""

    setting: Setting = "convex"
    algorithm: Algorithm | None = None
    order: Literal["gauss-seidel", "jacobi"] = "gauss-seidel"
    tree: Literal["exact", "cart"] = "exact"
    depth: int | None = None
    min_samples_leaf: int = 1
    samples: int | None = None
    attributes: int | None = None
    classes: int | None = None
    noise: float | None = None
    data: str | None = None
    label: str | None = None
    bins: int | None = None
    ridge: float | None = None
    step_size: float = 0.9
    tolerance: float = 1e-9
    max_steps: int | None = None
    start: Literal["random", "saddle"] = "random"
    offset: float = 0.0
    reference: Literal["cvxpy", "closed-form"] = "cvxpy"
    joint: bool = False
    jump: bool = False
    network: Literal["mlp", "cnn"] | None = None
    width: int | None = None
    layers: int | None = None
    activation: Literal["relu", "tanh", "gelu"] | None = None
    parametrisation: Literal["ntk", "standard"] | None = None
    max_memory: float | None = None
    device: str | None = None
    widths: str | None = None
    seed: int = 0
    threads: int | None = None

    def resolved(self) -> Settings:
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


def check(settings: Settings) -> None:
    """Refuse settings that no run can use; raises InputError naming the option."""
    _check_network(settings)
    _check_ranges(settings)
    _check_idle(settings)
    _check_algorithm(settings)


def _check_ranges(settings: Settings) -> None:
    ranges = [
        ("--step-size", settings.step_size, 0, np.inf),
        ("--tol", settings.tolerance, 0, 1),
        ("--max-memory", 1 if settings.max_memory is None else settings.max_memory, 0, np.inf),
    ]
    for option, value, low, high in ranges:
        if not low < value < high:
            raise InputError(
                f"{option}: expected a number above {low} and below {high}, found {value}"
            )
    least = [
        ("--max-steps", settings.max_steps, 1),
        ("--depth", settings.depth, 0),
        ("--min-samples-leaf", settings.min_samples_leaf, 1),
        ("--samples", settings.samples, 1),
        ("--attributes", settings.attributes, 1),
        ("--classes", settings.classes, 2),
        ("--bins", settings.bins, 2),
        ("--threads", settings.threads, 1),
        ("--ridge", settings.ridge, 0),
        ("--offset", settings.offset, 0),
        ("--seed", settings.seed, 0),
        ("--width", settings.width, 1),
        ("--layers", settings.layers, 1),
    ]
    for option, value, low in least:
        if value is not None and not low <= value < np.inf:
            raise InputError(f"{option}: expected at least {low}, found {value}")
    if settings.depth is not None and settings.depth > MAX_DEPTH:
        raise InputError(f"--depth: expected at most {MAX_DEPTH}, found {settings.depth}")


def _check_idle(settings: Settings) -> None:
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


def _check_algorithm(settings: Settings) -> None:
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


def _check_network(settings: Settings) -> None:
    """Refuse options of linearised networks that cannot be used or would change nothing."""
    if settings.setting != "ntk":
        for name in (*NETWORK, "width", "widths"):
            if getattr(settings, name) is not None:
                option = f"--{name.replace('_', '-')} {getattr(settings, name)}"
                raise InputError(f"{option}: belongs to --setting ntk")
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


def _check_study(settings: Settings) -> None:
    width_list(settings.widths or "")
    if settings.width is not None:
        raise InputError(f"--width {settings.width}: without effect, --widths says which")
    if settings.step_size >= 2:
        raise InputError(f"--step-size {settings.step_size:g}: --widths needs less than 2")
    if settings.max_steps is not None and settings.max_steps < 2:
        raise InputError(f"--max-steps {settings.max_steps}: --widths needs 2 steps or more")
    usual = Settings()
    for name in ("order", "tree", "start", "offset", "reference", "tolerance", "joint", "jump"):
        if getattr(settings, name) != getattr(usual, name):
            raise InputError(f"--{OPTIONS.get(name, name)}: without effect in a study of --widths")
    if settings.algorithm == "bcgd" or settings.ridge:
        raise InputError("--widths: trains by --algorithm alternating with --ridge 0 alone")
