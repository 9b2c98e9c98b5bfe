"""The command group benchmark: what the engines of this installation get right, beside measured values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cosinter.workflows.commands.react_options import split_list
from cosinter.workflows.commands.science import AsJson

app = typer.Typer(no_args_is_help=True, help="Compare the engines with measured and cited values.")
WIDTH = 120


@app.callback()
def _group() -> None:
    """Keep `atoms` a command of its own name."""


@app.command()
def atoms(
    calculator: Annotated[
        str, typer.Option(help="Calculators, comma separated: pmmcs, chgnet, package.module:Class.")
    ] = "pmmcs",
    results: Annotated[
        Path, typer.Option(help="Folder that keeps what is done; the same call goes on where it was.")
    ] = Path("results/benchmark-atoms"),
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, max=64, help="Worker processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Lattices, barriers, entropies and heat capacities of a calculator beside measured and cited values.

    A crystal that the calculator cannot do stands in the table with the reason. Two minutes with pmmcs, hours with
    chgnet; interrupt it at any moment.

    Example: cosinter benchmark atoms --calculator pmmcs,chgnet
    """
    from rich.console import Console

    from cosinter.workflows.atoms_benchmark import run_benchmark
    from cosinter.workflows.commands.progress import live_view

    try:
        with live_view(Console(stderr=True, highlight=False)) as watch:
            tables, _ = run_benchmark(split_list(calculator), results, workers=workers, watch=watch)
    except KeyboardInterrupt:
        typer.echo("interrupted; what is done is kept, the same command goes on where it was", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(tables, indent=1))
        return
    console = Console()
    console.width = max(console.width, WIDTH)
    for title, columns in TABLES.items():
        console.print(_table(title, columns, tables[title]))
    notes = {row["calculator"]: row["hull_note"] for row in tables["structures"] if row["hull_note"]}
    for name, note in notes.items():
        typer.echo(f"no distance above the hull with {name}: {note}")
    holes = [row for rows in tables.values() for row in rows if row["error"]]
    for row in holes:
        name = row.get("structure") or row.get("host") or row.get("phase")
        typer.echo(f"not possible: {name} with {row['calculator']}: {row['error']}", err=True)


#: heading -> key and format of the columns of each table
TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "structures": {
        "crystal": ("structure", ""),
        "calculator": ("calculator", ""),
        "atoms": ("atoms", ""),
        "a %": ("lattice_error_percent.a", "+.2f"),
        "b %": ("lattice_error_percent.b", "+.2f"),
        "c %": ("lattice_error_percent.c", "+.2f"),
        "volume %": ("volume_error_percent", "+.2f"),
        "cell": ("cell_kind", ""),
        "above hull meV/atom": ("above_hull_meV_per_atom", ".1f"),
        "s": ("seconds", ".1f"),
    },
    "barriers": {
        "host": ("host", ""),
        "path": ("path", ""),
        "calculator": ("calculator", ""),
        "ours eV": ("ours_eV", ".3f"),
        "±": ("uncertainty_eV", ".2f"),
        "literature eV": ("literature_eV", ".2f"),
        "kind": ("literature_kind", ""),
        "same hop": ("literature_same_hop", ""),
        "ratio": ("ratio", ".2f"),
        "s": ("seconds", ".1f"),
    },
    "entropies": {
        "phase": ("phase", ""),
        "calculator": ("calculator", ""),
        "S298 J/mol/K": ("entropy_J_per_mol_K", ".1f"),
        "measured ": ("measured_entropy_J_per_mol_K", ".1f"),
        "%": ("entropy_deviation_percent", "+.0f"),
        "Cp298 J/mol/K": ("heat_capacity_J_per_mol_K", ".1f"),
        "measured": ("measured_heat_capacity_J_per_mol_K", ".1f"),
        "% ": ("heat_capacity_deviation_percent", "+.0f"),
        "imaginary %": ("imaginary_percent", ".1f"),
        "s": ("seconds", ".1f"),
    },
}


def _table(title: str, columns: dict[str, tuple[str, str]], rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(title=title)
    for heading in columns:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(_cell(row, key, form) for key, form in columns.values()))
    return table


def _cell(row: dict[str, Any], key: str, form: str) -> str:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if value is not None else None
    return "" if value is None else format(value, form)
