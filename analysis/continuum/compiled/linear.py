"""Right-hand side of one lane and the linear systems of its steps: see ``rates.py`` and ``linearised.py`` one floor up."""

from __future__ import annotations

from typing import Any

import numpy as np

from cosinter.analysis.continuum.cells import LEAST_CONTENT, NEAR
from cosinter.analysis.continuum.compiled.grain import (
    chord,
    conversions,
    half_conductance,
    set_functions,
    set_resistivities,
    set_shares,
)
from cosinter.analysis.continuum.compiled.moment import set_moment
from cosinter.analysis.continuum.compiled.numbers import FloatArray, Shared, Work, compiled, inlined
from cosinter.analysis.continuum.compiled.surface import set_contact_rates
from cosinter.analysis.continuum.linearised import NUDGE, ROUND_OFF
from cosinter.analysis.continuum.rates import OUTFLOW, STOICHIOMETRY

EXTENTS, RESERVOIRS = len(OUTFLOW), len(STOICHIOMETRY)


@compiled
def set_reservoirs(lane: Any, extents: FloatArray, held: FloatArray) -> None:
    """The five reservoirs after ``extents`` (14)."""
    for row in range(RESERVOIRS):
        held[row] = lane.doses[row] if row < 3 else 0.0
    add_reservoirs(lane, extents, held)


@inlined
def add_reservoirs(lane: Any, extents: FloatArray, held: FloatArray) -> None:
    """Add what ``extents`` (14) change in the reservoirs (5)."""
    for row in range(RESERVOIRS):
        change = 0.0
        for number in range(EXTENTS):
            change += STOICHIOMETRY[row, number] * extents[number]
        held[row] += change / lane.electrolyte if row == 3 else change


@inlined
def outflow(extents: FloatArray) -> float:
    """Li that leaves the grain with ``extents`` (14)."""
    total = 0.0
    for number in range(EXTENTS):
        total += OUTFLOW[number] * extents[number]
    return total


@compiled
def set_grain(
    shared: Shared, lane: Any, shifts: FloatArray, segment: int, time: float, state: FloatArray, work: Work
) -> None:  # fmt: skip
    """Conditions, potentials, their functions and the flows between the shells at one time."""
    set_moment(shared, lane, shifts, segment, time, work)
    set_shares(shared, state, work)
    set_functions(shared, lane, work, 0.0, work.here)
    set_resistivities(shared, work)


@compiled
def set_rates(
    shared: Shared, lane: Any, shifts: FloatArray, segment: int, time: float, state: FloatArray, work: Work, out: FloatArray
) -> None:  # fmt: skip
    """dy/dt into ``out`` (m) at one time of the programme."""
    n = len(shared.volumes)
    set_grain(shared, lane, shifts, segment, time, state, work)
    out[:n] = 0.0
    share, constants, affinities = work.share, work.here.constants, work.here.affinities
    for cell in range(n):
        if cell < n - 1:
            out[cell] -= work.flow[cell]
            out[cell + 1] += work.flow[cell]
        out[n + cell], out[2 * n + cell] = conversions(
            constants, affinities, cell, lane.nuclei, share[0, cell], share[1, cell], share[2, cell]
        )
    held = np.empty(RESERVOIRS)
    set_reservoirs(lane, state[3 * n :], held)
    half = half_conductance(shared, lane, work, work.here, work.share[:, n - 1])
    level = work.potential[n - 1] + work.now.own
    set_contact_rates(shared, lane, work, level, work.here.content[0, n - 1], half, held, out[3 * n :])
    out[n - 1] -= outflow(out[3 * n :])
    for cell in range(n):
        out[cell] /= shared.volumes[cell]


