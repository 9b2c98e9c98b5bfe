"""Computed entries -> phases on the scale of the library.

    G(T) = dH_f + G_delta(T)

with G_delta the Gibbs descriptor and dH_f from a reaction with measured phases that keeps the oxidation states
(:mod:`cosinter.analysis.thermochemistry.computed_anchors`); where there is none, from the elements,

    dH_f = [E - sum_i n_i E_i] - n_g <error per group atom>,

with E and E_i the corrected energies of the compound and of the elements in the same set of entries and <error> the mean
error of its class of compounds (carbonates, phosphates, ...). Elements, gases and molecular solids of the set are
references only: they never become phases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.constants import N_A, elementary_charge

from cosinter.analysis.thermochemistry import descriptor
from cosinter.analysis.thermochemistry.computed_anchors import AnchoredEntry, anchored_entries
from cosinter.analysis.thermochemistry.computed_errors import error_table, group_of, unmeasured_spread
from cosinter.analysis.thermochemistry.corrections import check_one_functional
from cosinter.analysis.thermochemistry.entries import ComputedEntry, formation_energies
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import (
    Phase,
    PhaseLibrary,
    combined_errors,
)

#: J/mol per eV.
FARADAY = N_A * elementary_charge
#: Compounds of these elements alone are molecules, also when frozen.
MOLECULAR = frozenset({"H", "C", "N", "O", "F", "Cl", "Br", "I", "S"})


@dataclass(frozen=True)
class ComputedPhases:
    """Phases made from computed entries.

    Attributes
    ----------
    phases : one per composition, that of lowest energy
    left_out : (entry id, reason) of the entries that made none
    """

    phases: tuple[Phase, ...]
    left_out: tuple[tuple[str, str], ...]


def _reason(entry: ComputedEntry, elements: frozenset[str]) -> str:
    composition = set(entry.composition)
    if len(composition) == 1:
        return "an element: a reference of the formation energies only"
    if composition <= MOLECULAR:
        return "a gas or molecular solid: gases come from the tables"
    if not composition <= elements:
        return f"holds {', '.join(sorted(composition - elements))}, which the phase library does not know"
    if entry.volume_A3 is None:
        return "neither structure nor volume is given, and the Gibbs descriptor needs the volume"
    return ""


def _select(
    entries: Sequence[ComputedEntry], energies: Sequence[float], elements: frozenset[str]
) -> tuple[list[int], list[tuple[str, str]]]:
    """Indices of the entries that become phases, and why the others do not."""
    lowest: dict[str, int] = {}
    left_out: list[tuple[str, str]] = []
    for index, entry in enumerate(entries):
        reason = _reason(entry, elements)
        if reason:
            left_out.append((entry.entry_id, reason))
            continue
        formula = entry.formula
        other = lowest.get(formula)
        if other is None:
            lowest[formula] = index
            continue
        kept, dropped = sorted((other, index), key=lambda i: (energies[i], entries[i].entry_id))
        lowest[formula] = kept
        left_out.append((entries[dropped].entry_id, f"{entries[kept].entry_id} of {formula} lies lower"))
    return sorted(lowest.values()), left_out


def _errors(name: str, composition: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Error sources of a phase from the elements: its own, and the mean error of its class; J/mol and J/mol/K."""
    table = error_table()
    atoms = sum(composition.values())
    group_name = group_of(composition)
    group = None if group_name is None else table.groups[group_name]
    counted = 0.0 if group is None else composition[group.element]
    own = math.hypot(
        atoms * table.oxide_eV,
        atoms * table.thermal_eV,
        unmeasured_spread(composition),
        0.0 if group is None else counted * group.spread,
    )
    errors = {name: (own * FARADAY, atoms * table.thermal_eV_per_K * FARADAY)}
    if group is not None:
        errors[f"computed {group.name}"] = (counted * group.mean_uncertainty * FARADAY, 0.0)
    return errors


def _anchored_errors(
    name: str, atoms: float, anchored: AnchoredEntry, library: PhaseLibrary
) -> dict[str, tuple[float, float]]:
    """Error sources of an anchored phase: the measured phases' enthalpies with their signs, and its own."""
    table = error_table()
    parts = [(amount, library.phase(other)) for other, amount in anchored.reaction.phases.items()]
    errors = {source: (enthalpy, 0.0) for source, (enthalpy, _) in combined_errors(parts).items()}
    own = math.hypot(anchored.own, atoms * table.thermal_eV * FARADAY)
    return {**errors, name: (own, atoms * table.thermal_eV_per_K * FARADAY)}


def _from_elements(formation_eV: float, composition: Mapping[str, float]) -> tuple[float, str]:
    """Formation enthalpy in eV/atom without the mean error of its class, and how it was made."""
    note = f"enthalpy from the computed elements, {formation_eV:.3f} eV/atom"
    name = group_of(composition)
    if name is None:
        return formation_eV, note
    group = error_table().groups[name]
    shift = -group.mean * composition[group.element] / sum(composition.values())
    note += f", shifted by {shift:+.3f}: mean error of {name} {group.mean:+.3f} eV per {group.element}"
    return formation_eV + shift, note


