from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from irtheory.runs.files import InputError
from irvision.runs.scored_images import read_scored_images, scored_digest


def arrays() -> dict[str, np.ndarray]:
    return {
        "codes": np.array([[0, 1], [1, 1], [1, 0]], np.uint8),
        "levels": np.array([[0.1, 0.9], [0.7, 1.2], [2.0, 0.0]], np.float16),
        "outputs": np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], np.float32),
        "labels": np.array([0, 1, 1]), "named_by_t": np.array([0, 1, 0]),
        "leaf": np.array([1, 2, 2]), "part": np.array([2, 2, 0], np.uint8),
    }  # fmt: skip


def write(run: Path, changed: dict[str, np.ndarray | None]) -> None:
    kept = {key: value for key, value in {**arrays(), **changed}.items() if value is not None}
    about = {"images": json.dumps(["a", "b", "c"]), "classes": json.dumps(["x", "y"])}
    save_file(kept, run / "predictions.safetensors", about)


def test_all_columns_are_read(tmp_path: Path) -> None:
    write(tmp_path, {})
    found = read_scored_images(tmp_path)
    assert found.names == ("a", "b", "c") and found.classes == ("x", "y")
    assert found.by_g.tolist() == [0, 1, 1] and found.by_t.tolist() == [0, 1, 0]
    assert found.rows("test").tolist() == [0, 1] and found.rows("validation").tolist() == []
    assert found.levels is not None and found.levels.shape == (3, 2)
    before = scored_digest(tmp_path)
    write(tmp_path, {"levels": None})
    assert read_scored_images(tmp_path).levels is None
    assert scored_digest(tmp_path) != before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes": None}, "no 'codes'"),
        ({"codes": np.zeros((3, 2))}, "uint8"),
        ({"outputs": np.zeros((3, 3), np.float32)}, "outputs"),
        ({"outputs": np.full((3, 2), np.nan, np.float32)}, "finite"),
        ({"labels": np.array([0, 1, 2])}, "below 2"),
        ({"labels": np.array([0, 1])}, "3 whole numbers"),
        ({"levels": np.zeros((3, 1), np.float16)}, "levels"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, changed: dict[str, np.ndarray | None], message: str
) -> None:
    write(tmp_path, changed)
    with pytest.raises(InputError, match=rf"predictions\.safetensors: .*{message}"):
        read_scored_images(tmp_path)


def test_no_file_and_no_table_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_scored_images(tmp_path)
    (tmp_path / "predictions.safetensors").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"predictions\.safetensors"):
        read_scored_images(tmp_path)
