"""Read a table of measurements (CSV): one line per sample, units in the header.

A column is one of

- ``case``: name of the case of the study (first with a compensator if not given); ``sample``: any label
- a condition: a key of :func:`cosinter.workflows.variation.vary` (``furnace.hold_C``) or one of its short names
  (``hold_C``, ``hold_h``, ``ramp``, ``dose``, ``ratio``, ``O2``, ``CO2``, ``H2O``); where a cell is empty, the study's own
- an outcome (``layered``, ``spinel``, ``rock_salt``, ``lithium``, ``interphase``, ``asr``, ``capacity``, or their full
  names) with its standard error in ``<outcome>_error``, or as a factor (1.3: the logarithm has the standard error
  ln 1.3) in ``<outcome>_factor``; an empty cell was not measured

and may end with a unit in square brackets: ``hold_C [K]``, ``interphase [nm]``, ``asr [ohm cm2]``.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.fitted import DataSource
from cosinter.analysis.continuum.measurements import Measurement
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.design import FREE, OUTCOMES, outcome_name
from cosinter.workflows.quantities import to_unit
from cosinter.workflows.study import Study
from cosinter.workflows.variation import Value, keys

MAX_BYTES = 10_000_000
CASE, SAMPLE, ERROR, FACTOR = "case", "sample", "_error", "_factor"
#: Unit of each outcome for conversion.
UNITS: Mapping[str, str] = {"interphase_nm": "nm", "asr_ohm_cm2": "ohm cm**2", "capacity_mAh_per_g": "mA h/g"}
_HEADING = re.compile(r"^([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?$")
_POWER = re.compile(r"(?<=[A-Za-zΩµ])(-?\d)")


@dataclass(frozen=True)
class Experiment:
    """One line of the file: its conditions as changes of the study, and where it stands."""

    line: int
    sample: str
    case: str | None
    changes: Mapping[str, Value]


@dataclass(frozen=True)
class MeasurementFile:
    """What a file holds; :attr:`Measurement.experiment` counts ``experiments``."""

    source: DataSource
    experiments: tuple[Experiment, ...]
    measurements: tuple[Measurement, ...]

    @property
    def numbers(self) -> NDArray[np.int_]:
        """Number of the experiment of each measurement."""
        return np.array([m.experiment for m in self.measurements])


@dataclass(frozen=True)
class _Column:
    """A column: its name in the header, unit ('' if none), and the key of the study or the outcome it stands for."""

    name: str
    unit: str
    key: str = ""
    outcome: str = ""
    suffix: str = ""


def read_measurements(path: Path, study: Study) -> MeasurementFile:
    """Read a table of measurements for ``study``.

    Raises
    ------
    InputError
        Names the file, line and column of the first thing that cannot be used.
    """
    text, sha256 = _text(path)
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file ({error})") from error
    table = [
        (number, [cell.strip() for cell in row])
        for number, row in enumerate(rows, start=1)
        if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#")
    ]
    if len(table) < 2:
        raise InputError(f"{path}: holds no measurement; it needs a header and at least one line")
    header_line, header = table[0]
    where = f"{path}, line {header_line}"
    columns = _columns(header, study, where)
    experiments: list[Experiment] = []
    measurements: list[Measurement] = []
    for number, cells in table[1:]:
        if len(cells) != len(columns):
            raise InputError(f"{path}, line {number}: has {len(cells)} cells, the header has {len(columns)}")
        row = _Row(f"{path}, line {number}", dict(zip(columns, cells, strict=True)))
        experiments.append(row.experiment(number))
        measurements += row.measurements(len(experiments) - 1)
    if not measurements:
        raise InputError(f"{path}: holds conditions only; add a column such as layered and layered_error")
    return MeasurementFile(DataSource(path.name, sha256), tuple(experiments), tuple(measurements))


def _text(path: Path) -> tuple[str, str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: {len(raw)} bytes are too many; at most {MAX_BYTES} are read")
    try:
        return raw.decode("utf-8-sig"), hashlib.sha256(raw).hexdigest()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file (byte {error.start} is not UTF-8)") from error


def _columns(header: Sequence[str], study: Study, where: str) -> tuple[_Column, ...]:
    if len(header) == 1 and ";" in header[0]:
        raise InputError(f"{where}: cells are separated by semicolons; use commas, and points in numbers")
    known = keys(study)
    columns = tuple(_column(heading, known, where) for heading in header)
    names = [column.name for column in columns]
    for column in columns:
        if names.count(column.name) > 1:
            raise InputError(f"{where}: column {column.name} is there twice; keep one")
        if column.outcome and not column.suffix:
            spreads = [f"{column.name}{suffix}" for suffix in (ERROR, FACTOR)]
            if sum(spread in names for spread in spreads) != 1:
                raise InputError(
                    f"{where}: column {column.name} needs its standard error in {spreads[0]} or {spreads[1]}, one of them"
                )
        if column.suffix and column.name.removesuffix(column.suffix) not in names:
            raise InputError(
                f"{where}: column {column.name} has no {column.name.removesuffix(column.suffix)}; add it"
            )
    return columns


def _column(heading: str, known: Sequence[str], where: str) -> _Column:
    match = _HEADING.match(heading)
    if match is None:
        raise InputError(f"{where}: column '{heading}' is not a name, or a name with a [unit]; mend it")
    name, unit = match[1], _POWER.sub(r"**\1", (match[2] or "").strip())
    suffix = next((end for end in (ERROR, FACTOR) if name.endswith(end)), "")
    if name in (CASE, SAMPLE):
        return _Column(name, unit)
    if name in FREE or name in known:
        return _Column(name, unit, key=FREE[name].key if name in FREE else name)
    try:
        return _Column(name, unit, outcome=outcome_name(name.removesuffix(suffix)), suffix=suffix)
    except UnknownNameError as error:
        raise InputError(
            f"{where}: {UnknownNameError('column', name, (*OUTCOMES, *FREE, *known, CASE, SAMPLE))}"
        ) from error


@dataclass(frozen=True)
class _Row:
    """One line of the file: ``where`` for messages, cells by column."""

    where: str
    cells: Mapping[_Column, str]

    def experiment(self, line: int) -> Experiment:
        plain = {
            column.name: cell for column, cell in self.cells.items() if not column.key and not column.outcome
        }
        changes = {
            column.key: self._condition(column, cell)
            for column, cell in self.cells.items()
            if column.key and cell
        }
        return Experiment(line, plain.get(SAMPLE) or f"line {line}", plain.get(CASE) or None, changes)

    def measurements(self, experiment: int) -> list[Measurement]:
        by_name = {column.name: (column, cell) for column, cell in self.cells.items()}
        found = []
        for column, cell in self.cells.items():
            if not column.outcome or column.suffix or not cell:
                continue
            suffix = ERROR if f"{column.name}{ERROR}" in by_name else FACTOR
            found.append(self._measurement(experiment, column, by_name[f"{column.name}{suffix}"]))
        return found

    def _measurement(self, experiment: int, column: _Column, spread: tuple[_Column, str]) -> Measurement:
        beside, cell = spread
        value = self._outcome(column, self.cells[column], column.unit)
        logarithmic = beside.suffix == FACTOR
        if logarithmic:
            factor = self._number(beside, cell)
            if not factor > 1.0:
                raise InputError(
                    f"{self.where}, column {beside.name}: a factor of {factor:g} must be above 1"
                )
            error = math.log(factor)
        else:
            error = self._outcome(beside, cell, beside.unit or column.unit)
        try:
            return Measurement(experiment, column.outcome, value, error, logarithmic)
        except InputError as problem:
            raise InputError(f"{self.where}, column {column.name}: {problem}") from problem

    def _condition(self, column: _Column, cell: str) -> Value:
        if not column.unit or column.key.endswith("wt_percent"):
            if column.unit not in ("", "%", "wt%"):
                raise InputError(
                    f"{self.where}, column {column.name}: unit {column.unit} is not wt%; convert it"
                )
            return self._number(column, cell) if column.unit or _is_number(cell) else cell
        return f"{self._number(column, cell)!r} {column.unit}"

    def _outcome(self, column: _Column, cell: str, unit: str) -> float:
        value = self._number(column, cell)
        if not unit:
            return value
        try:
            return to_unit(f"{value!r} {unit}", UNITS.get(column.outcome, "dimensionless"))
        except ValueError as error:
            raise InputError(f"{self.where}, column {column.name}: {error}") from error

    def _number(self, column: _Column, cell: str) -> float:
        if not cell:
            raise InputError(f"{self.where}, column {column.name}: is empty; give a number")
        if not _is_number(cell):
            raise InputError(f"{self.where}, column {column.name}: '{cell}' is not a finite number; mend it")
        return float(cell)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
