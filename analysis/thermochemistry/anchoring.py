"""From computed energies to enthalpies of formation, through reactions with measured phases.

A calculator's energies E (of any scale) give differences between phases; the scale comes from measurements:

    H298(X) = E(X) + sum_i n_i [H298(i) - E(i)] - n_O2 E(O2)        X = sum_i n_i (phase i) + n_O2 O2

The reaction is the one of least change: among the measured phases made of the elements of X, Li and O it keeps every
ion's oxidation state and every P-O-P bridge where it can, turns over as little as it can of the cations other than Li
(Li2O is the base that all compounds here share), and takes the phases nearest in composition: it minimises
sum_i |n_i| [k m_i + a_i (1 + d_i)], with a_i the atoms and m_i the cations other than Li in a formula of i, and d_i the
distance of its cation fractions from those of X (a linear program). Oxygen balances by itself where the states are
kept; where not, O2 takes part with an energy fitted to measured redox couples. Differences of zero-point and thermal
energy are neglected (a few kJ/mol; part of the measured error). Rules and costs: ``data/energies/rules.yaml``.

Errors: a reaction's measured phases hand on theirs with sign, O2 the spread over its couples, and the calculator's own
error is the root mean square of H298(computed) - H298(measured) per atom over the measured phases of the same class
(the worst of its classes), each left out of its own estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE
from cosinter.data.exceptions import DataError, InputError

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary

SAME = 1e-6


@dataclass(frozen=True)
class ComputedEnergy:
    """Energy of a crystal on its calculator's scale, J/mol of ``formula``; ``ions`` and P-O-P ``bridges`` per formula."""

    crystal: str
    formula: str
    ions: Mapping[str, float]
    bridges: float
    energy_J_per_mol: float
    converged: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def atoms(self) -> float:
        """Atoms per formula."""
        return sum(self.ions.values())

    @property
    def cations(self) -> dict[tuple[str, float], float]:
        """{(element, oxidation state): number per formula}, anions left out."""
        parsed = {split_ion(ion): number for ion, number in self.ions.items()}
        return {ion: number for ion, number in parsed.items() if ion[1] > 0.0}

    @property
    def anchorable(self) -> bool:
        """True for compounds of cations and oxide ions: no elements, no peroxide."""
        return all(
            state > 0.0 or (element, state) == ("O", -2.0) for element, state in map(split_ion, self.ions)
        )


@dataclass(frozen=True)
class Reaction:
    """One formula = sum of ``phases`` (mol) + ``oxygen`` mol O2, making ``bridges`` P-O-P bridges."""

    phases: Mapping[str, float]
    oxygen: float
    bridges: float

    def __str__(self) -> str:
        parts = [*self.phases.items(), *([("O2", self.oxygen)] if self.oxygen else [])]
        return " + ".join(f"{amount:.4g} {name}" for name, amount in parts).replace("+ -", "- ")


@dataclass(frozen=True)
class Oxygen:
    """Energy of O2 on the calculator's scale and its standard deviation over the ``couples``, J/mol of O2."""

    energy_J_per_mol: float
    spread_J_per_mol: float
    couples: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Computed against measured enthalpy of one measured phase that took no part in its own estimate; J/mol.

    ``refers``: the phase is a reference of other crystals. ``counts``: its error belongs to the statistics; not where
    another crystal was measured than computed, and not where the reaction holds a phase of more elements (the same
    error of the ternary phase would count twice, and per fewer atoms).
    """

    phase: str
    crystal: str
    classes: tuple[str, ...]
    measured_J_per_mol: float
    measured_uncertainty_J_per_mol: float
    computed_J_per_mol: float
    atoms: float
    reaction: Reaction
    refers: bool
    counts: bool

    @property
    def error(self) -> float:
        """Computed minus measured, J/mol."""
        return self.computed_J_per_mol - self.measured_J_per_mol

    @property
    def error_per_atom(self) -> float:
        """The same in J per mole of atoms."""
        return self.error / self.atoms


@dataclass(frozen=True)
class Anchored:
    """How a crystal's enthalpy follows from measured ones; ``own_J_per_mol`` is the calculator's error."""

    crystal: str
    reaction: Reaction
    category: str
    own_J_per_mol: float


@dataclass(frozen=True)
class Anchoring:
    """Everything learned from one calculator's energies: reactions, comparisons, O2, errors per atom by class."""

    anchored: Mapping[str, Anchored]
    comparisons: tuple[Comparison, ...]
    oxygen: Oxygen | None
    class_errors: Mapping[str, tuple[float, int]]


