"""Bayesian calibration: which values of chosen parameters agree with measurements, and how well they are known then.

The parameters are counted in standard deviations z of their prior (see :mod:`cosinter.analysis.continuum.ensemble`),
so that the prior is a standard normal in every direction. With measurements y, predictions f(z) and the covariance C
of their errors

    ln p(z | y) = -1/2 z^T z - 1/2 [f(z) - y]^T C^-1 [f(z) - y] + const,    C = diag(s^2) + S S^T

s are the standard errors of the measurements and S_ik the changes of prediction i by one standard deviation of every
source of error k that is not calibrated: what the other parameters do not know is not blamed on the chosen ones. f and y
are logarithms where the error of a measurement is a factor. The mode is found by least squares (trust region) from the
best points of a prior sample; there the Laplace approximation has the covariance (1 + J^T C^-1 J)^-1, J_ij = df_i/dz_j.

From it starts the ensemble sampler of emcee (doi:10.1086/670067), all walkers of a half step in one batch of runs. Moves:
half by differential evolution (ter Braak 2006, doi:10.1007/s11222-006-8769-1), half drawn from a kernel estimate of
the density of the other walkers; a fifth of the autocorrelation time of stretch moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import ConvergenceError, InputError, MissingEngineError

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]
Progress = Callable[[str, int, int], None]

#: Points of the prior sample, a power of two.
PRIOR_POINTS = 64
#: Best points of the prior sample from which the mode is searched.
STARTS = 3
#: Half the distance of the central differences, in prior standard deviations: well above the solver's tolerance.
STEP = 0.05
#: A chain is long enough with this many autocorrelation times (documentation of emcee, "Autocorrelation analysis").
LEAST_TIMES = 50
#: Share of accepted moves below which a chain is stuck (emcee's paper advises 0.2 to 0.5).
LEAST_ACCEPTANCE = 0.1
CHECK_EVERY = 100
HALVINGS = 8
FEWEST_WALKERS, MOST_WALKERS = 8, 10_000


@dataclass(frozen=True, eq=False)
class Problem:
    """Measurements and the model that predicts them.

    Attributes
    ----------
    names : sources of error that are calibrated (d)
    target : measured numbers (m), logarithms where the error is a factor
    covariance : of their errors (m, m)
    predict : z (n, d) -> predictions (n, m), NaN in rows that failed
    """

    names: tuple[str, ...]
    target: FloatArray
    covariance: FloatArray
    predict: Predict

    def residuals(self, predicted: FloatArray, kept: NDArray[np.bool_] | None = None) -> FloatArray:
        """L^-1 (f - y) with L L^T = C, of the measurements ``kept`` (all if not given): (..., k)."""
        use = np.ones(self.target.size, bool) if kept is None else kept
        return self.whitened((predicted - self.target)[..., use], use)

    def whitened(self, values: FloatArray, kept: NDArray[np.bool_]) -> FloatArray:
        """L^-1 times ``values`` (..., k) of the measurements ``kept``."""
        factor = np.linalg.cholesky(self.covariance[np.ix_(kept, kept)])
        return np.asarray(values @ np.linalg.inv(factor).T)

    def log_likelihood(self, predicted: FloatArray) -> FloatArray:
        """ln p(y | z) up to a constant (...); -inf where the run failed."""
        density = -0.5 * (self.residuals(predicted) ** 2).sum(axis=-1)
        return np.asarray(np.where(np.isfinite(density), density, -np.inf))


@dataclass(frozen=True, eq=False)
class Mode:
    """Most probable z (d), Laplace covariance (d, d), predictions (m) and their slopes dP/dz (m, d) there."""

    z: FloatArray
    covariance: FloatArray
    predicted: FloatArray
    slopes: FloatArray


@dataclass(frozen=True, eq=False)
class Posterior:
    """Samples of the posterior and how trustworthy they are.

    Attributes
    ----------
    names : sources of error (d)
    z : samples (n, d) in prior standard deviations
    predicted : predictions of every sample (n, m)
    autocorrelation_steps : integrated autocorrelation time of each parameter (d)
    acceptance : share of accepted moves
    steps, walkers : length and width of the chain
    failed : runs that did not end
    """

    names: tuple[str, ...]
    z: FloatArray
    predicted: FloatArray
    autocorrelation_steps: FloatArray
    acceptance: float
    steps: int
    walkers: int
    failed: int

    @property
    def mean(self) -> FloatArray:
        """Mean of z (d)."""
        return np.asarray(self.z.mean(axis=0))

    @property
    def deviation(self) -> FloatArray:
        """Standard deviation of z (d); 1 is the prior."""
        return np.asarray(self.z.std(axis=0, ddof=1))

    @property
    def correlation(self) -> FloatArray:
        """Correlation of the parameters (d, d)."""
        return np.atleast_2d(np.corrcoef(self.z, rowvar=False))

    @property
    def learned_nats(self) -> FloatArray:
        """Information gained about each parameter (d), as of normal distributions: (s^2 + m^2 - 1 - ln s^2)/2."""
        variance = self.deviation**2
        return np.asarray(0.5 * (variance + self.mean**2 - 1.0 - np.log(variance)))


def prior_sample(count: int, n: int = PRIOR_POINTS, *, seed: int = 0) -> FloatArray:
    """``n`` (a power of two) points (n, count) of the prior: a scrambled Sobol sequence mapped to normals."""
    from scipy.stats import qmc

    engine = qmc.Sobol(d=count, rng=np.random.default_rng(seed))
    return np.asarray(qmc.MultivariateNormalQMC(np.zeros(count), engine=engine).random(n), dtype=np.float64)


def find_mode(
    problem: Problem,
    starts: FloatArray,
    *,
    kept: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> Mode:
    """Find the most probable z with the measurements ``kept`` (all if not given), from each of ``starts`` (k, d).

    Raises
    ------
    ConvergenceError
        No start leads to a mode: runs fail around it, or the steps do not settle.
    """
    from scipy.optimize import least_squares

    use = np.ones(problem.target.size, bool) if kept is None else kept

    def residual(z: FloatArray) -> FloatArray:
        return np.concatenate([problem.residuals(problem.predict(z[None]), use)[0], z])

    def jacobian(z: FloatArray) -> FloatArray:
        return np.vstack([problem.whitened(slopes(problem, z)[use].T, use).T, np.eye(z.size)])

    found, why = [], "no start was given"
    for number, start in enumerate(starts):
        if progress is not None:
            progress("searching the mode", number, len(starts))
        try:
            fit = least_squares(residual, start, jacobian, xtol=1e-3, ftol=1e-5, gtol=1e-5, max_nfev=60)
        except (ValueError, ConvergenceError) as error:
            why = str(error).rstrip(".")
            continue
        if fit.status > 0:
            found.append(fit)
        else:
            why = f"{fit.nfev} steps did not settle"
    if not found:
        raise ConvergenceError(
            f"no mode of the posterior was found ({why}); free fewer parameters or widen the errors"
        )
    best = min(found, key=lambda fit: float(fit.cost))
    z = np.asarray(best.x)
    scaled = np.asarray(best.jac)
    return Mode(z, np.linalg.inv(scaled.T @ scaled), problem.predict(z[None])[0], slopes(problem, z))


def slopes(problem: Problem, z: FloatArray) -> FloatArray:
    """Slopes of the predictions (m, d) at ``z`` by central differences of half width 0.05 standard deviations.

    Raises
    ------
    ConvergenceError
        A run beside ``z`` failed.
    """
    steps = STEP * np.eye(z.size)
    beside = problem.predict(np.concatenate([z + steps, z - steps]))
    if not np.all(np.isfinite(beside)):
        column = int(np.flatnonzero(~np.isfinite(beside).all(axis=1))[0]) % z.size
        raise ConvergenceError(
            f"a run with {problem.names[column]} moved by {STEP} standard deviations failed"
        )
    return np.asarray((beside[: z.size] - beside[z.size :]).T / (2.0 * STEP))


def best_points(problem: Problem, points: FloatArray, predicted: FloatArray) -> FloatArray:
    """The :data:`STARTS` most probable of some points (n, d) with their predictions (n, m).

    Raises
    ------
    ConvergenceError
        Every run failed.
    """
    log_posterior = problem.log_likelihood(predicted) - 0.5 * (points**2).sum(axis=1)
    order = np.argsort(-log_posterior)[:STARTS]
    order = order[np.isfinite(log_posterior[order])]
    if order.size == 0:
        raise ConvergenceError(
            f"all {len(points)} runs of the prior sample failed; check the parameter set and the programmes"
        )
    return np.asarray(points[order])


def sample_posterior(
    problem: Problem, mode: Mode, *, walkers: int, steps: int, seed: int = 0, progress: Progress | None = None
) -> Posterior:
    """Sample the posterior until the chain is 50 autocorrelation times long, at most ``steps`` steps.

    Raises
    ------
    InputError
        There are too few walkers for the number of parameters, or too few steps.
    ConvergenceError
        The chain is too short for its autocorrelation, or hardly any move is accepted.
    MissingEngineError
        emcee is not installed.
    """
    count = len(problem.names)
    check_chain(count, walkers=walkers, steps=steps)
    from emcee import EnsembleSampler, State
    from emcee.moves import DEMove, KDEMove

    failed = 0

    def log_posterior(z: FloatArray) -> FloatArray:
        nonlocal failed
        predicted = problem.predict(z)
        failed += int(np.count_nonzero(~np.isfinite(predicted).all(axis=1)))
        density = problem.log_likelihood(predicted) - 0.5 * (z**2).sum(axis=1)
        return np.column_stack([density, predicted])

    coords, density, predicted = _begin(mode, log_posterior, walkers, np.random.default_rng(seed))
    state = State(
        coords, log_prob=density, blobs=predicted, random_state=np.random.RandomState(seed).get_state()
    )
    sampler = EnsembleSampler(
        walkers, count, log_posterior, moves=[(DEMove(), 0.5), (KDEMove(), 0.5)], vectorize=True
    )
    times = _run(sampler, state, steps=steps, progress=progress)
    acceptance = float(np.mean(sampler.acceptance_fraction))
    _refuse_poor(problem.names, times, acceptance=acceptance, steps=sampler.iteration)
    burn, thin = max(int(np.ceil(2.0 * times.max())), sampler.iteration // 5), max(1, int(0.5 * times.min()))
    return Posterior(
        names=problem.names,
        z=sampler.get_chain(discard=burn, thin=thin, flat=True),
        predicted=sampler.get_blobs(discard=burn, thin=thin, flat=True).reshape(-1, problem.target.size),
        autocorrelation_steps=times,
        acceptance=acceptance,
        steps=int(sampler.iteration),
        walkers=walkers,
        failed=failed,
    )


def _run(sampler: Any, state: Any, *, steps: int, progress: Progress | None) -> FloatArray:
    """Advance the chain until it is long enough, at most ``steps``; its autocorrelation times (d) in steps."""
    times = np.full(sampler.ndim, np.inf)
    for done, _ in enumerate(sampler.sample(state, iterations=steps), start=1):
        if progress is not None:
            progress("sampling the posterior", done, steps)
        if done % CHECK_EVERY == 0 or done == steps:
            times = _autocorrelation(sampler.get_chain())
            if done >= LEAST_TIMES * times.max():
                break
    return times


def _begin(
    mode: Mode, log_posterior: Predict, walkers: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Walkers of the Laplace approximation, their log posterior and predictions; those whose run fails start again,
    each time half as wide around the mode."""
    coords = rng.multivariate_normal(mode.z, mode.covariance, size=walkers)
    found = log_posterior(coords)
    for halvings in range(1, HALVINGS + 1):
        lost = ~np.isfinite(found[:, 0])
        if not lost.any():
            # emcee drops the axis of a single prediction
            return coords, found[:, 0], found[:, 1] if found.shape[1] == 2 else found[:, 1:]
        coords[lost] = rng.multivariate_normal(
            mode.z, 0.25**halvings * mode.covariance, size=np.count_nonzero(lost)
        )
        found[lost] = log_posterior(coords[lost])
    raise ConvergenceError(
        f"{np.count_nonzero(lost)} of {walkers} runs around the mode fail; check the programmes or free fewer parameters"
    )


