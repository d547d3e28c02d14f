"""Small nodes: rows by code, and their running sum in vector registers (numba).

The rows of a node are gathered, centred on its mean and multiplied by the roots of the weights:
z_i = √w (y_i − T / n). Then the distance q of `irtheory.trees.cart.scatter` is ‖Σ_left z_i‖², and
as all z_i sum to 0, the sum over either side will do. Adding a row to registers is one read,
where a table of sums takes two and a write. ‖Σ z_i‖² depends on inner products alone, and n
centred rows span fewer than n dimensions: longer rows are first replaced by n shorter ones
with the same inner products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from irtheory.trees.kernels.kernel import intrinsic, kernel
from irtheory.trees.kernels.lanes import LANES

# Registers for a running sum; wider rows are added in parts.
REGISTERS = 8
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
# Rotated rows may miss this share of a node's squares: rounding.
_ROUNDING = 1e-16


def _add_rows_of(blocks: int) -> Any:
    """The kernel that adds `blocks` blocks of rows to as many of a sum."""

    @intrinsic
    def add_rows(typing_context, left, first, z, row_blocks, order, begin, end):
        """left[first : …] += Σ z[order[t], first : …] for t = begin … end − 1, in blocks."""

        def generate(context, builder, signature, args):
            def data(i):
                return context.make_array(signature.args[i])(context, builder, args[i]).data

            def block(base, at):
                at = builder.mul(at, ir.Constant(at.type, LANES))
                return builder.bitcast(builder.gep(base, [at]), _VECTOR.as_pointer())

            # Memory of the stack that is only loaded and stored becomes registers in LLVM.
            def register(u):
                place = cgutils.alloca_once(builder, _VECTOR)
                into = block(data(0), builder.add(args[1], ir.Constant(args[1].type, u)))
                builder.store(builder.load(into, align=64), place)
                return place, into

            registers = [register(u) for u in range(blocks)]
            rows, order = data(2), data(4)
            one = ir.Constant(args[5].type, 1)
            with cgutils.for_range_slice(builder, args[5], args[6], one) as (t, _):
                row = builder.zext(builder.load(builder.gep(order, [t])), args[3].type)
                start = builder.add(builder.mul(row, args[3]), args[1])
                for u, (place, _) in enumerate(registers):
                    read = block(rows, builder.add(start, ir.Constant(start.type, u)))
                    own = builder.load(read, align=64)
                    builder.store(builder.fadd(builder.load(place), own), place)
            for place, into in registers:
                builder.store(builder.load(place), into, align=64)
            return context.get_dummy_value()

        place = types.uintp
        return types.void(left, place, z, place, order, types.intp, types.intp), generate

    return add_rows


_add1, _add2, _add3, _add4, _add5, _add6, _add7, _add8 = map(_add_rows_of, range(1, 9))


@kernel
def _add_rows(left, z, blocks, order, begin, end):
    """Add the rows z[order[t]], t = begin … end − 1, to `left`; all have `blocks` blocks."""
    # Wider rows take several passes of nearly equal width, each at most REGISTERS blocks.
    rest, first = blocks, np.uintp(0)
    while rest > 0:
        passes = -(-rest // REGISTERS)
        size = -(-rest // passes)
        wide = np.uintp(blocks)
        if size == 8:
            _add8(left, first, z, wide, order, begin, end)
        elif size == 7:
            _add7(left, first, z, wide, order, begin, end)
        elif size == 6:
            _add6(left, first, z, wide, order, begin, end)
        elif size == 5:
            _add5(left, first, z, wide, order, begin, end)
        elif size == 4:
            _add4(left, first, z, wide, order, begin, end)
        elif size == 3:
            _add3(left, first, z, wide, order, begin, end)
        elif size == 2:
            _add2(left, first, z, wide, order, begin, end)
        else:
            _add1(left, first, z, wide, order, begin, end)
        first += np.uintp(size)
        rest -= size


@kernel(fast=True, unchecked_division=True)
def _gather(rows, y, m, node, z):
    """Rows less their mean, times the root of the weights: z [n * width]."""
    # Centred on this node, not only on all samples: its rows sum to 0, so either side will do.
    n, width = np.uintp(len(rows)), np.uintp(len(node.total))
    size = np.uintp(LANES)
    for i in range(n):
        for c in range(width):
            value = y[((c // size) * np.uintp(m) + rows[i]) * size + c % size]
            z[i * width + c] = (value - node.total[c] / n) * np.sqrt(node.weight[c])


@kernel
def _collect(rows, y, m, width, z):
    """The rows as they are: z [n * width]."""
    size, width = np.uintp(LANES), np.uintp(width)
    for i in range(np.uintp(len(rows))):
        for b in range(width // size):
            start = (b * np.uintp(m) + rows[i]) * size
            for c in range(size):
                z[i * width + b * size + c] = y[start + c]


@kernel(fast=True, unchecked_division=True)
def _dot(z, first, second, width):
    product = 0.0
    for c in range(np.uintp(width)):
        product += z[first + c] * z[second + c]
    return product


@kernel
def _multiply(z, n, width, gram):
    """Inner products of n rows, gram [n * n]; returns the sum of squares."""
    n, width, total = np.uintp(n), np.uintp(width), 0.0
    for i in range(n):
        for j in range(i + np.uintp(1)):
            product = _dot(z, i * width, j * width, width)
            gram[i * n + j], gram[j * n + i] = product, product
        total += gram[i * n + i]
    return total


@kernel(unchecked_division=True)
def _rotate(z, n, width, gram, rest):
    """Replace the rows of z by shorter ones with their inner products; returns the blocks.

    By Cholesky's method with pivots, stopped where what is left of every row is rounding:
    with Z Zᵀ = L Lᵀ, row i of L takes the place of row i of Z. `rest` holds what is left of the
    squares of each row, −1 for a row that was a pivot.
    """
    floor = _ROUNDING * _multiply(z, n, width, gram)
    size, width = np.uintp(n), np.uintp(-(-n // LANES) * LANES)
    z[: size * width] = 0.0
    for i in range(size):
        rest[i] = gram[i * size + i]
    # Column s of L: (g_ip − Σ_t<s l_it l_pt) / l_ps for pivot row p, the row with most left.
    for s in range(size):
        pivot = np.uintp(0)
        for i in range(size):
            pivot = i if rest[i] > rest[pivot] else pivot
        if rest[pivot] <= floor:
            break
        root = np.sqrt(rest[pivot])
        for i in range(size):
            if rest[i] >= 0.0 and i != pivot:
                known = _dot(z, i * width, pivot * width, s)
                value = (gram[i * size + pivot] - known) / root
                z[i * width + s] = value
                rest[i] = max(rest[i] - value * value, 0.0)
        z[pivot * width + s], rest[pivot] = root, -1.0
    return n_blocks(n)


@kernel
def n_blocks(n):
    """Blocks that n doubles take."""
    return -(-n // LANES)


@kernel
def _sort(codes, counts, order):
    """Places of `codes` by code: those with code v from order[v n] on, counts[v] of them."""
    # Room for n places at every code, so that one pass is enough.
    n = np.uintp(len(codes))
    counts[:] = 0
    for t in range(n):
        v = np.uintp(codes[t])
        order[v * n + np.uintp(counts[v])] = t
        counts[v] += 1


@kernel(fast=True, unchecked_division=True)
def _square(left):
    total = 0.0
    for c in range(np.uintp(len(left))):
        total += left[c] * left[c]
    return total


@kernel
def _scan_up(counts, order, n, z, left, q, n_left):
    """Fill q and n_L of every split of one column from sums of the left sides."""
    below, blocks = 0, len(left) // LANES
    for v in range(len(counts)):
        if counts[v] == 0:
            continue
        below += counts[v]
        if below == n:
            return
        _add_rows(left, z, blocks, order, v * n, v * n + counts[v])
        q[v], n_left[v] = _square(left), below


@kernel
def _scan_down(counts, order, n, z, left, q, n_left):
    """The same from sums of the right sides."""
    below, blocks = n, len(left) // LANES
    for v in range(len(counts) - 1, -1, -1):
        if counts[v] == 0:
            continue
        # `left` holds the rows with codes above v; their sum is that of the left side, negated.
        if below < n:
            q[v], n_left[v] = _square(left), below
        below -= counts[v]
        if below == 0:
            return
        _add_rows(left, z, blocks, order, v * n, v * n + counts[v])


@kernel
def score_rows(codes, first, stop, rows, y, m, node, rotated, space, q, n_left):
    """Fill q and n_L of columns first … stop − 1; they are 0 on entry."""
    n, width, counts = len(rows), len(node.total), space.counts
    _gather(rows, y, m, node, space.z)
    blocks = width // LANES
    if rotated:
        blocks = _rotate(space.z, n, width, space.gram, space.rest)
    left = space.left[: blocks * LANES]
    for j in range(first, stop):
        _sort(codes[j], counts, space.order)
        left[:] = 0.0
        # Upwards the rows of the highest code are never added, downwards those of the lowest.
        # So the scan starts at the end with fewer rows.
        highest = len(counts) - 1
        while counts[highest] == 0:
            highest -= 1
        if counts[0] > counts[highest]:
            _scan_down(counts, space.order, n, space.z, left, q[j], n_left[j])
        else:
            _scan_up(counts, space.order, n, space.z, left, q[j], n_left[j])


@kernel
def _copy(left, sums, first):
    for c in range(np.uintp(len(left))):
        sums[first + c] = left[c]


@kernel
def _copy_rest(total, right, sums, first):
    for c in range(np.uintp(len(right))):
        sums[first + c] = total[c] - right[c]


@kernel
def sum_rows(codes, first, stop, rows, y, m, total, space, sums, below):
    """Fill the sums and rows up to every code but the last, columns first … stop − 1.

    `sums` and `below` are those of one place of `Held`; `total` is the node's sum.
    """
    # From the right where code 0 is more frequent than the last: the sums on the left are then
    # the total less those on the right.
    n, width, counts = len(rows), len(total), space.counts
    _collect(rows, y, m, width, space.z)
    left, levels = space.left[:width], len(counts)
    for j in range(first, stop):
        _sort(codes[j], counts, space.order)
        begin = np.uintp(j * levels * width)
        left[:] = 0.0
        from_right, low = counts[levels - 1] < counts[0], 0
        for v in range(levels - 1):
            low += counts[v]
            below[j, v] = low
        below[j, levels - 1] = n
        for step in range(levels - 1):
            v = levels - 1 - step if from_right else step
            _add_rows(left, space.z, width // LANES, space.order, v * n, v * n + counts[v])
            if from_right:
                _copy_rest(total, left, sums, begin + np.uintp((v - 1) * width))
            else:
                _copy(left, sums, begin + np.uintp(v * width))
