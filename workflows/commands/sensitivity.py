"""The command ``cosinter sensitivity``: which parameter should be measured or computed next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cosinter.workflows.commands.runs import AsJson, StudyFile

SHOWN_ROWS = 12


class SensitivityMethod(StrEnum):
    """How the sources of error are compared."""

    ranks = "ranks"
    sobol = "sobol"
    tornado = "tornado"


def sensitivity(
    study: StudyFile,
    case: Annotated[
        str | None,
        typer.Option(help="Case to run; the first with a compensator if not given.", show_default=False),
    ] = None,
    method: Annotated[
        SensitivityMethod,
        typer.Option(
            help="ranks: correlations over samples; sobol: shares of the variance; tornado: one at a time."
        ),
    ] = SensitivityMethod.ranks,
    outcome: Annotated[
        str,
        typer.Option(
            help="Outcomes, separated by commas: layered, spinel, rock_salt, lithium, interphase, asr, capacity."
        ),
    ] = "layered",
    samples: Annotated[
        int, typer.Option(metavar="N", help="Runs of ranks and sobol; a tornado takes two per source.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    parameters: Annotated[
        Path | None,
        typer.Option(help="parameters.json; from the tables if not given.", show_default=False),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=1, max=64, help="Runs at the same time.")
    ] = 2,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture of the first outcome: .png .svg .pdf .html .csv .json.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for sensitivity.json, .csv and one .svg per outcome.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find which parameter decides an outcome: the one to measure or compute next.

    Every number of the model has a standard uncertainty. ranks draws all of them at once and correlates each with the
    outcome; sobol splits the variance of the outcome among them, interactions included; tornado moves one at a time
    from its 5th to its 95th percentile.

    Examples:

    cosinter sensitivity study.yaml

    cosinter sensitivity study.yaml --case bare --outcome layered,asr --samples 4000 --out sensitivity

    cosinter sensitivity study.yaml --method sobol --outcome interphase --samples 5000 --plot shares.svg

    cosinter sensitivity study.yaml --method tornado --outcome capacity --json
    """
    from cosinter.workflows.commands.react import working
    from cosinter.workflows.commands.react_options import split_list
    from cosinter.workflows.diagrams.drawing import check_target
    from cosinter.workflows.sensitivity import Request, sensitivity
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.variants import Variants, one_case, read_parameters

    request = Request(method.value, split_list(outcome), samples=samples, seed=seed, workers=workers)
    chosen = one_case(load_study(study), case)
    if plot is not None:
        check_target(plot)
    if out is not None:
        _check_folder(out)
    given = None if parameters is None else read_parameters(parameters)
    with working() as tell:
        tell("thermodynamics and parameters", 0, 1)
        variant = Variants(chosen, given).of({})
        content = sensitivity(request, variant, tell=tell)
    _write(content, plot, out)
    if as_json:
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
        return
    for part in content["outcomes"]:
        _show(content, part)
    for warning in content["warnings"]:
        typer.echo(warning, err=True)


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written, before anything is computed."""
    from cosinter.data.exceptions import InputError

    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder} ({error.strerror or error})") from error


def _write(content: Mapping[str, Any], plot: Path | None, out: Path | None) -> None:
    from cosinter.workflows.commands.science import write_user_file
    from cosinter.workflows.diagrams.influence import influence_drawing
    from cosinter.workflows.sensitivity import sensitivity_csv

    if plot is not None:
        influence_drawing(content, content["outcomes"][0]["outcome"]).save(plot)
        typer.echo(f"picture: {plot}", err=True)
    if out is None:
        return
    write_user_file(out / "sensitivity.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_user_file(out / "sensitivity.csv", sensitivity_csv(content))
    for part in content["outcomes"]:
        influence_drawing(content, part["outcome"]).save(out / f"{part['outcome']}.svg")
    typer.echo(f"files: {out}", err=True)


def _show(content: Mapping[str, Any], part: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cosinter.analysis.continuum.sensitivity import OTHERS

    headings, cells = _COLUMNS[content["method"]]
    table = Table(title=_title(content, part), title_justify="left")
    table.add_column("source of error", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("± one sigma")
    table.add_column("kind")
    shown = [row for row in part["sources"] if row["certain"] or row["name"] == OTHERS]
    for row in (shown or part["sources"])[:SHOWN_ROWS]:
        table.add_row(row["name"], *cells(row), row["size"], row["kind"])
    console = Console()
    console.print(table)
    if not part["next"]:
        console.print("no source of error moves this outcome beyond doubt; take more --samples")
        return
    console.print("to measure or compute next:")
    for number, sentence in enumerate(part["next"], start=1):
        console.print(f"{number}. {sentence}", markup=False, highlight=False)


def _title(content: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    unit = f" {part['unit']}" if part["unit"] else ""
    if part["interval"] is None:
        value = f"{part['nominal']:.4g}{unit}"
    else:
        band = part["interval"]
        value = f"{band['p50']:.4g} ({band['p5']:.4g} to {band['p95']:.4g}){unit}"
    return f"{content['case']}: {part['outcome']} {value}, {content['runs']} runs"


_COLUMNS: Mapping[str, Any] = {
    "ranks": (
        ("rank correlation", "95 % interval"),
        lambda row: (f"{row['rho']:+.2f}", f"{row['low']:+.2f} to {row['high']:+.2f}"),
    ),
    "sobol": (
        ("alone (S1)", "in all (ST)"),
        lambda row: (
            f"{row['S1']:.2f} ± {row['S1_margin']:.2f}",
            f"{row['ST']:.2f} ± {row['ST_margin']:.2f}",
        ),
    ),
    "tornado": (
        ("at 5 %", "at 95 %"),
        lambda row: (f"{row['low']:.4g}", f"{row['high']:.4g}"),
    ),
}
