"""The library against known reactions, and the gases against Cantera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import N_A, e

from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.thermochemistry.consistency import check_consistency, decomposition_temperatures
from cosinter.analysis.thermochemistry.functions import Combination
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library, reaction_uncertainty
from cosinter.data.exceptions import UnknownNameError
from cosinter.data.tables import load_table

LIBRARY = load_library()
MILLI_EV = 1e-3 * e * N_A  # J/mol


def shifted(name: str, enthalpy_J: float) -> PhaseLibrary:
    """The library with one phase moved by an enthalpy."""
    phase = LIBRARY.phase(name)
    function = Combination(((1.0, phase.function),), enthalpy_shift=enthalpy_J)
    return LIBRARY.with_phases(replace(phase, function=function))


def test_ten_known_reactions_and_more_are_met() -> None:
    rows = check_consistency(LIBRARY)
    assert len(rows) >= 10
    assert {row.quantity for row in rows} == {"enthalpy", "gibbs", "temperature"}
    assert [row.name for row in rows if not row.good] == []


def test_a_slip_of_the_carbonate_correction_is_seen() -> None:
    # 0.83 eV per CO3, the correction of reaction-network that must neither be missing nor applied twice
    wrong = {row.name for row in check_consistency(shifted("Li2CO3_s", 0.83e3 * MILLI_EV)) if not row.good}
    assert "formation of Li2CO3" in wrong
    assert "formation of Li2O" not in wrong


def test_another_scale_of_a_transition_metal_is_seen() -> None:
    wrong = {row.name for row in check_consistency(shifted("Co3O4", 20e3)) if not row.good}
    assert wrong == {"Co3O4 = 3 CoO + 1/2 O2 in air"}


def test_a_reaction_whose_temperature_vanishes_is_wrong_and_not_nan() -> None:
    rows = {row.name: row for row in check_consistency(shifted("MnCO3", -2e6))}
    assert rows["MnCO3 = MnO + CO2 at 1 bar"].value is None
    assert not rows["MnCO3 = MnO + CO2 at 1 bar"].good
    assert "none found" in rows["MnCO3 = MnO + CO2 at 1 bar"].detail


def test_a_library_without_a_phase_of_a_reaction_says_which() -> None:
    with pytest.raises(UnknownNameError, match="Co3O4"):
        check_consistency(LIBRARY.restricted(exclude=["Co3O4"]))


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("Li2CO3(s) = Li2O + CO2, 4e-4 bar CO2", 1000.0, 1060.0),
        ("NiCO3 = NiO + CO2, 1 bar CO2", 430.0, 620.0),
        ("Co3O4 = 3 CoO + 1/2 O2, air", 1165.0, 1200.0),
        ("2 MnO2 = Mn2O3 + 1/2 O2, air", 650.0, 843.0),
        ("3 Mn2O3 = 2 Mn3O4 + 1/2 O2, air", 1130.0, 1263.0),
        ("2 LiOH(l) = Li2O + H2O, 1 bar H2O", 1197.0, 1360.0),
    ],
)
def test_decompositions_lie_near_the_observed_ones(name: str, lowest: float, highest: float) -> None:
    found = {row.name: row.temperature_K for row in decomposition_temperatures(LIBRARY)}[name]
    assert found is not None
    assert lowest < found < highest


def test_every_reaction_of_the_references_is_balanced() -> None:
    references = load_table("references")
    phases = {phase.name: phase for phase in LIBRARY.phases}
    for row in [*references["consistency"], *references["decompositions"]]:
        total: dict[str, float] = {}
        for name, amount in row["reaction"].items():
            for element, count in phases[name].composition.items():
                total[element] = total.get(element, 0.0) + amount * count
        assert all(abs(value) < 1e-12 for value in total.values()), row["name"]


@pytest.mark.parametrize(
    ("formula", "species"),
    [
        *((formula, formula) for formula in ("O2", "CO2", "CO", "H2O", "H2", "Li", "LiOH", "Li2O")),
        ("(LiOH)2", "Li2O2H2"),
    ],
)
def test_gas_potentials_are_canteras_within_one_millielectronvolt(formula: str, species: str) -> None:
    import cantera

    thermo = {s.name: s for s in cantera.Species.list_from_file("nasa_gas.yaml")}[species].thermo
    gas = LIBRARY.gas(formula)
    temperatures = np.arange(300.0, 1501.0, 25.0)
    expected = np.asarray([(thermo.h(t) - t * thermo.s(t)) * 1e-3 for t in temperatures])
    assert np.max(np.abs(gas.gibbs(temperatures) - expected)) / gas.atoms < MILLI_EV


def test_library_holds_seventy_solids_and_the_stable_form_stands_first() -> None:
    solids = [phase for phase in LIBRARY.phases if phase.state == "s"]
    assert len(solids) >= 70
    for formula, stable in [("TiO2", "TiO2_rutile"), ("AlOOH", "AlOOH_diaspore"), ("H3PO4", "H3PO4_s")]:
        assert LIBRARY.phase(formula).name == stable
        assert LIBRARY.stable(formula, temperature_K=298.15).name == stable


# what the literature says of the phases: (composition, K, gases in bar, phases that must be there, phases that must not)
STABILITY = [
    ("Al(OH)3", 500.0, {}, {"Al2O3"}, {"Al(OH)3"}),
    ("Al(OH)3", 300.0, {"H2O": 0.03}, {"AlOOH_diaspore"}, {"AlOOH_boehmite"}),
    ("Al2TiO5", 1300.0, {"O2": 0.21}, {"Al2O3", "TiO2_rutile"}, {"Al2TiO5"}),
    ("Ti4O7", 1200.0, {}, {"Ti4O7"}, set()),
    ("Ti3O5", 1200.0, {}, {"Ti3O5"}, {"Ti2O3"}),
    ("Ti3O5", 1200.0, {"O2": 0.21}, {"TiO2_rutile"}, {"Ti3O5", "Ti4O7"}),
    ("Ni(OH)2", 600.0, {"H2O": 0.01}, {"NiO"}, {"Ni(OH)2"}),
    ("Co(OH)2", 600.0, {"O2": 0.21, "H2O": 0.01}, {"Co3O4"}, {"Co(OH)2", "CoOOH"}),
    ("Mn(OH)2", 800.0, {"O2": 0.21, "H2O": 0.01}, {"Mn2O3"}, {"MnOOH", "Mn(OH)2"}),
    ("LiOH(H2O)", 400.0, {"H2O": 0.01}, {"LiOH_s"}, {"LiOH(H2O)"}),
    ("NiCO3", 700.0, {"CO2": 1.0}, {"NiO"}, {"NiCO3"}),
    ("Li5AlO4", 900.0, {}, {"Li5AlO4"}, set()),
    ("CoTiO3", 1100.0, {"O2": 0.21}, {"CoTiO3"}, {"Co3O4"}),
    ("NiTiO3", 1100.0, {"O2": 0.21}, {"NiTiO3"}, {"NiO"}),
]


@pytest.mark.parametrize(("composition", "temperature", "gases", "present", "absent"), STABILITY)
def test_phases_are_stable_where_the_literature_has_them(
    composition: str, temperature: float, gases: dict[str, float], present: set[str], absent: set[str]
) -> None:
    atoms = dict(LIBRARY.phase(composition).composition)
    found = set(equilibrium(LIBRARY, atoms, temperature_K=temperature, pressures_bar=gases).amounts)
    assert present <= found
    assert not absent & found


def test_no_new_phase_enters_the_air_line_of_the_cathode_and_the_electrolyte() -> None:
    rare = {"MnP", "Mn2P", "Ni2P", "Ni3P", "Co2P", "TiC", "Al4C3", "Mn7C3", "Li2C2", "LiH", "TiH2", "H3PO4_l"}
    for formula in ("LiNi0.8Co0.1Mn0.1O2", "Li1.3Al0.3Ti1.7(PO4)3", "Li2CO3", "LiOH"):
        for temperature in (500.0, 800.0, 1100.0):
            found = equilibrium(
                LIBRARY,
                dict(LIBRARY.phase(formula).composition),
                temperature_K=temperature,
                pressures_bar={"O2": 0.21, "CO2": 4e-4, "H2O": 0.01},
            )
            assert not rare & set(found.amounts)


@pytest.mark.parametrize(
    ("first", "second", "temperature", "largest"),
    [
        ("LiOH_l", "LiOH_s", 744.3, 500.0),
        ("Li2CO3_l", "Li2CO3_s", 1005.0, 900.0),
        ("Li2CO3_l", "NiO", 1005.0, 1e5),
    ],
)
def test_a_melt_errs_with_its_solid(first: str, second: str, temperature: float, largest: float) -> None:
    parts = [(1.0, LIBRARY.phase(first)), (-1.0, LIBRARY.phase(second))]
    together = reaction_uncertainty(parts, temperature)
    alone = np.hypot(*(float(phase.gibbs_uncertainty(temperature)) for _, phase in parts))
    assert together < largest
    assert together == pytest.approx(alone) if second == "NiO" else together < 0.5 * alone


def test_what_a_record_shares_cancels_in_the_reaction_it_was_measured_with() -> None:
    hydroxide = [(1.0, LIBRARY.phase("Co(OH)2")), (-1.0, LIBRARY.phase("CoO"))]
    assert reaction_uncertainty(hydroxide, 298.15) == pytest.approx(3000.0)
    assert LIBRARY.phase("Co(OH)2").uncertainty_J_per_mol == pytest.approx(np.hypot(3000.0, 600.0))


def test_the_documentation_shows_the_numbers_of_the_library() -> None:
    page = (Path(__file__).parents[2] / "docs" / "thermodynamics.md").read_text(encoding="utf-8")
    for row in check_consistency(LIBRARY):
        assert f"| {row.name} | {row.value:.1f} {row.unit} |" in page
    for item in decomposition_temperatures(LIBRARY):
        assert f"| {item.name} | {item.temperature_K:.0f} K |" in page
    counts = {state: sum(phase.state == state for phase in LIBRARY.phases) for state in "slg"}
    assert f"holds {counts['s']} solids, {counts['l']} melts and {counts['g']} gases" in page.replace(
        "\n", " "
    )
