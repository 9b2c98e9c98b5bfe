"""Discharge capacity of the sintered cathode, a closure declared as an assumption.

    q = q_ref <l u>/u_0 eta(i ASR)

q_ref belongs to the undamaged powder; <l u> is the lithium in layered material per metal, u_0 its value in the
powder; eta is the share of the voltage window that the drop over the interface leaves. No published function of
rock-salt share or lithium loss was found; lithium is not counted as replaced by the counter electrode, and no
blocking by a rock-salt shell beyond its share of volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.constants import centi, gram, hour, milli

from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    import xarray

FloatArray = NDArray[np.float64]
C_PER_KG_PER_MAH_PER_G = milli * hour / gram
CM2_TO_M2 = centi**2


@dataclass(frozen=True)
class Capacity:
    """Capacity in mAh/g of the cathode oxide and its factors (1), drop over the interface in V."""

    capacity_mAh_per_g: float
    reference_mAh_per_g: float
    layered_lithium: float
    window_share: float
    voltage_drop_V: float


def window_share(
    voltage: FloatArray, lithium: FloatArray, *, lower_V: float, upper_V: float, drop_V: float
) -> float:
    """Share of the range of u between the cut-offs that remains with a drop ``drop_V`` on charge and discharge.

    ``voltage`` (n) falls with ``lithium`` (n) ascending; the cut-offs act on U + drop while charging and on
    U - drop while discharging: eta = [u(lower + drop) - u(upper - drop)]/[u(lower) - u(upper)], not below 0.

    Raises
    ------
    InputError
        The drop is negative, the voltage does not fall, or the window is empty.
    """
    if drop_V < 0.0 or not np.isfinite(drop_V):
        raise InputError(f"voltage drop is {drop_V:g} V, it must be >= 0; check the resistance")
    if np.any(np.diff(voltage) >= 0.0) or np.any(np.diff(lithium) <= 0.0):
        raise InputError("the open-circuit voltage must fall with ascending lithium content; mend the table")

    def content(level: float) -> float:
        return float(np.interp(-level, -voltage, lithium))

    full = content(lower_V) - content(upper_V)
    if full <= 0.0:
        raise InputError(f"no lithium between {lower_V:g} and {upper_V:g} V in the table; widen the cut-offs")
    if upper_V - drop_V <= lower_V + drop_V:
        return 0.0
    return max(0.0, content(lower_V + drop_V) - content(upper_V - drop_V)) / full


def discharge_capacity(parameters: ParameterSet, dataset: xarray.Dataset, *, asr_ohm_cm2: float) -> Capacity:
    """Capacity at the end of a continuum run with the given interface resistance (ohm cm2 of grain area).

    The drop is i ASR with i = q_ref M rate/A, A the grain area per mol metal.

    Raises
    ------
    InputError
        The resistance is negative or not finite.
    UnknownNameError
        One of the ``capacity`` parameters is missing.
    """
    if not (np.isfinite(asr_ohm_cm2) and asr_ohm_cm2 >= 0.0):
        raise InputError(
            f"interface resistance is {asr_ohm_cm2} ohm cm2, it must be finite and >= 0; check the run"
        )
    reference = parameters.scalar("capacity.reference")
    current = reference * parameters.scalar("cathode.molar_mass") * parameters.scalar("capacity.rate")
    drop = current / float(dataset.attrs["area_m2_per_mol_metal"]) * asr_ohm_cm2 * CM2_TO_M2
    table = parameters.table("capacity.open_circuit_voltage")
    share = window_share(
        table.array,
        table.axis("lithium_per_metal"),
        lower_V=parameters.scalar("capacity.lower_cutoff"),
        upper_V=parameters.scalar("capacity.upper_cutoff"),
        drop_V=drop,
    )
    active = float(dataset["active_lithium_mean"].isel(time=-1)) / float(
        dataset.attrs["initial_lithium_per_metal"]
    )
    q = reference / C_PER_KG_PER_MAH_PER_G
    active = min(max(active, 0.0), 1.0)  # round-off of the time integration
    return Capacity(q * active * share, q, active, share, drop)
