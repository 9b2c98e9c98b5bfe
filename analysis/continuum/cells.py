"""The shells of the grain: lithium shared between phases, rates of conversion and of diffusion.

Arrays (L, N): lanes, shells from the centre outwards. Three phases stand on a first axis: layered, spinel, rock salt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.conditions import Conditions
from cosinter.analysis.continuum.lanes import Lanes
from cosinter.analysis.continuum.primitives import integral, lookup
from cosinter.analysis.continuum.tables import LITHIUM_EDGE

FloatArray = NDArray[np.float64]

THETA_MIN, THETA_MAX = 0.05, 1.0e3
TURN_WIDTH = 0.1
MOST_ITERATIONS = 60
POTENTIAL_TOLERANCE = 1.0e-11
NEAR = 1.0e-3
LEAST_MOBILITY = 1.0e-15
LEAST_CONTENT = 1.0e-4  # Li per metal that moves in spinel and rock salt however little they hold


def phase_fractions(spinel: FloatArray, rock_salt: FloatArray) -> FloatArray:
    """Layered, spinel and rock salt (3, L, N), none below 0, sum 1."""
    share = np.empty((3, *spinel.shape))
    share[1], share[2] = np.maximum(spinel, 0.0), np.maximum(rock_salt, 0.0)
    share[0] = np.maximum(1.0 - spinel - rock_salt, 0.0)
    return np.asarray(share / (share[0] + share[1] + share[2]))


def positions(conditions: Conditions, potential: FloatArray) -> FloatArray:
    """xi of the three phases (3, L, N) at mu/RT."""
    place = np.empty((3, *potential.shape))
    for phase in range(3):
        place[phase] = potential - conditions.middle[:, phase : phase + 1]
    return place


def stretched(content: FloatArray) -> FloatArray:
    """ln[c/(1 - c)], going on as its tangent within 1e-8 of 0 and 1."""
    inside = np.minimum(np.maximum(content, LITHIUM_EDGE), 1.0 - LITHIUM_EDGE)
    return np.log(inside / (1.0 - inside)) + (content - inside) / LITHIUM_EDGE


def share_lithium(
    conditions: Conditions, lanes: Lanes, lithium: FloatArray, share: FloatArray, guess: FloatArray
) -> FloatArray:
    """mu/RT of Li (at fixed mu_O) at which the phases ``share`` (3, L, N) together hold ``lithium`` (L, N).

    Newton's method on the stretched content ln[c/(1 - c)], c(mu) = sum_p f_p u_p(mu), which rises with mu and is nearly
    straight for one phase, inside a bracket.
    """
    goal = stretched(lithium)
    least, most = conditions.middle.min() + lanes.xi_start, conditions.middle.max() - lanes.xi_start
    low, high = np.full(lithium.shape, least), np.full(lithium.shape, most)
    potential = np.minimum(np.maximum(guess, least), most)
    for _ in range(MOST_ITERATIONS):
        content, slope = lookup(
            conditions.pieces, lanes.xi_start, lanes.xi_step, positions(conditions, potential)
        )
        weighted, steep = share * content, share * slope
        c = weighted[0] + weighted[1] + weighted[2]
        ahead = stretched(c) - goal
        low, high = np.where(ahead < 0.0, potential, low), np.where(ahead > 0.0, potential, high)
        inside = np.minimum(np.maximum(c, LITHIUM_EDGE), 1.0 - LITHIUM_EDGE)
        rise = np.maximum(steep[0] + steep[1] + steep[2], 1e-16)
        newton = potential - ahead * inside * (1.0 - inside) / rise
        moved = np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        change = np.abs(moved - potential)
        potential = moved
        if change.max() <= POTENTIAL_TOLERANCE:
            break
    return np.asarray(potential)


def drive(affinity: FloatArray) -> FloatArray:
    """1 - e^-A for A > 0, else 0, flattened within RT/10 of zero so that the slope has no jump."""
    up = np.maximum(affinity, 0.0)
    return np.asarray(-np.expm1(-up) * up / (up + TURN_WIDTH))


def reversible(affinity: FloatArray, forward: FloatArray, back: FloatArray) -> FloatArray:
    """``forward`` (1 - e^-A) for A > 0 and -``back`` (1 - e^A) for A < 0.

    Within about RT/10 of equilibrium both coefficients go over into their harmonic mean, so that the slope has no jump and
    does not vanish while both ways are open.
    """
    up, down = np.maximum(forward, 0.0), np.maximum(back, 0.0)
    both = 2.0 * up * down / (up + down + 1e-300)
    one = np.where(affinity > 0.0, forward, back)
    far = affinity * affinity / (affinity * affinity + TURN_WIDTH * TURN_WIDTH)
    drop = np.expm1(-np.abs(affinity)) * np.where(affinity > 0.0, -1.0, 1.0)
    return np.asarray(drop * (both + far * (one - both)))


class CellFunctions(NamedTuple):
    """What follows from the potential of a shell alone.

    ``content`` and ``slope`` (3, L, N): u_p and du_p/d(mu/RT); ``factor`` (3, L, N): Theta_p times vacancies;
    ``constants`` (3, L, N): rate constants of layered -> spinel, spinel -> rock salt and layered -> rock salt in 1/s, and
    ``affinities`` (3, L, N): their falls of the grand potential over RT.
    """

    content: FloatArray
    slope: FloatArray
    factor: FloatArray
    constants: FloatArray
    affinities: FloatArray


def cell_functions(conditions: Conditions, lanes: Lanes, potential: FloatArray) -> CellFunctions:
    """Evaluate them at mu/RT (L, N).

    Theta_p = u_p(1 - u_p)/(du_p/d(mu/RT)), 0.05 to 1000; layered and spinel move lithium by (1 - u_p + v)^m vacancies,
    the diffusivity of the rock salt is that of its cation lattice as it is. The activation energy of the conversions is
    linear in the lithium content x of the layered phase.
    The direct way from layered to rock salt is open where the spinel between is uphill, with the slower of both rates.
    """
    place = positions(conditions, potential)
    content, slope = lookup(conditions.pieces, lanes.xi_start, lanes.xi_step, place)
    inside = np.minimum(np.maximum(content, LITHIUM_EDGE), 1.0 - LITHIUM_EDGE)
    theta = inside * (1.0 - inside) / np.maximum(slope, 1e-18)
    factor = np.minimum(np.maximum(theta, THETA_MIN), THETA_MAX)
    for phase in range(2):
        factor[phase] *= (1.0 - inside[phase] + lanes.vacancy_floor) ** lanes.vacancy_exponent
    first, second = affinities(conditions, lanes, place)
    share = (content[0] - lanes.reference_lithium) / (1.0 - lanes.reference_lithium)
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    slow = np.exp(conditions.ln_conversion[:, 0:1] - conditions.conversion_fall[:, 0:1] * share)
    late = np.exp(conditions.ln_conversion[:, 1:2] - conditions.conversion_fall[:, 1:2] * share)
    total = first + second
    gate = drive(-np.where(total > 0.0, first, -second))
    constants, falls = np.empty((2, 3, *potential.shape))
    constants[0], constants[1], constants[2] = slow, late, gate * np.minimum(slow, late)
    falls[0], falls[1], falls[2] = first, second, total
    return CellFunctions(content, slope, factor, constants, falls)


def affinities(conditions: Conditions, lanes: Lanes, place: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fall of the grand potential over RT from layered to spinel and from spinel to rock salt, each (L, N)."""
    omega = -integral(conditions.pieces, lanes.xi_start, lanes.xi_step, place)
    for phase in range(3):
        omega[phase] += conditions.grand[:, phase : phase + 1]
    return omega[0] - omega[1], omega[1] - omega[2]


