"""Looking after a run: status, logs, rerun, rebuild, cancel, SIGTERM, older versions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STUDY = """
name: small
cases: [{name: bare}]
furnace: {segments: [{ramp_K_per_min: 10, to_C: 500}, {cool_K_per_min: 10, to_C: 25}]}
atomistic: {relax: [nio], barriers: [], phonons: [], interfaces: []}
diffraction: {temperatures_C: [500]}
uncertainty_samples: SAMPLES
"""
MAIN = "from cosinter.workflows.cli import main; main()"


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def cosinter(*arguments: str | Path) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def study_file(folder: Path, samples: int = 0) -> Path:
    path = folder / "small.yaml"
    path.write_text(STUDY.replace("SAMPLES", str(samples)), encoding="utf-8")
    return path


def wait_until(condition: Callable[[], Any], limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited state did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    code, _, err = cosinter("run", study_file(folder), "--out", folder / "alone" / "out")
    assert code == 0, err
    return folder / "alone" / "out"


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "alone" / "out"))


def states(root: Path) -> set[str]:
    code, out, err = cosinter("lpad", "--results", root, "get_fws", "-d", "less")
    assert code == 0, err
    rows = json.loads(out)
    return {row["state"] for row in (rows if isinstance(rows, list) else [rows])}


def test_status_tells_times_and_watching_ends_with_the_run(run: Path) -> None:
    code, out, _ = cosinter("status", run, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["counts"] == {"done": len(found["stages"])}
    assert not found["active"]
    assert all(stage["seconds"] > 0.0 and not stage["older"] for stage in found["stages"])
    code, out, _ = cosinter("status", run, "--watch", "--json")
    assert code == 0
    assert {json.loads(line)["state"] for line in out.splitlines()} == {"done"}


def test_logs_are_told_in_the_order_of_time(run: Path) -> None:
    _, out, _ = cosinter("logs", run, "--json", "--tail", "1000")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert {event["event"] for event in events} == {"started", "finished"}
    assert cosinter("logs", run, "sinter-bar")[0] == 2


@pytest.mark.parametrize("harm", ["lost", "damaged", "no plan"])
def test_the_index_is_made_again_from_the_files(copy: Path, harm: str) -> None:
    for path in copy.glob("launchpad.db*"):
        path.unlink()
    if harm == "damaged":
        (copy / "launchpad.db").write_bytes(b"no database at all" * 1000)
    if harm == "no plan":
        (copy / "plan.json").unlink()
    code, out, err = cosinter("status", copy, "--rebuild", "--json")
    assert code == 0, err
    made = json.loads(out)
    assert made["open"] == 0
    assert (made["set_aside"] is not None) == (harm == "damaged")
    assert states(copy) == {"COMPLETED"}
    code, out, _ = cosinter("run", copy.parents[1] / "none.yaml")
    assert code == 2
    assert cosinter("status", copy)[0] == 0


def test_running_again_gives_the_same_and_keeps_the_old(copy: Path) -> None:
    code, out, err = cosinter("rerun", copy, "relax-nio", "sinter-bare", "--json")
    assert code == 0, err
    done = json.loads(out)
    assert sorted(done["ran"]) == ["relax-nio", "sinter-bare"]
    assert done["changed"] == []
    assert sorted(done["same"]) == ["relax-nio", "sinter-bare"]
    kept = list((copy / "stages" / "sinter-bare").glob("*-before-*"))
    assert len(kept) == 1
    assert cosinter("rerun", copy, "sinter-bar")[0] == 2


def test_results_of_another_version_are_kept_on_demand(copy: Path, tmp_path: Path) -> None:
    """As after an update: the keys of the stages on disk are not those of the installed version."""
    for path in copy.glob("stages/*/*"):
        other = path.with_name(path.name[::-1])
        path.rename(other)
        record = json.loads((other / "stage.json").read_bytes())
        record["key"] = other.name
        record["after"] = {name: key[::-1] for name, key in record["after"].items()}
        record["engines"] = {name: "0.1" for name in record["engines"]}
        (other / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    study = study_file(tmp_path)
    code, out, err = cosinter("run", study, "--out", copy, "--accept-older", "--json")
    assert code == 0, err
    assert json.loads(out)["ran"] == []
    _, out, _ = cosinter("status", copy, "--json")
    assert all(stage["older"] for stage in json.loads(out)["stages"])
    code, _, err = cosinter("run", study, "--out", copy)
    assert code == 0
    assert "run again because other versions made their results" in err
    assert "0.1 ->" in err


@pytest.mark.parametrize("how", ["SIGTERM", "cosinter cancel"])
def test_a_run_that_is_stopped_leaves_nothing_behind(tmp_path: Path, how: str) -> None:
    root = tmp_path / "out"
    process = start("run", study_file(tmp_path, samples=5000), "--out", root)
    wait_until(lambda: (root / "log" / "sinter-bare.jsonl").exists())
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        code, out, err = cosinter("cancel", root)
        assert code == 0, err
        assert "stopped" in out
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted" in err
    assert not workers_of(root)
    _, out, _ = cosinter("status", root, "--json")
    found = json.loads(out)
    assert not found["active"]
    assert found["counts"].get("failed", 0) + found["counts"].get("waiting", 0) > 0
    assert "FIZZLED" in states(root)
    assert cosinter("cancel", root)[0] == 2


def workers_of(root: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cosinter.workflows.launchpad" in words and str(root / "launchpad.db").encode() in words:
            found.append(int(entry.parent.name))
    return [pid for pid in found if pid != os.getpid()]
