"""Run Fireworks one after the other in this process, and leave cleanly when told to stop."""

from __future__ import annotations

import io
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.jobs import of_results
from cosinter.workflows.launchpad import QUIET, open_launchpad
from cosinter.workflows.trust import only_own_tasks

try:
    import fcntl
except ImportError:  # not on Windows: there every run counts as alive
    fcntl = None  # type: ignore[assignment]

#: Longest wait for a thread that was told to end.
PING_END_S = 5.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_OWNER = "cosinter_worker"  # keys in the worker's environment that tell whose run a launch is, and where
_HOST = "cosinter_host"
_ALIVE = ".alive"


class Stopped(SystemExit):
    """A signal asked the worker to stop; its exit status is 128 + the signal's number."""


def run_worker(
    address: str | Path,
    *,
    worker_name: str = "local",
    launch_root: str | Path,
    results: Path | None = None,
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
    results : results folder to work for, and then nothing but stages of studies is run; every Firework of the
        LaunchPad, whatever it does, if not given.
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
    scope = {} if results is None else of_results(results)
    with (
        _alive(root) as owner,
        _quiet_rocket() as end_pings,
        _stop_on_signals(launchpad) as told_to_stop,
        only_own_tasks(launchpad) if results is not None else nullcontext(),
    ):
        env = {_OWNER: owner, _HOST: socket.gethostname()} if owner else {}
        fworker = FWorker(name=worker_name, query=scope, env=env)
        try:
            while not told_to_stop:
                if launchpad.run_exists(fworker):
                    launched += _launch_one(launchpad, fworker, root)
                elif stop_when_idle and not _others_run(launchpad, scope, owner):
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


def _others_run(launchpad: Any, scope: dict[str, str], owner: str) -> bool:
    """Say whether a launch is running whose worker is not known to be dead."""
    query: dict[str, Any] = {"state": "RUNNING"}
    if scope:
        busy = launchpad.fireworks.find({**scope, "state": "RUNNING"}, {"launches": 1})
        query["launch_id"] = {"$in": [i for firework in busy for i in firework["launches"]]}
    running = launchpad.launches.find(query, {"fworker.env": 1})
    environments = [(launch.get("fworker") or {}).get("env") or {} for launch in running]
    return any(env.get(_OWNER) != owner and not _is_dead(env) for env in environments)


def _fizzle_own(launchpad: Any) -> None:
    """Mark what this worker took and did not finish; only a stop between two steps of a launch leaves such."""
    for launch_id in list(launchpad.backup_launch_data):
        if launchpad.launches.find_one({"launch_id": launch_id, "state": "RUNNING"}, {"launch_id": 1}):
            launchpad.mark_fizzled(launch_id)


# --- signs of life --------------------------------------------------------------------------------------------------


@contextmanager
def _alive(launch_root: Path) -> Iterator[str]:
    """Hold a locked file in the launch folder; the lock goes when the process dies, however it dies."""
    if fcntl is None:
        yield ""
        return
    path = launch_root / _ALIVE / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield str(path)
        finally:
            path.unlink(missing_ok=True)


def _is_dead(environment: Mapping[str, Any]) -> bool:
    """Say whether the worker of a launch has died; one on another computer counts as alive."""
    if _OWNER not in environment or environment.get(_HOST) != socket.gethostname():
        return False
    try:
        with Path(environment[_OWNER]).open("r+") as other:
            return _can_lock(other)
    except FileNotFoundError:
        return True


def _can_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
