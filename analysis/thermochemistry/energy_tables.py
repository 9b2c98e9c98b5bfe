"""Tables of computed energies: what ``cosinter energies`` writes, read, made and turned into phases.

``data/energies/<calculator>.yaml`` ships with the package; a user's own table has the same shape. It holds the
energies (what was computed), the reactions and errors (:mod:`cosinter.analysis.thermochemistry.anchoring`), and for
readers the enthalpies that follow from them with the measured phases of that time. Phases take their enthalpy from
energies and reactions, so that a corrected measured value acts on them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import hypot
from typing import TYPE_CHECKING, Any

from cosinter.analysis.thermochemistry.anchoring import (
    Anchored,
    Anchoring,
    Comparison,
    ComputedEnergy,
    Reaction,
    anchor,
    anchored_enthalpy,
    crystal_of,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE
from cosinter.data.exceptions import DataError, InputError, UnknownNameError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from cosinter.analysis.atoms.crystal_energies import CrystalEnergy
    from cosinter.analysis.thermochemistry.library import EnergySource, Phase, PhaseLibrary

SCHEMA = "1.0"
KILO = 1e3
CALCULATORS = ("chgnet", "pmmcs")
#: Calculators whose reaction energies can have the wrong sign.
QUALITATIVE = ("pmmcs",)


@dataclass(frozen=True)
class EnergyTable:
    """Energies of crystals from one calculator, with their reactions; ``content`` is the table as written."""

    calculator: str
    energies: Mapping[str, ComputedEnergy]
    anchored: Mapping[str, Anchored]
    oxygen_J_per_mol: float | None
    oxygen_spread_J_per_mol: float
    references: Mapping[str, str]
    content: Mapping[str, Any]

    @property
    def qualitative(self) -> bool:
        """True where even the sign of a reaction energy is not sure."""
        return self.calculator in QUALITATIVE

    @property
    def energy_source(self) -> EnergySource:
        """The source that phases from this table name: the calculator, or ``user`` for one of the user's."""
        return {"chgnet": "chgnet", "pmmcs": "pmmcs"}.get(self.calculator, "user")  # type: ignore[return-value]


def rules() -> dict[str, Any]:
    """Read ``data/energies/rules.yaml``; treat as read-only."""
    return load_table("energies/rules")


@cache
def load_energy_table(calculator: str) -> EnergyTable:
    """Load the shipped table of ``calculator``.

    Raises
    ------
    UnknownNameError
        No table of that calculator ships.
    DataError
        The table is damaged.
    """
    if calculator not in CALCULATORS:
        raise UnknownNameError("calculator with shipped energies", calculator, CALCULATORS)
    return read_energy_table(load_table(f"energies/{calculator}"))


def read_energy_table(content: Mapping[str, Any]) -> EnergyTable:
    """Read a table of energies.

    Raises
    ------
    DataError
        It lacks a field, or is of another schema.
    """
    try:
        if content["schema"] != SCHEMA:
            raise DataError(
                f"table of energies has schema {content['schema']!r}, this version reads {SCHEMA!r}"
            )
        return EnergyTable(
            calculator=str(content["calculator"]["model"]),
            energies={name: _read_energy(name, row) for name, row in content["energies"].items()},
            anchored={name: _read_anchored(name, row) for name, row in content["enthalpies"].items()},
            oxygen_J_per_mol=content["oxygen"]["energy"] * KILO if content["oxygen"] else None,
            oxygen_spread_J_per_mol=content["oxygen"]["spread"] * KILO if content["oxygen"] else 0.0,
            references=dict(content["references"]),
            content=content,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"table of computed energies is damaged ({error!r}); make it again with cosinter energies"
        ) from error


def _read_energy(name: str, row: Mapping[str, Any]) -> ComputedEnergy:
    details = {
        key: value for key, value in row.items() if key not in ("formula", "ions", "bridges", "energy")
    }
    return ComputedEnergy(
        crystal=name,
        formula=str(row["formula"]),
        ions={str(ion): float(number) for ion, number in row["ions"].items()},
        bridges=float(row["bridges"]),
        energy_J_per_mol=float(row["energy"]) * KILO,
        converged=bool(row["converged"]),
        details=details,
    )


def _read_anchored(name: str, row: Mapping[str, Any]) -> Anchored:
    phases = {str(phase): float(number) for phase, number in row["reaction"].items()}
    reaction = Reaction(phases, float(row["oxygen"]), float(row["bridges_made"]))
    return Anchored(name, reaction, str(row["class"]), float(row["own_uncertainty"]) * KILO)


