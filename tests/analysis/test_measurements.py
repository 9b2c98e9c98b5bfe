"""Measurements as a calibration problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cosinter.analysis.continuum import measurements
from cosinter.analysis.continuum.ensemble import Draws
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.continuum.measurements import Measurement, calibration_problem
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
    problem = calibration_problem(
        (LAYER,),
        [(found, hold(600.0)), (found, hold(700.0)), (found, hold(600.0))],
        [
            Measurement(0, "interphase_nm", 20.0, 2.0),
            Measurement(1, "interphase_nm", 50.0, 0.3, logarithmic=True),
            Measurement(2, "layered_fraction", 0.9, 0.02),
        ],
    )
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
        calibration_problem(names, given, [Measurement(0, "layered_fraction", 0.9, 0.1)])


def test_a_parameter_that_is_not_there_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean interphase\.parabolic_constant"):
        calibration_problem(("interphase.parabolic",), [(parameter_set(), hold(600.0))], [])
    with pytest.raises(InputError, match="no measurement"):
        calibration_problem((LAYER,), [(parameter_set(), hold(600.0))], [])
