"""The linear systems of a Rosenbrock step: W = 1/(gamma h) - J, factorised by elimination shell by shell.

With the shells' spinel and rock salt and the 14 extents eliminated, W leaves a tridiagonal matrix for the lithium of
the shells, bordered by the five reservoirs, which act on the outer shell only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.cells import (
    LEAST_CONTENT,
    LEAST_MOBILITY,
    NEAR,
    CellFunctions,
    cell_functions,
    conversion_rates,
    flows,
    half_conductance,
)
from cosinter.analysis.continuum.conditions import Conditions, conditions
from cosinter.analysis.continuum.contact import contact_rates
from cosinter.analysis.continuum.lanes import Lanes
from cosinter.analysis.continuum.primitives import factor_tridiagonal, inverse, solve_tridiagonal
from cosinter.analysis.continuum.rates import (
    OUTFLOW,
    STOICHIOMETRY,
    Shells,
    inner_side,
    outer_side,
    reservoirs_of,
    shells,
)

FloatArray = NDArray[np.float64]

NUDGE = 1.0e-6
ROUND_OFF = 1.0e-11


class Factors(NamedTuple):
    """What :func:`solve` needs; see there."""

    scale: float
    band: Any
    border: FloatArray  # (L, N): T^-1 e_N
    local: FloatArray  # (4, L, N): inverse of the 2 x 2 blocks of spinel and rock salt
    coupled: FloatArray  # (2, L, N): spinel and rock salt per lithium
    left: FloatArray  # (3, L, N - 1): flow after the shell inside
    right: FloatArray  # (3, L, N - 1): flow after the shell outside
    extents: FloatArray  # (14, 3, L): extents after the outer shell
    reservoirs: FloatArray  # (14, 5, L): extents after the reservoirs
    inner: FloatArray  # (L, 5, 5): inverse of the reservoir block


def prepare(
    segment: int, time: float, scale: float, state: FloatArray, lanes: Lanes, guess: FloatArray
) -> Factors:
    """Linearise at ``state`` (L, m) and factorise W; ``scale`` = 1/(gamma h)."""
    now = conditions(lanes, segment, time)
    n = len(lanes.volumes)
    grain = shells(now, lanes, state, guess)
    ahead = cell_functions(now, lanes, grain.potential + NUDGE)
    slopes = potential_slopes(grain)
    left, right = _flow_slopes(now, lanes, grain, ahead, slopes)
    local, coupled = _eliminate(scale, lanes, grain, ahead, slopes)
    extents, reservoirs = _contact_slopes(now, lanes, state, grain, slopes, ahead)

    p = left[0] + left[1] * coupled[0, :, :-1] + left[2] * coupled[1, :, :-1]
    q = right[0] + right[1] * coupled[0, :, 1:] + right[2] * coupled[1, :, 1:]
    diagonal = np.full((len(state), n), scale)
    diagonal[:, :-1] += p / lanes.volumes[:-1]
    diagonal[:, 1:] -= q / lanes.volumes[1:]
    lower, upper = np.zeros((len(state), n)), np.zeros((len(state), n))
    lower[:, 1:], upper[:, :-1] = -p / lanes.volumes[1:], q / lanes.volumes[:-1]
    direct = extents[:, 0] + extents[:, 1] * coupled[0, :, n - 1] + extents[:, 2] * coupled[1, :, n - 1]
    diagonal[:, n - 1] += _outflow(direct) / lanes.volumes[n - 1]
    band = factor_tridiagonal(lower, diagonal, upper)
    unit = np.zeros((len(state), n))
    unit[:, n - 1] = 1.0
    border = solve_tridiagonal(band, unit)

    block = np.zeros((len(state), 5, 5))
    for column in range(5):
        pull = _outflow(reservoirs[:, column]) / lanes.volumes[n - 1] * border[:, n - 1]
        block[:, :, column] = -_reservoirs(lanes, reservoirs[:, column] - direct * pull).T / scale
        block[:, column, column] += 1.0
    return Factors(scale, band, border, local, coupled, left, right, extents, reservoirs, inverse(block))


def _outflow(extents: FloatArray) -> FloatArray:
    """Li that leaves the grain (L) with extents (14, L)."""
    return OUTFLOW @ np.ascontiguousarray(extents)


def _reservoirs(lanes: Lanes, extents: FloatArray) -> FloatArray:
    """Change of the reservoirs (5, L) with extents (14, L)."""
    change = STOICHIOMETRY @ np.ascontiguousarray(extents)
    change[3] /= lanes.electrolyte[:, 0]
    return change


def potential_slopes(grain: Shells) -> FloatArray:
    """d(mu/RT) after Li, spinel and rock salt of a shell (3, L, N).

    1/sum f_p u_p' and -(u_p - u_layered)/sum f_p u_p'.
    """
    functions = grain.functions
    weighted = grain.share * functions.slope
    rise = np.maximum(weighted[0] + weighted[1] + weighted[2], 1e-15)
    slopes = np.empty_like(grain.share)
    slopes[0] = 1.0 / rise
    slopes[1] = -(functions.content[1] - functions.content[0]) / rise
    slopes[2] = -(functions.content[2] - functions.content[0]) / rise
    return slopes


def _flow_slopes(
    now: Conditions, lanes: Lanes, grain: Shells, ahead: CellFunctions, slopes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the flow after Li, spinel and rock salt of the shell inside and of the shell outside (3, L, N - 1)."""
    inner, outer = inner_side(grain.potential, grain.functions), outer_side(grain.potential, grain.functions)
    flow, each, total = flows(now, lanes, grain.share, inner, outer)
    rise = outer.potential - inner.potential
    near = np.abs(rise) < NEAR
    apart = np.where(near, 1.0, rise)
    mean = 0.5 * (grain.share[:, :, 1:] + grain.share[:, :, :-1])
    by_inner, by_outer = np.zeros_like(flow), np.zeros_like(flow)
    for phase in range(3):
        weight = mean[phase] * each[phase] / total
        factor = inner.factor[phase] + outer.factor[phase]
        chord = (outer.content[phase] - inner.content[phase]) / apart
        chord = np.where(near, 0.5 * (inner.slope[phase] + outer.slope[phase]), chord)
        chord = np.maximum(chord, LEAST_MOBILITY)
        steep = ahead.factor[phase] - grain.functions.factor[phase]
        steep = np.where(np.abs(steep) > ROUND_OFF * grain.functions.factor[phase], steep / NUDGE, 0.0)
        own = 0.5 * factor * chord
        part = own / (
            own + (0.0 if phase == 0 else LEAST_CONTENT)
        )  # of the mobility that follows the content
        level = lanes.conductance / total * weight
        from_inner = np.where(near, 1.0, inner.slope[phase] / chord)
        from_outer = np.where(near, 1.0, outer.slope[phase] / chord)
        bent = flow * weight * part / factor
        by_inner += level * (1.0 - part + part * from_inner) + bent * steep[:, :-1]
        by_outer += bent * steep[:, 1:] - level * (1.0 - part + part * from_outer)
    left, right = by_inner * slopes[:, :, :-1], by_outer * slopes[:, :, 1:]
    for phase in range(1, 3):
        change = 0.5 * flow * (each[phase] - each[0]) / total
        left[phase] -= change
        right[phase] -= change
    return left, right


