"""Phases that a user added: one YAML file each in the user's folder, checked whenever they are read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, load_library
from cosinter.analysis.thermochemistry.user_phases import make_phase
from cosinter.data.exceptions import InputError, StorageError, UnknownNameError
from cosinter.workflows.plain_yaml import first_unplain
from cosinter.workflows.results import write_atomically
from cosinter.workflows.sources.user_data import phases_folder

MAX_BYTES = 200_000


class _StrictLoader(yaml.SafeLoader):
    """YAML without keys given twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read a file that holds one phase, or several under ``phases: {NAME: record}``.

    Raises
    ------
    InputError
        The file cannot be read, is too long, is not YAML, or is not a mapping of the kind above.
    """
    content = _mapping(_text(path), str(path))
    if "phases" not in content:
        return [content]
    records = content["phases"]
    if set(content) != {"phases"} or not isinstance(records, dict) or not records:
        raise InputError(f"{path}: 'phases' must be the only key, with one record under each name")
    for name, record in records.items():
        if not isinstance(record, dict) or "name" in record:
            raise InputError(
                f"{path}: phases.{name} must be a record of keys and values without its own name"
            )
    return [{"name": str(name), **record} for name, record in records.items()]


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            raise InputError(f"{path}: {len(raw)} bytes are too many; at most {MAX_BYTES} are read")
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file (byte {error.start} is not UTF-8)") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _mapping(text: str, origin: str) -> dict[str, Any]:
    try:
        unplain = first_unplain(text)
        if unplain is not None:
            raise InputError(f"{origin}, line {unplain.line}: {unplain.problem}")
        content = yaml.load(text, Loader=_StrictLoader)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        why = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InputError(f"{origin}{where}: not valid YAML ({why})") from error
    if not isinstance(content, dict):
        raise InputError(f"{origin}: a phase is a mapping of keys to values, found {type(content).__name__}")
    return content


def stored_files() -> dict[str, Path]:
    """The user's phases: file by name, sorted."""
    return {path.stem: path for path in sorted(phases_folder().glob("*.yaml"))}


def user_phases() -> tuple[Phase, ...]:
    """Read and check all phases of the user's folder.

    Raises
    ------
    InputError
        A file is damaged, or clashes with the library; the message names it.
    """
    records = [(str(path), record) for path in stored_files().values() for record in read_records(path)]
    return tuple(phase for phase, _ in _made(records, load_library()))


def _made(
    records: Sequence[tuple[str, dict[str, Any]]], library: PhaseLibrary
) -> list[tuple[Phase, dict[str, Any]]]:
    """Phases of [(origin, record)], each after those that its sums refer to, in whatever order they come."""
    made: list[tuple[Phase, dict[str, Any]]] = []
    waiting = list(records)
    while waiting:
        postponed: list[tuple[str, dict[str, Any]]] = []
        unknown: InputError | None = None
        for origin, record in waiting:
            try:
                phase = make_phase(record, library=library, origin=origin)
            except UnknownNameError as error:
                unknown = unknown or InputError(f"{origin}: {error}")
                postponed.append((origin, record))
            else:
                library = library.with_phases(phase)
                made.append((phase, record))
        if unknown is not None and len(postponed) == len(waiting):
            raise unknown
        waiting = postponed
    return made


def add_phases(path: Path) -> tuple[Phase, ...]:
    """Check every record of ``path``, then store each in the user's folder; nothing is stored if one is wrong.

    Raises
    ------
    InputError
        See :func:`read_records` and :func:`cosinter.analysis.thermochemistry.user_phases.make_phase`.
    StorageError
        The user's folder cannot be written.
    """
    library = load_library().with_phases(*user_phases())
    added = _made([(str(path), record) for record in read_records(path)], library)
    folder = phases_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for phase, record in added:
            text = yaml.safe_dump({**record, "name": phase.name}, sort_keys=False, allow_unicode=True)
            write_atomically(folder / f"{phase.name}.yaml", text)
    except OSError as error:
        raise StorageError(f"cannot write {folder} ({error.strerror or error})") from error
    return tuple(phase for phase, _ in added)


def remove_phase(name: str) -> Path:
    """Delete a phase of the user's folder and return its file.

    Raises
    ------
    UnknownNameError
        No such phase was added.
    InputError
        The phase belongs to the package.
    StorageError
        The file cannot be deleted.
    """
    files = stored_files()
    found = next((known for known in files if known.lower() == name.lower()), None)
    if found is None and name in load_library():
        raise InputError(
            f"{name} belongs to the package and cannot be removed; leave it out of react and plot with --exclude {name}"
        )
    if found is None:
        raise UnknownNameError("phase of yours", name, files)
    try:
        files[found].unlink()
    except OSError as error:
        raise StorageError(f"cannot delete {files[found]} ({error.strerror or error})") from error
    return files[found]
