"""From a barrier to a diffusivity: the formula, its units and its uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import electron_volt, k

from cosinter.analysis.atoms.hopping import hop_diffusivity, hop_rate, softening_eV
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


def test_rate_is_transition_state_theory() -> None:
    record = hop_rate(0.9, 0.1, paths=2, attempt_frequency_Hz=4e12)
    for temperature in (700.0, 973.15):
        expected = 2 * 4e12 * np.exp(-0.9 * electron_volt / (k * temperature))
        assert record(temperature) == pytest.approx(expected, rel=1e-9)
    assert (record.unit, record.kind) == ("1/s", "computed")
    assert "assumed" in record.note


def test_diffusivity_is_the_rate_times_the_walk() -> None:
    options = {"attempt_frequency_Hz": 3e12, "attempt_frequency_kind": "computed", "softening_eV": 0.05}
    rate = hop_rate(0.4, 0.1, **options)  # type: ignore[arg-type]
    walk = hop_diffusivity(0.4, 0.1, hop_length_m=3e-10, neighbours=4, dimensionality=2, **options)  # type: ignore[arg-type]
    assert walk(800.0) == pytest.approx(3e-10**2 * float(rate(800.0)), rel=1e-12)
    assert walk.log10_uncertainty == rate.log10_uncertainty
    assert "nu = 3e+12 Hz (computed), z = 4, d = 2" in walk.note


def test_softening_widens_the_uncertainty_of_universal_potentials_only() -> None:
    assert softening_eV(1.0, "pmmcs") == 0.0
    assert softening_eV(1.0, "mace.calculators:mace_mp") == softening_eV(1.0, "chgnet") > 0.0
    soft = softening_eV(1.0, "chgnet")
    plain, wide = hop_rate(1.0, 0.2), hop_rate(1.0, 0.2, softening_eV=soft)
    assert wide.reference_value == plain.reference_value  # a bias of unknown size moves no value
    ratio = wide.activation_energy_uncertainty / plain.activation_energy_uncertainty
    assert ratio == pytest.approx(np.hypot(0.2, soft) / 0.2)
    assert "one-sided" in wide.note
    assert "one-sided" not in plain.note


@pytest.mark.parametrize("bad", [{"paths": 0}, {"softening_eV": -0.1}, {"attempt_frequency_kind": "guessed"}])
def test_rates_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        hop_rate(0.5, 0.1, **bad)  # type: ignore[arg-type]
