"""The linear program of an equilibrium: phases as columns, elements as rows, open gases as free columns.

    minimise  sum_j G_j n_j   subject to   sum_j a_ej n_j = b_e  for every element e,   n_j >= 0

Gases whose pressure is given are open: mu = G + R T ln p, and their amount may have either sign (free columns of the
program, with no separate grand potential). Gases without a pressure may form as a pure gas at 1 bar. The duals of the
element balances are the chemical potentials of the elements, so mu of any formula costs nothing. Amounts come from the
basis itself, never from names, so balances close to round-off. Solver: :mod:`cosinter.analysis.equilibrium.simplex`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import Avogadro, R, e

from cosinter.analysis.equilibrium.products import merge_products
from cosinter.analysis.equilibrium.simplex import (
    Basis,
    InfeasibleError,
    Path,
    Solution,
    UnboundedError,
    minimise,
    walk,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, range_warning
from cosinter.data.exceptions import CompositionError, InputError

#: Amounts (mole of atoms per mole of atoms of the mixture) below this are absent.
AMOUNT_TOLERANCE = 1e-9
#: A bend of G along a line by less than 1e-9 eV per atom is no kink; J per mole of atoms.
KINK_TOLERANCE = 1e-9 * e * Avogadro
#: Temperatures (K) and pressures (bar) that a request may have.
TEMPERATURES_K = (250.0, 2500.0)
HIGHEST_PRESSURE_BAR = 1e4


@dataclass(frozen=True, eq=False)
class LinearProblem:
    """One set of phases, temperature and open gases, ready to solve for many compositions.

    Attributes
    ----------
    library : phases in the order of the columns
    elements : rows
    counts : atoms per formula, shape [elements, phases]
    costs : G of each column with R T ln p for the open gases, J/mol, shape [phases]
    is_open : columns of open gases, shape [phases]
    """

    library: PhaseLibrary
    elements: tuple[str, ...]
    temperature_K: float
    pressures_bar: Mapping[str, float]
    counts: FloatArray
    costs: FloatArray
    is_open: NDArray[np.bool_]

    @cached_property
    def atoms(self) -> FloatArray:
        """Atoms per formula, shape [phases]."""
        return np.asarray(self.counts.sum(axis=0), dtype=np.float64)

    def vector(self, composition: Mapping[str, float]) -> FloatArray:
        """Order ``composition`` by the rows, shape [elements].

        Raises
        ------
        CompositionError
            An amount is negative, nothing is left, or an element has no phase.
        """
        for element, amount in composition.items():
            if not np.isfinite(amount) or amount < 0.0:
                raise CompositionError(f"amount of {element} must be positive or zero; got {amount:g}")
            if element not in self.elements and amount > 0.0:
                raise CompositionError(
                    f"element {element} has no phase among those in use; leave it out or add a phase that holds it"
                )
        vector = np.asarray([composition.get(element, 0.0) for element in self.elements], dtype=np.float64)
        if vector.sum() <= 0.0:
            raise CompositionError("the composition holds no atoms")
        return vector

    def costs_at(
        self, temperatures_K: ArrayLike, pressures_bar: Mapping[str, ArrayLike] | None = None
    ) -> FloatArray:
        """Costs of the same columns under other conditions, J/mol, shape [conditions, phases].

        Parameters
        ----------
        temperatures_K : one, or shape [conditions]
        pressures_bar : {open gas: one pressure, or shape [conditions]}; as in :attr:`pressures_bar` where left out

        Raises
        ------
        InputError
            A value out of range, or a gas that is not open in this problem.
        """
        pressures = dict(self.pressures_bar) | dict(pressures_bar or {})
        for gas in pressures:
            if gas not in self.pressures_bar:
                raise InputError(
                    f"gas {gas} is not open here; open are {', '.join(self.pressures_bar) or 'none'}"
                )
        check_conditions(temperatures_K, pressures)
        temperature = np.atleast_1d(np.asarray(temperatures_K, dtype=np.float64))
        different, where = np.unique(temperature, return_inverse=True)
        costs = free_energies(self.library, different)[where]
        names = self.library.names
        for gas, pressure in pressures.items():
            shift = R * temperature * np.log(np.asarray(pressure, dtype=np.float64))
            costs = np.repeat(costs, len(shift), axis=0) if len(costs) < len(shift) else costs
            costs[:, names.index(self.library.gas(gas).name)] += shift
        return costs

    def minima(
        self, vectors: FloatArray, *, costs: FloatArray | None = None, start: Basis | None = None
    ) -> Solution:
        """Solve for element amounts ``vectors`` (mol, shape [elements] or [lanes, elements]) in one go.

        Parameters
        ----------
        costs : other costs than :attr:`costs`, J/mol, shape [phases] or [lanes, phases]
        start : basis of a similar solution

        Raises
        ------
        InputError
            No phases can make up a composition, or the open gases are not in equilibrium with each other.
        ConvergenceError
            The solver's certificate failed.
        """
        price = self.costs if costs is None else costs
        try:
            return minimise(self.counts, price, vectors, free=self.is_open, start=start)
        except (InfeasibleError, UnboundedError) as error:
            raise self._explained(error, vectors) from None

    def paths(
        self,
        start: FloatArray,
        end: FloatArray,
        *,
        costs: FloatArray | None = None,
        tolerance: float = KINK_TOLERANCE,
        basis: Basis | None = None,
    ) -> list[Path]:
        """Find every kink between element amounts ``start`` and ``end`` (mol, shape [elements] or [lanes, elements]).

        Parameters
        ----------
        costs : see :meth:`minima`
        tolerance : smallest change of slope of a kink, J per mole of atoms
        basis : basis of a similar line at its middle

        Raises
        ------
        InputError, ConvergenceError
            See :meth:`minima`.
        """
        price = self.costs if costs is None else costs
        try:
            return walk(self.counts, price, start, end, free=self.is_open, tolerance=tolerance, basis=basis)
        except (InfeasibleError, UnboundedError) as error:
            raise self._explained(error, 0.5 * (start + end)) from None

    def solve(self, vector: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
        """Solve for the element amounts ``vector`` (mol, shape [elements]).

        Returns
        -------
        amounts [phases] in mol of formula, chemical potentials [elements] in J/mol, and whether these are unique.

        Raises
        ------
        InputError, ConvergenceError
            See :meth:`minima`.
        """
        found = self.minima(vector)
        return found.dense(len(self.costs))[0], found.duals[0], bool(found.unique[0])

    def _explained(self, error: InfeasibleError | UnboundedError, vectors: FloatArray) -> InputError:
        """Say in the user's words why there is no equilibrium."""
        gases = ", ".join(self.pressures_bar)
        if isinstance(error, InfeasibleError):
            rows = np.atleast_2d(vectors)
            wanted = rows[min(error.lane, len(rows) - 1)]
            needed = ", ".join(el for el, amount in zip(self.elements, wanted, strict=True) if amount > 0.0)
            return CompositionError(
                f"no combination of the phases in use has the composition asked for (elements {needed})"
            )
        if self.is_open[error.ray]:
            return InputError(
                f"the open gases ({gases}) are not in equilibrium with each other; leave one closed"
            )
        return InputError(
            f"at the given pressures the open gases ({gases}) would turn into {self.library.names[error.ray]} "
            "without end; lower their pressure or leave one of them closed"
        )

    def balance_error(self, amounts: FloatArray, vector: FloatArray) -> float:
        """Largest element residual relative to all atoms."""
        return float(np.max(np.abs(self.counts @ amounts - vector)) / vector.sum())

    def warnings(self, amounts: NDArray[Any]) -> tuple[str, ...]:
        """Name phases present in ``amounts`` whose data do not cover the temperature."""
        used = (self.library.phases[j] for j in np.flatnonzero(amounts))
        return tuple(text for phase in used if (text := range_warning(phase, self.temperature_K)))

    def present(self, amounts: FloatArray) -> NDArray[np.intp]:
        """Columns whose ``amounts`` (mol, shape [phases]) are not zero beside the whole."""
        atoms = np.abs(amounts * self.atoms)
        return np.flatnonzero(atoms > AMOUNT_TOLERANCE * atoms.sum())

    def named(self, amounts: FloatArray) -> dict[str, float]:
        """List amounts (mol) that are not zero by phase name, in the order of the library."""
        names = self.library.names
        return {names[j]: float(amounts[j]) for j in self.present(amounts)}


