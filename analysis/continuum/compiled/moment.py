"""Everything that depends on temperature and gas only, for one lane: see ``conditions.py`` one floor up."""

from __future__ import annotations

from math import exp, log, tanh
from typing import Any

from scipy.constants import R, bar

from cosinter.analysis.continuum import conditions
from cosinter.analysis.continuum.compiled.numbers import FloatArray, Shared, Work, compiled, inlined

temperature_at = compiled(conditions.temperature_at)
bracket = inlined(conditions.bracket)


@compiled
def between(low: float, high: float, weight: float) -> float:
    """Linear interpolation."""
    return (1.0 - weight) * low + weight * high


@compiled
def set_moment(
    shared: Shared, lane: Any, plateau_shifts: FloatArray, segment: int, time: float, work: Work
) -> None:
    """Evaluate everything at one time of the programme into ``work``."""
    now = work.now
    temperature = temperature_at(shared, segment, time)
    rt = R * temperature
    grid, gas = shared.temperatures, shared.gas_tables[segment]
    row, weight = bracket(grid, temperature)
    now.gas, now.row, now.weight = gas, row, min(max(weight, 0.0), 1.0)
    for phase in range(3):
        middle = between(shared.middle[gas, row, phase], shared.middle[gas, row + 1, phase], weight)
        grand = between(shared.grand[gas, row, phase], shared.grand[gas, row + 1, phase], weight)
        now.middle[phase] = (middle + lane.middle_shifts[phase]) / rt
        now.grand[phase] = (grand + lane.grand_shifts[phase]) / rt
    oxygen = between(shared.oxygen[gas, row], shared.oxygen[gas, row + 1], weight)
    now.own = 0.5 * (oxygen - between(shared.oxide[row], shared.oxide[row + 1], weight)) / rt
    for node in range(len(work.sink)):
        level = between(shared.plateaus[row, node], shared.plateaus[row + 1, node], weight)
        work.sink[node] = (level + plateau_shifts[node]) / rt
    _set_rates(lane, rt, now)
    part = (1.0 / temperature - 1.0 / grid[row]) / (1.0 / grid[row + 1] - 1.0 / grid[row])
    vapour = between(shared.vapour[row], shared.vapour[row + 1], weight)
    for salt in range(2):
        ln_equilibrium = between(shared.ln_pressures[row, salt], shared.ln_pressures[row + 1, salt], part)
        ln_over = ln_equilibrium + lane.pressure_shifts[salt] - log(shared.gases[segment, 1 + salt])
        now.salts[salt] = 0.5 * ln_over
        now.pressure_ratios[salt] = exp(min(max(-ln_over, -600.0), 600.0))
        fall = 1.0 / temperature - 1.0 / lane.melting[salt]
        now.liquidus[salt] = exp(min(-lane.fusion[salt] / R * fall, 0.0))
    now.salts[2] = 0.0
    now.melted = 0.5 * (1.0 + tanh(0.5 * (temperature - lane.eutectic) / lane.melting_width))
    velocity = lane.area * lane.evaporation_velocity * bar / rt
    for salt in range(3):
        ln_vapour = now.salts[salt] - vapour / rt + 0.5 * log(shared.gases[segment, 1] / bar)
        now.vapour[salt] = velocity * exp(min(ln_vapour, 100.0))


@compiled
def _set_rates(lane: Any, rt: float, now: Any) -> None:
    boundary = lane.boundary_share * _rate(lane, rt, 3)
    for phase in range(3):
        now.slowness[phase] = lane.radius * lane.radius / (_rate(lane, rt, phase) + boundary)
    now.slowness[0] *= exp(-lane.antisite)
    for number in range(2):
        now.ln_conversion[number] = lane.ln_rates[4 + number] - lane.energies[4 + number] / rt
        now.conversion_fall[number] = (lane.lithiated_energy - lane.energies[4 + number]) / rt
    now.exchange_solid, now.exchange_liquid = _rate(lane, rt, 6), _rate(lane, rt, 7)
    now.interface = _rate(lane, rt, 8)
    now.layer = lane.layer_factor / (rt * _rate(lane, rt, 9))
    for number in range(3):
        now.salt_rates[number] = _rate(lane, rt, 10 + number)
    now.coating = lane.coating_factor / (rt * _rate(lane, rt, 13))
    now.breakdown = _rate(lane, rt, 14)


@compiled
def _rate(lane: Any, rt: float, number: int) -> float:
    return exp(lane.ln_rates[number] - lane.energies[number] / rt)
