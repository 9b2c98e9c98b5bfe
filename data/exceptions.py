"""Every error that cosinter raises on purpose.

CosinterError
├── InputError (also ValueError)      the user's mistake: exit code 2
│   ├── StudyError                    a study file that cannot be used
│   ├── UnknownNameError              a phase, crystal, calculator or element that is not known
│   └── CompositionError              a formula that cannot be read, balanced or reached
└── EngineError (also RuntimeError)   something broke while computing: exit code 1
    ├── DataError                     a data file of the package is missing or damaged
    ├── MissingEngineError            a library or program that is needed is not installed
    ├── StructureError                a structure exploded, collapsed or failed a check
    ├── ConvergenceError              an iteration ended without an answer
    └── StorageError                  results could not be written or read
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CosinterError(Exception):
    """Base of all errors raised on purpose; its text is one clear sentence."""


class InputError(CosinterError, ValueError):
    """The user asked for something that cannot be done."""


class StudyError(InputError):
    """A study file is unreadable or holds a value outside its allowed range."""


class UnknownNameError(InputError):
    """A name that is not in the table it was looked up in."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5) or get_close_matches(
            name.lower(), [n.lower() for n in names], n=3, cutoff=0.5
        )
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names[:12])}"
        if not near and len(names) > 12:
            hint += f" and {len(names) - 12} more"
        super().__init__(f"unknown {kind} '{name}'; {hint}")
        self.kind, self.name, self.known = kind, name, tuple(names)

    def __reduce__(self) -> tuple[type, tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.kind, self.name, self.known)


class CompositionError(InputError):
    """A composition that cannot be read, charge-balanced or built."""


class EngineError(CosinterError, RuntimeError):
    """Something broke while computing."""


class DataError(EngineError):
    """A data file of the package is missing or damaged."""


class MissingEngineError(EngineError):
    """A library or program that this step needs is not installed."""


class StructureError(EngineError):
    """A structure exploded, collapsed, or failed a geometric check."""


class ConvergenceError(EngineError):
    """An iteration ended without an answer."""


class StorageError(EngineError):
    """Results could not be written or read."""
