"""Which source of error decides an outcome: rank correlations, one-at-a-time changes, and Sobol indices.

Each method lays out :class:`~cosinter.analysis.continuum.ensemble.Draws`, which the caller runs, and reads the answer
from the outcomes Y of all runs:

    ranks      Spearman's rho between each z_i and Y over plain samples; rho^2 is the share of the variance of the ranks
               of Y that a monotone dependence on z_i explains. 95 % interval tanh(artanh rho +- 1.96 s),
               s^2 = (1 + rho^2/2)/(n - 3)    (Bonett and Wright, Psychometrika 65 (2000) 23, doi 10.1007/BF02294183)
    tornado    Y with one z_i at its 5th or 95th percentile (z = -+1.645) and all others at 0
    Sobol      S1_i = Var(E[Y | z_i]) / Var(Y), the variance that goes away once i is known exactly;
               ST_i = E[Var(Y | all but z_i)] / Var(Y), which counts its interactions too
               (Saltelli et al., Comput. Phys. Commun. 181 (2010) 259, doi 10.1016/j.cpc.2009.09.018)

The Sobol design takes n (k + 2) runs: k - 1 sources alone, all others as one group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.ensemble import Draws
from cosinter.data.exceptions import ConvergenceError, InputError

if TYPE_CHECKING:
    from cosinter.analysis.continuum.batch import Outcomes

FloatArray = NDArray[np.float64]

OTHERS = "all others together"
#: The 95th percentile of the standard normal distribution.
QUANTILE_95 = 1.6448536269514722
#: Runs that rank correlations need, blocks that a Sobol design has, and blocks of it that must end, at least.
FEWEST_SAMPLES, FEWEST_BLOCKS, FEWEST_COMPLETE = 20, 16, 8


class Ranking(Protocol):
    """The answer of any method."""

    @property
    def strengths(self) -> Mapping[str, float]:
        """Sources that act beyond doubt, strongest first, with a number that compares them."""
        ...


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho of one source with its 95 % interval; ``certain`` where chance is ruled out (see :func:`ranks`)."""

    name: str
    rho: float
    low: float
    high: float
    certain: bool


@dataclass(frozen=True)
class Ranks:
    """Correlations of all sources with one outcome, strongest first, over ``samples`` runs; ``failed`` did not end."""

    outcome: str
    correlations: tuple[Correlation, ...]
    samples: int
    failed: int

    @property
    def strengths(self) -> Mapping[str, float]:
        """rho^2 of the sources whose correlation is certain."""
        return {one.name: one.rho**2 for one in self.correlations if one.certain}


@dataclass(frozen=True)
class Bar:
    """The outcome with one source at its 5th (``low``) and 95th (``high``) percentile."""

    name: str
    low: float
    high: float

    @property
    def width(self) -> float:
        """Distance of the two."""
        return abs(self.high - self.low)


@dataclass(frozen=True)
class Tornado:
    """Bars of one outcome, widest first, around its ``nominal`` value; ``failed`` says why a bar is missing."""

    outcome: str
    nominal: float
    bars: tuple[Bar, ...]
    failed: Mapping[str, str]

    @property
    def strengths(self) -> Mapping[str, float]:
        """Widths of the bars that are wider than round-off."""
        least = 1e-9 * max([abs(self.nominal), *(bar.width for bar in self.bars)])
        return {bar.name: bar.width for bar in self.bars if bar.width > least}


@dataclass(frozen=True)
class SobolIndex:
    """S1 and ST of one source (or of :data:`OTHERS`), each with the half width of its 95 % interval (bootstrap)."""

    name: str
    first: float
    first_margin: float
    total: float
    total_margin: float


@dataclass(frozen=True)
class SobolIndices:
    """Indices of one outcome, largest ST first, from ``blocks`` complete rows of the design; ``failed`` runs lost some."""

    outcome: str
    indices: tuple[SobolIndex, ...]
    blocks: int
    failed: int

    @property
    def strengths(self) -> Mapping[str, float]:
        """ST of the single sources whose interval does not reach 0."""
        return {
            one.name: one.total
            for one in self.indices
            if one.name != OTHERS and one.total > max(one.total_margin, 0.0)
        }


def top(ranking: Ranking, n: int = 3) -> tuple[str, ...]:
    """Names of at most ``n`` sources that decide the outcome, strongest first."""
    return tuple(ranking.strengths)[:n]


def ranks(draws: Draws, outcomes: Outcomes, outcome: str) -> Ranks:
    """Correlate one outcome with every source of error.

    A correlation is certain if |rho| sqrt(n - 1) exceeds what chance gives any of the d sources with 5 %
    probability (Bonferroni).

    Raises
    ------
    ConvergenceError
        Fewer than 20 runs ended.
    """
    from scipy.stats import norm, rankdata

    good = outcomes.good
    count = int(good.sum())
    failed = len(good) - count
    if count < FEWEST_SAMPLES:
        raise ConvergenceError(
            f"{count} of {len(good)} runs ended, rank correlations need {FEWEST_SAMPLES}; "
            "take more samples, or look at the widest uncertainties"
        )
    rho = _correlations(
        rankdata(draws.z[good], axis=0),
        np.asarray(rankdata(outcomes.column(outcome)[good]), dtype=np.float64),
    )
    limit = float(norm.ppf(1.0 - 0.025 / len(draws.names))) / np.sqrt(count - 1.0)
    bound = np.clip(rho, -1.0 + 1e-12, 1.0 - 1e-12)
    margin = float(norm.ppf(0.975)) * np.sqrt((1.0 + 0.5 * rho**2) / (count - 3.0))
    low, high = np.tanh(np.arctanh(bound) - margin), np.tanh(np.arctanh(bound) + margin)
    order = np.argsort(-np.abs(rho), kind="stable")
    found = tuple(
        Correlation(draws.names[i], float(rho[i]), float(low[i]), float(high[i]), bool(abs(rho[i]) > limit))
        for i in order
    )
    return Ranks(outcome, found, count, failed)


