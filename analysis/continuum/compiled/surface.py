"""Grain surface, compensator and electrolyte of one lane: see ``contact.py`` one floor up."""

from __future__ import annotations

from typing import Any

from cosinter.analysis.continuum.compiled.grain import reversible
from cosinter.analysis.continuum.compiled.moment import bracket
from cosinter.analysis.continuum.compiled.numbers import FloatArray, Shared, Work, compiled, inlined
from cosinter.analysis.continuum.conditions import SHARE_EDGE
from cosinter.analysis.continuum.contact import END_BLEND, TINY


@inlined
def liquid_fraction(now: Any, hydroxide: float, carbonate: float) -> float:
    """Molten share of ``hydroxide`` mol LiOH and ``carbonate`` mol Li2CO3."""
    hydroxide, carbonate = max(hydroxide, 0.0), max(carbonate, 0.0)
    total = hydroxide + carbonate
    share = carbonate / (total + 1e-12)
    first = (share + SHARE_EDGE) / (1.0 - now.liquidus[0] + SHARE_EDGE)
    second = (1.0 - share + SHARE_EDGE) / (1.0 - now.liquidus[1] + SHARE_EDGE)
    return float(now.melted * min(1.0, first, second) * total / (total + 1e-6))


@inlined
def layer_thickness(shared: Shared, lane: Any, taken: float) -> float:
    """Product layer in m."""
    index, place = bracket(shared.vertices, taken)
    volume = (1.0 - place) * shared.layer_volumes[index] + place * shared.layer_volumes[index + 1]
    return float(lane.initial_thickness + volume * lane.electrolyte / lane.area)


@inlined
def sink_potential(shared: Shared, work: Work, taken: float) -> float:
    """mu of Li in the electrolyte over RT."""
    index, place = bracket(shared.nodes, taken)
    place = min(max(place, 0.0), 1.0)
    return float((1.0 - place) * work.sink[index] + place * work.sink[index + 1])


@compiled
def set_contact_rates(
    shared: Shared,
    lane: Any,
    work: Work,
    potential: float,
    lithium: float,
    half: float,
    held: FloatArray,
    rates: FloatArray,
) -> None:
    """Rates of all extents (14) from the potential, content and half conductance of the outer shell and ``held`` (5)."""
    now, scale = work.now, lane.contact_scale
    liquid = liquid_fraction(now, held[0], 0.5 * held[1])
    wetted = lane.solid_coverage + (lane.liquid_coverage - lane.solid_coverage) * liquid
    wetted /= max(held[0], 0.0) + max(held[1], 0.0) + max(held[2], 0.0) + lane.break_up
    coverage = wetted * held[0] + wetted * held[1] + wetted * held[2]
    exchange = now.exchange_solid + (now.exchange_liquid - now.exchange_solid) * liquid
    film = now.coating * min(max(1.0 - held[4], 0.0), 1.0)
    inner = film / scale + 1.0 / max(half, TINY)
    fill = 1.0 / (1.0 / max(scale * exchange * max(1.0 - lithium, 0.0), TINY) + inner)
    drain = 1.0 / (1.0 / max(scale * exchange * lithium, TINY) + inner)

    taken = held[3]
    below = sink_potential(shared, work, taken)
    open_share = min(max((1.0 - taken / shared.vertices[-1]) / END_BLEND, 0.0), 1.0)
    layer = 1.0 / now.interface + now.layer * layer_thickness(shared, lane, taken)
    bare = (1.0 - coverage) * open_share / ((layer + film) / scale + 1.0 / max(half, TINY))
    below_salt = layer * lane.open_face_share / scale
    for salt in range(3):
        level, covered = now.salts[salt], wetted * held[salt]
        rise = level - potential
        rates[3 + salt] = 0.5 * covered * reversible(rise, fill, drain)
        rates[6 + salt] = 0.5 * covered * open_share / below_salt * max(level - below, 0.0)
        rates[10 + salt] = covered * now.vapour[salt]
    rates[9] = 0.5 * bare * max(potential - below, 0.0)
    rates[13] = now.breakdown * (1.0 - held[4])
    for salt in range(2):
        ratio = now.pressure_ratios[salt]
        forward, back = max(1.0 - ratio, 0.0), max(1.0 - 1.0 / max(ratio, TINY), 0.0)
        rates[salt] = now.salt_rates[salt] * (forward * 0.5 * held[salt] - back * 0.5 * held[2])
    affinity = 2.0 * (now.salts[0] - now.salts[1])
    rates[2] = now.salt_rates[2] * 0.5 * reversible(affinity, held[0], held[1])
