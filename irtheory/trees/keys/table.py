"""Keys as a CSV table: a row for each lead."""

from __future__ import annotations

import csv
import io

from irtheory.trees.keys.key import End, Key
from irtheory.trees.writing import safe_cell

HEADER = ("couplet", "from", "lead", "statement", "next", "name")


def as_csv(key: Key) -> str:
    """A row for each lead: where it goes, or the name of its end and its counts.

    Counts have two columns for each kind of samples: those that are right, and all. Cells that a
    spreadsheet would take for a formula have an apostrophe before them.
    """
    kinds = list(dict.fromkeys(count.samples for end in key.ends for count in end.counts))
    heads = [head for kind in kinds for head in (f"{kind} right", kind)]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*HEADER, *map(safe_cell, heads)])
    if key.only is not None:
        table.writerow(["", "", "", "", "", *_end(key.only, kinds)])
    for couplet in key.couplets:
        before = couplet.parent.label if couplet.parent else ""
        for lead in couplet.leads:
            head = [couplet.number, before, lead.label, safe_cell(lead.statement)]
            if isinstance(lead.goal, End):
                table.writerow([*head, "", *_end(lead.goal, kinds)])
            else:
                table.writerow([*head, lead.goal, *[""] * (1 + len(heads))])
    return text.getvalue()


def _end(end: End, kinds: list[str]) -> list[str | int]:
    counts = {count.samples: (count.right, count.total) for count in end.counts}
    cells = [cell for kind in kinds for cell in counts.get(kind, ("", ""))]
    return [safe_cell(end.name), *cells]
