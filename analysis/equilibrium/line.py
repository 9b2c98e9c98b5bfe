"""The mixing line of two reactants in numbers: x A + (1 - x) B for x from 0 to 1.

G_eq along the line is convex and piecewise linear; the parametric simplex gives all of its kinks at once. A reactant is
taken as given: it is a column like any other phase, and its own free energy (also of a metastable form) is what the
driving force counts from. It is never replaced by what it would decompose into.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cosinter.analysis.equilibrium.lp import KINK_TOLERANCE, LinearProblem, make_problem
from cosinter.analysis.equilibrium.simplex import Path
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary


@dataclass(frozen=True, eq=False)
class MixingLine:
    """A mixing line, ready to solve.

    Attributes
    ----------
    problem : the linear program
    first, second : reactants A and B
    vectors : atoms of A and of B, mol, shape [elements] each
    gibbs : G of A and of B, J/mol
    """

    problem: LinearProblem
    first: Phase
    second: Phase
    vectors: tuple[FloatArray, FloatArray]
    gibbs: tuple[float, float]

    def mixture(self, x: float) -> FloatArray:
        """Atoms of x A + (1 - x) B, mol, shape [elements]."""
        return x * self.vectors[0] + (1.0 - x) * self.vectors[1]

    def given(self, x: FloatArray) -> FloatArray:
        """G of the unreacted mixture, J per mole of mixture, same shape as ``x``."""
        return x * self.gibbs[0] + (1.0 - x) * self.gibbs[1]

    def path(self, *, tolerance: float = KINK_TOLERANCE) -> Path:
        """G_eq over x with every kink that bends it by more than ``tolerance``, J per mole of atoms.

        Raises
        ------
        InputError, ConvergenceError
            See :meth:`LinearProblem.paths`.
        """
        first, second = self.vectors
        return self.problem.paths(second, first, tolerance=tolerance)[0]


def _same(phase: Phase, other: Phase | None, temperature_K: float) -> bool:
    """Tell whether a reactant is the library's phase of that name, counted per any formula."""
    if other is None:
        return False
    energies = [float(p.gibbs(temperature_K)) / p.atoms for p in (phase, other)]
    return bool(abs(energies[0] - energies[1]) <= KINK_TOLERANCE)


def make_line(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
) -> MixingLine:
    """Set up the mixing line of two reactants; names and formulas mean their stable form at ``temperature_K``.

    Raises
    ------
    InputError, UnknownNameError, CompositionError
        See :func:`cosinter.analysis.equilibrium.interface.interface_reaction`.
    """
    a, b = (
        library.stable(r, temperature_K=temperature_K) if isinstance(r, str) else r for r in (first, second)
    )
    known = {phase.name: phase for phase in library.phases}
    problem = make_problem(
        library,
        {*a.composition, *b.composition},
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        extra=[phase for phase in (a, b) if not _same(phase, known.get(phase.name), temperature_K)],
    )
    return MixingLine(
        problem=problem,
        first=a,
        second=b,
        vectors=(problem.vector(a.composition), problem.vector(b.composition)),
        gibbs=(float(a.gibbs(temperature_K)), float(b.gibbs(temperature_K))),
    )
