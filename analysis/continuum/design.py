"""Search for the best programmes: Pareto fronts under targets, and what stands in the way where there are none.

A design is a point of free variables; somebody else says what it costs (objectives, all to be minimised) and by how
much it misses its targets (shortfalls, <= 0 where a target holds). The search is NSGA-II (Deb et al. 2002,
doi:10.1109/4235.996017) of pymoo (Blank and Deb 2020, doi:10.1109/ACCESS.2020.2990567).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, MissingEngineError

FloatArray = NDArray[np.float64]

#: Shortfall of a design whose run failed: beyond any that a run can have.
FAILED = 1.0e6
#: Fewest designs of a generation; generations that a front must stand still at least to count as found.
_FEWEST, _PATIENCE = 4, 5


@dataclass(frozen=True)
class Variable:
    """One free number from ``low`` to ``high`` in its own unit.

    It takes the values that can be set: whole multiples of ``step``, or on a logarithmic scale (``step`` None) numbers
    of two significant digits.

    Raises
    ------
    InputError
        The range is empty, or a logarithmic one reaches 0.
    """

    name: str
    low: float
    high: float
    step: float | None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"range of {self.name} is {self.low:g} to {self.high:g}; it must ascend")
        if self.step is None and self.low <= 0.0:
            raise InputError(
                f"range of {self.name} starts at {self.low:g}; a logarithmic one must start above 0"
            )

    def value(self, share: float) -> float:
        """The value that can be set nearest to ``share`` (0 to 1) of the range."""
        if self.step is None:
            exact = self.low * (self.high / self.low) ** share
            near = float(f"{exact:.1e}")
        else:
            exact = self.low + share * (self.high - self.low)
            near = float(f"{round(exact / self.step) * self.step:.12g}")
        return min(max(near, self.low), self.high)

    def share(self, value: float) -> float:
        """Where ``value`` lies in the range, 0 to 1."""
        if self.step is None:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Target:
    """A bound that one outcome has to keep."""

    outcome: str
    sense: Literal[">=", "<="]
    value: float

    def __str__(self) -> str:
        return f"{self.outcome} {self.sense} {self.value:g}"

    def shortfall(self, outcomes: FloatArray) -> FloatArray:
        """By how much the outcomes miss the bound, relative to it (to 1 where it is 0); <= 0 where they keep it.

        Same shape as ``outcomes``; :data:`FAILED` where they are NaN.
        """
        scale = abs(self.value) or 1.0
        missing = (self.value - outcomes) if self.sense == ">=" else (outcomes - self.value)
        return np.where(np.isfinite(outcomes), missing / scale, FAILED)


def sure_shortfall(shortfalls: FloatArray, probability: float) -> float:
    """The shortfall that a share ``probability`` of the samples stays below: <= 0 where the targets hold as surely.

    ``shortfalls`` (samples, targets): a sample counts by its worst target. The quantile is a step of the empirical
    distribution, so that it is at or below 0 exactly where at least that share of the samples keeps every target.
    """
    return float(np.quantile(shortfalls.max(axis=1), probability, method="inverted_cdf"))


@dataclass(frozen=True)
class Probability:
    """Share of the samples that keep every target, with its exact 95 % interval (Clopper and Pearson)."""

    value: float
    low: float
    high: float
    samples: int

    @classmethod
    def of(cls, shortfalls: FloatArray) -> Probability:
        """Count ``shortfalls`` (samples, targets)."""
        from scipy.stats import binomtest

        kept, samples = int(np.sum(shortfalls.max(axis=1) <= 0.0)), len(shortfalls)
        band = binomtest(kept, samples).proportion_ci(confidence_level=0.95, method="exact")
        return cls(kept / samples, float(band.low), float(band.high), samples)


@dataclass(frozen=True, eq=False)
class Scores:
    """What designs cost, ``objectives`` (n, m) to be minimised, and miss, ``shortfalls`` (n, k)."""

    objectives: FloatArray
    shortfalls: FloatArray


#: From designs (n, d) in the units of the variables to their scores.
Judge = Callable[[FloatArray], Scores]


@dataclass(frozen=True, eq=False)
class Front:
    """The designs that no other beats in every objective, sorted by the first objective.

    ``designs`` (n, d); ``feasible`` is whether they keep the targets. If none does, ``designs`` holds the one that
    comes nearest. ``converged``: the search ended because the front stood still, not because its budget was used up.
    """

    designs: FloatArray
    scores: Scores
    feasible: bool
    converged: bool
    judged: int

    @property
    def compromise(self) -> int:
        """Row nearest to the ideal point, every objective scaled to its range over the front (Zeleny 1973)."""
        costs = self.scores.objectives
        span = np.ptp(costs, axis=0)
        scaled = (costs - costs.min(axis=0)) / np.where(span > 0.0, span, 1.0)
        return int(np.argmin(np.linalg.norm(scaled, axis=1)))


class _Memory:
    """Scores of every design met so far, so that none is run twice."""

    def __init__(self, variables: Sequence[Variable], judge: Judge) -> None:
        self.variables, self.judge = variables, judge
        self.known: dict[tuple[float, ...], tuple[FloatArray, FloatArray]] = {}

    def designs(self, shares: FloatArray) -> list[tuple[float, ...]]:
        return [
            tuple(variable.value(float(share)) for variable, share in zip(self.variables, row, strict=True))
            for row in shares
        ]

    def scores(self, shares: FloatArray) -> Scores:
        designs = self.designs(shares)
        new = [design for design in dict.fromkeys(designs) if design not in self.known]
        if new:
            found = self.judge(np.array(new))
            self.known |= dict(zip(new, zip(found.objectives, found.shortfalls, strict=True), strict=True))
        rows = [self.known[design] for design in designs]
        return Scores(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))

    def front(self) -> Front:
        """The best of everything judged."""
        designs = np.array(list(self.known))
        costs, missed = (np.array([row[part] for row in self.known.values()]) for part in (0, 1))
        worst = missed.max(axis=1, initial=-np.inf)
        kept = np.flatnonzero(worst <= 0.0)
        rows = kept[undominated(costs[kept], worst[kept])] if len(kept) else np.array([np.argmin(worst)])
        rows = rows[np.lexsort(costs[rows].T[::-1])]
        return Front(designs[rows], Scores(costs[rows], missed[rows]), len(kept) > 0, False, len(self.known))


def undominated(costs: FloatArray, worst: FloatArray) -> NDArray[np.intp]:
    """Rows of ``costs`` (n, m) that no other row beats; of equal rows the one whose ``worst`` shortfall is least."""
    from moocore import is_nondominated

    order = np.argsort(worst, kind="stable")
    return np.asarray(order[is_nondominated(costs[order], keep_weakly=False)])


def pareto_front(
    variables: Sequence[Variable],
    judge: Judge,
    *,
    population: int = 40,
    generations: int = 60,
    seed: int = 0,
    start: FloatArray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Front:
    """Minimise all objectives of ``judge`` at once under its shortfalls.

    Parameters
    ----------
    population, generations : designs per generation, generations at most; the search ends earlier if the front has
        stood still for a quarter of them
    start : designs (n, d) to begin with beside ends of ranges and a Latin hypercube, e.g. the front of an easier problem
    progress : is told (generation, generations)

    Raises
    ------
    InputError
        There is nothing to vary, or the population or the number of generations is too small.
    MissingEngineError
        pymoo is not installed.
    """
    if not variables:
        raise InputError("no variable is free; free at least one")
    if population < _FEWEST or generations < 1:
        raise InputError(
            f"population {population} and generations {generations}: must be at least {_FEWEST} and at least 1"
        )
    memory = _Memory(variables, judge)
    algorithm = _nsga2(memory, _first(variables, population, seed, start), seed)
    best, patience = memory.front(), 0
    for generation in range(1, generations):
        if progress is not None:
            progress(generation, generations)
        algorithm.next()
        before, best = best, memory.front()
        patience = patience + 1 if np.array_equal(before.designs, best.designs) else 0
        if patience >= max(_PATIENCE, generations // 4):
            return replace(best, converged=True)
    return best


def _first(variables: Sequence[Variable], population: int, seed: int, start: FloatArray | None) -> FloatArray:
    """Shares of the ranges (population, d): ``start``, the ends of the ranges, and the rest a Latin hypercube."""
    from scipy.stats import qmc

    count = len(variables)
    shares = qmc.LatinHypercube(d=count, rng=np.random.default_rng(seed)).random(population)
    given = [
        [variable.share(float(value)) for variable, value in zip(variables, design, strict=True)]
        for design in (() if start is None else start)
    ]
    ends = list(product((0.0, 1.0), repeat=count)) if 2**count <= population // 2 else []
    for row, known in zip(shares, [*given, *ends], strict=False):
        row[:] = known
    return np.asarray(shares)


def _nsga2(memory: _Memory, first: FloatArray, seed: int) -> Any:
    """NSGA-II of pymoo over shares of the ranges, after its first generation."""
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem
    except ImportError as error:
        raise MissingEngineError(
            "pymoo is not installed; install it with pip install cosinter[design]"
        ) from error
    known = memory.scores(first)

    class Designs(Problem):  # type: ignore[misc]
        def _evaluate(self, x: FloatArray, out: dict[str, Any], *_: Any, **__: Any) -> None:
            found = memory.scores(x)
            out["F"], out["G"] = found.objectives, found.shortfalls

    problem = Designs(
        n_var=first.shape[1],
        n_obj=known.objectives.shape[1],
        n_ieq_constr=known.shortfalls.shape[1],
        xl=0.0,
        xu=1.0,
    )
    algorithm = NSGA2(pop_size=len(first), sampling=first)
    algorithm.setup(problem, termination=("n_gen", np.inf), seed=seed, verbose=False)
    algorithm.next()
    return algorithm
