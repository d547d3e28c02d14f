"""Settings of `ira simulate`, their defaults and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from irtheory.runs import InputError

Setting = Literal["convex", "logistic", "agreement"]
Algorithm = Literal["alternating", "bcgd"]
MAX_DEPTH = 8  # the search grows by about twice the number of tests a level
RIDGES = {"convex": 0.0, "logistic": 1e-2, "agreement": 0.1}


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
    max_steps: int = 100_000
    start: Literal["random", "saddle"] = "random"
    offset: float = 0.0
    reference: Literal["cvxpy", "closed-form"] = "cvxpy"
    joint: bool = False
    seed: int = 0
    threads: int | None = None

    def resolved(self) -> Settings:
        """The same settings with the default of every setting that has a meaning here.

        What a table brings with it (its size, classes and noise) stays None with `data`, `bins`
        without, and classes and noise for the exclusive-or labels of the agreement setting.
        """
        agreement = self.setting == "agreement"
        defaults: dict[str, Any] = {
            "algorithm": "bcgd" if agreement else "alternating",
            "depth": 2 if agreement else 3,
            "ridge": RIDGES[self.setting],
        }
        if self.data is not None:
            defaults["bins"] = 8
        else:
            defaults |= {"samples": 240, "attributes": 4 if agreement else 12}
        if self.data is None and not agreement:
            defaults |= {"classes": 4, "noise": 0.1}
        missing = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return replace(self, **missing)


def check(settings: Settings) -> None:
    """Refuse settings that no run can use; raises InputError naming the option."""
    _check_ranges(settings)
    _check_idle(settings)
    _check_algorithm(settings)


def _check_ranges(settings: Settings) -> None:
    ranges = [
        ("--step-size", settings.step_size, 0, np.inf),
        ("--tol", settings.tolerance, 0, 1),
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
    if settings.start == "saddle" and settings.setting == "convex":
        raise InputError(
            "--start saddle: the convex setting is convex in both blocks together and has no "
            "strict saddle; use --setting agreement"
        )
    if settings.start == "saddle" and not bcgd:
        raise InputError("--start saddle belongs to --algorithm bcgd")
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
