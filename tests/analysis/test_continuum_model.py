"""Conservation, bounds and plain sense of the compensation model on invented inputs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosinter.analysis.continuum.balance import ELEMENTS
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase, doses_from_weight_percent, model_inputs
from cosinter.analysis.continuum.model import simulate
from cosinter.analysis.continuum.results import summary
from cosinter.data.exceptions import InputError

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import arrhenius, parameter_set, scalar

FIVE = 5.0 / 60.0
FURNACE = Furnace.from_steps([(973.15, FIVE), (973.15, 3600.0), (298.15, FIVE)])
DOSES = {"lithium_hydroxide": 0.2, "lithium_carbonate": 0.09}


@pytest.fixture(scope="module")
def runs():
    parameters = parameter_set()
    return {
        name: simulate(parameters, SinterCase(name, FURNACE, doses=doses, cells=20))
        for name, doses in (("bare", {}), ("covered", DOSES))
    }


@pytest.mark.parametrize("name", ["bare", "covered"])
def test_elements_are_kept_at_every_output(runs, name):
    error = runs[name]["balance_error"]
    assert list(error["element"].values) == list(ELEMENTS)
    assert float(error.max()) < 1e-9


def test_without_compensator_no_hydrogen_or_carbon_appears(runs):
    gas = runs["bare"]["gas_released"]
    assert float(np.abs(gas.sel(gas=["H2O", "CO2"])).max()) == 0.0
    assert float(runs["bare"]["coverage"].max()) == 0.0


def test_compensator_spares_the_grain(runs):
    bare, covered = (summary(runs[name]) for name in ("bare", "covered"))
    assert bare.lithium_per_metal < covered.lithium_per_metal
    assert bare.layered_fraction <= covered.layered_fraction
    assert float(runs["covered"]["gas_released"].sel(gas="H2O")[-1]) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("name", ["bare", "covered"])
def test_nothing_runs_uphill(runs, name):
    """Second law: flows times falls of potential are never negative; noise of the state is 1e-7."""
    assert float(runs[name]["dissipation"].min()) > -1e-9


def test_summary_has_the_fixed_keys(runs):
    found = summary(runs["bare"], asr_ohm_cm2=1.0, capacity_mAh_per_g=2.0).to_dict()
    assert list(found) == [
        "name", "layered_fraction", "spinel_fraction", "rock_salt_fraction", "lithium_per_metal", "interphase_nm",
        "asr_ohm_cm2", "capacity_mAh_per_g", "balance_error", "wall_s",
    ]  # fmt: skip
    assert set(found["balance_error"]) == set(ELEMENTS)


def test_units_stand_beside_every_variable(runs):
    assert all("units" in variable.attrs for variable in runs["bare"].data_vars.values())


ADMISSIBLE = {
    "lithium": st.floats(0.6, 1.0),
    "radius": st.floats(1e-7, 5e-6),
    "phi": st.floats(0.2, 0.8),
    "hydroxide": st.floats(0.0, 0.5),
    "carbonate": st.floats(0.0, 0.5),
    "water": st.floats(0.0, 5e4),
    "top": st.floats(600.0, 1100.0),
    "growth": st.floats(-21.0, -17.0),
}


def _check_random(draw: dict[str, float]) -> None:
    parameters = parameter_set(
        **{
            "cathode.initial_lithium_per_metal": scalar(draw["lithium"], "1"),
            "interphase.parabolic_constant": arrhenius(10.0 ** draw["growth"], 243e3, "m2/s"),
        }
    )
    furnace = Furnace.from_steps(
        [(draw["top"], FIVE), (draw["top"], 1800.0)], gas=Gas(water_Pa=draw["water"])
    )
    case = SinterCase(
        "random",
        furnace,
        grain_radius_m=draw["radius"],
        cathode_volume_fraction=draw["phi"],
        doses={"lithium_hydroxide": draw["hydroxide"], "lithium_carbonate": draw["carbonate"]},
        cells=10,
    )
    run = simulate(parameters, case)
    assert float(run["balance_error"].max()) < 1e-9
    for phase in ("layered", "spinel", "rock_salt"):
        assert float(run[phase].min()) > -1e-6
        assert float(run[phase].max()) < 1.0 + 1e-6
    assert np.all(np.diff(run["interphase_thickness"]) > -1e-15)


@given(st.fixed_dictionaries(ADMISSIBLE))
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_admissible_input_keeps_its_elements(draw):
    _check_random(draw)


@pytest.mark.slow
@given(st.fixed_dictionaries(ADMISSIBLE))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_admissible_inputs_keep_their_elements(draw):
    _check_random(draw)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cathode.nickel": scalar(1.2, "1")}, "cathode.nickel"),
        ({"cathode.molar_mass": scalar(-0.1, "kg/mol")}, "cathode.molar_mass"),
        ({"contact.film_thickness": None}, "contact.film_thickness"),
        ({"contact.film_thickness": scalar(1.0, "nm")}, "unit nm"),
        ({"interphase.parabolic_constant": scalar(1.0, "m2/s")}, "is a scalar"),
        ({"cathode.cobalt": scalar(0.3, "1")}, "must be 1"),
    ],
)
def test_a_wrong_parameter_is_named(change, word):
    with pytest.raises(InputError, match=word.replace(".", r"\.")):
        model_inputs(parameter_set(**change))


@pytest.mark.parametrize(
    "steps", [[(973.15, 0.0)], [(973.15, float("nan"))], [(973.15, 1e-9)], [(2000.0, FIVE)], []]
)
def test_a_programme_that_cannot_be_run_is_refused(steps):
    with pytest.raises(InputError, match=r"furnace|programme"):
        Furnace.from_steps(steps)


def test_weight_percent_become_moles():
    """5 wt% LiOH on 100 g of composite hold 5/23.948 mol Li."""
    parameters = parameter_set()
    dose = doses_from_weight_percent(
        parameters, cathode_volume_fraction=0.5, weight_percent={"lithium_hydroxide": 5.0}
    )["lithium_hydroxide"]
    solids = 0.0973 + 0.3834 / (4.9e4 * 1.32e-4)
    assert dose * 0.023948 / (solids + dose * 0.023948) == pytest.approx(0.05, rel=1e-12)
