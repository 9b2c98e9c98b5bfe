"""The command ``cosinter xrd``: quasi-in-situ powder diffraction of a finished run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, ResultsFolder, existing

if TYPE_CHECKING:
    from cosinter.analysis.observables.peaks import Overlay
    from cosinter.workflows.xrd import Moment


class RadiationName(StrEnum):
    """Radiations of laboratory diffractometers."""

    CuKa = "CuKa"
    CuKa1 = "CuKa1"
    CoKa = "CoKa"
    CoKa1 = "CoKa1"
    MoKa = "MoKa"
    AgKa = "AgKa"


def xrd(
    results: ResultsFolder,
    temperatures: Annotated[
        str,
        typer.Option(
            help="°C on heating: 25,500,700 or LOW:HIGH:STEP; a pattern after cooling is always there."
        ),
    ] = "25,500,600,700",
    case: Annotated[
        str | None, typer.Option(help="Sintered case; all if not given.", show_default=False)
    ] = None,
    radiation: Annotated[RadiationName, typer.Option(help="Radiation.")] = RadiationName.CuKa,
    two_theta: Annotated[str, typer.Option(help="Range of 2theta in degrees, LOW:HIGH.")] = "10:80",
    step: Annotated[float, typer.Option(min=0.001, max=1.0, help="Step in degrees.")] = 0.02,
    size_nm: Annotated[
        float, typer.Option(min=1.0, max=10000.0, help="Crystallite size (Scherrer broadening).")
    ] = 100.0,
    width_deg: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Width of the instrument, Gaussian, full at half maximum.")
    ] = 0.08,
    measured: Annotated[
        Path | None,
        typer.Option(help="Measured pattern to lay over: .xy, .dat, .csv, .ras, .xrdml.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into; RESULTS/xrd if not given.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate what a diffractometer sees along the firing, and lay your own pattern over it.

    Writes one .xy per pattern, peaks.csv (position, height, area, width of each followed line), and as PNG and SVG: patterns
    stacked, a heat map over temperature, I(003)/I(104). With --measured the pattern beside every simulated one, the best first.

    Examples:

    cosinter xrd results/ncm811-latp

    cosinter xrd results/ncm811-latp --temperatures 100:700:25 --radiation MoKa --two-theta 5:40

    cosinter xrd results/ncm811-latp --measured mine.xy --case bare
    """
    from cosinter.workflows.commands.react import working
    from cosinter.workflows.pattern_file import read_pattern
    from cosinter.workflows.xrd import Request, compare, peak_rows, simulate

    folder = existing(results)
    request = Request(
        _temperatures(temperatures),
        radiation.value,
        _range(two_theta),
        step,
        size_nm,
        width_deg,
        (case,) if case is not None else (),
    )
    data = None if measured is None else read_pattern(measured)
    with working() as tell:
        moments = simulate(folder, request, tell=tell)
        rows = peak_rows(moments)
        overlays = [] if data is None else compare(moments, *data)
        target = out or folder / "xrd"
        tell("pictures", 0, 1)
        _write(target, moments, rows, radiation.value, overlays, measured)
    if as_json:
        best = [
            {"pattern": _title(m), "residual": o.residual} for m, o in zip(moments, overlays, strict=False)
        ]
        typer.echo(
            json.dumps({"peaks": rows, "overlays": best, "folder": str(target)}, indent=1, allow_nan=False)
        )
        return
    _show(moments, overlays)
    typer.echo(f"files: {target}", err=True)


def _title(moment: Moment) -> str:
    from cosinter.workflows.xrd import title

    return title(moment)


