"""The queue file: which queue a site has, and what its jobs get."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cosinter.data.exceptions import UnknownNameError
from cosinter.workflows.model_file import load_model
from cosinter.workflows.resources import MODEST, Pattern, Resources, Word

SystemName = Literal["slurm", "pbs", "sge", "lsf"]
SYSTEMS: tuple[SystemName, ...] = get_args(SystemName)
Line = Annotated[str, Field(max_length=1000)]


class QueueSettings(BaseModel):
    """A queue file. Its ``setup`` lines are shell and belong to the site; no study can add any."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    system: SystemName = Field(description="slurm, pbs, sge or lsf")
    setup: tuple[Line, ...] = Field(
        default=(), max_length=100, description="shell lines before the work, such as: module load python"
    )
    python: str | None = Field(
        default=None,
        pattern=r"^(/[A-Za-z0-9_./+-]{1,500}|[A-Za-z0-9][A-Za-z0-9_.+-]{0,99})$",
        description="Python with cosinter on the nodes: a path that begins with /, or a command that setup puts on "
        "PATH, of letters, digits and _ . / + -; the present one if left out",
    )
    max_queued: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="jobs of this study in the queue at once; sites commonly allow a user tens to hundreds",
    )
    retries: int = Field(
        default=2, ge=0, le=100, description="how often a stage is sent again whose job was lost"
    )
    poll_s: float = Field(
        default=10.0, ge=0.1, le=3600.0, description="seconds between two questions to the queue"
    )
    parallel_environment: Word = Field(
        default="smp", description="SGE: name of the environment for several cores on one node"
    )
    defaults: Resources = MODEST
    stages: dict[Pattern, Resources] = Field(default={}, max_length=100)

    @field_validator("setup")
    @classmethod
    def _single_lines(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        for line in lines:
            if not line.isprintable() or "$$" in line or line.lstrip().startswith("#"):
                raise ValueError("a line of setup is printable, without $$ and does not begin with #")
        return lines


def load_queue(path: Path) -> QueueSettings:
    """Read and check a queue file.

    Raises
    ------
    StudyError
        Names the file, the line, the key, its value and what is allowed.
    """
    return load_model(path, QueueSettings, kind="queue", example="at least a system")


def queue_template(system: str) -> str:
    """The text of a commented queue file to begin with.

    Raises
    ------
    UnknownNameError
        No such system.
    """
    if system not in SYSTEMS:
        raise UnknownNameError("queue system", system, SYSTEMS)
    return (files("cosinter.data") / "queues" / f"{system}.yaml").read_text(encoding="utf-8")


def script_template(system: SystemName) -> Path:
    """The file of the batch script of a system, for FireWorks' queue adapter."""
    return Path(str(files("cosinter.data") / "queues" / f"{system}.sh"))
