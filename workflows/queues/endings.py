"""How a stage in a queue's job ended: by its files first, then by the queue's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cosinter.workflows.queues.batch import Batch
from cosinter.workflows.queues.job import StoppedByQueue
from cosinter.workflows.queues.system import ended_because
from cosinter.workflows.results import Results

#: Words of SLURM for ends that another try may mend; the others are the stage's or the user's own.
_MENDABLE = ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED", "REQUEUED")


@dataclass(frozen=True)
class Ending:
    """How a stage ended: lost is worth another try; ``logged``: its log says so already."""

    word: Literal["done", "failed", "lost"]
    message: str = ""
    logged: bool = False


def ending_of(results: Results, batch: Batch, stage: str, *, gone: bool) -> Ending | None:
    """How a stage of a batch ended; None while that is open. ``gone``: its job is not in the queue any more."""
    key = batch.keys[stage]
    if results.is_complete(stage, key):
        return Ending("done")
    event = _last_event(results, batch, stage)
    failed = event.get("event") == "failed"
    message = str(event.get("message", ""))
    stopped = failed and event.get("error") == StoppedByQueue.__name__
    if failed and not stopped:
        return Ending("failed", message, logged=True)
    if not gone:
        return None
    reason = ended_because(batch.system, batch.job_id) if batch.job_id else ""
    return _by_reason(batch, stage, reason, stopped=stopped, started=bool(event))


def _last_event(results: Results, batch: Batch, stage: str) -> Mapping[str, Any]:
    """The last event of a stage since its batch was written."""
    events = results.events(stage, batch.keys[stage])[batch.seen[stage] :]
    return events[-1] if events else {}


def _by_reason(batch: Batch, stage: str, reason: str, *, stopped: bool, started: bool) -> Ending:
    job = f"job {batch.job_id}" if batch.job_id else "its job, which was never submitted"
    if reason == "TIMEOUT":
        hours = (batch.resources.wall_h or 0.0) * len(batch.stages)
        if not started:
            return Ending("lost", f"{job} ran out of wall time before this stage began")
        return Ending(
            "failed",
            f"wall time of {hours:g} h ran out ({job}); give {stage} more wall_h in the study's resources",
        )
    if reason == "OUT_OF_MEMORY":
        memory = batch.resources.memory_GB or 0.0
        return Ending(
            "failed", f"{memory:g} GB of memory were too little ({job}); give {stage} more memory_GB"
        )
    if reason == "CANCELLED":
        return Ending("failed", f"cancelled ({job}); cosinter rerun or queue tend sends it again")
    if stopped and reason not in _MENDABLE:
        return Ending(
            "failed",
            f"the queue stopped {job} (wall time or cancelled); give {stage} more wall_h, or send it again",
        )
    return Ending("lost", f"{job} ended without a word ({reason or 'the queue does not say why'})")
