"""Results on disk: whole or absent, never half."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError, StorageError
from cosinter.workflows.results import Results, digest, storage_errors, write_atomically


def finish(results: Results, stage: str = "s", key: str = "k", text: str = "{}") -> None:
    with results.writing(stage, key) as folder:
        (folder / "result.json").write_text(text, encoding="utf-8")


def test_a_finished_stage_is_complete_and_readable(tmp_path: Path) -> None:
    results = Results(tmp_path)
    finish(results, text='{"a": 1}')
    assert results.is_complete("s", "k")
    assert results.read("s", "k").data == {"a": 1}
    assert [event["event"] for event in results.events("s")] == ["started", "finished"]


def test_a_failed_stage_leaves_no_result_but_a_line_in_the_log(tmp_path: Path) -> None:
    results = Results(tmp_path)
    with pytest.raises(ValueError, match="boom"), results.writing("s", "k") as folder:
        (folder / "result.json").write_text("{}", encoding="utf-8")
        raise ValueError("boom\nand details")
    assert not results.is_complete("s", "k")
    assert list((tmp_path / "stages" / "s").iterdir()) == []
    assert results.events("s")[-1]["message"] == "boom"


@pytest.mark.parametrize("damage", ["stage.json", "result.json"])
def test_a_damaged_result_does_not_count(tmp_path: Path, damage: str) -> None:
    results = Results(tmp_path)
    finish(results)
    (results.folder("s", "k") / damage).write_text("{", encoding="utf-8")
    assert not results.is_complete("s", "k")


def test_a_killed_writer_leaves_nothing_that_counts(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from cosinter.workflows.results import Results\n"
        "with Results(Path(sys.argv[1])).writing('s', 'k') as folder:\n"
        "    (folder / 'result.json').write_text('{}'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    results = Results(tmp_path)
    assert ended.returncode == -9
    assert not results.is_complete("s", "k")
    results.sweep()
    assert list((tmp_path / "stages" / "s").iterdir()) == []
    finish(results)
    assert results.is_complete("s", "k")


def test_the_lock_keeps_a_second_run_out(tmp_path: Path) -> None:
    with (
        Results(tmp_path).lock(),
        pytest.raises(InputError, match="another cosinter run"),
        Results(tmp_path).lock(),
    ):
        pytest.fail("two runs held the same folder")
    with Results(tmp_path).lock():
        assert (tmp_path / ".lock").exists()


def test_no_access_is_the_users_mistake(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="no write access"), Results(blocker / "out").lock():
        pytest.fail("a folder below a file was made")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is full"), storage_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_atomic_writing_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(OSError, match=r"Is a directory|File exists|Not a directory"):
        write_atomically(tmp_path / "a.json" / "b", "x")
    assert path.read_text(encoding="utf-8") == "old"


@given(st.dictionaries(st.text(max_size=5), st.integers(), min_size=2, max_size=6))
def test_the_digest_does_not_depend_on_the_order_of_keys(content: dict[str, int]) -> None:
    turned = dict(reversed(content.items()))
    assert digest(content) == digest(turned)
    assert digest(content) != digest({**content, "": -1, "more": json.dumps(content)})