def make_energy_table(
    results: Iterable[CrystalEnergy],
    library: PhaseLibrary,
    *,
    failed: Mapping[str, str] | None = None,
    entropies: Mapping[str, Mapping[str, Any]] | None = None,
) -> EnergyTable:
    """Make a table from relaxed crystals, anchored on the measured phases of ``library``.

    ``failed`` gives the reason for each crystal without a result, ``entropies`` what
    :func:`cosinter.analysis.atoms.crystal_energies.crystal_entropy` gave for each crystal.

    Raises
    ------
    InputError
        No result at all, or results of several calculators or versions.
    """
    results = sorted(results, key=lambda result: result.crystal)
    kinds = {(r.calculator["model"], r.calculator["version"], *sorted(r.settings.items())) for r in results}
    if len(kinds) != 1:
        raise InputError(
            "a table of energies holds one version of one calculator with one choice of settings, "
            f"found {len(kinds)}"
        )
    energies = {result.crystal: _computed(result) for result in results}
    found = anchor(energies, library, rules=rules())
    content = _content(results, energies, found, library=library, failed=dict(failed or {}))
    if entropies:
        content |= _entropy_content(entropies, energies, library)
    return read_energy_table(content)


def _entropy_content(
    entropies: Mapping[str, Mapping[str, Any]], energies: Mapping[str, ComputedEnergy], library: PhaseLibrary
) -> dict[str, Any]:
    from cosinter.analysis.thermochemistry.entropies import compare_entropies, entropy_errors

    rows = compare_entropies(entropies, energies, library, rules=rules())
    return {
        "entropies": {
            crystal: {
                "formula": row["formula"],
                "S298": round(row["S298_J_per_mol_K"], 2),
                "Cv": {
                    float(t): round(value, 1)
                    for t, value in zip(row["temperature_K"], row["heat_capacity_J_per_mol_K"], strict=True)
                },
                "imaginary_percent": round(row["imaginary_percent"], 2),
            }
            for crystal, row in sorted(entropies.items())
        },
        "entropy_errors": {
            name: {"rms": round(value, 3), "phases": count, "unit": "J/K per mole of atoms"}
            for name, (value, count) in entropy_errors(rows).items()
        },
        "entropy_comparison": [
            {
                "phase": row.phase,
                "measured": round(row.measured, 2),
                "phonons": None if row.phonons is None else round(row.phonons, 2),
                "neumann_kopp": None if row.neumann_kopp is None else round(row.neumann_kopp, 2),
                "atoms": row.atoms,
                "counts": row.counts,
            }
            for row in rows
        ],
    }


def _computed(result: CrystalEnergy) -> ComputedEnergy:
    from scipy.constants import N_A, eV

    atoms = result.atoms / result.formula_units
    return ComputedEnergy(
        crystal=result.crystal,
        formula=result.formula,
        ions=result.ions,
        bridges=result.bridges,
        energy_J_per_mol=result.energy_eV_per_atom * atoms * eV * N_A,
        converged=result.converged,
    )


def _content(
    results: Sequence[CrystalEnergy],
    energies: Mapping[str, ComputedEnergy],
    found: Anchoring,
    *,
    library: PhaseLibrary,
    failed: Mapping[str, str],
) -> dict[str, Any]:
    named, calculator = rules()["crystals"], results[0].calculator
    references = {}
    for phase in library.phases:
        computed = crystal_of(phase, energies, named) if phase.energy_source == "measured" else None
        if computed is not None and phase.name in _mentioned(found):
            references[phase.name] = computed.crystal
    measured = _reference_values(energies, references, library)
    return {
        "schema": SCHEMA,
        "units": {
            "energy": "kJ/mol of formula",
            "H298": "kJ/mol of formula",
            "S298, Cv": "J/mol/K of formula",
            "volume": "Å^3 per formula",
            "force": "eV/Å",
            "stress": "eV/Å^3",
        },
        "calculator": {key: calculator[key] for key in ("model", "engine", "version", "parameters")},
        "settings": dict(results[0].settings),
        "energies": {result.crystal: _energy_row(result, energies[result.crystal]) for result in results},
        "failed": dict(failed),
        "references": references,
        "oxygen": _oxygen_row(found),
        "class_errors": {
            name: {"rms": round(value / KILO, 3), "phases": count, "unit": "kJ per mole of atoms"}
            for name, (value, count) in sorted(found.class_errors.items())
        },
        "enthalpies": {
            name: _enthalpy_row(energies[name], row, found, measured) for name, row in found.anchored.items()
        },
        "comparison": [_comparison_row(row) for row in found.comparisons],
    }


def _mentioned(found: Anchoring) -> set[str]:
    return {name for row in found.anchored.values() for name in row.reaction.phases}