def conversion_rates(lanes: Lanes, functions: CellFunctions, share: FloatArray) -> FloatArray:
    """Net rates of layered -> spinel, spinel -> rock salt and layered -> rock salt (3, L, N) in 1/s.

    Nucleation and growth: r = k f_from (f_to + n)/(1 + n) (1 - e^-A) for A > 0 and -k f_to (f_from + n)/(1 + n) (1 - e^A)
    for A < 0 (see :func:`reversible`), with n the share that needs no growing neighbour; n >> 1 is first order in what is
    used up.
    """
    rates = np.empty_like(share)
    nuclei = lanes.nuclei
    for number in range(3):
        before, after = share[1 if number == 1 else 0], share[1 if number == 0 else 2]
        net = reversible(functions.affinities[number], before * (after + nuclei), after * (before + nuclei))
        rates[number] = functions.constants[number] * net / (1.0 + nuclei)
    return rates


class Side(NamedTuple):
    """One side of every face: ``potential`` (L, N - 1), ``content``, ``slope``, ``factor`` (3, L, N - 1)."""

    potential: FloatArray
    content: FloatArray
    slope: FloatArray
    factor: FloatArray


def resistivities(conditions: Conditions, inner: Side, outer: Side) -> FloatArray:
    """1/(D_p m_p) of the phases between neighbouring shells (3, L, N - 1), over R^2.

    m_p = Theta_p (vacancies) du_p/d(mu/RT), the slope as chord between both sides, so that one phase obeys
    Fick's law for u_p exactly. Spinel and rock salt let 1e-4 Li per metal move however little they hold, so that a trace
    of an empty phase does not block a shell.
    """
    rise = outer.potential - inner.potential
    near = np.abs(rise) < NEAR
    apart = np.where(near, 1.0, rise)
    result = np.empty_like(inner.content)
    for phase in range(3):
        chord = (outer.content[phase] - inner.content[phase]) / apart
        chord = np.where(near, 0.5 * (inner.slope[phase] + outer.slope[phase]), chord)
        mobility = 0.5 * (inner.factor[phase] + outer.factor[phase]) * np.maximum(chord, LEAST_MOBILITY)
        if phase > 0:
            mobility += LEAST_CONTENT
        result[phase] = np.exp(-conditions.ln_diffusivity[:, phase : phase + 1]) / mobility
    return result