@compiled
def prepare(shared: Shared, lane: Any, scale: float, state: FloatArray, work: Work) -> None:
    """Linearise at ``state`` (m), at which :func:`set_grain` was called last, and eliminate; ``scale`` = 1/(gamma h)."""
    n = len(shared.volumes)
    set_functions(shared, lane, work, NUDGE, work.ahead)
    _set_potential_slopes(n, work)
    _set_flow_slopes(shared, work)
    _eliminate(lane, n, scale, work)
    _set_contact_slopes(shared, lane, state, work)
    _set_band(shared, scale, work)
    _set_border(shared, lane, scale, work)


@compiled
def _set_potential_slopes(n: int, work: Work) -> None:
    for cell in range(n):
        rise = 0.0
        for phase in range(3):
            rise += work.share[phase, cell] * work.here.slope[phase, cell]
        rise = max(rise, 1e-15)
        work.mu[0, cell] = 1.0 / rise
        for phase in range(1, 3):
            fall = work.here.content[phase, cell] - work.here.content[0, cell]
            work.mu[phase, cell] = -fall / rise


@compiled
def _set_flow_slopes(shared: Shared, work: Work) -> None:
    """Flow to the next shell after lithium, spinel and rock salt of this shell and of the next."""
    factor, ahead, each = work.here.factor, work.ahead.factor, work.each
    content, slope, share = work.here.content, work.here.slope, work.share
    for cell in range(len(shared.volumes) - 1):
        rise, total, flow = work.potential[cell + 1] - work.potential[cell], each[3, cell], work.flow[cell]
        by_inner, by_outer = 0.0, 0.0
        for phase in range(3):
            weight = 0.5 * (share[phase, cell] + share[phase, cell + 1]) * each[phase, cell] / total
            both = factor[phase, cell] + factor[phase, cell + 1]
            mean = chord(content, slope, phase, cell, rise)
            part = 1.0 if phase == 0 else 0.5 * both * mean / (0.5 * both * mean + LEAST_CONTENT)
            level = shared.conductance[cell] / total * weight
            inner = outer = 1.0
            if abs(rise) >= NEAR:
                inner, outer = slope[phase, cell] / mean, slope[phase, cell + 1] / mean
            bent = flow * weight * part / both
            steep = _steep(factor[phase, cell], ahead[phase, cell])
            by_inner += level * (1.0 - part + part * inner) + bent * steep
            steep = _steep(factor[phase, cell + 1], ahead[phase, cell + 1])
            by_outer += bent * steep - level * (1.0 - part + part * outer)
        for phase in range(3):
            change = 0.5 * flow * (each[phase, cell] - each[0, cell]) / total
            work.left[phase, cell] = by_inner * work.mu[phase, cell] - change
            work.right[phase, cell] = by_outer * work.mu[phase, cell + 1] - change


@inlined
def _steep(here: float, ahead: float) -> float:
    change = ahead - here
    return change / NUDGE if abs(change) > ROUND_OFF * here else 0.0


@compiled
def _eliminate(lane: Any, n: int, scale: float, work: Work) -> None:
    """Inverse of scale - J of (spinel, rock salt) of every shell, and their response to its lithium."""
    mu, nuclei, share, local, coupled = work.mu, lane.nuclei, work.share, work.local, work.coupled
    k, falls = work.here.constants, work.here.affinities
    k_ahead, falls_ahead = work.ahead.constants, work.ahead.affinities
    for cell in range(n):
        layered, spinel, salt = share[0, cell], share[1, cell], share[2, cell]
        base = conversions(k, falls, cell, nuclei, layered, spinel, salt)
        moved = conversions(k_ahead, falls_ahead, cell, nuclei, layered, spinel, salt)
        steep = (moved[0] - base[0]) / NUDGE, (moved[1] - base[1]) / NUDGE
        more = conversions(k, falls, cell, nuclei, layered - NUDGE, spinel + NUDGE, salt)
        most = conversions(k, falls, cell, nuclei, layered - NUDGE, spinel, salt + NUDGE)
        a = scale - (more[0] - base[0]) / NUDGE - steep[0] * mu[1, cell]
        b = (most[0] - base[0]) / NUDGE + steep[0] * mu[2, cell]
        c = (more[1] - base[1]) / NUDGE + steep[1] * mu[1, cell]
        d = scale - (most[1] - base[1]) / NUDGE - steep[1] * mu[2, cell]
        determinant = a * d - b * c
        local[0, cell], local[1, cell] = d / determinant, b / determinant
        local[2, cell], local[3, cell] = c / determinant, a / determinant
        pull = steep[0] * mu[0, cell], steep[1] * mu[0, cell]
        coupled[0, cell] = local[0, cell] * pull[0] + local[1, cell] * pull[1]
        coupled[1, cell] = local[2, cell] * pull[0] + local[3, cell] * pull[1]


