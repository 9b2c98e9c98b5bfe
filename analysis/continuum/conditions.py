"""Everything that depends on temperature and gas only, for all lanes at one moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, bar

from cosinter.analysis.continuum.furnace import HIGHEST_TEMPERATURE_K, LOWEST_TEMPERATURE_K
from cosinter.analysis.continuum.lanes import Lanes

FloatArray = NDArray[np.float64]

SHARE_EDGE = 1.0e-3


class Conditions(NamedTuple):
    """Potentials over RT (of Li as Li2O/2, relative to Li2O(s)/2 where not said otherwise), rates in 1/s and m/s.

    ``own`` turns mu of Li at fixed mu_O into that scale; ``salts`` (L, 3) potentials of LiOH, Li2CO3, Li2O;
    ``pressure_ratios`` (L, 2): p/p_eq of H2O and CO2; ``liquidus`` (L, 2): share of each salt in a melt saturated
    with it; ``sink`` (L, M) at the nodes of the titration; ``layer`` per metre and ``coating`` in s/m.
    """

    temperature: float
    pieces: FloatArray
    middle: FloatArray
    grand: FloatArray
    own: float
    ln_diffusivity: FloatArray
    ln_conversion: FloatArray
    conversion_fall: FloatArray
    exchange_solid: FloatArray
    exchange_liquid: FloatArray
    interface: FloatArray
    layer: FloatArray
    coating: FloatArray
    breakdown: FloatArray
    salts: FloatArray
    pressure_ratios: FloatArray
    salt_rates: FloatArray
    liquidus: FloatArray
    melted: FloatArray
    sink: FloatArray
    vapour: FloatArray


def temperature_at(lanes: Lanes, segment: int, time: float) -> float:
    """T (K) on the straight line of one segment, also a little outside its knots."""
    t0, t1 = lanes.knots[segment], lanes.knots[segment + 1]
    a, b = lanes.knot_temperatures[segment], lanes.knot_temperatures[segment + 1]
    return float(min(max(a + (b - a) * (time - t0) / (t1 - t0), LOWEST_TEMPERATURE_K), HIGHEST_TEMPERATURE_K))


def bracket(grid: FloatArray, value: float) -> tuple[int, float]:
    """Interval of ``grid`` that holds ``value`` and its place in it (beyond 0 and 1 outside the grid)."""
    index = min(max(int(np.searchsorted(grid, value)) - 1, 0), len(grid) - 2)
    return index, (value - grid[index]) / (grid[index + 1] - grid[index])


def conditions(lanes: Lanes, segment: int, time: float) -> Conditions:
    """Evaluate everything at one time of the programme."""
    temperature = temperature_at(lanes, segment, time)
    rt = R * temperature
    row, weight = bracket(lanes.temperatures, temperature)
    inside = min(max(weight, 0.0), 1.0)
    gas = lanes.gas_tables[segment]

    pieces = (1.0 - inside) * lanes.pieces[gas, row] + inside * lanes.pieces[gas, row + 1]
    middle = (1.0 - weight) * lanes.middle[gas, row] + weight * lanes.middle[gas, row + 1]
    grand = (1.0 - weight) * lanes.grand[gas, row] + weight * lanes.grand[gas, row + 1]
    oxygen = (1.0 - weight) * lanes.oxygen[gas, row] + weight * lanes.oxygen[gas, row + 1]
    oxide = (1.0 - weight) * lanes.oxide[row] + weight * lanes.oxide[row + 1]
    plateaus = (1.0 - weight) * lanes.plateaus[row] + weight * lanes.plateaus[row + 1]
    vapour = (1.0 - weight) * lanes.vapour[row] + weight * lanes.vapour[row + 1]
    inverse = 1.0 / lanes.temperatures
    part = (1.0 / temperature - inverse[row]) / (inverse[row + 1] - inverse[row])
    ln_pressures = (1.0 - part) * lanes.ln_pressures[row] + part * lanes.ln_pressures[row + 1]

    ln_rates = lanes.ln_rates - lanes.energies / rt
    rates = np.exp(ln_rates)
    diffusivity = rates[:, 0:3] + lanes.boundary_share * rates[:, 3:4]
    ln_diffusivity = np.log(diffusivity) - 2.0 * np.log(lanes.radius)
    ln_diffusivity[:, 0:1] += lanes.antisite

    ln_over = ln_pressures + lanes.pressure_shifts - np.log(lanes.gases[segment, 1:3])
    salts = np.zeros((len(rates), 3))
    salts[:, 0:2] = 0.5 * ln_over
    fall = 1.0 / temperature - 1.0 / lanes.melting
    liquidus = np.exp(np.minimum(-lanes.fusion / R * fall, 0.0))
    melted = 0.5 * (1.0 + np.tanh(0.5 * (temperature - lanes.eutectic) / lanes.melting_width))
    ln_vapour = salts - vapour / rt + 0.5 * np.log(lanes.gases[segment, 1] / bar)
    velocity = lanes.area * lanes.evaporation_velocity * bar / rt
    reference = lanes.lithiated_energy / rt
    return Conditions(
        temperature,
        pieces,
        (middle + lanes.middle_shifts) / rt,
        (grand + lanes.grand_shifts) / rt,
        0.5 * (oxygen - oxide) / rt,
        ln_diffusivity,
        ln_rates[:, 4:6],
        reference - lanes.energies[:, 4:6] / rt,
        rates[:, 6:7],
        rates[:, 7:8],
        rates[:, 8:9],
        lanes.layer_factor / (rt * rates[:, 9:10]),
        lanes.coating_factor / (rt * rates[:, 13:14]),
        rates[:, 14:15],
        salts,
        np.exp(np.minimum(np.maximum(-ln_over, -600.0), 600.0)),
        rates[:, 10:13].copy(),
        liquidus,
        melted,
        (plateaus + lanes.plateau_shifts) / rt,
        velocity * np.exp(np.minimum(ln_vapour, 100.0)),
    )
