from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from irtheory.intersection.epoch import Epoch
from irtheory.runs.files import InputError
from irtheory.trees.tree import Tree
from irvision.evaluation.epoch_fidelity import EpochFidelity
from irvision.evaluation.node_names import NodeName
from irvision.figures.attributes import attributes_figure, comparison_figure
from irvision.figures.page import shortened
from irvision.figures.run import plot_run
from irvision.runs.attribute_table import AttributeRow, write_attribute_table
from irvision.runs.leaf_counts import write_leaf_counts
from irvision.runs.reader import read_metrics

CLASSES = ["wood ant", "bee", "$fly$"]
EPOCH = Epoch(
    1, {"label": 1.0, "tree": float("nan")}, 1.0, 0.5, 0.4, 0.6, 0.5, 0.4, 0.7,
    leaves=3, depth=2, codes_used=2, density=0.5, constant=0.1, samples=10, seconds=1.0,
)  # fmt: skip


def texts(path: Path) -> list[str]:
    """Every text of an SVG file."""
    root = ElementTree.parse(path).getroot()
    found = root.iter("{http://www.w3.org/2000/svg}text")
    return ["".join(each.itertext()).strip() for each in found]


def a_tree() -> Tree:
    ant, bee = Tree.leaf([0.9, 0.1, 0.0], 50, 4), Tree.leaf([0.0, 0.75, 0.25], 40, 4)
    fly, same = Tree.leaf([0.1, 0.2, 0.7], 30, 4), Tree.leaf([0.03, 0.01, 0.96], 20, 4)
    flies = Tree.grow(3, 0.0, fly, same, [0.0, 0.1, 0.9], 50)
    right = Tree.grow(2, 1.0, bee, flies, [0.0, 0.4, 0.6], 90)
    return Tree.grow(1, 0.5, ant, right, [0.3, 0.3, 0.4], 140)


def rows_of(n: int) -> list[AttributeRow]:
    row = AttributeRow("", 9, 0.5, None, 0.05, 0.5, 0.9, "code 1 = 1", 1, True)
    f1 = np.linspace(0.1, 0.9, n).tolist()
    return [replace(row, attribute=f"has_part_{i:03d}::kind", f1=v) for i, v in enumerate(f1)]


def write_metrics(run: Path, epochs: int = 3) -> None:
    """As training writes them; null stands for what is not a number."""
    made = [
        asdict(replace(EPOCH, epoch=e + 1, losses={"label": 1 / (e + 1)})) for e in range(epochs)
    ]
    made[-1]["losses"]["tree"] = 0.5
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "ira-run"
    folder.mkdir()
    write_metrics(folder)
    (folder / "tree.json").write_text(a_tree().to_json())
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    (folder / "result.json").write_text(json.dumps({"kept": [5, 12, 40, 41]}))
    name = NodeName(
        0, 1, 0.5, 12, "wings", False, "validation", 70, 0.876, 0.3, 1e-3, 0.1, 0.9, 50, 0.2, 0.8
    )
    tests = [asdict(name)]
    (folder / "evaluation.json").write_text(json.dumps({"tests": tests}))
    write_attribute_table(folder / "attributes.csv", [*rows_of(4), AttributeRow("unseen", 0)])
    return folder


def keep(run: Path, *names: str) -> None:
    """Remove all other files of a run."""
    for path in run.iterdir():
        if path.name not in names:
            path.unlink()


def test_all_figures_are_drawn_as_svg_and_png(run: Path) -> None:
    names = [f"{n}.{kind}" for n in ("training", "tree", "attributes") for kind in ("svg", "png")]
    assert plot_run(run) == [run / name for name in names]
    for name in names[1::2]:
        with Image.open(run / name) as picture:
            colours = picture.convert("RGB").getcolors(1 << 24)
        assert colours is not None and len(colours) > 20


