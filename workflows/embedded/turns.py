"""Let the processes that write to a file wait in the kernel for their turn, instead of asking again and again.

Only for speed: what keeps writers apart is the lock of SQLite, whose own waiting sleeps up to 100 ms, many times a
transaction. The lock ends with its process and is not handed on by a fork; where there is none, nobody waits here.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Turns:
    """One process' place in the queue of those who write to a file; the threads of a process share it."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}-turn")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Wait until no other process has the turn."""
        if fcntl is None:
            return
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def hand_on(self) -> None:
        """Let the next process write."""
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave the queue."""
        if self._descriptor is not None:
            self._finalizer()
            self._descriptor = None
