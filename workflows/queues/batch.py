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
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import StorageError
from cosinter.workflows.queues.settings import SYSTEMS, SystemName
from cosinter.workflows.resources import Resources
from cosinter.workflows.results import (
    Results,
    check_key,
    check_stage_name,
    now,
    storage_errors,
    write_atomically,
)

FOLDER = "queue"
_JOB_ID = re.compile(r"[0-9][0-9A-Za-z._]{0,99}")
"""Numbers of jobs are handed to the queue's commands, so none may look like an option."""


@dataclass(frozen=True)
class Batch:
    """One queue job.

    ``seen``: how many events the log of each stage had when the batch was written; those after tell of this job,
    whatever the clocks of the nodes say. ``ends``: how each stage ended, once the batch is closed.
    """

    name: str
    folder: Path
    system: SystemName
    stages: tuple[str, ...]
    keys: Mapping[str, str]
    resources: Resources
    written: str
    seen: Mapping[str, int]
    job_id: str | None = None
    ends: Mapping[str, str] | None = None

    @property
    def closed(self) -> bool:
        """True if the end of every stage has been noted."""
        return self.ends is not None

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.folder.parents[1]


def new_batch(root: Path, system: SystemName, keys: Mapping[str, str], resources: Resources) -> Batch:
    """Write a batch of the stages ``keys`` (name: key) that has not been submitted yet."""
    name = f"cs{uuid.uuid4().hex[:8]}"  # ten letters: longer names are cut off by some queues
    folder = root / FOLDER / name
    results = Results(root)
    content = {
        "system": system,
        "stages": list(keys),
        "keys": dict(keys),
        "resources": resources.model_dump(exclude_none=True),
        "written": now(),
        "seen": {stage: len(results.events(stage, key)) for stage, key in keys.items()},
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
        stages = tuple(check_stage_name(name) for name in content["stages"])
        return Batch(
            name=folder.name,
            folder=folder,
            system=_known(content["system"]),
            stages=stages,
            keys={stage: check_key(content["keys"][stage]) for stage in stages},
            resources=Resources.model_validate(content["resources"]),
            written=str(content["written"]),
            seen={stage: int(content["seen"][stage]) for stage in stages},
            job_id=_job_id(_later(folder, "job.json")),
            ends=_ends(_later(folder, "closed.json")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StorageError) as error:
        raise StorageError(
            f"{folder} holds no readable batch.json; remove the folder to forget this job"
        ) from error


def _later(folder: Path, name: str) -> Any:
    """What was written about a batch after it was made; None if it was not yet."""
    path = folder / name
    return json.loads(path.read_bytes()) if path.is_file() else None


def _job_id(noted: Any) -> str | None:
    if noted is None:
        return None
    if not _JOB_ID.fullmatch(str(noted["id"])):
        raise ValueError("no number of a job")
    return str(noted["id"])


def _ends(noted: Any) -> dict[str, str] | None:
    return None if noted is None else {str(stage): str(word) for stage, word in noted["ends"].items()}


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


def close_batch(batch: Batch, ends: Mapping[str, str]) -> Batch:
    """Write down that every stage of a batch was dealt with, and how."""
    _write(batch, "closed.json", {"time": now(), "ends": dict(ends)})
    return read_batch(batch.folder)


def _write(batch: Batch, name: str, content: Mapping[str, Any]) -> None:
    with storage_errors(batch.root):
        write_atomically(batch.folder / name, json.dumps(content, indent=1))


def losses(batches: Iterable[Batch], stage: str, key: str) -> int:
    """How often in a row, up to now, jobs were lost that a stage was part of; ``batches``: oldest first."""
    count = 0
    for batch in batches:
        if batch.ends is not None and batch.keys.get(stage) == key:
            count = count + 1 if batch.ends.get(stage) == "lost" else 0
    return count