def _correlations(columns: FloatArray, values: FloatArray) -> FloatArray:
    """Pearson correlation of each column (n, d) with ``values`` (n); 0 where one of them is constant."""
    x, y = columns - columns.mean(axis=0), values - values.mean()
    scale = np.sqrt(np.sum(x**2, axis=0) * np.sum(y**2))
    found = np.divide(x.T @ y, scale, out=np.zeros(columns.shape[1]), where=scale > 0.0)
    return np.asarray(found, dtype=np.float64)


def tornado_design(names: Sequence[str]) -> Draws:
    """The nominal run, then each source at its 5th and its 95th percentile: (1 + 2 d) runs."""
    count = len(names)
    z = np.zeros((1 + 2 * count, count))
    rows = np.arange(count)
    z[1 + 2 * rows, rows] = -QUANTILE_95
    z[2 + 2 * rows, rows] = QUANTILE_95
    return Draws(tuple(names), z)


def tornado(draws: Draws, outcomes: Outcomes, outcome: str) -> Tornado:
    """Read the bars from the runs of a :func:`tornado_design`.

    Raises
    ------
    ConvergenceError
        The nominal run did not end.
    """
    if 0 in outcomes.failures:
        raise ConvergenceError(f"the run with the parameters as they are did not end: {outcomes.failures[0]}")
    values = outcomes.column(outcome)
    bars, failed = [], {}
    for place, name in enumerate(draws.names):
        low, high = 1 + 2 * place, 2 + 2 * place
        if why := outcomes.failures.get(low) or outcomes.failures.get(high):
            failed[name] = why
        else:
            bars.append(Bar(name, float(values[low]), float(values[high])))
    bars.sort(key=lambda bar: -bar.width)
    return Tornado(outcome, float(values[0]), tuple(bars), failed)


@dataclass(frozen=True, eq=False)
class SobolDesign:
    """Runs for Sobol indices: ``blocks`` of k + 2 runs each for k groups of sources; ``problem`` as SALib takes it."""

    draws: Draws
    problem: Mapping[str, Any]
    groups: tuple[str, ...]
    blocks: int


def sobol_design(names: Sequence[str], alone: Sequence[str], blocks: int, *, seed: int = 0) -> SobolDesign:
    """Lay out the runs for the indices of the sources ``alone``; the others move as one group.

    Raises
    ------
    InputError
        ``blocks`` is not a power of 2 from 16 on, or there is only one group.
    """
    from SALib.sample import sobol
    from SALib.util import extract_group_names
    from scipy.stats import norm

    if blocks < FEWEST_BLOCKS or blocks & (blocks - 1):
        raise InputError(f"blocks of a Sobol design are {blocks}, allowed are 16, 32, 64, ...; change it")
    problem = {
        "num_vars": len(names),
        "names": list(names),
        "bounds": [[0.0, 1.0]] * len(names),
        "groups": [name if name in alone else OTHERS for name in names],
    }
    groups, count = extract_group_names(problem)
    if count < 2:
        raise InputError("Sobol indices need at least two sources of error; choose some to stand alone")
    points = sobol.sample(problem, blocks, calc_second_order=False, seed=np.random.default_rng(seed))
    z = np.asarray(norm.ppf(np.clip(points, 1e-9, 1.0 - 1e-9)), dtype=np.float64)
    return SobolDesign(Draws(tuple(names), z), problem, tuple(map(str, groups)), blocks)


def sobol_indices(
    design: SobolDesign, outcomes: Outcomes, outcome: str, *, logarithmic: bool = False, seed: int = 0
) -> SobolIndices:
    """Estimate the indices of one outcome, or of its logarithm; blocks with a failed run are left out.

    An outcome that spans decades has a variance that a few extreme runs make: its logarithm is what to ask about.

    Raises
    ------
    ConvergenceError
        Fewer than 8 blocks are complete.
    """
    from SALib.analyze import sobol

    size = len(design.groups) + 2
    complete = outcomes.good.reshape(design.blocks, size).all(axis=1)
    count, failed = int(complete.sum()), int((~outcomes.good).sum())
    if count < FEWEST_COMPLETE:
        raise ConvergenceError(
            f"{count} of {design.blocks} blocks of runs ended, Sobol indices need {FEWEST_COMPLETE}; "
            "take more samples, or look at the widest uncertainties"
        )
    values = outcomes.column(outcome).reshape(design.blocks, size)[complete].ravel()
    if logarithmic:
        values = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    if np.ptp(values) <= 1e-12 * np.max(np.abs(values)):
        found = dict.fromkeys(("S1", "S1_conf", "ST", "ST_conf"), np.zeros(size - 2))
    else:
        # a seed of 0 would take SALib's global random numbers
        found = sobol.analyze(design.problem, values, calc_second_order=False, seed=1 + seed)
    rows = zip(design.groups, *(found[key] for key in ("S1", "S1_conf", "ST", "ST_conf")), strict=True)
    indices = [SobolIndex(name, *map(float, numbers)) for name, *numbers in rows]
    return SobolIndices(outcome, tuple(sorted(indices, key=lambda one: -one.total)), count, failed)
