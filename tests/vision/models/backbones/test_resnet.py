from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.registry import BACKBONES, build_backbone
from irvision.models.backbones.resnet import ResNet

COUNTS = {"resnet50": (3, 4, 6, 3), "resnet18": (2, 2, 2, 2), "resnet10": (1, 1, 1, 1)}


def made(name: str, seed: int = 0) -> ResNet:
    """In evaluation, with statistics and scales that are not those of the start."""
    torch.manual_seed(seed)
    network = build_backbone(name)
    assert isinstance(network, ResNet)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.3, 0.9)
    return network.eval()


def recomputed(state: dict[str, Tensor], x: Tensor, counts: tuple[int, ...]) -> list[Tensor]:
    """Maps of layers 1 to 4, from the names in the state dict and Table 1 of the paper alone."""

    def convolve(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, None, stride, padding=(weight.shape[-1] - 1) // 2)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, scale, shift = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = norm(convolve(x, "conv1", 2), "bn1").clamp(min=0)
    x = functional.max_pool2d(x, 3, stride=2, padding=1)
    found = []
    for layer, count in enumerate(counts, start=1):
        for block in range(count):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            deep = f"{name}.conv3.weight" in state
            strides, out = (1, stride, 1) if deep else (stride, 1), x
            for number, step in enumerate(strides, start=1):
                out = norm(convolve(out, f"{name}.conv{number}", step), f"{name}.bn{number}")
                out = out.clamp(min=0) if number < len(strides) else out
            if f"{name}.downsample.0.weight" in state:
                x = norm(convolve(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = (out + x).clamp(min=0)
        found.append(x)
    return found


@pytest.mark.parametrize("name", COUNTS)
def test_maps_match_their_definition(name: str) -> None:
    network = made(name).double()
    x = torch.randn(2, 3, 64, 72, dtype=torch.float64)
    with torch.inference_mode():
        found = network.stages(x)
        expected = recomputed(network.state_dict(), x, COUNTS[name])[1:]
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-9, atol=1e-9 * float(other.abs().max()))
        assert torch.allclose(network(x), expected[-1].mean((2, 3)))
    assert found[-1].std() > 0


@pytest.mark.parametrize("name", ["resnet50", "resnet18"])
def test_parity_with_torchvision(name: str) -> None:
    try:
        from torchvision import models
    except Exception as error:  # a torchvision of another torch fails with a RuntimeError
        pytest.skip(f"torchvision cannot be imported: {error}")
    network = made(name)
    other = getattr(models, name)(weights=None).eval()
    state = {k: v for k, v in other.state_dict().items() if not k.startswith("fc.")}
    network.load_state_dict(state, strict=True)
    other.fc = nn.Identity()
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.allclose(network(x), other(x), rtol=1e-4, atol=1e-5)


# With 1000 classes, as published; then numbers of tensors of the published files.
@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [("resnet50", 25_557_032, 320), ("resnet18", 11_689_512, 122)],
)
def test_parameters_are_the_published_ones(name: str, parameters: int, tensors: int) -> None:
    with torch.device("meta"):
        network = build_backbone(name)
    own = sum(parameter.numel() for parameter in network.parameters())
    assert own + 1000 * (network.channels[-1] + 1) == parameters
    assert len(network.state_dict()) + 2 == tensors


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "resnet50",
            {
                "conv1.weight": (64, 3, 7, 7),
                "bn1.running_var": (64,),
                "layer1.0.conv1.weight": (64, 64, 1, 1),
                "layer1.0.downsample.0.weight": (256, 64, 1, 1),
                "layer1.0.downsample.1.num_batches_tracked": (),
                "layer2.3.conv2.weight": (128, 128, 3, 3),
                "layer3.5.bn3.bias": (1024,),
                "layer4.0.conv3.weight": (2048, 512, 1, 1),
                "layer4.0.downsample.0.weight": (2048, 1024, 1, 1),
            },
        ),
        (
            "resnet18",
            {
                "conv1.weight": (64, 3, 7, 7),
                "layer1.1.conv2.weight": (64, 64, 3, 3),
                "layer2.0.conv1.weight": (128, 64, 3, 3),
                "layer4.0.downsample.0.weight": (512, 256, 1, 1),
                "layer4.1.bn2.running_mean": (512,),
            },
        ),
    ],
)
def test_names_and_shapes_of_published_files(
    name: str, expected: dict[str, tuple[int, ...]]
) -> None:
    with torch.device("meta"):
        state = build_backbone(name).state_dict()
    assert {key: tuple(state[key].shape) for key in expected} == expected
    # Only blocks that change the shape project their shortcut.
    first = {key.split(".downsample")[0] for key in state if ".downsample" in key}
    layers = range(1 if name == "resnet50" else 2, 5)
    assert first == {f"layer{number}.0" for number in layers}


def test_convolutions_start_after_he() -> None:
    torch.manual_seed(0)
    network = build_backbone("resnet18")
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            found = float(module.weight.detach().std()) / math.sqrt(2 / fan_out)
            assert found == pytest.approx(1, abs=0.06), name
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()


def test_resnet10_is_small() -> None:
    with torch.device("meta"):
        network = build_backbone("resnet10")
    multiplications = []

    def count(layer: nn.Module, _: object, out: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        multiplications.append(out.shape[2] * out.shape[3] * layer.weight.numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, 96, 96, device="meta"))
    assert 5e6 < sum(multiplications) < 15e6


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_keeps_to_the_interface(name: str) -> None:
    torch.manual_seed(0)
    network = build_backbone(name).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 96, 72).contiguous(memory_format=torch.channels_last)
    maps = network.stages(x)
    sizes = [(-(-96 // stride), -(-72 // stride)) for stride in (8, 16, 32)]
    assert [tuple(one.shape[1:]) for one in maps] == [
        (width, *size) for width, size in zip(network.channels, sizes, strict=True)
    ]
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in maps)
    assert all((one >= 0).all() for one in maps[2:])
    network.eval()
    features = network(x)
    assert features.shape == (2, BACKBONES[name].width) and features.isfinite().all()
    assert torch.allclose(features, network.maps(x).mean((2, 3)))
    features.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", ["resnet10", "mobilenet_v2"])
def test_only_as_deep_as_asked(name: str) -> None:
    torch.manual_seed(0)
    network = build_backbone(name).eval()
    x, ran = torch.randn(1, 3, 32, 32), []
    whole = network.stages(x)
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_: ran.append(1))
    work = []
    for count in (1, 2, 3):
        ran.clear()
        found = network.stages(x, count)
        assert len(found) == count
        assert all(torch.equal(a, b) for a, b in zip(found, whole, strict=False))
        work.append(len(ran))
    assert work[0] < work[1] < work[2]


@pytest.mark.parametrize("bad", [(3, 32, 32), (1, 4, 32, 32), (1, 32, 32, 3)])
def test_bad_images(bad: tuple[int, ...]) -> None:
    network: Backbone = build_backbone("resnet10")
    with pytest.raises(ValueError, match=r"images: expected a float tensor \[b, 3, h, w\], found"):
        network.stages(torch.zeros(bad))


def test_unknown_backbone() -> None:
    with pytest.raises(ValueError, match="expected one of resnet50, resnet18, resnet10, mobilenet"):
        build_backbone("resnet51")
