"""Open FireWorks' LaunchPad on a local file or on a MongoDB server, and run its workers.

    launchpad = open_launchpad("results/fw.db")           # embedded: one SQLite file, several local processes
    launchpad = open_launchpad("mongodb://host/database")  # a server, plain FireWorks

FireWorks' own API works unchanged on both. On the embedded store every LaunchPad method is one transaction: a state
change is on disk when the call returns, and a kill at any moment leaves the state before or after it.
FireWorks' commands work through `python -m cosinter.workflows.launchpad lpad|rlaunch|qlaunch ...` with
`host: sqlite:///path/fw.db`, `uri_mode: true`, `name: fireworks` in `my_launchpad.yaml`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cosinter.data.exceptions import CosinterError, InputError, StorageError

SCHEME = "sqlite://"
SERVER_SCHEMES = ("mongodb://", "mongodb+srv://")
DATABASE_NAME = "fireworks"
SERVER_TIMEOUT_MS = 10_000
QUIET = "CRITICAL"

_ANY_AGE_S = -10 * 365 * 86400  # "older than ten years from now": every run, whatever the clock did


def open_launchpad(address: str | Path, *, allow_network: bool = False, log_level: str = QUIET) -> Any:
    """Open a `fireworks.LaunchPad`; a new embedded store is made ready for use.

    Parameters
    ----------
    address : a path, `sqlite:///absolute/path/fw.db`, or a `mongodb://` URI (database "fireworks" unless it names one).
    allow_network : open a file on a network file system; only one computer may use it then.
    log_level : FireWorks' messages on standard output, `"INFO"` to see them.

    Raises
    ------
    InputError
        The address is none of these.
    MissingEngineError
        FireWorks is missing or of an unknown version.
    StorageError
        The file cannot be used (damaged, foreign, newer, read-only, remote), or no server answers.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     launchpad = open_launchpad(f"{folder}/fw.db")
    ...     launchpad.get_fw_ids()
    []
    """
    from cosinter.workflows.embedded.methods import install

    uri = _normalised(address)
    install()
    from fireworks.core.launchpad import LaunchPad

    if not uri.startswith(SCHEME):
        return _open_server(LaunchPad, uri, log_level)
    options = {"allow_network": True} if allow_network else {}
    launchpad = LaunchPad(
        host=uri, name=DATABASE_NAME, uri_mode=True, strm_lvl=log_level, mongoclient_kwargs=options
    )
    if not launchpad.fw_id_assigner.find_one({}):
        with launchpad.connection.file.transaction():
            if not launchpad.fw_id_assigner.find_one({}):  # another process may have been faster
                launchpad._restart_ids(1, 1)
                launchpad.tuneup()
    return launchpad


def _normalised(address: str | Path) -> str:
    text = str(address).strip()
    if text.startswith(SERVER_SCHEMES):
        return text
    if text.startswith(SCHEME):
        text = text.removeprefix(SCHEME)
        if not text.startswith("/"):
            raise InputError(
                f"address 'sqlite://{text}' lacks an absolute path; write sqlite:///folder/fw.db"
            )
    elif "://" in text:
        raise InputError(
            f"address '{_without_password(text)}' is no path, sqlite:///path or mongodb://host address"
        )
    if not text:
        raise InputError("the address of the launchpad is empty; give a file or a mongodb:// address")
    return f"{SCHEME}{Path(text).expanduser().resolve()}"


def _without_password(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _open_server(launchpad_class: Any, uri: str, log_level: str) -> Any:
    from pymongo.errors import PyMongoError

    options = {} if "serverSelectionTimeoutMS" in uri else {"serverSelectionTimeoutMS": SERVER_TIMEOUT_MS}
    name = urlsplit(uri).path.strip("/") or DATABASE_NAME
    launchpad = None
    try:
        launchpad = launchpad_class(
            host=uri, name=name, uri_mode=True, strm_lvl=log_level, mongoclient_kwargs=options
        )
        launchpad.connection.admin.command("ping")
    except PyMongoError as exc:
        if launchpad is not None:
            launchpad.connection.close()
        shown = _without_password(uri)
        raise StorageError(f"no MongoDB server can be used at '{shown}': {str(exc).split(',')[0]}") from exc
    return launchpad


def recover_lost_runs(launchpad: Any) -> list[int]:
    """Make every RUNNING or RESERVED Firework READY again and clear workflow locks.

    Only for a caller who knows that no worker of this launchpad is alive: it does not ask.

    Returns
    -------
    list of int
        The fw_ids that will run again, sorted.
    """
    from contextlib import nullcontext

    from cosinter.workflows.embedded.client import EmbeddedClient

    connection = launchpad.connection
    with connection.file.transaction() if isinstance(connection, EmbeddedClient) else nullcontext():
        launchpad.workflows.update_many({"locked": {"$exists": True}}, {"$unset": {"locked": True}})
        lost = _unfinished(launchpad)
        launchpad.detect_lostruns(expiration_secs=_ANY_AGE_S, rerun=True)
        launchpad.detect_unreserved(expiration_secs=_ANY_AGE_S, rerun=True)
        for fw_id in _unfinished(launchpad):  # no launch tells of these
            launchpad.rerun_fw(fw_id)
    return lost


def _unfinished(launchpad: Any) -> list[int]:
    query = {"state": {"$in": ["RUNNING", "RESERVED"]}}
    return sorted(int(found["fw_id"]) for found in launchpad.fireworks.find(query, {"fw_id": 1}))


def lpad_main(arguments: Sequence[str]) -> int:
    """Run FireWorks' `lpad`, `rlaunch` or `qlaunch` (first argument) so that it understands embedded stores."""
    from importlib import import_module

    from cosinter.workflows.embedded.methods import install

    install()
    command = arguments[0]
    return int(getattr(import_module(f"fireworks.scripts.{command}_run"), command)(list(arguments[1:])) or 0)


def worker_main(arguments: Sequence[str]) -> int:
    """Run one worker as told by command-line arguments; return the exit status."""
    from cosinter.workflows.worker import run_worker

    parser = argparse.ArgumentParser("python -m cosinter.workflows.launchpad", description=run_worker.__doc__)
    parser.add_argument("--address", required=True, help="file of the embedded store, or mongodb:// address")
    parser.add_argument(
        "--launch-root", required=True, type=Path, help="folder in which launch folders are made"
    )
    parser.add_argument("--worker-name", default="local")
    parser.add_argument("--stay", action="store_true", help="wait for more work when everything is done")
    given = parser.parse_args(arguments)
    try:
        run_worker(
            given.address,
            worker_name=given.worker_name,
            launch_root=given.launch_root,
            stop_when_idle=not given.stay,
        )
    except CosinterError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, InputError) else 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a stock FireWorks command if one is named, else a worker."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("lpad", "rlaunch", "qlaunch"):
        return lpad_main(given)
    return worker_main(given)


if __name__ == "__main__":
    raise SystemExit(main())
