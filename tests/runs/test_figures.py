"""A figure that cannot be drawn is left out with a note, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from irtheory.runs.console import look_at
from irtheory.runs.figures import draw, plt


def curve(scale: str = "linear"):
    figure, axes = plt.subplots()
    axes.plot([1, 2], [0.0, -1.0])
    axes.set_yscale(scale)
    return figure


def test_a_figure_is_written_as_svg_and_png(tmp_path: Path) -> None:
    notes: list[str] = []
    written = draw(tmp_path / "curve", curve, notes.append)
    assert [path.name for path in written] == ["curve.svg", "curve.png"] and notes == []
    assert all(path.stat().st_size > 1000 for path in written)


@pytest.mark.parametrize("error", [ValueError("log of\n nothing"), IndexError(), RuntimeError("x")])
def test_a_figure_that_fails_is_a_note(tmp_path: Path, error: Exception) -> None:
    for suffix in (".svg", ".png"):
        (tmp_path / f"curve{suffix}").write_text("of an earlier run")

    def fail():
        curve()
        raise error

    notes: list[str] = []
    before = plt.get_fignums()
    assert draw(tmp_path / "curve", fail, notes.append) == []
    why = {"ValueError": "log of nothing", "IndexError": "IndexError", "RuntimeError": "x"}
    assert notes == [f"no figure curve: {why[type(error).__name__]}"]
    assert list(tmp_path.iterdir()) == [] and plt.get_fignums() == before


def test_a_full_disk_is_no_degenerate_figure(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        draw(tmp_path / "none" / "curve", curve, print)


def test_what_to_look_at() -> None:
    paths = [Path("a.csv"), Path("a.svg"), Path("a.png"), Path("b.png"), Path("c.png")]
    assert look_at(paths, Path("a.csv")) == "look at a.png and b.png"
    assert look_at(paths[:2], Path("a.csv")) == "look at a.csv"
