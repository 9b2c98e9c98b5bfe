"""The compiled model beside the array model: the same equations, written twice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cosinter.analysis.continuum import batch as batch_module
from cosinter.analysis.continuum.batch import run_samples
from cosinter.analysis.continuum.ensemble import draw, shifts
from cosinter.analysis.continuum.furnace import Furnace
from cosinter.analysis.continuum.inputs import SinterCase, model_inputs
from cosinter.analysis.continuum.lanes import Lanes, make_batch
from cosinter.analysis.continuum.linearised import prepare, solve
from cosinter.analysis.continuum.rates import rates
from cosinter.analysis.continuum.rosenbrock import Control
from cosinter.analysis.continuum.run import initial_state, run_batch, settle, settle_lithium

pytest.importorskip("numba", reason="the compiled model needs numba, extra fast")

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import parameter_set
from export_cases import assembled_set

from cosinter.analysis.continuum.compiled import integrator, linear, numbers

PARAMETERS = parameter_set()
CELLS, LANES = 9, 6
DOSES = {"lithium_hydroxide": 0.25, "lithium_carbonate": 0.1}
RAMP = Furnace.from_steps([(973.15, 5 / 60), (973.15, 3600.0), (298.15, 5 / 60)])


def _batch(**changes):
    case = SinterCase("twin", RAMP, cells=CELLS, doses=DOSES, coating_thickness_m=3e-9, **changes)
    return make_batch(model_inputs(PARAMETERS), [case], shifts(PARAMETERS, draw(PARAMETERS, LANES, seed=3)))


def _states(lanes: Lanes, seed: int = 0):
    rng = np.random.default_rng(seed)
    state = initial_state(lanes)
    state[:, :CELLS] = rng.uniform(1e-3, 0.999, (LANES, CELLS))
    shares = rng.dirichlet([1.0, 0.3, 0.3], (LANES, CELLS))
    state[:, CELLS : 2 * CELLS], state[:, 2 * CELLS : 3 * CELLS] = shares[..., 1], shares[..., 2]
    state[:, 3 * CELLS :] = rng.uniform(0.0, 0.01, (LANES, 14))
    return state


@pytest.mark.parametrize(("segment", "time"), [(0, 300.0), (0, 7000.0), (1, 9000.0), (2, 13000.0)])
def test_rates_are_those_of_the_array_model(segment, time):
    lanes = _batch().lanes
    state, common, table = _states(lanes), numbers.shared(lanes), numbers.records(lanes)
    work, found = numbers.workspace(common), np.empty(state.shape)
    for lane in range(LANES):
        work.potential[:] = 0.0
        linear.set_rates(
            common, table[lane], lanes.plateau_shifts[lane], segment, time, state[lane], work, found[lane]
        )
    expected = rates(segment, time, state, lanes, np.zeros((LANES, CELLS)))
    size = np.abs(expected).max(axis=1, keepdims=True)
    assert np.all(size > 0.0)
    np.testing.assert_allclose(found / size, expected / size, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_linear_systems_are_those_of_the_array_model(scale):
    lanes = _batch().lanes
    state, common, table = _states(lanes, 1), numbers.shared(lanes), numbers.records(lanes)
    right = np.random.default_rng(2).standard_normal(state.shape)
    factors = prepare(1, 9000.0, scale, state, lanes, np.zeros((LANES, CELLS)))
    expected = solve(factors, right, lanes)
    work, found = numbers.workspace(common), np.empty(state.shape)
    for lane in range(LANES):
        linear.set_grain(common, table[lane], lanes.plateau_shifts[lane], 1, 9000.0, state[lane], work)
        linear.prepare(common, table[lane], scale, state[lane], work)
        linear.solve(common, table[lane], scale, right[lane], work, found[lane])
    # slopes are differences over 1e-6, whose round-off both share only in size
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("doses", [{}, DOSES], ids=["bare", "compensated"])
def test_both_end_alike(doses):
    case = SinterCase("twin", RAMP, cells=CELLS, doses=doses)
    batch = make_batch(model_inputs(PARAMETERS), [case])
    fast, plain = (run_batch(batch, tolerance=1e-5, compiled=compiled) for compiled in (True, False))
    assert np.isnan(fast.record.failed_at).all()
    assert np.isnan(plain.record.failed_at).all()
    np.testing.assert_allclose(fast.state, plain.state, atol=1e-4)


def test_a_lane_does_not_feel_its_neighbours_nor_the_threads():
    batch = _batch()
    one, two = (run_batch(batch, tolerance=1e-4, threads=threads, compiled=True) for threads in (1, 2))
    np.testing.assert_array_equal(one.state, two.state)
    np.testing.assert_array_equal(one.record.counts, two.record.counts)


def test_samples_agree_without_numba(monkeypatch):
    case = SinterCase("twin", RAMP, cells=CELLS, doses=DOSES)
    parameters = assembled_set()
    draws = draw(parameters, 4, seed=1)
    fast = run_samples(parameters, case, draws)
    monkeypatch.setattr(batch_module, "compiled_model", lambda: False)
    monkeypatch.setattr("cosinter.analysis.continuum.run.compiled_model", lambda: False)
    plain = run_samples(parameters, case, draws)
    assert not fast.failures
    assert not plain.failures
    np.testing.assert_allclose(fast.column("layered_fraction"), plain.column("layered_fraction"), atol=1e-3)
    np.testing.assert_allclose(fast.column("interphase_nm"), plain.column("interphase_nm"), rtol=3e-3)


def test_mending_is_the_same_and_loses_no_lithium():
    lanes = _batch().lanes
    old, n = initial_state(lanes), CELLS
    common, table = numbers.shared(lanes), numbers.records(lanes)
    new = old.copy()
    new[0, n - 1], new[1, 0] = 1.0 + 5e-5, -5e-5  # mended
    new[2, n] = -5e-5
    new[3, 0] = 1.1  # out of reach
    new[:, :n] -= ((new - old)[:, :n] @ lanes.volumes)[:, None]
    twin, before = new.copy(), new[:, :n] @ lanes.volumes
    admissible = settle(old, new, lanes, slack=1e-4)
    found = [integrator._settle(common, table[lane], old[lane], twin[lane], 1e-4) for lane in range(LANES)]
    assert admissible.tolist() == found
    assert admissible.tolist() == [True, True, True, False, True, True]
    np.testing.assert_allclose(new[admissible], twin[admissible], atol=1e-15)
    np.testing.assert_allclose((new[:, :n] @ lanes.volumes)[admissible], before[admissible], atol=1e-14)
    assert new[admissible, :n].max() <= 1.0 + 1e-14
    assert new[admissible, :n].min() >= -1e-14


def test_lithium_beyond_a_full_grain_goes_back_to_the_salt_that_gave_most():
    volumes = np.array([0.1, 0.3, 0.6])
    state = np.concatenate([[1.0 + 1e-5, 1.0, 1.0], np.zeros(6), np.zeros(14)])
    state[9 + 4], state[9 + 3] = 0.2, 0.1
    settle_lithium(state, volumes)
    np.testing.assert_array_equal(state[:3], 1.0)
    assert state[9 + 4] == pytest.approx(0.2 - 0.5e-6, abs=1e-15)
    assert state[9 + 3] == 0.1


def test_a_stopped_lane_says_when_and_leaves_the_others_alone():
    batch = _batch()
    state, record = initial_state(batch.lanes), run_batch(batch, tolerance=1e-3, compiled=True).record
    assert np.isnan(record.failed_at).all()
    from cosinter.analysis.continuum.compiled.batch import integrate

    record.failed_at[:] = np.nan
    integrate(batch.lanes, state, Control(1e-3, 3e-5, 500.0, 3, CELLS), record)
    assert np.isfinite(record.failed_at).all()
    assert np.all(record.failed_at > 0.0)
