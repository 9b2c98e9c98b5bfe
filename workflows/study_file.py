"""Read a study file, and say in one sentence what is wrong with it and where."""

from __future__ import annotations

from pathlib import Path

from cosinter.workflows.model_file import load_model, parse_model
from cosinter.workflows.study import Study

EXAMPLE = "at least a name"


def load_study(path: Path) -> Study:
    """Read and check a study file.

    Raises
    ------
    StudyError
        Names the file, the line, the key, its value and what is allowed.
    """
    return load_model(path, Study, kind="study", example=EXAMPLE)


def parse_study(text: str, *, name: str = "study") -> Study:
    """Check the text of a study file; ``name`` is used in messages.

    Raises
    ------
    StudyError
        See :func:`load_study`.
    """
    return parse_model(text, Study, name=name, kind="study", example=EXAMPLE)
