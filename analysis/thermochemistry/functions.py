"""Enthalpy and entropy of one substance as functions of temperature.

Everything is a piecewise heat capacity Cp = sum_k c_k T^p_k on the fixed powers of :data:`POWERS`, which holds both
the NASA polynomials and the usual a + bT + cT^-2 + dT^2 + eT^3 + fT^-1/2, or a linear combination of such functions.
SI units: J/mol and J/mol/K; temperatures in K, any shape.

Outside the temperature range of the data the heat capacity is held at its value on the edge; whether a range was left
is told by :class:`cosinter.analysis.thermochemistry.library.Phase`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

#: Powers of T that a heat capacity may hold, in the order of the coefficients.
POWERS = (-2.0, -1.0, -0.5, 0.0, 1.0, 2.0, 3.0, 4.0)
REFERENCE_TEMPERATURE = 298.15


class ThermoFunction(Protocol):
    """H(T) and S(T) of one substance."""

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest temperature (K) the data hold for."""

    def enthalpy(self, temperature_K: ArrayLike) -> FloatArray:
        """H in J/mol, same shape as ``temperature_K``."""

    def entropy(self, temperature_K: ArrayLike) -> FloatArray:
        """S in J/mol/K, same shape as ``temperature_K``."""


def _heat_capacity(temperature: FloatArray, coefficients: FloatArray) -> FloatArray:
    basis = np.stack([temperature**power for power in POWERS])
    return np.asarray(np.einsum("k...,k...->...", basis, coefficients), dtype=np.float64)


def _enthalpy_integral(temperature: FloatArray, coefficients: FloatArray) -> FloatArray:
    basis = np.stack(
        [np.log(temperature) if p == -1.0 else temperature ** (p + 1.0) / (p + 1.0) for p in POWERS]
    )
    return np.asarray(np.einsum("k...,k...->...", basis, coefficients), dtype=np.float64)


