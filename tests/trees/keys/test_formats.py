"""Every format of a key, read back by a reader that is not the writer's."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
import xmlschema

from irtheory.trees.keys.formats import STYLED, Format, write_key
from irtheory.trees.keys.key import Count, End, Key, key_of
from irtheory.trees.keys.layout import Style
from irtheory.trees.keys.stored import read_json
from irtheory.trees.tree import Tree
from irtheory.trees.writing import plain_cell, safe_cell

# The parts of both schemas that keys are written with, restated from the published ones.
SDD = xmlschema.XMLSchema(Path(__file__).with_name("sdd_parts.xsd"))
CLAVIS = json.loads(Path(__file__).with_name("clavis_parts.json").read_text(encoding="utf-8"))
MADE = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = [
    "<script>alert(1)</script>", 'say "x" & \'y\'', r"\input{/etc/passwd} $x_1^2$ #5 50% ~ {a}",
    "]]> <![CDATA[ &amp; &lt;", "a\nb\r\nc\td", "bell\x07 null\x00 esc\x1b[31m", "=1+2", "-- ?` !`",
    "-3a", "@cmd", "**bold** [a](http://b.c) `x` | y", "www.x.org https://y.z a@b.c", "→ 2",
    "right\u202eleft", "half \ud800", "none \ufffe \uffff", "日本 é ≤ ≥ … × ·", " ", "1. one",
    "x" * 400, "'=quoted", "''", "|", "C:\\new\\table", "\\", "end\\",
]  # fmt: skip


def key_with(names: list[str]) -> Key:
    """A key whose statements and ends have these names, one after the other."""
    count = len(names)

    def grown(first: int) -> Tree:
        leaf = Tree.leaf([1.0], first, count)
        if first == count - 1:
            return leaf
        return Tree.grow(first, 0.5, leaf, grown(first + 1), [0.0], 1)

    tree = grown(0)
    inner, leaves = np.flatnonzero(tree.feature >= 0).tolist(), tree.leaves.tolist()
    wording = {node: (f"not {name}", name) for node, name in zip(inner, names, strict=False)}
    ends = {
        leaf: End(name, (Count(number, 9, "training samples"),))
        for number, (leaf, name) in enumerate(zip(leaves, names, strict=True))
    }
    return key_of(tree, wording, ends, f"Key of {names[0]}")


def balanced(depth: int, classes: int) -> Key:
    """A full tree of a depth whose leaves name `classes` classes in turn."""
    leaves = iter(range(2**depth))

    def grown(left: int) -> Tree:
        if left == 0:
            return Tree.leaf([float(next(leaves))], 1, depth)
        return Tree.grow(depth - left, 0.5, grown(left - 1), grown(left - 1), [0.0], 1)

    tree = grown(depth)
    inner = np.flatnonzero(tree.feature >= 0).tolist()
    wording = {n: (f"c{tree.feature[n]} absent", f"c{tree.feature[n]} present") for n in inner}
    ends = {n: End(f"class {int(tree.value[n, 0]) % classes}") for n in tree.leaves.tolist()}
    return key_of(tree, wording, ends, "Key")


def single() -> Key:
    """A tree that is one leaf."""
    return key_of(Tree.leaf([1.0], 7, 1), {}, {0: End("bird", (Count(7, 7, "samples"),))}, "Key")


KEYS = {
    "hostile": key_with(HOSTILE),
    "deep": balanced(8, 200),
    "single": single(),
    "three": key_with(["a", "b", "c"]),
}
FORMATS: tuple[Format, ...] = get_args(Format)
STYLES: tuple[Style, ...] = get_args(Style)


def written(key: Key, form: Format, style: Style = "numbered") -> str:
    return write_key(key, form, style, "1.2", MADE)


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest) -> Key:
    return KEYS[request.param]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("style", STYLES)
def test_nothing_but_printable_text_in_lines_is_written(key: Key, form: Format, style: Style):
    text = written(key, form, style)
    text.encode("utf-8")
    assert text.endswith("\n") and "\r" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_text_has_two_lines_a_couplet_in_every_style():
    key = KEYS["three"]
    assert written(key, "text").splitlines() == [
        "1a. a → 2",
        "1b. not a → a: 0 of 9 training samples",
        "2a. b → c: 2 of 9 training samples",
        "2b. not b → b: 1 of 9 training samples",
    ]
    assert written(key, "text", "bracketed").splitlines() == [
        "1      a → 2",
        "–      not a → a: 0 of 9 training samples",
        "2 (1)  b → c: 2 of 9 training samples",
        "–      not b → b: 1 of 9 training samples",
    ]
    assert written(key, "text", "indented").splitlines() == [
        "1a. a",
        "  2a. b → c: 2 of 9 training samples",
        "  2b. not b → b: 1 of 9 training samples",
        "1b. not a → a: 0 of 9 training samples",
    ]
    assert written(single(), "text") == "→ bird: 7 of 7 samples\n"


def test_json_gives_the_key_back(key: Key):
    assert read_json(written(key, "json")) == key


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"couplets": [{"leads": []}]},
        {"couplets": [], "end": None},
        {"title": 3},
        {"couplets": [{"leads": [{"statement": "a", "couplet": 1}] * 2}]},
        {"couplets": [{"leads": [{"statement": "a", "couplet": 9}] * 2}]},
    ],
)
def test_other_json_is_refused(change: dict[str, Any]):
    content = json.loads(written(KEYS["three"], "json")) | change
    with pytest.raises(ValueError, match=r"expected|argument"):
        read_json(json.dumps(content))
    with pytest.raises(ValueError, match="expected"):
        read_json("[]")


def test_csv_has_a_row_for_each_lead(key: Key):
    rows = list(csv.DictReader(io.StringIO(written(key, "csv"))))
    assert [plain_cell(row["statement"]) for row in rows if row["lead"]] == [
        lead.statement for lead in key.leads
    ]
    assert [plain_cell(row["name"]) for row in rows if row["name"]] == [e.name for e in key.ends]
    for row in rows:
        cells = [row["statement"], row["name"]]
        assert not any(re.match(r"[=+@]|-\D", cell) for cell in cells), cells


@pytest.mark.parametrize("text", [*HOSTILE, "-5", "+1e3", "'-5", "'", "''=a", "\t=x", "a"])
def test_a_safe_cell_gives_its_text_back_and_is_no_formula(text: str):
    cell = safe_cell(text)
    assert plain_cell(cell) == text and safe_cell(plain_cell(cell)) == cell
    assert not re.match(r"[=@\t\r]|[+-](?![\d.])", cell)


def paths(key: Key) -> dict[str, str]:
    """By the labels of the leads on the way, the name of every end."""
    found, before = {}, {1: ""}
    for couplet in key.couplets:
        for lead in couplet.leads:
            way = f"{before[couplet.number]} {lead.label}"
            if isinstance(lead.goal, End):
                found[way] = lead.goal.name
            else:
                before[lead.goal] = way
    return found


def test_sdd_is_valid_and_leads_the_same_way(key: Key):
    text = written(key, "sdd")
    SDD.validate(text)
    tree, u = ElementTree.fromstring(text.encode()), "{http://rs.tdwg.org/UBIF/2006/}"
    label = f"{u}Representation/{u}Label"
    taxa = {t.get("id"): t.findtext(label) for t in tree.iter(f"{u}TaxonName") if t.get("id")}
    ways: dict[str, str] = {}
    found = {}
    for lead in tree.iter(f"{u}Lead"):
        own, parent = str(lead.get("id")), lead.find(f"{u}Parent")
        ways[own] = f"{'' if parent is None else ways[str(parent.get('ref'))]} {own[1:]}"
        taxon = lead.find(f"{u}TaxonName")
        if taxon is not None:
            found[ways[own]] = str(taxa[taxon.get("ref")])
    if key.couplets:
        expected = paths(key)
        assert found.keys() == expected.keys()
        for way, name in expected.items():
            in_xml = name.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
            assert found[way] == (in_xml or "–") or found[way] == f"{in_xml[:254]}…"
    assert len(set(taxa.values())) == len(key.names)


def test_a_key_that_names_no_lead_is_not_valid_sdd():
    text = written(KEYS["three"], "sdd")
    for wrong in (text.replace('ref="L1a"', 'ref="L9a"'), text.replace('ref="t1"', 'ref="t9"')):
        with pytest.raises(xmlschema.XMLSchemaValidationError):
            SDD.validate(wrong)


def test_clavis_is_valid_and_tells_the_ends_apart(key: Key):
    content = json.loads(written(key, "clavis"))
    jsonschema.validate(content, CLAVIS, jsonschema.Draft7Validator)
    ids = re.findall(r'"id": "([^"]+)"', written(key, "clavis"))
    assert len(ids) == len(set(ids))
    ends = {}
    for taxon in content["taxa"]:
        for each in taxon.get("children", [taxon]):
            ends[each["id"]] = taxon["vernacularName"]
    ways: dict[str, str] = {}
    for statement in content["statements"]:
        label = statement["value"].removeprefix("state:s")
        ways[statement["taxon"]] = f"{ways.get(statement['taxon'], '')} {label}"
    if key.couplets:
        assert {way: ends[taxon] for taxon, way in ways.items()} == paths(key)
    premises = {c["id"]: c.get("logicalPremise") for c in content["characters"]}
    for couplet in key.couplets:
        parent = couplet.parent and f"state:s{couplet.parent.label}"
        assert premises[f"character:c{couplet.number}"] == parent


class Page(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: dict[str, list[str]] = {"statement": [], "b": []}
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = {name: value or "" for name, value in attrs}
        assert not any(name.startswith("on") or name == "src" for name in found)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.inside = tag if tag == "b" else found.get("class", "")
        if self.inside in self.text:
            self.text[self.inside].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in self.text:
            self.text[self.inside][-1] += data


@pytest.mark.parametrize("style", STYLES)
def test_html_holds_names_as_text_and_links_that_lead_somewhere(key: Key, style: Style):
    page = Page()
    page.feed(written(key, "html", style))
    assert "script" not in page.tags and "img" not in page.tags
    assert sorted(page.text["statement"]) == sorted(lead.statement for lead in key.leads)
    assert sorted(page.text["b"]) == sorted(end.name for end in key.ends)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_dot_strings_hold_names_as_text(key: Key):
    text = written(key, "dot")
    labels = [
        html.unescape(re.sub(r"\\(.)", r"\1", found))
        for found in re.findall(r'-> \w+ \[label="((?:[^"\\]|\\.)*)"\];\n', text)
    ]
    assert labels == [lead.statement for lead in key.leads]


TEX = {
    r"\textbackslash{}": "\\", r"\{": "{", r"\}": "}", r"\$": "$", r"\&": "&", r"\#": "#",
    r"\%": "%", r"\_": "_", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^",
    r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|", r"{\char34}": '"',
    "{'}": "'", r"{\char96}": "`", "{-}": "-", "{,}": ",", "{[}": "[", "{]}": "]",
    r"\ensuremath{\leq}": "≤", r"\ensuremath{\geq}": "≥", r"\ensuremath{\rightarrow}": "→",
    r"\ensuremath{-}": "−", r"\ensuremath{\times}": "×", r"\ensuremath{\cdot}": "·",
    r"\textendash{}": "–", r"\dots{}": "…",
}  # fmt: skip
SPECIAL = set("\\{}$&#%_~^<>|\"'`-,[]≤≥→−×·–…")


def plain_tex(text: str) -> str:
    """What LaTeX prints for a text; no command is taken but those that stand for a sign."""
    found, at = "", 0
    while at < len(text):
        sign = next((s for s in TEX if text.startswith(s, at)), None)
        assert sign or text[at] not in SPECIAL, text[at:]
        found += TEX[sign] if sign else text[at]
        at += len(sign or " ")
    return found


@pytest.mark.parametrize("style", STYLES)
def test_latex_holds_names_as_text(key: Key, style: Style):
    text = written(key, "latex", style)
    lines = [line for line in text.splitlines() if r"\makebox" in line]
    said = [
        plain_tex(re.sub(r"^.*?\\makebox\[.*?em\]\[l\]\{.*?[ab}]\}", "", line).split(r"\dotfill")[0]
                  .removesuffix(r"\par"))
        for line in lines
    ] if style != "bracketed" else []  # fmt: skip
    if style != "bracketed":
        assert sorted(said) == sorted(lead.statement for lead in key.leads)
    ends = re.findall(r"\\textbf\{((?:\\[{}]|\{[^{}]*\}|[^{}])*)\}", text)
    names = [plain_tex(end) for end in ends if not end.isdigit()]
    assert sorted(names) == sorted(end.name for end in key.ends if not end.name.isdigit())
    assert len(lines) == len(key.leads)


@pytest.mark.parametrize("style", STYLES)
def test_markdown_holds_no_markup_of_names(key: Key, style: Style):
    text = written(key, "markdown", style)
    own = re.sub(r'<a id="couplet-\d+"></a>|\[\d+\]\(#couplet-\d+\)|\*\*', "", text)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", own)
    for line in bare.splitlines():
        line = line.removesuffix("\\").removeprefix("# ")
        assert not re.search(r"[`*_<>\[\]|]|https?://|www\.", re.sub(r"^ *- ", "", line)), line


def test_all_styles_are_of_formats_for_readers():
    assert set(STYLED) < set(FORMATS)
    for form in STYLED:
        assert len({written(KEYS["three"], form, style) for style in STYLES}) == 3  # pyright: ignore
