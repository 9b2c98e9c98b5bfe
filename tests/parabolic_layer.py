"""A stand-in for the model with a known answer: a layer grows by d(thickness^2)/dt = 2 K_p(T), nothing else happens."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.constants import R, nano

from cosinter.analysis.continuum.batch import OUTCOMES, Outcomes
from cosinter.analysis.continuum.ensemble import Draws, shifts
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet

LAYER = "interphase.parabolic_constant"


def thickness_nm(parameters: ParameterSet, case: SinterCase, draws: Draws) -> np.ndarray:
    """sqrt(delta_0^2 + 2 int K_p dt) in nm for every sample (n)."""
    record = parameters.arrhenius(LAYER)
    fixed = (
        np.full(len(draws.z), np.log(record.reference_value)),
        np.full(len(draws.z), record.activation_energy),
    )
    logarithm, energy = shifts(parameters, draws).rates.get(LAYER, fixed)
    times = np.linspace(0.0, case.furnace.times_s[-1], 201)
    temperature = np.interp(times, case.furnace.times_s, case.furnace.temperatures_K)
    lever = (1.0 / temperature - 1.0 / record.reference_temperature) / R
    growth = np.exp(logarithm[:, None] - energy[:, None] * lever)
    start = parameters.scalar("interphase.initial_thickness")
    return np.sqrt(start**2 + 2.0 * np.trapezoid(growth, times, axis=1)) / nano


def run_samples(parameters: ParameterSet, case: SinterCase, draws: Draws, **_: Any) -> Outcomes:
    """In place of :func:`cosinter.analysis.continuum.batch.run_samples`."""
    values = np.full((len(draws.z), len(OUTCOMES)), 0.5)
    values[:, OUTCOMES.index("interphase_nm")] = thickness_nm(parameters, case, draws)
    return Outcomes(OUTCOMES, values, {})