@compiled
def _set_contact_slopes(shared: Shared, lane: Any, state: FloatArray, work: Work) -> None:
    """Extents after the outer shell and after the reservoirs, by differences."""
    last = len(shared.volumes) - 1
    held, base, moved = np.empty(RESERVOIRS), np.empty(EXTENTS), np.empty(EXTENTS)
    set_reservoirs(lane, state[3 * (last + 1) :], held)
    share = work.share[:, last].copy()
    level, lithium = work.potential[last] + work.now.own, work.here.content[0, last]
    half = half_conductance(shared, lane, work, work.here, share)
    set_contact_rates(shared, lane, work, level, lithium, half, held, base)
    above = half_conductance(shared, lane, work, work.ahead, share)
    set_contact_rates(shared, lane, work, level + NUDGE, work.ahead.content[0, last], above, held, moved)
    for number in range(EXTENTS):
        steep = (moved[number] - base[number]) / NUDGE
        for phase in range(3):
            work.extents[phase, number] = steep * work.mu[phase, last]
    for phase in range(1, 3):
        share[phase] += NUDGE
        share[0] -= NUDGE
        varied = half_conductance(shared, lane, work, work.here, share)
        set_contact_rates(shared, lane, work, level, lithium, varied, held, moved)
        work.extents[phase] += (moved - base) / NUDGE
        share[phase] -= NUDGE
        share[0] += NUDGE
    for row in range(RESERVOIRS):
        kept, step = held[row], 1e-7 * max(abs(held[row]), 1e-4)
        held[row] += step
        set_contact_rates(shared, lane, work, level, lithium, half, held, moved)
        work.reservoirs[row] = (moved - base) / step
        held[row] = kept


@compiled
def _set_band(shared: Shared, scale: float, work: Work) -> None:
    """The tridiagonal matrix of the lithium of the shells, eliminated."""
    n, band, coupled = len(shared.volumes), work.band, work.coupled
    band[:] = 0.0
    band[1] = scale
    for cell in range(n - 1):
        p, q = work.left[0, cell], work.right[0, cell]
        for phase in range(2):
            p += work.left[1 + phase, cell] * coupled[phase, cell]
            q += work.right[1 + phase, cell] * coupled[phase, cell + 1]
        band[1, cell] += p / shared.volumes[cell]
        band[1, cell + 1] -= q / shared.volumes[cell + 1]
        band[0, cell + 1], band[2, cell] = -p / shared.volumes[cell + 1], q / shared.volumes[cell]
    band[1, n - 1] += outflow(_direct(n, work)) / shared.volumes[n - 1]
    band[1, 0] = 1.0 / band[1, 0]
    for cell in range(1, n):
        band[0, cell] *= band[1, cell - 1]
        band[1, cell] = 1.0 / (band[1, cell] - band[0, cell] * band[2, cell - 1])


@compiled
def _direct(n: int, work: Work) -> FloatArray:
    """Extents (14) after the lithium of the outer shell, spinel and rock salt following it."""
    coupled = work.coupled
    direct = work.extents[0] + coupled[0, n - 1] * work.extents[1] + coupled[1, n - 1] * work.extents[2]
    return np.asarray(direct)


