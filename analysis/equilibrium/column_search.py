"""Columns of solutions in a linear program: which compositions lie below the tangent planes of the present answers.

Used by :mod:`~cosinter.analysis.equilibrium.refine`, which explains the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.equilibrium.lp import AMOUNT_TOLERANCE, LinearProblem
from cosinter.analysis.equilibrium.simplex import Basis, minimise
from cosinter.analysis.equilibrium.tableau import BoolArray
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase
from cosinter.analysis.thermochemistry.solution_models import NEGLIGIBLE, Solution, SolutionSample
from cosinter.analysis.thermochemistry.solution_search import find_lowest
from cosinter.data.exceptions import ConvergenceError

#: Samples of each solution to begin with.
FIRST_SAMPLES = 24


class Samples:
    """The samples of one solution in one program.

    ``rows`` atoms of the end members [members, rows], ``x`` amounts [n, members], ``columns`` their columns in the
    program [n]; ``heights`` [points, members] the tangent plane searched last at each point, by its values at the end
    members, and ``slack`` [points] how far above it the solution surely lies, J per mole of atoms.
    """

    def __init__(self, problem: LinearProblem, whole: Solution, kept: list[int]) -> None:
        self.whole, self.kept = whole, kept
        self.solution = whole.part(kept)
        self.temperature_K = problem.temperature_K
        members = self.solution.members
        self.rows = np.asarray([[m.composition.get(e, 0.0) for e in problem.elements] for m in members])
        self.least = float((self.rows @ atom_weights(problem)).min())
        self.references = self.solution.references(self.temperature_K)
        self.x = np.zeros((0, len(kept)))
        self.columns = np.zeros(0, dtype=np.intp)
        self.heights = np.zeros((0, len(kept)))
        self.slack = np.zeros(0)

    def fresh(self, x: FloatArray) -> FloatArray:
        """Those of ``x`` that are neither known nor a corner that is a phase of the library."""
        x = x[~self.solution.at_corner(x)]
        _, first = np.unique(np.round(x, 6), axis=0, return_index=True)
        new = [i for i in sorted(first) if not np.any(np.all(np.abs(self.x - x[i]) < 1e-6, axis=1))]
        return np.asarray(x[new], dtype=np.float64)

    def costs(self, x: FloatArray) -> FloatArray:
        """G of ``x``, J/mol, shape [n]."""
        return np.asarray(x @ self.references + self.solution.mixing(x, self.temperature_K))

    def search(
        self, duals: FloatArray, origin: NDArray[np.intp], width_J: float
    ) -> tuple[FloatArray, FloatArray]:
        """Slack under each of ``duals``, shape [k], and amounts worth a column.

        A plane that rises at the end members by at most r per atom over the one searched last at its ``origin``
        loses at most r of that slack; only where this is not enough the solution is searched again.
        """
        heights = duals @ self.rows.T
        slack = np.full(len(duals), -np.inf)
        if len(self.slack):
            rise = np.max(heights - self.heights[origin], axis=1) / self.least
            slack = self.slack[origin] - np.maximum(rise, 0.0)
        self.heights = heights if not len(self.slack) else self.heights[origin]
        self.slack = slack if not len(self.slack) else self.slack[origin]
        todo = np.flatnonzero(slack < -width_J)
        if not len(todo):
            return slack, self.x[:0]
        begin = np.full((len(todo), len(self.kept)), 1.0 / len(self.kept))
        if len(self.x):
            begin = self.x[(self.costs(self.x) - duals[todo] @ (self.x @ self.rows).T).argmin(axis=1)]
        found = find_lowest(
            self.solution,
            self.references - heights[todo],
            self.temperature_K,
            start=begin,
            tolerance_J=0.1 * width_J * self.least,
            enough_J=-width_J * self.least,
        )
        slack[todo] = found.bounds / self.least
        self.heights[todo], self.slack[todo] = heights[todo], slack[todo]
        return slack, self.fresh(found.amounts[found.values < -0.5 * width_J * self.least])


class Search:
    """Phases and samples of solutions as columns, and the answers at some compositions.

    End members that are phases the program does not have (excluded ones) take no part.
    """

    def __init__(
        self, problem: LinearProblem, solutions: Iterable[Solution], known: Mapping[str, FloatArray]
    ) -> None:
        self.problem, self.rounds = problem, 0
        self.weights = atom_weights(problem)
        self.matrix, self.costs = problem.counts, problem.costs
        self.free = problem.is_open
        self.basis: NDArray[np.intp] | None = None
        self.origin = np.zeros(0, dtype=np.intp)
        self.depth = np.zeros(0)
        self.sets: list[Samples] = []
        for whole in solutions:
            kept = whole.available(problem.elements, problem.library)
            if len(kept) < 2:
                continue
            samples = Samples(problem, whole, kept)
            if samples.least <= 0.0:
                continue
            self.sets.append(samples)
            self._add(samples, samples.solution.sample(FIRST_SAMPLES))
        self.add_known(known)

    def add_known(self, known: Mapping[str, FloatArray]) -> None:
        """Add samples from elsewhere, {solution: amounts of all its end members [n, members]}, where they exist here."""
        for samples in self.sets:
            if samples.whole.name in known:
                given = known[samples.whole.name]
                inside = np.delete(given, samples.kept, axis=1).sum(axis=1) < 1e-12
                self._add(samples, samples.fresh(given[inside][:, samples.kept]))

    def _add(self, samples: Samples, x: FloatArray) -> int:
        before = self.matrix.shape[1]
        self.matrix = np.concatenate([self.matrix, (x @ samples.rows).T], axis=1)
        self.costs = np.concatenate([self.costs, samples.costs(x)])
        self.free = np.concatenate([self.free, np.zeros(len(x), dtype=np.bool_)])
        samples.x = np.concatenate([samples.x, x])
        samples.columns = np.concatenate([samples.columns, np.arange(before, self.matrix.shape[1])])
        if self.basis is not None:
            self.basis = np.where(self.basis >= before, self.basis + len(x), self.basis)
        return len(x)

    def solve(self, targets: FloatArray, origin: NDArray[np.intp]) -> None:
        """Find the equilibria of ``targets``, shape [k, rows]; each starts from the basis number ``origin``."""
        start = None if self.basis is None else Basis(self.basis[origin])
        try:
            solved = minimise(self.matrix, self.costs, targets, free=self.free, start=start)
        except ConvergenceError:
            solved = minimise(self.matrix, self.costs, targets, free=self.free)
        self.origin, self.solved = origin, solved
        self.values, self.duals, self.basis = solved.value, solved.duals, solved.basis.columns
        self.rounds += 1

    def price(self, width_J: float) -> int:
        """Search all solutions under the present planes; how many columns were added."""
        worst, added = np.zeros(len(self.duals)), 0
        for samples in self.sets:
            slack, useful = samples.search(self.duals, self.origin, width_J)
            worst = np.maximum(worst, -slack)
            added += self._add(samples, useful)
        self.depth = worst
        return added

    def unique(self, amounts: FloatArray) -> BoolArray:
        """True where the stable phases leave no choice of potentials, for ``amounts`` [positions, columns].

        A stable compound gives one equation for the potentials, a stable composition of a solution one for each end
        member in it (its tangent plane), an open gas always one.
        """
        scale = np.abs(amounts) @ self.matrix.sum(axis=0)
        there = np.abs(amounts) * self.matrix.sum(axis=0) > AMOUNT_TOLERANCE * scale[:, None]
        found = []
        for present in there | self.free:
            rows = [self.matrix[:, present].T]
            for samples in self.sets:
                inside = np.any(samples.x[present[samples.columns]] > NEGLIGIBLE, axis=0)
                rows.append(samples.rows[inside])
            found.append(np.linalg.matrix_rank(np.concatenate(rows), tol=1e-7) == len(self.matrix))
        return np.asarray(found, dtype=np.bool_)

    def extended(self, amounts: FloatArray) -> tuple[LinearProblem, FloatArray, dict[str, FloatArray]]:
        """The program with the samples that ``amounts`` [positions, columns] use, and the amounts of its phases."""
        problem = self.problem
        phases: list[Phase] = []
        chosen, stable = [np.arange(problem.counts.shape[1])], {}
        for samples in self.sets:
            used = np.flatnonzero(np.any(amounts[:, samples.columns] > 0.0, axis=0))
            phases += _named_apart(samples.solution.phases(samples.x[used]))
            chosen.append(samples.columns[used])
            wide = np.zeros((len(used), len(samples.whole.members)))
            wide[:, samples.kept] = samples.x[used]
            stable[samples.whole.name] = wide
        columns = np.concatenate(chosen)
        extended = replace(
            problem,
            library=problem.library.with_phases(*phases),
            counts=self.matrix[:, columns],
            costs=self.costs[columns],
            is_open=self.free[columns],
        )
        return extended, amounts[:, columns], stable


def _named_apart(phases: list[SolutionSample]) -> list[SolutionSample]:
    """Number the samples that reach one composition in different ways."""
    seen: dict[str, int] = {}
    found = []
    for phase in phases:
        seen[phase.name] = seen.get(phase.name, 0) + 1
        repeated = seen[phase.name] > 1
        found.append(replace(phase, name=f"{phase.name} ({seen[phase.name]})") if repeated else phase)
    return found


def atom_weights(problem: LinearProblem) -> FloatArray:
    """One for every element that no open gas holds, else zero."""
    held = {element for gas in problem.pressures_bar for element in parse_formula(gas)}
    return np.asarray([0.0 if element in held else 1.0 for element in problem.elements])
