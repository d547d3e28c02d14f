"""Results of a study of widths: a row per width, slopes, and whether the claim holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from irtheory.propositions.certificates.certificates import ROUNDING, Check, at_most
from irtheory.studies.width.follow import WidthRun
from irtheory.studies.width.slopes import HIGH, Slope, loglog_slope

Measure = Callable[[WidthRun], float]
# The measures of every run, with their names in tables.
MEASURES: dict[str, tuple[str, Measure]] = {
    "off_train": ("sup_t ‖f_t − f_t^lin‖, train", lambda run: run.column("off_train").max()),
    "off_held": ("sup_t ‖f_t − f_t^lin‖, held out", lambda run: run.column("off_held").max()),
    "drift": ("kernel drift at the end", lambda run: run.moments[-1].drift),
    "gap": ("gap_θ/Q_1 of the network", lambda run: run.moments[-1].gap),
    "gap_linear": ("gap_θ/Q_1 of its linearisation", lambda run: run.moments[-1].gap_linear),
}
# Measures that, by the theory of wide networks, fall with width.
FALLING = ("off_train", "off_held", "drift")


@dataclass(frozen=True)
class FailedNetwork:
    """A network that could not be trained, and why."""

    width: int
    seed: int
    message: str


@dataclass(frozen=True)
class Statistic:
    """Mean, standard deviation and number of values."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Statistic:
        """The statistic of at least one value; sd is NaN for a single one."""
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return cls(float(np.mean(values)), sd, len(values))


@dataclass(frozen=True)
class WidthRow:
    """All runs of one width.

    Attributes:
        measures: a `Statistic` for each of `MEASURES`.
        step_beta: largest μβ of the linearisations at the θ_t where the kernel was computed.
        rise: largest Q_{t+1} − Q_t over Q_1.
        violation: largest miss of the descent lemma over Q_1.
        descends: number of runs with μβ < 1 wherever it was computed, no rise of Q and no miss
            of the descent lemma. This is what the propositions say of every step; what they
            say of gap_θ is in `measures`.
        same_tree: number of runs that end with the best tree of their linearisation.
    """

    width: int
    parameters: int
    measures: dict[str, Statistic]
    step_beta: float
    rise: float
    violation: float
    descends: int
    same_tree: int


@dataclass(frozen=True, eq=False)
class WidthStudy:
    """The runs, their statistics by width, the slopes and the checks of the slopes.

    `failed` are networks that could not be trained, `notes` sentences on what was run.
    """

    runs: tuple[WidthRun, ...]
    rows: tuple[WidthRow, ...]
    slopes: tuple[Slope, ...]
    checks: tuple[Check, ...]
    failed: tuple[FailedNetwork, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether networks follow their linearisations as they grow wide."""
        return all(check.holds for check in self.checks)

    def content(self) -> dict[str, Any]:
        """The study as plain data, without the curves."""
        return {
            "holds": self.holds,
            "widths": [asdict(row) for row in self.rows],
            "slopes": [{**asdict(slope), "verdict": slope.verdict} for slope in self.slopes],
            "checks": [asdict(check) for check in self.checks],
            "failed": [asdict(network) for network in self.failed],
            "notes": list(self.notes),
        }


def largest_rise(run: WidthRun) -> float:
    """Largest Q_{t+1} − Q_t over Q_1; negative if Q fell at every step."""
    return float(np.max(np.diff(run.column("value")), initial=-np.inf))


def descends(run: WidthRun) -> bool:
    """Step size, monotone descent and descent lemma hold for the network itself."""
    step_beta = max(moment.step_beta for moment in run.looked_at)
    missed = float(np.nanmax(run.column("violation"), initial=-np.inf))
    return step_beta < 1 and largest_rise(run) <= ROUNDING and missed <= ROUNDING


def summarise(
    runs: Sequence[WidthRun],
    failed: Sequence[FailedNetwork] = (),
    notes: Sequence[str] = (),
) -> WidthStudy:
    """The study of these runs.

    Raises:
        ValueError: too few widths and seeds for an interval, or a measure that is not above 0.
    """
    ordered = tuple(sorted(runs, key=lambda run: (run.width, run.seed)))
    widths, seeds = [run.width for run in ordered], [run.seed for run in ordered]
    slopes = tuple(
        loglog_slope(MEASURES[key][0], widths, seeds, [MEASURES[key][1](run) for run in ordered])
        for key in FALLING
    )
    rows = tuple(_row([run for run in ordered if run.width == w]) for w in sorted(set(widths)))
    checks = tuple(
        at_most(
            f"{slope.name}: a rate of −1/2 is not excluded",
            slope.low,
            HIGH,
            f"lower end of the 95% interval of the log-log slope {slope.slope:.3f}, {slope.n} "
            "networks; holds if ≤ limit",
        )
        for slope in slopes
    )
    return WidthStudy(ordered, rows, slopes, checks, tuple(failed), tuple(notes))


def _row(runs: Sequence[WidthRun]) -> WidthRow:
    return WidthRow(
        runs[0].width,
        runs[0].parameters,
        {
            key: Statistic.of([measure(run) for run in runs])
            for key, (_, measure) in MEASURES.items()
        },
        max(moment.step_beta for run in runs for moment in run.looked_at),
        max(largest_rise(run) for run in runs),
        max(float(np.nanmax(run.column("violation"), initial=-np.inf)) for run in runs),
        sum(descends(run) for run in runs),
        sum(run.same_tree for run in runs),
    )
