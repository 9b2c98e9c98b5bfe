"""Copy workflows from one LaunchPad to another: from an embedded store to a server and back, without loss.

Identifiers are given anew at the destination; everything else stays: states, launches with their history, archived
launches, results that lie in GridFS because they are too large for a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from cosinter.data.exceptions import InputError
from cosinter.workflows.jobs import RESULTS_FIELD

ORIGIN = "copied_from"
"""Key in the metadata of a copied Workflow: where it came from, so that it is copied once."""
_BUSY = ("RUNNING", "RESERVED")


@dataclass(frozen=True)
class Copied:
    """How many Workflows, Fireworks and launches were copied, and how many Workflows were there already."""

    workflows: int
    fireworks: int
    launches: int
    already: int


def copy_workflows(
    source: Any,
    target: Any,
    *,
    origin: str,
    study: str | None = None,
    results: str | None = None,
    running: bool = False,
) -> Copied:
    """Copy the Workflows of a study, of a results folder, or all.

    Parameters
    ----------
    source, target : LaunchPads.
    origin : name of the source, kept with each copy.
    running : copy also Workflows that are being worked on; their running Fireworks are copied as they are.

    Raises
    ------
    InputError
        There is nothing of that name, or it is being worked on.
    """
    query = {
        **({"metadata.study": study} if study is not None else {}),
        **({f"metadata.{RESULTS_FIELD}": results} if results is not None else {}),
    }
    found = list(source.workflows.find(query).sort("nodes", 1))
    if query and not found:
        raise InputError(f"no workflow of {study or results} is in {origin}")
    if not running:
        _refuse_busy(source, found, origin)
    counts = [0, 0, 0, 0]
    for workflow in found:
        mark = {"origin": origin, "nodes": sorted(workflow["nodes"])}
        with _together(target):
            if target.workflows.find_one({f"metadata.{ORIGIN}": mark}, {"_id": 1}):
                counts[3] += 1
                continue
            fireworks, launches = _copy_one(source, target, workflow, mark)
        counts[0] += 1
        counts[1] += fireworks
        counts[2] += launches
    return Copied(*counts)


def _refuse_busy(source: Any, workflows: Iterable[Mapping[str, Any]], origin: str) -> None:
    nodes = [node for workflow in workflows for node in workflow["nodes"]]
    query = {"fw_id": {"$in": nodes}, "state": {"$in": list(_BUSY)}}
    busy = source.fireworks.count_documents(query) if nodes else 0
    if busy:
        raise InputError(f"{busy} jobs in {origin} are at work; wait for them, or copy with --running")


def _together(launchpad: Any) -> AbstractContextManager[None]:
    """One transaction, where the LaunchPad is a file; on a server the order of the writes must do."""
    from cosinter.workflows.embedded.client import EmbeddedClient

    connection = launchpad.connection
    return connection.file.transaction() if isinstance(connection, EmbeddedClient) else nullcontext()


def _copy_one(
    source: Any, target: Any, workflow: Mapping[str, Any], mark: Mapping[str, Any]
) -> tuple[int, int]:
    """Copy one Workflow; its own document comes last, so that a copy that broke off is not seen."""
    nodes = list(workflow["nodes"])
    fireworks = list(source.fireworks.find({"fw_id": {"$in": nodes}}))
    launch_ids = [i for fw in fireworks for key in ("launches", "archived_launches") for i in fw.get(key, ())]
    launches = list(source.launches.find({"launch_id": {"$in": launch_ids}}))
    first = target.get_new_fw_id(quantity=len(nodes)) if nodes else 0
    fw_ids = {old: first + offset for offset, old in enumerate(sorted(nodes))}
    new_launches = {launch["launch_id"]: target.get_new_launch_id() for launch in launches}
    for launch in launches:
        target.launches.insert_one(_launch(launch, fw_ids, new_launches, _files(source, target)))
    for run in list(source.offline_runs.find({"launch_id": {"$in": list(new_launches)}})):
        changed = {
            "launch_id": new_launches[run["launch_id"]],
            "fw_id": fw_ids.get(run["fw_id"], run["fw_id"]),
        }
        target.offline_runs.insert_one({**_without_id(run), **changed})
    for firework in fireworks:
        target.fireworks.insert_one(_firework(firework, fw_ids, new_launches))
    target.workflows.insert_one(_workflow(workflow, fw_ids, mark))
    return len(fireworks), len(launches)


def _without_id(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "_id"}


def _launch(
    launch: Mapping[str, Any],
    fw_ids: Mapping[int, int],
    launches: Mapping[int, int],
    move: Callable[[Any, int], str],
) -> dict[str, Any]:
    copied = _without_id(launch)
    copied |= {
        "launch_id": launches[launch["launch_id"]],
        "fw_id": fw_ids.get(launch["fw_id"], launch["fw_id"]),
    }
    action = launch.get("action")
    if isinstance(action, Mapping) and "gridfs_id" in action:
        copied["action"] = {**action, "gridfs_id": move(action["gridfs_id"], copied["launch_id"])}
    return copied


def _files(source: Any, target: Any) -> Callable[[Any, int], str]:
    """Give what copies a file of GridFS for a launch and says its new identifier, as FireWorks writes it."""

    def move(identifier: Any, launch_id: int) -> str:
        from bson import ObjectId

        held = source.gridfs_fallback.get(ObjectId(identifier))
        about = {**(held.metadata or {}), "launch_id": launch_id}
        return str(target.gridfs_fallback.put(held.read(), encoding="utf-8", metadata=about))

    return move


def _firework(
    firework: Mapping[str, Any], fw_ids: Mapping[int, int], launches: Mapping[int, int]
) -> dict[str, Any]:
    copied = {**_without_id(firework), "fw_id": fw_ids[firework["fw_id"]]}
    for key in ("launches", "archived_launches"):
        if key in copied:
            copied[key] = [launches[i] for i in copied[key] if i in launches]
    return copied


def _workflow(
    workflow: Mapping[str, Any], fw_ids: Mapping[int, int], mark: Mapping[str, Any]
) -> dict[str, Any]:
    copied = _without_id(workflow)
    copied["nodes"] = [fw_ids[node] for node in workflow["nodes"]]
    for key in ("links", "parent_links"):
        copied[key] = {
            str(fw_ids[int(node)]): [fw_ids[other] for other in others]
            for node, others in workflow.get(key, {}).items()
        }
    copied["fw_states"] = {
        str(fw_ids[int(node)]): state for node, state in workflow.get("fw_states", {}).items()
    }
    copied.pop("locked", None)
    copied["metadata"] = {**(workflow.get("metadata") or {}), ORIGIN: dict(mark)}
    return copied
