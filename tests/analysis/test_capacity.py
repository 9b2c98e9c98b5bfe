"""The capacity closure: limits without damage, with lost lithium and with a resistive contact."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray
from scipy.constants import gram, hour, milli

from cosinter.analysis.observables.capacity import discharge_capacity, window_share
from cosinter.data.exceptions import InputError

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import parameter_set, scalar, table

LITHIUM = np.linspace(0.1, 0.95, 30)
PARAMETERS = parameter_set(
    **{
        "capacity.reference": scalar(222.2 * milli * hour / gram, "C/kg"),
        "capacity.rate": scalar(0.1 / hour, "1/s"),
        "capacity.lower_cutoff": scalar(3.0, "V"),
        "capacity.upper_cutoff": scalar(4.2, "V"),
        "capacity.open_circuit_voltage": table(4.4 - 0.8 * LITHIUM, "V", lithium_per_metal=LITHIUM),
    }
)


def _run(active: float) -> xarray.Dataset:
    return xarray.Dataset(
        {"active_lithium_mean": ("time", [1.0, active])},
        attrs={"area_m2_per_mol_metal": 60.0, "initial_lithium_per_metal": 1.0},
    )


def test_undamaged_powder_keeps_its_reference():
    assert discharge_capacity(PARAMETERS, _run(1.0), asr_ohm_cm2=0.0).capacity_mAh_per_g == pytest.approx(
        222.2
    )


def test_half_the_lithium_gives_half_the_capacity():
    assert discharge_capacity(PARAMETERS, _run(0.5), asr_ohm_cm2=0.0).capacity_mAh_per_g == pytest.approx(
        111.1
    )


def test_drop_is_current_times_resistance():
    """i = q M rate/A = 799920 * 0.0973 * 0.1/3600/60 A/m2 over 1e4 ohm cm2 = 1 ohm m2."""
    found = discharge_capacity(PARAMETERS, _run(1.0), asr_ohm_cm2=1e4)
    assert found.voltage_drop_V == pytest.approx(222.2 * 3600.0 * 0.0973 * 0.1 / 3600.0 / 60.0, rel=1e-12)


def test_linear_voltage_loses_the_window_in_proportion():
    """U = 4.4 - 0.8 u over 3.72-4.2 V, drop 0.06 V on each side: a quarter of the window is lost."""
    voltage = 4.4 - 0.8 * LITHIUM
    share = window_share(voltage, LITHIUM, lower_V=3.72, upper_V=4.2, drop_V=0.06)
    assert share == pytest.approx(0.75, rel=1e-9)
    assert window_share(voltage, LITHIUM, lower_V=3.72, upper_V=4.2, drop_V=1.0) == 0.0


def test_a_negative_resistance_is_refused():
    with pytest.raises(InputError, match="finite"):
        discharge_capacity(PARAMETERS, _run(1.0), asr_ohm_cm2=-1.0)
