"""Hand the sintered positive electrode to PyBaMM.

:func:`to_pybamm` writes a plain JSON document with only the positive-electrode values that this package knows; the rest
(electrolyte, lithium counter electrode, kinetics) is the user's choice of a base set. :func:`pybamm_values` turns the
document into what ``pybamm.ParameterValues.update`` takes, :func:`pybamm_options` into the model options::

    values = pybamm.ParameterValues("Xu2019")
    values.update(pybamm_values(document), check_already_exists=False)
    model = pybamm.lithium_ion.SPM(pybamm_options(document))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from scipy.constants import R

from cosinter.analysis.exports.electrode import (
    AnyValue,
    Geometry,
    SinteredElectrode,
    sintered_electrode,
)
from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError, MissingEngineError

FORMAT = "cosinter-pybamm"
_NAMES = {
    "Positive particle radius [m]": "radius",
    "Positive electrode active material volume fraction": "active_fraction",
    "Maximum concentration in positive electrode [mol.m-3]": "maximum_concentration",
    "Positive electrode OCP [V]": "open_circuit_potential",
    "Positive particle diffusivity [m2.s-1]": "diffusivity",
    "Positive electrode thickness [m]": "thickness",
    "Initial SEI thickness [m]": "interphase_thickness",
    "SEI resistivity [Ohm.m]": "interphase_resistivity",
}
# the base set of the user knows these at least as well as our placeholders
_LEFT_TO_BASE_SET = ("diffusivity", "thickness")


def to_pybamm(
    parameters: ParameterSet,
    summary: Mapping[str, Any],
    geometry: Geometry,
    *,
    supplied: Mapping[str, AnyValue] | None = None,
    include_assumed: bool = True,
    temperature_K: float = 298.15,
) -> dict[str, Any]:
    """Describe the sintered positive electrode of a half-cell for PyBaMM, as JSON-able data.

    Arguments as in :func:`cosinter.analysis.exports.electrode.sintered_electrode`. Diffusivity and thickness appear
    only where the parameter set or ``supplied`` has them; otherwise the base set decides and ``missing`` says so.
    ``assumed`` lists the values of that kind.

    Raises
    ------
    InputError
        The summary cannot be used.
    """
    electrode = sintered_electrode(
        parameters,
        summary,
        geometry,
        supplied=supplied,
        include_assumed=include_assumed,
        temperature_K=temperature_K,
    )
    missing = dict(electrode.missing)
    written: dict[str, Any] = {}
    for key, name in _NAMES.items():
        value = electrode.known(name)
        if value is None:
            continue
        if name in _LEFT_TO_BASE_SET and value.kind == "assumed" and name not in (supplied or {}):
            missing[name] = "left to the base set"
        else:
            written[key] = _entry(value)
    written |= _initial_concentration(electrode)
    film = {"Initial SEI thickness [m]", "SEI resistivity [Ohm.m]"} <= set(written)
    if not film:
        for key in ("Initial SEI thickness [m]", "SEI resistivity [Ohm.m]"):
            written.pop(key, None)
    return {
        "format": FORMAT,
        "version": "1.0",
        "study": parameters.study,
        "case": electrode.case,
        "options": _options(film),
        "parameters": written,
        "assumed": [key for key, entry in written.items() if entry["kind"] == "assumed"],
        "missing": missing,
    }


def pybamm_options(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the model options; pairs are tuples (a plain "SEI": "constant" would put the film on the lithium)."""
    _check(document)
    return {key: tuple(v) if isinstance(v, list) else v for key, v in document["options"].items()}


def pybamm_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a document of :func:`to_pybamm` into numbers and functions for ``ParameterValues.update``.

    Raises
    ------
    InputError
        The document is of another format.
    MissingEngineError
        PyBaMM is not installed (needed only for tables and Arrhenius functions).
    """
    _check(document)
    return {key: _value(key, entry) for key, entry in document["parameters"].items()}


def _entry(value: AnyValue) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": value.kind, "source": value.source}
    if isinstance(value, Scalar):
        return entry | {"value": value.value}
    if isinstance(value, Arrhenius):
        return entry | {
            "arrhenius": {
                "reference_value": value.reference_value,
                "reference_temperature_K": value.reference_temperature,
                "activation_energy_J_per_mol": value.activation_energy,
            }
        }
    return entry | {"table": _columns(value)}


def _columns(value: Table) -> dict[str, list[float]]:
    if len(value.axes) != 1:
        raise InputError(
            f"a table over {', '.join(value.axes)} cannot be handed on; give it at one temperature"
        )
    (axis,) = value.axes.values()
    return {"x": list(axis), "y": [float(number) for number in value.array]}


def _initial_concentration(electrode: SinteredElectrode) -> dict[str, Any]:
    stoichiometry = electrode.known("initial_stoichiometry")
    maximum = electrode.known("maximum_concentration")
    if not (isinstance(stoichiometry, Scalar) and isinstance(maximum, Scalar)):
        return {}
    entry = {
        "kind": stoichiometry.kind,
        "source": stoichiometry.source,
        "value": stoichiometry.value * maximum.value,
    }
    return {"Initial concentration in positive electrode [mol.m-3]": entry}


def _options(film: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"working electrode": "positive"}
    if film:
        options |= {"SEI": ["none", "constant"], "SEI film resistance": "average"}
    return options


def _check(document: Mapping[str, Any]) -> None:
    if document.get("format") != FORMAT or str(document.get("version", "")).split(".")[0] != "1":
        raise InputError(
            f"this is not a {FORMAT} document of version 1 but {document.get('format')!r} {document.get('version')!r}"
        )


def _value(key: str, entry: Mapping[str, Any]) -> Any:
    if "value" in entry:
        return float(entry["value"])
    if "table" in entry:
        return _interpolant(key, entry["table"])
    return _arrhenius(entry["arrhenius"])


def _engine() -> Any:
    try:
        import pybamm
    except ImportError as error:
        raise MissingEngineError("PyBaMM is not installed; pip install 'cosinter[cell]' brings it") from error
    return pybamm


def _interpolant(key: str, table: Mapping[str, list[float]]) -> Callable[[Any], Any]:
    engine = _engine()
    import numpy as np

    x, y = np.asarray(table["x"]), np.asarray(table["y"])

    def interpolate(stoichiometry: Any) -> Any:
        return engine.Interpolant(x, y, stoichiometry, name=key, interpolator="linear")

    return interpolate


def _arrhenius(entry: Mapping[str, float]) -> Callable[[Any, Any], Any]:
    engine = _engine()
    reference, energy = entry["reference_value"], entry["activation_energy_J_per_mol"]
    inverse = 1.0 / entry["reference_temperature_K"]
    if not math.isfinite(inverse):
        raise InputError("an Arrhenius function needs its reference temperature")

    def evaluate(stoichiometry: Any, temperature: Any) -> Any:
        return reference * engine.exp(-energy / R * (1.0 / temperature - inverse))

    return evaluate
