"""One mixing line under many conditions: temperatures and partial pressures in lockstep, and maps over the ratio.

All conditions share the phases (columns of the linear program) and differ in their costs, so they are lanes of one
parametric simplex. Between two kinks everything is linear in the mole fraction x, so that a map over x is exact
however fine it is:

    dG(x) = G_eq[x A + (1 - x) B] - x G_A - (1 - x) G_B          J per mole of mixture, see
                                                                 :mod:`cosinter.analysis.equilibrium.interface`

Solutions enter as fixed compositions, so that all conditions share their columns, see
:mod:`cosinter.analysis.equilibrium.fixed_compositions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosinter.analysis.equilibrium.fixed_compositions import solution_samples, with_samples
from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM, ZERO_CELSIUS
from cosinter.analysis.equilibrium.lp import (
    AMOUNT_TOLERANCE,
    LinearProblem,
    check_conditions,
    make_problem,
)
from cosinter.analysis.equilibrium.simplex import Basis, Path
from cosinter.analysis.equilibrium.tableau import BoolArray
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, range_warning
from cosinter.analysis.thermochemistry.solution_models import Solution, SolutionSample
from cosinter.data.exceptions import InputError

#: Ratios closer than this are one.
SAME_RATIO = 1e-6


@dataclass(frozen=True, eq=False)
class MixingLines:
    """The mixing line of A and B under L conditions, ready for the simplex.

    Attributes
    ----------
    problem : phases, elements and atoms per formula, the same for all conditions (its costs are those of the first)
    temperatures_K : shape [L]
    pressures_bar : {gas: shape [L]}
    costs : G of each phase with R T ln p for the open gases, J/mol, shape [L, phases]
    forms : the forms A and B may have (polymorphs, melt), all counted per the same formula
    stable : form of lowest G under each condition, shape [L, 2]
    gibbs : G of A and B, J/mol, shape [L, 2]
    vectors : atoms of A and B, mol, shape [2, elements]
    """

    problem: LinearProblem
    temperatures_K: FloatArray
    pressures_bar: Mapping[str, FloatArray]
    costs: FloatArray
    forms: tuple[tuple[Phase, ...], tuple[Phase, ...]]
    stable: NDArray[np.intp]
    gibbs: FloatArray
    vectors: FloatArray

    @property
    def formulas(self) -> tuple[str, str]:
        """Formulas of A and B as counted."""
        first, second = self.forms
        return first[0].formula, second[0].formula

    @property
    def reactants(self) -> tuple[Phase, ...]:
        """Forms of A and then of B that are stable under some condition."""
        return tuple(
            form[i] for form, used in zip(self.forms, self.stable.T, strict=True) for i in np.unique(used)
        )

    def atoms(self, moles: ArrayLike) -> FloatArray:
        """Atoms of x A + (1 - x) B, mol, same shape as ``moles``."""
        x = np.asarray(moles, dtype=np.float64)
        first, second = self.vectors.sum(axis=1)
        return np.asarray(x * first + (1.0 - x) * second, dtype=np.float64)

    def middle_basis(self) -> Basis:
        """Best basis of the first condition half way between A and B, to start similar lines from."""
        return self.problem.minima(self.vectors.mean(axis=0)).basis

    def walk(self, costs: FloatArray | None = None, basis: Basis | None = None) -> list[Path]:
        """Walk the line for ``costs`` (those of the conditions if not given), one path per lane; t is x.

        Raises
        ------
        InputError, ConvergenceError
            See :meth:`cosinter.analysis.equilibrium.lp.LinearProblem.paths`.
        """
        second, first = self.vectors[1], self.vectors[0]
        return self.problem.paths(second, first, costs=self.costs if costs is None else costs, basis=basis)

    @cached_property
    def products(self) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """See :func:`product_names`."""
        return product_names(self.problem)

    def presence(self, path: Path) -> tuple[BoolArray, BoolArray]:
        """Products at the kinks [kinks, products] and between them [kinks - 1, products].

        Open gases are products where they are released.
        """
        rows, columns = np.nonzero(self._columns(path))
        names, product = self.products
        there = np.zeros((len(path.positions), len(names)), dtype=np.bool_)
        there[rows, product[columns]] = True
        return there, there[:-1] | there[1:]

    def warnings(self, path: Path, mole: float, temperature_K: float) -> tuple[str, ...]:
        """Name products at ``mole`` and reactants whose data do not hold at ``temperature_K``."""
        there = self._columns(path)
        near = int(np.abs(path.positions - mole).argmin())
        after = int(np.clip(np.searchsorted(path.positions, mole), 1, len(path.positions) - 1))
        rows = [near] if abs(path.positions[near] - mole) < SAME_RATIO else [after - 1, after]
        every = self.problem.library.phases
        used = [every[j] for j in np.flatnonzero(there[rows].any(axis=0))]
        used += [min(form, key=lambda phase: float(phase.gibbs(temperature_K))) for form in self.forms]
        found = (range_warning(phase, temperature_K) for phase in used)
        return tuple(dict.fromkeys(text for text in found if text is not None))

    def _columns(self, path: Path) -> BoolArray:
        """Columns present at the kinks, shape [kinks, phases]."""
        amounts = path.dense(self.problem.counts.shape[1]) * self.problem.atoms
        return np.asarray(amounts > AMOUNT_TOLERANCE * self.atoms(path.positions)[:, None])


def product_names(problem: LinearProblem) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Names of products, and which of them each column of the program is, shape [phases].

    All samples of a solution and its pure end members are one product of its name; a composition with a name of its
    own, such as a reactant, is a phase of its own.
    """
    samples = [
        phase
        for phase in problem.library.phases
        if isinstance(phase, SolutionSample) and phase.name.startswith(f"{phase.solution.name} ")
    ]
    solution = {member.phase: phase.solution.name for phase in samples for member in phase.solution.members}
    solution |= {phase.name: phase.solution.name for phase in samples}
    names = [solution.get(phase.name, phase.name) for phase in problem.library.phases]
    listed = tuple(dict.fromkeys(names))
    place = {name: i for i, name in enumerate(listed)}
    return listed, np.array([place[name] for name in names], dtype=np.intp)