@dataclass(frozen=True)
class Reference:
    """A measured phase with the energy of its crystal; ``factor`` crystal formulas make one formula of the phase."""

    phase: Phase
    computed: ComputedEnergy
    factor: float

    @property
    def energy(self) -> float:
        """Energy on the calculator's scale, J/mol of the phase's formula."""
        return self.factor * self.computed.energy_J_per_mol

    @property
    def enthalpy(self) -> float:
        """Measured H298, J/mol of the phase's formula."""
        return float(self.phase.enthalpy(REFERENCE_TEMPERATURE))


def split_ion(ion: str) -> tuple[str, float]:
    """Split ``Ti4+`` into element and charge.

    >>> split_ion("O2-")
    ('O', -2.0)

    Raises
    ------
    DataError
        The text is not an ion.
    """
    symbol = ion.rstrip("0123456789+-")
    number, sign = ion[len(symbol) :][:-1], ion[-1:]
    if not symbol or sign not in "+-" or sign == "":
        raise DataError(f"'{ion}' is not an ion; write it like Ti4+")
    return symbol, (float(number) if number else 1.0) * (1.0 if sign == "+" else -1.0)


def crystal_of(
    phase: Phase, energies: Mapping[str, ComputedEnergy], named: Mapping[str, str]
) -> ComputedEnergy | None:
    """Find the computed crystal of a solid ``phase``: by rule, by name, or the only one of its composition."""
    if phase.state != "s":
        return None
    name = named.get(phase.name, phase.name)
    same = [
        energy
        for energy in energies.values()
        if proportionality(phase.composition, parse_formula(energy.formula), tolerance=SAME)
    ]
    exact = [energy for energy in same if energy.crystal == name]
    if exact:
        return exact[0]
    return same[0] if len(same) == 1 and phase.name not in named else None


def anchor(
    energies: Mapping[str, ComputedEnergy], library: PhaseLibrary, *, rules: Mapping[str, Any]
) -> Anchoring:
    """Find the reaction of every crystal and compare with every measured phase.

    Parameters
    ----------
    energies : computed crystals by name, all from one calculator
    library : holds the measured phases; everything else in it is ignored
    rules : the content of ``data/energies/rules.yaml``
    """
    known = find_references(energies, library, rules=rules)
    refers = {name: ref for name, ref in known.items() if name not in rules["not_references"]}
    costs = rules["costs"]
    couples = [(str(a), str(b)) for a, b in rules["oxygen_couples"]]
    oxygen = calibrate_oxygen(refers, couples)
    comparisons = []
    for name, reference in known.items():
        others = {n: r for n, r in refers.items() if n != name}
        row = _compare(reference, others, calibrate_oxygen(others, couples), costs, name in refers)
        if row is not None:
            comparisons.append(row)
    errors = _class_errors(comparisons, int(rules["smallest_class"]))
    anchored = {}
    for crystal, energy in energies.items():
        reaction = least_change(energy, refers, costs=costs)
        if reaction is None or (reaction.oxygen and oxygen is None) or "all" not in errors:
            continue
        known_classes = [name for name in classify(energy) if name in errors] or ["all"]
        category = max(known_classes, key=lambda name: errors[name][0])
        own = energy.atoms * errors[category][0]
        itself = [n for n, r in refers.items() if r.computed.crystal == crystal]
        anchored[crystal] = Anchored(crystal, reaction, category, 0.0 if itself else own)
    return Anchoring(anchored, tuple(comparisons), oxygen, errors)


