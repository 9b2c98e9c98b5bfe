"""The state of a run is read from its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.results import LOST_AFTER_S, Results
from cosinter.workflows.watching import read_status

NAMES = ("first", "second", "third")


@pytest.fixture
def run(tmp_path: Path) -> tuple[Plan, Results]:
    plan = keyed(
        "three",
        [
            Stage("first", "f", {}),
            Stage("second", "f", {}, after=("first",)),
            Stage("third", "f", {}, after=("second",)),
        ],
    )
    results = Results(tmp_path / "out")
    results.root.mkdir()
    (results.root / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    return plan, results


def finish(plan: Plan, results: Results, name: str) -> None:
    with results.writing(name, plan.keys[name], {"job": {"id": "17"}}) as folder:
        (folder / "result.json").write_text("{}", encoding="utf-8")


def states(results: Results) -> dict[str, str]:
    return {stage.name: stage.state for stage in read_status(results.root).stages}


def test_nothing_done(run: tuple[Plan, Results]) -> None:
    _, results = run
    found = read_status(results.root)
    assert found.counts == {"waiting": 3}
    assert not found.active
    assert found.stages[2].message == "needs second"


def test_done_running_and_waiting(run: tuple[Plan, Results]) -> None:
    plan, results = run
    finish(plan, results, "first")
    with results.writing("second", plan.keys["second"]):
        assert states(results) == {"first": "done", "second": "running", "third": "waiting"}
        assert read_status(results.root).active
    assert read_status(results.root).stages[0].job_id == "17"


def test_a_failure_names_its_line_and_its_log(run: tuple[Plan, Results]) -> None:
    plan, results = run
    with pytest.raises(ValueError, match="boom"), results.writing("first", plan.keys["first"]):
        raise ValueError("boom\nmore")
    stage = read_status(results.root).stages[0]
    assert (stage.state, stage.message, stage.log) == ("failed", "boom", "log/first.txt")
    assert "ValueError: boom" in (results.root / "log" / "first.txt").read_text(encoding="utf-8")


def test_a_killed_process_leaves_a_lost_stage(run: tuple[Plan, Results]) -> None:
    plan, results = run
    script = (
        "import os, sys; from pathlib import Path; from cosinter.workflows.results import Results\n"
        "with Results(Path(sys.argv[1])).writing('first', sys.argv[2]): os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(results.root), plan.keys["first"]], check=False)
    assert states(results)["first"] == "lost"


def test_a_silent_process_of_another_computer_is_lost(run: tuple[Plan, Results]) -> None:
    plan, results = run
    key = plan.keys["first"]
    with results.writing("first", key) as working:
        results.log("first", event="started", key=key, pid=1, host="elsewhere")
        assert states(results)["first"] == "running"
        silent = time.time() - LOST_AFTER_S - 1.0
        os.utime(working, (silent, silent))
        assert states(results)["first"] == "lost"


def test_stages_in_a_queue(run: tuple[Plan, Results]) -> None:
    _, results = run
    first, second, _ = read_status(results.root, queued={"first": "42"}).stages
    assert (first.state, first.job_id) == ("queued", "42")
    assert second.state == "waiting"


def test_who_is_at_work_and_how_long_it_takes(run: tuple[Plan, Results]) -> None:
    plan, results = run
    finish(plan, results, "first")
    assert read_status(results.root).seconds_left is None
    with results.lock():
        found = read_status(results.root)
        assert found.at_work is not None
        assert found.at_work["pid"] == os.getpid()
        assert found.seconds_left is not None
    assert json.loads(json.dumps(found.to_dict()))["counts"] == {"done": 1, "waiting": 2}
    assert results.holder() is None


def test_results_of_another_version_are_marked(run: tuple[Plan, Results]) -> None:
    plan, results = run
    older = {**json.loads(plan.to_json()), "keys": {name: name[0] * 16 for name in NAMES}}
    (results.root / "plan.json").write_text(json.dumps(older), encoding="utf-8")
    finish(Plan(plan.study, plan.stages, older["keys"]), results, "first")
    assert read_status(results.root).stages[0].older
