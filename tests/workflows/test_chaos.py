"""A short campaign of kills, and the proof that it would see what it looks for; the long one is `benchmarks.chaos`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and adopted orphans")


def test_kills_lose_repeat_and_damage_nothing() -> None:
    """In a process of its own, since children are forked from one that has no other threads."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.chaos",
        "--kills",
        "25",
        "--fireworks",
        "60",
        "--claims",
        "60",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("25 kills -9:")
    assert done.stderr == ""


@pytest.fixture
def launchpad(tmp_path: Path) -> Iterator[Any]:
    from cosinter.workflows.launchpad import open_launchpad

    opened = open_launchpad(tmp_path / "fw.db")
    yield opened
    opened.connection.file.close()


@pytest.mark.parametrize(
    ("harm", "finding"),
    [
        (lambda lp, folder: lp.workflows.update_one({}, {"$set": {"locked": True}}), "stale locks"),
        (
            lambda lp, folder: lp.fireworks.update_one({"fw_id": 1}, {"$set": {"state": "COMPLETED"}}),
            "inconsistent states",
        ),
        (
            lambda lp, folder: lp.fireworks.update_one({"fw_id": 1}, {"$set": {"state": "FIZZLED"}}),
            "lost results",
        ),
        (lambda lp, folder: (folder / "confirmed").write_text("p1 COMPLETED\n"), "lost results"),
        (lambda lp, folder: (folder / "both").write_text("p1\n"), "double runs"),
        (lambda lp, folder: (folder / "made" / "p1").write_text("half"), "corrupt files"),
        (
            lambda lp, folder: lp.launches.insert_many(
                [{"launch_id": i, "fw_id": 1, "state": "COMPLETED"} for i in (1, 2)]
            ),
            "double runs",
        ),
    ],
)
def test_the_campaign_sees_harm(
    launchpad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Any, finding: str
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import chaos

    chaos.make_round(tmp_path)
    launchpad.bulk_add_wfs(chaos.pieces(tmp_path, 0, chaos.BATCH))
    chaos.check(launchpad, tmp_path, running=0)
    assert chaos.lines(tmp_path / "found") == []
    harm(launchpad, tmp_path)
    chaos.check(launchpad, tmp_path, running=0)
    assert finding in {" ".join(words[:2]) for words in chaos.lines(tmp_path / "found")}
