from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from irtheory.intersection.choices import Activation
from irtheory.intersection.quantize import UniformQuantizer
from irvision.models.backbones.registry import build_backbone
from irvision.models.features import PlainFeatures, PmgFeatures, parameter_groups

ACTIVATIONS: tuple[Activation, ...] = ("relu", "sigmoid")
D, K = 12, 5


def images(count: int = 6, side: int = 64, seed: int = 0) -> Tensor:
    """Smooth random pictures in channels_last."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 6, 6, generator=generator)
    fine = functional.interpolate(coarse, side, mode="bilinear")
    return fine.contiguous(memory_format=torch.channels_last)


def plain(activation: Activation = "relu", dropout: float = 0.0, dim: int = D) -> PlainFeatures:
    torch.manual_seed(0)
    return PlainFeatures(build_backbone("resnet10"), dim, activation, dropout)


def pmg(
    activation: Activation = "relu", stage_heads: bool = True, name: str = "resnet10"
) -> PmgFeatures:
    torch.manual_seed(0)
    return PmgFeatures(build_backbone(name), D, K, activation, stage_heads, width=16)


def touched(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}


def applied(activation: str, x: Tensor) -> Tensor:
    return x.clamp(min=0) if activation == "relu" else 1 / (1 + (-x).exp())


def normalised(x: Tensor) -> Tensor:
    """As a batch norm that is new does in training."""
    return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_plain_features_match_their_definition(activation: Activation) -> None:
    f = plain(activation).double()
    x = images().double()
    linear = next(module for module in f.head if isinstance(module, nn.Linear))
    means = f.backbone.maps(x).mean((2, 3))
    expected = applied(activation, normalised(means) @ linear.weight.T + linear.bias)
    assert torch.allclose(f(x), expected)
    f.eval()
    assert torch.allclose(f(x)[:2], f(x[:2])), "in evaluation a sample has its own features"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["resnet10", "mobilenet_v2"])
def test_pmg_features_match_their_definition(activation: Activation, name: str) -> None:
    f = pmg(activation, name=name).double()
    x = images(4).double()

    def block(maps: Tensor, layers: nn.Module) -> Tensor:
        weights = [p for p in layers.parameters() if p.ndim == 4]
        for padding, weight in zip((0, 1), weights, strict=True):
            maps = functional.conv2d(maps, weight, padding=padding)
            maps = functional.batch_norm(maps, None, None, training=True).relu()
        return functional.adaptive_max_pool2d(maps, 1).flatten(1)

    pooled = [block(m, b) for m, b in zip(f.backbone.stages(x), f.blocks, strict=True)]
    linear = f.fused[1]
    assert isinstance(linear, nn.Linear)
    inner = normalised(torch.cat(pooled, 1)) @ linear.weight.T + linear.bias
    assert torch.allclose(f(x), applied(activation, normalised(inner)), atol=1e-7)
    for stage, v in enumerate(pooled):
        first, last = (m for m in f.heads[stage].modules() if isinstance(m, nn.Linear))
        hidden = functional.elu(normalised(normalised(v) @ first.weight.T + first.bias))
        assert torch.allclose(f(x, stage), hidden @ last.weight.T + last.bias, atol=1e-7)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("make", [plain, pmg])
def test_features_are_not_negative(make, activation: Activation) -> None:
    f = make(activation).to(memory_format=torch.channels_last)
    for training in (True, False):
        z = f.train(training)(images())
        assert z.shape == (6, D)
        assert (z >= 0).all() and z.isfinite().all() and z.std() > 0
        assert activation == "relu" or (z < 1).all()


@pytest.mark.parametrize("name", ["resnet10", "resnet18", "mobilenet_v2"])
@pytest.mark.parametrize("kind", ["plain", "pmg"])
def test_codes_vary_from_the_start(name: str, kind: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name)
    if kind == "plain":
        f: nn.Module = PlainFeatures(backbone, 64, "sigmoid")
    else:
        f = PmgFeatures(backbone, 64, K, "sigmoid", width=32)
    with torch.no_grad():
        codes = UniformQuantizer(1, "unit")(f(images(32)))
    ones = codes.mean(0)
    assert ((ones > 0.1) & (ones < 0.9)).float().mean() > 0.95


def test_dropout_only_in_training() -> None:
    f, x = plain(dropout=0.5), images()
    f(x)
    assert not torch.equal(f(x), f(x))
    f.eval()
    assert torch.equal(f(x), f(x))


def test_gradients_of_the_features() -> None:
    f = plain("sigmoid")
    f(images()).square().sum().backward()
    assert touched(f) == {name for name, _ in f.named_parameters()}
    f = pmg("sigmoid")
    f(images()).pow(3).sum().backward()
    reached = {name for name, _ in f.named_parameters() if not name.startswith("heads.")}
    # What a batch norm follows has a bias of no effect.
    assert reached - touched(f) <= {"fused.1.bias"}
    assert all(p.grad is None for p in f.heads.parameters())


# The parts of the backbone that each stage does not need.
DEEPER = ({"layer3", "layer4"}, {"layer4"}, set())


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_stage_trains_what_it_needs(stage: int) -> None:
    f = pmg()
    before = {name: value.clone() for name, value in f.named_buffers()}
    logits = f(images(), stage)
    assert logits.shape == (6, K)
    functional.cross_entropy(logits, torch.arange(6) % K).backward()
    reached = touched(f)
    parts = {name.split(".")[1] for name in reached if name.startswith("backbone.")}
    assert parts == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"} - DEEPER[stage]
    assert {name for name in reached if not name.startswith("backbone.")} <= {
        name for name, _ in f.named_parameters() if f".{stage}." in name
    }
    assert f"blocks.{stage}.0.weight" in reached and f"heads.{stage}.4.weight" in reached
    # Nor does what did not run take note of the images.
    moved = {name for name, value in f.named_buffers() if not torch.equal(value, before[name])}
    assert any(name.startswith(f"blocks.{stage}.") for name in moved)
    assert not any(name.startswith("fused.") for name in moved)
    assert not any(part in name for name in moved for part in DEEPER[stage])


def test_a_stage_without_a_head() -> None:
    for f, stage in ((pmg(stage_heads=False), 0), (pmg(), 3), (pmg(), -1)):
        with pytest.raises(ValueError, match="stage: expected one of"):
            f(images(), stage)


def test_unknown_activation() -> None:
    for make in (plain, pmg):
        with pytest.raises(ValueError, match="activation: expected 'relu' or 'sigmoid'"):
            make("elu")  # pyright: ignore[reportArgumentType]


# Millions of parameters that PMG adds to a ResNet-50 for 200 classes, as published.
@pytest.mark.parametrize(("dim", "millions"), [(128, 4.9), (256, 9.8), (512, 19.6)])
def test_size_of_pmg(dim: int, millions: float) -> None:
    with torch.device("meta"):
        f = PmgFeatures(build_backbone("resnet50"), dim, 200, stage_heads=True)
    own = sum(p.numel() for name, p in f.named_parameters() if not name.startswith("backbone."))
    assert (own + 200 * (dim + 1)) / 1e6 == pytest.approx(millions, abs=0.05)


def test_statistics_of_pmg_move_slowly() -> None:
    f = pmg()
    found = {m.momentum for m in f.blocks.modules() if isinstance(m, nn.BatchNorm2d)}
    others = [*f.fused.modules(), *f.heads.modules()]
    assert found == {0.01}
    assert {m.momentum for m in others if isinstance(m, nn.BatchNorm1d)} == {0.1}


@pytest.mark.parametrize("make", [plain, pmg])
def test_two_rates(make) -> None:
    f = make()
    before = {name: p.detach().clone() for name, p in f.named_parameters()}
    groups = parameter_groups(f, 0.25, 0.4)
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in f.parameters())
    optimiser = torch.optim.SGD(groups, lr=9.0)
    for parameter in f.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for name, parameter in f.named_parameters():
        rate = 0.1 if name.startswith("backbone.") else 0.4
        assert torch.allclose(before[name] - parameter, torch.tensor(rate), atol=1e-5), name


@pytest.mark.parametrize("make", [plain, pmg])
def test_memory_stays_channels_last(make) -> None:
    f = make().to(memory_format=torch.channels_last)
    seen = []
    for module in f.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda _m, _i, out: seen.append(out))
    f(images(side=96))
    maps = [out for out in seen if out.shape[-1] > 1 and out.shape[1] > 1]
    assert len(maps) > 20
    assert all(out.is_contiguous(memory_format=torch.channels_last) for out in maps)
