"""Settings of `ira simulate`, their defaults and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from irtheory.runs import InputError

Setting = Literal["convex", "logistic", "agreement"]
Algorithm = Literal["alternating", "bcgd"]
RIDGES = {"convex": 0.0, "logistic": 1e-2, "agreement": 0.1}


@dataclass(frozen=True)
class Settings:
    """All settings of one run of `ira simulate`; None means the setting's own default."""

    setting: Setting = "convex"
    algorithm: Algorithm | None = None
    order: Literal["gauss-seidel", "jacobi"] = "gauss-seidel"
    tree: Literal["exact", "cart"] = "exact"
    depth: int | None = None
    min_samples_leaf: int = 1
    samples: int = 240
    attributes: int | None = None
    classes: int = 4
    noise: float = 0.1
    data: str | None = None
    label: str | None = None
    bins: int = 8
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
        """The same settings with every default filled in."""
        agreement = self.setting == "agreement"
        return replace(
            self,
            algorithm=self.algorithm or ("bcgd" if agreement else "alternating"),
            depth=(2 if agreement else 3) if self.depth is None else self.depth,
            attributes=(4 if agreement else 12) if self.attributes is None else self.attributes,
            ridge=RIDGES[self.setting] if self.ridge is None else self.ridge,
        )


def check(settings: Settings) -> None:
    """Refuse settings that no run can use; raises InputError naming the option."""
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
        ("--classes", settings.classes, 2),
        ("--bins", settings.bins, 2),
        ("--threads", settings.threads, 1),
        ("--ridge", settings.ridge, 0),
        ("--offset", settings.offset, 0),
        ("--seed", settings.seed, 0),
    ]
    for option, value, low in least:
        if value is not None and not value >= low:
            raise InputError(f"{option}: expected at least {low}, found {value}")
    bcgd_only = settings.algorithm == "bcgd"
    if bcgd_only and (settings.order, settings.tree) != ("gauss-seidel", "exact"):
        raise InputError("--order and --tree belong to --algorithm alternating")
    if settings.start == "saddle" and not bcgd_only:
        raise InputError("--start saddle belongs to --algorithm bcgd")
    if settings.setting == "logistic" and bcgd_only:
        raise InputError(
            "--algorithm bcgd: L[G, T] of the logistic setting is linear in T, so Q has no "
            "minimum over free leaf values; use --algorithm alternating"
        )
    if settings.joint and bcgd_only and settings.setting == "agreement":
        raise InputError(
            "--global: over free leaf values the agreement objective is not convex; "
            "use --algorithm alternating or --setting convex"
        )
