"""The command ``cosinter sweep``: a study at many points, one table out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import ConvergenceError, InputError
from cosinter.workflows.commands.runs import AsJson, StudyFile, progress

if TYPE_CHECKING:
    from cosinter.workflows.flows import Outcome, Watch
    from cosinter.workflows.plan import Plan
    from cosinter.workflows.study import Study
    from cosinter.workflows.sweep import Sweep
    from cosinter.workflows.variation import Changes

    Runner = Callable[[Plan, Path, Watch], Outcome]

MOST_SAMPLES = 10_000
SHOWN_ROWS = 60


def sweep(
    study: StudyFile,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUES",
            help="What changes: FROM:TO:STEP, a list a,b,c, or FROM:TO with --scatter. Repeat for a grid.",
            show_default=False,
        ),
    ],
    case: Annotated[
        list[str] | None, typer.Option(help="Case to run (repeat for several); all if not given.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_SAMPLES,
            help="Samples of the parameters' uncertainties: 90 % intervals of every run.",
        ),
    ] = 0,
    scatter: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="N points of a Latin hypercube inside FROM:TO instead of a grid."
        ),
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            help="parameters.json for all points; each its own, from the tables, if not given.",
            show_default=False,
        ),
    ] = None,
    fireworks: Annotated[
        bool,
        typer.Option("--fireworks/--in-process", help="Run as FireWorks jobs, or in this process alone."),
    ] = False,
    queue: Annotated[
        Path | None,
        typer.Option(
            help="Run in the queue that this file describes; see cosinter queue template.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=1, max=64, help="Worker processes of --fireworks.")
    ] = 2,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps what is done; results/NAME-sweep if not given.", show_default=False
        ),
    ] = None,
    out: Annotated[
        list[Path] | None, typer.Option(help="Table to write: .csv, .parquet or .json (repeat for several).")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Picture over the first key: .png .svg .pdf .html .csv .json.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take a study through the furnace at many points; what is already done is not done again.

    Interrupt it at any moment: the same command goes on where it was, and a wider sweep adds what is missing.

    Keys: furnace.hold_C, furnace.hold_h, furnace.ramp_K_per_min, furnace.cool_K_per_min, compensator.wt_percent (ratio
    kept; 0: none), compensator.LiOH_share, compensator.LiOH_wt_percent, compensator.Li2CO3_wt_percent,
    atmosphere.O2, atmosphere.CO2, atmosphere.H2O (bar), cathode.grain_radius_um, cathode_volume_fraction, and every
    other number of the study file (furnace.segments.0.to_C); cases.NAME.KEY changes one case.

    Examples:

    cosinter sweep study.yaml --vary furnace.hold_C=500:800:25 --vary compensator.wt_percent=0:8:1 --out sweep.csv

    cosinter sweep study.yaml --vary furnace.hold_C=400:800:25 --case bare --samples 200 --plot hold.png

    cosinter sweep study.yaml --vary furnace.hold_h=0.5:10 --vary atmosphere.O2=0.05:1 --scatter 100 --out s.parquet

    cosinter sweep study.yaml --vary electrolyte.formula=latp,ltp --fireworks -j 8 --json

    cosinter sweep study.yaml --vary furnace.hold_C=400:800:5 --samples 1000 --queue slurm.yaml --out sweep.csv
    """
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.sweep import lay_out
    from cosinter.workflows.table_file import check_table
    from cosinter.workflows.variants import read_parameters

    question = load_study(study)
    points = _points(vary, scatter, question.seed)
    plan = lay_out(
        question,
        points,
        cases=case or (),
        samples=samples,
        parameters=None if parameters is None else read_parameters(parameters).to_json(),
    )
    for path in out or ():
        check_table(path)
    if plot is not None:
        from cosinter.workflows.diagrams.drawing import check_target

        check_target(plot)
    root = results or Path("results") / f"{question.name}-sweep"
    rows, told = _run(plan, root, _runner(question, queue, workers=workers, here=not fireworks))
    _write(rows, out or ())
    if plot is not None:
        from cosinter.workflows.sweep_figure import sweep_drawing

        sweep_drawing(question, rows, axes=list(points[0])).save(plot)
    failed = sum(row["error"] is not None for row in rows)
    if as_json:
        typer.echo(json.dumps({"results": str(root), **told, "failed": failed, "rows": rows}, indent=1))
    else:
        _show(rows, list(points[0]), root, told)
    _account(rows, failed)


