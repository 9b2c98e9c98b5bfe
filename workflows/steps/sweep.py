"""Steps of a sweep: a chunk of runs that share one parameter set, and the set that a user gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.workflows.execution import Task
from cosinter.workflows.results import storage_errors
from cosinter.workflows.steps.case_parameters import with_case
from cosinter.workflows.steps.furnace import SAMPLE_CELLS, parameter_set, sinter_case
from cosinter.workflows.study import Case

if TYPE_CHECKING:
    from cosinter.analysis.continuum.batch import Outcomes
    from cosinter.analysis.continuum.ensemble import Draws
    from cosinter.analysis.parameters import ParameterSet

SAMPLES_FILE = "samples.npy"


def given_parameters(task: Task) -> dict[str, Any]:
    """Keep the parameter set that a user gave beside the results made with it."""
    with storage_errors(task.folder):
        (task.folder / "parameters.json").write_text(task.inputs["text"], encoding="utf-8")
    return {}


def sweep(task: Task) -> dict[str, Any]:
    """Take every run of a chunk through the furnace; with samples, give the spread of each.

    ``samples.npy`` holds the outcomes of all samples: (runs, samples, outcomes), NaN where a sample failed. Every
    run of a study has the same draws.

    Returns
    -------
    dict
        ``outcomes``: names; ``rows``: one per run with ``values`` (None if the run failed), ``error``, and with
        samples ``intervals`` (5, 50 and 95 % of each outcome), ``samples``, ``failed_samples`` and ``dominant``
        (the errors that decide each outcome, strongest first).
    """
    from cosinter.analysis.continuum.batch import OUTCOMES, run_cases, run_samples
    from cosinter.analysis.continuum.ensemble import draw

    found = _parameters(task)
    cases = [sinter_case(run, found) for run in task.inputs["runs"]]
    nominal = run_cases(found, cases)
    rows = [_row(nominal, place) for place in range(len(cases))]
    if task.inputs["samples"]:
        draws = draw(found, task.inputs["samples"], seed=task.inputs["runs"][0]["seed"])
        spreads = []
        for row, case in zip(rows, cases, strict=True):
            coarse = replace(case, cells=SAMPLE_CELLS)
            spreads.append(run_samples(found, coarse, draws))
            row |= spread(spreads[-1]) | {"dominant": dominant(draws, spreads[-1])}
        with storage_errors(task.folder):
            np.save(task.folder / SAMPLES_FILE, np.stack([outcomes.values for outcomes in spreads]))
    return {"outcomes": list(OUTCOMES), "rows": rows}


def _parameters(task: Task) -> ParameterSet:
    """The set of a chunk: the runs of one have the same film and crucible."""
    from cosinter.analysis.parameters import ParameterSet

    given = task.upstream.get("parameters")
    if given is None:
        found = parameter_set(task.inputs["parameters"], None)
    else:
        found = ParameterSet.from_json((given.folder / "parameters.json").read_bytes())
    return with_case(found, Case.model_validate(task.inputs["runs"][0]["case"]))


def _row(outcomes: Outcomes, place: int) -> dict[str, Any]:
    error = outcomes.failures.get(place)
    return {"values": None if error else outcomes.values[place].tolist(), "error": error}


def spread(outcomes: Outcomes) -> dict[str, Any]:
    """Quantiles (5, 50 and 95 %) of each outcome over the samples that ended; None where none did."""
    from cosinter.analysis.continuum.ensemble import interval

    good = outcomes.values[outcomes.good]
    failed = len(outcomes.values) - len(good)
    bands = [interval(column) for column in good.T] if len(good) else []
    return {
        "intervals": [[band.low, band.median, band.high] for band in bands] or None,
        "samples": len(outcomes.values),
        "failed_samples": failed,
    }


def dominant(draws: Draws, outcomes: Outcomes) -> list[list[str]]:
    """The three errors that decide each outcome by rank correlation; fewer where chance cannot be ruled out."""
    from cosinter.analysis.continuum.sensitivity import FEWEST_SAMPLES, ranks, top

    if outcomes.good.sum() < FEWEST_SAMPLES:
        return [[] for _ in outcomes.names]
    return [list(top(ranks(draws, outcomes, name), 3)) for name in outcomes.names]
