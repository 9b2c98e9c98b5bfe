"""Commands about whole studies: run, validate, schema, report, export, doctor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cosinter.data.exceptions import EngineError, InputError

if TYPE_CHECKING:
    from cosinter.workflows.flows import Outcome, Watch
    from cosinter.workflows.study import Study

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (YAML).", show_default=False)]
ResultsFolder = Annotated[
    Path, typer.Argument(metavar="RESULTS", help="Results folder of a run.", show_default=False)
]
LaunchpadPlace = Annotated[
    str | None,
    typer.Option(
        "--launchpad",
        envvar="COSINTER_LAUNCHPAD",
        metavar="PLACE",
        help="LaunchPad: a my_launchpad.yaml, a mongodb:// address or a file; RESULTS/launchpad.db if not given.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def run(
    study: Annotated[
        Path | None, typer.Argument(metavar="STUDY", help="Study file (YAML).", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Results folder; results/NAME if not given.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, max=64, help="Worker processes.")] = 2,
    accept_older: Annotated[
        bool,
        typer.Option("--accept-older", help="Keep results of the same inputs that other versions made."),
    ] = False,
    launchpad: LaunchpadPlace = None,
    packed: Annotated[
        Path | None,
        typer.Option(help="Folder of cosinter pack to run instead of a study.", show_default=False),
    ] = None,
    accept_other_version: Annotated[
        bool,
        typer.Option(
            "--accept-other-version", help="Run a packed folder although other versions are installed here."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study from crystal structures to a report; what is already done is not done again.

    Interrupt it at any moment: the same command goes on where it was.

    Examples:

    cosinter run data/studies/ncm811-latp.yaml --out results/first

    cosinter run --packed first-packed
    """
    if (study is None) == (packed is None):
        raise InputError("run takes a STUDY or --packed FOLDER, one of them; see cosinter run --help")
    if study is None:
        _run_packed(packed or Path(), workers, accept_other_version=accept_other_version, as_json=as_json)
        return
    from cosinter.workflows.addresses import find_address
    from cosinter.workflows.flows import run_study
    from cosinter.workflows.study_file import load_study

    question = load_study(study)
    root = out or Path("results") / question.name
    if not accept_older:
        _tell_older(question, root)
    address = find_address(launchpad, root=root)
    with progress() as watch:
        outcome = run_study(
            question, root, workers=workers, watch=watch, address=address, keep_older=accept_older
        )
    tell_outcome(outcome, root, as_json=as_json)


def _run_packed(folder: Path, workers: int, *, accept_other_version: bool, as_json: bool) -> None:
    from cosinter.workflows.packing import run_packed

    with progress() as watch:
        outcome = run_packed(folder, workers=workers, watch=watch, accept_other_version=accept_other_version)
    tell_outcome(outcome, folder / "results", as_json=as_json)


def _tell_older(question: Study, root: Path) -> None:
    """Say which results are computed again because of versions alone."""
    from cosinter.workflows.results import Results
    from cosinter.workflows.study_plan import make_plan
    from cosinter.workflows.versions import outdated

    found = outdated(make_plan(question), Results(root))
    if found:
        why = sorted({difference for older in found for difference in older.differences})
        more = f" and {len(why) - 4} more" if len(why) > 4 else ""
        typer.echo(
            f"{len(found)} stages run again because other versions made their results ({', '.join(why[:4])}{more}); "
            "--accept-older keeps them",
            err=True,
        )


KEPT = "finished stages are kept, the same command goes on where it was"


@contextmanager
def progress(kept: str = KEPT) -> Iterator[Watch]:
    """Show the progress of a run on the terminal; an interruption says what is kept."""
    from rich.console import Console

    from cosinter.workflows.commands.leaving import Terminated
    from cosinter.workflows.commands.progress import live_view

    try:
        with live_view(Console(stderr=True, highlight=False)) as watch:
            yield watch
    except KeyboardInterrupt as stop:
        typer.echo(f"interrupted; {kept}", err=True)
        raise typer.Exit(143 if isinstance(stop, Terminated) else 130) from None


def tell_outcome(outcome: Outcome, root: Path, *, as_json: bool) -> None:
    """Say how a run ended; leave with exit code 1 if a stage failed."""
    if as_json:
        typer.echo(json.dumps(_outcome_json(outcome, root), indent=1))
    else:
        _tell(outcome, root)
    if not outcome.complete:
        tell_failures(outcome, root)


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
    if outcome.complete and (root / "summary.json").is_file():
        verdict = json.loads((root / "summary.json").read_text(encoding="utf-8"))["verdict"]
        typer.echo(f"\n{verdict['headline']}\n{verdict['detail']}\n\nreport: {root / 'report.html'}")


def tell_failures(outcome: Outcome, root: Path) -> NoReturn:
    """Say what failed and leave with exit code 1."""
    for failure in outcome.failures:
        typer.echo(
            f"failed: {failure.stage}: {failure.message} (log: {root / 'log' / f'{failure.stage}.txt'})",
            err=True,
        )
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

    target = out or existing(results) / "report.html"
    text = render_report(read_content(existing(results)))
    with storage_errors(target.parent):
        write_atomically(target, text)
    typer.echo(f"report: {target}")


def export(
    results: ResultsFolder,
    to: Annotated[
        str,
        typer.Option(
            help="Formats, comma separated: json, csv, parquet (parameters); bpx, pybamm (the sintered cathode); "
            "cantera, tdb (phases); comsol (parameters and tables); structures (CIF, POSCAR, LAMMPS data); or all."
        ),
    ] = "json,csv,bpx",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into; RESULTS/exports if not given.")
    ] = None,
    case: Annotated[
        str | None, typer.Option(help="Sintered case for bpx and pybamm; all if not given.")
    ] = None,
    no_assumed: Annotated[bool, typer.Option("--no-assumed", help="Leave assumed values out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what a run found in the formats that other tools read.

    Every value says whether it is computed, measured, assumed or fitted, and where it is from.

    Examples:

    cosinter export results/ncm811-latp --to bpx,csv --no-assumed

    cosinter export results/ncm811-latp --to cantera,tdb --out thermo
    """
    from cosinter.workflows.exporting import FORMATS, write_exports

    wanted = [name.strip().lower() for name in to.split(",") if name.strip()]
    if wanted == ["all"]:
        wanted = list(FORMATS)
    if not wanted or not set(wanted) <= set(FORMATS):
        raise InputError(f"--to {to}: known formats are {', '.join(FORMATS)}, or all")
    folder = out or existing(results) / "exports"
    written = write_exports(existing(results), wanted, folder, case=case, include_assumed=not no_assumed)
    if as_json:
        typer.echo(json.dumps([str(path) for path in written], indent=1))
    else:
        for path in written:
            typer.echo(str(path))


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


def existing(results: Path, *, rebuild: bool = False) -> Path:
    """Return a results folder; a mistake in its name is said. For ``rebuild`` study.json is enough."""
    if not (results / "plan.json").is_file() and not (rebuild and (results / "study.json").is_file()):
        raise InputError(
            f"{results} is not a results folder (no plan.json in it); make one with cosinter run STUDY"
        )
    return results
