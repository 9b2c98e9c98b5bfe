"""Peaks of known shape are found where they are; scaling a pattern onto itself is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.observables.diffraction import PhaseWeight, powder_pattern
from cosinter.analysis.observables.peaks import find_peak, overlay
from cosinter.data.exceptions import InputError
from cosinter.structures.crystals import crystal

GRID = np.arange(10.0, 80.0, 0.02)


def gauss(centre: float, width: float) -> np.ndarray:
    return np.exp(-4.0 * np.log(2.0) * ((GRID - centre) / width) ** 2)


@settings(max_examples=80, deadline=None)
@given(
    centre=st.floats(15.0, 75.0),
    off=st.floats(-0.15, 0.15),
    width=st.floats(0.12, 0.3),
    height=st.floats(1e-3, 1e6),
    base=st.floats(0.0, 1e3),
)
def test_a_gaussian_is_found(centre: float, off: float, width: float, height: float, base: float) -> None:
    slope = base / 100.0 * (GRID - 10.0)
    peak = find_peak(GRID, height * (gauss(centre, width) + base + slope), centre + off)
    assert peak is not None
    assert peak.two_theta_deg == pytest.approx(centre, abs=0.004)
    assert peak.height == pytest.approx(height, rel=0.03)
    assert peak.width_deg == pytest.approx(width, rel=0.03)
    assert peak.area == pytest.approx(height * width * 0.5 * np.sqrt(np.pi / np.log(2.0)), rel=0.02)


def test_what_is_not_there_is_not_found() -> None:
    assert find_peak(GRID, np.ones_like(GRID), 40.0) is None
    assert find_peak(GRID, gauss(40.0, 0.1), 79.9) is None
    assert (
        find_peak(GRID, gauss(40.0, 0.1), 30.0) is None
        or find_peak(GRID, gauss(40.0, 0.1), 30.0).height < 1e-9
    )


def test_the_widths_of_a_simulated_pattern_come_back() -> None:
    """Scherrer: 0.9 lambda / (L cos theta), no instrument."""
    nickel = crystal("nio").structure
    nickel.remove_oxidation_states()
    found = powder_pattern(
        [PhaseWeight(nickel, 1.0, "NiO")],
        wavelength="CuKa1",
        crystallite_size_nm=30.0,
        instrument_width_deg=0.0,
    )
    for stick in found.reflections[:2]:
        peak = find_peak(found.two_theta_deg, found.intensity, stick.two_theta_deg, half_window_deg=3.0)
        expected = np.degrees(0.9 * 1.54056 / (300.0 * np.cos(np.radians(stick.two_theta_deg / 2.0))))
        assert peak is not None
        assert peak.two_theta_deg == pytest.approx(stick.two_theta_deg, abs=0.002)
        assert peak.width_deg == pytest.approx(expected, rel=0.05)


@settings(max_examples=50, deadline=None)
@given(scale=st.floats(0.01, 1e5), base=st.floats(0.0, 1e4))
def test_a_scaled_pattern_is_explained_wholly(scale: float, base: float) -> None:
    model = gauss(20.0, 0.2) + 0.3 * gauss(44.0, 0.2)
    found = overlay(GRID, model, GRID[100:3000], (scale * model + base)[100:3000])
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.residual < 1e-4


def test_another_pattern_is_not_explained() -> None:
    found = overlay(GRID, gauss(20.0, 0.2), GRID, gauss(44.0, 0.2))
    assert found.residual > 0.95
    assert found.scale == 0.0


@pytest.mark.parametrize(
    ("angles", "counts", "message"),
    [
        (np.linspace(90.0, 120.0, 200), np.ones(200), "5 degrees in common"),
        (np.linspace(20.0, 60.0, 200), np.ones(200), "flat"),
    ],
)
def test_patterns_that_cannot_be_compared_are_told(
    angles: np.ndarray, counts: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        overlay(GRID, gauss(20.0, 0.2), angles, counts)
