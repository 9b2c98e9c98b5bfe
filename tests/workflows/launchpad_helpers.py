"""What the tests of the launchpad share: tiny workflows, workers, and what must hold between two state changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cosinter.workflows.worker import run_worker

TASKS = Path(__file__).parent


def note(tmp_path: Path, word: str, **more: Any) -> Any:
    from fireworks import Firework
    from launchpad_probe import Note

    spec = more.pop("spec", {})
    sleep_s = more.pop("sleep_s", 0.0)
    return Firework(
        Note(file=str(tmp_path / "notes"), word=word, sleep_s=sleep_s), name=word, spec=spec, **more
    )


def chains(tmp_path: Path, count: int, length: int) -> list[Any]:
    from fireworks import Workflow

    made = []
    for c in range(count):
        fireworks: list[Any] = []
        for i in range(length):
            fireworks.append(note(tmp_path, f"{c}-{i}", parents=fireworks[-1:]))
        made.append(Workflow(fireworks))
    return made


def words(tmp_path: Path, name: str = "notes") -> list[str]:
    path = tmp_path / name
    return path.read_text().split() if path.exists() else []


def run_all(tmp_path: Path) -> int:
    return run_worker(tmp_path / "fw.db", launch_root=tmp_path / "launches", poll_s=0.02)


def start_worker(tmp_path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "cosinter.workflows.launchpad",
        "--address",
        str(tmp_path / "fw.db"),
    ]
    command += ["--launch-root", str(tmp_path / "launches"), *arguments]
    path = os.pathsep.join([str(TASKS), *filter(None, [os.environ.get("PYTHONPATH")])])
    log = (tmp_path / "worker.log").open("ab")
    with log:
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=log, stderr=log)


def wait_until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited state did not come"
        time.sleep(0.01)


def states(launchpad: Any) -> Counter[str]:
    return Counter(d["state"] for d in launchpad.fireworks.find({}, {"state": 1}))


def assert_consistent(launchpad: Any, running: int = 1) -> None:
    """Fireworks, launches and workflows tell the same story, at most `running` of them under way."""
    assert launchpad.connection.file.damage() == []
    fireworks = {d["fw_id"]: d for d in launchpad.fireworks.find()}
    launches = {d["launch_id"]: d for d in launchpad.launches.find()}
    assert states(launchpad)["RUNNING"] <= running
    assert not states(launchpad)["RESERVED"]
    for firework in fireworks.values():
        own = [launches[i]["state"] for i in firework["launches"]]
        if firework["state"] in ("RUNNING", "COMPLETED", "FIZZLED"):
            assert firework["state"] in own
        else:
            assert own == []
    for workflow in launchpad.workflows.find():
        assert "locked" not in workflow
        assert workflow["fw_states"] == {str(i): fireworks[i]["state"] for i in workflow["nodes"]}
        for parent, children in workflow["links"].items():
            if fireworks[int(parent)]["state"] != "COMPLETED":
                assert all(fireworks[child]["state"] == "WAITING" for child in children)
