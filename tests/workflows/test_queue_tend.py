"""A plan goes through a queue whole, whatever dies on the way: jobs, the one who tends, the queue itself."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cosinter.data.exceptions import EngineError, InputError
from cosinter.workflows.addresses import own_address
from cosinter.workflows.flows import Outcome, run_plan
from cosinter.workflows.jobs import our_jobs
from cosinter.workflows.launchpad import open_launchpad
from cosinter.workflows.plan import Plan
from cosinter.workflows.queues.batch import all_batches, new_batch, open_batches, queued_stages
from cosinter.workflows.queues.script import batch_script, submit
from cosinter.workflows.queues.settings import QueueSettings
from cosinter.workflows.queues.tend import cancel_jobs, tend_plan
from cosinter.workflows.resources import MODEST, Resources, resources_of
from cosinter.workflows.results import Results
from cosinter.workflows.watching import read_status

Chain = tuple[str, str, dict[str, Any], tuple[str, ...]]


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)


@pytest.fixture
def queue_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import fake_slurm

    folder = tmp_path / "slurm"
    found = fake_slurm.install(folder)
    monkeypatch.setenv("PATH", f"{found}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def queue(tmp_path: Path, queue_folder: Path) -> QueueSettings:
    import queue_probe

    return QueueSettings(system="slurm", python=queue_probe.python(tmp_path), poll_s=0.1)


def plan_of(*stages: Chain) -> Plan:
    import queue_probe

    return queue_probe.plan_of(*stages)


def three() -> Plan:
    return plan_of(
        ("a", "note", {"word": "a"}, ()),
        ("b", "note", {"word": "b"}, ()),
        ("c", "note", {"word": "c"}, ("a", "b")),
    )


def tend(plan: Plan, root: Path, queue: QueueSettings, **options: Any) -> Outcome:
    return tend_plan(plan, root, queue=queue, address=own_address(root), **options)


def states(root: Path) -> dict[str, str]:
    launchpad = open_launchpad(own_address(root))
    return {job.stage: job.state for job in our_jobs(launchpad, root)}


def submitted(folder: Path) -> dict[str, dict[str, Any]]:
    import fake_slurm

    return fake_slurm.jobs(folder)


def wait_until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited state did not come"
        time.sleep(0.02)


def test_a_plan_goes_through_the_queue(tmp_path: Path, queue: QueueSettings, queue_folder: Path) -> None:
    root, plan = tmp_path / "out", three()
    outcome = tend(plan, root, queue)
    assert outcome.complete
    assert outcome.ran == ("a", "b", "c")
    assert states(root) == dict.fromkeys("abc", "COMPLETED")
    results = Results(root)
    for name in "abc":
        record = results.read(name, plan.keys[name]).record
        assert record["job"]["id"] in submitted(queue_folder)
        script = (root / record["job"]["script"]).read_text(encoding="utf-8")
        assert script == submitted(queue_folder)[record["job"]["id"]]["script"]
    assert results.read("c", plan.keys["c"]).data["read"] == ["a", "b"]
    assert open_batches(root) == []
    again = tend(plan, root, queue)
    assert again.complete
    assert again.ran == ()
    assert len(submitted(queue_folder)) == 3


def test_small_stages_share_a_job(tmp_path: Path, queue: QueueSettings, queue_folder: Path) -> None:
    plan = plan_of(*((f"s{i}", "note", {"word": str(i)}, ()) for i in range(7)))
    outcome = tend(plan, tmp_path / "out", queue, wanted={"s*": Resources(batch=3, wall_h=0.5)})
    assert outcome.complete
    assert len(submitted(queue_folder)) == 3
    assert "--time=01:30:00" in submitted(queue_folder)["1"]["script"]


def test_no_more_jobs_than_the_cap_are_in_the_queue(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    plan = plan_of(*((f"s{i}", "note", {"word": str(i)}, ()) for i in range(4)))
    root, sizes = tmp_path / "out", list[int]()

    def watch(*_: object) -> None:
        sizes.append(len(open_batches(root)))

    assert tend(plan, root, queue.model_copy(update={"max_queued": 1}), watch=watch).complete
    assert len(submitted(queue_folder)) == 4
    assert max(sizes) == 1


def test_a_failure_stops_what_needs_it_and_nothing_else(tmp_path: Path, queue: QueueSettings) -> None:
    root = tmp_path / "out"
    plan = plan_of(
        ("a", "fail", {"word": "luck"}, ()),
        ("b", "note", {"word": "b"}, ()),
        ("c", "note", {"word": "c"}, ("a",)),
    )
    outcome = tend(plan, root, queue, wanted={"*": Resources(batch=2)})
    assert [(f.stage, f.error, f.message) for f in outcome.failures] == [("a", "ValueError", "no luck today")]
    assert outcome.waiting == ("c",)
    assert states(root) == {"a": "FIZZLED", "b": "COMPLETED", "c": "WAITING"}
    assert "no luck today" in (root / "log" / "a.txt").read_text(encoding="utf-8")


def test_a_job_that_dies_is_sent_again(tmp_path: Path, queue: QueueSettings, queue_folder: Path) -> None:
    said: list[str] = []
    plan = plan_of(("a", "die", {"file": str(tmp_path / "deaths"), "deaths": 1}, ()))
    outcome = tend(plan, tmp_path / "out", queue, tell=said.append)
    assert outcome.complete
    assert len(submitted(queue_folder)) == 2
    assert "a is sent again: job 1 ended without a word" in said[0]


def test_a_job_that_always_dies_is_given_up(tmp_path: Path, queue: QueueSettings, queue_folder: Path) -> None:
    plan = plan_of(("a", "die", {"file": str(tmp_path / "deaths"), "deaths": 99}, ()))
    outcome = tend(plan, tmp_path / "out", queue.model_copy(update={"retries": 1}))
    assert len(submitted(queue_folder)) == 2
    assert "ended without a word" in outcome.failures[0].message
    assert states(tmp_path / "out") == {"a": "FIZZLED"}


@pytest.mark.parametrize(
    ("state", "said"), [("TIMEOUT", "wall time of 2 h ran out"), ("CANCELLED", "cancelled (job 1)")]
)
def test_a_stopped_job_fails_at_once_and_says_why(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path, state: str, said: str
) -> None:
    import fake_slurm

    root, begun = tmp_path / "out", tmp_path / "begun"
    plan = plan_of(("a", "wait", {"begun": str(begun), "file": str(tmp_path / "never")}, ()))
    tend(plan, root, queue, once=True)
    wait_until(begun.exists)
    assert read_status(root, queued=queued_stages(root)).counts == {"running": 1}
    fake_slurm.end(queue_folder, "1", state)
    outcome = tend(plan, root, queue)
    assert said in outcome.failures[0].message
    assert states(root) == {"a": "FIZZLED"}
    events = [event["message"] for event in Results(root).events("a") if event["event"] == "failed"]
    assert events[0].startswith("stopped by SIGTERM")
    assert len(submitted(queue_folder)) == 1


def test_a_job_on_a_failed_node_is_sent_again(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    import fake_slurm

    root, begun, file = tmp_path / "out", tmp_path / "begun", tmp_path / "file"
    plan = plan_of(("a", "wait", {"begun": str(begun), "file": str(file)}, ()))
    tend(plan, root, queue, once=True)
    wait_until(begun.exists)
    fake_slurm.end(queue_folder, "1", "NODE_FAIL", signal.SIGKILL)
    file.touch()
    assert tend(plan, root, queue).complete
    assert len(submitted(queue_folder)) == 2


def test_cancelling_takes_jobs_out_of_the_queue(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    root, begun = tmp_path / "out", tmp_path / "begun"
    plan = plan_of(("a", "wait", {"begun": str(begun), "file": str(tmp_path / "never")}, ()))
    tend(plan, root, queue, once=True)
    wait_until(begun.exists)
    assert cancel_jobs(root, ["b"]) == []
    assert cancel_jobs(root) == ["1"]
    assert "cancelled" in tend(plan, root, queue).failures[0].message


def test_a_silent_queue_loses_nothing(tmp_path: Path, queue: QueueSettings, queue_folder: Path) -> None:
    root, begun, file = tmp_path / "out", tmp_path / "begun", tmp_path / "file"
    plan = plan_of(("a", "wait", {"begun": str(begun), "file": str(file)}, ()))
    tend(plan, root, queue, once=True)
    wait_until(begun.exists)
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if len(said) == 5:
            file.touch()

    def watch(*_: object) -> None:
        (queue_folder / "silent").touch()

    outcome = tend(plan, root, queue, tell=tell, watch=watch)
    assert outcome.complete
    assert "Unable to contact slurm controller" in said[0]
    assert len(submitted(queue_folder)) == 1


def test_the_queues_own_words_are_told_when_it_refuses(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    (queue_folder / "refuse").write_text("sbatch: error: invalid partition specified: gold")
    root = tmp_path / "out"
    with pytest.raises(EngineError, match="invalid partition specified: gold"):
        tend(three(), root, queue)
    assert set(states(root).values()) <= {"READY", "WAITING"}
    (queue_folder / "refuse").unlink()
    assert tend(three(), root, queue).complete


def test_a_batch_that_was_never_submitted_is_sent(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    root, plan = tmp_path / "out", three()
    new_batch(root, "slurm", {"a": plan.keys["a"]}, MODEST)  # and then the one who tends was killed
    assert tend(plan, root, queue).complete
    assert len(submitted(queue_folder)) == 3
    assert len(all_batches(root)) == 4


def test_a_job_whose_number_was_never_written_down_is_found_by_its_name(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    root, begun, file = tmp_path / "out", tmp_path / "begun", tmp_path / "file"
    plan = plan_of(("a", "wait", {"begun": str(begun), "file": str(file)}, ()))
    root.mkdir()
    (root / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    batch = new_batch(root, "slurm", dict(plan.keys), MODEST)
    text = batch_script(queue, resources_of("a"), name=batch.name, folder=batch.folder, stages=1)
    (batch.folder / "job.sh").write_text(text, encoding="utf-8")
    submit("slurm", batch.folder / "job.sh")
    wait_until(begun.exists)
    tend(plan, root, queue, once=True)
    assert queued_stages(root) == {"a": "1"}
    file.touch()
    assert tend(plan, root, queue).complete
    assert len(submitted(queue_folder)) == 1


def test_the_index_may_be_lost_while_jobs_run(
    tmp_path: Path, queue: QueueSettings, queue_folder: Path
) -> None:
    root, begun, file = tmp_path / "out", tmp_path / "begun", tmp_path / "file"
    plan = plan_of(
        ("a", "wait", {"begun": str(begun), "file": str(file)}, ()), ("b", "note", {"word": "b"}, ("a",))
    )
    tend(plan, root, queue, once=True)
    open_launchpad(own_address(root)).connection.file.close()
    for path in root.glob("launchpad.db*"):
        path.unlink()
    wait_until(begun.exists)
    file.touch()
    assert tend(plan, root, queue).complete
    assert len(submitted(queue_folder)) == 2


def test_a_local_run_leaves_stages_in_the_queue_alone(tmp_path: Path, queue: QueueSettings) -> None:
    root, begun, file = tmp_path / "out", tmp_path / "begun", tmp_path / "file"
    plan = plan_of(("a", "wait", {"begun": str(begun), "file": str(file)}, ()))
    tend(plan, root, queue, once=True)
    with pytest.raises(InputError, match="are in the queue"):
        run_plan(plan, root)
    file.touch()
    assert tend(plan, root, queue).complete
    assert json.loads((root / "plan.json").read_bytes())["keys"] == dict(plan.keys)
