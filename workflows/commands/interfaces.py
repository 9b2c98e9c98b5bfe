"""The command interface: coherent interfaces of two crystals, and how strongly they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.workflows.commands.crystals import parse_plane
from cosinter.workflows.commands.science import AsJson, make_user_folder, write_user_file

if TYPE_CHECKING:
    from cosinter.structures.interfaces import InterfaceSearch

Crystal = Annotated[
    str, typer.Argument(help="Crystal or layered oxide, e.g. ncm811, latp.", show_default=False)
]
Plane = Annotated[
    str | None,
    typer.Option(
        metavar="HKL", help="Plane, e.g. 104; the usual low-index ones if not given.", show_default=False
    ),
]


def interface(
    film: Crystal,
    substrate: Crystal,
    film_plane: Plane = None,
    substrate_plane: Plane = None,
    max_atoms: Annotated[int, typer.Option(min=2, max=20_000, help="Ions in the cell, at most.")] = 400,
    max_area: Annotated[
        float, typer.Option(min=1.0, max=5_000.0, help="Area of the common cell, Å², at most.")
    ] = 200.0,
    max_strain: Annotated[
        float, typer.Option(min=0.0, max=30.0, help="Strain of the film, %, at most.")
    ] = 5.0,
    gap: Annotated[
        float, typer.Option(min=0.5, max=10.0, help="Distance between film and substrate, Å.")
    ] = 2.0,
    thickness: Annotated[float, typer.Option(min=1.0, max=100.0, help="Least thickness of each, Å.")] = 6.0,
    models: Annotated[int, typer.Option(min=1, max=100, help="Models to keep.")] = 10,
    adhesion: Annotated[
        bool,
        typer.Option(
            "--adhesion", help="For the best: scan terminations and gaps; work of adhesion, interface energy."
        ),
    ] = False,
    calculator: Annotated[
        str, typer.Option(help="Calculator of --adhesion: pmmcs, chgnet, package.module:Class.")
    ] = "pmmcs",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cation ordering.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the models (.json with oxidation states, .cif).", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search coherent interfaces of two crystals: planes, common cells, terminations.

    Every model kept is checked after it was built: in-plane residual below 1e-3 Å, normals parallel, strain as
    reported, composition that of film and substrate, no two ions closer than 1.4 Å. The film carries the strain.

    Example: cosinter interface ncm811 latp --max-atoms 400
    """
    from rich.console import Console

    from cosinter.structures.interfaces import search_interfaces
    from cosinter.workflows.commands.react_options import plain
    from cosinter.workflows.user_config import check_calculator

    check_calculator(calculator)  # before a search that takes seconds
    make_user_folder(out)
    planes = [None if text is None else parse_plane(text) for text in (film_plane, substrate_plane)]
    with Console(stderr=True).status("matching the planes of the two crystals"):
        found = search_interfaces(
            plain(film),
            plain(substrate),
            film_miller=planes[0],
            substrate_miller=planes[1],
            max_atoms=max_atoms,
            max_area_A2=max_area,
            max_strain_percent=max_strain,
            gap_A=gap,
            thickness_A=thickness,
            max_models=models,
            seed=seed,
        )
    rows: list[dict[str, Any]] = found.to_dict()["models"]
    if adhesion:
        rows[0]["adhesion"] = _adhesion(found, calculator)
    if out is not None:
        _write(out, found, rows)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        _print(found, rows)


def _adhesion(found: InterfaceSearch, calculator: str) -> dict[str, Any]:
    """Scan terminations and gaps of the best model with a calculator."""
    from rich.console import Console

    from cosinter.analysis.atoms.adhesion import adhesion
    from cosinter.workflows.user_config import allowed_calculator

    model = found.models[0]
    with Console(stderr=True).status("scanning terminations and gaps") as status:
        held = adhesion(model, allowed_calculator(calculator, model.structure), on_step=status.update)
    return held.to_dict()


def _write(folder: Path, found: InterfaceSearch, rows: list[dict[str, Any]]) -> None:
    from cosinter.structures.named import write

    for number, model in enumerate(found.models, start=1):
        write_user_file(folder / f"{number:02d}.json", write(model.structure, "json"))
        write_user_file(folder / f"{number:02d}.cif", write(model.structure, "cif"))
    write_user_file(folder / "interfaces.json", json.dumps(rows, indent=1) + "\n")


def _print(found: InterfaceSearch, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, 110)
    table = Table(title=f"{rows[0]['film']} on {rows[0]['substrate']}")
    for heading in (
        "film plane",
        "substrate plane",
        "terminations",
        "strain %",
        "area Å²",
        "atoms",
        "shortest Å",
    ):
        table.add_column(heading)
    for row in rows:
        planes = [" ".join(map(str, plane)) for plane in row["miller"]]
        table.add_row(
            *planes, " | ".join(row["termination"]), f"{row['strain_percent']:.2f}", f"{row['area_A2']:.1f}",
            str(row["atoms"]), f"{row['min_distance_A']:.2f}",
        )  # fmt: skip
    console.print(table)
    for pair in found.pairs:
        if not pair.models:
            typer.echo(f"{pair.film_miller} on {pair.substrate_miller}: {pair.reason}")
    if "adhesion" in rows[0]:
        held = rows[0]["adhesion"]
        typer.echo(
            f"work of adhesion {held['work_of_adhesion_J_per_m2']:.2f} J/m², "
            f"interface energy {held['interface_energy_J_per_m2']:.2f} J/m² ({held['calculator']['model']})"
        )
