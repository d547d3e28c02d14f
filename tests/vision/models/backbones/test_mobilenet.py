from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from irvision.models.backbones.mobilenet import (
    MobileNetV2,
    SameConv2d,
    fill_mobilenet_v2,
    same_padding,
    scale_pixels,
)


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Path:
    folder = shared_data / "mobilenet_v2"
    if not folder.is_dir():
        pytest.skip(f"the published MobileNetV2 is not at {folder}")
    return folder


@pytest.fixture(scope="module")
def network(published: Path) -> MobileNetV2:
    return filled(published)


def filled(folder: Path) -> MobileNetV2:
    network = MobileNetV2()
    fill_mobilenet_v2(network, folder / "mobilenet_v2_imagenet.npz")
    return network


@pytest.fixture
def copied(published: Path, tmp_path: Path) -> Path:
    for file in ("mobilenet_v2_imagenet.npz", "layers.json"):
        shutil.copyfile(published / file, tmp_path / file)
    return tmp_path


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """A "SAME" convolution by the rule's definition: window o starts at o·stride − before."""
    n_out, _, kernel, _ = weight.shape
    height, width = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    before_y = max((height - 1) * stride + kernel - x.shape[1], 0) // 2
    before_x = max((width - 1) * stride + kernel - x.shape[2], 0) // 2
    out = np.zeros((n_out, height, width)) + bias[:, None, None]
    for i, j in np.ndindex(height, width):
        for u, v in np.ndindex(kernel, kernel):
            y, z = i * stride - before_y + u, j * stride - before_x + v
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                out[:, i, j] += weight[:, :, u, v] @ x[:, y, z]
    return out