def make_lines(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperatures_K: ArrayLike,
    pressures_bar: Mapping[str, ArrayLike],
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
) -> MixingLines:
    """Set up the mixing line of two reactants under many conditions; names mean their stable form under each.

    Parameters
    ----------
    temperatures_K, pressures_bar : scalars or shape [L]; one open gas set for all conditions
    library, exclude : see :func:`cosinter.analysis.equilibrium.interface.interface_reaction`
    solutions : solid solutions and melts that may form, as fixed compositions

    Raises
    ------
    InputError, UnknownNameError, CompositionError
        A temperature or pressure out of range, or a reactant, gas or phase that is not known.
    """
    check_conditions(temperatures_K, pressures_bar)
    values = [np.asarray(v, dtype=np.float64).ravel() for v in (temperatures_K, *pressures_bar.values())]
    temperatures, *pressures = (np.array(v) for v in np.broadcast_arrays(*values))
    if not temperatures.size:
        raise InputError("give at least one temperature and one pressure of each open gas")
    conditions = dict(zip(pressures_bar, pressures, strict=True))
    forms = _forms(first, library), _forms(second, library)
    elements = {element for form in forms for element in form[0].composition}
    for gas in conditions:
        elements |= set(library.gas(gas).composition)
    reactants = [
        phase
        for form, reactant in zip(forms, (first, second), strict=True)
        for phase in form
        if phase is reactant or phase.name not in library
    ]
    problem = make_problem(
        library,
        elements,
        temperature_K=float(temperatures[0]),
        pressures_bar={gas: float(pressure[0]) for gas, pressure in conditions.items()},
        exclude=exclude,
        extra=reactants,
    )
    models = tuple(solutions)
    if models:
        ends = [problem.vector(form[0].composition) for form in forms]
        problem = with_samples(problem, solution_samples(models, problem, ends, temperatures, conditions))
    energies = [np.stack([phase.gibbs(temperatures) for phase in form]) for form in forms]
    return MixingLines(
        problem=problem,
        temperatures_K=temperatures,
        pressures_bar=MappingProxyType(conditions),
        costs=problem.costs_at(temperatures, conditions),
        forms=forms,
        stable=np.stack([energy.argmin(axis=0) for energy in energies], axis=1),
        gibbs=np.stack([energy.min(axis=0) for energy in energies], axis=1),
        vectors=np.stack([problem.vector(form[0].composition) for form in forms]),
    )


