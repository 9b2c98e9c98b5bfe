"""Share of lithium between layered, spinel and rock salt in one place, at equal chemical potential.

At one temperature and oxygen potential each phase p has mu_p(u) = dg_p/du - n_p' mu_O + ln[u/(1 - u)] (over RT). Its
inverse u_p(mu) and its grand potential omega_p = g_p + mixing - n_p mu_O - mu u_p, with d(omega_p)/d(mu) = -u_p, are
tabulated on an even grid of mu. In a cell with total lithium u the potential follows from sum_p f_p u_p(mu) = u.
A conversion is driven by the fall of omega, so that coexisting phases meet at their common tangent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

FloatArray = NDArray[np.float64]

LITHIUM_EDGE = 1.0e-6
GRID_POINTS = 1201
GRID_HALF_RANGE = 100.0
LOGIT_POINTS = 601
MOST_ITERATIONS = 60


@dataclass(frozen=True)
class PartitionTable:
    """Cubic pieces of u_p and omega_p (second axis: three phases) over mu/RT - ``start`` in steps of ``step``.

    ``lithium`` and ``omega`` have shape (4 powers, 3 phases, pieces).
    """

    start: float
    step: float
    lithium: FloatArray
    omega: FloatArray

    def _piece(self, potential: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
        position = np.clip((potential - self.start) / self.step, 0.0, self.lithium.shape[2] - 1e-9)
        index = position.astype(np.intp)
        return index, position - index

    def contents(self, potential: FloatArray) -> tuple[FloatArray, FloatArray]:
        """u of the three phases (first axis) at mu/RT, and its derivative in mu/RT."""
        index, d = self._piece(potential)
        c = self.lithium[:, :, index]
        value = ((c[0] * d + c[1]) * d + c[2]) * d + c[3]
        return value, ((3.0 * c[0] * d + 2.0 * c[1]) * d + c[2]) / self.step

    def grand_potentials(self, potential: FloatArray) -> FloatArray:
        """omega/RT of the three phases (first axis) at mu/RT."""
        index, d = self._piece(potential)
        c = self.omega[:, :, index]
        return np.asarray(((c[0] * d + c[1]) * d + c[2]) * d + c[3])

    def potential(
        self, lithium: FloatArray, fractions: FloatArray, *, guess: FloatArray | None = None
    ) -> FloatArray:
        """mu/RT (...) at which phases with ``fractions`` (3, ...) together hold ``lithium`` (...).

        Newton's method inside a bracket; sum_p f_p u_p(mu) rises with mu. ``guess`` (broadcast) only saves steps.
        """
        share = np.maximum(fractions, 0.0)
        share = share / share.sum(axis=0)
        target = np.clip(lithium, LITHIUM_EDGE, 1.0 - LITHIUM_EDGE)
        low = np.full(target.shape, self.start)
        high = low + self.step * self.lithium.shape[2]
        guess = np.broadcast_to(self._guess(target, share) if guess is None else guess, target.shape)
        guess = np.clip(guess, low, high)
        for _ in range(MOST_ITERATIONS):
            content, slope = self.contents(guess)
            miss = (share * content).sum(axis=0) - target
            if np.all(np.abs(miss) <= 2e-14):
                break
            high = np.where(miss > 0.0, guess, high)
            low = np.where(miss < 0.0, guess, low)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                newton = guess - miss / (share * slope).sum(axis=0)
            inside = np.isfinite(newton) & (newton > low) & (newton < high)
            moved = np.where(inside, newton, 0.5 * (low + high))
            moved = np.where(miss == 0.0, guess, moved)
            if np.all(np.abs(moved - guess) <= 1e-14 * np.maximum(1.0, np.abs(guess))):
                break
            guess = moved
        return np.asarray(guess)

    def _guess(self, target: FloatArray, share: FloatArray) -> FloatArray:
        """Start from the phase that holds most of the cell."""
        grid = self.start + self.step * np.arange(self.lithium.shape[2])
        most = np.argmax(share, axis=0)
        guess = np.empty(target.shape)
        for phase in np.unique(most):
            chosen = most == phase
            guess[chosen] = np.interp(target[chosen], self.lithium[3, phase], grid)
        return guess


def make_partition(
    slopes: FloatArray, values: FloatArray, oxygen: tuple[FloatArray, FloatArray], oxygen_potential: float
) -> PartitionTable:
    """Tabulate u_p(mu) and omega_p(mu).

    ``slopes``, ``values`` (3, n): d(g_p/RT)/du and g_p/RT on the lithium contents of :func:`lithium_knots`;
    ``oxygen``: n_p and n_p' there; ``oxygen_potential`` mu_O/RT. Where mu_p falls with u (unmixing) it is held.
    """
    lithium, logit = lithium_knots()
    content, content_slope = oxygen
    mixing = xlogy(lithium, lithium) + xlogy(1.0 - lithium, 1.0 - lithium)
    potential = slopes - content_slope * oxygen_potential + logit
    potential = np.maximum.accumulate(potential, axis=1)
    middle = float(np.median(potential[0]))
    grid = np.linspace(middle - GRID_HALF_RANGE, middle + GRID_HALF_RANGE, GRID_POINTS)
    step = float(grid[1] - grid[0])
    share = np.stack([_inverse(grid, row, logit) for row in potential])
    omega = np.empty_like(share)
    free = values + mixing - content * oxygen_potential
    for phase in range(3):
        held = np.clip(share[phase], LITHIUM_EDGE, 1.0 - LITHIUM_EDGE)
        omega[phase] = np.interp(held, lithium, free[phase]) - grid * held
    return PartitionTable(
        float(grid[0]),
        step,
        _hermite(share, np.gradient(share, step, axis=1), step),
        _hermite(omega, -share, step),
    )


def lithium_knots() -> tuple[FloatArray, FloatArray]:
    """Lithium contents even in ln[u/(1 - u)], from 1e-6 to 1 - 1e-6, and that logarithm."""
    edge = float(np.log((1.0 - LITHIUM_EDGE) / LITHIUM_EDGE))
    logit = np.linspace(-edge, edge, LOGIT_POINTS)
    return 1.0 / (1.0 + np.exp(-logit)), logit


def _inverse(grid: FloatArray, potential: FloatArray, logit: FloatArray) -> FloatArray:
    rising = potential + 1e-12 * np.arange(len(potential))
    inside = np.interp(grid, rising, logit)
    beyond = np.maximum(grid - rising[-1], 0.0) + np.minimum(grid - rising[0], 0.0)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(inside + beyond, -500.0, 500.0))))


def _hermite(value: FloatArray, slope: FloatArray, step: float) -> FloatArray:
    left, right = value[:, :-1], value[:, 1:]
    a, b = slope[:, :-1] * step, slope[:, 1:] * step
    return np.stack([2.0 * (left - right) + a + b, 3.0 * (right - left) - 2.0 * a - b, a, left])
