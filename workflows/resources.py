"""What a stage asks of a queue: cores, memory, wall time, and where it is charged."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Word = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,:@+-]{0,99}$",
        description="letters, digits and _ . , : @ + -, beginning with a letter or digit",
    ),
]
"""A name in a queue's language; nothing in it means anything to a shell."""
Pattern = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9*?][A-Za-z0-9*?._+-]{0,99}$",
        description="name of a stage, * and ? stand for any letters",
    ),
]
MOST_CORES, MOST_MEMORY_GB, MOST_HOURS, LARGEST_BATCH = 4096, 100_000.0, 1000.0, 1000


class Resources(BaseModel):
    """What one stage gets; what is not given comes from what is more general."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cores: int | None = Field(default=None, ge=1, le=MOST_CORES, description="processor cores")
    memory_GB: float | None = Field(default=None, gt=0.0, le=MOST_MEMORY_GB, description="memory in GB")
    wall_h: float | None = Field(
        default=None, gt=0.0, le=MOST_HOURS, description="wall time of one stage in hours"
    )
    partition: Word | None = Field(default=None, description="partition or queue")
    account: Word | None = Field(default=None, description="account or project that is charged")
    qos: Word | None = Field(default=None, description="quality of service (SLURM)")
    constraint: Word | None = Field(default=None, description="feature of the nodes (SLURM)")
    batch: int | None = Field(
        default=None, ge=1, le=LARGEST_BATCH, description="stages in one job, run one after another"
    )

    def over(self, general: Resources) -> Resources:
        """These resources, completed by more general ones."""
        return Resources(**{**general.model_dump(), **self.model_dump(exclude_none=True)})


MODEST = Resources(cores=1, memory_GB=4.0, wall_h=2.0, batch=1)
"""For stages about which nothing is said: the largest stage of the main job takes minutes and 0.5 GB on one core."""


def resources_of(stage: str, *levels: Resources | Mapping[str, Resources]) -> Resources:
    """What a stage gets; later levels win, in a level of patterns the later pattern."""
    found = MODEST
    for level in levels:
        if isinstance(level, Resources):
            found = level.over(found)
            continue
        for pattern, wanted in level.items():
            if fnmatchcase(stage, pattern):
                found = wanted.over(found)
    return found
