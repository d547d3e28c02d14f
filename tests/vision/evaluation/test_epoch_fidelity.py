from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from irtheory.fidelity import feature_fidelity
from irtheory.intersection.quantize import binarize
from irtheory.runs.files import InputError
from irvision.data.examples import Attributes
from irvision.evaluation.epoch_fidelity import fidelity_by_epoch
from irvision.runs.epoch_codes import read_epoch_codes, write_epoch_codes

M, D, BITS = 60, 5, 2


def codes_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**BITS, (M, D), dtype=np.uint8)


def attributes_of(values: np.ndarray) -> Attributes:
    return Attributes(tuple(f"a{i}" for i in range(values.shape[1])), values.astype(float))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for epoch in (2, 10, 1):
        write_epoch_codes(tmp_path, epoch, codes_of(epoch))
    return tmp_path


def test_codes_are_read_as_they_were_written_in_the_order_of_epochs(run: Path) -> None:
    read = list(read_epoch_codes(run, M, D, BITS))
    assert [epoch for epoch, _ in read] == [1, 2, 10]
    assert all((codes == codes_of(epoch)).all() for epoch, codes in read)


def test_each_epoch_scores_what_its_codes_score(run: Path) -> None:
    # One attribute is a bit of a code of epoch 2, the other one is chance.
    values = np.stack([codes_of(2)[:, 3] == 1, codes_of(7)[:, 0] > 1], axis=1)
    kept = np.array([0, 3, 4])
    scored = fidelity_by_epoch(run, attributes_of(values), kept, D, BITS, null_draws=20, seed=0)
    assert [(each.epoch, each.images) for each in scored] == [(1, M), (2, M), (10, M)]
    for each in scored:
        expected = feature_fidelity(values, binarize(codes_of(each.epoch)[:, kept], BITS))
        assert each.fidelity == expected.score
    assert max(scored, key=lambda each: each.fidelity).epoch == 2
    assert all(each.null is not None and 0 < each.null < 1 for each in scored)
    bare = fidelity_by_epoch(run, attributes_of(values), kept, D, BITS, null_draws=0, seed=0)
    assert [each.null for each in bare] == [None] * 3


def test_without_codes_or_annotation_there_is_no_curve(run: Path, tmp_path: Path) -> None:
    unknown = attributes_of(np.full((M, 2), np.nan))
    assert fidelity_by_epoch(run, unknown, np.arange(D), D, BITS, 1, 0) == ()
    known = attributes_of(np.eye(M, 2))
    assert fidelity_by_epoch(tmp_path / "elsewhere", known, np.arange(D), D, BITS, 1, 0) == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04", "a damaged file"),
        (b"", "a damaged file"),
        (codes_of(0)[:7], r"uint8 \[7, 5\]"),
        (codes_of(0)[:, :4], r"uint8 \[60, 4\]"),
        (codes_of(0).astype(np.int64), r"int64 \[60, 5\]"),
        (codes_of(0) + np.uint8(4), "code 7 of 2 bits"),
        (np.array([None, 1]), "a damaged file"),
    ],
)
def test_files_that_do_not_fit_are_named(run: Path, content, words: str) -> None:
    file = run / "codes/epoch-0002.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.savez(file, codes=content)
    message = f"epoch-0002.npz: expected codes of 60 validation images, found {words}"
    with pytest.raises(InputError, match=message):
        list(read_epoch_codes(run, M, D, BITS))


def test_a_file_without_codes_is_named(run: Path) -> None:
    np.savez(run / "codes/epoch-0003.npz", other=codes_of(0))
    with pytest.raises(InputError, match=r"epoch-0003\.npz"):
        list(read_epoch_codes(run, M, D, BITS))


def test_every_flipped_bit_is_read_or_named(run: Path) -> None:
    file = run / "codes/epoch-0002.npz"
    whole = file.read_bytes()
    for at in range(0, 8 * len(whole), 7):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        file.write_bytes(damaged)
        with suppress(InputError):
            list(read_epoch_codes(run, M, D, BITS))