def _forms(reactant: str | Phase, library: PhaseLibrary) -> tuple[Phase, ...]:
    return library.candidates(reactant) if isinstance(reactant, str) else (reactant,)


@dataclass(frozen=True, eq=False)
class LineScan:
    """The walked lines: every kink under every condition.

    Attributes
    ----------
    lines : the lines
    paths : kinks of each condition; ``values`` hold G_eq in J per mole of mixture
    """

    lines: MixingLines
    paths: tuple[Path, ...]

    def change(self, moles: ArrayLike) -> FloatArray:
        """DG at mole fractions ``moles`` [n] under every condition, J per mole of mixture, shape [L, n]."""
        x = np.atleast_1d(np.asarray(moles, dtype=np.float64))
        total = np.stack([path.value(x) for path in self.paths])
        gibbs = self.lines.gibbs
        return total - gibbs[:, :1] * x - gibbs[:, 1:] * (1.0 - x)

    @cached_property
    def strongest(self) -> tuple[FloatArray, FloatArray]:
        """Mole fraction and dG (meV/atom) of the kink of lowest dG per atom under every condition, [L] each."""
        return strongest_kinks(self.lines, self.paths, self.lines.gibbs)

    def map(self, moles: ArrayLike) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.intp]]:
        """Sets of products, and which of them forms at ``moles`` [n] under every condition, shape [L, n].

        At a kink the set of the interval above it counts; at pure A or B what that reactant itself becomes.
        """
        x = np.atleast_1d(np.asarray(moles, dtype=np.float64))
        sets: dict[bytes, int] = {}
        index = np.empty((len(self.paths), x.size), dtype=np.intp)
        for lane, path in enumerate(self.paths):
            kinks, between = self.lines.presence(path)
            rows = np.vstack([between, kinks[[0, -1]]])
            place = np.searchsorted(path.positions, x, side="right") - 1
            place = np.clip(place, 0, len(between) - 1)
            place = np.where(x <= 0.0, len(between), np.where(x >= 1.0, len(between) + 1, place))
            used, where = np.unique(place, return_inverse=True)
            number = np.array([sets.setdefault(rows[i].tobytes(), len(sets)) for i in used], dtype=np.intp)
            index[lane] = number[where]
        names = np.asarray(self.lines.products[0])
        listed = tuple(tuple(names[np.frombuffer(key, dtype=np.bool_)].tolist()) for key in sets)
        return listed, index


