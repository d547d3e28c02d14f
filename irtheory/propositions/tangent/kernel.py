"""The empirical kernel K = J Jᵀ, computed in blocks within a given memory budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from irtheory.propositions.tangent import jacobians, layerwise
from irtheory.propositions.tangent.admission import Array, as_inputs, trainable

Method = Literal["auto", "layers", "jacobians"]
GIB = 2**30
# Default memory budget of a kernel, in GiB.
MAX_MEMORY = 4.0


@dataclass(frozen=True)
class KernelPlan:
    """How a kernel will be computed, and how much memory that needs.

    Attributes:
        rows, columns: numbers of samples that give the rows and the columns.
        outputs, parameters: k and p.
        method: "layers" (perceptrons) or "jacobians" (any module).
        block: samples whose layers or Jacobians are held at a time.
        memory: estimated peak, in bytes.
        allowed: the budget, in bytes.
    """

    rows: int
    columns: int
    outputs: int
    parameters: int
    method: Literal["layers", "jacobians"]
    block: int
    memory: int
    allowed: int

    def __str__(self) -> str:
        """One line to print before the kernel is computed."""
        how = {"layers": "layer by layer", "jacobians": "from Jacobians"}[self.method]
        shape = f"{self.rows * self.outputs} × {self.columns * self.outputs}"
        return (
            f"kernel: {shape} ({self.rows} samples, {self.outputs} outputs, "
            f"{self.parameters:,} parameters) {how} in blocks of {self.block} samples, "
            f"about {self.memory / 2**20:,.0f} MiB of {self.allowed / 2**20:,.0f} allowed"
        )


def plan_kernel(
    module: nn.Module,
    x: ArrayLike | Tensor,
    others: ArrayLike | Tensor | None = None,
    *,
    max_memory: float = MAX_MEMORY,
    method: Method = "auto",
    matrices: int = 1,
) -> KernelPlan:
    """Choose a method and a block size that stay below `max_memory` GiB.

    Args:
        module: what `admissible` returned.
        x: samples of the rows, [m, …].
        others: samples of the columns, [m', …]; those of the rows if None.
        max_memory: GiB.
        method: "auto" is "layers" for perceptrons and "jacobians" for the rest.
        matrices: number of matrices of the size of K that are held at a time, with K itself.

    Raises:
        ValueError: no block is small enough, `method` is "layers" for a module that is no
            perceptron, or `x` is no finite array.
    """
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {get_args(Method)}, found {method!r}")
    if not 0 < max_memory < math.inf:
        raise ValueError(f"max_memory: expected a number of GiB above 0, found {max_memory}")
    x = as_inputs(module, x)
    with torch.no_grad():
        k = module(x[:1]).shape[1]
    plain = layerwise.is_perceptron(module, x)
    if method == "layers" and not plain:
        raise ValueError("method: 'layers' takes a chain of affine layers, found another module")
    chosen = "layers" if plain and method != "jacobians" else "jacobians"
    rows, columns = len(x), len(x if others is None else as_inputs(module, others))
    parameters = sum(p.numel() for p in trainable(module).values())
    if chosen == "layers" and plain:
        sample = layerwise.bytes_a_sample(module, k)
    else:
        sample = jacobians.bytes_a_sample(module, x, k)
    fixed = 8 * rows * columns * k**2 * matrices

    def memory(block: int) -> int:
        sides = 1 if others is None and block >= rows else 2
        return fixed + sides * block * sample + 24 * (block * k) ** 2

    allowed, block = int(max_memory * GIB), max(rows, columns)
    while block > 1 and memory(block) > allowed:
        block = -(-block // 2)
    if memory(block) > allowed:
        raise ValueError(
            f"--max-memory: {rows} × {columns} samples with {k} outputs and {parameters:,} "
            f"parameters need {memory(block) / GIB:.3g} GiB even in blocks of one sample, found "
            f"{max_memory:g}; expected more, or fewer samples or outputs"
        )
    return KernelPlan(rows, columns, k, parameters, chosen, block, memory(block), allowed)


def empirical_kernel(
    module: nn.Module,
    x: ArrayLike | Tensor,
    others: ArrayLike | Tensor | None = None,
    *,
    max_memory: float = MAX_MEMORY,
    method: Method = "auto",
    plan: KernelPlan | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """K[(i, c), (j, d)] = ∂f_c(x_i)/∂θ · ∂f_d(x'_j)/∂θ, [m k, m' k]; symmetric without `others`.

    Arguments and errors are those of `plan_kernel`; `plan` is what it returned, if it was
    called before, and `progress` is called with (blocks done, all blocks).
    """
    x = as_inputs(module, x)
    plan = plan or plan_kernel(module, x, others, max_memory=max_memory, method=method)
    prepare: Any = layerwise.layers if plan.method == "layers" else jacobians.jacobians
    contract: Any = layerwise.contract if plan.method == "layers" else jacobians.contract
    symmetric = others is None
    y = x if others is None else as_inputs(module, others)
    if (plan.rows, plan.columns) != (len(x), len(y)):
        raise ValueError(
            f"plan: expected one for {len(x)} × {len(y)} samples, found one for "
            f"{plan.rows} × {plan.columns}"
        )
    kernel = np.empty((plan.rows * plan.outputs, plan.columns * plan.outputs))
    pairs = [
        (i, j)
        for i in range(0, plan.rows, plan.block)
        for j in range(0, plan.columns, plan.block)
        if not symmetric or j <= i
    ]
    row, left, right = -1, None, None
    for done, (i, j) in enumerate(pairs, 1):
        right = None  # free the old block before the next one is computed
        if i != row:
            left = None
            row, left = i, prepare(module, x[i : i + plan.block])
        right = left if symmetric and j == i else prepare(module, y[j : j + plan.block])
        block = contract(left, right).cpu().numpy()
        _place(kernel, block, i * plan.outputs, j * plan.outputs, symmetric)
        if progress:
            progress(done, len(pairs))
    return kernel


def _place(kernel: Array, block: Array, i: int, j: int, symmetric: bool) -> None:
    """Write a block and, if K is symmetric, its transpose at the mirrored place."""
    if symmetric and i == j:
        block = (block + block.T) / 2
    kernel[i : i + block.shape[0], j : j + block.shape[1]] = block
    if symmetric and i != j:
        kernel[j : j + block.shape[1], i : i + block.shape[0]] = block.T
