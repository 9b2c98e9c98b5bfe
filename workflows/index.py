"""Make the LaunchPad's index of a results folder again from the files, which are the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.addresses import Address
from cosinter.workflows.jobs import finish, of_results, workflow
from cosinter.workflows.plan import Plan
from cosinter.workflows.results import Results, now, storage_errors, write_atomically


@dataclass(frozen=True)
class Rebuilt:
    """What an index holds after it was made again."""

    address: str
    completed: int
    open: int
    set_aside: str | None


def rebuild(root: Path, address: Address) -> Rebuilt:
    """Write the stages of a results folder anew into the LaunchPad at ``address``: finished ones as COMPLETED.

    An embedded store that cannot be read is set aside, never deleted. A plan.json that is missing is made again from
    study.json.

    Raises
    ------
    InputError
        A run is at work in the folder.
    StorageError
        There is neither plan.json nor study.json, or the LaunchPad cannot be written.
    """
    results = Results(root)
    with results.lock():
        plan = _plan(results)
        aside = _set_aside_if_damaged(address)
        completed = _index(plan, results, address)
    return Rebuilt(address.shown, completed, len(plan.stages) - completed, aside)


def _plan(results: Results) -> Plan:
    try:
        return Plan.read(results.root)
    except StorageError:
        source = results.root / "study.json"
        if not source.is_file():
            raise
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.study_plan import make_plan

    plan = make_plan(load_study(source))
    with storage_errors(results.root):
        write_atomically(results.root / "plan.json", plan.to_json())
    return plan


def _set_aside_if_damaged(address: Address) -> str | None:
    from cosinter.workflows.launchpad import open_launchpad

    path = address.path
    if path is None or not path.exists():
        return None
    try:
        if not open_launchpad(address).connection.file.damage():
            return None
    except StorageError as error:
        if not any(word in str(error) for word in ("damaged", "not a store")):
            raise
    aside = path.with_name(f"{path.name}.damaged-{now()[:19].replace(':', '')}")
    with storage_errors(path.parent):
        path.rename(aside)
        for suffix in ("-wal", "-shm"):  # they belong to the file that was set aside
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + suffix))
    return str(aside)


def _index(plan: Plan, results: Results, address: Address) -> int:
    from cosinter.workflows.launchpad import opened

    with opened(address) as launchpad:
        return _fill(launchpad, plan, results)


def _fill(launchpad: Any, plan: Plan, results: Results) -> int:
    from fireworks.core.fworker import FWorker

    _forget(launchpad, results.root)
    launchpad.add_wf(workflow(plan, results, [stage.name for stage in plan.stages]))
    ids = {row["name"]: row["fw_id"] for row in launchpad.fireworks.find(of_results(results.root))}
    completed = 0
    worker = FWorker(name="rebuilt", query=of_results(results.root))
    for stage in plan.stages:
        key = plan.keys[stage.name]
        if results.is_complete(stage.name, key) and all(
            results.is_complete(name, plan.keys[name]) for name in stage.after
        ):
            folder = results.folder(stage.name, key)
            record = json.loads((folder / "stage.json").read_bytes())
            _, launch_id = launchpad.checkout_fw(
                worker, str(folder), fw_id=ids[stage.name], host=record.get("host")
            )
            finish(launchpad, launch_id, stored={"key": key, "folder": str(folder)}, state="COMPLETED")
            completed += 1
    return completed


def _forget(launchpad: Any, root: Path) -> None:
    """Delete the Workflows of a results folder."""
    while found := launchpad.fireworks.find_one(of_results(root), {"fw_id": 1}):
        launchpad.delete_wf(found["fw_id"])
