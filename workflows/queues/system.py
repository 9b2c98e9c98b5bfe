"""Talk to SLURM, PBS, SGE and LSF: what is in the queue, why a job ended, cancel it. No shell is involved.

A queue that does not answer raises `QueueSilentError`: silence never means that all jobs are gone.
"""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from cosinter.data.exceptions import EngineError, MissingEngineError
from cosinter.workflows.queues.settings import SystemName

ANSWER_TIME_S = 60.0
_ENDING = ("C", "COMPLETED", "EXIT", "DONE", "F", "X")  # some queues go on listing what has ended


class QueueSilentError(EngineError):
    """The queue did not answer; nothing is known about its jobs."""


class QueueUnclearError(QueueSilentError):
    """The queue was told something, and it is not known whether it heard."""


@dataclass(frozen=True)
class QueuedJob:
    """A job in the queue, waiting or running."""

    id: str
    name: str
    state: str


@dataclass(frozen=True)
class System:
    """The commands of a queue and how to read their answers.

    ``reason_commands``: how to ask why a job ended, and where in the answer that stands, the quickest first.
    ``test_command``: checks a script, read from its standard input, without submitting it.
    ``nothing``: what the list command says, as if it had failed, when there are no jobs.
    """

    submit: str
    list_command: Callable[[str], list[str]]
    read_list: Callable[[str], list[QueuedJob]]
    cancel: str
    id_variable: str
    reason_commands: tuple[tuple[Callable[[str], list[str]], str], ...] = ()
    test_command: tuple[str, ...] = ()
    nothing: str | None = None


def jobs_of_user(system: SystemName) -> dict[str, QueuedJob]:
    """The user's jobs that wait or run, by identifier.

    Raises
    ------
    QueueSilentError, MissingEngineError
    """
    known = SYSTEMS[system]
    try:
        answer = ask(known.list_command(getpass.getuser()))
    except QueueSilentError as error:
        if known.nothing is None or known.nothing not in str(error):
            raise
        return {}
    return {job.id: job for job in known.read_list(answer) if job.state not in _ENDING}


def ended_because(system: SystemName, job_id: str) -> str:
    """The queue's word for how a job ended, such as TIMEOUT or CANCELLED; "" if it does not say."""
    for command, pattern in SYSTEMS[system].reason_commands:
        try:
            found = re.search(pattern, ask(command(job_id)))
        except EngineError:  # the queue has forgotten the job already, or keeps no accounts
            continue
        if found:
            return found[1]
    return ""


def check_script(system: SystemName, script: str) -> str | None:
    """What the queue says about a script that is not submitted; None if it checks none.

    Raises
    ------
    QueueSilentError, MissingEngineError
        It would refuse the script, or does not answer.
    """
    command = SYSTEMS[system].test_command
    if not command:
        return None
    with TemporaryFile() as text:
        text.write(script.encode())
        text.seek(0)
        return " ".join(ask(command, given=text, errors_too=True).split())


def cancel_job(system: SystemName, job_id: str) -> None:
    """Take a job out of the queue.

    Raises
    ------
    QueueSilentError, MissingEngineError
    """
    ask([SYSTEMS[system].cancel, job_id])


def ask(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    given: IO[bytes] | None = None,
    errors_too: bool = False,
) -> str:
    """Run a command of the queue and return what it prints; ``errors_too``: on its standard error as well.

    Raises
    ------
    MissingEngineError
        There is no such command on this computer.
    QueueUnclearError
        It took too long, or says that the queue did.
    QueueSilentError
        It failed; its own words are in the message.
    """
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_TIME_S,
            check=False,
            stdin=subprocess.DEVNULL if given is None else given,
            cwd=folder,
        )
    except FileNotFoundError as error:
        raise MissingEngineError(
            f"there is no command {command[0]} here; run this on a computer from which jobs are submitted"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise QueueUnclearError(f"{command[0]} did not answer within {ANSWER_TIME_S:.0f} s") from error
    if ended.returncode:
        said = " ".join((ended.stderr or ended.stdout).split())[:500]
        # sbatch may say "Socket timed out" of a job that the queue has taken
        kind = QueueUnclearError if "timed out" in said.lower() else QueueSilentError
        raise kind(f"{command[0]} failed with status {ended.returncode}: {said or 'it said nothing'}")
    return ended.stdout + (ended.stderr if errors_too else "")


def _slurm(text: str) -> list[QueuedJob]:
    rows = (line.split("|") for line in text.splitlines() if line.count("|") == 2)
    return [QueuedJob(number, name, state) for number, name, state in rows]


def _pbs(text: str) -> list[QueuedJob]:
    """Rows of qstat -u: id, user, queue, name, session, nodes, cores, memory, time, state, elapsed."""
    rows = (line.split() for line in text.splitlines() if re.match(r"\d", line))
    return [QueuedJob(row[0].split(".")[0], row[3], row[9]) for row in rows if len(row) >= 10]


def _sge(text: str) -> list[QueuedJob]:
    """Rows of qstat: id, priority, name, user, state, ..."""
    rows = (line.split() for line in text.splitlines() if re.match(r"\s*\d", line))
    return [QueuedJob(row[0], row[2], row[4]) for row in rows if len(row) >= 5]


def _lsf(text: str) -> list[QueuedJob]:
    rows = (line.split() for line in text.splitlines() if re.match(r"\s*\d", line))
    return [QueuedJob(row[0], row[1], row[2]) for row in rows if len(row) >= 3]


_SACCT = ("sacct", "--noheader", "--parsable2", "--allocations", "--format", "State")
SYSTEMS: dict[SystemName, System] = {
    "slurm": System(
        submit="sbatch",
        list_command=lambda user: ["squeue", "--noheader", "--user", user, "--format", "%i|%j|%T"],
        read_list=_slurm,
        cancel="scancel",
        id_variable="SLURM_JOB_ID",
        reason_commands=(
            (lambda number: ["scontrol", "--oneliner", "show", "job", number], r"\bJobState=(\S+)"),
            (
                lambda number: [*_SACCT, "--jobs", number],  # scontrol forgets a job after some minutes
                r"^\s*([A-Z_]+)",
            ),
        ),
        test_command=("sbatch", "--test-only"),
    ),
    "pbs": System("qsub", lambda user: ["qstat", "-u", user], _pbs, "qdel", "PBS_JOBID"),
    "sge": System("qsub", lambda user: ["qstat", "-u", user], _sge, "qdel", "JOB_ID"),
    "lsf": System(
        submit="bsub",
        list_command=lambda user: ["bjobs", "-noheader", "-u", user, "-o", "jobid job_name stat"],
        read_list=_lsf,
        cancel="bkill",
        id_variable="LSB_JOBID",
        nothing="No unfinished job found",
    ),
}
