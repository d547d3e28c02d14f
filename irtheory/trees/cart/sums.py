"""Sums of target rows per column and code, from tables of jointly coded columns (numba).

Targets are stored as blocks of eight outputs (see `irtheory.trees.kernels.lanes`), all rows of
the first block first: the table of one block of 256 joint codes (16 kB) stays in the
first-level cache. A table is halved until it holds one column: a table over (a, b) gives the
table of a by summing over b, and the other way round. That takes time in the size of the table,
whereas a further pass over the rows takes time in their number.
"""

from __future__ import annotations

import numpy as np

from irtheory.trees.cart.held import accumulate
from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import LANES, add_block

# Tables filled side by side, so that a tile of target rows is read from memory once.
TABLES = 8
# Rows of a tile; one block of them (256 kB) fits the second-level cache.
_TILE = 4096


@kernel
def _add_rows(joint, rows, y, offset, table, first):
    for t in range(np.uintp(len(rows))):
        r = np.uintp(rows[t])
        add_block(table, first + np.uintp(joint[r]), y, offset + r)


@kernel
def _add_rows_to_four(one, two, three, four, rows, y, offset, table, first, cells):
    """Fill four tables in one pass: additions to one place wait, those to others do not."""
    second, third = first + cells, first + cells + cells
    fourth = third + cells
    for t in range(np.uintp(len(rows))):
        r = np.uintp(rows[t])
        add_block(table, first + np.uintp(one[r]), y, offset + r)
        add_block(table, second + np.uintp(two[r]), y, offset + r)
        add_block(table, third + np.uintp(three[r]), y, offset + r)
        add_block(table, fourth + np.uintp(four[r]), y, offset + r)


@kernel
def _add_tile(joint, rows, y, offset, table, cells):
    """Fill one table a group of joined columns, four at a time."""
    groups = len(joint)
    fours = groups // 4 * 4
    for g in range(0, fours, 4):
        first = np.uintp(g) * cells
        _add_rows_to_four(
            joint[g], joint[g + 1], joint[g + 2], joint[g + 3], rows, y, offset, table, first, cells
        )
    for g in range(fours, groups):
        _add_rows(joint[g], rows, y, offset, table, np.uintp(g) * cells)


@kernel
def _add_blocks(out, at, stride, table, first, step, n):
    """out[at + stride i] += table[first + step i] for i < n, all of them blocks."""
    for i in range(n):
        add_block(out, at + stride * i, table, first + step * i)


@kernel
def _halve(table, first, count, side, out):
    """Tables of side × side blocks, `count` of them from `first` on, into twice as many."""
    # Neighbouring additions go to different blocks: one block's would wait for each other.
    one = np.uintp(1)
    for t in range(count):
        start, high = first + t * side * side, (one + one) * t * side
        for b in range(side):
            _add_blocks(out, high, one, table, start + b, side, side)
        for a in range(side):
            _add_blocks(out, high + side, one, table, start + a * side, one, side)


@kernel
def _split(table, first, joined, levels, spare):
    """Turn the table of `joined` columns at block `first` into one table a column."""
    # Each round has twice as many tables of the square root of the size: less work every time.
    count = np.uintp(1)
    while joined > 1:
        joined //= 2
        side = np.uintp(levels**joined)
        size = np.uintp(2) * count * side * np.uintp(LANES)
        spare[:size] = 0.0
        _halve(table, first, count, side, spare)
        start = first * np.uintp(LANES)
        for i in range(size):
            table[start + i] = spare[i]
        count *= np.uintp(2)


@kernel
def _fill_sums(joint, rows, y, blocks, joined, levels, tables, spare, sums):
    """Sums over `rows` for at most TABLES groups of `joined` columns.

    `joint` holds joint codes [groups, m], `y` targets [blocks * m * 8], block by block;
    `tables` has room for TABLES tables of levels**joined blocks, `spare` for one. Fills
    `sums`, [groups * joined, levels, blocks * 8] as one flat array.
    """
    groups, m = joint.shape
    cells = np.uintp(levels**joined)
    per_table = joined * levels
    for b in range(blocks):
        tables[: groups * levels**joined * LANES] = 0.0
        for begin in range(0, len(rows), _TILE):
            tile = rows[begin : begin + _TILE]
            _add_tile(joint, tile, y, np.uintp(b * m), tables, cells)
        for g in range(groups):
            _split(tables, np.uintp(g) * cells, joined, levels, spare)
            start = g * levels**joined
            for cell in range(per_table):
                read, into = (start + cell) * LANES, ((g * per_table + cell) * blocks + b) * LANES
                for c in range(LANES):
                    sums[into + c] = tables[read + c]


@kernel
def _fill_counts(joint, rows, joined, levels, table, counts):
    """Rows per column and code, counts [joined, levels], of one group of joined columns."""
    # Counted in the joint table too; digits of a joint code, last column first, are its codes.
    cells = levels**joined
    table[:cells] = 0
    for t in range(len(rows)):
        table[joint[rows[t]]] += 1
    counts[:] = 0
    for cell in range(cells):
        rest = cell
        for j in range(joined - 1, -1, -1):
            counts[j, rest % levels] += table[cell]
            rest //= levels


@kernel
def sum_tables(joint, rows, y, blocks, joined, space, sums, below):
    """Target sums and rows up to every code, for at most TABLES groups of joined columns.

    `joint` and `y` are those of `_fill_sums`. Fills `sums`, [groups * joined, levels,
    blocks * 8] as one flat array, and `below` [groups * joined, levels].
    """
    levels, width = below.shape[1], blocks * LANES
    _fill_sums(joint, rows, y, blocks, joined, levels, space.tables, space.spare, sums)
    for g in range(len(joint)):
        own = below[g * joined : (g + 1) * joined]
        _fill_counts(joint[g], rows, joined, levels, space.table_counts, own)
    for j in range(len(joint) * joined):
        accumulate(sums, j * levels * width, width, below[j])


@kernel
def sort_codes(codes, counts, ends, order):
    """Places of a node's codes in ascending order; ends[v] is where code v ends."""
    # A counting sort: levels are few, and it keeps the rows of a code in order.
    counts[:] = 0
    for v in codes:
        counts[v] += 1
    start = 0
    for v in range(len(counts)):
        ends[v] = start
        start += counts[v]
    for i in range(len(codes)):
        v = codes[i]
        order[ends[v]] = i
        ends[v] += 1
