"""Loops that stand for :mod:`cosinter.analysis.continuum.primitives` in compiled code; same names, same results."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def lookup(
    pieces: FloatArray, start: float, step: float, position: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Value and slope of three tabulated functions; see :func:`primitives.lookup`."""
    value, slope = np.empty_like(position), np.empty_like(position)
    last = pieces.shape[2] - 1e-9
    for p in range(3):
        for lane in range(position.shape[1]):
            for cell in range(position.shape[2]):
                place = min(max((position[p, lane, cell] - start) / step, 0.0), last)
                index = int(place)
                d = place - index
                c1, c2, c3 = pieces[2, p, index], pieces[3, p, index], pieces[4, p, index]
                value[p, lane, cell] = pieces[1, p, index] + d * (c1 + d * (c2 + d * c3))
                slope[p, lane, cell] = (c1 + d * (2.0 * c2 + d * 3.0 * c3)) / step
    return value, slope


def integral(pieces: FloatArray, start: float, step: float, position: FloatArray) -> FloatArray:
    """Integral of the tabulated functions from 0."""
    area = np.empty_like(position)
    last = pieces.shape[2] - 1e-9
    for p in range(3):
        for lane in range(position.shape[1]):
            for cell in range(position.shape[2]):
                place = (position[p, lane, cell] - start) / step
                inside = min(max(place, 0.0), last)
                index = int(inside)
                d = inside - index
                c0, c1 = pieces[1, p, index], pieces[2, p, index]
                c2, c3 = pieces[3, p, index], pieces[4, p, index]
                edge = c0 + d * (c1 + d * (c2 + d * c3))
                part = d * (c0 + d * (c1 / 2.0 + d * (c2 / 3.0 + d * c3 / 4.0)))
                area[p, lane, cell] = pieces[0, p, index] + step * (part + edge * (place - inside))
    return area


def factor_tridiagonal(
    lower: FloatArray, diagonal: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Multipliers, pivots and upper diagonal, without pivoting (the matrices are diagonally dominant by columns)."""
    pivots, multipliers = diagonal.copy(), np.zeros_like(diagonal)
    for lane in range(diagonal.shape[0]):
        for row in range(1, diagonal.shape[1]):
            multipliers[lane, row] = lower[lane, row] / pivots[lane, row - 1]
            pivots[lane, row] -= multipliers[lane, row] * upper[lane, row - 1]
    return multipliers, pivots, upper


def solve_tridiagonal(factors: tuple[FloatArray, FloatArray, FloatArray], right: FloatArray) -> FloatArray:
    """Forward and back substitution."""
    multipliers, pivots, upper = factors
    x, last = right.copy(), right.shape[1] - 1
    for lane in range(right.shape[0]):
        for row in range(1, last + 1):
            x[lane, row] -= multipliers[lane, row] * x[lane, row - 1]
        x[lane, last] /= pivots[lane, last]
        for row in range(last - 1, -1, -1):
            x[lane, row] = (x[lane, row] - upper[lane, row] * x[lane, row + 1]) / pivots[lane, row]
    return x


def inverse(matrices: FloatArray) -> FloatArray:
    """Inverse of small matrices (L, q, q)."""
    found = np.empty_like(matrices)
    for lane in range(matrices.shape[0]):
        found[lane] = np.linalg.inv(matrices[lane])
    return found
