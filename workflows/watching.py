"""What a results folder tells about its run: the state of every stage, from the files alone."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from cosinter.workflows.plan import Plan, Stage
from cosinter.workflows.processes import process_alive
from cosinter.workflows.results import LOST_AFTER_S, Results

State = Literal["done", "running", "queued", "lost", "failed", "waiting"]


@dataclass(frozen=True)
class StageStatus:
    """How far a stage is."""

    name: str
    hash: str
    state: State
    started: str | None
    finished: str | None
    seconds: float | None
    executed: int
    message: str
    log: str | None
    host: str | None
    job_id: str | None
    older: bool


@dataclass(frozen=True)
class Status:
    """How far a run is; ``seconds_left`` is None where nothing is known to estimate it from."""

    study: str
    stages: tuple[StageStatus, ...]
    at_work: Mapping[str, Any] | None
    seconds_left: float | None

    @property
    def counts(self) -> dict[str, int]:
        """Number of stages in each state, those that occur."""
        states = [stage.state for stage in self.stages]
        return {state: states.count(state) for state in dict.fromkeys(sorted(states))}

    @property
    def active(self) -> bool:
        """True while a process or a queue works on it."""
        return self.at_work is not None or any(stage.state in ("running", "queued") for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for --json."""
        return {**asdict(self), "counts": self.counts, "active": self.active}


def read_status(root: Path, *, queued: Mapping[str, str] | None = None) -> Status:
    """Read the state of every stage of the plan of a results folder.

    ``queued``: identifiers of queue jobs, by stage, for stages that wait in a queue.

    Raises
    ------
    StorageError
        The folder holds no readable plan.json.
    """
    from cosinter.workflows.versions import made_by_others

    plan, results = Plan.read(root), Results(root)
    older = made_by_others(plan)
    done = {stage.name for stage in plan.stages if results.is_complete(stage.name, plan.keys[stage.name])}
    rows: dict[str, StageStatus] = {}
    for stage in plan.stages:
        key = plan.keys[stage.name]
        if stage.name in done:
            rows[stage.name] = _finished(stage.name, key, results, older=stage.name in older)
        else:
            rows[stage.name] = _unfinished(stage, key, results, rows, (queued or {}).get(stage.name))
    stages = tuple(rows.values())
    holder = results.holder()
    return Status(plan.study, stages, holder, _seconds_left(stages, results, holder))


def _finished(name: str, key: str, results: Results, *, older: bool) -> StageStatus:
    record = json.loads((results.folder(name, key) / "stage.json").read_bytes())
    return StageStatus(
        name=name,
        hash=key,
        state="done",
        started=record["started"],
        finished=record["finished"],
        seconds=record["seconds"],
        executed=results.executed(name, key),
        message="",
        log=None,
        host=record.get("host"),
        job_id=(record.get("job") or {}).get("id"),
        older=older,
    )


def _unfinished(
    stage: Stage, key: str, results: Results, before: Mapping[str, StageStatus], job_id: str | None
) -> StageStatus:
    events = results.events(stage.name, key)
    last = events[-1] if events else {}
    state: State = "waiting"
    message = str(last.get("message", ""))
    if last.get("event") == "failed":
        state = "failed"
    elif last.get("event") == "started":
        alive = _is_alive(results, stage.name, key, last)
        state = "running" if alive else "lost"
        message = "" if alive else "its process ended without a word; cosinter run or rerun starts it again"
    elif job_id is not None:
        state = "queued"
    else:
        needed = [name for name in stage.after if before[name].state != "done"]
        message = f"needs {', '.join(needed[:3])}{' ...' if len(needed) > 3 else ''}" if needed else ""
    log = results.root / "log" / f"{stage.name}.txt"
    return StageStatus(
        name=stage.name,
        hash=key,
        state=state,
        started=last.get("time") if state == "running" else None,
        finished=None,
        seconds=None,
        executed=results.executed(stage.name, key),
        message=message,
        log=str(log.relative_to(results.root)) if state == "failed" and log.is_file() else None,
        host=last.get("host"),
        job_id=job_id,
        older=False,
    )


def _is_alive(results: Results, name: str, key: str, event: Mapping[str, Any]) -> bool:
    sign = results.last_sign_s(name, key)
    if sign is None or sign > LOST_AFTER_S:
        return False
    if event.get("host") != socket.gethostname():
        return True
    return isinstance(event.get("pid"), int) and process_alive(event["pid"])


def _seconds_left(
    stages: tuple[StageStatus, ...], results: Results, holder: Mapping[str, Any] | None
) -> float | None:
    """Sum of what the open stages took before, else of the mean of the finished ones, over the workers at work."""
    known = [stage.seconds for stage in stages if stage.seconds is not None]
    open_stages = [stage for stage in stages if stage.state in ("running", "queued", "waiting")]
    if not open_stages or not known or holder is None:
        return None
    mean = fmean(known)
    total = sum(_earlier_seconds(stage.name, results) or mean for stage in open_stages)
    at_work = max(1, sum(stage.state == "running" for stage in stages))
    return round(total / at_work, 1)


def _earlier_seconds(name: str, results: Results) -> float | None:
    """What the stage took the last time, for whatever inputs."""
    times = []
    for path in (results.root / "stages" / name).glob("[!.]*/stage.json"):
        try:
            record = json.loads(path.read_bytes())
            times.append((str(record["finished"]), float(record["seconds"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a damaged result says nothing about time
    return max(times)[1] if times else None
