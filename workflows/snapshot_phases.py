"""Phases of a snapshot, with the reactions that anchor them kept beside it.

Finding the reactions takes seconds for thousands of entries, so their result is stored in the snapshot's folder under a
hash of the entries, the measured phases and the rules; a wrong or missing file is simply made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cosinter.analysis.thermochemistry.anchoring import Reaction
from cosinter.analysis.thermochemistry.computed_anchors import AnchoredEntry
from cosinter.analysis.thermochemistry.computed_phases import ComputedPhases, computed_phases, find_anchors
from cosinter.analysis.thermochemistry.entries import ComputedEntry
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.workflows.results import digest, write_atomically
from cosinter.workflows.snapshots import Manifest, load_snapshot
from cosinter.workflows.user_data import snapshots_folder

#: Raised whenever the way to find reactions changes.
ANCHORS_VERSION = 1


def describe_source(manifest: Manifest) -> str:
    """Text that the phases of a snapshot cite."""
    version = f" {manifest.database_version}" if manifest.database_version else ""
    return f"{manifest.source}{version}, {manifest.functional} with MP2020 corrections"


def snapshot_contents(name: str, library: PhaseLibrary) -> ComputedPhases:
    """Make phases of snapshot ``name`` on the scale of ``library``, and list what made none.

    Raises
    ------
    UnknownNameError, StorageError, InputError
        See :func:`cosinter.workflows.snapshots.load_snapshot` and :func:`computed_phases`.
    """
    manifest, entries = load_snapshot(name)
    return computed_phases(
        entries,
        library,
        source=describe_source(manifest),
        energy_source=manifest.energy_source,
        anchors=_anchors(manifest, entries, library),
    )


def snapshot_phases(name: str, library: PhaseLibrary) -> tuple[Phase, ...]:
    """Make phases of snapshot ``name`` on the scale of ``library``.

    Raises
    ------
    UnknownNameError, StorageError, InputError
        See :func:`snapshot_contents`.
    """
    return snapshot_contents(name, library).phases


def _key(manifest: Manifest, library: PhaseLibrary) -> str:
    from cosinter import __version__
    from cosinter.analysis.thermochemistry.energy_tables import rules

    measured = {
        phase.name: [
            phase.formula,
            round(float(phase.enthalpy(REFERENCE_TEMPERATURE)), 3),
            round(float(phase.gibbs(REFERENCE_TEMPERATURE)), 3),
        ]
        for phase in library.phases
        if phase.energy_source == "measured"
    }
    return digest([ANCHORS_VERSION, __version__, manifest.sha256, measured, library.elements, rules()])


def _kept(path: Path, key: str) -> dict[str, AnchoredEntry] | None:
    """Anchors stored under ``key``; None where there are none, or they are damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        return {formula: _anchored(row) for formula, row in content["anchors"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _anchors(
    manifest: Manifest, entries: Sequence[ComputedEntry], library: PhaseLibrary
) -> Mapping[str, AnchoredEntry]:
    path, key = snapshots_folder() / manifest.name / "anchors.json", _key(manifest, library)
    kept = _kept(path, key)
    if kept is not None:
        return kept
    found = find_anchors(entries, library)
    content = {"key": key, "anchors": {formula: asdict(row) for formula, row in found.items()}}
    with suppress(OSError):  # a folder that cannot be written costs time, nothing else
        write_atomically(path, json.dumps(content) + "\n")
    return found


def _anchored(row: Mapping[str, Any]) -> AnchoredEntry:
    reaction = row["reaction"]
    return AnchoredEntry(
        enthalpy=float(row["enthalpy"]),
        own=float(row["own"]),
        reaction=Reaction(
            phases={str(name): float(n) for name, n in reaction["phases"].items()},
            oxygen=float(reaction["oxygen"]),
            bridges=float(reaction["bridges"]),
        ),
    )