def strongest_kinks(
    lines: MixingLines, paths: Iterable[Path], gibbs: FloatArray, *, mutual: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Mole fraction and dG (meV/atom) of the kink of lowest dG per atom on each path, [lanes] each.

    Parameters
    ----------
    gibbs : G of A and B, J/mol, shape [lanes, 2]
    mutual : count from the reactants' own equilibria instead of the reactants as given
    """
    found = []
    for path, (first, second) in zip(paths, gibbs, strict=True):
        x = path.positions
        ends = (path.values[-1], path.values[0]) if mutual else (first, second)
        change = (path.values - x * ends[0] - (1.0 - x) * ends[1]) * MEV_PER_ATOM / lines.atoms(x)
        best = int(change.argmin())
        found.append((x[best], change[best]))
    moles, energies = np.asarray(found, dtype=np.float64).T
    return moles, energies


def scan_line(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperatures_K: ArrayLike,
    pressures_bar: Mapping[str, ArrayLike],
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
) -> LineScan:
    """Find every kink of a mixing line under many conditions at once.

    Parameters
    ----------
    See :func:`make_lines`.

    Raises
    ------
    InputError, UnknownNameError, CompositionError, ConvergenceError
        See :func:`make_lines` and :meth:`MixingLines.walk`.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> scan = scan_line("LiCoO2", "latp", library=load_library(),
    ...                  temperatures_K=[900.0, 1000.0], pressures_bar={"O2": 0.21})
    >>> scan.change([0.2, 0.5, 0.8]).shape
    (2, 3)
    """
    lines = make_lines(
        first,
        second,
        library=library,
        temperatures_K=temperatures_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        solutions=solutions,
    )
    return LineScan(lines, tuple(lines.walk()))


@dataclass(frozen=True, eq=False)
class ReactionMap:
    """Products and dG over temperature and ratio.

    Attributes
    ----------
    formulas : reactants A and B
    temperatures_K, pressures_bar : conditions, shape [L] each
    moles : mole fractions of A, shape [n]
    sets : sets of products, open gases where released
    index : set at each point, shape [L, n]
    dG_J_per_mol, dG_meV_per_atom : shape [L, n]
    warnings : phases used outside the temperatures of their data
    """

    formulas: tuple[str, str]
    temperatures_K: FloatArray
    pressures_bar: Mapping[str, FloatArray]
    moles: FloatArray
    sets: tuple[tuple[str, ...], ...]
    index: NDArray[np.intp]
    dG_J_per_mol: FloatArray
    dG_meV_per_atom: FloatArray
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the map in °C, kJ/mol and meV/atom, rows are conditions."""
        return {
            "reactants": list(self.formulas),
            "temperatures_C": (self.temperatures_K - ZERO_CELSIUS).tolist(),
            "pressures_bar": {gas: p.tolist() for gas, p in self.pressures_bar.items()},
            "moles": self.moles.tolist(),
            "sets": [list(names) for names in self.sets],
            "index": self.index.tolist(),
            "dG_kJ_per_mol": (self.dG_J_per_mol * 1e-3).tolist(),
            "dG_meV_per_atom": self.dG_meV_per_atom.tolist(),
            "warnings": list(self.warnings),
        }


def reaction_map(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperatures_K: ArrayLike,
    moles: ArrayLike,
    pressures_bar: Mapping[str, ArrayLike],
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
) -> ReactionMap:
    """Map products and dG over conditions (temperature, pressures) and mole fraction of the first reactant.

    Raises
    ------
    InputError
        A mole fraction outside 0 to 1; otherwise see :func:`scan_line`.
    """
    x = np.atleast_1d(np.asarray(moles, dtype=np.float64))
    if not (x.size and np.all((x >= 0.0) & (x <= 1.0))):
        raise InputError("mole fractions of a map must be numbers from 0 to 1")
    scan = scan_line(
        first,
        second,
        library=library,
        temperatures_K=temperatures_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        solutions=solutions,
    )
    sets, index = scan.map(x)
    change = scan.change(x)
    return ReactionMap(
        formulas=scan.lines.formulas,
        temperatures_K=scan.lines.temperatures_K,
        pressures_bar=scan.lines.pressures_bar,
        moles=x,
        sets=sets,
        index=index,
        dG_J_per_mol=change,
        dG_meV_per_atom=change * MEV_PER_ATOM / scan.lines.atoms(x),
        warnings=_map_warnings(scan, sets),
    )


def _map_warnings(scan: LineScan, sets: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Name products and reactants used outside the temperatures of their data."""
    coldest, hottest = scan.lines.temperatures_K.min(), scan.lines.temperatures_K.max()
    used = {name for names in sets for name in names}
    listed, product = scan.lines.products
    columns = zip(scan.lines.problem.library.phases, product, strict=True)
    phases = [phase for phase, i in columns if listed[i] in used]
    phases += scan.lines.reactants
    found = {phase.name: range_warning(phase, float(coldest), float(hottest)) for phase in phases}
    return tuple(text for text in found.values() if text is not None)