def test_the_figure_of_training_shows_every_curve_that_there_is(run: Path) -> None:
    keep(run, "metrics.jsonl")
    plot_run(run)
    found = texts(run / "training.svg")
    assert "training of ira-run" in found
    for part in ("CE loss", "IR loss", "G, train", "T, validation", "constant", "codes tested"):
        assert part in found
    assert "feature fidelity" not in found


def test_fidelity_is_drawn_where_it_was_measured(run: Path) -> None:
    keep(run, "metrics.jsonl")
    epochs = [asdict(EpochFidelity(e, 9, 0.3, null)) for e, null in ((1, 0.2), (3, None))]
    (run / "evaluation.json").write_text(json.dumps({"epochs": epochs}))
    plot_run(run)
    found = texts(run / "training.svg")
    assert "feature fidelity, 9 validation images" in found and "the same, images shuffled" in found


def test_one_epoch_without_a_tree_is_drawn(tmp_path: Path) -> None:
    row = json.dumps({**asdict(EPOCH), "losses": {"label": 1.0, "tree": None}})
    (tmp_path / "metrics.jsonl").write_text(row + "\n")
    assert [path.name for path in plot_run(tmp_path)] == ["training.svg", "training.png"]
    assert "not in force" in texts(tmp_path / "training.svg")


def test_the_tree_names_tests_classes_and_sizes(run: Path) -> None:
    keep(run, "tree.json", "classes.json", "result.json", "evaluation.json")
    plot_run(run)
    found = texts(run / "tree.svg")
    for part in (
        "wings", "code 12 < 1, F1 0.88 (0.30)", "code 40 ≥ 2", "50", "40",
        "wood ant 90%, bee 10%", "bee 75%, $fly$ 25%", "$fly$ 90%, bee 10%", "yes", "no",
    ):  # fmt: skip
        assert part in found
    # Both flies are one leaf now.
    assert "code 41 ≥ 1" not in found
    assert "depth 2, 3 leaves, 2 codes tested" in found
    assert any(t.startswith("of the 4 leaves of T") for t in found)


def test_leaves_say_numbers_of_images(run: Path) -> None:
    tree = a_tree()
    train = np.zeros((tree.n_nodes, 3), int)
    test = np.zeros_like(train)
    # Nodes: 0 root, 1 ant, 2 right, 3 bee, 4 flies, 5 fly, 6 same; nothing reaches the bee.
    train[1], train[5], train[6], test[5] = (40, 10, 0), (2, 0, 28), (0, 0, 20), (1, 0, 3)
    write_leaf_counts(run, tree, CLASSES, {"train": train, "test": test})
    (run / "result.json").write_text(json.dumps({"kept": [5, 12, 40, 41], "bits": 1}))
    plot_run(run)
    found = texts(run / "tree.svg")
    assert "wood ant 40, bee 10; no test images" in found and "$fly$ 48; 3 of 4" in found
    assert "code 12 absent, F1 0.88 (0.30)" in found
    assert not any(text.startswith("bee") for text in found)


def test_letters_without_a_font_are_named_once_and_stay_in_the_svg(
    run: Path, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "classes.json").write_text(json.dumps(["\ue123 ant", "bee", "fly"]))
    plot_run(run)
    assert not recwarn.list
    assert capsys.readouterr().err.count("no font here has \ue123") == 1
    assert any("\ue123 ant" in text for text in texts(run / "tree.svg"))


@pytest.mark.parametrize("command", ["simulate", "recover"])
def test_runs_of_other_commands_are_refused(run: Path, command: str) -> None:
    (run / "config.yaml").write_text(f"command: {command}\n")
    (run / "environment.json").write_text("{}")
    (run / "values.png").touch()
    for pair in ((run,), (run.parent, run)):
        with pytest.raises(InputError, match=f"found one of ira {command}, which has drawn val"):
            plot_run(*pair)


