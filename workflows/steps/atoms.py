"""Steps among atoms: relaxation, barriers, phonons, interfaces. Each calls one plain function and packs its result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cosinter.workflows.execution import Task
from cosinter.workflows.user_config import allowed_calculator, check_calculator

if TYPE_CHECKING:
    from pymatgen.core import Structure

PHONON_TEMPERATURES_K = (298.15, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 973.15, 1000.0)
INTERFACE_FORCE_TOLERANCE = 0.1
INTERFACE_STEPS = 300


def relax(task: Task) -> dict[str, Any]:
    """Relax a named crystal and compare its cell with the cited one."""
    from cosinter.analysis.atoms.calculators import uncertainty_of
    from cosinter.analysis.atoms.relaxation import relax as relax_structure
    from cosinter.structures.crystals import crystal
    from cosinter.structures.named import build, write

    name = task.inputs["name"]
    structure = build(name, seed=task.inputs["seed"])
    calculator = allowed_calculator(task.inputs["calculator"], structure)
    result = relax_structure(structure, calculator)
    record = crystal(name)
    lattice = record.structure.lattice
    uncertainty = uncertainty_of(calculator, "lattice")
    keep(task, "structure", result.structure)
    (task.folder / "structure.cif").write_text(write(result.structure, "cif"), encoding="utf-8")
    return {
        "name": record.name,
        "formula": record.formula,
        "model_formula": result.structure.composition.reduced_formula,
        "space_group": record.space_group,
        "atoms": len(result.structure),
        "citation": record.citation,
        "kind": record.lattice_kind,
        "notes": record.notes,
        "energy_eV_per_atom": result.energy_eV_per_atom,
        "max_force_eV_per_A": result.max_force_eV_per_A,
        "steps": result.steps,
        "converged": result.converged,
        "cited": dict(zip(("a", "b", "c"), lattice.abc, strict=True)),
        "change_percent": {
            axis: 100.0 * (after / before - 1.0)
            for axis, before, after in zip(
                "abc", result.lattice_before[:3], result.lattice_after[:3], strict=True
            )
        },
        "volume_change_percent": result.volume_change_percent,
        "uncertainty_percent": uncertainty.value,
        "calculator": result.calculator,
    }


def barrier(task: Task) -> dict[str, Any]:
    """Find the barrier of a lithium hop; all images are kept."""
    from cosinter.analysis.atoms.barriers import barrier as find_barrier
    from cosinter.analysis.atoms.barriers import hop_calculator
    from cosinter.structures.migration import migration_path, path_name

    host, mechanism = task.inputs["host"], path_name(task.inputs["host"], task.inputs["mechanism"])
    path = migration_path(host, mechanism)
    result = find_barrier(path, hop_calculator(path, check_calculator(task.inputs["calculator"])))
    for number, image in enumerate(result.images):
        keep(task, f"image-{number:02d}", image.structure)
    return {**result.to_dict(), "host_name": host, "mechanism": mechanism}


def phonon(task: Task) -> dict[str, Any]:
    """Vibrational free energy, entropy and heat capacity of a named crystal."""
    from cosinter.analysis.atoms.phonons import phonon_free_energy
    from cosinter.structures.named import build

    structure = build(task.inputs["name"], seed=task.inputs["seed"])
    calculator = allowed_calculator(task.inputs["calculator"], structure)
    result = phonon_free_energy(structure, calculator, temperatures_K=PHONON_TEMPERATURES_K)
    return {
        "name": task.inputs["name"],
        "formula": structure.composition.reduced_formula,
        "temperature_K": list(PHONON_TEMPERATURES_K),
        "free_energy_kJ_per_mol": [float(value) for value in result.free_energy_kJ_per_mol],
        "entropy_J_per_mol_K": [float(value) for value in result.entropy_J_per_mol_K],
        "heat_capacity_J_per_mol_K": [float(value) for value in result.heat_capacity_J_per_mol_K],
        "imaginary_share": result.imaginary_percent / 100.0,
        "entropy_uncertainty_percent": result.entropy_uncertainty_percent,
        "calculator": result.calculator,
    }


def vibrations(task: Task) -> dict[str, Any]:
    """Quasi-harmonic S and Cp at 298.15 K of a named crystal beside measured ones."""
    from cosinter.analysis.atoms.entropy_comparison import compare_with_measured

    calculator = allowed_calculator(task.inputs["calculator"])
    return compare_with_measured(task.inputs["name"], calculator).to_dict()


def interface(task: Task) -> dict[str, Any]:
    """Build the smallest coherent interface of two crystals, check it and relax its atoms."""
    from cosinter.analysis.atoms.abort_rules import INTERFACE_RULES
    from cosinter.analysis.atoms.relaxation import relax as relax_structure
    from cosinter.structures.interfaces import coherent_interfaces

    inputs = task.inputs
    check_calculator(inputs["calculator"])  # before a search that takes seconds
    models = coherent_interfaces(
        inputs["film"],
        inputs["substrate"],
        film_miller=tuple(inputs["film_miller"]),
        substrate_miller=tuple(inputs["substrate_miller"]),
    )
    model = models[0]
    keep(task, "built", model.structure)
    result = relax_structure(
        model.structure,
        allowed_calculator(inputs["calculator"], model.structure),
        force_tolerance=INTERFACE_FORCE_TOLERANCE,
        max_steps=INTERFACE_STEPS,
        cell=False,
        optimizer="FIRE",
        soft_steps=50,
        rules=INTERFACE_RULES,
    )
    keep(task, "structure", result.structure)
    return {
        "film": model.film,
        "substrate": model.substrate,
        "film_miller": list(model.film_miller),
        "substrate_miller": list(model.substrate_miller),
        "termination": model.termination,
        "strain_percent": model.strain_percent,
        "area_A2": model.area_A2,
        "atoms": model.atoms,
        "in_plane_residual_A": model.in_plane_residual_A,
        "normal_angle_deg": model.normal_angle_deg,
        "min_distance_A": model.min_distance_A,
        "composition_ok": model.composition_ok,
        "checks": {name: bool(passed) for name, passed in model.checks().items()},
        "formula": model.structure.composition.reduced_formula,
        "matches": len(models),
        "relaxed": {
            "converged": result.converged,
            "max_force_eV_per_A": result.max_force_eV_per_A,
            "steps": result.steps,
            "energy_eV_per_atom": result.energy_eV_per_atom,
        },
        "calculator": result.calculator,
    }


def keep(task: Task, name: str, structure: Structure) -> None:
    """Write a structure, oxidation states included, into the folder of the stage."""
    (task.folder / f"{name}.json").write_text(json.dumps(structure.as_dict()), encoding="utf-8")
