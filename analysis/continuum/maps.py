"""Lines of equal height over a grid: where an outcome passes a bound between the runs of a process map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]


def contours(x: FloatArray, y: FloatArray, values: FloatArray, level: float) -> list[FloatArray]:
    """Lines (n, 2) on which ``values`` (y, x), linear between the points of the grid, is ``level``.

    Cells beside a point without a value (NaN) are left out.

    Raises
    ------
    InputError
        An axis has fewer than two points or does not ascend.
    """
    from contourpy import contour_generator

    for name, axis in (("x", x), ("y", y)):
        if len(axis) < 2 or np.any(np.diff(axis) <= 0.0):
            raise InputError(f"the {name} axis of a map must hold at least two ascending values")
    generator = contour_generator(x, y, np.ma.masked_invalid(values), name="serial", corner_mask=False)
    return [np.asarray(line, dtype=np.float64) for line in generator.lines(level)]
