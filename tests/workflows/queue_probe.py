"""A Python that knows tiny steps besides cosinter's own, for jobs of the tests of queues.

queue_probe.py -m MODULE ARGUMENTS
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.steps import table


def note(task: Any) -> dict[str, Any]:
    time.sleep(task.inputs.get("sleep_s", 0.0))
    return {"word": task.inputs["word"], "read": sorted(task.upstream)}


def fail(task: Any) -> dict[str, Any]:
    raise ValueError(f"no {task.inputs['word']} today")


def wait(task: Any) -> dict[str, Any]:
    """Wait until a file is there; note in it first that this has begun."""
    Path(task.inputs["begun"]).touch()
    while not Path(task.inputs["file"]).exists():
        time.sleep(0.02)
    return {"word": "came"}


def die(task: Any) -> dict[str, Any]:
    """End as a crashed node does, until it was done often enough."""
    path = Path(task.inputs["file"])
    deaths = len(path.read_text()) if path.exists() else 0
    if deaths < task.inputs["deaths"]:
        path.write_text("x" * (deaths + 1))
        os.kill(os.getpid(), 9)
    return {"deaths": deaths}


STEPS = {"note": note, "fail": fail, "wait": wait, "die": die}


def python(folder: Path) -> str:
    """Write the program that a queue file names as its Python."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def plan_of(*stages: tuple[str, str, dict[str, Any], tuple[str, ...]]) -> Plan:
    """A plan of (name, step, inputs, what it reads)."""
    return keyed("probes", [Stage(name, step, inputs, after) for name, step, inputs, after in stages])


if __name__ == "__main__":
    table.STEPS = {**table.STEPS, **STEPS}
    module, sys.argv = sys.argv[3], sys.argv[3:]  # after -P -m
    runpy.run_module(module, run_name="__main__", alter_sys=True)
