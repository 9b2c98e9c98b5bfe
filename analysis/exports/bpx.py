"""Write the sintered positive electrode as Battery Parameter eXchange (BPX 1.x) data of model "Partial".

The losses are baked into the numbers a reader applies: the surface area per unit volume is that of the layered
phase that is left (3 active fraction / radius), the maximum stoichiometry is the lithium per metal after sintering.
``State.Degradation`` stays empty, so that no reader counts them twice. Kinds and sources go into
``Header.References``: text inside ``User-defined`` breaks readers that expect numbers there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosinter.analysis.exports.electrode import (
    AnyValue,
    Geometry,
    SinteredElectrode,
    assumed_names,
    sintered_electrode,
)
from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError

BPX_VERSION = "1.1.0"
_REQUIRED = {
    "Thickness [m]": "thickness",
    "Particle radius [m]": "radius",
    "Surface area per unit volume [m-1]": "surface_area",
    "Maximum concentration [mol.m-3]": "maximum_concentration",
    "Minimum stoichiometry": "minimum_stoichiometry",
    "Maximum stoichiometry": "initial_stoichiometry",
    "Diffusivity [m2.s-1]": "diffusivity",
    "OCP [V]": "open_circuit_potential",
    "Reaction rate constant [mol.m-2.s-1]": "reaction_rate_constant",
}
_OPTIONAL = {"Entropic change coefficient [V.K-1]": "entropic_change"}
_USER_DEFINED = {
    "Interphase thickness [m]": "interphase_thickness",
    "Interphase resistivity [Ohm.m]": "interphase_resistivity",
    "Positive electrode active layered volume fraction": "active_fraction",
}
_STATE = {
    "Layered fraction": "layered_fraction",
    "Spinel fraction": "spinel_fraction",
    "Rock-salt fraction": "rock_salt_fraction",
    "Lithium per metal": "lithium_per_metal",
}


def to_bpx(
    parameters: ParameterSet,
    summary: Mapping[str, Any],
    geometry: Geometry,
    *,
    supplied: Mapping[str, AnyValue] | None = None,
    include_assumed: bool = True,
    temperature_K: float = 298.15,
) -> dict[str, Any]:
    """Describe the sintered positive electrode as a BPX document (a plain dict for JSON).

    Arguments as in :func:`cosinter.analysis.exports.electrode.sintered_electrode`. If a value that BPX demands is
    missing, the section ``Positive electrode`` is left out, what is known goes to ``User-defined``, and
    ``Header.Description`` names what is missing: the file stays valid.

    Raises
    ------
    InputError
        The summary cannot be used, or maximum and minimum stoichiometry leave no capacity.
    """
    electrode = sintered_electrode(
        parameters,
        summary,
        geometry,
        supplied=supplied,
        include_assumed=include_assumed,
        temperature_K=temperature_K,
    )
    missing = [name for name in _REQUIRED.values() if electrode.known(name) is None]
    parameterisation: dict[str, Any] = {}
    if not missing:
        parameterisation["Positive electrode"] = _positive_electrode(electrode, temperature_K)
    parameterisation["User-defined"] = _user_defined(electrode, everything=bool(missing))
    header = {
        "BPX": BPX_VERSION,
        "Title": f"{parameters.study}: sintered positive electrode, case {electrode.case or 'unnamed'}",
        "Description": _description(electrode, missing),
        "References": _references(electrode),
        "Model": "Partial",
    }
    return {"Header": header, "Parameterisation": parameterisation}


def _positive_electrode(electrode: SinteredElectrode, temperature_K: float) -> dict[str, Any]:
    names = _REQUIRED | {key: name for key, name in _OPTIONAL.items() if electrode.known(name) is not None}
    section: dict[str, Any] = {
        key: _plain(electrode.values[name], temperature_K) for key, name in names.items()
    }
    if section["Maximum stoichiometry"] <= section["Minimum stoichiometry"]:
        raise InputError(
            f"case {electrode.case}: lithium per metal {section['Maximum stoichiometry']:.3g} is not above the end of "
            f"charge {section['Minimum stoichiometry']:.3g}; there is no capacity left to export"
        )
    diffusivity = electrode.values["diffusivity"]
    if isinstance(diffusivity, Arrhenius):
        section["Diffusivity activation energy [J.mol-1]"] = diffusivity.activation_energy
    return section


def _plain(value: AnyValue, temperature_K: float) -> float | dict[str, list[float]]:
    """A number, or a table in x; Arrhenius records at the temperature of the cell (the reference of BPX)."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Arrhenius):
        return float(value(temperature_K))
    return _table(value)


def _table(value: Table) -> dict[str, list[float]]:
    if len(value.axes) != 1:
        raise InputError(
            f"a BPX table has one axis, this one has {', '.join(value.axes)}; give it at one temperature"
        )
    (axis,) = value.axes.values()
    return {"x": list(axis), "y": [float(number) for number in value.array]}


def _user_defined(electrode: SinteredElectrode, *, everything: bool) -> dict[str, Any]:
    section: dict[str, Any] = {key: electrode.state[name] for key, name in _STATE.items()}
    names = dict(_USER_DEFINED)
    if everything:
        names |= {f"Positive electrode {key[0].lower()}{key[1:]}": name for key, name in _REQUIRED.items()}
    for key, name in names.items():
        value = electrode.known(name)
        if isinstance(value, Scalar):
            section[key] = value.value
        elif isinstance(value, Table):
            section[key] = _table(value)
    return section


def _description(electrode: SinteredElectrode, missing: list[str]) -> str:
    parts = [
        "Positive electrode after co-sintering, baked into surface area and stoichiometry window; do not apply "
        "State.Degradation on top."
    ]
    if assumed := assumed_names(electrode):
        parts.append(f"Assumed, not known: {', '.join(assumed)}.")
    if missing:
        reasons = (f"{name} ({electrode.missing.get(name, 'unknown')})" for name in missing)
        parts.append(f"Section 'Positive electrode' left out, missing: {'; '.join(reasons)}.")
    return " ".join(parts)


def _references(electrode: SinteredElectrode) -> str:
    return " | ".join(f"{name} [{value.kind}]: {value.source}" for name, value in electrode.values.items())
