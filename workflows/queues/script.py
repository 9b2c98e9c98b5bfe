"""Write the batch script of a job through FireWorks' queue adapter, and hand it to the queue."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import InputError
from cosinter.workflows.queues.settings import QueueSettings, SystemName, script_template
from cosinter.workflows.queues.system import SYSTEMS, QueueUnclearError, ask
from cosinter.workflows.resources import Resources

ADAPTER_NAMES: dict[SystemName, str] = {
    "slurm": "SLURM",
    "pbs": "PBS",
    "sge": "SGE",
    "lsf": "LoadSharingFacility",
}
MB_PER_GB = 1000.0


def batch_script(
    settings: QueueSettings, resources: Resources, *, name: str, folder: Path, stages: int
) -> str:
    """The text of the script that runs the ``stages`` stages of a batch folder.

    Raises
    ------
    InputError
        The folder's name cannot stand in a script.
    """
    command = [settings.python or sys.executable, "-P", "-m", "cosinter.workflows.queues.job", str(folder)]
    line = f"exec {shlex.join(command)}"
    if not line.isprintable() or "$$" in line:
        raise InputError(
            f"the folder {str(folder)!r} cannot be named in a batch script; choose a plainer --out"
        )
    cores = resources.cores or 1
    memory_MB = math.ceil((resources.memory_GB or 1.0) * MB_PER_GB)
    values: dict[str, Any] = {
        "job_name": name,
        "cores": cores,
        "memory_MB": memory_MB,
        "walltime": walltime((resources.wall_h or 1.0) * stages, settings.system),
        "partition": resources.partition,
        "account": resources.account,
        "setup": "\n".join(settings.setup),
        "command": line,
    }
    if settings.system == "slurm":
        values |= {"qos": resources.qos, "constraint": resources.constraint}
    if settings.system == "sge":
        several = {"parallel_environment": settings.parallel_environment, "cores": cores}
        del values["cores"], values["memory_MB"]
        values |= {"threads": cores, "memory_MB_per_core": math.ceil(memory_MB / cores)}
        values |= several if cores > 1 else {}
    return str(_adapter(settings.system, values).get_script_str(str(folder)))


def _adapter(system: SystemName, values: dict[str, Any]) -> Any:
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    given = {key: value for key, value in values.items() if value is not None}
    return CommonAdapter(ADAPTER_NAMES[system], template_file=str(script_template(system)), **given)


def walltime(hours: float, system: SystemName) -> str:
    """A wall time as the system writes it, rounded up: h:mm:ss, and h:mm for LSF."""
    seconds = math.ceil(round(hours * 3600.0, 6))
    if system == "lsf":
        minutes = math.ceil(seconds / 60)
        return f"{minutes // 60}:{minutes % 60:02d}"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def submit(system: SystemName, script: Path) -> str:
    """Hand a script to the queue; the identifier of the job.

    Raises
    ------
    QueueUnclearError
        Nobody knows whether the queue has taken it.
    EngineError
        The queue refused; its own words are in the message.
    """
    known = SYSTEMS[system]
    with script.open("rb") as text:  # LSF's bsub reads the script from its standard input
        words = [known.submit] if system == "lsf" else [known.submit, script.name]
        answer = ask(words, folder=script.parent, given=text)
    try:
        return str(_adapter(system, {})._parse_jobid(answer))
    except RuntimeError as error:
        raise QueueUnclearError(
            f"{known.submit} gave no job number: {' '.join(answer.split())[:300]}"
        ) from error
