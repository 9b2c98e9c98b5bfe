"""Results on disk: one folder per stage, named by the hash of everything that went into it.

    root/
      plan.json                        the stages of the last run and their keys
      stages/<stage>/<key>/stage.json  what was run, when, how long; written last: its presence means complete
      stages/<stage>/<key>/...         result.json and the files of the stage
      log/<stage>.jsonl                started / finished / failed events, one line each, never rewritten
      log/<stage>.txt                  tracebacks of failures
      .lock                            held by the process at work; says which one
      launchpad.db                     FireWorks' index; the files above are the truth

A stage works in a hidden folder and is renamed into place when everything is on disk, so that a reader finds
either a whole result or none.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from cosinter.data.exceptions import InputError, StorageError
from cosinter.workflows.processes import process_alive

KEY_LENGTH = 16
#: How long a run waits for the lock of a folder, in seconds.
LOCK_PATIENCE_S = 0.3
#: Time between two signs of life of a running stage, in seconds.
HEARTBEAT_S = 10.0
#: A running stage without a sign of life for so long is lost: 18 missed heartbeats.
LOST_AFTER_S = 180.0
#: Event of a finished result that was put away to be made again.
SET_ASIDE = "set aside"
_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,159}")
_KEY = re.compile(r"[0-9A-Za-z]{1,64}")


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
        return self.root / "stages" / check_stage_name(stage) / check_key(key)

    def is_complete(self, stage: str, key: str) -> bool:
        """True if the whole result of this stage, for exactly these inputs, is on disk."""
        try:
            folder = self.folder(stage, key)
            record = json.loads((folder / "stage.json").read_bytes())
            return record.get("key") == key and all(
                _is_file_of(folder, name, size) for name, size in record["files"].items()
            )
        except (OSError, StorageError, ValueError, AttributeError, KeyError, TypeError):
            return False

    def damage(self, stage: str, key: str) -> list[str]:
        """Files of a finished stage that are not what was written, by their SHA-256; empty if all is well.

        Results from before checksums were kept count as well if their sizes are right.
        """
        folder = self.folder(stage, key)
        if not self.is_complete(stage, key):
            return ["stage.json"]
        record = json.loads((folder / "stage.json").read_bytes())
        sums = record.get("sha256", {})
        return [
            name
            for name, value in sums.items()
            if name not in record["files"] or sha256(folder / name) != value
        ]

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
    def writing(self, stage: str, key: str, about: Mapping[str, Any] | None = None) -> Iterator[Path]:
        """Give a working folder; on success rename it into place, on an error leave no result.

        ``about`` is written into stage.json: with which code, in which queue job.
        """
        final = self.folder(stage, key)
        working = final.parent / f".{key}.{os.getpid()}@{socket.gethostname()}"
        with storage_errors(self.root):
            shutil.rmtree(working, ignore_errors=True)
            working.mkdir(parents=True)
        self.log(stage, event="started", key=key, pid=os.getpid(), host=socket.gethostname())
        begin = time.perf_counter()
        started = now()
        try:
            with _heartbeat(working):
                yield working
            with storage_errors(self.root):
                times = {
                    "started": started,
                    "finished": now(),
                    "seconds": round(time.perf_counter() - begin, 3),
                }
                self._seal(stage, key, working, {**times, **(about or {})})
        except BaseException as error:
            shutil.rmtree(working, ignore_errors=True)
            self.keep_traceback(stage)
            self.log(stage, event="failed", key=key, error=type(error).__name__, message=first_line(error))
            raise
        self.log(stage, event="finished", key=key)

    def _seal(self, stage: str, key: str, working: Path, about: Mapping[str, Any]) -> None:
        files = {
            str(path.relative_to(working)): path.stat().st_size
            for path in sorted(working.rglob("*"))
            if path.is_file()
        }
        record = {
            "stage": stage,
            "key": key,
            **about,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "files": files,
            "sha256": {name: sha256(working / name) for name in files},
        }
        for name in files:
            _sync(working / name)
        write_atomically(working / "stage.json", json.dumps(record, indent=1))
        self.put_in_place(stage, key, working)

    def last_sign_s(self, stage: str, key: str) -> float | None:
        """Seconds since the last sign of life of whoever works on a stage; None if nobody does or he cleaned up."""
        signs = []
        for working in (self.root / "stages" / check_stage_name(stage)).glob(f".{check_key(key)}.*"):
            with suppress(FileNotFoundError):
                signs.append(time.time() - working.stat().st_mtime)
        return min(signs, default=None)

    def put_in_place(self, stage: str, key: str, working: Path) -> None:
        """Rename a whole folder, written beside, to the place of a result."""
        final = self.folder(stage, key)
        shutil.rmtree(final, ignore_errors=True)
        working.rename(final)
        _sync(final.parent)

    def keep_traceback(self, stage: str) -> None:
        """Append the exception that is being handled to log/<stage>.txt."""
        with storage_errors(self.root), self.log_path(stage, "txt").open("a", encoding="utf-8") as handle:
            handle.write(f"--- {now()}\n{traceback.format_exc()}")

    def log_path(self, stage: str, suffix: str = "jsonl") -> Path:
        """The log of a stage: its events (jsonl) or its tracebacks (txt); the folder is made."""
        path = self.root / "log" / f"{check_stage_name(stage)}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, stage: str, **event: Any) -> None:
        """Append one event to the log of a stage."""
        with storage_errors(self.root), self.log_path(stage).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"time": now(), **event}) + "\n")

    def events(self, stage: str, key: str | None = None) -> list[dict[str, Any]]:
        """Logged events of a stage, oldest first; a line cut by a crash is left out."""
        try:
            path = self.root / "log" / f"{check_stage_name(stage)}.jsonl"
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, StorageError):
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
                if not _in_use(leftover):
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
            patience = time.monotonic() + LOCK_PATIENCE_S  # `holder` looks for a moment
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() > patience:
                        raise InputError(
                            f"another cosinter run is at work in {self.root}; wait for it or choose another --out"
                        ) from error
                    time.sleep(0.02)
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": sys.argv[1:]}
            with storage_errors(self.root):
                handle.truncate(0)
                handle.write(json.dumps(holder))
                handle.flush()
            yield

    def holder(self) -> Mapping[str, Any] | None:
        """The process that holds the folder (pid, host, command); None if nobody does."""
        import fcntl

        try:
            with (self.root / ".lock").open("r") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    found = json.loads(handle.read() or "{}")
                    return found if isinstance(found, dict) else {}
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # held, but by whom cannot be read
            return {}
        return None


def _is_file_of(folder: Path, name: str, size: int) -> bool:
    """Say whether a plain file of that size lies inside a folder under that relative name."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return False
    found = os.lstat(folder / name)
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _in_use(working: Path) -> bool:
    """Say whether the maker of a working folder is alive: by its process here, by its heartbeat elsewhere."""
    maker, _, host = working.name.rpartition(".")[2].partition("@")
    if host == socket.gethostname() and maker.isdigit():
        return process_alive(int(maker))
    try:
        return time.time() - working.stat().st_mtime < LOST_AFTER_S
    except FileNotFoundError:
        return False


@contextmanager
def _heartbeat(working: Path) -> Iterator[None]:
    """Touch a folder every few seconds, so that others see from any computer that its maker is alive."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_S):
            try:
                os.utime(working)
            except OSError:
                return  # the folder is gone, or its disk: the stage itself will tell

    pulse = threading.Thread(target=beat, name="heartbeat", daemon=True)
    pulse.start()
    try:
        yield
    finally:
        over.set()
        pulse.join()


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


def check_stage_name(name: str) -> str:
    """Return the name of a stage, which names folders and files.

    Raises
    ------
    StorageError
        It could lead anywhere else.
    """
    if not isinstance(name, str) or not _STAGE_NAME.fullmatch(name):
        raise StorageError(
            f"stage name {str(name)[:80]!r} cannot name a folder; allowed are letters, digits and . _ + -, at most 160"
        )
    return name


def check_key(key: str) -> str:
    """Return the key of a stage, which names a folder.

    Raises
    ------
    StorageError
        It is no hash.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise StorageError(f"key {str(key)[:80]!r} is no hash of a stage; allowed are letters and digits")
    return key


def sha256(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


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
