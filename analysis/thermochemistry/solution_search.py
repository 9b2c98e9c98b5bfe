"""Lowest point of a solution under a tangent plane, for many planes at once, with a bound that cannot be beaten.

For planes r [k, members] minimise over the amounts x of the end members (x_i >= 0, sum 1)

    f(x) = r . x + G_mix(x, T).

Newton steps in ln x (one step is exact for ideal mixing on one site), damped as in Levenberg and Marquardt until f
falls. For a convex f the gap
x . f' - min_i f'_i bounds what is left (Frank and Wolfe, doi 10.1002/nav.3800030109), so ``bounds`` holds whether or
not the steps have converged. Where interactions make f concave along some forms s = l . x, each range of s is cut into
intervals and -|w| s^2 replaced by its secant there: below f inside the interval, above f outside, hence never below
the lowest point by more than |w| h^2 / 4; the best of the convex problems is a global minimum with its bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.constants import R

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.solution_models import NEGLIGIBLE, Solution

#: Secants may lie this far below a concave interaction, J/mol.
SECANT_J = 0.1
_ROUNDS = 100
_MOST_INTERVALS = 1024
_LEAST_DAMPING = 0.02
_LARGEST_STEP = 40.0
#: Amounts never fall below this, so that an end member can come back within a few steps (costs < 1e-3 J/mol).
_FLOOR = 1e-9


@dataclass(frozen=True, eq=False)
class Lowest:
    """Lowest points: amounts [k, members], f there [k], and a value [k] that f nowhere falls below, J/mol.

    Where a bound reached ``enough``, the search stopped there.
    """

    amounts: FloatArray
    values: FloatArray
    bounds: FloatArray


@dataclass(frozen=True, eq=False)
class _Objective:
    """f with concave squares (forms, weights < 0) left out; ``secants`` stand for them in the planes."""

    solution: Solution
    temperature_K: float
    forms: FloatArray
    weights: FloatArray

    def value(self, planes: FloatArray, x: FloatArray) -> FloatArray:
        mixing = self.solution.mixing(x, self.temperature_K) - (x @ self.forms.T) ** 2 @ self.weights
        return np.asarray(np.einsum("ki,ki->k", planes, x) + mixing, dtype=np.float64)

    def slopes(self, planes: FloatArray, x: FloatArray) -> FloatArray:
        concave = 2.0 * ((x @ self.forms.T) * self.weights) @ self.forms
        return np.asarray(planes + self.solution.mixing_slopes(x, self.temperature_K) - concave)

    def curvature(self, x: FloatArray) -> FloatArray:
        concave = 2.0 * np.einsum("q,qi,qj->ij", self.weights, self.forms, self.forms)
        return np.asarray(self.solution.curvature(x, self.temperature_K) - concave)


def find_lowest(
    solution: Solution,
    planes: FloatArray,
    temperature_K: float,
    *,
    start: FloatArray,
    tolerance_J: float,
    enough_J: float,
) -> Lowest:
    """Minimise f for each plane.

    Parameters
    ----------
    planes : r, J/mol, shape [k, members]
    start : amounts to start from, shape [k, members]
    tolerance_J : gap at which a lane is done
    enough_J : a lane is also done once f is known to lie nowhere below this
    """
    if solution.convex(temperature_K):
        objective = _Objective(solution, temperature_K, np.zeros((0, start.shape[1])), np.zeros(0))
        x, bounds = _descend(objective, planes, start, tolerance_J, enough_J)
    else:
        x, bounds = _partitioned(solution, planes, temperature_K, start, tolerance_J, enough_J)
    x = np.where(x < NEGLIGIBLE, 0.0, x)
    x = x / x.sum(axis=1, keepdims=True)
    values = np.einsum("ki,ki->k", planes, x) + solution.mixing(x, temperature_K)
    return Lowest(x, values, np.minimum(bounds, values))


def _partitioned(
    solution: Solution,
    planes: FloatArray,
    temperature_K: float,
    start: FloatArray,
    tolerance_J: float,
    enough_J: float,
) -> tuple[FloatArray, FloatArray]:
    forms, weights = solution.squares(temperature_K)
    forms, weights = forms[weights < 0.0], weights[weights < 0.0]
    tilts, levels = _secants(forms, weights)
    count, size = planes.shape
    pieces = len(levels)
    objective = _Objective(solution, temperature_K, forms, weights)
    everywhere = (planes[:, None, :] + tilts[None, :, :]).reshape(-1, size)
    shift = np.tile(levels, count)
    x, bounds = _descend(
        objective, everywhere, np.repeat(start, pieces, axis=0), tolerance_J, enough_J - shift
    )
    bounds = (bounds + shift).reshape(count, pieces).min(axis=1)
    x = x.reshape(count, pieces, size)
    mixing = solution.mixing(x.reshape(-1, size), temperature_K).reshape(count, pieces)
    values = np.einsum("ki,kpi->kp", planes, x) + mixing
    return x[np.arange(count), values.argmin(axis=1)], bounds


def _secants(forms: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Secants of sum_q w_q s_q^2 (w_q < 0) over all cells: tilts [cells, members] and levels [cells], J/mol.

    On a <= s <= b the secant of s^2 is (a + b) s - a b.
    """
    spans = [(float(form.min()), float(form.max())) for form in forms]
    wanted = [
        max(1, int(np.ceil((high - low) / np.sqrt(4.0 * SECANT_J / -weight))))
        for (low, high), weight in zip(spans, weights, strict=True)
    ]
    shrink = min(1.0, (_MOST_INTERVALS / float(np.prod(wanted))) ** (1.0 / max(1, len(wanted))))
    edges = [
        np.linspace(low, high, 1 + max(1, int(number * shrink)))
        for (low, high), number in zip(spans, wanted, strict=True)
    ]
    tilts, levels = [], []
    for cell in product(*(range(len(edge) - 1) for edge in edges)):
        tilt, level = np.zeros(forms.shape[1]), 0.0
        for form, weight, edge, i in zip(forms, weights, edges, cell, strict=True):
            tilt = tilt + weight * (edge[i] + edge[i + 1]) * form
            level -= float(weight * edge[i] * edge[i + 1])
        tilts.append(tilt)
        levels.append(level)
    return np.asarray(tilts), np.asarray(levels)


