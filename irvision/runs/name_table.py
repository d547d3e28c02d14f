"""What names.csv says of every tested code, beside what people have filled in. Loads no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from irtheory.runs.files import write_text
from irtheory.trees.keys.key import couplet_order
from irtheory.trees.writing import one_line, safe_cell
from irvision.runs.code_names import BYTE_ORDER_MARK, CODE, HIGH, LOW, NameFile
from irvision.runs.gallery import Gallery, read_gallery
from irvision.runs.named_tree import NamedTest, NamedTree
from irvision.runs.names import NAMES, PREDICTIONS_CODES
from irvision.runs.scored_images import ScoredImages, read_scored_images, scored_digest

REMARK, UNTESTED = "remark", "the key does not test this code now"
# The columns that `ira name` fills in anew; people fill in the two after the code.
FOUND = ("suggestion", "f1", "chance", "couplets", "share", "examples_high", "examples_low")
HEADER = (CODE, HIGH, LOW, *FOUND, REMARK)
EXAMPLES = 3


@dataclass(frozen=True)
class TestedCode:
    """A code that T tests, as an expert needs to see it who is to name it.

    Attributes:
        code: its number.
        suggestion: words of both sides by the attributes that evaluation found, or empty.
        f1, chance: of the best of these attributes, or None.
        couplets: of key.txt where the code is tested.
        share: of the test images that pass the first of these tests; None if not evaluated.
        high, low: names of images that pass this test, and that fail it.
    """

    code: int
    suggestion: str
    f1: float | None
    chance: float | None
    couplets: tuple[int, ...]
    share: float | None
    high: tuple[str, ...]
    low: tuple[str, ...]

    @property
    def cells(self) -> dict[str, str]:
        """The cells of the columns `FOUND`."""
        numbers = {"f1": self.f1, "chance": self.chance, "share": self.share}
        return {
            "suggestion": self.suggestion,
            **{name: "" if n is None else f"{n:.3f}" for name, n in numbers.items()},
            "couplets": " ".join(map(str, self.couplets)),
            "examples_high": "; ".join(self.high),
            "examples_low": "; ".join(self.low),
        }


def tested_codes(run: Path, named: NamedTree) -> list[TestedCode]:
    """The codes that the short tree tests, by the first couplet that tests them.

    Args:
        run: folder of the run; images come from its evaluation, if there is one.
        named: its tree.

    Raises:
        InputError: the evaluation is damaged.
    """
    scored = gallery = None
    if (run / PREDICTIONS_CODES).is_file():
        scored = read_scored_images(run)
        gallery = read_gallery(run, scored_digest(run))
    at: dict[int, list[tuple[int, NamedTest]]] = {}
    for couplet, node in enumerate(couplet_order(named.short.tree), start=1):
        test = named.test_at(node)
        at.setdefault(test.code, []).append((couplet, test))
    return [_tested(found, scored, gallery) for found in at.values()]


def _tested(
    found: list[tuple[int, NamedTest]], scored: ScoredImages | None, gallery: Gallery | None
) -> TestedCode:
    first = found[0][1]
    attributes = [test for _, test in found if test.attribute is not None]
    words = dict.fromkeys(
        f"{test.attribute_words(True)} / {test.attribute_words(False)}" for test in attributes
    )
    scores = [(t.attribute.f1, t.attribute.chance) for t in attributes if t.attribute is not None]
    known = [(f1, chance) for f1, chance in scores if f1 is not None and chance is not None]
    best = max(known, key=lambda pair: pair[0] - pair[1], default=(None, None))
    share, sides = None, ((), ())
    if scored is not None and first.code < scored.codes.shape[1]:
        share, sides = _images(first, scored, gallery)
    couplets = tuple(couplet for couplet, _ in found)
    return TestedCode(first.code, "; ".join(words), *best, couplets, share, *sides)


def _images(
    test: NamedTest, scored: ScoredImages, gallery: Gallery | None
) -> tuple[float | None, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Share of the test images that pass a test, and examples of either side."""
    passed = scored.codes[:, test.code] > test.threshold
    rows = scored.rows("test")
    rows = rows if len(rows) else np.arange(len(passed))
    shown = _typical(test, scored, rows)
    if gallery is not None and len(chosen := gallery.rows_of(test.code)):
        # Those that were chosen to show the code come first; there may be none of one side.
        shown = np.array(list(dict.fromkeys([*chosen.tolist(), *shown.tolist()])), np.int64)
    share = float(passed[rows].mean()) if len(rows) else None
    sides = [
        tuple(one_line(scored.names[row]) for row in shown[passed[shown] == side][:EXAMPLES])
        for side in (True, False)
    ]
    return share, (sides[0], sides[1])


def _typical(
    test: NamedTest, scored: ScoredImages, rows: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, " rows"]:
    """The images, those that are furthest from the threshold of a test first."""
    levels = scored.codes if scored.levels is None else scored.levels
    far = np.abs(levels[rows, test.code].astype(np.float64) - (test.lowest - 0.5))
    return rows[np.argsort(-far, kind="stable")]


def without_examples(content: bytes) -> bytes:
    """A names.csv with empty cells in place of names of images."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    columns = [at for at, head in enumerate(rows[0] if rows else []) if head.startswith("examples")]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for row in rows[:1]:
        table.writerow(row)
    for row in rows[1:]:
        table.writerow("" if at in columns else cell for at, cell in enumerate(row))
    return text.getvalue().encode()


def write_names(run: Path, codes: list[TestedCode], before: NameFile | None) -> Path:
    """Write names.csv; what people filled in stays, in their columns and in their form of CSV.

    Rows of codes that are no longer tested follow at the end where people filled in something,
    with a remark.

    Args:
        run: folder of the run.
        codes: that are tested.
        before: the file so far, or None.
    """
    known = before or NameFile(HEADER, {}, {}, ",", False)
    added = tuple(column for column in HEADER if column not in known.header)
    header = (*known.header, *added)
    rows = [_row(each.code, header, known, each.cells) for each in codes]
    tested = {each.code for each in codes}
    left = [code for code in known.rows if code not in tested and _is_filled(known, code)]
    rows += [_row(code, header, known, None) for code in left]
    text = io.StringIO()
    table = csv.writer(text, delimiter=known.delimiter, lineterminator="\n")
    table.writerow(map(safe_cell, header))
    table.writerows(map(safe_cell, row) for row in rows)
    mark = BYTE_ORDER_MARK if known.marked else ""
    write_text(run / NAMES, mark + text.getvalue())
    return run / NAMES


def _row(
    code: int, header: tuple[str, ...], known: NameFile, found: Mapping[str, str] | None
) -> list[str]:
    """The cells of a code: those of people as they are, the others anew."""
    old = known.rows.get(code, ())
    cells = [*old, *[""] * (len(header) - len(old))]
    for place, column in enumerate(header):
        if column == CODE:
            cells[place] = str(code)
        elif column == REMARK and cells[place].strip() in ("", UNTESTED):
            cells[place] = UNTESTED if found is None else ""
        elif column in FOUND and found is not None:
            cells[place] = found[column]
    return cells


def _is_filled(known: NameFile, code: int) -> bool:
    """Whether people filled in something."""
    pairs = zip(known.header, known.rows[code], strict=True)
    theirs = {column: cell.strip() for column, cell in pairs if column not in (CODE, *FOUND)}
    return any(cell and (column, cell) != (REMARK, UNTESTED) for column, cell in theirs.items())
