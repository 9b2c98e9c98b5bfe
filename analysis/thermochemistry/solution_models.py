"""Solid solutions and melts: free energy, its derivatives and samples, as mixtures of end members.

For the amounts x of the end members (x_i >= 0, sum 1) per mole of formula unit,

    G(x, T) = sum_i x_i G_i(T)                                          end members, phases of the library
            + R T [sum_s n_s ln(n_s / m_s) - sum_i x_i c_i]             ideal mixing on the sites
            + sum_ab W_ab(T) n_a n_b / m_a                              interactions of two species of one site
            + e(v)                                                      vacancies by the open-circuit potential

n_s = sum_i o_si x_i is the amount of species s on its site of m_s places; c_i is the first sum of an ordered end member
alone, so that G equals G_i at the corners; e(v) is zero at v = 0 and v = 1 and convex. Composition and n are linear in
x: the end members span the phase, and one composition may be reached in several ways (Co3+ with Ni2+ or the reverse),
of which an equilibrium takes the best. Without interactions above 2 R T m, G is convex. Site-fraction models:
M. Hillert, J. Alloys Compd. 320 (2001) 161, doi 10.1016/S0925-8388(00)01481-X.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb, hypot
from typing import Any, Protocol

import numpy as np
from scipy.constants import R
from scipy.special import xlogy

from cosinter.analysis.parameters import Kind
from cosinter.analysis.thermochemistry.functions import (
    REFERENCE_TEMPERATURE,
    Combination,
    FloatArray,
    ThermoFunction,
)
from cosinter.analysis.thermochemistry.library import TRUST, EnergySource, Phase, State
from cosinter.analysis.thermochemistry.open_circuit import (
    DILUTE,
    FARADAY,
    dilute_mixing,
    ocv_integral,
    open_circuit_potential,
    potential_slope,
)
from cosinter.data.exceptions import InputError

#: Amounts of an end member below this are left out of a sample: costs less than 0.2 J/mol.
NEGLIGIBLE = 1e-6
_DIGITS = 10


class SolutionModel(Protocol):
    """What an equilibrium needs of a solution; x has shape [k, d], one row per composition."""

    @property
    def name(self) -> str:
        """Name shown for the phase."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements it may hold, sorted."""

    def composition(self, x: FloatArray) -> FloatArray:
        """Atoms per formula unit in the order of :attr:`elements`, shape [k, elements]."""

    def gibbs(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """G in J/mol of formula unit, shape [k]."""

    def slopes(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """Derivatives of G with x, J/mol, shape [k, d]."""

    def sample(self, count: int) -> FloatArray:
        """At most ``count`` compositions spread over the phase, shape [n, d]."""

    def errors(self, x: FloatArray) -> dict[str, tuple[float, float]]:
        """Error sources of one composition, x of shape [d]; see :class:`Phase`."""

    def label(self, x: FloatArray) -> str:
        """Formula of one composition, x of shape [d]."""


@dataclass(frozen=True, eq=False)
class Member:
    """One end member.

    Attributes
    ----------
    name, composition : formula and atoms
    function : H(T), S(T) per mole
    errors : error sources, see :class:`Phase`
    phase : name of the library's phase that it is, if it is one
    energy_source, qualitative : the least trusted provider of the phases it is made of, and whether one of them is only
        qualitative
    """

    name: str
    composition: Mapping[str, float]
    function: ThermoFunction
    errors: Mapping[str, tuple[float, float]]
    phase: str | None = None
    energy_source: EnergySource = "measured"
    qualitative: bool = False


@dataclass(frozen=True, eq=False)
class Interaction:
    """W = enthalpy - T entropy (J/mol, J/mol/K) between two species (rows of the occupancy)."""

    first: int
    second: int
    enthalpy: float
    entropy: float = 0.0

    def at(self, temperature_K: float) -> float:
        """W in J/mol."""
        return self.enthalpy - temperature_K * self.entropy


@dataclass(frozen=True, eq=False)
class Solution:
    """A solution of end members (see the module's equation); implements :class:`SolutionModel` with d end members.

    Attributes
    ----------
    members : end members
    occupancy : amount of each species in each end member, shape [species, members]
    places : places of each species' site, shape [species]
    ordering : c_i of each end member, shape [members]
    interactions : pairs that do not mix ideally
    vacancies : empty lithium places of each end member, shape [members]; None: no open-circuit term
    uncertainty_J : error of the mixing terms, J/mol times 2 (1 - sum x_i^2)
    """

    name: str
    members: tuple[Member, ...]
    occupancy: FloatArray
    places: FloatArray
    ordering: FloatArray
    interactions: tuple[Interaction, ...] = ()
    vacancies: FloatArray | None = None
    uncertainty_J: float = 0.0
    state: State = "s"
    range_K: tuple[float, float] = (298.15, 1500.0)
    source: str = ""
    kind: Kind = "assumed"

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Elements of all end members, sorted."""
        return tuple(sorted({element for member in self.members for element in member.composition}))

    @cached_property
    def counts(self) -> FloatArray:
        """Atoms of each end member, shape [members, elements]."""
        rows = [[member.composition.get(e, 0.0) for e in self.elements] for member in self.members]
        return np.asarray(rows, dtype=np.float64)

    def available(self, elements: Iterable[str], phases: Container[str] | None = None) -> list[int]:
        """Index the end members made of ``elements``; one that is a phase counts only if it is among ``phases``."""
        allowed = set(elements)
        return [
            i
            for i, member in enumerate(self.members)
            if set(member.composition) <= allowed
            and (phases is None or member.phase is None or member.phase in phases)
        ]

    def restricted(self, elements: Iterable[str], phases: Container[str] | None = None) -> Solution | None:
        """Keep the :meth:`available` end members; None if fewer than two are left."""
        kept = self.available(elements, phases)
        if len(kept) == len(self.members):
            return self
        return None if len(kept) < 2 else self.part(kept)

    def part(self, kept: list[int]) -> Solution:
        """The solution of some of the end members, by index."""
        return replace(
            self,
            members=tuple(self.members[i] for i in kept),
            occupancy=self.occupancy[:, kept],
            ordering=self.ordering[kept],
            vacancies=None if self.vacancies is None else self.vacancies[kept],
        )

    def composition(self, x: FloatArray) -> FloatArray:
        """Atoms per formula unit, shape [k, elements]."""
        return np.asarray(x @ self.counts, dtype=np.float64)

    # -- free energy ----------------------------------------------------------------------------------------------

    def references(self, temperature_K: float) -> FloatArray:
        """G of the end members, J/mol, shape [members]."""
        t = np.asarray(temperature_K, dtype=np.float64)
        return np.asarray(
            [float(m.function.enthalpy(t) - t * m.function.entropy(t)) for m in self.members],
            dtype=np.float64,
        )

    def gibbs(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """G, J/mol of formula unit, shape [k]."""
        return np.asarray(x @ self.references(temperature_K) + self.mixing(x, temperature_K))

    def slopes(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """dG/dx_i, J/mol, shape [k, members]; x_i = 0 counts as 1e-300."""
        return np.asarray(self.references(temperature_K) + self.mixing_slopes(x, temperature_K))

    def mixing(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """G beyond the sum of the end members, J/mol, shape [k]."""
        amounts = x @ self.occupancy.T
        value = R * temperature_K * (xlogy(amounts, amounts / self.places).sum(axis=-1) - x @ self.ordering)
        forms, weights = self.squares(temperature_K)
        value = value + (x @ forms.T) ** 2 @ weights
        if self.vacancies is not None:
            value = value + _vacancy_energy(x @ self.vacancies)
        return np.asarray(value, dtype=np.float64)

    def mixing_slopes(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """Derivatives of :meth:`mixing` with x, J/mol, shape [k, members]."""
        amounts = np.maximum(x @ self.occupancy.T, 1e-300)
        logs = np.log(amounts / self.places) + 1.0
        value = R * temperature_K * (logs @ self.occupancy - self.ordering)
        forms, weights = self.squares(temperature_K)
        value = value + 2.0 * ((x @ forms.T) * weights) @ forms
        if self.vacancies is not None:
            value = value + _vacancy_slope(x @ self.vacancies)[:, None] * self.vacancies
        return np.asarray(value, dtype=np.float64)

    def curvature(self, x: FloatArray, temperature_K: float) -> FloatArray:
        """Second derivatives of :meth:`mixing`, J/mol, shape [k, members, members]."""
        amounts = np.maximum(x @ self.occupancy.T, 1e-300)
        thermal = R * temperature_K
        weighted = (thermal / amounts)[:, :, None] * self.occupancy
        value = self.occupancy.T @ weighted
        forms, weights = self.squares(temperature_K)
        value = value + 2.0 * np.einsum("q,qi,qj->ij", weights, forms, forms)
        if self.vacancies is not None:
            bend = _vacancy_bend(x @ self.vacancies)
            value = value + bend[:, None, None] * np.outer(self.vacancies, self.vacancies)
        return np.asarray(value, dtype=np.float64)

    def squares(self, temperature_K: float) -> tuple[FloatArray, FloatArray]:
        """Write the interactions as sum_q w_q (l_q x)^2: forms l [2 pairs, members] and weights w [2 pairs], J/mol.

        W n_a n_b / m = W/(4 m) (n_a + n_b)^2 - W/(4 m) (n_a - n_b)^2.
        """
        if not self.interactions:
            return np.zeros((0, len(self.members))), np.zeros(0)
        forms, weights = [np.zeros((0, len(self.members)))], []
        for pair in self.interactions:
            first, second = self.occupancy[pair.first], self.occupancy[pair.second]
            size = pair.at(temperature_K) / (4.0 * self.places[pair.first])
            forms.append(np.stack([first + second, first - second]))
            weights += [size, -size]
        return np.concatenate(forms), np.asarray(weights, dtype=np.float64)

    def convex(self, temperature_K: float) -> bool:
        """True where G is surely convex: the |W| that meet on one site add up to at most 2 R T."""
        total: dict[float, float] = {}
        for pair in self.interactions:
            if not (self.occupancy[pair.first].any() and self.occupancy[pair.second].any()):
                continue
            key = float(self.places[pair.first])
            total[key] = total.get(key, 0.0) + abs(pair.at(temperature_K))
        return all(size <= 2.0 * R * temperature_K for size in total.values())

    # -- samples --------------------------------------------------------------------------------------------------

    def sample(self, count: int) -> FloatArray:
        """Lattice of amounts k/N of the end members with the largest N that gives at most ``count`` points.

        Corners that are phases of the library are left out. Shape [n, members].
        """
        size, steps = len(self.members), 1
        while comb(steps + size, size - 1) <= count:
            steps += 1
        points = np.asarray(
            [
                np.bincount(chosen, minlength=size)
                for chosen in combinations_with_replacement(range(size), steps)
            ]
        )
        x = np.asarray(points / steps, dtype=np.float64)
        return np.asarray(x[~self.at_corner(x)], dtype=np.float64)

    def at_corner(self, x: FloatArray) -> Any:
        """True where x is an end member that the library holds as a phase, shape [k]."""
        known = np.asarray([member.phase is not None for member in self.members])
        return np.any((x > 1.0 - NEGLIGIBLE) & known, axis=-1)

    def errors(self, x: FloatArray) -> dict[str, tuple[float, float]]:
        """Add the errors of the end members and the mixing term's own: {source: (J/mol, J/mol/K)}."""
        sources, sizes = self._errors
        total = dict(zip(sources, map(tuple, np.tensordot(x, sizes, axes=1).tolist()), strict=True))
        own = self.uncertainty_J * 2.0 * float(1.0 - x @ x)
        if own > 1e-9:
            total[f"{self.name}: mixing"] = (own, 0.0)
        return {source: error for source, error in total.items() if error != (0.0, 0.0)}

    @cached_property
    def _errors(self) -> tuple[list[str], FloatArray]:
        """Names of all error sources, and their sizes in the end members [members, sources, 2]."""
        sources = sorted({source for member in self.members for source in member.errors})
        sizes = [[member.errors.get(source, (0.0, 0.0)) for source in sources] for member in self.members]
        return sources, np.asarray(sizes, dtype=np.float64).reshape(len(self.members), len(sources), 2)

    def label(self, x: FloatArray) -> str:
        """Formula of one composition, ten digits."""
        return self._formula(self.composition(x))

    def _formula(self, counts: FloatArray) -> str:
        return formula_of(dict(zip(self.elements, counts.tolist(), strict=True)))

    def phase(self, x: FloatArray, *, name: str = "", formula: str = "") -> SolutionSample:
        """Make the stoichiometric phase of one composition, x of shape [members].

        Raises
        ------
        InputError
            The amounts are negative or do not sum to one.
        """
        if np.min(x) < -1e-9 or abs(float(np.sum(x)) - 1.0) > 1e-6:
            raise InputError(
                f"amounts of the end members of {self.name} must not be negative and must sum to 1"
            )
        (phase,) = self.phases(np.asarray(x)[None, :], names=(name,), formulas=(formula,))
        return phase

    def phases(
        self, x: FloatArray, *, names: Sequence[str] = (), formulas: Sequence[str] = ()
    ) -> list[SolutionSample]:
        """Make the phases of many compositions, x of shape [k, members]; see :meth:`phase`.

        The energy source is the least trusted of the end members present, by :data:`TRUST`; that the mixing term is
        the model's own says ``kind``. A phase is qualitative where one of them is.
        """
        made = []
        # the mixing term is linear in T: H of mixing at 0 K, S of mixing from the difference
        energies = self.mixing(x, 0.0)
        entropies = (energies - self.mixing(x, 1000.0)) / 1000.0
        counts = self.composition(x)
        for k, row in enumerate(x):
            text = formulas[k] if formulas and formulas[k] else self._formula(counts[k])
            errors = self.errors(row)
            sizes = list(errors.values())
            present = [(float(row[i]), self.members[i]) for i in np.flatnonzero(row > 0.0)]
            made.append(
                SolutionSample(
                    name=names[k] if names and names[k] else f"{self.name} {text}",
                    formula=text,
                    state=self.state,
                    function=Combination(
                        tuple((amount, member.function) for amount, member in present),
                        float(energies[k]),
                        float(entropies[k]),
                    ),
                    uncertainty_J_per_mol=hypot(*(size[0] for size in sizes)),
                    entropy_uncertainty_J_per_mol_K=hypot(*(size[1] for size in sizes)),
                    errors=errors,
                    energy_source=max((member.energy_source for _, member in present), key=TRUST.index),
                    thermal_source="neumann_kopp",
                    source=self.source,
                    kind=self.kind,
                    range_K=self.range_K,
                    note=f"one composition of the {self.name}",
                    qualitative=any(member.qualitative for _, member in present),
                    solution=self,
                    amounts=tuple(row.tolist()),
                )
            )
        return made


@dataclass(frozen=True, eq=False)
class SolutionSample(Phase):
    """One composition of a solution, usable as a stoichiometric phase.

    Attributes
    ----------
    solution : the model
    amounts : amounts of its end members per mole of its formula unit
    """

    solution: Solution = field(kw_only=True)
    amounts: tuple[float, ...] = field(kw_only=True)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.init}
        return _rebuild, (values,)


def _rebuild(values: dict[str, Any]) -> SolutionSample:
    return SolutionSample(**values)


def formula_of(composition: Mapping[str, float], *, digits: int = _DIGITS) -> str:
    """Write a composition as a formula, cations in the order Li, Ni, Co, Mn, Al, Ti and anions last."""
    order = {e: i for i, e in enumerate(("Li", "Ni", "Co", "Mn", "Al", "Ti", "P", "C", "H", "O"))}
    last = {"O": 2, "H": 3}
    elements = sorted(composition, key=lambda e: (last.get(e, 1), order.get(e, -1), e))
    text = ""
    for element in elements:
        amount = round(composition[element], digits)
        if amount > 0.0:
            number = "" if amount == 1.0 else f"{amount:.{digits}f}".rstrip("0").rstrip(".")
            text += f"{element}{number}"
    return text


def _vacancy_energy(vacant: FloatArray) -> FloatArray:
    """Energy of the lithium removed, F int_{1-v}^1 U du - v F int_0^1 U du, less R 298.15 K times its ideal mixing."""
    lithium = 1.0 - vacant
    span = ocv_integral(lithium) - vacant * ocv_integral(0.0)
    energy = FARADAY * span - R * REFERENCE_TEMPERATURE * dilute_mixing(lithium)[0]
    return np.asarray(energy, dtype=np.float64)


def _vacancy_slope(vacant: FloatArray) -> FloatArray:
    lithium = 1.0 - vacant
    span = open_circuit_potential(lithium) - ocv_integral(0.0)
    slope = FARADAY * span + R * REFERENCE_TEMPERATURE * dilute_mixing(lithium)[1]
    return np.asarray(slope, dtype=np.float64)


def _vacancy_bend(vacant: FloatArray) -> FloatArray:
    lithium = 1.0 - vacant
    inner = np.clip(lithium, DILUTE, 1.0 - DILUTE)
    bend = np.where(inner == lithium, 1.0 / (inner * (1.0 - inner)), 0.0)
    bend = -FARADAY * potential_slope(lithium) - R * REFERENCE_TEMPERATURE * bend
    return np.asarray(bend, dtype=np.float64)