def find_references(
    energies: Mapping[str, ComputedEnergy], library: PhaseLibrary, *, rules: Mapping[str, Any]
) -> dict[str, Reference]:
    """Pair every measured solid of ``library`` with the energy of its crystal, by name of the phase."""
    found = {}
    for phase in library.phases:
        computed = (
            crystal_of(phase, energies, rules["crystals"]) if phase.energy_source == "measured" else None
        )
        if computed is None or not computed.anchorable:
            continue
        factor = proportionality(phase.composition, parse_formula(computed.formula), tolerance=SAME)
        found[phase.name] = Reference(phase, computed, float(factor or 1.0))
    return found


def calibrate_oxygen(
    references: Mapping[str, Reference], couples: Iterable[tuple[str, str]]
) -> Oxygen | None:
    """Fit E(O2) to measured redox couples a + n O2 -> b; None without two couples at hand.

    E(O2) = [E(b) - f E(a) - (H(b) - f H(a))] / n, f from the balance of the metal.
    """
    values = {}
    for first, second in couples:
        if first in references and second in references:
            a, b = references[first], references[second]
            metal = next(element for element in a.phase.composition if element != "O")
            f = b.phase.composition[metal] / a.phase.composition[metal]
            n = 0.5 * (b.phase.composition["O"] - f * a.phase.composition["O"])
            values[f"{first}/{second}"] = (b.energy - f * a.energy - b.enthalpy + f * a.enthalpy) / n
    if len(values) < 2:
        return None
    numbers = np.array([*values.values()])
    return Oxygen(float(numbers.mean()), float(numbers.std(ddof=1)), values)


def least_change(
    target: ComputedEnergy, references: Mapping[str, Reference], *, costs: Mapping[str, float]
) -> Reaction | None:
    """Find the reaction of least change from measured phases to ``target`` (module text); None if there is none."""
    from scipy.optimize import linprog

    if not target.anchorable:
        return None
    elements = {element for element, _ in map(split_ion, target.ions)} | {"Li", "O"}
    pool = {n: r for n, r in references.items() if set(r.phase.composition) <= elements}
    ions = sorted({ion for r in [target, *(r.computed for r in pool.values())] for ion in r.cations})
    rows = [*ions, "bridge"]
    columns = [_column(r.computed, rows, r.factor) for r in pool.values()]
    prices = [_price(target, r, costs["turnover"]) for r in pool.values()]
    steps = [(a, b) for a in ions for b in ions if a[0] == b[0] and a[1] < b[1]]
    for low, high in steps:
        columns.append(np.array([float(r == high) - float(r == low) for r in rows]))
        prices.append(costs["electron"] * (high[1] - low[1]))
    columns.append(np.array([float(r == "bridge") for r in rows]))
    prices.append(costs["bridge"])
    matrix = np.array(columns).T
    result = linprog(
        np.tile(prices, 2), A_eq=np.hstack([matrix, -matrix]), b_eq=_column(target, rows, 1.0), method="highs"
    )
    if result.status != 0:
        return None
    amounts = np.round(result.x[: len(prices)] - result.x[len(prices) :], 9)
    electrons = sum(
        amount * (high[1] - low[1])
        for amount, (low, high) in zip(amounts[len(pool) : -1], steps, strict=True)
    )
    return Reaction(
        phases={name: float(n) for name, n in zip(pool, amounts[: len(pool)], strict=True) if n},
        oxygen=float(electrons) / 4.0,
        bridges=float(amounts[-1]),
    )


def _column(energy: ComputedEnergy, rows: list[Any], factor: float) -> Any:
    cations = energy.cations
    return np.array([factor * (energy.bridges if r == "bridge" else cations.get(r, 0.0)) for r in rows])


def _price(target: ComputedEnergy, reference: Reference, turnover: float) -> float:
    heavy = sum(number for (element, _), number in reference.computed.cations.items() if element != "Li")
    near = 1.0 + _distance(target, reference.computed)
    return turnover * reference.factor * heavy + reference.phase.atoms * near


