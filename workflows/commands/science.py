"""Commands about single questions: structure and sinter."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cosinter.data.exceptions import InputError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class StructureFormat(StrEnum):
    """File formats of atomic structures."""

    cif = "cif"
    poscar = "poscar"
    xyz = "xyz"
    json = "json"
    lammps_data = "lammps-data"


def structure(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Name of a crystal, e.g. ncm811, latp, li2tio3.", show_default=False
        ),
    ],
    file_format: Annotated[
        StructureFormat, typer.Option("--format", help="File format; json keeps oxidation states.")
    ] = StructureFormat.cif,
    out: Annotated[Path | None, typer.Option(help="File to write; the screen if not given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cation ordering.")] = 1,
) -> None:
    """Build an ordered, charge-neutral structure of a named crystal.

    Example: cosinter structure ncm811 --format cif --out ncm811.cif
    """
    from cosinter.structures.named import build, write
    from cosinter.workflows.commands.react_options import plain

    text = write(build(plain(name), seed=seed), file_format.value)
    if out is None:
        typer.echo(text)
        return
    write_user_file(out, text)
    typer.echo(f"{name}: {out}", err=True)


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
