"""Commands about single questions: structure, react, sinter."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.interface import InterfaceReaction

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class StructureFormat(StrEnum):
    """File formats of atomic structures."""

    cif = "cif"
    poscar = "poscar"
    xyz = "xyz"
    json = "json"
    lammps_data = "lammps-data"


class RatioBasis(StrEnum):
    """What a mixing ratio counts."""

    mole = "mole"
    mass = "mass"
    volume = "volume"


def structure(
    name: Annotated[
        str, typer.Argument(help="Name of a crystal, e.g. ncm811, latp, li2tio3.", show_default=False)
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

    text = write(build(name, seed=seed), file_format.value)
    if out is None:
        typer.echo(text)
        return
    write_user_file(out, text)
    typer.echo(f"{name}: {out}", err=True)


def react(
    first: Annotated[str, typer.Argument(help="Formula or phase name.", show_default=False)],
    second: Annotated[str, typer.Argument(help="Formula or phase name.", show_default=False)],
    temperature: Annotated[float, typer.Option(help="°C.")] = 700.0,
    atmosphere: Annotated[str, typer.Option(help="Partial pressures in bar of the open gases.")] = "O2=0.21",
    at: Annotated[
        float | None, typer.Option(help="Also show the one ratio with this share of FIRST.")
    ] = None,
    ratio_basis: Annotated[RatioBasis, typer.Option(help="What --at counts.")] = RatioBasis.mole,
    as_json: AsJson = False,
) -> None:
    """Find what two solids form when heated together: all kinks of the mixing line, products and energies.

    dG is per mole of the mixture x FIRST + (1-x) SECOND of formula units, and per atom of that mixture.

    Example: cosinter react LiCoO2 "Li1.3Al0.3Ti1.7(PO4)3" --temperature 900 --atmosphere O2=0.21,CO2=4e-4
    """
    from scipy.constants import zero_Celsius

    from cosinter.analysis.equilibrium.interface import interface_reaction
    from cosinter.analysis.thermochemistry.library import load_library

    if not math.isfinite(temperature) or not 25.0 <= temperature <= 1200.0:
        raise InputError(f"--temperature {temperature:g}: must be from 25 to 1200 °C")
    if at is not None and not 0.0 <= at <= 1.0:
        raise InputError(f"--at {at:g}: must be from 0 to 1")
    pressures = parse_atmosphere(atmosphere)
    reaction = interface_reaction(
        first,
        second,
        library=load_library(),
        temperature_K=temperature + zero_Celsius,
        pressures_bar=pressures,
    )
    content = reaction.to_dict(at=at, basis=ratio_basis.value)
    if as_json:
        typer.echo(json.dumps(content, indent=1))
    else:
        _print_reaction(reaction, content)


def parse_atmosphere(text: str) -> dict[str, float]:
    """Read ``O2=0.21,CO2=4e-4`` into bar by gas.

    Raises
    ------
    InputError
        A part is not GAS=PRESSURE, a gas is unknown or named twice, or a pressure is not above 0.
    """
    allowed = ("O2", "CO2", "H2O")
    pressures: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        gas, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or gas not in allowed or gas in pressures:
            raise InputError(
                f"--atmosphere {text}: '{part}' is not one of {', '.join(allowed)} with =PRESSURE, each once"
            )
        try:
            pressures[gas] = float(value)
        except ValueError as error:
            raise InputError(f"--atmosphere {text}: '{value}' is not a pressure in bar") from error
        if not 0.0 < pressures[gas] <= 100.0:
            raise InputError(f"--atmosphere {text}: {gas} must be above 0 and at most 100 bar")
    return pressures


def _print_reaction(reaction: InterfaceReaction, content: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    gases = (
        ", ".join(f"{gas} {pressure:g} bar" for gas, pressure in content["atmosphere"].items())
        or "no open gas"
    )
    table = Table(
        title=f"{content['reactants'][0]} | {content['reactants'][1]}"
        f" at {content['temperature_C']:g} °C, {gases}"
    )
    for heading in ("mole", "mass", "volume", "dG kJ/mol", "dG meV/atom"):
        table.add_column(heading, justify="right")
    table.add_column("products (mol)", overflow="fold")
    rows = content["kinks"] + ([content["point"]] if "point" in content else [])
    for row in rows:
        fraction, energy = row["fraction"], row["dG"]
        table.add_row(
            *(
                "-" if fraction[basis] is None else f"{fraction[basis]:.3f}"
                for basis in ("mole", "mass", "volume")
            ),
            f"{energy['kJ_per_mol']:.1f}",
            f"{energy['meV_per_atom']:.1f}",
            " + ".join(f"{product['mol']:.3g} {product['phase']}" for product in row["products"]),
        )
    console = Console()
    console.print(table)
    for warning in reaction.warnings:
        console.print(f"note: {warning}", markup=False, style="yellow")


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
    from cosinter.workflows.steps_furnace import sinter_study
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


def write_user_file(path: Path, text: str) -> None:
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
