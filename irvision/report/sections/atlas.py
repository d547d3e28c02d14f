"""The atlas: what images look like at each value of a code, and what the code is good for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from irvision.data.examples import PARTS, Part
from irvision.report.couplets import Couplets, number_couplets, spread
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.source import ReportRun
from irvision.runs.named_tree import NamedTest

# Attributes that are listed for a code, best first.
MOST_ATTRIBUTES = 3
# Of the pictures at a value, the share and the largest number that counts as close to another one.
CLOSE, MOST_CLOSE = 1 / 3, 2


def make(run: ReportRun) -> Section:
    """The atlas of a run; data has a card for each kept code, those that T tests first."""
    couplets = number_couplets(run.named)
    tested = [code for code in couplets.of_code if code in run.named.kept]
    others = [code for code in run.named.kept if code not in couplets.of_code]
    part = _counted(run)
    cards = [_card(run, code, couplets, part) for code in (*tested, *others)]
    pictures = {
        row
        for card in cards
        for value in card["values"]
        for row in value["typical"] + value["close"]
    }
    html = render(
        "atlas.html",
        tested=len(tested),
        kept=len(run.named.kept),
        dim=_dim(run),
        part=part,
        images=0 if part is None or run.scored is None else len(run.scored.rows(part)),
        has_attributes=bool(run.attributes),
        has_pictures=bool(pictures),
        has_levels=run.scored is not None and run.scored.levels is not None,
        has_maps=any(card["maps"] for card in cards),
    )
    return Section("atlas", "Atlas of codes", html, {"cards": cards}, tuple(sorted(pictures)))


def _dim(run: ReportRun) -> int:
    """D, the number of codes that the network has."""
    if run.scored is not None:
        return run.scored.codes.shape[1]
    dim = run.settings.get("dim")
    return dim if type(dim) is int else len(run.named.kept)


def _counted(run: ReportRun) -> Part | None:
    """The part on which shares of values are counted: the last one that has images."""
    if run.scored is None:
        return None
    scored = run.scored
    return next((part for part in reversed(PARTS) if len(scored.rows(part))), None)


def _card(run: ReportRun, code: int, couplets: Couplets, part: Part | None) -> dict[str, Any]:
    """Everything about one code."""
    found = [run.named.test_at(node) for node in couplets.number]
    tests = [test for test in found if test.code == code]
    return {
        "code": code,
        "names": _names(tests) or _untested(run, code),
        "tested": list(couplets.of_code.get(code, ())),
        "attributes": _attributes(run, code),
        "values": _values(run, code, part),
        "maps": _maps(run, code),
    }


def _names(tests: Sequence[NamedTest]) -> list[dict[str, Any]]:
    """What the tests of a code are called, and how well that fits the images that reach them.

    A name that several tests share comes once, with the best fit.
    """
    found: dict[str, dict[str, Any]] = {}
    for test in tests:
        if test.named_by == "code":
            continue
        fit = test.attribute if test.named_by == "attribute" else None
        f1, chance = (None, None) if fit is None else (fit.f1, fit.chance)
        name = {"words": test.words(), "f1": f1, "chance": chance}
        other = found.setdefault(name["words"], name)
        if (f1 or 0) - (chance or 0) > (other["f1"] or 0) - (other["chance"] or 0):
            found[name["words"]] = name
    return list(found.values())


def _untested(run: ReportRun, code: int) -> list[dict[str, Any]]:
    """The name that an expert gave a code that the key does not test."""
    if (name := run.named.experts.get(code)) is None:
        return []
    return [{"words": name.words(True), "f1": None, "chance": None}]


def _attributes(run: ReportRun, code: int) -> list[dict[str, Any]]:
    """Attributes that no other code matches better, by F1 above chance."""
    found = [row for row in run.attributes if row.code == code and row.f1 is not None]
    found.sort(key=lambda row: (row.null or 0) - (row.f1 or 0))
    return [
        {"attribute": row.attribute, "f1": row.f1, "null": row.null, "column": row.column}
        for row in found[:MOST_ATTRIBUTES]
    ]


def _values(run: ReportRun, code: int, part: Part | None) -> list[dict[str, Any]]:
    """By value of the code, highest first: how many images, and pictures that show it."""
    scored = run.scored
    if scored is None or part is None:
        return []
    rows, codes = scored.rows(part), scored.codes[:, code]
    counts = np.bincount(codes[rows], minlength=int(codes.max(initial=0)) + 1)
    shown = np.zeros(0, np.int64) if run.gallery is None else run.gallery.rows_of(code)
    found = []
    for value in np.unique(codes)[::-1].tolist():
        typical, close = _by_margin(run, code, shown[codes[shown] == value])
        found.append(
            {
                "value": value,
                "words": _value_words(run, value),
                "images": int(counts[value]),
                "of": len(rows),
                "typical": typical,
                "close": close,
            }
        )
    return found


def _value_words(run: ReportRun, value: int) -> str:
    if run.named.bits == 1:
        return "present" if value else "absent"
    return f"value {value}"


def _by_margin(run: ReportRun, code: int, rows: np.ndarray) -> tuple[list[int], list[int]]:
    """Pictures at one value: those far from the next value, and those close to it."""
    scored = run.scored
    assert scored is not None
    if scored.levels is None or not len(rows):
        return spread(run, rows, len(rows)), []
    levels = scored.levels[rows, code].astype(np.float64)
    values = scored.codes[:, code]
    value = float(scored.codes[rows[0], code])
    # At an outer value there is nothing to be close to on the outer side.
    margin = 0.5 - np.abs(levels - value)
    if value == values.min():
        margin = value + 0.5 - levels
    elif value == values.max():
        margin = levels - (value - 0.5)
    order = rows[np.argsort(margin, kind="stable")].tolist()
    close = min(MOST_CLOSE, int(len(order) * CLOSE))
    return order[close:][::-1], order[:close]


def _maps(run: ReportRun, code: int) -> dict[str, str]:
    """By row, where in its picture the code comes from: s × s bytes, as base64."""
    if run.gallery is None:
        return {}
    maps, rows = run.gallery.maps, run.gallery.rows_of(code).tolist()
    return {
        str(row): base64.b64encode(maps[row, code].tobytes()).decode()
        for row in rows
        if (row, code) in maps
    }
