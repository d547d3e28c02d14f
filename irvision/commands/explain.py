"""`ira explain`: why a run names what it names, for images of the data set or any others."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from irtheory.runs.console import make_console, print_plain
from irtheory.runs.files import InputError, json_text, write_bytes, write_text
from irtheory.runs.options import take
from irtheory.runs.outputs import check_output
from irtheory.trees.writing import one_line
from irvision.data.examples import BadImage
from irvision.data.pixels.given import image_paths
from irvision.explain.examples import Examples, read_examples
from irvision.explain.explanation import Explanation
from irvision.explain.text import as_content, lines_of
from irvision.model import Model, load
from irvision.settings.requests import ExplainRequest

PAGE, PICTURE = (".html", ".htm"), ".png"
# Images on one page.
MOST = 100


def explain_command(given: Mapping[str, Any]) -> None:
    """Explain images: print their paths through T, and write a sheet if asked to.

    Args:
        given: options of the command line, by the names of `ExplainRequest`.

    Raises:
        InputError: a run that is not finished, no image that can be read, or a sheet that cannot
            be written.
    """
    request = take(ExplainRequest, given)
    console = make_console(quiet=request.as_json)
    paths = image_paths(request.images)
    _check_out(request, paths)
    model = load(request.folder, request.device)
    # Their errors come before the work.
    examples = None if request.out is None else read_examples(model.folder, model.trained)
    explained, bad = _explained(model, paths, console)
    if not explained:
        name, why = bad[0]
        raise InputError(f"{name}: expected an image, found none that can be read ({why})")
    if request.out is not None:
        _write(request.out, model, explained, examples)
        print_plain(console, f"wrote {request.out}: {len(explained)} explained")
    else:
        words = ["ira", "explain", str(request.folder), *map(str, paths[:1]), "--out", "why.html"]
        print_plain(console, f"next: {shlex.join(words)}")
    if request.as_json:
        content = [as_content(name, found) for name, found in explained]
        errors = [{"image": name, "error": why} for name, why in bad]
        print(json_text({"run": str(request.folder), "images": content, "unread": errors}))


def _explained(
    model: Model, paths: list[Path], console: Console
) -> tuple[list[tuple[str, Explanation]], list[tuple[str, str]]]:
    """Explanations of the images that can be read, printed one by one; the others with reasons."""
    explained, bad = [], []
    for path in paths:
        try:
            found = model.explain(path)
        except BadImage as error:
            bad.append((str(path), error.why))
            print_plain(console, f"{one_line(str(path))}: cannot be read ({error.why})")
            continue
        explained.append((str(path), found))
        print_plain(console, one_line(str(path)))
        for line in lines_of(found):
            print_plain(console, one_line(line))
    return explained, bad


def _check_out(request: ExplainRequest, paths: list[Path]) -> None:
    """InputError for a sheet that cannot be written, before any work."""
    out = request.out
    if len(paths) > MOST:
        raise InputError(
            f"IMAGE: expected at most {MOST}, found {len(paths)}; ira predict takes any number"
        )
    if out is None:
        return
    if out.suffix.casefold() not in (*PAGE, PICTURE):
        raise InputError(f"--out {out}: expected a name ending in .html or .png")
    if out.suffix.casefold() == PICTURE and len(paths) > 1:
        raise InputError(f"--out {out}: expected one image for a PNG, found {len(paths)}")
    check_output(out, request.overwrite, request.folder, inputs=paths)


def _write(
    out: Path, model: Model, explained: list[tuple[str, Explanation]], examples: Examples | None
) -> None:
    try:
        if out.suffix.casefold() in PAGE:
            from irvision.explain.sheet import sheet_page

            write_text(out, sheet_page(model.folder, explained, examples))
        else:
            from irvision.explain.drawing import png_of

            name, found = explained[0]
            write_bytes(out, png_of(Path(name).name, found, examples))
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there ({error.strerror})") from error
