from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from irtheory.runs.files import InputError
from irvision.runs.checkpoint import load_checkpoint
from irvision.runs.writer import Writer, on_host


def test_a_state_keeps_its_kinds_on_the_host() -> None:
    weights = torch.arange(3.0)
    state = {
        "weights": OrderedDict(a=weights),
        "betas": (0.9, torch.ones(1)),
        "more": [None, "text", {"epoch": 3}],
    }
    there = on_host(state)
    assert type(there["weights"]) is OrderedDict and there["weights"]["a"] is weights
    assert type(there["betas"]) is tuple and there["betas"][0] == 0.9
    assert there["more"] == state["more"]


def test_tensors_of_another_device_are_copied() -> None:
    with torch.device("meta"):
        elsewhere = torch.empty(3)
    with pytest.raises(NotImplementedError, match="meta"):
        on_host([elsewhere])


def test_what_was_given_is_on_disk_at_the_end(tmp_path: Path) -> None:
    with Writer() as writer:
        for epoch in (1, 2, 3):
            writer.save(tmp_path, epoch, 0, {"epoch": epoch, "weights": torch.full((2,), epoch)})
    assert load_checkpoint(tmp_path).state["weights"].tolist() == [3, 3]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_went_wrong_in_the_thread_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write a checkpoint"), Writer() as writer:
        writer.save(tmp_path / "file" / "below", 1, 0, {})
