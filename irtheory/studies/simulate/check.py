"""What `ira simulate` refuses before a run: values out of range, and options without effect."""

from __future__ import annotations

import re

from irtheory.runs.files import InputError
from irtheory.runs.options import check_ranges, declared, flag_of
from irtheory.studies.simulate.settings import Algorithm, SimulateSettings
from irtheory.tables.options import TableOptions

# Options of linearised networks.
NETWORK = (
    "network", "layers", "activation", "parametrisation", "max_memory", "device", "width",
    "widths",
)  # fmt: skip


def check(settings: SimulateSettings, algorithm: Algorithm) -> None:
    """Refuse options that no run can use.

    Args:
        settings: as asked for.
        algorithm: that of the settings, or its default.

    Raises:
        InputError: names the option.
    """
    _check_network(settings)
    check_ranges(settings)
    _check_idle(settings)
    _check_algorithm(settings, algorithm)
    if settings.data is not None and settings.label is None:
        raise InputError("--data needs --label COLUMN, the column that holds the class")


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
    for name, found in declared(TableOptions).items():
        if getattr(settings.reading, name) != found.default and not own_table:
            raise InputError(f"{found.flag} needs --data FILE.csv")
    if settings.offset and settings.start != "saddle":
        raise InputError("--offset needs --start saddle")


def _check_algorithm(settings: SimulateSettings, algorithm: Algorithm) -> None:
    """Refuse an algorithm that does not go with the setting or with another option."""
    bcgd = algorithm == "bcgd"
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
    if settings.jump and (bcgd or settings.order == "jacobi" or settings.tree != "exact"):
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
        for name in NETWORK:
            if getattr(settings, name) is not None:
                found = f"{flag_of(SimulateSettings, name)} {getattr(settings, name)}"
                raise InputError(f"{found}: belongs to --setting ntk")
        return
    if settings.device is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", settings.device):
        raise InputError(f"--device: expected cpu, cuda or cuda:N, found '{settings.device}'")
    if settings.network == "cnn" and settings.data is not None:
        raise InputError("--network cnn: sees images of digits; a table of --data needs mlp")
    if settings.widths is not None:
        width_list(settings.widths)
        _check_study(settings)


def width_list(text: str) -> tuple[int, ...]:
    """The widths of --widths, ascending; InputError unless two or more different ones ≥ 1."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) >= 1 for word in words):
        raise InputError(f"--widths: expected whole numbers ≥ 1 with commas, found '{text}'")
    widths = sorted(set(map(int, words)))
    if len(widths) < 2:
        raise InputError(f"--widths: expected two different widths or more, found '{text}'")
    return tuple(widths)


def _check_study(settings: SimulateSettings) -> None:
    """Refuse options that a width study cannot use, or that would change nothing in it."""
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
