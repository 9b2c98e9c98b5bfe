"""The shells of one grain: see ``cells.py`` one floor up, whose equations these loops are."""

from __future__ import annotations

from math import exp, expm1, log
from typing import Any

import numpy as np

from cosinter.analysis.continuum.cells import (
    LEAST_CONTENT,
    LEAST_MOBILITY,
    MOST_ITERATIONS,
    NEAR,
    THETA_MAX,
    THETA_MIN,
    TURN_WIDTH,
)
from cosinter.analysis.continuum.compiled.numbers import FloatArray, Shared, Shells, Work, compiled, inlined
from cosinter.analysis.continuum.tables import LITHIUM_EDGE, XI_PIECES, XI_START, XI_STEP

CLOSE = 1.0e-7  # of mu/RT: Newton's next step would be its square
ALL_THE_WAY = 40.0  # RT, beyond which e^-A is below round-off


@inlined
def piece(xi: float) -> tuple[int, float, float]:
    """Number of the piece of the tables, place within it, and how far beyond the grid."""
    place = (xi - XI_START) / XI_STEP
    inside = place if place > 0.0 else 0.0
    if not inside < XI_PIECES - 1e-9:
        inside = XI_PIECES - 1e-9
    index = int(inside)
    return index, inside - index, place - inside


@inlined
def coefficients(
    pieces: FloatArray, now: Any, phase: int, index: int
) -> tuple[float, float, float, float, float]:
    """Integral up to a piece of u_p and its four cubic coefficients at the temperature of the moment."""
    gas, row, w = now.gas, now.row, now.weight
    low, high = pieces[gas, row, phase, index], pieces[gas, row + 1, phase, index]
    return (
        low[0] + w * (high[0] - low[0]),
        low[1] + w * (high[1] - low[1]),
        low[2] + w * (high[2] - low[2]),
        low[3] + w * (high[3] - low[3]),
        low[4] + w * (high[4] - low[4]),
    )


@inlined
def content_at(pieces: FloatArray, now: Any, phase: int, potential: float) -> tuple[float, float]:
    """u_p and du_p/d(mu/RT) at mu/RT."""
    index, d, _ = piece(potential - now.middle[phase])
    _, c0, c1, c2, c3 = coefficients(pieces, now, phase, index)
    return c0 + d * (c1 + d * (c2 + d * c3)), (c1 + d * (2.0 * c2 + d * 3.0 * c3)) / XI_STEP


@inlined
def phase_at(pieces: FloatArray, now: Any, phase: int, potential: float) -> tuple[float, float, float]:
    """u_p, du_p/d(mu/RT) and the grand potential over RT at mu/RT."""
    index, d, beyond = piece(potential - now.middle[phase])
    before, c0, c1, c2, c3 = coefficients(pieces, now, phase, index)
    content = c0 + d * (c1 + d * (c2 + d * c3))
    inside = d * (c0 + d * (c1 / 2.0 + d * (c2 / 3.0 + d * c3 / 4.0)))
    grand = now.grand[phase] - before - XI_STEP * (inside + content * beyond)
    return content, (c1 + d * (2.0 * c2 + d * 3.0 * c3)) / XI_STEP, grand


@inlined
def clipped(content: float) -> float:
    """A content at least 1e-8 away from 0 and 1."""
    return min(max(content, LITHIUM_EDGE), 1.0 - LITHIUM_EDGE)


@inlined
def stretched(content: float) -> float:
    """ln[c/(1 - c)], going on as its tangent within 1e-8 of 0 and 1."""
    inside = clipped(content)
    return log(inside / (1.0 - inside)) + (content - inside) / LITHIUM_EDGE


