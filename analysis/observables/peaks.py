"""Follow reflections through a series of powder patterns, and lay a measured pattern over a simulated one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Peak:
    """The highest line of a window: position and full width at half maximum (degrees), height and area above the base.

    The base is straight between the ends of the window; ``width_deg`` is None where half of the height is not passed on
    both sides.
    """

    two_theta_deg: float
    height: float
    area: float
    width_deg: float | None


@dataclass(frozen=True)
class Overlay:
    """A measured pattern on the angles of a simulated one, I_measured = scale I_simulated + base.

    ``two_theta_deg``, ``measured``, ``fitted`` [n] on the angles both have; ``residual`` sqrt(sum (m - f)^2 / sum (m - <m>)^2),
    0 for the same shape, 1 where nothing is explained.
    """

    two_theta_deg: FloatArray
    measured: FloatArray
    fitted: FloatArray
    scale: float
    residual: float


def find_peak(
    two_theta_deg: ArrayLike, intensity: ArrayLike, centre_deg: float, *, half_window_deg: float = 0.6
) -> Peak | None:
    """The highest line within ``half_window_deg`` of ``centre_deg``; None where the window is not covered or is empty.

    >>> x = np.linspace(18.0, 20.0, 401)
    >>> found = find_peak(x, np.exp(-(((x - 19.1) / 0.1) ** 2)), 19.0)
    >>> round(found.two_theta_deg, 3), round(found.width_deg, 3)
    (19.1, 0.167)
    """
    angles = np.asarray(two_theta_deg, dtype=np.float64)
    values = np.asarray(intensity, dtype=np.float64)
    low, high = centre_deg - half_window_deg, centre_deg + half_window_deg
    if low < angles[0] or high > angles[-1]:
        return None
    inside = (angles >= low) & (angles <= high)
    x, y = angles[inside], values[inside]
    if len(x) < 5:
        return None
    line = y - np.interp(x, x[[0, -1]], y[[0, -1]])
    top = int(np.argmax(line))
    if line[top] <= 0.0 or top in (0, len(x) - 1):
        return None
    before, here, after = line[top - 1 : top + 2]
    bend = before - 2.0 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return Peak(
        two_theta_deg=float(x[top] + shift * (x[1] - x[0])),
        height=float(here - 0.25 * (before - after) * shift),
        area=float(np.trapezoid(np.maximum(line, 0.0), x)),
        width_deg=_width(x, line, top),
    )


def _width(x: FloatArray, line: FloatArray, top: int) -> float | None:
    half = 0.5 * line[top]
    below_left = np.flatnonzero(line[:top] < half)
    below_right = np.flatnonzero(line[top:] < half)
    if not len(below_left) or not len(below_right):
        return None
    left, right = int(below_left[-1]), top + int(below_right[0])
    start = np.interp(half, line[left : left + 2], x[left : left + 2])
    end = np.interp(-half, -line[right - 1 : right + 1], x[right - 1 : right + 1])
    return float(end - start)


def overlay(
    two_theta_deg: ArrayLike, simulated: ArrayLike, measured_angles: ArrayLike, measured: ArrayLike
) -> Overlay:
    """Scale a simulated pattern onto a measured one by least squares, scale not below 0 and one constant base.

    Nothing else is fitted: neither cells nor widths nor texture, so a bad residual says that these differ.

    Raises
    ------
    InputError
        The two have less than 5 degrees in common, or the measured one is flat.
    """
    angles, values = np.asarray(measured_angles, np.float64), np.asarray(measured, np.float64)
    grid, model = np.asarray(two_theta_deg, np.float64), np.asarray(simulated, np.float64)
    inside = (angles >= grid[0]) & (angles <= grid[-1])
    if inside.sum() < 10 or np.ptp(angles[inside]) < 5.0:
        raise InputError(
            f"the measured pattern ({angles.min():g} to {angles.max():g} degrees) and the simulated one "
            f"({grid[0]:g} to {grid[-1]:g}) have less than 5 degrees in common"
        )
    x, y = angles[inside], values[inside]
    if np.ptp(y) <= 0.0:
        raise InputError("the measured pattern is flat where the simulated one is; check its columns")
    shape = np.interp(x, grid, model)
    centred = shape - shape.mean()
    scale = max(float(centred @ (y - y.mean()) / max(centred @ centred, 1e-300)), 0.0)
    base = float(y.mean() - scale * shape.mean())
    fitted = scale * shape + base
    residual = float(np.sqrt(np.sum((y - fitted) ** 2) / np.sum((y - y.mean()) ** 2)))
    return Overlay(x, y, fitted, scale, residual)
