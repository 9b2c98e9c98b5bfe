"""Run Fireworks one after the other in this process, and leave cleanly when told to stop."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.launchpad import QUIET, open_launchpad

try:
    import fcntl
except ImportError:  # not on Windows: there every run counts as alive
    fcntl = None  # type: ignore[assignment]

#: Longest wait for a thread that was told to end.
PING_END_S = 5.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_OWNER = "cosinter_worker"  # key in the worker's environment that tells whose run a launch is


class Stopped(SystemExit):
    """A signal asked the worker to stop; its exit status is 128 + the signal's number."""


def run_worker(
    address: str | Path,
    *,
    worker_name: str = "local",
    launch_root: str | Path,
    stop_when_idle: bool = True,
    poll_s: float = 0.2,
) -> int:
    """Run what is READY until nothing is READY or RUNNING any more.

    Each Firework runs in a new folder of its own. In the main thread, SIGTERM and SIGINT make the running Firework
    FIZZLED at once and end the worker; a state change that is being written is finished first.

    Parameters
    ----------
    address : see `open_launchpad`.
    worker_name : matched with `_fworker` in the spec of a Firework.
    launch_root : folder in which the launch folders are made.
    stop_when_idle : False to wait for more work for ever.
    poll_s : pause between two looks while others are running, in seconds.

    Returns
    -------
    int
        How many Fireworks were run here, whether they completed or fizzled.

    Raises
    ------
    Stopped
        A signal came (a `SystemExit`).
    StorageError
        The store or the launch folder failed.
    """
    from fireworks.core.fworker import FWorker

    launchpad = open_launchpad(address)
    root = Path(launch_root).expanduser().resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(f"the launch folder '{root}' cannot be made: {exc.strerror or exc}") from exc
    home = Path.cwd()
    launched = 0
    with (
        _alive(launchpad) as owner,
        _quiet_rocket() as end_pings,
        _stop_on_signals(launchpad) as told_to_stop,
    ):
        fworker = FWorker(name=worker_name, env={_OWNER: owner} if owner else {})
        try:
            while not told_to_stop:
                if launchpad.run_exists(fworker):
                    launched += _launch_one(launchpad, fworker, root)
                elif stop_when_idle and not _others_run(launchpad, owner):
                    return launched
                else:
                    time.sleep(poll_s)
            raise told_to_stop[-1]
        finally:
            with suppress(FileNotFoundError):
                os.chdir(home)
            told_to_stop.append(Stopped(1))  # from here on signals are only noted
            _fizzle_own(launchpad)
            end_pings()


def _launch_one(launchpad: Any, fworker: Any, root: Path) -> int:
    from fireworks.core.rocket_launcher import launch_rocket

    stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M-%S-%f")
    folder = root / f"launcher_{stamp}_{os.getpid()}"
    folder.mkdir()
    os.chdir(folder)
    ran = launch_rocket(launchpad, fworker, strm_lvl=QUIET, err_file=io.StringIO())
    launchpad.backup_launch_data.clear()
    launchpad.backup_fw_data.clear()
    if not ran:  # another worker was faster
        os.chdir(root)
        with suppress(OSError):
            folder.rmdir()
    return int(bool(ran))


def _others_run(launchpad: Any, owner: str) -> bool:
    """Say whether a launch is running whose worker is not known to be dead."""
    running = launchpad.launches.find({"state": "RUNNING"}, {"fworker.env": 1})
    owners = {str(((launch.get("fworker") or {}).get("env") or {}).get(_OWNER, "")) for launch in running}
    return any(not _is_dead(Path(name)) if name else True for name in owners - {owner or None})


def _fizzle_own(launchpad: Any) -> None:
    """Mark what this worker took and did not finish; only a stop between two steps of a launch leaves such."""
    for launch_id in list(launchpad.backup_launch_data):
        if launchpad.launches.find_one({"launch_id": launch_id, "state": "RUNNING"}, {"launch_id": 1}):
            launchpad.mark_fizzled(launch_id)


# --- signs of life --------------------------------------------------------------------------------------------------


@contextmanager
def _alive(launchpad: Any) -> Iterator[str]:
    """Hold a locked file beside the embedded store; the lock goes when the process dies, however it dies."""
    from cosinter.workflows.embedded.client import EmbeddedClient

    if fcntl is None or not isinstance(launchpad.connection, EmbeddedClient):
        yield ""
        return
    store = launchpad.connection.file.path
    path = store.with_name(f"{store.name}-workers") / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield str(path)
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()


def _is_dead(path: Path) -> bool:
    try:
        other: IO[str] = path.open("r+")
    except FileNotFoundError:
        return True
    with other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


# --- FireWorks' habits ----------------------------------------------------------------------------------------------


@contextmanager
def _quiet_rocket() -> Iterator[Callable[[], None]]:
    """Silence FireWorks and give what ends its ping threads, which would keep a stopped process for an hour.

    They are made daemons as well: a signal may strike before the collector has seen a new one. A thread told to stop
    pings once more; it is waited for, since one that still writes while the interpreter shuts down crashes it.
    """
    from fireworks.core import rocket

    start = rocket.start_ping_launch
    stops: list[threading.Event] = []
    threads: list[threading.Thread] = []

    def thread(*arguments: Any, **options: Any) -> threading.Thread:
        threads[:] = [t for t in threads if t.is_alive()]
        threads.append(threading.Thread(*arguments, daemon=True, **options))
        return threads[-1]

    def end() -> None:
        for stop in stops:
            stop.set()
        if stops:
            for known in threads:
                if known.is_alive():
                    known.join(timeout=PING_END_S)

    def start_and_note(launchpad: Any, launch_id: int) -> Any:
        stop = start(launchpad, launch_id)
        stops[:] = [s for s in stops if not s.is_set()]
        if stop is not None:
            stops.append(stop)
        return stop

    ours = {
        "start_ping_launch": start_and_note,
        "Thread": thread,
        "ROCKET_STREAM_LOGLEVEL": QUIET,
    }
    theirs = {name: getattr(rocket, name) for name in ours}
    vars(rocket).update(ours)
    try:
        yield end
    finally:
        vars(rocket).update(theirs)


@contextmanager
def _stop_on_signals(launchpad: Any) -> Iterator[list[Stopped]]:
    """Turn stop signals into `Stopped`, raised in the main thread between two transactions."""
    from cosinter.workflows.embedded.client import EmbeddedClient

    told: list[Stopped] = []
    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    connection = launchpad.connection
    file = connection.file if isinstance(connection, EmbeddedClient) else None

    def stop(number: int, frame: FrameType | None) -> None:
        told.append(Stopped(128 + number))
        if len(told) > 1:
            return  # already leaving
        if file is None:
            raise told[0]
        file.interrupt(told[0])

    previous = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield told
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
