"""What a calibration writes into the parameter set."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.constants import R

from cosinter.analysis.continuum.calibration import Posterior
from cosinter.analysis.continuum.ensemble import LN10, Draws, shifts
from cosinter.analysis.continuum.fitted import DataSource, fitted_set, learned, pivoted
from cosinter.analysis.parameters import Arrhenius, ParameterSet, SharedError
from tests.analysis.continuum_fixture import U_GRID, arrhenius, parameter_set, scalar

SOURCE = DataSource("mine.csv", "ab" * 32)
RATE, SCALAR, TABLE = "contact.exchange_solid", "conversion.reference_lithium", "cathode.spinel.excess_gibbs"


def set_of_records() -> ParameterSet:
    found = parameter_set(**{SCALAR: scalar(0.204, "1", 0.05)})
    error = SharedError(
        name="enthalpy of Li2O",
        source="invented for tests",
        shifts={"cathode.layered.excess_gibbs": tuple(3e3 * U_GRID), "thermo.lithium_oxide.gibbs": (1e3,)},
    )
    return found.model_copy(update={"shared_errors": (error,)})


def posterior(names: tuple[str, ...], mean: list[float], covariance: np.ndarray) -> Posterior:
    """Samples with exactly this mean and covariance."""
    white = np.random.default_rng(0).normal(size=(400, len(names)))
    white -= white.mean(axis=0)
    white @= np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False).reshape(len(names), -1))).T
    z = np.array(mean) + white @ np.linalg.cholesky(covariance).T
    return Posterior(names, z, np.zeros((400, 1)), np.ones(len(names)), 0.5, 100, 32, 0)


def test_each_kind_of_record_takes_the_posterior() -> None:
    before = set_of_records()
    names = (SCALAR, RATE, TABLE, "enthalpy of Li2O")
    found = fitted_set(
        before, posterior(names, [1.0, 0.5, -1.0, 2.0], np.diag([0.04, 0.09, 0.25, 0.01])), SOURCE
    )
    value = found[SCALAR]
    assert value.value == pytest.approx(0.204 + 0.05)
    assert value.uncertainty == pytest.approx(0.2 * 0.05)
    rate = found.arrhenius(RATE)
    assert rate.reference_value == pytest.approx(2.6e-6 * 10**0.5)
    assert rate.log10_uncertainty == pytest.approx(0.3)
    assert rate.activation_energy_uncertainty == 1e4
    table = found.table(TABLE)
    np.testing.assert_allclose(table.array, before.table(TABLE).array - 2e3)
    assert table.uncertainty == pytest.approx(0.5 * 2e3)
    np.testing.assert_allclose(
        found.table("cathode.layered.excess_gibbs").array,
        before.table("cathode.layered.excess_gibbs").array + 2.0 * 3e3 * U_GRID,
    )
    assert found.shared_errors[0].shifts["thermo.lithium_oxide.gibbs"] == pytest.approx((100.0,))
    for name in (SCALAR, RATE, TABLE, "cathode.layered.excess_gibbs", "thermo.lithium_oxide.gibbs"):
        assert found[name].kind == "fitted"
        assert "mine.csv (sha256 abababababababab)" in found[name].source
        assert "before: assumed, invented for tests" in found[name].note
    changed = [name for name in before.parameters if before[name] != found[name]]
    assert len(changed) == 5
    assert found.labels["calibration"]["sha256"] == SOURCE.sha256
    assert ParameterSet.from_json(found.to_json()) == found


def test_what_the_data_do_not_see_stays_as_it_was() -> None:
    before = set_of_records()
    after = posterior((SCALAR, RATE), [0.05, 1.0], np.diag([0.97, 0.1]))
    assert learned(after) == (RATE,)
    found = fitted_set(before, after, SOURCE)
    assert found[SCALAR] == before[SCALAR]
    assert found[RATE].kind == "fitted"
    assert fitted_set(before, posterior((SCALAR,), [0.0], np.eye(1)), SOURCE) == before


def test_value_and_energy_are_given_at_the_temperature_where_they_are_uncorrelated() -> None:
    before = set_of_records()
    names = (RATE, f"{RATE}:energy")
    after = posterior(names, [0.3, -0.4], np.array([[0.05, 0.05], [0.05, 0.3]]))
    found = fitted_set(before, after, SOURCE).arrhenius(RATE)
    assert 500.0 < found.reference_temperature < 1500.0
    assert found.reference_temperature != pytest.approx(973.15, abs=1.0)
    logarithm, energy = shifts(before, Draws(names, after.z)).rates[RATE]
    for temperature in (700.0, 973.15, 1200.0):
        samples = logarithm - energy / R * (1.0 / temperature - 1.0 / 973.15)
        lever = (1.0 / temperature - 1.0 / found.reference_temperature) / R
        spread = np.hypot(found.log10_uncertainty * LN10, lever * found.activation_energy_uncertainty)
        assert np.log(found(temperature)) == pytest.approx(samples.mean())
        assert spread == pytest.approx(samples.std(ddof=1))


def test_the_pivot_stays_in_the_range_of_furnaces() -> None:
    record = arrhenius(1.0, 1e5, "m/s", log10_uncertainty=1.0, activation_energy_uncertainty=1e3)
    steep = pivoted(record, np.array([[1e4, 9e4], [9e4, 1e6]]))
    assert steep.reference_temperature == pytest.approx(500.0)
    assert steep(700.0) == pytest.approx(record(700.0))
    assert isinstance(steep, Arrhenius)
