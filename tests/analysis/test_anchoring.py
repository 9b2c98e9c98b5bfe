"""Enthalpies from computed energies: exact limits, balances, and the shipped tables beside independent values."""

from __future__ import annotations

import copy
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.thermochemistry.anchoring import (
    Anchoring,
    ComputedEnergy,
    anchor,
    anchored_enthalpy,
    find_references,
    split_ion,
)
from cosinter.analysis.thermochemistry.energy_tables import (
    CALCULATORS,
    EnergyTable,
    load_energy_table,
    read_energy_table,
    rules,
    table_enthalpy,
)
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library, reaction_uncertainty
from cosinter.data.exceptions import DataError, InputError, UnknownNameError

KILO = 1e3
SMALL = (
    "Li2O",
    "TiO2_rutile",
    "Ti2O3",
    "Li2TiO3",
    "LiTi2O4",
    "MnO",
    "Mn3O4",
    "Mn2O3",
    "MnO2_beta",
    "NiO",
    "LiNiO2",
)


@cache
def small() -> dict[str, ComputedEnergy]:
    """A handful of crystals, for tests that change the energies."""
    return {name: load_energy_table("chgnet").energies[name] for name in SMALL}


def enthalpies(
    energies: dict[str, ComputedEnergy], found: Anchoring, library: PhaseLibrary
) -> dict[str, float]:
    references = {
        name: (r.enthalpy, r.energy) for name, r in find_references(energies, library, rules=rules()).items()
    }
    oxygen = found.oxygen.energy_J_per_mol if found.oxygen else None
    return {
        name: anchored_enthalpy(energies[name], row.reaction, references, oxygen_J_per_mol=oxygen)
        for name, row in found.anchored.items()
    }


def shifted(energy: ComputedEnergy, shifts: dict[str, float]) -> ComputedEnergy:
    change = sum(n * shifts.get(element, 0.0) for element, n in parse_formula(energy.formula).items())
    return ComputedEnergy(
        energy.crystal, energy.formula, energy.ions, energy.bridges, energy.energy_J_per_mol + change
    )


@settings(max_examples=8, deadline=None)
@given(st.fixed_dictionaries({e: st.floats(-1e6, 1e6) for e in ("Li", "Ti", "Mn", "Ni", "O")}))
def test_the_scale_of_the_calculator_does_not_matter(shifts: dict[str, float]) -> None:
    """A correction per element, of any size, changes no enthalpy: it cannot be counted twice."""
    library = load_library()
    before = enthalpies(small(), anchor(small(), library, rules=rules()), library)
    moved = {name: shifted(energy, shifts) for name, energy in small().items()}
    after = enthalpies(moved, anchor(moved, library, rules=rules()), library)
    assert before.keys() == after.keys() >= {"LiTi2O4", "LiNiO2"}
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=1e-2)


def test_a_perfect_calculator_has_no_errors() -> None:
    library = load_library()
    perfect = dict(small())
    for reference in find_references(small(), library, rules=rules()).values():
        old = reference.computed
        perfect[old.crystal] = ComputedEnergy(
            old.crystal, old.formula, old.ions, old.bridges, reference.enthalpy / reference.factor
        )
    found = anchor(perfect, library, rules=rules())
    assert found.oxygen is not None
    assert found.oxygen.energy_J_per_mol == pytest.approx(0.0, abs=1e-6)
    assert found.oxygen.spread_J_per_mol == pytest.approx(0.0, abs=1e-6)
    assert len(found.comparisons) >= 6
    assert all(abs(row.error) < 1e-4 for row in found.comparisons)


def test_an_error_put_into_one_phase_comes_out_in_its_row() -> None:
    library = load_library()
    before = {row.phase: row for row in anchor(small(), library, rules=rules()).comparisons}
    moved = dict(small())
    moved["Li2TiO3"] = ComputedEnergy(
        "Li2TiO3",
        "Li2TiO3",
        small()["Li2TiO3"].ions,
        0.0,
        small()["Li2TiO3"].energy_J_per_mol + 12_000.0,
    )
    after = {row.phase: row for row in anchor(moved, library, rules=rules()).comparisons}
    assert after["Li2TiO3"].error - before["Li2TiO3"].error == pytest.approx(12_000.0)