def _temperatures(text: str) -> tuple[float, ...]:
    import numpy as np

    try:
        if ":" in text:
            low, high, step = (float(word) for word in text.split(":"))
            sensible = 0.0 < step <= high - low <= 200.0 * step
            found = np.arange(low, high + 0.5 * step, step).tolist() if sensible else []
        else:
            found = [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise InputError(f"--temperatures {text}: write 25,500,700 or LOW:HIGH:STEP in °C") from error
    if not found or len(found) > 200 or not all(-100.0 <= value <= 1500.0 for value in found):
        raise InputError(
            f"--temperatures {text}: 1 to 200 values between -100 and 1500 °C, LOW below HIGH and STEP positive"
        )
    return tuple(sorted(set(found)))


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(word) for word in text.split(":"))
    except ValueError as error:
        raise InputError(f"--two-theta {text}: write LOW:HIGH in degrees, e.g. 10:80") from error
    if not 0.0 < low < high < 180.0:
        raise InputError(f"--two-theta {text}: LOW must be below HIGH, both within 0 and 180 degrees")
    return low, high


def _write(
    target: Path,
    moments: Sequence[Moment],
    rows: Sequence[dict[str, Any]],
    radiation: str,
    overlays: Sequence[Overlay],
    measured: Path | None,
) -> None:
    from cosinter.analysis.exports.csv_table import csv_text
    from cosinter.workflows.diagrams.patterns import (
        map_drawing,
        overlay_drawing,
        peaks_drawing,
        stack_drawing,
    )
    from cosinter.workflows.pattern_file import pattern_text
    from cosinter.workflows.results import storage_errors, write_atomically
    from cosinter.workflows.xrd import COLUMNS, matrix_csv

    drawings = [peaks_drawing(moments, rows)]
    for name in dict.fromkeys(moment.case for moment in moments):
        own = [moment for moment in moments if moment.case == name]
        drawings.append(stack_drawing(own, radiation))
        if len(own) > 2:  # a map needs two temperatures beside the pattern after cooling
            drawings.append(map_drawing(own, radiation))
    best = sorted(zip(overlays, moments, strict=False), key=lambda pair: pair[0].residual)[:3]
    drawings += [overlay_drawing(moment, found, measured.name if measured else "") for found, moment in best]
    files: dict[str, str | bytes] = {
        "peaks.csv": csv_text(COLUMNS, rows),
        "patterns.csv": matrix_csv(moments),
    }
    for moment in moments:
        tail = "cooled" if moment.cooled else f"{moment.temperature_C:04.0f}C"
        shares = ", ".join(f"{label} {share:.2f} wt%" for label, share in moment.weight_percent.items())
        about = [f"cosinter: {_title(moment)}, {radiation}", shares, "two_theta_deg intensity"]
        pattern = moment.pattern
        files[f"{moment.case}-{tail}.xy"] = pattern_text(pattern.two_theta_deg, pattern.intensity, about)
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(target / name, content)
        for drawing in drawings:
            for suffix in ("png", "svg"):
                write_atomically(target / f"{drawing.name}.{suffix}", drawing.content(suffix))


def _show(moments: Sequence[Moment], overlays: Sequence[Overlay]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="I(003)/I(104) and weight percent", title_justify="left")
    for heading in ("pattern", "003/104", "layered", "spinel", "rock salt", "others"):
        table.add_column(heading, justify="left" if heading == "pattern" else "right", no_wrap=True)
    if overlays:
        table.add_column("residual", justify="right", no_wrap=True)
    cathode = ("layered", "spinel", "rock salt")
    for place, moment in enumerate(moments):
        shares = [moment.weight_percent.get(name, 0.0) for name in cathode]
        label = f"{moment.case}, {'cooled' if moment.cooled else f'{moment.temperature_C:g} °C'}"
        cells = [label, "" if moment.ratio is None else f"{moment.ratio:.3f}"]
        cells += [f"{share:.1f}" for share in (*shares, sum(moment.weight_percent.values()) - sum(shares))]
        table.add_row(*cells, *([f"{overlays[place].residual:.3f}"] if overlays else []))
    console = Console()
    console.print(table)
    for label, share in sorted({entry for moment in moments for entry in moment.missing}):
        console.print(
            f"not drawn: {label} ({share:.2%} by weight) has no structure in the table", markup=False
        )
