"""Stages in a LaunchPad that several studies share: each sees and changes its own Fireworks only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cosinter.workflows.jobs import add_stages, archive_left, finish, our_jobs
from cosinter.workflows.launchpad import open_launchpad, recover_lost_runs
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.results import Results

NAMES = ("first", "second", "third")


@pytest.fixture
def launchpad(tmp_path: Path) -> Iterator[Any]:
    opened = open_launchpad(tmp_path / "fw.db")
    yield opened
    opened.connection.file.close()


@pytest.fixture
def plan() -> Plan:
    first, second, third = NAMES
    stages = [Stage(first, "f", {}), Stage(second, "f", {}, after=(first,)), Stage(third, "f", {})]
    return keyed("three", stages)


def take(launchpad: Any, fw_id: int, state: str = "RUNNING") -> int:
    from fireworks.core.fworker import FWorker

    _, launch_id = launchpad.checkout_fw(FWorker(), ".", fw_id=fw_id, state=state)
    return int(launch_id)


def states(launchpad: Any, root: Path) -> dict[str, str]:
    return {job.stage: job.state for job in our_jobs(launchpad, root)}


def test_stages_become_fireworks_in_the_order_of_the_plan(launchpad: Any, plan: Plan, tmp_path: Path) -> None:
    add_stages(launchpad, plan, Results(tmp_path / "a"), NAMES)
    jobs = our_jobs(launchpad, tmp_path / "a")
    assert [(job.stage, job.state) for job in jobs] == [
        ("first", "READY"), ("second", "WAITING"), ("third", "READY")
    ]  # fmt: skip
    assert our_jobs(launchpad, tmp_path / "b") == []


def test_what_needs_a_finished_stage_is_ready(launchpad: Any, plan: Plan, tmp_path: Path) -> None:
    add_stages(launchpad, plan, Results(tmp_path / "a"), ("second", "third"))
    assert states(launchpad, tmp_path / "a") == {"second": "READY", "third": "READY"}


def test_an_ended_launch_sets_its_children_free_or_stops_them(
    launchpad: Any, plan: Plan, tmp_path: Path
) -> None:
    add_stages(launchpad, plan, Results(tmp_path / "a"), NAMES)
    first, _, third = our_jobs(launchpad, tmp_path / "a")
    finish(launchpad, take(launchpad, first.fw_id), stored={"key": "k"}, state="COMPLETED")
    finish(launchpad, take(launchpad, third.fw_id), stored={}, state="FIZZLED")
    assert states(launchpad, tmp_path / "a") == {"first": "COMPLETED", "second": "READY", "third": "FIZZLED"}


def test_a_reservation_is_found_again(launchpad: Any, plan: Plan, tmp_path: Path) -> None:
    add_stages(launchpad, plan, Results(tmp_path / "a"), NAMES)
    launch_id = take(launchpad, our_jobs(launchpad, tmp_path / "a")[0].fw_id, "RESERVED")
    launchpad.set_reservation_id(launch_id, "1234")
    job = our_jobs(launchpad, tmp_path / "a")[0]
    assert (job.state, job.launch_id, job.reservation_id) == ("RESERVED", launch_id, "1234")


def test_adding_again_archives_what_was_left_of_this_folder_only(
    launchpad: Any, plan: Plan, tmp_path: Path
) -> None:
    add_stages(launchpad, plan, Results(tmp_path / "a"), NAMES)
    add_stages(launchpad, plan, Results(tmp_path / "b"), NAMES)
    add_stages(launchpad, plan, Results(tmp_path / "a"), ("third",))
    assert states(launchpad, tmp_path / "a") == {"third": "READY"}
    assert set(states(launchpad, tmp_path / "b")) == set(NAMES)
    archive_left(launchpad, tmp_path / "a")
    assert our_jobs(launchpad, tmp_path / "a") == []


@pytest.mark.parametrize("state", ["RUNNING", "RESERVED"])
def test_lost_runs_of_another_study_are_left_alone(
    launchpad: Any, plan: Plan, tmp_path: Path, state: str
) -> None:
    for name in ("a", "b"):
        add_stages(launchpad, plan, Results(tmp_path / name), NAMES)
        take(launchpad, our_jobs(launchpad, tmp_path / name)[0].fw_id, state)
    lost = our_jobs(launchpad, tmp_path / "a")[0].fw_id
    assert recover_lost_runs(launchpad, tmp_path / "a") == [lost]
    assert states(launchpad, tmp_path / "a")["first"] == "READY"
    assert states(launchpad, tmp_path / "b")["first"] == state
    assert len(recover_lost_runs(launchpad)) == 1
    assert recover_lost_runs(launchpad) == []
