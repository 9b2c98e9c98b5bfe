"""Turn the records of ``data/thermochemistry.yaml`` into phases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import hypot
from typing import Any

from cosinter.analysis.thermochemistry.functions import (
    REFERENCE_TEMPERATURE,
    Combination,
    ThermoFunction,
    cp_row,
    integrate_heat_capacity,
    make_melt,
    neumann_kopp,
)
from cosinter.analysis.thermochemistry.library import EnergySource, Phase, add_errors
from cosinter.analysis.thermochemistry.nasa import nasa_function
from cosinter.data.exceptions import DataError, InputError

KILO = 1e3
#: Name that Neumann-Kopp sums use for the oxygen of an oxide, see :func:`bound_oxygen`.
BOUND_OXYGEN = "BoundO"
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


def thermo_function(record: Mapping[str, Any], lookup: Callable[[str], ThermoFunction]) -> ThermoFunction:
    """H(T) and S(T) of one record with its own numbers; ``lookup`` finds the phases that it refers to by name.

    ``Cp`` segments are integrated from H298 and S298 (kJ/mol, J/mol/K); ``melt_of`` adds a fusion to a solid;
    ``neumann_kopp`` takes the heat capacity of a sum of phases, and its entropy where S298 is not given.
    """
    if "melt_of" in record:
        fusion = record["fusion"]
        return make_melt(
            lookup(record["melt_of"]),
            melting_K=fusion["T"],
            fusion_J=fusion["dH"] * KILO,
            heat_capacity=fusion["Cp"],
        )
    if "neumann_kopp" in record:
        parts = [(float(n), lookup(part)) for part, n in record["neumann_kopp"].items()]
        return neumann_kopp(parts, enthalpy_298=record["H298"] * KILO, entropy_298=record.get("S298"))
    segments = [((s["T"][0], s["T"][1]), cp_row(s["coef"])) for s in record["Cp"]]
    return integrate_heat_capacity(
        segments,
        enthalpy_298=record["H298"] * KILO,
        entropy_298=record["S298"],
        transitions={t["T"]: t["dH"] * KILO for t in record.get("transitions", [])},
    )


def bound_oxygen(lookup: Callable[[str], ThermoFunction]) -> Combination:
    """One mole of O in an oxide, for Neumann-Kopp sums: MnO2 minus MnO."""
    return Combination(((1.0, lookup("MnO2")), (-1.0, lookup("MnO"))))


class _Builder:
    """Resolve records that refer to other records; each is built once."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._records: Mapping[str, Mapping[str, Any]] = table["phases"]
        self._built: dict[str, ThermoFunction] = {}

    def function(self, name: str) -> ThermoFunction:
        if name not in self._built:
            self._built[name] = self._make(name)
        return self._built[name]

    def _make(self, name: str) -> ThermoFunction:
        if name == BOUND_OXYGEN:
            return bound_oxygen(self.function)
        record = self._records[name]
        if "library" in record:
            return nasa_function(record["file"], tuple(record["species"]))
        return thermo_function(record, self.function)


def data_range(given: Sequence[float] | None, function: ThermoFunction) -> tuple[float, float]:
    """Temperatures the data hold for, K: as given, else those of the function.

    NASA polynomials are written from 300 K though their tables begin at 298.15 K; such a range begins at 298.15 K.
    """
    low, high = given or function.limits
    return (REFERENCE_TEMPERATURE if REFERENCE_TEMPERATURE < low <= 300.0 else float(low)), float(high)


def _errors(name: str, records: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Sources of error of a record: its own, and n times those of the phases that it ``shares`` errors with."""
    own = records[name]["uncertainty"]
    shared = [(amount, _errors(other, records)) for other, amount in records[name].get("shares", {}).items()]
    return add_errors([(1.0, {name: (own["H298"] * KILO, float(own["S298"]))}), *shared])


def _phase(
    name: str,
    record: Mapping[str, Any],
    function: ThermoFunction,
    source: str,
    errors: Mapping[str, tuple[float, float]],
) -> Phase:
    return Phase(
        name=name,
        formula=record["formula"],
        state=record["state"],
        function=function,
        uncertainty_J_per_mol=hypot(*(enthalpy for enthalpy, _ in errors.values())),
        entropy_uncertainty_J_per_mol_K=hypot(*(entropy for _, entropy in errors.values())),
        errors=errors,
        source=source,
        kind=record["kind"],
        range_K=data_range(record.get("range_K"), function),
        note=record.get("note", ""),
        energy_source=ENERGY_SOURCES[record["kind"]],
        thermal_source="neumann_kopp" if "neumann_kopp" in record else "measured",
    )


def _computed_phase(
    name: str,
    record: Mapping[str, Any],
    lookup: Callable[[str], ThermoFunction],
    measured: Mapping[str, Phase],
    sources: Mapping[str, str],
) -> Phase:
    """A phase whose H298 is that of a crystal in a table of computed energies, anchored on ``measured`` phases."""
    from cosinter.analysis.thermochemistry.energy_tables import load_energy_table, table_enthalpy

    origin = record["computed"]
    found = table_enthalpy(load_energy_table(origin["calculator"]), origin["crystal"], measured)
    function = thermo_function({**record, "H298": found.value_J_per_mol / KILO}, lookup)
    errors = {source: (value, 0.0) for source, value in found.errors.items()}
    notes = [f"{record['formula']} = {found.reaction}", record.get("note", "")]
    return _phase(
        name,
        {**record, "note": "; ".join(filter(None, notes))},
        function,
        _source(record, sources),
        errors | {name: (0.0, float(record["uncertainty"]["S298"]))},
    )


def phases_from_table(table: Mapping[str, Any]) -> list[Phase]:
    """Build every condensed phase and gas of ``table``; gases are named ``<formula>(g)``.

    Raises
    ------
    DataError
        A record lacks a field, or refers to a phase that is not in the table.
    """
    builder = _Builder(table)
    sources, records = table["sources"], table["phases"]
    phases: dict[str, Phase] = {}
    try:
        for name, record in records.items():
            if "computed" not in record:
                errors = _errors(name, records)
                phases[name] = _phase(name, record, builder.function(name), _source(record, sources), errors)
        for name, record in records.items():
            if "computed" in record:
                phases[name] = _computed_phase(name, record, builder.function, phases, sources)
        ordered = [phases[name] for name in records]
        for formula, record in table["gases"].items():
            function = nasa_function(record["file"], tuple(record["species"]))
            name = f"{formula}(g)"
            ordered.append(
                _phase(name, record, function, _source(record, sources), _errors(name, {name: record}))
            )
    except (KeyError, TypeError, IndexError, InputError) as error:
        raise DataError(
            f"data table thermochemistry.yaml is damaged ({error!r}); reinstall cosinter"
        ) from error
    return ordered


def alternatives(name: str, table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Other assessments kept beside phase ``name`` of ``table``, each with its source written out; never calculated with."""
    rows = table["phases"].get(name, {}).get("alternatives", [])
    return [{**row, "source": table["sources"].get(row["source"], row["source"])} for row in rows]
