"""Commands about whole studies: run, validate, schema, report, export, status, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import EngineError, InputError

if TYPE_CHECKING:
    from cosinter.workflows.flows import Outcome

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (YAML).", show_default=False)]
ResultsFolder = Annotated[
    Path, typer.Argument(metavar="RESULTS", help="Results folder of a run.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def run(
    study: StudyFile,
    out: Annotated[
        Path | None, typer.Option(help="Results folder; results/NAME if not given.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, max=64, help="Worker processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Run a study from crystal structures to a report; what is already done is not done again.

    Interrupt it at any moment: the same command goes on where it was.

    Example: cosinter run data/studies/ncm811-latp.yaml --out results/first
    """
    from rich.console import Console

    from cosinter.workflows.commands.progress import live_view
    from cosinter.workflows.flows import run_study
    from cosinter.workflows.study_file import load_study

    question = load_study(study)
    root = out or Path("results") / question.name
    console = Console(stderr=True, highlight=False)
    try:
        with live_view(console) as watch:
            outcome = run_study(question, root, workers=workers, watch=watch)
    except KeyboardInterrupt:
        typer.echo("interrupted; finished stages are kept, the same command goes on where it was", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(_outcome_json(outcome, root), indent=1))
    else:
        _tell(outcome, root)
    if not outcome.complete:
        _fail(outcome, root)


def _outcome_json(outcome: Outcome, root: Path) -> dict[str, Any]:
    return {
        "results": str(root),
        "ran": list(outcome.ran),
        "kept": list(outcome.kept),
        "failed": [{"stage": f.stage, "error": f.error, "message": f.message} for f in outcome.failures],
        "waiting": list(outcome.waiting),
        "seconds": round(outcome.seconds, 3),
    }


def _tell(outcome: Outcome, root: Path) -> None:
    if outcome.complete and not outcome.ran:
        typer.echo(f"nothing to do: all {len(outcome.kept)} stages are already in {root}")
    elif outcome.ran:
        kept = f", {len(outcome.kept)} were already there" if outcome.kept else ""
        typer.echo(f"{len(outcome.ran)} stages ran in {outcome.seconds:.0f} s{kept}")
    if outcome.complete:
        verdict = json.loads((root / "summary.json").read_text(encoding="utf-8"))["verdict"]
        typer.echo(f"\n{verdict['headline']}\n{verdict['detail']}\n\nreport: {root / 'report.html'}")


def _fail(outcome: Outcome, root: Path) -> None:
    for failure in outcome.failures:
        typer.echo(f"failed: {failure.stage}: {failure.message} (log: {root / 'log'})", err=True)
    waiting = f"; {len(outcome.waiting)} stages that need them did not run" if outcome.waiting else ""
    raise EngineError(
        f"{len(outcome.failures)} stages failed{waiting}; mend the cause and run the same command again"
    )


def validate(study: StudyFile, as_json: AsJson = False) -> None:
    """Check a study file and say what it asks for.

    Example: cosinter validate data/studies/minimal.yaml
    """
    from cosinter.workflows.study_file import load_study

    question = load_study(study)
    if as_json:
        typer.echo(question.model_dump_json(indent=1))
        return
    hours, peak = question.furnace.knots()[-1][0], max(t for _, t in question.furnace.knots())
    typer.echo(
        f"{study}: valid. {question.cathode.formula} + {question.electrolyte.formula}, "
        f"{len(question.cases)} case(s), {hours:.3g} h up to {peak:g} °C"
    )


def schema() -> None:
    """Print the JSON Schema of study files, for editors and other programs."""
    from cosinter.workflows.study import Study

    typer.echo(json.dumps(Study.model_json_schema(), indent=1))


def report(
    results: ResultsFolder,
    out: Annotated[Path | None, typer.Option(help="File to write; RESULTS/report.html if not given.")] = None,
) -> None:
    """Write the report of a results folder again; stages that are missing show as holes.

    Example: cosinter report results/ncm811-latp --out report.html
    """
    from cosinter.workflows.report.collect import read_content
    from cosinter.workflows.report.page import render_report
    from cosinter.workflows.results import storage_errors, write_atomically

    target = out or _existing(results) / "report.html"
    text = render_report(read_content(_existing(results)))
    with storage_errors(target.parent):
        write_atomically(target, text)
    typer.echo(f"report: {target}")


def export(
    results: ResultsFolder,
    to: Annotated[
        str, typer.Option(help="Formats, comma separated: json, csv, bpx, pybamm.")
    ] = "json,csv,bpx",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into; RESULTS/exports if not given.")
    ] = None,
    case: Annotated[
        str | None, typer.Option(help="Sintered case for bpx and pybamm; all if not given.")
    ] = None,
    no_assumed: Annotated[bool, typer.Option("--no-assumed", help="Leave assumed values out.")] = False,
) -> None:
    """Write the parameters of a run in the formats that other tools read.

    Example: cosinter export results/ncm811-latp --to bpx,csv --no-assumed
    """
    from cosinter.workflows.exporting import FORMATS, write_exports

    wanted = [name.strip().lower() for name in to.split(",") if name.strip()]
    if not wanted or not set(wanted) <= set(FORMATS):
        raise InputError(f"--to {to}: known formats are {', '.join(FORMATS)}")
    folder = out or _existing(results) / "exports"
    for path in write_exports(_existing(results), wanted, folder, case=case, include_assumed=not no_assumed):
        typer.echo(str(path))


def status(results: ResultsFolder, as_json: AsJson = False) -> None:
    """Show which stages of a run are done, how long they took and what failed.

    Example: cosinter status results/ncm811-latp
    """
    from cosinter.workflows.flows import manifest
    from cosinter.workflows.plan import Plan
    from cosinter.workflows.results import Results

    store = Results(_existing(results))
    plan = Plan.read(store.root)
    rows = manifest(plan, store)["stages"]
    for row in rows:
        events = store.events(row["name"], row["hash"])
        row["state"] = "done" if row["finished"] else (events[-1]["event"] if events else "waiting")
        row["message"] = events[-1].get("message", "") if events else ""
    if as_json:
        typer.echo(json.dumps({"study": plan.study, "stages": rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "state", "seconds", "executed", "message", title=plan.study)
    for row in rows:
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f}"
        table.add_row(row["name"], row["state"], seconds, str(row["executed"]), row["message"])
    Console().print(table)


def doctor(as_json: AsJson = False) -> None:
    """Check engines, versions, data files and write access, and say how to mend what is missing."""
    from cosinter.workflows.commands.doctor import examine

    checks = examine()
    if as_json:
        typer.echo(json.dumps([check.to_dict() for check in checks], indent=1))
    else:
        for check in checks:
            typer.echo(f"{check.mark:8} {check.name:28} {check.detail}")
    broken = [check for check in checks if check.needed and not check.good]
    if broken:
        raise EngineError(f"{len(broken)} check(s) failed: {', '.join(check.name for check in broken)}")


def _existing(results: Path) -> Path:
    if not (results / "plan.json").is_file():
        raise InputError(
            f"{results} is not a results folder (no plan.json in it); make one with cosinter run STUDY"
        )
    return results
