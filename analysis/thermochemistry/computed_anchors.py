"""Enthalpies of computed entries from reactions with measured phases that keep every ion's oxidation state.

Differences of calculated energies within one kind of bond are far better than formation energies from the elements: the
errors of O2, of the elements, of the phosphate, carbonate and titanate groups cancel. The reactions and their measured
errors are those of :mod:`cosinter.analysis.thermochemistry.anchoring`; here the computed entries are brought into its
form, and every phase is left out of its own reaction. Reactions that need O2 are not used: for changes of the oxidation
state the formation energies with the MP2020 corrections, which were fitted to them, are better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cosinter.analysis.thermochemistry.anchoring import (
    ComputedEnergy,
    Reaction,
    anchor,
    anchored_enthalpy,
    classify,
    find_references,
)
from cosinter.analysis.thermochemistry.entries import ComputedEntry
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE
from cosinter.analysis.thermochemistry.library import PhaseLibrary

FIXED_STATES: Mapping[str, int] = {"Li": 1, "H": 1, "Al": 3, "C": 4, "P": 5}
#: Ions of the other metals begin as 2+ and are oxidised in this order, the easiest first.
OXIDATION_ORDER = (("Ti", 2), ("Ti", 3), ("Mn", 2), ("Mn", 3), ("Co", 2), ("Ni", 2), ("Co", 3), ("Ni", 3))
TOLERANCE = 1e-6
#: Measured phases that must have been compared before a reaction is trusted.
FEWEST = 5


@dataclass(frozen=True)
class AnchoredEntry:
    """Enthalpy of one entry by ``reaction`` with measured phases.

    ``enthalpy`` is H298 and ``own`` the calculation's own standard error, J/mol of the reduced formula; the measured
    phases hand on theirs too.
    """

    enthalpy: float
    own: float
    reaction: Reaction


def assign_ions(composition: Mapping[str, float]) -> dict[str, float] | None:
    """Count the ions of an oxide, {``Ti4+``: number}; None where usual oxidation states do not balance.

    >>> assign_ions({"Co": 3.0, "O": 4.0})
    {'Co2+': 1.0, 'Co3+': 2.0, 'O2-': 4.0}
    """
    metals = {element for element, _ in OXIDATION_ORDER}
    if "O" not in composition or set(composition) - metals - set(FIXED_STATES) - {"O"}:
        return None
    ions = {
        f"{element}{FIXED_STATES[element]}+": amount
        for element, amount in composition.items()
        if element in FIXED_STATES
    }
    variable = {element: amount for element, amount in composition.items() if element in metals}
    missing = 2.0 * composition["O"] - 2.0 * sum(variable.values())
    missing -= sum(FIXED_STATES[e] * amount for e, amount in composition.items() if e in FIXED_STATES)
    if missing < -TOLERANCE:
        return None
    states = {(element, 2): amount for element, amount in variable.items()}
    for element, state in OXIDATION_ORDER:
        raised = min(missing, states.get((element, state), 0.0))
        if raised > TOLERANCE:
            states[element, state] -= raised
            states[element, state + 1] = raised
            missing -= raised
    if missing > TOLERANCE:
        return None
    charged = {f"{element}{state}+": n for (element, state), n in sorted(states.items()) if n > TOLERANCE}
    return {**ions, **charged, "O2-": composition["O"]}


def _computed(entry: ComputedEntry, joule_per_mol: float) -> ComputedEnergy | None:
    """Entry in the form of the anchoring, per reduced formula; None for anything but an oxide of usual ions."""
    if entry.oxide_type.lower() in ("peroxide", "superoxide", "ozonide"):
        return None
    formula = entry.formula
    composition = parse_formula(formula)
    ions = assign_ions(composition)
    if ions is None or len(composition) < 2:
        return None
    share = sum(composition.values()) / entry.atoms
    return ComputedEnergy(
        crystal=formula,
        formula=formula,
        ions=ions,
        bridges=max(0.0, 4.0 * composition.get("P", 0.0) - composition["O"]) if "P" in composition else 0.0,
        energy_J_per_mol=entry.corrected_energy * share * joule_per_mol,
    )


def _other_forms(library: PhaseLibrary) -> dict[str, str]:
    """Measured polymorphs that are not the stable one at 298.15 K: they refer to no computed entry."""
    stable: dict[tuple[tuple[str, float], ...], tuple[float, str]] = {}
    measured = [p for p in library.phases if p.energy_source == "measured" and p.state == "s"]
    for phase in measured:
        key = tuple(sorted((e, round(n / phase.atoms, 6)) for e, n in phase.composition.items()))
        found = (float(phase.gibbs(REFERENCE_TEMPERATURE)) / phase.atoms, phase.name)
        stable[key] = min(found, stable.get(key, found))
    kept = {name for _, name in stable.values()}
    return {phase.name: "" for phase in measured if phase.name not in kept}


def anchored_entries(
    entries: Mapping[str, ComputedEntry], library: PhaseLibrary, *, joule_per_mol: float
) -> dict[str, AnchoredEntry]:
    """Anchor the lowest entries of a set on the measured phases of ``library``.

    Parameters
    ----------
    entries : {reduced formula: entry}, one functional, corrections settled
    library : holds the measured phases
    joule_per_mol : J/mol of one eV

    Returns
    -------
    {reduced formula: result} of those with a reaction free of O2; empty where fewer than five measured phases could be
    compared.
    """
    from cosinter.analysis.thermochemistry.energy_tables import rules

    found = {formula: _computed(entry, joule_per_mol) for formula, entry in entries.items()}
    energies = {formula: energy for formula, energy in found.items() if energy is not None}
    own_rules = {**rules(), "crystals": _other_forms(library)}
    anchoring = anchor(energies, library, rules=own_rules)
    errors = anchoring.class_errors
    if errors.get("all", (0.0, 0))[1] < FEWEST:
        return {}
    reactions = {name: item.reaction for name, item in anchoring.anchored.items()}
    reactions |= {row.crystal: row.reaction for row in anchoring.comparisons}
    references = {
        name: (reference.enthalpy, reference.energy)
        for name, reference in find_references(energies, library, rules=own_rules).items()
    }
    results = {}
    for formula, reaction in reactions.items():
        energy = energies[formula]
        if reaction.oxygen or any(references[name][1] == energy.energy_J_per_mol for name in reaction.phases):
            continue
        classes = [name for name in classify(energy) if name in errors] or ["all"]
        results[formula] = AnchoredEntry(
            enthalpy=anchored_enthalpy(energy, reaction, references, oxygen_J_per_mol=None),
            own=energy.atoms * max(errors[name][0] for name in classes),
            reaction=reaction,
        )
    return results
