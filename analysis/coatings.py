"""Barrier films on the cathode grains: what they let through, and how fast they break down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosinter.analysis.parameters import Arrhenius
from cosinter.data.exceptions import DataError, UnknownNameError
from cosinter.data.tables import load_table

UNITS = {"conductivity": "S/m", "breakdown": "1/s"}


def coating_materials() -> tuple[str, ...]:
    """Materials of ``data/coatings.yaml``, the default first."""
    table = load_table("coatings")
    return tuple(sorted(table["materials"], key=lambda name: name != table["default"]))


def coating_records(
    material: str | None = None, *, own: Mapping[str, Arrhenius] | None = None
) -> dict[str, Arrhenius]:
    """``coating.conductivity`` (S/m, ambipolar lithium) and ``coating.breakdown`` (1/s) of a film.

    sigma(T) and k(T) are Arrhenius laws; the intact share of the film falls as ds/dt = -k(T) s.

    Parameters
    ----------
    material : name in ``data/coatings.yaml``, or any name if ``own`` holds both laws; the default of the table if None
    own : laws that replace those of the table, by ``conductivity`` and ``breakdown``

    Raises
    ------
    UnknownNameError
        The material is not in the table, and a law is missing.
    DataError
        The table is damaged.
    """
    table: dict[str, Any] = load_table("coatings")
    name, given = material or table["default"], own or {}
    missing = [law for law in UNITS if law not in given]
    if missing and name not in table["materials"]:
        raise UnknownNameError("coating material", name, coating_materials())
    laws = {law: given[law] if law in given else _law(table, name, law) for law in UNITS}
    return {f"coating.{law}": record for law, record in laws.items()}


def _law(table: Mapping[str, Any], material: str, law: str) -> Arrhenius:
    try:
        fields = table["materials"][material][law]
        note = "; ".join(filter(None, (f"film of {material}", fields.get("note", ""))))
        return Arrhenius(**{**fields, "unit": UNITS[law], "note": note})
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"data table coatings.yaml is damaged at {material} ({error}); reinstall cosinter to mend it"
        ) from error
