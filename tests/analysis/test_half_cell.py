"""Half-cells by PyBaMM beside Faraday's law, Ohm's law and the closed form of the impedance."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.constants import R, physical_constants

from cosinter.analysis.observables.half_cell import TEMPERATURE_K, HalfCell, growth_nm, half_cell
from cosinter.analysis.parameters import Arrhenius, Scalar
from cosinter.data.exceptions import InputError
from tests.analysis.export_cases import GEOMETRY, SUMMARY, parameter_set

pytest.importorskip("pybamm")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pybamm.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:pybamm.*"),
]
FARADAY = physical_constants["Faraday constant"][0]
CELL = {"source": "made-up, of the cell", "kind": "measured"}


def parameters() -> Any:
    window = {
        f"capacity.{name}": Scalar(value=value, unit="V", **CELL)
        for name, value in {"lower_cutoff": 3.45, "upper_cutoff": 4.2}.items()
    }
    growth = Arrhenius(
        unit="m2/s", reference_value=1e-19, reference_temperature=973.15, activation_energy=2e5, **CELL
    )
    fast = Arrhenius(
        unit="m2/s", reference_value=1e-13, reference_temperature=300.0, activation_energy=0.0, **CELL
    )
    return parameter_set(
        **window, **{"interphase.parabolic_constant": growth, "cell.lithium_diffusivity": fast}
    )


@cache
def solved(case: str = "{}", rates: tuple[float, ...] = (0.02,), **options: Any) -> HalfCell:
    return half_cell(parameters(), SUMMARY | json.loads(case), GEOMETRY, rates_C=rates, **options)


def test_what_is_still_layered_and_its_lithium_set_the_capacity() -> None:
    """Slowly charged, all lithium between the cut-offs passes: Faraday's law, on the share that is layered."""
    table = parameters().table("capacity.open_circuit_voltage")
    lithium = table.axis("lithium_per_metal")
    upper, lower = (float(np.interp(-volt, -table.array, lithium)) for volt in (4.2, 3.45))
    mass = 48000.0 * 0.09728 / 48000.0
    whole = FARADAY / mass / 3600.0  # mAh/g for one lithium per metal
    cell = solved()
    assert cell.discharges[0].capacity_mAh_per_g == pytest.approx(0.8 * (lower - upper) * whole, rel=0.01)
    assert cell.first_charge_mAh_per_g == pytest.approx(0.8 * (0.85 - upper) * whole, rel=0.02)


def test_lithium_lost_in_the_furnace_shortens_the_first_charge_only() -> None:
    poor, rich = solved('{"lithium_per_metal": 0.75}'), solved('{"lithium_per_metal": 0.95}')
    assert poor.first_charge_mAh_per_g < 0.85 * rich.first_charge_mAh_per_g
    assert poor.discharges == rich.discharges


def test_the_interphase_is_an_ohmic_drop() -> None:
    clean, blocked = solved('{"asr_ohm_cm2": 0.0}'), solved('{"asr_ohm_cm2": 4000.0}')
    solid = 0.6 * 0.95
    current = 0.02 * 720000.0 * solid * 4.2e-5 * 48000.0 * 0.09728 / 3600.0  # A per m2 of electrode
    grains = 3.0 * solid * 0.8 / 2e-6 * 4.2e-5
    at_start = clean.discharges[0].voltage_V[0] - blocked.discharges[0].voltage_V[0]
    assert at_start == pytest.approx(current / grains * 0.4, rel=0.02)
    assert blocked.interphase_ohm_cm2 == pytest.approx(4000.0 / grains)


def test_the_impedance_is_that_of_a_sphere_behind_a_film() -> None:
    """Z = R_film + 1/(j w C + 1/(R_ct + Z_d)) per grain area, Z_d = -U' R/(F c D) tanh s/(s - tanh s), s = R (j w/D)^1/2.

    Two per cent: the finite volumes of the particle at high frequency.
    """
    pybamm = pytest.importorskip("pybamm")
    cell = solved()
    table = parameters().table("capacity.open_circuit_voltage")
    lithium = table.axis("lithium_per_metal")
    middle = 0.5 * sum(float(np.interp(-volt, -table.array, lithium)) for volt in (4.2, 3.45))
    place = int(np.searchsorted(lithium, middle))
    slope = np.diff(table.array)[place - 1] / np.diff(lithium)[place - 1]
    omega = 2.0 * np.pi * np.asarray(cell.spectrum.frequency_Hz)
    s = 2e-6 * np.sqrt(1j * omega / 1e-13)
    small = np.abs(s) < 50.0
    tangent = np.where(small, np.tanh(np.where(small, s, 1.0)), 1.0)
    diffusion = -slope * 2e-6 / (FARADAY * 48000.0 * 1e-13) * tangent / (s - tangent)
    exchange = FARADAY * 7.07e-5 * np.sqrt(middle * (1.0 - middle))
    transfer = R * TEMPERATURE_K / (FARADAY * exchange)
    layer = pybamm.ParameterValues("Xu2019")["Positive electrode double-layer capacity [F.m-2]"]
    local = 60e-4 + 1.0 / (1j * omega * layer + 1.0 / (transfer + diffusion))
    grains = 3.0 * 0.6 * 0.95 * 0.8 / 2e-6 * 4.2e-5
    expected = local / grains * 1e4
    found = np.asarray(cell.spectrum.real_ohm_cm2) + 1j * np.asarray(cell.spectrum.imaginary_ohm_cm2)
    assert np.max(np.abs(found - expected) / np.abs(expected)) < 0.02


def test_intervals_hold_the_value_and_widen_with_the_error_of_the_interphase() -> None:
    narrow = solved(rates=(1.0,), samples=16)
    wide = solved(rates=(1.0,), samples=16, asr_interval_ohm_cm2=(10.0, 40000.0))
    (low, high), (lowest, _) = narrow.discharges[0].interval or (0, 0), wide.discharges[0].interval or (0, 0)
    assert low <= narrow.discharges[0].capacity_mAh_per_g <= high + 1e-6
    assert lowest < low - 5.0


def test_an_interphase_that_blocks_everything_leaves_nothing() -> None:
    cell = solved('{"asr_ohm_cm2": 1e8}', rates=(1.0,))
    assert cell.first_charge_mAh_per_g == 0.0
    assert cell.discharges[0].capacity_mAh_per_g == 0.0


def test_growth_is_parabolic() -> None:
    assert growth_nm(parameters(), 4.0) == pytest.approx(2.0 * growth_nm(parameters(), 1.0))


@pytest.mark.parametrize(
    ("case", "message"),
    [({"layered_fraction": 0.0}, "nothing layered"), ({"asr_ohm_cm2": None}, "asr_ohm_cm2")],
)
def test_what_is_no_electrode_is_told(case: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        half_cell(parameters(), SUMMARY | case, GEOMETRY)


@pytest.mark.parametrize("rates", [(), (0.0,), (25.0,)])
def test_rates_out_of_range_are_refused(rates: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"0\.01 and 20"):
        half_cell(parameters(), SUMMARY, GEOMETRY, rates_C=rates)
