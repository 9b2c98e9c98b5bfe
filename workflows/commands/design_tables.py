"""What ``cosinter optimise`` shows on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_DESIGNS = 30


def print_design(content: Mapping[str, Any]) -> None:
    """Print the fronts, the best design of each and what limits it, from the data of ``--json``."""
    from rich.console import Console

    console = Console()
    for name in ("nominal", "robust"):
        part = content[name]
        if part is None:
            continue
        typer.echo(_headline(content, name))
        console.print(_table(content, part, name))
        if len(part["front"]) > SHOWN_DESIGNS:
            typer.echo(f"and {len(part['front']) - SHOWN_DESIGNS} more designs; --out FOLDER writes all")
        for limit in part["limits"]:
            typer.echo(f"  limit: {limit}")
        for outcome, names in part["decisive"].items():
            typer.echo(f"  the errors that decide {outcome}: {', '.join(names) or 'none stands out'}")
        for line in _effects(part):
            typer.echo(f"  {line}")
        if not part["converged"]:
            typer.echo("  the search used up its generations; more (--generations) may still find better")
    typer.echo(f"{content['runs']} runs in {content['seconds']:.1f} s")
    for warning in content["warnings"]:
        typer.echo(f"note: {warning}", err=True)


def _headline(content: Mapping[str, Any], name: str) -> str:
    targets = " and ".join(f"{one['outcome']} {one['sense']} {one['value']:g}" for one in content["targets"])
    sure = f" with probability {content['probability']:g}" if name == "robust" else ""
    aims = ", ".join(f"{one['sense']} {one['name']}" for one in content["objectives"])
    if content[name]["feasible"]:
        count = len(content[name]["front"])
        return f"{targets}{sure}: {count} best {'design' if count == 1 else 'designs'} ({aims})"
    return f"{targets}{sure}: no design within the ranges keeps this; the nearest:"


def _table(content: Mapping[str, Any], part: Mapping[str, Any], name: str) -> Table:
    from rich.table import Table

    units = {one["name"]: one["unit"] for one in (*content["free"], *content["objectives"])}
    free = [one["name"] for one in content["free"]]
    aims = [one["name"] for one in content["objectives"] if one["name"] not in free]
    outcomes = list(dict.fromkeys(one["outcome"] for one in content["targets"]))
    checked = any(row["probability"] is not None for row in part["front"])
    shown = Table(title=f"{name} front", caption="* nearest to the ideal in all objectives")
    for heading in ("", *(f"{one} {units[one]}".strip() for one in (*free, *aims)), *outcomes):
        shown.add_column(heading, justify="right")
    if checked:
        shown.add_column("probability (95 % interval)", justify="right")
    for place, row in enumerate(part["front"][:SHOWN_DESIGNS]):
        cells = [
            "*" if place == part["compromise"] else "",
            *(f"{row['design'][one]:.4g}" for one in free),
            *(f"{row['objectives'][one]:.4g}" for one in aims),
            *(_number(row["outcomes"][one]) for one in outcomes),
        ]
        shown.add_row(*cells, *([_probability(row["probability"])] if checked else []))
    return shown


def _number(value: float | None) -> str:
    return "failed" if value is None else f"{value:.4g}"


def _probability(found: Mapping[str, float] | None) -> str:
    return "" if found is None else f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _effects(part: Mapping[str, Any]) -> list[str]:
    """One line per free number: the outcome of the targets at both ends of its range."""
    return [
        f"{effect['name']} alone from end to end of its range: "
        + ", ".join(
            f"{outcome} {_number(value)} to {_number(effect['high'][outcome])}"
            for outcome, value in effect["low"].items()
        )
        for effect in part["effects"]
    ]
