"""The furnace model on the main study: one programme, grids and tolerances, and ensembles.

Every row runs in a fresh forked process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.equilibrium import measured
from cosinter.analysis.continuum.batch import OUTCOMES, run_cases, run_samples
from cosinter.analysis.continuum.ensemble import draw
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet

REPEATS = 5
REFERENCE = {"cells": 400, "tolerance": 1e-6}
CELLS, TOLERANCES = (15, 25, 50, 100, 200), (1e-2, 1e-3, 1e-4, 1e-5)
FRACTIONS = OUTCOMES[:4]


@cache
def study() -> tuple[ParameterSet, dict[str, SinterCase]]:
    """Parameters and cases of the default study, from the library."""
    from cosinter.workflows.sources.libraries import library_inputs
    from cosinter.workflows.steps.furnace import parameter_set, sinter_case
    from cosinter.workflows.study import Study

    chosen = Study(name="benchmark")
    inputs = {**chosen.model_dump(mode="json"), "library": library_inputs(chosen.thermodynamics.energies)}
    parameters = parameter_set(inputs, None)
    cases = {case["name"]: sinter_case({**inputs, "case": case}, parameters) for case in inputs["cases"]}
    return parameters, cases


def outcomes(case: SinterCase) -> np.ndarray:
    """OUTCOMES at the end of one programme."""
    found = run_cases(study()[0], [case])
    if found.failures:
        raise SystemExit(f"the benchmark case stopped: {found.failures[0]}")
    return np.asarray(found.values[0])


def single(case: SinterCase) -> tuple[float, float]:
    """CPU seconds of the first run and the least of the next ones, in a fresh process."""

    def work() -> tuple[float, float]:
        times = []
        for _ in range(REPEATS + 1):
            begin = time.process_time()
            outcomes(case)
            times.append(time.process_time() - begin)
        return times[0], min(times[1:])

    first, warm = measured(work)[2]
    return first, warm


def programmes() -> Iterator[str]:
    """First and warm run of every case."""
    for name, case in study()[1].items():
        first, warm = single(case)
        yield f"| {name} | {1e3 * first:.1f} ms | {1e3 * warm:.2f} ms |"


def _errors(case: SinterCase, exact: np.ndarray) -> str:
    """Largest error of the fractions and lithium, and largest relative error of thickness, resistance and capacity."""
    found = outcomes(case)
    absolute = np.abs(found[: len(FRACTIONS)] - exact[: len(FRACTIONS)]).max()
    relative = np.abs(found[len(FRACTIONS) :] / exact[len(FRACTIONS) :] - 1.0).max()
    return f"{absolute:.1e} | {relative:.1e}"


def convergence() -> Iterator[str]:
    """Errors over grids at a tight tolerance and over tolerances on the default grid, each case."""
    for name, case in study()[1].items():
        exact = outcomes(replace(case, **REFERENCE))
        for cells in CELLS:
            moved = replace(case, cells=cells, tolerance=REFERENCE["tolerance"])
            yield f"| {name} | {cells} | {moved.tolerance:.0e} | {_errors(moved, exact)} |"
        same_grid = outcomes(replace(case, tolerance=REFERENCE["tolerance"]))
        for tolerance in TOLERANCES:
            moved = replace(case, tolerance=tolerance)
            yield f"| {name}, against tight steps | {moved.cells} | {tolerance:.0e} | {_errors(moved, same_grid)} |"


def ensembles(full: bool) -> Iterator[str]:
    """Wall seconds and memory of many samples of the first case, on the grid that samples have in a study."""
    from cosinter.workflows.steps.furnace import SAMPLE_CELLS

    parameters, cases = study()
    case = replace(next(iter(cases.values())), cells=SAMPLE_CELLS)
    count = 10_000 if full else 1_000
    for workers in (1, 2):

        def work(workers: int = workers) -> tuple[float, int]:
            draws = draw(parameters, count)
            begin = time.perf_counter()
            found = run_samples(parameters, case, draws, workers=workers)
            return time.perf_counter() - begin, len(found.failures)

        _, megabytes, (seconds, failures) = measured(work)
        yield f"| {count} samples, {workers} workers | {seconds:.1f} s | {megabytes:.0f} MB | {failures} |"


def report(*, full: bool = False) -> None:
    """Print programmes and ensembles."""
    tables: dict[str, Callable[[], Iterator[str]]] = {
        "programme | first run, CPU | warm, CPU": programmes,
        "ensemble | wall time | memory added | failed": lambda: ensembles(full),
    }
    for heads, rows in tables.items():
        show(heads, rows())


def show(heads: str, rows: Iterator[Any]) -> None:
    """Print one table, row by row."""
    print(f"\n| {heads} |\n|{'---|' * (heads.count('|') + 1)}", flush=True)
    for row in rows:
        print(row, flush=True)
