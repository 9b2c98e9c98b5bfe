"""Phases written for Cantera and as TDB, read by Cantera and pycalphad: G(T) is ours, equilibria are those of the numbers."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import R, bar

from cosinter.analysis.exports.cantera import cantera_names, to_cantera
from cosinter.analysis.exports.tdb import gas_species, tdb_names, to_tdb
from cosinter.analysis.thermochemistry.functions import (
    POWERS,
    Combination,
    PiecewiseCp,
    integrate_heat_capacity,
)
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, load_library
from cosinter.analysis.thermochemistry.segments import as_segments
from cosinter.data.exceptions import InputError

TEMPERATURES = np.asarray([298.15, 310.0, 499.0, 700.0, 973.15, 1300.0, 1843.0, 1999.0])
TOLERANCE_J_PER_MOL = 1.0  # asked for before the first comparison


@pytest.fixture(scope="module")
def library() -> PhaseLibrary:
    return load_library()


@pytest.fixture(scope="module")
def database(library: PhaseLibrary) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pycalphad = pytest.importorskip("pycalphad")
    return pycalphad.Database.from_string(to_tdb(library.phases), fmt="tdb")


@pytest.fixture(scope="module")
def cantera_file(library: PhaseLibrary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cantera") / "phases.yaml"
    path.write_text(to_cantera(library.phases), encoding="utf-8")
    return path


def _powers(value: float, power: float) -> list[float]:
    return [value if p == power else 0.0 for p in POWERS]


def test_cantera_has_our_gibbs_energies(library: PhaseLibrary, cantera_file: Path) -> None:
    import cantera

    gas = cantera.Solution(str(cantera_file), "gas")
    for phase, name in zip(library.phases, cantera_names(library.phases), strict=True):
        solution = gas if phase.state == "g" else cantera.Solution(str(cantera_file), name)
        place = solution.species_index(name)
        for temperature, ours in zip(TEMPERATURES, phase.gibbs(TEMPERATURES), strict=True):
            solution.TP = temperature, bar
            theirs = solution.standard_gibbs_RT[place] * R * temperature
            assert abs(theirs - ours) < TOLERANCE_J_PER_MOL, (name, temperature)


def test_cantera_finds_the_pressure_of_a_decomposition(library: PhaseLibrary, cantera_file: Path) -> None:
    """Li2CO3 = Li2O + CO2 in nitrogen: the amount of CO2 follows from the three free energies."""
    import cantera

    temperature = 973.15
    gas = cantera.Solution(str(cantera_file), "gas")
    gas.TPX = temperature, bar, {"N2": 1.0}
    solids = [cantera.Solution(str(cantera_file), name) for name in ("Li2CO3_s", "Li2O")]
    for solid in solids:
        solid.TP = temperature, bar
    mixture = cantera.Mixture([(gas, 1.0), (solids[0], 1.0), (solids[1], 0.0)])
    mixture.T, mixture.P = temperature, bar
    mixture.equilibrate("TP", solver="vcs", max_steps=2000)
    gibbs = {name: float(library.phase(name).gibbs(temperature)) for name in ("Li2CO3_s", "Li2O")}
    change = gibbs["Li2O"] + float(library.gas("CO2").gibbs(temperature)) - gibbs["Li2CO3_s"]
    expected = np.exp(-change / (R * temperature))
    assert gas["CO2"].X[0] == pytest.approx(expected, rel=1e-3)


def test_cantera_keeps_sources_kinds_and_ranges(library: PhaseLibrary) -> None:
    import yaml

    species = {entry["name"]: entry for entry in yaml.safe_load(to_cantera(library.phases))["species"]}
    for phase, name in zip(library.phases, cantera_names(library.phases), strict=True):
        note = species[name]["note"]
        assert phase.source in note
        assert f"; {phase.kind};" in note
        assert f"{phase.range_K[1]:g} K" in note


def test_pycalphad_has_our_gibbs_energies(library: PhaseLibrary, database: Any) -> None:
    solids = [phase for phase in library.phases if phase.state != "g"]
    for phase, name in zip(solids, tdb_names(solids), strict=True):
        ours = phase.gibbs(TEMPERATURES)
        theirs = _calculate(database, phase, name) * phase.atoms
        assert np.max(np.abs(theirs - ours)) < TOLERANCE_J_PER_MOL, name


def test_pycalphad_has_our_gases(library: PhaseLibrary, database: Any) -> None:
    """The ideal gas of one species at another pressure: G + R T ln(p / 1 bar)."""
    import symengine

    gases = [phase for phase in library.phases if phase.state == "g"]
    names = {gas_species(gas): gas for gas in gases}
    assert len(names) == len(gases)
    found = 0
    for parameter in database._parameters.all():
        if parameter["phase_name"] != "GAS":
            continue
        (constituent,) = parameter["constituent_array"][0]
        gas = names[constituent.name]
        for temperature in (300.0, 973.15, 1600.0):
            value = parameter["parameter"].subs(
                {symengine.Symbol("T"): temperature, symengine.Symbol("P"): 500.0}
            )
            expected = float(gas.gibbs(temperature)) + R * temperature * np.log(500.0 / bar)
            assert abs(float(_number(value)) - expected) < TOLERANCE_J_PER_MOL
        found += 1
    assert found == len(gases)


def _number(value: Any) -> float:
    import symengine

    return float(symengine.sympify(value).n(53, real=True))


def test_pycalphad_solves_an_equilibrium(library: PhaseLibrary, database: Any) -> None:
    """Titanium oxide with 63 % oxygen at 1000 K: the two phases and potentials of the lower hull of our energies."""
    from pycalphad import equilibrium
    from pycalphad import variables as v

    content, temperature = 0.63, 1000.0
    solids = library.restricted(elements=("Ti", "O")).phases
    phases = {name: p for name, p in zip(tdb_names(solids), solids, strict=True) if p.state == "s"}
    share = {name: p.composition.get("O", 0.0) / p.atoms for name, p in phases.items()}
    energy = {name: float(p.gibbs(temperature)) / p.atoms for name, p in phases.items()}
    lines = [
        (energy[a] + (content - share[a]) / (share[b] - share[a]) * (energy[b] - energy[a]), a, b)
        for a in phases
        for b in phases
        if share[a] < content < share[b]
    ]
    lowest, poor, rich = min(lines)
    slope = (energy[rich] - energy[poor]) / (share[rich] - share[poor])

    conditions = {v.T: temperature, v.P: bar, v.N: 1.0, v.X("O"): content}
    found = equilibrium(database, ["TI", "O", "VA"], list(phases), conditions)
    assert {str(name) for name in np.ravel(found.Phase.values) if str(name)} == {poor, rich}
    assert float(np.ravel(found.GM.values)[0]) == pytest.approx(lowest, abs=TOLERANCE_J_PER_MOL)
    potential = dict(zip(np.ravel(found.component.values), np.ravel(found.MU.values), strict=True))
    assert potential["O"] - potential["TI"] == pytest.approx(slope, abs=TOLERANCE_J_PER_MOL)


def test_pycalphad_writes_it_again_and_nothing_changes(library: PhaseLibrary) -> None:
    """But for half powers of T, which pycalphad reads and cannot write."""
    from pycalphad import Database

    whole = [phase for phase in library.phases if "EXP(" not in to_tdb([phase])]
    assert len(whole) > 50
    database = Database.from_string(to_tdb(whole), fmt="tdb")
    assert Database.from_string(database.to_string(fmt="tdb"), fmt="tdb") == database


def test_lines_are_no_longer_than_old_programs_read(library: PhaseLibrary) -> None:
    text = to_tdb(library.phases)
    assert max(len(line) for line in text.splitlines()) <= 78
    assert text.isascii()


@pytest.mark.parametrize("write", [to_cantera, to_tdb])
def test_assumed_phases_stay_out_on_demand(library: PhaseLibrary, write: Any) -> None:
    guess = replace(library.phase("NiO"), name="guessed", kind="assumed")
    phases = [library.phase("CoO"), guess]
    assert "guessed" in write(phases).lower()
    assert "guessed" not in write(phases, include_assumed=False).lower()
    with pytest.raises(InputError, match="no phase is left"):
        write([guess], include_assumed=False)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-50.0, 150.0), min_size=3, max_size=3),
    half=st.floats(-3000.0, 3000.0),
    joint=st.floats(320.0, 1500.0),
    heat=st.floats(0.0, 20000.0),
    amounts=st.tuples(st.floats(-2.0, 2.0), st.floats(0.1, 2.0)),
)
def test_segments_are_the_function(
    values: list[float], half: float, joint: float, heat: float, amounts: tuple[float, float]
) -> None:
    first = integrate_heat_capacity(
        [((298.15, joint), _powers(values[0], 0.0)), ((joint, 1600.0), _powers(values[1], -1.0))],
        enthalpy_298=-1e5,
        entropy_298=50.0,
        transitions={joint: heat},
    )
    second = integrate_heat_capacity(
        [((298.15, 900.0), _powers(half, -0.5))], enthalpy_298=values[2] * 1e3, entropy_298=20.0
    )
    function = Combination(((amounts[0], first), (amounts[1], Combination(((2.0, second),)))), 1e3, 5.0)
    segments = as_segments(function, 298.15, 2000.0)
    assert isinstance(segments, PiecewiseCp)
    for temperature in (298.15, 555.5, 899.0, 901.0, 1601.0, 1999.0):
        if abs(temperature - joint) < 1e-6:
            continue
        for ask in ("enthalpy", "entropy"):
            expected = float(getattr(function, ask)(temperature))
            assert float(getattr(segments, ask)(temperature)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def _calculate(database: Any, phase: Phase, name: str) -> Any:
    from pycalphad import calculate

    elements = sorted(element.upper() for element in phase.composition)
    found = calculate(database, [*elements, "VA"], [name], T=TEMPERATURES, P=bar, output="GM")
    return np.asarray(found.GM).reshape(len(TEMPERATURES), -1)[:, 0]
