"""Files for COMSOL, read by a reader of the described format; units by pint."""

from __future__ import annotations

import math
import re

import numpy as np
import pint
import pytest
from scipy.constants import R

from cosinter.analysis.exports.comsol import PARAMETERS, VARIABLES, comsol_name, to_comsol
from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError
from tests.analysis.export_cases import assembled_set

_LINE = re.compile(r'^(?P<name>[A-Za-z]\w*) (?P<value>[^\s"]+) "(?P<about>[^"]+)"$', re.ASCII)
_VALUE = re.compile(r"^(?P<number>[^\[]+)(\[(?P<unit>[^\]]+)\])?$")


def read(text: str) -> dict[str, tuple[str, str]]:
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        assert match is not None, line
        found[match["name"]] = (match["value"], match["about"])
    return found


def test_every_number_comes_back_with_its_unit() -> None:
    parameters = assembled_set()
    constants = read(to_comsol(parameters)[PARAMETERS])
    units = pint.UnitRegistry()
    seen = 0
    for name, record in parameters.parameters.items():
        if not isinstance(record, Scalar):
            continue
        text, about = constants[comsol_name(name)]
        match = _VALUE.match(text)
        assert match is not None
        assert float(match["number"]) == record.value
        ours = units(re.sub(r"(?<=[A-Za-z])(\d)", r"**\1", record.unit.replace(" ", "*")))
        theirs = units(match["unit"] or "1")
        assert (1.0 * theirs / ours).to_base_units().dimensionless
        assert about.startswith(record.kind)
        seen += 1
    assert seen > 10


@pytest.mark.parametrize("temperature", [600.0, 973.15])
def test_variables_are_the_arrhenius_functions(temperature: float) -> None:
    parameters = assembled_set()
    files = to_comsol(parameters)
    constants, variables = read(files[PARAMETERS]), read(files[VARIABLES])
    names = {name: float(value.split("[")[0]) for name, (value, _) in constants.items()}
    seen = 0
    for name, record in parameters.parameters.items():
        if not isinstance(record, Arrhenius):
            continue
        expression, _ = variables[comsol_name(name)]
        word = comsol_name(name)
        assert expression == f"{word}_ref*exp(-{word}_Ea/R_const*(1/T-1/{word}_Tref))"
        inverse = 1.0 / temperature - 1.0 / names[f"{word}_Tref"]
        value = names[f"{word}_ref"] * math.exp(-names[f"{word}_Ea"] / R * inverse)
        assert value == pytest.approx(float(record(temperature)), rel=1e-12)
        seen += 1
    assert seen


def test_spreadsheets_hold_the_tables() -> None:
    parameters = assembled_set()
    files = to_comsol(parameters)
    tables = {n: r for n, r in parameters.parameters.items() if isinstance(r, Table)}
    assert tables
    for name, table in tables.items():
        lines = files[f"{comsol_name(name)}.txt"].splitlines()
        numbers = np.loadtxt(lines, comments="%", ndmin=2)
        assert numbers.shape == (table.array.size, len(table.axes) + 1)
        assert np.array_equal(numbers[:, -1], table.array.ravel())


def test_quotes_and_line_ends_in_a_source_do_no_harm() -> None:
    record = Scalar(value=1.0, unit="K", kind="measured", source='said "so"\n% and more\nx 3 "y"')
    parameters = ParameterSet(study="x", cosinter_version="0", parameters={"a.b": record})
    assert list(read(to_comsol(parameters)[PARAMETERS])) == ["a_b"]


def test_two_names_that_become_one_are_refused() -> None:
    record = Scalar(value=1.0, unit="K", kind="measured", source="here")
    with pytest.raises(InputError, match="a_b"):
        to_comsol(ParameterSet(study="x", cosinter_version="0", parameters={"a.b": record, "a_b": record}))
