"""Discharge capacity of the sintered cathode, a closure declared as an assumption.

    q = q_ref <l u>/u_0 eta(i ASR)

q_ref belongs to the undamaged powder; <l u> is the lithium in layered material per metal, u_0 its value in the
powder; eta is the share of the voltage window that the drop over the interface leaves. No published function of
rock-salt share or lithium loss was found; lithium is not counted as replaced by the counter electrode, and no
blocking by a rock-salt shell beyond its share of volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
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
    voltage: FloatArray, lithium: FloatArray, *, lower_V: ArrayLike, upper_V: ArrayLike, drop_V: ArrayLike
) -> FloatArray:
    """Share of the range of u between the cut-offs that remains with a drop ``drop_V`` on charge and discharge.

    ``voltage`` (n) falls with ``lithium`` (n) ascending; the cut-offs act on U + drop while charging and on
    U - drop while discharging: eta = [u(lower + drop) - u(upper - drop)]/[u(lower) - u(upper)], not below 0.
    ``lower_V``, ``upper_V`` and ``drop_V`` are numbers or arrays of one shape, which is that of the result.

    Raises
    ------
    InputError
        A drop is negative, the voltage does not fall, or the window is empty.
    """
    lower, upper, drop = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (lower_V, upper_V, drop_V)))
    _none(
        ~(np.isfinite(drop) & (drop >= 0.0)),
        drop,
        "voltage drop is {:g} V, it must be >= 0; check the resistance",
    )
    if np.any(np.diff(voltage) >= 0.0) or np.any(np.diff(lithium) <= 0.0):
        raise InputError("the open-circuit voltage must fall with ascending lithium content; mend the table")

    def content(level: FloatArray) -> FloatArray:
        return np.interp(-level, -voltage, lithium)

    full = content(lower) - content(upper)
    _none(
        full <= 0.0,
        lower,
        "no lithium above {:g} V and below the upper cut-off in the table; widen the cut-offs",
    )
    left = np.maximum(content(lower + drop) - content(upper - drop), 0.0)
    return np.asarray(np.where(upper - drop > lower + drop, left / full, 0.0))


def _none(bad: NDArray[np.bool_], values: FloatArray, message: str) -> None:
    """Refuse if any is ``bad``, with the first such value put into ``message``."""
    if bad.any():
        raise InputError(message.format(float(values[bad].flat[0])))


def capacities(
    parameters: ParameterSet,
    active: ArrayLike,
    asr_ohm_cm2: ArrayLike,
    area_m2_per_mol: ArrayLike,
    *,
    scalars: Mapping[str, ArrayLike] | None = None,
    voltage_shift_V: ArrayLike = 0.0,
) -> FloatArray:
    """Capacities in mAh/g of many runs, q = q_ref <l u>/u_0 eta(i ASR) with i = q_ref M rate/A.

    Parameters
    ----------
    active : lithium in layered material per metal, <l u> (n)
    asr_ohm_cm2 : resistance of the interface, ohm cm2 of grain area (n)
    area_m2_per_mol : grain area per mol metal, A (one number or n)
    scalars : values (n) that replace those of ``parameters``
    voltage_shift_V : added to the open-circuit voltage (one number or n)

    Raises
    ------
    InputError
        See :func:`window_share`.
    UnknownNameError
        One of the ``capacity`` parameters is missing.
    """
    reference, left, share, _ = _factors(
        parameters,
        active,
        asr_ohm_cm2,
        area_m2_per_mol,
        scalars=scalars or {},
        voltage_shift_V=voltage_shift_V,
    )
    return np.asarray(reference * left * share)


def _factors(
    parameters: ParameterSet,
    active: ArrayLike,
    asr_ohm_cm2: ArrayLike,
    area_m2_per_mol: ArrayLike,
    *,
    scalars: Mapping[str, ArrayLike],
    voltage_shift_V: ArrayLike = 0.0,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Reference (mAh/g), layered lithium kept (1), share of the window (1), drop (V); see :func:`capacities`."""

    def value(name: str) -> FloatArray:
        given = scalars[name] if name in scalars else parameters.scalar(name)
        return np.asarray(given, dtype=np.float64)

    reference, shift = value("capacity.reference"), np.asarray(voltage_shift_V)
    current = reference * value("cathode.molar_mass") * value("capacity.rate") / np.asarray(area_m2_per_mol)
    drop = current * np.asarray(asr_ohm_cm2) * CM2_TO_M2
    table = parameters.table("capacity.open_circuit_voltage")
    share = window_share(
        table.array,
        table.axis("lithium_per_metal"),
        lower_V=value("capacity.lower_cutoff") - shift,
        upper_V=value("capacity.upper_cutoff") - shift,
        drop_V=drop,
    )
    # clipped against round-off of the time integration
    left = np.clip(np.asarray(active) / value("cathode.initial_lithium_per_metal"), 0.0, 1.0)
    return reference / C_PER_KG_PER_MAH_PER_G, left, share, drop


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
    reference, left, share, drop = _factors(
        parameters,
        float(dataset["active_lithium_mean"].isel(time=-1)),
        asr_ohm_cm2,
        float(dataset.attrs["area_m2_per_mol_metal"]),
        scalars={"cathode.initial_lithium_per_metal": float(dataset.attrs["initial_lithium_per_metal"])},
    )
    return Capacity(*(float(x) for x in (reference * left * share, reference, left, share, drop)))
