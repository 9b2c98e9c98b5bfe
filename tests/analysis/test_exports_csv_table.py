from __future__ import annotations

import csv
import io
import itertools

import numpy as np

from cosinter.analysis.exports.csv_table import COLUMNS, LONG_COLUMNS, flat_rows, parameters_csv, tables_csv
from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table
from tests.analysis.export_cases import parameter_set


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_parameter_has_one_line_that_reads_back_exactly() -> None:
    parameters = parameter_set()
    read = {row["name"]: row for row in rows(parameters_csv(parameters))}
    assert list(read) == list(parameters.parameters)
    for name, record in parameters.parameters.items():
        row = read[name]
        assert tuple(row) == COLUMNS
        assert (row["unit"], row["kind"], row["source"]) == (record.unit, record.kind, record.source)
        if isinstance(record, Scalar):
            assert float(row["value"]) == record.value
            assert row["uncertainty"] == ("" if record.uncertainty is None else repr(record.uncertainty))
        elif isinstance(record, Arrhenius):
            assert float(row["value"]) == record.reference_value
            assert float(row["activation_energy_J_per_mol"]) == record.activation_energy
            assert float(row["reference_temperature_K"]) == record.reference_temperature


def test_tables_come_back_from_the_long_format() -> None:
    parameters = parameter_set()
    read = rows(tables_csv(parameters))
    assert set(read[0]) == set(LONG_COLUMNS)
    for name, record in parameters.parameters.items():
        if isinstance(record, Table):
            values = [float(row["value"]) for row in read if row["name"] == name]
            np.testing.assert_array_equal(np.reshape(values, record.array.shape), record.array)
            points = [
                tuple(float(row[f"axis_{i + 1}_value"]) for i in range(len(record.axes)))
                for row in read
                if row["name"] == name
            ]
            assert points == list(itertools.product(*record.axes.values()))


def test_a_third_axis_is_kept_as_text() -> None:
    cube = Table(
        unit="1",
        axes={"a": (0.0, 1.0), "b": (0.0, 2.0), "c": (0.0, 3.0)},
        values=[[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]]],
        source="made-up",
        kind="assumed",
    )
    parameters = ParameterSet(study="s", cosinter_version="0", parameters={"cube": cube})
    assert [row["axis_2"] for row in rows(tables_csv(parameters))][:4] == [
        "b=0.0;c=0.0",
        "b=0.0;c=3.0",
        "b=2.0;c=0.0",
        "b=2.0;c=3.0",
    ]


def test_a_table_shows_its_range_in_the_flat_file() -> None:
    row = next(row for row in flat_rows(parameter_set()) if row["name"] == "thermo.map")
    assert row["value"] == "0 to 5.5"
