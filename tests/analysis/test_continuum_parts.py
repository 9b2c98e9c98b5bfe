"""Pieces of the continuum model: grid, lithium partition, melting, sampling."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cosinter.analysis.continuum.cells import (
    CellFunctions,
    cell_functions,
    conversion_rates,
    phase_fractions,
    share_lithium,
)
from cosinter.analysis.continuum.compensator import eutectics
from cosinter.analysis.continuum.conditions import conditions
from cosinter.analysis.continuum.contact import liquid_fraction
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.grain import Grid, oxygen_per_metal
from cosinter.analysis.continuum.inputs import SinterCase, model_inputs
from cosinter.analysis.continuum.interphase import Sink
from cosinter.analysis.continuum.lanes import make_batch
from cosinter.analysis.continuum.linearised import prepare, solve
from cosinter.analysis.continuum.rates import rates, reservoirs_of
from cosinter.analysis.continuum.run import initial_state, settle
from cosinter.analysis.continuum.tables import grain_tables

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import parameter_set

INPUTS = model_inputs(parameter_set())


def test_shells_fill_the_sphere():
    grid = Grid.make(17)
    assert grid.volumes.sum() == pytest.approx(1.0, abs=1e-14)
    assert grid.mean(grid.centres) == pytest.approx(0.75, abs=1e-12)


def _batch(temperature_K: float = 900.0, cells: int = 12, **doses: float):
    furnace = Furnace((0.0, 3600.0), (temperature_K, temperature_K), (Gas(),))
    return make_batch(INPUTS, [SinterCase("part", furnace, cells=cells, doses=doses)])


def test_partition_returns_the_lithium_it_was_given():
    lanes = _batch().lanes
    now = conditions(lanes, 0, 0.0)
    rng = np.random.default_rng(1)
    _, spinel, salt = rng.dirichlet([0.5, 0.5, 0.5], size=200).T
    share = phase_fractions(spinel[None], salt[None])
    lithium = rng.uniform(0.001, 0.999, size=(1, 200))
    potential = share_lithium(now, lanes, lithium, share, np.zeros((1, 200)))
    found = cell_functions(now, lanes, potential)
    np.testing.assert_allclose((share * found.content).sum(axis=0), lithium, atol=1e-9)
    assert np.all(found.slope >= 0.0)


def test_grand_potential_falls_by_the_lithium_content():
    """d(omega)/d(mu) = -u holds between phases: the affinities change by the difference of their contents."""
    lanes = _batch().lanes
    now = conditions(lanes, 0, 0.0)
    middle = now.middle[0, 0] + np.linspace(-8.0, 8.0, 50)[None]
    below, here, above = (cell_functions(now, lanes, middle + step) for step in (-1e-4, 0.0, 1e-4))
    change = (above.affinities - below.affinities) / 2e-4
    np.testing.assert_allclose(change[0], here.content[1] - here.content[0], atol=1e-6)
    np.testing.assert_allclose(change[2], here.content[2] - here.content[0], atol=1e-6)


def test_contents_never_fall_with_the_potential():
    """Also where a phase unmixes, as the spinel at u = 1/2."""
    pieces = grain_tables(INPUTS, 2.1e4).pieces[5]
    for phase in range(3):
        c = pieces[1:, phase]
        d = np.linspace(0.0, 1.0, 21)[:, None]
        value = c[0] + d * (c[1] + d * (c[2] + d * c[3]))
        assert np.diff(value.T.ravel()).min() > -1e-12


def test_phases_in_equilibrium_do_not_convert_and_nothing_is_made_of_nothing():
    lanes = _batch().lanes
    now = conditions(lanes, 0, 0.0)
    found = cell_functions(now, lanes, np.full((1, 5), now.middle[0, 0]))
    share = np.array([[[0.0, 1.0, 0.3, 0.5, 0.0]], [[0.5, 0.0, 0.3, 0.0, 0.0]], [[0.5, 0.0, 0.4, 0.5, 1.0]]])

    def at(affinity: float) -> np.ndarray:
        falls = np.full_like(share, affinity)
        constants = np.ones_like(share)
        return conversion_rates(
            lanes, CellFunctions(found.content, found.slope, found.factor, constants, falls), share
        )

    assert np.all(at(0.0) == 0.0)
    for affinity in (-5.0, -0.01, 0.01, 5.0):
        rate = at(affinity)
        assert np.all(rate * affinity >= 0.0)
        lost = 0 if affinity > 0 else 1
        assert np.all(rate[0][share[lost] == 0.0] == 0.0)


def test_linear_systems_of_a_step_belong_to_the_derivatives_of_the_rates():
    """W k = r with W = s - J: k solves it for J from central differences."""
    batch = _batch(970.0, lithium_hydroxide=0.3, lithium_carbonate=0.1)
    lanes, n = batch.lanes, batch.cells
    state = initial_state(lanes)
    state[:, :n] = np.linspace(0.95, 0.6, n)
    state[:, n : 2 * n], state[:, 2 * n : 3 * n] = np.linspace(0.01, 0.2, n), np.linspace(0.01, 0.3, n)
    state[:, 3 * n :] = 0.01 * np.random.default_rng(3).random(14)
    guess = np.zeros((1, n))
    jacobian = np.empty((state.size, state.size))
    for column in range(state.size):
        step = 1e-6 * max(abs(state[0, column]), 1e-2)
        up, down = state.copy(), state.copy()
        up[0, column] += step
        down[0, column] -= step
        change = rates(0, 900.0, up, lanes, guess) - rates(0, 900.0, down, lanes, guess)
        jacobian[:, column] = change[0] / (2.0 * step)
    right = np.random.default_rng(4).standard_normal(state.shape)
    for scale in (0.1, 1.0, 100.0):
        ours = solve(prepare(0, 900.0, scale, state, lanes, guess), right, lanes)[0]
        exact = np.linalg.solve(scale * np.eye(state.size) - jacobian, right[0])
        assert np.abs(ours - exact).max() < 2e-4 * np.abs(exact).max()


def test_overdrawn_salt_goes_back_where_it_went():
    batch = _batch(lithium_hydroxide=0.1)
    lanes, n = batch.lanes, batch.cells
    old = initial_state(lanes)
    new = old.copy()
    new[0, 3 * n + 6] = 0.05 + 2e-7  # LiOH to the electrolyte: 4e-7 Li more than there was

    def total(state: np.ndarray) -> float:
        held = reservoirs_of(lanes, state[:, 3 * n :])[:, 0]
        return float(lanes.volumes @ state[0, :n] + held[:3].sum() + 2.0 * held[3] * lanes.electrolyte[0, 0])

    before = total(new)
    assert settle(old, new, lanes)[0]
    assert reservoirs_of(lanes, new[:, 3 * n :])[0, 0] == pytest.approx(0.0, abs=1e-15)
    assert total(new) == pytest.approx(before, abs=1e-14)


def test_oxygen_of_the_phases_at_known_compositions():
    number, _ = oxygen_per_metal(np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(number[:, 0], [2.0, 4.0 / 3.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(number[:, 2], [2.0, 2.0, 2.0], atol=1e-12)


def test_ideal_eutectic_lies_where_both_liquidus_lines_meet():
    """438-446 C at 11-12 mol% Li2CO3 from melting points and heats of fusion, ideal melt."""
    lanes = _batch(700.0).lanes
    temperature = float(eutectics(lanes.melting, lanes.fusion)[0, 0])
    assert 438.0 < temperature - 273.15 < 446.0
    at = conditions(_batch(temperature + 40.0).lanes, 0, 0.0)
    melt = liquid_fraction(at, np.array([[1.0, 0.885, 0.0]]), np.array([[0.0, 0.115, 1.0]]))[0]
    assert melt[1] == pytest.approx(1.0, abs=1e-3)
    assert melt[2] < 0.02


def test_titration_keeps_titanium_and_phosphorus():
    sink = Sink.of(INPUTS)
    amounts = sink.products(np.linspace(0.0, 3.4, 9))
    for element, total in (("Ti", 1.7), ("P", 3.0), ("Al", 0.3)):
        count = amounts @ np.array([c.get(element, 0.0) for c in INPUTS.compositions])
        np.testing.assert_allclose(count, total, rtol=1e-12)
