"""Calibrate parameters of the compensation model with a user's own measurements: from two files to plain data.

The data of ``cosinter calibrate --json`` are made here; the statistics are in
:mod:`cosinter.analysis.continuum.calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError
from cosinter.workflows.measurement_file import Experiment, MeasurementFile
from cosinter.workflows.study import Study

if TYPE_CHECKING:
    from cosinter.analysis.continuum.calibration import Mode, Posterior, Problem
    from cosinter.analysis.continuum.cross_validation import LeftOut
    from cosinter.analysis.continuum.measurements import Comparison, Measurement
    from cosinter.analysis.parameters import ParameterSet
    from cosinter.workflows.reactions import Tell
    from cosinter.workflows.variants import Variant

FloatArray = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95)
#: Below this probability of the misfit the model does not describe the data.
LEAST_FIT = 0.01
#: Distance of the posterior from its prior (prior standard deviations) that asks for an explanation.
FAR = 2.5
#: Most names of other sources of error that are told, and their least weight in standard errors.
MOST_OTHERS, LEAST_WEIGHT = 3, 1.0
#: Correlation above which two parameters are known only in combination.
TIED = 0.8


@dataclass(frozen=True)
class CalibrationRequest:
    """What is asked: the study, its measurements, the parameters to free, and the chain.

    Parameters
    ----------
    prior : parameter set whose uncertainties are the prior; the one that follows from each experiment if None
    others : what the uncertainty of all other parameters does: widens the errors of the predictions as if they were
        linear in it, or nothing (``fixed``: the answer holds if all others are right)
    """

    study: Study
    data: MeasurementFile
    names: tuple[str, ...]
    prior: ParameterSet | None = None
    others: Literal["linear", "fixed"] = "linear"
    walkers: int = 32
    steps: int = 10_000
    seed: int = 0
    workers: int = 1


@dataclass(frozen=True, eq=False)
class Calibration:
    """The fitted set, the samples behind it, and everything worth telling as plain data."""

    fitted: ParameterSet
    posterior: Posterior
    content: dict[str, Any]


def calibrate(request: CalibrationRequest, *, tell: Tell) -> Calibration:
    """Fit the chosen parameters to the measurements.

    Raises
    ------
    InputError
        A line of the data or a parameter cannot be used.
    ConvergenceError
        The runs fail, no mode is found, or the chain has not converged.
    MissingEngineError
        The extra ``design`` is not installed.
    """
    from cosinter.analysis.continuum.calibration import (
        best_points,
        check_chain,
        find_mode,
        prior_sample,
        sample_posterior,
    )
    from cosinter.analysis.continuum.cross_validation import leave_one_out
    from cosinter.analysis.continuum.fitted import fitted_set
    from cosinter.analysis.continuum.measurements import Comparison

    check_chain(len(request.names), walkers=request.walkers, steps=request.steps)
    base, variants = experiments(request)
    comparison = Comparison(
        [(run.parameters, run.case) for run in variants], request.data.measurements, request.workers
    )
    problem = comparison.problem(request.names)
    points = prior_sample(len(request.names), seed=request.seed)
    tell("running the prior sample", 0, 1)
    before = problem.predict(points)
    mode = find_mode(problem, best_points(problem, points, before), progress=tell)
    problem, mode, blame = _widened(request, comparison, problem, mode, tell=tell)
    posterior = sample_posterior(
        problem, mode, walkers=request.walkers, steps=request.steps, seed=request.seed, progress=tell
    )
    left_out = leave_one_out(problem, posterior, mode, request.data.numbers, progress=tell)
    content = {
        "study": request.study.name,
        "data": _data(request.data),
        "parameters": parameter_rows(base, posterior),
        "correlation": posterior.correlation.tolist(),
        "others": _others(request, comparison, blame),
        "chain": _chain(posterior),
        "measurements": _predictions(request.data, before, blame, posterior, left_out),
        **_verdict(problem, posterior, left_out),
    }
    content["warnings"] = warnings(content)
    return Calibration(fitted_set(base, posterior, request.data.source), posterior, content)


def _widened(
    request: CalibrationRequest, comparison: Comparison, problem: Problem, mode: Mode, *, tell: Tell
) -> tuple[Problem, Mode, FloatArray]:
    """The problem with the errors of the other parameters in it, its mode, and those errors (m, k)."""
    from cosinter.analysis.continuum.calibration import find_mode

    if request.others == "fixed":
        return problem, mode, np.zeros((problem.target.size, 0))
    tell("moving all other parameters", 0, 1)
    blame = comparison.blame(request.names, mode.z)
    problem = comparison.problem(request.names, blame)
    return problem, find_mode(problem, mode.z[None], progress=tell), blame


def experiments(request: CalibrationRequest) -> tuple[ParameterSet, list[Variant]]:
    """The parameter set to be fitted, and the run of every experiment with its own set.

    Raises
    ------
    InputError
        A line asks for something the study does not have, or a parameter is not the same in all runs.
    """
    from cosinter.workflows.variants import Variants, one_case

    runs: dict[str | None, Variants] = {}
    variants = []
    for experiment in request.data.experiments:
        try:
            if experiment.case not in runs:
                runs[experiment.case] = Variants(
                    one_case(request.study, experiment.case), request.prior, workers=request.workers
                )
            variants.append(runs[experiment.case].of(experiment.changes))
        except InputError as error:
            raise InputError(f"{request.data.source.name}, line {experiment.line}: {error}") from error
    base = next(iter(runs.values())).of({}).parameters
    for experiment, variant in zip(request.data.experiments, variants, strict=True):
        _check_same(request.names, base, variant.parameters, request.data.source.name, experiment)
    return base, variants


def _check_same(
    names: Sequence[str], base: ParameterSet, other: ParameterSet, file: str, experiment: Experiment
) -> None:
    """Refuse a parameter that means one thing in the fitted set and another in an experiment."""
    shared = [{error.name: error.shifts for error in found.shared_errors} for found in (base, other)]
    for name in names:
        record = name.removesuffix(":energy")
        known = record in base.parameters
        here, there = (
            [found.parameters.get(record) for found in (base, other)]
            if known
            else [name in found for found in shared]
        )
        if here != there:
            raise InputError(
                f"{file}, line {experiment.line}: parameter {name} is another one than in the study as it stands; "
                "calibrate it with experiments of one material"
            )


def natural_values(parameters: ParameterSet, name: str, z: FloatArray) -> tuple[FloatArray, str]:
    """Values (n) and unit of one source of error at ``z`` (n).

    Scalars and rates (at their reference temperature) in their own unit, activation energies in kJ/mol; a table is
    described by what is added to it (to its logarithm for conductivities and pressures), a shared error by z.
    """
    from scipy.constants import kilo

    from cosinter.analysis.continuum.ensemble import LOGARITHMIC_TABLES, Draws, shifts

    found = shifts(parameters, Draws((name,), z[:, None]))
    record = name.removesuffix(":energy")
    if record in found.scalars:
        return found.scalars[record], parameters[record].unit
    if record in found.rates:
        logarithm, energy = found.rates[record]
        return (energy / kilo, "kJ/mol") if name != record else (np.exp(logarithm), parameters[record].unit)
    if name in parameters.parameters:
        unit = "shift of ln" if name in LOGARITHMIC_TABLES else f"shift in {parameters[name].unit}"
        return found.tables[name][:, 0], unit
    return z, "standard deviations"


def parameter_rows(parameters: ParameterSet, posterior: Posterior) -> list[dict[str, Any]]:
    """Every calibrated parameter before and after: 5, 50 and 95 % values, and what was learned about it."""
    from scipy.stats import norm

    from cosinter.analysis.continuum.fitted import learned

    seen = learned(posterior)
    rows = []
    for column, name in enumerate(posterior.names):
        prior, unit = natural_values(parameters, name, norm.ppf(QUANTILES))
        after, _ = natural_values(parameters, name, np.quantile(posterior.z[:, column], QUANTILES))
        rows.append(
            {
                "name": name,
                "unit": unit,
                "prior": _three(prior),
                "posterior": _three(after),
                "mean_z": float(posterior.mean[column]),
                "deviation_z": float(posterior.deviation[column]),
                "learned_nats": float(posterior.learned_nats[column]),
                "fitted": name in seen,
            }
        )
    return rows


def _three(values: FloatArray) -> dict[str, float]:
    low, middle, high = (float(value) for value in np.sort(values))
    return {"low": low, "median": middle, "high": high}


def _data(data: MeasurementFile) -> dict[str, Any]:
    return {
        "name": data.source.name,
        "sha256": data.source.sha256,
        "experiments": len(data.experiments),
        "measurements": len(data.measurements),
    }


def _others(request: CalibrationRequest, comparison: Comparison, blame: FloatArray) -> dict[str, Any]:
    """How the other sources of error were treated, and which of them weigh most, as multiples of the stated errors."""
    names = comparison.others(request.names)
    weights = np.linalg.norm(blame / comparison.error[:, None], axis=0)
    order = [int(k) for k in np.argsort(-weights)[:MOST_OTHERS] if weights[k] > LEAST_WEIGHT]
    return {
        "treated": request.others,
        "sources": len(names),
        "largest": [{"name": names[k], "weight": float(weights[k])} for k in order],
    }


def _chain(posterior: Posterior) -> dict[str, Any]:
    return {
        "walkers": posterior.walkers,
        "steps": posterior.steps,
        "samples": len(posterior.z),
        "acceptance": posterior.acceptance,
        "autocorrelation_steps": [float(value) for value in posterior.autocorrelation_steps],
        "failed_runs": posterior.failed,
    }


def _predictions(
    data: MeasurementFile, before: FloatArray, blame: FloatArray, posterior: Posterior, left_out: LeftOut
) -> list[dict[str, Any]]:
    """Every measurement beside its predictions: before, after, and by all other experiments (5, 50, 95 %)."""
    from scipy.stats import norm

    prior = np.nanquantile(before, QUANTILES, axis=0)
    after = np.quantile(posterior.predicted, QUANTILES, axis=0)
    rows = []
    for number, found in enumerate(data.measurements):
        experiment = data.experiments[found.experiment]
        blind = left_out.mean[number] + left_out.deviation[number] * norm.ppf(QUANTILES)
        rows.append(
            {
                "line": experiment.line,
                "sample": experiment.sample,
                "outcome": found.outcome,
                "measured": found.value,
                "error": float(np.exp(found.error)) if found.logarithmic else found.error,
                "error_is_factor": found.logarithmic,
                "error_of_others": float(np.linalg.norm(blame[number])),
                "prior": _three(_plain(found, prior[:, number])),
                "posterior": _three(_plain(found, after[:, number])),
                "left_out": _three(_plain(found, blind)),
                "z_score": float(left_out.z_score[number]),
                "pareto_shape": float(left_out.pareto_shape[found.experiment]),
                "refitted": bool(left_out.refitted[found.experiment]),
            }
        )
    return rows


def _plain(found: Measurement, values: FloatArray) -> FloatArray:
    """Predictions in the unit of the outcome."""
    return np.exp(values) if found.logarithmic else values


def _verdict(problem: Problem, posterior: Posterior, left_out: LeftOut) -> dict[str, Any]:
    from cosinter.analysis.continuum.cross_validation import misfit_probability

    return {
        "misfit_probability": misfit_probability(problem, posterior),
        "leave_one_out": {
            "rms_z_score": left_out.rms_z_score,
            "within_90_percent": left_out.within_90,
            "refitted_experiments": int(np.count_nonzero(left_out.refitted)),
        },
    }


def warnings(content: Mapping[str, Any]) -> list[str]:
    """What a reader of a calibration has to know, one sentence each."""
    found = []
    if heavy := [row["name"] for row in content["others"]["largest"]]:
        found.append(
            f"the measurements depend more on parameters that are not fitted than their errors are large: {', '.join(heavy)}; "
            "fit them as well, or measure them apart"
        )
    rows = content["parameters"]
    for row in rows:
        if not row["fitted"]:
            found.append(f"the measurements say nothing about {row['name']}: it keeps its prior")
        elif abs(row["mean_z"]) > FAR:
            found.append(
                f"{row['name']} is drawn {abs(row['mean_z']):.1f} standard deviations away from its prior; doubt the "
                "data, the prior or the model"
            )
    for i, first in enumerate(rows):
        for j, second in enumerate(rows[:i]):
            if abs(content["correlation"][i][j]) > TIED:
                found.append(
                    f"{second['name']} and {first['name']} are known in combination only (correlation "
                    f"{content['correlation'][i][j]:+.2f}); samples of the fitted set vary them independently"
                )
    if content["misfit_probability"] < LEAST_FIT:
        found.append(
            f"the model does not describe the measurements within their errors (probability "
            f"{content['misfit_probability']:.1e}): the intervals are too narrow; check the errors, or free what is wrong"
        )
    if content["chain"]["failed_runs"]:
        found.append(f"{content['chain']['failed_runs']} runs failed and were left out of the chain")
    return found
