"""Displacements: brute force as a peer, and what holds for any path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.analysis.atoms.displacement import mean_square_displacement, places, walk_exponent


@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 1000), st.floats(-1e3, 1e3))
def test_displacement_is_the_mean_over_all_origins(frames: int, ions: int, seed: int, shift: float) -> None:
    positions = np.cumsum(np.random.default_rng(seed).normal(size=(frames, ions, 3)), axis=0)
    expected = [
        np.mean(np.sum((positions[lag:] - positions[: frames - lag]) ** 2, axis=2)) for lag in range(frames)
    ]
    found = mean_square_displacement(positions + shift)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7)
    assert found[0] == pytest.approx(0.0, abs=1e-7)


def test_places_are_means_of_whole_spans() -> None:
    positions = np.arange(7.0)[:, None, None] * np.ones((1, 2, 3))
    assert places(positions, 3) == pytest.approx(np.array([1.0, 4.0])[:, None, None] * np.ones((1, 2, 3)))


def test_a_random_walk_has_the_exponent_one_for_any_averaging() -> None:
    # 2000 independent ions: the exponent is sharp to a percent; first lags of 2 to 20 frames average over 1 to 10
    steps = np.random.default_rng(0).normal(size=(200, 2000, 3))
    positions = np.cumsum(steps, axis=0)
    for first in (2, 8, 20):
        assert walk_exponent(positions, np.arange(first, 61)) == pytest.approx(1.0, abs=0.02)


def test_a_caged_ion_has_the_exponent_zero() -> None:
    positions = np.random.default_rng(0).normal(size=(400, 200, 3))
    assert walk_exponent(positions, np.arange(10, 61)) == pytest.approx(0.0, abs=0.02)
