"""Steps of ``cosinter energies``: the energy, and the vibrational entropy, of one crystal."""

from __future__ import annotations

from functools import cache
from typing import Any

from cosinter.workflows.execution import Task
from cosinter.workflows.user_config import allowed_calculator


@cache
def _calculator(name: str) -> Any:
    """One calculator per worker: loading a machine-learned model takes longer than a small crystal."""

    return allowed_calculator(name)


def energy(task: Task) -> dict[str, Any]:
    """Relax a named crystal for its energy."""
    from cosinter.analysis.atoms.crystal_energies import crystal_energy

    inputs = task.inputs
    return crystal_energy(
        inputs["crystal"], _calculator(inputs["calculator"]), **inputs["settings"]
    ).to_dict()


def entropy(task: Task) -> dict[str, Any]:
    """Harmonic entropy and heat capacity of a named crystal at its relaxed energy."""
    from cosinter.analysis.atoms.crystal_energies import crystal_entropy

    return crystal_entropy(task.inputs["crystal"], _calculator(task.inputs["calculator"]))
