"""The command ``cosinter calibrate``: parameters from a user's own measurements."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, StudyFile

if TYPE_CHECKING:
    from cosinter.workflows.calibration import Calibration


class Others(StrEnum):
    """What becomes of the parameters that are not fitted."""

    linear = "linear"
    fixed = "fixed"


def calibrate(
    study: StudyFile,
    data: Annotated[Path, typer.Option(help="Measurements (CSV), units in the header.", show_default=False)],
    parameters: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="What is fitted: parameters with an uncertainty; NAME:energy is the activation energy of a rate.",
            show_default=False,
        ),
    ],
    prior: Annotated[
        Path | None,
        typer.Option(
            help="parameters.json whose uncertainties are the prior; computed from the tables if not given.",
            show_default=False,
        ),
    ] = None,
    others: Annotated[
        Others,
        typer.Option(
            help="What the uncertainty of all other parameters does: widen the error of each prediction (as if linear), "
            "or nothing."
        ),
    ] = Others.linear,
    walkers: Annotated[int, typer.Option(help="Walkers of the sampler, at least 2 per parameter + 2.")] = 32,
    steps: Annotated[
        int, typer.Option(help="Steps of the sampler at most; it stops when the chain has converged.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the sampler.")] = 0,
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=1, max=64, help="Runs at the same time.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for parameters.json (the fitted set), calibration.json, samples.csv, posterior.png.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Picture of the posterior: .png .svg .pdf .html .csv .json.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit parameters of the compensation model to your own measurements.

    The uncertainties of the parameter set are the prior. Each line of the CSV is one
    fired sample: its conditions, and what was measured with its standard error.

    case,hold_C \\[°C],hold_h \\[h],layered,layered_error,interphase \\[nm],interphase_factor

    bare,600,2,0.93,0.02,85,1.3

    Conditions: case, hold_C, hold_h, ramp, dose, ratio, O2, CO2, H2O, or any key of
    cosinter sweep. Outcomes: layered, spinel, rock_salt, lithium, interphase, asr,
    capacity, each with OUTCOME_error in its unit or OUTCOME_factor (1.3: times or
    divided by 1.3).

    Every sample is also predicted from all others. Needs pip install 'cosinter\\[design]'.

    Examples:

    cosinter calibrate study.yaml --data mine.csv --parameters interphase.parabolic_constant --out fitted

    cosinter sinter study.yaml --parameters fitted/parameters.json

    cosinter calibrate study.yaml --data mine.csv --parameters contact.interface_rate,contact.solid_coverage --plot p.html
    """
    from cosinter.workflows.calibration import CalibrationRequest
    from cosinter.workflows.calibration import calibrate as fit
    from cosinter.workflows.commands.react import working
    from cosinter.workflows.commands.react_options import split_list
    from cosinter.workflows.measurement_file import read_measurements
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.variants import read_parameters

    if plot is not None:
        from cosinter.workflows.diagrams.drawing import check_target

        check_target(plot)
    question = load_study(study)
    request = CalibrationRequest(
        study=question,
        data=read_measurements(data, question),
        names=tuple(split_list(parameters)),
        prior=None if prior is None else read_parameters(prior),
        others=others.value,
        walkers=walkers,
        steps=steps,
        seed=seed,
        workers=workers,
    )
    _check_folder(out)
    with working() as tell:
        found = fit(request, tell=tell)
        files = _write(found, out, plot)
    if as_json:
        typer.echo(json.dumps(found.content, indent=1, allow_nan=False))
    else:
        _show(found.content)
    for path in files:
        typer.echo(f"written: {path}", err=True)


def _check_folder(out: Path | None) -> None:
    """Refuse a folder that cannot be written, before anything is computed and without making it."""
    if out is None:
        return
    place = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"cannot write {out} ({place} is {'not writable' if place.is_dir() else 'a file'})")


def _write(found: Calibration, out: Path | None, plot: Path | None) -> list[Path]:
    from cosinter.analysis.exports.csv_table import csv_text
    from cosinter.workflows.commands.science import write_user_file
    from cosinter.workflows.diagrams.corner import corner_drawing

    posterior = found.posterior
    drawing = corner_drawing(posterior.names, posterior.z, found.content)
    files = []
    if plot is not None:
        drawing.save(plot)
        files.append(plot)
    if out is not None:
        rows = [dict(zip(posterior.names, row, strict=True)) for row in posterior.z.tolist()]
        texts = {
            "parameters.json": found.fitted.to_json(),
            "calibration.json": json.dumps(found.content, indent=1, allow_nan=False) + "\n",
            "samples.csv": csv_text(posterior.names, rows),
        }
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {out} ({error.strerror or error})") from error
        for name, text in texts.items():
            write_user_file(out / name, text)
        drawing.save(out / "posterior.png")
        files += [out / name for name in (*texts, "posterior.png")]
    return files


def _show(content: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    data, chain = content["data"], content["chain"]
    table = Table(
        title=f"{data['measurements']} measurements of {data['experiments']} samples in {data['name']}"
    )
    for heading in ("parameter", "unit", "before", "after", "learned\nnat"):
        words = heading in ("parameter", "unit")
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for row in content["parameters"]:
        table.add_row(
            row["name"],
            row["unit"],
            _band(row["prior"]),
            _band(row["posterior"]),
            f"{row['learned_nats']:.2f}",
        )
    console.print(table)
    console.print(_predictions(content))
    blind = content["leave_one_out"]
    for line in (
        f"chain: {chain['walkers']} walkers, {chain['steps']} steps, longest autocorrelation "
        f"{max(chain['autocorrelation_steps']):.0f} steps, {chain['acceptance']:.0%} of the moves accepted",
        f"left out, {blind['within_90_percent']:.0%} of the measurements fall into the 90 % interval of their prediction "
        f"(root mean square of z {blind['rms_z_score']:.2f})",
    ):
        console.print(line, markup=False, highlight=False)
    for warning in content["warnings"]:
        console.print(f"note: {warning}", markup=False, highlight=False, style="yellow")


def _predictions(content: Mapping[str, Any]) -> Any:
    """The measurements beside their predictions."""
    from rich.table import Table

    table = Table(title="predictions: median, 5 to 95 %")
    for heading in ("sample", "outcome", "measured", "error", "before", "after", "left out", "z"):
        words = heading in ("sample", "outcome")
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for row in content["measurements"]:
        error = f"×/÷ {row['error']:.3g}" if row["error_is_factor"] else f"± {row['error']:.3g}"
        bands = (_band(row[key]) for key in ("prior", "posterior", "left_out"))
        table.add_row(
            row["sample"], row["outcome"], f"{row['measured']:.4g}", error, *bands, f"{row['z_score']:+.1f}"
        )
    return table


def _band(values: Mapping[str, float]) -> str:
    """Median, below it the 5 to 95 % range."""
    return f"{values['median']:.3g}\n{values['low']:.3g} to {values['high']:.3g}"
