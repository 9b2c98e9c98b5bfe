"""A queue of small programs that behave as sbatch, squeue, scancel and scontrol do; jobs really run.

    fake_slurm.py FOLDER sbatch|squeue|scancel|scontrol ARGUMENTS

FOLDER holds one file per job (its process, name and state) and two switches: `silent` (squeue fails) and `refuse`
(sbatch fails with the text in it).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol")


def install(folder: Path) -> Path:
    """Write the commands into FOLDER/bin and return that folder, to be put on PATH."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    for command in COMMANDS:
        path = bin_folder / command
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{folder}" {command} "$@"\n')
        path.chmod(0o755)
    return bin_folder


def jobs(folder: Path) -> dict[str, dict[str, Any]]:
    """All jobs that were ever submitted."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def end(folder: Path, number: str, state: str, sign: int = signal.SIGTERM) -> None:
    """End a job as the queue would, with a state for scontrol."""
    job = jobs(folder)[number]
    (folder / f"{number}.json").write_text(json.dumps({**job, "state": state}))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job["pid"], sign)


def _sbatch(folder: Path, script: str) -> int:
    refuse = folder / "refuse"
    if refuse.exists():
        print(refuse.read_text(), file=sys.stderr)
        return 1
    text = Path(script).read_text()
    name = re.search(r"--job-name=(\S+)", text)
    number = str(len(jobs(folder)) + 1)
    with Path("job.out").open("ab") as output:
        process = subprocess.Popen(
            ["/bin/bash", script],
            env={**os.environ, "SLURM_JOB_ID": number},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    about = {"pid": process.pid, "name": name[1] if name else "", "state": "", "script": text}
    (folder / f"{number}.json").write_text(json.dumps(about))
    print(f"Submitted batch job {number}")
    return 0


def main(folder: Path, command: str, arguments: list[str]) -> int:
    if command == "sbatch":
        return _sbatch(folder, arguments[0])
    if command == "squeue":
        if (folder / "silent").exists():
            print("slurm_load_jobs error: Unable to contact slurm controller", file=sys.stderr)
            return 1
        for number, job in jobs(folder).items():
            if alive(job["pid"]):
                print(f"{number}|{job['name']}|RUNNING")
    elif command == "scancel":
        end(folder, arguments[0], "CANCELLED")
    else:
        print(
            f"JobId={arguments[-1]} JobState={jobs(folder)[arguments[-1]]['state'] or 'FAILED'} Reason=None"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
