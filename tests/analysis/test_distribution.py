"""Size classes: moments of the lognormal distribution, and averages over grains that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.analysis.continuum.distribution import averaged, by_size, size_classes, whole_powders
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.data.exceptions import InputError


@given(st.floats(1e-8, 1e-4), st.floats(0.01, 0.6), st.sampled_from([-1.0, 1.0, 2.0]))
def test_moments_of_the_distribution(radius, spread, power):
    """<r^k> = r_50^k exp(k^2 s^2/2)."""
    classes = size_classes(radius, spread, count=12)
    moment = np.sum(classes.volume_shares * (classes.radii_m / radius) ** power)
    assert moment == pytest.approx(np.exp(0.5 * (power * spread) ** 2), rel=1e-6)
    assert classes.volume_shares.sum() == pytest.approx(1.0, rel=1e-12)
    assert np.all(np.diff(classes.radii_m) > 0.0)


def test_five_classes_give_the_specific_area_of_a_usual_powder():
    classes = size_classes(2e-6, 0.4)
    area = np.sum(3.0 * classes.volume_shares / classes.radii_m)
    assert area == pytest.approx(3.0 / 2e-6 * np.exp(0.08), rel=1e-5)


def test_no_spread_is_one_class():
    classes = size_classes(1e-6, 0.0)
    assert classes.radii_m.tolist() == [1e-6]
    np.testing.assert_allclose(averaged(np.array([[3.0, 4.0]]), ["a", "asr_ohm_cm2"], classes), [3.0, 4.0])


def test_a_layer_of_one_thickness_keeps_it_and_takes_more_from_small_grains():
    """Lithium lost to a layer goes as 1/r: by volume <1/r> = exp(s^2/2)/r_50; the layer itself is alike everywhere."""
    classes = size_classes(1e-6, 0.5, count=15)
    lost = 0.1 * 1e-6 / classes.radii_m
    values = np.stack([1.0 - lost, np.full(15, 50.0), np.full(15, 80.0)], axis=-1)
    whole = averaged(values, ["lithium_per_metal", "interphase_nm", "asr_ohm_cm2"], classes)
    np.testing.assert_allclose(whole, [1.0 - 0.1 * np.exp(0.125), 50.0, 80.0], rtol=1e-9)


def test_a_blocked_class_takes_its_area_out_of_the_conductance():
    classes = size_classes(1e-6, 0.5, count=2)
    found = averaged(np.array([[1e30], [60.0]]), ["asr_ohm_cm2"], classes)
    assert found[0] == pytest.approx(60.0 / classes.area_shares[1], rel=1e-12)


def test_a_class_that_failed_is_not_averaged_away():
    classes = size_classes(1e-6, 0.5, count=2)
    assert np.isnan(averaged(np.array([[np.nan, 1.0], [0.5, 1.0]]), ["a", "asr_ohm_cm2"], classes)[0])


def test_cases_are_split_and_put_together_in_order():
    furnace = Furnace((0.0, 1.0), (300.0, 400.0), (Gas(),))
    plain = SinterCase("plain", furnace, grain_radius_m=3e-6)
    spread = SinterCase("spread", furnace, grain_radius_m=1e-6, size_spread=0.4)
    single, classes = by_size([plain, spread, plain])
    assert [len(sizes.radii_m) for sizes in classes] == [1, 5, 1]
    assert single[0] == single[-1] == plain
    assert all(case.size_spread == 0.0 and case.name == "spread" for case in single[1:6])
    radii = np.array([[case.grain_radius_m] for case in single])
    mean = 1e-6 * np.exp(0.08)
    np.testing.assert_allclose(whole_powders(radii, ["r"], classes)[:, 0], [3e-6, mean, 3e-6], rtol=1e-5)


@pytest.mark.parametrize(("radius", "spread", "count"), [(0.0, 0.1, 5), (1e-6, -0.1, 5), (1e-6, 0.1, 0)])
def test_impossible_distributions_are_refused(radius, spread, count):
    with pytest.raises(InputError):
        size_classes(radius, spread, count=count)
