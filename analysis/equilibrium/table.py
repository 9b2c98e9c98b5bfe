"""Equilibria of thousands of conditions at once: temperature, gas pressures and composition each in lanes.

The linear program is that of :mod:`cosinter.analysis.equilibrium.lp`; one condition is one lane, and every round of the
simplex prices all phases of all lanes in one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosinter.analysis.equilibrium.lp import (
    AMOUNT_TOLERANCE,
    LinearProblem,
    as_composition,
    check_conditions,
    make_problem,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, range_warning
from cosinter.data.exceptions import InputError

Composition = Mapping[str, float] | str


@dataclass(frozen=True, eq=False)
class EquilibriumTable:
    """Equilibria under k conditions.

    Attributes
    ----------
    problem : phases in the order of the columns, elements in the order of the rows
    temperatures_K : shape [k]
    pressures_bar : {open gas: shape [k]}
    compositions : mol of each element, shape [k, elements]
    amounts : mol of each phase; an open gas counts positive when released, negative when taken up, shape [k, phases]
    gibbs_J : free energy of the condensed products plus released minus consumed gas, shape [k]
    potentials : chemical potentials of the elements, J/mol, shape [k, elements]
    unique : False where other potentials are as good, shape [k]
    """

    problem: LinearProblem
    temperatures_K: FloatArray
    pressures_bar: Mapping[str, FloatArray]
    compositions: FloatArray
    amounts: FloatArray
    gibbs_J: FloatArray
    potentials: FloatArray
    unique: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.gibbs_J)

    @property
    def library(self) -> PhaseLibrary:
        """The phases."""
        return self.problem.library

    @property
    def present(self) -> NDArray[np.bool_]:
        """Phases whose amount is not zero beside the whole, shape [k, phases]."""
        atoms = np.abs(self.amounts) * self.problem.atoms
        return np.asarray(atoms > AMOUNT_TOLERANCE * atoms.sum(axis=1, keepdims=True), dtype=np.bool_)

    def products(self, condition: int) -> dict[str, float]:
        """Phases and amounts (mol) of one condition."""
        return self.problem.named(self.amounts[condition])

    def mu(self, formula: str) -> FloatArray:
        """Chemical potential of ``formula`` on the scale of the library, J/mol, shape [k].

        Raises
        ------
        InputError
            The formula holds an element that is not part of these equilibria.
        """
        composition = parse_formula(formula)
        for element in composition:
            if element not in self.problem.elements:
                raise InputError(f"element {element} of '{formula}' is not part of these equilibria")
        counts = np.asarray([composition.get(element, 0.0) for element in self.problem.elements])
        return np.asarray(self.potentials @ counts)

    def relative_mu(self, formula: str) -> FloatArray:
        """Chemical potential of ``formula`` relative to its stable pure phase at each temperature, J/mol, [k].

        Raises
        ------
        InputError, UnknownNameError
            See :meth:`mu` and :meth:`PhaseLibrary.candidates`.
        """
        forms = [phase.gibbs(self.temperatures_K) for phase in self.library.candidates(formula)]
        return self.mu(formula) - np.asarray(np.min(forms, axis=0), dtype=np.float64)

    def warnings(self) -> tuple[str, ...]:
        """Name phases used outside the temperatures of their data, once each."""
        listed = []
        for phase, used in zip(self.library.phases, self.present.T, strict=True):
            outside = [t for t in self.temperatures_K[used].tolist() if not phase.covers(t)]
            text = range_warning(phase, min(outside), max(outside)) if outside else None
            listed += [text] if text else []
        return tuple(listed)


def equilibria(
    library: PhaseLibrary,
    compositions: Composition | Sequence[Composition],
    *,
    temperatures_K: ArrayLike,
    pressures_bar: Mapping[str, ArrayLike],
    exclude: Iterable[str] = (),
    extra: Iterable[Phase] = (),
) -> EquilibriumTable:
    """Find the equilibria of k conditions at once.

    Parameters
    ----------
    compositions : one for all, or k of them: mol of each element, a formula or a phase name
    temperatures_K : one for all, or shape [k]
    pressures_bar : {open gas: one pressure for all, or shape [k]}
    exclude, extra : see :func:`~cosinter.analysis.equilibrium.lp.make_problem`

    Raises
    ------
    InputError, UnknownNameError, CompositionError
        A value out of range, lengths that do not match, an element without a phase, or open gases that react.
    ConvergenceError
        The solver's certificate failed.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> table = equilibria(load_library(), "CoO", temperatures_K=[900.0, 1300.0], pressures_bar={"O2": 0.21})
    >>> [sorted(table.products(i)) for i in range(2)]
    [['Co3O4', 'O2(g)'], ['CoO']]
    """
    single = isinstance(compositions, str | Mapping)
    listed = [compositions] if single else list(compositions)
    atoms = [as_composition(one, library) for one in listed]  # type: ignore[arg-type]
    check_conditions(temperatures_K, pressures_bar)
    temperature = np.atleast_1d(np.asarray(temperatures_K, dtype=np.float64))
    pressures = {gas: np.atleast_1d(np.asarray(p, dtype=np.float64)) for gas, p in pressures_bar.items()}
    sizes = {"compositions": len(atoms), "temperatures": len(temperature)}
    sizes |= {f"pressures of {gas}": len(values) for gas, values in pressures.items()}
    count = _common_length(sizes)
    problem = make_problem(
        library,
        {element for one in atoms for element, amount in one.items() if amount != 0.0},
        temperature_K=float(temperature[0]),
        pressures_bar={gas: float(values[0]) for gas, values in pressures.items()},
        exclude=exclude,
        extra=extra,
    )
    vectors = np.asarray([problem.vector(one) for one in atoms])
    found = problem.minima(vectors, costs=problem.costs_at(temperature, pressures))
    return EquilibriumTable(
        problem=problem,
        temperatures_K=_spread(temperature, count),
        pressures_bar=MappingProxyType({gas: _spread(p, count) for gas, p in pressures.items()}),
        compositions=_spread(vectors, count),
        amounts=_spread(found.dense(len(problem.costs)), count),
        gibbs_J=_spread(found.value, count),
        potentials=_spread(found.duals, count),
        unique=np.broadcast_to(found.unique, (count,)),
    )


def _spread(values: FloatArray, count: int) -> FloatArray:
    return np.broadcast_to(values, (count, *values.shape[1:]))


def _common_length(sizes: Mapping[str, int]) -> int:
    """Read the number of conditions from arrays that have one entry or all of them.

    Raises
    ------
    InputError
        Nothing is asked for, or two lengths differ.
    """
    for what, size in sizes.items():
        if size == 0:
            raise InputError(f"there must be at least one condition; got no {what}")
    many = {what: size for what, size in sizes.items() if size > 1}
    if len(set(many.values())) > 1:
        text = ", ".join(f"{size} {what}" for what, size in many.items())
        raise InputError(f"conditions must be given once or as many times as all others; got {text}")
    return max(sizes.values())
