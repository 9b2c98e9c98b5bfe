"""The steps that a plan can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cosinter.workflows.execution import Task
from cosinter.workflows.steps import (
    atoms,
    diagrams,
    diffraction,
    energies,
    furnace,
    report,
    sweep,
    thermodynamics,
)

STEPS: Mapping[str, Callable[[Task], dict[str, Any]]] = {
    "relax": atoms.relax,
    "barrier": atoms.barrier,
    "phonon": atoms.phonon,
    "vibrations": atoms.vibrations,
    "interface": atoms.interface,
    "energy": energies.energy,
    "entropy": energies.entropy,
    "reaction": thermodynamics.reaction,
    "thermodynamics": thermodynamics.thermodynamics,
    "diagrams": diagrams.diagrams,
    "parameters": furnace.parameters,
    "sinter": furnace.sinter,
    "given_parameters": sweep.given_parameters,
    "sweep": sweep.sweep,
    "diffraction": diffraction.diffraction,
    "report": report.report,
}
