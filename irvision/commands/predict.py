"""`ira predict` for images: a CSV table with what T and G name for every one."""

from __future__ import annotations

import csv
import io
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from rich.console import Console

from irtheory.intersection.network import Collected
from irtheory.runs.console import Pulse, clock, make_console, print_plain, progress_bar
from irtheory.runs.files import InputError, json_text, replacing
from irtheory.runs.outputs import check_output
from irtheory.studies.table.settings import PREDICTED, PredictRequest
from irtheory.trees.writing import one_line, safe_cell
from irvision.data.examples import BadImage
from irvision.data.pixels.given import image_paths, read_many
from irvision.model import Model, load
from irvision.runs.samples import CODING
from irvision.settings.requests import ImageOptions

# Images between two writes; decoded ones wait in memory.
BATCH = 256


@dataclass
class Tally:
    """What was predicted so far."""

    images: int = 0
    agree: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    by_t: dict[str, int] = field(default_factory=dict)


def predict_images(request: PredictRequest, options: ImageOptions) -> int:
    """Predict images and write a table with a row for each, also for those that cannot be read.

    Args:
        request: run, images and table to write.
        options: for images alone.

    Returns:
        The exit code, 0.

    Raises:
        InputError: a run, an image or a table that cannot be used; no image could be read.
    """
    console = make_console(quiet=request.as_json)
    paths = image_paths(request.inputs)
    out = request.out or request.run / f"predicted-{_name(request.inputs)}.csv"
    check_output(out, request.overwrite, request.run, PREDICTED, paths)
    model = load(request.run, options.device)
    tally, began = Tally(), time.perf_counter()
    with _table(out) as stream:
        _predict(model, paths, options.codes, stream, tally, console)
        if not tally.images:
            name, why = tally.bad[0]
            raise InputError(f"{name}: expected an image, found none that can be read ({why})")
    _report(console, request, out, tally, time.perf_counter() - began, paths)
    return 0


def _report(
    console: Console, request: PredictRequest, out: Path, tally: Tally, seconds: float,
    paths: Sequence[Path],
) -> None:  # fmt: skip
    for name, why in tally.bad[:3]:
        print_plain(console, f"· cannot be read: {one_line(name)}: {why}")
    if tally.bad:
        print_plain(console, f"· {len(tally.bad)} of {len(paths)} images cannot be read")
    rate = tally.images / max(seconds, 1e-9)
    print_plain(
        console,
        f"{tally.images} images, {rate:.0f} images/s; T and G name the same class for "
        f"{tally.agree / tally.images:.1%}",
    )
    print_plain(console, f"wrote {out}: {len(paths)} rows")
    unread = {name for name, _ in tally.bad}
    first = next(str(path) for path in paths if str(path) not in unread)
    following = shlex.join(["ira", "explain", str(request.run), first])
    print_plain(console, f"next: {one_line(following)}")
    if request.as_json:
        errors = [{"image": name, "error": why} for name, why in tally.bad]
        print(json_text({
            "run": str(request.run), "wrote": str(out), "images": tally.images,
            "predicted": tally.by_t, "agreement": tally.agree / tally.images,
            "images_per_second": rate, "unread": errors,
        }))  # fmt: skip


def _predict(
    model: Model, paths: Sequence[Path], codes: str, stream: IO[str], tally: Tally, console: Console
) -> None:
    """Write the header and the rows of all images."""
    columns = _codes(model, codes)
    table = csv.writer(stream, lineterminator="\n")
    table.writerow((
        "image", "T", "G", "leaf", "error",
        *(f"p({name})" for name in model.classes), *(f"code {code}" for code in columns),
    ))  # fmt: skip
    began = time.perf_counter()
    read = read_many(paths, model.side, model.trained.ranges)
    with progress_bar(console) as bar:
        pulse = Pulse(console, bar, "images", len(paths))
        for start in range(0, len(paths), BATCH):
            some = paths[start : start + BATCH]
            _write_batch(model, some, read, columns, table, tally)
            done = start + len(some)
            rate = done / max(time.perf_counter() - began, 1e-9)
            left = clock((len(paths) - done) / rate)
            pulse.show(f"{done} of {len(paths)} images, {rate:.0f} images/s, {left} left", done)


def _codes(model: Model, which: str) -> list[int]:
    if which == "none":
        return []
    if which == "all":
        return list(range(model.trained.settings.dim))
    return sorted({test.code for test in model.named.tests.values()})


def _write_batch(
    model: Model, paths: Sequence[Path], read: Iterator[Any], columns: Sequence[int], table: Any,
    tally: Tally,
) -> None:  # fmt: skip
    """Rows of some images in order, with empty cells and the reason for those not read."""
    bad: dict[int, str] = {}

    def pictures() -> Iterator[np.ndarray]:
        for place in range(len(paths)):
            found = next(read)
            if isinstance(found, BadImage):
                bad[place] = found.why
            else:
                yield found

    found = _collected(model, pictures(), paths)
    rows = iter(()) if found is None else _rows(model, found, columns)
    empty = [""] * (len(model.classes) + len(columns))
    for place, path in enumerate(paths):
        if place in bad:
            tally.bad.append((str(path), bad[place]))
            table.writerow((safe_cell(str(path)), "", "", "", bad[place], *empty))
            continue
        by_t, by_g, leaf, cells = next(rows)
        tally.images += 1
        tally.agree += by_t == by_g
        tally.by_t[by_t] = tally.by_t.get(by_t, 0) + 1
        named = map(safe_cell, (str(path), by_t, by_g))
        table.writerow((*named, leaf, "", *cells))


def _collected(
    model: Model, pictures: Iterator[np.ndarray], paths: Sequence[Path]
) -> Collected | None:
    """Codes and outputs of pictures; None if there are none."""
    first = next(pictures, None)
    if first is None:
        return None
    try:
        return model.forward(_with(first, pictures))
    except FloatingPointError as error:
        raise InputError(f"{paths[0]} … {paths[-1]}: the network has no codes ({error})") from error


def _with(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from others


def _rows(
    model: Model, found: Collected, columns: Sequence[int]
) -> Iterator[tuple[str, str, int, list[Any]]]:
    """Class by T and G, leaf of T, then probabilities of G and codes."""
    codes, outputs = found.codes.cpu().numpy(), found.outputs.cpu().numpy()
    leaves = model.trained.tree.apply(codes[:, model.trained.kept])
    by_t = model.trained.tree.value[leaves].argmax(1)
    for row, leaf in enumerate(leaves.tolist()):
        shares = [f"{p:.4g}" for p in outputs[row].tolist()]
        names = model.classes[by_t[row]], model.classes[int(outputs[row].argmax())]
        yield *names, leaf, [*shares, *codes[row, list(columns)].tolist()]


def _name(inputs: Sequence[Path]) -> str:
    """What the table is called after: the folder or image that was given first."""
    first = inputs[0].resolve()
    return first.name if first.is_dir() else first.stem


@contextmanager
def _table(out: Path) -> Iterator[IO[str]]:
    """A text file that takes the place of `out` when all is written, and else is gone."""
    try:
        with replacing(out) as raw:
            # Names of files need not be UTF-8.
            stream = io.TextIOWrapper(
                cast(BinaryIO, raw), CODING["encoding"], CODING["errors"], newline=""
            )
            yield stream
            stream.flush()
            stream.detach()
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there ({error.strerror})") from error
