"""Commands for clusters: submit a study to a queue and look after its jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import (
    AsJson,
    LaunchpadPlace,
    ResultsFolder,
    existing,
    progress,
    tell_outcome,
)

if TYPE_CHECKING:
    from cosinter.workflows.flows import Outcome
    from cosinter.workflows.plan import Plan
    from cosinter.workflows.queues.batch import Batch
    from cosinter.workflows.queues.settings import QueueSettings

app = typer.Typer(
    no_args_is_help=True, help="Look after the jobs of a study in a queue (SLURM, PBS, SGE, LSF)."
)
QueueFile = Annotated[Path, typer.Argument(metavar="FILE", help="Queue file (YAML).", show_default=False)]
Once = Annotated[
    bool, typer.Option("--once", help="One round, then leave; for cron. The jobs stay in the queue.")
]
KEPT_QUEUE_FILE = Path("queue") / "queue.yaml"


def submit(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (YAML).", show_default=False)],
    queue: Annotated[
        Path, typer.Option(help="Queue file; `cosinter queue template slurm` prints one.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Results folder; results/NAME if not given.", show_default=False)
    ] = None,
    once: Once = False,
    accept_older: Annotated[
        bool,
        typer.Option("--accept-older", help="Keep results of the same inputs that other versions made."),
    ] = False,
    launchpad: LaunchpadPlace = None,
    as_json: AsJson = False,
) -> None:
    """Run a study through the queue of a cluster: submit what is ready, wait, submit what follows.

    The results folder must be one that the nodes see; they need no database and no network. Ctrl-C leaves the jobs in
    the queue; `cosinter queue tend RESULTS` goes on, from here or from cron.

    Example: cosinter submit data/studies/ncm811-latp.yaml --queue slurm.yaml --out results/first
    """
    from cosinter.workflows.flows import study_documents
    from cosinter.workflows.queues.settings import load_queue
    from cosinter.workflows.results import Results
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.study_plan import make_plan
    from cosinter.workflows.versions import accept_older as keep

    question, settings = load_study(study), load_queue(queue)
    root = (out or Path("results") / question.name).resolve()
    plan = make_plan(question)
    if accept_older:
        plan, _ = keep(plan, Results(root))
    documents = {**study_documents(question), str(KEPT_QUEUE_FILE): queue.read_text(encoding="utf-8")}
    _tend(plan, root, settings, documents=documents, launchpad=launchpad, once=once, as_json=as_json)


@app.command()
def tend(
    results: ResultsFolder,
    queue: Annotated[
        Path | None, typer.Option(help="Queue file; the one it was submitted with if not given.")
    ] = None,
    once: Once = False,
    launchpad: LaunchpadPlace = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a submitted study: note what ended, send again what was lost or failed, submit what follows.

    Example: cosinter queue tend results/first --once
    """
    from cosinter.workflows.plan import Plan
    from cosinter.workflows.queues.settings import load_queue

    root = existing(results).resolve()
    file = queue or root / KEPT_QUEUE_FILE
    if queue is None and not file.is_file():
        raise InputError(
            f"{results} was never submitted to a queue; give --queue FILE or use cosinter submit"
        )
    documents = {str(KEPT_QUEUE_FILE): file.read_text(encoding="utf-8")} if queue is not None else {}
    _tend(
        Plan.read(root),
        root,
        load_queue(file),
        documents=documents,
        launchpad=launchpad,
        once=once,
        as_json=as_json,
    )


def _tend(
    plan: Plan,
    root: Path,
    settings: QueueSettings,
    *,
    documents: dict[str, str],
    launchpad: str | None,
    once: bool,
    as_json: bool,
) -> None:
    from cosinter.workflows.addresses import find_address
    from cosinter.workflows.queues.tend import tend_plan
    from cosinter.workflows.study_file import parse_study

    source = root / "study.json"
    study = documents.get("study.json") or (source.read_text(encoding="utf-8") if source.is_file() else "")
    wanted = parse_study(study, name="study.json").resources if study else {}
    address = find_address(launchpad, root=root)
    with progress(f"the jobs stay in the queue; go on with cosinter queue tend {root}") as watch:
        outcome = tend_plan(
            plan,
            root,
            queue=settings,
            address=address,
            wanted=wanted,
            documents=documents,
            watch=watch,
            tell=lambda text: typer.echo(text, err=True),
            once=once,
        )
    _tell(outcome, root, once=once, as_json=as_json)


