"""LiOH, Li2CO3 and Li2O between grain and electrolyte: potentials, decomposition, melting and wetting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R

from cosinter.analysis.continuum.furnace import Gas
from cosinter.analysis.continuum.inputs import CARBONATE, HYDROXIDE, TEMPERATURE, ArrayTable, ModelInputs

FloatArray = NDArray[np.float64]

LOWEST_PRESSURE_PA = 1.0e-6
SHARE_EDGE = 1.0e-3


def equilibrium_pressure(table: ArrayTable, temperature: float) -> float:
    """p_eq (Pa) at ``temperature`` (K): ln p interpolated linearly in 1/T, extended along the last slope."""
    inverse = 1.0 / table.axis(TEMPERATURE)
    logs = np.log(np.maximum(table.array, 1e-300))
    index = int(np.clip(np.searchsorted(-inverse, -1.0 / temperature) - 1, 0, len(logs) - 2))
    slope = (logs[index + 1] - logs[index]) / (inverse[index + 1] - inverse[index])
    return float(np.exp(logs[index] + slope * (1.0 / temperature - inverse[index])))


@dataclass(frozen=True)
class CompensatorConditions:
    """Everything of the compensator that depends on temperature and gas only.

    ``potentials`` (3): mu of Li in LiOH, Li2CO3, Li2O as Li2O/2 relative to Li2O(s)/2, over RT:
    ln(p_eq/p)/2 and 0. ``drives`` (2): p/p_eq of H2O and CO2. ``rates`` (2) in 1/s. ``liquidus`` (2): share of
    LiOH and of Li2CO3 in a melt saturated with that solid.
    """

    potentials: FloatArray
    drives: tuple[float, float]
    rates: tuple[float, float]
    liquidus: tuple[float, float]
    melted: float


def compensator_conditions(
    inputs: ModelInputs, temperature: float, *, gas: Gas, eutectic_K: float
) -> CompensatorConditions:
    """Evaluate p_eq, rates and the ideal liquidus at one temperature and gas.

    ln x_k = -(dH_k/R)(1/T - 1/T_k) (ideal melt, no solid solubility); the melt exists where x_LiOH + x_Li2CO3 > 1,
    smoothed around the eutectic ``eutectic_K`` over the melting width.
    """
    pressures = (max(gas.water_Pa, LOWEST_PRESSURE_PA), max(gas.carbon_dioxide_Pa, LOWEST_PRESSURE_PA))
    logs, rates, liquidus = [], [], []
    for name, reaction, pressure in zip(
        (HYDROXIDE, CARBONATE), ("dehydration", "decomposition"), pressures, strict=True
    ):
        logs.append(
            np.log(
                equilibrium_pressure(inputs.tables[f"{name}.equilibrium_pressure"], temperature) / pressure
            )
        )
        rates.append(inputs.rates[f"{name}.{reaction}"](temperature))
        fall = 1.0 / temperature - 1.0 / inputs[f"{name}.melting_temperature"]
        liquidus.append(float(np.exp(min(-inputs[f"{name}.fusion_enthalpy"] / R * fall, 0.0))))
    melted = _step((temperature - eutectic_K) / inputs["compensator.melting_width"])
    drives = (float(np.exp(np.clip(-logs[0], -600, 600))), float(np.exp(np.clip(-logs[1], -600, 600))))
    return CompensatorConditions(
        np.array([0.5 * logs[0], 0.5 * logs[1], 0.0]),
        drives,
        (rates[0], rates[1]),
        (liquidus[0], liquidus[1]),
        melted,
    )


def _step(argument: float) -> float:
    return float(0.5 * (1.0 + np.tanh(0.5 * argument)))


def eutectic(inputs: ModelInputs) -> float:
    """Temperature (K) where the two ideal liquidus lines meet: x_LiOH(T) + x_Li2CO3(T) = 1."""
    from scipy.optimize import brentq

    melting = [inputs[f"{n}.melting_temperature"] for n in (HYDROXIDE, CARBONATE)]
    fusion = [inputs[f"{n}.fusion_enthalpy"] for n in (HYDROXIDE, CARBONATE)]

    def excess(temperature: float) -> float:
        terms = [np.exp(-h / R * (1.0 / temperature - 1.0 / t)) for h, t in zip(fusion, melting, strict=True)]
        return float(terms[0] + terms[1] - 1.0)

    return float(brentq(excess, 50.0, max(melting)))


def liquid_fraction(
    conditions: CompensatorConditions, hydroxide: FloatArray, carbonate: FloatArray
) -> FloatArray:
    """Molten share of the LiOH + Li2CO3 present, by the lever rule on the ideal liquidus.

    ``hydroxide`` mol LiOH and ``carbonate`` mol Li2CO3 (same shape). Above the eutectic the melt holds all of a
    component until that of the other is saturated: f = min(1, x_CO3/(1 - x1), x_OH/(1 - x2)).
    """
    hydroxide, carbonate = np.maximum(hydroxide, 0.0), np.maximum(carbonate, 0.0)
    total = hydroxide + carbonate
    share = carbonate / (total + 1e-12)
    first = (share + SHARE_EDGE) / (1.0 - conditions.liquidus[0] + SHARE_EDGE)
    second = (1.0 - share + SHARE_EDGE) / (1.0 - conditions.liquidus[1] + SHARE_EDGE)
    return np.asarray(conditions.melted * np.minimum(1.0, np.minimum(first, second)) * total / (total + 1e-6))


def decomposition_rates(
    conditions: CompensatorConditions, hydroxide: FloatArray, carbonate: FloatArray, oxide: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Rates of 2 LiOH -> Li2O + H2O and Li2CO3 -> Li2O + CO2 in mol Li2O per mol metal and second.

    r = k n (1 - p/p_eq) while the gas takes it, and -k n_Li2O (1 - p_eq/p) on the way back (limited by the oxide).
    Amounts: mol LiOH, mol Li2CO3, mol Li2O per mol metal.
    """
    rates = []
    for k, drive, amount in zip(
        conditions.rates, conditions.drives, (0.5 * hydroxide, carbonate), strict=True
    ):
        rates.append(k * (amount * (1.0 - drive) if drive < 1.0 else -oxide * (1.0 - 1.0 / drive)))
    return rates[0], rates[1]
