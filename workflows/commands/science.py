"""The command sinter, and how a command writes a file that the user named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cosinter.data.exceptions import InputError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def sinter(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (YAML).", show_default=False)],
    parameters: Annotated[
        Path | None,
        typer.Option(
            help="parameters.json of a run; computed from the tables if not given.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run only the furnace: the continuum compensation model for every case of a study.

    Without --parameters the thermodynamics is computed first and the transport data come from the tables.

    Example: cosinter sinter data/studies/minimal.yaml --json
    """
    from cosinter.workflows.steps.furnace import sinter_study
    from cosinter.workflows.study_file import load_study

    cases = sinter_study(load_study(study), parameters)
    if as_json:
        typer.echo(json.dumps({"cases": cases}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="after the furnace")
    columns = {
        "name": "case",
        "layered_fraction": "layered",
        "spinel_fraction": "spinel",
        "rock_salt_fraction": "rock salt",
        "lithium_per_metal": "Li per metal",
        "interphase_nm": "interphase nm",
        "asr_ohm_cm2": "ASR Ω cm²",
        "capacity_mAh_per_g": "mAh/g",
        "wall_s": "s",
    }
    for key, heading in columns.items():
        table.add_column(heading, justify="left" if key == "name" else "right")
    for case in cases:
        table.add_row(*(case[key] if key == "name" else _shown(key, case[key]) for key in columns))
    Console().print(table)
    worst = max(error for case in cases for error in case["balance_error"].values())
    typer.echo(f"largest element-balance error {worst:.1e} of its inventory")


def _shown(key: str, value: float) -> str:
    return f"{value:.3f}" if key.endswith(("_fraction", "_per_metal")) else f"{value:.4g}"


def make_user_folder(path: Path | None) -> None:
    """Make a folder that the user named, before the work whose results go into it.

    Raises
    ------
    InputError
        It cannot be made or written.
    """
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise InputError(f"folder {path} cannot be written; name another")
    except OSError as error:
        raise InputError(f"cannot make the folder {path} ({error.strerror or error})") from error


def write_user_file(path: Path, text: str | bytes) -> None:
    """Write a file that the user named; a wrong path is the user's mistake.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written.
    """
    from cosinter.workflows.results import write_atomically

    try:
        write_atomically(path, text)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror or error})") from error
