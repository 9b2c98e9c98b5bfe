"""Errors of thermodynamics as shifts of the tables: their size, their sign, and what they share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.constants import R

from cosinter.analysis.assembly import assemble
from cosinter.analysis.continuum.ensemble import PLATEAUS, Draws, draw, moved, shifts
from cosinter.analysis.equilibrium.titration import titration_curve
from cosinter.analysis.shared_errors import FARADAY, POTENTIAL, uptake_steps
from cosinter.analysis.thermochemistry.cathode import CathodeModel
from cosinter.analysis.thermochemistry.library import reaction_uncertainty

TEMPERATURE = 973.15
LAYERED, SPINEL, ROCK_SALT = (f"cathode.{form}.excess_gibbs" for form in ("layered", "spinel", "rock_salt"))


@pytest.fixture(scope="module")
def assembled():
    cathode = CathodeModel(0.8, 0.1, 0.1)
    pressures = {"O2": 0.21}
    curve = titration_curve(
        "latp", library=cathode.library, temperature_K=TEMPERATURE, pressures_bar=pressures
    )
    return cathode, curve, assemble(study_name="test", cathode=cathode, titration=curve)


def spread(parameters, *terms):
    """Standard deviation of sum of factor * table[point] from the shared errors: terms (factor, table, point)."""
    total = 0.0
    for error in parameters.shared_errors:
        change = 0.0
        for factor, name, point in terms:
            shift = error.shifts.get(name, (0.0,))
            change += factor * (shift[point] if len(shift) > 1 else shift[0])
        total += change**2
    return float(np.sqrt(total))


def test_every_plateau_has_the_uncertainty_of_its_reaction(assembled):
    _, curve, parameters = assembled
    expected = [step.uncertainty_J_per_mol for step in uptake_steps(curve)]
    found = [spread(parameters, (1.0, PLATEAUS, k)) for k in range(len(expected))]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert spread(parameters, (1.0, PLATEAUS, len(expected))) == pytest.approx(expected[-1])


def test_the_whole_titration_has_the_uncertainty_of_its_overall_reaction(assembled):
    """Sum of width times plateau: the same as the one reaction from end to end, signs and all."""
    _, curve, parameters = assembled
    steps = uptake_steps(curve)
    terms = [(step.li2o_to - step.li2o_from, PLATEAUS, k) for k, step in enumerate(steps)]
    phases = {phase.name: phase for phase in [*curve.library.phases, curve.solid]}
    parts = [(n, phases[name]) for name, n in steps[-1].products_to.items()]
    parts += [(-n, phases[name]) for name, n in steps[0].products_from.items()]
    parts += [(-steps[-1].li2o_to, curve.library.phase("Li2O"))]
    assert spread(parameters, *terms) == pytest.approx(reaction_uncertainty(parts, TEMPERATURE), rel=1e-9)


def test_the_samples_have_that_spread_before_plateaus_are_joined(assembled):
    """A plateau alone, far from its neighbours: its samples scatter by the uncertainty of the reaction."""
    _, curve, parameters = assembled
    apart = parameters.table(PLATEAUS)
    heights = np.arange(len(apart.array))[:, None] * 1e6
    parameters = parameters.model_copy(
        update={
            "parameters": {
                **parameters.parameters,
                PLATEAUS: apart.model_copy(update={"values": (apart.array + heights).tolist()}),
            }
        }
    )
    moves = shifts(parameters, draw(parameters, 4000, seed=1)).tables[PLATEAUS]
    expected = [step.uncertainty_J_per_mol for step in uptake_steps(curve)]
    np.testing.assert_allclose(moves[:, :-1].std(axis=0), expected, rtol=0.05)


def test_no_sampled_plateau_falls(assembled):
    _, _, parameters = assembled
    draws = draw(parameters, 50, seed=2)
    for row in range(50):
        assert np.diff(moved(parameters, draws, row).table(PLATEAUS).array, axis=0).min() > -1e-4


def test_the_layered_oxide_cancels_between_the_forms_of_the_cathode(assembled):
    """At u = 1 only the energies of the spinel and of disorder tell the forms apart (8 kJ/mol each, data file)."""
    cathode, _, parameters = assembled
    own = float(cathode.layered.gibbs_uncertainty(TEMPERATURE))
    assert spread(parameters, (1.0, LAYERED, -1)) == pytest.approx(own, rel=1e-9)
    assert own > 12e3
    assert spread(parameters, (1.0, SPINEL, -1), (-1.0, LAYERED, -1)) == pytest.approx(8e3, rel=1e-9)
    assert spread(parameters, (1.0, ROCK_SALT, -1), (-1.0, LAYERED, -1)) == pytest.approx(8e3, rel=1e-9)
    # half way, the stabilisation of LiM2O4: 5 kJ/mol
    assert spread(parameters, (1.0, SPINEL, 50), (-1.0, LAYERED, 50)) == pytest.approx(5e3, rel=1e-9)


def test_the_open_circuit_potential_moves_lithium_and_voltage_together(assembled):
    """dU = 20 mV: mu_Li = dG/du falls by F dU, the voltage of the discharge rises by dU."""
    _, _, parameters = assembled
    sample = moved(parameters, Draws((POTENTIAL,), np.array([[1.0]])), 0)
    lithium = parameters.table(LAYERED).axis("lithium_per_metal")
    change = sample.table(LAYERED).array - parameters.table(LAYERED).array
    np.testing.assert_allclose(change[0], 0.02 * FARADAY * (1.0 - lithium), atol=1e-6)
    voltage = "capacity.open_circuit_voltage"
    np.testing.assert_allclose(sample.table(voltage).array - parameters.table(voltage).array, 0.02)


def test_another_cathode_than_the_measured_one_is_less_sure():
    def layered(*shares):
        cathode = CathodeModel(*shares)
        curve = titration_curve("latp", library=cathode.library, temperature_K=900.0, pressures_bar={})
        found = assemble(study_name="test", cathode=cathode, titration=curve).shared_errors
        return {e.name: e.shifts for e in found}[POTENTIAL][LAYERED][0]

    assert layered(0.8, 0.1, 0.1) == pytest.approx(0.02 * FARADAY)
    assert layered(0.6, 0.2, 0.2) == pytest.approx(np.hypot(0.02 * FARADAY, 10e3))


def test_pressure_over_the_carbonate_follows_its_reaction(assembled):
    cathode, _, parameters = assembled
    library = cathode.library
    carbonate = library.stable("Li2CO3", temperature_K=TEMPERATURE)
    parts = [(1.0, carbonate), (-1.0, library.gas("CO2")), (-1.0, library.phase("Li2O"))]
    expected = reaction_uncertainty(parts, TEMPERATURE) / (R * TEMPERATURE)
    pressure = "compensator.lithium_carbonate.equilibrium_pressure"
    assert spread(parameters, (1.0, pressure, 0)) == pytest.approx(expected, rel=1e-9)


def test_a_record_put_in_place_of_a_table_brings_its_own_uncertainty(assembled):
    cathode, curve, parameters = assembled
    name = "interphase.conductivity"
    own = parameters.table(name).model_copy(update={"uncertainty": 0.5})
    changed = assemble(study_name="test", cathode=cathode, titration=curve, overrides={name: own})
    assert not any(name in error.shifts for error in changed.shared_errors)
    moves = shifts(changed, draw(changed, 400, seed=3)).tables[name]
    assert moves.shape == (400, 1)
    assert moves.std() == pytest.approx(0.5 * np.log(10.0), rel=0.02)
