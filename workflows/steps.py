"""The steps that a plan can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cosinter.workflows import (
    steps_atoms,
    steps_diagrams,
    steps_diffraction,
    steps_energies,
    steps_furnace,
    steps_report,
    steps_thermo,
)
from cosinter.workflows.execution import Task

STEPS: Mapping[str, Callable[[Task], dict[str, Any]]] = {
    "relax": steps_atoms.relax,
    "barrier": steps_atoms.barrier,
    "phonon": steps_atoms.phonon,
    "interface": steps_atoms.interface,
    "energy": steps_energies.energy,
    "entropy": steps_energies.entropy,
    "reaction": steps_thermo.reaction,
    "thermodynamics": steps_thermo.thermodynamics,
    "diagrams": steps_diagrams.diagrams,
    "parameters": steps_furnace.parameters,
    "sinter": steps_furnace.sinter,
    "diffraction": steps_diffraction.diffraction,
    "report": steps_report.report,
}
