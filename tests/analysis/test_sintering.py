from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import R
from scipy.integrate import quad

from cosinter.analysis.continuum.sintering import sintering_work
from cosinter.data.exceptions import InputError

KNOTS = ((0.0, 8100.0, 15300.0, 23400.0), (298.15, 973.15, 973.15, 298.15))


@given(st.floats(5e4, 9e5))
def test_the_closed_form_is_the_integral(energy: float) -> None:
    def rate(time: float) -> float:
        hot = float(np.interp(time, *KNOTS))
        return float(np.exp(-energy / (R * hot) + energy / (R * 973.15)) / hot)

    parts = [
        quad(rate, a, b, epsrel=1e-10, limit=400)[0] for a, b in zip(KNOTS[0], KNOTS[0][1:], strict=False)
    ]
    scale = np.exp(-energy / (R * 973.15))
    assert sintering_work(*KNOTS, energy) == pytest.approx(sum(parts) * scale, rel=1e-7)


def test_a_hold_is_rate_times_time() -> None:
    work = sintering_work((0.0, 3600.0), (1000.0, 1000.0), 4e5)
    assert work == pytest.approx(3600.0 / 1000.0 * np.exp(-4e5 / (R * 1000.0)), rel=1e-14)


def test_a_ramp_that_is_almost_a_hold_gives_almost_the_same() -> None:
    works = [sintering_work((0.0, 3600.0), (1000.0, 1000.0 + rise), 4e5) for rise in (0.0, 1e-7, 1e-4)]
    assert works == pytest.approx([works[0]] * 3, rel=1e-5)


@pytest.mark.parametrize("energy", [0.0, -1.0, 5e6, np.nan])
def test_an_energy_outside_its_range_is_refused(energy: float) -> None:
    with pytest.raises(InputError, match="10 to 1000 kJ/mol"):
        sintering_work(*KNOTS, energy)