def _descend(
    objective: _Objective,
    planes: FloatArray,
    start: FloatArray,
    tolerance_J: float,
    enough_J: float | FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Minimise the convex objective for each lane; amounts [k, members] and lower bounds [k]."""
    count, size = start.shape
    x = 0.999 * start + 0.001 / size
    bounds = np.full(count, -np.inf)
    enough = np.broadcast_to(np.asarray(enough_J, dtype=np.float64), (count,))
    active, damping = np.arange(count), np.full(count, _LEAST_DAMPING)
    for _ in range(_ROUNDS):
        here, plane = x[active], planes[active]
        slopes = objective.slopes(plane, here)
        values = objective.value(plane, here)
        gaps = np.einsum("ki,ki->k", here, slopes) - slopes.min(axis=1)
        bounds[active] = np.maximum(bounds[active], values - gaps)
        going = (gaps > tolerance_J) & (bounds[active] < enough[active])
        if not going.any():
            break
        active = active[going]
        step = _newton(objective, here[going], slopes[going], damping[active])
        trial = here[going] * np.exp(step)
        trial = np.maximum(trial / trial.sum(axis=1, keepdims=True), _FLOOR)
        trial /= trial.sum(axis=1, keepdims=True)
        better = objective.value(plane[going], trial) < values[going]
        x[active[better]] = trial[better]
        damping[active] = np.where(
            better, np.maximum(damping[active] / 10.0, _LEAST_DAMPING), damping[active] * 5.0
        )
    return x, bounds


def _newton(objective: _Objective, x: FloatArray, slopes: FloatArray, damping: FloatArray) -> FloatArray:
    """Step of ln x: Newton on the simplex with an entropic proximal term, damping times R T sum x ln x."""
    thermal = R * objective.temperature_K
    root = np.sqrt(x)
    matrix = objective.curvature(x) * root[:, :, None] * root[:, None, :]
    diagonal = np.arange(x.shape[1])
    matrix[:, diagonal, diagonal] += thermal * damping[:, None]
    sides = np.stack([-root * slopes, root], axis=2)
    solved = np.linalg.solve(matrix, sides)
    inside, along = np.einsum("ki,kij->jk", root, solved)
    change = solved[:, :, 0] - (inside / along)[:, None] * solved[:, :, 1]
    return np.asarray(np.clip(change / root, -_LARGEST_STEP, _LARGEST_STEP), dtype=np.float64)
