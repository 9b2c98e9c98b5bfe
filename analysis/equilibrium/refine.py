"""Solutions in the linear program by column generation, exact to a stated bound.

A solution is a continuum of columns. The program is solved with a few of them; its duals y are a tangent plane; the
composition of each solution that lies deepest below that plane,

    min_x  G(x, T) - sum_e y_e n_e(x),

is added as a column (:mod:`~cosinter.analysis.thermochemistry.solution_search`), until none lies below it by more than
delta per mole of atoms. Lowering y by delta for every element that no open gas holds makes all conceivable columns
non-negative, so by duality the true minimum lies at most delta per mole of those atoms below the answer.

Along a mixing line the free energy of equilibrium is convex: between two points it lies below their chord and above
their tangents. A point is added where the tangents of two neighbours meet, until chord and tangents agree; so a few
dozen compositions stand for the whole line, and the bound (delta plus the widest such gap) holds for all of it.

Column generation: P. C. Gilmore, R. E. Gomory, doi 10.1287/opre.9.6.849; phases of variable composition as many
compounds: J. A. D. Connolly, doi 10.1016/j.epsl.2005.04.033.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.equilibrium.lp import LinearProblem
from cosinter.analysis.equilibrium.simplex import Basis, minimise
from cosinter.analysis.equilibrium.simplex import Solution as Answers
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase
from cosinter.analysis.thermochemistry.solution_models import Solution
from cosinter.analysis.thermochemistry.solution_search import find_lowest
from cosinter.data.exceptions import ConvergenceError

#: The answer may move by this much, J per mole of atoms.
TOLERANCE_J = 1.0
#: Samples of each solution to begin with.
FIRST_SAMPLES = 24
#: The first search, cold and warm, looks for columns and points that change the answer by more than this, J per mole
#: of atoms.
_WIDEST_J = 256.0
_WARM_J = 4.0
_NARROWING = 6.0
#: The search narrows once fewer new columns and points than this share of all points turn up.
_FEW = 0.3
_ROUNDS = 120
#: Duals at the ends of a line are taken this far inside, where all elements are present.
INSET = 1e-4


@dataclass(frozen=True, eq=False)
class Refinement:
    """A linear program with the samples of solutions that its answers need.

    Attributes
    ----------
    problem : the program with one more phase (:class:`SolutionSample`) per sample
    positions : share of the first composition, 0 to 1, ascending (a line), or 0, 1, 2, ... (single compositions)
    amounts : mol of each phase of the program there, shape [positions, phases]; on a line linear in between
    potentials : mu of each element there (at the ends of a line: of the next point), J/mol, shape [positions, elements]
    bound_J : the free energy lies at most this far below the answer, J per mole of atoms of the elements that no open
        gas holds, anywhere on the line
    converged : the bound is within the tolerance
    rounds, columns : rounds of refinement, and samples tried in all
    samples : stable samples, {solution: amounts of all its end members [n, members]}; with ``positions`` the start of
        the next refinement at a similar temperature
    """

    problem: LinearProblem
    positions: FloatArray
    amounts: FloatArray
    potentials: FloatArray
    bound_J: float
    converged: bool
    rounds: int
    columns: int
    samples: Mapping[str, FloatArray]


def refine_points(
    problem: LinearProblem,
    solutions: Iterable[Solution],
    vectors: FloatArray,
    *,
    tolerance_J: float = TOLERANCE_J,
    start: Refinement | None = None,
) -> Refinement:
    """Refine for compositions ``vectors`` (mol by row of the program, shape [elements] or [k, elements]).

    Parameters
    ----------
    tolerance_J : bound asked for, J per mole of atoms
    start : refinement at a similar temperature

    Raises
    ------
    InputError, ConvergenceError
        See :meth:`~cosinter.analysis.equilibrium.lp.LinearProblem.minima`.
    """
    targets = np.atleast_2d(vectors)
    problem.minima(targets)
    search = _Search(problem, solutions, start)
    width = max(tolerance_J, _WIDEST_J if start is None else _WARM_J)
    while True:
        search.solve(targets, np.arange(len(targets)))
        added = search.price(width)
        if search.rounds >= _ROUNDS or (width <= tolerance_J and not added):
            break
        if added <= _FEW * len(targets):
            width = max(tolerance_J, width / _NARROWING)
    positions = np.arange(len(targets), dtype=np.float64)
    return search.finish(positions, tolerance_J)


def refine_line(
    problem: LinearProblem,
    solutions: Iterable[Solution],
    first: FloatArray,
    second: FloatArray,
    *,
    tolerance_J: float = TOLERANCE_J,
    start: Refinement | None = None,
) -> Refinement:
    """Refine for every mixture x first + (1 - x) second (mol by row of the program, shape [elements] each).

    Parameters
    ----------
    tolerance_J, start : see :func:`refine_points`

    Raises
    ------
    InputError, ConvergenceError
        See :meth:`~cosinter.analysis.equilibrium.lp.LinearProblem.minima`.
    """
    search = _Search(problem, solutions, start)
    inside = problem.paths(second, first)[0].positions if start is None else _thinned(start, tolerance_J)
    line = _Line(first, second, search.weights, np.unique(np.clip(inside, INSET, 1.0 - INSET)))
    half = 0.45 * tolerance_J
    width = max(half, _WIDEST_J if start is None else _WARM_J)
    while True:
        search.solve(line.at(line.inside), line.origin)
        if search.rounds >= _ROUNDS:
            break
        added = search.price(width) + line.split(search.values, search.duals, width)
        if width <= half and not added:
            break
        if added <= _FEW * len(line.inside):
            width = max(half, width / _NARROWING)
    ends = minimise(search.matrix, search.costs, np.stack([second, first]), free=search.free)
    gap = max(
        float(line.gaps(search.values, search.duals)[0].max(initial=0.0)),
        line.end_gap(ends.value, search.duals),
    )
    return search.finish(np.concatenate([[0.0], line.inside, [1.0]]), tolerance_J, gap_J=gap, ends=ends)


def _thinned(start: Refinement, tolerance_J: float) -> FloatArray:
    """Positions of a refinement without every other point that bends its free energy little."""
    t, values = start.positions, start.amounts @ start.problem.costs
    atoms = np.abs(start.amounts) @ start.problem.atoms
    share = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    bend = ((1.0 - share) * values[:-2] + share * values[2:] - values[1:-1]) / atoms[1:-1]
    idle = np.concatenate([[False], (bend < 0.1 * tolerance_J) & (np.arange(len(bend)) % 2 == 0), [False]])
    return np.asarray(t[~idle], dtype=np.float64)


class _Line:
    """Points on a mixing line: shares of the first composition strictly between 0 and 1."""

    def __init__(
        self, first: FloatArray, second: FloatArray, weights: FloatArray, inside: FloatArray
    ) -> None:
        self.first, self.second, self.weights, self.inside = first, second, weights, inside
        #: where each point's nearest elder stood before the last split
        self.origin = np.arange(len(inside))

    def at(self, positions: FloatArray) -> FloatArray:
        """Mixtures, mol, shape [positions, elements]."""
        return np.asarray(np.outer(positions, self.first) + np.outer(1.0 - positions, self.second))

    def gaps(self, values: FloatArray, duals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Chord minus tangents where the tangents of neighbours meet, J per mole of atoms, and these positions."""
        t, slopes = self.inside, duals @ (self.first - self.second)
        low, high = t[:-1], t[1:]
        bend = slopes[1:] - slopes[:-1]
        rise = values[1:] - values[:-1] - slopes[:-1] * (high - low)
        meets = np.where(bend > 1e-9, high - rise / np.where(bend > 1e-9, bend, 1.0), 0.5 * (low + high))
        meets = np.clip(meets, low, high)
        share = (meets - low) / (high - low)
        chord = (1.0 - share) * values[:-1] + share * values[1:]
        tangent = values[:-1] + slopes[:-1] * (meets - low)
        return (chord - tangent) / (self.at(meets) @ self.weights), meets

    def end_gap(self, values: FloatArray, duals: FloatArray) -> float:
        """Largest height of the ``values`` at both ends above the tangents of the nearest points, J per mole of atoms."""
        ends = np.stack([self.second, self.first])
        under = np.einsum("ki,ki->k", duals[[0, -1]], ends)
        return float(((values - under) / (ends @ self.weights)).max())

    def split(self, values: FloatArray, duals: FloatArray, width_J: float) -> int:
        """Add a point in every stretch with a gap above ``width_J``; how many."""
        gaps, meets = self.gaps(values, duals)
        room = np.minimum(meets - self.inside[:-1], self.inside[1:] - meets) > 1e-9
        wide = np.flatnonzero((gaps > width_J) & room)
        places = np.concatenate([self.inside, meets[wide]])
        order = np.argsort(places, kind="stable")
        self.inside = places[order]
        self.origin = np.concatenate([np.arange(len(places) - len(wide)), wide])[order]
        return len(wide)


