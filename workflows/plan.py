"""Stages and their content addresses: what runs, with which inputs, after what.

The key of a stage is a hash of its inputs, of the keys of the stages it reads, of the source files it runs through
and of the versions of the engines it calls. All keys are known before anything runs, so that a second run of the
same study has nothing to do and a changed input re-runs only what depends on it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import DataError, StorageError
from cosinter.workflows.results import Results, digest

_SOURCE = re.compile(r"(?:analysis|data|structures|workflows)(?:/[A-Za-z0-9_.-]+)*")


@dataclass(frozen=True)
class Stage:
    """One step of a run: ``function`` of :mod:`cosinter.workflows.steps.table`, its inputs and what it reads."""

    name: str
    function: str
    inputs: Mapping[str, Any]
    after: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The stages of a study in an order that can be run, and the key of each."""

    study: str
    stages: tuple[Stage, ...]
    keys: Mapping[str, str] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """The stage of that name."""
        return next(stage for stage in self.stages if stage.name == name)

    def pending(self, results: Results) -> tuple[Stage, ...]:
        """Stages whose result is not on disk yet."""
        return tuple(
            stage for stage in self.stages if not results.is_complete(stage.name, self.keys[stage.name])
        )

    def to_json(self) -> str:
        """Text of plan.json."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, root: Path) -> Plan:
        """Read plan.json of a results folder.

        Raises
        ------
        StorageError
            There is none, or it is damaged.
        """
        try:
            data = json.loads((root / "plan.json").read_bytes())
            stages = tuple(
                Stage(**{**stage, **{key: tuple(stage[key]) for key in ("after", "code", "engines")}})
                for stage in data["stages"]
            )
            return cls(study=data["study"], stages=stages, keys=data["keys"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{root} holds no readable plan.json; start it with cosinter run STUDY"
            ) from error


def keyed(study: str, stages: Sequence[Stage]) -> Plan:
    """The plan of these stages, each after those it reads, with their keys."""
    keys: dict[str, str] = {}
    for stage in stages:
        keys[stage.name] = stage_key(stage, keys)
    return Plan(study=study, stages=tuple(stages), keys=keys)


def stage_key(stage: Stage, keys: Mapping[str, str]) -> str:
    """Hash of everything that goes into a stage; ``keys`` are those of the stages it reads."""
    return digest(
        {
            "function": stage.function,
            "inputs": stage.inputs,
            "after": {name: keys[name] for name in stage.after},
            "code": [_code_hash(path) for path in stage.code],
            "engines": {name: _version(name) for name in stage.engines},
        }
    )


def inputs_keys(plan: Plan) -> dict[str, str]:
    """Hash of what a user chose for each stage and for those it reads, whatever code and engines are installed."""
    keys: dict[str, str] = {}
    for stage in plan.stages:
        after = {name: keys[name] for name in stage.after}
        keys[stage.name] = digest({"function": stage.function, "inputs": stage.inputs, "after": after})
    return keys


def made_with(stage: Stage) -> dict[str, Any]:
    """Versions that a result of this stage would be made with now: cosinter, source files, engines."""
    from cosinter import __version__

    return {
        "cosinter_version": __version__,
        "code": {path: _code_hash(path) for path in stage.code},
        "engines": {name: _version(name) for name in stage.engines},
    }


@cache
def _code_hash(path: str) -> str:
    """Hash of a source file, or of all source files below a folder, of the installed package."""
    if not _SOURCE.fullmatch(path) or ".." in path:
        raise DataError(f"{path[:80]!r} is no source of the package")
    entry = files("cosinter").joinpath(path)
    here = Path(str(entry))
    if not here.exists():
        raise DataError(f"source {path} of the package is missing; reinstall cosinter to mend it")
    if here.is_file():
        return hashlib.sha256(here.read_bytes()).hexdigest()[:16]
    found = sorted(
        item
        for item in here.rglob("*")
        if item.is_file() and item.suffix in (".py", ".yaml", ".j2", ".css", ".js")
    )
    whole = hashlib.sha256()
    for item in found:
        whole.update(item.relative_to(here).as_posix().encode() + b"\0" + item.read_bytes())
    return whole.hexdigest()[:16]


@cache
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"
