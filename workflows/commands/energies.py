"""Command ``energies``: relax the crystals of the library with a calculator and anchor what comes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import EngineError, InputError
from cosinter.workflows.commands.react_options import split_list

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.energy_tables import EnergyTable
    from cosinter.workflows.energies import EnergyRun


NARROWEST = 110  #: columns; a narrower terminal wraps lines rather than cells


def energies(
    calculator: Annotated[
        str, typer.Option(help="chgnet, pmmcs, or package.module:Class of any ASE calculator.")
    ] = "chgnet",
    phases: Annotated[
        str | None,
        typer.Option(
            help="Crystals or phases, comma separated, with the measured ones that anchor them; all if not given.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results; the user's own data folder if not given.", show_default=False
        ),
    ] = None,
    entropies: Annotated[
        bool, typer.Option("--entropies", help="Also phonons, for S298 beside measured ones.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, max=64, help="Worker processes.")] = 1,
    show: Annotated[
        bool, typer.Option("--show", help="Compute nothing: show the user's own table, else the shipped one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compute energies of crystals and turn them into enthalpies through reactions with measured phases.

    Interrupt it at any moment: the same command goes on where it was. The table says how far off the calculator
    is on every measured phase; those errors are the uncertainties of the others.

    Example: cosinter energies --calculator pmmcs --phases LTP,LiTiOPO4 --out energies/pmmcs
    """
    from cosinter.workflows.energies import shipped_or_own

    if show:
        _refuse_with_show(phases=phases is not None, entropies=entropies, workers=workers != 1)
        table = shipped_or_own(calculator, out)
        typer.echo(json.dumps(table_json(table), indent=1)) if as_json else _print(table)
        return
    run = _run(calculator, phases, out, entropies=entropies, workers=workers)
    failed = {_result_name(failure.stage): failure.message for failure in run.outcome.failures}
    if as_json:
        outcome = {"ran": list(run.outcome.ran), "kept": list(run.outcome.kept), "failed": failed}
        typer.echo(json.dumps({"path": str(run.path), **outcome, **table_json(run.table)}, indent=1))
    else:
        _print(run.table)
        typer.echo(f"{len(run.outcome.ran)} computed, {len(run.outcome.kept)} were there; table: {run.path}")
        for name, message in failed.items():
            typer.echo(f"not possible: {name}: {message}", err=True)
    missing = _missing(phases, [*failed, *map(_result_name, run.outcome.waiting)])
    if missing:
        raise EngineError(f"no result for {', '.join(missing)}, which --phases names")
    if run.outcome.waiting:
        raise EngineError(
            f"{len(run.outcome.waiting)} crystals were not computed; run the same command again"
        )


def _refuse_with_show(**given: bool) -> None:
    """Refuse options that ``--show``, which computes nothing, would leave unused."""
    unused = [f"--{name}" for name, present in given.items() if present]
    if unused:
        raise InputError(f"--show computes nothing; leave out {', '.join(unused)}, or leave out --show")


def _result_name(stage: str) -> str:
    """What a stage computes, in words: ``energy-LTP`` is LTP, ``entropy-LTP`` the entropy of LTP."""
    function, _, crystal = stage.partition("-")
    return crystal if function == "energy" else f"{function} of {crystal}"


def _missing(phases: str | None, failed: Sequence[str]) -> list[str]:
    """Those of ``failed`` that the user named; crystals that only came along as anchors may fail."""
    from cosinter.structures.crystals import resolve

    if phases is None:
        return []
    named = {resolve(name) for name in split_list(phases)}
    return [name for name in failed if name.rpartition(" ")[2] in named]


def _run(
    calculator: str, phases: str | None, out: Path | None, *, entropies: bool, workers: int
) -> EnergyRun:
    from rich.console import Console

    from cosinter.structures.crystals import crystal_names
    from cosinter.workflows.commands.progress import live_view
    from cosinter.workflows.energies import default_folder, run_energies, wanted_crystals

    names = crystal_names() if phases is None else wanted_crystals(split_list(phases))
    folder = out or default_folder(calculator)
    try:
        with live_view(Console(stderr=True, highlight=False)) as watch:
            return run_energies(
                calculator, names, folder=folder, entropies=entropies, workers=workers, watch=watch
            )
    except KeyboardInterrupt:
        typer.echo("interrupted; finished crystals are kept, the same command goes on where it was", err=True)
        raise typer.Exit(130) from None


def table_json(table: EnergyTable) -> dict[str, Any]:
    """Content of a table for ``--json``: everything but the long lists of ions."""
    rows = {
        name: {key: value for key, value in row.items() if key != "ions"}
        for name, row in table.content["energies"].items()
    }
    return {**table.content, "qualitative": table.qualitative, "energies": rows}


def _print(table: EnergyTable) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, NARROWEST)
    content = table.content
    title = f"{table.calculator} {content['calculator']['version']}: enthalpies, kJ/mol of formula"
    rows = Table("crystal", "formula", "H298", "own error", "anchored by", title=title)
    for name, row in content["enthalpies"].items():
        if row["own_uncertainty"] > 0.0:
            reaction = str(table.anchored[name].reaction)
            formula = table.energies[name].formula
            rows.add_row(name, formula, f"{row['H298']:.1f}", f"{row['own_uncertainty']:.1f}", reaction)
    console.print(rows)
    errors = Table(
        "phase", "class", "measured", "error", "error/atom", "from", title="against measured phases, kJ/mol"
    )
    for row in sorted(content["comparison"], key=lambda row: (row["classes"], row["phase"])):
        errors.add_row(
            row["phase"] if row["counts"] else f"({row['phase']})",
            ", ".join(row["classes"]),
            f"{row['measured']:.1f} ± {row['measured_uncertainty']:.1f}",
            f"{row['error']:+.1f}",
            f"{row['error_per_mole_of_atoms']:+.2f}",
            row["reaction"],
        )
    console.print(errors)
    for name, row in content["class_errors"].items():
        console.print(f"{name}: {row['rms']:.2f} kJ per mole of atoms (rms of {row['phases']} phases)")
    for name, row in content.get("entropy_errors", {}).items():
        console.print(f"S298, {name}: {row['rms']:.2f} J/K per mole of atoms (rms of {row['phases']} phases)")
    if table.qualitative:
        console.print(
            "qualitative only: even the sign of a reaction energy can be wrong with this calculator"
        )
