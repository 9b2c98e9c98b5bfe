"""Ties: other products of nearly the same free energy, where errors of the data decide which of them are named.

At a ratio with the products P of lowest free energy G(P), leave out one product p of P at a time and solve again:

    gap(p) = G(best products without p) - G(P)          per atom of the mixture, never negative

Each alternative whose gap is within a window (10 meV/atom) is a tie. The gap is also what it costs if p does not
nucleate. A solution is left out with all of its compositions; open gases are never left out (their potential is
fixed), neither is a product that nothing else can replace. Alternatives that need two products left out at once are
not searched. With solutions the best products without p are refined anew, so a gap is known to 2 J per mole of atoms
(0.02 meV/atom).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM, InterfaceReaction, Kink
from cosinter.analysis.equilibrium.lp import AMOUNT_TOLERANCE, LinearProblem, describe
from cosinter.analysis.equilibrium.refine import refine_points
from cosinter.analysis.equilibrium.scan import product_names
from cosinter.analysis.equilibrium.tableau import BoolArray
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.solution_models import SolutionSample
from cosinter.data.exceptions import CompositionError, InputError

WINDOW_MEV_PER_ATOM = 10.0
#: What a phase left out costs more, J per mole of its atoms (10 eV/atom): no real phase is bought at this price.
_PENALTY_J = 1e6


@dataclass(frozen=True, eq=False)
class Alternative:
    """Products within the window.

    Attributes
    ----------
    without : the product left out
    gap_J_per_mol, gap_meV_per_atom : free energy above the best products, per mole and per atom of the mixture
    products : ({"phase", "formula", "mol"}, ...), mol per mole of mixture; gases released +, taken up -
    """

    without: str
    gap_J_per_mol: float
    gap_meV_per_atom: float
    products: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the alternative in kJ/mol and meV/atom."""
        return {
            "without": self.without,
            "kJ_per_mol": self.gap_J_per_mol * 1e-3,
            "meV_per_atom": self.gap_meV_per_atom,
            "products": [dict(product) for product in self.products],
        }


