"""Measurements as a calibration problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cosinter.analysis.continuum import measurements
from cosinter.analysis.continuum.ensemble import Draws
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.continuum.measurements import Comparison, Measurement
from cosinter.data.exceptions import InputError, UnknownNameError
from tests.analysis.continuum_fixture import parameter_set
from tests.parabolic_layer import LAYER, run_samples, thickness_nm


def hold(celsius: float) -> SinterCase:
    temperature = celsius + 273.15
    return SinterCase("hold", Furnace((0.0, 3600.0), (temperature, temperature), (Gas(),)))


def test_equal_experiments_run_once_and_factors_compare_logarithms(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[float] = []

    def counted(parameters: Any, case: SinterCase, draws: Draws, **options: Any) -> Any:
        ran.append(case.furnace.temperatures_K[0])
        return run_samples(parameters, case, draws, **options)

    monkeypatch.setattr(measurements, "run_samples", counted)
    found = parameter_set()
    problem = Comparison(
        [(found, hold(600.0)), (found, hold(700.0)), (found, hold(600.0))],
        [
            Measurement(0, "interphase_nm", 20.0, 2.0),
            Measurement(1, "interphase_nm", 50.0, 0.3, logarithmic=True),
            Measurement(2, "layered_fraction", 0.9, 0.02),
        ],
    ).problem((LAYER,))
    z = np.array([[0.0], [1.0]])
    predicted = problem.predict(z)
    assert ran == pytest.approx([873.15, 973.15])
    draws = Draws((LAYER,), z)
    np.testing.assert_allclose(predicted[:, 0], thickness_nm(found, hold(600.0), draws))
    np.testing.assert_allclose(predicted[:, 1], np.log(thickness_nm(found, hold(700.0), draws)))
    np.testing.assert_allclose(predicted[:, 2], 0.5)
    np.testing.assert_allclose(problem.target, [20.0, np.log(50.0), 0.9])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "interphase_nm", 20.0, 0.0), "standard error of interphase_nm is 0"),
        ((0, "interphase_nm", float("nan"), 1.0), "interphase_nm is nan"),
        ((0, "interphase_nm", -2.0, 0.1, True), "interphase_nm is -2"),
        ((0, "thickness", 2.0, 0.1), "unknown outcome 'thickness'"),
    ],
)
def test_a_measurement_that_makes_no_sense_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Measurement(*arguments)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no parameter to calibrate"),
        ((LAYER, LAYER), "named twice"),
        (("cathode.molar_mass",), "has no uncertainty in the set"),
    ],
)
def test_parameters_that_cannot_be_fitted_are_refused(names: tuple[str, ...], message: str) -> None:
    given = [(parameter_set(), hold(600.0))]
    with pytest.raises(InputError, match=message):
        Comparison(given, [Measurement(0, "layered_fraction", 0.9, 0.1)]).problem(names)


def test_a_parameter_that_is_not_there_gets_the_nearest_names() -> None:
    given = [(parameter_set(), hold(600.0))]
    with pytest.raises(UnknownNameError, match=r"did you mean interphase\.parabolic_constant"):
        Comparison(given, [Measurement(0, "layered_fraction", 0.9, 0.1)]).problem(("interphase.parabolic",))
    with pytest.raises(InputError, match="no measurement"):
        Comparison(given, [])


def test_what_the_other_parameters_do_not_know_widens_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """One decade of K_p is ln(10)/2 in ln(thickness): parabolic growth far beyond the first layer."""
    monkeypatch.setattr(measurements, "run_samples", run_samples)
    thick = Measurement(0, "interphase_nm", 50.0, 0.3, logarithmic=True)
    comparison = Comparison(
        [(parameter_set(), hold(900.0))], [thick, Measurement(0, "layered_fraction", 0.9, 0.1)]
    )
    names = ("contact.exchange_solid",)
    blame = comparison.blame(names, np.zeros(1))
    others = comparison.others(names)
    assert names[0] not in others
    np.testing.assert_allclose(blame[0, others.index(LAYER)], 0.5 * np.log(10.0), rtol=1e-2)
    np.testing.assert_allclose(np.delete(blame, others.index(LAYER), axis=1), 0.0, atol=1e-12)
    covariance = comparison.problem(names, blame).covariance
    np.testing.assert_allclose(covariance, np.diag([0.09 + (0.5 * np.log(10.0)) ** 2, 0.01]), rtol=2e-2)


def test_a_source_whose_runs_fail_on_one_side_counts_with_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_sided(parameters: Any, case: SinterCase, draws: Draws, **options: Any) -> Any:
        found = run_samples(parameters, case, draws, **options)
        found.values[draws.z[:, draws.names.index(LAYER)] > 0.5] = np.nan
        return found

    monkeypatch.setattr(measurements, "run_samples", one_sided)
    thick = Measurement(0, "interphase_nm", 50.0, 0.3, logarithmic=True)
    comparison = Comparison([(parameter_set(), hold(900.0))], [thick])
    names = ("contact.exchange_solid",)
    found = comparison.blame(names, np.zeros(1))[0, comparison.others(names).index(LAYER)]
    assert found == pytest.approx(0.5 * np.log(10.0), rel=1e-2)
