"""Any thermochemical function of this package as one list of heat-capacity segments.

Other programs store a substance as polynomials over ranges of temperature. Sums of functions (Neumann-Kopp, rescaled
formulas) and the Gibbs descriptor have the same powers of T between their breaks, so the segments are exact.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cosinter.analysis.thermochemistry.descriptor import LOG_TEMPERATURE, DescriptorFunction
from cosinter.analysis.thermochemistry.functions import (
    POWERS,
    Combination,
    FloatArray,
    PiecewiseCp,
    ThermoFunction,
)
from cosinter.data.exceptions import InputError

_CLOSEST_BREAKS_K = 1e-6


def as_segments(function: ThermoFunction, low_K: float, high_K: float) -> PiecewiseCp:
    """Write ``function`` between ``low_K`` and ``high_K`` as segments with Cp = sum_k c_k T^p_k, exactly.

    Raises
    ------
    InputError
        The range is empty, or the function is of a kind without such segments.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> rutile = load_library().phase("TiO2_rutile")
    >>> segments = as_segments(rutile.function, 300.0, 1500.0)
    >>> bool(abs(segments.enthalpy(900.0) - rutile.enthalpy(900.0)) < 1e-6)
    True
    """
    if not 0.0 < low_K < high_K:
        raise InputError(f"temperatures {low_K:g} to {high_K:g} K are no range; give the lower one first")
    inner = sorted({edge for edge in _breaks(function) if low_K < edge < high_K})
    bounds = [low_K]
    for edge in [*inner, high_K]:
        if edge - bounds[-1] > _CLOSEST_BREAKS_K:
            bounds.append(edge)
    middles = np.asarray([0.5 * (low + high) for low, high in pairwise(bounds)])
    rows = np.asarray([_row(function, float(middle)) for middle in middles])
    blank = np.zeros(len(middles))
    shapes = PiecewiseCp(np.asarray(bounds), rows, blank, blank)
    return PiecewiseCp(
        shapes.bounds,
        rows,
        function.enthalpy(middles) - shapes.enthalpy(middles),
        function.entropy(middles) - shapes.entropy(middles),
    )


def _breaks(function: ThermoFunction) -> list[float]:
    if isinstance(function, Combination):
        return [edge for _, term in function.terms for edge in _breaks(term)]
    return [float(edge) for edge in function.bounds] if isinstance(function, PiecewiseCp) else []


def _row(function: ThermoFunction, temperature_K: float) -> FloatArray:
    """Coefficients of Cp that hold around ``temperature_K``, shape [8]."""
    if isinstance(function, Combination):
        parts = [amount * _row(term, temperature_K) for amount, term in function.terms]
        return np.asarray(np.sum(parts, axis=0), dtype=np.float64)
    row = np.zeros(len(POWERS))
    if isinstance(function, DescriptorFunction):
        row[POWERS.index(-1.0)] = function.amount * LOG_TEMPERATURE
    elif isinstance(function, PiecewiseCp):
        low, high = function.limits
        if low <= temperature_K <= high:
            place = int(np.searchsorted(function.bounds, temperature_K, side="right")) - 1
            return np.asarray(function.coefficients[min(place, len(function.coefficients) - 1)])
        row[POWERS.index(0.0)] = float(function.heat_capacity(temperature_K))
    else:
        raise InputError(f"{type(function).__name__} has no heat-capacity segments")
    return row
