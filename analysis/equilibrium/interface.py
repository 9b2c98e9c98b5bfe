"""Reaction of two solids along their mixing line, with every kink found exactly.

For x mole of the first reactant A and 1 - x mole of the second B,

    dG(x) = G_eq[x A + (1 - x) B] - x G_A - (1 - x) G_B          kJ per mole of that mixture (formula units as typed)

where G_eq counts open gases at their fixed potential (released +, taken up -). Divided by the atoms of
x A + (1 - x) B (gas atoms do not count) it becomes meV/atom. dG is relative to the reactants as given, so dG(0) and
dG(1) are their decomposition energies; ``dG_mutual`` is relative to the reactants' own equilibria and is zero at both
ends. Between two kinks the products are the same phases and every amount is linear in x.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.constants import Avogadro, e

from cosinter.analysis.equilibrium.line import MixingLine, make_line
from cosinter.analysis.equilibrium.lp import KINK_TOLERANCE, LinearProblem, describe
from cosinter.analysis.thermochemistry.formulas import molar_mass
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, range_warning, reaction_uncertainty
from cosinter.analysis.thermochemistry.solution_models import Solution
from cosinter.data.exceptions import InputError, UnknownNameError

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.refine import Refinement

Basis = Literal["mole", "mass", "volume"]
ZERO_CELSIUS = 273.15
MEV_PER_ATOM = 1e3 / (e * Avogadro)


@dataclass(frozen=True, eq=False)
class Kink:
    """One ratio on the mixing line.

    Attributes
    ----------
    mole, mass, volume : fraction of the first reactant (volume None where a cell volume is unknown)
    dG_J_per_mol, dG_mutual_J_per_mol : J per mole of mixture, see the module
    dG_meV_per_atom, dG_mutual_meV_per_atom : meV per atom of the mixture
    uncertainty_J_per_mol : uncertainties of all phases through the reaction, what they share cancelling, J per mole
        of mixture
    products : ({"phase", "formula", "mol"}, ...), mol per mole of mixture; gases released +, taken up -
    """

    mole: float
    mass: float
    volume: float | None
    dG_J_per_mol: float
    dG_meV_per_atom: float
    dG_mutual_J_per_mol: float
    dG_mutual_meV_per_atom: float
    uncertainty_J_per_mol: float
    products: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the ratio in the keys of ``cosinter react --json`` (kJ/mol, meV/atom)."""
        return {
            "fraction": {"mole": self.mole, "mass": self.mass, "volume": self.volume},
            "dG": {"kJ_per_mol": self.dG_J_per_mol * 1e-3, "meV_per_atom": self.dG_meV_per_atom},
            "dG_mutual": {
                "kJ_per_mol": self.dG_mutual_J_per_mol * 1e-3,
                "meV_per_atom": self.dG_mutual_meV_per_atom,
            },
            "uncertainty": {"kJ_per_mol": self.uncertainty_J_per_mol * 1e-3},
            "products": [dict(product) for product in self.products],
        }


