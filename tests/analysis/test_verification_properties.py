"""Conservation, second law and bounds over random composites, at every accepted step."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.random_composites import random_composite
from cosinter.analysis.continuum.balance import ELEMENTS
from cosinter.analysis.continuum.model import simulate
from cosinter.analysis.continuum.run import ABSOLUTE_PER_RELATIVE, SLACK, SLACK_PER_ERROR
from cosinter.data.exceptions import ConvergenceError

sys.path.insert(0, str(Path(__file__).parent))
from verification_fixture import random_base

FEW, BATCHES, BATCH = 20, 20, 100
STEPS_END = 3.4  # mol Li2O per mol electrolyte
MOST_FAILURES = 0.02


def _check(run, case):
    assert all(np.all(np.isfinite(run[name])) for name in run.data_vars if run[name].dtype.kind == "f")
    _check_balances(run, case)
    # salts that are used up are zero to 1e-17 mol, which a fast reaction turns into as little dissipation
    assert float(run["dissipation"].min()) >= -1e-12 * float(run["dissipation"].max())
    for name in ("layered", "spinel", "rock_salt", "coverage", "liquid_fraction"):
        assert float(run[name].min()) >= -1e-14, name
        assert float(run[name].max()) <= 1.0 + 1e-14, name
    assert float(run["lithium"].min()) >= -SLACK  # potentials go on as tangents beyond an empty or full shell
    assert float(run["lithium"].max()) <= 1.0 + SLACK
    assert float(run["electrolyte_converted"].max()) <= 1.0 + SLACK
    assert float(run["compensator"].min()) >= -1e-14
    # the layer never shrinks but by the error of a step
    taken = run["electrolyte_converted"] * STEPS_END * run.attrs["electrolyte_per_metal"]
    error = SLACK_PER_ERROR * ABSOLUTE_PER_RELATIVE * case.tolerance
    assert -float(taken.diff("time").min()) <= max(SLACK, error) * STEPS_END


def _check_balances(run, case):
    """1e-12 of the inventory, or 1e-15 mol per mol metal where a trace is fed from plenty."""
    traces = {
        "C": 0.5 * case.doses.get("lithium_carbonate", 0.0),
        "H": case.doses.get("lithium_hydroxide", 0.0),
    }
    for element in ELEMENTS:
        error = float(run["balance_error"].sel(element=element).max())
        assert error <= max(1e-12, 1e-15 / max(traces.get(element, 1.0), 1e-6)), element


def _run_many(seeds):
    base, failures = random_base(), {}
    for seed in seeds:
        parameters, case = random_composite(base, seed)
        try:
            run = simulate(parameters, case)
        except ConvergenceError as error:
            failures[seed] = str(error)
            continue
        try:
            _check(run, case)
        except AssertionError as error:
            raise AssertionError(f"composite {seed}: {error}") from error
    assert len(failures) <= MOST_FAILURES * len(seeds), failures


def test_random_composites_keep_their_elements_and_the_second_law():
    assert len(ELEMENTS) == 10
    _run_many(range(FEW))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_two_thousand_random_composites(batch):
    _run_many(range(FEW + batch * BATCH, FEW + (batch + 1) * BATCH))
