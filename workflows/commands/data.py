"""``cosinter data``: snapshots of the Materials Project and of other computed entries."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cosinter.data.exceptions import CosinterError, StorageError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Fetch the Materials Project once, import computed entries, and check what is stored.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ELEMENTS = "Li,Ni,Co,Mn,Ti,Al,P,O,H,C"


class Corrections(StrEnum):
    """Where the MP2020 corrections of a file are."""

    listed = "listed"
    included = "included"
    apply = "apply"


@app.command()
def fetch(
    elements: Annotated[str, typer.Option(help="Elements, separated by commas.")] = ELEMENTS,
    name: Annotated[str, typer.Option(help="Name of the snapshot.")] = "mp",
) -> None:
    """Download the GGA/GGA+U energies of the Materials Project and freeze them for offline use.

    Needs the extra mp (pip install 'cosinter\\[mp]') and your key in MP_API_KEY. A fetch that was cut off goes on where
    it stopped; the former snapshot is replaced only by a complete new one.

    Example: cosinter data fetch --elements Li,Ti,P,O
    """
    from cosinter.workflows.sources.materials_project import fetch as fetch_snapshot

    chosen = [element.strip() for element in elements.split(",") if element.strip()]
    manifest = fetch_snapshot(chosen, name=name, report=lambda line: typer.echo(line, err=True))
    typer.echo(f"snapshot {name}: {manifest.count} entries, database {manifest.database_version}")


@app.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON list of pymatgen ComputedEntry objects, may be gzipped."),
    ],
    name: Annotated[str, typer.Option(help="Name of the snapshot.", show_default=False)],
    corrections: Annotated[
        Corrections,
        typer.Option(
            help="MP2020 corrections: listed beside the energies, included in them, or apply them now."
        ),
    ] = Corrections.listed,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a snapshot of that name.")
    ] = False,
) -> None:
    """Freeze a file of pymatgen ComputedEntries as a snapshot; every element needs an entry too.

    Its phases take part with --energies measured,mp:NAME.

    Example: cosinter data import entries.json --name mine --corrections apply
    """
    from cosinter.workflows.sources.entry_import import import_entries

    done = import_entries(file, name=name, corrections=corrections.value, replace=replace)
    for entry_id, reason in done.left_out:
        typer.echo(f"left out {entry_id}: {reason}", err=True)
    typer.echo(f"snapshot {name}: {done.manifest.count} entries, {done.manifest.functional}")


@app.command("list")
def list_snapshots(
    as_json: AsJson = False,
) -> None:
    """List the snapshots on this machine."""
    from rich.console import Console
    from rich.table import Table

    from cosinter.workflows.sources.snapshots import read_manifest, snapshot_names

    manifests, broken = [], []
    for name in snapshot_names():
        try:
            manifests.append(read_manifest(name))
        except CosinterError as error:
            broken.append(str(error))
    if as_json:
        typer.echo(
            json.dumps({"snapshots": [asdict(item) for item in manifests], "damaged": broken}, indent=1)
        )
        return
    table = Table(title="snapshots")
    for heading in ("name", "elements", "entries", "functional", "from"):
        right = heading == "entries"
        table.add_column(
            heading, overflow="fold", justify="right" if right else "left", min_width=len(heading)
        )
    for item in manifests:
        origin = " ".join(filter(None, (item.source, item.database_version, item.retrieved[:10])))
        table.add_row(item.name, " ".join(item.elements), str(item.count), item.functional, origin)
    Console().print(table if manifests else "no snapshots; see cosinter data fetch --help")
    for line in broken:
        typer.echo(line, err=True)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Snapshots; all if none is named.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check checksums and contents of snapshots, and count the phases they give.

    Example: cosinter data verify mp
    """
    from cosinter.workflows.sources.snapshots import snapshot_names

    found: dict[str, dict[str, Any]] = {}
    for name in names or snapshot_names():
        try:
            found[name] = _verified(name)
        except StorageError as error:
            found[name] = {"whole": False, "error": str(error)}
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _print_verified(found)
    failures = [row["error"] for row in found.values() if not row["whole"]]
    if failures:
        raise StorageError("; ".join(failures))


def _verified(name: str) -> dict[str, Any]:
    """Read a whole snapshot: its phases, and how many entries make none for which reason."""
    from collections import Counter

    from cosinter.analysis.thermochemistry.library import load_library
    from cosinter.workflows.sources.snapshots import snapshot_contents

    contents = snapshot_contents(name, load_library())
    reasons = Counter(_kind(reason) for _, reason in contents.left_out)
    return {"whole": True, "phases": len(contents.phases), "left_out": dict(reasons.most_common())}


def _print_verified(found: dict[str, dict[str, Any]]) -> None:
    if not found:
        typer.echo("no snapshots")
    for name, row in found.items():
        if row["whole"]:
            typer.echo(f"{name}: whole; {row['phases']} phases")
            for reason, count in row["left_out"].items():
                typer.echo(f"  {count} entries make no phase: {reason}")


def _kind(reason: str) -> str:
    """Reason without the ids in it."""
    return "a lower entry of the same composition is taken" if reason.endswith("lies lower") else reason
