"""The LiOH-Li2CO3 melt: eutectic, lever rule, measured gas pressures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import R

from cosinter.analysis.thermochemistry.library import load_library
from cosinter.analysis.thermochemistry.melts import SaltMelt, salt_melt, water_pressure
from cosinter.data.exceptions import InputError

MELT = salt_melt()


def test_ideal_eutectic_lies_in_the_bracket_of_the_fusion_data() -> None:
    # ideal solution of the spread of melting points and enthalpies: 438 to 446 C at 10.9 to 11.9 mol% Li2CO3
    temperature, fraction = MELT.eutectic()
    assert 438.0 <= temperature - 273.15 <= 446.0
    assert 0.109 <= fraction <= 0.119


def test_heat_capacities_of_fusion_move_the_eutectic_by_less_than_two_kelvin() -> None:
    plain, full = MELT.eutectic(), salt_melt(load_library()).eutectic()
    assert 438.0 <= full[0] - 273.15 <= 446.0
    assert abs(full[0] - plain[0]) < 2.0
    assert full[1] == pytest.approx(plain[1], abs=0.01)
    melt = salt_melt(load_library())
    grid = np.asarray([744.2, 744.4])
    np.testing.assert_allclose(melt.liquid_fraction(grid, 0.0), [0.0, 1.0])


def test_attraction_in_the_melt_lowers_the_eutectic() -> None:
    pulled = SaltMelt(744.3, 20880.0, 1005.15, 44800.0, interaction_J=-3000.0)
    assert pulled.eutectic()[0] < MELT.eutectic()[0]
    t, y = pulled.eutectic()
    # the liquidus equations of the module hold at the eutectic
    left = np.log(1 - y) - 3000.0 * y**2 / (R * t)
    right = np.log(y) - 3000.0 * (1 - y) ** 2 / (R * t)
    assert left == pytest.approx(-20880.0 / R * (1 / t - 1 / 744.3), abs=1e-8)
    assert right == pytest.approx(-44800.0 / R * (1 / t - 1 / 1005.15), abs=1e-8)


def test_pure_salts_melt_at_their_melting_points() -> None:
    grid = np.asarray([744.2, 744.4])
    np.testing.assert_allclose(MELT.liquid_fraction(grid, 0.0), [0.0, 1.0])
    np.testing.assert_allclose(MELT.liquid_fraction(np.asarray([1005.1, 1005.2]), 1.0), [0.0, 1.0])


@settings(max_examples=100, deadline=None)
@given(st.floats(500.0, 1100.0), st.floats(0.0, 1.0), st.floats(0.0, 50.0))
def test_melt_share_is_a_fraction_and_grows_with_temperature(
    temperature: float, x: float, step: float
) -> None:
    low, high = MELT.liquid_fraction(np.asarray([temperature, temperature + step]), x)
    assert 0.0 <= low <= high + 1e-12
    assert high <= 1.0


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 0.99))
def test_lever_rule_conserves_carbonate(x: float) -> None:
    temperature = 730.0
    share = float(MELT.liquid_fraction(temperature, x))
    low, high = float(MELT.hydroxide_liquidus(temperature)), float(MELT.carbonate_liquidus(temperature))
    inside = min(max(x, low), high)
    solid = 1.0 if x > high else 0.0
    assert share * inside + (1.0 - share) * solid == pytest.approx(x, abs=1e-12)


def test_water_pressure_joins_its_branches_near_the_melting_point() -> None:
    # 342 to 351 Pa at 744 K from the two branches; the tables of the pure compounds are 2.5 to 2.9 times higher
    assert 330.0 < float(water_pressure(744.0)) * 1e5 < 355.0
    library = load_library()
    for temperature in (700.0, 760.0):
        change = float(
            library.phase("Li2O").gibbs(temperature)
            + library.gas("H2O").gibbs(temperature)
            - 2.0 * library.stable("LiOH", temperature_K=temperature).gibbs(temperature)
        )
        ratio = np.exp(-change / (R * temperature)) / float(water_pressure(temperature))
        assert 2.3 < ratio < 3.1
    assert np.all(np.diff(water_pressure(np.linspace(550.0, 900.0, 50))) > 0.0)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="carbonate fraction"):
        MELT.liquid_fraction(700.0, 1.2)
    with pytest.raises(InputError, match="temperature"):
        water_pressure(0.0)
    with pytest.raises(InputError, match="interaction"):
        SaltMelt(744.0, 2e4, 1005.0, 4e4, interaction_J=-9e3)
    with pytest.raises(InputError, match="melting points"):
        SaltMelt(-744.0, 2e4, 1005.0, 4e4)
