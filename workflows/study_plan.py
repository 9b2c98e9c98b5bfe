"""The stages of a study: among atoms, in thermodynamics, in the furnace, and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cosinter.workflows.atomic_stages import ATOMS, AtomStages
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.sources.libraries import library_inputs
from cosinter.workflows.study import Study

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


def _atomistic_stages(study: Study) -> tuple[Stage, ...]:
    atoms = study.atomistic
    make = AtomStages(atoms.calculator, study.seed)
    return (
        *(make.barrier(hop.host, hop.mechanism) for hop in dict.fromkeys(atoms.barriers)),
        *(make.interface(pair.model_dump(mode="json")) for pair in dict.fromkeys(atoms.interfaces)),
        *(make.relax(name) for name in dict.fromkeys(name.lower() for name in atoms.relax)),
        *(make.phonon(name) for name in dict.fromkeys(name.lower() for name in atoms.phonons)),
    )


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
        inputs={"study": study.model_dump(mode="json", exclude={"resources"})},
        after=tuple(stage.name for stage in others),
        code=REPORT,
    )
