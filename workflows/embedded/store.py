"""Keep documents in one durable SQLite file that several local processes share.

The file is the only truth: nothing is held in memory between two calls, so there is nothing to invalidate when
another process writes. Documents are opaque bytes, kept in the order of their arrival, and found by identifier, by
indexed (field, value) pairs, or in the order of a queue: of one state, highest priority first, then oldest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from cosinter.workflows.embedded import transactions
from cosinter.workflows.embedded.connection import explained
from cosinter.workflows.embedded.transactions import TransactionFile

_CHUNK = 400  # values per IN (...): SQLite before 3.32 allows 999 parameters

Value = int | str | bytes
"""What can be indexed."""
Found = tuple[int, bytes]
"""Place in the order of arrival, and body."""
T = TypeVar("T")


class Keys(NamedTuple):
    """What a document is queued by; state or scope b"" marks one that has to be looked at whatever is wanted."""

    state: str | bytes | None = None
    scope: str | bytes | None = None
    priority: float | None = None
    created: str | None = None


class Entries(NamedTuple):
    """Everything that a document is found by."""

    marks: frozenset[tuple[str, Value]] = frozenset()
    keys: Keys = Keys()


class DocumentFile(TransactionFile):
    """One open store; use `open_file`, which shares it between the threads of a process.

    After a fork the child opens its own connection and leaves the parent's alone.
    """

    # --- documents --------------------------------------------------------------------------------------------

    def select(self, space: str, field: str | None = None, values: Collection[Value] = ()) -> list[Found]:
        """Return documents of a space in order of arrival: all, by `field="_id"`, or by an indexed field."""
        if field is None:
            return self._all("SELECT n, body FROM document WHERE space = ? ORDER BY n", (space,))
        if field == "_id":
            sql, fixed = "SELECT n, body FROM document WHERE space = ? AND id IN ({})", (space,)
        else:
            sql = (
                "SELECT n, body FROM document WHERE n IN"
                " (SELECT n FROM mark WHERE space = ? AND field = ? AND value IN ({}))"
            )
            fixed = (space, field)  # type: ignore[assignment]
        found: dict[int, bytes] = {}
        listed = list(values)
        for start in range(0, len(listed), _CHUNK):
            chunk = listed[start : start + _CHUNK]
            found.update(self._all(sql.format(",".join("?" * len(chunk))), (*fixed, *chunk)))
        return [(n, found[n]) for n in sorted(found)]

    def select_keyed(self, space: str, wanted: Mapping[str, Collection[Value]]) -> list[Found]:
        """Return documents by the values of their `scope`, `state` or both, in order of arrival."""
        sql = "SELECT n, body FROM document WHERE space = ?"
        parameters: list[Value] = [space]
        for column, values in wanted.items():
            sql += f" AND {column} IN ({','.join('?' * len(values))})"
            parameters += values
        return self._all(f"{sql} ORDER BY n", parameters)

    def holds(self, space: str, wanted: Mapping[str, Value]) -> bool:
        """Say whether there is a document with these values of `scope`, `state` or both."""
        sql = "SELECT 1 FROM document WHERE space = ?" + "".join(f" AND {column} = ?" for column in wanted)
        return bool(self._all(f"{sql} LIMIT 1", (space, *wanted.values())))

    def first(
        self,
        space: str,
        wanted: Mapping[str, Value],
        order: Iterable[tuple[str, int]],
        accept: Callable[[int, bytes], T | None],
    ) -> T | None:
        """Return what ``accept`` makes of the first document for which it is not None; others stay unread.

        Parameters
        ----------
        wanted : `state`, and `scope` if it matters.
        order : columns (`priority`, `created`) and directions, 1 or -1; then the order of arrival.
        """
        sql = "SELECT n, body FROM document WHERE space = ?"
        sql += "".join(f" AND {column} = ?" for column in wanted)
        sql += (
            " ORDER BY "
            + "".join(f"{column} {'DESC' if way < 0 else 'ASC'}, " for column, way in order)
            + "n"
        )
        with self._lock:
            cursor = self._run(sql, (space, *wanted.values()))
            try:
                for n, body in cursor:
                    if (accepted := accept(n, body)) is not None:
                        return accepted
            except sqlite3.Error as exc:
                raise explained(exc, self.path) from exc
            finally:
                cursor.close()
        return None

    def get(self, space: str, identifier: bytes) -> bytes | None:
        """Return one body, or None."""
        rows = self._all("SELECT body FROM document WHERE space = ? AND id = ?", (space, identifier))
        return rows[0][0] if rows else None

    def count(self, space: str) -> int:
        """Count the documents of a space."""
        return int(self._all("SELECT count(*) FROM document WHERE space = ?", (space,))[0][0])

    def put(self, space: str, identifier: bytes, body: bytes, entries: Entries) -> None:
        """Insert or replace a document and its index entries; a replaced one keeps its place in the order."""
        with self.transaction():
            if self.insert(space, identifier, body, entries):
                return
            rows = self._all("SELECT n FROM document WHERE space = ? AND id = ?", (space, identifier))
            marks = self._all("SELECT field, value FROM mark WHERE n = ?", rows[0])
            self.replace(rows[0][0], space, body, entries, before=frozenset(marks))

    def insert(self, space: str, identifier: bytes, body: bytes, entries: Entries) -> bool:
        """Insert a document; say whether its identifier was free."""
        with self.transaction():
            sql = (
                "INSERT OR IGNORE INTO document (space, id, body, state, scope, priority, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
            )
            cursor = self._run(sql, (space, identifier, body, *entries.keys))
            if not cursor.rowcount:
                return False
            self._mark(space, cursor.lastrowid, entries.marks)
            return True

    def replace(
        self, n: int, space: str, body: bytes, entries: Entries, *, before: frozenset[tuple[str, Value]]
    ) -> None:
        """Change a document in its place, given the marks that it had ``before``."""
        with self.transaction():
            sql = "UPDATE document SET body = ?, state = ?, scope = ?, priority = ?, created = ? WHERE n = ?"
            self._run(sql, (body, *entries.keys, n))
            for field, value in before - entries.marks:
                sql = "DELETE FROM mark WHERE space = ? AND field = ? AND value = ? AND n = ?"
                self._run(sql, (space, field, value, n))
            self._mark(space, n, entries.marks - before)

    def _mark(self, space: str, n: int | None, marks: Iterable[tuple[str, Value]]) -> None:
        sql = "INSERT INTO mark (space, field, value, n) VALUES (?, ?, ?, ?)"
        for field, value in marks:
            self._run(sql, (space, field, value, n))

    def remove(self, space: str, identifier: bytes) -> bool:
        """Delete one document; say whether it was there."""
        with self.transaction():
            rows = self._all("SELECT n FROM document WHERE space = ? AND id = ?", (space, identifier))
            for row in rows:
                self._run("DELETE FROM mark WHERE n = ?", row)
                self._run("DELETE FROM document WHERE n = ?", row)
        return bool(rows)

    # --- spaces and their definitions -------------------------------------------------------------------------

    def spaces(self) -> list[str]:
        """Name the spaces that hold documents or definitions."""
        rows = self._all("SELECT space FROM document UNION SELECT space FROM definition ORDER BY 1")
        return [name for (name,) in rows]

    def definitions(self, space: str) -> dict[str, bytes]:
        """Return what was defined for a space (index definitions), by name; not to be changed."""
        found = self._defined.get(space) if self._local.depth else None
        if found is None:
            sql = "SELECT name, body FROM definition WHERE space = ? ORDER BY rowid"
            found = dict(self._all(sql, (space,)))
            if self._local.depth:
                self._defined[space] = found
        return found

    def define(self, space: str, name: str, body: bytes) -> None:
        """Store a definition."""
        with self.transaction():
            self._defined.clear()
            self._run(
                "INSERT OR REPLACE INTO definition (space, name, body) VALUES (?, ?, ?)", (space, name, body)
            )

    def undefine(self, space: str, name: str) -> None:
        """Forget a definition."""
        with self.transaction():
            self._defined.clear()
            self._run("DELETE FROM definition WHERE space = ? AND name = ?", (space, name))

    def drop(self, space: str) -> None:
        """Delete a space with its documents and definitions."""
        with self.transaction():
            self._defined.clear()
            for table in ("mark", "document", "definition"):
                self._run(f"DELETE FROM {table} WHERE space = ?", (space,))

    def rename(self, space: str, new: str) -> None:
        """Give a space a new name, which must be free."""
        with self.transaction():
            self._defined.clear()
            for table in ("mark", "document", "definition"):
                self._run(f"UPDATE {table} SET space = ? WHERE space = ?", (new, space))

    def damage(self) -> list[str]:
        """Check the whole file (`PRAGMA integrity_check`) and return what is wrong: nothing, if all is well."""
        return [text for (text,) in self._all("PRAGMA integrity_check") if text != "ok"]


def open_file(path: str | Path, *, allow_network: bool = False) -> DocumentFile:
    """Open a store, or make it; the threads of one process share one connection per file.

    Parameters
    ----------
    path : file to open; missing folders are made.
    allow_network : open it although it lies on a network file system; then only one computer may use it.

    Raises
    ------
    StorageError
        The file is damaged, no such store or of a newer version, or the place cannot be written or is remote.
    """
    resolved = Path(path).expanduser().resolve()
    with transactions.OPEN_LOCK:
        for file in list(transactions.FILES):
            if isinstance(file, DocumentFile) and file.path == resolved and file.is_current():
                return file
        return DocumentFile(resolved, allow_network=allow_network)