@dataclass(frozen=True)
class _Maker:
    """What all phases of one set share."""

    library: PhaseLibrary
    source: str
    anchored: Mapping[str, AnchoredEntry]

    def phase(self, entry: ComputedEntry, formation_eV: float, slope: float) -> Phase:
        """Make the phase of ``entry``; ``slope`` from :func:`descriptor.gibbs_slopes`."""
        formula = entry.formula
        composition = parse_formula(formula)
        atoms = sum(composition.values())
        name = f"{formula} ({entry.entry_id})"
        anchored = self.anchored.get(formula)
        if anchored is None:
            enthalpy_eV, note = _from_elements(formation_eV, composition)
            errors = _errors(name, composition)
        else:
            enthalpy_eV = anchored.enthalpy / atoms / FARADAY
            note = f"enthalpy from measured phases: {formula} = {anchored.reaction}"
            errors = _anchored_errors(name, atoms, anchored, self.library)
        return Phase(
            name=name,
            formula=formula,
            state="s",
            function=descriptor.DescriptorFunction(atoms * FARADAY, enthalpy_eV, slope),
            uncertainty_J_per_mol=math.hypot(*(enthalpy for enthalpy, _ in errors.values())),
            entropy_uncertainty_J_per_mol_K=math.hypot(*(entropy for _, entropy in errors.values())),
            source=f"{self.source}, {entry.entry_id}; {descriptor.SOURCE}",
            kind="computed",
            range_K=descriptor.RANGE_K,
            note=note,
            errors=errors,
            energy_source="mp",
            thermal_source="descriptor",
        )


def _with_energies(
    entries: Sequence[ComputedEntry], library: PhaseLibrary
) -> tuple[list[ComputedEntry], FloatArray]:
    """Entries of one functional made of elements of ``library``, and their formation energies in eV/atom."""
    check_one_functional(entries)
    known = frozenset(library.elements)
    relevant = [entry for entry in entries if set(entry.composition) <= known]
    return relevant, formation_energies(relevant)


def find_anchors(entries: Sequence[ComputedEntry], library: PhaseLibrary) -> dict[str, AnchoredEntry]:
    """Anchor the lowest compound of every formula, also those without a volume: {formula: result}.

    Takes 5 to 10 ms per compound.

    Raises
    ------
    InputError
        Functionals are mixed or an element has no entry.
    """
    relevant, energies = _with_energies(entries, library)
    lowest: dict[str, ComputedEntry] = {}
    for _, entry in sorted(
        zip(energies.tolist(), relevant, strict=True), key=lambda pair: (pair[0], pair[1].entry_id)
    ):
        if len(entry.composition) > 1 and not set(entry.composition) <= MOLECULAR:
            lowest.setdefault(entry.formula, entry)
    return anchored_entries(lowest, library, joule_per_mol=FARADAY)


def computed_phases(
    entries: Sequence[ComputedEntry],
    library: PhaseLibrary,
    *,
    source: str,
    anchors: Mapping[str, AnchoredEntry] | None = None,
) -> ComputedPhases:
    """Turn entries with settled corrections into phases beside those of ``library``.

    Parameters
    ----------
    entries : one set, one functional, with every element; see
        :func:`cosinter.analysis.thermochemistry.corrections.settle_corrections`
    library : says which elements are known, and holds the measured phases of the reactions
    source : what the phases cite
    anchors : result of :func:`find_anchors` for the same entries and library; found anew if not given

    Raises
    ------
    InputError
        Functionals are mixed or an element has no entry.
    """
    relevant, energies = _with_energies(entries, library)
    known = frozenset(library.elements)
    left_out = [(e.entry_id, _reason(e, known)) for e in entries if not set(e.composition) <= known]
    chosen, dropped = _select(relevant, energies.tolist(), known)
    if not chosen:
        return ComputedPhases((), (*left_out, *dropped))
    elements = sorted({element for index in chosen for element in relevant[index].composition})
    counts = np.asarray([[relevant[i].composition.get(e, 0.0) for e in elements] for i in chosen])
    volumes = np.asarray([relevant[i].volume_A3 for i in chosen], dtype=np.float64) / counts.sum(axis=1)
    slopes = descriptor.gibbs_slopes(volumes, descriptor.reduced_masses(counts, elements))
    anchored = find_anchors(relevant, library) if anchors is None else anchors
    maker = _Maker(library, source, anchored)
    phases = tuple(
        maker.phase(relevant[i], float(energies[i]), float(slope))
        for i, slope in zip(chosen, slopes, strict=True)
    )
    return ComputedPhases(phases, (*left_out, *dropped))
