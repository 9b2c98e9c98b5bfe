"""From a results folder to the content of its report. Missing stages leave holes, which the report names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import StorageError
from cosinter.workflows.commands.react_options import LEAST_PROBABILITY
from cosinter.workflows.plan import Plan
from cosinter.workflows.reactions import telling_kinks
from cosinter.workflows.report import judge
from cosinter.workflows.report.content import (
    BalanceRow,
    BarrierRow,
    Case,
    CellRow,
    FileRow,
    InterfaceRow,
    Kink,
    LadderRow,
    LatticeValue,
    ParameterRow,
    PatternRow,
    PhaseRow,
    PhononRow,
    Product,
    ReactionTable,
    ReportContent,
    Sampled,
    Scene,
    SinterSeries,
    StageRow,
    StructureRow,
    TornadoBar,
    TornadoTable,
)
from cosinter.workflows.report.parameters import parameter_rows
from cosinter.workflows.report.rows import Role
from cosinter.workflows.report.thermodynamics import reaction_charts
from cosinter.workflows.results import Results, StageResult
from cosinter.workflows.steps.case_parameters import with_case
from cosinter.workflows.study import Study

BALANCE_LIMIT = 1.0e-9
RADIATION = {"CuKa": "Cu Kα", "CuKa1": "Cu Kα1", "MoKa": "Mo Kα", "CoKa": "Co Kα"}
ENGINES = ("ase", "pymatgen", "phonopy", "lammps", "cantera", "scipy", "numpy", "fireworks")


class Collected:
    """The finished stages of a study, by kind."""

    def __init__(
        self,
        study: Study,
        stages: Mapping[str, StageResult],
        missing: tuple[str, ...] = (),
        *,
        planned_library: Mapping[str, Any] | None = None,
        cells: tuple[CellRow, ...] = (),
        remarks: tuple[str, ...] = (),
    ) -> None:
        self.study, self.stages, self.missing = study, stages, missing
        self.planned_library, self.cells, self.remarks = planned_library, cells, remarks

    def of(self, kind: str) -> Iterator[StageResult]:
        """Finished stages whose name starts with ``kind-``, in the order of the plan."""
        return (stage for name, stage in self.stages.items() if name.startswith(f"{kind}-"))

    @cached_property
    def parameters(self) -> ParameterSet | None:
        """The parameter set of the run, if that stage is done."""
        stage = self.stages.get("parameters")
        if stage is None:
            return None
        return ParameterSet.from_json((stage.folder / "parameters.json").read_bytes())

    @cached_property
    def sinter(self) -> dict[str, dict[str, Any]]:
        """Results of the furnace by case name."""
        return {stage.data["summary"]["name"]: dict(stage.data) for stage in self.of("sinter")}


def read_collected(root: Path) -> Collected:
    """Read what is finished in a results folder.

    Raises
    ------
    StorageError
        The folder holds no readable plan or study.
    """
    plan, results = Plan.read(root), Results(root)
    try:
        study = Study.model_validate_json((root / "study.json").read_bytes())
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{root} holds no readable study.json; start it with cosinter run STUDY"
        ) from error
    names = [stage.name for stage in plan.stages if stage.name != "report"]
    done = {n: results.read(n, plan.keys[n]) for n in names if results.is_complete(n, plan.keys[n])}
    library = next((s.inputs["library"] for s in plan.stages if s.name == "parameters"), None)
    missing = tuple(name for name in names if name not in done)
    cells, remarks = _read_cells(root, sinter_keys(done, plan.keys))
    return Collected(study, done, missing, planned_library=library, cells=cells, remarks=remarks)


def sinter_keys(stages: Mapping[str, StageResult], keys: Mapping[str, str]) -> dict[str, str]:
    """Key of the sintering of every case that is done, by the name of the case."""
    return {
        stage.data["summary"]["name"]: keys[name]
        for name, stage in stages.items()
        if name.startswith("sinter-")
    }


def _read_cells(root: Path, keys: Mapping[str, str]) -> tuple[tuple[CellRow, ...], tuple[str, ...]]:
    """Half-cells of the sintered cases as they are now; what is of an earlier run is left out and said."""
    path = root / "cell" / "cell.json"
    if not path.is_file():
        return (), ()
    try:
        rows = [CellRow.model_validate(row) for row in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"{path} is damaged; make it again with cosinter cell {root}") from error
    kept = tuple(row for row in rows if keys.get(row.case) == row.stage_key)
    if len(kept) == len(rows):
        return kept, ()
    return kept, (
        f"half-cells of an earlier run are left out; make them again with cosinter cell {root.name}",
    )


def read_content(root: Path) -> ReportContent:
    """Content of the report of a results folder, holes included."""
    return make_content(read_collected(root))


def make_content(found: Collected) -> ReportContent:
    """Content of the report of what was collected."""
    return ReportContent(
        study_name=found.study.name,
        summary=found.study.title,
        study=json.loads(found.study.model_dump_json(exclude_none=True)),
        verdict=judge.verdict(found.study, found.sinter),
        cases=tuple(report_case(found.study, case.name) for case in found.study.cases),
        headlines=judge.headlines(found.sinter),
        published=judge.published_rows(found.study, found.sinter),
        structures=tuple(_structure(stage.data) for stage in found.of("relax")),
        interfaces=tuple(_interface(stage.name, stage.data) for stage in found.of("interface")),
        barriers=tuple(_barrier(stage.data) for stage in found.of("barrier")),
        phonons=tuple(_phonon(stage.data) for stage in found.of("phonon")),
        reactions=tuple(_reaction(stage.data) for stage in found.of("reaction")),
        ladder=_ladder(found),
        scenes=_scenes(found),
        charts=reaction_charts(stage.data for stage in found.of("reaction")),
        sinter=tuple(SinterSeries(case=name, **data["series"]) for name, data in found.sinter.items()),
        tornado=tuple(_tornado(found)),
        cells=found.cells,
        diffraction=tuple(
            PatternRow(case=stage.data["case"], **pattern, radiation=RADIATION[stage.data["wavelength"]])
            for stage in found.of("diffraction")
            for pattern in stage.data["patterns"]
        ),
        balances=tuple(
            BalanceRow(case=name, element=element, relative_error=error, limit=BALANCE_LIMIT)
            for name, data in found.sinter.items()
            for element, error in data["summary"]["balance_error"].items()
        ),
        parameters=tuple(_parameters(found)),
        warnings=(
            *(f"stage {name} has no result" for name in found.missing),
            *found.remarks,
            *_warnings(found),
        ),
        limitations=judge.LIMITATIONS,
        manifest=tuple(_stage(stage) for stage in found.stages.values()),
        versions=_versions(),
        files=tuple(FileRow(path=path, purpose=purpose) for path, purpose in FILES.items()),
    )


FILES = {
    "parameters.json": "every parameter with unit, uncertainty, source and kind",
    "parameters.csv": "the same as a table",
    "bpx/": "the cathode after sintering as BPX, one file per case",
    "pybamm/": "the cathode after sintering as PyBaMM parameters, one file per case",
    "figures/": "every figure as PNG and its data as CSV",
    "manifest.json": "every stage: hash, times, how often executed",
}


def report_case(study: Study, name: str) -> Case:
    """Name, label and role of a case of ``study``."""
    case = next(case for case in study.cases if case.name == name)
    crucible = "" if case.crucible is None else ", open crucible"
    if not case.protection:
        return Case(name=name, label=f"unprotected{crucible}", role="bare")
    first = next(case.name for case in study.cases if case.protection)
    role: Role = "compensated" if name == first else "other"
    return Case(name=name, label=f"{case.protection}{crucible}", role=role)


def _parameters(found: Collected) -> Iterator[ParameterRow]:
    """The common set, then what each case has in place of it."""
    if found.parameters is None:
        return
    yield from parameter_rows(found.parameters)
    for case in found.study.cases:
        own = with_case(found.parameters, case)
        changed = {
            f"{name} ({case.name})": record
            for name, record in own.parameters.items()
            if record != found.parameters.parameters.get(name)
        }
        yield from parameter_rows(own.model_copy(update={"parameters": changed}))


def _tornado(found: Collected) -> Iterator[TornadoTable]:
    labels = {key: (label, unit) for key, label, unit, _ in judge.HEADLINES}
    for name, data in found.sinter.items():
        for one in data.get("tornado", ()):
            label, unit = labels[one["outcome"]]
            if one["bars"]:
                bars = tuple(TornadoBar(**bar) for bar in one["bars"])
                yield TornadoTable(case=name, outcome=label, unit=unit, nominal=one["nominal"], bars=bars)


def _structure(data: Mapping[str, Any]) -> StructureRow:
    lattice = tuple(
        LatticeValue(symbol=axis, ours=cited * (1.0 + data["change_percent"][axis] / 100.0), cited=cited)
        for axis, cited in data["cited"].items()
    )
    notes = [f"model cell {data['model_formula']}, {data['atoms']} atoms"]
    if not data["converged"]:
        notes.append(f"not converged: largest force {data['max_force_eV_per_A']:.3f} eV/Å")
    if data["uncertainty_percent"] is not None:
        notes.append(f"calculator good to about {data['uncertainty_percent']:g} % in the lattice")
    return StructureRow(
        name=data["name"],
        formula=data["formula"],
        space_group=data["space_group"],
        calculator=data["calculator"]["model"],
        lattice=lattice,
        citation=data["citation"],
        kind=data["kind"],
        note=". " + "; ".join(notes),
    )


def _interface(name: str, data: Mapping[str, Any]) -> InterfaceRow:
    def plane(indices: list[int]) -> str:
        return "(" + "".join(str(index) for index in indices) + ")"

    relaxed = data["relaxed"]
    return InterfaceRow(
        name=name.removeprefix("interface-"),
        film=data["film"],
        substrate=data["substrate"],
        orientation=f"{plane(data['film_miller'])} on {plane(data['substrate_miller'])}, {' | '.join(data['termination'])}",
        strain_percent=data["strain_percent"],
        area_A2=data["area_A2"],
        atoms=data["atoms"],
        min_distance_A=data["min_distance_A"],
        checks=data["checks"],
        note=f"smallest of {data['matches']} matches; atoms relaxed in {relaxed['steps']} steps "
        f"to {relaxed['max_force_eV_per_A']:.2f} eV/Å",
    )


def _barrier(data: Mapping[str, Any]) -> BarrierRow:
    cited, citation = judge.cited_barrier(data["host_name"], data["mechanism"])
    return BarrierRow(
        name=data["path"],
        host=data["host"],
        mechanism=data["mechanism"],
        distance_A=tuple(image["distance_A"] for image in data["images"]),
        energy_eV=tuple(image["energy_eV"] for image in data["images"]),
        barrier_eV=data["barrier_eV"],
        uncertainty_eV=data["uncertainty_eV"],
        converged=data["converged"],
        calculator=data["calculator"]["model"],
        cited_eV=cited,
        citation=citation,
        note=data["note"],
    )


def _phonon(data: Mapping[str, Any]) -> PhononRow:
    measured, citation = judge.measured_entropy(data["name"])
    return PhononRow(
        name=data["name"],
        formula=data["formula"],
        temperature_K=tuple(data["temperature_K"]),
        free_energy_kJ_per_mol=tuple(data["free_energy_kJ_per_mol"]),
        entropy_J_per_mol_K=tuple(data["entropy_J_per_mol_K"]),
        heat_capacity_J_per_mol_K=tuple(data["heat_capacity_J_per_mol_K"]),
        imaginary_share=data["imaginary_share"],
        measured_entropy=measured,
        computed_entropy=data["entropy_J_per_mol_K"][data["temperature_K"].index(298.15)],
        citation=citation,
    )


def _kink(data: Mapping[str, Any]) -> Kink:
    return Kink(
        **{f"{basis}_fraction": data["fraction"][basis] for basis in ("mole", "mass", "volume")},
        dG_kJ_per_mol=_clean(data["dG"]["kJ_per_mol"]),
        dG_meV_per_atom=_clean(data["dG"]["meV_per_atom"]),
        products=tuple(Product(**product) for product in data["products"]),
    )


def _clean(value: float) -> float:
    """Round-off of the linear program at the ends of a mixing line is zero."""
    return 0.0 if abs(value) < 1e-9 else value


def _sampled(data: Mapping[str, Any]) -> Sampled:
    strongest = data["strongest"]
    return Sampled(
        samples=data["samples"],
        dG_low_meV_per_atom=strongest["dG_meV_per_atom"]["p5"],
        dG_high_meV_per_atom=strongest["dG_meV_per_atom"]["p95"],
        probabilities=tuple(
            (name, share) for name, share in strongest["products"].items() if share >= LEAST_PROBABILITY
        ),
    )


def _phase(name: str, data: Mapping[str, Any]) -> PhaseRow:
    keys = ("formula", "energy_source", "thermal_source", "uncertainty_kJ_per_mol", "qualitative", "source")
    return PhaseRow(phase=name, **{key: data[key] for key in keys})


def _reaction(data: Mapping[str, Any]) -> ReactionTable:
    shown = telling_kinks(data["kinks"])
    named = {product["phase"] for kink in shown for product in kink["products"]}
    return ReactionTable(
        first=data["reactants"][0],
        second=data["reactants"][1],
        temperature_C=data["temperature_C"],
        atmosphere=", ".join(f"{gas} {pressure:g} bar" for gas, pressure in data["atmosphere"].items()),
        kinks=tuple(_kink(kink) for kink in shown),
        marked=_kink(data["point"]) if data.get("point") else None,
        sampled=_sampled(data["uncertainty"]) if "uncertainty" in data else None,
        phases=tuple(
            _phase(name, row)
            for name, row in data["phases"].items()
            if name in named or row["formula"] in data["reactants"]
        ),
        note="; ".join(data.get("warnings", ())),
    )


def _ladder(found: Collected) -> tuple[LadderRow, ...]:
    stage = found.stages.get("thermodynamics")
    return tuple(LadderRow(**row) for row in stage.data["ladder"]) if stage is not None else ()


def _scenes(found: Collected) -> tuple[Scene, ...]:
    stage = found.stages.get("diagrams")
    return tuple(Scene.model_validate(scene) for scene in stage.data["scenes"]) if stage is not None else ()


def _warnings(found: Collected) -> Iterator[str]:
    for stage in found.stages.values():
        for warning in dict.fromkeys(stage.data.get("warnings", ())):
            yield f"{stage.name}: {warning}"


def _stage(stage: StageResult) -> StageRow:
    return StageRow(
        stage=stage.name, hash=stage.key[:8], seconds=stage.record["seconds"], executions=stage.executed
    )


def _versions() -> dict[str, str]:
    from importlib import metadata

    from cosinter import __version__

    return {"cosinter": __version__, **{name: metadata.version(name) for name in ENGINES}}
