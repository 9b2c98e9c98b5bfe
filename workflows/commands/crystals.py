"""Commands that build atoms: structure, orderings and slab."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.science import AsJson, make_user_folder, write_user_file

if TYPE_CHECKING:
    from pymatgen.core import Structure

SHOWN = 12


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


class Method(StrEnum):
    """How orderings are made."""

    annealed = "annealed"
    quasi_random = "quasi-random"


def orderings(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Layered oxide or LATP: ncm811, LiNi0.8Co0.1Mn0.1O2, Li0.5NiO2, latp ...",
            show_default=False,
        ),
    ],
    count: Annotated[
        int, typer.Option(min=1, max=10_000, help="Different arrangements to make and rank.")
    ] = 100,
    method: Annotated[
        Method,
        typer.Option(
            help="annealed: low electrostatic energy; quasi-random: pair correlations of a random alloy."
        ),
    ] = Method.annealed,
    supercell: Annotated[
        str | None,
        typer.Option(
            help="Repeats of the hexagonal cell, e.g. 5,2,1; the smallest if not given.", show_default=False
        ),
    ] = None,
    stage: Annotated[int, typer.Option(min=1, max=6, help="Fill one lithium layer in STAGE only.")] = 1,
    antisite_pairs: Annotated[int, typer.Option(min=0, help="Ni exchanged with Li, in the cell.")] = 0,
    m1_vacancies: Annotated[int, typer.Option(min=0, help="LATP: M1 sites left empty in the cell.")] = 0,
    calculator: Annotated[
        str | None,
        typer.Option(help="Rank the --keep best again by this calculator, unrelaxed.", show_default=False),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="How many of the best stay; all if not given.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first arrangement.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the kept structures (.json with oxidation states, .cif).", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search the cation (and vacancy) orderings of a layered oxide or LATP and rank them by energy.

    Every arrangement is charge-neutral, with oxidation states; equal ones count once. The energy is the Ewald sum of
    formal charges, or that of --calculator.

    Example: cosinter orderings ncm811 --count 100 --keep 5 --out orderings
    """
    from cosinter.structures.named import ordering_problem, write
    from cosinter.structures.ordering_search import rank_orderings
    from cosinter.workflows.commands.react_options import plain

    problem = ordering_problem(
        plain(name),
        supercell=_repeats(supercell),
        stage=stage,
        antisite_pairs=antisite_pairs,
        m1_vacancies=m1_vacancies,
    )
    make_user_folder(out)
    found = rank_orderings(
        problem, count=count, seed=seed, method=method.value, keep=keep, energy=_energy_of(calculator)
    )
    rows = [candidate.to_dict() for candidate in found]
    for candidate in found if out is not None else ():
        assert out is not None
        for kind in ("json", "cif"):
            write_user_file(
                out / f"{candidate.rank:03d}.{kind}",
                write(candidate.structure, kind),
            )
    if as_json:
        typer.echo(json.dumps({"name": name, "candidates": rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(rows)} orderings of {rows[0]['formula']}, {rows[0]['family']}")
    for heading in (
        "rank",
        "seed",
        "electrostatic meV/atom above the best",
        "calculator meV/atom",
        "SQS error",
    ):
        table.add_column(heading, justify="right")
    for row in rows[:SHOWN]:
        table.add_row(
            str(row["rank"]),
            str(row["seed"]),
            _above(rows, row, "electrostatic_energy_eV"),
            _above(rows, row, "energy_eV"),
            "" if row["sqs_error"] is None else f"{row['sqs_error']:.3f}",
        )
    Console().print(table)
    if len(rows) > SHOWN:
        typer.echo(f"and {len(rows) - SHOWN} more (--json lists all)")


def _repeats(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    try:
        a, b, c = (int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--supercell is '{text}'; give three whole numbers, e.g. 5,2,1") from None
    return a, b, c


def _energy_of(calculator: str | None) -> Callable[[Structure], float] | None:
    """Energy of a structure as it stands, with one calculator for all."""
    if calculator is None:
        return None
    from cosinter.analysis.atoms.calculators import single_point, to_atoms
    from cosinter.workflows.user_config import allowed_calculator

    engine = allowed_calculator(calculator)
    return lambda structure: single_point(to_atoms(structure), engine)[0]


def _above(rows: list[dict[str, Any]], row: dict[str, Any], key: str) -> str:
    if row[key] is None:
        return ""
    lowest = min(other[key] for other in rows)
    return f"{1e3 * (row[key] - lowest) / row['atoms']:.2f}"


def slab(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Crystal or layered oxide, e.g. ncm811, latp.", show_default=False
        ),
    ],
    plane: Annotated[
        str,
        typer.Argument(
            metavar="HKL", help="Plane in the conventional cell: 104, or 1,-1,4.", show_default=False
        ),
    ],
    thickness: Annotated[float, typer.Option(min=1.0, max=200.0, help="Least thickness, Å.")] = 10.0,
    vacuum: Annotated[float, typer.Option(min=0.0, max=200.0, help="Vacuum, Å.")] = 15.0,
    reconstruct: Annotated[
        bool,
        typer.Option("--reconstruct/--as-cut", help="Move ions across a polar slab to remove its dipole."),
    ] = True,
    file_format: Annotated[StructureFormat, typer.Option("--format", help="File format of --out.")] = (
        StructureFormat.cif
    ),
    out: Annotated[
        Path | None, typer.Option(help="File to write the best termination to.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cut stoichiometric slabs of a crystal plane, every termination, and say which are polar.

    Polarity after Tasker (doi:10.1088/0022-3719/12/22/036): type III slabs are reconstructed where the counts allow.

    Example: cosinter slab ncm811 104 --out ncm811-104.cif
    """
    from cosinter.structures.named import write
    from cosinter.structures.slabs import surface_slabs
    from cosinter.workflows.commands.react_options import plain

    found = surface_slabs(
        plain(name), parse_plane(plane), thickness_A=thickness, vacuum_A=vacuum, reconstruct=reconstruct
    )
    if out is not None:
        write_user_file(out, write(found[0].structure, file_format.value))
    rows = [row.to_dict() for row in found]
    if as_json:
        typer.echo(json.dumps({"name": name, "slabs": rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found[0].formula} ({' '.join(map(str, found[0].miller))})")
    for heading in (
        "termination",
        "Tasker",
        "dipole e Å",
        "reconstruction",
        "atoms",
        "area Å²",
        "thickness Å",
    ):
        table.add_column(heading)
    for row in rows[:SHOWN]:
        table.add_row(
            row["termination"], row["tasker"], f"{row['dipole_before_eA']:.2f} -> {row['dipole_eA']:.2f}",
            row["reconstructed"] or "none", str(row["atoms"]), f"{row['area_A2']:.1f}", f"{row['thickness_A']:.1f}",
        )  # fmt: skip
    Console().print(table)


def parse_plane(text: str) -> tuple[int, int, int]:
    """Read Miller indices: three digits, or three numbers with commas.

    Raises
    ------
    InputError
        Anything else.

    >>> parse_plane("104"), parse_plane("1,-1,4")
    ((1, 0, 4), (1, -1, 4))
    """
    parts = text.split(",") if "," in text else list(text.strip("()"))
    try:
        h, k, l = (int(part) for part in parts)  # noqa: E741
    except ValueError:
        raise InputError(f"plane '{text}' is not a plane; give three indices, e.g. 104 or 1,-1,4") from None
    return h, k, l
