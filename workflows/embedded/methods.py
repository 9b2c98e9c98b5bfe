"""Teach FireWorks to open `sqlite://` addresses, and make each LaunchPad method one transaction there.

FireWorks keeps the name `MongoClient` in three modules and builds `LaunchPad` by name when it reads it back, so these
names are replaced; the new one decides by address, and servers still get the client that was there before.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from importlib import metadata
from typing import Any

from cosinter.data.exceptions import MissingEngineError
from cosinter.workflows.embedded.client import EmbeddedClient

SCHEME = "sqlite://"
FIREWORKS_MAJOR = 2
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
    "ping_launch",
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
"""Methods of LaunchPad that write."""

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
    from fireworks.utilities import filepad

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
    launchpad.WFLock.__init__ = _without_waiting(launchpad.WFLock.__init__)
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


def _with_default_mode(zopen: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(filename: Any, mode: str = "rt", **options: Any) -> Any:
        if "b" not in mode:
            options.setdefault("encoding", "utf-8")
        return zopen(filename, mode, **options)

    return wrapped
