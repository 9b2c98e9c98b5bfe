"""Run one stage: hand it its inputs and the results it reads, keep what it gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.workflows.plan import Plan, inputs_keys, made_with
from cosinter.workflows.results import Results, StageResult, storage_errors, write_atomically
from cosinter.workflows.sharing import take_from_neighbour


@dataclass(frozen=True)
class Task:
    """What a step gets: its inputs, the finished stages it reads, and a folder to write files into."""

    inputs: Mapping[str, Any]
    upstream: Mapping[str, StageResult]
    folder: Path


def run_stage(
    root: Path, name: str, *, plan: Plan | None = None, job: Mapping[str, Any] | None = None
) -> StageResult:
    """Run the stage ``name`` of ``plan`` (that of ``root`` if not given), or read its result if it is already there.

    ``job`` tells of the queue's job that runs it and is kept in stage.json.

    Raises
    ------
    CosinterError
        The step failed, or its result could not be written; nothing half-written is left.
    """
    from cosinter.workflows.steps.table import STEPS

    plan = plan or Plan.read(root)
    results = Results(root)
    stage, key = plan.stage(name), plan.keys[name]
    if not results.is_complete(name, key) and take_from_neighbour(results, name, key) is None:
        upstream = {other: results.read(other, plan.keys[other]) for other in stage.after}
        about = {
            "function": stage.function,
            "inputs_key": inputs_keys(plan)[name],
            "after": {other: plan.keys[other] for other in stage.after},
            **made_with(stage),
            "job": None if job is None else dict(job),
        }
        with results.writing(name, key, about) as folder:
            data = STEPS[stage.function](Task(inputs=stage.inputs, upstream=upstream, folder=folder))
            with storage_errors(root):
                write_atomically(folder / "result.json", json.dumps(data, indent=1, allow_nan=False))
    return results.read(name, key)
