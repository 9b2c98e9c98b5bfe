"""How well a calibration predicts what it has not seen, and whether the model can describe the data at all.

Leave-one-out: the posterior without experiment k is the posterior weighted by 1/p(y_k | z) (Pareto-smoothed importance
sampling, Vehtari, Gelman & Gabry 2017, doi:10.1007/s11222-016-9696-4). Errors may be correlated: given z, the left-out
values k follow from the others r by (Buerkner, Gabry & Vehtari 2021, doi:10.1007/s00180-020-01045-4)

    E[y_k | y_r, z] = f_k + K (y_r - f_r),    var = C_kk - K C_rk,    K = C_kr C_rr^-1

Where the weights are too uneven (Pareto shape above 0.5) the mode is found again without the experiment, and its
prediction is that of the Laplace approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.calibration import Mode, Posterior, Problem, Progress, find_mode

FloatArray = NDArray[np.float64]

#: Largest Pareto shape for which the importance weights have a finite variance (doi:10.1007/s11222-016-9696-4).
LARGEST_SHAPE = 0.5
#: Half width of a 90 % interval of the normal distribution in standard deviations.
NINETY_PERCENT = 1.6448536269514722


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Predictions of every measurement by all other experiments.

    Attributes
    ----------
    mean : predicted (m), logarithms where the error is a factor
    deviation : standard deviation of a new measurement around it (m): parameters and errors
    z_score : (measured - predicted)/deviation (m)
    pareto_shape : of the importance weights of each experiment (k)
    refitted : whether the experiment was left out by a new fit (k)
    """

    mean: FloatArray
    deviation: FloatArray
    z_score: FloatArray
    pareto_shape: FloatArray
    refitted: NDArray[np.bool_]

    @property
    def within_90(self) -> float:
        """Share of the measurements inside the 90 % interval of their prediction; about 0.9 if all is well."""
        return float(np.mean(np.abs(self.z_score) <= NINETY_PERCENT))

    @property
    def rms_z_score(self) -> float:
        """Root mean square of the z scores; about 1 if all is well."""
        return float(np.sqrt(np.mean(self.z_score**2)))


def leave_one_out(
    problem: Problem,
    posterior: Posterior,
    mode: Mode,
    experiments: NDArray[np.int_],
    *,
    progress: Progress | None = None,
) -> LeftOut:
    """Predict every experiment from all others; ``experiments`` (m) numbers the experiment of each measurement.

    Raises
    ------
    ConvergenceError
        A fit without one experiment does not settle.
    """
    from arviz_stats.base import array_stats

    labels = np.unique(experiments)
    mean, variance = np.empty_like(problem.target), np.empty_like(problem.target)
    shape = np.empty(labels.size)
    for place, label in enumerate(labels):
        if progress is not None:
            progress("leaving one experiment out", place, labels.size)
        held = experiments == label
        gain, noise = _conditional(problem, held)
        residual = problem.target - posterior.predicted
        surprise = residual[:, held] - residual[:, ~held] @ gain.T
        log_weights, found = array_stats.psislw(_log_density(surprise, noise))
        shape[place] = float(found)
        if shape[place] <= LARGEST_SHAPE:
            weights = np.exp(log_weights - np.max(log_weights))
            centre, spread = _moments(problem.target[held] - surprise, weights / weights.sum())
        else:
            again = find_mode(problem, mode.z[None], kept=~held)
            centre = again.predicted[held] + gain @ (problem.target - again.predicted)[~held]
            rows = again.slopes[held] - gain @ again.slopes[~held]
            spread = np.einsum("ij,jk,ik->i", rows, again.covariance, rows)
        mean[held], variance[held] = centre, spread + np.diag(noise)
    score = (problem.target - mean) / np.sqrt(variance)
    return LeftOut(mean, np.sqrt(variance), score, shape, shape > LARGEST_SHAPE)


def _conditional(problem: Problem, held: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """K (k, r) and the covariance (k, k) of the held-out errors once the others are known."""
    across = problem.covariance[np.ix_(held, ~held)]
    gain = np.asarray(np.linalg.solve(problem.covariance[np.ix_(~held, ~held)], across.T).T, np.float64)
    return gain, problem.covariance[np.ix_(held, held)] - gain @ across.T


def _log_density(surprise: FloatArray, covariance: FloatArray) -> FloatArray:
    """ln of the normal density of each row of ``surprise`` (n, k), up to a constant."""
    scaled = np.linalg.solve(np.linalg.cholesky(covariance), surprise.T)
    return np.asarray(-0.5 * (scaled**2).sum(axis=0))


def _moments(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and variance of the columns of ``values`` (n, k), weights adding up to one."""
    mean = weights @ values
    return mean, weights @ (values - mean) ** 2


def misfit_probability(problem: Problem, posterior: Posterior) -> float:
    """Posterior predictive probability of a misfit chi^2 at least as large as that of the data.

    A small one (below about 0.01) says that the model cannot describe the data within their stated errors.
    """
    from scipy.stats import chi2

    misfit = (problem.residuals(posterior.predicted) ** 2).sum(axis=1)
    return float(np.mean(chi2.sf(misfit, problem.target.size)))
