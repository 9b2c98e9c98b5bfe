"""Kills and stops: nothing that was finished is lost, nothing runs twice, no state change is torn."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cosinter.data.exceptions import StorageError
from cosinter.workflows.launchpad import open_launchpad, recover_lost_runs

sys.path.insert(0, str(Path(__file__).parent))
from launchpad_helpers import (
    assert_consistent,
    chains,
    note,
    run_all,
    start_worker,
    states,
    wait_until,
    words,
)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def launchpad(tmp_path: Path) -> Iterator[Any]:
    opened = open_launchpad(tmp_path / "fw.db")
    yield opened
    opened.connection.file.close()


def kill_many_times(launchpad: Any, tmp_path: Path, kills: int, number: signal.Signals, seed: int) -> None:
    """Kill workers at random moments; what was COMPLETED then is never run again, and the rest gets done."""
    dice = random.Random(seed)
    finished: Counter[str] = Counter()
    for _ in range(kills):
        worker = start_worker(tmp_path)
        before = len(words(tmp_path, "notes.started"))
        wait_until(
            lambda b=before, w=worker: len(words(tmp_path, "notes.started")) > b or w.poll() is not None
        )
        time.sleep(dice.uniform(0.0, 0.2))
        worker.send_signal(number)
        worker.wait(60)
        assert_consistent(launchpad)
        done = launchpad.fireworks.find({"state": "COMPLETED"}, {"name": 1})
        noted = Counter(words(tmp_path))
        assert all(noted[word] == times for word, times in finished.items())
        finished = Counter({d["name"]: noted[d["name"]] for d in done})
        assert all(finished.values())
        lost = launchpad.get_fw_ids({"state": "RUNNING"})
        assert recover_lost_runs(launchpad) == lost
        for fizzled in launchpad.get_fw_ids({"state": "FIZZLED"}):
            launchpad.rerun_fw(fizzled)
        assert set(states(launchpad)) <= {"READY", "WAITING", "COMPLETED"}
        assert_consistent(launchpad, running=0)
    total = launchpad.fireworks.count_documents({})
    run_all(tmp_path)
    noted = Counter(words(tmp_path))
    assert states(launchpad) == {"COMPLETED": total}
    assert len(noted) == total
    assert all(noted[word] == times for word, times in finished.items())
    assert_consistent(launchpad, running=0)


def test_kill_9_loses_and_repeats_nothing(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, f"s{i}") for i in range(30)] + chains(tmp_path, 6, 5))
    kill_many_times(launchpad, tmp_path, 10, signal.SIGKILL, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_kill_9(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, f"s{i}") for i in range(300)] + chains(tmp_path, 60, 5))
    kill_many_times(launchpad, tmp_path, 100, signal.SIGKILL, seed=2)


def test_sigterm_never_tears_a_state_change(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs(chains(tmp_path, 8, 5))
    kill_many_times(launchpad, tmp_path, 4, signal.SIGTERM, seed=3)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stop_signal_fizzles_the_running_firework(
    launchpad: Any, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, "long", sleep_s=300), note(tmp_path, "next")])
    worker = start_worker(tmp_path)
    wait_until(lambda: words(tmp_path, "notes.started") == ["long"])
    worker.send_signal(number)
    assert worker.wait(30) == status
    assert states(launchpad) == {"FIZZLED": 1, "READY": 1}
    assert "Stopped" in launchpad.get_launch_by_id(1).action.stored_data["_exception"]["_stacktrace"]
    assert (tmp_path / "worker.log").read_text() == ""


def test_stop_between_checkout_and_task_fizzles_too(
    launchpad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fireworks.core.rocket import Rocket

    launchpad.add_wf(note(tmp_path, "a"))
    monkeypatch.setattr(Rocket, "update_checkpoint", lambda *arguments: os.kill(os.getpid(), signal.SIGTERM))
    threads, handler = threading.active_count(), signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        run_all(tmp_path)
    assert stopped.value.code == 143
    assert states(launchpad) == {"FIZZLED": 1}
    assert words(tmp_path, "notes.started") == []
    wait_until(lambda: threading.active_count() <= threads)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_worker_waits_for_living_workers_and_not_for_dead_ones(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import Workflow

    first = note(tmp_path, "first", sleep_s=300)
    launchpad.add_wf(Workflow([first, note(tmp_path, "second", parents=[first])]))
    busy = start_worker(tmp_path)
    wait_until(lambda: words(tmp_path, "notes.started") == ["first"])
    waiting = start_worker(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(3)
    busy.kill()
    busy.wait(30)
    assert waiting.wait(60) == 0
    assert states(launchpad) == {"RUNNING": 1, "WAITING": 1}
    assert recover_lost_runs(launchpad) == launchpad.get_fw_ids({"state": "READY"})


def test_recovery_frees_reservations_and_locks(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import FWorker

    launchpad.bulk_add_wfs([note(tmp_path, w) for w in "abc"])
    launchpad.checkout_fw(FWorker(), str(tmp_path), fw_id=1)
    launchpad.reserve_fw(FWorker(), str(tmp_path), fw_id=2)
    launchpad.workflows.update_many({}, {"$set": {"locked": True}})
    assert recover_lost_runs(launchpad) == [1, 2]
    assert states(launchpad) == {"READY": 3}
    assert_consistent(launchpad, running=0)
    assert recover_lost_runs(launchpad) == []
    run_all(tmp_path)
    assert sorted(words(tmp_path)) == ["a", "b", "c"]


def test_lock_left_behind_holds_nobody_up(launchpad: Any, tmp_path: Path) -> None:
    launchpad.add_wf(note(tmp_path, "a"))
    launchpad.workflows.update_many({}, {"$set": {"locked": True}})
    started = time.monotonic()
    run_all(tmp_path)
    assert states(launchpad) == {"COMPLETED": 1}
    assert time.monotonic() - started < 300  # FireWorks' own patience (WFLOCK_EXPIRATION_SECS)


def test_full_disk_fizzles_or_refuses_and_keeps_the_rest(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import Firework
    from launchpad_probe import Big

    launchpad.add_wf(Firework(Big(bytes=5_000_000)))
    file = launchpad.connection.file
    file._all(f"PRAGMA max_page_count = {file._all('PRAGMA page_count')[0][0] + 60}")
    run_all(tmp_path)
    assert states(launchpad) == {"FIZZLED": 1}
    assert "is full" in launchpad.get_launch_by_id(1).action.stored_data["_exception"]["_stacktrace"]
    with pytest.raises(StorageError, match="is full"):
        launchpad.bulk_add_wfs([note(tmp_path, "x" * 100_000) for _ in range(10)])
    assert launchpad.get_fw_ids() == [1]
    assert_consistent(launchpad, running=0)
    file._all("PRAGMA max_page_count = 1000000")
    launchpad.rerun_fw(1)
    run_all(tmp_path)
    assert states(launchpad) == {"COMPLETED": 1}
