"""FireWorks' own commands and web page on an embedded store, through cosinter's doors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cosinter.workflows.cli import app
from cosinter.workflows.launchpad import open_launchpad


@pytest.fixture
def launchpad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from fireworks import Firework, Workflow

    monkeypatch.syspath_prepend(Path(__file__).parent)
    from launchpad_probe import FailUnless, Note

    monkeypatch.delenv("COSINTER_LAUNCHPAD", raising=False)
    monkeypatch.chdir(tmp_path)
    opened = open_launchpad(tmp_path / "launchpad.db")
    first = Firework(Note(file=str(tmp_path / "said"), word="done"), name="say")
    second = Firework(FailUnless(file=str(tmp_path / "none")), name="fail", parents=[first])
    opened.add_wf(Workflow([first, second], name="two"))
    yield opened
    opened.connection.file.close()


def cosinter(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def states(launchpad: Any) -> dict[str, str]:
    return {row["name"]: row["state"] for row in launchpad.fireworks.find()}


def test_rlaunch_and_lpad_work_on_the_store(
    launchpad: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cosinter("rlaunch", "--launchpad", tmp_path / "launchpad.db", "rapidfire", "--nlaunches", "2")
    assert states(launchpad) == {"say": "COMPLETED", "fail": "FIZZLED"}
    assert (tmp_path / "said").read_text() == "done\n"
    listed = cosinter("lpad", "--results", tmp_path, "get_wflows", "-d", "less")
    assert json.loads(listed or capfd.readouterr().out)["state"] == "FIZZLED"
    failed = launchpad.fireworks.find_one({"name": "fail"})["fw_id"]
    cosinter("lpad", "--results", tmp_path, "rerun_fws", "-i", str(failed))
    assert states(launchpad)["fail"] == "READY"


def test_the_file_for_stock_commands_is_private_and_goes(launchpad: Any, tmp_path: Path) -> None:
    import tempfile

    before = set(Path(tempfile.gettempdir()).glob("my_launchpad-*"))
    cosinter("lpad", "--results", tmp_path, "get_fws", "-d", "count")
    assert set(Path(tempfile.gettempdir()).glob("my_launchpad-*")) <= before


def test_the_web_page_lists_the_fireworks(launchpad: Any) -> None:
    from fireworks.flask_site.app import app as site

    site.lp = launchpad
    client = site.test_client()
    page = client.get("/")
    assert page.status_code == 200
    assert "two" in page.get_data(as_text=True)
    fw_id = launchpad.fireworks.find_one({"name": "say"})["fw_id"]
    assert client.get(f"/fw/{fw_id}").status_code == 200


def test_show_counts_and_names_the_place(launchpad: Any, tmp_path: Path) -> None:
    found = json.loads(cosinter("launchpad", "show", "--results", tmp_path, "--json"))
    assert found["kind"] == "embedded store"
    assert found["fireworks"] == {"READY": 1, "WAITING": 1}
    assert found["workflows"] == 1


def test_a_copy_is_made_once(launchpad: Any, tmp_path: Path) -> None:
    words = (
        "launchpad",
        "copy",
        "--from",
        tmp_path / "launchpad.db",
        "--to",
        tmp_path / "other.db",
        "--json",
    )
    assert json.loads(cosinter(*words))["fireworks"] == 2
    assert json.loads(cosinter(*words)) == {"workflows": 0, "fireworks": 0, "launches": 0, "already": 1}


@pytest.mark.parametrize(
    "words",
    [
        ("launchpad", "show", "--launchpad", "none.db"),
        ("launchpad", "copy", "--from", "none.db", "--to", "other.db"),
        ("launchpad", "copy", "--from", "launchpad.db", "--to", "launchpad.db"),
        ("launchpad", "copy", "--from", "launchpad.db", "--to", "other.db", "--study", "none"),
        ("lpad",),
        ("lpad", "--results", "none", "get_wflows"),
    ],
)
def test_mistakes_are_the_users(launchpad: Any, words: tuple[str, ...]) -> None:
    from cosinter.data.exceptions import InputError

    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, InputError)
    assert not Path("none").exists()
    assert not Path("none.db").exists()
