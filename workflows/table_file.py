"""Write one tidy table: CSV, Parquet or JSON, by the ending of the file's name."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import InputError, MissingEngineError

FORMS = (".csv", ".parquet", ".json")
Rows = Sequence[Mapping[str, Any]]


def check_table(path: Path) -> None:
    """Refuse a table that cannot be written, before anything is computed.

    Raises
    ------
    InputError
        Its ending is no form of a table, or the file cannot be written.
    MissingEngineError
        Parquet is asked for and pyarrow is not installed.
    """
    from cosinter.workflows.diagrams.drawing import check_writable

    if path.suffix.lower() not in FORMS:
        raise InputError(f"{path}: the ending says what is written; choose one of {', '.join(FORMS)}")
    if path.suffix.lower() == ".parquet":
        _arrow()
    check_writable(path)


def table_bytes(suffix: str, columns: Sequence[str], rows: Rows) -> bytes:
    """The table as a file with the ending ``suffix``; missing values are empty, null in Parquet and JSON."""
    from cosinter.analysis.exports.csv_table import csv_text

    if suffix == ".csv":
        return csv_text(columns, rows).encode()
    if suffix == ".json":
        return (
            json.dumps([{name: row.get(name) for name in columns} for row in rows], indent=1) + "\n"
        ).encode()
    arrow = _arrow()
    arrays = {name: _array(arrow, [row.get(name) for row in rows]) for name in columns}
    buffer = io.BytesIO()
    arrow.parquet.write_table(arrow.table(arrays), buffer)
    return buffer.getvalue()


def _array(arrow: Any, values: Sequence[Any]) -> Any:
    """A column of numbers, or of words where one value is a word."""
    words = any(isinstance(value, str) for value in values)
    if words:
        return arrow.array([None if value is None else str(value) for value in values], arrow.string())
    whole = all(value is None or isinstance(value, int) for value in values) and any(
        v is not None for v in values
    )
    return arrow.array(values, arrow.int64() if whole else arrow.float64())


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingEngineError(
            "Parquet needs pyarrow, which is not installed; pip install 'cosinter[parquet]', or write .csv"
        ) from error
    return pyarrow
