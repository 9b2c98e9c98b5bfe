"""Run stages again, or stop what is at work."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.addresses import Address
from cosinter.workflows.flows import Outcome, Watch, run_plan
from cosinter.workflows.plan import Plan
from cosinter.workflows.results import SET_ASIDE, Results, now, storage_errors

STOP_PATIENCE_S = 30.0
TIMES = ("wall_s",)
"""Keys of results that hold how long something took."""


@dataclass(frozen=True)
class Rerun:
    """What running again gave; ``same`` and ``changed``: stages whose earlier result was the same or not."""

    outcome: Outcome
    same: tuple[str, ...]
    changed: tuple[str, ...]


def rerun(
    root: Path,
    stages: Sequence[str] = (),
    *,
    dependents: bool = False,
    workers: int = 2,
    watch: Watch | None = None,
    address: Address | None = None,
) -> Rerun:
    """Run the named stages of a results folder again, and whatever is missing; finished results are set aside first.

    What is set aside stays beside the new result as ``<key>-before-<time>``.

    Raises
    ------
    UnknownNameError
        A stage that the plan does not have.
    InputError, EngineError
        See :func:`cosinter.workflows.flows.run_plan`.
    """
    plan, results = Plan.read(root), Results(root)
    names = [stage.name for stage in plan.stages]
    for name in stages:
        if name not in names:
            raise UnknownNameError("stage", name, names)
    wanted = with_dependents(plan, stages) if dependents else set(stages)
    aside = {}
    with results.lock(), storage_errors(results.root):
        for name in names:
            if name in wanted and results.is_complete(name, plan.keys[name]):
                aside[name] = _set_aside(results, name, plan.keys[name])
    outcome = run_plan(plan, root, workers=workers, watch=watch, address=address)
    same: list[str] = []
    changed: list[str] = []
    for name, before in aside.items():
        after = results.folder(name, plan.keys[name])
        if results.is_complete(name, plan.keys[name]):
            equal = _content(before / "result.json") == _content(after / "result.json")
            (same if equal else changed).append(name)
    return Rerun(outcome, tuple(same), tuple(changed))


def _content(path: Path) -> Any:
    """A result without the times that its making took, which differ every time."""
    return _timeless(json.loads(path.read_bytes()))


def _timeless(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _timeless(value) for key, value in data.items() if key not in TIMES}
    return [_timeless(value) for value in data] if isinstance(data, list) else data


def with_dependents(plan: Plan, stages: Collection[str]) -> set[str]:
    """The named stages and all that read them, directly or not."""
    found = set(stages)
    for stage in plan.stages:
        if found.intersection(stage.after):
            found.add(stage.name)
    return found


def _set_aside(results: Results, name: str, key: str) -> Path:
    folder = results.folder(name, key)
    aside = folder.with_name(f"{key}-before-{now()[:23].translate({58: None, 46: None})}")
    folder.rename(aside)
    results.log(name, event=SET_ASIDE, key=key, message=f"kept as {aside.name}")
    return aside


def stop_holder(root: Path) -> bool:
    """Ask the process that works in a results folder to stop, and wait until it has; False if nobody is at work.

    Finished stages stay; the running ones are marked as stopped.

    Raises
    ------
    InputError
        The process runs on another computer, belongs to another user or does not end.
    """
    results = Results(root)
    holder = results.holder()
    if holder is None:
        return False
    host, pid = holder.get("host"), holder.get("pid")
    if host != socket.gethostname() or not isinstance(pid, int):
        raise InputError(f"{root} is worked on by process {pid} on {host}; stop it there")
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it has just ended
        return False
    except PermissionError as error:
        raise InputError(f"process {pid}, at work in {root}, belongs to another user") from error
    patience = time.monotonic() + STOP_PATIENCE_S
    while results.holder() is not None:
        if time.monotonic() > patience:
            raise InputError(f"process {pid}, at work in {root}, did not stop within {STOP_PATIENCE_S:.0f} s")
        time.sleep(0.1)
    return True
