from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner

from cli import app
from irtheory.intersection.network import collect
from irvision.data.batches.augment import central_view
from irvision.export.graph import Graph
from irvision.models.network import view_of
from irvision.runs.trained import load_trained

QUICK = [
    "--dataset", "beetles", "--beetles", "600", "--resize", "40", "--crop", "32", "--epochs", "2",
    "--dim", "24", "--batch-size", "32", "--device", "cpu",
]  # fmt: skip


def ira(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRA_CACHE", str(folder / "cache"))
        patch.delenv("IRA_DATA", raising=False)
        for words in (("train", *QUICK, "--out", folder / "run"), ("evaluate", folder / "run")):
            done = ira(*words)
            assert done.exit_code == 0, done.output
        yield folder / "run"  # type: ignore[misc]


def noise(side: int, count: int = 20) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    )


def test_the_graph_is_the_network_and_the_tree(run: Path) -> None:
    trained = load_trained(run)
    view = view_of(trained.settings)
    pixels = noise(view.size)
    seen = collect(trained.network, [(central_view(pixels, view), torch.zeros(20))])
    with torch.inference_mode():
        codes, probabilities, classes, values = Graph(trained).eval()(pixels)
    assert torch.equal(codes, seen.codes)
    torch.testing.assert_close(probabilities, seen.outputs, atol=1e-5, rtol=0)
    expected = trained.tree.predict(seen.codes.numpy()[:, trained.kept])
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(classes.numpy(), expected.argmax(1))


def test_a_copy_holds_the_model_and_no_images(run: Path, tmp_path: Path) -> None:
    done = ira("export", run, "--to", tmp_path / "model")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"weights.safetensors", "tree.json", "README.md", "key.txt"} <= names
    assert not names & {"samples.csv", "gallery.safetensors", "predictions.csv", "checkpoints"}
    ours, theirs = load_trained(run), load_trained(tmp_path / "model")
    pixels = noise(32).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert torch.equal(ours.network(pixels), theirs.network(pixels))
    again = ira("export", run, "--to", tmp_path / "model")
    assert again.exit_code == 2 and "not empty; pass --overwrite" in again.output
    assert ira("export", run, "--to", tmp_path / "model", "--overwrite").exit_code == 0
    (tmp_path / "model" / "mine.txt").write_text("keep me")
    third = ira("export", run, "--to", tmp_path / "model", "--overwrite")
    assert third.exit_code == 2 and "found mine.txt" in third.output
    assert (tmp_path / "model" / "mine.txt").read_text() == "keep me"


def test_what_cannot_be_written_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "there.onnx").write_text("mine")
    (tmp_path / "folder.onnx").mkdir()
    for to, message in (
        (run, "expected another folder than that of the run"),
        (tmp_path / "file", "found a file"),
        (tmp_path / "there.onnx", "is there already"),
        (tmp_path / "folder.onnx", "found a folder"),
        (tmp_path / "no" / "m.onnx", "expected a folder"),
    ):
        done = ira("export", run, "--to", to)
        assert done.exit_code == 2 and message in done.output, done.output
    assert (tmp_path / "there.onnx").read_text() == "mine"
    done = ira("export", tmp_path, "--to", tmp_path / "x")
    assert done.exit_code == 2 and "expected the settings of a run" in done.output


def test_codes_that_depend_on_the_batch_are_refused(run: Path) -> None:
    trained = load_trained(run)
    trained.network.quantize.range = "batch"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="codes of this run depend on the batch"):
        Graph(trained)


def test_the_card_says_what_evaluation_found(run: Path) -> None:
    card = (run / "README.md").read_text(encoding="utf-8")
    found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    for key in ("accuracy_t", "accuracy_g", "agreement"):
        low, high = found[key]["interval"]
        assert f"{found[key]['value']:.3f} ({low:.3f} … {high:.3f})" in card
    assert "Prolixa simplex" in card and "attributes were never seen" in card


def test_a_readme_of_the_user_stays(run: Path) -> None:
    from irvision.runs.card import write_card

    before = (run / "README.md").read_bytes()
    try:
        (run / "README.md").write_text("# My notes\n")
        assert write_card(run) is None
        assert (run / "README.md").read_text() == "# My notes\n"
    finally:
        (run / "README.md").write_bytes(before)
    assert write_card(run) == run / "README.md"
    assert (run / "README.md").read_bytes() == before


def test_names_of_classes_are_shown_as_they_are() -> None:
    from irvision.runs.card import plain

    assert plain("<b>\x1b[31m|`#") == r"\<b\>\\x1b\[31m\|\`\#"


@pytest.mark.slow
def test_onnxruntime_gives_the_codes_and_classes_of_the_run(run: Path, tmp_path: Path) -> None:
    """On 300 real images of the data set, against what `ira evaluate` wrote."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = tmp_path / "model.onnx"
    done = ira("export", run, "--to", file)
    assert done.exit_code == 0, done.output
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"])[0] == "Prolixa simplex"
    scored = load_file(run / "predictions.safetensors")
    trained = load_trained(run)
    from irvision.data.registry import load_examples
    from irvision.runs.samples import distinct_names
    from irvision.runs.scored_images import read_scored_images

    examples = load_examples("beetles", trained.settings.data)
    row_of = {name: row for row, name in enumerate(distinct_names(examples))}
    names = read_scored_images(run).names[:300]
    pixels = np.stack([examples.pixels.read(row_of[name], 40)[4:36, 4:36] for name in names])
    codes, probabilities, classes, _ = session.run(None, {"pixels": pixels})
    assert (codes == scored["codes"][:300]).mean() > 0.9999
    np.testing.assert_array_equal(classes, scored["named_by_t"][:300])
    np.testing.assert_allclose(probabilities, scored["outputs"][:300], atol=1e-4)


def test_results_of_another_run_are_refused(run: Path, tmp_path: Path) -> None:
    """evaluation.json and predictions.safetensors say which tree they are results of."""
    other = tmp_path / "other"
    shutil.copytree(run, other)
    tree = json.loads((other / "tree.json").read_text())
    (other / "tree.json").write_text(json.dumps(tree) + "\n")
    for command in ("report", "key", "name"):
        done = ira(command, other)
        assert done.exit_code == 2 and "those of another tree" in done.output, done.output
    (other / "evaluation.json").unlink()
    done = ira("name", other)
    assert done.exit_code == 2 and "predictions.safetensors: expected results of" in done.output


def test_a_copy_names_no_image_and_no_folder_of_this_machine(run: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    shutil.copytree(run, named)
    assert ira("name", named).exit_code == 0
    assert " of seed 0" in (named / "names.csv").read_text()
    copy = tmp_path / "copy"
    assert ira("export", named, "--to", copy).exit_code == 0
    for file in copy.iterdir():
        content = file.read_bytes()
        assert b" of seed 0" not in content and str(tmp_path).encode() not in content, file
    table = (copy / "names.csv").read_text()
    first = table.splitlines()[1].split(",")[0]
    (copy / "names.csv").write_text(table.replace(f"{first},,", f"{first},mine,", 1))
    done = ira("export", named, "--to", copy, "--overwrite")
    assert done.exit_code == 2 and "with names that" in done.output
    assert ",mine," in (copy / "names.csv").read_text()


def test_no_command_replaces_files_of_a_run(run: Path) -> None:
    before = (run / "tree.json").read_bytes()
    done = ira("key", run, "--out", run / "tree.json", "--overwrite")
    assert done.exit_code == 2 and "expected another file than those of the run" in done.output
    assert (run / "tree.json").read_bytes() == before
