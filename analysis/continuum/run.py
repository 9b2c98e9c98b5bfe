"""Integrate a batch of composites through the furnace programme."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.constants import zero_Celsius

from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.continuum.lanes import Batch, Lanes
from cosinter.analysis.continuum.linearised import prepare, solve
from cosinter.analysis.continuum.rates import OUTFLOW, STOICHIOMETRY, rates, reservoirs_of
from cosinter.analysis.continuum.rosenbrock import RODAS, Control, Record, integrate, make_record

FloatArray = NDArray[np.float64]

SLACK = 1.0e-6  # how far lithium may stay outside 0..1
SLACK_PER_ERROR = 10.0  # how far a step may leave the admissible range, per absolute error of a step
LONGEST_SHARE = 0.02  # of the programme in one step, for curves over time
LONGEST_BLIND_SHARE = 0.1  # where the end alone is asked for
MOST_STEPS = 4_000
TRIES = (1.0, 0.1, 0.01)  # of the tolerance, one after the other for a run that stops
ABSOLUTE_PER_RELATIVE = 0.03


def initial_state(lanes: Lanes) -> FloatArray:
    """Layered grains of even lithium content; all extents zero."""
    n = len(lanes.volumes)
    state = np.zeros((len(lanes.radius), 3 * n + STOICHIOMETRY.shape[1]))
    state[:, :n] = lanes.initial_lithium
    return state


def slack(control: Control) -> float:
    """How far a step within its error may leave the admissible range before it is tried again."""
    return max(SLACK, SLACK_PER_ERROR * control.absolute)


def settle(old: FloatArray, new: FloatArray, lanes: Lanes, *, slack: float = SLACK) -> NDArray[np.bool_]:
    """Mend what an accepted step left outside the admissible range; False for lanes (L) that left it by more than ``slack``.

    Fractions are cut to 0..1 (they hold no lithium of their own); lithium that a shell cannot hold goes to its
    neighbours; salt that was overdrawn goes back from where the step took it to, and the round-off of the lithium balance
    is spread over the grain, so that nothing is lost. Lithium per metal may stay within 1e-6 of 0..1.
    """
    n = len(lanes.volumes)
    lithium, spinel, salt = new[:, :n], new[:, n : 2 * n], new[:, 2 * n : 3 * n]
    fullness = np.maximum(-lithium, lithium - 1.0).max(axis=1)
    outside = np.maximum(np.maximum(-spinel, -salt), spinel + salt - 1.0).max(axis=1)
    held = reservoirs_of(lanes, new[:, 3 * n :])
    admissible = np.ones(len(new), dtype=np.bool_)
    for lane in range(len(new)):
        overdrawn = -held[:3, lane].min()
        overfull = held[3, lane] / lanes.vertices[-1] - 1.0
        worst = max(fullness[lane], outside[lane], overdrawn)
        if not (worst <= slack and overfull <= SLACK):
            admissible[lane] = False
            continue
        if outside[lane] > 0.0:
            settle_fractions(new[lane], n)
        if overdrawn > 0.0:
            settle_salts(old[lane], new[lane], lanes.doses[lane], lanes.volumes)
        if fullness[lane] > SLACK or overdrawn > 0.0:
            settle_lithium(new[lane], lanes.volumes)
        surplus = lithium_surplus(new[lane], lanes.volumes, float(lanes.initial_lithium[lane, 0]))
        if abs(surplus) > SLACK:
            admissible[lane] = False
        new[lane, :n] -= surplus
    return admissible


def settle_lithium(state: FloatArray, volumes: FloatArray) -> None:
    """Hand lithium below 0 or above 1 per metal to the next shells of one lane, inwards and then outwards.

    What the whole grain cannot hold goes back to the salt that gave the most, what it lacks comes from the
    electrolyte.
    """
    if np.abs(state[: len(volumes)] - 0.5).max() <= 0.5 + SLACK:
        return
    n, carried = len(volumes), 0.0
    for place in range(2 * n):
        cell = n - 1 - place if place < n else place - n
        held = state[cell] + carried / volumes[cell]
        state[cell] = min(max(held, 0.0), 1.0)
        carried = (held - state[cell]) * volumes[cell]
    if carried < 0.0:  # what an empty grain gave too much comes back from the electrolyte
        state[3 * n + 9] += 0.5 * carried
        return
    giver = 3 * n + 3
    for salt in range(1, 3):
        if state[3 * n + 3 + salt] > state[giver]:
            giver = 3 * n + 3 + salt
    state[giver] -= 0.5 * carried


def lithium_surplus(state: FloatArray, volumes: FloatArray, initial: float) -> float:
    """Li in grain, salts, electrolyte and vapour less what there was at the start, mol per mol metal.

    Not zero by the round-off of fast diffusion alone (1e-10 where it is 1e9 times faster than the firing). ``state`` (m)
    of one lane, shares ``volumes`` (N) of its shells, ``initial`` Li per metal of the grain.
    """
    n = len(volumes)
    total = -initial
    for cell in range(n):
        total += volumes[cell] * state[cell]
    for number in range(STOICHIOMETRY.shape[1]):
        total += OUTFLOW[number] * state[3 * n + number]
    return float(total)


def settle_fractions(state: FloatArray, n: int) -> None:
    """Cut the fractions of one lane to 0..1 in place."""
    for cell in range(n):
        spinel, salt = max(state[n + cell], 0.0), max(state[2 * n + cell], 0.0)
        total = max(spinel + salt, 1.0)
        state[n + cell], state[2 * n + cell] = spinel / total, salt / total


def settle_salts(old: FloatArray, new: FloatArray, doses: FloatArray, volumes: FloatArray) -> None:
    """Scale back what a step of one lane drew from a salt beyond what was there.

    Thrice, as the salts turn into each other; what is still missing then comes from the grain.
    """
    n, first = len(volumes), 3 * len(volumes)
    for turn in range(12):
        salt = turn % 3
        left, drawn = doses[salt], 0.0
        for number in range(STOICHIOMETRY.shape[1]):
            weight = STOICHIOMETRY[salt, number]
            left += weight * new[first + number]
            drawn -= min(weight * (new[first + number] - old[first + number]), 0.0)
        if left < 0.0 and turn >= 9:
            new[first + 3 + salt] += 0.5 * left
            new[n - 1] += left / volumes[n - 1]
        if left >= 0.0 or drawn <= 0.0 or turn >= 9:
            continue
        part = min(-left / drawn, 1.0)
        for number in range(STOICHIOMETRY.shape[1]):
            change = new[first + number] - old[first + number]
            if STOICHIOMETRY[salt, number] * change < 0.0:
                new[first + number] -= part * change
                if OUTFLOW[number] != 0.0:
                    new[n - 1] += OUTFLOW[number] * part * change / volumes[n - 1]


def advance(
    lanes: Lanes, state: FloatArray, guess: FloatArray, control: Control, record: Record
) -> FloatArray:
    """Integrate all lanes to the end of the programme."""
    problem = (rates, prepare, solve)
    mend = partial(settle, slack=slack(control))
    return integrate(problem, mend, RODAS, lanes.knots, state, control, lanes, guess, record)


@dataclass(frozen=True, eq=False)
class Run:
    """The end ``state`` (L, m) of a batch and its record (all accepted steps, or the end alone)."""

    state: FloatArray
    record: Record


def compiled_model() -> bool:
    """Whether numba (extra ``fast``) is there to run the compiled model."""
    from importlib.util import find_spec

    return find_spec("numba") is not None


def run_batch(
    batch: Batch,
    *,
    tolerance: float,
    every_step: bool = False,
    threads: int = 1,
    compiled: bool | None = None,
) -> Run:
    """Integrate all lanes; lanes that cannot go on have their time in ``record.failed_at``.

    ``compiled`` code (the default where numba is installed) gives every lane its own steps and runs ``threads`` lanes at
    once; the array code takes common steps. Every step is kept for a batch of one lane only.
    """
    lanes = batch.lanes
    state = initial_state(lanes)
    record = make_record(len(state), state.shape[1], MOST_STEPS if every_step else 1)
    span = float(lanes.knots[-1] - lanes.knots[0])
    longest = (LONGEST_SHARE if every_step else LONGEST_BLIND_SHARE) * span
    control = Control(tolerance, ABSOLUTE_PER_RELATIVE * tolerance, longest, MOST_STEPS, batch.cells)
    if compiled_model() if compiled is None else compiled:
        from cosinter.analysis.continuum.compiled.batch import integrate as integrate_lanes

        integrate_lanes(lanes, state, control, record, threads=threads)
        return Run(state, record)
    guess = np.zeros((len(state), batch.cells))
    with np.errstate(all="ignore"):
        return Run(advance(lanes, state, guess, control, record), record)


def failure(case: SinterCase, time: float) -> str:
    """What to say of a run that stopped at ``time`` (s)."""
    temperature = float(case.furnace.temperature(time)) - zero_Celsius
    return (
        f"case {case.name}: the continuum model stopped at t = {time:.6g} s ({temperature:.1f} °C), where its steps "
        "became too short; look for extreme rates among the parameters, or change the number of cells or the tolerance"
    )
