"""Where S298 and Cp of an unmeasured phase come from, decided by error on measured phases.

Two estimates compete: harmonic phonons of a potential, and the Neumann-Kopp sum over the least-change reaction with
measured phases (:mod:`cosinter.analysis.thermochemistry.anchoring`), where oxygen that is taken up counts as half of
MnO2 - MnO per atom. Each measured phase is left out of its own sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.thermochemistry.anchoring import (
    ComputedEnergy,
    crystal_of,
    find_references,
    least_change,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE, Combination, ThermoFunction

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.anchoring import Reaction
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary


@dataclass(frozen=True)
class EntropyComparison:
    """S298 of one measured phase and its two estimates, J/mol/K of formula; None where there is none.

    ``counts``: the sum holds no phase of more elements than the phase itself, and no O2.
    """

    phase: str
    crystal: str
    atoms: float
    measured: float
    phonons: float | None
    neumann_kopp: float | None
    counts: bool

    def error_per_atom(self, estimate: float | None) -> float | None:
        """Estimate minus measured, J/K per mole of atoms."""
        return None if estimate is None else (estimate - self.measured) / self.atoms


def sum_function(reaction: Reaction, phases: Mapping[str, Phase]) -> ThermoFunction:
    """Neumann-Kopp sum of H(T) and S(T) over a reaction, J/mol and J/mol/K; O2 as 2 (MnO2 - MnO)."""
    terms = [(amount, phases[name].function) for name, amount in reaction.phases.items()]
    if reaction.oxygen:
        bound = 2.0 * reaction.oxygen
        terms += [(bound, phases["MnO2"].function), (-bound, phases["MnO"].function)]
    return Combination(tuple(terms))


def compare_entropies(
    computed: Mapping[str, Mapping[str, Any]],
    energies: Mapping[str, ComputedEnergy],
    library: PhaseLibrary,
    *,
    rules: Mapping[str, Any],
) -> tuple[EntropyComparison, ...]:
    """Compare both estimates with every measured S298.

    Parameters
    ----------
    computed : {crystal: {formula, S298_J_per_mol_K}} from phonons
    energies : crystals, for the reactions
    rules : the content of ``data/energies/rules.yaml``
    """
    phases = {phase.name: phase for phase in library.phases}
    found = find_references(energies, library, rules=rules)
    known = {n: r for n, r in found.items() if phases[n].thermal_source == "measured"}
    refers = {n: r for n, r in known.items() if n not in rules["not_references"]}
    rows = []
    for name, reference in known.items():
        if name not in refers:
            continue
        others = {n: r for n, r in refers.items() if n != name}
        reaction = least_change(reference.computed, others, costs=rules["costs"])
        phase = phases[name]
        total = None
        if reaction is not None and (not reaction.oxygen or {"MnO", "MnO2"} <= set(phases)):
            total = reference.factor * float(sum_function(reaction, phases).entropy(REFERENCE_TEMPERATURE))
        rows.append(
            EntropyComparison(
                phase=name,
                crystal=reference.computed.crystal,
                atoms=phase.atoms,
                measured=float(phase.entropy(REFERENCE_TEMPERATURE)),
                phonons=_scaled(computed.get(reference.computed.crystal), phase),
                neumann_kopp=total,
                counts=reaction is not None
                and not reaction.oxygen
                and all(len(phases[n].composition) <= len(phase.composition) for n in reaction.phases),
            )
        )
    return tuple(rows)


def _scaled(row: Mapping[str, Any] | None, phase: Phase) -> float | None:
    if row is None:
        return None
    factor = proportionality(phase.composition, parse_formula(row["formula"]), tolerance=1e-6)
    return None if factor is None else factor * float(row["S298_J_per_mol_K"])


def entropy_errors(rows: tuple[EntropyComparison, ...]) -> dict[str, tuple[float, int]]:
    """Root mean square errors in J/K per mole of atoms, and the number of phases.

    ``phonons`` and ``neumann_kopp`` over the phases that have both, so that the two can be compared;
    ``neumann_kopp_all`` over all that have a sum.
    """
    both = [row for row in rows if row.counts and row.phonons is not None and row.neumann_kopp is not None]
    sums = [row for row in rows if row.counts and row.neumann_kopp is not None]
    groups = {
        "phonons": [row.error_per_atom(row.phonons) for row in both],
        "neumann_kopp": [row.error_per_atom(row.neumann_kopp) for row in both],
        "neumann_kopp_all": [row.error_per_atom(row.neumann_kopp) for row in sums],
    }
    return {
        name: (float(np.sqrt(np.mean(np.square(np.array(errors, dtype=float))))), len(errors))
        for name, errors in groups.items()
        if errors
    }


def measured_crystals(
    energies: Mapping[str, ComputedEnergy], library: PhaseLibrary, *, rules: Mapping[str, Any]
) -> dict[str, Phase]:
    """{crystal: solid phase of the library that is this crystal}, measured or not."""
    found: dict[str, Phase] = {}
    for phase in library.phases:
        crystal = crystal_of(phase, energies, rules["crystals"])
        if crystal is not None:
            found.setdefault(crystal.crystal, phase)
    return found
