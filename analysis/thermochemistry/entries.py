"""Computed entries as pymatgen writes them to JSON, read without building any foreign object.

Only plain numbers and names are taken from the file; its ``@module`` and ``@class`` are never imported.
Energies in eV and volumes in Å^3 per calculated cell.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import InputError

_SPECIES = re.compile(r"([A-Z][a-z]?)(?:\d*\.?\d*[+-])?(?:,spin=.*)?")
#: Density functional of a run type; runs of one functional share one scale (given its corrections).
FUNCTIONALS: Mapping[str, str] = {
    "GGA": "GGA_GGA+U",
    "GGA+U": "GGA_GGA+U",
    "PBE": "GGA_GGA+U",
    "PBE+U": "GGA_GGA+U",
    "R2SCAN": "R2SCAN",
    "SCAN": "SCAN",
    "PBESOL": "PBEsol",
    "": "not stated",
}
#: Classes and name prefixes of the adjustments that schemes of corrections write.
SCHEMES: Mapping[str, str] = {
    "MaterialsProject2020Compatibility": "MP2020",
    "MP2020": "MP2020",
    "MaterialsProjectDFTMixingScheme": "r2SCAN mixing",
    "MP GGA(+U)/R2SCAN": "r2SCAN mixing",
    "MP GGA(+U)/r2SCAN": "r2SCAN mixing",
    "MaterialsProjectCompatibility": "MP2012",
    "MP ": "MP2012",
    "MITCompatibility": "MIT",
    "MIT ": "MIT",
}

#: Volumes per atom and formation energies that no solid leaves.
SMALLEST_ATOM_A3, LARGEST_ATOM_A3 = 1.0, 1000.0
LARGEST_FORMATION_EV = 10.0


@dataclass(frozen=True)
class Adjustment:
    """One correction on top of a calculated energy: name, scheme, eV per cell."""

    name: str
    scheme: str
    value_eV: float


@dataclass(frozen=True, eq=False)
class ComputedEntry:
    """One calculated compound.

    Attributes
    ----------
    entry_id : unique id
    composition : {element: atoms in the cell}
    energy_eV : energy of the cell without ``adjustments``
    adjustments : corrections listed beside the energy
    included : schemes of corrections that the energy itself already holds
    run_type : as the database wrote it, for example GGA+U
    volume_A3 : volume of the cell, None where the file gives neither a structure nor a volume
    hubbards, oxide_type : what the MP2020 corrections depend on, as far as known
    """

    entry_id: str
    composition: Mapping[str, float]
    energy_eV: float
    adjustments: tuple[Adjustment, ...] = ()
    included: tuple[str, ...] = ()
    run_type: str = ""
    volume_A3: float | None = None
    hubbards: Mapping[str, float] | None = None
    oxide_type: str = ""

    @property
    def atoms(self) -> float:
        """Atoms in the cell."""
        return sum(self.composition.values())

    @property
    def corrected_energy(self) -> float:
        """Energy of the cell with its adjustments, eV."""
        return self.energy_eV + math.fsum(item.value_eV for item in self.adjustments)

    @property
    def functional(self) -> str:
        """Functional of the run type, see :data:`FUNCTIONALS`."""
        return FUNCTIONALS.get(self.run_type.upper(), self.run_type)

    @property
    def formula(self) -> str:
        """Reduced formula, elements by electronegativity."""
        from pymatgen.core import Composition

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noble gases have no electronegativity to sort by
            return str(Composition(dict(self.composition)).reduced_formula)


def element_of(species: str) -> str | None:
    """Element of a species such as ``Ni``, ``Ni2+`` or ``Ni2+,spin=5``; None where it is none."""
    match = _SPECIES.fullmatch(species)
    return match.group(1) if match else None


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{what} must be a finite number; got {value!r}"[:200])
    return float(value)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping; got {type(value).__name__}")
    return value


def _composition(record: Mapping[str, Any], where: str) -> dict[str, float]:
    atoms: dict[str, float] = {}
    for species, amount in _mapping(record.get("composition"), f"{where}: composition").items():
        element = element_of(str(species))
        if element is None:
            raise InputError(f"{where}: '{species}' is not an element")
        count = _number(amount, f"{where}: amount of {species}")
        if count < 0.0:
            raise InputError(f"{where}: amount of {species} must not be negative; got {count:g}")
        if count > 0.0:
            atoms[element] = atoms.get(element, 0.0) + count
    if not atoms:
        raise InputError(f"{where}: the composition is empty")
    return atoms


def _scheme(record: Mapping[str, Any]) -> str:
    origin = record.get("cls")
    maker = str(origin.get("@class", "")) if isinstance(origin, Mapping) else ""
    name = str(record.get("name", ""))
    if maker in SCHEMES:
        return SCHEMES[maker]
    return next((scheme for prefix, scheme in SCHEMES.items() if name.startswith(prefix)), "by hand")


def _adjustment(record: Mapping[str, Any], where: str) -> Adjustment:
    what = f"{where}: energy adjustment"
    if "adj_per_atom" in record:
        factors = [record["adj_per_atom"], record.get("n_atoms")]
    elif "adj_per_deg" in record:
        factors = [record["adj_per_deg"], record.get("temp"), record.get("n_atoms")]
    else:
        factors = [record.get("value")]
    value = math.prod(_number(factor, what) for factor in factors)
    return Adjustment(str(record.get("name", "")), _scheme(record), value)


def _adjustments(record: Mapping[str, Any], where: str) -> tuple[Adjustment, ...]:
    listed = record.get("energy_adjustments") or []
    if not isinstance(listed, Sequence):
        raise InputError(f"{where}: energy_adjustments must be a list")
    found = tuple(_adjustment(_mapping(item, f"{where}: energy adjustment"), where) for item in listed)
    found = tuple(item for item in found if item.value_eV != 0.0)
    total = _number(record.get("correction", 0.0) or 0.0, f"{where}: correction")
    if not found and total != 0.0:
        return (Adjustment("correction", "by hand", total),)
    return found


def _volume(record: Mapping[str, Any], atoms: float, where: str) -> float | None:
    structure, data = record.get("structure"), record.get("data") or {}
    if isinstance(structure, Mapping):
        lattice = _mapping(structure.get("lattice"), f"{where}: lattice")
        matrix = np.asarray(lattice.get("matrix"), dtype=object)
        if matrix.shape != (3, 3):
            raise InputError(f"{where}: the lattice of the structure is not a 3 x 3 matrix")
        rows = [[_number(value, f"{where}: lattice") for value in row] for row in matrix]
        sites = structure.get("sites")
        if not isinstance(sites, Sequence) or not sites:
            raise InputError(f"{where}: the structure has no sites")
        return abs(float(np.linalg.det(np.asarray(rows)))) * atoms / len(sites)
    if isinstance(data, Mapping) and data.get("volume") is not None:
        return _number(data["volume"], f"{where}: volume")
    return None


def read_entry(record: Any, *, position: int = 0) -> ComputedEntry:
    """Read one ``ComputedEntry`` or ``ComputedStructureEntry`` from its decoded JSON.

    Raises
    ------
    InputError
        A field is missing or has a wrong type; the text names the entry and the field.
    """
    fields = _mapping(record, f"entry {position + 1}")
    identity = str(fields.get("entry_id") or "")
    where = f"entry {position + 1}" + (f" ({identity})" if identity else "")
    composition = _composition(fields, where)
    parameters = _mapping(fields.get("parameters") or {}, f"{where}: parameters")
    data = _mapping(fields.get("data") or {}, f"{where}: data")
    volume = _volume(fields, sum(composition.values()), where)
    atoms = sum(composition.values())
    if volume is not None and not SMALLEST_ATOM_A3 <= volume / atoms <= LARGEST_ATOM_A3:
        raise InputError(
            f"{where}: the volume must lie between {SMALLEST_ATOM_A3:g} and {LARGEST_ATOM_A3:g} Å^3 per atom; "
            f"got {volume / atoms:g}"
        )
    hubbards = parameters.get("hubbards")
    return ComputedEntry(
        entry_id=identity or f"entry-{position + 1}",
        composition=composition,
        energy_eV=_number(fields.get("energy"), f"{where}: energy"),
        adjustments=_adjustments(fields, where),
        run_type=str(parameters.get("run_type") or ""),
        volume_A3=volume,
        hubbards={str(k): _number(v, f"{where}: U") for k, v in hubbards.items()}
        if isinstance(hubbards, Mapping)
        else None,
        oxide_type=str(data.get("oxide_type") or parameters.get("oxide_type") or ""),
    )


def entry_records(content: Any) -> list[Any]:
    """List the records of decoded JSON: a list, ``{"entries": [...]}``, or a mapping of entries.

    Raises
    ------
    InputError
        The content is none of these, or holds no entry.
    """
    records = content
    if isinstance(content, Mapping):
        inner = content.get("entries", content)
        records = list(inner.values()) if isinstance(inner, Mapping) and "composition" not in inner else inner
    if isinstance(records, Mapping):
        records = [records]
    if not isinstance(records, list):
        raise InputError("computed entries must be a JSON list of pymatgen ComputedEntry objects")
    if not records:
        raise InputError("the list of computed entries is empty")
    return records


def read_entries(content: Any) -> tuple[ComputedEntry, ...]:
    """Read decoded JSON that holds any number of computed entries.

    Raises
    ------
    InputError
        See :func:`entry_records` and :func:`read_entry`; also two entries with one id.
    """
    entries = tuple(
        read_entry(record, position=position) for position, record in enumerate(entry_records(content))
    )
    seen: set[str] = set()
    for entry in entries:
        if entry.entry_id in seen:
            raise InputError(f"two computed entries have the id '{entry.entry_id}'; ids must be unique")
        seen.add(entry.entry_id)
    return entries


def element_references(entries: Iterable[ComputedEntry]) -> dict[str, float]:
    """Lowest corrected energy of every pure element, eV/atom."""
    lowest: dict[str, float] = {}
    for entry in entries:
        if len(entry.composition) == 1:
            (element,) = entry.composition
            energy = entry.corrected_energy / entry.atoms
            lowest[element] = min(energy, lowest.get(element, math.inf))
    return lowest


def formation_energies(entries: Sequence[ComputedEntry]) -> FloatArray:
    """Formation energies from the computed elements of the same list, eV/atom, shape [entries].

    Raises
    ------
    InputError
        The list lacks the entry of an element, or a formation energy is beyond any compound.
    """
    references = element_references(entries)
    elements = sorted({element for entry in entries for element in entry.composition})
    missing = [element for element in elements if element not in references]
    if missing:
        raise InputError(
            f"the computed entries hold no pure {', '.join(missing)}; formation energies need every element"
        )
    found = [
        (entry.corrected_energy - sum(n * references[e] for e, n in entry.composition.items())) / entry.atoms
        for entry in entries
    ]
    for entry, energy in zip(entries, found, strict=True):
        if not abs(energy) <= LARGEST_FORMATION_EV:
            raise InputError(
                f"entry {entry.entry_id} ({entry.formula}): formation energy {energy:.3g} eV/atom from the elements of "
                f"the same list must lie within {LARGEST_FORMATION_EV:g} eV/atom; are all energies from one method?"
            )
    return np.asarray(found)
