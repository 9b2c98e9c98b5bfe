"""Commands that look after a run: status, logs, rerun, cancel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.commands.runs import (
    AsJson,
    LaunchpadPlace,
    ResultsFolder,
    existing,
    progress,
    tell_failures,
)

if TYPE_CHECKING:
    from cosinter.workflows.results import Results
    from cosinter.workflows.watching import Status

REFRESH_S = 2.0
COLOURS = {"done": "green", "running": "cyan", "queued": "blue", "lost": "magenta", "failed": "bold red"}
Stages = Annotated[list[str] | None, typer.Argument(metavar="[STAGE]...", help="Stages.", show_default=False)]


def status(
    results: ResultsFolder,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep looking until nothing is at work any more.")
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Make the LaunchPad's index again from the files of the results."),
    ] = False,
    launchpad: LaunchpadPlace = None,
    as_json: AsJson = False,
) -> None:
    """Show which stages of a run are done, how long they took, what failed and where its log is.

    The files below RESULTS are read, no database. With --watch and --json: one line of JSON per change.

    Examples:

    cosinter status results/ncm811-latp --watch

    cosinter status results/ncm811-latp --rebuild
    """
    root = existing(results, rebuild=rebuild)
    if rebuild:
        _rebuild(root, launchpad, as_json)
    elif watch:
        _watch(root, as_json)
    else:
        _print(_status(root), as_json)


def _rebuild(root: Path, launchpad: str | None, as_json: bool) -> None:
    from cosinter.workflows.addresses import find_address
    from cosinter.workflows.index import rebuild

    made = rebuild(root, find_address(launchpad, root=root))
    if as_json:
        typer.echo(json.dumps(made.__dict__, indent=1))
        return
    if made.set_aside:
        typer.echo(f"the damaged store was set aside as {made.set_aside}")
    typer.echo(f"{made.address}: {made.completed} stages COMPLETED, {made.open} to run")


def _status(root: Path) -> Status:
    from cosinter.workflows.queues.batch import queued_stages
    from cosinter.workflows.watching import read_status

    return read_status(root, queued=queued_stages(root))


def _watch(root: Path, as_json: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    if as_json:
        seen: dict[str, str] = {}
        for found in _looks(root):
            for stage in found.stages:
                if seen.get(stage.name) != stage.state:
                    seen[stage.name] = stage.state
                    change = {"stage": stage.name, "state": stage.state, "message": stage.message}
                    typer.echo(json.dumps(change))
        return
    with Live(console=Console(), auto_refresh=False) as live:
        for found in _looks(root):
            live.update(_table(found), refresh=True)


def _looks(root: Path) -> Iterator[Status]:
    """The status every two seconds, until nothing is at work."""
    while True:
        found = _status(root)
        yield found
        if not found.active:
            return
        time.sleep(REFRESH_S)


def _print(found: Status, as_json: bool) -> None:
    from rich.console import Console

    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        Console().print(_table(found))


def _table(found: Status) -> Any:
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    jobs = any(stage.job_id for stage in found.stages)
    table = Table(title=found.study)
    for heading in ("stage", "state", "seconds", "executed", *(("job",) if jobs else ()), "message"):
        table.add_column(heading, justify="right" if heading in ("seconds", "executed") else "left")
    for stage in found.stages:
        seconds = "" if stage.seconds is None else f"{stage.seconds:.1f}"
        message = stage.message if stage.log is None else f"{stage.message} (log: {stage.log})"
        if stage.older:
            message = "made by another version"
        cells: list[str | Text] = [
            stage.name,
            Text(stage.state, style=COLOURS.get(stage.state, "")),
            seconds,
            str(stage.executed),
        ]
        table.add_row(*cells, *((stage.job_id or "",) if jobs else ()), escape(message))
    counts = ", ".join(f"{number} {state}" for state, number in found.counts.items())
    left = "" if found.seconds_left is None else f"; about {found.seconds_left:.0f} s left"
    holder = found.at_work
    who = f"; process {holder.get('pid')} on {holder.get('host')} is at work" if holder else ""
    return Group(table, Text(f"{counts} of {len(found.stages)} stages{who}{left}"))


def logs(
    results: ResultsFolder,
    stage: Annotated[
        str | None, typer.Argument(metavar="[STAGE]", help="Stage; all if not given.", show_default=False)
    ] = None,
    tail: Annotated[int, typer.Option("--tail", "-n", min=1, help="Newest events to show.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing until nothing is at work any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was logged: events of all stages in the order of time; of one stage also why it failed.

    Examples:

    cosinter logs results/ncm811-latp --tail 10

    cosinter logs results/ncm811-latp sinter-bare
    """
    from cosinter.workflows.plan import Plan
    from cosinter.workflows.results import Results

    store = Results(existing(results))
    names = [entry.name for entry in Plan.read(store.root).stages]
    if stage is not None and stage not in names:
        raise UnknownNameError("stage", stage, names)
    chosen = names if stage is None else [stage]
    events = _events(store, chosen)
    for event in events[-tail:]:
        _say(event, as_json)
    if follow:
        _follow(store, chosen, len(events), as_json)
    if stage is not None and not as_json:
        _tracebacks(store, stage)