@dataclass(frozen=True, eq=False)
class InterfaceReaction:
    """All kinks along the mixing line of two reactants, ends included; ascending fraction of the first.

    Attributes
    ----------
    line : reactants and linear program
    kinks : where dG bends by more than ``tolerance_J_per_mol`` (per mole of atoms)
    amounts : mol of every phase at the kinks, per mole of mixture, shape [kinks, phases]
    volumes_A3 : volumes of one formula unit of both reactants, None where not known
    bound_J_per_mol : with solutions, the free energy lies nowhere further below the answer, J per mole of atoms
    solutions, refinement : solutions that may form, and their refined samples; none without solutions
    """

    line: MixingLine
    kinks: tuple[Kink, ...]
    amounts: FloatArray
    warnings: tuple[str, ...]
    volumes_A3: tuple[float | None, float | None]
    tolerance_J_per_mol: float = KINK_TOLERANCE
    bound_J_per_mol: float | None = None
    solutions: tuple[Solution, ...] = ()
    refinement: Refinement | None = None

    @property
    def problem(self) -> LinearProblem:
        """The linear program."""
        return self.line.problem

    @property
    def first(self) -> Phase:
        """Reactant A."""
        return self.line.first

    @property
    def second(self) -> Phase:
        """Reactant B."""
        return self.line.second

    @property
    def segments(self) -> tuple[tuple[float, float, tuple[str, ...]], ...]:
        """(from, to, phases) of each stretch with the same phases, mole fractions of the first reactant."""
        parts: list[tuple[float, float, tuple[str, ...]]] = []
        place = {name: i for i, name in enumerate(self.problem.library.names)}
        for low, high in pairwise(self.kinks):
            names = {p["phase"] for p in low.products} | {p["phase"] for p in high.products}
            ordered = tuple(sorted(names, key=lambda name: (place.get(name, len(place)), name)))
            start = parts.pop()[0] if parts and parts[-1][2] == ordered else low.mole
            parts.append((start, high.mole, ordered))
        return tuple(parts)

    @property
    def strongest(self) -> Kink:
        """The kink with the lowest dG per atom."""
        return min(self.kinks, key=lambda kink: kink.dG_meV_per_atom)

    def at(self, fraction: float, basis: Basis = "mole") -> Kink:
        """Evaluate one ratio: ``fraction`` of the first reactant by mole, mass or volume.

        Raises
        ------
        InputError
            The fraction is not between 0 and 1, or a cell volume is not known.
        UnknownNameError
            The basis is not mole, mass or volume.
        """
        if not 0.0 <= fraction <= 1.0:
            raise InputError(f"fraction of the first reactant must lie between 0 and 1; got {fraction:g}")
        x = self._mole_fraction(fraction, basis)
        positions = np.asarray([kink.mole for kink in self.kinks])
        amounts = np.asarray([np.interp(x, positions, column) for column in self.amounts.T])
        ends = self.kinks[0].dG_J_per_mol, self.kinks[-1].dG_J_per_mol
        return _kink(self.line, self.volumes_A3, x, amounts, ends)

    def _mole_fraction(self, fraction: float, basis: str) -> float:
        weights: dict[str, tuple[float | None, float | None]] = {
            "mole": (1.0, 1.0),
            "mass": (molar_mass(self.first.composition), molar_mass(self.second.composition)),
            "volume": self.volumes_A3,
        }
        if basis not in weights:
            raise UnknownNameError("ratio basis", basis, weights)
        first, second = weights[basis]
        if first is None or second is None:
            name = self.first.formula if first is None else self.second.formula
            raise InputError(f"the cell volume of {name} is not known; give the ratio by mass or mole")
        return fraction / first / (fraction / first + (1.0 - fraction) / second)

    def to_dict(self, *, at: float | None = None, basis: Basis = "mole") -> dict[str, Any]:
        """Give the reaction in the keys of ``cosinter react --json``; ``at`` adds "point".

        Raises
        ------
        InputError, UnknownNameError
            See :meth:`at`.
        """
        result: dict[str, Any] = {
            "temperature_C": self.problem.temperature_K - ZERO_CELSIUS,
            "atmosphere": dict(self.problem.pressures_bar),
            "reactants": [self.first.formula, self.second.formula],
            "kinks": [kink.to_dict() for kink in self.kinks],
            "segments": [
                {"from": low, "to": high, "phases": list(phases)} for low, high, phases in self.segments
            ],
            "warnings": list(self.warnings),
        }
        if self.bound_J_per_mol is not None:
            result["bound"] = {"J_per_mol_atoms": self.bound_J_per_mol}
        if at is not None:
            result["point"] = self.at(at, basis).to_dict()
        return result


def _uncertainty(line: MixingLine, x: float, amounts: FloatArray) -> float:
    phases = line.problem.library.phases
    made = [(float(amounts[j]), phases[j]) for j in line.problem.present(amounts)]
    used = [(-x, line.first), (x - 1.0, line.second)]
    return reaction_uncertainty([*made, *used], line.problem.temperature_K)


def _kink(
    line: MixingLine,
    volumes: tuple[float | None, float | None],
    x: float,
    amounts: FloatArray,
    ends: tuple[float, float],
) -> Kink:
    first, second = line.first, line.second
    change = float(line.problem.costs @ amounts - line.given(np.asarray(x)))
    mutual = change - (1.0 - x) * ends[0] - x * ends[1]
    per_atom = MEV_PER_ATOM / (x * first.atoms + (1.0 - x) * second.atoms)
    masses = molar_mass(first.composition), molar_mass(second.composition)
    return Kink(
        mole=x,
        mass=_share(x, masses[0], masses[1]),
        volume=None if volumes[0] is None or volumes[1] is None else _share(x, volumes[0], volumes[1]),
        dG_J_per_mol=change,
        dG_meV_per_atom=change * per_atom,
        dG_mutual_J_per_mol=mutual,
        dG_mutual_meV_per_atom=mutual * per_atom,
        uncertainty_J_per_mol=_uncertainty(line, x, amounts),
        products=tuple(describe(line.problem, line.problem.named(amounts))),
    )


