"""The commands for queues as a user of a cluster types them, on a queue of small programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cosinter.data.exceptions import InputError, StudyError
from cosinter.workflows.cli import app

STUDY = """
name: small
cases: [{name: bare}]
furnace: {segments: [{ramp_K_per_min: 10, to_C: 500}, {cool_K_per_min: 10, to_C: 25}]}
atomistic: {relax: [nio], barriers: [], phonons: [], interfaces: []}
diffraction: {temperatures_C: [500]}
uncertainty_samples: 0
resources: {"relax-*": {memory_GB: 3, partition: short}}
"""


@pytest.fixture
def queue_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import fake_slurm

    folder = tmp_path / "slurm"
    monkeypatch.setenv("PATH", f"{fake_slurm.install(folder)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY, encoding="utf-8")
    Path("queue.yaml").write_text(yaml.safe_dump({"system": "slurm", "poll_s": 0.2}), encoding="utf-8")
    return folder


def cosinter(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


def mistake(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def test_submit_leave_look_and_go_on(queue_folder: Path) -> None:
    import fake_slurm

    words = ("submit", "study.yaml", "--queue", "queue.yaml", "--out", "out", "--once", "--json")
    sent = json.loads(cosinter(*words))["in_queue"]
    assert "relax-nio" in sent
    script = fake_slurm.jobs(queue_folder)[sent["relax-nio"]]["script"]
    assert "--partition=short" in script
    assert "--mem=3000M" in script
    assert {row["job"] for row in json.loads(cosinter("queue", "list", "out", "--json"))} == set(
        sent.values()
    )
    assert "are in the queue" in mistake("run", "study.yaml", "--out", "out")
    done = json.loads(cosinter("queue", "tend", "out", "--json"))
    assert done["failed"] == []
    assert Path("out/report.html").is_file()
    rows = json.loads(cosinter("status", "out", "--json"))["stages"]
    assert {row["state"] for row in rows} == {"done"}
    assert all(row["job_id"] in fake_slurm.jobs(queue_folder) for row in rows)
    assert "no job of out is in the queue" in mistake("queue", "cancel", "out")


def test_a_sweep_goes_through_the_queue(queue_folder: Path) -> None:
    import fake_slurm

    words = (
        "sweep",
        "study.yaml",
        "--vary",
        "furnace.hold_C=400,500",
        "--vary",
        "compensator.wt_percent=0",
        "--json",
    )
    Path("study.yaml").write_text(
        STUDY.replace("to_C: 500}, {", "to_C: 500}, {hold_h: 0.1}, {"), encoding="utf-8"
    )
    here = json.loads(cosinter(*words, "--results", "first/here"))
    queued = json.loads(cosinter(*words, "--results", "second/queued", "--queue", "queue.yaml"))
    assert queued["failed"] == 0
    assert queued["rows"] == here["rows"]
    assert fake_slurm.jobs(queue_folder)


def test_a_queue_file_is_shown_and_checked(queue_folder: Path) -> None:
    shown = cosinter("queue", "check", "queue.yaml", "--stage", "sinter-bare")
    assert "#SBATCH --mem=4000M" in shown
    assert "the queue answers, 0 of your jobs are in it" in shown
    Path("mine.yaml").write_text(cosinter("queue", "template", "slurm"), encoding="utf-8")
    assert json.loads(cosinter("queue", "check", "mine.yaml", "--json"))["your_jobs"] == 0


def test_mistakes_leave_nothing_behind(queue_folder: Path) -> None:
    Path("bad.yaml").write_text("system: slurm\nmax_queued: 0", encoding="utf-8")
    result = CliRunner().invoke(app, ["submit", "study.yaml", "--queue", "bad.yaml", "--out", "out"])
    assert isinstance(result.exception, StudyError)
    assert "bad.yaml, line 2: max_queued = 0" in str(result.exception)
    Path("study.yaml").write_text(STUDY.replace("short", "'short; rm'"), encoding="utf-8")
    assert "partition" in mistake("submit", "study.yaml", "--queue", "queue.yaml", "--out", "out")
    assert not Path("out").exists()
    Path("out").mkdir()
    assert "not a results folder" in mistake("queue", "tend", "out")
