"""Teach FireWorks to open `sqlite://` addresses, and make each LaunchPad method one transaction there.

FireWorks keeps the name `MongoClient` in three modules and builds `LaunchPad` by name when it reads it back, so these
names are replaced; the new one decides by address, and servers still get the client that was there before.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Any

from cosinter.data.exceptions import MissingEngineError
from cosinter.workflows.embedded.client import EmbeddedClient
from cosinter.workflows.embedded.serializers import install_serializers

SCHEME = "sqlite://"
FIREWORKS_MAJOR = 2
QUEUE = [("spec._priority", -1)]
"""Any order that the file keeps will do to see whether there is something."""
FRESH = timedelta(seconds=1)
"""Signs of life are at least this far apart; FireWorks misses them after hours."""
TRANSACTIONAL = (
    "_check_fw_for_uniqueness",
    "_refresh_wf",
    "_restart_ids",
    "_steal_launches",
    "_update_wf",
    "_upsert_fws",
    "add_offline_run",
    "add_wf",
    "append_wf",
    "archive_wf",
    "bulk_add_wfs",
    "cancel_reservation",
    "cancel_reservation_by_reservation_id",
    "change_launch_dir",
    "checkout_fw",
    "complete_launch",
    "defuse_fw",
    "defuse_wf",
    "delete_fws",
    "delete_wf",
    "detect_lostruns",
    "detect_unreserved",
    "forget_offline",
    "get_new_fw_id",
    "get_new_launch_id",
    "mark_fizzled",
    "pause_fw",
    "pause_wf",
    "recover_offline",
    "reignite_fw",
    "reignite_wf",
    "rerun_fw",
    "reserve_fw",
    "reset",
    "restore_backup_data",
    "resume_fw",
    "set_priority",
    "set_reservation_id",
    "tuneup",
    "update_spec",
)
"""Methods of LaunchPad that write; `ping_launch` is treated apart."""

_installed = False
_lock = threading.Lock()


def install() -> None:
    """Let `LaunchPad`, `FilePad` and the stock commands of FireWorks accept `sqlite:///path` as host.

    Also gives `zopen` in FireWorks' offline mode the default mode that current monty no longer has, and stops
    the progress bar of `bulk_add_wfs`. Calling it again does nothing.

    Raises
    ------
    MissingEngineError
        FireWorks is not installed, or of a major version that this was not written for.
    """
    global _installed
    with _lock:
        if not _installed:
            _check_version()
            _replace_names()
            _installed = True


def _check_version() -> None:
    try:
        version = metadata.version("fireworks")
    except metadata.PackageNotFoundError as exc:
        raise MissingEngineError(
            "FireWorks is not installed; run 'pip install \"fireworks>=2.1.4,<3\"'"
        ) from exc
    if version.split(".")[0] != str(FIREWORKS_MAJOR):
        raise MissingEngineError(
            f"FireWorks {version} is not known to the embedded store, which needs {FIREWORKS_MAJOR}.x; "
            "install 'fireworks>=2.1.4,<3'"
        )


def _replace_names() -> None:
    import mongomock.gridfs
    from fireworks import fw_config
    from fireworks.core import launchpad, rocket
    from fireworks.utilities import filepad, fw_serializers

    missing = [name for name in TRANSACTIONAL if not callable(getattr(launchpad.LaunchPad, name, None))]
    if missing:
        raise MissingEngineError(
            f"this FireWorks has no LaunchPad.{missing[0]}, which the embedded store needs; install 'fireworks==2.1.4'"
        )
    gridfs: Any = mongomock.gridfs
    gridfs.enable_gridfs_integration()
    client = _client_by_address(fw_config.MongoClient)
    for module in (fw_config, launchpad, filepad):
        module.MongoClient = client
    for name in TRANSACTIONAL:
        setattr(launchpad.LaunchPad, name, _in_one_transaction(getattr(launchpad.LaunchPad, name)))
    launchpad.LaunchPad.ping_launch = _sign_of_life(launchpad.LaunchPad.ping_launch)
    launchpad.LaunchPad.run_exists = _without_loading(launchpad.LaunchPad.run_exists)
    launchpad.WFLock.__init__ = _without_waiting(launchpad.WFLock.__init__)
    launchpad.WFLock.__enter__ = _without_locking(launchpad.WFLock.__enter__)
    rocket.ping_launch = _ping_until_told(rocket)
    install_serializers(fw_serializers)
    launchpad.tqdm = iter  # a disabled bar would still start a thread
    rocket.zopen = _with_default_mode(rocket.zopen)


def _client_by_address(server_client: Callable[..., Any]) -> Callable[..., Any]:
    def client(host: Any = None, port: Any = None, **options: Any) -> Any:
        if isinstance(host, str) and host.startswith(SCHEME):
            allow = bool(options.get("allow_network", False))
            return EmbeddedClient(host.removeprefix(SCHEME), allow_network=allow)
        return server_client(host, port, **options)

    return client


def _in_one_transaction(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self.connection, EmbeddedClient):
            return method(self, *args, **kwargs)
        with self.connection.file.transaction():
            return method(self, *args, **kwargs)

    return wrapped


def _without_waiting(initialise: Callable[..., None]) -> Callable[..., None]:
    """A lock that is seen inside a transaction was left behind: never sleep on it while holding the file."""

    @functools.wraps(initialise)
    def wrapped(self: Any, lp: Any, fw_id: int, *args: Any, **kwargs: Any) -> None:
        initialise(self, lp, fw_id, *args, **kwargs)
        if isinstance(getattr(lp, "connection", None), EmbeddedClient):
            self.expire_secs, self.kill = 0, True

    return wrapped


def _without_locking(enter: Callable[..., None]) -> Callable[..., None]:
    """Inside a transaction nobody else can write: a lock would only be set, written and removed again."""

    @functools.wraps(enter)
    def wrapped(self: Any) -> None:
        connection = getattr(self.lp, "connection", None)
        if not isinstance(connection, EmbeddedClient) or not connection.file.in_transaction():
            enter(self)

    return wrapped


def _sign_of_life(ping: Callable[..., None]) -> Callable[..., None]:
    """A ping changes no state: it is one transaction too, but does not wait for the disk.

    One with a checkpoint does wait, unless it is the one before the first task: later ones hold finished work.
    """

    @functools.wraps(ping)
    def wrapped(self: Any, launch_id: int, ptime: Any = None, checkpoint: Any = None) -> None:
        if not isinstance(self.connection, EmbeddedClient):
            return ping(self, launch_id, ptime, checkpoint)
        if not checkpoint and ptime is None and _just_seen(self.launches, launch_id):
            return None
        durable = bool(checkpoint) and checkpoint.get("_task_n") != 0
        with self.connection.file.transaction(durable=durable):
            if not _note_ping(self.launches, launch_id, ptime, checkpoint):
                ping(self, launch_id, ptime, checkpoint)
            return None

    return wrapped


def _just_seen(launches: Any, launch_id: int) -> bool:
    """Say whether a launch was heard of so recently that another ping tells nothing, and has no files to track."""
    launch = launches.find_one({"launch_id": launch_id})
    if launch is None or launch.get("trackers") != [] or not launch.get("state_history"):
        return False
    try:
        heard = datetime.fromisoformat(launch["state_history"][-1]["updated_on"])
    except (KeyError, TypeError, ValueError):
        return False
    if heard.tzinfo is None:  # as earlier versions of FireWorks wrote it
        heard = heard.replace(tzinfo=UTC)
    return timedelta(0) <= datetime.now(UTC) - heard < FRESH


def _note_ping(launches: Any, launch_id: int, ptime: Any, checkpoint: Any) -> bool:
    """Write the time into the launch without making an object of it; False where files have to be tracked."""
    from fireworks.utilities.fw_serializers import recursive_dict

    launch = launches.find_one({"launch_id": launch_id})
    if launch is None or launch.get("trackers") != [] or not launch.get("state_history"):
        return False
    if launch["state"] == "RUNNING":
        latest = launch["state_history"][-1]
        latest["updated_on"] = (ptime or datetime.now(UTC)).isoformat()
        if checkpoint:
            latest["checkpoint"] = recursive_dict(checkpoint)
        launches.update_one({"_id": launch["_id"]}, {"$set": {"state_history": launch["state_history"]}})
    return True


def _without_loading(exists: Callable[..., bool]) -> Callable[..., bool]:
    """Whether something is READY is one look-up; the Firework itself is loaded when it is taken."""

    @functools.wraps(exists)
    def wrapped(self: Any, fworker: Any = None) -> bool:
        if not isinstance(self.connection, EmbeddedClient):
            return exists(self, fworker)
        query = {**(fworker.query if fworker else {}), "state": "READY"}
        return self.fireworks.find_one(query, {"fw_id": 1}, sort=QUEUE) is not None

    return wrapped


def _ping_until_told(rocket: Any) -> Callable[..., None]:
    """Ping at intervals until told to stop; the one that tells it so pings itself, once is enough."""

    def ping_launch(launchpad: Any, launch_id: int, stop_event: Any, master_thread: Any) -> None:
        while not stop_event.wait(rocket.PING_TIME_SECS) and master_thread.is_alive():
            rocket.do_ping(launchpad, launch_id)

    return ping_launch


def _with_default_mode(zopen: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(filename: Any, mode: str = "rt", **options: Any) -> Any:
        if "b" not in mode:
            options.setdefault("encoding", "utf-8")
        return zopen(filename, mode, **options)

    return wrapped
