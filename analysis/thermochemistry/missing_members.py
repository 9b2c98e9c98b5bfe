"""Say what a solution such as NCM811 is made of that a library lacks, and which source of energies has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, load_library
from cosinter.analysis.thermochemistry.solution_models import SolutionSample
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.data.tables import load_table


def solution_record(title: str) -> Mapping[str, Any]:
    """What ``data/solutions.yaml`` says of the solution called ``title``."""
    records = (row for row in load_table("solutions").values() if isinstance(row, Mapping) and "title" in row)
    found: Mapping[str, Any] = next(row for row in records if row["title"] == title)
    return found


def missing_phases(name: str, library: PhaseLibrary) -> tuple[Phase, ...]:
    """Phases of the library of the package that the solution ``name`` (alias or formula) needs and ``library`` lacks.

    Raises
    ------
    UnknownNameError, CompositionError
        The package does not know ``name``.
    """
    full = load_library()
    names: set[str] = set()
    for sample in full.candidates(name):
        if isinstance(sample, SolutionSample):
            record = solution_record(sample.solution.name)
            for member, amount in zip(sample.solution.members, sample.amounts, strict=True):
                if amount > 0.0:
                    names |= set(record["members"][member.name].get("parts", {member.name: 1}))
    return tuple(phase for phase in full.phases if phase.name in names and phase.name not in library)


def check_members(name: str, library: PhaseLibrary) -> None:
    """Refuse a solution of which ``library`` lacks an end member.

    Raises
    ------
    InputError
        Names what is missing and the source of energies that has it.
    """
    try:
        library.candidates(name)
        return
    except UnknownNameError:
        try:
            missing = missing_phases(name, library)
        except UnknownNameError:  # no solution: whoever looks the name up says what is wrong with it
            return
    except CompositionError:
        return
    if missing:
        sources = ", ".join(dict.fromkeys(phase.energy_source for phase in missing))
        lacking = ", ".join(phase.name for phase in missing)
        raise InputError(
            f"{name} is made of {lacking}, which the chosen sources of energies lack; add the source {sources}"
        )
