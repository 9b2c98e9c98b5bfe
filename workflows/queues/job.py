"""What a queue's job runs on a node: the stages of one batch, one after another.

    python -m cosinter.workflows.queues.job RESULTS/queue/BATCH

It reads and writes files of the results folder and nothing else; no database is opened. When the queue stops the job
(wall time, cancelling, preemption), the running stage is marked as failed at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from cosinter.data.exceptions import CosinterError
from cosinter.workflows.execution import run_stage
from cosinter.workflows.plan import Plan
from cosinter.workflows.queues.batch import Batch, read_batch
from cosinter.workflows.queues.system import SYSTEMS

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
"""How SLURM, PBS, SGE and LSF say that a job is about to be killed."""


class StoppedByQueue(SystemExit):
    """The queue told the job to end; no step can take it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} (wall time, cancelled, or preempted)")
        self.number = number


def run_batch(folder: Path) -> int:
    """Run the stages of a batch whose results are not there yet; return how many failed.

    Raises
    ------
    StoppedByQueue
        A signal came.
    StorageError
        The batch or the plan cannot be read.
    """
    batch = read_batch(folder.resolve())
    plan = Plan.read(batch.root)
    job = _about(batch)
    failed = 0
    for name in batch.stages:
        if plan.keys.get(name) != batch.keys[name]:
            print(f"{name} is left out: the plan has changed since this job was submitted", flush=True)
            continue
        print(f"{name} ...", flush=True)
        try:
            result = run_stage(batch.root, name, plan=plan, job=job)
        except Exception as error:  # the stage's log has the rest; the others can still run
            failed += 1
            print(f"{name} failed: {error}", flush=True)
        else:
            print(f"{name} done: {result.folder}", flush=True)
    return failed


def _about(batch: Batch) -> dict[str, Any]:
    number = os.environ.get(SYSTEMS[batch.system].id_variable)
    return {
        "system": batch.system,
        "id": number.split(".")[0] if number else batch.job_id,
        "batch": batch.name,
        "script": str((batch.folder / "job.sh").relative_to(batch.root)),
        "resources": batch.resources.model_dump(exclude_none=True),
    }


def _stop(number: int, frame: FrameType | None) -> None:
    for known in STOPS:
        signal.signal(known, signal.SIG_IGN)  # the first one is enough
    raise StoppedByQueue(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the batch that is named; 0: all done, 1: a stage failed, 128 + n: stopped by signal n."""
    for number in STOPS:
        signal.signal(number, _stop)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 1:
        print("usage: python -m cosinter.workflows.queues.job RESULTS/queue/BATCH", file=sys.stderr)
        return 2
    try:
        return min(1, run_batch(Path(given[0])))
    except StoppedByQueue as stop:
        print(stop, flush=True)
        return 128 + stop.number
    except CosinterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
