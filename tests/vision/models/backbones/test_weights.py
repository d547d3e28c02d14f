from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from irtheory.runs.files import InputError
from irvision.models.backbones.registry import BACKBONES, build_backbone
from irvision.models.backbones.weights import load_weights

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(1)
    return build_backbone("resnet10").state_dict()


def loaded(source: str | Path, name: str = "resnet10") -> nn.Module:
    torch.manual_seed(2)
    backbone = build_backbone(name)
    load_weights(backbone, name, source)
    return backbone


def refusal(source: str | Path, name: str = "resnet10") -> str:
    with pytest.raises(InputError) as caught:
        loaded(source, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(backbone: nn.Module, state: State) -> bool:
    own = backbone.state_dict()
    return all(torch.equal(own[key], value) for key, value in state.items() if key in own)


def with_classifier(state: State) -> State:
    return {**state, "fc.weight": torch.ones(1000, 128), "fc.bias": torch.ones(1000)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        with_classifier,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in with_classifier(state).items()}},
        # Files older than these counters.
        lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_files_of_torch(
    tmp_path: Path, state: State, wrap: Callable[[State], Any], suffix: str
) -> None:
    file = tmp_path / f"weights{suffix}"
    torch.save(wrap(state), file)
    assert same(loaded(file), state)
    assert not same(loaded("none"), state)


def test_safetensors(tmp_path: Path, state: State) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(with_classifier(state), file)
    assert same(loaded(str(file)), state)


def test_none_leaves_the_start() -> None:
    torch.manual_seed(2)
    expected = build_backbone("resnet10").state_dict()
    assert same(loaded("none"), expected)


def test_a_mismatch_names_the_first_keys(tmp_path: Path, state: State) -> None:
    file, changed = tmp_path / "weights.pth", dict(state)
    for key in ("conv1.weight", "layer2.0.bn1.bias"):
        del changed[key]
    changed |= {"layer5.weight": torch.ones(2), "bn1.weight": torch.ones(24)}
    torch.save(changed, file)
    assert refusal(file) == (
        f"{file}: expected weights of resnet10, found missing conv1.weight, layer2.0.bn1.bias; "
        "unexpected layer5.weight; wrong bn1.weight of shape [24] for [16]"
    )


