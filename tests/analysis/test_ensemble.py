"""Samples of the parameters: their distribution, what they move together, and staircases that do not fall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import isotonic_regression

from cosinter.analysis.continuum.ensemble import Draws, draw, interval, moved, shifts, uncertain
from cosinter.analysis.continuum.staircase import not_falling
from cosinter.analysis.parameters import ParameterSet, SharedError
from cosinter.data.exceptions import InputError, UnknownNameError
from tests.analysis.continuum_fixture import U_GRID, arrhenius, parameter_set, scalar

PLATEAUS = "electrolyte.titration.potential"
LAYERED = "cathode.layered.excess_gibbs"
OXIDE = "thermo.lithium_oxide.gibbs"
SHARED = SharedError(
    name="enthalpy of Li2O",
    source="invented for tests",
    shifts={
        OXIDE: (3e3,),
        LAYERED: tuple(1.5e3 * U_GRID),
        PLATEAUS: (-3e3, 9e3, 9e3),
        "compensator.lithium_carbonate.equilibrium_pressure": (-0.4,),
    },
)


def with_shared(*errors: SharedError, **changes) -> ParameterSet:
    return parameter_set(**changes).model_copy(update={"shared_errors": errors})


def one(parameters: ParameterSet, **z: float) -> Draws:
    """One sample with the named numbers, zero elsewhere."""
    names = uncertain(parameters)
    return Draws(names, np.array([[z.get(name, 0.0) for name in names]]))


@pytest.mark.parametrize("method", ["latin", "sobol"])
def test_numbers_are_independent_and_standard_normal(method):
    draws = draw(with_shared(SHARED), 512, method=method, seed=4)
    assert draws.z.shape == (512, len(draws.names))
    assert "enthalpy of Li2O" in draws.names
    np.testing.assert_allclose(draws.z.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(draws.z.std(axis=0), 1.0, rtol=0.03)
    # 1/sqrt(512) = 0.044 is one standard error of a correlation
    assert np.abs(np.corrcoef(draws.z.T) - np.eye(len(draws.names))).max() < 5 * 0.044


def test_the_same_seed_gives_the_same_numbers_and_another_others():
    parameters = parameter_set()
    np.testing.assert_array_equal(draw(parameters, 9, seed=1).z, draw(parameters, 9, seed=1).z)
    assert np.any(draw(parameters, 9, seed=1).z != draw(parameters, 9, seed=2).z)
    assert draw(parameters, 9, method="sobol").z.shape[0] == 9


def test_latin_hypercube_fills_every_stratum_once():
    from scipy.stats import norm

    z = draw(parameter_set(), 40, seed=5).z
    strata = np.floor(40 * norm.cdf(z)).astype(int)
    np.testing.assert_array_equal(np.sort(strata, axis=0), np.tile(np.arange(40)[:, None], z.shape[1]))


def test_rates_and_scalars_move_by_their_uncertainty():
    rate = arrhenius(2.0, 1e4, "1/s", log10_uncertainty=0.5, activation_energy_uncertainty=6e3)
    parameters = parameter_set(
        **{
            "conversion.layered_to_spinel": rate,
            "contact.solid_coverage": scalar(0.3, "1", 0.2),
            "cathode.vacancy_floor": scalar(0.01, "1").model_copy(update={"log10_uncertainty": 0.3}),
        }
    )
    names = ("conversion.layered_to_spinel", "conversion.layered_to_spinel:energy", "contact.solid_coverage",
             "cathode.vacancy_floor")  # fmt: skip
    found = shifts(parameters, Draws(names, np.array([[1.0, -1.0, 1.0, 2.0], [0.0, -2.0, 5.0, 0.0]])))
    logarithm, energy = found.rates["conversion.layered_to_spinel"]
    np.testing.assert_allclose(logarithm, [np.log(2.0 * 10**0.5), np.log(2.0)])
    np.testing.assert_allclose(energy, [4e3, 0.0])  # 1e4 - 12e3 is cut at zero
    np.testing.assert_allclose(found.scalars["contact.solid_coverage"], [0.5, 0.999])  # cut at its range
    np.testing.assert_allclose(found.scalars["cathode.vacancy_floor"], [0.01 * 10**0.6, 0.01])
    assert not found.tables


def test_a_shared_error_moves_all_its_tables_together():
    parameters = with_shared(SHARED)
    sample = moved(parameters, one(parameters, **{"enthalpy of Li2O": 2.0}), 0)

    def change(name):
        return sample.table(name).array - parameters.table(name).array

    np.testing.assert_allclose(change(OXIDE), 6e3)
    np.testing.assert_allclose(change(LAYERED), np.tile(3e3 * U_GRID, (18, 1)), atol=1e-6)
    np.testing.assert_allclose(change(PLATEAUS)[:, 0], [-6e3, 18e3, 18e3], rtol=1e-9)
    pressure = "compensator.lithium_carbonate.equilibrium_pressure"
    np.testing.assert_allclose(sample.table(pressure).array / parameters.table(pressure).array, np.exp(-0.8))
    assert sample.scalar("contact.solid_coverage") == parameters.scalar("contact.solid_coverage")


def test_rows_of_the_arrays_are_the_full_sets():
    parameters = with_shared(SHARED)
    draws = draw(parameters, 7, seed=2)
    found = shifts(parameters, draws)
    third = moved(parameters, draws, 3)
    for name, (logarithm, energy) in found.rates.items():
        assert third.arrhenius(name).reference_value == pytest.approx(np.exp(logarithm[3]), rel=1e-12)
        assert third.arrhenius(name).activation_energy == energy[3]
    potential = third.table(PLATEAUS).array - parameters.table(PLATEAUS).array
    np.testing.assert_allclose(potential[:, 0], found.tables[PLATEAUS][3], atol=1e-6)


def test_plateaus_never_fall_and_keep_their_weighted_mean():
    steep = SHARED.model_copy(update={"shifts": {PLATEAUS: (60e3, -60e3, -60e3)}})
    parameters = with_shared(steep)
    sample = moved(parameters, one(parameters, **{steep.name: 1.0}), 0).table(PLATEAUS).array
    # -190 + 60 and -150 - 60 kJ/mol over equal widths: both at their mean
    np.testing.assert_allclose(sample, -170e3, rtol=1e-7)


def test_sources_that_are_not_there_are_named():
    with pytest.raises(UnknownNameError, match="colour"):
        shifts(parameter_set(), Draws(("colour",), np.zeros((1, 1))))
    with pytest.raises(InputError, match="sample size is 0"):
        draw(parameter_set(), 0)


def test_a_bent_shift_of_a_cathode_energy_is_refused():
    bent = SHARED.model_copy(update={"shifts": {LAYERED: tuple(1e3 * U_GRID**2)}})
    parameters = with_shared(bent)
    with pytest.raises(InputError, match="not affine"):
        shifts(parameters, one(parameters))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shifts": {OXIDE: (1.0, 2.0)}}, "2 shifts"),
        ({"shifts": {"contact.solid_coverage": (1.0,)}}, "no table"),
        ({"name": OXIDE}, "must all differ"),
    ],
)
def test_shared_errors_that_do_not_fit_the_set_are_refused(change, told):
    text = with_shared(SHARED.model_copy(update=change)).to_json()
    with pytest.raises(InputError, match=told):
        ParameterSet.from_json(text)


def test_shared_errors_survive_json():
    parameters = with_shared(SHARED)
    assert ParameterSet.from_json(parameters.to_json()) == parameters


@given(
    values=arrays(np.float64, (3, 6), elements=st.floats(-1e3, 1e3)),
    weights=arrays(np.float64, 6, elements=st.floats(0.01, 10.0)),
)
def test_isotonic_regression_agrees_with_scipy(values, weights):
    expected = [isotonic_regression(row, weights=weights).x for row in values]
    np.testing.assert_allclose(not_falling(values, weights), expected, atol=1e-8)


def test_records_that_are_left_out_take_their_shifts_along():
    parameters = with_shared(SHARED)
    kept = parameters.keeping([name for name in parameters.parameters if name != OXIDE])
    assert OXIDE not in kept.shared_errors[0].shifts
    assert ParameterSet.from_json(kept.to_json()) == kept
    assert parameters.keeping(["contact.solid_coverage"]).shared_errors == ()


def test_shared_errors_of_a_table_add_in_quadrature():
    other = SHARED.model_copy(update={"name": "other", "shifts": {PLATEAUS: (4e3, 0.0, 0.0)}})
    found = with_shared(SHARED, other).shared_spread(PLATEAUS)
    np.testing.assert_allclose(found, [5e3, 9e3, 9e3])
    np.testing.assert_array_equal(with_shared(SHARED).shared_spread("interphase.conductivity"), [0.0])


def test_quantiles_of_outcomes():
    found = interval(np.arange(101.0), failed=3)
    assert (found.low, found.median, found.high) == (5.0, 50.0, 95.0)
    assert (found.samples, found.failed) == (101, 3)
    with pytest.raises(InputError, match="no outcome to summarise \\(4 samples failed"):
        interval([], failed=4)
