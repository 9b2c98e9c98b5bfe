"""From a study to its stages: what runs, with which inputs, after what, and under which content address.

The key of a stage is a hash of its inputs, of the keys of the stages it reads, of the source files it runs through
and of the versions of the engines it calls. All keys are known before anything runs, so that a second run of the
same study has nothing to do and a changed input re-runs only what depends on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import DataError, StorageError
from cosinter.workflows.results import Results, digest
from cosinter.workflows.sources.libraries import library_inputs
from cosinter.workflows.study import Study

ATOMS = ("data/exceptions.py", "data/tables.py", "data/crystals.yaml", "structures")
FORCES = (
    *ATOMS,
    "data/potentials.yaml",
    "analysis/atoms/calculators.py",
    "analysis/atoms/lammps_engine.py",
    "workflows/steps/atoms.py",
)
THERMO = (
    *ATOMS,
    "data/thermochemistry.yaml",
    "data/solutions.yaml",
    "data/computed_energies.yaml",
    "data/energies",
    "analysis/parameters.py",
    "analysis/thermochemistry",
    "analysis/equilibrium",
    "workflows/sources/libraries.py",
    "workflows/steps/thermodynamics.py",
)
CASES = (
    "data/exceptions.py",
    "data/tables.py",
    "data/coatings.yaml",
    "analysis/parameters.py",
    "analysis/coatings.py",
    "analysis/observables",
    "workflows/steps/case_parameters.py",
    "workflows/steps/furnace.py",
)
MODEL = (*CASES, "analysis/continuum")
DIAGRAMS = (
    "workflows/diagrams",
    "workflows/report/thermodynamics.py",
    "workflows/steps/diagrams.py",
)
REPORT = (
    "workflows/steps/report.py",
    "workflows/report",
    "workflows/diagrams",
    "workflows/exporting.py",
    "analysis/exports",
    "data/published.yaml",
    "data/references.yaml",
    "data/cell.yaml",
)


@dataclass(frozen=True)
class Stage:
    """One step of a run: ``function`` of :mod:`cosinter.workflows.steps.table`, its inputs and what it reads."""

    name: str
    function: str
    inputs: Mapping[str, Any]
    after: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The stages of a study in an order that can be run, and the key of each."""

    study: str
    stages: tuple[Stage, ...]
    keys: Mapping[str, str] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """The stage of that name."""
        return next(stage for stage in self.stages if stage.name == name)

    def pending(self, results: Results) -> tuple[Stage, ...]:
        """Stages whose result is not on disk yet."""
        return tuple(
            stage for stage in self.stages if not results.is_complete(stage.name, self.keys[stage.name])
        )

    def to_json(self) -> str:
        """Text of plan.json."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, root: Path) -> Plan:
        """Read plan.json of a results folder.

        Raises
        ------
        StorageError
            There is none, or it is damaged.
        """
        try:
            data = json.loads((root / "plan.json").read_bytes())
            stages = tuple(
                Stage(**{**stage, **{key: tuple(stage[key]) for key in ("after", "code", "engines")}})
                for stage in data["stages"]
            )
            return cls(study=data["study"], stages=stages, keys=data["keys"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{root} holds no readable plan.json; start it with cosinter run STUDY"
            ) from error


def make_plan(study: Study) -> Plan:
    """Lay out the stages of a study and compute their keys.

    Raises
    ------
    InputError, UnknownNameError, StorageError
        A phase of the user's or a snapshot that the study names cannot be used.
    """
    library = library_inputs(study.thermodynamics.energies)
    stages = (
        *_atomistic_stages(study),
        *_thermodynamic_stages(study, library),
        *continuum_stages(study, library),
    )
    stages = (*stages, _report_stage(study, stages))
    known = {stage.name for stage in stages}
    return keyed(
        study.name,
        [replace(stage, after=tuple(name for name in stage.after if name in known)) for stage in stages],
    )


def keyed(study: str, stages: Sequence[Stage]) -> Plan:
    """The plan of these stages, each after those it reads, with their keys."""
    keys: dict[str, str] = {}
    for stage in stages:
        keys[stage.name] = digest(
            {
                "function": stage.function,
                "inputs": stage.inputs,
                "after": {name: keys[name] for name in stage.after},
                "code": [_code_hash(path) for path in stage.code],
                "engines": {name: _version(name) for name in stage.engines},
            }
        )
    return Plan(study=study, stages=tuple(stages), keys=keys)


def _atomistic_stages(study: Study) -> tuple[Stage, ...]:
    atoms = study.atomistic
    engines = ("ase", "pymatgen", *{"pmmcs": ("lammps",), "chgnet": ("chgnet",)}.get(atoms.calculator, ()))
    common = {"calculator": atoms.calculator, "seed": study.seed}
    relax = [
        Stage(
            name=f"relax-{name}",
            function="relax",
            inputs={"name": name, **common},
            code=(*FORCES, "analysis/atoms/relaxation.py"),
            engines=engines,
        )
        for name in dict.fromkeys(name.lower() for name in atoms.relax)
    ]
    barriers = [
        Stage(
            name=f"barrier-{hop.host.lower()}-{hop.mechanism}",
            function="barrier",
            inputs={"host": hop.host.lower(), "mechanism": hop.mechanism, **common},
            code=(*FORCES, "analysis/atoms/relaxation.py", "analysis/atoms/barriers.py"),
            engines=engines,
        )
        for hop in dict.fromkeys(atoms.barriers)
    ]
    phonons = [
        Stage(
            name=f"phonon-{name}",
            function="phonon",
            inputs={"name": name, **common},
            code=(*FORCES, "analysis/atoms/relaxation.py", "analysis/atoms/phonons.py"),
            engines=(*engines, "phonopy"),
        )
        for name in dict.fromkeys(name.lower() for name in atoms.phonons)
    ]
    interfaces = [
        Stage(
            name=f"interface-{pair.film.lower()}-{pair.substrate.lower()}",
            function="interface",
            inputs={**pair.model_dump(mode="json"), **common},
            code=(*FORCES, "analysis/atoms/relaxation.py"),
            engines=engines,
        )
        for pair in dict.fromkeys(atoms.interfaces)
    ]
    return (*barriers, *interfaces, *relax, *phonons)


def _thermodynamic_stages(study: Study, library: Mapping[str, Any]) -> tuple[Stage, ...]:
    reactions = [
        Stage(
            name=f"reaction-{number}",
            function="reaction",
            inputs={
                **pair.model_dump(mode="json"),
                **study.inputs("atmosphere", "seed"),
                **study.thermodynamics.model_dump(include={"solutions", "samples"}),
                "library": library,
            },
            code=(*THERMO, "workflows/reactions.py"),
            engines=("cantera", "scipy"),
        )
        for number, pair in enumerate(study.reactions, start=1)
    ]
    thermodynamics = Stage(
        name="thermodynamics",
        function="thermodynamics",
        inputs={**study.inputs("cathode", "electrolyte", "atmosphere", "furnace"), "library": library},
        code=THERMO,
        engines=("cantera", "scipy"),
    )
    diagrams = Stage(
        name="diagrams",
        function="diagrams",
        inputs={
            **study.inputs("cathode", "electrolyte", "atmosphere", "furnace"),
            "library": library,
            "compensator": _main_salt(study),
        },
        code=(*THERMO, *DIAGRAMS),
        engines=("cantera", "scipy"),
    )
    return (*reactions, thermodynamics, diagrams)


def _main_salt(study: Study) -> str | None:
    """The compensator that the cases of a study use most of."""
    salts = [case.compensator for case in study.cases if case.compensator is not None]
    doses = {
        "LiOH": sum(salt.LiOH_wt_percent for salt in salts),
        "Li2CO3": sum(salt.Li2CO3_wt_percent for salt in salts),
    }
    return max(doses, key=lambda name: doses[name]) if salts else None


def continuum_stages(study: Study, library: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of the furnace: parameters, sintering and diffraction of every case."""
    barriers = tuple(f"barrier-{hop.host.lower()}-{hop.mechanism}" for hop in study.atomistic.barriers)
    parameters = Stage(
        name="parameters",
        function="parameters",
        inputs={
            "name": study.name,
            **study.inputs("cathode", "electrolyte", "atmosphere", "furnace"),
            "library": library,
        },
        after=("thermodynamics", *dict.fromkeys(barriers)),
        code=(
            *THERMO,
            *CASES,
            "data/transport.yaml",
            "analysis/assembly.py",
            "analysis/atoms/hopping.py",
            "analysis/shared_errors.py",
            "analysis/continuum/furnace.py",
            "analysis/continuum/inputs.py",
            "analysis/continuum/staircase.py",
        ),
        engines=("cantera", "scipy"),
    )
    sinter = [
        Stage(
            name=f"sinter-{case.name.lower()}",
            function="sinter",
            inputs={
                "case": case.model_dump(mode="json"),
                **study.inputs(
                    "cathode",
                    "electrolyte",
                    "cathode_volume_fraction",
                    "furnace",
                    "atmosphere",
                    "uncertainty_samples",
                    "seed",
                ),
            },
            after=("parameters",),
            code=MODEL,
            engines=("numpy", "scipy"),
        )
        for case in study.cases
    ]
    diffraction = [
        Stage(
            name=f"diffraction-{case.name.lower()}",
            function="diffraction",
            inputs={"case": case.name, **study.inputs("diffraction", "cathode", "electrolyte")},
            after=("parameters", f"sinter-{case.name.lower()}"),
            code=(
                *ATOMS,
                "analysis/observables/diffraction.py",
                "analysis/observables/sintered_phases.py",
                "workflows/steps/diffraction.py",
            ),
            engines=("pymatgen",),
        )
        for case in study.cases
    ]
    return (parameters, *sinter, *diffraction)


def _report_stage(study: Study, others: Sequence[Stage]) -> Stage:
    return Stage(
        name="report",
        function="report",
        inputs={"study": study.model_dump(mode="json")},
        after=tuple(stage.name for stage in others),
        code=REPORT,
    )


@cache
def _code_hash(path: str) -> str:
    """Hash of a source file, or of all source files below a folder, of the installed package."""
    entry = files("cosinter").joinpath(path)
    here = Path(str(entry))
    if not here.exists():
        raise DataError(f"source {path} of the package is missing; reinstall cosinter to mend it")
    if here.is_file():
        return hashlib.sha256(here.read_bytes()).hexdigest()[:16]
    found = sorted(
        item
        for item in here.rglob("*")
        if item.is_file() and item.suffix in (".py", ".yaml", ".j2", ".css", ".js")
    )
    whole = hashlib.sha256()
    for item in found:
        whole.update(item.relative_to(here).as_posix().encode() + b"\0" + item.read_bytes())
    return whole.hexdigest()[:16]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"