def run_graph(folder: Path, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Last output of each kind of operation of layers.json, run as it lists them, in float64."""
    arrays = np.load(folder / "mobilenet_v2_imagenet.npz", allow_pickle=False)
    values: dict[int, torch.Tensor] = {}
    last: dict[str, torch.Tensor] = {}
    for row in json.loads((folder / "layers.json").read_text()):
        ins = [values[i] for i in row["ins"] if i in values]
        out = ins[0] if ins else x
        if row["op"].endswith("CONV_2D"):
            key = f"{row['k']:02d}.{row['op']}"
            weight = torch.from_numpy(arrays[f"{key}.weight"].astype(np.float64))
            bias = torch.from_numpy(arrays[f"{key}.bias"].astype(np.float64))
            stride, kernel = row["stride"], weight.shape[-1]
            if kernel == 3:
                # At even sizes: one zero on each side at stride 1, one after at stride 2.
                out = functional.pad(out, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))
            groups = weight.shape[0] if row["op"].startswith("DEPTHWISE") else 1
            out = functional.conv2d(out, weight, bias, stride, groups=groups)
            out = out.clamp(0, 6) if row["act"] == 3 else out
        elif row["op"] == "ADD":
            out = ins[0] + ins[1]
        elif row["op"] == "MEAN":
            out = out.mean((-2, -1), keepdim=True)
        values[row["outs"][0]] = last[row["op"]] = out
    return last


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 2), (2, 3)])
def test_same_padding_gives_the_ceiling(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert 0 <= after - before <= 1
    padded = size + before + after
    assert (padded - kernel) // stride + 1 == -(-size // stride)
    # No zero more than needed: one fewer would lose the last position.
    assert before + after == 0 or (padded - 1 - kernel) // stride + 1 < -(-size // stride)


@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 7), (6, 7), (5, 4)])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_matches_its_definition(height: int, width: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = SameConv2d(3, 4, 3, stride=stride, relu6=False).double()
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    assert layer.bias is not None
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = [convolve(image, weight, bias, stride) for image in x.numpy()]
    assert np.allclose(layer(x).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_features_match_the_reference(published: Path, network: MobileNetV2) -> None:
    with np.load(published / "reference.npz", allow_pickle=False) as reference:
        images, expected = torch.from_numpy(reference["images"]), reference["features"]
    with torch.inference_mode():
        found = network(scale_pixels(images)).numpy()
        mirrored = network(scale_pixels(images).flip(-1)).numpy()
    assert found.shape == (8, 1280)
    error = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 1e-4
    # The bound would mean little if other images came as near.
    assert np.linalg.norm(mirrored - expected) > 0.1 * np.linalg.norm(expected)


def test_maps_match_the_published_graph(published: Path, network: MobileNetV2) -> None:
    x = 2 * torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)) - 1
    mean = run_graph(published, x.double())["MEAN"].flatten(1)
    with torch.inference_mode():
        assert [maps.shape[1:] for maps in network.stages(x)] == [
            (32, 8, 12), (96, 4, 6), (1280, 2, 3)
        ]  # fmt: skip
        assert torch.allclose(network.maps(x).double().mean((2, 3)), mean, rtol=0, atol=1e-4)
        assert torch.allclose(network(x).double(), mean, rtol=0, atol=1e-4)
    assert mean.std() > 0.1


def test_a_random_start_keeps_the_scale() -> None:
    torch.manual_seed(0)
    features = MobileNetV2()(torch.randn(16, 3, 64, 64))
    assert 0.01 < features.std(dim=0).mean() < 6


def test_every_weight_is_trainable_and_float32() -> None:
    torch.manual_seed(0)
    network = MobileNetV2()
    network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None, name
    # 3 504 872 with batch norm's scales and 1000 classes, as published elsewhere; folding leaves
    # one bias a channel of its two vectors, and the classifier (1281 numbers a class) is left out.
    channels = sum(m.out_channels for m in network.modules() if isinstance(m, SameConv2d))
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert n_parameters == 3_504_872 - channels - 1000 * 1281


def test_scale_pixels() -> None:
    pixels = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    assert torch.allclose(scale_pixels(pixels).flatten(), torch.tensor([-1.0, -0.6, 1.0]))
    assert scale_pixels(torch.zeros(5, 7, 9, 3, dtype=torch.uint8)).shape == (5, 3, 7, 9)


@pytest.mark.parametrize(
    "bad",
    [torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 8, 8, 3), torch.zeros(3, 8, 8)],
)
def test_bad_images_are_named(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"images: expected a float tensor .*, found"):
        MobileNetV2()(bad)


@pytest.mark.parametrize(
    "bad", [torch.zeros(1, 8, 8, 3), torch.zeros(1, 3, 8, 8).byte(), torch.zeros(8, 8, 3).byte()]
)
def test_bad_pixels_are_named(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"pixels: expected torch.uint8 .*, found"):
        scale_pixels(bad)


def rewrite(folder: Path, name: str, array: np.ndarray | None) -> None:
    """Replace one array of the published weights, or drop it."""
    file = folder / "mobilenet_v2_imagenet.npz"
    with np.load(file, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    del arrays[name]
    if array is not None:
        arrays[name] = array
    np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def test_missing_array(copied: Path) -> None:
    rewrite(copied, "05.CONV_2D.bias", None)
    with pytest.raises(ValueError, match="expected 106 arrays of weights, found 105"):
        filled(copied)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(23, np.float32), r"05.CONV_2D.bias: expected shape \[24\], found \[23\]"),
        (np.full(24, np.nan, np.float32), "05.CONV_2D.bias: expected finite .*, found float32"),
        (np.zeros(24, np.int64), "05.CONV_2D.bias: expected finite .*, found int64"),
        (np.array([None] * 24), "expected an .npz archive of plain arrays"),
    ],
)
def test_bad_array(copied: Path, array: np.ndarray, message: str) -> None:
    rewrite(copied, "05.CONV_2D.bias", array)
    with pytest.raises(ValueError, match=message):
        filled(copied)


def test_damaged_archive(copied: Path) -> None:
    file = copied / "mobilenet_v2_imagenet.npz"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"expected an \.npz archive of plain arrays"):
        filled(copied)


@pytest.mark.parametrize(
    ("key", "value"), [("stride", 1), ("act", 0), ("op", "DEPTHWISE_CONV_2D"), ("op", "ADD")]
)
def test_another_architecture_is_refused(copied: Path, key: str, value: int | str) -> None:
    rows = json.loads((copied / "layers.json").read_text())
    rows[1][key] = value
    (copied / "layers.json").write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=r"expected the operations of MobileNetV2-1\.0"):
        filled(copied)


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"stride": 1}]'])
def test_malformed_list_of_layers(copied: Path, text: str) -> None:
    (copied / "layers.json").write_text(text)
    with pytest.raises(ValueError, match=r"layers\.json: expected a JSON list of operations"):
        filled(copied)


def test_missing_files(copied: Path) -> None:
    (copied / "layers.json").unlink()
    filled(copied)
    (copied / "mobilenet_v2_imagenet.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"mobilenet_v2_imagenet\.npz"):
        filled(copied)
