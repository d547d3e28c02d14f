"""Prints an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from irtheory.intervals import Interval
from irtheory.runs.console import print_plain
from irvision.evaluation.node_names import LEVEL, NodeName
from irvision.evaluation.results import Confused, Evaluation, FidelityRow
from irvision.runs.attribute_table import AttributeRow
from irvision.runs.named_tree import NamedTest

# Tables with more rows than MOST_ROWS are shortened to the first and last ENDS.
MOST_ROWS, ENDS = 30, 8
# Characters in a line of a table, at most.
WIDEST = 400
Row = TypeVar("Row")


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print accuracies, errors and, if there are attributes, how well codes match them."""
    _show(console, _accuracies(evaluation))
    _show(console, _classes(evaluation))
    if evaluation.confused:
        _show(console, _confused(evaluation.confused))
    for sentence in evaluation.warnings:
        print_plain(console, f"! {sentence}")
    if not evaluation.fidelity:
        print_plain(console, evaluation.fidelity_note)
        return
    _show(console, _fidelity(evaluation.fidelity))
    print_plain(console, _within(evaluation) + "\n")
    if evaluation.inner:
        _show(console, _tests(evaluation))
    _show(console, _attributes(evaluation.attributes))


def _show(console: Console, table: Table) -> None:
    """Print title and table; rich itself would wrap the title to the width of the table."""
    title, table.title = table.title, None
    console.print(f"[bold]{title}[/]", soft_wrap=True)
    # On a narrow terminal whole lines that wrap are easier to read than folded numbers.
    wide = console.options.update(max_width=WIDEST)
    table.width = Measurement.get(console, wide, table).maximum
    console.print(table, crop=False)
    console.print()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _accuracies(evaluation: Evaluation) -> Table:
    tree = f"{evaluation.leaves} leaves, {evaluation.codes_tested} of {evaluation.codes} codes"
    images, bits = (
        evaluation.accuracy_g.images,
        "1 bit" if evaluation.bits == 1 else f"{evaluation.bits} bits",
    )
    table = _table(f"{images} test images; T has {tree} of {bits}", "", "", "95%")
    named = (
        ("accuracy of G", evaluation.accuracy_g),
        ("accuracy of T", evaluation.accuracy_t),
        ("agreement", evaluation.agreement),
    )
    for name, share in named:
        table.add_row(name, _number(share.value), _interval(share.interval))
    table.add_row("balanced accuracy of G", _number(evaluation.balanced_g), "")
    table.add_row("balanced accuracy of T", _number(evaluation.balanced_t), "")
    majority = evaluation.majority
    always = f"always {escape(majority.name)}"
    table.add_row(always, _number(majority.accuracy), "")
    return table


def _classes(evaluation: Evaluation) -> Table:
    found = sorted(evaluation.classes, key=lambda each: -1 if each.t is None else each.t)
    table = _table("Classes, hardest for T first", "class", "images", "G", "T")
    for each in _ends(table, found):
        table.add_row(escape(each.name), str(each.images), _number(each.g), _number(each.t))
    return table


def _confused(rows: Sequence[Confused]) -> Table:
    table = _table("Most frequent errors, in images", "class", "named", "by G", "by T")
    table.columns[1].justify = "left"
    for row in rows:
        table.add_row(escape(row.name), escape(row.named), str(row.by_g), str(row.by_t))
    return table


def _fidelity(rows: Sequence[FidelityRow]) -> Table:
    table = _table(
        "Feature fidelity without constant codes, and d(f;g) with them",
        "features", "d(f;g)", "95%", "d(f‖g)", "d(g‖f)", "null", "adjusted", "constant", "with",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row.name,
            _number(row.score),
            _interval(row.interval),
            _number(row.attributes_by_features),
            _number(row.features_by_attributes),
            _number(row.null_mean),
            _number(row.adjusted),
            str(row.constant) if row.constant else "",
            _number(row.score_with_constant),
        )
    return table


def _tests(evaluation: Evaluation) -> Table:
    """Named tests of T, in the order of its nodes."""
    named, total = evaluation.tests, evaluation.inner
    table = _table(
        f"{len(named)} of {total} tests of T have a name, found among the images at the test "
        f"(chance of any at most {LEVEL:g} if images were independent)",
        "test", "attribute", "images", "F1", "chance", "passed", "failed", "of test images",
    )  # fmt: skip
    table.columns[1].justify = "left"
    for row in _ends(table, named):
        table.add_row(*_test_cells(row, evaluation.bits == 1))
    return table


def _test_cells(row: NodeName, binary: bool) -> list[str]:
    """Shares of images with the attribute where the test is passed and failed, also on test."""
    attribute = escape(row.attribute) + ("" if row.present else ", absent")
    on_test = ""
    if row.test_images is not None:
        sides = (_number(side) or "–" for side in (row.test_passed, row.test_failed))
        on_test = f"{' '.join(sides)} ({row.test_images})"
    scores = map(_number, (row.f1, row.chance, row.passed, row.failed))
    found_on = f"{row.images} {row.part.replace('validation', 'val.').replace(' and ', ' + ')}"
    words = NamedTest(row.node, row.code, row.threshold, binary).code_words()
    return [words, attribute, found_on, *scores, on_test]


def _within(evaluation: Evaluation) -> str:
    found = evaluation.within
    if found is None:
        return f"within classes: not scored ({evaluation.within_note})"
    return (
        f"within classes: AUC {_number(found.auc)}{_after(found.auc_interval)}, "
        f"F1 above chance {found.f1_excess:+.3f}{_after(found.f1_excess_interval)} "
        f"over {found.pairs} pairs of {found.classes} classes and {found.attributes} attributes"
    )


def _attributes(rows: Sequence[AttributeRow]) -> Table:
    scored = sorted((row for row in rows if row.f1 is not None), key=lambda row: -(row.f1 or 0))
    columns = ("share", "F1", "null", "predicted", "oracle", "column", "in T")
    never = len(rows) - len(scored)
    title = "Attributes" + (f" ({never} without annotation left out)" if never else "")
    table = _table(title, "attribute", *columns)
    for row in _ends(table, scored):
        shares = (row.prevalence, row.f1, row.null, row.predicted_class, row.class_oracle)
        tested = "yes" if row.tested else ""
        table.add_row(escape(row.attribute), *map(_number, shares), row.column, tested)
    return table


def _ends(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows, or the first and last of many, which the title then says."""
    if len(rows) <= MOST_ROWS:
        return rows
    table.title = f"{table.title}: the first and last {ENDS} of {len(rows)}"
    return [*rows[:ENDS], *rows[-ENDS:]]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}"


def _after(interval: Interval | None) -> str:
    return "" if interval is None else f" ({_interval(interval)})"
