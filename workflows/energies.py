"""``cosinter energies`` as a FireWorks workflow: one Firework per crystal, resumable, then one table.

A crystal's result is kept under a hash of its cell, the settings and the versions of the engines, so that a second
call computes only what is new, in any folder that holds earlier results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosinter.data.exceptions import InputError, MissingEngineError
from cosinter.workflows.flows import Outcome, Watch, run_plan
from cosinter.workflows.plan import Plan, Stage
from cosinter.workflows.results import Results, digest, storage_errors, write_atomically
from cosinter.workflows.user_data import energies_folder

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.energy_tables import EnergyTable

METHOD = 1  #: raise when the physics of a crystal's energy changes
SETTINGS: Mapping[str, float] = {
    "seed": 0,
    "force_tolerance": 0.03,
    "stress_tolerance": 1.0e-3,
    "max_steps": 300,
    "rattle_A": 0.01,
}
ENGINES: Mapping[str, tuple[str, ...]] = {"pmmcs": ("lammps",), "chgnet": ("chgnet",)}


@dataclass(frozen=True)
class EnergyRun:
    """What a run gave: the outcome of its Fireworks, the table, and where it was written."""

    outcome: Outcome
    table: EnergyTable
    path: Path


def default_folder(calculator: str) -> Path:
    """Folder of the user's results with ``calculator``; an entry string becomes a plain name."""
    return energies_folder() / "".join(c if c.isalnum() or c in "._-" else "-" for c in calculator)


def energy_plan(calculator: str, crystals: Sequence[str]) -> Plan:
    """Lay out one stage per crystal, the smallest cell first.

    Raises
    ------
    UnknownNameError
        A crystal that is not tabulated.
    """
    from cosinter.analysis.crystal_energies import starting_cell, structure_sha256
    from cosinter.structures.crystals import resolve

    cells = {name: starting_cell(name) for name in dict.fromkeys(map(resolve, crystals))}
    engines = ("ase", *ENGINES.get(calculator, ()))
    stages, keys = [], {}
    for name in sorted(cells, key=lambda crystal: len(cells[crystal])):
        inputs = {"crystal": name, "calculator": calculator, "settings": dict(SETTINGS)}
        stage = Stage(name=f"energy-{name}", function="energy", inputs=inputs, engines=engines)
        stages.append(stage)
        keys[stage.name] = digest(
            {
                "method": METHOD,
                "inputs": inputs,
                "structure": structure_sha256(cells[name]),
                "engines": {engine: _version(engine) for engine in engines},
            }
        )
    return Plan(
        study=f"energies of {len(stages)} crystals with {calculator}", stages=tuple(stages), keys=keys
    )


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError as error:
        extra = " with: pip install 'cosinter[ml]'" if distribution == "chgnet" else ""
        raise MissingEngineError(f"{distribution} is not installed; install it{extra}") from error


def run_energies(
    calculator: str,
    crystals: Sequence[str],
    *,
    folder: Path,
    workers: int = 1,
    watch: Watch | None = None,
) -> EnergyRun:
    """Compute what is missing, and write the table of everything that is there to ``folder``/<calculator>.yaml.

    Crystals that the calculator cannot do (an ion it does not know, a cell that falls apart) are listed in the
    table with the reason.

    Raises
    ------
    InputError
        Not one crystal could be computed, or the folder cannot be written.
    MissingEngineError
        The calculator's library is not installed.
    """
    import yaml

    from cosinter.analysis.thermochemistry.energy_tables import make_energy_table
    from cosinter.analysis.thermochemistry.library import load_library

    plan = energy_plan(calculator, crystals)
    outcome = run_plan(plan, folder, workers=workers, watch=watch)
    failed = {failure.stage.removeprefix("energy-"): failure.message for failure in outcome.failures}
    found = read_energies(folder, plan)
    if not found:
        reasons = "; ".join(dict.fromkeys(failed.values())) or "the run was interrupted"
        raise InputError(f"{calculator} gave no energy of any of {len(plan.stages)} crystals: {reasons}")
    table = make_energy_table(found, load_library(), failed=failed)
    path = folder / f"{default_folder(calculator).name}.yaml"
    with storage_errors(folder):
        write_atomically(path, HEADER + yaml.safe_dump(table.content, sort_keys=False, width=130))
    return EnergyRun(outcome, table, path)


HEADER = """\
# Energies of crystals from one calculator, and the enthalpies that follow. Written by: cosinter energies.
# energies: kind computed; enthalpies, comparison: with the measured phases of data/thermochemistry.yaml at that time.
# Rules: data/energies/rules.yaml; equations and errors: analysis/thermochemistry/anchoring.py.
"""


def read_energies(folder: Path, plan: Plan) -> list[Any]:
    """Read the finished crystals of a plan (:class:`cosinter.analysis.crystal_energies.CrystalEnergy`)."""
    from cosinter.analysis.crystal_energies import CrystalEnergy

    results = Results(folder)
    return [
        CrystalEnergy.from_dict(results.read(stage.name, plan.keys[stage.name]).data)
        for stage in plan.stages
        if results.is_complete(stage.name, plan.keys[stage.name])
    ]


def user_table(calculator: str) -> EnergyTable | None:
    """Read the user's own table of ``calculator``; None if there is none.

    Raises
    ------
    DataError
        It is there but damaged.
    """
    import yaml

    from cosinter.analysis.thermochemistry.energy_tables import read_energy_table
    from cosinter.data.exceptions import DataError

    path = default_folder(calculator) / f"{default_folder(calculator).name}.yaml"
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"table of energies {path} cannot be read; run cosinter energies again") from error
    return read_energy_table(content)
