"""Where a relaxation stood, so that one that was killed goes on and does not begin again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosinter.data.exceptions import StorageError
from cosinter.structures.fingerprint import structure_sha256

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the last structure of one relaxation: of this start, with this calculator.

    A file of another start or calculator is not read; it is written over at the next step that is kept. The file is
    replaced in one move, so that a kill leaves the old or the new one.
    """

    path: Path
    start_sha256: str
    calculator: str
    every: int = 5

    @classmethod
    def of(cls, path: Path, start: Structure, calculator: str) -> Checkpoint:
        """Make the checkpoint of a relaxation that begins at ``start``."""
        return cls(path, structure_sha256(start), calculator)

    def read(self) -> tuple[Structure, int] | None:
        """The structure kept and the steps it took; None if there is none of this relaxation."""
        from pymatgen.core import Structure

        try:
            kept = json.loads(self.path.read_bytes())
            if (kept["start_sha256"], kept["calculator"]) != (self.start_sha256, self.calculator):
                return None
            return Structure.from_dict(kept["structure"]), int(kept["steps"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, structure: Structure, steps: int) -> None:
        """Keep a structure.

        Raises
        ------
        StorageError
            The file cannot be written.
        """
        content: dict[str, Any] = {
            "start_sha256": self.start_sha256,
            "calculator": self.calculator,
            "steps": steps,
            "structure": structure.as_dict(),
        }
        working = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            working.write_text(json.dumps(content), encoding="utf-8")
            working.replace(self.path)
        except OSError as error:
            raise StorageError(
                f"cannot write the checkpoint {self.path} ({error.strerror or error}); name another file"
            ) from error

    def drop(self) -> None:
        """Forget it: the relaxation is done."""
        self.path.unlink(missing_ok=True)