def test_names_of_an_earlier_version_are_not_drawn(run: Path) -> None:
    old = [{"feature": 1, "threshold": 0.5, "attribute": "wings", "present": True}]
    (run / "evaluation.json").write_text(json.dumps({"tests": old}))
    plot_run(run)
    found = texts(run / "tree.svg")
    assert "wings" not in found and any("earlier version" in text for text in found)


def test_the_epoch_that_was_kept_is_marked(run: Path) -> None:
    content = {"kept": [5, 12, 40, 41], "stopped": True, "epochs": 3}
    (run / "result.json").write_text(json.dumps(content))
    plot_run(run)
    assert "training of ira-run (kept: epoch 2, the dotted line)" in texts(run / "training.svg")


def test_the_epoch_of_the_result_is_marked_whatever_ended_the_run(run: Path) -> None:
    result = {"kept": [5, 12, 40, 41], "stopped": True, "epochs": 3}
    for kept, marked in ((1, "kept: epoch 1"), (3, None)):
        (run / "result.json").write_text(json.dumps({**result, "kept_epoch": kept}))
        plot_run(run)
        (title,) = (text for text in texts(run / "training.svg") if "training of" in text)
        assert ("kept" in title) == (marked is not None)
        assert marked is None or marked in title


def test_a_score_of_some_samples_is_not_compared(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    content = json.loads((other / "evaluation.json").read_text())
    (other / "evaluation.json").write_text(json.dumps({**content, "left_out": 2}))
    with pytest.raises(InputError, match="other: expected a score of all images, found one"):
        plot_run(run, other)


def test_runs_on_other_samples_are_not_compared(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    for folder, samples in ((run, "a"), (other, "b")):
        content = {"kept": [5, 12, 40, 41], "samples": samples}
        (folder / "result.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected runs of the same data set and parts"):
        plot_run(run, other)


def test_long_names_of_runs_stay_on_the_page(check_apart: Callable[[Figure], None]) -> None:
    names = "train-beetles-quantised+l1-20261127-045514", "train-beetles-ira-20261127-045520"
    figure = comparison_figure(rows_of(3), rows_of(3), names)
    check_apart(figure)
    found = [text.get_text() for text in figure.axes[0].texts]
    assert any(f"0: {names[0]}" in text and f"0: {names[1]}" in text for text in found)
    figure.draw_without_rendering()
    title, *heads = (
        t for t in figure.axes[0].texts if t.get_rotation() or "best F1" in t.get_text()
    )
    for head in heads:
        box = head.get_window_extent().extents
        assert box[2] <= figure.bbox.extents[2] and box[3] <= title.get_window_extent().extents[1]


def test_without_an_evaluation_and_names_numbers_stand_for_them(run: Path) -> None:
    keep(run, "tree.json")
    assert [path.name for path in plot_run(run)] == ["tree.svg", "tree.png"]
    found = texts(run / "tree.svg")
    assert "code 1 ≥ 1" in found and "class 0 90%, class 1 10%" in found


def test_a_tree_of_one_leaf_is_drawn(run: Path) -> None:
    keep(run, "classes.json")
    (run / "tree.json").write_text(Tree.leaf([0.2, 0.5, 0.3], 7, 4).to_json())
    plot_run(run)
    assert "bee 50%, $fly$ 30%" in texts(run / "tree.svg")


@pytest.mark.parametrize("n", [1, 64, 312])
def test_all_attributes_are_in_the_heat_map_best_first(tmp_path: Path, n: int) -> None:
    rows = rows_of(n)
    write_attribute_table(tmp_path / "attributes.csv", rows)
    plot_run(tmp_path)
    found = texts(tmp_path / "attributes.svg")
    shown = [text for text in found if text.startswith("has_part")]
    assert shown == [row.attribute for row in reversed(rows)]
    assert {"codes", "null", "predicted class", "class oracle"} <= set(found)


def test_no_texts_overlap_in_a_heat_map_of_long_names(
    check_apart: Callable[[Figure], None],
) -> None:
    rows = [replace(row, attribute=f"{row.attribute}_and_much_more") for row in rows_of(90)]
    check_apart(attributes_figure(rows, "title"))


def test_two_runs_are_compared_on_the_attributes_of_both(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "quantised"
    other.mkdir()
    f1 = (0.10, 0.5, 0.85, 0.9, 0.7)
    rows = [replace(row, f1=v) for row, v in zip(rows_of(5), f1, strict=True)]
    write_attribute_table(other / "attributes.csv", rows)
    drawn = plot_run(run, other)
    assert [path.name for path in drawn] == [
        f"attributes-against-quantised.{kind}" for kind in ("svg", "png")
    ]
    found = texts(drawn[0])
    ours = [row.f1 or 0 for row in rows_of(4)]
    gains = [a - b for a, b in zip(ours, f1[:4], strict=True)]
    better = sum(g >= 0.05 for g in gains), sum(g <= -0.05 for g in gains)
    assert better == (0, 2)
    assert "best F1 of 4 attributes; better by ≥ 0.05 (bold):" in found
    assert {"0: ira-run", "2: quantised"} <= set(found)
    assert {"+0.00", "−0.13", "−0.22"} <= set(found)


def test_a_difference_of_just_the_margin_counts(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    rows = [replace(row, f1=(row.f1 or 0) - 0.05) for row in rows_of(4)]
    write_attribute_table(other / "attributes.csv", rows)
    assert {"4: ira-run", "0: other"} <= set(texts(plot_run(run, other)[0]))


def test_what_is_missing_is_named_with_the_command_that_makes_it(run: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"empty: expected metrics.jsonl or .*`ira evaluate"):
        plot_run(empty)
    with pytest.raises(InputError, match=r"attributes.csv: not there; `ira evaluate .*empty`"):
        plot_run(run, empty)
    (empty / "evaluation.json").write_text("{}")
    with pytest.raises(InputError, match=r"attributes.csv: the data set has no attributes"):
        plot_run(run, empty)
    write_attribute_table(empty / "attributes.csv", [AttributeRow("other", 3, 0.5, 0.5)])
    with pytest.raises(InputError, match="expected common attributes, found none"):
        plot_run(run, empty)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.jsonl", "{}\n", r"metrics.jsonl:1: expected the numbers of an epoch"),
        (
            "evaluation.json",
            '{"epochs": [{"epoch": 1}]}',
            r"evaluation.json: expected what `ira ev",
        ),
        ("metrics.jsonl", "", r"metrics.jsonl: expected at least one epoch"),
        ("metrics.jsonl", '{"epoch": 1, "losses": {"tree": "x"}}', r"metrics.jsonl:1: expected"),
        ("tree.json", "[1]", r"tree.json: "),
        ("result.json", "[]", r"result.json: expected a JSON object, found \[\]"),
        ("classes.json", '["a"]', r"classes.json: expected a list of 3 names of classes"),
        ("result.json", '{"kept": [1]}', r"result.json: expected kept, a list of 4 codes"),
        ("evaluation.json", "{}", r"evaluation.json: expected what `ira evaluate"),
        ("evaluation.json", "{", r"evaluation.json: expected JSON"),
    ],
)
def test_damaged_files_are_named(run: Path, name: str, content: str, message: str) -> None:
    (run / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        plot_run(run)
    assert "\n" not in str(caught.value)


def test_metrics_are_read_in_order(run: Path) -> None:
    assert [row["epoch"] for row in read_metrics(run)] == [1, 2, 3]


def test_long_names_keep_both_ends() -> None:
    assert shortened("has_bill_color::red", 11) == "has_b…::red"
    assert shortened("short", 5) == "short"
    assert len(shortened("x" * 50, 20)) == 20


def test_figures_need_no_torch() -> None:
    code = "import sys, irvision.figures.run; print({'torch', 'sklearn', 'cvxpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