@pytest.mark.parametrize("calculator", CALCULATORS)
def test_every_reaction_balances(calculator: str) -> None:
    table, library = load_energy_table(calculator), load_library()
    compositions = {phase.name: phase.composition for phase in library.phases}
    assert len(table.anchored) > 40
    for name, row in table.anchored.items():
        left = {**parse_formula(table.energies[name].formula)}
        left["O"] = left["O"] - 2.0 * row.reaction.oxygen
        for phase, amount in row.reaction.phases.items():
            for element, number in compositions[phase].items():
                left[element] = left.get(element, 0.0) - amount * number
        assert max(map(abs, left.values())) < 1e-4, f"{name}: {row.reaction}"


REACTIONS = {
    "LTP": ({"Li3PO4": 3.0, "Li2O": -4.0, "TiO2_rutile": 2.0}, 0.0),
    "LiAl5O8": ({"LiAlO2": 1.0, "Al2O3": 2.0}, 0.0),
    "Li4Ti5O12": ({"Li2TiO3": 2.0, "TiO2_rutile": 3.0}, 0.0),
    "LiNiPO4": ({"NiO": 1.0, "Li3PO4": 1.0, "Li2O": -1.0}, 0.0),
    "LiMn2O4": ({"Li2O": 0.5, "Mn2O3": 0.5, "MnO2": 1.0}, 0.0),
    "LiCoO2": ({"Li2O": 0.5, "Co3O4": 0.5, "CoO": -0.5}, 0.0),
    "LiNiO2": ({"Li2O": 0.5, "NiO": 1.0}, 0.25),
}


@pytest.mark.parametrize("crystal", REACTIONS)
def test_the_reaction_of_least_change(crystal: str) -> None:
    """Oxidation states are kept where measured phases hold them; else O2 takes part."""
    phases, oxygen = REACTIONS[crystal]
    reaction = load_energy_table("chgnet").anchored[crystal].reaction
    assert dict(reaction.phases) == pytest.approx(phases, abs=1e-6)
    assert reaction.oxygen == pytest.approx(oxygen, abs=1e-6)


# Earlier, independent CHGNet 0.3.0 relaxations of the same crystals, anchored by hand (kJ/mol, their uncertainty).
EARLIER = {
    "LTP": (-4979.0, 40.0),
    "LiTiOPO4": (-2246.0, 18.0),
    "TiP2O7": (-2691.0, 50.0),
    "Li4TiO4": (-2322.0, 20.0),
    "LiTi2O4": (-2105.0, 15.0),
    "LiNiO2": (-601.0, 29.0),
    "LiCoO2": (-669.0, 29.0),
    "LiMnO2_o": (-830.0, 9.0),
    "Li2MnO3": (-1268.0, 13.0),
    "LiMn2O4": (-1391.0, 15.0),
    "Ni3(PO4)2": (-2588.0, 29.0),
    "Co3(PO4)2_m": (-2627.0, 29.0),
    "LiNiPO4": (-1571.0, 15.0),
    "LiCoPO4": (-1579.0, 15.0),
    "LiMnPO4": (-1744.0, 15.0),
}


@pytest.mark.parametrize("crystal", EARLIER)
def test_earlier_estimates_are_reproduced(crystal: str) -> None:
    phases = {phase.name: phase for phase in load_library().phases}
    value = table_enthalpy(load_energy_table("chgnet"), crystal, phases).value_J_per_mol / KILO
    earlier, uncertainty = EARLIER[crystal]
    assert value == pytest.approx(earlier, abs=uncertainty)


# Reaction energies at 0 K from other relaxations with the same models, kJ/mol.
STATIC = [
    ("chgnet", {"Li2TiO3": 1, "Li2O": -1, "TiO2_rutile": -1}, -126.4, 3.0),
    ("chgnet", {"LiAlO2_gamma": 2, "Li2O": -1, "Al2O3": -1}, -154.5, 3.0),
    ("chgnet", {"Li4Ti5O12": 1, "Li2TiO3": -2, "TiO2_rutile": -3}, -21.9, 3.0),
    ("pmmcs", {"Li2TiO3": 1, "Li2O": -1, "TiO2_rutile": -1}, -2.6, 3.0),
    ("pmmcs", {"Li4Ti5O12": 1, "Li2O": -2, "TiO2_rutile": -5}, 274.9, 6.0),
]


@pytest.mark.parametrize(("calculator", "reaction", "expected", "tolerance"), STATIC)
def test_static_reaction_energies(
    calculator: str, reaction: dict[str, int], expected: float, tolerance: float
) -> None:
    energies = load_energy_table(calculator).energies
    value = sum(n * energies[name].energy_J_per_mol for name, n in reaction.items()) / KILO
    assert value == pytest.approx(expected, abs=tolerance)


