"""Step of the thermodynamic diagrams of a study."""

from __future__ import annotations

from typing import Any

from cosinter.workflows.execution import Task
from cosinter.workflows.steps.thermodynamics import open_gases
from cosinter.workflows.study import Furnace


def diagrams(task: Task) -> dict[str, Any]:
    """Phase diagram with the compensator, product map, potential of Li2O over temperature: as scenes."""
    from cosinter.workflows.report.thermodynamics import thermo_scenes
    from cosinter.workflows.sources.libraries import planned_library

    inputs = task.inputs
    scenes = thermo_scenes(
        inputs["cathode"]["formula"],
        inputs["electrolyte"]["formula"],
        inputs["compensator"],
        library=planned_library(inputs["library"]),
        hottest_C=max(temperature for _, temperature in Furnace.model_validate(inputs["furnace"]).knots()),
        pressures_bar=open_gases(inputs["atmosphere"]),
    )
    return {"scenes": [scene.model_dump(mode="json") for scene in scenes]}
