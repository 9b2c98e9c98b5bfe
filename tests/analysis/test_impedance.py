"""Conductivity of mixtures and the resistance of the sintered interface."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.observables.impedance import (
    bruggeman,
    hashin_shtrikman,
    interface_resistance,
    layer_resistances,
)
from cosinter.data.exceptions import InputError

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import parameter_set, scalar


@settings(deadline=None)  # the first call imports scipy
@given(st.floats(0.01, 0.99), st.floats(-12.0, 0.0), st.floats(-12.0, 0.0))
def test_mixture_lies_between_the_bounds_of_wiener(share, first, second):
    f, s = np.array([share, 1.0 - share]), 10.0 ** np.array([first, second])
    low, high = 1.0 / np.sum(f / s), np.sum(f * s)
    effective = bruggeman(f, s)
    assert low * (1 - 1e-9) <= effective <= hashin_shtrikman(f, s) * (1 + 1e-6) <= high * (1 + 2e-6)


def test_percolation_threshold_of_the_effective_medium():
    """A conductor in an insulator: sigma = sigma_1 (3 f - 1)/2 above f = 1/3, Bruggeman 1935."""
    assert bruggeman([0.6, 0.4], [1.0, 1e-12]) == pytest.approx(0.4, rel=1e-9)
    assert bruggeman([0.2, 0.8], [1.0, 1e-12]) < 1e-11


def test_known_layer_gives_thickness_over_conductivity():
    """100 nm of Li3PO4 glass at 2e-5 S/m: 50 ohm cm2, and 25 ohm cm2 of clean contact."""
    import xarray

    thickness = np.array([[0.0, 0.0, 1e-7, 0.0, 0.0]])
    run = xarray.Dataset(
        {"product_thickness": (("time", "product"), thickness), "interphase_thickness": ("time", [1e-7])}
    )
    parameters = parameter_set(**{"impedance.clean_interface": scalar(25e-4, "ohm m2")})
    found = interface_resistance(parameters, run)
    assert found.clean_ohm_cm2 == pytest.approx(25.0)
    assert found.layer_ohm_cm2 == pytest.approx(50.0)
    assert found.asr_ohm_cm2 == pytest.approx(75.0)


def test_many_layers_are_each_as_one_alone():
    rng = np.random.default_rng(4)
    thickness, volumes = 1e-7 * rng.random(20), 1e-6 * rng.random((20, 3))
    sigma = 10.0 ** rng.uniform(-14.0, -4.0, (20, 3))
    together = layer_resistances(thickness, volumes, sigma)
    alone = [1e4 * d / hashin_shtrikman(v, s) for d, v, s in zip(thickness, volumes, sigma, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_no_product_has_no_resistance_and_round_off_is_no_product():
    found = layer_resistances([1e-7, 1e-7, 0.0], [[0.0, 0.0], [1.0, -1e-18], [1.0, 1.0]], [1e-5, 1e-14])
    np.testing.assert_allclose(found, [0.0, 100.0, 0.0], rtol=1e-12)


def test_the_layer_at_the_start_is_not_counted_twice():
    """1 nm at the start and nothing grown is a clean contact; 9 nm grown on it count as 9 nm."""
    found = layer_resistances([1e-9, 1e-8], [[0.0, 1e-20], [9e-9, 0.0]], [1e-5, 1e-12])
    np.testing.assert_allclose(found, [0.0, 9.0], atol=1e-3)


def test_a_layer_that_cannot_conduct_is_refused():
    with pytest.raises(InputError, match="above 0"):
        layer_resistances([1e-7], [[1.0, 1.0]], [1e-5, 0.0])


@pytest.mark.parametrize("bad", [([0.0, 0.0], [1.0, 1.0]), ([1.0], [-1.0]), ([1.0, -1.0], [1.0, 1.0])])
def test_impossible_mixtures_are_refused(bad):
    with pytest.raises(InputError, match="mend"):
        bruggeman(*bad)
