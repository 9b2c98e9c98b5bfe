"""The capacity closure: limits without damage, with lost lithium and with a resistive contact."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray
from scipy.constants import gram, hour, milli

from cosinter.analysis.observables.capacity import capacities, discharge_capacity, window_share
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


def test_many_runs_are_each_as_one_alone():
    rng = np.random.default_rng(3)
    active, resistance = rng.random(12), 10.0 ** rng.uniform(0.0, 5.0, 12)
    together = capacities(
        PARAMETERS, active, resistance, 60.0, scalars={"cathode.initial_lithium_per_metal": 1.0}
    )
    alone = [
        discharge_capacity(PARAMETERS, _run(a), asr_ohm_cm2=r).capacity_mAh_per_g
        for a, r in zip(active, resistance, strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_moved_parameters_count_run_by_run():
    """Twice the reference capacity doubles q where no current limits it; half of u_0 doubles it too, up to all."""
    moved = {
        "capacity.reference": np.array([1.0, 2.0, 1.0]) * PARAMETERS.scalar("capacity.reference"),
        "cathode.initial_lithium_per_metal": np.array([1.0, 1.0, 0.5]),
    }
    found = capacities(PARAMETERS, np.full(3, 0.5), np.zeros(3), 60.0, scalars=moved)
    np.testing.assert_allclose(found, [111.1, 222.2, 222.2], rtol=1e-12)


def test_a_shift_of_the_voltage_is_a_shift_of_both_cut_offs():
    """Voltage up by the drop gives back at the upper end what it costs at the lower: a linear curve does not care."""
    shifted = capacities(PARAMETERS, [1.0, 1.0], [1e4, 1e4], 60.0, voltage_shift_V=[0.0, 0.02])
    other = capacities(
        PARAMETERS, [1.0], [1e4], 60.0,
        scalars={"capacity.lower_cutoff": 2.98, "capacity.upper_cutoff": 4.18},
    )  # fmt: skip
    assert shifted[1] == pytest.approx(other[0], rel=1e-12)
    assert shifted[1] != pytest.approx(shifted[0], rel=1e-6)
