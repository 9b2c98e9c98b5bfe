"""Named crystals of the package, with the source of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from cosinter.data.exceptions import CompositionError, DataError, UnknownNameError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

Kind = Literal["measured", "computed", "assumed"]

_RANK: dict[str, int] = {"measured": 0, "computed": 1, "assumed": 2}


@dataclass(frozen=True)
class CrystalRecord:
    """One crystal as tabulated; ``structure`` is the conventional cell with oxidation states.

    ``kind`` is the weaker of the origins of the lattice and of the free coordinates. ``disordered``
    crystals have partly filled sites: :func:`cosinter.structures.ordering.ordered` orders them.
    ``lattice_uncertainty_percent`` and ``coordinate_uncertainty_A`` are None where the refinement's
    standard deviations are not carried along.
    """

    name: str
    title: str
    formula: str
    structure: Structure
    citation: str
    source: str
    kind: Kind
    lattice_kind: Kind
    coordinates_kind: Kind
    disordered: bool
    formula_units: float
    lattice_uncertainty_percent: float | None
    coordinate_uncertainty_A: float | None
    notes: str
    space_group: str


def crystal_names() -> tuple[str, ...]:
    """List the names of the tabulated crystals, without aliases."""
    return tuple(load_table("crystals")["crystals"])


def _fold(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")


@cache
def _index() -> dict[str, str]:
    index: dict[str, str] = {}
    for name, entry in load_table("crystals")["crystals"].items():
        for key in (name, *entry["aliases"]):
            known = index.setdefault(_fold(str(key)), name)
            if known != name:
                raise DataError(f"data/crystals.yaml names both {known} and {name} '{key}'; rename one")
    return index


def resolve(name: str) -> str:
    """Return the tabulated name behind ``name`` (any case, ``-``/``_`` ignored, aliases allowed).

    Raises
    ------
    UnknownNameError
        Nothing of that name is tabulated; the nearest names are given.
    """
    key = _index().get(_fold(name))
    if key is None:
        aliases = (alias for e in load_table("crystals")["crystals"].values() for alias in e["aliases"])
        raise UnknownNameError("crystal", name, (*crystal_names(), *map(str, aliases)))
    return key


def crystal(name: str) -> CrystalRecord:
    """Look up a crystal by name or alias, any case; the record's structure is a fresh copy.

    >>> crystal("li2tio3").formula
    'Li2TiO3'

    Raises
    ------
    UnknownNameError
        Nothing of that name is tabulated.
    DataError
        The table is damaged.
    """
    record = _record(resolve(name))
    return replace(record, structure=record.structure.copy())


@cache
def _record(name: str) -> CrystalRecord:
    entry = load_table("crystals")["crystals"][name]
    try:
        structure = _build(entry)
        kinds: tuple[Kind, Kind] = (entry["lattice_kind"], entry["coordinates_kind"])
        weakest: Kind = max(kinds, key=lambda kind: _RANK[kind])
        uncertainties = load_table("crystals")["uncertainties"]
        structure.properties = {"crystal": name, "kind": weakest, "source": entry["source"]}
        return CrystalRecord(
            name=name,
            title=entry["title"],
            formula=entry["formula"],
            structure=structure,
            citation=entry["source"],
            source=entry["source"],
            kind=weakest,
            lattice_kind=kinds[0],
            coordinates_kind=kinds[1],
            disordered=not structure.is_ordered,
            formula_units=_formula_units(structure, entry["formula"]),
            lattice_uncertainty_percent=uncertainties[kinds[0]]["lattice_percent"],
            coordinate_uncertainty_A=uncertainties[kinds[1]]["coordinates_angstrom"],
            notes=entry.get("note", ""),
            space_group=entry["space_group"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"entry {name} of data/crystals.yaml is damaged ({error}); reinstall cosinter"
        ) from error


def _build(entry: dict[str, Any]) -> Structure:
    from pymatgen.core import Lattice, Structure

    return Structure.from_spacegroup(
        entry["space_group"],
        Lattice.from_parameters(*entry["lattice"]),
        [site[0] for site in entry["sites"]],
        [site[1] for site in entry["sites"]],
        tol=1e-3,
    )


def _formula_units(structure: Structure, formula: str) -> float:
    """Formula units in the cell, from the cell's atoms over the formula's."""
    from pymatgen.core import Composition

    return float(structure.composition.num_atoms / Composition(formula).num_atoms)


def read_formula(formula: str) -> Composition:
    """Parse a chemical formula.

    Raises
    ------
    CompositionError
        The text is not a formula of known elements.
    """
    from pymatgen.core import Composition, DummySpecies

    try:
        composition = Composition(formula.replace("·", "").strip())
        dummies = [el for el in composition if isinstance(el, DummySpecies)]
        if composition.num_atoms <= 0 or dummies:
            raise ValueError("no atoms of a known element")
    except (ValueError, KeyError, TypeError) as error:
        raise CompositionError(
            f"'{formula}' is not a formula ({error}); write element symbols with amounts, e.g. LiNi0.8Co0.1Mn0.1O2"
        ) from error
    return composition


def formula_volume(name_or_formula: str) -> float | None:
    """Give the cell volume per formula unit in Å^3, at room temperature; None when no crystal matches.

    A crystal's name gives the volume per formula unit as tabulated; a formula gives the volume of
    that amount of matter in the first tabulated crystal of the same composition (Li4Ti2O6 counts
    twice Li2TiO3). Layered LiNixCoyMnzO2 that is not tabulated follows Vegard's rule.

    >>> formula_volume("LiAu") is None
    True
    """
    key = _index().get(_fold(name_or_formula))
    try:
        wanted = read_formula(name_or_formula)
    except CompositionError:
        wanted = None
    if key is not None and (wanted is None or _same_matter(key, wanted)):
        record = _record(key)
        return float(record.structure.volume / record.formula_units)
    if wanted is None:
        return None
    for name in _preferred_order():
        if _same_matter(name, wanted):
            record = _record(name)
            return float(record.structure.volume / record.structure.composition.num_atoms * wanted.num_atoms)
    return _layered_volume(wanted)


def _same_matter(name: str, wanted: Composition) -> bool:
    """Compare a tabulated formula with a composition, up to a common factor."""
    formula = read_formula(load_table("crystals")["crystals"][name]["formula"])
    return bool(
        formula.fractional_composition.almost_equals(wanted.fractional_composition, rtol=2e-3, atol=2e-3)
    )


def _preferred_order() -> list[str]:
    """Names with those that own a formula as alias first: TiO2 means rutile, Li3PO4 the gamma form."""
    table = load_table("crystals")["crystals"]
    owners = {name for name, e in table.items() if _index().get(_fold(e["formula"])) == name}
    return sorted(table, key=lambda name: name not in owners)


def _layered_volume(wanted: Composition) -> float | None:
    from cosinter.structures.layered import layered_contents, vegard_lattice

    contents = layered_contents(wanted)
    if contents is None or contents[3] > 1.0:
        return None
    a, c = vegard_lattice(*contents[:3])
    return float(3**0.5 / 2.0 * a * a * c / 3.0 * wanted["O"] / 2.0)
