"""RODAS for one lane with steps of its own: see ``rosenbrock.py`` one floor up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numba
import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum import rosenbrock, run
from cosinter.analysis.continuum.compiled.linear import (
    prepare,
    set_grain,
    set_rates,
    set_reservoirs,
    solve,
)
from cosinter.analysis.continuum.compiled.numbers import FloatArray, Function, Shared, Work, compiled, inlined
from cosinter.analysis.continuum.rosenbrock import (
    FIRST_STEP,
    LEAST_FACTOR,
    MOST_FACTOR,
    RODAS,
    SAFETY,
    SMALLEST_STEP,
    TIME_NUDGE,
    Control,
)
from cosinter.analysis.continuum.run import SLACK

STAGES, ORDER, GAMMA = len(RODAS.new), RODAS.order, RODAS.gamma
A, C, ALPHA, SLOPE, NEW, ERROR = RODAS.a, RODAS.c, RODAS.alpha, RODAS.slope, RODAS.new, RODAS.error

fitting_step = compiled(rosenbrock.fitting_step)
settle_fractions = compiled(run.settle_fractions)
settle_lithium = compiled(run.settle_lithium)
settle_salts = compiled(run.settle_salts)
lithium_surplus = compiled(run.lithium_surplus)
slack = compiled(run.slack)


class Steps(NamedTuple):
    """Room for the stages of a step and for the accepted steps (C rows; with C = 1 the last alone).

    ``counts``: stored rows, steps, rejected steps.
    """

    k: FloatArray  # (stages, m)
    first: FloatArray  # (m), and so on
    drift: FloatArray
    moved: FloatArray
    right: FloatArray
    new: FloatArray
    times: FloatArray
    segments: NDArray[np.int64]
    states: FloatArray
    counts: NDArray[np.int64]


def steps_room(size: int, times: FloatArray, segments: NDArray[np.int64], states: FloatArray) -> Steps:
    """Room for ``size`` unknowns that writes accepted steps to the arrays given."""
    first, drift, moved, right, new = np.zeros((5, size))
    counts = np.zeros(3, dtype=np.int64)
    return Steps(np.zeros((STAGES, size)), first, drift, moved, right, new, times, segments, states, counts)


@compiled
def _store(steps: Steps, time: float, segment: int, state: FloatArray) -> bool:
    rows = len(steps.times)
    if rows > 1 and steps.counts[0] >= rows:
        return False
    row = min(steps.counts[0], rows - 1)
    steps.times[row], steps.segments[row] = time, segment
    steps.states[row] = state
    steps.counts[0] += 1
    return True


@compiled
def _attempt(
    shared: Shared, lane: Any, shifts: FloatArray, segment: int, time: float, h: float, state: FloatArray,
    again: bool, work: Work, steps: Steps,
) -> None:  # fmt: skip
    """One step into ``steps.new`` with its error in ``steps.right``.

    ``again`` after a rejected step; otherwise the rates at ``state`` were the last to be evaluated.
    """
    k, right, moved, size = steps.k, steps.right, steps.moved, len(state)
    scale, nudge = 1.0 / (GAMMA * h), TIME_NUDGE * h
    if again:
        set_grain(shared, lane, shifts, segment, time, state, work)
    prepare(shared, lane, scale, state, work)
    changing = shared.knot_temperatures[segment] != shared.knot_temperatures[segment + 1]
    if changing:
        set_rates(shared, lane, shifts, segment, time + nudge, state, work, moved)
    for i in range(size):
        steps.drift[i] = (moved[i] - steps.first[i]) / nudge if changing else 0.0
    right[:] = steps.first
    for stage in range(STAGES):
        if stage > 0:
            moved[:] = state
            _add(A[stage], k, stage, 1.0, moved)
            set_rates(shared, lane, shifts, segment, time + ALPHA[stage] * h, moved, work, right)
        for i in range(size):
            right[i] += SLOPE[stage] * h * steps.drift[i]
        _add(C[stage], k, stage, 1.0 / h, right)
        solve(shared, lane, scale, right, work, k[stage])
    steps.new[:] = state
    _add(NEW, k, STAGES, 1.0, steps.new)
    right[:] = 0.0
    _add(ERROR, k, STAGES, 1.0, right)


@inlined
def _add(weights: FloatArray, k: FloatArray, stages: int, factor: float, to: FloatArray) -> None:
    """Add the weighted sum of the first ``stages`` rows of ``k``."""
    for stage in range(stages):
        weight = factor * weights[stage]
        if weight != 0.0:
            for i in range(len(to)):
                to[i] += weight * k[stage, i]


@compiled
def _error_norm(old: FloatArray, new: FloatArray, error: FloatArray, control: Control) -> float:
    """Root mean square of the error over its tolerance; infinite where it is not a number."""
    total, size = 0.0, len(old)
    for i in range(size):
        large = max(abs(old[i]), abs(new[i]))
        if i < control.bounded:
            large = max(min(abs(old[i]), abs(1.0 - old[i])), min(abs(new[i]), abs(1.0 - new[i])))
        ratio = error[i] / (control.absolute + control.relative * large)
        total += ratio * ratio
    norm = np.sqrt(total / size)
    return float(norm) if np.isfinite(norm) else np.inf


@compiled
def _settle(shared: Shared, lane: Any, old: FloatArray, new: FloatArray, allowed: float) -> bool:
    """As :func:`run.settle`: mend round-off in place; False if the state left the admissible range."""
    n, fullness, outside = len(shared.volumes), 0.0, 0.0
    for cell in range(n):
        lithium, spinel, salt = new[cell], new[n + cell], new[2 * n + cell]
        if not (abs(lithium - 0.5) <= 0.5 + allowed and spinel >= -allowed and salt >= -allowed):
            return False
        fullness = max(fullness, -lithium, lithium - 1.0)
        outside = max(outside, -spinel, -salt, spinel + salt - 1.0)
    held = np.empty(5)
    set_reservoirs(lane, new[3 * n :], held)
    overdrawn = -min(held[0], held[1], held[2])
    if not (outside <= allowed and overdrawn <= allowed and held[3] / shared.vertices[-1] - 1.0 <= SLACK):
        return False
    if outside > 0.0:
        settle_fractions(new, n)
    if overdrawn > 0.0:
        settle_salts(old, new, lane.doses, shared.volumes)
    if fullness > SLACK or overdrawn > 0.0:
        settle_lithium(new, shared.volumes)
    surplus = lithium_surplus(new, shared.volumes, lane.initial_lithium)
    new[:n] -= surplus
    return abs(surplus) <= SLACK


@compiled
def _run_segment(
    shared: Shared, lane: Any, shifts: FloatArray, segment: int, state: FloatArray, work: Work, steps: Steps,
    control: Control,
) -> float:  # fmt: skip
    """Run ``state`` through one segment; the time at which it stopped, NaN if it did not."""
    span = shared.knots[-1] - shared.knots[0]
    time, end = shared.knots[segment], shared.knots[segment + 1]
    h = min(FIRST_STEP * span, end - time, control.longest)
    set_rates(shared, lane, shifts, segment, time, state, work, steps.first)
    held_back, taken = False, 0
    allowed = slack(control)
    while end - time > 1e-12 * span:
        taken += 1
        h = fitting_step(min(h, control.longest), end - time)
        _attempt(shared, lane, shifts, segment, time, h, state, held_back, work, steps)
        norm = _error_norm(state, steps.new, steps.right, control)
        admissible = _settle(shared, lane, state, steps.new, allowed)
        if norm <= 1.0 and admissible:
            time = end if end - time - h <= 1e-12 * span else time + h
            state[:] = steps.new
            steps.counts[1] += 1
            if not _store(steps, time, segment, state):
                return float(time)
            set_rates(shared, lane, shifts, segment, time, state, work, steps.first)
            growth = SAFETY * max(norm, 1e-10) ** (-1.0 / ORDER)
            h *= min(1.0 if held_back else MOST_FACTOR, max(LEAST_FACTOR, growth))
            held_back = False
        else:
            steps.counts[2] += 1
            held_back = True
            shrink = SAFETY * norm ** (-1.0 / ORDER) if norm < np.inf else LEAST_FACTOR
            h *= max(LEAST_FACTOR, min(shrink, 0.9 if admissible else 0.5))
        if h < SMALLEST_STEP * span or taken > control.most_steps:
            return float(time)
    return np.nan


def lane_runner(sources: str) -> Callable[..., float]:
    """The function that runs one lane; its machine code is kept on disk for as long as ``sources`` (a hash) holds."""

    @cast(Callable[[Function], Function], numba.njit(error_model="numpy", nogil=True, cache=True))
    def run_lane(
        shared: Shared, lanes: Any, plateau_shifts: FloatArray, number: int, state: FloatArray, work: Work,
        steps: Steps, control: Control,
    ) -> float:  # fmt: skip
        """Run ``state`` (m) of one lane through the programme in place; the time at which it stopped, NaN if it ended."""
        _ = sources
        lane, shifts = lanes[number], plateau_shifts[number]
        _store(steps, shared.knots[0], 0, state)
        for segment in range(len(shared.knots) - 1):
            stopped = _run_segment(shared, lane, shifts, segment, state, work, steps, control)
            if not np.isnan(stopped):
                return stopped
        return float(np.nan)

    return run_lane
