"""Parameters as flat tables that any spreadsheet reads.

One file holds a line per parameter; the grids of tabulated parameters go into a second file in long format
(one value per line), because a table does not fit into a cell.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table

COLUMNS = (
    "name",
    "type",
    "value",
    "unit",
    "uncertainty",
    "log10_uncertainty",
    "activation_energy_J_per_mol",
    "activation_energy_uncertainty_J_per_mol",
    "reference_temperature_K",
    "kind",
    "source",
    "note",
)
LONG_COLUMNS = ("name", "axis_1", "axis_1_value", "axis_2", "axis_2_value", "value", "unit")


def flat_rows(parameters: ParameterSet) -> list[dict[str, str]]:
    """Describe every parameter in one row of text, in the order of the set.

    ``value`` is the number of a scalar, the reference value of an Arrhenius record, and the range of a table.

    Returns
    -------
    list of dict
        Keys: :data:`COLUMNS`; empty text where a column does not apply.
    """
    return [{"name": name} | _describe(record) for name, record in parameters.parameters.items()]


def parameters_csv(parameters: ParameterSet) -> str:
    """Write one line per parameter (columns :data:`COLUMNS`, RFC 4180, UTF-8, numbers round-trip)."""
    return csv_text(COLUMNS, flat_rows(parameters))


def table_rows(parameters: ParameterSet) -> list[dict[str, Any]]:
    """Values of the tabulated parameters, one per row; keys: :data:`LONG_COLUMNS`."""
    rows: list[dict[str, Any]] = []
    for name, record in parameters.parameters.items():
        if isinstance(record, Table):
            rows.extend(_long_rows(name, record))
    return rows


def tables_csv(parameters: ParameterSet) -> str:
    """Write the tabulated parameters in long format: one value per line (columns :data:`LONG_COLUMNS`).

    Tables with more axes join the further ones into ``axis_2`` as ``name=value`` pairs.
    """
    return csv_text(LONG_COLUMNS, table_rows(parameters))


def _describe(record: Scalar | Arrhenius | Table) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS[1:], "")
    row |= {"type": record.type, "unit": record.unit, "kind": record.kind}
    row |= {"source": record.source, "note": record.note}
    if isinstance(record, Scalar):
        row["value"] = repr(record.value)
        row["uncertainty"] = _text(record.uncertainty)
        row["log10_uncertainty"] = _text(record.log10_uncertainty)
    elif isinstance(record, Arrhenius):
        row["value"] = repr(record.reference_value)
        row["log10_uncertainty"] = _text(record.log10_uncertainty)
        row["activation_energy_J_per_mol"] = repr(record.activation_energy)
        row["activation_energy_uncertainty_J_per_mol"] = repr(record.activation_energy_uncertainty)
        row["reference_temperature_K"] = repr(record.reference_temperature)
    else:
        row["value"] = f"{record.array.min():.6g} to {record.array.max():.6g}"
        row["uncertainty"] = _text(record.uncertainty)
    return row


def _long_rows(name: str, table: Table) -> list[dict[str, Any]]:
    axes = list(table.axes)
    rows = []
    for place, point in zip(
        itertools.product(*(range(len(axis)) for axis in table.axes.values())),
        itertools.product(*table.axes.values()),
        strict=True,
    ):
        row: dict[str, Any] = {"name": name, "unit": table.unit, "value": repr(float(table.array[place]))}
        row |= {"axis_1": axes[0], "axis_1_value": repr(float(point[0]))}
        if len(axes) == 2:
            row |= {"axis_2": axes[1], "axis_2_value": repr(float(point[1]))}
        elif len(axes) > 2:
            pairs = zip(axes[1:], point[1:], strict=True)
            row["axis_2"] = ";".join(f"{axis}={float(value)!r}" for axis, value in pairs)
        rows.append(row)
    return rows


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows under a header (RFC 4180, numbers round-trip); what is missing or None is empty."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)
