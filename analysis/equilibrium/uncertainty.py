"""Monte Carlo over the errors of the phases: how sure are the products, dG and mu_Li2O of a mixing line.

Phase j has from error source s a signed error of its enthalpy h_js and of its entropy s_js
(:attr:`cosinter.analysis.thermochemistry.library.Phase.errors`), so a sample is

    G_j(T) = G_j0(T) + sum_s [h_js z_s - (T - 298.15 K) s_js w_s],   z_s, w_s ~ N(0, 1)

with one z and one w per source, drawn separately, for all phases and both reactants: what phases share moves them
together and cancels in reactions. The entropy part counts from 298.15 K, see :meth:`Phase.gibbs_uncertainty`. Each
sample is a lane of the parametric simplex that starts from the basis of the best estimate; its whole line is walked, so
any ratio can be read afterwards. Open gases keep their pressures.

Solutions keep fixed compositions (:mod:`cosinter.analysis.equilibrium.fixed_compositions`); those that suit a sample
best would lie lower, by 0.4 meV/atom on average and up to 5 (NCM811 and LATP, 973 K), or 1.7 and 6 (NMC532 and LiAl5O8,
1100 K), as refining six samples of each shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM
from cosinter.analysis.equilibrium.scan import SAME_RATIO, MixingLines, make_lines, strongest_kinks
from cosinter.analysis.equilibrium.simplex import Basis, Path
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE, FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.analysis.thermochemistry.solution_models import Solution
from cosinter.data.exceptions import ConvergenceError, InputError

METHOD = (
    "normal errors of H298 and S298 drawn separately, one draw per source of error shared by all phases that have it; "
    "every sample is a full mixing line"
)
MOST_SAMPLES = 100_000
#: Samples walked between two reports of progress.
_CHUNK = 125
#: Share of the samples that must be solved.
_LEAST_SOLVED = 0.98
_PERCENTILES = {"p5": 5.0, "p50": 50.0, "p95": 95.0}


class ErrorModel:
    """The shared errors of a set of phases, ready to be drawn."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        sources = sorted({source for phase in phases for source in phase.errors})
        row = {source: i for i, source in enumerate(sources)}
        self.sources = tuple(sources)
        self.enthalpy = np.zeros((len(sources), len(phases)))
        self.entropy = np.zeros((len(sources), len(phases)))
        for column, phase in enumerate(phases):
            for source, (enthalpy, entropy) in phase.errors.items():
                self.enthalpy[row[source], column] = enthalpy
                self.entropy[row[source], column] = entropy

    def draw(self, samples: int, *, seed: int) -> tuple[FloatArray, FloatArray]:
        """Standard normal numbers z (enthalpy) and w (entropy), shape [samples, sources] each."""
        normal = np.random.default_rng(seed).standard_normal((samples, 2, len(self.sources)))
        return normal[:, 0], normal[:, 1]

    def gibbs(self, z: FloatArray, w: FloatArray, temperature_K: float | FloatArray) -> FloatArray:
        """Errors of G of all phases, J/mol, shape [samples, phases]; one temperature or one per sample."""
        span = np.asarray(temperature_K, dtype=np.float64)[..., None] - REFERENCE_TEMPERATURE
        return np.asarray(z @ self.enthalpy - span * (w @ self.entropy), dtype=np.float64)


