"""The command ``cosinter cell``: the sintered cathode against lithium, by PyBaMM."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, ResultsFolder, existing

if TYPE_CHECKING:
    from cosinter.workflows.report.content import CellRow


def cell(
    results: ResultsFolder,
    rates: Annotated[
        str, typer.Option(help="Discharge rates in C, comma separated, each between 0.01 and 20.")
    ] = "0.1,0.2,0.5,1,2",
    case: Annotated[
        str | None, typer.Option(help="Sintered case; all if not given.", show_default=False)
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=4096, help="Draws behind the 5 to 95 % intervals; 0: none.")
    ] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write into; RESULTS/cell if not given, where the report finds it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Charge and discharge what came out of the furnace: capacity, rates and impedance of a half-cell at 25 °C.

    Lost lithium limits the first charge, lost layers the capacity, the interphase the rate. Needs PyBaMM: pip install
    'cosinter[cell]'. Writes cell.json, cell.csv and the figures (PNG, SVG, CSV); the report of the run is written again
    with them. Fade over cycles is not predicted: nothing in this package but the interphase moves at 25 °C.

    Examples:

    cosinter cell results/ncm811-latp

    cosinter cell results/ncm811-latp --rates 0.05,0.1,1 --samples 256 --out cells --json
    """
    from cosinter.workflows.cell import solve_cells, write_cells
    from cosinter.workflows.commands.react import working

    folder = existing(results)
    chosen = _rates(rates)
    with working() as tell:
        rows = solve_cells(folder, rates_C=chosen, case=case, samples=samples, seed=seed, tell=tell)
    written = write_cells(folder, rows, out)
    if out is None and case is None:
        written.append(_report(folder))
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=1, allow_nan=False))
        return
    _show(rows)
    typer.echo(f"files: {written[0].parent}" + ("" if out else f"; report: {written[-1]}"), err=True)


def _rates(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError as error:
        raise InputError(f"--rates {text}: give numbers separated by commas, e.g. 0.1,1,2") from error
    if not found or len(set(found)) != len(found) or not all(0.01 <= rate <= 20.0 for rate in found):
        raise InputError(f"--rates {text}: each rate once, between 0.01 and 20 C")
    return tuple(sorted(found))


def _report(folder: Path) -> Path:
    from cosinter.workflows.report.collect import read_content
    from cosinter.workflows.report.page import render_report
    from cosinter.workflows.results import storage_errors, write_atomically

    target = folder / "report.html"
    with storage_errors(folder):
        write_atomically(target, render_report(read_content(folder)))
    return target


def _show(rows: Sequence[CellRow]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="half-cells at 25 °C, mAh per g of oxide before sintering", title_justify="left")
    table.add_column("case", no_wrap=True)
    table.add_column("first charge", justify="right")
    for discharge in rows[0].discharges:
        table.add_column(f"{discharge.rate_C:g} C", justify="right")
    table.add_column("ASR Ω cm²", justify="right")
    for row in rows:
        values = []
        for discharge in row.discharges:
            value = f"{discharge.capacity_mAh_per_g:.0f}"
            if discharge.interval is not None:
                value += f"\n{discharge.interval[0]:.0f}–{discharge.interval[1]:.0f}"
            values.append(value)
        table.add_row(row.case, f"{row.first_charge_mAh_per_g:.0f}", *values, f"{row.interphase_ohm_cm2:.3g}")
    console = Console()
    console.print(table)
    console.print(
        f"ASR per area of electrode; intervals: 5 to 95 %; assumed: {', '.join(rows[0].assumed) or 'nothing'}",
        markup=False,
        highlight=False,
    )
