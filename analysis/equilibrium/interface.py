"""Reaction of two solids along their mixing line, with every kink found exactly.

For x mole of the first reactant A and 1 - x mole of the second B,

    dG(x) = G_eq[x A + (1 - x) B] - x G_A - (1 - x) G_B          kJ per mole of that mixture (formula units as typed)

where G_eq counts open gases at their fixed potential (released +, taken up -). Divided by the atoms of
x A + (1 - x) B (gas atoms do not count) it becomes meV/atom. dG is relative to the reactants as given, so dG(0) and
dG(1) are their decomposition energies; ``dG_mutual`` is relative to the reactants' own equilibria and is zero at both
ends. Between two kinks the products are the same phases and every amount is linear in x.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from scipy.constants import Avogadro, e

from cosinter.analysis.equilibrium.line import find_kinks
from cosinter.analysis.equilibrium.lp import LinearProblem, describe, make_problem
from cosinter.analysis.thermochemistry.formulas import molar_mass
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.data.exceptions import InputError, UnknownNameError

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
    uncertainty_J_per_mol : independent uncertainties of all phases through the reaction, J per mole of mixture
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
    """All kinks along the mixing line of two reactants, ends included; ascending fraction of the first."""

    first: Phase
    second: Phase
    problem: LinearProblem
    kinks: tuple[Kink, ...]
    warnings: tuple[str, ...]
    volumes_A3: tuple[float | None, float | None]

    @property
    def segments(self) -> tuple[tuple[float, float, tuple[str, ...]], ...]:
        """(from, to, phases) between neighbouring kinks, mole fractions of the first reactant."""
        parts = []
        for low, high in pairwise(self.kinks):
            names = {p["phase"] for p in low.products} | {p["phase"] for p in high.products}
            ordered = tuple(name for name in self.problem.library.names if name in names)
            parts.append((low.mole, high.mole, ordered))
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
        for low, high in pairwise(self.kinks):
            if low.mole <= x <= high.mole:
                return _evaluate(self, x, _interpolate(self.problem, low, high, x))
        raise InputError(f"fraction of the first reactant must lie between 0 and 1; got {fraction:g}")

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
        if at is not None:
            result["point"] = self.at(at, basis).to_dict()
        return result


def _interpolate(problem: LinearProblem, low: Kink, high: Kink, x: float) -> FloatArray:
    weight = 0.0 if high.mole == low.mole else (x - low.mole) / (high.mole - low.mole)
    column = {name: i for i, name in enumerate(problem.library.names)}
    amounts = np.zeros(len(column))
    for share, kink in ((1.0 - weight, low), (weight, high)):
        for product in kink.products:
            amounts[column[product["phase"]]] += share * product["mol"]
    return amounts


@dataclass(frozen=True, eq=False)
class MixingLine:
    """The mixing line in numbers.

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

    def tangent(self, x: float) -> tuple[float, float]:
        """dG(x) and a slope of it from the duals, J per mole of mixture."""
        amounts, potentials, _ = self.problem.solve(self.mixture(x))
        value = float(self.problem.costs @ amounts) - x * self.gibbs[0] - (1.0 - x) * self.gibbs[1]
        slope = float(potentials @ (self.vectors[0] - self.vectors[1])) - self.gibbs[0] + self.gibbs[1]
        return value, slope


def _uncertainty(problem: LinearProblem, first: Phase, second: Phase, x: float, amounts: FloatArray) -> float:
    net: dict[str, float] = dict(zip(problem.library.names, amounts.tolist(), strict=True))
    sizes = {p.name: float(p.gibbs_uncertainty(problem.temperature_K)) for p in problem.library.phases}
    own = {p.name: p.atoms for p in problem.library.phases}
    for share, phase in ((x, first), (1.0 - x, second)):
        net[phase.name] = net.get(phase.name, 0.0) - share * phase.atoms / own[phase.name]
    return float(np.sqrt(sum((amount * sizes[name]) ** 2 for name, amount in net.items())))


