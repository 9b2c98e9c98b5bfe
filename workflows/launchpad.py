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
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import CosinterError, InputError, StorageError
from cosinter.workflows.addresses import CHILD_VARIABLE, Address, find_address
from cosinter.workflows.jobs import RESULTS_FIELD, of_results

SERVER_TIMEOUT_MS = 3_000
"""Within this time a server answers or the user is told why not."""
QUIET = "CRITICAL"
ID_COLLECTION = "fw_id_assigner"

_ANY_AGE_S = -10 * 365 * 86400  # "older than ten years from now": every run, whatever the clock did


def open_launchpad(
    address: Address | str | Path, *, allow_network: bool = False, log_level: str = QUIET
) -> Any:
    """Open a `fireworks.LaunchPad`; a new one is made ready for use.

    Parameters
    ----------
    address : see :func:`cosinter.workflows.addresses.find_address`.
    allow_network : open a file on a network file system; only one computer may use it then.
    log_level : FireWorks' messages on standard output, `"INFO"` to see them.

    Raises
    ------
    InputError
        The address is no place for a launchpad.
    MissingEngineError
        FireWorks is missing or of an unknown version.
    StorageError
        The file cannot be used (damaged, foreign, newer, read-only, remote), or the server cannot (wrong name, no
        route, wrong password, no right to write, no answer), or its database belongs to something else.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     launchpad = open_launchpad(f"{folder}/fw.db")
    ...     launchpad.get_fw_ids()
    []
    """
    from cosinter.workflows.embedded.methods import install

    place = address if isinstance(address, Address) else find_address(address)
    install()
    from fireworks.core.launchpad import LaunchPad

    if not place.embedded:
        return _open_server(LaunchPad, place, log_level)
    options = {"allow_network": True} if allow_network else {}
    launchpad = LaunchPad(**{**place.options, "strm_lvl": log_level, "mongoclient_kwargs": options})
    if not launchpad.fw_id_assigner.find_one({}):
        with launchpad.connection.file.transaction():
            if not launchpad.fw_id_assigner.find_one({}):  # another process may have been faster
                launchpad._restart_ids(1, 1)
                launchpad.tuneup()
    return launchpad


@contextmanager
def opened(address: Address | str | Path, *, log_level: str = QUIET) -> Iterator[Any]:
    """Open a LaunchPad for a while: the connection to a server is closed afterwards.

    Raises
    ------
    InputError, MissingEngineError, StorageError
        See :func:`open_launchpad`.
    """
    launchpad = open_launchpad(address, log_level=log_level)
    try:
        yield launchpad
    finally:
        launchpad.connection.close()


def _open_server(launchpad_class: Any, place: Address, log_level: str) -> Any:
    from cosinter.workflows.server_errors import explained, hidden

    limits = {name: SERVER_TIMEOUT_MS for name in ("serverSelectionTimeoutMS", "connectTimeoutMS")}
    given = dict(place.options.get("mongoclient_kwargs") or {})
    uri = str(place.options.get("host", ""))
    options = {**{key: value for key, value in limits.items() if key not in uri}, **given}
    indices = list(dict.fromkeys([*(place.options.get("user_indices") or ()), f"spec.{RESULTS_FIELD}"]))
    launchpad = None
    try:
        launchpad = launchpad_class(
            **{**place.options, "strm_lvl": log_level, "mongoclient_kwargs": options, "user_indices": indices}
        )
        launchpad.connection.admin.command("ping")
        _make_ready(launchpad, place)
    except Exception as exc:
        if launchpad is not None:
            launchpad.connection.close()
        sentence = explained(exc, place.shown)
        if sentence is None:
            raise
        raise StorageError(sentence) from hidden(exc)
    return launchpad


def _make_ready(launchpad: Any, place: Address) -> None:
    """Number from 1 in a new database; refuse one that is used for something else."""
    if launchpad.fw_id_assigner.find_one({}):
        return
    others = [name for name in launchpad.db.list_collection_names() if not name.startswith("system.")]
    if {"fireworks", "launches", "workflows"}.isdisjoint(others) and others:
        raise StorageError(
            f"the database at {place.shown} holds {', '.join(sorted(others)[:3])} and no launchpad; name another database"
        )
    if launchpad.fireworks.find_one({}):
        raise StorageError(
            f"the launchpad at {place.shown} has lost its counter ({ID_COLLECTION}); restore it from a copy"
        )
    # an upsert with a fixed _id: of two clients that make a database ready at once, one does it
    launchpad.fw_id_assigner.update_one(
        {"_id": "counter"}, {"$setOnInsert": {"next_fw_id": 1, "next_launch_id": 1}}, upsert=True
    )
    launchpad.tuneup()


def recover_lost_runs(launchpad: Any, results: Path | None = None) -> list[int]:
    """Make every RUNNING or RESERVED Firework READY again and clear workflow locks.

    Only for a caller who knows that no worker is alive that works for the ``results`` folder, or, where none is
    given, for anything in this launchpad: it does not ask.

    Returns
    -------
    list of int
        The fw_ids that will run again, sorted.
    """
    from contextlib import nullcontext

    from cosinter.workflows.embedded.client import EmbeddedClient

    connection = launchpad.connection
    with connection.file.transaction() if isinstance(connection, EmbeddedClient) else nullcontext():
        lost = _unfinished(launchpad, results)
        workflows: dict[str, Any] = {"locked": {"$exists": True}}
        launches = None
        if results is not None:
            workflows["nodes"] = {"$in": list(lost)}
            launches = {"launch_id": {"$in": [i for own in lost.values() for i in own]}}
        launchpad.workflows.update_many(workflows, {"$unset": {"locked": True}})
        if lost:
            launchpad.detect_lostruns(expiration_secs=_ANY_AGE_S, rerun=True, launch_query=launches)
        for fw_id, own in _unfinished(launchpad, results).items():
            reserved = list(
                launchpad.launches.find({"launch_id": {"$in": own}, "state": "RESERVED"}, {"launch_id": 1})
            )
            for launch in reserved:
                launchpad.cancel_reservation(launch["launch_id"])
            if not reserved:  # no launch tells of this one
                launchpad.rerun_fw(fw_id)
    return sorted(lost)


def _unfinished(launchpad: Any, results: Path | None) -> dict[int, list[int]]:
    """Fireworks that are RUNNING or RESERVED, and their launches."""
    query = {**({} if results is None else of_results(results)), "state": {"$in": ["RUNNING", "RESERVED"]}}
    found = launchpad.fireworks.find(query, {"fw_id": 1, "launches": 1})
    return {int(row["fw_id"]): list(row["launches"]) for row in found}


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
    parser.add_argument(
        "--address",
        default=os.environ.get(CHILD_VARIABLE),
        help="file of the embedded store, my_launchpad.yaml, or mongodb:// address",
    )
    parser.add_argument(
        "--launch-root", required=True, type=Path, help="folder in which launch folders are made"
    )
    parser.add_argument("--worker-name", default="local")
    parser.add_argument("--results", type=Path, help="results folder to work for; everything if not given")
    parser.add_argument("--stay", action="store_true", help="wait for more work when everything is done")
    given = parser.parse_args(arguments)
    try:
        run_worker(
            given.address,
            worker_name=given.worker_name,
            launch_root=given.launch_root,
            results=given.results,
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
