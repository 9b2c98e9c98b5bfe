"""Write the parameters of a run in the formats that other tools read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from scipy.constants import micro

from cosinter.analysis.exports.bpx import to_bpx
from cosinter.analysis.exports.csv_table import parameters_csv, tables_csv
from cosinter.analysis.exports.electrode import Geometry
from cosinter.analysis.exports.pybamm import to_pybamm
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.report.collect import Collected, read_collected
from cosinter.workflows.results import storage_errors, write_atomically

Writer = Callable[[Collected, ParameterSet, Iterable[str], bool], dict[str, str]]


def _json(
    found: Collected, parameters: ParameterSet, cases: Iterable[str], include_assumed: bool
) -> dict[str, str]:
    return {"parameters.json": _kept(parameters, include_assumed).to_json()}


def _csv(
    found: Collected, parameters: ParameterSet, cases: Iterable[str], include_assumed: bool
) -> dict[str, str]:
    kept = _kept(parameters, include_assumed)
    return {"parameters.csv": parameters_csv(kept), "parameter-tables.csv": tables_csv(kept)}


def _kept(parameters: ParameterSet, include_assumed: bool) -> ParameterSet:
    if include_assumed:
        return parameters
    kept = [name for name, record in parameters.parameters.items() if record.kind != "assumed"]
    return parameters.keeping(kept)


def _per_case(folder: str, convert: Callable[..., dict[str, Any]]) -> Writer:
    def write(
        found: Collected, parameters: ParameterSet, cases: Iterable[str], include_assumed: bool
    ) -> dict[str, str]:
        geometry = Geometry(
            grain_radius_m=found.study.cathode.grain_radius_um * micro,
            cathode_volume_fraction=found.study.cathode_volume_fraction,
        )
        return {
            f"{folder}/{case}.json": json.dumps(
                convert(parameters, found.sinter[case]["summary"], geometry, include_assumed=include_assumed),
                indent=1,
            )
            for case in cases
        }

    return write


FORMATS: Mapping[str, Writer] = {
    "json": _json,
    "csv": _csv,
    "bpx": _per_case("bpx", to_bpx),
    "pybamm": _per_case("pybamm", to_pybamm),
}


def export_files(
    found: Collected, formats: Iterable[str], *, case: str | None = None, include_assumed: bool = True
) -> dict[str, str]:
    """Text of every file to write, by its path relative to the target folder.

    Raises
    ------
    InputError
        The run has no parameter set yet, or no such case.
    """
    if found.parameters is None:
        raise InputError("this run has no parameter set yet; finish it with cosinter run STUDY")
    if case is not None and case not in found.sinter:
        raise UnknownNameError("case", case, found.sinter)
    cases = [case] if case is not None else list(found.sinter)
    files: dict[str, str] = {}
    for name in formats:
        files |= FORMATS[name](found, found.parameters, cases, include_assumed)
    return files


def write_exports(
    root: Path, formats: Iterable[str], folder: Path, *, case: str | None = None, include_assumed: bool = True
) -> list[Path]:
    """Write the chosen formats of the run in ``root`` below ``folder``; give the paths."""
    files = export_files(read_collected(root), formats, case=case, include_assumed=include_assumed)
    with storage_errors(folder):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, text)
    return [folder / name for name in files]
