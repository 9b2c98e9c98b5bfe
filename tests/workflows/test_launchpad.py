from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cosinter.data.exceptions import InputError, MissingEngineError, StorageError
from cosinter.workflows.embedded import methods as embedded_methods
from cosinter.workflows.embedded.store import open_file
from cosinter.workflows.launchpad import main, open_launchpad

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


# --- FireWorks' own behaviour ---------------------------------------------------------------------------------


def test_dependent_fireworks_run_in_order_and_hand_on(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs(chains(tmp_path, 2, 4))
    assert run_all(tmp_path) == 8
    assert states(launchpad) == {"COMPLETED": 8}
    for c in range(2):
        assert [w for w in words(tmp_path) if w.startswith(f"{c}-")] == [f"{c}-{i}" for i in range(4)]
    assert launchpad.get_fw_by_id(4).spec["last"] == "0-2"
    assert_consistent(launchpad)


def test_workers_leave_no_trace_but_launch_folders(launchpad: Any, tmp_path: Path, capfd: Any) -> None:
    launchpad.add_wf(note(tmp_path, "a"))
    threads = threading.active_count()
    assert run_all(tmp_path) == 1
    wait_until(lambda: threading.active_count() <= threads)
    assert capfd.readouterr() == ("", "")
    assert Path.cwd() == tmp_path
    launches = sorted(path.name for path in (tmp_path / "launches").iterdir())
    assert [name.partition("_")[0] for name in launches] == [".alive", "launcher"]
    assert not list((tmp_path / "launches" / ".alive").iterdir())


def test_stock_rapidfire_runs_on_it(launchpad: Any, tmp_path: Path) -> None:
    from fireworks.core.rocket_launcher import launch_rocket, rapidfire

    launchpad.bulk_add_wfs([note(tmp_path, w) for w in "abc"])
    assert launch_rocket(launchpad, fw_id=3, strm_lvl="CRITICAL")
    rapidfire(launchpad, m_dir=str(tmp_path), strm_lvl="CRITICAL")
    assert words(tmp_path) == ["c", "a", "b"]


def test_fizzled_firework_holds_its_children_until_rerun(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import Firework, Workflow
    from launchpad_probe import FailUnless

    first = Firework(FailUnless(file=str(tmp_path / "key")))
    launchpad.add_wf(Workflow([first, note(tmp_path, "child", parents=[first])]))
    run_all(tmp_path)
    assert states(launchpad) == {"FIZZLED": 1, "WAITING": 1}
    trace = launchpad.get_launch_by_id(1).action.stored_data["_exception"]["_stacktrace"]
    assert "FileNotFoundError" in trace
    (tmp_path / "key").touch()
    fizzled = launchpad.get_fw_ids({"state": "FIZZLED"})
    assert launchpad.rerun_fw(fizzled[0]) == fizzled
    run_all(tmp_path)
    assert words(tmp_path) == ["child"]
    assert_consistent(launchpad)


def test_defuse_pause_archive_delete(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, w) for w in "abcd"])
    launchpad.defuse_fw(1)
    launchpad.pause_fw(2)
    launchpad.archive_wf(3)
    launchpad.delete_wf(4)
    run_all(tmp_path)
    assert words(tmp_path) == []
    launchpad.reignite_fw(1)
    launchpad.resume_fw(2)
    run_all(tmp_path)
    assert sorted(words(tmp_path)) == ["a", "b"]
    assert states(launchpad) == {"COMPLETED": 2, "ARCHIVED": 1}


def test_launch_dir_and_priority_in_the_spec(launchpad: Any, tmp_path: Path) -> None:
    launchpad.add_wf(note(tmp_path, "low", spec={"_priority": 1}))
    launchpad.add_wf(note(tmp_path, "high", spec={"_priority": 5, "_launch_dir": str(tmp_path / "mine")}))
    run_all(tmp_path)
    assert words(tmp_path) == ["high", "low"]
    assert launchpad.get_launchdir(2) == str(tmp_path / "mine")


def test_result_above_16_mb_goes_to_gridfs(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import Firework
    from launchpad_probe import Big

    size = 20_000_000
    launchpad.add_wf(Firework(Big(bytes=size)))
    run_all(tmp_path)
    assert states(launchpad) == {"COMPLETED": 1}
    assert "gridfs_id" in launchpad.launches.find_one({"launch_id": 1})["action"]
    assert len(launchpad.get_launch_by_id(1).action.stored_data["big"]) == size


def test_offline_mode_works_with_current_monty(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import FWorker
    from fireworks.core.rocket_launcher import launch_rocket
    from fireworks.queue.queue_launcher import setup_offline_job

    launchpad.add_wf(note(tmp_path, "away"))
    firework, launch_id = launchpad.reserve_fw(FWorker(), str(tmp_path))
    setup_offline_job(launchpad, firework, launch_id)
    assert launch_rocket(None, FWorker(), strm_lvl="CRITICAL")
    assert states(launchpad) == {"RESERVED": 1}
    assert launchpad.recover_offline(launch_id) is None
    assert states(launchpad) == {"COMPLETED": 1}


# --- several at once ------------------------------------------------------------------------------------------


def test_three_workers_run_each_firework_once(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, f"s{i}") for i in range(45)] + chains(tmp_path, 3, 5))
    workers = [start_worker(tmp_path, "--worker-name", f"w{i}") for i in range(3)]
    assert [w.wait(120) for w in workers] == [0, 0, 0], (tmp_path / "worker.log").read_text()
    assert (tmp_path / "worker.log").read_text() == ""
    assert states(launchpad) == {"COMPLETED": 60}
    assert set(Counter(words(tmp_path)).values()) == {1}
    assert len(words(tmp_path)) == 60
    assert_consistent(launchpad, running=0)
    assert launchpad.launches.count_documents({}) == 60


