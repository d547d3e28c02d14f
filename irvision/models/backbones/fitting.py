"""Which tensors of a file are those of a backbone, and whether they can be its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from irtheory.runs.files import InputError
from irvision.models.backbones.backbone import Backbone

# Names shown of each kind of mismatch.
TOLD = 3
# Modules of classifiers, which backbones do not have.
CLASSIFIERS = ("fc", "classifier", "head", "heads", "last_linear")
# Counters that older files lack and that are not used here.
COUNTER = "num_batches_tracked"
VARIANCE = "running_var"
FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WHOLE = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
# Side and seed of the two images that show whether a backbone tells images apart.
SIDE, SEED = 64, 0


@dataclass(frozen=True, eq=False)
class Found:
    """Tensors of a file by the names of the backbone; notes say what else the file holds."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]


def find_weights(
    own: Mapping[str, Tensor], held: Mapping[str, Tensor], name: str, file: Path
) -> Found:
    """The tensors of a backbone among those of a file, whatever wraps the backbone there.

    Names may begin with any prefix up to a dot (`module.`, `state_dict.model.backbone.`), as long
    as one prefix explains the whole backbone. Tensors under other names are left out, with a note;
    under the same prefix only those of a classifier are.

    Args:
        own: state dict of the backbone.
        held: tensors of the file by name.
        name: of the backbone, for messages.
        file: for messages.

    Raises:
        InputError: no prefix or more than one explains the backbone; or a tensor of another shape
            or kind.
    """
    prefix = _prefix(own, held, name, file)
    under = {key[len(prefix) :]: value for key, value in held.items() if key.startswith(prefix)}
    stems = {_stem(key) for key in own}
    taken = {key: value for key, value in under.items() if _stem(key) in stems}
    for key in own:
        if key in taken:
            _check_kind(key, taken[key], file)
    counters = {key: value for key, value in own.items() if key.endswith(COUNTER)}
    wrong = _mismatch(own, {**counters, **taken})
    if wrong:
        raise InputError(f"{file}: expected weights of {name}, found {'; '.join(wrong)}")
    others = [
        key for key in held if key.removeprefix(prefix) not in taken or not key.startswith(prefix)
    ]
    return Found({**counters, **taken}, _notes(prefix, others, file))


def _prefix(own: Mapping[str, Tensor], held: Mapping[str, Tensor], name: str, file: Path) -> str:
    """The prefix under which the file holds the backbone, or most of it."""
    needed = {key for key in own if not key.endswith(COUNTER)}
    counts: Counter[str] = Counter()
    for key in held:
        parts = key.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in needed:
                counts["".join(f"{part}." for part in parts[:start])] += 1
    whole = [prefix for prefix, count in counts.items() if count == len(needed)]
    if len(whole) > 1:
        places = " and ".join(f"under {prefix}" if prefix else "at the top" for prefix in whole)
        raise InputError(
            f"{file}: expected one {name}, found several, {places}; save one of them alone"
        )
    # Where none fits, the one that fits best makes for the most useful message.
    best = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)), default="")
    return whole[0] if whole else best if 2 * counts[best] > len(needed) else ""


def _stem(key: str) -> str:
    """The first module of a name without its number: that of `layer5` is that of `layer4`."""
    return key.partition(".")[0].rstrip("0123456789")


def _notes(prefix: str, others: list[str], file: Path) -> tuple[str, ...]:
    """What was taken, if that needs saying: published files hold a classifier too."""
    heads = tuple(f"{prefix}{name}." for name in CLASSIFIERS)
    told = [key for key in others if not key.startswith(heads)]
    taken = f"the weights are those under {prefix.removesuffix('.')}" if prefix else ""
    without = f"left out: {_first(told)}" if told else ""
    parts = [part for part in (taken, without) if part]
    return (f"{file.name}: {'; '.join(parts)}",) if parts else ()


def _mismatch(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Phrases on missing, unexpected and wrongly shaped tensors, one of each kind."""
    shapes = [
        f"{key} of shape {list(found[key].shape)} for {list(value.shape)}"
        for key, value in own.items()
        if key in found and found[key].shape != value.shape
    ]
    kinds = (
        ("missing", [key for key in own if key not in found]),
        ("unexpected", [key for key in found if key not in own]),
        ("wrong", shapes),
    )
    return [f"{kind} {_first(keys)}" for kind, keys in kinds if keys]


def _first(names: list[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more


def _check_kind(key: str, value: Tensor, file: Path) -> None:
    """InputError unless a tensor is dense and of a type that weights, or counters, have."""
    types, words = FLOATING, "dense floating-point numbers"
    if key.endswith(COUNTER):
        types, words = (*WHOLE, *FLOATING), "a number"
    found = _kind(value)
    if found is None and value.dtype not in types:
        found = str(value.dtype).removeprefix("torch.")
    if found is not None:
        raise InputError(f"{file}: {key}: expected {words}, found {found}")


def _kind(value: Tensor) -> str | None:
    """What a tensor is if it is not a plain dense one."""
    if value.is_nested:
        return "a nested tensor"
    if value.is_quantized:
        return f"a quantised tensor ({str(value.dtype).removeprefix('torch.')})"
    if value.layout != torch.strided:
        return f"a sparse tensor ({str(value.layout).removeprefix('torch.')})"
    if value.device.type == "meta":
        return "a tensor without data"
    plain = type(value) in (Tensor, nn.Parameter)
    return None if plain else f"a tensor of the type {type(value).__name__}"


def check_values(tensors: Mapping[str, Tensor], file: Path) -> None:
    """InputError unless weights are finite in single precision, and none can be the only value.

    A convolution or linear layer of zeros gives the same output for every input. Scales of zero
    are allowed: residual blocks often start with them.
    """
    for key, value in tensors.items():
        if not value.float().isfinite().all():
            raise InputError(f"{file}: expected finite weights, found others in {key}")
        if key.endswith(VARIANCE) and (value < 0).any():
            found = value.min().item()
            raise InputError(f"{file}: {key}: expected variances of at least 0, found {found:g}")
        if value.dim() > 1 and not value.any():
            raise InputError(f"{file}: {key}: expected weights, found zeros alone")


def check_alive(backbone: Backbone, file: Path) -> tuple[str, ...]:
    """InputError if a backbone gives two different images the same features.

    Features that are not finite are noted alone: where the backbone is trained on, its batch norms
    take the statistics of the images instead of those of the file.
    """
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(SEED))
    training = backbone.training
    with torch.inference_mode():
        one, other = backbone.eval()(images)
    backbone.train(training)
    if torch.equal(one, other):
        raise InputError(
            f"{file}: expected weights that tell images apart, found ones that give every image "
            "the same features"
        )
    if one.isfinite().all() and other.isfinite().all():
        return ()
    return (f"{file.name}: with these weights features are not finite before training",)