def _tell(outcome: Outcome, root: Path, *, once: bool, as_json: bool) -> None:
    from cosinter.workflows.queues.batch import queued_stages

    in_queue = queued_stages(root)
    if once and in_queue:
        if as_json:
            typer.echo(json.dumps({"results": str(root), "in_queue": in_queue}, indent=1))
        else:
            jobs = len(set(in_queue.values()))
            typer.echo(f"{len(in_queue)} stages in {jobs} jobs; go on with cosinter queue tend {root}")
        return
    tell_outcome(outcome, root, as_json=as_json)


@app.command("list")
def list_jobs(results: ResultsFolder, as_json: AsJson = False) -> None:
    """List the jobs of a results folder: numbers, stages, and how they ended.

    Example: cosinter queue list results/first
    """
    from cosinter.workflows.queues.batch import all_batches

    root = existing(results).resolve()
    batches = all_batches(root)
    if as_json:
        typer.echo(json.dumps([_row(batch) for batch in batches], indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("job", "state", "stages", "script")
    for batch in batches:
        more = f" and {len(batch.stages) - 3} more" if len(batch.stages) > 3 else ""
        row = _row(batch)
        table.add_row(
            batch.job_id or "not submitted", row["state"], ", ".join(batch.stages[:3]) + more, row["script"]
        )
    Console().print(table)


def _row(batch: Batch) -> dict[str, Any]:
    return {
        "job": batch.job_id,
        "name": batch.name,
        "state": "ended" if batch.closed else "open",
        "stages": list(batch.stages),
        "written": batch.written,
        "script": str((batch.folder / "job.sh").relative_to(batch.root)),
    }


@app.command()
def cancel(
    results: ResultsFolder,
    stages: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE]...", help="Stages; all if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take the jobs of a results folder out of the queue; finished stages stay.

    Example: cosinter queue cancel results/first
    """
    from cosinter.workflows.queues.tend import cancel_jobs

    numbers = cancel_jobs(existing(results).resolve(), stages or None)
    if as_json:
        typer.echo(json.dumps({"cancelled_jobs": numbers}))
        return
    for number in numbers:
        typer.echo(f"cancelled queue job {number}")
    if not numbers:
        raise InputError(f"no job of {results} is in the queue")


@app.command()
def template(
    system: Annotated[str, typer.Argument(help="slurm, pbs, sge or lsf.", show_default=False)],
) -> None:
    """Print a commented queue file to begin with.

    Example: cosinter queue template slurm > slurm.yaml
    """
    from cosinter.workflows.queues.settings import queue_template

    typer.echo(queue_template(system), nl=False)


@app.command()
def check(
    file: QueueFile,
    stage: Annotated[
        str, typer.Option(help="Stage whose script is shown; patterns of the file apply to it.")
    ] = "stage",
    as_json: AsJson = False,
) -> None:
    """Check a queue file: show the script that would be submitted and ask the queue whether it answers.

    Example: cosinter queue check slurm.yaml --stage sinter-bare
    """
    from cosinter.workflows.queues.script import batch_script
    from cosinter.workflows.queues.settings import load_queue
    from cosinter.workflows.queues.system import jobs_of_user
    from cosinter.workflows.resources import resources_of

    settings = load_queue(file)
    resources = resources_of(stage, settings.defaults, settings.stages)
    folder = Path("results").resolve() / "NAME" / "queue" / "BATCH"
    text = batch_script(settings, resources, name="cs00000000", folder=folder, stages=1)
    if not as_json:
        typer.echo(text)
    waiting = len(jobs_of_user(settings.system))
    if as_json:
        typer.echo(json.dumps({"system": settings.system, "script": text, "your_jobs": waiting}, indent=1))
    else:
        typer.echo(f"{file}: valid; the queue answers, {waiting} of your jobs are in it")