def _kink(
    problem: LinearProblem,
    reactants: tuple[Phase, Phase],
    volumes: tuple[float | None, float | None],
    x: float,
    amounts: FloatArray,
    ends: tuple[float, float],
) -> Kink:
    first, second = reactants
    temperature = problem.temperature_K
    given = x * float(first.gibbs(temperature)) + (1.0 - x) * float(second.gibbs(temperature))
    change = float(problem.costs @ amounts) - given
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
        uncertainty_J_per_mol=_uncertainty(problem, first, second, x, amounts),
        products=tuple(describe(problem, problem.named(amounts))),
    )


def _share(x: float, first: float, second: float) -> float:
    return x * first / (x * first + (1.0 - x) * second)


def _evaluate(reaction: InterfaceReaction, x: float, amounts: FloatArray) -> Kink:
    ends = reaction.kinks[0].dG_J_per_mol, reaction.kinks[-1].dG_J_per_mol
    return _kink(reaction.problem, (reaction.first, reaction.second), reaction.volumes_A3, x, amounts, ends)


def _volume(formula: str) -> float | None:
    from cosinter.structures.crystals import formula_volume

    return formula_volume(formula)


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
        See :func:`interface_reaction`.
    """
    a, b = (
        library.stable(r, temperature_K=temperature_K) if isinstance(r, str) else r for r in (first, second)
    )
    problem = make_problem(
        library,
        {*a.composition, *b.composition},
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        extra=[phase for phase in (a, b) if phase.name not in library],
    )
    return MixingLine(
        problem=problem,
        first=a,
        second=b,
        vectors=(problem.vector(a.composition), problem.vector(b.composition)),
        gibbs=(float(a.gibbs(temperature_K)), float(b.gibbs(temperature_K))),
    )


def solve_line(line: MixingLine) -> list[tuple[float, FloatArray]]:
    """Find every kink of a mixing line, ends included: [(mole fraction of the first, amounts [phases] in mol)].

    Raises
    ------
    InputError, ConvergenceError
        See :meth:`LinearProblem.solve` and :func:`~cosinter.analysis.equilibrium.line.find_kinks`.
    """
    positions = [0.0, *find_kinks(line.tangent), 1.0]
    return [(x, line.problem.solve(line.mixture(x))[0]) for x in positions]


def interface_reaction(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
) -> InterfaceReaction:
    """Find all kinks, products and free energies along the mixing line of two reactants.

    Parameters
    ----------
    first, second : formula, phase name, alias or Phase; of several forms the stable one at the temperature
    library : phases that may form
    temperature_K : 250 to 2500 K
    pressures_bar : {gas: partial pressure in bar} of the open gases
    exclude : names of phases that must not form

    Raises
    ------
    UnknownNameError, CompositionError
        A reactant or gas is not known, or lies outside its solution model.
    InputError
        Temperature or pressure out of range, or open gases that react with each other.
    ConvergenceError
        The solver gave up.
    """
    line = make_line(
        first,
        second,
        library=library,
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
    )
    problem, reactants = line.problem, (line.first, line.second)
    found = solve_line(line)
    volumes = (_volume(line.first.formula), _volume(line.second.formula))
    change = [float(problem.costs @ n) for _, n in (found[0], found[-1])]
    ends = (change[0] - line.gibbs[1], change[1] - line.gibbs[0])
    kinks = tuple(_kink(problem, reactants, volumes, x, amounts, ends) for x, amounts in found)
    present = np.max(np.abs([amounts for _, amounts in found]), axis=0)
    return InterfaceReaction(
        first=line.first,
        second=line.second,
        problem=problem,
        kinks=kinks,
        warnings=_warnings(problem, reactants, present),
        volumes_A3=volumes,
    )


def _warnings(problem: LinearProblem, reactants: tuple[Phase, Phase], present: FloatArray) -> tuple[str, ...]:
    significant = np.where(present > 1e-9, present, 0.0)
    listed = list(problem.warnings(significant))
    for phase in reactants:
        if not phase.covers(problem.temperature_K) and not any(
            w.startswith(f"{phase.name} ") for w in listed
        ):
            low, high = phase.range_K
            listed.append(
                f"{phase.name} is used at {problem.temperature_K:g} K, outside its data ({low:g} to {high:g} K)"
            )
    return tuple(listed)
