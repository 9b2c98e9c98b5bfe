"""What the user of this computer allows: ``config.yaml`` in his folder of cosinter data.

    calculators:                       # classes that studies may name, besides cosinter's own calculators
      - ase.calculators.emt:EMT

An entry string names code that is imported and run. Study files, plans and packed folders come from others as well,
so only what stands here is imported; nothing in a study can add to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cosinter.data.exceptions import InputError
from cosinter.workflows.model_file import load_model
from cosinter.workflows.sources.user_data import user_folder

if TYPE_CHECKING:
    from pymatgen.core import Structure

Entry = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
        description="package.module:Class",
    ),
]


class UserConfig(BaseModel):
    """The file; without it nothing of others is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calculators: tuple[Entry, ...] = Field(default=(), max_length=100)


def config_path() -> Path:
    """Where the file is, if there is one."""
    return user_folder() / "config.yaml"


def read_config() -> UserConfig:
    """Read the user's file.

    Raises
    ------
    StudyError
        It cannot be read or holds something else.
    """
    path = config_path()
    if not path.is_file():
        return UserConfig()
    return load_model(path, UserConfig, kind="configuration", example="calculators: []")


def check_calculator(name: str) -> str:
    """Return the name of a calculator that may be used here.

    Raises
    ------
    InputError
        It is an entry string that the user has not allowed.
    """
    if ":" in name and name not in read_config().calculators:
        raise InputError(
            f"calculator {name} is code of another package and not allowed here; "
            f"if you trust it, add '- {name}' below 'calculators:' in {config_path()}"
        )
    return name


def allowed_calculator(name: str, structure: Structure | None = None) -> Any:
    """Make a calculator by a name from a study, a plan or a command line, if it may be used here.

    Raises
    ------
    InputError
        See :func:`check_calculator`, and :func:`cosinter.analysis.atoms.calculators.make_calculator`.
    """
    from cosinter.analysis.atoms.calculators import make_calculator

    return make_calculator(check_calculator(name), structure)