@dataclass(frozen=True, eq=False)
class Tie:
    """The alternatives at one ratio, smallest gap first."""

    mole: float
    products: tuple[str, ...]
    alternatives: tuple[Alternative, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the tie as plain data."""
        return {
            "mole": self.mole,
            "products": list(self.products),
            "alternatives": [alternative.to_dict() for alternative in self.alternatives],
        }


def find_ties(
    reaction: InterfaceReaction,
    kinks: Iterable[Kink] | None = None,
    *,
    window_meV_per_atom: float = WINDOW_MEV_PER_ATOM,
) -> tuple[Tie, ...]:
    """List the alternatives at every kink of ``reaction`` (or at ``kinks``); ratios without any are left out.

    Raises
    ------
    InputError
        The window is negative or not a number.
    """
    if not window_meV_per_atom >= 0.0:
        raise InputError(f"the window of ties must not be negative; got {window_meV_per_atom:g} meV/atom")
    problem = reaction.problem
    chosen = list(reaction.kinks if kinks is None else kinks)
    first, second = (problem.vector(phase.composition) for phase in (reaction.first, reaction.second))
    vectors = np.array([kink.mole * first + (1.0 - kink.mole) * second for kink in chosen])
    vectors = vectors.reshape(-1, len(problem.elements))
    cases, best = _cases(problem, vectors)
    others = _without(reaction, cases, vectors) if cases else []
    found = []
    for i, kink in enumerate(chosen):
        here = [(other, other.value - best[i]) for other in others if other.case.owner == i]
        here.sort(key=lambda pair: pair[1])
        alternatives = _alternatives(here, vectors[i], window_meV_per_atom)
        if alternatives:
            products = tuple(str(product["phase"]) for product in kink.products)
            found.append(Tie(kink.mole, products, alternatives))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Case:
    """One product left out: at which ratio, its name, and the columns [phases] that go with it."""

    owner: int
    name: str
    columns: BoolArray


def _cases(problem: LinearProblem, vectors: FloatArray) -> tuple[list[_Case], FloatArray]:
    """Condensed products at each ratio, and the least free energy there, J."""
    best = problem.minima(vectors)
    amounts = best.dense(problem.counts.shape[1])
    listed, shown = product_names(problem)
    keys = [
        phase.solution.name if isinstance(phase, SolutionSample) else listed[place]
        for phase, place in zip(problem.library.phases, shown, strict=True)
    ]
    group = np.unique(keys, return_inverse=True)[1]
    cases = []
    for i, vector in enumerate(vectors):
        there = np.flatnonzero(_present(problem, amounts[i], vector) & ~problem.is_open)
        _, first = np.unique(group[there], return_index=True)
        cases += [_Case(i, listed[shown[j]], group == group[j]) for j in there[first]]
    return cases, best.value


def _present(problem: LinearProblem, amounts: FloatArray, vector: FloatArray) -> BoolArray:
    return np.asarray(np.abs(amounts) * problem.atoms > AMOUNT_TOLERANCE * vector.sum())


@dataclass(frozen=True, eq=False)
class _Other:
    """The best products without those of one case: program, amounts [phases] and free energy, J."""

    case: _Case
    problem: LinearProblem
    amounts: FloatArray
    value: float


def _without(reaction: InterfaceReaction, cases: Sequence[_Case], vectors: FloatArray) -> list[_Other]:
    """The best products of every case that can do without."""
    if reaction.refinement is None:
        return _solved(reaction.problem, cases, vectors)
    different = {case.columns.tobytes(): case for case in cases}
    found = []
    for key, left in different.items():
        found += _refined(reaction, left, [case for case in cases if case.columns.tobytes() == key], vectors)
    return found


def _solved(problem: LinearProblem, cases: Sequence[_Case], vectors: FloatArray) -> list[_Other]:
    """Answers of the program itself, one lane per case."""
    columns = np.stack([case.columns for case in cases])
    costs = problem.costs + np.where(columns, _PENALTY_J * problem.atoms, 0.0)
    solution = problem.minima(vectors[[case.owner for case in cases]], costs=costs)
    amounts = solution.dense(problem.counts.shape[1])
    return [
        _Other(case, problem, row, float(value))
        for case, row, value in zip(cases, amounts, solution.value, strict=True)
        if not _present(problem, row, vectors[case.owner])[case.columns].any()
    ]


def _refined(
    reaction: InterfaceReaction, left: _Case, cases: Sequence[_Case], vectors: FloatArray
) -> list[_Other]:
    """Answers without the phases and the solution of ``left``, their samples found anew."""
    refinement = reaction.refinement
    assert refinement is not None
    problem, gone = refinement.base, np.flatnonzero(left.columns)
    phases = reaction.problem.library.phases
    names = {phases[j].name for j in gone}
    solutions = {phase.solution.name for j in gone if isinstance(phase := phases[j], SolutionSample)}
    kept = np.array([phase.name not in names for phase in problem.library.phases])
    part = replace(
        problem,
        library=problem.library.restricted(exclude=names & set(problem.library.names)),
        counts=problem.counts[:, kept],
        costs=problem.costs[kept],
        is_open=problem.is_open[kept],
    )
    able = [case for case in cases if _feasible(part, vectors[case.owner])]
    if not able:
        return []
    answers = refine_points(
        part,
        [model for model in reaction.solutions if model.name not in solutions],
        vectors[[case.owner for case in able]],
        start=refinement,
    )
    values = answers.amounts @ answers.problem.costs
    return [
        _Other(case, answers.problem, row, float(value))
        for case, row, value in zip(able, answers.amounts, values, strict=True)
    ]


def _feasible(problem: LinearProblem, vector: FloatArray) -> bool:
    """True if the phases of ``problem`` can make up a composition."""
    try:
        problem.minima(vector)
    except CompositionError:
        return False
    return True


def _alternatives(
    others: Sequence[tuple[_Other, float]], vector: FloatArray, window: float
) -> tuple[Alternative, ...]:
    """Keep the answers within the window, each set of products once; gaps in J, ascending."""
    seen: set[frozenset[str]] = set()
    found = []
    for other, gap in others:
        size = max(float(gap * MEV_PER_ATOM / vector.sum()), 0.0)
        if size > window:
            continue
        present = _present(other.problem, other.amounts, vector)
        named = other.problem.named(np.where(present, other.amounts, 0.0))
        products = tuple(describe(other.problem, named))
        names = frozenset(str(product["phase"]) for product in products)
        if names not in seen:
            seen.add(names)
            found.append(Alternative(other.case.name, max(gap, 0.0), size, products))
    return tuple(found)
