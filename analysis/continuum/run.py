"""Integrate a batch of composites through the furnace programme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import zero_Celsius

from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.continuum.lanes import Batch, Lanes
from cosinter.analysis.continuum.linearised import prepare, solve
from cosinter.analysis.continuum.rates import OUTFLOW, STOICHIOMETRY, rates, reservoirs_of
from cosinter.analysis.continuum.rosenbrock import RODAS, Control, Record, integrate, make_record

FloatArray = NDArray[np.float64]

SLACK = 1.0e-6  # how far a step may leave the admissible range before it is tried again
LONGEST_SHARE = 0.02  # of the programme in one step
MOST_STEPS = 4_000
RETRY = 0.01  # of the tolerance, for a run that stopped
ABSOLUTE_PER_RELATIVE = 0.03


def initial_state(lanes: Lanes) -> FloatArray:
    """Layered grains of even lithium content; all extents zero."""
    n = len(lanes.volumes)
    state = np.zeros((len(lanes.radius), 3 * n + STOICHIOMETRY.shape[1]))
    state[:, :n] = lanes.initial_lithium
    return state


def settle(old: FloatArray, new: FloatArray, lanes: Lanes) -> NDArray[np.bool_]:
    """Mend what an accepted step left outside the admissible range; False for lanes (L) that left it by more than 1e-6.

    Fractions are cut to 0..1 (they hold no lithium of their own); salt that was overdrawn goes back from where the step
    took it to, and the round-off of the lithium balance is spread over the grain, so that nothing is lost. Lithium per
    metal may stay within 1e-6 of 0..1.
    """
    n = len(lanes.volumes)
    lithium, spinel, salt = new[:, :n], new[:, n : 2 * n], new[:, 2 * n : 3 * n]
    outside = np.maximum(np.maximum(-lithium, lithium - 1.0), np.maximum(-spinel, -salt))
    outside = np.maximum(outside, spinel + salt - 1.0)
    held = reservoirs_of(lanes, new[:, 3 * n :])
    admissible = np.ones(len(new), dtype=np.bool_)
    for lane in range(len(new)):
        worst, overdrawn = outside[lane].max(), -held[:3, lane].min()
        overfull = held[3, lane] / lanes.vertices[-1] - 1.0
        if not (worst <= SLACK and overdrawn <= SLACK and overfull <= SLACK):
            admissible[lane] = False
            continue
        if worst > 0.0:
            _settle_fractions(new[lane], n)
        if overdrawn > 0.0:
            _settle_salts(old[lane], new[lane], lanes, lane)
        surplus = lithium_surplus(new[lane], lanes, lane)
        if abs(surplus) > SLACK:
            admissible[lane] = False
        new[lane, :n] -= surplus
    return admissible


def lithium_surplus(state: FloatArray, lanes: Lanes, lane: int) -> float:
    """Li in grain, salts, electrolyte and vapour less what there was at the start, mol per mol metal.

    Not zero by the round-off of fast diffusion alone (1e-10 where it is 1e9 times faster than the firing).
    """
    n = len(lanes.volumes)
    total = -lanes.initial_lithium[lane, 0]
    for cell in range(n):
        total += lanes.volumes[cell] * state[cell]
    for number in range(STOICHIOMETRY.shape[1]):
        total += OUTFLOW[number] * state[3 * n + number]
    return float(total)


def _settle_fractions(state: FloatArray, n: int) -> None:
    for cell in range(n):
        spinel, salt = max(state[n + cell], 0.0), max(state[2 * n + cell], 0.0)
        total = max(spinel + salt, 1.0)
        state[n + cell], state[2 * n + cell] = spinel / total, salt / total


def _settle_salts(old: FloatArray, new: FloatArray, lanes: Lanes, lane: int) -> None:
    """Scale back what a step drew from a salt beyond what was there; thrice, as the salts turn into each other."""
    n = len(lanes.volumes)
    first = 3 * n
    for salt in (0, 1, 2, 0, 1, 2, 0, 1, 2):
        left, drawn = lanes.doses[lane, salt], 0.0
        for number in range(STOICHIOMETRY.shape[1]):
            weight = STOICHIOMETRY[salt, number]
            left += weight * new[first + number]
            drawn -= min(weight * (new[first + number] - old[first + number]), 0.0)
        if left >= 0.0 or drawn <= 0.0:
            continue
        part = min(-left / drawn, 1.0)
        for number in range(STOICHIOMETRY.shape[1]):
            change = new[first + number] - old[first + number]
            if STOICHIOMETRY[salt, number] * change < 0.0:
                new[first + number] -= part * change
                if OUTFLOW[number] != 0.0:
                    new[n - 1] += OUTFLOW[number] * part * change / lanes.volumes[n - 1]


def advance(
    lanes: Lanes, state: FloatArray, guess: FloatArray, control: Control, record: Record
) -> FloatArray:
    """Integrate all lanes to the end of the programme."""
    problem = (rates, prepare, solve)
    return integrate(problem, settle, RODAS, lanes.knots, state, control, lanes, guess, record)


@dataclass(frozen=True, eq=False)
class Run:
    """The end ``state`` (L, m) of a batch and its record (all accepted steps, or the end alone)."""

    state: FloatArray
    record: Record


def run_batch(batch: Batch, *, tolerance: float, every_step: bool = False) -> Run:
    """Integrate all lanes with a common step; lanes that cannot go on have their time in ``record.failed_at``."""
    lanes = batch.lanes
    state = initial_state(lanes)
    record = make_record(len(state), state.shape[1], MOST_STEPS if every_step else 1)
    guess = np.zeros((len(state), batch.cells))
    span = float(lanes.knots[-1] - lanes.knots[0])
    control = Control(tolerance, ABSOLUTE_PER_RELATIVE * tolerance, LONGEST_SHARE * span, MOST_STEPS)
    with np.errstate(all="ignore"):
        return Run(advance(lanes, state, guess, control, record), record)


def failure(case: SinterCase, time: float) -> str:
    """What to say of a run that stopped at ``time`` (s)."""
    temperature = float(case.furnace.temperature(time)) - zero_Celsius
    return (
        f"case {case.name}: the continuum model stopped at t = {time:.6g} s ({temperature:.1f} °C), where its steps "
        "became too short; look for extreme rates among the parameters, or change the number of cells or the tolerance"
    )