def _points(texts: Sequence[str], scatter: int | None, seed: int) -> Sequence[Changes]:
    """The points that --vary and --scatter ask for."""
    from cosinter.workflows.variation import grid, parse_bounds, parse_variation, scattered, split_variation

    pairs = [split_variation(text) for text in texts]
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InputError(f"--vary {twice} is given twice; list its values once, a,b,c or FROM:TO:STEP")
    if scatter is not None:
        return scattered({key: parse_bounds(text, name=key) for key, text in pairs}, scatter, seed=seed)
    return grid(dict(parse_variation(text) for text in texts))


def _runner(study: Study, queue: Path | None, *, workers: int, here: bool) -> Runner:
    """How the chunks are run: in this process, by workers, or through a queue."""
    from cosinter.workflows.flows import run_plan

    if queue is None:
        return lambda plan, root, watch: run_plan(plan, root, workers=workers, watch=watch, here=here)
    from cosinter.workflows.addresses import own_address
    from cosinter.workflows.queues.settings import load_queue
    from cosinter.workflows.queues.tend import tend_plan

    settings = load_queue(queue)
    return lambda plan, root, watch: tend_plan(
        plan,
        root,
        queue=settings,
        address=own_address(root),
        wanted=study.resources,
        watch=watch,
        tell=lambda text: typer.echo(text, err=True),
    )


def _run(sweep: Sweep, root: Path, runner: Runner) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run it under a live view; rows, and how many chunks were run and kept in how many seconds."""
    from cosinter.workflows.sweep import table

    with progress("finished chunks are kept, the same command goes on where it was") as watch:
        outcome = runner(sweep.plan, root, watch)
    rows = table(sweep, root)
    told = {"ran": len(outcome.ran), "kept": len(outcome.kept), "seconds": round(outcome.seconds, 3)}
    return rows, told


def _write(rows: Sequence[Mapping[str, Any]], paths: Sequence[Path]) -> None:
    from cosinter.workflows.commands.science import write_user_file
    from cosinter.workflows.table_file import table_bytes

    for path in paths:
        write_user_file(path, table_bytes(path.suffix.lower(), list(rows[0]), rows))
        typer.echo(f"table: {path}", err=True)


def _show(
    rows: Sequence[Mapping[str, Any]], keys: Sequence[str], root: Path, told: Mapping[str, Any]
) -> None:
    from rich.console import Console
    from rich.table import Table

    outcomes = {
        "layered_fraction": "layered",
        "lithium_per_metal": "Li/metal",
        "interphase_nm": "nm",
        "asr_ohm_cm2": "Ω cm²",
        "capacity_mAh_per_g": "mAh/g",
    }
    shown = Table(title="after the furnace")
    for heading in (*keys, "case", *outcomes.values()):
        shown.add_column(heading.replace(".", "\n"), justify="left" if heading == "case" else "right")
    for row in rows[:SHOWN_ROWS]:
        cells = [_number(row[key]) for key in keys]
        shown.add_row(*cells, row["case"], *(_with_interval(row, name) for name in outcomes))
    Console().print(shown)
    if len(rows) > SHOWN_ROWS:
        typer.echo(f"and {len(rows) - SHOWN_ROWS} more rows; --out FILE.csv writes all")
    typer.echo(
        f"{len(rows)} rows; {told['ran']} chunks ran in {told['seconds']:.1f} s, {told['kept']} were already in {root}"
    )


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    """The outcome, below it its 5 to 95 % interval if there is one."""
    if row[name] is None:
        return "failed"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return _number(row[name]) + (f"\n{_number(low)} to {_number(high)}" if low is not None else "")


def _number(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:.3g}"


def _account(rows: Sequence[Mapping[str, Any]], failed: int) -> None:
    """Say what failed; a sweep without a single outcome is an error."""
    if not failed:
        return
    first = next(row for row in rows if row["error"] is not None)
    if failed == len(rows):
        raise ConvergenceError(f"none of the {failed} runs ended: {first['error']}")
    typer.echo(f"{failed} of {len(rows)} runs failed (column error), the first: {first['error']}", err=True)