def claim(launchpad: Any, tmp_path: Path) -> list[int]:
    from fireworks import FWAction, FWorker

    claimed = []
    while True:
        firework, launch_id = launchpad.checkout_fw(FWorker(), str(tmp_path))
        if firework is None:
            return claimed
        claimed.append(firework.fw_id)
        launchpad.complete_launch(launch_id, FWAction())


def test_threads_on_one_launchpad_claim_disjointly(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, f"{i}") for i in range(24)])
    claimed: list[int] = []
    threads = [threading.Thread(target=lambda: claimed.extend(claim(launchpad, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(1, 25))
    assert states(launchpad) == {"COMPLETED": 24}


def report_claims(launchpad: Any, tmp_path: Path, sender: Any) -> None:
    sender.send(claim(launchpad, tmp_path))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_children_claim_disjointly(launchpad: Any, tmp_path: Path) -> None:
    launchpad.bulk_add_wfs([note(tmp_path, f"{i}") for i in range(24)])
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    children = [context.Process(target=report_claims, args=(launchpad, tmp_path, sender)) for _ in range(3)]
    for child in children:
        child.start()
    claimed = []
    for _ in children:
        assert receiver.poll(60)
        claimed += receiver.recv()
    for child in children:
        child.join()
    receiver.close()
    sender.close()
    assert sorted(claimed) == list(range(1, 25))
    assert states(launchpad) == {"COMPLETED": 24}


# --- addresses and surroundings -------------------------------------------------------------------------------


def test_description_of_a_launchpad_opens_it_again(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import LaunchPad

    launchpad.add_wf(note(tmp_path, "a"))
    again = LaunchPad.from_dict(launchpad.to_dict())
    assert again.get_fw_ids() == [1]
    assert open_launchpad(f"sqlite://{tmp_path}/fw.db").get_fw_ids() == [1]
    assert open_launchpad("fw.db").connection.file is launchpad.connection.file
    assert launchpad.fireworks.index_information()["fw_id_1"]["unique"]


def test_lpad_command_understands_the_store(launchpad: Any, tmp_path: Path, capsys: Any) -> None:
    launchpad.add_wf(note(tmp_path, "visible"))
    description = tmp_path / "my_launchpad.yaml"
    description.write_text(yaml.safe_dump(launchpad.to_dict()))
    assert main(["lpad", "-l", str(description), "get_wflows"]) == 0
    assert "visible" in capsys.readouterr().out
    assert main(["rlaunch", "-l", str(description), "-s", "singleshot"]) == 0
    assert words(tmp_path) == ["visible"]


def test_servers_still_get_pymongo(launchpad: Any) -> None:
    import fireworks.core.launchpad
    import pymongo

    with fireworks.core.launchpad.MongoClient("mongodb://127.0.0.1:1", connect=False) as client:
        assert isinstance(client, pymongo.MongoClient)
    before = fireworks.core.launchpad.MongoClient
    embedded_methods.install()
    assert fireworks.core.launchpad.MongoClient is before
    with pytest.raises(StorageError, match=r"no MongoDB server listens at mongodb://127\.0\.0\.1:1/"):
        open_launchpad("mongodb://user:secret@127.0.0.1:1/db?serverSelectionTimeoutMS=50")


@pytest.mark.parametrize(
    "address", ["http://host/x", "sqlite://relative/fw.db", "postgres://u:secret@h/x", ""]
)
def test_other_addresses_are_refused_without_showing_passwords(address: str) -> None:
    with pytest.raises(InputError) as refused:
        open_launchpad(address)
    assert "secret" not in str(refused.value)


def test_unknown_fireworks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_methods.metadata, "version", lambda name: "3.0.1")
    with pytest.raises(MissingEngineError, match=r"FireWorks 3\.0\.1 is not known"):
        embedded_methods._check_version()


def test_import_touches_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; before = dict(os.environ)\n"
        "import cosinter.workflows.launchpad, cosinter.workflows.worker\n"
        "assert 'fireworks' not in sys.modules and 'mongomock' not in sys.modules\n"
        "cosinter.workflows.launchpad.open_launchpad('new.db')\n"
        "assert dict(os.environ) == before\n"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path).returncode == 0
    assert open_file(tmp_path / "new.db").damage() == []


def test_worker_reports_errors_in_one_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "bad.db").write_text("nonsense" * 100)
    assert main(["--address", str(tmp_path / "bad.db"), "--launch-root", str(tmp_path)]) == 1
    assert main(["--address", "http://x", "--launch-root", str(tmp_path)]) == 2
    assert [line[:6] for line in capsys.readouterr().err.splitlines()] == ["error:", "error:"]
