"""How well a calibration predicts what it has not seen, and whether the model can describe the data at all.

Leave-one-out: the posterior without experiment k is the posterior weighted by 1/p(y_k | z) (Pareto-smoothed importance
sampling, Vehtari, Gelman & Gabry 2017, doi:10.1007/s11222-016-9696-4). Where the weights are too uneven (Pareto shape
above 0.5) the mode is found again without the experiment, and its prediction is that of the Laplace approximation,
normal with the variance J_k C J_k^T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.calibration import Mode, Posterior, Problem, Progress, find_mode
from cosinter.data.exceptions import MissingEngineError

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
    deviation : standard deviation of the prediction from the parameters alone (m)
    z_score : (measured - predicted)/sqrt(deviation^2 + error^2) (m)
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
    MissingEngineError
        arviz-stats is not installed.
    """
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise MissingEngineError(
            "arviz-stats is not installed; pip install 'cosinter[design]' brings it"
        ) from error
    labels = np.unique(experiments)
    mean, deviation = np.empty_like(problem.target), np.empty_like(problem.target)
    shape = np.empty(labels.size)
    likelihoods = problem.log_likelihoods(posterior.predicted)
    for place, label in enumerate(labels):
        if progress is not None:
            progress("leaving one experiment out", place, labels.size)
        held = experiments == label
        log_weights, found = array_stats.psislw(likelihoods[:, held].sum(axis=1))
        shape[place] = float(found)
        if shape[place] <= LARGEST_SHAPE:
            weights = np.exp(log_weights - np.max(log_weights))
            mean[held], deviation[held] = _moments(posterior.predicted[:, held], weights / weights.sum())
        else:
            again = find_mode(problem, mode.z[None], kept=~held)
            mean[held] = again.predicted[held]
            rows = again.slopes[held]
            deviation[held] = np.sqrt(np.einsum("ij,jk,ik->i", rows, again.covariance, rows))
    score = (problem.target - mean) / np.hypot(deviation, problem.error)
    return LeftOut(mean, deviation, score, shape, shape > LARGEST_SHAPE)


def _moments(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and standard deviation of the columns of ``values`` (n, k), weights adding up to one."""
    mean = weights @ values
    return mean, np.sqrt(weights @ (values - mean) ** 2)


def misfit_probability(problem: Problem, posterior: Posterior) -> float:
    """Posterior predictive probability of a misfit chi^2 at least as large as that of the data.

    A small one (below about 0.01) says that the model cannot describe the data within their stated errors.
    """
    from scipy.stats import chi2

    misfit = (problem.residuals(posterior.predicted) ** 2).sum(axis=1)
    return float(np.mean(chi2.sf(misfit, problem.target.size)))