@inlined
def share_lithium(
    pieces: FloatArray, now: Any, share: tuple[float, float, float], lithium: float, guess: float
) -> float:
    """mu/RT at which the phases of a shell together hold ``lithium``; Newton's method inside a bracket.

    On the content itself close to the answer, on the stretched content before.
    """
    near = NEAR * lithium * (1.0 - lithium)
    low = min(now.middle[0], now.middle[1], now.middle[2]) + XI_START
    high = max(now.middle[0], now.middle[1], now.middle[2]) - XI_START
    potential = min(max(guess, low), high)
    for _ in range(MOST_ITERATIONS):
        held, rise = 0.0, 0.0
        for phase in range(3):
            if share[phase] > 0.0:
                content, slope = content_at(pieces, now, phase, potential)
                held += share[phase] * content
                rise += share[phase] * slope
        gap = held - lithium
        if gap < 0.0:
            low = potential
        elif gap > 0.0:
            high = potential
        if abs(gap) > near:  # the same to second order nearby
            inside = clipped(held)
            gap = (stretched(held) - stretched(lithium)) * inside * (1.0 - inside)
        moved = potential - gap / max(rise, 1e-16)
        if not low <= moved <= high:
            moved = 0.5 * (low + high)
        change = abs(moved - potential)
        potential = moved
        if change <= CLOSE:
            break
    return float(potential)


@compiled
def set_shares(shared: Shared, state: FloatArray, work: Work) -> None:
    """Fractions of the phases, and the potential at which they share the lithium of every shell."""
    n, now, pieces, shares = len(shared.volumes), work.now, shared.pieces, work.share
    for cell in range(n):
        spinel, salt = max(state[n + cell], 0.0), max(state[2 * n + cell], 0.0)
        layered = max(1.0 - state[n + cell] - state[2 * n + cell], 0.0)
        total = layered + spinel + salt
        share = layered / total, spinel / total, salt / total
        shares[0, cell], shares[1, cell], shares[2, cell] = share
        work.potential[cell] = share_lithium(pieces, now, share, state[cell], work.potential[cell])


@inlined
def drive(affinity: float) -> float:
    """1 - e^-A for A > 0, else 0, flattened within RT/10 of zero."""
    if affinity <= 0.0:
        return 0.0
    return -expm1(-affinity) * affinity / (affinity + TURN_WIDTH)


@inlined
def drop(affinity: float) -> float:
    """1 - e^-A for A > 0 and e^A - 1 below."""
    size = abs(affinity)
    fall = 1.0 if size > ALL_THE_WAY else -expm1(-size)
    return fall if affinity > 0.0 else -fall


@compiled
def set_functions(shared: Shared, lane: Any, work: Work, nudge: float, to: Shells) -> None:
    """Functions of the potential of every shell, at ``nudge`` above it."""
    now, pieces, grand = work.now, shared.pieces, np.empty(3)
    contents, slopes, factors, constants, affinities = (
        to.content, to.slope, to.factor, to.constants, to.affinities,
    )  # fmt: skip
    for cell in range(len(shared.volumes)):
        potential = work.potential[cell] + nudge
        for phase in range(3):
            content, slope, grand[phase] = phase_at(pieces, now, phase, potential)
            inside = clipped(content)
            factor = min(max(inside * (1.0 - inside) / max(slope, 1e-18), THETA_MIN), THETA_MAX)
            if phase < 2:
                free = 1.0 - inside + lane.vacancy_floor
                factor *= free if lane.vacancy_exponent == 1.0 else free**lane.vacancy_exponent
            contents[phase, cell], slopes[phase, cell], factors[phase, cell] = content, slope, factor
        first, second = grand[0] - grand[1], grand[1] - grand[2]
        share = (contents[0, cell] - lane.reference_lithium) / (1.0 - lane.reference_lithium)
        share = min(max(share, 0.0), 1.0)
        slow = exp(now.ln_conversion[0] - now.conversion_fall[0] * share)
        late = exp(now.ln_conversion[1] - now.conversion_fall[1] * share)
        gate = drive(-(first if first + second > 0.0 else -second))
        affinities[0, cell], affinities[1, cell], affinities[2, cell] = first, second, first + second
        constants[0, cell] = slow * drop(first)
        constants[1, cell] = late * drop(second)
        constants[2, cell] = gate * min(slow, late) * drop(first + second)


