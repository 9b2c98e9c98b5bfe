"""One spherical cathode grain: its finite volumes, and the oxygen its phases hold.

Cells are graded to the surface, r_f/R = x (1 + b) - b x^2 with b = 0.95, and run from the centre outwards on the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.inputs import TEMPERATURE, ArrayTable

FloatArray = NDArray[np.float64]

GRADING = 0.95
SPINEL_CORNER, SPINEL_SLOPE = 0.01, 4.0 / 3.0


@dataclass(frozen=True)
class Grid:
    """Radii in units of the grain radius: ``faces`` (N + 1), ``centres`` (N), ``volumes`` (N, sum 1).

    ``conductance`` (N - 1): 3 r_f^2/(r_{i+1} - r_i), so that the flow of Li between cells per metal of the grain is
    conductance * D/R^2 * (u_i - u_{i+1}).
    """

    faces: FloatArray
    centres: FloatArray
    volumes: FloatArray
    conductance: FloatArray

    @classmethod
    def make(cls, cells: int) -> Grid:
        """Grade ``cells`` shells towards the surface."""
        x = np.linspace(0.0, 1.0, cells + 1)
        faces = x * (1.0 + GRADING) - GRADING * x**2
        volumes = np.diff(faces**3)
        centres = 0.75 * np.diff(faces**4) / volumes
        conductance = 3.0 * faces[1:-1] ** 2 / np.diff(centres)
        return cls(faces, centres, volumes, conductance)

    def mean(self, values: FloatArray) -> FloatArray:
        """Volume average over the last axis."""
        return np.asarray(values @ self.volumes)


def oxygen_per_metal(lithium: FloatArray) -> tuple[FloatArray, FloatArray]:
    """O per metal of layered, spinel and rock salt (first axis) at u, and its derivative in u.

    Layered Li_uMO2 and rock salt Li_uMO_(1+u); spinel holds 2 O down to u = 1/2 (LiM2O4) and 4(1 + u)/3 below
    (towards M3O4), the corner rounded as 2 - (4/3) w ln(1 + exp[(1/2 - u)/w]) with w = 0.01.
    """
    number, slope = np.empty((2, 3, *np.shape(lithium)))
    below = (0.5 - lithium) / SPINEL_CORNER
    number[0], slope[0] = 2.0, 0.0
    number[1], slope[1] = (
        2.0 - SPINEL_SLOPE * SPINEL_CORNER * np.logaddexp(0.0, below),
        SPINEL_SLOPE * _logistic(below),
    )
    number[2], slope[2] = 1.0 + lithium, 1.0
    return number, slope


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def at_temperature(table: ArrayTable, temperature: float) -> FloatArray:
    """Interpolate a table with a temperature axis linearly to ``temperature`` (K); the axis is dropped."""
    grid = table.axis(TEMPERATURE)
    index = int(np.clip(np.searchsorted(grid, temperature) - 1, 0, len(grid) - 2))
    weight = (temperature - grid[index]) / (grid[index + 1] - grid[index])
    values = np.moveaxis(table.array, list(table.axes).index(TEMPERATURE), 0)
    return np.asarray((1.0 - weight) * values[index] + weight * values[index + 1])
