"""Barrier films on the cathode grains: what they let through, and how fast they break down."""

from __future__ import annotations

from typing import Any

from cosinter.analysis.parameters import Arrhenius
from cosinter.data.exceptions import DataError, UnknownNameError
from cosinter.data.tables import load_table

UNITS = {"conductivity": "S/m", "breakdown": "1/s"}


def coating_materials() -> tuple[str, ...]:
    """Materials of ``data/coatings.yaml``, the default first."""
    table = load_table("coatings")
    return tuple(sorted(table["materials"], key=lambda name: name != table["default"]))


def coating_records(material: str | None = None) -> dict[str, Arrhenius]:
    """``coating.conductivity`` (S/m, ambipolar lithium) and ``coating.breakdown`` (1/s) of a film.

    sigma(T) and k(T) are Arrhenius laws; the intact share of the film falls as ds/dt = -k(T) s. Without a material,
    the default of ``data/coatings.yaml``.

    Raises
    ------
    UnknownNameError
        The material is not in the table.
    DataError
        The table is damaged.
    """
    table: dict[str, Any] = load_table("coatings")
    name = material or table["default"]
    if name not in table["materials"]:
        raise UnknownNameError("coating material", name, coating_materials())
    try:
        entry = table["materials"][name]
        return {
            f"coating.{key}": Arrhenius(unit=unit, **_named(entry[key], name)) for key, unit in UNITS.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"data table coatings.yaml is damaged at {name} ({error}); reinstall cosinter to mend it"
        ) from error


def _named(fields: dict[str, Any], material: str) -> dict[str, Any]:
    return {**fields, "note": "; ".join(filter(None, (f"film of {material}", fields.get("note", ""))))}
