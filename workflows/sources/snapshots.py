"""Frozen sets of computed entries: one folder each, a manifest beside the compressed entries.

The manifest names the file of entries and its SHA-256, and is replaced last and in one step: whatever goes wrong while
a snapshot is renewed, the former one stays whole. Nothing in a snapshot is secret.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from cosinter.analysis.thermochemistry.computed_phases import ComputedPhases, computed_phases
from cosinter.analysis.thermochemistry.corrections import CorrectionState, settle_corrections
from cosinter.analysis.thermochemistry.entries import ComputedEntry, read_entries
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.data.exceptions import InputError, StorageError, UnknownNameError
from cosinter.workflows.results import now, write_atomically
from cosinter.workflows.sources.anchor_cache import kept_anchors
from cosinter.workflows.sources.user_data import snapshots_folder

SCHEMA = 1
MAX_BYTES = 1_000_000_000
"""Of the entries of a file once they are unpacked; a million entries of the Materials Project have so many."""
MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds and where it is from.

    Attributes
    ----------
    name, source, retrieved : its name, the database or file it was made from, and when (UTC)
    database_version : as the database calls it; empty for an imported file
    functional : the one functional of all entries
    corrections : whether MP2020 is listed beside the energies or included in them
    elements, count : what the entries hold
    file, sha256 : file of the entries and its checksum
    software : versions of the programs that made it
    """

    name: str
    source: str
    retrieved: str
    database_version: str
    functional: str
    corrections: CorrectionState
    elements: tuple[str, ...]
    count: int
    file: str
    sha256: str
    software: Mapping[str, str]
    schema: int = SCHEMA


def check_name(name: str) -> str:
    """Return ``name`` if it can name a snapshot.

    Raises
    ------
    InputError
        It has other characters than letters, digits, dot, dash and underscore, or more than 64 of them.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"snapshot name '{name}' must be 1 to 64 letters, digits, dots, dashes or underscores, "
            "the first a letter or digit"
        )
    return name


def parse_json(data: bytes, *, origin: str) -> Any:
    """Decode JSON, gzipped or not.

    Raises
    ------
    InputError
        It is not JSON, holds NaN or infinity, or is nested beyond reason.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"it holds {constant}")

    try:
        text = _inflated(data) if data[:2] == b"\x1f\x8b" else data
        return json.loads(text, parse_constant=refuse)
    except (ValueError, OSError, EOFError, zlib.error, RecursionError) as error:
        raise InputError(f"{origin} is not readable JSON ({error})") from error


def _inflated(data: bytes) -> bytes:
    """Decompress a gzip file; one that would fill the memory is refused."""
    with gzip.open(io.BytesIO(data)) as stream:
        text = stream.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
    return text


