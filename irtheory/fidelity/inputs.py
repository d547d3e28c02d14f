"""Check attributes and features, and convert them to tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Matrix = npt.ArrayLike | Tensor
# Dtypes that numpy and torch share; every other numeric dtype passes through float64.
SHARED = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
# Whole numbers up to here are exact in float32, sums of them included.
EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class Annotation:
    """Binary attributes of the m rows with at least one annotation.

    Attributes:
        positive: m × n uint8, 1 where the attribute is annotated as present.
        annotated: m × n uint8, or m × 1 ones where no cell is missing.
        rows: the kept rows of the input, or None where all were kept.
        excluded: n counts of missing cells, over all rows of the input.
        length: m, rows of the input.
    """

    positive: Tensor
    annotated: Tensor
    rows: Tensor | None
    excluded: Tensor
    length: int


def _as_tensor(name: str, found: Matrix) -> Tensor:
    """`found` as a detached tensor of a dtype in SHARED (or complex), uncopied where possible."""
    if isinstance(found, Tensor):
        shared = found.is_complex() or str(found.dtype).removeprefix("torch.") in SHARED
        return found.detach() if shared else found.detach().double()
    try:
        array = np.asarray(found)
    except ValueError as error:
        raise ValueError(f"{name}: expected equal rows, found no array ({error})") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected numbers, found dtype {array.dtype}")
    if array.dtype.name not in SHARED:
        array = array.astype(np.float64)
    shareable = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if shareable else np.array(array, order="C"))


def matrix(name: str, found: Matrix) -> Tensor:
    """`found` as a non-empty real tensor with two axes."""
    tensor = _as_tensor(name, found)
    if tensor.ndim != 2 or tensor.numel() == 0:
        shape = tuple(tensor.shape)
        raise ValueError(f"{name}: expected (m, n) with m, n >= 1, found shape {shape}")
    if tensor.is_complex():
        raise ValueError(f"{name}: expected real numbers, found dtype {tensor.dtype}")
    return tensor


def finite_matrix(name: str, found: Matrix) -> Tensor:
    """`found` as a non-empty tensor with two axes and finite entries."""
    tensor = matrix(name, found)
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        bad = tensor[~torch.isfinite(tensor)][0].item()
        raise ValueError(f"{name}: expected finite numbers, found {bad}")
    return tensor


def same_length(expected: int, **lengths: int) -> None:
    """Raise ValueError for the first argument whose number of rows is not `expected`."""
    for name, found in lengths.items():
        if found != expected:
            raise ValueError(f"{name}: expected {expected} rows, found {found}")


def _zeros_and_ones(name: str, tensor: Tensor, expected: str) -> Tensor:
    """`tensor` as uint8; ValueError where an entry is neither 0 nor 1."""
    if tensor.dtype == torch.bool:
        return tensor.view(torch.uint8)
    binary = tensor.to(torch.uint8)
    same = binary.amax() <= 1 if binary is tensor else ((binary <= 1) & (binary == tensor)).all()
    if not bool(same):
        bad = tensor[(tensor != 0) & (tensor != 1)][0].item()
        raise ValueError(f"{name}: expected {expected}, found {bad}")
    return binary


def binary_features(name: str, found: Matrix) -> Tensor:
    """Zeros and ones, m × D, as uint8."""
    return _zeros_and_ones(name, matrix(name, found), "0 or 1")


def annotation(name: str, found: Matrix) -> Annotation:
    """Zeros and ones, m × n, NaN where an annotation is missing.

    Raises:
        ValueError: where an entry is none of the three, or every entry is NaN.
    """
    tensor = matrix(name, found)
    missing = torch.isnan(tensor)
    excluded = missing.sum(0)
    positive = _zeros_and_ones(name, tensor.masked_fill(missing, 0), "0, 1 or NaN")
    if not bool(missing.any()):
        return Annotation(positive, torch.ones_like(positive[:, :1]), None, excluded, len(tensor))
    rows = (~missing).any(1).nonzero().flatten()
    if len(rows) == 0:
        raise ValueError(f"{name}: expected an annotation, found NaN in every cell")
    annotated = (~missing[rows]).view(torch.uint8)
    if bool(annotated.all()):
        annotated = annotated[:, :1].contiguous()
    return Annotation(positive[rows], annotated, rows, excluded, len(tensor))


def count_dtype(m: int) -> torch.dtype:
    """Float type in which the counts of m samples are exact."""
    return torch.float32 if m < EXACT_IN_FLOAT32 else torch.float64


def class_labels(name: str, found: Matrix) -> npt.NDArray[np.int64]:
    """Whole numbers, one class for each of m samples."""
    labels = _as_tensor(name, found).cpu().numpy()
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"{name}: expected (m,) with m >= 1, found shape {labels.shape}")
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int64)
    if not np.array_equal(whole, labels):
        bad = labels[whole != labels][0]
        raise ValueError(f"{name}: expected whole numbers, found {bad}")
    return whole
