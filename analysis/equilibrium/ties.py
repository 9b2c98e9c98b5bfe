"""Ties: other products of nearly the same free energy, where errors of the data decide which of them are named.

At a ratio with the products P of lowest free energy G(P), leave out one product p of P at a time and solve again:

    gap(p) = G(best products without p) - G(P)          per atom of the mixture, never negative

Each alternative whose gap is within a window (10 meV/atom) is a tie. The gap is also what it costs if p does not
nucleate. Open gases are never left out (their potential is fixed), neither is a product nothing else can replace.
Alternatives that need two products left out at once are not searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM, InterfaceReaction, Kink
from cosinter.analysis.equilibrium.lp import AMOUNT_TOLERANCE, LinearProblem, describe
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import InputError

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
    vectors = [
        kink.mole * problem.vector(reaction.first.composition)
        + (1.0 - kink.mole) * problem.vector(reaction.second.composition)
        for kink in chosen
    ]
    best = problem.minima(np.stack(vectors))
    amounts = best.dense(problem.counts.shape[1])
    cases = [
        (i, int(column))
        for i, vector in enumerate(vectors)
        for column in np.flatnonzero(_present(problem, amounts[i], vector) & ~problem.is_open)
    ]
    if not cases:
        return ()
    others, gaps = _left_out(problem, cases, vectors, best.value)
    found = []
    for i, kink in enumerate(chosen):
        here = [k for k, (owner, _) in enumerate(cases) if owner == i]
        alternatives = _alternatives(
            problem, [(cases[k][1], others[k], gaps[k]) for k in here], vectors[i], window_meV_per_atom
        )
        if alternatives:
            products = tuple(str(product["phase"]) for product in kink.products)
            found.append(Tie(kink.mole, products, alternatives))
    return tuple(found)


def _present(problem: LinearProblem, amounts: FloatArray, vector: FloatArray) -> Any:
    return np.abs(amounts) * problem.atoms > AMOUNT_TOLERANCE * vector.sum()


def _left_out(
    problem: LinearProblem, cases: Sequence[tuple[int, int]], vectors: Sequence[FloatArray], best: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Amounts [cases, phases] and gaps (J) of the best products without one column, one lane per case."""
    costs = np.tile(problem.costs, (len(cases), 1))
    columns = np.array([column for _, column in cases])
    costs[np.arange(len(cases)), columns] += _PENALTY_J * problem.atoms[columns]
    rhs = np.stack([vectors[owner] for owner, _ in cases])
    solution = problem.minima(rhs, costs=costs)
    owners = [owner for owner, _ in cases]
    return solution.dense(problem.counts.shape[1]), np.maximum(solution.value - best[owners], 0.0)


def _alternatives(
    problem: LinearProblem,
    cases: Sequence[tuple[int, FloatArray, float]],
    vector: FloatArray,
    window: float,
) -> tuple[Alternative, ...]:
    """Keep the cases within the window that really do without their product, each set of products once."""
    seen: set[frozenset[str]] = set()
    found = []
    for column, amounts, gap in sorted(cases, key=lambda case: case[2]):
        size = gap * MEV_PER_ATOM / float(vector.sum())
        present = _present(problem, amounts, vector)
        if size > window or present[column]:
            continue
        products = tuple(describe(problem, problem.named(np.where(present, amounts, 0.0))))
        names = frozenset(str(product["phase"]) for product in products)
        if names not in seen:
            seen.add(names)
            found.append(Alternative(problem.library.names[column], float(gap), size, products))
    return tuple(found)