def free_energies(library: PhaseLibrary, temperatures_K: ArrayLike) -> FloatArray:
    """G of all phases at 1 bar, J/mol, shape [*temperatures, phases].

    Raises
    ------
    InputError
        A phase has no number there; its name is told.
    """
    gibbs = library.gibbs(temperatures_K)
    if not np.isfinite(gibbs).all():
        wrong = library.names[int(np.argwhere(~np.isfinite(gibbs))[0, -1])]
        raise InputError(f"the free energy of {wrong} is not a number at the temperature asked for")
    return gibbs


def check_conditions(temperatures_K: ArrayLike, pressures_bar: Mapping[str, ArrayLike]) -> None:
    """Refuse temperatures and pressures (one value or an array each) outside their ranges.

    Raises
    ------
    InputError
        Names the first value that is out of range.
    """
    temperatures = np.atleast_1d(np.asarray(temperatures_K, dtype=np.float64))
    low, high = TEMPERATURES_K
    for value in temperatures[~((temperatures >= low) & (temperatures <= high))][:1]:
        raise InputError(f"temperature must lie between {low:g} and {high:g} K; got {value:g} K")
    for gas, pressure in pressures_bar.items():
        values = np.atleast_1d(np.asarray(pressure, dtype=np.float64))
        for value in values[~((values > 0.0) & (values <= HIGHEST_PRESSURE_BAR))][:1]:
            raise InputError(
                f"pressure of {gas} must be above 0 and at most {HIGHEST_PRESSURE_BAR:g} bar; got {value:g}"
            )


