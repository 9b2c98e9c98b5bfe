"""Solutions in the linear program by column generation, exact to a stated bound.

A solution is a continuum of columns. The program is solved with a few of them; its duals y are a tangent plane; the
composition of each solution that lies deepest below that plane,

    min_x  G(x, T) - sum_e y_e n_e(x),

is added as a column (:mod:`~cosinter.analysis.thermochemistry.solution_search`), until none lies below it by more than
delta per mole of atoms. Lowering y by delta for every element that no open gas holds makes all conceivable columns
non-negative, so by duality the true minimum lies at most delta per mole of those atoms below the answer.

Along a mixing line the free energy of equilibrium is convex: between two points it lies below their chord and above
their tangents. A point is added where the tangents of two neighbours meet, until chord and tangents agree; so a few
dozen compositions stand for the whole line, and the bound (delta plus the widest such gap) holds for all of it. The
duals at the ends themselves, where elements are missing, say nothing about the inside: they are taken just inside, and
each end is refined by itself with the phases made of its own elements.

Column generation: P. C. Gilmore, R. E. Gomory, doi 10.1287/opre.9.6.849; phases of variable composition as many
compounds: J. A. D. Connolly, doi 10.1016/j.epsl.2005.04.033.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cosinter.analysis.equilibrium.column_search import Search, atom_weights
from cosinter.analysis.equilibrium.lp import LinearProblem
from cosinter.analysis.equilibrium.simplex import minimise
from cosinter.analysis.equilibrium.tableau import BoolArray
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.solution_models import Solution

#: The answer may move by this much, J per mole of atoms.
TOLERANCE_J = 1.0
#: The first search, cold and warm, looks for columns and points that change the answer by more than this, J per mole
#: of atoms.
_WIDEST_J = 256.0
_WARM_J = 4.0
_NARROWING = 6.0
#: The search narrows once fewer new columns and points than this share of all points turn up.
_FEW = 0.3
_ROUNDS = 120
#: Duals at the ends of a line are taken this far inside, where all elements are present.
INSET = 1e-5


@dataclass(frozen=True, eq=False)
class Refinement:
    """A linear program with the samples of solutions that its answers need.

    Attributes
    ----------
    base : the program without samples
    problem : the program with one more phase (:class:`SolutionSample`) per sample
    positions : share of the first composition, 0 to 1, ascending (a line), or 0, 1, 2, ... (single compositions)
    amounts : mol of each phase of the program there, shape [positions, phases]; on a line linear in between
    potentials : mu of each element there (at the ends of a line: just inside), J/mol, shape [positions, elements]
    unique : the phases that are stable there allow no other potentials, shape [positions]
    bound_J : the free energy lies at most this far below the answer, J per mole of atoms of the elements that no open
        gas holds, anywhere on the line
    converged : the bound is within the tolerance
    rounds, columns : rounds of refinement, and samples tried in all
    samples : stable samples, {solution: amounts of all its end members [n, members]}; with ``positions`` the start of
        the next refinement at a similar temperature
    """

    base: LinearProblem
    problem: LinearProblem
    positions: FloatArray
    amounts: FloatArray
    potentials: FloatArray
    unique: BoolArray
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
    search = Search(problem, solutions, {} if start is None else start.samples)
    width = max(tolerance_J, _WIDEST_J if start is None else _WARM_J)
    while True:
        search.solve(targets, np.arange(len(targets)))
        added = search.price(width)
        if search.rounds >= _ROUNDS or (width <= tolerance_J and not added):
            break
        if added <= _FEW * len(targets):
            width = max(tolerance_J, width / _NARROWING)
    amounts = search.solved.dense(len(search.costs))
    positions = np.arange(len(targets), dtype=np.float64)
    return _finished(search, positions, amounts, search.duals, gap_J=0.0, tolerance_J=tolerance_J)


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
    models, known = tuple(solutions), {} if start is None else start.samples
    half = 0.45 * tolerance_J
    search = Search(problem, models, known)
    for vector in (first, second):
        search.add_known(
            refine_points(*_alone(problem, vector, models), tolerance_J=half, start=start).samples
        )
    inside = problem.paths(second, first)[0].positions if start is None else _thinned(start, tolerance_J)
    line = _Line(first, second, search.weights, np.unique(np.clip(inside, INSET, 1.0 - INSET)))
    width = max(half, _WIDEST_J if start is None else _WARM_J)
    while True:
        search.solve(line.at(line.inside), line.origin)
        added = search.price(width)
        if search.rounds >= _ROUNDS:
            break
        added += line.split(search.values, search.duals, width)
        if width <= half and not added:
            break
        if added <= _FEW * len(line.inside):
            width = max(half, width / _NARROWING)
    ends = minimise(search.matrix, search.costs, np.stack([second, first]), free=search.free)
    gaps = line.gaps(search.values, search.duals)[0].max(initial=0.0)
    positions = np.concatenate([[0.0], line.inside, [1.0]])
    values = np.concatenate([ends.value[:1], search.values, ends.value[1:]])
    kept, bend = _kept(positions, values, line.at(positions) @ line.weights, tolerance_J)
    outer, inner = (found.dense(len(search.costs)) for found in (ends, search.solved))
    amounts = np.concatenate([outer[:1], inner, outer[1:]])
    duals = np.concatenate([search.duals[:1], search.duals, search.duals[-1:]])
    gap = max(float(gaps), line.end_gap(ends.value, search.duals)) + bend
    return _finished(search, positions[kept], amounts[kept], duals[kept], gap_J=gap, tolerance_J=tolerance_J)


def _finished(
    search: Search,
    positions: FloatArray,
    amounts: FloatArray,
    duals: FloatArray,
    *,
    gap_J: float,
    tolerance_J: float,
) -> Refinement:
    """Make phases of the stable samples."""
    problem, kept, samples = search.extended(amounts)
    bound = float(search.depth.max(initial=0.0)) + gap_J
    return Refinement(
        base=search.problem,
        problem=problem,
        positions=positions,
        amounts=kept,
        potentials=duals,
        unique=search.unique(amounts),
        bound_J=bound,
        converged=bound <= tolerance_J,
        rounds=search.rounds,
        columns=sum(len(s.x) for s in search.sets),
        samples=samples,
    )


def _alone(
    problem: LinearProblem, vector: FloatArray, models: tuple[Solution, ...]
) -> tuple[LinearProblem, tuple[Solution, ...], FloatArray]:
    """The program of one end: its elements and those of the open gases only; the solutions; its composition."""
    rows = (vector > 0.0) | (atom_weights(problem) == 0.0)
    columns = ~np.any(problem.counts[~rows] != 0.0, axis=0)
    elements = tuple(e for e, inside in zip(problem.elements, rows, strict=True) if inside)
    part = replace(
        problem,
        library=problem.library.restricted(elements=elements),
        elements=elements,
        counts=problem.counts[np.ix_(rows, columns)],
        costs=problem.costs[columns],
        is_open=problem.is_open[columns],
    )
    return part, models, vector[rows]


def _kept(
    positions: FloatArray, values: FloatArray, atoms: FloatArray, tolerance_J: float
) -> tuple[BoolArray, float]:
    """Leave out the points next to the ends where nothing bends; how far all of them bend, J per mole of atoms."""
    kept, total = np.ones(len(positions), dtype=np.bool_), 0.0
    for i in (1, len(positions) - 2):
        before = i - 1 if kept[i - 1] else i - 2
        share = (positions[i] - positions[before]) / (positions[i + 1] - positions[before])
        bend = float((1.0 - share) * values[before] + share * values[i + 1] - values[i]) / atoms[i]
        if bend < 0.1 * tolerance_J:
            kept[i] = False
            total += max(bend, 0.0)
    return kept, total


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
