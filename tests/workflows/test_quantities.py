from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.workflows.quantities import to_unit


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("300 K/h", "delta_degC/min", 5.0),
        ("973.15 K", "degC", 700.0),
        ("700 °C", "degC", 700.0),
        ("90 min", "hour", 1.5),
        ("250 nm", "micrometer", 0.25),
        ("400 µm", "micrometer", 400.0),
        ("101325 Pa", "bar", 1.01325),
        ("5", "hour", 5.0),
    ],
)
def test_converts_to_the_unit_of_the_key(text: str, unit: str, expected: float) -> None:
    assert to_unit(text, unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("text", ["2 m", "2 furlongss", "", "h", "two h", "2 h h", "1 K; import os", "2 **9"])
def test_refuses_other_dimensions_and_nonsense(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|unknown unit|cannot be converted"):
        to_unit(text, "hour")


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_minutes_and_hours_agree(hours: float) -> None:
    assert to_unit(f"{hours * 60.0!r} min", "hour") == pytest.approx(hours, rel=1e-12)
