"""`ira name`: the table in which an expert names the codes that T tests."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rich.markup import escape

from irtheory.runs.console import make_console, print_plain, print_table
from irtheory.runs.files import InputError, json_text
from irtheory.runs.folder import command_of
from irtheory.runs.options import take
from irtheory.trees.writing import one_line
from irvision.runs.card import write_card
from irvision.runs.code_names import CodeName, read_name_file
from irvision.runs.key import write_key_text
from irvision.runs.name_table import TestedCode, tested_codes, write_names
from irvision.runs.named_tree import read_dim, read_named_tree
from irvision.runs.names import CARD, EVALUATION, KEY, NAMES
from irvision.runs.reader import check_finished
from irvision.settings.requests import NameRequest


def name_command(given: Mapping[str, Any]) -> None:
    """Write names.csv of a run, keep what people filled in, and rewrite key.txt with the names.

    Args:
        given: options of the command line, by the names of `NameRequest`.

    Raises:
        InputError: no such run, or a names.csv that cannot be read; names the line.
    """
    request = take(NameRequest, given)
    run, console = request.folder, make_console(quiet=request.as_json)
    command = command_of(run)
    if command not in (None, "train"):
        raise InputError(
            f"{run}: expected a run of ira train, found one of ira {command}, whose tests have "
            "names of columns"
        )
    check_finished(run)
    named = read_named_tree(run)
    before = read_name_file(run, read_dim(run, named.kept))
    codes, names = tested_codes(run, named), {} if before is None else before.names
    try:
        write_names(run, codes, before)
        write_key_text(run, named)
        card = write_card(run)
    except OSError as error:
        raise InputError(f"{run}: cannot write there ({error.strerror})") from error
    if request.as_json:
        print(json_text([_content(code, names.get(code.code)) for code in codes]))
        return
    for remark in named.remarks:
        print_plain(console, f"· {remark}")
    if not (run / EVALUATION).is_file():
        print_plain(console, f"· no examples: `ira evaluate {run}` finds them and suggestions")
    rows = [_cells(code, names.get(code.code)) for code in codes]
    print_table(console, ["code", "name", "suggestion", "f1", "couplets"], rows)
    done = sum(code.code in names for code in codes)
    print_plain(console, f"{done} of {len(codes)} tested codes have a name")
    for words, codes_of in _twins(names).items():
        print_plain(console, f"· codes {codes_of} have the same name: {words}")
    written = ", ".join((KEY, NAMES, *([] if card is None else [CARD])))
    print_plain(console, f"wrote {run}/: {written}")
    print_plain(console, f"next: {_following(request, done, len(codes))}")


def _following(request: NameRequest, done: int, codes: int) -> str:
    again = shlex.join(["ira", "name", str(request.folder)])
    if codes == 0:
        return "nothing to name: the tree tests no code"
    if done < codes:
        file = request.folder / NAMES
        return f"fill in the columns name and opposite of {file}, then run {again} once more"
    return f"{shlex.join(['ira', 'report', str(request.folder)])} shows the names"


def _twins(names: Mapping[int, CodeName]) -> dict[str, str]:
    """Names that several codes have, with the numbers of these codes."""
    found: dict[str, list[int]] = {}
    for code, name in names.items():
        found.setdefault(f"{name.words(True)} / {name.words(False)}", []).append(code)
    return {w: " and ".join(map(str, codes)) for w, codes in found.items() if len(codes) > 1}


def _cells(code: TestedCode, name: CodeName | None) -> list[str]:
    words = "" if name is None else f"{name.words(True)} / {name.words(False)}"
    cells = [words, one_line(code.suggestion), code.cells["f1"], code.cells["couplets"]]
    return [str(code.code), *map(escape, cells)]


def _content(code: TestedCode, name: CodeName | None) -> dict[str, Any]:
    return {
        "code": code.code,
        "name": "" if name is None else name.high,
        "opposite": "" if name is None else name.low,
        "suggestion": code.suggestion,
        "f1": code.f1,
        "chance": code.chance,
        "couplets": list(code.couplets),
        "share": code.share,
        "examples_high": list(code.high),
        "examples_low": list(code.low),
    }
