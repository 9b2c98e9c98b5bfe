"""Array operations below the equations: tables of cubic pieces, tridiagonal systems and small inverses of many lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def lookup(
    pieces: FloatArray, start: float, step: float, position: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Value and slope of three tabulated functions; constant beyond the grid.

    ``pieces`` (5, 3, n): integral up to each piece of an even grid and its four cubic coefficients (constant first);
    ``position`` (3, L, N). Both results have the shape of ``position``.
    """
    index, d = _piece(pieces, start, step, position)[:2]
    _, c0, c1, c2, c3 = _rows(pieces, index)
    return c0 + d * (c1 + d * (c2 + d * c3)), (c1 + d * (2.0 * c2 + d * 3.0 * c3)) / step


def integral(pieces: FloatArray, start: float, step: float, position: FloatArray) -> FloatArray:
    """Integral of the functions of :func:`lookup` from 0 to ``position`` (3, L, N)."""
    index, d, beyond = _piece(pieces, start, step, position)
    before, c0, c1, c2, c3 = _rows(pieces, index)
    edge = c0 + d * (c1 + d * (c2 + d * c3))
    inside = d * (c0 + d * (c1 / 2.0 + d * (c2 / 3.0 + d * c3 / 4.0)))
    return np.asarray(before + step * (inside + edge * beyond))


def _piece(
    pieces: FloatArray, start: float, step: float, position: FloatArray
) -> tuple[NDArray[np.intp], FloatArray, FloatArray]:
    place = (position - start) / step
    inside = np.minimum(np.maximum(place, 0.0), pieces.shape[2] - 1e-9)
    index = inside.astype(np.intp)
    return index, inside - index, place - inside


def _rows(pieces: FloatArray, index: NDArray[np.intp]) -> FloatArray:
    count = pieces.shape[2]
    return np.asarray(pieces.reshape(5, -1)[:, index + count * np.arange(3)[:, None, None]])


def factor_tridiagonal(lower: FloatArray, diagonal: FloatArray, upper: FloatArray) -> Any:
    """LU of tridiagonal matrices (L, N); ``lower[:, 0]`` and ``upper[:, -1]`` must be 0."""
    from scipy.linalg.lapack import dgttrf

    return dgttrf(lower.ravel()[1:], diagonal.ravel(), upper.ravel()[:-1])[:5]


def solve_tridiagonal(factors: Any, right: FloatArray) -> FloatArray:
    """Solve with the factors of :func:`factor_tridiagonal`; ``right`` (L, N)."""
    from scipy.linalg.lapack import dgttrs

    return np.asarray(dgttrs(*factors, right.ravel())[0]).reshape(right.shape)


def inverse(matrices: FloatArray) -> FloatArray:
    """Inverse of small matrices (L, q, q)."""
    return np.asarray(np.linalg.inv(matrices))
