"""Grain surface, compensator and electrolyte: flows of lithium and the reactions of the salts.

Arrays (L, B): lanes, and B variations of the state (B = 1 for the rates, more for their derivatives). Reservoirs
(5, L, B) are the Li of LiOH, Li2CO3 and Li2O in mol per mol metal, the Li2O taken up per mol of electrolyte, and the
share of the coating that is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.cells import reversible
from cosinter.analysis.continuum.conditions import SHARE_EDGE, Conditions
from cosinter.analysis.continuum.lanes import Lanes

FloatArray = NDArray[np.float64]

EXTENTS = (
    "dehydration",  # 2 LiOH -> Li2O + H2O, mol Li2O
    "decomposition",  # Li2CO3 -> Li2O + CO2, mol Li2O
    "carbonation",  # 2 LiOH + CO2 -> Li2CO3 + H2O, mol Li2CO3
    "hydroxide_to_grain",  # mol Li2O handed over by LiOH (its H2O goes to the gas)
    "carbonate_to_grain",
    "oxide_to_grain",
    "hydroxide_to_sink",
    "carbonate_to_sink",
    "oxide_to_sink",
    "grain_to_sink",
    "hydroxide_evaporated",  # mol LiOH(g)
    "carbonate_evaporated",
    "oxide_evaporated",
    "coating_lost",  # share of the film
)
END_BLEND = 1.0e-3
TINY = 1.0e-300


def liquid_fraction(conditions: Conditions, hydroxide: FloatArray, carbonate: FloatArray) -> FloatArray:
    """Molten share of the LiOH + Li2CO3 present, by the lever rule on the ideal liquidus.

    ``hydroxide`` mol LiOH and ``carbonate`` mol Li2CO3 (L, B). Above the eutectic the melt holds all of a component
    until that of the other is saturated: f = min(1, x_CO3/(1 - x1), x_OH/(1 - x2)).
    """
    hydroxide, carbonate = np.maximum(hydroxide, 0.0), np.maximum(carbonate, 0.0)
    total = hydroxide + carbonate
    share = carbonate / (total + 1e-12)
    first = (share + SHARE_EDGE) / (1.0 - conditions.liquidus[:, 0:1] + SHARE_EDGE)
    second = (1.0 - share + SHARE_EDGE) / (1.0 - conditions.liquidus[:, 1:2] + SHARE_EDGE)
    molten = np.minimum(1.0, np.minimum(first, second))
    return np.asarray(conditions.melted * molten * total / (total + 1e-6))


def cover(conditions: Conditions, lanes: Lanes, reservoirs: FloatArray) -> FloatArray:
    """Share of the grain surface under LiOH, Li2CO3 and Li2O (3, L, B).

    theta_k = theta(f) n_k/(n + eps) with eps the amount in the thinnest film: no pole at n = -eps, and a reservoir that
    is overdrawn by round-off is refilled.
    """
    liquid = liquid_fraction(conditions, reservoirs[0], 0.5 * reservoirs[1])
    wetted = lanes.solid_coverage + (lanes.liquid_coverage - lanes.solid_coverage) * liquid
    total = np.maximum(reservoirs[0], 0.0) + np.maximum(reservoirs[1], 0.0) + np.maximum(reservoirs[2], 0.0)
    return np.asarray(reservoirs[0:3] * (wetted / (total + lanes.break_up)))


def layer_thickness(lanes: Lanes, taken: FloatArray) -> FloatArray:
    """Product layer in m (L, B): initial thickness + volume of the products per area of grain."""
    index = np.searchsorted(lanes.vertices, taken.ravel()) - 1
    index = np.minimum(np.maximum(index, 0), len(lanes.vertices) - 2)
    place = (taken.ravel() - lanes.vertices[index]) / (lanes.vertices[index + 1] - lanes.vertices[index])
    volume = (1.0 - place) * lanes.layer_volumes[index] + place * lanes.layer_volumes[index + 1]
    return np.asarray(lanes.initial_thickness + volume.reshape(taken.shape) * lanes.electrolyte / lanes.area)


def sink_potential(conditions: Conditions, lanes: Lanes, taken: FloatArray) -> FloatArray:
    """mu of Li in the electrolyte over RT (L, B): flat on each step of the titration, joined over 1 % of it."""
    flat = taken.ravel()
    last = len(lanes.nodes) - 1
    index = np.minimum(np.maximum(np.searchsorted(lanes.nodes, flat) - 1, 0), last - 1)
    place = (flat - lanes.nodes[index]) / (lanes.nodes[index + 1] - lanes.nodes[index])
    place = np.minimum(np.maximum(place, 0.0), 1.0)
    lane = np.arange(taken.size) // taken.shape[1] * (last + 1)
    values = conditions.sink
    below, above = np.take(values, lane + index), np.take(values, lane + index + 1)
    return np.asarray((1.0 - place) * below + place * above).reshape(taken.shape)


def contact_rates(
    conditions: Conditions,
    lanes: Lanes,
    potential: FloatArray,
    lithium: FloatArray,
    half: FloatArray,
    reservoirs: FloatArray,
) -> FloatArray:
    """Rates of all extents (14, L, B) in mol per mol metal and second, in the order of :data:`EXTENTS`.

    ``potential`` of the outer shell as Li2O/2 over RT, ``lithium`` x there and ``half`` its conductance to the surface
    in 1/s, each (L, B). With dmu = mu_k - mu_s,

        J_ks = theta_k (1/K(1 - x) + 1/g)^-1 (1 - e^-dmu)  for dmu > 0,  K = (3/R) k_ex
        J_ks = -theta_k (1/K x + 1/g)^-1 (1 - e^dmu)       for dmu < 0 (see :func:`cells.reversible`)
        J_kL = theta_k (mu_k - mu_L)/r,  J_sL = (1 - theta)(mu_s - mu_L)/(r + 1/g)  for falling potentials
        r = (R/3)[1/k_int + delta Omega dmu_ref c_M/(RT K_p)]

    where g is the conductance of the outer half shell. The film of the coating lies on the grain: it stands in series
    with every flow into and out of it. So does the share of its surface that is open to lithium.
    """
    scale = lanes.contact_scale
    covered = cover(conditions, lanes, reservoirs)
    coverage = covered[0] + covered[1] + covered[2]
    liquid = liquid_fraction(conditions, reservoirs[0], 0.5 * reservoirs[1])
    exchange = conditions.exchange_solid + (conditions.exchange_liquid - conditions.exchange_solid) * liquid
    film = conditions.coating * np.minimum(np.maximum(1.0 - reservoirs[4], 0.0), 1.0)
    inner = film / scale + 1.0 / np.maximum(half, TINY)
    fill = 1.0 / (1.0 / np.maximum(scale * exchange * np.maximum(1.0 - lithium, 0.0), TINY) + inner)
    drain = 1.0 / (1.0 / np.maximum(scale * exchange * lithium, TINY) + inner)

    taken = reservoirs[3]
    below = sink_potential(conditions, lanes, taken)
    open_share = np.minimum(np.maximum((1.0 - taken / lanes.vertices[-1]) / END_BLEND, 0.0), 1.0)
    layer = 1.0 / conditions.interface + conditions.layer * layer_thickness(lanes, taken)
    bare = (1.0 - coverage) * open_share / ((layer + film) / scale + 1.0 / np.maximum(half, TINY))
    below_salt = layer * lanes.open_face_share / scale

    rates = np.zeros((14, *potential.shape))
    for salt in range(3):
        level = conditions.salts[:, salt : salt + 1]
        rise = level - potential
        rates[3 + salt] = 0.5 * covered[salt] * reversible(rise, fill, drain)
        rates[6 + salt] = 0.5 * covered[salt] * open_share / below_salt * np.maximum(level - below, 0.0)
        rates[10 + salt] = covered[salt] * conditions.vapour[:, salt : salt + 1]
    rates[9] = 0.5 * bare * np.maximum(potential - below, 0.0)
    rates[13] = conditions.breakdown * (1.0 - reservoirs[4])
    _salt_reactions(conditions, reservoirs, rates)
    return rates


def _salt_reactions(conditions: Conditions, reservoirs: FloatArray, rates: FloatArray) -> None:
    """2 LiOH = Li2O + H2O and Li2CO3 = Li2O + CO2: k n (1 - p/p_eq), back k n_Li2O (1 - p_eq/p); carbonation by affinity."""
    hydroxide, carbonate, oxide = 0.5 * reservoirs[0], 0.5 * reservoirs[1], 0.5 * reservoirs[2]
    for number, amount in ((0, hydroxide), (1, carbonate)):
        ratio = conditions.pressure_ratios[:, number : number + 1]
        forward = np.maximum(1.0 - ratio, 0.0)
        back = np.maximum(1.0 - 1.0 / np.maximum(ratio, 1e-300), 0.0)
        rates[number] = conditions.salt_rates[:, number : number + 1] * (forward * amount - back * oxide)
    affinity = 2.0 * (conditions.salts[:, 0:1] - conditions.salts[:, 1:2])
    rates[2] = conditions.salt_rates[:, 2:3] * reversible(affinity, hydroxide, carbonate)
