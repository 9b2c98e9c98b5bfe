"""Scans over conditions and maps over the ratio: the same answers as one line, one equilibrium at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.equilibrium.interface import interface_reaction
from cosinter.analysis.equilibrium.lp import equilibrium
from cosinter.analysis.equilibrium.scan import make_lines, reaction_map, scan_line
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.analysis.thermochemistry.solution_tables import standard_solutions
from cosinter.data.exceptions import InputError, UnknownNameError

LIBRARY = load_library()
LATP = "Li1.3Al0.3Ti1.7(PO4)3"


def test_a_scan_equals_one_reaction_after_the_other() -> None:
    temperatures = np.array([600.0, 850.0, 973.15, 1250.0])
    oxygen = np.array([0.21, 1e-4, 1.0, 0.05])
    scan = scan_line(
        "ncm811", "latp", library=LIBRARY, temperatures_K=temperatures, pressures_bar={"O2": oxygen}
    )
    for i, path in enumerate(scan.paths):
        single = interface_reaction(
            "ncm811",
            "latp",
            library=LIBRARY,
            temperature_K=float(temperatures[i]),
            pressures_bar={"O2": float(oxygen[i])},
        )
        moles = [kink.mole for kink in single.kinks]
        np.testing.assert_allclose(path.positions, moles, atol=1e-9)
        energies = [kink.dG_J_per_mol for kink in single.kinks]
        np.testing.assert_allclose(scan.change(moles)[i], energies, atol=1e-3)
        assert scan.strongest[0][i] == pytest.approx(single.strongest.mole, abs=1e-9)
        assert scan.strongest[1][i] == pytest.approx(single.strongest.dG_meV_per_atom, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "temperature"),
    [("ncm811", "latp", 973.15), ("LiNi0.5Co0.2Mn0.3O2", "LiAl5O8", 1100.0)],
)
def test_fixed_compositions_come_close_to_the_refined_line(
    first: str, second: str, temperature: float
) -> None:
    solutions = standard_solutions(LIBRARY)
    conditions = {"library": LIBRARY, "pressures_bar": {"O2": 0.21}, "solutions": solutions}
    refined = interface_reaction(first, second, temperature_K=temperature, **conditions)
    scan = scan_line(first, second, temperatures_K=temperature, **conditions)
    moles = np.linspace(0.0, 1.0, 101)
    exact = np.array([refined.at(float(x)).dG_meV_per_atom for x in moles])
    above = scan.change(moles)[0] / scan.lines.atoms(moles) / 96.48533212 - exact
    assert above.min() > -0.011  # 1 J per mole of atoms
    assert above.mean() < 0.1
    assert above.max() < 0.25
    assert scan.lines.costs.shape[1] < 800


def test_an_excluded_phase_is_no_part_of_a_fixed_composition() -> None:
    lines = make_lines(
        "NiO",
        "Co3O4",
        library=LIBRARY,
        temperatures_K=1100.0,
        pressures_bar={"O2": 0.21},
        exclude=["CoO"],
        solutions=standard_solutions(LIBRARY),
    )
    names = lines.problem.library.names
    assert any(name.startswith("spinel ") for name in names)
    assert not any(name.startswith("rock salt ") and "Co" in name for name in names)


MAP = reaction_map(
    "LiCoO2",
    LATP,
    library=LIBRARY,
    temperatures_K=np.linspace(500.0, 1400.0, 31),
    moles=np.linspace(0.0, 1.0, 37),
    pressures_bar={"O2": 0.21, "CO2": 4e-4},
)


@settings(max_examples=40, deadline=None)
@given(lane=st.integers(0, 30), column=st.integers(1, 35))
def test_every_point_of_a_map_is_the_equilibrium_there(lane: int, column: int) -> None:
    temperature, x = float(MAP.temperatures_K[lane]), float(MAP.moles[column])
    first = LIBRARY.stable("LiCoO2", temperature_K=temperature)
    second = LIBRARY.stable(LATP, temperature_K=temperature)
    atoms = {
        element: x * first.composition.get(element, 0.0) + (1.0 - x) * second.composition.get(element, 0.0)
        for element in {*first.composition, *second.composition}
    }
    direct = equilibrium(
        LIBRARY,
        atoms,
        temperature_K=temperature,
        pressures_bar={"O2": 0.21, "CO2": 4e-4},
        extra=[second],
    )
    released = {name for name, amount in direct.amounts.items() if amount > 0.0}
    formed = set(MAP.sets[MAP.index[lane, column]])
    assert released <= formed
    change = (
        direct.gibbs_J - x * float(first.gibbs(temperature)) - (1.0 - x) * float(second.gibbs(temperature))
    )
    assert MAP.dG_J_per_mol[lane, column] == pytest.approx(change, abs=1e-3)
    # 1 eV per particle = 96.485 kJ/mol
    expected = change / sum(atoms.values()) / 96.48533212
    assert MAP.dG_meV_per_atom[lane, column] == pytest.approx(expected, abs=1e-6)


def test_a_map_ends_in_the_reactants_themselves() -> None:
    # cold CO2 takes Li2CO3 out of LiCoO2
    at_pure = [set(MAP.sets[i]) for i in MAP.index[:, -1]]
    assert all({"LiCoO2"} <= products or {"Li2CO3_s", "Co3O4"} <= products for products in at_pure)
    assert all(products.isdisjoint({"Li3PO4", "TiO2_rutile"}) for products in at_pure)
    assert json.loads(json.dumps(MAP.to_dict(), allow_nan=False))["index"][0][0] == MAP.index[0, 0]


def test_a_reactant_melts_on_the_way() -> None:
    # LiOH melts at 735 to 750 K (NIST-JANAF)
    lines = make_lines(
        "LiOH", "TiO2", library=LIBRARY, temperatures_K=[600.0, 900.0], pressures_bar={"H2O": 0.1}
    )
    cold, hot = (lines.forms[0][i] for i in lines.stable[:, 0])
    assert (cold.state, hot.state) == ("s", "l")
    assert lines.gibbs[1, 0] == pytest.approx(float(hot.gibbs(900.0)))


def test_sets_of_a_map_are_all_used() -> None:
    assert set(np.unique(MAP.index)) == set(range(len(MAP.sets)))
    assert len(set(MAP.sets)) == len(MAP.sets)


def test_an_excluded_phase_never_forms() -> None:
    free = scan_line("LiCoO2", LATP, library=LIBRARY, temperatures_K=900.0, pressures_bar={"O2": 0.21})
    names = {name for names in free.map([0.7, 0.85])[0] for name in names}
    without = scan_line(
        "LiCoO2",
        LATP,
        library=LIBRARY,
        temperatures_K=900.0,
        pressures_bar={"O2": 0.21},
        exclude=["Li3PO4"],
    )
    assert "Li3PO4" in names
    assert "Li3PO4" not in {name for names in without.map([0.7, 0.85])[0] for name in names}
    assert np.all(without.change([0.7, 0.85]) > free.change([0.7, 0.85]))


@pytest.mark.parametrize(
    ("temperatures", "pressures", "part"),
    [
        ([900.0, np.nan], {"O2": 0.21}, "temperature"),
        ([900.0, 5000.0], {"O2": 0.21}, "temperature"),
        ([900.0, 950.0], {"O2": [0.21, 0.0]}, "O2"),
        (900.0, {"O2": [0.21, np.nan]}, "O2"),
        ([], {"O2": 0.21}, "at least one temperature"),
    ],
)
def test_wrong_conditions_are_refused(temperatures: object, pressures: dict[str, object], part: str) -> None:
    with pytest.raises(InputError, match=part):
        scan_line("LiCoO2", LATP, library=LIBRARY, temperatures_K=temperatures, pressures_bar=pressures)  # type: ignore[arg-type]


def test_wrong_ratios_and_names_are_refused() -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        reaction_map(
            "LiCoO2", LATP, library=LIBRARY, temperatures_K=900.0, moles=[0.2, 1.5], pressures_bar={}
        )
    with pytest.raises(UnknownNameError):
        scan_line("unobtainium", LATP, library=LIBRARY, temperatures_K=900.0, pressures_bar={})