def interval(values: FloatArray) -> dict[str, float]:
    """Median and 5 to 95 % of ``values``."""
    found = np.percentile(values, list(_PERCENTILES.values()))
    return dict(zip(_PERCENTILES, found.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class RatioSamples:
    """What the samples say about one ratio.

    Attributes
    ----------
    mole : mole fraction of the first reactant
    dG_J_per_mol, dG_meV_per_atom : shape [samples]
    products : {phase: probability that it is a product}, most probable first
    mu_li2o_J_per_mol : potential of Li2O relative to Li2O of the same sample, just below and just above the ratio,
        shape [samples, 2]; a ratio at a kink lies between two plateaus. None where Li or O is missing
    """

    mole: float
    dG_J_per_mol: FloatArray
    dG_meV_per_atom: FloatArray
    products: Mapping[str, float]
    mu_li2o_J_per_mol: FloatArray | None

    def to_dict(self) -> dict[str, Any]:
        """Give intervals (p5, p50, p95) in kJ/mol and meV/atom, and probabilities."""
        mu = self.mu_li2o_J_per_mol
        sides = None if mu is None else {"below": interval(mu[:, 0]), "above": interval(mu[:, 1])}
        return {
            "mole": self.mole,
            "dG_kJ_per_mol": _kilo(interval(self.dG_J_per_mol)),
            "dG_meV_per_atom": interval(self.dG_meV_per_atom),
            "mu_Li2O_kJ_per_mol": sides and {side: _kilo(values) for side, values in sides.items()},
            "products": dict(self.products),
        }


def _kilo(values: Mapping[str, float]) -> dict[str, float]:
    return {key: 1e-3 * value for key, value in values.items()}


@dataclass(frozen=True, eq=False)
class LineSamples:
    """Sampled mixing lines.

    Attributes
    ----------
    lines : the line at its best estimate, one condition
    paths : the walked line of each sample
    gibbs : G of A and B in each sample, J/mol, shape [samples, 2]
    li2o : G of Li2O(s) in each sample, J/mol, shape [samples]; None where the library has none
    nominal : the walked line of the best estimate
    seed : of the random numbers
    failed : samples that were not solved, which count nowhere
    """

    lines: MixingLines
    paths: tuple[Path, ...]
    gibbs: FloatArray
    li2o: FloatArray | None
    nominal: Path
    seed: int
    failed: int = 0

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.paths)

    @cached_property
    def strongest(self) -> tuple[FloatArray, FloatArray]:
        """Mole fraction and dG (meV/atom) of each sample's own strongest kink, shape [samples] each."""
        return strongest_kinks(self.lines, self.paths, self.gibbs)

    @cached_property
    def nominal_strongest(self) -> float:
        """Mole fraction of the strongest kink of the best estimate."""
        return float(strongest_kinks(self.lines, [self.nominal], self.lines.gibbs)[0][0])

    def at(self, mole: float) -> RatioSamples:
        """Read all samples at one ratio.

        Raises
        ------
        InputError
            ``mole`` is not from 0 to 1.
        """
        if not 0.0 <= mole <= 1.0:
            raise InputError(f"mole fraction of the first reactant must lie between 0 and 1; got {mole:g}")
        x = np.array([mole])
        total = np.concatenate([path.value(x) for path in self.paths])
        change = total - mole * self.gibbs[:, 0] - (1.0 - mole) * self.gibbs[:, 1]
        return RatioSamples(
            mole=float(mole),
            dG_J_per_mol=change,
            dG_meV_per_atom=change * MEV_PER_ATOM / float(self.lines.atoms(mole)),
            products=self._probabilities(self._present(path, mole) for path in self.paths),
            mu_li2o_J_per_mol=self._potential(mole),
        )

    def at_strongest(self) -> dict[str, float]:
        """Probability of each product at the sample's own strongest kink, most probable first."""
        return self._probabilities(
            self._present(path, x) for path, x in zip(self.paths, self.strongest[0], strict=True)
        )

    def anywhere(self) -> dict[str, float]:
        """Probability of each phase to be a product at any ratio of the line, reactants left over included."""
        return self._probabilities(
            np.asarray(self.lines.presence(path)[0].any(axis=0)) for path in self.paths
        )

    def kinks(self, *, least: float = 0.05) -> list[tuple[float, float]]:
        """(mole fraction, probability) of kinks found in more than ``least`` of the samples, ascending.

        Most kinks are fixed by stoichiometry and either exist in a sample or not.
        """
        every = np.concatenate([path.positions[1:-1] for path in self.paths])
        _, group, counts = np.unique(np.round(every / SAME_RATIO), return_inverse=True, return_counts=True)
        moles = np.bincount(group, every) / counts if every.size else every
        shares = counts / self.samples
        return [(float(x), float(share)) for x, share in zip(moles, shares, strict=True) if share > least]

    def to_dict(self, moles: Sequence[float] = ()) -> dict[str, Any]:
        """Summarise the samples: strongest kink, ratios ``moles`` (else that of the nominal strongest kink), kinks."""
        x, energy = self.strongest
        ratios = dict.fromkeys(moles) or [self.nominal_strongest]
        return {
            "samples": self.samples,
            "seed": self.seed,
            "failed": self.failed,
            "method": METHOD,
            "strongest": {
                "mole": interval(x),
                "dG_kJ_per_mol": _kilo(interval(energy * self.lines.atoms(x) / MEV_PER_ATOM)),
                "dG_meV_per_atom": interval(energy),
                "products": self.at_strongest(),
            },
            "ratios": [self.at(mole).to_dict() for mole in ratios],
            "kinks": [{"mole": mole, "probability": share} for mole, share in self.kinks()],
            "anywhere": self.anywhere(),
        }

    def _present(self, path: Path, mole: float) -> NDArray[np.bool_]:
        kinks, between = self.lines.presence(path)
        near = int(np.abs(path.positions - mole).argmin())
        here = abs(path.positions[near] - mole) < SAME_RATIO
        row = kinks[near] if here else between[int(np.searchsorted(path.positions, mole)) - 1]
        return np.asarray(row, dtype=np.bool_)

    def _probabilities(self, present: Iterable[NDArray[np.bool_]]) -> dict[str, float]:
        share = np.mean(np.stack(list(present)), axis=0)
        names = self.lines.products[0]
        return {names[j]: float(share[j]) for j in np.argsort(-share, kind="stable") if share[j] > 0.0}

    def _potential(self, mole: float) -> FloatArray | None:
        problem = self.lines.problem
        if self.li2o is None or not {"Li", "O"} <= set(problem.elements):
            return None
        lithia = problem.vector(parse_formula("Li2O"))
        sides = np.empty((self.samples, 2))
        for i, path in enumerate(self.paths):
            below = np.searchsorted(path.positions, mole - SAME_RATIO) - 1
            above = np.searchsorted(path.positions, mole + SAME_RATIO) - 1
            last = len(path.slopes) - 1
            sides[i] = path.duals[np.clip([below, above], 0, last)] @ lithia - self.li2o[i]
        return sides


def sample_line(
    first: str | Phase,
    second: str | Phase,
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    samples: int = 1000,
    seed: int = 0,
    exclude: Iterable[str] = (),
    solutions: Iterable[Solution] = (),
    progress: Callable[[int, int], None] | None = None,
) -> LineSamples:
    """Walk the mixing line of two reactants for many draws of the errors of all phases.

    Parameters
    ----------
    first, second, library, temperature_K, pressures_bar, exclude : see
        :func:`cosinter.analysis.equilibrium.interface.interface_reaction`
    samples : 1 to 100 000; a probability p is known to sqrt(p (1 - p) / samples)
    seed : of the random numbers; the same seed and library give the same samples
    solutions : solid solutions that may form, see :mod:`~cosinter.analysis.equilibrium.scan`
    progress : called with (samples done, all samples)

    Raises
    ------
    InputError
        ``samples`` or ``seed`` out of range, or see :func:`~cosinter.analysis.equilibrium.scan.make_lines`.
    ConvergenceError
        See :meth:`~cosinter.analysis.equilibrium.scan.MixingLines.walk`.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise InputError(f"the number of samples must lie between 1 and {MOST_SAMPLES}; got {samples}")
    if seed < 0:
        raise InputError(f"the seed must not be negative; got {seed}")
    lines = make_lines(
        first,
        second,
        library=library,
        temperatures_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        solutions=solutions,
    )
    nominal = lines.walk()[0]
    lithia = _lithia(library, temperature_K)
    columns = lines.problem.library.phases
    model = ErrorModel([*columns, *lines.reactants, *([lithia] if lithia else [])])
    errors = model.gibbs(*model.draw(samples, seed=seed), temperature_K)
    count = len(columns)
    paths = list(_walk(lines, lines.costs + errors[:, :count], lines.middle_basis(), progress))
    good = np.array([path is not None for path in paths])
    if good.mean() < _LEAST_SOLVED:
        raise ConvergenceError(f"{np.sum(~good)} of {samples} sampled mixing lines were not solved")
    return LineSamples(
        lines=lines,
        paths=tuple(path for path in paths if path is not None),
        gibbs=(lines.gibbs + errors[:, count : count + 2])[good],
        li2o=float(lithia.gibbs(temperature_K)) + errors[good, -1] if lithia else None,
        nominal=nominal,
        seed=seed,
        failed=int(np.sum(~good)),
    )


def _lithia(library: PhaseLibrary, temperature_K: float) -> Phase | None:
    named = [phase for phase in library.phases if phase.formula == "Li2O" and phase.state != "g"]
    return min(named, key=lambda phase: float(phase.gibbs(temperature_K)), default=None)


def _walk(
    lines: MixingLines, costs: FloatArray, basis: Basis, progress: Callable[[int, int], None] | None
) -> Iterator[Path | None]:
    for begin in range(0, len(costs), _CHUNK):
        block = costs[begin : begin + _CHUNK]
        try:
            yield from lines.walk(block, basis)
        except (InputError, ConvergenceError):
            yield from (_walk_alone(lines, row) for row in block)
        if progress is not None:
            progress(min(begin + _CHUNK, len(costs)), len(costs))


def _walk_alone(lines: MixingLines, costs: FloatArray) -> Path | None:
    """One sample from a cold start; None where round-off among nearly equal columns defeats the solver."""
    try:
        return lines.walk(costs[None, :])[0]
    except (InputError, ConvergenceError):
        return None
