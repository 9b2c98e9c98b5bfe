"""The parameter table of the report: every record in a form that a person reads."""

from __future__ import annotations

from scipy.constants import kilo

from cosinter.analysis.continuum.origins import spread_text
from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar, Table
from cosinter.workflows.report.content import ParameterRow
from cosinter.workflows.report.text import format_number


def parameter_rows(parameters: ParameterSet) -> tuple[ParameterRow, ...]:
    """Make the lines of the parameter table, in the order of the set."""
    return tuple(
        ParameterRow(
            name=name,
            type=record.type,
            value=_value_text(record),
            unit=record.unit,
            uncertainty=_uncertainty_text(parameters, name),
            kind=record.kind,
            source=record.source,
            note=record.note,
        )
        for name, record in parameters.parameters.items()
    )


def _value_text(record: AnyRecord) -> str:
    if isinstance(record, Scalar):
        return format_number(record.value, 4)
    if isinstance(record, Arrhenius):
        energy = format_number(record.activation_energy / kilo, 4)
        return f"{format_number(record.reference_value)} at {record.reference_temperature:g} K, E {energy} kJ/mol"
    return f"{format_number(float(record.array.min()))} to {format_number(float(record.array.max()))}"


def _uncertainty_text(parameters: ParameterSet, name: str) -> str:
    record = parameters[name]
    parts = []
    if shared := float(parameters.shared_spread(name).max()):
        parts.append(f"up to {spread_text(name, shared, record.unit)}, shared")
    if not isinstance(record, Arrhenius) and record.uncertainty:
        parts.append(format_number(record.uncertainty))
    if not isinstance(record, Table) and record.log10_uncertainty:
        parts.append(f"×10^±{record.log10_uncertainty:.2g}")
    if isinstance(record, Arrhenius) and record.activation_energy_uncertainty:
        parts.append(f"E ± {format_number(record.activation_energy_uncertainty / kilo)} kJ/mol")
    return ", ".join(parts)