def compressed(content: Any) -> bytes:
    """Encode ``content`` as gzipped JSON; equal contents give equal bytes."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return gzip.compress(text.encode(), mtime=0)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file that is either absent or whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def freeze(
    records: Sequence[Mapping[str, Any]],
    *,
    name: str,
    source: str,
    functional: str,
    elements: Sequence[str],
    database_version: str = "",
    corrections: CorrectionState = "listed",
    software: Mapping[str, str] | None = None,
) -> Manifest:
    """Store ``records`` (pymatgen's dictionaries of computed entries) as snapshot ``name``.

    A snapshot of that name is replaced only once the new one is complete.

    Raises
    ------
    InputError
        The name cannot be used.
    StorageError
        The folder cannot be written.
    """
    folder = snapshots_folder() / check_name(name)
    data = compressed(list(records))
    checksum = hashlib.sha256(data).hexdigest()
    manifest = Manifest(
        name=name,
        source=source,
        retrieved=now(),
        database_version=database_version,
        functional=functional,
        corrections=corrections,
        elements=tuple(elements),
        count=len(records),
        file=f"entries-{checksum[:12]}.json.gz",
        sha256=checksum,
        software=dict(software or {}),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / manifest.file, data)
        write_atomically(folder / MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n")
        for old in folder.glob("entries-*.json.gz"):
            if old.name != manifest.file:
                old.unlink()
    except OSError as error:
        raise StorageError(f"cannot write snapshot '{name}' ({error.strerror or error})") from error
    return manifest


def snapshot_names() -> tuple[str, ...]:
    """Names of all snapshots, sorted; damaged ones included."""
    folder = snapshots_folder()
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.parent.name for path in folder.glob(f"[!.]*/{MANIFEST}")))


def read_manifest(name: str) -> Manifest:
    """Read what snapshot ``name`` holds.

    Raises
    ------
    UnknownNameError, InputError
        There is no such snapshot.
    StorageError
        Its manifest is damaged or of a newer version.
    """
    path = snapshots_folder() / check_name(name) / MANIFEST
    if not path.is_file():
        known = snapshot_names()
        if not known:
            raise InputError(f"there is no snapshot '{name}', nor any other; see cosinter data fetch --help")
        raise UnknownNameError("snapshot", name, known)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise StorageError(
                f"snapshot '{name}' has version {content['schema']}; this cosinter reads version {SCHEMA}"
            )
        found = {item.name: content[item.name] for item in fields(Manifest)}
        manifest = Manifest(**{**found, "elements": tuple(found["elements"])})
        whole = isinstance(manifest.file, str) and Path(manifest.file).name == manifest.file
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"the manifest of snapshot '{name}' is damaged; fetch or import it again"
        ) from error
    if not whole:
        raise StorageError(f"the manifest of snapshot '{name}' is damaged; fetch or import it again")
    return manifest


def load_snapshot(name: str) -> tuple[Manifest, tuple[ComputedEntry, ...]]:
    """Read a snapshot after checking its checksum; the entries carry settled corrections.

    Raises
    ------
    UnknownNameError
        There is no such snapshot.
    StorageError
        The snapshot is damaged.
    """
    manifest = read_manifest(name)
    damaged = f"snapshot '{name}' is damaged"
    try:
        data = (snapshots_folder() / name / manifest.file).read_bytes()
    except OSError as error:
        raise StorageError(f"{damaged}: {manifest.file} cannot be read; fetch or import it again") from error
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise StorageError(f"{damaged}: the checksum of {manifest.file} is wrong; fetch or import it again")
    try:
        entries = read_entries(parse_json(data, origin=manifest.file))
        settled, _ = settle_corrections(entries, manifest.corrections)
    except InputError as error:
        raise StorageError(f"{damaged}: {error}") from error
    if len(entries) != manifest.count:
        raise StorageError(f"{damaged}: {len(entries)} entries instead of {manifest.count}")
    return manifest, settled


def describe_source(manifest: Manifest) -> str:
    """Text that the phases of a snapshot cite."""
    version = f" {manifest.database_version}" if manifest.database_version else ""
    return f"{manifest.source}{version}, {manifest.functional} with MP2020 corrections"


def snapshot_contents(name: str, library: PhaseLibrary) -> ComputedPhases:
    """Make phases of snapshot ``name`` on the scale of ``library``, and list what made none.

    Raises
    ------
    UnknownNameError, StorageError, InputError
        See :func:`load_snapshot` and :func:`computed_phases`.
    """
    manifest, entries = load_snapshot(name)
    return computed_phases(
        entries,
        library,
        source=describe_source(manifest),
        anchors=kept_anchors(snapshots_folder() / name, entries, library, checksum=manifest.sha256),
    )


def snapshot_phases(name: str, library: PhaseLibrary) -> tuple[Phase, ...]:
    """Make phases of snapshot ``name`` on the scale of ``library``.

    Raises
    ------
    UnknownNameError, StorageError, InputError
        See :func:`snapshot_contents`.
    """
    return snapshot_contents(name, library).phases
