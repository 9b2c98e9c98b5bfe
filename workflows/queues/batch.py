"""Batches: the stages of one queue job, in a folder of their own below RESULTS/queue.

    queue/<name>/batch.json   stages, their keys, what was asked for; written before the job is submitted
    queue/<name>/job.sh       the script exactly as it was submitted
    queue/<name>/job.json     the job's number; written when the queue has taken it
    queue/<name>/job.out      what the job printed
    queue/<name>/closed.json  written when the end of every stage has been noted

The folder is all that a node reads and writes, beside the results.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.queues.settings import SYSTEMS, SystemName
from cosinter.workflows.results import check_stage_name, now, storage_errors, write_atomically

FOLDER = "queue"


@dataclass(frozen=True)
class Batch:
    """One queue job."""

    name: str
    folder: Path
    system: SystemName
    stages: tuple[str, ...]
    keys: Mapping[str, str]
    resources: Mapping[str, Any]
    written: str
    job_id: str | None = None
    closed: bool = False

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.folder.parents[1]


def new_batch(root: Path, system: SystemName, keys: Mapping[str, str], resources: Mapping[str, Any]) -> Batch:
    """Write a batch of the stages ``keys`` (name: key) that has not been submitted yet."""
    name = f"cs{uuid.uuid4().hex[:8]}"  # ten letters: longer names are cut off by some queues
    folder = root / FOLDER / name
    content = {
        "system": system,
        "stages": list(keys),
        "keys": dict(keys),
        "resources": dict(resources),
        "written": now(),
    }
    with storage_errors(root):
        folder.mkdir(parents=True)
        write_atomically(folder / "batch.json", json.dumps(content, indent=1))
    return read_batch(folder)


def read_batch(folder: Path) -> Batch:
    """Read a batch.

    Raises
    ------
    StorageError
        It is missing or damaged.
    """
    try:
        content = json.loads((folder / "batch.json").read_bytes())
        job = folder / "job.json"
        return Batch(
            name=folder.name,
            folder=folder,
            system=_known(content["system"]),
            stages=tuple(check_stage_name(name) for name in content["stages"]),
            keys=dict(content["keys"]),
            resources=dict(content["resources"]),
            written=str(content["written"]),
            job_id=str(json.loads(job.read_bytes())["id"]) if job.is_file() else None,
            closed=(folder / "closed.json").is_file(),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{folder} holds no readable batch.json; remove the folder to forget this job"
        ) from error


def _known(system: str) -> SystemName:
    for name in SYSTEMS:
        if name == system:
            return name
    raise ValueError(f"no queue system {system}")


def all_batches(root: Path) -> list[Batch]:
    """Batches of a results folder, oldest first."""
    found = [read_batch(path.parent) for path in (root / FOLDER).glob("*/batch.json")]
    return sorted(found, key=lambda batch: batch.written)


def open_batches(root: Path) -> list[Batch]:
    """Batches whose end has not been noted yet, oldest first."""
    return [batch for batch in all_batches(root) if not batch.closed]


def queued_stages(root: Path) -> dict[str, str]:
    """Numbers of the jobs that stages are part of, by stage, for jobs whose end has not been noted."""
    return {stage: batch.job_id or "not submitted" for batch in open_batches(root) for stage in batch.stages}


def note_job(batch: Batch, job_id: str) -> Batch:
    """Write down the number of a submitted job."""
    _write(batch, "job.json", {"id": job_id, "submitted": now()})
    return read_batch(batch.folder)


def close_batch(batch: Batch, ends: Mapping[str, str]) -> None:
    """Write down that every stage of a batch was dealt with, and how."""
    _write(batch, "closed.json", {"time": now(), "ends": dict(ends)})


def _write(batch: Batch, name: str, content: Mapping[str, Any]) -> None:
    with storage_errors(batch.root):
        write_atomically(batch.folder / name, json.dumps(content, indent=1))


def tries(root: Path, stage: str, batches: Sequence[Batch] | None = None) -> int:
    """How many jobs a stage has been part of, for its present inputs."""
    known = all_batches(root) if batches is None else batches
    latest = next((batch.keys[stage] for batch in reversed(known) if stage in batch.stages), None)
    return sum(batch.keys.get(stage) == latest for batch in known if stage in batch.stages)
