"""Target rows padded to whole vector registers, and their addition.

A node's statistics are sums of target rows. With one output a row is one double; with
more outputs rows are padded to blocks of eight doubles, so that eight outputs cost about
as many instructions as one. Numba does not vectorise such short loops by itself
(its superword pass is off by default), hence the few lines of LLVM below.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba import types

from irtheory.trees.kernels.kernel import intrinsic

LANES = 8
# Score of what is not allowed: finite, because fast kernels assume finite numbers.
BAD = -1e300
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def blocks_of(n_outputs: int) -> int:
    """Number of eight-wide blocks a target row takes; 0 means one plain double."""
    return 0 if n_outputs == 1 else -(-n_outputs // LANES)


def width_of(n_outputs: int) -> int:
    """Doubles in a padded target row."""
    return max(1, LANES * blocks_of(n_outputs))


def aligned_zeros(size: int) -> Float[np.ndarray, " size"]:
    """Zeros that start on a cache line, so that no eight-wide block straddles two."""
    raw = np.zeros(size + LANES)
    skip = -raw.ctypes.data // raw.itemsize % LANES
    return raw[skip : skip + size]


def _block_pointer(context, builder, array_type, array, block):
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.mul(block, ir.Constant(block.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), _VECTOR.as_pointer())


@intrinsic
def add_block(typing_context, target, target_block, source, source_block):
    """`target[8i : 8i+8] += source[8j : 8j+8]` on flat float64 arrays, as one addition."""

    def generate(context, builder, signature, args):
        # The arrays come from `aligned_zeros` and hold whole blocks, so every block starts on
        # a cache line: aligned loads and stores of 64 bytes are allowed.
        into = _block_pointer(context, builder, signature.args[0], args[0], args[1])
        read = _block_pointer(context, builder, signature.args[2], args[2], args[3])
        total = builder.fadd(builder.load(into, align=64), builder.load(read, align=64))
        builder.store(total, into, align=64)
        return context.get_dummy_value()

    return types.void(target, target_block, source, source_block), generate


@intrinsic
def popcount(typing_context, word):
    """Number of bits of a uint64 that are 1."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate
