"""Equilibrium pressures of LiOH and Li2CO3 and the eutectic of their ideal melt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R

from cosinter.analysis.continuum.inputs import TEMPERATURE, ArrayTable

FloatArray = NDArray[np.float64]

LOWEST_PRESSURE_PA = 1.0e-6


def equilibrium_pressure(table: ArrayTable, temperature: float) -> float:
    """p_eq (Pa) at ``temperature`` (K): ln p interpolated linearly in 1/T, extended along the last slope."""
    inverse = 1.0 / table.axis(TEMPERATURE)
    logs = np.log(np.maximum(table.array, 1e-300))
    index = int(np.clip(np.searchsorted(-inverse, -1.0 / temperature) - 1, 0, len(logs) - 2))
    slope = (logs[index + 1] - logs[index]) / (inverse[index + 1] - inverse[index])
    return float(np.exp(logs[index] + slope * (1.0 / temperature - inverse[index])))


def eutectics(melting: FloatArray, fusion: FloatArray) -> FloatArray:
    """Temperatures (n, 1) in K where x_LiOH(T) + x_Li2CO3(T) = 1, by bisection; melting points and enthalpies (n, 2)."""
    low, high = np.full((len(melting), 1), 50.0), melting.max(axis=1, keepdims=True)
    for _ in range(60):
        middle = 0.5 * (low + high)
        total = np.exp(-fusion / R * (1.0 / middle - 1.0 / melting)).sum(axis=1, keepdims=True)
        low, high = np.where(total < 1.0, middle, low), np.where(total < 1.0, high, middle)
    return np.asarray(0.5 * (low + high))