def _reference_values(
    energies: Mapping[str, ComputedEnergy], references: Mapping[str, str], library: PhaseLibrary
) -> dict[str, tuple[float, float]]:
    """{phase: (H298, E)} in J/mol of the phase's formula, for those of ``references`` that the library has."""
    values = {}
    known = {phase.name: phase for phase in library.phases}
    for name, crystal in references.items():
        if name in known:
            energy = energies[crystal]
            factor = proportionality(known[name].composition, parse_formula(energy.formula), tolerance=1e-6)
            if factor is not None:
                enthalpy = float(known[name].enthalpy(REFERENCE_TEMPERATURE))
                values[name] = (enthalpy, factor * energy.energy_J_per_mol)
    return values


def _energy_row(result: CrystalEnergy, energy: ComputedEnergy) -> dict[str, Any]:
    return {
        "formula": result.formula,
        "energy": round(energy.energy_J_per_mol / KILO, 3),
        "ions": {ion: round(number, 9) for ion, number in result.ions.items()},
        "bridges": round(result.bridges, 9),
        "cell_atoms": result.atoms,
        "volume": round(result.volume_A3_per_atom * result.atoms / result.formula_units, 4),
        "volume_change_percent": round(result.volume_change_percent, 2),
        "converged": result.converged,
        "steps": result.steps,
        "force": round(result.max_force_eV_per_A, 4),
        "stress": round(result.max_stress_eV_per_A3, 6),
        "structure_sha256": result.structure_sha256,
    }


def _oxygen_row(found: Anchoring) -> dict[str, Any] | None:
    if found.oxygen is None:
        return None
    return {
        "energy": round(found.oxygen.energy_J_per_mol / KILO, 3),
        "spread": round(found.oxygen.spread_J_per_mol / KILO, 3),
        "couples": {name: round(value / KILO, 1) for name, value in found.oxygen.couples.items()},
    }


def _enthalpy_row(
    energy: ComputedEnergy, row: Anchored, found: Anchoring, measured: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    oxygen = found.oxygen.energy_J_per_mol if found.oxygen else None
    value = anchored_enthalpy(energy, row.reaction, measured, oxygen_J_per_mol=oxygen)
    return {
        "H298": round(value / KILO, 2),
        "reaction": dict(row.reaction.phases),
        "oxygen": row.reaction.oxygen,
        "bridges_made": row.reaction.bridges,
        "class": row.category,
        "own_uncertainty": round(row.own_J_per_mol / KILO, 2),
    }


def _comparison_row(row: Comparison) -> dict[str, Any]:
    return {
        "phase": row.phase,
        "crystal": row.crystal,
        "classes": list(row.classes),
        "measured": round(row.measured_J_per_mol / KILO, 2),
        "measured_uncertainty": round(row.measured_uncertainty_J_per_mol / KILO, 2),
        "computed": round(row.computed_J_per_mol / KILO, 2),
        "error": round(row.error / KILO, 2),
        "error_per_mole_of_atoms": round(row.error_per_atom / KILO, 3),
        "reaction": str(row.reaction),
        "counts": row.counts,
    }


@dataclass(frozen=True)
class Enthalpy:
    """H298 of a crystal (J/mol of its formula) with standard uncertainty and where the errors come from."""

    value_J_per_mol: float
    uncertainty_J_per_mol: float
    errors: Mapping[str, float]
    reaction: Reaction
    category: str


def table_enthalpy(table: EnergyTable, crystal: str, phases: Mapping[str, Phase]) -> Enthalpy:
    """H298 of ``crystal`` from the table's energies and the measured ``phases`` (by name).

    Raises
    ------
    UnknownNameError
        The table has no enthalpy of that crystal.
    InputError
        A phase of its reaction is missing.
    """
    if crystal not in table.anchored:
        raise UnknownNameError(f"crystal with {table.calculator} enthalpy", crystal, table.anchored)
    from cosinter.analysis.thermochemistry.library import PhaseLibrary, combined_errors

    row = table.anchored[crystal]
    used = {name: phases[name] for name in row.reaction.phases if name in phases}
    names = {name: table.references[name] for name in used if name in table.references}
    values = _reference_values(table.energies, names, PhaseLibrary(used.values()))
    value = anchored_enthalpy(
        table.energies[crystal], row.reaction, values, oxygen_J_per_mol=table.oxygen_J_per_mol
    )
    anchors = combined_errors((amount, used[name]) for name, amount in row.reaction.phases.items())
    errors = {source: enthalpy for source, (enthalpy, _) in anchors.items()}
    if row.reaction.oxygen:
        errors[f"{table.calculator} O2"] = -row.reaction.oxygen * table.oxygen_spread_J_per_mol
    if row.own_J_per_mol:
        errors[f"{table.calculator} {crystal}"] = row.own_J_per_mol
    return Enthalpy(value, hypot(*errors.values()), errors, row.reaction, row.category)