def _autocorrelation(chain: FloatArray) -> FloatArray:
    """Integrated autocorrelation time of a chain (steps, walkers, d) in steps (d); infinite if nothing moved."""
    from emcee.autocorr import integrated_time

    if not np.all(chain.std(axis=(0, 1)) > 0.0):
        return np.full(chain.shape[2], np.inf)
    times = np.asarray(integrated_time(chain, tol=0))
    return np.where(np.isfinite(times) & (times > 0.0), times, np.inf)


def check_chain(count: int, *, walkers: int, steps: int) -> None:
    """Refuse a chain for ``count`` parameters that cannot run, before anything is computed.

    Raises
    ------
    InputError
        There are too few walkers, or too few steps.
    MissingEngineError
        emcee or arviz-stats is not installed.
    """
    for module in ("emcee", "arviz_stats"):
        if find_spec(module) is None:
            raise MissingEngineError(f"{module} is not installed; pip install 'cosinter[design]' brings it")
    least = max(FEWEST_WALKERS, 2 * count + 2)
    if not least <= walkers <= MOST_WALKERS:
        raise InputError(
            f"walkers is {walkers}, allowed is {least} to {MOST_WALKERS} for {count} parameters; change it"
        )
    if not CHECK_EVERY <= steps <= 1_000_000:
        raise InputError(f"steps is {steps}, allowed is {CHECK_EVERY} to 1000000; change it")


def _refuse_poor(names: tuple[str, ...], times: FloatArray, *, acceptance: float, steps: int) -> None:
    if acceptance < LEAST_ACCEPTANCE:
        raise ConvergenceError(
            f"the chain is stuck: {acceptance:.1%} of its moves were accepted, at least {LEAST_ACCEPTANCE:.0%} are "
            "needed; free fewer parameters or use more walkers"
        )
    worst = int(np.argmax(times))
    if steps < LEAST_TIMES * times[worst]:
        ask = (
            f"about {int(np.ceil(1.5 * LEAST_TIMES * times[worst])):d}"
            if np.isfinite(times[worst])
            else "more"
        )
        raise ConvergenceError(
            f"the chain has not converged: {steps} steps are {steps / times[worst]:.0f} autocorrelation times of "
            f"{names[worst]}, {LEAST_TIMES} are needed; use --steps {ask}"
        )
