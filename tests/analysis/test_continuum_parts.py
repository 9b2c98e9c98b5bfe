"""Pieces of the continuum model: grid, lithium partition, melting, sampling."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cosinter.analysis.continuum.compensator import compensator_conditions, eutectic, liquid_fraction
from cosinter.analysis.continuum.furnace import Gas
from cosinter.analysis.continuum.grain import GrainThermodynamics, Grid, oxygen_per_metal, partition_table
from cosinter.analysis.continuum.inputs import model_inputs
from cosinter.analysis.continuum.interphase import Sink

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import parameter_set

INPUTS = model_inputs(parameter_set())


def test_shells_fill_the_sphere():
    grid = Grid.make(17)
    assert grid.volumes.sum() == pytest.approx(1.0, abs=1e-14)
    assert grid.surface(3.0 + 2.0 * grid.centres) == pytest.approx(5.0, abs=1e-12)


def test_partition_returns_the_lithium_it_was_given():
    table = partition_table(GrainThermodynamics.of(INPUTS).at(900.0), -60.0)
    rng = np.random.default_rng(1)
    fractions = rng.dirichlet([0.5, 0.5, 0.5], size=200).T
    lithium = rng.uniform(0.001, 0.999, size=200)
    content, slope = table.contents(table.potential(lithium, fractions))
    np.testing.assert_allclose((fractions * content).sum(axis=0), lithium, atol=1e-12)
    assert np.all(slope >= 0.0)


def test_grand_potential_falls_by_the_lithium_content():
    """d(omega)/d(mu) = -u; omega itself is tabulated to about 1e-5, over 0.02: 1e-3."""
    table = partition_table(GrainThermodynamics.of(INPUTS).at(900.0), -60.0)
    middle = table.start + 100.0 + np.linspace(-8.0, 8.0, 50)
    change = (table.grand_potentials(middle + 0.01) - table.grand_potentials(middle - 0.01)) / 0.02
    np.testing.assert_allclose(-change, table.contents(middle)[0], atol=1e-3)


def test_oxygen_of_the_phases_at_known_compositions():
    number, _ = oxygen_per_metal(np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(number[:, 0], [2.0, 4.0 / 3.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(number[:, 2], [2.0, 2.0, 2.0], atol=1e-12)


def test_ideal_eutectic_lies_where_both_liquidus_lines_meet():
    """438-446 C at 11-12 mol% Li2CO3 from melting points and heats of fusion, ideal melt."""
    temperature = eutectic(INPUTS)
    assert 438.0 < temperature - 273.15 < 446.0
    at = compensator_conditions(INPUTS, temperature + 40.0, gas=Gas(), eutectic_K=temperature)
    melt = liquid_fraction(at, np.array([1.0, 0.885, 0.0]), np.array([0.0, 0.115, 1.0]))
    assert melt[1] == pytest.approx(1.0, abs=1e-3)
    assert melt[2] < 0.02


def test_titration_keeps_titanium_and_phosphorus():
    sink = Sink.of(INPUTS)
    amounts = sink.products(np.linspace(0.0, 3.4, 9))
    for element, total in (("Ti", 1.7), ("P", 3.0), ("Al", 0.3)):
        count = amounts @ np.array([c.get(element, 0.0) for c in INPUTS.compositions])
        np.testing.assert_allclose(count, total, rtol=1e-12)
