"""Equilibrium of one composition: which phases it becomes, and at which chemical potentials.

The linear program is that of :mod:`~cosinter.analysis.equilibrium.problem`; many conditions at once are in
:mod:`~cosinter.analysis.equilibrium.table`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.problem import (
    AMOUNT_TOLERANCE,
    KINK_TOLERANCE,
    LinearProblem,
    check_conditions,
    describe,
    make_problem,
)
from cosinter.analysis.equilibrium.products import merge_products
from cosinter.analysis.thermochemistry import solution_models
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.data.exceptions import CompositionError, InputError

__all__ = [
    "AMOUNT_TOLERANCE",
    "KINK_TOLERANCE",
    "Equilibrium",
    "LinearProblem",
    "as_composition",
    "check_conditions",
    "describe",
    "equilibrium",
    "make_problem",
]


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The phases of lowest free energy and the chemical potentials at which they stand.

    Attributes
    ----------
    amounts : mole of each stable condensed phase and of each gas; an open gas counts positive when it is released
        and negative when it is taken up
    gibbs_J : free energy of the condensed products plus released minus consumed gas, J
    element_potentials : mu of each element, J/mol, on the scale of the library
    unique : False where the stable phases leave the potentials a choice (fewer phases than elements; a solution
        counts once for each of its end members)
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

    @property
    def products(self) -> list[dict[str, Any]]:
        """Phases as {"phase", "formula", "mol"}, samples of one solution joined; condensed first."""
        phases = {phase.name: phase for phase in self.library.phases}
        named = [(phases[name], mol) for name, mol in self.amounts.items()]
        return merge_products(named, self.temperature_K)

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
    solutions: Iterable[solution_models.Solution] = (),
) -> Equilibrium:
    """Find the equilibrium of ``composition`` (mol of each element, a formula or a phase name) under open gases.

    Parameters
    ----------
    temperature_K, pressures_bar, exclude, extra : see :func:`make_problem`
    solutions : solid solutions and melts that may form, see :mod:`~cosinter.analysis.equilibrium.refine`

    Returns
    -------
    Equilibrium with amounts in mol for the composition as given.

    Raises
    ------
    InputError
        A pressure or temperature outside its range, an element without a phase, or open gases that react.
    ConvergenceError
        The solver's certificate failed.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> result = equilibrium(load_library(), "CoO", temperature_K=900.0, pressures_bar={"O2": 0.21})
    >>> sorted(result.amounts)
    ['Co3O4', 'O2(g)']
    """
    atoms = as_composition(composition, library)
    problem = make_problem(
        library,
        [element for element, amount in atoms.items() if amount != 0.0],
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        extra=extra,
    )
    vector = problem.vector(atoms)
    amounts, potentials, unique = problem.solve(vector)
    if models := tuple(solutions):
        from cosinter.analysis.equilibrium.refine import refine_points

        refined = refine_points(problem, models, vector)
        problem, amounts, potentials = refined.problem, refined.amounts[0], refined.potentials[0]
        unique = bool(refined.unique[0])
    return Equilibrium(
        amounts=MappingProxyType(problem.named(amounts)),
        gibbs_J=float(problem.costs @ amounts),
        element_potentials=MappingProxyType(dict(zip(problem.elements, potentials.tolist(), strict=True))),
        temperature_K=float(temperature_K),
        pressures_bar=problem.pressures_bar,
        unique=unique,
        warnings=problem.warnings(np.isin(np.arange(amounts.size), problem.present(amounts))),
        library=problem.library,
    )