def make_problem(
    library: PhaseLibrary,
    elements: Iterable[str],
    *,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
    extra: Iterable[Phase] = (),
) -> LinearProblem:
    """Set up the linear program for compositions of ``elements`` under open gases.

    Parameters
    ----------
    elements : elements of the compositions to come; those of the open gases are added
    temperature_K : 250 to 2500 K
    pressures_bar : {gas formula: partial pressure in bar}, held fixed
    exclude : names of phases that must not form
    extra : phases added to the library, for example solutions of a given composition

    Raises
    ------
    InputError
        Temperature or a pressure outside its range, or an open gas that is excluded.
    UnknownNameError
        No such gas or phase.
    """
    check_conditions(temperature_K, pressures_bar)
    gases = {library.gas(formula).name: pressure for formula, pressure in pressures_bar.items()}
    rows = set(elements).union(*(parse_formula(formula) for formula in pressures_bar))
    used = library.restricted(exclude=exclude).with_phases(*extra).restricted(elements=rows)
    if not used.phases:
        raise CompositionError(f"no phase among those in use is made of {', '.join(sorted(rows))} alone")
    for name in gases:
        if name not in used:
            raise InputError(f"gas {name} is both open and excluded; choose one")
    order = tuple(sorted(rows & set(used.elements)))
    counts = np.asarray([[phase.composition.get(e, 0.0) for phase in used.phases] for e in order])
    log_pressure = np.asarray([np.log(gases.get(name, 1.0)) for name in used.names])
    costs = free_energies(used, temperature_K) + R * temperature_K * log_pressure
    is_open = np.asarray([name in gases for name in used.names], dtype=np.bool_)
    return LinearProblem(
        library=used,
        elements=order,
        temperature_K=float(temperature_K),
        pressures_bar=MappingProxyType(dict(pressures_bar)),
        counts=counts,
        costs=costs,
        is_open=is_open,
    )


def describe(problem: LinearProblem, amounts: Mapping[str, float]) -> list[dict[str, Any]]:
    """List products as {"phase", "formula", "mol"}; condensed phases first, largest first, then gases.

    Samples of one solution are joined, see :func:`~cosinter.analysis.equilibrium.products.merge_products`.
    """
    phases = {phase.name: phase for phase in problem.library.phases}
    return merge_products([(phases[name], mol) for name, mol in amounts.items()], problem.temperature_K)
