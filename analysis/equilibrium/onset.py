"""Onset: the temperatures where the driving force of a mixture passes a threshold.

    f(T) = max over the kinks of [-dG(T) per atom]   (or -dG per atom at one ratio)

The range is scanned in steps of 10 K, and every change of sign of f - threshold is narrowed to 0.05 K. f need not be
monotonic, so there may be several crossings, and none where the mixture is above or below the threshold throughout.
This is thermodynamics: below the onset nothing has to happen, above it kinetics may still forbid it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM, ZERO_CELSIUS
from cosinter.analysis.equilibrium.scan import MixingLines, make_lines, strongest_kinks
from cosinter.analysis.equilibrium.tableau import BoolArray
from cosinter.analysis.equilibrium.uncertainty import ErrorModel, interval
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, range_warning
from cosinter.analysis.thermochemistry.solution_models import Solution
from cosinter.data.exceptions import InputError

TOLERANCE_K = 0.05
#: Tolerance of the onset of a sample.
SAMPLE_TOLERANCE_K = 1.0
#: Range that is searched unless another is given: 25 to 1200 °C.
RANGE_K = (298.15, 1473.15)
_STEP_K = 10.0


@dataclass(frozen=True, eq=False)
class Crossing:
    """One passage of the threshold.

    Attributes
    ----------
    low_K, high_K : the bracket, not wider than the tolerance
    rises : True where the driving force grows with temperature (an onset), False where it fades
    mole : mole fraction of the first reactant at the crossing (the strongest kink, unless the ratio was fixed)
    warnings : products and reactants used outside the temperatures of their data
    """

    low_K: float
    high_K: float
    rises: bool
    mole: float
    warnings: tuple[str, ...] = ()

    @property
    def temperature(self) -> float:
        """Middle of the bracket, K."""
        return 0.5 * (self.low_K + self.high_K)

    def to_dict(self) -> dict[str, Any]:
        """Give the crossing in °C."""
        return {
            "temperature_C": self.temperature - ZERO_CELSIUS,
            "bracket_C": [self.low_K - ZERO_CELSIUS, self.high_K - ZERO_CELSIUS],
            "rises": self.rises,
            "mole": self.mole,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False)
class Onset:
    """Where |dG| passes the threshold.

    Attributes
    ----------
    threshold_meV_per_atom : as asked
    range_K : searched temperatures
    above_at_start : True where the driving force exceeds the threshold at the low end already
    crossings : ascending
    sampled_K : temperature from which each sample exceeds the threshold: the low end where it always did, NaN
        where it never does; shape [samples], empty without samples
    warnings : those of the crossings, of the low end where the driving force exceeds the threshold there, and
        reactants whose data do not hold over the whole range
    """

    threshold_meV_per_atom: float
    range_K: tuple[float, float]
    above_at_start: bool
    crossings: tuple[Crossing, ...]
    sampled_K: FloatArray
    warnings: tuple[str, ...] = ()

    @property
    def temperature(self) -> float | None:
        """Lowest temperature above the threshold, K: the low end of the range, the first onset, or None."""
        if self.above_at_start:
            return self.range_K[0]
        return next((crossing.temperature for crossing in self.crossings if crossing.rises), None)

    def to_dict(self) -> dict[str, Any]:
        """Give the onset in °C; "sampled" holds the 5 to 95 % interval over the samples that do pass."""
        onset = self.temperature
        result: dict[str, Any] = {
            "threshold_meV_per_atom": self.threshold_meV_per_atom,
            "range_C": [value - ZERO_CELSIUS for value in self.range_K],
            "above_at_start": self.above_at_start,
            "temperature_C": None if onset is None else onset - ZERO_CELSIUS,
            "crossings": [crossing.to_dict() for crossing in self.crossings],
            "warnings": list(self.warnings),
        }
        if self.sampled_K.size:
            passed = self.sampled_K[np.isfinite(self.sampled_K)]
            result["sampled"] = {
                "samples": int(self.sampled_K.size),
                "temperature_C": interval(passed - ZERO_CELSIUS) if passed.size else None,
                "probability_at_start": float(np.mean(self.sampled_K <= self.range_K[0])),
                "probability_never": float(np.mean(np.isnan(self.sampled_K))),
            }
        return result


class _Force:
    """Driving force -dG in meV/atom at any temperatures, one lane each, with errors of the phases added."""

    def __init__(self, lines: MixingLines, mole: float | None) -> None:
        self.lines, self.mole = lines, mole
        self.model = ErrorModel([*lines.problem.library.phases, *lines.forms[0], *lines.forms[1]])
        self.basis = lines.middle_basis()

    def __call__(
        self,
        temperatures_K: FloatArray,
        draws: tuple[FloatArray, FloatArray] | None = None,
        *,
        exact: bool = False,
    ) -> tuple[FloatArray, FloatArray]:
        """Driving force and mole fraction of the ratio it belongs to, shape [lanes] each."""
        temperature = np.asarray(temperatures_K, dtype=np.float64)
        costs, gibbs = self._exact(temperature) if exact else self._read(temperature)
        if draws is not None:
            moved = self.model.gibbs(*draws, temperature)
            costs, gibbs = costs + moved[:, : costs.shape[1]], gibbs + self._reactants(moved, temperature)
        paths = self.lines.walk(costs, self.basis)
        if self.mole is None:
            mole, energy = strongest_kinks(self.lines, paths, gibbs)
            return -energy, mole
        total = np.concatenate([path.value(np.array([self.mole])) for path in paths])
        change = total - gibbs @ np.array([self.mole, 1.0 - self.mole])
        return -change * MEV_PER_ATOM / self.lines.atoms(self.mole), np.full(len(paths), self.mole)

    def warnings(self, temperature_K: float) -> tuple[str, ...]:
        """Products and reactants used outside their data at one temperature."""
        costs, gibbs = self._exact(np.array([temperature_K]))
        (path,) = self.lines.walk(costs, self.basis)
        mole = self.mole
        if mole is None:
            mole = float(strongest_kinks(self.lines, [path], gibbs)[0][0])
        return self.lines.warnings(path, mole, temperature_K)

    def _place(self, temperature: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
        """Scanned temperature above each temperature, and the share of the way to it from the one below."""
        grid = self.lines.temperatures_K
        after = np.clip(np.searchsorted(grid, temperature), 1, len(grid) - 1)
        return after, (temperature - grid[after - 1]) / (grid[after] - grid[after - 1])

    def _read(self, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        """G of all phases [lanes, phases] and of A and B [lanes, 2], J/mol, off straight lines between scanned points.

        They miss the curve by at most (10 K)^2 Cp / 8 T, less than 0.01 meV/atom.
        """
        after, share = self._place(temperature)
        costs, gibbs = self.lines.costs, self.lines.gibbs
        weight = share[:, None]
        return (
            (1.0 - weight) * costs[after - 1] + weight * costs[after],
            (1.0 - weight) * gibbs[after - 1] + weight * gibbs[after],
        )

    def _reactants(self, moved: FloatArray, temperature: FloatArray) -> FloatArray:
        """Errors of the stable forms of A and B out of those of all phases and forms, shape [lanes, 2]."""
        begin = self.lines.costs.shape[1] + np.array([0, len(self.lines.forms[0])])
        return np.take_along_axis(moved, begin + self.lines.stable[self._place(temperature)[0]], axis=1)

    def _exact(self, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        forms = [np.min([p.gibbs(temperature) for p in form], axis=0) for form in self.lines.forms]
        return self.lines.problem.costs_at(temperature), np.stack(forms, axis=1)


def onset_temperature(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    pressures_bar: Mapping[str, float],
    threshold_meV_per_atom: float,
    mole: float | None = None,
    range_K: tuple[float, float] = RANGE_K,
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
    samples: int = 0,
    seed: int = 0,
) -> Onset:
    """Find where the driving force of the strongest kink (or of one ratio) passes a threshold.

    Parameters
    ----------
    first, second, library, pressures_bar, exclude : see
        :func:`cosinter.analysis.equilibrium.interface.interface_reaction`
    threshold_meV_per_atom : above 0
    mole : mole fraction of the first reactant; the strongest kink at each temperature if not given
    range_K : lowest and highest temperature
    solutions : solid solutions that may form, see :mod:`~cosinter.analysis.equilibrium.scan`
    samples, seed : draws of the errors of the phases (see :mod:`~cosinter.analysis.equilibrium.uncertainty`), each
        with its own onset; none if 0

    Raises
    ------
    InputError
        Threshold, ratio, range or samples out of range, or see
        :func:`~cosinter.analysis.equilibrium.scan.make_lines`.
    ConvergenceError
        See :meth:`~cosinter.analysis.equilibrium.scan.MixingLines.walk`.
    """
    if not (np.isfinite(threshold_meV_per_atom) and threshold_meV_per_atom > 0.0):
        raise InputError(f"the onset threshold must be above 0 meV/atom; got {threshold_meV_per_atom:g}")
    if mole is not None and not 0.0 <= mole <= 1.0:
        raise InputError(f"mole fraction of the first reactant must lie between 0 and 1; got {mole:g}")
    low, high = range_K
    if not low < high or samples < 0:
        raise InputError(
            f"the onset needs a range of temperatures and no negative number of samples; got {low:g} to {high:g} K"
        )
    grid = np.linspace(low, high, max(2, round((high - low) / _STEP_K) + 1))
    lines = make_lines(
        first,
        second,
        library=library,
        temperatures_K=grid,
        pressures_bar=pressures_bar,
        exclude=exclude,
        solutions=solutions,
    )
    force = _Force(lines, mole)
    excess = force(grid)[0] - threshold_meV_per_atom
    crossings = _crossings(force, grid, excess, threshold_meV_per_atom)
    told = [*(force.warnings(float(low)) if excess[0] >= 0.0 else ())]
    told += [warning for crossing in crossings for warning in crossing.warnings]
    told += [text for phase in lines.reactants if (text := range_warning(phase, float(low), float(high)))]
    return Onset(
        threshold_meV_per_atom=float(threshold_meV_per_atom),
        range_K=(float(low), float(high)),
        above_at_start=bool(excess[0] >= 0.0),
        crossings=crossings,
        sampled_K=_sampled(force, grid, threshold_meV_per_atom, samples, seed),
        warnings=tuple(dict.fromkeys(told)),
    )


def _crossings(force: _Force, grid: FloatArray, excess: FloatArray, threshold: float) -> tuple[Crossing, ...]:
    above = excess >= 0.0
    where = np.flatnonzero(above[1:] != above[:-1])
    if not where.size:
        return ()
    low, high = _bracket(force, grid[where], grid[where + 1], above[where], threshold)
    moles = force(0.5 * (low + high))[1]
    return tuple(
        Crossing(float(a), float(b), not bool(starts), float(x), force.warnings(0.5 * float(a + b)))
        for a, b, starts, x in zip(low, high, above[where], moles, strict=True)
    )


def _bracket(
    force: _Force, low: FloatArray, high: FloatArray, above_at_low: BoolArray, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Bracket of the tolerance's width in which the exact driving force passes the threshold.

    The root of the straight lines is corrected once with two exact values beside it; where the bracket around the
    corrected root does not hold the threshold (another phase sets in), the interval is bisected exactly.
    """
    begin, end = _bisect(force, low, high, above_at_low, threshold)
    near = np.clip(np.stack([begin - 0.25, end + 0.25]), low, high)
    values = force(near.ravel(), exact=True)[0].reshape(near.shape) - threshold
    rise = values[1] - values[0]
    root = near[0] - values[0] * (near[1] - near[0]) / np.where(rise == 0.0, 1.0, rise)
    tight = np.clip(np.stack([root - 0.4 * TOLERANCE_K, root + 0.4 * TOLERANCE_K]), low, high)
    above = force(tight.ravel(), exact=True)[0].reshape(tight.shape) >= threshold
    holds = (above[0] == above_at_low) & (above[1] != above_at_low)
    if not holds.all():
        rest = ~holds
        found = _bisect(force, low[rest], high[rest], above_at_low[rest], threshold, exact=True)
        tight[:, rest] = np.stack(found)
    return tight[0], tight[1]