def test_only_the_first_keys_are_told(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save(build_backbone("resnet18").state_dict(), file)
    message = refusal(file)
    assert (
        "unexpected layer1.1.conv1.weight, layer1.1.bn1.weight, layer1.1.bn1.bias and " in message
    )
    assert "wrong conv1.weight of shape [64, 3, 7, 7] for [16, 3, 5, 5], bn1.weight " in message
    assert len(message) < 600


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickled_payload_is_not_run(tmp_path: Path, state: State, legacy: bool) -> None:
    file, ran = tmp_path / "weights.pth", tmp_path / "ran"
    torch.save({**state, "more": Payload(ran)}, file, _use_new_zipfile_serialization=not legacy)
    assert "holds other objects" in refusal(file)
    file.write_bytes(pickle.dumps(Payload(ran)))
    assert "holds other objects" in refusal(file)
    assert not ran.exists()
    pickle.loads(file.read_bytes())
    assert ran.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files(tmp_path: Path, state: State, suffix: str, share: float) -> None:
    file = tmp_path / f"weights{suffix}"
    torch.save(state, file) if suffix == ".pth" else save_file(state, file)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert str(file) in refusal(file)


@pytest.mark.parametrize(
    "content", [torch.ones(3), [torch.ones(3)], {}, {"a": 1}, {1: torch.ones(3)}]
)
def test_no_state_dict(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "weights.pth"
    torch.save(content, file)
    assert "expected a state dict of tensors" in refusal(file)


def test_weights_that_are_not_finite(tmp_path: Path, state: State) -> None:
    file = tmp_path / "weights.pth"
    torch.save({**state, "bn1.bias": torch.full((16,), torch.nan)}, file)
    assert "expected finite weights, found others in bn1.bias" in refusal(file)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "expected imagenet, none or a file" in refusal(tmp_path / "weights.bin")
    assert "expected imagenet, none or a file" in refusal(tmp_path)


# How the same weights lie in files of other programs, and the note that says what was taken.
WRAPPED: dict[str, tuple[Callable[[State], Any], str]] = {
    "compiled parallel": (lambda s: under("_orig_mod.module.", s), "under module"),
    "compiled part": (lambda s: {k.replace("layer1.", "layer1._orig_mod."): s[k] for k in s}, ""),
    "any prefix": (lambda s: under("student.net.", s), "under student.net"),
    "backbone and head": (
        lambda s: under("backbone.", s) | {"neck.0.weight": torch.ones(2)},
        "under backbone; left out: neck.0.weight",
    ),
    "classifier": (lambda s: {**s, "head.fc.weight": torch.ones(2, 128)}, ""),
    "projector": (lambda s: {**s, "projector.weight": torch.ones(2)}, "left out: projector.weight"),
    "checkpoint": (
        lambda s: {"model_state_dict": s, "optimizer": {"lr": 1.0}, "epoch": 3},
        "under model_state_dict",
    ),
    "nested": (lambda s: {"model": under("module.", s)}, "under model.module"),
    "parameters": (lambda s: {k: nn.Parameter(v) if v.dim() else v for k, v in s.items()}, ""),
    "double": (lambda s: {k: v.double() if v.dim() else v for k, v in s.items()}, ""),
}


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize("kind", WRAPPED)
def test_wrappers_of_other_programs(tmp_path: Path, state: State, kind: str) -> None:
    wrap, note = WRAPPED[kind]
    file, backbone = tmp_path / "best.pth.tar", build_backbone("resnet10")
    torch.save(wrap(state), file)
    notes = load_weights(backbone, "resnet10", file)
    assert same(backbone, state)
    assert notes == () if not note else notes[0].endswith(note)


def test_two_networks_in_one_file_are_not_guessed(tmp_path: Path, state: State) -> None:
    file = tmp_path / "weights.ckpt"
    torch.save({"teacher": state, "student": state}, file)
    assert "several, under teacher. and under student." in refusal(file)


@pytest.mark.parametrize(
    "name", ["a.safetensors", "a.pth", "a.ckpt", "a.th", "a.bin", "a.tar", "a"]
)
def test_the_content_counts_and_not_the_name(tmp_path: Path, state: State, name: str) -> None:
    file = tmp_path / name
    save_file(state, file)
    assert same(loaded(file), state)
    for zipped in (True, False):
        torch.save(state, file, _use_new_zipfile_serialization=zipped)
        assert same(loaded(file), state)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.to(torch.int8), "found int8"),
        (lambda t: t > 0, "found bool"),
        (lambda t: t.to(torch.complex64), "found complex64"),
        (lambda t: t.to(torch.float8_e4m3fn), "found float8_e4m3fn"),
        (lambda t: t.to_sparse(), "found a sparse tensor (sparse_coo)"),
        (lambda t: t.flatten(1).to_sparse_csr(), "found a sparse tensor (sparse_csr)"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "a quantised tensor (qint8)"),
        (lambda t: t.to("meta"), "found a tensor without data"),
        (lambda t: torch.nested.nested_tensor([t[0], t[0, :1]]), "found a nested tensor"),
        (lambda t: t.double() * 1e300, "expected finite weights, found others in"),
        (torch.zeros_like, "expected weights, found zeros alone"),
    ],
)
def test_tensors_that_cannot_be_weights(
    tmp_path: Path, state: State, change: Callable[[Tensor], Tensor], words: str
) -> None:
    file, key = tmp_path / "weights.pth", "layer2.0.conv1.weight"
    torch.save({**state, key: change(state[key])}, file)
    message = refusal(file)
    assert key in message and words in message and str(file) in message


def test_a_variance_below_zero(tmp_path: Path, state: State) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({**state, "bn1.running_var": torch.linspace(-1, 1, 16)}, file)
    assert f"{file}: bn1.running_var: expected variances of at least 0, found -1" in refusal(file)


def test_scales_of_zero_are_allowed_where_features_still_differ(
    tmp_path: Path, state: State
) -> None:
    file = tmp_path / "weights.pth"
    torch.save({**state, "layer1.0.bn2.weight": torch.zeros(16)}, file)
    assert loaded(file).state_dict()["layer1.0.bn2.weight"].abs().sum() == 0
    torch.save({**state, "bn1.weight": torch.zeros(16)}, file)
    assert "the same features" in refusal(file)


def test_features_that_are_not_finite_are_noted(tmp_path: Path, state: State) -> None:
    file = tmp_path / "weights.pth"
    large = {key: value * 1e30 if value.dim() > 1 else value for key, value in state.items()}
    torch.save(large, file)
    assert load_weights(build_backbone("resnet10"), "resnet10", file) == (
        "weights.pth: with these weights features are not finite before training",
    )