def _eliminate(
    scale: float, lanes: Lanes, grain: Shells, ahead: CellFunctions, mu: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Inverse of scale - J of (spinel, rock salt) in every shell (4, L, N), and their response to lithium (2, L, N)."""
    base = conversion_rates(lanes, grain.functions, grain.share)
    steep = (conversion_rates(lanes, ahead, grain.share) - base) / NUDGE
    to_spinel, to_salt = steep[0] - steep[1], steep[1] + steep[2]
    block = np.empty((2, 2, *base.shape[1:]))
    for phase in range(2):
        share = grain.share.copy()
        share[1 + phase] += NUDGE
        share[0] -= NUDGE
        change = (conversion_rates(lanes, grain.functions, share) - base) / NUDGE
        block[0, phase] = change[0] - change[1] + to_spinel * mu[1 + phase]
        block[1, phase] = change[1] + change[2] + to_salt * mu[1 + phase]
    a, d = scale - block[0, 0], scale - block[1, 1]
    determinant = a * d - block[0, 1] * block[1, 0]
    local = np.empty((4, *base.shape[1:]))
    local[0], local[1] = d / determinant, block[0, 1] / determinant
    local[2], local[3] = block[1, 0] / determinant, a / determinant
    spinel, salt = to_spinel * mu[0], to_salt * mu[0]
    coupled = np.empty((2, *base.shape[1:]))
    coupled[0] = local[0] * spinel + local[1] * salt
    coupled[1] = local[2] * spinel + local[3] * salt
    return local, coupled


def _contact_slopes(
    now: Conditions, lanes: Lanes, state: FloatArray, grain: Shells, slopes: FloatArray, ahead: CellFunctions
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the extents after the outer shell (14, 3, L) and after the reservoirs (14, 5, L), by differences.

    Columns: the state, the potential nudged, spinel and rock salt nudged, the five reservoirs nudged.
    """
    n, count = len(lanes.volumes), len(state)
    held = reservoirs_of(lanes, state[:, 3 * n :])
    potential, lithium = np.empty((count, 9)), np.empty((count, 9))
    content, factor, slope, share = np.empty((4, 3, count, 9))
    varied, steps = np.empty((5, count, 9)), np.empty((5, count))
    outer = grain.functions
    for column in range(9):
        source = ahead if column == 1 else outer
        potential[:, column] = grain.potential[:, n - 1] + now.own + (NUDGE if column == 1 else 0.0)
        content[:, :, column], factor[:, :, column] = source.content[:, :, n - 1], source.factor[:, :, n - 1]
        slope[:, :, column], share[:, :, column] = source.slope[:, :, n - 1], grain.share[:, :, n - 1]
        varied[:, :, column] = held
    lithium[:] = content[0]
    for phase in range(1, 3):
        share[phase, :, 1 + phase] += NUDGE
        share[0, :, 1 + phase] -= NUDGE
    for row in range(5):
        steps[row] = 1e-7 * np.maximum(np.abs(held[row]), 1e-4)
        varied[row, :, 4 + row] += steps[row]
    half = half_conductance(now, lanes, content, factor, slope, share)
    rates = contact_rates(now, lanes, potential, lithium, half, varied)
    base = rates[:, :, 0]
    by_potential = (rates[:, :, 1] - base) / NUDGE
    extents, reservoirs = np.empty((14, 3, count)), np.empty((14, 5, count))
    for number in range(3):
        extents[:, number] = by_potential * slopes[number, :, n - 1]
        if number > 0:
            extents[:, number] += (rates[:, :, 1 + number] - base) / NUDGE
    for row in range(5):
        reservoirs[:, row] = (rates[:, :, 4 + row] - base) / steps[row]
    return extents, reservoirs


def solve(factors: Factors, right: FloatArray, lanes: Lanes) -> FloatArray:
    """k (L, m) with W k = ``right``."""
    n = len(lanes.volumes)
    outside = 1.0 / lanes.volumes
    spinel, salt = right[:, n : 2 * n], right[:, 2 * n : 3 * n]
    own_spinel = factors.local[0] * spinel + factors.local[1] * salt
    own_salt = factors.local[2] * spinel + factors.local[3] * salt
    flow = (
        factors.left[1] * own_spinel[:, :-1]
        + factors.left[2] * own_salt[:, :-1]
        + factors.right[1] * own_spinel[:, 1:]
        + factors.right[2] * own_salt[:, 1:]
    )
    forced = np.ascontiguousarray(right[:, 3 * n :].T) + (
        factors.extents[:, 1] * own_spinel[:, n - 1] + factors.extents[:, 2] * own_salt[:, n - 1]
    )
    lithium = right[:, :n].copy()
    lithium[:, :-1] -= flow * outside[:-1]
    lithium[:, 1:] += flow * outside[1:]
    lithium[:, n - 1] -= _outflow(forced - np.ascontiguousarray(right[:, 3 * n :].T)) * outside[n - 1]
    free = solve_tridiagonal(factors.band, lithium)

    direct = factors.extents[:, 0] + (
        factors.extents[:, 1] * factors.coupled[0, :, n - 1]
        + factors.extents[:, 2] * factors.coupled[1, :, n - 1]
    )
    start = forced + direct * free[:, n - 1]
    changes = np.zeros((5, len(right)))
    moved = _reservoirs(lanes, start) / factors.scale
    for row in range(5):
        for other in range(5):
            changes[other] += factors.inner[:, other, row] * moved[row]
    answer = np.empty_like(right)
    drawn = np.zeros_like(forced)
    for row in range(5):
        drawn += factors.reservoirs[:, row] * changes[row]
    pull = _outflow(drawn) * outside[n - 1]
    for lane in range(len(right)):
        answer[lane, :n] = free[lane] - factors.border[lane] * pull[lane]
    answer[:, n : 2 * n] = own_spinel + factors.coupled[0] * answer[:, :n]
    answer[:, 2 * n : 3 * n] = own_salt + factors.coupled[1] * answer[:, :n]
    answer[:, 3 * n :] = ((forced + direct * answer[:, n - 1] + drawn) / factors.scale).T
    return answer
