"""Import a file of pymatgen ComputedEntries as a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.analysis.thermochemistry.corrections import (
    SCHEME,
    CorrectionState,
    check_one_functional,
    settle_corrections,
)
from cosinter.analysis.thermochemistry.entries import (
    ComputedEntry,
    element_of,
    entry_records,
    formation_energies,
    read_entries,
)
from cosinter.data.exceptions import InputError
from cosinter.workflows.sources.snapshots import Manifest, check_name, freeze, parse_json, snapshot_names


@dataclass(frozen=True)
class Import:
    """Outcome of an import: the manifest, and (id, reason) of entries left out."""

    manifest: Manifest
    left_out: tuple[tuple[str, str], ...]


def _with_oxide_type(record: Any) -> Any:
    """State the kind of oxygen (oxide, peroxide, ...), which MP2020 depends on, where a structure tells it."""
    structure = record.get("structure") if isinstance(record, Mapping) else None
    data = record.get("data") or {} if isinstance(record, Mapping) else {}
    if not isinstance(structure, Mapping) or not isinstance(data, Mapping) or data.get("oxide_type"):
        return record
    from pymatgen.analysis.structure_analyzer import oxide_type
    from pymatgen.core import Structure

    try:
        sites = structure["sites"]
        species = [
            {str(element_of(str(part["element"]))): float(part["occu"]) for part in site["species"]}
            for site in sites
        ]
        bare = Structure(structure["lattice"]["matrix"], species, [site["abc"] for site in sites])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"entry {record.get('entry_id')}: its structure cannot be read") from error
    return {**record, "data": {**data, "oxide_type": str(oxide_type(bare))}}


def _with_corrections(record: Mapping[str, Any], entry: ComputedEntry) -> dict[str, Any]:
    """Write the adjustments of ``entry`` into its record the way pymatgen does."""
    adjustments = [
        {
            "@module": "pymatgen.core.entries",
            "@class": "ConstantEnergyAdjustment",
            "name": item.name,
            "value": item.value_eV,
            "cls": {"@class": "MaterialsProject2020Compatibility"},
        }
        for item in entry.adjustments
    ]
    total = entry.corrected_energy - entry.energy_eV
    return {**record, "entry_id": entry.entry_id, "energy_adjustments": adjustments, "correction": total}


def import_entries(
    path: Path, *, name: str, corrections: CorrectionState = "listed", replace: bool = False
) -> Import:
    """Freeze the computed entries of ``path`` (JSON, gzipped or not) as snapshot ``name``.

    Parameters
    ----------
    corrections : ``listed`` beside the energies, ``included`` in them, or ``apply`` MP2020 now
    replace : take the place of a snapshot of that name

    Raises
    ------
    InputError
        The file cannot be read or is no list of entries, functionals are mixed, an element has no entry, or
        corrections are missing or would be counted twice; or there is a snapshot of that name.
    StorageError
        The snapshot cannot be written.
    """
    if check_name(name) in snapshot_names() and not replace:
        raise InputError(f"there is a snapshot '{name}' already; choose another --name, or add --replace")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error})") from error
    records = entry_records(parse_json(data, origin=path.name))
    if corrections == "apply":
        records = [_with_oxide_type(record) for record in records]
    entries = read_entries(records)
    functional = check_one_functional(entries)
    settled, left_out = settle_corrections(entries, corrections)
    formation_energies(settled)
    kept = {entry.entry_id: entry for entry in settled}
    stored = [
        _with_corrections(record, kept[entry.entry_id])
        if corrections == "apply"
        else {**record, "entry_id": entry.entry_id}
        for record, entry in zip(records, entries, strict=True)
        if entry.entry_id in kept
    ]
    manifest = freeze(
        stored,
        name=name,
        source=path.name,
        functional=functional,
        elements=sorted({element for entry in settled for element in entry.composition}),
        corrections="included" if corrections == "included" else "listed",
        software=_versions() if corrections == "apply" else {},
    )
    return Import(manifest, left_out)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {f"{SCHEME} by pymatgen": version("pymatgen")}
