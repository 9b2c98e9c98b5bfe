"""Conservation, second law and bounds over random composites, at every accepted step."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.random_composites import random_composite
from cosinter.analysis.continuum.balance import ELEMENTS
from cosinter.analysis.continuum.model import simulate
from cosinter.analysis.continuum.run import SLACK
from cosinter.data.exceptions import ConvergenceError

sys.path.insert(0, str(Path(__file__).parent))
from verification_fixture import random_base

FEW, BATCHES, BATCH = 8, 20, 100
MOST_FAILURES = 0.005


def _check(run):
    assert all(np.all(np.isfinite(run[name])) for name in run.data_vars if run[name].dtype.kind == "f")
    assert float(run["balance_error"].max()) <= 1e-12, run["balance_error"].max("time").values
    # salts that are used up are zero to 1e-17 mol, which a fast reaction turns into as little dissipation
    assert float(run["dissipation"].min()) >= -1e-12 * float(run["dissipation"].max())
    for name in ("layered", "spinel", "rock_salt", "lithium", "coverage", "liquid_fraction"):
        assert float(run[name].min()) >= -1e-14, name
        assert float(run[name].max()) <= 1.0 + 1e-14, name
    assert float(run["electrolyte_converted"].max()) <= 1.0 + SLACK
    assert float(run["compensator"].min()) >= -1e-14
    # the layer never shrinks but by the absolute tolerance of a step, 3e-6 mol per mol metal, and where the electrolyte is full
    shrinks = -float(run["interphase_thickness"].diff("time").min())
    assert shrinks <= 5e-3 * float(run["interphase_thickness"].max())


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
            _check(run)
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
