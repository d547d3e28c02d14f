"""Tables of a report in a browser: sorted by their heads, filtered, by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_run import HOSTILE, Made

import irvision.report

TRAPS = Made(classes=len(HOSTILE), names=HOSTILE, images=140, noise=0.2, confused=0.2)
ROWS = """(id) => [...document.querySelectorAll(`#${id} tbody tr`)]
  .filter((row) => row.checkVisibility()).map((row) => [...row.cells].map((cell) =>
    cell.dataset.value ?? cell.textContent.trim()))"""


def test_the_recovery_table_is_sorted_and_filtered(
    open_page: Callable, report_of: Callable
) -> None:
    page = open_page(report_of(TRAPS)[0]).page
    before = page.evaluate(ROWS, "recovery")
    assert [float(row[4]) for row in before] == sorted((float(r[4]) for r in before), reverse=True)
    heads = page.locator("#recovery th[aria-sort]")
    for column in range(0, heads.count(), 3):
        button = heads.nth(column).get_by_role("button")
        numeric = button.get_attribute("data-kind") == "number"
        for _ in range(2):
            button.press("Enter")
            order = heads.nth(column).get_attribute("aria-sort")
            cells = [row[column] for row in page.evaluate(ROWS, "recovery")]
            if numeric:
                found = [float(cell) for cell in cells]
                assert found == sorted(found, reverse=order == "descending")
        assert page.locator("#recovery th:not([aria-sort=none])[aria-sort]").count() == 1
    name = before[0][0]
    page.fill("[data-filter=recovery]", name.upper())
    assert [row[0] for row in page.evaluate(ROWS, "recovery")] == [name]
    assert page.locator("[data-shown=recovery]").inner_text() == f"1 of {len(before)} rows"
    page.fill("[data-filter=recovery]", "")
    page.locator("[data-only=recovery]").check()
    assert all(row[-1] == "yes" for row in page.evaluate(ROWS, "recovery"))


def test_numbers_that_are_missing_stay_last(open_page: Callable, report_of: Callable) -> None:
    page = open_page(report_of(TRAPS)[0]).page
    page.evaluate("document.querySelectorAll('#recovery td[data-value]')[2].dataset.value = ''")
    head = page.locator("#recovery th[aria-sort]").nth(4).get_by_role("button")
    for _ in range(2):
        head.click()
        cells = [row[4] for row in page.evaluate(ROWS, "recovery")]
        assert cells[-1] == "" and "" not in cells[:-1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_with_hostile_names_does_not_scroll_sideways(
    open_page: Callable, report_of: Callable, scheme: str
) -> None:
    page = open_page(report_of(TRAPS)[0], width=400, scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("#mistakes script:not([type])").count() == 0


def test_tables_fit_on_paper(open_page: Callable, report_of: Callable) -> None:
    page = open_page(report_of(TRAPS)[0], width=720).page
    page.emulate_media(media="print")
    wide = page.evaluate("document.querySelector('#recovery').getBoundingClientRect().width")
    assert wide <= page.evaluate("document.querySelector('#attributes').clientWidth")


def test_a_link_of_an_error_opens_its_couplet(open_page: Callable, report_of: Callable) -> None:
    page = open_page(report_of(TRAPS)[0]).page
    link = page.locator("#mistakes .error a").first
    wanted = link.get_attribute("href")
    link.click()
    assert page.locator(wanted).is_visible()


def test_the_script_of_tables_is_small() -> None:
    script = Path(irvision.report.__file__).parent / "script" / "tables.js"
    assert len(script.read_bytes()) < 20_000 and "innerHTML" not in script.read_text()
