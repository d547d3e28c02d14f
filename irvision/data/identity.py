"""Which samples a run was trained and tested on, so that another set is not taken for it."""

from __future__ import annotations

import hashlib
import os

from irtheory.runs.files import InputError
from irvision.data.examples import Examples


def samples_digest(examples: Examples) -> str:
    """Changes with the samples' names below their common folder, their classes and their parts."""
    names = [examples.pixels.name(index) for index in range(len(examples.pixels))]
    # By characters is right here: the last slash is looked for in what they share.
    start = len(os.path.dirname(os.path.commonprefix(names)))  # noqa: RUF071
    total = hashlib.sha256("\0".join(examples.classes).encode("utf-8", "surrogateescape"))
    for name, label, part in zip(names, examples.labels, examples.parts, strict=True):
        line = f"{name[start:]}\0{label}\0{part}\n"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()[:32]


def check_samples(found: str, expected: str, where: str) -> None:
    """InputError unless two digests agree; a split by seed depends on every sample there is."""
    if found != expected:
        raise InputError(
            f"{where}: expected the samples of the run, found others (images added, removed or "
            "renamed since, or another split); bring them back or train anew"
        )