def _entropy_integral(temperature: FloatArray, coefficients: FloatArray) -> FloatArray:
    basis = np.stack([np.log(temperature) if p == 0.0 else temperature**p / p for p in POWERS])
    return np.asarray(np.einsum("k...,k...->...", basis, coefficients), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class PiecewiseCp:
    """Heat capacity by segments, with the integration constants of each segment.

    Attributes
    ----------
    bounds : shape [n + 1], ascending, K
    coefficients : shape [n, 8], J/mol/K times K^-p for the powers of :data:`POWERS`
    enthalpy_constants, entropy_constants : shape [n], J/mol and J/mol/K
    """

    bounds: FloatArray
    coefficients: FloatArray
    enthalpy_constants: FloatArray
    entropy_constants: FloatArray

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest temperature of the data, K."""
        return float(self.bounds[0]), float(self.bounds[-1])

    def _locate(
        self, temperature_K: ArrayLike
    ) -> tuple[FloatArray, FloatArray, NDArray[np.intp], FloatArray]:
        temperature = np.asarray(temperature_K, dtype=np.float64)
        inside = np.clip(temperature, self.bounds[0], self.bounds[-1])
        index = np.clip(np.searchsorted(self.bounds, inside, side="right") - 1, 0, len(self.bounds) - 2)
        return temperature, inside, index, np.moveaxis(self.coefficients[index], -1, 0)

    def heat_capacity(self, temperature_K: ArrayLike) -> FloatArray:
        """Cp in J/mol/K, same shape as ``temperature_K``."""
        _, inside, _, coefficients = self._locate(temperature_K)
        return _heat_capacity(inside, coefficients)

    def enthalpy(self, temperature_K: ArrayLike) -> FloatArray:
        """H in J/mol, same shape as ``temperature_K``."""
        temperature, inside, index, coefficients = self._locate(temperature_K)
        value = _enthalpy_integral(inside, coefficients) + self.enthalpy_constants[index]
        return value + _heat_capacity(inside, coefficients) * (temperature - inside)

    def entropy(self, temperature_K: ArrayLike) -> FloatArray:
        """S in J/mol/K, same shape as ``temperature_K``."""
        temperature, inside, index, coefficients = self._locate(temperature_K)
        value = _entropy_integral(inside, coefficients) + self.entropy_constants[index]
        return value + _heat_capacity(inside, coefficients) * np.log(temperature / inside)


@dataclass(frozen=True, eq=False)
class Combination:
    """sum_i n_i f_i(T) plus constant shifts of the enthalpy (J/mol) and the entropy (J/mol/K)."""

    terms: tuple[tuple[float, ThermoFunction], ...]
    enthalpy_shift: float = 0.0
    entropy_shift: float = 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """Range that all terms share, K."""
        ranges = [term.limits for _, term in self.terms]
        return max(low for low, _ in ranges), min(high for _, high in ranges)

    def enthalpy(self, temperature_K: ArrayLike) -> FloatArray:
        """H in J/mol, same shape as ``temperature_K``."""
        total = np.full(np.shape(temperature_K), self.enthalpy_shift)
        for amount, term in self.terms:
            total = total + amount * term.enthalpy(temperature_K)
        return total

    def entropy(self, temperature_K: ArrayLike) -> FloatArray:
        """S in J/mol/K, same shape as ``temperature_K``."""
        total = np.full(np.shape(temperature_K), self.entropy_shift)
        for amount, term in self.terms:
            total = total + amount * term.entropy(temperature_K)
        return total


def integrate_heat_capacity(
    segments: list[tuple[tuple[float, float], list[float]]],
    *,
    enthalpy_298: float,
    entropy_298: float,
    transitions: dict[float, float] | None = None,
) -> PiecewiseCp:
    """Integrate Cp segments from 298.15 K, adding dH and dH/T of first-order transitions.

    Parameters
    ----------
    segments : [((T_low, T_high), 8 coefficients for :data:`POWERS`)], adjoining, ascending
    enthalpy_298, entropy_298 : J/mol, J/mol/K
    transitions : {T in K: dH in J/mol} at the joints of two segments
    """
    heats = transitions or {}
    bounds = np.asarray([segments[0][0][0], *(high for (_, high), _ in segments)], dtype=np.float64)
    coefficients = np.asarray([c for _, c in segments], dtype=np.float64)
    enthalpy, entropy = enthalpy_298, entropy_298
    enthalpy_constants, entropy_constants = [], []
    for (low, high), row in zip(pairwise(bounds), coefficients, strict=True):
        start, end = np.asarray(low), np.asarray(high)
        heat = heats.get(float(low), 0.0)
        enthalpy, entropy = enthalpy + heat, entropy + heat / float(low)
        enthalpy_constants.append(enthalpy - float(_enthalpy_integral(start, row)))
        entropy_constants.append(entropy - float(_entropy_integral(start, row)))
        enthalpy = float(_enthalpy_integral(end, row)) + enthalpy_constants[-1]
        entropy = float(_entropy_integral(end, row)) + entropy_constants[-1]
    return PiecewiseCp(bounds, coefficients, np.asarray(enthalpy_constants), np.asarray(entropy_constants))


def make_melt(
    solid: ThermoFunction, *, melting_K: float, fusion_J: float, heat_capacity: float
) -> PiecewiseCp:
    """Make the liquid of ``solid`` from T_fus (K), dH_fus (J/mol) and a constant Cp (J/mol/K)."""
    row = [heat_capacity if power == 0.0 else 0.0 for power in POWERS]
    enthalpy = float(solid.enthalpy(melting_K)) + fusion_J - heat_capacity * melting_K
    entropy = (
        float(solid.entropy(melting_K)) + fusion_J / melting_K - heat_capacity * float(np.log(melting_K))
    )
    high = max(3000.0, melting_K)
    return PiecewiseCp(
        np.asarray([min(REFERENCE_TEMPERATURE, melting_K), high]),
        np.asarray([row]),
        np.asarray([enthalpy]),
        np.asarray([entropy]),
    )


def neumann_kopp(
    parts: list[tuple[float, ThermoFunction]], *, enthalpy_298: float, entropy_298: float | None
) -> Combination:
    """Build H and S with the heat capacity of a sum of oxides (Neumann-Kopp rule).

    H(T) = H298 + sum n_i [H_i(T) - H_i(298)], the same for S; where ``entropy_298`` is None the sum of the
    oxides' entropies stands for it. Units J/mol and J/mol/K.
    """
    enthalpy_sum = sum(n * float(part.enthalpy(REFERENCE_TEMPERATURE)) for n, part in parts)
    entropy_sum = sum(n * float(part.entropy(REFERENCE_TEMPERATURE)) for n, part in parts)
    shift = 0.0 if entropy_298 is None else entropy_298 - entropy_sum
    return Combination(tuple(parts), enthalpy_298 - enthalpy_sum, shift)


def cp_row(coefficients: list[float]) -> list[float]:
    """Reorder [a, b, c, d, e, f] of a + bT + cT^-2 + dT^2 + eT^3 + fT^-1/2 to :data:`POWERS`."""
    a, b, c, d, e, f = (float(value) for value in coefficients)
    return [c, 0.0, f, a, b, d, e, 0.0]