def test_claims_are_not_believed(tmp_path: Path, state: State) -> None:
    file = tmp_path / "weights.safetensors"
    claim = {"dtype": "F32", "shape": [10**15 // 4], "data_offsets": [0, 10**15]}
    header = json.dumps({"conv1.weight": claim}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"0" * 64)
    assert "expected a safetensors file" in refusal(file)
    file.write_bytes((10**15).to_bytes(8, "little") + header)
    assert "expected a safetensors file" in refusal(file)
    wide = torch.ones(1).expand(10**6, 10**6, 10**3)
    torch.save({**state, "conv1.weight": wide}, file)
    assert "wrong conv1.weight of shape [1000000, 1000000, 1000]" in refusal(file)
    torch.save({"zeros": torch.zeros(10**6)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    assert "not compressed" in refusal(file)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"<!doctype html>", "a web page"),
        (b"", "an empty file"),
    ],
)
def test_what_is_often_taken_for_weights(tmp_path: Path, content: bytes, found: str) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    assert f"found {found}" in refusal(file)


def test_programs_and_other_objects_are_named(tmp_path: Path, state: State) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({"state_dict": state, "hyper_parameters": Namespace(rate=1)}, file)
    message = refusal(file)
    assert "(argparse.Namespace); where you trust it" in message and "state dict alone" in message


def test_npz_of_mobilenet(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "mobilenet_v2"
    file = folder / "mobilenet_v2_imagenet.npz"
    if not file.is_file():
        pytest.skip(f"the published MobileNetV2 is not at {file}")
    network = loaded(file, "mobilenet_v2").eval()
    kind = BACKBONES["mobilenet_v2"]
    with np.load(folder / "reference.npz", allow_pickle=False) as reference:
        pixels = torch.from_numpy(reference["images"][:2]).permute(0, 3, 1, 2) / 255
        expected = torch.from_numpy(reference["features"][:2])
    mean, sd = (torch.tensor(value)[:, None, None] for value in (kind.mean, kind.sd))
    with torch.inference_mode():
        found = network((pixels - mean) / sd)
    assert ((found - expected).norm(dim=1) < 2e-2 * expected.norm(dim=1)).all()
    assert ".npz files hold mobilenet_v2" in refusal(file)
    short = tmp_path / "short.npz"
    short.write_bytes(file.read_bytes()[:1000])
    assert "expected an .npz archive of plain arrays" in refusal(short, "mobilenet_v2")


def publish(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    kind = replace(BACKBONES["resnet10"], url=file.as_uri())
    monkeypatch.setitem(BACKBONES, "resnet10", kind)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def test_downloads_are_kept_and_checked(
    tmp_path: Path, cache: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made.pth"
    torch.save(state, made)
    start = hashlib.sha256(made.read_bytes()).hexdigest()[:8]
    published = made.rename(tmp_path / f"resnet10-{start}.pth")
    publish(monkeypatch, published)
    assert same(loaded("imagenet"), state)
    published.unlink()
    assert same(loaded("imagenet"), state)
    kept = cache / published.name
    kept.write_bytes(kept.read_bytes() + b" ")
    assert f"{kept}: expected a SHA-256 that begins {start}" in refusal("imagenet")


def test_downloads_with_another_hash(
    tmp_path: Path, cache: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "resnet10-01234567.pth"
    torch.save(state, published)
    publish(monkeypatch, published)
    message = refusal("imagenet")
    assert "expected the hash sha256:01234567 (in its name), found sha256:" in message
    assert "--weights none" in message
    assert list(cache.iterdir()) == []


def test_another_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, tmp_path / "resnet10-01234567.pth")
    with pytest.raises(InputError) as caught:
        load_weights(build_backbone("resnet10"), "resnet10", "imagenet", tmp_path / "other")
    assert str(tmp_path / "other" / "weights") in str(caught.value)
    assert not cache.exists()


def test_offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:9/resnet18-01234567.pth"
    kind = replace(BACKBONES["resnet18"], url=url)
    monkeypatch.setitem(BACKBONES, "resnet18", kind)
    message = refusal("imagenet", "resnet18")
    assert url in message and str(cache) in message and "--weights none" in message


@pytest.mark.parametrize("name", ["resnet10", "mobilenet_v2"])
def test_no_download(name: str) -> None:
    message = refusal("imagenet", name)
    assert "resnet50 and resnet18" in message and f"for {name} expected a file or none" in message


def test_addresses_name_their_hash() -> None:
    urls = [kind.url for kind in BACKBONES.values() if kind.url]
    assert [url.rpartition("-")[2] for url in urls] == ["0676ba61.pth", "f37072fd.pth"]
