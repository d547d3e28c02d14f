"""Matrices of bits: where their ones are, and fingerprints of their columns (numba)."""

from __future__ import annotations

import numpy as np

from irtheory.trees.kernels.kernel import kernel


@kernel
def rows_of_ones(bits, pointer, indices):
    """Where the ones of a matrix of bytes are: those of row i are indices[pointer[i]:…]."""
    n = np.uintp(0)
    for i in range(bits.shape[0]):
        pointer[i] = n
        for j in range(bits.shape[1]):
            if bits[i, j]:
                indices[n] = np.uintp(j)
                n += np.uintp(1)
    pointer[bits.shape[0]] = n


@kernel
def columns_of_ones(pointer, indices, columns, rows):
    """The same by columns, from the ones by rows: rows of column j are rows[columns[j]:…]."""
    for j in range(len(columns)):
        columns[j] = 0
    for j in indices:
        columns[j + np.uintp(1)] += np.uintp(1)
    for j in range(1, len(columns)):
        columns[j] += columns[j - 1]
    place = columns.copy()
    for i in range(len(pointer) - 1):
        for a in range(pointer[i], pointer[i + 1]):
            rows[place[indices[a]]] = np.uintp(i)
            place[indices[a]] += np.uintp(1)


@kernel
def fingerprints(bits, marks, prints):
    """prints[j] = sum of the marks of the rows in which column j is 1, modulo 2^64.

    Equal columns have equal fingerprints; others hardly ever, if marks are random.
    """
    prints[:] = np.uint64(0)
    for i in range(bits.shape[0]):
        for j in range(bits.shape[1]):
            prints[j] += marks[i] if bits[i, j] else np.uint64(0)
