"""`ira data`: list, check, download, prepare and show data sets."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from irtheory.runs.console import Pulse, make_console, print_plain, progress_bar
from irtheory.runs.exits import BROKEN, DONE
from irtheory.runs.files import InputError, json_text
from irtheory.runs.options import take
from irvision.data.download.published import PUBLISHED, Archive
from irvision.data.pixels.cache_folder import cache_folder
from irvision.data.registry import load_examples, resolve
from irvision.settings.data import DataOptions
from irvision.settings.requests import (
    CheckRequest,
    DownloadRequest,
    ListRequest,
    PrepareRequest,
    ShowRequest,
)

COLUMNS, SIDE = 10, 96
MIB, GIB = 2**20, 2**30


def list_command(given: Mapping[str, Any]) -> None:
    """Print which data sets are there, how large, and which are decoded already."""
    from irvision.data.report.listing import list_datasets, print_list

    request, console = take(ListRequest, given), make_console()
    data_dir = _data_dir(request.data_dir)
    caches = request.cache_dir / "pixels" if request.cache_dir else cache_folder()
    print_list(console, list_datasets(data_dir, caches))
    print_plain(console, f"next: ira data check NAME --data-dir {data_dir}")


def _data_dir(given: Path | None) -> Path:
    """The folder of data sets: the given one, which must exist, else $IRA_DATA or ./data."""
    if given is None:
        return Path(os.environ.get("IRA_DATA") or "data")
    if not given.is_dir():
        raise InputError(f"--data-dir {given}: expected a folder, found none")
    return given


def check_command(given: Mapping[str, Any]) -> int:
    """Check a data set and print what was found; 0 if it is whole, else 1."""
    from irvision.data.report.check import check_dataset
    from irvision.data.report.check_report import print_findings

    request = take(CheckRequest, given)
    data_dir, console = _data_dir(request.data_dir), make_console(quiet=request.as_json)
    options = DataOptions(
        data_dir=data_dir, unit=request.unit, layout=request.layout, group=request.group
    )
    with _counting(console, "images") as tell:
        found = check_dataset(request.name, options, request.processes, tell)
    if request.as_json:
        print(json_text(asdict(found) | {"whole": found.whole}))
    else:
        print_findings(console, found)
        after = _after_check(found.dataset, request.name, options, found.whole)
        print_plain(console, f"next: {after}")
    return DONE if found.whole else BROKEN


def _after_check(dataset: str, name: str, options: DataOptions, whole: bool) -> str:
    from irvision.data.registry import DATASETS

    if whole and dataset not in DATASETS:
        return _train_line(name, options)
    if whole:
        return shlex.join(["ira", "data", "prepare", name, *_samples(name, options)])
    if dataset in PUBLISHED:
        line = shlex.join(["ira", "data", "download", name, "--data-dir", str(options.data_dir)])
        return f"{line}, or put the files there by hand"
    return "mend or remove these files, then check again"


def _train_line(name: str, options: DataOptions, **more: object) -> str:
    """`ira train` on the same samples; options that are None are left out."""
    flags = {f"--{key.replace('_', '-')}": value for key, value in more.items()}
    words = [word for flag, value in flags.items() if value is not None for word in (flag, value)]
    line = ["ira", "train", "--dataset", name, *_samples(name, options), *words]
    return shlex.join(map(str, line))


def _samples(name: str, options: DataOptions) -> list[str]:
    """The options that say which samples, for data sets that have them, unless they are usual."""
    from irvision.data.registry import is_known

    if _drawn(name):
        return []
    given = [
        (f"--{field}", getattr(options, field))
        for field in ("unit", "layout", "group")
        if getattr(options, field) != getattr(DataOptions, field)
    ]
    place = [("--data-dir", str(options.data_dir))] if is_known(name) else []
    return [word for pair in place + given for word in pair]


def _drawn(name: str) -> bool:
    return name.casefold() == "beetles"


def download_command(given: Mapping[str, Any]) -> None:
    """Fetch and unpack the archives of a data set."""
    request, console = take(DownloadRequest, given), make_console()
    name = request.name
    # A folder that does not exist yet is made.
    data_dir = request.data_dir or _data_dir(None)
    known = next((known for known in PUBLISHED if known.casefold() == name.casefold()), None)
    if known is None:
        raise InputError(f"{name}: expected a data set to fetch ({', '.join(PUBLISHED)})")
    root = _root_there(known, data_dir)
    for archive in PUBLISHED[known]:
        _bring(console, archive, data_dir, _goal(archive, data_dir, root))
    top = PUBLISHED[known][0].top
    # If the folder has another name than the archive's own, the archive was unpacked below it.
    place = data_dir / top if root == data_dir and not _is_called(data_dir, top) else data_dir
    line = shlex.join(["ira", "data", "check", known, "--data-dir", str(place)])
    print_plain(console, f"next: {line}")


def _root_there(known: str, data_dir: Path) -> Path | None:
    """The folder that already holds files of the data set; None if there is none."""
    module, options = resolve(known, DataOptions(data_dir=data_dir))
    try:
        return module.root(options)
    except InputError:
        return None


def _goal(archive: Archive, data_dir: Path, root: Path | None) -> Path:
    """The folder to unpack into, so that new files join those of the data set that exist."""
    if root is None:
        return data_dir / archive.folder
    if not archive.top:
        return root
    own = root == data_dir and _is_called(data_dir, archive.top)
    return data_dir.resolve().parent if own else data_dir


def _is_called(folder: Path, name: str) -> bool:
    return folder.resolve().name == name


def _bring(console: Console, archive: Archive, data_dir: Path, folder: Path) -> None:
    """Fetch and unpack one archive."""
    from irvision.data.download.archives import DamagedArchive, extract
    from irvision.data.download.download import fetch, record, set_aside

    with _counting(console, archive.name, MIB, "MiB") as tell:
        got = fetch(archive, data_dir, tell)
    print_plain(console, f"{'fetched' if got.new else 'there already:'} {got.path}")
    if got.published:
        print_plain(console, f"  its hash is the published one, {got.hash}")
    else:
        print_plain(console, f"  no published hash is known; it has {got.hash}")
    try:
        with _counting(console, f"unpacking {archive.name}", MIB, "MiB") as tell:
            names = extract(got.path, folder, tell)
    except DamagedArchive as error:
        if got.published:
            raise
        aside = set_aside(got)
        raise InputError(
            f"{error}; renamed to {aside}, the same command fetches it anew"
        ) from error
    record(got)
    print_plain(console, f"wrote {folder}: {', '.join(names)}")


def prepare_command(given: Mapping[str, Any]) -> None:
    """Make the pixel cache of a data set, or check that all of it is right."""
    import torch

    from irvision.data.pixels.cache import prepare
    from irvision.training import recipes

    request, console = take(PrepareRequest, given), make_console()
    name, data_dir = request.name, _data_dir(request.data_dir)
    options = DataOptions(data_dir=data_dir, unit=request.unit, layout=request.layout)
    examples = load_examples(name, options)
    # The defaults of `ira train` on this machine.
    usual = recipes.resolve({"dataset": name}, torch.cuda.is_available(), len(examples.classes))
    with _counting(console, "images") as tell:
        cache = prepare(
            examples,
            usual.resize if request.size is None else request.size,
            None if request.cache_dir is None else request.cache_dir / "pixels",
            processes=request.processes,
            max_bad=usual.max_bad if request.max_bad is None else request.max_bad,
            on_progress=tell,
            on_message=lambda line: print_plain(console, line),
            checked=math.inf,
        )
    for _, image, why in cache.bad:
        print_plain(console, f"cannot be read: {image}: {why}")
    size_gib = cache.pixels.nbytes / GIB
    print_plain(
        console,
        f"{'wrote' if cache.made else 'there already, and whole:'} {cache.path} "
        f"({len(cache.pixels)} samples, {size_gib:.2f} GiB, {len(cache.bad)} bad)",
    )
    more = {"resize": request.size, "cache_dir": request.cache_dir, "max_bad": request.max_bad}
    print_plain(console, f"next: {_train_line(name, options, **more)}")


def show_command(given: Mapping[str, Any]) -> None:
    """Write a picture of a data set."""
    from irvision.data.pixels.cache import ranged
    from irvision.data.report.beetle_sheet import contact_sheet
    from irvision.data.report.show import sample_grid, write_png

    request = take(ShowRequest, given)
    name, data_dir = request.name, _data_dir(request.data_dir)
    options = DataOptions(data_dir=data_dir, unit=request.unit, layout=request.layout)
    path = request.out or Path(f"{Path(name).resolve().name}.png")
    if _drawn(name):
        contact_sheet(path, seed=request.seed)
    else:
        examples = load_examples(name, options)
        examples = replace(examples, pixels=ranged(examples.pixels))
        write_png(sample_grid(examples, COLUMNS, SIDE, request.seed), path)
    print_plain(console := make_console(), f"wrote {path}")
    print_plain(console, f"next: open it, then {_train_line(name, options)}")


@contextmanager
def _counting(
    console: Console, what: str, unit: int = 1, unit_name: str = ""
) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar; the function that it yields takes the number done and the total."""
    with progress_bar(console) as bar:
        pulse = Pulse(console, bar, what, None)

        def tell(done: int, total: int | None) -> None:
            bar.update(bar.task_ids[0], total=total)
            of = f" of {total // unit}" if total else ""
            pulse.show(f"{what}: {done // unit}{of} {unit_name}".rstrip(), done)

        yield tell
