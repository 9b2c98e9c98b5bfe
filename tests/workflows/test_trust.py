"""Whoever can write into a LaunchPad cannot make a worker of ours run anything but stages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from fireworks import Firework, ScriptTask, Workflow
from fireworks.core.fworker import FWorker
from fireworks.utilities import fw_serializers
from hypothesis import given
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError
from cosinter.workflows.jobs import workflow
from cosinter.workflows.launchpad import open_launchpad
from cosinter.workflows.plan import Stage, keyed
from cosinter.workflows.results import Results
from cosinter.workflows.trust import OWN_TASK, foreign_tasks, only_own_tasks

PLAN = keyed("small", [Stage("first", "given_parameters", {"text": "{}"})])
ROOT = "/results/small"
OWN: dict[str, Any] = {
    "_tasks": [{"_fw_name": OWN_TASK, "root": ROOT, "stage": "first"}],
    "_priority": 1,
    "study": "small",
    "results": ROOT,
}
PRINTED = {"_message": "failed", "_stacktrace": "File x, line 1"}


def test_the_fireworks_of_a_plan_are_ours(tmp_path: Path) -> None:
    made = workflow(PLAN, Results(tmp_path), ["first"]).to_dict()
    assert [foreign_tasks(firework["spec"]) for firework in made["fws"]] == [[]]
    assert foreign_tasks({**OWN, "_exception_details": PRINTED}) == []


FOREIGN = {
    "script": {"_tasks": [{"_fw_name": "ScriptTask", "script": "true"}]},
    "python": {"_tasks": [*OWN["_tasks"], {"_fw_name": "PyTask", "func": "os.abort"}]},
    "explicit": {"_tasks": [{"_fw_name": "{{subprocess.Popen}}"}]},
    "nameless": {"_tasks": [{}]},
    "no list": {"_tasks": {"_fw_name": OWN_TASK}},
    "word": {"_tasks": "ScriptTask"},
    "none": {"_tasks": []},
    "more parameters": {"_tasks": [{**OWN["_tasks"][0], "x": {"_fw_name": "{{os.path}}"}}]},
    "object as parameter": {"_tasks": [{**OWN["_tasks"][0], "stage": {"_fw_name": "{{os.path}}"}}]},
    "another folder": {"_tasks": [{**OWN["_tasks"][0], "root": "/elsewhere"}]},
    "background": {"_background_tasks": [{"_fw_name": "{{x.Y}}"}]},
    "folder": {"_launch_dir": "/home"},
    "files": {"_files_in": {"a": "b"}},
    "recovery": {"_recovery": {"_prev_dir": "/home", "_mode": "cp"}},
    "object": {"study": {"deep": [{"_fw_name": "{{os.path}}"}]}},
    "monty": {"study": {"@module": "os", "@class": "path"}},
    "object in a note": {"_exception_details": {"a": {"@module": "os"}}},
    "unknown": {"anything": 1},
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_anything_else_is_foreign(change: dict[str, Any]) -> None:
    assert foreign_tasks({**OWN, **change})


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["_tasks", "_priority", "study", "results", "x"]), JSON))
def test_no_document_that_is_not_ours_passes(spec: dict[str, Any]) -> None:
    """None of these holds our task, so all are foreign, and none is an error."""
    assert foreign_tasks(spec)
    assert all(isinstance(name, str) for name in foreign_tasks(spec))


def test_a_worker_turns_foreign_fireworks_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text(
        "import pathlib\npathlib.Path('hit').touch()\nclass Task:\n    from_dict = dict\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    launchpad = open_launchpad(tmp_path / "fw.db")
    root = tmp_path / "out"
    launchpad.add_wf(Firework(ScriptTask.from_str("touch hit"), spec={"results": str(root), "_priority": 9}))
    launchpad.add_wf(Firework(ScriptTask.from_str("touch hit"), spec={"results": str(root), "_priority": 8}))
    evil = {"_fw_name": "{{evil.Task}}"}
    launchpad.fireworks.update_one({"fw_id": 2}, {"$set": {"spec._tasks": [evil]}})
    launchpad.add_wf(workflow(PLAN, Results(root), ["first"]))
    worker = FWorker(query={"spec.results": str(root)})
    load = fw_serializers.load_object
    with only_own_tasks(launchpad):
        assert launchpad.run_exists(worker)
        firework, _ = launchpad.checkout_fw(worker, str(tmp_path))
        assert firework.name == "first"
        with pytest.raises(InputError, match=r"makes no object of '\{\{evil\.Task\}\}'"):
            fw_serializers.load_object(evil)
    assert fw_serializers.load_object is load
    assert "get_fw_by_id" not in vars(launchpad)
    states = {row["fw_id"]: row for row in launchpad.fireworks.find({}, {"fw_id": 1, "state": 1, "spec": 1})}
    assert [states[number]["state"] for number in (1, 2, 3)] == ["FIZZLED", "FIZZLED", "RUNNING"]
    assert "which is no stage of a study" in states[1]["spec"]["_exception_details"]["_stacktrace"]
    assert not (tmp_path / "hit").exists()
    assert "evil" not in sys.modules


def test_an_action_of_somebody_else_is_no_object(tmp_path: Path) -> None:
    """Earlier launches of a Firework are read as well, and their actions may hold Workflows of any tasks."""
    launchpad = open_launchpad(tmp_path / "fw.db")
    launchpad.add_wf(workflow(PLAN, Results(tmp_path), ["first"]))
    detour = Workflow([Firework(ScriptTask.from_str("true"))]).to_dict()
    script = "{{fireworks.user_objects.firetasks.script_task.ScriptTask}}"
    detour["fws"][0]["spec"]["_tasks"][0]["_fw_name"] = script
    action = {
        "stored_data": {}, "exit": False, "update_spec": {}, "mod_spec": [], "additions": [], "detours": [detour],
        "defuse_children": False,
    }  # fmt: skip
    launch = {
        "launch_id": 77, "fw_id": 1, "state": "FIZZLED", "launch_dir": "/", "host": "h", "ip": "i", "trackers": [],
        "fworker": None, "action": action, "state_history": [],
    }  # fmt: skip
    launchpad.launches.insert_one(launch)
    launchpad.fireworks.update_one({"fw_id": 1}, {"$set": {"archived_launches": [77]}})
    assert launchpad.get_fw_by_id(1).archived_launches[0].action.detours
    with only_own_tasks(launchpad), pytest.raises(InputError, match="ScriptTask"):
        launchpad.get_fw_by_id(1)
