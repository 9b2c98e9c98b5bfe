"""The phase library of a request: sources of energies in order of preference, the user's phases and snapshots.

``mp`` stands for the only snapshot there is, ``mp:NAME`` for one of several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.workflows.commands.react_options import plain, split_list

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import EnergySource, Phase, PhaseLibrary
    from cosinter.analysis.thermochemistry.solution_models import Solution

_SNAPSHOT = "mp"


def parse_energies(text: str) -> tuple[str, ...]:
    """Read ``measured,chgnet,mp:NAME`` into an order of preference.

    Raises
    ------
    InputError
        Empty, a source that does not exist, or one named twice.
    """
    try:
        return check_energies(split_list(text))
    except InputError as error:
        raise InputError(f"--energies {text}: {error}") from error


def check_energies(names: Sequence[str]) -> tuple[str, ...]:
    """Accept an order of preference such as (measured, chgnet, mp:NAME).

    Raises
    ------
    InputError
        Empty, a source that does not exist, or one named twice.
    """
    from cosinter.analysis.thermochemistry.sources import ENERGIES

    sources = [name.partition(":")[0] for name in names]
    for name, source in zip(names, sources, strict=True):
        if source not in ENERGIES or sources.count(source) > 1 or (":" in name and source != _SNAPSHOT):
            raise InputError(f"'{name}' is not one of {', '.join(ENERGIES)}, each once")
    if not names:
        raise InputError(f"name at least one of {', '.join(ENERGIES)}")
    return tuple(names)


def chosen_library(energies: Sequence[str] | None = None) -> PhaseLibrary:
    """Compose the library of ``energies`` (the default order if not given) with the user's own phases.

    Raises
    ------
    InputError, UnknownNameError
        No such source or snapshot, or a file of the user's that cannot be used.
    StorageError, DataError
        A damaged snapshot or table.
    """
    from cosinter.analysis.thermochemistry.library import load_library
    from cosinter.analysis.thermochemistry.sources import DEFAULT_ENERGIES, make_library
    from cosinter.workflows.energies import own_tables
    from cosinter.workflows.sources.phase_store import user_phases

    order = tuple(energies or DEFAULT_ENERGIES)
    own, tables = user_phases(), own_tables()
    if order == DEFAULT_ENERGIES and not own and not tables:
        return load_library()
    extra = [*own, *(phase for name in order for phase in _snapshot(name, load_library()))]
    sources = [cast("EnergySource", name.partition(":")[0]) for name in order]
    return make_library(sources, extra=extra, tables=tables)


def check_substance(text: str, library: PhaseLibrary) -> str:
    """Return a formula or name with plain digits; refuse what the library cannot make for want of phases.

    Raises
    ------
    InputError
        An element is in no phase of the library, a solution lacks an end member, or the name is that of a whole
        solution.
    """
    from cosinter.analysis.equilibrium.components import known_composition
    from cosinter.analysis.thermochemistry.formulas import parse_formula
    from cosinter.analysis.thermochemistry.missing_members import check_members

    name = plain(text)
    if name in library:
        return name
    check_members(name, library)
    if name.lower() in library.aliases:
        return name
    solution = find_solution(name, library)
    if solution is not None:
        example = " or ".join(member.name for member in solution.members[:2])
        raise InputError(
            f"'{name}' is a solution; write the formula of one composition, for example {example}"
        )
    try:
        parse_formula(name)
    except CompositionError:  # a name, which the library knows or refuses
        return name
    known_composition(name, library)
    return name


def split_exclusions(
    library: PhaseLibrary, exclude: Sequence[str], *, solutions: bool
) -> tuple[tuple[Solution, ...], tuple[str, ...]]:
    """Solutions that may form, and the names of ``exclude`` that are no solutions.

    Raises
    ------
    InputError
        A solution is excluded where none can form.
    """
    from cosinter.analysis.thermochemistry.solution_tables import standard_solutions

    every = standard_solutions(library)
    named = {_folded(name) for name in exclude}
    titles = {_folded(solution.name): solution.name for solution in every}
    needless = sorted(titles[name] for name in named & set(titles))
    if needless and not solutions:
        raise InputError(
            f"--exclude {needless[0]}: is a solid solution or melt, and none takes part here; leave it out"
        )
    kept = tuple(solution for solution in every if _folded(solution.name) not in named) if solutions else ()
    return kept, tuple(name for name in exclude if _folded(name) not in titles)


def find_solution(name: str, library: PhaseLibrary) -> Solution | None:
    """The solution called ``name`` (``layered oxide``, ``rock_salt``); None if there is none."""
    from cosinter.analysis.thermochemistry.solution_tables import standard_solutions

    found = (item for item in standard_solutions(library) if _folded(item.name) == _folded(name))
    return next(found, None)


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).lower()


def library_inputs(energies: Sequence[str]) -> dict[str, Any]:
    """What a library is made of, as plain data for a content address: order, user's phases, snapshots.

    Raises
    ------
    InputError, UnknownNameError, StorageError
        See :func:`chosen_library`.
    """
    from cosinter.workflows.energies import own_tables
    from cosinter.workflows.results import digest
    from cosinter.workflows.sources.phase_store import read_records, stored_files
    from cosinter.workflows.sources.snapshots import read_manifest

    return {
        "energies": list(energies),
        "own_energies": {name: digest(table.content) for name, table in own_tables().items()},
        "user_phases": {name: read_records(path) for name, path in stored_files().items()},
        "snapshots": {
            name: read_manifest(_stored_name(name)).sha256 for name in energies if name.startswith(_SNAPSHOT)
        },
    }


def planned_library(planned: Mapping[str, Any]) -> PhaseLibrary:
    """Compose the library that a plan was made for.

    Raises
    ------
    InputError
        See :func:`check_library` and :func:`chosen_library`.
    """
    check_library(planned)
    return chosen_library(planned["energies"])


def check_library(planned: Mapping[str, Any]) -> None:
    """Check that what a plan's library is made of (see :func:`library_inputs`) is the same here.

    Phases, energies and snapshots of the user's lie in a folder of his own; those of another computer may be others, and
    a result made with them would bear the key of this plan.

    Raises
    ------
    InputError
        Something is missing or different.
    """
    from cosinter.workflows.results import digest

    here = library_inputs(planned["energies"])
    if digest(here) == digest(dict(planned)):
        return
    parts = {"user_phases": "phases", "own_energies": "computed energies", "snapshots": "snapshots"}
    found = {word: _different(planned.get(part), here[part]) for part, word in parts.items()}
    names = [f"{word} {', '.join(sorted(other)[:5])}" for word, other in found.items() if other]
    raise InputError(
        f"the plan was made with other data of the user's own ({'; '.join(names)}); "
        "add them here with cosinter phases add or data import, or plan the study again"
    )


def _different(there: Any, here: Mapping[str, Any]) -> set[str]:
    there = there if isinstance(there, dict) else {}
    return {str(name)[:80] for name in {*there, *here} if there.get(name) != here.get(name)}


def _snapshot(name: str, library: PhaseLibrary) -> tuple[Phase, ...]:
    from cosinter.workflows.sources.snapshots import snapshot_phases

    return snapshot_phases(_stored_name(name), library) if name.startswith(_SNAPSHOT) else ()


def _stored_name(name: str) -> str:
    """Name of the snapshot that ``mp`` or ``mp:NAME`` means."""
    from cosinter.workflows.sources.snapshots import snapshot_names

    wanted = name.partition(":")[2]
    stored = snapshot_names()
    if not wanted and len(stored) != 1:
        hint = (
            f"name one, for example mp:{stored[0]}"
            if stored
            else "run cosinter data fetch or data import first"
        )
        raise InputError(f"--energies mp: {len(stored)} snapshots are stored; {hint}")
    return wanted or stored[0]
