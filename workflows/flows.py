"""Run a study: build the FireWorks workflow of what is missing, let workers run it, keep count.

The files below ``stages/`` are the truth. Each call adds one Workflow with the stages whose result is not there
yet; whatever an earlier, interrupted call left in the LaunchPad for this folder is archived. The results folder is
locked while a run is at work, so no stage ever runs twice at once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import CosinterError, EngineError, InputError
from cosinter.workflows.addresses import Address, find_address
from cosinter.workflows.crew import Crew, workers_at_work
from cosinter.workflows.execution import run_stage
from cosinter.workflows.jobs import add_stages
from cosinter.workflows.launchpad import opened, recover_lost_runs
from cosinter.workflows.plan import Plan
from cosinter.workflows.queues.batch import queued_stages
from cosinter.workflows.results import Results, storage_errors, write_atomically
from cosinter.workflows.study import Study
from cosinter.workflows.study_plan import make_plan
from cosinter.workflows.versions import accept_older

PUBLISHED = frozenset(
    {
        "report.html",
        "summary.json",
        "parameters.json",
        "parameters.csv",
        "parameter-tables.csv",
        "bpx",
        "pybamm",
        "figures",
    }
)
"""What of the report stage is copied to the top of the results folder: files, and folders with all that is in them."""
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


def run_study(
    study: Study,
    root: Path,
    *,
    workers: int = 2,
    watch: Watch | None = None,
    address: Address | None = None,
    keep_older: bool = False,
) -> Outcome:
    """Run what is missing of a study in ``root`` and wait for it.

    ``watch`` is called a few times per second with the plan, the results and the names of the stages of this run.
    ``keep_older``: results of the same inputs that other versions made count as well.

    Raises
    ------
    InputError
        The folder cannot be written, or another run is at work in it.
    EngineError
        The workers could not be started or died again and again, or the LaunchPad cannot be used.
    """
    plan = make_plan(study)
    if keep_older:
        plan, _ = accept_older(plan, Results(root))
    return run_plan(
        plan, root, workers=workers, watch=watch, address=address, documents=study_documents(study)
    )


def study_documents(study: Study) -> dict[str, str]:
    """Files that are written beside plan.json: the study."""
    return {"study.json": study.model_dump_json(indent=1)}


def run_plan(
    plan: Plan,
    root: Path,
    *,
    workers: int = 2,
    watch: Watch | None = None,
    documents: Mapping[str, str] | None = None,
    here: bool = False,
    address: Address | None = None,
) -> Outcome:
    """Run what is missing of a plan in ``root`` and wait for it; ``documents`` are written beside plan.json.

    ``here``: one stage after another in this process; else as FireWorks jobs of ``workers`` processes, kept in the
    LaunchPad at ``address`` (a file of the results folder if not given).

    Raises
    ------
    InputError, EngineError
        See :func:`run_study`.
    """
    begin = time.perf_counter()
    results = Results(root)
    place = address or find_address(None, root=results.root)
    in_queue = queued_stages(results.root)
    if in_queue:
        raise InputError(
            f"{len(in_queue)} stages of {root} are in the queue; go on with cosinter queue tend {root}, or cancel them"
        )
    if not (here or place.embedded) and plan.pending(results):
        # a server that cannot be used is told before anything is written
        with opened(place):
            pass
    with at_work(plan, results, documents) as missing:
        if missing and here:
            _work_here(plan, results, missing, watch)
        elif missing:
            _work(plan, results, missing, Crew(place, workers), watch)
        return close(plan, results, missing, time.perf_counter() - begin)


@contextmanager
def at_work(plan: Plan, results: Results, documents: Mapping[str, str] | None) -> Iterator[frozenset[str]]:
    """Hold a results folder, write down what is planned, and give the names of the stages that have no result."""
    with results.lock():
        results.sweep()
        with storage_errors(results.root):
            for name, text in {"plan.json": plan.to_json(), **(documents or {})}.items():
                (results.root / name).parent.mkdir(exist_ok=True)
                write_atomically(results.root / name, text)
        yield frozenset(stage.name for stage in plan.pending(results))


def close(plan: Plan, results: Results, missing: frozenset[str], seconds: float) -> Outcome:
    """Say how the ``missing`` stages ended and bring the results folder up to date."""
    outcome = _outcome(plan, results, missing, seconds)
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
        name = source.relative_to(made)
        target = results.root / name
        if name.parts[0] not in PUBLISHED or source.is_symlink() or not source.is_file():
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


def _work(plan: Plan, results: Results, missing: frozenset[str], crew: Crew, watch: Watch | None) -> None:
    with opened(crew.address) as launchpad:
        recover_lost_runs(launchpad, results.root)
        add_stages(launchpad, plan, results, missing)
        for _ in range(1 + MAX_RESTARTS):
            with workers_at_work(results.root, crew.address, min(crew.size, len(missing))) as processes:
                while any(process.poll() is None for process in processes):
                    if watch is not None:
                        watch(plan, results, missing)
                    time.sleep(POLL_SECONDS)
            if watch is not None:
                watch(plan, results, missing)
            if not recover_lost_runs(launchpad, results.root):
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
