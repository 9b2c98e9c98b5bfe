"""The half-cells of a finished run: solved by PyBaMM, kept beside the results, read by the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy.constants import micro

from cosinter.analysis.exports.electrode import Geometry
from cosinter.analysis.observables.half_cell import RATES_C, half_cell
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.plan import Plan
from cosinter.workflows.report.cell import cell_charts
from cosinter.workflows.report.collect import read_collected, report_case, sinter_keys
from cosinter.workflows.report.content import CellRow
from cosinter.workflows.results import storage_errors, write_atomically

FOLDER = "cell"
RESULT = f"{FOLDER}/cell.json"
COLUMNS = (
    "case", "rate_C", "capacity_mAh_per_g", "low_mAh_per_g", "high_mAh_per_g", "mean_voltage_V",
    "first_charge_mAh_per_g", "asr_ohm_cm2", "interphase_ohm_cm2",
)  # fmt: skip


def solve_cells(
    root: Path,
    *,
    rates_C: Sequence[float] = RATES_C,
    case: str | None = None,
    samples: int = 64,
    seed: int = 1,
    tell: Callable[[str, int, int], None] | None = None,
) -> tuple[CellRow, ...]:
    """Solve the half-cell of every sintered case of the run in ``root``; give one row per case.

    Raises
    ------
    InputError, UnknownNameError, MissingEngineError, EngineError
        See :func:`cosinter.analysis.observables.half_cell.half_cell`; no such case; the run is not finished.
    """
    found = read_collected(root)
    if found.parameters is None or not found.sinter:
        raise InputError("this run has no sintered case yet; finish it with cosinter run STUDY")
    if case is not None and case not in found.sinter:
        raise UnknownNameError("case", case, found.sinter)
    keys = sinter_keys(found.stages, Plan.read(root).keys)
    study = found.study
    geometry = Geometry(
        grain_radius_m=study.cathode.grain_radius_um * micro,
        cathode_volume_fraction=study.cathode_volume_fraction,
    )
    wanted = [name for name in found.sinter if case in (None, name)]
    rows = []
    for place, name in enumerate(wanted):
        if tell is not None:
            tell(f"half-cell of {name}", place, len(wanted))
        data = found.sinter[name]
        solved = half_cell(
            found.parameters,
            data["summary"],
            geometry,
            rates_C=rates_C,
            asr_interval_ohm_cm2=(data.get("intervals") or {}).get("asr_ohm_cm2"),
            samples=samples,
            seed=seed,
        )
        rows.append(CellRow(stage_key=keys[name], **asdict(solved)))
    return tuple(rows)


def write_cells(root: Path, rows: Sequence[CellRow], folder: Path | None = None) -> list[Path]:
    """Write ``cell.json``, ``cell.csv`` and each figure as PNG, SVG and CSV; into RESULTS/cell if no folder is given."""
    from cosinter.analysis.exports.csv_table import csv_text
    from cosinter.workflows.report.drawing import figure_csv, figure_image
    from cosinter.workflows.report.figures import chart_figure

    target = folder or root / FOLDER
    files: dict[str, str | bytes] = {
        "cell.json": json.dumps([row.model_dump() for row in rows], indent=1, allow_nan=False) + "\n",
        "cell.csv": csv_text(COLUMNS, [line for row in rows for line in flat_rows(row)]),
    }
    study = read_collected(root).study
    roles = {row.case: report_case(study, row.case).role for row in rows}
    for chart in cell_charts(rows, roles):
        figure = chart_figure(chart)
        files |= {
            f"{chart.name}.png": figure_image(figure, "png"),
            f"{chart.name}.svg": figure_image(figure, "svg"),
            f"{chart.name}.csv": figure_csv(figure),
        }
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(target / name, content)
    return [target / name for name in files]


def flat_rows(row: CellRow) -> list[dict[str, Any]]:
    """One line per rate; keys: :data:`COLUMNS`."""
    return [
        {
            "case": row.case,
            "rate_C": discharge.rate_C,
            "capacity_mAh_per_g": discharge.capacity_mAh_per_g,
            "low_mAh_per_g": discharge.interval[0] if discharge.interval else None,
            "high_mAh_per_g": discharge.interval[1] if discharge.interval else None,
            "mean_voltage_V": discharge.mean_voltage_V,
            "first_charge_mAh_per_g": row.first_charge_mAh_per_g,
            "asr_ohm_cm2": row.asr_ohm_cm2,
            "interphase_ohm_cm2": row.interphase_ohm_cm2,
        }
        for discharge in row.discharges
    ]
