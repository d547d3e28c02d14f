"""What `ira table` prints."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from irtheory.runs.console import number_columns, print_plain, print_table
from irtheory.studies.table.score import Score
from irtheory.studies.table.study import Read, Result
from irtheory.trees.keys.text import as_text

# Confusion matrices of more classes are in confusion.csv alone.
MOST_CLASSES = 12
# Tables of many columns have many notes.
MOST_NOTES = 200


def print_read(console: Console, found: Read) -> None:
    """What was done with the table, and what may be wrong with it."""
    notes = found.notes
    for note in notes[:MOST_NOTES]:
        print_plain(console, f"· {note}")
    if len(notes) > MOST_NOTES:
        print_plain(console, f"· … and {len(notes) - MOST_NOTES} more notes, in result.json")
    for remark in found.table.remarks:
        print_plain(console, f"! {remark}")


def print_result(console: Console, result: Result) -> None:
    """The tree, its scores and its errors."""
    console.print()
    for fact in result.grown.facts:
        print_plain(console, fact)
    console.print()
    print_plain(console, as_text(result.grown.key))
    console.print()
    for name in result.suspects:
        print_plain(console, f"! the model reads {name}, see the remark on it above")
    where = "held-out rows" if result.held_out else "training rows, as none are held out"
    rows = [[escape(score.name), *_cells(score)] for score in result.scores]
    heads = ["", *number_columns("accuracy", "95% interval", "right", "in training")]
    print_table(console, heads, rows, f"accuracy on {result.scores[0].rows} {where}")
    _print_confusion(console, result)


def _cells(score: Score) -> list[str]:
    low, high = score.interval
    training = "" if score.training is None else f"{score.training:.3f}"
    return [f"{score.accuracy:.3f}", f"{low:.3f} … {high:.3f}", str(score.right), training]


def _print_confusion(console: Console, result: Result) -> None:
    classes = result.read.features.classes
    console.print()
    if len(classes) > MOST_CLASSES:
        print_plain(console, f"{len(classes)} classes: the errors by class are in confusion.csv")
        return
    rows = [
        [escape(name), *(str(n) if n else "·" for n in counts)]
        for name, counts in zip(classes, result.confusion.tolist(), strict=True)
    ]
    heads = ["", *number_columns(*map(escape, classes))]
    print_table(console, heads, rows, f"{result.scores[0].name}: true classes down, named across")
