"""What films, crucibles, gases and grains do to a firing: limits that hold whatever the numbers of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.constants import hour, zero_Celsius

from cosinter.analysis.assembly import assemble
from cosinter.analysis.continuum.batch import run_cases
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.continuum.model import simulate
from cosinter.analysis.equilibrium.titration import titration_curve
from cosinter.analysis.parameters import ParameterSet
from cosinter.analysis.thermochemistry.cathode import CathodeModel

AIR = Gas(oxygen_Pa=0.21e5, water_Pa=1.0e3, carbon_dioxide_Pa=40.0)
DOSE = {"lithium_hydroxide": 0.3}


@pytest.fixture(scope="module")
def parameters() -> ParameterSet:
    cathode = CathodeModel(0.8, 0.1, 0.1)
    curve = titration_curve("latp", library=cathode.library, temperature_K=973.15, pressures_bar={"O2": 0.21})
    return assemble(study_name="cases", cathode=cathode, titration=curve)


def changed(parameters: ParameterSet, **values: Mapping[str, Any]) -> ParameterSet:
    """The set with fields of records replaced; two underscores stand for a dot."""
    records = dict(parameters.parameters)
    for name, fields in values.items():
        key = name.replace("__", ".")
        records[key] = records[key].model_copy(update=dict(fields))
    return parameters.model_copy(update={"parameters": records})


def firing(top_C: float = 700.0, gas: Gas = AIR, **fields: Any) -> SinterCase:
    """5 K/min up, two hours, 5 K/min down, on a coarse grid."""
    ramp = (top_C - 25.0) / 5.0 * 60.0
    times = np.cumsum([0.0, ramp, 2.0 * hour, ramp])
    temperatures = np.array([25.0, top_C, top_C, 25.0]) + zero_Celsius
    furnace = Furnace(tuple(times.tolist()), tuple(temperatures.tolist()), (gas,) * 3)
    return SinterCase("case", furnace, cells=12, tolerance=1e-4, **fields)


def end(parameters: ParameterSet, case: SinterCase, outcome: str) -> float:
    outcomes = run_cases(parameters, [case])
    assert not outcomes.failures
    return float(outcomes.column(outcome)[0])


def blocking(parameters: ParameterSet, *, breakdown: float) -> ParameterSet:
    """A film that lets next to nothing through and is lost at a constant rate (1/s)."""
    return changed(
        parameters,
        coating__conductivity={"reference_value": 1e-18, "activation_energy": 0.0},
        coating__breakdown={"reference_value": breakdown, "activation_energy": 0.0},
    )


def test_a_tight_film_that_lasts_keeps_the_cathode_whole(parameters: ParameterSet) -> None:
    found = end(blocking(parameters, breakdown=1e-30), firing(coating_thickness_m=1e-8), "lithium_per_metal")
    assert found == pytest.approx(1.0, abs=1e-4)


def test_a_film_that_is_gone_at_once_is_no_film(parameters: ParameterSet) -> None:
    bare = end(parameters, firing(), "layered_fraction")
    assert bare < 0.99
    lost = end(blocking(parameters, breakdown=10.0), firing(coating_thickness_m=1e-8), "layered_fraction")
    assert lost == pytest.approx(bare, abs=1e-3)


def test_a_film_helps_below_the_temperature_at_which_it_breaks_down(parameters: ParameterSet) -> None:
    """Half of it is lost in an hour at 550 C with 300 kJ/mol; a faster interphase lets the bare grain react at 500 C."""
    fast = changed(
        blocking(parameters, breakdown=1.0), interphase__parabolic_constant={"reference_value": 1e-16}
    )
    law = {"reference_value": np.log(2.0) / hour, "reference_temperature": 823.15, "activation_energy": 3e5}
    film = changed(fast, coating__breakdown=law)
    saved = {}
    for top in (500.0, 700.0):
        bare = end(film, firing(top), "interphase_nm")
        coated = end(film, firing(top, coating_thickness_m=1e-8), "interphase_nm")
        saved[top] = 1.0 - coated / bare
    assert saved[500.0] > 0.9
    assert saved[700.0] < 0.5


def test_vapour_leaves_an_open_crucible_and_lithium_is_conserved(parameters: ParameterSet) -> None:
    open_one = changed(parameters, compensator__evaporation_velocity={"value": 0.1})
    closed, opened = (simulate(p, firing(doses=DOSE)) for p in (parameters, open_one))
    for run in (closed, opened):
        assert float(abs(run["balance_error"]).max()) < 1e-9
    left = [float(run["compensator"].isel(time=-1).sum()) for run in (closed, opened)]
    assert left[1] < 0.9 * left[0]


def test_hydroxide_turns_into_carbonate_where_there_is_carbon_dioxide(parameters: ParameterSet) -> None:
    """At 400 C in a tenth of a bar of CO2 the rate of 1e-4 1/s has hours; a rate of 1e-30 leaves the salt as it is."""
    rich = firing(400.0, Gas(oxygen_Pa=0.21e5, water_Pa=1.0e3, carbon_dioxide_Pa=1.0e4), doses=DOSE)
    still = changed(
        parameters,
        compensator__lithium_hydroxide__carbonation={"reference_value": 1e-30, "activation_energy": 0.0},
    )
    held = [
        float(simulate(p, rich)["compensator"].isel(time=-1).sel(species="lithium_carbonate"))
        for p in (parameters, still)
    ]
    assert held[0] > 0.5 * DOSE["lithium_hydroxide"]
    assert held[1] < 0.1 * held[0]


def test_disorder_closed_faces_and_missing_boundaries_slow_the_lithium(parameters: ParameterSet) -> None:
    """With a sink that takes everything, less lithium leaves a grain whose paths are longer or fewer."""
    greedy = changed(
        parameters,
        interphase__parabolic_constant={"reference_value": 1e-12},
        contact__interface_rate={"reference_value": 1.0},
        cathode__layered__lithium_diffusivity={"reference_value": 1e-17, "activation_energy": 0.0},
    )
    plain = end(greedy, firing(), "lithium_per_metal")
    disordered = changed(greedy, cathode__antisite_fraction={"value": 0.15})
    closed = changed(greedy, cathode__open_face_share={"value": 0.05})
    assert end(disordered, firing(), "lithium_per_metal") > plain + 1e-3
    assert end(closed, firing(), "lithium_per_metal") > plain + 1e-3
    assert end(greedy, firing(crystallite_size_m=1e-8), "lithium_per_metal") < plain - 1e-3


def test_wide_boundaries_of_the_same_diffusivity_are_hart_s_sum(parameters: ParameterSet) -> None:
    """D + 3 (w/d) D_gb: with D_gb = D and w/d = 1/3 the grain is one of twice the diffusivity."""
    lattice = {"reference_value": 1e-17, "activation_energy": 6e4, "reference_temperature": 973.15}
    same = changed(
        parameters,
        cathode__layered__lithium_diffusivity=lattice,
        cathode__spinel__lithium_diffusivity=lattice,
        cathode__rock_salt__lithium_diffusivity=lattice,
        cathode__grain_boundary__lithium_diffusivity=lattice,
        cathode__antisite_fraction={"value": 0.0},
    )
    double = lattice | {"reference_value": 2e-17}
    twice = changed(
        same,
        cathode__layered__lithium_diffusivity=double,
        cathode__spinel__lithium_diffusivity=double,
        cathode__rock_salt__lithium_diffusivity=double,
    )
    boundaries = end(same, firing(crystallite_size_m=3e-9), "lithium_per_metal")
    assert boundaries == pytest.approx(end(twice, firing(), "lithium_per_metal"), abs=1e-6)


def test_too_much_salt_does_not_end_above_full_lithiation(parameters: ParameterSet) -> None:
    found = end(
        parameters, firing(doses={"lithium_hydroxide": 3.0, "lithium_carbonate": 3.0}), "lithium_per_metal"
    )
    assert 0.0 <= found <= 1.0