def _events(store: Results, names: list[str]) -> list[dict[str, Any]]:
    found = [{"stage": name, **event} for name in names for event in store.events(name)]
    return sorted(found, key=lambda event: str(event.get("time", "")))


def _say(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(event))
        return
    about = event.get("message") or (f"on {event['host']}" if "host" in event else "")
    typer.echo(f"{event.get('time', '')[:23]}  {event.get('event', ''):9} {event['stage']}  {about}".rstrip())


def _follow(store: Results, names: list[str], told: int, as_json: bool) -> None:
    while store.holder() is not None:
        events = _events(store, names)
        for event in events[told:]:
            _say(event, as_json)
        told = len(events)
        time.sleep(REFRESH_S)


def _tracebacks(store: Results, stage: str) -> None:
    path = store.root / "log" / f"{stage}.txt"
    if path.is_file():
        last = path.read_text(encoding="utf-8", errors="replace").rpartition("--- ")[2]
        typer.echo(f"\nlast failure, from {path}:\n{last.rstrip()}")


def rerun(
    results: ResultsFolder,
    stages: Stages = None,
    dependents: Annotated[
        bool, typer.Option("--dependents", help="Also run again what reads these stages.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, max=64, help="Worker processes.")] = 2,
    launchpad: LaunchpadPlace = None,
    as_json: AsJson = False,
) -> None:
    """Run what failed or is missing; named stages also if they are done, and say whether they gave the same.

    Results that are made again are set aside, not deleted.

    Examples:

    cosinter rerun results/ncm811-latp

    cosinter rerun results/ncm811-latp sinter-bare --dependents
    """
    from cosinter.workflows.addresses import find_address
    from cosinter.workflows.again import rerun as run_again

    root = existing(results)
    with progress() as watch:
        done = run_again(
            root,
            stages or (),
            dependents=dependents,
            workers=workers,
            watch=watch,
            address=find_address(launchpad, root=root),
        )
    outcome = done.outcome
    if as_json:
        ended = {"same": list(done.same), "changed": list(done.changed)}
        failed = [failure.__dict__ for failure in outcome.failures]
        typer.echo(json.dumps({"ran": list(outcome.ran), "failed": failed, **ended}, indent=1))
    else:
        typer.echo(f"{len(outcome.ran)} stages ran in {outcome.seconds:.0f} s")
        for name in done.same:
            typer.echo(f"same result as before: {name}")
        for name in done.changed:
            typer.echo(f"another result than before: {name}")
    if not outcome.complete:
        tell_failures(outcome, root)


def cancel(
    results: ResultsFolder,
    stages: Stages = None,
    as_json: AsJson = False,
) -> None:
    """Stop what works on a run: its process on this computer and its jobs in the queue; finished stages stay.

    With stages named, only their queue jobs are cancelled. cosinter run, rerun or queue tend goes on.

    Example: cosinter cancel results/ncm811-latp
    """
    from cosinter.workflows.again import stop_holder
    from cosinter.workflows.queues.tend import cancel_jobs

    root = existing(results)
    jobs = list(cancel_jobs(root, stages or None))
    stopped = False if stages else stop_holder(root)
    if as_json:
        typer.echo(json.dumps({"stopped": stopped, "cancelled_jobs": jobs}, indent=1))
        return
    if not jobs and not stopped:
        raise InputError(f"nothing is at work in {root}")
    for job in jobs:
        typer.echo(f"cancelled queue job {job}")
    if stopped:
        typer.echo("the run was stopped; finished stages are kept")
