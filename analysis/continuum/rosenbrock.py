"""Linearly implicit time integration of stiff systems: Rosenbrock methods with adaptive steps.

With W = 1/(gamma h) - J a step solves s linear systems with one factorisation,

    W k_i = f(t + alpha_i h, y + sum_j a_ij k_j) + sum_j (c_ij/h) k_j + gamma_i h df/dt,   y_new = y + sum_i m_i k_i,

and estimates its error as sum_i e_i k_i. Coefficients: RODAS, order 4(3), stiffly accurate and L-stable (Hairer and
Wanner, Solving Ordinary Differential Equations II, section IV.7, doi:10.1007/978-3-642-05221-7); RODAS3, order 3(2)
(Sandu et al., Atmos. Environ. 31 (1997) 3459, doi:10.1016/S1352-2310(97)83212-8).

The functions run under NumPy for many lanes with a common step, and compiled for one lane. Linear invariants of f
that J shares are kept to round-off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEAST_FACTOR, MOST_FACTOR, SAFETY = 0.2, 5.0, 0.9
SMALLEST_STEP = 1.0e-13  # of the programme
FIRST_STEP = 1.0e-5  # of a segment
TIME_NUDGE = 1.0e-4  # of a step, for df/dt


class Tableau(NamedTuple):
    """Coefficients of one method: ``a``, ``c`` (s, s) strictly lower, the rest (s); ``fresh`` marks stages that evaluate f."""

    gamma: float
    a: FloatArray
    c: FloatArray
    alpha: FloatArray
    slope: FloatArray
    new: FloatArray
    error: FloatArray
    fresh: NDArray[np.bool_]
    order: int


def _lower(*rows: tuple[float, ...]) -> FloatArray:
    size = len(rows) + 1
    matrix = np.zeros((size, size))
    for number, row in enumerate(rows, start=1):
        matrix[number, : len(row)] = row
    return matrix


_RODAS_LAST = (1.221224509226641, 6.019134481288629, 12.53708333932087, -0.6878860361058950)

RODAS = Tableau(
    gamma=0.25,
    a=_lower(
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _RODAS_LAST,
        (*_RODAS_LAST, 1.0),
    ),
    c=_lower(
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    alpha=np.array([0.0, 0.386, 0.21, 0.63, 1.0, 1.0]),
    slope=np.array([0.25, -0.1043, 0.1035, -0.03620000000000023, 0.0, 0.0]),
    new=np.array([*_RODAS_LAST, 1.0, 1.0]),
    error=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    fresh=np.ones(6, dtype=np.bool_),
    order=4,
)

RODAS3 = Tableau(
    gamma=0.5,
    a=_lower((0.0,), (2.0, 0.0), (2.0, 0.0, 1.0)),
    c=_lower((4.0,), (1.0, -1.0), (1.0, -1.0, -8.0 / 3.0)),
    alpha=np.array([0.0, 0.0, 1.0, 1.0]),
    slope=np.array([0.5, 1.5, 0.0, 0.0]),
    new=np.array([2.0, 0.0, 1.0, 1.0]),
    error=np.array([0.0, 0.0, 0.0, 1.0]),
    fresh=np.array([True, False, True, True]),
    order=3,
)


class Control(NamedTuple):
    """``relative`` and ``absolute`` error per step, the longest step (s) and the most steps of one segment.

    The first ``bounded`` unknowns live between 0 and 1; their errors are relative to the distance from the nearer end.
    """

    relative: float
    absolute: float
    longest: float
    most_steps: int
    bounded: int = 0


class Record(NamedTuple):
    """Accepted steps: ``times`` (C), ``segments`` (C) and ``states`` (C, L, m); with C = 1 only the end is kept.

    ``failed_at`` (L): time at which a lane stopped, NaN if it ended; ``counts``: stored rows, steps, rejected steps.
    """

    times: FloatArray
    segments: NDArray[np.int64]
    states: FloatArray
    failed_at: FloatArray
    counts: NDArray[np.int64]


def make_record(lanes: int, size: int, capacity: int) -> Record:
    """Empty record for ``capacity`` rows."""
    return Record(
        np.zeros(capacity),
        np.zeros(capacity, dtype=np.int64),
        np.zeros((capacity, lanes, size)),
        np.full(lanes, np.nan),
        np.zeros(3, dtype=np.int64),
    )


def _store(record: Record, time: float, segment: int, state: FloatArray) -> bool:
    row = min(record.counts[0], len(record.times) - 1)
    full = record.counts[0] >= len(record.times) and len(record.times) > 1
    if not full:
        record.times[row] = time
        record.segments[row] = segment
        record.states[row] = state
        record.counts[0] += 1
    return not full


def error_norm(error: FloatArray, old: FloatArray, new: FloatArray, control: Control) -> FloatArray:
    """Root mean square of the error over its tolerance (L); infinite where it is not a number."""
    n = control.bounded
    old_end = np.minimum(np.abs(old[:, :n]), np.abs(1.0 - old[:, :n]))
    new_end = np.minimum(np.abs(new[:, :n]), np.abs(1.0 - new[:, :n]))
    large = np.maximum(np.abs(old), np.abs(new))
    large[:, :n] = np.maximum(old_end, new_end)
    scale = control.absolute + control.relative * large
    ratio = error / scale
    norm = np.sqrt(np.sum(ratio * ratio, axis=1) / ratio.shape[1])
    return np.where(np.isfinite(norm), norm, np.inf)


def attempt(
    problem: tuple[Any, Any, Any], method: Tableau, segment: int, time: float, h: float, state: FloatArray,
    first: FloatArray, data: Any, work: Any,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """One step from ``state`` (L, m): the new state and the estimate of its error; ``first`` is f(t, y)."""
    rates, prepare, solve = problem
    factors = prepare(segment, time, 1.0 / (method.gamma * h), state, data, work)
    nudge = TIME_NUDGE * h
    drift = (rates(segment, time + nudge, state, data, work) - first) / nudge
    stages = len(method.new)
    k = np.zeros((stages, *state.shape))
    slope = first
    for stage in range(stages):
        if stage > 0 and method.fresh[stage]:
            moved = state.copy()
            for other in range(stage):
                if method.a[stage, other] != 0.0:
                    moved += method.a[stage, other] * k[other]
            slope = rates(segment, time + method.alpha[stage] * h, moved, data, work)
        right = slope + (method.slope[stage] * h) * drift
        for other in range(stage):
            right += (method.c[stage, other] / h) * k[other]
        k[stage] = solve(factors, right, data)
    new, error = state.copy(), np.zeros_like(state)
    for stage in range(stages):
        new += method.new[stage] * k[stage]
        error += method.error[stage] * k[stage]
    return new, error


def integrate(
    problem: tuple[Any, Any, Any], settle: Callable[..., Any], method: Tableau, knots: FloatArray, state: FloatArray,
    control: Control, data: Any, work: Any, record: Record,
) -> FloatArray:  # fmt: skip
    """Run ``state`` (L, m) through all segments between ``knots`` (s); the last state.

    ``problem`` = (rates(segment, t, y, data, work), prepare(segment, t, 1/(gamma h), y, data, work),
    solve(factors, right, data)). ``settle(old, new, data)`` mends round-off of an accepted state in place and says
    which lanes (L) are admissible; a step that is not is tried again at half its length. A lane whose step falls
    below 1e-13 of the programme is frozen, and its time written to ``record.failed_at``; the others go on.
    """
    span = knots[-1] - knots[0]
    dead = np.isfinite(record.failed_at)
    state = state.copy()
    _store(record, knots[0], 0, state)
    for segment in range(len(knots) - 1):
        state = _segment(
            problem, settle, method, knots, segment, span, state, control, data, work, record, dead
        )
        if np.all(dead):
            break
    return state


def fitting_step(h: float, left: float) -> float:
    """The step that comes to the end of a segment without a remainder much shorter than itself."""
    if 1.01 * h >= left:
        return left
    return min(h, 0.5 * left) if 2.0 * h > left else h


def _freeze(stuck: NDArray[np.bool_], time: float, record: Record, dead: NDArray[np.bool_]) -> None:
    """Write down when lanes stopped and leave them as they are."""
    for lane in range(len(dead)):
        if stuck[lane] and not dead[lane]:
            dead[lane] = True
            record.failed_at[lane] = time


def _segment(
    problem: tuple[Any, Any, Any], settle: Callable[..., Any], method: Tableau, knots: FloatArray, segment: int,
    span: float, state: FloatArray, control: Control, data: Any, work: Any, record: Record, dead: NDArray[np.bool_],
) -> FloatArray:  # fmt: skip
    time, end = knots[segment], knots[segment + 1]
    h = min(FIRST_STEP * span, end - time, control.longest)
    first = problem[0](segment, time, state, data, work)
    fresh_step, steps = True, 0
    while end - time > 1e-12 * span:
        steps += 1
        h = fitting_step(min(h, control.longest), end - time)
        new, error = attempt(problem, method, segment, time, h, state, first, data, work)
        norm = np.where(dead, 0.0, error_norm(error, state, new, control))
        admissible = settle(state, new, data) | dead
        worst = norm.max()
        if worst <= 1.0 and np.all(admissible):
            time = end if end - time - h <= 1e-12 * span else time + h
            state = np.where(dead.reshape(-1, 1), state, new)
            stored = _store(record, time, segment, state)
            record.counts[1] += 1
            first = problem[0](segment, time, state, data, work)
            growth = SAFETY * max(worst, 1e-10) ** (-1.0 / method.order)
            h *= min(1.0 if not fresh_step else MOST_FACTOR, max(LEAST_FACTOR, growth))
            fresh_step = True
            if not stored:
                steps = control.most_steps + 1
        else:
            record.counts[2] += 1
            fresh_step = False
            shrink = SAFETY * worst ** (-1.0 / method.order) if worst < np.inf else LEAST_FACTOR
            h *= max(LEAST_FACTOR, min(shrink, 0.5 if not np.all(admissible) else 0.9))
        if h < SMALLEST_STEP * span or steps > control.most_steps:
            stuck = (norm > 1.0) | ~admissible | (steps > control.most_steps)
            _freeze(stuck, time, record, dead)
            if np.all(dead):
                break
            h, steps = FIRST_STEP * span, 0
            first = problem[0](segment, time, state, data, work)
    return state
