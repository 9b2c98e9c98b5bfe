"""The sintered positive electrode in SI units: what all cell-model exports have in common.

A cathode that went through the furnace is described by the parameters it started from and the summary of the
sintering simulation. Each value is a record with unit, kind and source; values that nobody knows are named with the
reason, never invented. Electrochemistry happens near 25 °C: diffusivities of the furnace are not extrapolated down
to it (activation energies in print span a factor of 1e8 over that range).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.constants import physical_constants

from cosinter.analysis.parameters import Arrhenius, FloatArray, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table

FARADAY = physical_constants["Faraday constant"][0]
AnyValue = Scalar | Arrhenius | Table
_LITHIUM, _TEMPERATURE = "lithium_per_metal", "temperature_K"
# a chemical diffusivity of the cell; cathode.layered.lithium_diffusivity is a tracer diffusivity per vacancy of the furnace
_DIFFUSIVITY = "cell.lithium_diffusivity"
_VOLTAGE, _CAPACITY = "capacity.open_circuit_voltage", "capacity.reference"
_CAPACITY_UNITS = {"mAh/g": 3.6e3, "A.s/kg": 1.0, "C/kg": 1.0, "A.h/kg": 3.6e3, "Ah/kg": 3.6e3}


@dataclass(frozen=True)
class Geometry:
    """Composite electrode: grain radius (m), share of cathode in the solid volume before sintering, pore share."""

    grain_radius_m: float
    cathode_volume_fraction: float
    porosity: float = 0.0

    def __post_init__(self) -> None:
        if not self.grain_radius_m > 0.0:
            raise InputError(f"grain_radius_m is {self.grain_radius_m}; it must be positive")
        if not (0.0 < self.cathode_volume_fraction <= 1.0 and 0.0 <= self.porosity < 1.0):
            raise InputError(
                f"cathode_volume_fraction is {self.cathode_volume_fraction} and porosity {self.porosity}; "
                "they must lie within 0 and 1"
            )


@dataclass(frozen=True)
class SinteredElectrode:
    """``values`` by name, SI; ``missing`` name -> why; ``state`` the plain numbers of the summary that were used."""

    case: str
    values: Mapping[str, AnyValue]
    missing: Mapping[str, str]
    state: Mapping[str, float]

    def known(self, name: str) -> AnyValue | None:
        """The value of that name, None if it is missing."""
        return self.values.get(name)


def sintered_electrode(
    parameters: ParameterSet,
    summary: Mapping[str, Any],
    geometry: Geometry,
    *,
    supplied: Mapping[str, AnyValue] | None = None,
    include_assumed: bool = True,
    temperature_K: float = 298.15,
) -> SinteredElectrode:
    """Collect the values of the sintered positive electrode.

    Parameters
    ----------
    parameters
        The set the sintering simulation used.
    summary
        Its result for one case: ``name``, ``layered_fraction``, ``spinel_fraction``, ``rock_salt_fraction`` (shares of
        the metals), ``lithium_per_metal``, ``interphase_nm``, optionally ``asr_ohm_cm2`` (per grain area).
    supplied
        The user's own values by name (e.g. ``thickness``); they replace ours.
    include_assumed
        Without them, values of kind ``assumed`` count as missing.
    temperature_K
        Of the cell.

    Returns
    -------
    SinteredElectrode
        Values: maximum_concentration (mol/m³), active_fraction (layered, of the electrode), surface_area (m²/m³) =
        3 active_fraction / radius, radius (m), initial_stoichiometry, minimum_stoichiometry, open_circuit_potential
        (V over Li per metal), diffusivity (m²/s), reaction_rate_constant (mol/m²/s), thickness (m),
        entropic_change (V/K), interphase_thickness (m), interphase_resistivity (ohm m).

    Raises
    ------
    InputError
        The summary lacks a number or holds one outside its range.
    """
    state = _state(summary)
    name = str(summary.get("name", ""))
    found: dict[str, AnyValue] = _defaults() | _geometry_values(state, geometry, name)
    missing: dict[str, str] = {}
    found |= _interphase_values(state, name, missing)
    for key, value in _cathode_values(parameters, state, temperature_K).items():
        if isinstance(value, str):
            missing[key] = value
        else:
            found[key] = value
    found |= dict(supplied or {})
    if not include_assumed:
        for key in [key for key, value in found.items() if value.kind == "assumed"]:
            missing[key] = f"only an assumed value is known ({found.pop(key).source})"
    missing = {key: why for key, why in missing.items() if key not in found}
    return SinteredElectrode(name, found, missing, state)


def assumed_names(electrode: SinteredElectrode) -> tuple[str, ...]:
    """List the values that rest on an assumption."""
    return tuple(name for name, value in electrode.values.items() if value.kind == "assumed")


def _state(summary: Mapping[str, Any]) -> dict[str, float]:
    limits = {
        "layered_fraction": 1.0,
        "spinel_fraction": 1.0,
        "rock_salt_fraction": 1.0,
        "lithium_per_metal": 1.0,
        "interphase_nm": np.inf,
        "asr_ohm_cm2": np.inf,
    }
    state: dict[str, float] = {}
    for key, high in limits.items():
        value = summary.get(key)
        if value is None:
            if key == "asr_ohm_cm2":
                continue
            raise InputError(f"the sintering summary has no {key}; run the sinter stage again")
        if not -1e-9 <= float(value) <= high + 1e-6:
            raise InputError(f"{key} of the sintering summary is {value}; it must lie between 0 and {high:g}")
        state[key] = float(np.clip(float(value), 0.0, high))
    return state


def _computed(value: float, unit: str, case: str, note: str = "") -> Scalar:
    source = f"sintering simulation of case {case or 'unnamed'}"
    return Scalar(value=value, unit=unit, source=source, kind="computed", note=note)


def _defaults() -> dict[str, AnyValue]:
    records: dict[str, AnyValue] = {}
    for name, entry in load_table("cell").items():
        fields = {key: value for key, value in entry.items() if key != "uncertainty_reason"}
        records[name] = Scalar.model_validate(fields)
    return records


def _geometry_values(state: Mapping[str, float], geometry: Geometry, case: str) -> dict[str, AnyValue]:
    active = geometry.cathode_volume_fraction * (1.0 - geometry.porosity) * state["layered_fraction"]
    radius = geometry.grain_radius_m
    share = "share of the metals that is still layered, in the frame of the unsintered grain"
    return {
        "radius": Scalar(value=radius, unit="m", source="study: grain size", kind="measured"),
        "active_fraction": _computed(active, "1", case, share),
        "surface_area": _computed(3.0 * active / radius, "1/m", case, "3 active_fraction / radius"),
        "initial_stoichiometry": _computed(state["lithium_per_metal"], "1", case, "after sintering"),
    }


def _interphase_values(state: Mapping[str, float], case: str, missing: dict[str, str]) -> dict[str, AnyValue]:
    thickness = 1e-9 * state["interphase_nm"]
    values: dict[str, AnyValue] = {"interphase_thickness": _computed(thickness, "m", case)}
    if "asr_ohm_cm2" not in state:
        missing["interphase_resistivity"] = "the summary has no asr_ohm_cm2"
    elif thickness == 0.0:
        missing["interphase_resistivity"] = "there is no interphase"
    else:
        resistivity = 1e-4 * state["asr_ohm_cm2"] / thickness
        note = "area-specific resistance of the contact over its thickness"
        values["interphase_resistivity"] = _computed(resistivity, "ohm.m", case, note)
    return values


def _cathode_values(
    parameters: ParameterSet, state: Mapping[str, float], temperature_K: float
) -> dict[str, AnyValue | str]:
    """Values from the parameter set; text says why one is missing."""
    records = parameters.parameters
    values: dict[str, AnyValue | str] = {
        "maximum_concentration": records.get(
            "cathode.metal_concentration", "the parameter set has no cathode.metal_concentration"
        ),
        "open_circuit_potential": _open_circuit_potential(records, temperature_K),
        "minimum_stoichiometry": _minimum_stoichiometry(parameters),
    }
    diffusivity = records.get(_DIFFUSIVITY)
    if isinstance(diffusivity, Arrhenius) and _covers(diffusivity, temperature_K):
        values["diffusivity"] = diffusivity
    return values


def _covers(record: Arrhenius, temperature_K: float) -> bool:
    low, high = record.temperature_range
    return low <= temperature_K <= high


def _open_circuit_potential(records: Mapping[str, AnyValue], temperature_K: float) -> Table | str:
    record = records.get(_VOLTAGE)
    if not isinstance(record, Table) or _LITHIUM not in record.axes:
        return f"the parameter set has no table {_VOLTAGE} over {_LITHIUM}"
    if set(record.axes) == {_LITHIUM}:
        return record
    if set(record.axes) != {_LITHIUM, _TEMPERATURE}:
        return f"{_VOLTAGE} has axes {', '.join(record.axes)}"
    grid = record.axis(_TEMPERATURE)
    if not grid[0] <= temperature_K <= grid[-1]:
        return f"{_VOLTAGE} covers {grid[0]:g} to {grid[-1]:g} K only"
    rows: FloatArray = np.moveaxis(record.array, list(record.axes).index(_LITHIUM), 0)
    values = [float(np.interp(temperature_K, grid, row)) for row in rows]
    fields = record.model_dump(exclude={"axes", "values"})
    return Table(axes={_LITHIUM: record.axes[_LITHIUM]}, values=values, **fields)


def _minimum_stoichiometry(parameters: ParameterSet) -> Scalar | str:
    """u0 - Q M / F: where the reference capacity of the undamaged cathode ends."""
    records = parameters.parameters
    needed = (_CAPACITY, "cathode.molar_mass", "cathode.initial_lithium_per_metal")
    scalars = [records.get(name) for name in needed]
    for name, record in zip(needed, scalars, strict=True):
        if not isinstance(record, Scalar):
            return f"the parameter set has no {name}"
    capacity, mass, lithium = (record for record in scalars if isinstance(record, Scalar))
    if capacity.unit not in _CAPACITY_UNITS or mass.unit != "kg/mol":
        return f"units {capacity.unit} of the capacity or {mass.unit} of the molar mass are not known here"
    lowest = lithium.value - capacity.value * _CAPACITY_UNITS[capacity.unit] * mass.value / FARADAY
    if not 0.0 <= lowest < lithium.value:
        return f"the reference capacity {capacity.value:g} {capacity.unit} is more than the cathode can hold"
    source = f"from {_CAPACITY} ({capacity.source})"
    return Scalar(value=lowest, unit="1", source=source, kind=capacity.kind)
