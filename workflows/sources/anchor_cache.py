"""Reactions that anchor the entries of a snapshot, kept beside it.

Finding them takes seconds for thousands of entries, so the result is stored in the snapshot's folder under a hash of the
entries, the measured phases and the rules; a wrong or missing file is simply made again.
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
from cosinter.analysis.thermochemistry.computed_phases import find_anchors
from cosinter.analysis.thermochemistry.entries import ComputedEntry
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE
from cosinter.analysis.thermochemistry.library import PhaseLibrary
from cosinter.workflows.results import digest, write_atomically

#: Raised whenever the way to find reactions changes.
ANCHORS_VERSION = 1


def _key(checksum: str, library: PhaseLibrary) -> str:
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
    return digest([ANCHORS_VERSION, __version__, checksum, measured, library.elements, rules()])


def _kept(path: Path, key: str) -> dict[str, AnchoredEntry] | None:
    """Anchors stored under ``key``; None where there are none, or they are damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        return {formula: _anchored(row) for formula, row in content["anchors"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def kept_anchors(
    folder: Path, entries: Sequence[ComputedEntry], library: PhaseLibrary, *, checksum: str
) -> Mapping[str, AnchoredEntry]:
    """Reactions of ``entries``, whose file has ``checksum``, read from ``folder`` or found and stored there.

    Raises
    ------
    InputError
        See :func:`find_anchors`.
    """
    path, key = folder / "anchors.json", _key(checksum, library)
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
