"""``cosinter benchmark atoms``: what a calculator gets right and wrong, beside measured and cited values.

The work is that of a study: relaxations, barriers and phonons are its stages, so that a second call computes only what
is new, and a crystal that a calculator cannot do leaves a hole with its reason and not the others without result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import CosinterError
from cosinter.workflows.atomic_stages import AtomStages
from cosinter.workflows.flows import Outcome, Watch, run_plan
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.references import reference_barrier
from cosinter.workflows.results import Results
from cosinter.workflows.user_config import allowed_calculator

STRUCTURES = (
    "linio2", "licoo2", "ncm111", "ncm622", "ncm811", "ltp", "latp", "li2tio3", "li4ti5o12", "litiopo4",
    "li3po4_gamma", "li3po4_beta", "tio2_rutile", "tio2_anatase", "li2o", "nio", "nitio3", "cotio3", "linipo4",
    "alpo4", "lialo2_gamma", "li2mno3",
)  # fmt: skip
BARRIERS = (
    ("linio2", "tetrahedral"), ("linio2", "dumbbell"), ("licoo2", "tetrahedral"), ("licoo2", "dumbbell"), ("ncm111", "dumbbell"),

    ("ltp", "m1-m2-m1"), ("latp", "m1-m2-m1"), ("li2tio3", "in_plane_1"), ("li2tio3", "in_plane_3"),
    ("li2tio3", "to_liti2_layer_1"), ("li4ti5o12", "8a-16c-8a"),
    ("li3po4_gamma", "vacancy_1"), ("li3po4_gamma", "vacancy_6"),
)  # fmt: skip
VIBRATIONS = (
    "tio2_rutile", "li2o", "nio", "coo", "mno", "al2o3", "lialo2_gamma", "alpo4_berlinite", "li2tio3",
)  # fmt: skip


def lay_out(calculators: Sequence[str], *, seed: int = 1) -> Plan:
    """Lay out the stages of the benchmark for these calculators."""
    stages: list[Stage] = []
    for calculator in dict.fromkeys(calculators):
        make = AtomStages(calculator, seed, suffix=f"-{calculator.replace(':', '.')}")
        stages += [make.relax(name) for name in STRUCTURES]
        stages += [make.barrier(host, path) for host, path in BARRIERS]
        stages += [make.vibrations(name) for name in VIBRATIONS]
    return keyed(f"benchmark of {', '.join(dict.fromkeys(calculators))}", stages)


def run_benchmark(
    calculators: Sequence[str], root: Path, *, workers: int = 2, watch: Watch | None = None
) -> tuple[dict[str, list[dict[str, Any]]], Outcome]:
    """Run what is missing in the folder ``root`` and read the tables.

    Returns
    -------
    dict
        ``structures``, ``barriers`` and ``entropies``: lists of rows; ``error`` says why a row has no value.
    Outcome
        What was run, kept or failed.

    Raises
    ------
    UnknownNameError, MissingEngineError, InputError
        A calculator that cannot be made.
    """

    for calculator in calculators:
        allowed_calculator(calculator)  # an unknown or missing one is told before anything starts
    plan = lay_out(calculators)
    outcome = run_plan(plan, root, workers=workers, watch=watch)
    return tables(plan, root), outcome


def tables(plan: Plan, root: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a benchmark as far as they are computed; see :func:`run_benchmark`."""
    results = Results(root)
    rows: dict[str, list[dict[str, Any]]] = {"structures": [], "barriers": [], "entropies": []}
    for stage in plan.stages:
        table, head, values = _KINDS[stage.function]
        key = plan.keys[stage.name]
        row = {"calculator": stage.inputs["calculator"], **head(stage.inputs)}
        if results.is_complete(stage.name, key):
            found = results.read(stage.name, key)
            row |= values(found.data) | {"seconds": found.record["seconds"], "error": None}
        else:
            events = results.events(stage.name, key)
            row |= {"seconds": None, "error": (events[-1] if events else {}).get("message", "was not run")}
        rows[table].append(row)
    return rows


def _structure_head(inputs: Mapping[str, Any]) -> dict[str, Any]:
    from cosinter.structures.crystals import resolve

    above, note = _above_hull(inputs["calculator"])
    crystal = resolve(inputs["name"])
    known = above.get(crystal)
    return {
        "structure": crystal,
        "above_hull_meV_per_atom": known,
        "hull_note": note if known is None else "",
        "lattice_error_percent": None,
        "volume_error_percent": None,
    }


@cache
def _above_hull(calculator: str) -> tuple[Mapping[str, float], str]:
    """Distances from the hull of a calculator's energies, and why there are none."""
    from cosinter.analysis.equilibrium.computed_hull import above_hull
    from cosinter.workflows.energies import shipped_or_own

    try:
        return above_hull(shipped_or_own(calculator)), "not in the table of energies"
    except CosinterError as error:
        return {}, str(error)


def _structure(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "atoms": data["atoms"],
        "lattice_error_percent": data["change_percent"],
        "volume_error_percent": data["volume_change_percent"],
        "cell_kind": data["kind"],
        "citation": data["citation"],
        "converged": data["converged"],
        "steps": data["steps"],
    }


def _barrier_head(inputs: Mapping[str, Any]) -> dict[str, Any]:
    cited = reference_barrier(inputs["host"], inputs["mechanism"])
    return {
        "host": inputs["host"],
        "path": inputs["mechanism"],
        "ours_eV": None,
        "literature_eV": cited["value_eV"] if cited else None,
        "literature_uncertainty_eV": cited["uncertainty_eV"] if cited else None,
        "literature_kind": cited["kind"] if cited else None,
        "literature_same_hop": cited["same_hop"] if cited else None,
        "literature": cited["source"] if cited else None,
        "ratio": None,
    }


def _barrier(data: Mapping[str, Any]) -> dict[str, Any]:
    cited = reference_barrier(data["host_name"], data["mechanism"])
    return {
        "ours_eV": data["barrier_eV"],
        "uncertainty_eV": data["uncertainty_eV"],
        "ratio": data["barrier_eV"] / cited["value_eV"] if cited else None,
        "converged": data["converged"],
        "steps": data["steps"],
    }


def _entropy_head(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"phase": inputs["name"], "entropy_J_per_mol_K": None, "heat_capacity_J_per_mol_K": None}


def _entropy(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("name", "phase", "calculator")}


_Head = Callable[[Mapping[str, Any]], dict[str, Any]]
_KINDS: Mapping[str, tuple[str, _Head, _Head]] = {
    "relax": ("structures", _structure_head, _structure),
    "barrier": ("barriers", _barrier_head, _barrier),
    "vibrations": ("entropies", _entropy_head, _entropy),
}