@inlined
def solve_band(band: FloatArray, right: FloatArray) -> None:
    """Solve the eliminated tridiagonal system in place of ``right`` (N)."""
    n = len(right)
    for cell in range(1, n):
        right[cell] -= band[0, cell] * right[cell - 1]
    right[n - 1] *= band[1, n - 1]
    for cell in range(n - 2, -1, -1):
        right[cell] = (right[cell] - band[2, cell] * right[cell + 1]) * band[1, cell]


@compiled
def _set_border(shared: Shared, lane: Any, scale: float, work: Work) -> None:
    """Response of the shells to an outflow, and the inverse of the block of the reservoirs."""
    n = len(shared.volumes)
    work.border[:] = 0.0
    work.border[n - 1] = 1.0
    solve_band(work.band, work.border)
    direct, column = _direct(n, work), np.empty(RESERVOIRS)
    block = np.zeros((RESERVOIRS, 2 * RESERVOIRS))
    for number in range(RESERVOIRS):
        pull = outflow(work.reservoirs[number]) / shared.volumes[n - 1] * work.border[n - 1]
        column[:] = 0.0
        add_reservoirs(lane, work.reservoirs[number] - direct * pull, column)
        block[:, number] = -column / scale
        block[number, number] += 1.0
        block[number, RESERVOIRS + number] = 1.0
    _reduce(block)
    work.inner[:] = block[:, RESERVOIRS:]


@compiled
def _reduce(block: FloatArray) -> None:
    """Gauss-Jordan elimination with row pivots; leaves the inverse in the right half."""
    size = len(block)
    for column in range(size):
        best = column
        for row in range(column + 1, size):
            if abs(block[row, column]) > abs(block[best, column]):
                best = row
        for place in range(2 * size):
            block[column, place], block[best, place] = block[best, place], block[column, place]
        block[column] /= block[column, column]
        for row in range(size):
            if row != column:
                block[row] -= block[row, column] * block[column]


@compiled
def solve(shared: Shared, lane: Any, scale: float, right: FloatArray, work: Work, answer: FloatArray) -> None:
    """``answer`` (m) with W answer = ``right``."""
    n = len(shared.volumes)
    own, local, outside = work.own, work.local, shared.volumes
    for cell in range(n):
        spinel, salt = right[n + cell], right[2 * n + cell]
        own[0, cell] = local[0, cell] * spinel + local[1, cell] * salt
        own[1, cell] = local[2, cell] * spinel + local[3, cell] * salt
        answer[cell] = right[cell]
    for cell in range(n - 1):
        flow = 0.0
        for phase in range(2):
            flow += work.left[1 + phase, cell] * own[phase, cell]
            flow += work.right[1 + phase, cell] * own[phase, cell + 1]
        answer[cell] -= flow / outside[cell]
        answer[cell + 1] += flow / outside[cell + 1]
    followed = work.extents[1] * own[0, n - 1] + work.extents[2] * own[1, n - 1]
    answer[n - 1] -= outflow(followed) / outside[n - 1]
    solve_band(work.band, answer[:n])
    forced, direct = right[3 * n :] + followed, _direct(n, work)
    moved, drawn = np.zeros(RESERVOIRS), np.zeros(EXTENTS)
    add_reservoirs(lane, forced + direct * answer[n - 1], moved)
    for row in range(RESERVOIRS):
        change = 0.0
        for other in range(RESERVOIRS):
            change += work.inner[row, other] * moved[other]
        drawn += work.reservoirs[row] * (change / scale)
    pull = outflow(drawn) / outside[n - 1]
    for cell in range(n):
        answer[cell] -= work.border[cell] * pull
        for phase in range(2):
            answer[(1 + phase) * n + cell] = own[phase, cell] + work.coupled[phase, cell] * answer[cell]
    answer[3 * n :] = (forced + direct * answer[n - 1] + drawn) / scale
