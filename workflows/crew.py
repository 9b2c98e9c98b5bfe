"""Worker processes of this computer: start them for a results folder, and leave none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cosinter.workflows.addresses import Address
from cosinter.workflows.results import storage_errors

STOP_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Crew:
    """How many workers, and the LaunchPad they work for."""

    address: Address
    size: int


@contextmanager
def workers_at_work(root: Path, address: Address, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start worker processes for a results folder; whatever happens, none of them outlives the block."""
    with storage_errors(root):
        (root / "log").mkdir(exist_ok=True)
        (root / "launches").mkdir(exist_ok=True)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, count + 1):
            processes.append(_start(root, address, f"worker-{number}"))
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(root: Path, address: Address, name: str) -> subprocess.Popen[bytes]:
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "cosinter.workflows.launchpad", *address.child_arguments()]
    command += ["--launch-root", str(root / "launches"), "--results", str(root), "--worker-name", name]
    with (root / "log" / f"{name}.txt").open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **threads, **address.child_environment()},
            start_new_session=True,
        )
