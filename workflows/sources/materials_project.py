"""Fetch the thermodynamic data of the Materials Project once, for offline use ever after.

The sub-systems of the wanted elements are asked for in batches, each kept on disk when it is complete: a fetch that
was cut off goes on where it stopped. A snapshot is made only of a complete set, of one functional and one version of
the database. The API key is read from the environment or from pymatgen's settings and is never written or shown.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from cosinter.analysis.thermochemistry.corrections import (
    SCHEME,
    check_one_functional,
    lacks_correction,
    settle_corrections,
)
from cosinter.analysis.thermochemistry.entries import element_references, read_entries
from cosinter.data.exceptions import InputError, StorageError
from cosinter.workflows.results import write_atomically
from cosinter.workflows.sources.mp_client import (
    FUNCTIONAL,
    FetchError,
    MaterialsProject,
    TooLongError,
    TransientError,
    find_endpoint,
    find_key,
)
from cosinter.workflows.sources.snapshots import (
    Manifest,
    check_name,
    compressed,
    freeze,
    parse_json,
    write_bytes,
)
from cosinter.workflows.sources.user_data import snapshots_folder

#: Most elements of one fetch: 12 have 4,095 sub-systems.
MAX_ELEMENTS = 12
#: Characters of one list of sub-systems; the server refuses addresses of about 8,000.
LIST_LENGTH = 3000
#: Attempts at one request, and at the first of all: without a network nobody wants to wait for six.
ATTEMPTS, FIRST_ATTEMPTS = 6, 2
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 120.0
#: A server that asks for a longer pause is left alone; the next call of the command goes on.
PATIENCE_S = 900.0
#: Share of entries that may lack a correction (odd documents) before the whole set counts as uncorrected.
MOST_UNCORRECTED = 0.01

Report = Callable[[str], None]


def subsystems(elements: Sequence[str]) -> tuple[str, ...]:
    """All chemical systems within ``elements``, such as Li, Li-O, Li-O-P: 2^n - 1 of them."""
    ordered = sorted(set(elements))
    return tuple(
        "-".join(members) for size in range(1, len(ordered) + 1) for members in combinations(ordered, size)
    )


def batches(systems: Sequence[str], *, length: int) -> Iterator[tuple[str, ...]]:
    """Cut ``systems`` into lists of at most ``length`` characters; a comma takes three in an address."""
    batch: list[str] = []
    size = 0
    for system in systems:
        if batch and size + len(system) + 3 > length:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(system)
        size += len(system) + 3
    if batch:
        yield tuple(batch)


def check_elements(elements: Sequence[str]) -> tuple[str, ...]:
    """Return the elements sorted, each once.

    Raises
    ------
    InputError
        An unknown element, fewer than two, or too many.
    """
    from pymatgen.core import Element

    chosen = tuple(sorted(set(elements)))
    for element in chosen:
        if not Element.is_valid_symbol(element):
            raise InputError(f"'{element}' is not a chemical element")
    if not 2 <= len(chosen) <= MAX_ELEMENTS:
        raise InputError(f"a fetch needs 2 to {MAX_ELEMENTS} elements; got {len(chosen)}")
    return chosen


@dataclass(frozen=True)
class _Parts:
    """Batches already fetched, kept in ``folder`` until the snapshot is made."""

    folder: Path

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Keep the parts of an equal plan, drop those of another."""
        path, text = self.folder / "plan.json", json.dumps(plan, sort_keys=True) + "\n"
        if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
            return
        self.discard()
        self.folder.mkdir(parents=True)
        write_atomically(path, text)

    def path(self, batch: Sequence[str]) -> Path:
        return self.folder / f"part-{hashlib.sha256(','.join(batch).encode()).hexdigest()[:16]}.json.gz"

    def load(self, batch: Sequence[str]) -> list[dict[str, Any]] | None:
        """Entries of ``batch``, None where they are not there whole."""
        path = self.path(batch)
        if not path.is_file():
            return None
        try:
            records = parse_json(path.read_bytes(), origin=path.name)
        except InputError:
            return None
        return records if isinstance(records, list) else None

    def store(self, batch: Sequence[str], records: list[dict[str, Any]]) -> None:
        write_bytes(self.path(batch), compressed(records))

    def discard(self) -> None:
        """Remove everything."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


@dataclass(frozen=True)
class _Fetch:
    """One run of the command: whom to ask, where to keep parts, whom to tell."""

    source: MaterialsProject
    parts: _Parts
    report: Report
    sleep: Callable[[float], None]

    def patiently(self, ask: Callable[[], Any], *, attempts: int = ATTEMPTS) -> Any:
        """Call ``ask`` again, after growing pauses or those the server asks for, while failures may pass.

        Raises
        ------
        FetchError
            It failed too often, or the server asks for too long a pause.
        """
        for attempt in range(1, attempts + 1):
            try:
                return ask()
            except TransientError as error:
                pause = max(error.wait_s, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (attempt - 1)))
                if attempt == attempts or pause > PATIENCE_S:
                    tried = (
                        f"asks for a pause of {pause:.0f} s"
                        if pause > PATIENCE_S
                        else f"tried {attempt} times"
                    )
                    raise FetchError(
                        f"{error}; {tried}. Former snapshots are untouched and finished parts are kept: "
                        "the same command goes on later"
                    ) from None
                self.report(f"{error}; trying again in {pause:.0f} s")
                self.sleep(pause)
        raise FetchError("no attempt was made")

    def fetch_batch(self, batch: tuple[str, ...]) -> list[dict[str, Any]]:
        """Fetch one list of sub-systems, in halves where it is too long for the server."""
        kept = self.parts.load(batch)
        if kept is not None:
            return kept
        try:
            records = self.patiently(lambda: self.source.entries(batch))
        except TooLongError:
            if len(batch) == 1:
                raise
            middle = len(batch) // 2
            return self.fetch_batch(batch[:middle]) + self.fetch_batch(batch[middle:])
        self.parts.store(batch, records)
        return list(records)

    def fetch_all(self, elements: tuple[str, ...]) -> tuple[str, list[dict[str, Any]]]:
        """Database version and entries of all sub-systems; begins anew, once, if the database changes meanwhile.

        Raises
        ------
        FetchError
            The database changed twice.
        """
        lists = tuple(batches(subsystems(elements), length=LIST_LENGTH))
        for _ in range(2):
            version = self.patiently(self.source.database_version, attempts=FIRST_ATTEMPTS)
            plan = {"elements": elements, "functional": FUNCTIONAL, "endpoint": self.source.endpoint}
            self.parts.begin({**plan, "database_version": version})
            records: list[dict[str, Any]] = []
            for number, batch in enumerate(lists, start=1):
                records += self.fetch_batch(batch)
                self.report(f"{number} of {len(lists)} lists of sub-systems, {len(records)} entries")
            after = self.patiently(self.source.database_version)
            if after == version:
                return version, records
            self.parts.discard()
            self.report(f"the database changed from {version} to {after} meanwhile; beginning anew")
        raise FetchError("the database changed twice during the fetch; try again later")

    def usable(self, records: list[dict[str, Any]], elements: tuple[str, ...]) -> list[dict[str, Any]]:
        """Check the set as :func:`_usable` does; parts of an unusable set are not kept.

        Raises
        ------
        FetchError
            The set is unusable.
        """
        try:
            return _usable(records, elements, self.report)
        except FetchError:
            self.parts.discard()
            raise


def _usable(records: list[dict[str, Any]], elements: tuple[str, ...], report: Report) -> list[dict[str, Any]]:
    """Records that are readable, of one functional and corrected once, complete in elements.

    Raises
    ------
    FetchError
        More than a few lack the correction that their like carry, or the set as a whole is unusable.
    """
    try:
        entries = read_entries(records)
        check_one_functional(entries, functional=FUNCTIONAL)
        bare = [index for index, entry in enumerate(entries) if lacks_correction(entry)]
        if len(bare) <= MOST_UNCORRECTED * len(entries):
            for index in reversed(bare):
                report(f"left out {entries[index].entry_id}: an oxide without {SCHEME} correction")
            records = [record for index, record in enumerate(records) if index not in set(bare)]
            entries = tuple(entry for index, entry in enumerate(entries) if index not in set(bare))
        settle_corrections(entries, "listed")
    except InputError as error:
        raise FetchError(f"the Materials Project sent unusable data: {error}") from error
    missing = sorted(set(elements) - set(element_references(entries)))
    if missing:
        raise FetchError(f"the Materials Project sent no entry of pure {', '.join(missing)}")
    return records


def fetch(
    elements: Sequence[str],
    *,
    name: str,
    report: Report = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
    timeout_s: float | None = None,
) -> Manifest:
    """Fetch all GGA/GGA+U entries within ``elements`` and freeze them as snapshot ``name``.

    Parameters
    ----------
    report : gets a line of progress now and then
    sleep : waits between attempts, s
    timeout_s : longest silence of the server, s

    Raises
    ------
    InputError
        No key, a wrong key, wrong elements or a wrong name.
    MissingEngineError
        mp-api is not installed.
    FetchError
        The network or the server failed for good, or the data are unusable; the former snapshot is untouched.
    StorageError
        The disk cannot be written.
    """
    check_name(name)
    chosen = check_elements(elements)
    options = {} if timeout_s is None else {"timeout_s": timeout_s}
    source = MaterialsProject(find_key(), find_endpoint(), **options)
    parts = _Parts(snapshots_folder() / ".fetching" / name)
    run = _Fetch(source, parts, report, sleep)
    try:
        version, records = run.fetch_all(chosen)
        records = run.usable(records, chosen)
        manifest = freeze(
            records,
            name=name,
            source="Materials Project",
            functional=FUNCTIONAL,
            elements=chosen,
            database_version=version,
            software={"mp-api": source.client_version},
        )
        parts.discard()
    except OSError as error:
        raise StorageError(f"cannot write snapshot '{name}' ({error.strerror or error})") from error
    return manifest
