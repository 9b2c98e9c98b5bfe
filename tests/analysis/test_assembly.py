"""The assembled parameter set: complete, reversible, and equal to its sources."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.constants import R, bar

from cosinter.analysis.assembly import assemble, transport_records
from cosinter.analysis.continuum.ensemble import uncertain
from cosinter.analysis.continuum.furnace import Furnace
from cosinter.analysis.continuum.inputs import SinterCase, doses_from_weight_percent, model_inputs
from cosinter.analysis.continuum.model import simulate
from cosinter.analysis.continuum.results import summary
from cosinter.analysis.equilibrium.titration import titration_curve
from cosinter.analysis.observables.capacity import discharge_capacity
from cosinter.analysis.observables.impedance import interface_resistance
from cosinter.analysis.parameters import ParameterSet
from cosinter.analysis.thermochemistry.cathode import CathodeModel
from cosinter.analysis.thermochemistry.melts import water_pressure
from cosinter.data.exceptions import InputError


@pytest.fixture(scope="module")
def assembled():
    cathode = CathodeModel(0.8, 0.1, 0.1)
    curve = titration_curve("latp", library=cathode.library, temperature_K=973.15, pressures_bar={"O2": 0.21})
    return cathode, assemble(study_name="test", cathode=cathode, titration=curve)


def test_everything_the_model_needs_is_there_and_survives_json(assembled):
    _, parameters = assembled
    again = ParameterSet.from_json(parameters.to_json())
    assert again == parameters
    assert model_inputs(again).electrolyte["Ti"] == pytest.approx(1.7)


def test_every_record_says_where_it_is_from(assembled):
    _, parameters = assembled
    assert all(len(record.source) > 5 for record in parameters.parameters.values())
    assert len(uncertain(parameters)) > 25


def test_water_pressure_at_a_measured_temperature():
    """log10(p/Pa) = 11.22 - 6462/T at 700 K: 97 Pa."""
    assert bar * water_pressure(np.array([700.0]))[0] == pytest.approx(97.3, rel=0.01)


def test_dehydration_rate_of_the_literature():
    """1.8e8 exp(-123.4 kJ/mol/RT) 1/s: half life 214 s at 600 K (2 % for rounding of the energy)."""
    rate = transport_records()["compensator.lithium_hydroxide.dehydration"]
    assert np.log(2.0) / rate(600.0) == pytest.approx(214.0, rel=0.02)
    assert rate(973.15) == pytest.approx(1.8e8 * np.exp(-123.4e3 / R / 973.15), rel=1e-12)


def test_grain_potential_agrees_with_the_cathode_model(assembled):
    from cosinter.analysis.continuum.cells import phase_fractions, share_lithium
    from cosinter.analysis.continuum.conditions import conditions
    from cosinter.analysis.continuum.furnace import Gas
    from cosinter.analysis.continuum.lanes import make_batch

    cathode, parameters = assembled
    furnace = Furnace((0.0, 1.0), (970.0, 970.0), (Gas(),))
    lanes = make_batch(model_inputs(parameters), (SinterCase("x", furnace),)).lanes
    now = conditions(lanes, 0, 0.0)
    lithium = np.array([0.3, 0.5, 0.8, 0.95])
    none = np.zeros((1, lithium.size))
    potential = share_lithium(now, lanes, lithium[None, :], phase_fractions(none, none), none)[0]
    ours = 2.0 * R * 970.0 * (potential + now.own)
    theirs = cathode.mu_li2o("layered", lithium, 970.0, Gas().oxygen_Pa / bar)[0]
    # cubic over u, linear over 30 K in T
    np.testing.assert_allclose(ours, theirs, atol=300.0)


def test_the_diffusivity_of_a_barrier_replaces_the_estimate(assembled):
    cathode, parameters = assembled
    curve = titration_curve("latp", library=cathode.library, temperature_K=973.15, pressures_bar={"O2": 0.21})
    own = parameters.arrhenius("cathode.spinel.lithium_diffusivity")
    changed = assemble(study_name="test", cathode=cathode, titration=curve, lithium_diffusivity=own)
    assert changed.arrhenius("cathode.layered.lithium_diffusivity") == own
    wrong = own.model_copy(update={"unit": "cm2/s"})
    with pytest.raises(InputError, match="cm2/s"):
        assemble(study_name="test", cathode=cathode, titration=curve, lithium_diffusivity=wrong)


def test_the_whole_way_to_capacity(assembled):
    """NCM811 + LATP, 1 h at 700 C in air: elements kept, compensator spares lithium and layered phase."""
    _, parameters = assembled
    furnace = Furnace.from_steps([(973.15, 5.0 / 60.0), (973.15, 3600.0)])
    doses = doses_from_weight_percent(
        parameters,
        cathode_volume_fraction=0.5,
        weight_percent={"lithium_hydroxide": 3.0, "lithium_carbonate": 2.0},
    )
    found = []
    for dose in ({}, doses):
        run = simulate(parameters, SinterCase("x", furnace, doses=dose, cells=16))
        asr = interface_resistance(parameters, run).asr_ohm_cm2
        capacity = discharge_capacity(parameters, run, asr_ohm_cm2=asr).capacity_mAh_per_g
        found.append(summary(run, asr_ohm_cm2=asr, capacity_mAh_per_g=capacity))
    bare, covered = found
    assert max(max(s.balance_error.values()) for s in found) < 1e-9
    assert covered.lithium_per_metal > bare.lithium_per_metal
    assert covered.layered_fraction >= bare.layered_fraction
    assert 0.0 < bare.capacity_mAh_per_g < covered.capacity_mAh_per_g <= 222.2 * 1.001
