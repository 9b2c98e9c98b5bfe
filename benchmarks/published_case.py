"""Draw docs/published-case.md again: ``python -m benchmarks.published_case``, from the root of the repository.

The study of the published case, bare and compensated, with holds from 400 to 800 °C: layered fraction, interphase,
resistance and capacity with 90 % intervals, and the errors that decide each. Finished chunks are kept in results/.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cosinter.analysis.continuum.batch import OUTCOMES
from cosinter.analysis.continuum.ensemble import interval
from cosinter.workflows.commands.progress import live_view
from cosinter.workflows.diagrams.drawing import figure_drawing
from cosinter.workflows.report.figures import Figure, Line, Panel
from cosinter.workflows.results import Results
from cosinter.workflows.study import Study
from cosinter.workflows.study_file import load_study
from cosinter.workflows.sweep import Sweep, all_samples, lay_out, run_sweep
from cosinter.workflows.sweep_figure import BAND, sweep_figure
from cosinter.workflows.table_file import table_bytes
from cosinter.workflows.variation import grid, parse_range

STUDY = Path("data/studies/ncm811-latp.yaml")
CASES = ("bare", "compensated")
KEY, TEMPERATURES = "furnace.hold_C", "400:800:25"
RATIO = "asr_ratio"
PAGE, TABLE, PICTURE = (
    Path("docs") / name for name in ("published-case.md", "published-case.csv", "published-case.png")
)
TABLES = {
    "layered_fraction": "Layered fraction",
    "interphase_nm": "Interphase thickness, nm",
    "asr_ohm_cm2": "Area-specific resistance of the interface, Ω cm²",
    "capacity_mAh_per_g": "Capacity, mAh/g",
}
Rows = Sequence[Mapping[str, Any]]


def with_ratio(rows: Rows, samples: Sequence[Any]) -> list[dict[str, Any]]:
    """Add to the compensated rows the ratio of their resistance to the bare one, sample by sample the same errors."""
    resistance = OUTCOMES.index("asr_ohm_cm2")
    bare = {
        row[KEY]: (row, drawn) for row, drawn in zip(rows, samples, strict=True) if row["case"] == CASES[0]
    }
    found = []
    for row, drawn in zip(rows, samples, strict=True):
        cells = dict.fromkeys((RATIO, f"{RATIO}_low", f"{RATIO}_high"))
        other, others = bare[row[KEY]]
        if row["case"] == CASES[1] and row["error"] is None and other["error"] is None:
            ratios = drawn[:, resistance] / others[:, resistance]
            band = interval(ratios[np.isfinite(ratios)])
            nominal = row["asr_ohm_cm2"] / other["asr_ohm_cm2"]
            cells |= {RATIO: nominal, f"{RATIO}_low": band.low, f"{RATIO}_high": band.high}
        found.append({**row, **cells})
    return found


def picture(study: Study, rows: Rows) -> Figure:
    """The panels of a sweep and the ratio of the resistances."""
    figure = sweep_figure(study, rows, axes=[KEY])
    known = [row for row in rows if row[RATIO] is not None]
    line = Line(
        label="compensated",
        x=tuple(row[KEY] for row in known),
        y=tuple(row[RATIO] for row in known),
        low=tuple(row[f"{RATIO}_low"] for row in known),
        high=tuple(row[f"{RATIO}_high"] for row in known),
        colour=figure.panels[0].lines[-1].colour,
        markers=True,
        band=BAND,
    )
    ratio = Panel("Resistance, compensated over bare", (line,), log_y=True)
    title = "NCM811 + LATP: hold of 2 h at the temperature of the axis, in air"
    return replace(
        figure,
        title=title,
        x_label="Hold temperature (°C)",
        panels=(*figure.panels[:3], ratio, figure.panels[3]),
    )


def page(rows: Rows, sweep: Sweep, seconds: float, temperatures: str) -> str:
    """The page in Markdown."""
    failed = sum(row["failed_samples"] or 0 for row in rows)
    runs = sum(row["samples"] or 0 for row in rows)
    parts = [
        HEAD.format(
            temperatures=temperatures, samples=sweep.samples, runs=runs, failed=failed, seconds=seconds
        ),
        *(_table(name, title, rows) for name, title in TABLES.items()),
        _ratios(rows),
    ]
    return "\n".join(parts)


HEAD = """# The published case over temperature

![Layered fraction, interphase, resistance and capacity over the hold temperature](published-case.png)

`data/studies/ncm811-latp.yaml` (its header says what is assumed: composition, grain, dose, programme and atmosphere are
not published), bare and with 3 wt% LiOH + 2 wt% Li2CO3, hold of 2 h at each temperature, ramps of 5 K/min. Drawn by
`python -m benchmarks.published_case --temperatures {temperatures} --samples {samples}`; the numbers
are in [published-case.csv](published-case.csv). Without the picture of the ratio:
`cosinter sweep data/studies/ncm811-latp.yaml --vary furnace.hold_C={temperatures} --case bare --case compensated`
with `--samples N`.

In brackets: 5 to 95 % over {samples} Latin-hypercube samples of the uncertainties of all parameters, common to all
temperatures and both cases: {runs} runs, {failed} of them failed and left out, {seconds:.0f} s of work on one core. The last
columns name the errors with the strongest rank correlation, at most three, none that chance could explain,
none below 20 samples; `:energy` is an
activation energy. No parameter was fitted to a published outcome of such composites.
"""


def _table(name: str, title: str, rows: Rows) -> str:
    lines = [
        f"## {title}\n",
        "| °C | bare | compensated | decides bare | decides compensated |",
        "|---|---|---|---|---|",
    ]
    for temperature in dict.fromkeys(row[KEY] for row in rows):
        pair = [row for case in CASES for row in rows if (row[KEY], row["case"]) == (temperature, case)]
        cells = [
            f"{temperature:g}",
            *(_cell(row, name) for row in pair),
            *(_deciding(row, name) for row in pair),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _ratios(rows: Rows) -> str:
    lines = ["## Resistance, compensated over bare\n", "| °C | ratio |", "|---|---|"]
    lines += [f"| {row[KEY]:g} | {_cell(row, RATIO)} |" for row in rows if row["case"] == CASES[1]]
    return "\n".join([*lines, ""])


def _cell(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "failed"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.3g}" + (f" ({low:.3g} to {high:.3g})" if low is not None else "")


def _deciding(row: Mapping[str, Any], name: str) -> str:
    return ", ".join(f"`{part}`" for part in (row[f"{name}_dominant"] or "").split("; ") if part) or "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--temperatures", default=TEMPERATURES)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    study = load_study(STUDY)
    points = grid({KEY: parse_range(given.temperatures)})
    sweep = lay_out(study, points, cases=CASES, samples=given.samples)
    root = Path("results") / "published-case"
    with live_view(Console(stderr=True)) as watch:
        rows, _ = run_sweep(sweep, root, workers=given.workers, watch=watch, here=False)
    results, chunks = Results(root), sweep.plan.keys.items()
    seconds = sum(
        results.read(name, key).record["seconds"] for name, key in chunks if results.is_complete(name, key)
    )
    rows = with_ratio(rows, all_samples(sweep, root))
    TABLE.write_bytes(table_bytes(".csv", list(rows[0]), rows))
    figure_drawing(picture(study, rows), {"rows": rows}).save(PICTURE)
    PAGE.write_text(page(rows, sweep, seconds, given.temperatures), encoding="utf-8")


if __name__ == "__main__":
    main()
