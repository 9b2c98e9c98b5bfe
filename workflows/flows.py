"""Run a study: build the FireWorks workflow of what is missing, let workers run it, keep count.

The files below ``stages/`` are the truth. Each call adds one Workflow with the stages whose result is not there
yet; whatever an earlier, interrupted call left in the LaunchPad is archived. The results folder is locked while a
run is at work, so no stage ever runs twice at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import CosinterError, EngineError
from cosinter.workflows.execution import run_stage
from cosinter.workflows.plan import Plan
from cosinter.workflows.results import Results, storage_errors, write_atomically
from cosinter.workflows.study import Study
from cosinter.workflows.study_plan import make_plan

POLL_SECONDS = 0.2
MAX_RESTARTS = 2


@dataclass(frozen=True)
class Failure:
    """A stage that failed, with the one line that matters."""

    stage: str
    error: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    ran: tuple[str, ...]
    kept: tuple[str, ...]
    failures: tuple[Failure, ...]
    waiting: tuple[str, ...]
    seconds: float

    @property
    def complete(self) -> bool:
        """True if every stage of the plan has its result."""
        return not self.failures and not self.waiting


Watch = Callable[[Plan, Results, frozenset[str]], None]


def run_study(study: Study, root: Path, *, workers: int = 2, watch: Watch | None = None) -> Outcome:
    """Run what is missing of a study in ``root`` and wait for it.

    ``watch`` is called a few times per second with the plan, the results and the names of the stages of this run.

    Raises
    ------
    InputError
        The folder cannot be written, or another run is at work in it.
    EngineError
        The workers could not be started or died again and again.
    """
    documents = {"study.json": study.model_dump_json(indent=1)}
    return run_plan(make_plan(study), root, workers=workers, watch=watch, documents=documents)


def run_plan(
    plan: Plan,
    root: Path,
    *,
    workers: int = 2,
    watch: Watch | None = None,
    documents: Mapping[str, str] | None = None,
    here: bool = False,
) -> Outcome:
    """Run what is missing of a plan in ``root`` and wait for it; ``documents`` are written beside plan.json.

    ``here``: one stage after another in this process; else as FireWorks jobs of ``workers`` processes.

    Raises
    ------
    InputError, EngineError
        See :func:`run_study`.
    """
    begin = time.perf_counter()
    results = Results(root)
    with results.lock():
        results.sweep()
        with storage_errors(results.root):
            for name, text in {"plan.json": plan.to_json(), **(documents or {})}.items():
                write_atomically(results.root / name, text)
        missing = frozenset(stage.name for stage in plan.pending(results))
        if missing:
            if here:
                _work_here(plan, results, missing, watch)
            else:
                _work(plan, results, missing, workers, watch)
        outcome = _outcome(plan, results, missing, time.perf_counter() - begin)
        with storage_errors(results.root):
            publish(plan, results)
    return outcome


def publish(plan: Plan, results: Results) -> None:
    """Copy what the report stage made to the top of the results folder and write manifest.json."""
    write_atomically(results.root / "manifest.json", json.dumps(manifest(plan, results), indent=1))
    if "report" not in plan.keys or not results.is_complete("report", plan.keys["report"]):
        return
    made = results.folder("report", plan.keys["report"])
    for source in sorted(made.rglob("*")):
        target = results.root / source.relative_to(made)
        if source.is_dir() or source.name in ("stage.json", "result.json"):
            continue
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        partial.write_bytes(source.read_bytes())
        partial.replace(target)


def manifest(plan: Plan, results: Results) -> dict[str, Any]:
    """Every stage of the plan: name, hash, started, finished, how often executed."""
    from cosinter import __version__

    rows = []
    for stage in plan.stages:
        key = plan.keys[stage.name]
        row: dict[str, Any] = {
            "name": stage.name,
            "hash": key,
            "started": None,
            "finished": None,
            "seconds": None,
        }
        if results.is_complete(stage.name, key):
            record = results.read(stage.name, key).record
            row |= {name: record[name] for name in ("started", "finished", "seconds")}
            row["folder"] = str(results.folder(stage.name, key).relative_to(results.root))
        row["executed"] = results.executed(stage.name, key)
        rows.append(row)
    return {"study": plan.study, "cosinter_version": __version__, "stages": rows}


def _work(plan: Plan, results: Results, missing: frozenset[str], workers: int, watch: Watch | None) -> None:
    from cosinter.workflows.launchpad import open_launchpad, recover_lost_runs

    launchpad = open_launchpad(results.root / "launchpad.db")
    recover_lost_runs(launchpad)
    for fw_id in launchpad.get_wf_ids({"state": {"$nin": ["COMPLETED", "ARCHIVED"]}}):
        launchpad.archive_wf(fw_id)
    launchpad.add_wf(_workflow(plan, results, missing))
    for _ in range(1 + MAX_RESTARTS):
        with _workers(results.root, min(workers, len(missing))) as processes:
            while any(process.poll() is None for process in processes):
                if watch is not None:
                    watch(plan, results, missing)
                time.sleep(POLL_SECONDS)
        if watch is not None:
            watch(plan, results, missing)
        if not recover_lost_runs(launchpad):
            return
    raise EngineError(
        f"the workers of {results.root} were killed {1 + MAX_RESTARTS} times; see {results.root / 'log'} "
        "(out of memory?), then run the same command again to go on"
    )


def _work_here(plan: Plan, results: Results, missing: frozenset[str], watch: Watch | None) -> None:
    """Run the stages in this process; one that fails is in its log, and what needs it is left waiting."""
    for stage in plan.stages:
        ready = all(results.is_complete(name, plan.keys[name]) for name in stage.after)
        if stage.name in missing and ready:
            with suppress(CosinterError):
                run_stage(results.root, stage.name, plan=plan)
            if watch is not None:
                watch(plan, results, missing)


def _workflow(plan: Plan, results: Results, missing: frozenset[str]) -> Any:
    from fireworks import Firework, Workflow

    from cosinter.workflows.firetasks import RunStage

    fireworks: dict[str, Any] = {}
    order = [stage for stage in plan.stages if stage.name in missing]
    for rank, stage in enumerate(order):
        fireworks[stage.name] = Firework(
            RunStage(root=str(results.root), stage=stage.name),
            name=stage.name,
            spec={"_priority": len(order) - rank},
            parents=[fireworks[name] for name in stage.after if name in missing] or None,
        )
    return Workflow(list(fireworks.values()), name=plan.study)


@contextmanager
def _workers(root: Path, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start worker processes; whatever happens, none of them outlives the block."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    processes: list[subprocess.Popen[bytes]] = []
    with storage_errors(root):
        (root / "log").mkdir(exist_ok=True)
        (root / "launches").mkdir(exist_ok=True)
    try:
        for number in range(1, count + 1):
            with (root / "log" / f"worker-{number}.txt").open("wb") as output:
                processes.append(
                    subprocess.Popen(
                        [
                            sys.executable,
                            "-m",
                            "cosinter.workflows.launchpad",
                            "--address",
                            str(root / "launchpad.db"),
                            "--launch-root",
                            str(root / "launches"),
                            "--worker-name",
                            f"worker-{number}",
                        ],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env=environment,
                        start_new_session=True,
                    )
                )
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _outcome(plan: Plan, results: Results, missing: frozenset[str], seconds: float) -> Outcome:
    failures = []
    waiting = []
    for stage in plan.pending(results):
        events = results.events(stage.name, plan.keys[stage.name])
        last = events[-1] if events else {}
        if last.get("event") == "failed":
            failures.append(Failure(stage.name, str(last.get("error")), str(last.get("message"))))
        else:
            waiting.append(stage.name)
    undone = {failure.stage for failure in failures} | set(waiting)
    return Outcome(
        ran=tuple(stage.name for stage in plan.stages if stage.name in missing - undone),
        kept=tuple(stage.name for stage in plan.stages if stage.name not in missing),
        failures=tuple(failures),
        waiting=tuple(waiting),
        seconds=seconds,
    )
