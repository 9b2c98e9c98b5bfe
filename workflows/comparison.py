"""Several finished runs side by side: what was asked, what came out, which parameters differ."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cosinter.analysis.parameters import AnyRecord, Arrhenius, Scalar
from cosinter.data.exceptions import InputError
from cosinter.workflows.report.collect import Collected, read_collected, report_case
from cosinter.workflows.report.text import flattened

OUTCOMES: tuple[tuple[str, str, str], ...] = (
    ("layered_fraction", "layered fraction", ""),
    ("rock_salt_fraction", "rock salt", ""),
    ("lithium_per_metal", "lithium per metal", ""),
    ("interphase_nm", "interphase", "nm"),
    ("asr_ohm_cm2", "interface resistance", "Ω cm²"),
    ("capacity_mAh_per_g", "capacity", "mAh/g"),
)
COLUMNS = (
    "study",
    "case",
    "protection",
    *(f"{key}{end}" for key, _, _ in OUTCOMES for end in ("", "_low", "_high")),
)


def compare_runs(roots: Sequence[Path]) -> dict[str, Any]:
    """Compare the runs in ``roots`` (at least two).

    Returns
    -------
    dict
        ``studies`` (name, folder, title, missing stages); ``outcomes``, a row per case with keys :data:`COLUMNS` (``low`` and
        ``high``: 5 to 95 %); ``settings`` and ``parameters`` that are not the same everywhere: name and one value per study.

    Raises
    ------
    InputError
        Fewer than two runs, or one twice.
    StorageError
        A folder is no run.
    """
    if len(roots) < 2 or len({root.resolve() for root in roots}) < len(roots):
        raise InputError("compare takes two or more different results folders")
    runs = [read_collected(root) for root in roots]
    names = _names(runs, roots)
    return {
        "studies": [
            {"name": name, "folder": str(root), "title": run.study.title, "missing": list(run.missing)}
            for name, run, root in zip(names, runs, roots, strict=True)
        ],
        "outcomes": [row for name, run in zip(names, runs, strict=True) for row in _outcomes(name, run)],
        "settings": _different(
            [dict(flattened(json.loads(run.study.model_dump_json(exclude_none=True)))) for run in runs],
            leave_out=("name", "title"),
        ),
        "parameters": _different([_parameters(run) for run in runs]),
    }


def _names(runs: Sequence[Collected], roots: Sequence[Path]) -> list[str]:
    """Names of the studies; those of their folders where two are the same."""
    names = [run.study.name for run in runs]
    if len(set(names)) == len(names):
        return names
    folders = [root.resolve().name for root in roots]
    return folders if len(set(folders)) == len(folders) else [str(root) for root in roots]


def _outcomes(name: str, run: Collected) -> list[dict[str, Any]]:
    rows = []
    for case, data in run.sinter.items():
        intervals = data.get("intervals") or {}
        row: dict[str, Any] = {"study": name, "case": case, "protection": report_case(run.study, case).label}
        for key, _, _ in OUTCOMES:
            low, high = intervals.get(key, (None, None))
            row |= {key: data["summary"].get(key), f"{key}_low": low, f"{key}_high": high}
        rows.append(row)
    return rows


def _parameters(run: Collected) -> dict[str, Any]:
    if run.parameters is None:
        return {}
    return {name: _value(record) for name, record in run.parameters.parameters.items()}


def _value(record: AnyRecord) -> Any:
    if isinstance(record, Scalar):
        return f"{record.value:.6g} {record.unit} ({record.kind})"
    if isinstance(record, Arrhenius):
        energy = record.activation_energy / 1e3
        return (
            f"{record.reference_value:.4g} {record.unit} at {record.reference_temperature:g} K, "
            f"{energy:.4g} kJ/mol ({record.kind})"
        )
    values = record.array
    norm = math.sqrt(float((values**2).mean()))
    return f"{values.min():.6g} to {values.max():.6g} {record.unit}, rms {norm:.6g} ({record.kind})"


def _different(columns: Sequence[Mapping[str, Any]], leave_out: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Entries whose values are not all the same; None where a study has no such entry."""
    found = []
    for name in dict.fromkeys(name for column in columns for name in column):
        values = [column.get(name) for column in columns]
        if name not in leave_out and any(value != values[0] for value in values[1:]):
            found.append({"name": name, "values": values})
    return found
