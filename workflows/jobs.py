"""Stages of a plan as Fireworks: put them into a LaunchPad, find them again, note how they ended.

Many studies may share a LaunchPad: every Firework carries the folder of its results in its spec, and nothing here
touches the Fireworks of another folder.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cosinter.workflows.plan import Plan
from cosinter.workflows.results import Results

RESULTS_FIELD = "results"
"""Key in the spec of a Firework: the results folder that it works for."""
ENDED = ("COMPLETED", "ARCHIVED")


@dataclass(frozen=True)
class Job:
    """A stage as the LaunchPad knows it."""

    fw_id: int
    stage: str
    state: str
    launch_id: int | None = None
    reservation_id: str | None = None


def of_results(root: Path) -> dict[str, str]:
    """Query for the Fireworks of a results folder."""
    return {f"spec.{RESULTS_FIELD}": str(root)}


def add_stages(launchpad: Any, plan: Plan, results: Results, missing: Collection[str]) -> None:
    """Add the ``missing`` stages as one Workflow; what an earlier call left unfinished for this folder is archived."""
    archive_left(launchpad, results.root)
    launchpad.add_wf(workflow(plan, results, missing))


def archive_left(launchpad: Any, root: Path) -> None:
    """Archive the Workflows of a results folder that are not finished."""
    query = {**of_results(root), "state": {"$nin": list(ENDED)}}
    left = [int(found["fw_id"]) for found in launchpad.fireworks.find(query, {"fw_id": 1})]
    for found in list(launchpad.workflows.find({"nodes": {"$in": left}}, {"nodes": 1})) if left else ():
        launchpad.archive_wf(int(found["nodes"][0]))


def workflow(plan: Plan, results: Results, missing: Collection[str]) -> Any:
    """The Workflow of the ``missing`` stages; those of a plan that come first go first."""
    from fireworks import Firework, Workflow

    from cosinter.workflows.firetasks import RunStage

    fireworks: dict[str, Any] = {}
    order = [stage for stage in plan.stages if stage.name in missing]
    for rank, stage in enumerate(order):
        fireworks[stage.name] = Firework(
            RunStage(root=str(results.root), stage=stage.name),
            name=stage.name,
            spec={
                "_priority": len(order) - rank,
                "study": plan.study,
                RESULTS_FIELD: str(results.root),
            },
            parents=[fireworks[name] for name in stage.after if name in missing] or None,
        )
    about = {"study": plan.study, RESULTS_FIELD: str(results.root)}
    return Workflow(list(fireworks.values()), name=plan.study, metadata=about)


def our_jobs(launchpad: Any, root: Path) -> list[Job]:
    """The Fireworks of a results folder that are not archived, in the order of the plan."""
    wanted = {"fw_id": 1, "name": 1, "state": 1, "launches": 1, "spec._priority": 1}
    query = {**of_results(root), "state": {"$ne": "ARCHIVED"}}
    found = list(launchpad.fireworks.find(query, wanted))
    latest = [row["launches"][-1] for row in found if row.get("launches")]
    launches = launchpad.launches.find(
        {"launch_id": {"$in": latest}}, {"launch_id": 1, "state_history.reservation_id": 1}
    )
    reservations = {row["launch_id"]: _reservation(row) for row in launches} if latest else {}
    jobs = []
    for row in sorted(found, key=lambda row: -row["spec"]["_priority"]):
        launch_id = row["launches"][-1] if row.get("launches") else None
        jobs.append(Job(row["fw_id"], row["name"], row["state"], launch_id, reservations.get(launch_id)))
    return jobs


def _reservation(launch: Mapping[str, Any]) -> str | None:
    known = [entry.get("reservation_id") for entry in launch.get("state_history", ())]
    return next((str(value) for value in reversed(known) if value), None)


def finish(
    launchpad: Any, launch_id: int, *, stored: Mapping[str, Any], state: Literal["COMPLETED", "FIZZLED"]
) -> None:
    """Note in the LaunchPad how a launch ended."""
    from fireworks import FWAction

    launchpad.complete_launch(launch_id, FWAction(stored_data=dict(stored)), state)
