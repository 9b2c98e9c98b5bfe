"""Turn the records of ``data/thermochemistry.yaml`` into phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosinter.analysis.thermochemistry.functions import (
    Combination,
    ThermoFunction,
    cp_row,
    integrate_heat_capacity,
    make_melt,
    neumann_kopp,
)
from cosinter.analysis.thermochemistry.library import EnergySource, Phase
from cosinter.analysis.thermochemistry.nasa import nasa_function
from cosinter.data.exceptions import DataError

KILO = 1e3
#: Who gave the enthalpy, by kind of the record.
ENERGY_SOURCES: Mapping[str, EnergySource] = {
    "measured": "measured",
    "fitted": "measured",
    "computed": "chgnet",
    "assumed": "assumed",
}


def _source(record: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    value = record["source"]
    if isinstance(value, str):
        return sources.get(value, value)
    return "; ".join(f"{name}: {sources.get(key, key)}" for name, key in value.items())


class _Builder:
    """Resolve records that refer to other records; each is built once."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._records: Mapping[str, Mapping[str, Any]] = table["phases"]
        self._built: dict[str, ThermoFunction] = {}

    def function(self, name: str) -> ThermoFunction:
        if name not in self._built:
            self._built[name] = self._bound_oxygen() if name == "BoundO" else self._make(self._records[name])
        return self._built[name]

    def _bound_oxygen(self) -> ThermoFunction:
        return Combination(((1.0, self.function("MnO2")), (-1.0, self.function("MnO"))))

    def _make(self, record: Mapping[str, Any]) -> ThermoFunction:
        if "library" in record:
            return nasa_function(record["file"], tuple(record["species"]))
        if "melt_of" in record:
            fusion = record["fusion"]
            return make_melt(
                self.function(record["melt_of"]),
                melting_K=fusion["T"],
                fusion_J=fusion["dH"] * KILO,
                heat_capacity=fusion["Cp"],
            )
        if "neumann_kopp" in record:
            parts = [(float(n), self.function(part)) for part, n in record["neumann_kopp"].items()]
            return neumann_kopp(parts, enthalpy_298=record["H298"] * KILO, entropy_298=record.get("S298"))
        segments = [((s["T"][0], s["T"][1]), cp_row(s["coef"])) for s in record["Cp"]]
        return integrate_heat_capacity(
            segments,
            enthalpy_298=record["H298"] * KILO,
            entropy_298=record["S298"],
            transitions={t["T"]: t["dH"] * KILO for t in record.get("transitions", [])},
        )


def _phase(name: str, record: Mapping[str, Any], function: ThermoFunction, source: str) -> Phase:
    limits = record.get("range_K", function.limits)
    return Phase(
        name=name,
        formula=record["formula"],
        state=record["state"],
        function=function,
        uncertainty_J_per_mol=record["uncertainty"]["H298"] * KILO,
        entropy_uncertainty_J_per_mol_K=record["uncertainty"]["S298"],
        source=source,
        kind=record["kind"],
        range_K=(float(limits[0]), float(limits[1])),
        note=record.get("note", ""),
        energy_source=ENERGY_SOURCES[record["kind"]],
        thermal_source="neumann_kopp" if "neumann_kopp" in record else "measured",
    )


def phases_from_table(table: Mapping[str, Any]) -> list[Phase]:
    """Build every condensed phase and gas of ``table``; gases are named ``<formula>(g)``.

    Raises
    ------
    DataError
        A record lacks a field, or refers to a phase that is not in the table.
    """
    builder = _Builder(table)
    sources = table["sources"]
    phases = []
    try:
        for name, record in table["phases"].items():
            phases.append(_phase(name, record, builder.function(name), _source(record, sources)))
        for formula, record in table["gases"].items():
            function = nasa_function(record["file"], tuple(record["species"]))
            phases.append(_phase(f"{formula}(g)", record, function, _source(record, sources)))
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"data table thermochemistry.yaml is damaged ({error!r}); reinstall cosinter"
        ) from error
    return phases