def flows(
    conditions: Conditions, lanes: Lanes, share: FloatArray, inner: Side, outer: Side
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Flow of Li from each shell to the next (L, N - 1) in 1/s per metal of the grain, resistivities and their mean.

    The phases of a shell lie in series, as the shells of a front do: flow = g (mu_i - mu_o)/sum_p f_p/(D_p m_p) with
    f_p the mean of both sides.
    """
    each = resistivities(conditions, inner, outer)
    mean = 0.5 * (share[:, :, 1:] + share[:, :, :-1])
    total = mean[0] * each[0] + mean[1] * each[1] + mean[2] * each[2]
    return lanes.conductance * (inner.potential - outer.potential) / total, each, total


def half_conductance(
    conditions: Conditions,
    lanes: Lanes,
    content: FloatArray,
    factor: FloatArray,
    slope: FloatArray,
    share: FloatArray,
) -> FloatArray:
    """Conductance from the middle of the outer shell to the surface per unit of mu/RT, 1/s; arguments (3, L, B)."""
    total = np.zeros(content.shape[1:])
    for phase in range(3):
        mobility = np.maximum(factor[phase] * slope[phase], LEAST_MOBILITY)
        if phase > 0:
            mobility += LEAST_CONTENT
        else:
            mobility = mobility * np.minimum(np.maximum(content[0] / LITHIUM_EDGE, LEAST_MOBILITY), 1.0)
        total += share[phase] * np.exp(-conditions.ln_diffusivity[:, phase : phase + 1]) / mobility
    return lanes.half_conductance * lanes.open_face_share / total
