"""Whose code a worker runs.

FireWorks trusts its LaunchPad: a Firework may name any class that can be imported (``{{os.path}}``, ScriptTask,
PyTask), and whoever can write into the LaunchPad runs code where its workers run. The stages of studies need one
Firetask with three parameters, so a worker of ours turns everything else away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cosinter.data.exceptions import InputError
from cosinter.workflows.jobs import RESULTS_FIELD

OWN_TASK = "{{cosinter.workflows.firetasks.RunStage}}"
_PARAMETERS = {"_fw_name", "root", "stage"}
_FIELDS = {"_tasks", "_priority", "study", RESULTS_FIELD}
_NOTES = {"_exception_details"}
"""What FireWorks itself adds to the spec of ours; the others of its fields name folders, files and more tasks."""


def foreign_tasks(spec: Mapping[str, Any]) -> list[str]:
    """Name what a Firework would do besides running stages of its own results folder; nothing if it is one of ours.

    Parameters
    ----------
    spec : as it is stored, before FireWorks has made objects of it.
    """
    tasks = spec.get("_tasks")
    found = [str(key) for key in spec if key not in _FIELDS | _NOTES]
    found += [name for key in sorted(_FIELDS | _NOTES) if key != "_tasks" for name in _objects(spec.get(key))]
    if not isinstance(tasks, list) or not tasks:
        return [*found, "_tasks"]
    for task in tasks:
        name = task.get("_fw_name") if isinstance(task, Mapping) else None
        if name != OWN_TASK:
            found.append(str(name))
        elif set(task) != _PARAMETERS or not all(isinstance(value, str) for value in task.values()):
            found.append(f"{OWN_TASK} with other parameters")
        elif task["root"] != spec.get(RESULTS_FIELD):
            found.append(f"{OWN_TASK} in another folder")
    return found


def _objects(value: Any) -> Iterator[str]:
    """Names of classes that FireWorks would make objects of, anywhere in a value."""
    if isinstance(value, Mapping):
        yield from (str(value[key]) for key in ("_fw_name", "@module") if key in value)
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _objects(inner)


@contextmanager
def only_own_tasks(launchpad: Any) -> Iterator[None]:
    """Let this process make no object of a LaunchPad's documents but our own task, and launch nothing foreign.

    A Firework that is turned away becomes FIZZLED, with the reason in its spec, and the worker goes on.
    """
    from fireworks.utilities import fw_serializers

    load, monty, get = fw_serializers.load_object, fw_serializers.DECODE_MONTY, launchpad.get_fw_by_id

    def load_own(found: dict[str, Any]) -> Any:
        if found["_fw_name"] != OWN_TASK:
            raise InputError(f"a worker of cosinter makes no object of '{str(found['_fw_name'])[:80]}'")
        return load(found)

    def get_own(fw_id: int) -> Any:
        stored = launchpad.fireworks.find_one({"fw_id": fw_id}, {"spec": 1})
        foreign = foreign_tasks(stored["spec"]) if stored else []
        if foreign:
            raise InputError(
                f"Firework {fw_id} holds {', '.join(foreign)[:200]}, which is no stage of a study; a worker of cosinter "
                "runs nothing else"
            )
        return get(fw_id)

    fw_serializers.load_object, fw_serializers.DECODE_MONTY = load_own, False
    launchpad.get_fw_by_id = get_own
    try:
        yield
    finally:
        fw_serializers.load_object, fw_serializers.DECODE_MONTY = load, monty
        del launchpad.get_fw_by_id
