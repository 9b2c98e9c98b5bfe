"""Results made by other versions: find them, say what is different, keep them if the user wants.

The key of a stage holds the versions of its source files and engines, so that a new release computes everything
again. Whoever knows that a change does not matter to him keeps the old results: they answer the same inputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import DataError
from cosinter.workflows.plan import Plan, Stage, inputs_keys, made_with, stage_key
from cosinter.workflows.results import Results


@dataclass(frozen=True)
class Older:
    """A whole result of the same inputs that other code or engines made."""

    stage: str
    key: str
    finished: str
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.stage} of {self.finished[:10]}, made with other {', '.join(self.differences) or 'results'}"


def accept_older(plan: Plan, results: Results) -> tuple[Plan, tuple[Older, ...]]:
    """Put results made by other versions in the place of stages that have none.

    Returns
    -------
    Plan
        With the keys of the accepted results; what depends on them and has none itself is keyed by them.
    tuple of Older
        What was accepted, in the order of the plan.
    """
    keys: dict[str, str] = {}
    accepted = []
    wanted = inputs_keys(plan)
    for stage in plan.stages:
        present = keys[stage.name] = stage_key(stage, keys)
        if present == plan.keys[stage.name] and results.is_complete(stage.name, present):
            continue
        found = _newest(stage, wanted[stage.name], keys, results)
        if found is not None:
            keys[stage.name] = found.key
            accepted.append(found)
    return replace(plan, keys=keys), tuple(accepted)


def outdated(plan: Plan, results: Results) -> tuple[Older, ...]:
    """Results that would have to be computed again because of versions alone: those `accept_older` would keep."""
    return accept_older(plan, results)[1]


def _newest(stage: Stage, inputs_key: str, keys: Mapping[str, str], results: Results) -> Older | None:
    """The latest result of these inputs that was made from the results ``keys`` of the stages it reads."""
    found = []
    read = {name: keys[name] for name in stage.after}
    for folder in (results.root / "stages" / stage.name).glob("[!.]*"):
        record = _record(folder)
        same = record.get("inputs_key") == inputs_key and record.get("after") == read
        if same and results.is_complete(stage.name, folder.name):
            found.append((str(record.get("finished", "")), folder.name, record))
    if not found:
        return None
    finished, key, record = max(found, key=lambda entry: entry[:2])
    return Older(stage.name, key, finished, differences(record, made_with(stage)))


def _record(folder: Path) -> Mapping[str, Any]:
    try:
        record = json.loads((folder / "stage.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def differences(record: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between the versions in a stage.json and those of :func:`made_with`, in words."""
    found = []
    for name, version in present["engines"].items():
        other = record.get("engines", {}).get(name)
        if other != version:
            found.append(f"{name} {other} -> {version}")
    for path, value in present["code"].items():
        if record.get("code", {}).get(path) != value:
            found.append(path)
    return tuple(found)


def made_by_others(plan: Plan) -> tuple[str, ...]:
    """Stages of a plan whose keys are not those that the installed code and engines would give."""
    keys: dict[str, str] = {}
    found = []
    for stage in plan.stages:
        try:
            keys[stage.name] = stage_key(stage, keys)
        except DataError:  # a source file of another release
            keys[stage.name] = ""
        if keys[stage.name] != plan.keys[stage.name]:
            found.append(stage.name)
    return tuple(found)
