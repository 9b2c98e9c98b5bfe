"""A real SLURM: submit, run, fail, die, run out of wall time, be cancelled, and the one who tends is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cosinter.workflows.addresses import own_address
from cosinter.workflows.jobs import our_jobs
from cosinter.workflows.launchpad import open_launchpad
from cosinter.workflows.queues.batch import all_batches, open_batches
from cosinter.workflows.queues.settings import load_queue
from cosinter.workflows.queues.system import cancel_job
from cosinter.workflows.queues.tend import tend_plan
from cosinter.workflows.resources import Resources
from cosinter.workflows.results import Results

MINUTE_H = 1.0 / 60.0


def answers() -> bool:
    if shutil.which("sbatch") is None:
        return False
    asked = subprocess.run(["squeue", "--noheader"], capture_output=True, check=False, timeout=60)
    return asked.returncode == 0


pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        not answers(), reason="no SLURM answers here; tests/workflows/start_slurm.sh starts one"
    ),
]


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)


def wait_until(condition: Callable[[], bool], limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited state did not come"
        time.sleep(0.1)


def job_of(root: Path, stage: str) -> str:
    return next(str(batch.job_id) for batch in all_batches(root) if stage in batch.stages)


def test_everything_that_can_happen_to_a_job(tmp_path: Path) -> None:
    import queue_probe

    root = tmp_path / "out"

    def wait(name: str) -> dict[str, str]:
        return {"begun": str(tmp_path / f"{name}-begun"), "file": str(tmp_path / f"{name}-never")}

    plan = queue_probe.plan_of(
        ("late", "wait", wait("late"), ()),
        ("unwanted", "wait", wait("unwanted"), ()),
        ("good", "note", {"word": "good"}, ()),
        ("after", "note", {"word": "after"}, ("good",)),
        ("bad", "fail", {"word": "luck"}, ()),
        ("dies", "die", {"file": str(tmp_path / "deaths"), "deaths": 1}, ()),
    )
    settings = {
        "system": "slurm",
        "python": queue_probe.python(tmp_path),
        "poll_s": 1.0,
        "defaults": {"memory_GB": 0.5, "wall_h": 0.2},
        "stages": {"late": {"wall_h": MINUTE_H}},
    }
    (root / "queue").mkdir(parents=True)
    (root / "queue" / "queue.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (root / "plan.json").write_text(plan.to_json(), encoding="utf-8")

    tender = [
        sys.executable,
        "-c",
        "from cosinter.workflows.cli import main; main()",
        "queue",
        "tend",
        str(root),
    ]
    with subprocess.Popen(tender, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        wait_until((tmp_path / "late-begun").exists)
        wait_until((tmp_path / "unwanted-begun").exists)
        first.send_signal(signal.SIGKILL)
    cancel_job("slurm", job_of(root, "unwanted"))

    outcome = tend_plan(
        plan, root, queue=load_queue(root / "queue" / "queue.yaml"), address=own_address(root)
    )
    messages = {failure.stage: failure.message for failure in outcome.failures}
    assert set(messages) == {"late", "unwanted", "bad"}
    assert "wall time of 0.0166667 h ran out" in messages["late"]
    assert messages["unwanted"].startswith("cancelled")
    assert messages["bad"] == "no luck today"
    assert set(outcome.ran) == {"good", "after", "dies"}
    assert {job.stage: job.state for job in our_jobs(open_launchpad(own_address(root)), root)} == {
        **dict.fromkeys(("late", "unwanted", "bad"), "FIZZLED"),
        **dict.fromkeys(("good", "after", "dies"), "COMPLETED"),
    }
    assert sum("dies" in batch.stages for batch in all_batches(root)) == 2
    assert open_batches(root) == []
    results = Results(root)
    for name in ("good", "after", "dies"):
        assert int(results.read(name, plan.keys[name]).record["job"]["id"]) > 0
    assert results.executed("good", plan.keys["good"]) == 1


def test_a_partition_that_does_not_exist_is_told_in_slurms_words(tmp_path: Path) -> None:
    import queue_probe

    from cosinter.data.exceptions import EngineError
    from cosinter.workflows.queues.settings import QueueSettings

    plan = queue_probe.plan_of(("a", "note", {"word": "a"}, ()))
    queue = QueueSettings(system="slurm", defaults=Resources(partition="gold"))
    with pytest.raises(EngineError, match="invalid partition"):
        tend_plan(plan, tmp_path / "out", queue=queue, address=own_address(tmp_path / "out"))


def test_stock_qlaunch_runs_offline_through_the_queue(tmp_path: Path) -> None:
    """FireWorks' own commands on the embedded store: reserve, submit, run without the store, recover."""
    from fireworks import Firework, ScriptTask

    launchpad = open_launchpad(tmp_path / "fw.db")
    launchpad.add_wf(Firework(ScriptTask.from_str("echo done > said"), name="say"))
    door = f"{sys.executable} -m cosinter.workflows.launchpad"
    adapter = {
        "_fw_name": "CommonAdapter",
        "_fw_q_type": "SLURM",
        "rocket_launch": f"exec {door} rlaunch singleshot --offline",
        "nodes": 1,
        "ntasks": 1,
        "walltime": "00:05:00",
    }
    place = {"host": f"sqlite://{tmp_path / 'fw.db'}", "uri_mode": True, "name": "fireworks"}
    (tmp_path / "q.yaml").write_text(yaml.safe_dump(adapter), encoding="utf-8")
    (tmp_path / "lp.yaml").write_text(yaml.safe_dump(place), encoding="utf-8")
    environment = {**os.environ, "PYTHONWARNINGS": "default"}

    def stock(*words: str) -> None:
        command = [sys.executable, "-m", "cosinter.workflows.launchpad", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def state() -> str:
        return str(launchpad.fireworks.find_one({"fw_id": 1})["state"])

    stock("qlaunch", "-l", "lp.yaml", "-q", "q.yaml", "-r", "singleshot")
    assert state() == "RESERVED"
    wait_until(lambda: list(tmp_path.rglob("said")) != [])

    def recovered() -> bool:
        stock("lpad", "-l", "lp.yaml", "recover_offline")
        return state() == "COMPLETED"

    wait_until(recovered)
    launchpad.connection.file.close()
