"""Calibration against problems whose posterior is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from cosinter.analysis.continuum import calibration
from cosinter.analysis.continuum.calibration import (
    Mode,
    Posterior,
    Problem,
    best_points,
    find_mode,
    prior_sample,
    sample_posterior,
)
from cosinter.analysis.continuum.cross_validation import leave_one_out, misfit_probability
from cosinter.data.exceptions import ConvergenceError, InputError, MissingEngineError


class Line:
    """f(z) = A z with noise: the posterior is normal with C = (1 + A^T A/s^2)^-1 and mean C A^T y/s^2."""

    def __init__(self, slopes: np.ndarray, measured: np.ndarray, error: float) -> None:
        self.slopes, self.measured, self.error = slopes, measured, error
        names = tuple("abcdef"[: slopes.shape[1]])
        self.problem = Problem(names, measured, error**2 * np.eye(measured.size), lambda z: z @ slopes.T)

    def exact(self) -> tuple[np.ndarray, np.ndarray]:
        slopes = self.slopes / self.error
        covariance = np.linalg.inv(np.eye(slopes.shape[1]) + slopes.T @ slopes)
        return covariance @ slopes.T @ self.measured / self.error, covariance

    def mode(self) -> Mode:
        points = prior_sample(self.slopes.shape[1])
        return find_mode(self.problem, best_points(self.problem, points, self.problem.predict(points)))


def line(*, blind: bool = False, seed: int = 3) -> Line:
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=(8, 3))
    if blind:
        slopes[:, 2] = 0.0
    return Line(slopes, slopes @ [1.0, -0.7, 0.3] + 0.2 * rng.normal(size=8), 0.2)


def posterior(case: Line, *, steps: int = 5000, seed: int = 1) -> Posterior:
    return sample_posterior(case.problem, case.mode(), walkers=24, steps=steps, seed=seed)


def test_the_mode_of_a_linear_problem_is_exact() -> None:
    case = line()
    mean, covariance = case.exact()
    mode = case.mode()
    np.testing.assert_allclose(mode.z, mean, atol=1e-6)
    np.testing.assert_allclose(mode.covariance, covariance, rtol=1e-6)
    np.testing.assert_allclose(mode.slopes, case.slopes, rtol=1e-9)


def test_samples_have_the_exact_mean_width_and_correlation() -> None:
    case = line()
    mean, covariance = case.exact()
    found = posterior(case)
    width = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((found.mean - mean) / width, 0.0, atol=0.15)
    np.testing.assert_allclose(found.deviation / width, 1.0, atol=0.1)
    np.testing.assert_allclose(found.correlation, covariance / np.outer(width, width), atol=0.1)
    np.testing.assert_allclose(found.predicted, found.z @ case.slopes.T, rtol=1e-12)
    assert found.steps >= 50.0 * found.autocorrelation_steps.max()


def test_a_parameter_the_data_cannot_see_keeps_its_prior() -> None:
    found = posterior(line(blind=True))
    assert abs(found.mean[2]) < 0.15
    assert found.deviation[2] == pytest.approx(1.0, abs=0.1)
    assert found.learned_nats[2] < 0.02 < 1.0 < found.learned_nats[:2].min()


def test_samples_repeat_with_the_seed() -> None:
    case = line()
    first, again, other = (posterior(case, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.z, again.z)
    assert not np.array_equal(first.z[:10], other.z[:10])


@pytest.mark.parametrize("correlated", [0.0, 0.3])
def test_leaving_one_out_agrees_with_the_exact_predictions(correlated: float) -> None:
    """All y are jointly normal with covariance A A^T + C, so any of them given the others is known."""
    case = line()
    common = np.linspace(0.5, 1.5, 8)
    covariance = case.problem.covariance + correlated**2 * np.outer(common, common)
    problem = Problem(case.problem.names, case.measured, covariance, case.problem.predict)
    mode = find_mode(problem, np.zeros((1, 3)))
    experiments = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    samples = sample_posterior(problem, mode, walkers=24, steps=5000, seed=1)
    found = leave_one_out(problem, samples, mode, experiments)
    joint = case.slopes @ case.slopes.T + covariance
    for label in range(7):
        held = experiments == label
        gain = joint[np.ix_(held, ~held)] @ np.linalg.inv(joint[np.ix_(~held, ~held)])
        mean = gain @ case.measured[~held]
        deviation = np.sqrt(np.diag(joint[np.ix_(held, held)] - gain @ joint[np.ix_(~held, held)]))
        tolerance = 1e-4 if found.refitted[label] else 0.2
        np.testing.assert_allclose((found.mean[held] - mean) / deviation, 0.0, atol=tolerance)
        np.testing.assert_allclose(found.deviation[held] / deviation, 1.0, atol=tolerance)
    assert found.within_90 == np.mean(np.abs(found.z_score) <= 1.645)


def test_an_only_experiment_is_predicted_by_the_prior() -> None:
    case = Line(np.array([[3.0, 0.0]]), np.array([4.0]), 0.1)
    found = leave_one_out(case.problem, posterior(case), case.mode(), np.array([0]))
    assert found.refitted[0]
    assert found.mean[0] == pytest.approx(0.0, abs=1e-6)
    assert found.deviation[0] == pytest.approx(np.hypot(3.0, 0.1))


@pytest.mark.slow
def test_posterior_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """The truth is drawn from the prior, so 90 % of the 90 % intervals hold it (60 trials: 54 +- 2.3)."""
    rng = np.random.default_rng(0)
    slopes = np.array([[1.0, 0.5], [0.2, -1.0], [1.0, 1.0]])
    held = 0
    for _ in range(30):
        truth = rng.normal(size=2)
        case = Line(slopes, slopes @ truth + 0.5 * rng.normal(size=3), 0.5)
        mode = Mode(np.zeros(2), np.eye(2), np.zeros(3), slopes)
        z = sample_posterior(case.problem, mode, walkers=16, steps=3000, seed=1).z
        low, high = np.quantile(z, [0.05, 0.95], axis=0)
        held += int(np.count_nonzero((low <= truth) & (truth <= high)))
    assert 47 <= held <= 60


def test_a_model_that_cannot_describe_the_data_is_told_by_the_misfit() -> None:
    good = line()
    assert misfit_probability(good.problem, posterior(good)) > 0.05
    bad = Line(np.ones((4, 1)), np.array([0.0, 2.0, 0.0, 2.0]), 0.2)
    assert misfit_probability(bad.problem, posterior(bad)) < 1e-6


def test_failed_runs_are_avoided_and_counted() -> None:
    case = Line(np.ones((2, 1)), np.array([0.0, 0.1]), 0.5)

    def predict(z: np.ndarray) -> np.ndarray:
        return np.where(z > 0.3, np.nan, z @ case.slopes.T)

    problem = Problem(("a",), case.measured, case.problem.covariance, predict)
    points = prior_sample(1)
    mode = find_mode(problem, best_points(problem, points, problem.predict(points)))
    found = sample_posterior(problem, mode, walkers=16, steps=5000, seed=1)
    assert found.failed > 0
    assert found.z.max() <= 0.3
    assert np.all(np.isfinite(found.predicted))


def test_a_short_chain_is_refused_with_the_steps_it_needs() -> None:
    with pytest.raises(ConvergenceError, match=r"has not converged: 100 steps are .* use --steps about \d+"):
        posterior(line(), steps=100)


def test_runs_that_all_fail_are_an_error() -> None:
    case = line()
    lost = Problem(
        case.problem.names, case.measured, case.problem.covariance, lambda z: np.full((len(z), 8), np.nan)
    )
    with pytest.raises(ConvergenceError, match="16 of 16 runs around the mode fail"):
        sample_posterior(lost, case.mode(), walkers=16, steps=100)
    with pytest.raises(ConvergenceError, match="all 64 runs of the prior sample failed"):
        best_points(lost, points := prior_sample(3), lost.predict(points))
    with pytest.raises(ConvergenceError, match="no mode of the posterior was found"):
        find_mode(lost, np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("walkers", "steps", "message"),
    [(7, 500, "walkers is 7, allowed is 8 to 10000"), (16, 50, "steps is 50, allowed is 100 to")],
)
def test_a_chain_that_makes_no_sense_is_refused(walkers: int, steps: int, message: str) -> None:
    case = line()
    with pytest.raises(InputError, match=message):
        sample_posterior(case.problem, case.mode(), walkers=walkers, steps=steps)


def test_a_missing_sampler_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "find_spec", lambda name: None if name == "arviz_stats" else name)
    with pytest.raises(MissingEngineError, match=r"pip install 'cosinter\[design\]'"):
        calibration.check_chain(1, walkers=16, steps=500)
