"""The command ``cosinter compare``: several finished runs side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, existing

FORMS = (".html", ".csv", ".json")


def compare(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS...", help="Two or more results folders.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write: .html, .csv or .json.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs: what was asked differently, what came out, which parameters differ.

    Examples:

    cosinter compare results/fast results/slow

    cosinter compare results/a results/b results/c --out comparison.html
    """
    from cosinter.workflows.comparison import compare_runs

    if out is not None and out.suffix.lower() not in FORMS:
        raise InputError(f"--out {out}: the ending says what is written; choose one of {', '.join(FORMS)}")
    content = compare_runs([existing(root) for root in results])
    if out is not None:
        _write(content, out)
    if as_json:
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
    else:
        _show(content)
    if out is not None:
        typer.echo(f"comparison: {out}", err=True)


def _write(content: Mapping[str, Any], path: Path) -> None:
    from cosinter.analysis.exports.csv_table import csv_text
    from cosinter.workflows.commands.science import write_user_file
    from cosinter.workflows.comparison import COLUMNS
    from cosinter.workflows.report.compare_page import comparison_page

    form = path.suffix.lower()
    if form == ".csv":
        text = csv_text(COLUMNS, content["outcomes"])
    elif form == ".json":
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    else:
        text = comparison_page(content)
    write_user_file(path, text)


def _show(content: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="after the furnace (5 to 95 %)", title_justify="left")
    headings = {
        "layered_fraction": "layered",
        "interphase_nm": "interphase nm",
        "asr_ohm_cm2": "ASR Ω cm²",
        "capacity_mAh_per_g": "mAh/g",
    }
    for heading in ("study", "case", *headings.values()):
        table.add_column(
            heading, justify="left" if heading in ("study", "case") else "right", overflow="fold"
        )
    for row in content["outcomes"]:
        table.add_row(row["study"], row["case"], *(_cell(row, key) for key in headings))
    console.print(table)
    for heading, rows in (
        ("asked differently", content["settings"]),
        ("other parameters", content["parameters"]),
    ):
        console.print(f"{heading}: {'nothing' if not rows else ''}", markup=False)
        for entry in rows[:20]:
            values = " | ".join("–" if value is None else str(value) for value in entry["values"])
            console.print(f"  {entry['name']}: {values}", markup=False, highlight=False)
        if len(rows) > 20:
            console.print(f"  and {len(rows) - 20} more; --out FILE.html has all of them")


def _cell(row: Mapping[str, Any], key: str) -> str:
    if row[key] is None:
        return "–"
    text = f"{row[key]:.3g}"
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return text if low is None else f"{text}\n{low:.3g} to {high:.3g}"
