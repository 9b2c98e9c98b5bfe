"""Open-circuit potential of NMC811 against lithium, its integral, and the mixing of lithium with vacancies.

Chen et al., J. Electrochem. Soc. 167 (2020) 080534, doi 10.1149/1945-7111/ab9050; coefficients in
``data/thermochemistry.yaml`` under ``cathode``. u is the lithium content per metal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import physical_constants
from scipy.special import xlogy

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.tables import load_table

FARADAY = physical_constants["Faraday constant"][0]
DILUTE = 0.02


def open_circuit_potential(u: ArrayLike, coefficients: ArrayLike | None = None) -> FloatArray:
    """Open-circuit potential of NMC811 against lithium metal at 298.15 K, V; same shape as ``u``.

    Chen et al., J. Electrochem. Soc. 167 (2020) 080534, doi 10.1149/1945-7111/ab9050; measured for
    0.27 < u < 0.91, a smooth extrapolation elsewhere.
    """
    x = np.asarray(u, dtype=np.float64)
    a = _ocv_coefficients() if coefficients is None else np.asarray(coefficients, dtype=np.float64)
    waves = [a[i] * np.tanh(a[i + 1] * (x - a[i + 2])) for i in (2, 5, 8)]
    return np.asarray(a[0] * x + a[1] + sum(waves), dtype=np.float64)


def potential_slope(u: ArrayLike) -> FloatArray:
    """Derivative of :func:`open_circuit_potential` with the lithium content, V; same shape as ``u``."""
    x = np.asarray(u, dtype=np.float64)
    a = _ocv_coefficients()
    waves = [a[i] * a[i + 1] / np.cosh(a[i + 1] * (x - a[i + 2])) ** 2 for i in (2, 5, 8)]
    return np.asarray(a[0] + sum(waves), dtype=np.float64)


def _ocv_coefficients() -> FloatArray:
    table = load_table("thermochemistry")["cathode"]["open_circuit_potential"]
    return np.asarray(table["coefficients"], dtype=np.float64)


def _log_cosh(z: FloatArray) -> FloatArray:
    return np.asarray(np.abs(z) + np.log1p(np.exp(-2.0 * np.abs(z))) - np.log(2.0), dtype=np.float64)


def ocv_integral(u: ArrayLike) -> FloatArray:
    """Integral of :func:`open_circuit_potential` from ``u`` to 1, V; same shape as ``u``."""
    a = _ocv_coefficients()

    def antiderivative(x: FloatArray) -> FloatArray:
        waves = [a[i] / a[i + 1] * _log_cosh(a[i + 1] * (x - a[i + 2])) for i in (2, 5, 8)]
        return np.asarray(a[0] * x**2 / 2.0 + a[1] * x + sum(waves), dtype=np.float64)

    return antiderivative(np.asarray(1.0)) - antiderivative(np.asarray(u, dtype=np.float64))


def ideal_mixing(u: ArrayLike) -> FloatArray:
    """u ln u + (1 - u) ln(1 - u), zero at both ends."""
    x = np.asarray(u, dtype=np.float64)
    return np.asarray(xlogy(x, x) + xlogy(1.0 - x, 1.0 - x), dtype=np.float64)


def dilute_mixing(u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """:func:`ideal_mixing` and its slope, continued by tangents within DILUTE of the ends; zero at u = 1."""
    inner = np.clip(u, DILUTE, 1.0 - DILUTE)
    slope = np.log(inner / (1.0 - inner))
    edge = ideal_mixing(1.0 - DILUTE) + DILUTE * np.log((1.0 - DILUTE) / DILUTE)
    return ideal_mixing(inner) + slope * (u - inner) - edge, slope