def _bisect(
    force: _Force,
    low: FloatArray,
    high: FloatArray,
    above_at_low: BoolArray,
    threshold: float,
    draws: tuple[FloatArray, FloatArray] | None = None,
    *,
    exact: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Narrow brackets [low, high] of a change of sign to the tolerance."""
    tolerance = TOLERANCE_K if draws is None else SAMPLE_TOLERANCE_K
    while float(np.max(high - low)) > tolerance:
        middle = 0.5 * (low + high)
        same = (force(middle, draws, exact=exact)[0] >= threshold) == above_at_low
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return low, high


def _sampled(force: _Force, grid: FloatArray, threshold: float, samples: int, seed: int) -> FloatArray:
    """First temperature above the threshold of each sample, on a coarse grid and then bisected."""
    if samples == 0:
        return np.zeros(0)
    z, w = force.model.draw(samples, seed=seed)
    coarse = grid[np.unique(np.linspace(0, len(grid) - 1, 12).astype(int))]
    onset = np.full(samples, np.nan)
    begin = np.full(samples, coarse[0])
    waiting = np.arange(samples)
    for temperature in coarse:
        found = force(np.full(waiting.size, temperature), (z[waiting], w[waiting]))[0] >= threshold
        onset[waiting[found]] = temperature
        waiting = waiting[~found]
        begin[waiting] = temperature
        if not waiting.size:
            break
    rising = np.flatnonzero(np.isfinite(onset) & (onset > coarse[0]))
    if rising.size:
        below = np.zeros(rising.size, dtype=np.bool_)
        pair = _bisect(force, begin[rising], onset[rising], below, threshold, (z[rising], w[rising]))
        onset[rising] = 0.5 * (pair[0] + pair[1])
    return onset
