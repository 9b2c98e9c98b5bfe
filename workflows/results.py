"""Results on disk: one folder per stage, named by the hash of everything that went into it.

    root/
      plan.json                        the stages of the last run and their keys
      stages/<stage>/<key>/stage.json  what was run, when, how long; written last: its presence means complete
      stages/<stage>/<key>/...         result.json and the files of the stage
      log/<stage>.jsonl                started / finished / failed events, one line each, never rewritten
      launchpad.db                     FireWorks' index; the files above are the truth

A stage works in a hidden folder and is renamed into place when everything is on disk, so that a reader finds
either a whole result or none.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import InputError, StorageError

KEY_LENGTH = 16


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its folder and the content of its result.json."""

    name: str
    key: str
    folder: Path
    data: Mapping[str, Any]
    record: Mapping[str, Any]
    executed: int


class Results:
    """The results folder of one study."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def folder(self, stage: str, key: str) -> Path:
        """Where the finished result of a stage lies."""
        return self.root / "stages" / stage / key

    def is_complete(self, stage: str, key: str) -> bool:
        """True if the whole result of this stage, for exactly these inputs, is on disk."""
        folder = self.folder(stage, key)
        try:
            record = json.loads((folder / "stage.json").read_bytes())
            return record.get("key") == key and all(
                (folder / name).stat().st_size == size for name, size in record["files"].items()
            )
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return False

    def read(self, stage: str, key: str) -> StageResult:
        """Read a finished stage.

        Raises
        ------
        StorageError
            The result is missing or damaged.
        """
        folder = self.folder(stage, key)
        try:
            record = json.loads((folder / "stage.json").read_bytes())
            data = json.loads((folder / "result.json").read_bytes())
        except (OSError, ValueError) as error:
            raise StorageError(
                f"result of stage {stage} in {folder} is missing or damaged; run the study again to mend it"
            ) from error
        return StageResult(
            name=stage, key=key, folder=folder, data=data, record=record, executed=self.executed(stage, key)
        )

    @contextmanager
    def writing(self, stage: str, key: str) -> Iterator[Path]:
        """Give a working folder; on success rename it into place, on an error leave no result."""
        final = self.folder(stage, key)
        working = final.parent / f".{key}.{os.getpid()}"
        with storage_errors(self.root):
            shutil.rmtree(working, ignore_errors=True)
            working.mkdir(parents=True)
        self.log(stage, event="started", key=key, pid=os.getpid())
        begin = time.perf_counter()
        started = now()
        try:
            yield working
            with storage_errors(self.root):
                self._seal(stage, key, working, started, time.perf_counter() - begin)
        except BaseException as error:
            shutil.rmtree(working, ignore_errors=True)
            self.log(stage, event="failed", key=key, error=type(error).__name__, message=first_line(error))
            raise
        self.log(stage, event="finished", key=key)

    def _seal(self, stage: str, key: str, working: Path, started: str, seconds: float) -> None:
        files = {
            str(path.relative_to(working)): path.stat().st_size
            for path in sorted(working.rglob("*"))
            if path.is_file()
        }
        record = {
            "stage": stage,
            "key": key,
            "started": started,
            "finished": now(),
            "seconds": round(seconds, 3),
            "files": files,
        }
        for name in files:
            _sync(working / name)
        write_atomically(working / "stage.json", json.dumps(record, indent=1))
        final = self.folder(stage, key)
        shutil.rmtree(final, ignore_errors=True)
        working.rename(final)
        _sync(final.parent)

    def log(self, stage: str, **event: Any) -> None:
        """Append one event to the log of a stage."""
        with storage_errors(self.root):
            path = self.root / "log" / f"{stage}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps({"time": now(), **event}) + "\n")

    def events(self, stage: str, key: str | None = None) -> list[dict[str, Any]]:
        """Logged events of a stage, oldest first; a line cut by a crash is left out."""
        try:
            lines = (self.root / "log" / f"{stage}.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        events = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and (key is None or event.get("key") == key):
                events.append(event)
        return events

    def executed(self, stage: str, key: str) -> int:
        """How often a stage was started for these inputs."""
        return sum(event["event"] == "started" for event in self.events(stage, key))

    def sweep(self) -> None:
        """Remove the working folders of killed runs; call only while holding the lock."""
        with storage_errors(self.root):
            for leftover in self.root.glob("stages/*/.*"):
                shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; it is free again when the process ends, however it ends.

        Raises
        ------
        InputError
            Another process holds it, or the folder cannot be written.
        """
        import fcntl

        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = (self.root / ".lock").open("a+")
        except OSError as error:
            raise InputError(f"no write access to results folder {self.root} ({error.strerror})") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(
                    f"another cosinter run is at work in {self.root}; wait for it or choose another --out"
                ) from error
            yield


@contextmanager
def storage_errors(root: Path) -> Iterator[None]:
    """Turn errors of the file system into one clear sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"the disk of {root} is full; free space and run the same command again"
            ) from error
        raise StorageError(f"cannot write results below {root} ({error.strerror or error})") from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as handle:
            handle.write(content.encode() if isinstance(content, str) else content)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def digest(content: Any) -> str:
    """Hash of JSON data, independent of key order."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def first_line(error: BaseException) -> str:
    """The one line of an error that a person wants to see."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def now() -> str:
    """Current time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