def _distance(first: ComputedEnergy, second: ComputedEnergy) -> float:
    """Half the sum of the differences of the cation fractions, by element: 0 the same, 1 nothing in common."""

    def fractions(energy: ComputedEnergy) -> dict[str, float]:
        total = sum(energy.cations.values())
        found: dict[str, float] = {}
        for (element, _), number in energy.cations.items():
            found[element] = found.get(element, 0.0) + number / total
        return found

    a, b = fractions(first), fractions(second)
    return 0.5 * sum(abs(a.get(e, 0.0) - b.get(e, 0.0)) for e in {*a, *b})


def anchored_enthalpy(
    target: ComputedEnergy,
    reaction: Reaction,
    references: Mapping[str, tuple[float, float]],
    *,
    oxygen_J_per_mol: float | None,
) -> float:
    """Evaluate the equation of the module: H298 in J/mol of ``target``'s formula.

    ``references`` holds (H298, E) of the reaction's phases, J/mol of each phase's formula.

    Raises
    ------
    InputError
        O2 takes part, but its energy is not known; or a phase of the reaction is missing.
    """
    total = target.energy_J_per_mol
    for name, amount in reaction.phases.items():
        if name not in references:
            raise InputError(
                f"the enthalpy of {target.crystal} is anchored on {name}, which is not among the phases"
            )
        enthalpy, energy = references[name]
        total += amount * (enthalpy - energy)
    if reaction.oxygen:
        if oxygen_J_per_mol is None:
            raise InputError(
                f"the enthalpy of {target.crystal} needs the energy of O2, which no redox couple gives"
            )
        total -= reaction.oxygen * oxygen_J_per_mol
    return total


def classify(energy: ComputedEnergy) -> tuple[str, ...]:
    """Classes of error that a crystal belongs to: everything it holds that calculators find hard, else ``oxide``."""
    elements = {element for element, _ in map(split_ion, energy.ions)}
    hard = {"Al": "aluminium", "P": "phosphate", "C": "carbonate", "H": "hydroxide"}
    return tuple(name for element, name in hard.items() if element in elements) or ("oxide",)


def _compare(
    reference: Reference,
    others: Mapping[str, Reference],
    oxygen: Oxygen | None,
    costs: Mapping[str, float],
    refers: bool,
) -> Comparison | None:
    reaction = least_change(reference.computed, others, costs=costs)
    if reaction is None or (reaction.oxygen and oxygen is None):
        return None
    computed = anchored_enthalpy(
        reference.computed,
        reaction,
        {name: (r.enthalpy, r.energy) for name, r in others.items()},
        oxygen_J_per_mol=oxygen.energy_J_per_mol if oxygen else None,
    )
    return Comparison(
        phase=reference.phase.name,
        crystal=reference.computed.crystal,
        classes=("redox",) if reaction.oxygen else classify(reference.computed),
        measured_J_per_mol=reference.enthalpy,
        measured_uncertainty_J_per_mol=reference.phase.uncertainty_J_per_mol,
        computed_J_per_mol=reference.factor * computed,
        atoms=reference.phase.atoms,
        reaction=reaction,
        refers=refers,
        counts=refers and not any(_elements(others[name]) > _elements(reference) for name in reaction.phases),
    )


def _elements(reference: Reference) -> int:
    return len(reference.phase.composition)


def _class_errors(comparisons: Iterable[Comparison], smallest: int) -> dict[str, tuple[float, int]]:
    """Root mean square error (J per mole of atoms) and number of phases by class; ``all`` is all but ``redox``."""
    groups: dict[str, list[float]] = {}
    for row in comparisons:
        for name in (*row.classes, *(() if "redox" in row.classes else ("all",))):
            if not row.counts:
                continue
            groups.setdefault(name, []).append(row.error_per_atom)
    return {
        name: (float(np.sqrt(np.mean(np.square(errors)))), len(errors))
        for name, errors in groups.items()
        if len(errors) >= smallest or name == "all"
    }
