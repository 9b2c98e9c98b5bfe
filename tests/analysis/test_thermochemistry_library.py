"""Phase library: Cantera, measured phase equilibria, naming, solution phases."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import R
from scipy.integrate import quad
from scipy.optimize import brentq

from cosinter.analysis.thermochemistry.formulas import molar_mass, parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import (
    PiecewiseCp,
    ThermoFunction,
    cp_row,
    integrate_heat_capacity,
    make_melt,
    neumann_kopp,
)
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library, range_warning
from cosinter.analysis.thermochemistry.nasa import nasa_function
from cosinter.data.exceptions import CompositionError, DataError, InputError, UnknownNameError
from cosinter.data.tables import load_table

LIBRARY = load_library()


def gibbs_of(
    reaction: dict[str, float], temperature: float, pressures: dict[str, float] | None = None
) -> float:
    """dG in J of {phase name: stoichiometric number}; gases as 'O2(g)' at 1 bar or the given pressure."""
    logs = {f"{gas}(g)": np.log(p) for gas, p in (pressures or {}).items()}
    phases = {phase.name: phase for phase in LIBRARY.phases}
    return sum(
        n * (float(phases[name].gibbs(temperature)) + R * temperature * logs.get(name, 0.0))
        for name, n in reaction.items()
    )


@pytest.mark.parametrize(
    "formula", ["O2", "CO2", "CO", "H2O", "H2", "Li", "LiOH", "Li2O", "P4", "N2", "NiO", "Ni"]
)
def test_gases_equal_cantera(formula: str) -> None:
    import cantera

    species = {s.name: s for s in cantera.Species.list_from_file("nasa_gas.yaml")}[formula].thermo
    temperatures = np.asarray([300.0, 450.0, 723.15, 999.0, 1001.0, 1273.15])
    expected = np.asarray([(species.h(t) - t * species.s(t)) * 1e-3 for t in temperatures])
    np.testing.assert_allclose(LIBRARY.gas(formula).gibbs(temperatures), expected, rtol=1e-9, atol=1e-6)


def test_condensed_records_equal_cantera_in_each_form() -> None:
    import cantera

    species = {s.name: s for s in cantera.Species.list_from_file("nasa_condensed.yaml")}
    for name, form, temperature in [
        ("Li2O", "Li2O(s)", 900.0),
        ("Ti2O3", "Ti2O3(a)", 400.0),
        ("Ti2O3", "Ti2O3(b)", 900.0),
        ("Ti", "Ti(b)", 1300.0),
        ("Li", "Li(L)", 900.0),
        ("Ni", "Ni(cr)", 650.0),
    ]:
        thermo = species[form].thermo
        expected = (thermo.h(temperature) - temperature * thermo.s(temperature)) * 1e-3
        assert float(LIBRARY.phase(name).gibbs(temperature)) == pytest.approx(expected, rel=1e-9)


def test_elements_define_the_scale() -> None:
    for name in ("Li", "Al", "Ti", "Ni", "P", "C", "Co", "Mn"):
        phase = LIBRARY.phase(name)
        assert float(phase.enthalpy(298.15)) == pytest.approx(0.0, abs=5.0)
        assert float(phase.gibbs(298.15)) == pytest.approx(-298.15 * float(phase.entropy(298.15)), abs=5.0)
    assert float(LIBRARY.gas("O2").enthalpy(298.15)) == pytest.approx(0.0, abs=1.0)


# (reaction, pressures, lowest and highest measured or assessed temperature in K)
EQUILIBRIA = {
    "Co3O4 gives CoO in air (measured 1173 to 1200 K)": (
        {"CoO": 3.0, "O2(g)": 0.5, "Co3O4": -1.0},
        {"O2": 0.21},
        1165.0,
        1200.0,
    ),
    "Mn2O3 gives Mn3O4 in air (near 1150 K)": (
        {"Mn3O4": 2.0, "O2(g)": 0.5, "Mn2O3": -3.0},
        {"O2": 0.21},
        1130.0,
        1180.0,
    ),
    "LiOH melts (NASA 744.3 K)": ({"LiOH_l": 1.0, "LiOH_s": -1.0}, {}, 743.3, 745.3),
    "Li2CO3 melts (CRC 1005.15 K)": ({"Li2CO3_l": 1.0, "Li2CO3_s": -1.0}, {}, 1005.1, 1005.2),
    "MnCO3 decomposes at 1 bar (near 650 K)": ({"MnO": 1.0, "CO2(g)": 1.0, "MnCO3": -1.0}, {}, 640.0, 665.0),
    "Li2CO3 + TiO2 at 1 bar CO2 (591 K from the same assessments)": (
        {"Li2TiO3": 1.0, "CO2(g)": 1.0, "Li2CO3_s": -1.0, "TiO2_rutile": -1.0},
        {},
        586.0,
        596.0,
    ),
}


@pytest.mark.parametrize("name", EQUILIBRIA)
def test_measured_equilibrium_temperature(name: str) -> None:
    reaction, pressures, low, high = EQUILIBRIA[name]
    found = brentq(lambda t: gibbs_of(reaction, t, pressures), 400.0, 1500.0)
    assert low < found < high


@pytest.mark.parametrize(("oxide", "metal", "expected"), [("NiO", "Ni", -10.32), ("CoO", "Co", -11.84)])
def test_oxygen_buffers_at_1273_kelvin(oxide: str, metal: str, expected: float) -> None:
    # log10 pO2 of the metal-oxide buffers from the same assessments; 0.02 is their rounding
    change = gibbs_of({oxide: -2.0, metal: 2.0, "O2(g)": 1.0}, 1273.0)
    assert -change / (R * 1273.0 * np.log(10.0)) == pytest.approx(expected, abs=0.02)


def test_table_is_complete_and_every_record_says_where_it_is_from() -> None:
    table = load_table("thermochemistry")
    condensed = [phase for phase in LIBRARY.phases if phase.state in "sl"]
    assert sum(phase.state == "s" for phase in condensed) >= 45
    assert {"LiOH_l", "Li2CO3_l"} <= {phase.name for phase in condensed}
    for name, record in {**table["phases"], **table["gases"]}.items():
        assert record["kind"] in {"measured", "computed", "assumed", "fitted"}, name
        assert record["source"], name
        if "computed" in record:  # enthalpy and its error come from data/energies
            assert LIBRARY.phase(name).uncertainty_J_per_mol > 5_000.0, name
        else:
            assert record["uncertainty"]["H298"] >= 0.0, name
        assert record["uncertainty"]["S298"] > 0.0, name
    for phase in condensed:
        entropy = float(phase.entropy(298.15)) / phase.atoms
        assert 4.0 < entropy < 45.0, f"{phase.name}: {entropy} J/mol/K per atom"


def test_estimates_are_not_labelled_as_measured() -> None:
    for name in ("LiNiO2", "LiCoO2", "LiTi2(PO4)3", "LiTiOPO4", "Li4Ti5O12", "Li4TiO4", "LiAl5O8"):
        assert LIBRARY.phase(name).kind in {"computed", "assumed"}
    for record in load_table("thermochemistry")["phases"].values():
        for alternative in record.get("alternatives", []):
            unverified = alternative["source"] in {"WANG2004", "KAWAJI2002"}
            assert (alternative.get("kind") == "assumed") == unverified


@settings(max_examples=40, deadline=None)
@given(st.floats(300.0, 1400.0))
def test_gibbs_falls_with_temperature_and_is_concave(temperature: float) -> None:
    # dG/dT = -S < 0 and d2G/dT2 = -Cp/T < 0; Li2O's own NASA record jumps by 0.4 kJ/mol at 1000 K, hence 600 J
    grid = np.asarray([temperature - 1.0, temperature, temperature + 1.0])
    values = LIBRARY.gibbs(grid)
    assert np.all(values[2] < values[0] + 600.0)
    wide = LIBRARY.gibbs(np.asarray([temperature - 25.0, temperature, temperature + 25.0]))
    assert np.all(wide[0] + wide[2] - 2.0 * wide[1] < 20.0 * 600.0)


def test_heat_capacity_integrals_equal_quadrature() -> None:
    rows = [cp_row([68.3, 0.147, -7e5, -1.6e-4, 2.5e-7, 3.0]), cp_row([-6.4, 0.26, -1.7e5, -1e-4, 4e-8, 0.0])]
    function = integrate_heat_capacity(
        [((298.15, 600.0), rows[0]), ((600.0, 1000.0), rows[1])],
        enthalpy_298=-5000.0,
        entropy_298=80.0,
        transitions={600.0: 900.0},
    )
    enthalpy = sum(
        quad(lambda t: float(function.heat_capacity(t)), *span)[0]
        for span in ((298.15, 600.0), (600.0, 900.0))
    )
    entropy = sum(
        quad(lambda t: float(function.heat_capacity(t)) / t, *span)[0]
        for span in ((298.15, 600.0), (600.0, 900.0))
    )
    assert float(function.enthalpy(900.0)) == pytest.approx(-5000.0 + 900.0 + enthalpy, rel=1e-9)
    assert float(function.entropy(900.0)) == pytest.approx(80.0 + 1.5 + entropy, rel=1e-9)
    beyond = float(function.heat_capacity(1000.0))
    assert float(function.enthalpy(1100.0) - function.enthalpy(1000.0)) == pytest.approx(
        100.0 * beyond, rel=1e-9
    )


def test_melt_and_neumann_kopp_keep_their_anchors() -> None:
    solid = nasa_function("nasa_condensed.yaml", ("Li2O(s)",))
    melt = make_melt(solid, melting_K=1000.0, fusion_J=20000.0, heat_capacity=100.0)
    assert float(melt.enthalpy(1000.0) - solid.enthalpy(1000.0)) == pytest.approx(20000.0)
    assert float(melt.entropy(1000.0) - solid.entropy(1000.0)) == pytest.approx(20.0)
    parts: list[tuple[float, ThermoFunction]] = [(2.0, solid)]
    rule = neumann_kopp(parts, enthalpy_298=-1.0e6, entropy_298=None)
    assert float(rule.enthalpy(298.15)) == pytest.approx(-1.0e6)
    assert float(rule.entropy(700.0)) == pytest.approx(2.0 * float(solid.entropy(700.0)))


def test_nasa_data_that_do_not_exist_are_a_data_error() -> None:
    with pytest.raises(DataError, match="no species Unobtainium"):
        nasa_function("nasa_gas.yaml", ("Unobtainium",))


def test_piecewise_function_is_vectorised() -> None:
    function = LIBRARY.phase("Co").function
    assert isinstance(function, PiecewiseCp)
    grid = np.linspace(300.0, 1450.0, 12).reshape(3, 4)
    one_by_one = np.asarray([float(function.entropy(t)) for t in grid.ravel()]).reshape(3, 4)
    np.testing.assert_allclose(function.entropy(grid), one_by_one, rtol=1e-14)
    assert LIBRARY.gibbs(grid).shape == (3, 4, len(LIBRARY.phases))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("LTP", "LiTi2(PO4)3"),
        ("licoo2", "LiCoO2"),
        ("TiO2", "TiO2_rutile"),
        ("rutile", "TiO2_rutile"),
        ("LiTiPO5", "LiTiOPO4"),
        ("LATP", "Li1.3Al0.3Ti1.7(PO4)3"),
        ("NCM811", "LiNi0.8Co0.1Mn0.1O2"),
        ("Li10Ni8CoMnO20", "LiNi0.8Co0.1Mn0.1O2"),
        ("lioh", "LiOH_s"),
    ],
)
def test_names_aliases_and_formulas_are_found(typed: str, name: str) -> None:
    assert LIBRARY.phase(typed).name == name


def test_a_formula_counts_as_typed() -> None:
    single, tenfold = LIBRARY.phase("ncm811"), LIBRARY.phase("Li10Ni8CoMnO20")
    assert float(tenfold.gibbs(900.0)) == pytest.approx(10.0 * float(single.gibbs(900.0)), rel=1e-12)
    assert tenfold.uncertainty_J_per_mol == pytest.approx(10.0 * single.uncertainty_J_per_mol)


def test_stable_form_follows_temperature() -> None:
    assert LIBRARY.stable("LiOH", temperature_K=700.0).name == "LiOH_s"
    assert LIBRARY.stable("LiOH", temperature_K=760.0).name == "LiOH_l"
    assert LIBRARY.stable("TiO2", temperature_K=900.0).name == "TiO2_rutile"


def test_unknown_names_name_their_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="LiCoO2"):
        LIBRARY.phase("LiCoO22x")
    with pytest.raises(UnknownNameError, match="gas 'O3'"):
        LIBRARY.gas("O3")
    with pytest.raises(UnknownNameError):
        LIBRARY.phase("FeO")
    with pytest.raises(UnknownNameError, match="phase 'nothing'"):
        LIBRARY.restricted(exclude=["nothing"])
    with pytest.raises(InputError, match="positive"):
        LIBRARY.gibbs(-5.0)


@pytest.mark.parametrize("bad", ["", "li", "Li2(O", "Li)2", "2Li", "Li-2", "Li2O!", "Li0"])
def test_bad_formulas_are_refused(bad: str) -> None:
    with pytest.raises(CompositionError):
        parse_formula(bad)


def test_formulas_with_brackets_and_decimals() -> None:
    assert dict(parse_formula("Li1.3Al0.3Ti1.7(PO4)3")) == pytest.approx(
        {"Li": 1.3, "Al": 0.3, "Ti": 1.7, "P": 3, "O": 12}
    )
    assert dict(parse_formula("Ca((OH)2)3")) == {"Ca": 1.0, "O": 6.0, "H": 6.0}
    assert proportionality(parse_formula("Li4O2"), parse_formula("Li2O")) == pytest.approx(2.0)
    assert proportionality(parse_formula("Li4O2"), parse_formula("LiO")) is None
    # 383.40 g/mol is the tabulated molar mass of LATP with x = 0.3 to two digits
    assert molar_mass(parse_formula("Li1.3Al0.3Ti1.7(PO4)3")) == pytest.approx(0.38340, abs=1e-5)


def _atoms(parts: dict[str, float]) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, amount in parts.items():
        for element, count in parse_formula(name).items():
            total[element] = total.get(element, 0.0) + amount * count
    return total


@settings(max_examples=60, deadline=None)
@given(st.floats(0.34, 1.0), st.floats(0.0, 1.0))
def test_layered_solution_is_balanced_and_gains_mixing_entropy(nickel: float, share: float) -> None:
    rest = 1.0 - nickel
    manganese = min(share * rest, nickel)
    cobalt = abs(rest - manganese)
    phase = LIBRARY.phase(f"LiNi{nickel:.6f}Co{cobalt:.6f}Mn{manganese:.6f}O2")
    parts = {"LiNiO2": nickel - manganese, "LiCoO2": cobalt, "Li2MnO3": manganese, "NiO": manganese}
    atoms = _atoms(parts)
    for element, count in phase.composition.items():
        assert atoms[element] == pytest.approx(count, abs=1e-5)
    apart = sum(n * float(LIBRARY.phase(name).gibbs(1000.0)) for name, n in parts.items())
    assert float(phase.gibbs(1000.0)) <= apart + 10.0
    assert float(phase.gibbs(1000.0)) >= apart - 1000.0 * R * np.log(3.0) - 10.0


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 0.599))
def test_latp_is_balanced_and_mixes_ideally(aluminium: float) -> None:
    x = round(aluminium, 6)
    phase = LIBRARY.phase(f"Li{1 + x:.6f}Al{x:.6f}Ti{2 - x:.6f}(PO4)3")
    parts = {"LiTi2(PO4)3": 1 - x / 2, "Li3PO4": x / 2, "AlPO4": x}
    atoms = _atoms(parts)
    for element, count in phase.composition.items():
        assert atoms[element] == pytest.approx(count, abs=1e-9)
    y = x / 2
    mixing = 2.0 * R * 900.0 * (y * np.log(y) + (1 - y) * np.log(1 - y))
    apart = sum(n * float(LIBRARY.phase(name).gibbs(900.0)) for name, n in parts.items())
    assert float(phase.gibbs(900.0)) == pytest.approx(apart + mixing, rel=1e-9)


@pytest.mark.parametrize(
    "formula", ["LiNi0.2Mn0.8O2", "Li1.9Al0.9Ti1.1(PO4)3", "LiNi0.33Co0.33Mn0.33O2", "Li1.3Al0.3Ti1.6(PO4)3"]
)
def test_compositions_outside_the_solution_models_are_refused(formula: str) -> None:
    with pytest.raises(CompositionError):
        LIBRARY.phase(formula)


def test_library_is_never_changed_in_place() -> None:
    before = LIBRARY.names
    smaller = LIBRARY.restricted(elements=["Li", "O"], exclude=["Li2O2"])
    assert set(smaller.names) == {"Li2O", "Li", "O2(g)", "Li(g)", "Li2O(g)"}
    larger = smaller.with_phases(LIBRARY.phase("NiO"))
    assert "NiO" in larger
    assert "NiO" not in smaller
    assert LIBRARY.names == before
    assert isinstance(larger, PhaseLibrary)


def test_two_phases_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two phases are named NiO"):
        PhaseLibrary([LIBRARY.phase("NiO"), LIBRARY.phase("CoO"), LIBRARY.phase("NiO")])


def test_phases_know_their_range() -> None:
    lipo3 = LIBRARY.phase("LiPO3")
    assert lipo3.covers(298.15)
    assert not lipo3.covers(1000.0)
    assert float(lipo3.gibbs_uncertainty(298.15)) == pytest.approx(lipo3.uncertainty_J_per_mol)
    assert float(lipo3.gibbs_uncertainty(900.0)) > lipo3.uncertainty_J_per_mol
    assert LIBRARY.to_dict()["LiPO3"]["H298_kJ_per_mol"] == pytest.approx(-1255.6)


def test_a_warning_tells_where_the_data_end() -> None:
    lipo3 = LIBRARY.phase("LiPO3")
    low, high = lipo3.range_K
    data = f"outside its data ({low:g} to {high:g} K)"
    assert range_warning(lipo3, low) is None
    assert range_warning(lipo3, low, high) is None
    assert range_warning(lipo3, 1500.0) == f"LiPO3 is used at 1500 K, {data}"
    assert range_warning(lipo3, 1500.0, 1600.0) == f"LiPO3 is used at 1500 to 1600 K, {data}"
    assert range_warning(lipo3, 400.0, 1600.0) == f"LiPO3 is used at 400 to 1600 K, partly {data}"


def test_library_and_phases_survive_a_process_boundary() -> None:
    copy = pickle.loads(pickle.dumps(LIBRARY))  # own data, for worker processes
    assert copy.names == LIBRARY.names
    np.testing.assert_array_equal(copy.gibbs(900.0), LIBRARY.gibbs(900.0))
    assert copy.phase("ltp").name == LIBRARY.phase("ltp").name
