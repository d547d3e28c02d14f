"""Options declared on settings: help, ranges, files and errors come from the one declaration."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from cli import app
from irtheory.runs.commands import COMMANDS, Command, command
from irtheory.runs.exits import Exit, one_line_errors
from irtheory.runs.files import InputError
from irtheory.runs.options import (
    Declared,
    Interval,
    Option,
    at_least,
    between,
    check_ranges,
    declared,
    flag_of,
    from_content,
    take,
)

ROOT = Path(__file__).resolve().parents[2]
WIDE = {"COLUMNS": "250", "TERM": "dumb", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Bird:
    """Settings of a command of the tests."""

    name: Annotated[str, Option("Name of the bird.", metavar="NAME", argument=True)]
    wings: Annotated[int, Option("Number of wings.", "Body", at_least(0))] = 2
    gape: Annotated[
        float, Option("Gape in centimetres.", "Body", Interval(0, 9, high_open=True))
    ] = 1
    song: Annotated[
        Literal["trill", "hoot"], Option("Song.", defaults={"": "trill", "--night": "hoot"})
    ] = "trill"
    eggs: Annotated[
        tuple[int, ...],
        Option("Eggs of each year.", read=lambda text: tuple(map(int, text.split(",")))),
    ] = ()
    night: Annotated[bool, Option("Active at night.", negatable=True)] = False
    tags: Annotated[
        tuple[str, ...], Option("Tags.", flag="--tag", read=tuple, repeatable=True)
    ] = ()
    ring: Annotated[str | None, Option("Number of the ring.")] = None


def run(*words: str, work: Any = None) -> tuple[Any, list[dict[str, Any]]]:
    """What a command of `Bird` makes of these words: the result, and the options it was given."""
    given: list[dict[str, Any]] = []
    birds = typer.Typer()

    @command(birds, Bird, examples=("birds robin", "birds wren --wings 2"))
    def look(options: dict[str, Any]) -> int:
        """Look at a bird."""
        given.append(options)
        return work(options) if work else 0

    COMMANDS.pop()
    return CliRunner().invoke(birds, list(words), env=WIDE), given


def test_one_line_makes_an_option() -> None:
    result, given = run("robin", "--eggs", "4,5", "--night", "--tag", "a", "--tag", "b")
    assert result.exit_code == 0, result.output
    assert given == [{"name": "robin", "eggs": (4, 5), "night": True, "tags": ("a", "b")}]
    assert take(Bird, given[0]) == Bird("robin", eggs=(4, 5), night=True, tags=("a", "b"))
    assert run("robin", "--no-night")[1] == [{"name": "robin", "night": False}]
    assert run("robin")[1] == [{"name": "robin"}]


def test_help_is_grouped_and_shows_defaults_and_examples() -> None:
    text = run("--help")[0].output
    expected = (
        "Look at a bird.", "Body", "--wings", "default: (2)", "Gape in centimetres.",
        "default: (trill; hoot with --night)", "--no-night", "birds wren --wings 2",
    )  # fmt: skip
    for words in expected:
        assert words in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--wings", "-1"], "ira: --wings: expected at least 0, found -1"),
        (["--gape", "9"], "ira: --gape: expected a number in [0, 9), found 9.0"),
        (["--gape", "nan"], "ira: --gape: expected a number in [0, 9), found nan"),
    ],
)
def test_a_value_out_of_range_is_one_line(words: list[str], line: str) -> None:
    result, given = run("robin", *words)
    assert (result.exit_code, result.output.strip(), given) == (2, line, [])


def test_an_interval_says_what_it_holds() -> None:
    for interval, inside, outside, words in (
        (at_least(1), 1, 0, "at least 1"),
        (between(0, 2**32 - 1), 2**32 - 1, 2**32, "0 … 4294967295"),
        (Interval(0, low_open=True), 1e-300, 0, "a number above 0"),
        (Interval(0, 1, True, True), 0.5, 1, "a number in (0, 1)"),
    ):
        assert inside in interval and outside not in interval and str(interval) == words
        assert math.nan not in interval and math.inf not in interval
    with pytest.raises(InputError, match="--wings: expected at least 0, found -2"):
        check_ranges(Bird("robin", wings=-2))
    check_ranges(Bird("robin", ring=None))


def test_settings_are_read_from_a_file_by_the_same_declaration() -> None:
    assert from_content(Bird, {"name": "wren", "gape": 2}, "a.yaml") == Bird("wren", gape=2)
    assert from_content(Bird, {"name": "wren", "ring": None}, "a.yaml") == Bird("wren")
    for content, words in (
        ({}, "a.yaml: expected a line for name, found none"),
        ({"name": 3}, "a.yaml: name: expected str, found 3"),
        ({"name": "wren", "wings": True}, "a.yaml: wings: expected int, found True"),
        ({"name": "wren", "wings": 2.5}, "a.yaml: wings: expected int, found 2.5"),
        ({"name": "wren", "song": "caw"}, "a.yaml: song: expected trill or hoot, found 'caw'"),
        ({"name": "wren", "ring": 7}, "a.yaml: ring: expected str or null, found 7"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(words)}$"):
            from_content(Bird, content, "a.yaml")


def test_a_fault_ends_in_one_line_that_names_a_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(_: dict) -> int:
        return {}["\x1b[31mnest"]

    result, _ = run("robin", work=fail)
    (report,) = tmp_path.iterdir()
    assert result.exit_code == 3 and len(result.output.splitlines()) == 1
    assert f"please send {report}" in result.output and "\x1b" not in result.output
    text = report.read_text()
    assert "Traceback" in text and "KeyError" in text and '"numpy"' in text
    assert isinstance(run("robin", "--debug", work=fail)[0].exception, KeyError)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a\nb"), 2, "ira: a b\n"),
        (OSError("no room"), 2, "ira: no room\n"),
        (MemoryError(), 2, "ira: MemoryError\n"),
        (KeyboardInterrupt(), 130, "ira: interrupted\n"),
    ],
)
def test_errors_that_are_expected(error: BaseException, code: int, line: str, capsys) -> None:
    with pytest.raises(Exit) as end, one_line_errors():
        raise error
    assert (end.value.code, capsys.readouterr().err) == (code, line)


def name_of(made: Command) -> list[str]:
    return [made.name] if made.app is app else ["data", made.name]


BY_NAME = {" ".join(name_of(made)): made for made in COMMANDS}


@pytest.mark.parametrize("name", BY_NAME)
def test_every_command_shows_its_options_and_two_examples(name: str) -> None:
    made = BY_NAME[name]
    text = CliRunner().invoke(app, [*name.split(), "--help"], env=WIDE).output
    assert len(made.examples) >= 2
    for words in (*made.examples, "--debug", *(found.flag for found in made.options)):
        assert words in text, words
    flat = " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())
    for found in made.options:
        assert found.option.help.endswith("."), found.name
        if found.default_words:
            assert f"default: ({found.default_words})" in flat, found.name
    flags = [found.flag for found in made.options]
    assert len(set(flags)) == len(flags)


def outside(found: Declared) -> str:
    """A value below the range of an option, as text."""
    within = found.option.within
    assert within is not None
    return str(within.low if within.low_open else within.low - 1)


RANGES = [
    (name, found)
    for name, made in BY_NAME.items()
    for found in made.options
    if found.option.within is not None
]


@pytest.mark.parametrize(("name", "found"), RANGES, ids=lambda each: getattr(each, "name", each))
def test_every_range_is_checked_before_anything_runs(name: str, found: Declared, tmp_path) -> None:
    arguments = [str(tmp_path / "x") for each in BY_NAME[name].options if each.option.argument]
    arguments = arguments[:1] if name != "plot" else arguments
    result = CliRunner().invoke(app, [*name.split(), *arguments, f"{found.flag}={outside(found)}"])
    assert result.exit_code == 2, result.output
    assert f"ira: {found.flag}: expected {found.option.within}, found" in result.output
    assert not list(tmp_path.iterdir())


def test_flags_are_named_after_their_fields() -> None:
    assert flag_of(Bird, "wings") == "--wings" and flag_of(Bird, "tags") == "--tag"
    assert flag_of(Bird, "name") == "NAME" and list(declared(Bird))[:2] == ["name", "wings"]


def test_the_page_of_commands_is_that_of_the_declarations() -> None:
    code = (
        "import sys; sys.path.insert(0, 'docs'); import make_commands as m; print(m.page(), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert done.stdout == expected, "run python docs/make_commands.py"
