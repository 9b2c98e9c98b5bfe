"""Keep documents in one durable SQLite file that several local processes share.

The file is the only truth: nothing is held in memory between two calls, so there is nothing to invalidate when
another process writes. Documents are opaque bytes, kept in the order of their arrival, and found by identifier or
by a few indexed (field, value) pairs. A transaction ends on disk (`synchronous=FULL`) or it never was.

Write-ahead logging needs all processes on one computer (https://www.sqlite.org/wal.html), so files on network file
systems are refused unless asked for, and then use a rollback journal.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.embedded.connection import check_place, connect, explained, inode

_CHUNK = 500  # values per IN (...): SQLite before 3.32 allows 999 parameters

Value = int | str | bytes
"""What can be indexed."""


class _ThreadState(threading.local):
    depth = 0
    pending: BaseException | None = None


class DocumentFile:
    """One open store; use `open_file`, which shares it between the threads of a process.

    After a fork the child opens its own connection and leaves the parent's alone.
    """

    def __init__(self, path: Path, *, allow_network: bool = False) -> None:
        self.path = path
        self._network = check_place(path, allow_network=allow_network)
        self._inherited: list[sqlite3.Connection] = []
        self._forget()
        self._connected()
        self._inode = inode(path)
        _FILES.add(self)

    def _forget(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self._finalizer.detach()  # belongs to the parent process: neither used nor closed here
            self._inherited.append(self._connection)  # type: ignore[arg-type]
        self._lock = threading.RLock()
        self._local = _ThreadState()
        self._failure: StorageError | None = None
        self._connection: sqlite3.Connection | None = None

    # --- connection -------------------------------------------------------------------------------------------

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = connect(self.path, network=self._network)
            except sqlite3.Error as exc:
                raise explained(exc, self.path) from exc
            self._finalizer = weakref.finalize(self, self._connection.close)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._finalizer()
                self._connection = None

    def is_current(self) -> bool:
        """Say whether the path still leads to the file that is open."""
        return self._inode == inode(self.path)

    def _run(self, sql: str, parameters: Iterable[object] = ()) -> sqlite3.Cursor:
        if self._local.depth and self._failure is not None:
            raise self._failure
        try:
            return self._connected().execute(sql, tuple(parameters))
        except sqlite3.Error as exc:
            failure = explained(exc, self.path)
            if self._local.depth:
                self._failure = failure
            raise failure from exc

    def _all(self, sql: str, parameters: Iterable[object] = ()) -> list[Any]:
        with self._lock:
            cursor = self._run(sql, parameters)
            try:
                return cursor.fetchall()
            except sqlite3.Error as exc:
                raise explained(exc, self.path) from exc

    # --- transactions -----------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Put everything inside on disk together; a transaction inside another one joins it.

        An ordinary exception commits what was done before it, as a document server would have; a death of the
        process, a `BaseException` such as `SystemExit`, and a failure of the file undo everything.

        Raises
        ------
        StorageError
            The file could not be written; nothing of this transaction is in it.
        """
        local = self._local
        if local.depth:
            local.depth += 1
            try:
                yield
            finally:
                local.depth -= 1
            return
        local.depth = 1  # from here on `interrupt` waits
        try:
            with self._lock:
                self._failure = None
                try:
                    self._run("BEGIN IMMEDIATE")
                    yield
                except Exception as exc:
                    self._commit(exc)
                    raise
                else:
                    self._commit(None)
                finally:
                    self._roll_back()  # whatever is still open, wherever an interruption struck
        finally:
            local.depth = 0
            pending, local.pending = local.pending, None
            if pending is not None:
                raise pending

    def _commit(self, cause: Exception | None) -> None:
        if self._failure is None:
            self._run("COMMIT")
        elif self._failure is not cause:
            raise self._failure from cause

    def _roll_back(self) -> None:
        self._failure = None
        connection = self._connection
        if connection is not None and connection.in_transaction:  # some failures end it by themselves
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()  # closing undoes it as well

    def interrupt(self, exception: BaseException) -> None:
        """Raise an exception now or, inside a transaction of this thread, as soon as that is on disk.

        Meant for signal handlers: a state change is never torn by one.
        """
        if not self._local.depth:
            raise exception
        self._local.pending = exception

    # --- documents --------------------------------------------------------------------------------------------

    def select(self, space: str, field: str | None = None, values: Collection[Value] = ()) -> list[bytes]:
        """Return the bodies of a space in order of arrival: all, by `field="_id"`, or by an indexed field."""
        if field is None:
            return [
                body
                for (body,) in self._all("SELECT body FROM document WHERE space = ? ORDER BY n", (space,))
            ]
        found: dict[int, bytes] = {}
        listed = list(values)
        for start in range(0, len(listed), _CHUNK):
            chunk = listed[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            if field == "_id":
                sql = f"SELECT n, body FROM document WHERE space = ? AND id IN ({marks})"
                found.update(self._all(sql, (space, *chunk)))
            else:
                sql = (
                    "SELECT n, body FROM document WHERE n IN"
                    f" (SELECT n FROM mark WHERE space = ? AND field = ? AND value IN ({marks}))"
                )
                found.update(self._all(sql, (space, field, *chunk)))
        return [found[n] for n in sorted(found)]

    def get(self, space: str, identifier: bytes) -> bytes | None:
        """Return one body, or None."""
        rows = self._all("SELECT body FROM document WHERE space = ? AND id = ?", (space, identifier))
        return rows[0][0] if rows else None

    def count(self, space: str) -> int:
        """Count the documents of a space."""
        return int(self._all("SELECT count(*) FROM document WHERE space = ?", (space,))[0][0])

    def put(self, space: str, identifier: bytes, body: bytes, marks: set[tuple[str, Value]]) -> None:
        """Insert or replace a document and its index entries; a replaced one keeps its place in the order."""
        with self.transaction():
            rows = self._all("SELECT n FROM document WHERE space = ? AND id = ?", (space, identifier))
            if rows:
                n = rows[0][0]
                self._run("UPDATE document SET body = ? WHERE n = ?", (body, n))
                old = set(self._all("SELECT field, value FROM mark WHERE n = ?", (n,)))
            else:
                sql = "INSERT INTO document (space, id, body) VALUES (?, ?, ?)"
                n, old = self._run(sql, (space, identifier, body)).lastrowid, set()
            for field, value in old - marks:
                sql = "DELETE FROM mark WHERE space = ? AND field = ? AND value = ? AND n = ?"
                self._run(sql, (space, field, value, n))
            for field, value in marks - old:
                self._run(
                    "INSERT INTO mark (space, field, value, n) VALUES (?, ?, ?, ?)", (space, field, value, n)
                )

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
        """Return what was defined for a space (index definitions), by name."""
        return dict(self._all("SELECT name, body FROM definition WHERE space = ? ORDER BY rowid", (space,)))

    def define(self, space: str, name: str, body: bytes) -> None:
        """Store a definition."""
        with self.transaction():
            self._run(
                "INSERT OR REPLACE INTO definition (space, name, body) VALUES (?, ?, ?)", (space, name, body)
            )

    def undefine(self, space: str, name: str) -> None:
        """Forget a definition."""
        with self.transaction():
            self._run("DELETE FROM definition WHERE space = ? AND name = ?", (space, name))

    def drop(self, space: str) -> None:
        """Delete a space with its documents and definitions."""
        with self.transaction():
            for table in ("mark", "document", "definition"):
                self._run(f"DELETE FROM {table} WHERE space = ?", (space,))

    def rename(self, space: str, new: str) -> None:
        """Give a space a new name, which must be free."""
        with self.transaction():
            for table in ("mark", "document", "definition"):
                self._run(f"UPDATE {table} SET space = ? WHERE space = ?", (new, space))

    def damage(self) -> list[str]:
        """Check the whole file (`PRAGMA integrity_check`) and return what is wrong: nothing, if all is well."""
        return [text for (text,) in self._all("PRAGMA integrity_check") if text != "ok"]


_FILES: weakref.WeakSet[DocumentFile] = weakref.WeakSet()
_OPEN_LOCK = threading.Lock()


def _after_fork() -> None:
    global _OPEN_LOCK
    _OPEN_LOCK = threading.Lock()
    for file in list(_FILES):
        file._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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
    with _OPEN_LOCK:
        for file in list(_FILES):
            if file.path == resolved and file.is_current():
                return file
        return DocumentFile(resolved, allow_network=allow_network)