@inlined
def coefficient(affinity: float, forward: float, back: float) -> float:
    """What stands before 1 - e^-|A| in :func:`cells.reversible`."""
    up, down = max(forward, 0.0), max(back, 0.0)
    both = 2.0 * up * down / (up + down + 1e-300)
    one = forward if affinity > 0.0 else back
    far = affinity * affinity / (affinity * affinity + TURN_WIDTH * TURN_WIDTH)
    return both + far * (one - both)


@inlined
def reversible(affinity: float, forward: float, back: float) -> float:
    """See :func:`cells.reversible`."""
    return drop(affinity) * coefficient(affinity, forward, back)


@inlined
def conversion(constant: float, affinity: float, nuclei: float, before: float, after: float) -> float:
    """Net rate of one conversion in 1/s, by nucleation and growth; ``constant`` k (1 - e^-|A|) with its sign."""
    forward, back = before * (after + nuclei), after * (before + nuclei)
    return constant * coefficient(affinity, forward, back) / (1.0 + nuclei)


@inlined
def conversions(
    constants: FloatArray, affinities: FloatArray, cell: int, nuclei: float, layered: float, spinel: float, salt: float
) -> tuple[float, float]:  # fmt: skip
    """Growth of spinel and of rock salt in a shell, 1/s."""
    first = conversion(constants[0, cell], affinities[0, cell], nuclei, layered, spinel)
    second = conversion(constants[1, cell], affinities[1, cell], nuclei, spinel, salt)
    direct = conversion(constants[2, cell], affinities[2, cell], nuclei, layered, salt)
    return first - second, second + direct


@inlined
def chord(content: FloatArray, slope: FloatArray, phase: int, cell: int, rise: float) -> float:
    """Mean du_p/d(mu/RT) between a shell and the next, whose potentials differ by ``rise``."""
    if abs(rise) < NEAR:
        return float(max(0.5 * (slope[phase, cell] + slope[phase, cell + 1]), LEAST_MOBILITY))
    return float(max((content[phase, cell + 1] - content[phase, cell]) / rise, LEAST_MOBILITY))


@compiled
def set_resistivities(shared: Shared, work: Work) -> None:
    """R^2/(D_p m_p) of the phases between every shell and the next in s, and the flow of Li outwards in 1/s per metal."""
    factor, content, slope, share = work.here.factor, work.here.content, work.here.slope, work.share
    each, slowness = work.each, work.now.slowness
    for cell in range(len(shared.volumes) - 1):
        rise = work.potential[cell + 1] - work.potential[cell]
        total = 0.0
        for phase in range(3):
            mobility = 0.5 * (factor[phase, cell] + factor[phase, cell + 1])
            mobility *= chord(content, slope, phase, cell, rise)
            if phase > 0:
                mobility += LEAST_CONTENT
            each[phase, cell] = slowness[phase] / mobility
            total += 0.5 * (share[phase, cell] + share[phase, cell + 1]) * each[phase, cell]
        each[3, cell] = total
        work.flow[cell] = -shared.conductance[cell] * rise / total


@compiled
def half_conductance(shared: Shared, lane: Any, work: Work, shells: Shells, share: FloatArray) -> float:
    """Conductance from the middle of the outer shell to the surface per unit of mu/RT, 1/s; ``share`` (3)."""
    last, total = len(shared.volumes) - 1, 0.0
    for phase in range(3):
        mobility = max(shells.factor[phase, last] * shells.slope[phase, last], LEAST_MOBILITY)
        if phase > 0:
            mobility += LEAST_CONTENT
        else:
            mobility *= min(max(shells.content[0, last] / LITHIUM_EDGE, LEAST_MOBILITY), 1.0)
        total += share[phase] * work.now.slowness[phase] / mobility
    return float(shared.half_conductance * lane.open_face_share / total)
