"""Share one SQLite file between processes and threads: connections that survive a fork, and transactions.

A transaction ends on disk (`synchronous=FULL`) or it never was. Write-ahead logging needs all processes on one
computer (https://www.sqlite.org/wal.html), so files on network file systems are refused unless asked for, and then use
a rollback journal.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.embedded.connection import BUSY_TIMEOUT_S, check_place, connect, explained, inode
from cosinter.workflows.embedded.turns import Turns

_PAUSE_S = (0.0002, 0.004)  # between two attempts to begin: about 1/10 of and one short transaction


class _ThreadState(threading.local):
    depth = 0
    pending: BaseException | None = None


class TransactionFile:
    """One open file, shared by the threads of a process.

    After a fork the child opens its own connection and leaves the parent's alone.
    """

    _turns: Turns

    def __init__(self, path: Path, *, allow_network: bool = False) -> None:
        self.path = path
        self._network = check_place(path, allow_network=allow_network)
        self._inherited: list[sqlite3.Connection] = []
        self._forget()
        self._connected()
        self._inode = inode(path)
        FILES.add(self)

    def _forget(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self._finalizer.detach()  # belongs to the parent process: neither used nor closed here
            self._inherited.append(self._connection)  # type: ignore[arg-type]
            self._turns.close()
        self._lock = threading.RLock()
        self._turns = Turns(self.path)
        self._local = _ThreadState()
        self._failure: StorageError | None = None
        self._connection: sqlite3.Connection | None = None
        self._durable = True  # as `connect` leaves it
        self._defined: dict[str, dict[str, bytes]] = {}  # nobody else changes these during a transaction

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
                self._turns.close()
                self._connection = None
                self._durable = True

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
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Put everything inside on disk together; a transaction inside another one joins it.

        An ordinary exception commits what was done before it, as a document server would have; a death of the
        process, a `BaseException` such as `SystemExit`, and a failure of the file undo everything.

        Parameters
        ----------
        durable : False not to wait for the disk: a loss of power, though no kill, may undo it. Only for signs of life.

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
                self._defined.clear()
                try:
                    self._begin(durable or self._network)
                    yield
                except Exception as exc:
                    self._commit(exc)
                    raise
                else:
                    self._commit(None)
                finally:
                    self._roll_back()  # whatever is still open, wherever an interruption struck
                    self._defined.clear()
        finally:
            local.depth = 0
            pending, local.pending = local.pending, None
            if pending is not None:
                raise pending

    def in_transaction(self) -> bool:
        """Say whether this thread is inside a transaction."""
        return self._local.depth > 0

    def _begin(self, durable: bool) -> None:
        """Wait for the turn of this process and start a transaction that may write."""
        if durable is not self._durable:
            self._run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        pause = _PAUSE_S[0]
        connection = self._connected()
        if not self._network:
            with suppress(OSError):  # then the attempts below do
                self._turns.take()
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.Error as exc:
                    if "locked" not in str(exc) or time.monotonic() > deadline:
                        self._failure = explained(exc, self.path)
                        raise self._failure from exc
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _PAUSE_S[1])
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_TIMEOUT_S)}")

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
        self._turns.hand_on()

    def interrupt(self, exception: BaseException) -> None:
        """Raise an exception now or, inside a transaction of this thread, as soon as that is on disk.

        Meant for signal handlers: a state change is never torn by one.
        """
        if not self._local.depth:
            raise exception
        self._local.pending = exception


FILES: weakref.WeakSet[TransactionFile] = weakref.WeakSet()
OPEN_LOCK = threading.Lock()


def _after_fork() -> None:
    global OPEN_LOCK
    OPEN_LOCK = threading.Lock()
    for file in list(FILES):
        file._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
