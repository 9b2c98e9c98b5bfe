"""Equilibrium as a linear program: which phases a composition becomes, and at which chemical potentials.

    minimise  sum_j G_j n_j   subject to   sum_j a_ej n_j = b_e  for every element e,   n_j >= 0

Gases whose pressure is given are open: mu = G + R T ln p, and their amount may have either sign. Gases without a
pressure may form as a pure gas at 1 bar. The duals of the element balances are the chemical potentials of the
elements, so mu of any formula costs nothing. Columns are counted per mole of atoms; after HiGHS has found the
basis, amounts and duals are solved again from it, so balances close to round-off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R

from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.data.exceptions import CompositionError, ConvergenceError, InputError

#: Energy that one unit of the linear program stands for, J per mole of atoms.
ENERGY_UNIT = 1e5
#: Amounts (mole of atoms per mole of atoms of the mixture) below this are absent.
AMOUNT_TOLERANCE = 1e-9
_FEASIBILITY = 1e-10


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The phases of lowest free energy and the chemical potentials at which they stand.

    Attributes
    ----------
    amounts : mole of each stable condensed phase and of each gas; an open gas counts positive when it is released
        and negative when it is taken up
    gibbs_J : free energy of the condensed products plus released minus consumed gas, J
    element_potentials : mu of each element, J/mol, on the scale of the library
    unique : False where the composition holds fewer phases than elements (a point, not a region, of chemical
        potentials is then one choice among several)
    warnings : stable phases used outside the temperature range of their data
    """

    amounts: Mapping[str, float]
    gibbs_J: float
    element_potentials: Mapping[str, float]
    temperature_K: float
    pressures_bar: Mapping[str, float]
    unique: bool
    warnings: tuple[str, ...]
    library: PhaseLibrary

    def mu(self, formula: str) -> float:
        """Chemical potential of ``formula`` on the scale of the library, J/mol.

        Raises
        ------
        InputError
            The formula holds an element that is not part of this equilibrium.
        """
        composition = parse_formula(formula)
        missing = sorted(set(composition) - set(self.element_potentials))
        if missing:
            raise InputError(f"element {missing[0]} of '{formula}' is not part of this equilibrium")
        return sum(amount * self.element_potentials[element] for element, amount in composition.items())

    def relative_mu(self, formula: str) -> float:
        """Chemical potential of ``formula`` relative to its stable pure phase at the same temperature, J/mol.

        Raises
        ------
        InputError, UnknownNameError
            See :meth:`mu` and :meth:`PhaseLibrary.stable`.
        """
        pure = self.library.stable(formula, temperature_K=self.temperature_K)
        return self.mu(formula) - float(pure.gibbs(self.temperature_K))


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

    def solve(self, vector: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
        """Solve for the element amounts ``vector`` (mol, shape [elements]).

        Returns
        -------
        amounts [phases] in mol of formula, chemical potentials [elements] in J/mol, and whether these are unique.

        Raises
        ------
        InputError
            No phases can make up the composition, or the open gases are not in equilibrium with each other.
        ConvergenceError
            The solver gave up, or its basis does not balance.
        """
        from scipy.optimize import linprog

        total = float(vector.sum())
        matrix, cost = self.counts / self.atoms, self.costs / self.atoms / ENERGY_UNIT
        result = linprog(
            cost,
            A_eq=matrix,
            b_eq=vector / total,
            bounds=[(None, None) if free else (0.0, None) for free in self.is_open],
            method="highs",
            options={
                "primal_feasibility_tolerance": _FEASIBILITY,
                "dual_feasibility_tolerance": _FEASIBILITY,
            },
        )
        if result.status in (2, 3, 4):
            self._explain(vector)
        if result.status != 0:
            raise ConvergenceError(
                f"the equilibrium at {self.temperature_K:g} K was not found: {result.message}"
            )
        return self._polish(result.x, result.eqlin.marginals, vector / total, total)

    def _polish(
        self, guess: FloatArray, duals: FloatArray, target: FloatArray, total: float
    ) -> tuple[FloatArray, FloatArray, bool]:
        matrix, cost = self.counts / self.atoms, self.costs / self.atoms
        basis = np.flatnonzero(self.is_open | (guess > AMOUNT_TOLERANCE))
        columns = matrix[:, basis]
        inside = columns.any(axis=1) | (target > 0.0)
        solution, _, rank, _ = np.linalg.lstsq(columns, target, rcond=None)
        if np.max(np.abs(columns @ solution - target)) > 1e-10:
            raise ConvergenceError(
                f"the equilibrium at {self.temperature_K:g} K does not balance its elements"
            )
        amounts = np.zeros_like(guess)
        amounts[basis] = solution
        amounts[~self.is_open & (amounts < 0.0)] = 0.0
        potentials = np.asarray(duals, dtype=np.float64) * ENERGY_UNIT
        change = np.linalg.lstsq(columns.T, cost[basis] - columns.T @ potentials, rcond=None)[0]
        return amounts * total / self.atoms, potentials + change, bool(rank >= inside.sum())

    def _explain(self, vector: FloatArray) -> None:
        """Raise the error that tells why there is no equilibrium, if the reason is the user's."""
        open_columns = self.counts[:, self.is_open]
        for j in np.flatnonzero(~self.is_open):
            amounts, *_ = np.linalg.lstsq(open_columns, self.counts[:, j], rcond=None)
            if np.max(np.abs(open_columns @ amounts - self.counts[:, j])) > 1e-9:
                continue
            if self.costs[j] < amounts @ self.costs[self.is_open] - 1e-3:
                gases = ", ".join(self.pressures_bar)
                raise InputError(
                    f"at the given pressures the open gases ({gases}) would turn into {self.library.names[j]} "
                    "without end; lower their pressure or leave one of them closed"
                )
        if len(self.pressures_bar) > np.linalg.matrix_rank(open_columns):
            gases = ", ".join(self.pressures_bar)
            raise InputError(
                f"the open gases ({gases}) are not in equilibrium with each other; leave one closed"
            )
        needed = ", ".join(e for e, amount in zip(self.elements, vector, strict=True) if amount > 0.0)
        raise InputError(
            f"no combination of the phases in use has the composition asked for (elements {needed})"
        )

    def balance_error(self, amounts: FloatArray, vector: FloatArray) -> float:
        """Largest element residual relative to all atoms."""
        return float(np.max(np.abs(self.counts @ amounts - vector)) / vector.sum())

    def warnings(self, amounts: FloatArray) -> tuple[str, ...]:
        """Name phases present in ``amounts`` whose data do not cover the temperature."""
        return tuple(
            f"{phase.name} is used at {self.temperature_K:g} K, outside its data "
            f"({phase.range_K[0]:g} to {phase.range_K[1]:g} K)"
            for phase, amount in zip(self.library.phases, amounts, strict=True)
            if abs(amount) > 0.0 and not phase.covers(self.temperature_K)
        )

    def named(self, amounts: FloatArray) -> dict[str, float]:
        """List amounts (mol) that are not zero by phase name; condensed phases first."""
        scale = float(np.abs(amounts * self.atoms).sum())
        return {
            phase.name: float(amount)
            for phase, amount in zip(self.library.phases, amounts, strict=True)
            if abs(amount) * phase.atoms > AMOUNT_TOLERANCE * scale
        }


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
    if not 250.0 <= temperature_K <= 2500.0:
        raise InputError(f"temperature must lie between 250 and 2500 K; got {temperature_K:g} K")
    for gas, pressure in pressures_bar.items():
        if not (np.isfinite(pressure) and 0.0 < pressure <= 1e4):
            raise InputError(f"pressure of {gas} must be above 0 and at most 1e4 bar; got {pressure:g}")
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
    costs = used.gibbs(temperature_K) + R * temperature_K * log_pressure
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


def as_composition(composition: Mapping[str, float] | str, library: PhaseLibrary) -> Mapping[str, float]:
    """Read a composition given as element amounts, a formula, or the name of a phase.

    Raises
    ------
    CompositionError, UnknownNameError
        The text is neither a formula nor a name.
    """
    if not isinstance(composition, str):
        return composition
    try:
        return parse_formula(composition)
    except CompositionError:
        return library.phase(composition).composition


def equilibrium(
    library: PhaseLibrary,
    composition: Mapping[str, float] | str,
    *,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
    extra: Iterable[Phase] = (),
) -> Equilibrium:
    """Find the equilibrium of ``composition`` (mol of each element, a formula or a phase name) under open gases.

    Parameters
    ----------
    temperature_K, pressures_bar, exclude, extra : see :func:`make_problem`

    Returns
    -------
    Equilibrium with amounts in mol for the composition as given.

    Raises
    ------
    InputError
        A pressure or temperature outside its range, an element without a phase, or open gases that react.
    ConvergenceError
        The solver gave up.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> result = equilibrium(load_library(), "CoO", temperature_K=900.0, pressures_bar={"O2": 0.21})
    >>> sorted(result.amounts)
    ['Co3O4', 'O2(g)']
    """
    atoms = as_composition(composition, library)
    problem = make_problem(
        library,
        atoms,
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        extra=extra,
    )
    vector = problem.vector(atoms)
    amounts, potentials, unique = problem.solve(vector)
    named = problem.named(amounts)
    return Equilibrium(
        amounts=MappingProxyType(named),
        gibbs_J=float(problem.costs @ amounts),
        element_potentials=MappingProxyType(dict(zip(problem.elements, potentials.tolist(), strict=True))),
        temperature_K=float(temperature_K),
        pressures_bar=problem.pressures_bar,
        unique=unique,
        warnings=problem.warnings(np.where([n in named for n in problem.library.names], amounts, 0.0)),
        library=problem.library,
    )


def describe(problem: LinearProblem, amounts: Mapping[str, float]) -> list[dict[str, Any]]:
    """List products as {"phase", "formula", "mol"}; condensed phases first, largest first, then gases."""
    phases = {phase.name: phase for phase in problem.library.phases}
    order = sorted(amounts, key=lambda name: (phases[name].state == "g", -abs(amounts[name])))
    return [{"phase": name, "formula": phases[name].formula, "mol": amounts[name]} for name in order]