def test_shared_errors_cancel_in_the_anchoring_reaction() -> None:
    """LTP + 4 Li2O -> 3 Li3PO4 + 2 TiO2 knows nothing of the measured errors, only of the calculator's own."""
    library = load_library()
    table = load_energy_table("chgnet")
    row = table.anchored["LTP"]
    parts = [(-1.0, library.phase("LiTi2(PO4)3"))]
    parts += [(n, library.phase(name)) for name, n in row.reaction.phases.items()]
    assert reaction_uncertainty(parts, 298.15) == pytest.approx(row.own_J_per_mol, rel=1e-6)


def test_uncertainty_is_the_sum_of_its_sources() -> None:
    phases = {phase.name: phase for phase in load_library().phases}
    table = load_energy_table("chgnet")
    found = table_enthalpy(table, "LiNiO2", phases)
    assert found.uncertainty_J_per_mol == pytest.approx(math.hypot(*found.errors.values()))
    assert found.errors["chgnet O2"] == pytest.approx(-0.25 * table.oxygen_spread_J_per_mol)
    assert found.errors["Li2O"] == pytest.approx(0.5 * phases["Li2O"].uncertainty_J_per_mol)


@pytest.mark.parametrize("calculator", CALCULATORS)
def test_the_shipped_enthalpies_are_those_of_the_present_library(calculator: str) -> None:
    """Fails when a measured value was changed: then run ``cosinter energies`` and ship the table again."""
    table = load_energy_table(calculator)
    phases = {phase.name: phase for phase in load_library().phases}
    for crystal, row in table.content["enthalpies"].items():
        value = table_enthalpy(table, crystal, phases).value_J_per_mol / KILO
        assert value == pytest.approx(row["H298"], abs=0.1), crystal


def test_the_documentation_shows_the_errors_of_the_tables() -> None:
    page = (Path(__file__).parents[2] / "docs" / "energy-potentials.md").read_text(encoding="utf-8")
    other = {row["phase"]: row for row in load_energy_table("pmmcs").content["comparison"]}
    for row in load_energy_table("chgnet").content["comparison"]:
        name = row["phase"] if row["counts"] else f"({row['phase']})"
        error, pmmcs = (
            f"| {row['error']:+.1f} | {row['error_per_mole_of_atoms']:+.2f} |",
            other.get(row["phase"]),
        )
        line = next(line for line in page.splitlines() if line.startswith(f"| {name} | "))
        assert error in line
        assert pmmcs is None or line.endswith(f"| {pmmcs['error']:+.1f} |")
    for name in ("LTP", "LiNiO2", "LiCoO2", "LiAl5O8", "Co2TiO4"):
        assert f"| {name} | {load_energy_table('chgnet').content['enthalpies'][name]['H298']:.1f} ±" in page


def test_pmmcs_is_qualitative_and_its_error_shows_why() -> None:
    pmmcs, chgnet = load_energy_table("pmmcs"), load_energy_table("chgnet")
    assert pmmcs.qualitative
    assert not chgnet.qualitative
    errors = {
        name: table.content["class_errors"]["all"]["rms"] for name, table in (("p", pmmcs), ("c", chgnet))
    }
    assert errors["p"] > 3.0 * errors["c"]


def damaged(change: Any) -> dict[str, Any]:
    content = copy.deepcopy(dict(load_energy_table("pmmcs").content))
    change(content)
    return content


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("energies"),
        lambda c: c.update(schema="0.1"),
        lambda c: c["energies"]["Li2O"].pop("ions"),
        lambda c: c["energies"]["Li2O"].update(energy="much"),
        lambda c: c["enthalpies"]["Li2O"].update(reaction=[1, 2]),
    ],
)
def test_a_damaged_table_is_refused(change: Any) -> None:
    with pytest.raises(DataError, match="table of"):
        read_energy_table(damaged(change))


def test_mistakes_are_named() -> None:
    table: EnergyTable = load_energy_table("chgnet")
    with pytest.raises(UnknownNameError, match="chgnit"):
        load_energy_table("chgnit")
    with pytest.raises(UnknownNameError, match="unobtainium"):
        table_enthalpy(table, "unobtainium", {})
    with pytest.raises(InputError, match="not among the phases"):
        table_enthalpy(table, "LTP", {})
    with pytest.raises(DataError, match="not an ion"):
        split_ion("Ti4")


def test_ions() -> None:
    assert split_ion("Ti4+") == ("Ti", 4.0)
    assert split_ion("Li+") == ("Li", 1.0)
    assert split_ion("O2-") == ("O", -2.0)
