"""Temperatures and atmospheres as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.react_options import (
    closed_gas_notes,
    describe_atmosphere,
    parse_atmosphere,
    parse_temperatures,
    plain,
    split_list,
)


def test_temperatures_in_every_form() -> None:
    assert parse_temperatures("700") == (700.0,)
    assert parse_temperatures("900,500, 700") == (500.0, 700.0, 900.0)
    assert parse_temperatures("500:900:100") == (500.0, 600.0, 700.0, 800.0, 900.0)
    assert parse_temperatures("500:640:50") == (500.0, 550.0, 600.0)
    assert parse_temperatures("500:600:50,600,25") == (25.0, 500.0, 550.0, 600.0)
    assert parse_temperatures("700:700:10") == (700.0,)


@given(st.floats(25.0, 600.0), st.floats(0.0, 600.0), st.floats(1.0, 300.0))
def test_a_range_stays_within_its_ends(low: float, width: float, step: float) -> None:
    found = parse_temperatures(f"{low!r}:{low + width!r}:{step!r}")
    assert found[0] == low
    assert all(low <= value <= (low + width) * (1.0 + 1e-12) for value in found)
    assert low + width - found[-1] < step * (1.0 + 1e-6)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("hot", "not a number"),
        ("nan", "25 to 1200"),
        ("24", "25 to 1200"),
        ("500:inf:50", "25 to 1200"),
        ("500:900", "FROM:TO:STEP"),
        ("500:600:50:2", "FROM:TO:STEP"),
        ("900:500:50", "FROM must not exceed TO"),
        ("500:900:0", "STEP must be above 0"),
        ("500:900:-50", "STEP must be above 0"),
        ("500:900:nan", "STEP must be above 0"),
        ("100:1200:0.001", "at most 1000"),
    ],
)
def test_wrong_temperatures_are_one_sentence(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        parse_temperatures(text)


def test_atmospheres() -> None:
    assert parse_atmosphere("O2=0.21, CO2=4e-4,H2O=0.01") == {"O2": 0.21, "CO2": 4e-4, "H2O": 0.01}
    assert parse_atmosphere("closed") == parse_atmosphere(" Closed ") == {}
    assert describe_atmosphere({"O2": 0.21, "H2O": 0.01}) == "O2 0.21 bar, H2O 0.01 bar"
    assert describe_atmosphere({}) == "closed"


@pytest.mark.parametrize("gas", ["N2", "Ar", "He"])
def test_inert_gases_are_explained(gas: str) -> None:
    with pytest.raises(InputError, match=f"{gas} is inert"):
        parse_atmosphere(f"O2=0.21,{gas}=0.79")


@pytest.mark.parametrize(
    "text", ["", " ,", "O2", "O2=0", "O2=-1", "O2=nan", "O2=101", "O2=a", "F2=1", "O2=1,O2=1"]
)
def test_wrong_atmospheres_are_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match="--atmosphere"):
        parse_atmosphere(text)


def test_lists() -> None:
    assert split_list(" a, b,,c ") == ("a", "b", "c")
    assert split_list("") == ()


def test_subscripts_are_digits() -> None:
    assert plain(" LiCoO₂ ") == "LiCoO2"
    assert plain("Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃") == "Li1.3Al0.3Ti1.7(PO4)3"
    assert plain("LiOH·H₂O") == "LiOH·H2O"


def test_gases_that_are_not_open_are_told() -> None:
    carbonate, hydroxide = {"Li": 2.0, "C": 1.0, "O": 3.0}, {"Li": 1.0, "O": 1.0, "H": 1.0}
    (note,) = closed_gas_notes([carbonate], {"O2": 0.21})
    assert note == (
        "CO2 is not open: it leaves only as a pure gas at 1 bar; add for example CO2=4e-4 to --atmosphere"
    )
    assert len(closed_gas_notes([carbonate, hydroxide], {"O2": 0.21})) == 2
    assert closed_gas_notes([carbonate, hydroxide], {"CO2": 1e-4, "H2O": 0.01}) == ()
    assert closed_gas_notes([carbonate, hydroxide], {"CO": 1e-4, "H2": 0.01}) == ()
    assert closed_gas_notes([carbonate, hydroxide], {}) == ()
    assert closed_gas_notes([{"Li": 2.0, "O": 1.0}], {"O2": 0.21}) == ()
