"""Write what a run found in the formats that other tools read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.constants import micro

from cosinter.analysis.exports.bpx import to_bpx
from cosinter.analysis.exports.csv_table import (
    COLUMNS,
    LONG_COLUMNS,
    flat_rows,
    parameters_csv,
    table_rows,
    tables_csv,
)
from cosinter.analysis.exports.electrode import Geometry
from cosinter.analysis.exports.pybamm import to_pybamm
from cosinter.analysis.parameters import ParameterSet
from cosinter.analysis.thermochemistry.library import PhaseLibrary
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.report.collect import Collected, read_collected
from cosinter.workflows.results import storage_errors, write_atomically

Files = dict[str, str | bytes]


@dataclass(frozen=True)
class Request:
    """What is written: the stages of a run, its parameters, the cases asked for, with or without assumed values."""

    found: Collected
    parameters: ParameterSet
    cases: tuple[str, ...]
    include_assumed: bool

    @property
    def kept(self) -> ParameterSet:
        """The parameters, without assumed ones if these are not wanted."""
        if self.include_assumed:
            return self.parameters
        names = [name for name, record in self.parameters.parameters.items() if record.kind != "assumed"]
        return self.parameters.keeping(names)

    @property
    def title(self) -> str:
        """Name of the study."""
        return self.found.study.name


def _json(asked: Request) -> Files:
    return {"parameters.json": asked.kept.to_json()}


def _csv(asked: Request) -> Files:
    return {"parameters.csv": parameters_csv(asked.kept), "parameter-tables.csv": tables_csv(asked.kept)}


def _parquet(asked: Request) -> Files:
    from cosinter.workflows.table_file import table_bytes

    return {
        "parameters.parquet": table_bytes(".parquet", COLUMNS, flat_rows(asked.kept)),
        "parameter-tables.parquet": table_bytes(".parquet", LONG_COLUMNS, table_rows(asked.kept)),
    }


def _comsol(asked: Request) -> Files:
    from cosinter.analysis.exports.comsol import to_comsol

    return {f"comsol/{name}": text for name, text in to_comsol(asked.kept).items()}


def _cantera(asked: Request) -> Files:
    from cosinter.analysis.exports.cantera import to_cantera

    library = _library(asked)
    text = to_cantera(library.phases, title=f"phases of {asked.title}", include_assumed=asked.include_assumed)
    return {"cantera.yaml": text}


def _tdb(asked: Request) -> Files:
    from cosinter.analysis.exports.tdb import to_tdb

    library = _library(asked)
    text = to_tdb(library.phases, title=f"phases of {asked.title}", include_assumed=asked.include_assumed)
    return {"phases.tdb": text}


def _library(asked: Request) -> PhaseLibrary:
    """The phases that the run could form: those made of its elements and of the air and the salts around it."""
    from cosinter.workflows.chemistry import amounts
    from cosinter.workflows.sources.libraries import chosen_library, planned_library

    study, planned = asked.found.study, asked.found.planned_library
    library = (
        planned_library(planned) if planned is not None else chosen_library(study.thermodynamics.energies)
    )
    elements = {*amounts(study.cathode.formula), *amounts(study.electrolyte.formula), "C", "H", "N"}
    return library.restricted(elements=elements)


def _structures(asked: Request) -> Files:
    from pymatgen.core import Structure

    from cosinter.structures.named import write

    files: Files = {}
    for name, stage in asked.found.stages.items():
        if not (stage.folder / "structure.json").is_file():
            continue
        structure = Structure.from_dict(json.loads((stage.folder / "structure.json").read_bytes()))
        kind, _, short = name.partition("-")
        word = short if kind == "relax" else name
        files[f"structures/{word}.cif"] = write(structure, "cif")
        files[f"structures/{word}.poscar"] = write(structure, "poscar")
        files[f"structures/{word}.lammps"] = write(structure, "lammps-data")
    if not files:
        raise InputError("this run has relaxed no structure yet; finish it with cosinter run STUDY")
    return files


def _per_case(folder: str, convert: Callable[..., dict[str, Any]]) -> Callable[[Request], Files]:
    def write(asked: Request) -> Files:
        study = asked.found.study
        geometry = Geometry(
            grain_radius_m=study.cathode.grain_radius_um * micro,
            cathode_volume_fraction=study.cathode_volume_fraction,
        )
        return {
            f"{folder}/{case}.json": json.dumps(
                convert(
                    asked.parameters,
                    asked.found.sinter[case]["summary"],
                    geometry,
                    include_assumed=asked.include_assumed,
                ),
                indent=1,
            )
            for case in asked.cases
        }

    return write


FORMATS: Mapping[str, Callable[[Request], Files]] = {
    "json": _json,
    "csv": _csv,
    "bpx": _per_case("bpx", to_bpx),
    "pybamm": _per_case("pybamm", to_pybamm),
    "cantera": _cantera,
    "tdb": _tdb,
    "comsol": _comsol,
    "parquet": _parquet,
    "structures": _structures,
}
#: What every run writes beside its report; the others are written on demand.
ALWAYS = ("json", "csv", "bpx", "pybamm")


def export_files(
    found: Collected, formats: Iterable[str], *, case: str | None = None, include_assumed: bool = True
) -> Files:
    """Content of every file to write, by its path relative to the target folder.

    Raises
    ------
    InputError
        The run has no parameter set yet, or no such case.
    MissingEngineError
        A format needs an extra that is not installed.
    """
    if found.parameters is None:
        raise InputError("this run has no parameter set yet; finish it with cosinter run STUDY")
    if case is not None and case not in found.sinter:
        raise UnknownNameError("case", case, found.sinter)
    cases = (case,) if case is not None else tuple(found.sinter)
    asked = Request(found, found.parameters, cases, include_assumed)
    files: Files = {}
    for name in formats:
        files |= FORMATS[name](asked)
    return files


def write_exports(
    root: Path, formats: Iterable[str], folder: Path, *, case: str | None = None, include_assumed: bool = True
) -> list[Path]:
    """Write the chosen formats of the run in ``root`` below ``folder``; give the paths."""
    files = export_files(read_collected(root), formats, case=case, include_assumed=include_assumed)
    with storage_errors(folder):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, content)
    return [folder / name for name in files]
