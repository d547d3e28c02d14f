"""Reports in a browser: keys open, questions lead where T goes, names stay text."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from made_run import HOSTILE, Made

from irtheory.trees.writing import one_line

PLAIN = Made()
TWO_BITS = Made(bits=2, seed=3)
NAMES_ARE_TRAPS = Made(classes=len(HOSTILE), names=HOSTILE, images=140)


@pytest.mark.parametrize("made", [PLAIN, TWO_BITS])
def test_identify_leads_where_the_tree_goes(open_page, report_of, made: Made) -> None:
    path, subject = report_of(made)
    page = open_page(path).page
    predicted = subject.tree.predict(subject.kept_codes("test")).argmax(1)
    leaf = subject.tree.apply(subject.kept_codes("test"))
    for row in [int(np.flatnonzero(leaf == each)[0]) for each in np.unique(leaf)]:
        codes = dict(enumerate(subject.parts["test"].codes[row].tolist()))
        page.click("#identify-start")
        while page.locator("#identify .choose").count():
            # Both sides say what they ask of the code; take the one that is true.
            sides = page.locator("#identify .choose").all_inner_texts()
            true = [place for place, words in enumerate(sides) if is_true(words, codes)]
            assert len(true) == 1, sides
            page.locator("#identify .choose").nth(true[0]).click()
        assert page.inner_text("#identify h3") == subject.classes[predicted[row]]


def is_true(words: str, codes: dict[int, int]) -> bool:
    """Whether "code 3 absent" or "code 3 ≥ 2", the end of some words, holds for the codes."""
    number, *rest = words.split("code ")[-1].split()
    value = codes[int(number)]
    if rest[0] in ("present", "absent"):
        return (value == 1) == (rest[0] == "present")
    return value >= int(rest[1]) if rest[0] == "≥" else value < int(rest[1])


def test_answers_can_be_taken_back(open_page, report_of) -> None:
    page = open_page(report_of(PLAIN)[0]).page
    page.click("#identify-start")
    first = page.locator("#identify .choices").inner_text()
    page.locator("#identify .choose").first.click()
    assert page.locator("#identify .choices, #identify .result").inner_text() != first
    assert page.locator("#identify .answers li").count() == 1
    page.get_by_role("button", name="Back").click()
    assert page.locator("#identify .choices").inner_text() == first
    page.locator("#identify").get_by_role("button", name="Close").click()
    assert page.locator("#identify").is_hidden()
    assert page.evaluate("document.activeElement.id") == "identify-start"


def test_couplets_open_and_close_and_follow_the_depth(open_page, report_of) -> None:
    path, _ = report_of(PLAIN)
    page = open_page(path).page
    lines = (path.parent / "key.txt").read_text(encoding="utf-8").splitlines()
    page.click("#key-open")
    assert page.locator(".couplet:visible").count() == len(lines) / 2
    page.click("#key-close")
    assert page.locator(".couplet:visible").count() == 1
    page.select_option("#key-depth", "2")
    assert (
        page.locator(".couplet:visible").count() == 1 + page.locator("#key-root > li > ol").count()
    )
    button = page.locator(".go[aria-expanded=true]").first
    button.click()
    assert page.locator(".go").first.get_attribute("aria-expanded") == "false"


def test_couplets_are_those_of_the_key_in_text(open_page, report_of) -> None:
    path, _ = report_of(PLAIN)
    page = open_page(path).page
    page.click("#key-open")
    shown = page.evaluate(
        """[...document.querySelectorAll(".lead")].map((lead) =>
        [lead.querySelector(".number").textContent,
         lead.querySelector(".go")?.textContent.match(/go to ([0-9]+)/)[1]
           ?? lead.querySelector(".end").textContent])"""
    )
    for line in (path.parent / "key.txt").read_text(encoding="utf-8").splitlines():
        number, (rule, goal) = line.split(". ")[0], line.split(" → ")
        assert [number, goal.split(":")[0]] in shown, rule
    assert len(shown) == len(set(map(tuple, shown)))


def test_search_opens_and_marks_the_path_to_a_class(open_page, report_of) -> None:
    path, subject = report_of(PLAIN)
    page = open_page(path).page
    ends = {}
    for line in (path.parent / "key.txt").read_text(encoding="utf-8").splitlines():
        number, goal = line.split(". ")[0], line.split(" → ")[1].split(":")[0]
        ends.setdefault(goal, []).append(number)
    for name in subject.classes:
        page.click("#key-close")
        page.fill("#key-search", name)
        marked = page.locator(".lead.is-goal:visible").all()
        last = [lead for lead in marked if not lead.locator(".go").count()]
        if name in ends:
            assert [lead.locator(".number").inner_text() for lead in last] == ends[name]
            assert all(lead.locator(".end").inner_text() == name for lead in last)
        else:
            assert "no end of the key names it" in page.inner_text("#key-found")
    page.fill("#key-search", "nothing like this")
    assert page.inner_text("#key-found").startswith("No class")
    assert page.locator(".lead.is-goal").count() == 0


def test_search_tells_capitals_apart_where_it_must(open_page, report_of) -> None:
    page = open_page(report_of(Made(classes=3, names=("Wren", "WREN", "robin")))[0]).page
    for typed, found in (("Wren", "Wren"), ("WREN", "WREN"), ("Robin", "robin"), ("wren", "Wren")):
        page.fill("#key-search", typed)
        assert page.inner_text("#key-found").startswith(f"{found}:")


def test_cards_are_sorted_filtered_and_linked(open_page, report_of) -> None:
    path, subject = report_of(PLAIN)
    page = open_page(path).page

    def codes() -> list[int]:
        titles = page.locator("#atlas-cards .card h3").all_inner_texts()
        return [int(title.removeprefix("Code ")) for title in titles]

    tested = {int(subject.kept[code]) for code in subject.tree.used_features}
    assert sorted(codes()) == subject.kept.tolist()
    assert {*codes()[: page.locator(".card.is-tested").count()]} <= tested
    page.select_option("#atlas-order", "number")
    assert codes() == subject.kept.tolist()
    page.select_option("#atlas-order", "share")
    share = (subject.test.codes > 0).mean(0)
    assert codes() == sorted(subject.kept.tolist(), key=lambda code: (-share[code], code))
    page.check("#atlas-tested")
    assert set(codes()) <= tested
    page.uncheck("#atlas-tested")
    page.fill("#atlas-find", "attribute 0")
    named = (path.parent / "key.txt").read_text(encoding="utf-8").replace(")", " ").splitlines()
    found = {int(line.split("code ")[1].split()[0]) for line in named if "attribute 0 " in line}
    with (path.parent / "attributes.csv").open(encoding="utf-8") as stream:
        found |= {int(row["code"]) for row in csv.DictReader(stream) if row["attribute"][-1] == "0"}
    assert set(codes()) == found and len(found) < len(subject.kept)
    page.check("#atlas-tested")
    link = page.locator("#atlas-cards .facts a").first
    number = link.inner_text()
    link.click()
    page.locator(f"#couplet-{number}:focus").wait_for()


def test_pictures_come_with_maps_of_where_a_code_comes_from(open_page, report_of) -> None:
    page = open_page(report_of(PLAIN)[0]).page
    card = page.locator(".card.is-tested").first
    card.scroll_into_view_if_needed()
    button = card.locator(".map").first
    button.focus()
    assert card.locator(".layers.is-mapped canvas").count() == 1
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    card.locator("img[src]").first.wait_for()


def test_names_that_are_traps_stay_text(open_page, report_of) -> None:
    path, _ = report_of(NAMES_ARE_TRAPS)
    page = open_page(path).page
    page.click("#key-open")
    ends = {" ".join(words.split()) for words in page.locator(".end").all_text_contents()}
    assert ends <= set(map(one_line, HOSTILE)) and len(ends) > 2
    assert page.locator("main script:not([type='application/json'])").count() == 0
    assert page.locator("img:not([data-picture])").count() == 0
    assert "49" not in page.inner_text("#key h2") and "{{ 7*7 }}" in page.content()
    text = path.read_bytes()
    assert b"\x1b" not in text and "\u2028".encode() not in text
    for name in HOSTILE:
        page.fill("#key-search", one_line(name))


def test_everything_is_reached_by_keyboard(open_page, report_of) -> None:
    page = open_page(report_of(PLAIN)[0]).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    wanted = {"key-search", "key-depth", "key-open", "key-close", "identify-start", "atlas-find"}
    seen, go = set(), False
    for _ in range(250):
        page.keyboard.press("Tab")
        identity, kind = page.evaluate(
            "[document.activeElement.id, document.activeElement.className]"
        )
        seen.add(identity)
        go |= kind == "go"
        if wanted <= seen:
            break
    assert wanted <= seen and go
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_both_themes_and_a_narrow_screen(open_page, report_of) -> None:
    path, _ = report_of(NAMES_ARE_TRAPS)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = open_page(path).page.evaluate(paper)
    page = open_page(path, width=400, scheme="dark").page
    dark = page.evaluate(paper)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(paper) == light
    page.click("#key-open")
    page.click("#identify-start")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_print_shows_every_couplet(open_page, report_of) -> None:
    path, _ = report_of(PLAIN)
    page = open_page(path).page
    page.click("#key-close")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    lines = (path.parent / "key.txt").read_text(encoding="utf-8").splitlines()
    assert page.locator(".couplet:visible").count() == len(lines) / 2
    assert page.locator("#key-search").is_hidden()
    assert page.locator("img[data-picture]:not([src])").count() == 0


@pytest.mark.slow
def test_two_hundred_classes_at_depth_twelve_stay_quick_and_small(open_page, report_of) -> None:
    names = tuple(f"{label:03d}.Long winded warbler {label}" for label in range(200))
    made = Made(200, 12, 256, 1200, names=names, side=96)
    path, _ = report_of(made)
    assert path.stat().st_size < 15e6
    page = open_page(path, width=400).page
    assert page.locator(".couplet").count() < 20
    spent = page.evaluate(
        "(() => { const start = performance.now(); document.getElementById('key-open').click();"
        " return performance.now() - start; })()"
    )
    assert spent < 3000
    assert page.locator(".couplet").count() >= 190
    page.fill("#key-search", names[77])
    assert page.locator(".lead.is-goal:visible").count() >= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
