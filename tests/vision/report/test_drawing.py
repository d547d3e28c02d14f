"""Scales and curves of a report: contrast, words, places."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import irvision.report
from irvision.report.chart import BELOW, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curve, Panel, curves, draw
from irvision.report.heat import MORE, STEPS, difference_heat, heat
from irvision.report.words import between, decimal, estimate, percent

ROOM = Path(irvision.report.__file__).parent


def luminance(colour: str) -> float:
    """Of #rgb or #rrggbb, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_every_step_can_be_read_in_both_themes() -> None:
    css = (ROOM / "style" / "heat.css").read_text()
    rule = (
        r"\.([\w-]+) \{ background: light-dark\((.*?), (.*?)\); color: light-dark\((.*?), (.*?)\)"
    )
    found = re.findall(rule, css)
    wanted = {heat(i / STEPS) for i in range(STEPS + 1)}
    wanted |= {difference_heat(i / MORE, 1) for i in range(-MORE, MORE + 1)}
    assert {name for name, *_ in found} == wanted
    for name, *colours in found:
        for ground, ink in (colours[::2], colours[1::2]):
            dark, light = sorted(map(luminance, (ground, ink)))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_scales_rise_and_hold_their_ends() -> None:
    assert [heat(value) for value in (None, -1, 0, 0.449, 1, 7)] == [
        "heat-none", "heat-0", "heat-0", "heat-4", "heat-10", "heat-10",
    ]  # fmt: skip
    assert difference_heat(-0.3, 0.3) == "less-5" and difference_heat(9, 0.3) == "more-5"
    assert difference_heat(0, 0) == "even"


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0, "0%"), (1, "100%"), (0.99961, ">99.9%"), (0.0004, "<0.1%"), (0.5, "50.0%")],
)
def test_all_and_none_are_said_only_where_they_are_exact(value: float | None, words: str) -> None:
    assert percent(value) == words


def test_numbers_of_a_file_are_taken_as_they_are_or_not_at_all() -> None:
    assert estimate({"value": "7", "interval": [1]}) == estimate(None)
    assert between(estimate(0.5, [0.25, 0.75])) == "0.250–0.750"
    assert between(estimate(0.5, [0.25, math.nan])) == ""
    assert decimal(-0.0001, signed=True) == "+0.000" and decimal(-0.25, 2) == "−0.25"


def test_curves_lie_on_the_drawing_and_have_gaps_where_numbers_are_missing() -> None:
    rng = np.random.default_rng(0)
    for epochs in (1, 2, 7, 60, 1000):
        values = rng.normal(0, 10.0 ** rng.integers(-3, 5), epochs)
        values[1:2] = math.nan
        curve = Curve("loss", tuple(values.tolist()), 1)
        found = draw(Panel("a", tuple(range(1, epochs + 1)), (curve,), kept=(epochs, epochs + 9)))
        places = np.array(re.findall(r"([\d.]+) ([\d.]+)", found.paths[0]), float)
        assert len(places) == np.isfinite(values).sum()
        assert found.paths[0].count("M") == 1 + (epochs > 2)
        assert (places[:, 0] >= LEFT).all() and (places[:, 0] <= WIDTH - RIGHT).all()
        assert (places[:, 1] >= TOP).all() and (places[:, 1] <= HEIGHT - BELOW).all()
        known = values[np.isfinite(values)]
        if len(known) > 1:
            assert np.corrcoef(places[:, 1], known)[0, 1] < -0.999
        assert 2 <= len(found.up) <= 8 and len(found.marks) == 1
        assert [int(words) for _, words in found.across][-1] == epochs
        assert len(found.across) <= 7


def test_constant_curves_and_those_without_numbers() -> None:
    assert curves(Curve("none", (math.nan, math.nan), 1)) == ()
    for value in (0.0, 5.0, -3.0):
        found = draw(Panel("a", (1, 2), (Curve("c", (value, value), 1),)))
        assert "nan" not in found.paths[0] and found.dots[0]
        assert decimal(value) in found.words
