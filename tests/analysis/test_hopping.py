"""From a barrier to a diffusivity: the formula, its units and its uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import electron_volt, k

from cosinter.analysis.atoms.barriers import hop_diffusivity
from cosinter.data.exceptions import InputError


def test_diffusivity_is_the_random_walk_formula() -> None:
    record = hop_diffusivity(0.4, 0.15, hop_length_m=2.88e-10, neighbours=6, dimensionality=2)
    for temperature in (600.0, 973.15, 1200.0):
        expected = 6 / 4 * 2.88e-10**2 * 1e13 * np.exp(-0.4 * electron_volt / (k * temperature))
        assert record(temperature) == pytest.approx(expected, rel=1e-9)
    assert (record.unit, record.kind) == ("m2/s", "computed")
    assert record.activation_energy == pytest.approx(0.4 * 96485.332, rel=1e-6)  # Faraday's constant
    assert record.activation_energy_uncertainty == pytest.approx(0.15 * 96485.332, rel=1e-6)
    # 0.15 eV at 973 K is a factor of 6 in D; the attempt frequency adds half a decade in quadrature
    assert record.log10_uncertainty == pytest.approx(np.hypot(0.5, np.log10(5.98)), abs=2e-3)


@given(st.floats(0.0, 2.0), st.floats(0.0, 0.5), st.floats(0.01, 1.0))
def test_diffusivity_scales_with_carriers_and_falls_with_the_barrier(
    height: float, spread: float, carriers: float
) -> None:
    def at(energy: float, share: float) -> float:
        record = hop_diffusivity(
            energy, spread, hop_length_m=3e-10, neighbours=6, dimensionality=3, carrier_fraction=share
        )
        return float(record(900.0))

    assert at(height, carriers) == pytest.approx(carriers * at(height, 1.0), rel=1e-9)
    assert at(height + 0.1, carriers) < at(height, carriers)


@pytest.mark.parametrize(
    "bad",
    [
        {"barrier_eV": -0.1},
        {"barrier_eV": float("nan")},
        {"hop_length_m": 0.0},
        {"neighbours": 0},
        {"carrier_fraction": 1.5},
        {"dimensionality": 4},
    ],
)
def test_values_out_of_range_are_refused(bad: dict[str, float]) -> None:
    options = {"barrier_eV": 0.4, "uncertainty_eV": 0.1, "hop_length_m": 3e-10, "neighbours": 6}
    merged = {**options, "dimensionality": 3, **bad}
    with pytest.raises(InputError, match=next(iter(bad))):
        hop_diffusivity(**merged)  # type: ignore[arg-type]
