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
from cosinter.workflows.atomic_stages import ENGINES
from cosinter.workflows.flows import Outcome, Watch, run_plan
from cosinter.workflows.plan import Plan, Stage
from cosinter.workflows.results import Results, digest, storage_errors, write_atomically
from cosinter.workflows.sources.user_data import energies_folder
from cosinter.workflows.user_config import allowed_calculator

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


@dataclass(frozen=True)
class EnergyRun:
    """What a run gave: the outcome of its Fireworks, the table, and where it was written."""

    outcome: Outcome
    table: EnergyTable
    path: Path


def default_folder(calculator: str) -> Path:
    """Folder of the user's results with ``calculator``; an entry string becomes a plain name."""
    return energies_folder() / "".join(c if c.isalnum() or c in "._-" else "-" for c in calculator)


def wanted_crystals(names: Sequence[str]) -> tuple[str, ...]:
    """Resolve names of crystals or phases, and add the measured crystals that may anchor them.

    Those are made of the same elements, Li and O; with Ni, Co or Mn also the couples that give the energy of O2.

    Raises
    ------
    UnknownNameError
        Neither a crystal nor a phase with one.
    """
    from cosinter.analysis.thermochemistry.energy_tables import rules
    from cosinter.analysis.thermochemistry.formulas import parse_formula
    from cosinter.data.tables import load_table
    from cosinter.structures.crystals import crystal_names, resolve

    table = load_table("crystals")["crystals"]
    asked = [resolve(name) for name in filter(None, (part.strip() for part in names))]
    if not asked:
        raise InputError("no crystal is named; give names such as LTP,LiTiOPO4")

    def elements(name: str) -> set[str]:
        return set(parse_formula(table[name]["formula"]))

    allowed = {"Li", "O"}.union(*map(elements, asked))
    couples = {"Mn", "Co", "O"} if allowed & {"Ni", "Co", "Mn"} else set()
    return tuple(
        name
        for name in crystal_names()
        if name in asked
        or (
            name not in rules()["solutions"]
            and (elements(name) <= allowed or elements(name) <= couples)
            and len(elements(name)) > 1
        )
    )


def energy_plan(calculator: str, crystals: Sequence[str], *, entropies: bool = False) -> Plan:
    """Lay out one stage per crystal, the smallest cell first; with ``entropies`` one more for its phonons.

    Solutions and elements get no phonons: their entropy is not what a harmonic ordered crystal has, or is measured.

    Raises
    ------
    UnknownNameError
        A crystal that is not tabulated.
    """
    from cosinter.analysis.atoms.crystal_energies import starting_cell
    from cosinter.analysis.thermochemistry.energy_tables import rules
    from cosinter.structures.crystals import resolve
    from cosinter.structures.fingerprint import structure_sha256

    cells = {name: starting_cell(name) for name in dict.fromkeys(map(resolve, crystals))}
    engines = ("ase", *ENGINES.get(calculator, ()))
    versions = {engine: _version(engine) for engine in (*engines, "phonopy")}
    stages, keys = [], {}
    for name in sorted(cells, key=lambda crystal: len(cells[crystal])):
        inputs = {"crystal": name, "calculator": calculator}
        found = [Stage(f"energy-{name}", "energy", {**inputs, "settings": dict(SETTINGS)}, engines=engines)]
        if entropies and name not in rules()["solutions"] and len(cells[name].composition.elements) > 1:
            found.append(Stage(f"entropy-{name}", "entropy", inputs, engines=(*engines, "phonopy")))
        for stage in found:
            stages.append(stage)
            keys[stage.name] = digest(
                {
                    "method": METHOD,
                    "inputs": stage.inputs,
                    "structure": structure_sha256(cells[name]),
                    "engines": {engine: versions[engine] for engine in stage.engines},
                }
            )
    return Plan(study=f"{len(cells)} crystals with {calculator}", stages=tuple(stages), keys=keys)


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
    entropies: bool = False,
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

    from cosinter.analysis.atoms.crystal_energies import CrystalEnergy
    from cosinter.analysis.thermochemistry.energy_tables import make_energy_table
    from cosinter.analysis.thermochemistry.library import load_library
    from cosinter.structures.crystals import crystal_names

    allowed_calculator(calculator)  # an unknown or missing calculator is told before anything starts
    outcome = run_plan(
        energy_plan(calculator, crystals, entropies=entropies), folder, workers=workers, watch=watch
    )
    failed = {failure.stage: failure.message for failure in outcome.failures}
    present = [name for name in crystal_names() if (folder / "stages" / f"energy-{name}").is_dir()]
    everything = finished(folder, energy_plan(calculator, present, entropies=True))
    energies = [CrystalEnergy.from_dict(data) for data in everything["energy"].values()]
    if not energies:
        reasons = "; ".join(dict.fromkeys(failed.values())) or "the run was interrupted"
        raise InputError(f"{calculator} gave no energy of any of {len(crystals)} crystals: {reasons}")
    table = make_energy_table(energies, load_library(), failed=failed, entropies=everything["entropy"])
    path = folder / f"{default_folder(calculator).name}.yaml"
    text = yaml.safe_dump(
        table.content, sort_keys=False, width=120, allow_unicode=True, default_flow_style=None
    )
    with storage_errors(folder):
        write_atomically(path, HEADER + text)
    return EnergyRun(outcome, table, path)


HEADER = """\
# Energies of crystals from one calculator, and the enthalpies that follow. Written by: cosinter energies.
# energies: kind computed; enthalpies, comparison: with the measured phases of data/thermochemistry.yaml at that time.
# Rules: data/energies/rules.yaml; equations and errors: analysis/thermochemistry/anchoring.py.
"""


def finished(folder: Path, plan: Plan) -> dict[str, dict[str, Any]]:
    """Read the finished stages of a plan: {"energy" | "entropy": {crystal: result}}."""
    results = Results(folder)
    found: dict[str, dict[str, Any]] = {"energy": {}, "entropy": {}}
    for stage in plan.stages:
        if results.is_complete(stage.name, plan.keys[stage.name]):
            data = results.read(stage.name, plan.keys[stage.name]).data
            found[stage.function][stage.inputs["crystal"]] = dict(data)
    return found


def shipped_or_own(calculator: str, folder: Path | None = None) -> EnergyTable:
    """The table in ``folder`` (the user's own if not given), else the one that ships.

    Raises
    ------
    UnknownNameError
        There is neither.
    """
    from cosinter.analysis.thermochemistry.energy_tables import load_energy_table

    return user_table(calculator, folder) or load_energy_table(calculator)


def user_table(calculator: str, folder: Path | None = None) -> EnergyTable | None:
    """Read the table of ``calculator`` in ``folder`` (the user's own if not given); None if there is none.

    Raises
    ------
    DataError
        It is there but damaged.
    """
    import yaml

    from cosinter.analysis.thermochemistry.energy_tables import read_energy_table
    from cosinter.data.exceptions import DataError

    path = (folder or default_folder(calculator)) / f"{default_folder(calculator).name}.yaml"
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"table of energies {path} cannot be read; run cosinter energies again") from error
    return read_energy_table(content)


def own_tables() -> dict[str, EnergyTable]:
    """Read the tables that the user computed: {calculator: table}, for :func:`make_library`.

    Raises
    ------
    DataError
        One of them is damaged.
    """
    from cosinter.analysis.thermochemistry.energy_tables import CALCULATORS

    found = {name: user_table(name) for name in CALCULATORS}
    return {name: table for name, table in found.items() if table is not None}
