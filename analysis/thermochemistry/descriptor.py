"""Gibbs energy of a solid from its formation enthalpy, volume and atomic masses (the SISSO descriptor).

    G_delta(T) = (a ln V + b m / V) T + c ln T + d      eV/atom
    G(T)       = dH_f + G_delta(T)                      elements at 298.15 K as zero, like the phase library
    dG_f(T)    = G(T) - sum_i x_i G_i(T)                elements at T as zero, like pymatgen

V is the volume per atom in Å^3, m the reduced mass in u: m = sum_{i<j} (x_i + x_j) m_i m_j / (m_i + m_j) / (n - 1)
over the n elements with their atom fractions x. Source of the descriptor and of the constants: Bartel et al., Nature
Communications 9, 4168 (2018), doi 10.1038/s41467-018-06682-4. It holds for stoichiometric solids from 300 to 1800 K,
not for gases, liquids and molecular crystals.

On the scale of the phase library G(T) needs no data of the elements. Adding dG_f(T) to the elements of the library
would be the same, but for the differences of two tables of the elements: 3 meV/atom at 1000 K, much more where an element
boils.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import DataError, InputError, UnknownNameError

SOURCE = "SISSO descriptor, Bartel 2018, doi 10.1038/s41467-018-06682-4"
#: Temperatures that the descriptor was trained for, K; the phase library starts at its reference temperature.
RANGE_K = (298.15, 1800.0)
LOG_VOLUME, MASS_PER_VOLUME, LOG_TEMPERATURE, OFFSET = -2.48e-4, -8.94e-5, 0.181, -0.882


@dataclass(frozen=True, eq=False)
class DescriptorFunction:
    """H(T) and S(T) whose G = H - T S is ``amount`` (``enthalpy`` + G_delta(T)).

    S = -dG/dT and H = G + T S follow from the fit of G alone: they make the thermodynamics consistent, but are no
    estimates of the heat capacity.

    Attributes
    ----------
    amount : J/mol per eV/atom, that is atoms per formula times Faraday's constant
    enthalpy : eV/atom, formation enthalpy at 298.15 K
    slope : eV/atom/K, a ln V + b m / V
    """

    amount: float
    enthalpy_eV: float
    slope: float

    @property
    def limits(self) -> tuple[float, float]:
        """Range of the descriptor, K."""
        return RANGE_K

    def enthalpy(self, temperature_K: ArrayLike) -> FloatArray:
        """H in J/mol, same shape as ``temperature_K``."""
        temperature = np.asarray(temperature_K, dtype=np.float64)
        return self.amount * (self.enthalpy_eV + LOG_TEMPERATURE * (np.log(temperature) - 1.0) + OFFSET)

    def entropy(self, temperature_K: ArrayLike) -> FloatArray:
        """S in J/mol/K, same shape as ``temperature_K``."""
        temperature = np.asarray(temperature_K, dtype=np.float64)
        return -self.amount * (self.slope + LOG_TEMPERATURE / temperature)


@cache
def _masses(elements: tuple[str, ...]) -> FloatArray:
    from pymatgen.core import Element

    try:
        return np.asarray([float(Element(element).atomic_mass) for element in elements])
    except ValueError as error:
        known = [element.symbol for element in Element]
        unknown = next(element for element in elements if element not in known)
        raise UnknownNameError("element", unknown, known) from error


def reduced_masses(fractions: FloatArray, elements: Sequence[str]) -> FloatArray:
    """Reduced mass m in u, shape [N], of compositions ``fractions`` [N, elements] (any normalisation).

    sum_{i<j} (x_i + x_j) mu_ij = sum_i x_i sum_{j != i} mu_ij over the elements that occur, mu_ij = m_i m_j / (m_i + m_j),
    is one product of matrices.

    Raises
    ------
    UnknownNameError
        An element that does not exist.
    InputError
        A composition with fewer than two elements.
    """
    masses = _masses(tuple(elements))
    pairs = masses[:, None] * masses / (masses[:, None] + masses)
    np.fill_diagonal(pairs, 0.0)
    shares = np.atleast_2d(np.asarray(fractions, dtype=np.float64))
    present = (shares > 0.0).astype(np.float64)
    count = present.sum(axis=1)
    if np.any(count < 2.0):
        raise InputError("the Gibbs descriptor needs compounds of at least two elements")
    total = np.einsum("ni,ni->n", shares, present @ pairs)
    return np.asarray(total / ((count - 1.0) * shares.sum(axis=1)), dtype=np.float64)


def gibbs_slopes(volumes_A3: ArrayLike, masses_u: ArrayLike) -> FloatArray:
    """Part of G_delta that is linear in T, a ln V + b m / V in eV/atom/K, shape of the arguments.

    Raises
    ------
    InputError
        A volume per atom that is not positive and finite.
    """
    volumes = np.asarray(volumes_A3, dtype=np.float64)
    if not np.all(np.isfinite(volumes) & (volumes > 0.0)):
        raise InputError("volumes per atom must be positive, in Å^3")
    return np.asarray(LOG_VOLUME * np.log(volumes) + MASS_PER_VOLUME * np.asarray(masses_u) / volumes)


def gibbs_increments(slopes: ArrayLike, temperature_K: ArrayLike) -> FloatArray:
    """G_delta in eV/atom, shape [*temperatures, *slopes], for ``slopes`` from :func:`gibbs_slopes`.

    Raises
    ------
    InputError
        A temperature that is not positive and finite.
    """
    temperature = np.asarray(temperature_K, dtype=np.float64)
    if not np.all(np.isfinite(temperature) & (temperature > 0.0)):
        raise InputError(f"temperature must be positive, in K; got {temperature}")
    return np.asarray(
        np.multiply.outer(temperature, np.asarray(slopes, dtype=np.float64))
        + np.expand_dims(
            LOG_TEMPERATURE * np.log(temperature) + OFFSET,
            axis=tuple(range(temperature.ndim, temperature.ndim + np.ndim(slopes))),
        )
    )


@cache
def _element_table() -> tuple[NDArray[np.float64], tuple[str, ...], FloatArray]:
    from pymatgen.entries.computed_entries import G_ELEMS

    rows = sorted((float(temperature), values) for temperature, values in G_ELEMS.items())
    names = tuple(sorted(set.intersection(*(set(values) for _, values in rows))))
    table = np.asarray([[values[name] for name in names] for _, values in rows], dtype=np.float64)
    if not np.all(np.isfinite(table)):
        raise DataError("pymatgen's table of the elements is damaged; reinstall pymatgen")
    return np.asarray([temperature for temperature, _ in rows]), names, table


def element_gibbs(elements: Sequence[str], temperature_K: ArrayLike) -> FloatArray:
    """G_i(T) of the elements in eV/atom, shape [temperatures, elements], linear between 300, 400, ... 2000 K.

    This is the table of pymatgen (made by the authors of the descriptor), used to compare with pymatgen.

    Raises
    ------
    UnknownNameError
        An element without data.
    InputError
        A temperature outside the table.
    """
    grid, names, table = _element_table()
    for element in elements:
        if element not in names:
            raise UnknownNameError("element", element, names)
    temperature = np.atleast_1d(np.asarray(temperature_K, dtype=np.float64))
    if not np.all((temperature >= grid[0]) & (temperature <= grid[-1])):
        raise InputError(f"temperature must be from {grid[0]:g} to {grid[-1]:g} K; got {temperature}")
    low = np.clip(np.searchsorted(grid, temperature, side="right") - 1, 0, len(grid) - 2)
    weight = ((temperature - grid[low]) / (grid[low + 1] - grid[low]))[:, None]
    columns = table[:, [names.index(element) for element in elements]]
    return np.asarray((1.0 - weight) * columns[low] + weight * columns[low + 1])


def formation_gibbs(
    enthalpies_eV: ArrayLike,
    *,
    volumes_A3: ArrayLike,
    fractions: FloatArray,
    elements: Sequence[str],
    temperature_K: ArrayLike,
) -> FloatArray:
    """dG_f(T) of N solids from the elements at T in eV/atom, shape [temperatures, N].

    Parameters
    ----------
    enthalpies_eV : [N] formation enthalpies, eV/atom
    volumes_A3 : [N] volumes, Å^3 per atom
    fractions : [N, elements] atom fractions in the order of ``elements``
    temperature_K : scalar or [temperatures], 300 to 2000 K

    Raises
    ------
    UnknownNameError, InputError
        An unknown element, a composition of one element, a volume or temperature outside its range.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    shares = shares / shares.sum(axis=1, keepdims=True)
    slopes = gibbs_slopes(volumes_A3, reduced_masses(shares, elements))
    temperature = np.atleast_1d(np.asarray(temperature_K, dtype=np.float64))
    total = gibbs_increments(slopes, temperature)
    total += np.asarray(enthalpies_eV, dtype=np.float64)
    total -= element_gibbs(elements, temperature) @ shares.T
    return total