class _Samples:
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
        self.least = float((self.rows @ _weights(problem)).min())
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


class _Search:
    """Phases and samples of solutions as columns, and the answers at some compositions."""

    def __init__(
        self, problem: LinearProblem, solutions: Iterable[Solution], start: Refinement | None
    ) -> None:
        self.problem, self.rounds = problem, 0
        self.weights = _weights(problem)
        self.matrix, self.costs = problem.counts, problem.costs
        self.free = problem.is_open
        self.basis: NDArray[np.intp] | None = None
        self.origin = np.zeros(0, dtype=np.intp)
        self.depth = np.zeros(0)
        self.sets: list[_Samples] = []
        for whole in solutions:
            kept = [i for i, m in enumerate(whole.members) if set(m.composition) <= set(problem.elements)]
            if len(kept) < 2:
                continue
            samples = _Samples(problem, whole, kept)
            if samples.least <= 0.0:
                continue
            self.sets.append(samples)
            self._add(samples, samples.solution.sample(FIRST_SAMPLES))
            if start is not None and whole.name in start.samples:
                given = start.samples[whole.name]
                inside = np.delete(given, kept, axis=1).sum(axis=1) < 1e-12
                self._add(samples, samples.fresh(given[inside][:, kept]))

    def _add(self, samples: _Samples, x: FloatArray) -> int:
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

    def finish(
        self, positions: FloatArray, tolerance_J: float, *, gap_J: float = 0.0, ends: Answers | None = None
    ) -> Refinement:
        """Make phases of the stable samples; ``ends`` holds the answers at the first and last position."""
        amounts, duals = self.solved.dense(len(self.costs)), self.duals
        if ends is not None:
            outer = ends.dense(len(self.costs))
            amounts = np.concatenate([outer[:1], amounts, outer[1:]])
            duals = np.concatenate([duals[:1], duals, duals[-1:]])
        bound = float(self.depth.max(initial=0.0)) + gap_J
        problem, kept, samples = self._extended(amounts)
        return Refinement(
            problem=problem,
            positions=positions,
            amounts=kept,
            potentials=duals,
            bound_J=bound,
            converged=bound <= tolerance_J,
            rounds=self.rounds,
            columns=sum(len(s.x) for s in self.sets),
            samples=samples,
        )

    def _extended(self, amounts: FloatArray) -> tuple[LinearProblem, FloatArray, dict[str, FloatArray]]:
        """The program with the samples that ``amounts`` [positions, columns] use, and the amounts of its phases."""
        problem = self.problem
        phases: list[Phase] = []
        chosen, stable = [np.arange(problem.counts.shape[1])], {}
        for samples in self.sets:
            used = np.flatnonzero(np.any(amounts[:, samples.columns] > 0.0, axis=0))
            phases += samples.solution.phases(samples.x[used])
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


def _weights(problem: LinearProblem) -> FloatArray:
    """One for every element that no open gas holds, else zero."""
    held = {element for gas in problem.pressures_bar for element in parse_formula(gas)}
    return np.asarray([0.0 if element in held else 1.0 for element in problem.elements])
