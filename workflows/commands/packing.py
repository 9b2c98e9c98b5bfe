"""Commands that carry a study to another computer and back: pack, unpack."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, StudyFile


def pack(
    study: StudyFile,
    out: Annotated[Path, typer.Option(help="New folder to write.", show_default=False)],
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder whose finished stages go along.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a folder that runs where no database or network can be reached.

    There: cosinter run --packed FOLDER. Back here: cosinter unpack FOLDER --into RESULTS.

    Example: cosinter pack study.yaml --out study-packed --results results/study
    """
    from cosinter.workflows.packing import pack as write_pack
    from cosinter.workflows.results import Results

    plan = write_pack(study, out, results=results)
    missing = [stage.name for stage in plan.pending(Results(out / "results"))]
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "stages": len(plan.stages), "missing": missing}, indent=1))
        return
    done = len(plan.stages) - len(missing)
    typer.echo(
        f"{out}: {len(plan.stages)} stages, {done} of them done; there: cosinter run --packed {out.name}"
    )


def unpack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Packed folder.", show_default=False)],
    into: Annotated[Path, typer.Option(help="Results folder to take the stages into.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Take the results of a packed folder over; every file is checked, and what is here already stays.

    Example: cosinter unpack study-packed --into results/study
    """
    from cosinter.workflows.packing import unpack as take_back

    found = take_back(folder, into)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
    else:
        typer.echo(f"{len(found.taken)} stages taken into {into}, {len(found.kept)} were already there")
        for name in found.other_version:
            typer.echo(f"made by another version, kept beside the plan: {name}")
        for name, why in found.refused.items():
            typer.echo(f"refused: {name}: {why}", err=True)
    if found.refused:
        raise InputError(f"{len(found.refused)} stages of {folder} were not taken")