def _share(x: float, first: float, second: float) -> float:
    return x * first / (x * first + (1.0 - x) * second)


def _volume(formula: str) -> float | None:
    from cosinter.structures.crystals import formula_volume

    return formula_volume(formula)


def interface_reaction(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
) -> InterfaceReaction:
    """Find all kinks, products and free energies along the mixing line of two reactants.

    Parameters
    ----------
    first, second : formula, phase name, alias or Phase; of several forms the stable one at the temperature
    library : phases that may form
    temperature_K : 250 to 2500 K
    pressures_bar : {gas: partial pressure in bar} of the open gases
    exclude : names of phases that must not form
    solutions : solid solutions and melts that may form; the kinks are then the points between which the free energy
        is linear to within the bound of :mod:`~cosinter.analysis.equilibrium.refine`

    Raises
    ------
    UnknownNameError, CompositionError
        A reactant or gas is not known, or lies outside its solution model.
    InputError
        Temperature or pressure out of range, or open gases that react with each other.
    ConvergenceError
        The solver's certificate failed.
    """
    (reaction,) = interface_reactions(
        first,
        second,
        library=library,
        temperatures_K=[temperature_K],
        pressures_bar=pressures_bar,
        exclude=exclude,
        solutions=solutions,
    )
    return reaction


def interface_reactions(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperatures_K: Iterable[float],
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
) -> Iterator[InterfaceReaction]:
    """Find the reaction at several temperatures, one after the other.

    With solutions every temperature starts from the samples of the one before. Parameters and errors: see
    :func:`interface_reaction`.
    """
    from cosinter.analysis.equilibrium.refine import refine_line

    models, names = tuple(solutions), tuple(exclude)
    refined = None
    for temperature in temperatures_K:
        line = make_line(
            first,
            second,
            library=library,
            temperature_K=temperature,
            pressures_bar=pressures_bar,
            exclude=names,
        )
        if models:
            refined = refine_line(line.problem, models, *line.vectors, start=refined)
            line = replace(line, problem=refined.problem)
            yield _reaction(line, refined.positions, refined.amounts, models, refined)
        else:
            path = line.path()
            yield _reaction(line, path.positions, path.dense(len(line.problem.costs)))


def _reaction(
    line: MixingLine,
    positions: FloatArray,
    amounts: FloatArray,
    models: tuple[Solution, ...] = (),
    refined: Refinement | None = None,
) -> InterfaceReaction:
    volumes = (_volume(line.first.formula), _volume(line.second.formula))
    left, right = (float(value) for value in line.problem.costs @ amounts[[0, -1]].T)
    ends = left - line.gibbs[1], right - line.gibbs[0]
    return InterfaceReaction(
        line=line,
        kinks=tuple(
            _kink(line, volumes, x, n, ends) for x, n in zip(positions.tolist(), amounts, strict=True)
        ),
        amounts=amounts,
        warnings=(*_warnings(line, np.max(np.abs(amounts), axis=0)), *_doubts(refined)),
        volumes_A3=volumes,
        bound_J_per_mol=None if refined is None else refined.bound_J,
        solutions=models,
        refinement=refined,
    )


def _doubts(refined: Refinement | None) -> tuple[str, ...]:
    """Say so where the solutions are not refined to the tolerance."""
    if refined is None or refined.converged:
        return ()
    return (
        f"the solutions are not fully refined: at some ratio the free energy may lie {refined.bound_J:.3g} J per mole "
        f"of atoms ({refined.bound_J * MEV_PER_ATOM:.2g} meV/atom) lower than shown",
    )


def _warnings(line: MixingLine, present: FloatArray) -> tuple[str, ...]:
    reactants = (range_warning(phase, line.problem.temperature_K) for phase in (line.first, line.second))
    listed = [*line.problem.warnings(present > 1e-9), *(text for text in reactants if text is not None)]
    return tuple(dict.fromkeys(listed))
