"""Stiff integration segment by segment with a banded, batched finite-difference Jacobian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.furnace import Gas
from cosinter.data.exceptions import ConvergenceError

if TYPE_CHECKING:
    from cosinter.analysis.continuum.model import Composite

FloatArray = NDArray[np.float64]

ABSOLUTE_PER_RELATIVE = 1.0e-3
RANGE_SLACK = 5.0e-3
MOST_STEPS = 2_000
MOST_EVALUATIONS = 30_000
OUTPUTS = 241


@dataclass(frozen=True)
class Trajectory:
    """``times`` (n) in s, ``states`` (n, m), the gas at each time and what the integration cost."""

    times: FloatArray
    states: FloatArray
    gases: tuple[Gas, ...]
    evaluations: int
    jacobians: int


class _Count:
    def __init__(self) -> None:
        self.evaluations = self.jacobians = 0
        self.time = 0.0


class _Problem:
    """Right-hand side and banded Jacobian of one furnace segment."""

    def __init__(self, composite: Composite, segment: int, count: _Count) -> None:
        from cosinter.analysis.continuum.model import EXTENTS, PER_CELL

        self.composite, self.segment, self.count = composite, segment, count
        self.gas = composite.case.furnace.gases[segment]
        self.lower = len(EXTENTS) + 2 * PER_CELL - 1
        self.upper = len(EXTENTS) + PER_CELL - 1
        size, cells = composite.size, PER_CELL * composite.case.cells
        offset = np.arange(size)[:, None] - np.arange(size)[None, :]
        self.row, self.column = np.nonzero((offset <= self.lower) & (offset >= -self.upper))
        self.colour = np.arange(size) % (3 * PER_CELL)
        self.colour[cells:] = 3 * PER_CELL + np.arange(len(EXTENTS))
        self.moves = self.colour == np.unique(self.colour)[:, None]
        self.sees = self._couplings(size, cells, PER_CELL)[self.row, self.column]

    @staticmethod
    def _couplings(size: int, cells: int, per_cell: int) -> NDArray[np.bool_]:
        """Which rows see which columns: neighbours within the grain, the two outer cells and all extents."""
        cell = np.arange(size) // per_cell
        near = np.abs(cell[:, None] - cell[None, :]) <= 1
        outer = np.arange(size) >= cells - 2 * per_cell
        near[outer[:, None] & outer[None, :]] = True
        extent = np.arange(size) >= cells
        near[(~outer[:, None] & extent[None, :]) | (extent[:, None] & ~outer[None, :])] = False
        return np.asarray(near)

    def _conditions(self, time: float):  # type: ignore[no-untyped-def]
        temperature = self.composite.case.furnace.segment_temperature(self.segment, time)
        return self.composite.conditions(temperature, self.gas)

    def __call__(self, time: float, state: FloatArray) -> FloatArray:
        self.count.evaluations += 1
        self.count.time = time
        if not np.all(np.isfinite(state)):
            return np.full_like(state, np.nan)  # the solver gives the step up, integrate() says where
        return self.composite.rates(self._conditions(time), state)

    def jacobian(self, time: float, state: FloatArray) -> FloatArray:
        """Packed band: packed[i - j + upper, j] = df_i/dy_j, all colour groups in one call."""
        self.count.jacobians += 1
        if not np.all(np.isfinite(state)):
            return np.zeros((self.lower + self.upper + 1, len(state)))
        conditions = self._conditions(time)
        moved = state + 1e-7 * np.maximum(np.abs(state), 1e-3) * self.moves
        own = np.arange(len(state))
        step = moved[self.colour, own] - state
        batch = self.composite.rates(conditions, np.vstack([state, moved]))
        change = (batch[1:] - batch[0])[self.colour[self.column], self.row] / step[self.column]
        packed = np.zeros((self.lower + self.upper + 1, len(state)))
        packed[self.row - self.column + self.upper, self.column] = change * self.sees
        return packed


def output_times(composite: Composite) -> FloatArray:
    """About 240 even times and every knot of the programme (s)."""
    furnace = composite.case.furnace
    even = np.linspace(0.0, furnace.duration_s, OUTPUTS)
    return np.unique(np.concatenate([even, np.asarray(furnace.times_s)]))


def integrate(composite: Composite) -> Trajectory:
    """Run all segments of the programme.

    Raises
    ------
    ConvergenceError
        The solver stopped early, or a state is no longer finite or left 0..1 by more than the slack of the time
        integration; names time and temperature.
    """
    furnace = composite.case.furnace
    wanted = output_times(composite)
    count = _Count()
    state = composite.initial_state()
    times, states, gases = [np.zeros(1)], [state[None]], [furnace.gases[0]]
    for segment, (start, end) in enumerate(zip(furnace.times_s[:-1], furnace.times_s[1:], strict=True)):
        inside = wanted[(wanted > start) & (wanted <= end)]
        chunk = _segment(_Problem(composite, segment, count), (start, end), state, inside)
        times.append(inside)
        states.append(chunk)
        gases.extend([furnace.gases[segment]] * len(inside))
        state = chunk[-1].copy()
    return Trajectory(
        np.concatenate(times), np.concatenate(states), tuple(gases), count.evaluations, count.jacobians
    )


def _broken(problem: _Problem, stepper: Any, row: FloatArray) -> bool:
    too_many = problem.count.evaluations > MOST_EVALUATIONS
    if too_many or not stepper.successful() or not np.all(np.isfinite(row)):
        return True
    lithium, spinel, rock_salt = problem.composite.cells(row)
    shares = np.stack([lithium, spinel, rock_salt, 1.0 - spinel - rock_salt])
    return bool(shares.min() < -RANGE_SLACK or shares.max() > 1.0 + RANGE_SLACK)


def _segment(
    problem: _Problem, span: tuple[float, float], state: FloatArray, wanted: FloatArray
) -> FloatArray:
    import warnings

    from scipy.integrate import ode

    stepper = ode(problem, problem.jacobian).set_integrator(
        "vode",
        method="bdf",
        rtol=problem.composite.case.tolerance,
        atol=ABSOLUTE_PER_RELATIVE * problem.composite.case.tolerance,
        lband=problem.lower,
        uband=problem.upper,
        nsteps=MOST_STEPS,
    )
    stepper.set_initial_value(state, span[0])
    rows = np.empty((len(wanted), len(state)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for row, time in zip(rows, wanted, strict=True):
            row[:] = stepper.integrate(time)
            if _broken(problem, stepper, row):
                temperature = float(problem.composite.case.furnace.temperature(stepper.t))
                raise ConvergenceError(
                    f"the continuum model stopped at t = {stepper.t:.6g} s (T = {temperature:.1f} K) on the way to "
                    f"{time:.6g} s after {problem.count.evaluations} evaluations; check the parameters for extreme "
                    "rates, or change the number of cells"
                )
    return rows
