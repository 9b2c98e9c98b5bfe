"""The one Firetask: run a stage of the plan beside it and say where its result lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, FWAction, explicit_serialize

from cosinter.workflows.execution import run_stage


@explicit_serialize
class RunStage(FiretaskBase):  # type: ignore[misc]
    """Run the stage ``stage`` of the plan in the results folder ``root``."""

    required_params = ["root", "stage"]  # noqa: RUF012  (FireWorks reads a plain list)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Run it, unless its result is already there."""
        result = run_stage(Path(self["root"]), self["stage"])
        return FWAction(stored_data={"key": result.key, "folder": str(result.folder)})
