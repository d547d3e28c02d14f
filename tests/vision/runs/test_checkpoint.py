from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from irtheory.runs.files import InputError
from irvision.runs.checkpoint import check_shapes, load_checkpoint, save_checkpoint


def a_state(seed: int = 0) -> dict[str, Any]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(torch.randn(4, 5)).sum().backward()
    optimiser.step()
    return {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "codes": torch.arange(12, dtype=torch.uint8).reshape(4, 3),
        "last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "tree": '{"π": 1}',
        "counts": [1, 2.5, None, True, (3, "x")],
        "nan": float("nan"),
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def put(folder: Path, epoch: int, content: bytes) -> Path:
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"checkpoint-{epoch:04d}-000000-{digest}.pt"
    path.write_bytes(content)
    return path


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    state = a_state()
    path = save_checkpoint(tmp_path / "new" / "folder", 3, 17, state)
    loaded = load_checkpoint(path.parent)
    assert same(state, loaded.state)
    assert loaded.path == path
    assert loaded.notes == ()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert path.name == f"checkpoint-0003-000017-{digest}.pt"
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    made = [save_checkpoint(tmp_path, e, s, {"at": (e, s)}) for e, s in ((1, 0), (1, 9), (2, 0))]
    assert sorted(tmp_path.iterdir()) == sorted(made[1:])
    assert load_checkpoint(tmp_path).state == {"at": (2, 0)}
    save_checkpoint(tmp_path, 3, 0, {}, keep=1)
    assert len(list(tmp_path.iterdir())) == 1


def test_numbers_decide_what_is_newest_not_the_text(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 9999, 0, {"epoch": 9999})
    save_checkpoint(tmp_path, 10000, 0, {"epoch": 10000})
    assert load_checkpoint(tmp_path).state == {"epoch": 10000}


def test_the_same_step_again_replaces_nothing_that_is_needed(tmp_path: Path) -> None:
    first = save_checkpoint(tmp_path, 1, 5, {"x": 1})
    second = save_checkpoint(tmp_path, 1, 5, {"x": 2})
    os.utime(first, ns=(0, 0))
    assert load_checkpoint(tmp_path).path == second
    assert save_checkpoint(tmp_path, 1, 5, {"x": 2}) == second
    assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_going_on_from_an_earlier_one_drops_the_damaged_later_one(tmp_path: Path) -> None:
    whole = save_checkpoint(tmp_path, 4, 0, {"epoch": 4})
    save_checkpoint(tmp_path, 5, 0, {"epoch": 5}).write_bytes(b"")
    assert load_checkpoint(tmp_path).path == whole
    new = save_checkpoint(tmp_path, 4, 7, {"epoch": 4.5})
    assert sorted(tmp_path.iterdir()) == sorted([whole, new])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_newest_file_gives_way_to_the_previous_one(
    tmp_path: Path, share: float
) -> None:
    previous = save_checkpoint(tmp_path, 1, 0, {"epoch": 1, "w": torch.ones(100)})
    newest = save_checkpoint(tmp_path, 2, 0, {"epoch": 2, "w": torch.ones(100)})
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    loaded = load_checkpoint(tmp_path)
    assert loaded.state["epoch"] == 1
    (note,) = loaded.notes
    assert newest.name in note and "truncated or changed" in note and previous.name in note
    assert "\n" not in note


def test_a_flipped_bit_in_a_weight_is_noticed(tmp_path: Path) -> None:
    weights = torch.full((1000,), 3.25)
    newest = save_checkpoint(tmp_path, 1, 0, {"w": weights})
    content = bytearray(newest.read_bytes())
    content[content.find(weights.numpy().tobytes()) + 2000] ^= 1
    newest.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"truncated or changed \(expected SHA-256"):
        load_checkpoint(tmp_path)


class Harm:
    """What a pickled payload can do when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_a_pickled_payload_is_refused_and_does_not_run(tmp_path: Path, by: str) -> None:
    mark = tmp_path / "harm"
    save_checkpoint(tmp_path, 1, 0, {"epoch": 1})
    buffer = io.BytesIO()
    {"torch": torch.save, "pickle": pickle.dump}[by]({"w": Harm(mark)}, buffer)
    bad = put(tmp_path, 2, buffer.getvalue())
    loaded = load_checkpoint(tmp_path)
    assert loaded.state == {"epoch": 1}
    assert bad.name in loaded.notes[0] and "refused" in loaded.notes[0]
    assert not mark.exists()


def test_files_that_are_no_checkpoints_are_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    put(tmp_path, 2, buffer.getvalue())
    put(tmp_path, 1, b"PK\x03\x04 not a zip")
    (tmp_path / "checkpoint-last.pt").write_bytes(b"not ours")
    with pytest.raises(InputError, match="expected a dictionary, found list") as caught:
        load_checkpoint(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: expected a whole checkpoint, found ")
    assert "checkpoint-0001-000000" in str(caught.value)


@pytest.mark.parametrize("folder", ["", "absent"])
def test_a_folder_without_checkpoints_is_an_error(tmp_path: Path, folder: str) -> None:
    with pytest.raises(InputError, match="expected a whole checkpoint, found none"):
        load_checkpoint(tmp_path / folder)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (Path("x"), r"state\['a'\]\[1\]"),
        (torch.zeros(1).numpy().sum(), r"state\['a'\]\[1\]"),
        (OrderedDict(b={1}), r"state\['a'\]\[1\]\['b'\]"),
        ({Path("x"): 1}, r"key .* of state\['a'\]\[1\]"),
    ],
)
def test_what_could_not_be_read_back_is_refused_before_it_is_written(
    tmp_path: Path, value: Any, place: str
) -> None:
    with pytest.raises(TypeError, match=f"^{place}: expected tensors"):
        save_checkpoint(tmp_path, 1, 0, {"a": [0, value]})
    assert list(tmp_path.iterdir()) == []


def test_shapes_are_checked_before_loading() -> None:
    network, other = nn.Linear(4, 3).state_dict(), nn.Linear(5, 3).state_dict()
    check_shapes(network, nn.Linear(4, 3).state_dict(), "F")
    with pytest.raises(InputError, match=r"^F: weight: expected shape \(3, 5\), found \(3, 4\)$"):
        check_shapes(network, other, "F")
    with pytest.raises(InputError, match=r"^F: expected bias, found no such entry$"):
        check_shapes({"weight": network["weight"]}, network, "F")
    with pytest.raises(InputError, match=r"^F: found more, which the network does not have$"):
        check_shapes({**network, "more": 1}, network, "F")
    with pytest.raises(InputError, match=r"^F: bias: expected shape \(3,\), found str$"):
        check_shapes({**network, "bias": "x"}, network, "F")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    kept = [save_checkpoint(tmp_path, epoch, 0, {"epoch": epoch}) for epoch in (1, 2)]

    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(InputError) as caught:
            save_checkpoint(tmp_path, 3, 0, {"w": torch.zeros(500_000)})
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}: no space for a checkpoint, needed 2.0 MB, free ")
    assert "\n" not in text
    assert sorted(tmp_path.iterdir()) == kept
    assert load_checkpoint(tmp_path).state == {"epoch": 2}
