"""Numbers with units in a study file: ``ramp_K_per_min: 5`` and ``ramp_K_per_min: 300 K/h`` mean the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_NUMBER = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def to_unit(text: str, unit: str) -> float:
    """Convert ``'300 K/h'`` to a number in ``unit`` (a pint unit expression).

    Raises
    ------
    ValueError
        No number, an unknown unit, or a unit of another dimension.
    """
    import pint

    match = _NUMBER.match(text)
    if match is None:
        raise ValueError("is not a number with a unit")
    number, given = float(match.group(1)), match.group(2)
    if not given:
        return number
    registry = _registry()
    try:
        return float(registry.Quantity(number, registry.parse_units(given)).to(unit).magnitude)
    except pint.UndefinedUnitError as error:
        raise ValueError(f"has the unknown unit '{given}'") from error
    except (pint.DimensionalityError, pint.PintError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot be converted from '{given}' to {unit}") from error


@dataclass(frozen=True)
class Unit:
    """Annotation of a float field: accept a number in ``name``, or a string with any unit of that dimension."""

    name: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def convert(value: Any) -> Any:
            if isinstance(value, bool):
                raise PydanticCustomError("unit", "is not a number (unit {unit})", {"unit": self.name})
            if not isinstance(value, str):
                return value
            try:
                return to_unit(value, self.name)
            except ValueError as error:
                raise PydanticCustomError(
                    "unit",
                    "{why}; expected a number in {unit} or a string such as '1 {unit}'",
                    {"why": str(error), "unit": self.name},
                ) from error

        return core_schema.no_info_before_validator_function(convert, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        number = handler(schema)
        text = {"type": "string", "description": f"a number with a unit convertible to {self.name}"}
        return {"anyOf": [number, text]}
