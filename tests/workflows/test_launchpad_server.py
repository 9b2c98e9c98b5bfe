"""A LaunchPad on a server: real pymongo over the wire. A real MongoDB is used as well where MONGODB_URI names one."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cosinter.data.exceptions import StorageError
from cosinter.workflows.addresses import find_address
from cosinter.workflows.flows import run_plan
from cosinter.workflows.jobs import our_jobs
from cosinter.workflows.launchpad import open_launchpad
from cosinter.workflows.launchpad_copy import ORIGIN, copy_workflows
from cosinter.workflows.plan import Stage, keyed

SECRET = "hush-hush"


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["wire", "mongod"])
def uri(request: pytest.FixtureRequest) -> Iterator[str]:
    import mongo_server
    import pymongo

    if request.param == "mongod":
        given = os.environ.get("MONGODB_URI")
        if not given:
            pytest.skip("MONGODB_URI names no MongoDB server")
        name = f"cosinter_test_{uuid.uuid4().hex[:8]}"
        yield f"{given.rstrip('/')}/{name}"
        with pymongo.MongoClient(given) as client:
            client.drop_database(name)
    else:
        with mongo_server.running() as (_, port):
            yield f"mongodb://127.0.0.1:{port}/fireworks"


@pytest.fixture
def launchpad(uri: str) -> Iterator[Any]:
    opened = open_launchpad(uri)
    yield opened
    opened.connection.close()


def plan() -> Any:
    relax = [
        Stage(f"relax-{name}", "relax", {"name": name, "calculator": "pmmcs", "seed": 1}) for name in ("nio",)
    ]
    return keyed("on a server", relax)


def files(tmp_path: Path, **content: Any) -> Path:
    path = tmp_path / "my_launchpad.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_plan_runs_with_its_launchpad_on_a_server(uri: str, tmp_path: Path) -> None:
    outcome = run_plan(plan(), tmp_path / "out", workers=1, address=find_address(uri))
    assert outcome.complete
    assert not (tmp_path / "out" / "launchpad.db").exists()
    launchpad = open_launchpad(uri)
    assert [job.state for job in our_jobs(launchpad, tmp_path / "out")] == ["COMPLETED"]
    launchpad.connection.close()


def test_two_clients_make_a_database_ready_at_once(uri: str) -> None:
    from fireworks import Firework, ScriptTask

    first, second = open_launchpad(uri), open_launchpad(uri)
    for launchpad in (first, second):
        launchpad.add_wf(Firework(ScriptTask.from_str("true")))
    assert first.get_fw_ids() == [1, 2]
    assert first.fw_id_assigner.count_documents({}) == 1
    first.connection.close()
    second.connection.close()


@pytest.mark.parametrize("back", [False, True], ids=["to the server", "and back"])
def test_copies_lose_nothing(launchpad: Any, tmp_path: Path, back: bool) -> None:
    """Finished, failed, rerun and waiting jobs, and a result too large for a document."""
    from fireworks import Firework, FWAction, Workflow
    from fireworks.core.fworker import FWorker
    from launchpad_probe import Note

    here = open_launchpad(tmp_path / "fw.db")
    made = [Firework(Note(file="x", word=word), name=word) for word in ("a", "b", "c")]
    made[2].parents = []
    here.add_wf(
        Workflow(made, {made[0]: [made[1]], made[1]: [made[2]]}, name="chain", metadata={"study": "s"})
    )
    ids = {row["name"]: row["fw_id"] for row in here.fireworks.find()}
    _, launch = here.checkout_fw(FWorker(), ".", fw_id=ids["a"])
    here.complete_launch(launch, FWAction(stored_data={"big": "x" * 17_000_000}), "COMPLETED")
    _, launch = here.checkout_fw(FWorker(), ".", fw_id=ids["b"])
    here.complete_launch(launch, FWAction(stored_data={"why": "broken"}), "FIZZLED")
    here.rerun_fw(ids["b"])
    assert copy_workflows(here, launchpad, origin="here", study="s").fireworks == 3
    assert copy_workflows(here, launchpad, origin="here", study="s").already == 1
    goal = launchpad
    if back:
        goal = open_launchpad(tmp_path / "third.db")
        assert copy_workflows(launchpad, goal, origin="server").workflows == 1
    assert told(goal) == told(here)
    big = next(row for row in goal.launches.find() if "gridfs_id" in (row.get("action") or {}))
    assert len(goal.get_launch_by_id(big["launch_id"]).action.stored_data["big"]) == 17_000_000
    assert goal.workflows.find_one()["metadata"][ORIGIN]["origin"] == ("server" if back else "here")
    assert goal.run_exists()


def told(launchpad: Any) -> Any:
    """What a LaunchPad tells, whatever its identifiers are."""
    names = {row["fw_id"]: row["name"] for row in launchpad.fireworks.find()}
    fireworks = {
        row["name"]: (
            row["state"],
            len(row["launches"]),
            len(row["archived_launches"]),
            row["spec"],
            row["created_on"],
        )
        for row in launchpad.fireworks.find()
    }
    launches = sorted(
        (names[row["fw_id"]], row["state"], str(row["state_history"]), row["launch_dir"])
        for row in launchpad.launches.find()
    )
    workflow = launchpad.workflows.find_one()
    links = {names[int(k)]: sorted(names[i] for i in v) for k, v in workflow["links"].items()}
    states = {names[int(k)]: v for k, v in workflow["fw_states"].items()}
    return fireworks, launches, links, states, workflow["name"], workflow["state"]


# --- what goes wrong ----------------------------------------------------------------------------------------------


def refusal(address: Any) -> str:
    begin = time.monotonic()
    with pytest.raises(StorageError) as refused:
        open_launchpad(find_address(address))
    assert time.monotonic() - begin < 5.0
    text = str(refused.value)
    chain: BaseException | None = refused.value
    while chain is not None:
        assert SECRET not in f"{chain}{chain!r}"
        chain = chain.__cause__
    assert len(text.splitlines()) == 1
    return text


def test_a_password_opens_the_door_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    import mongo_server

    with mongo_server.running(mongo_server.Login("me", SECRET)) as (_, port):
        place = {
            "host": "127.0.0.1",
            "port": port,
            "name": "fireworks",
            "username": "me",
            "authsource": "admin",
        }
        right = find_address(files(tmp_path, **place, password=SECRET))
        assert (
            SECRET not in f"{right}{right!r}{right.shown}{right.child_arguments()}{right.child_environment()}"
        )
        opened = open_launchpad(right)
        opened.connection.close()
        assert "password for mongodb://127.0.0.1" in refusal(files(tmp_path, **place, password="wrong"))
        assert "password" in refusal(
            f"mongodb://me:wrong{SECRET}@127.0.0.1:{port}/fireworks?authSource=admin"
        )
        assert "may not read and write" in refusal(f"mongodb://127.0.0.1:{port}/fireworks")


def test_a_user_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    import mongo_server

    with mongo_server.running(mongo_server.Login("me", SECRET, writes=False)) as (_, port):
        assert "may not read and write" in refusal(
            f"mongodb://me:{SECRET}@127.0.0.1:{port}/fireworks?authSource=admin"
        )


def test_a_database_of_something_else_is_left_alone() -> None:
    import mongo_server

    with mongo_server.running() as (server, port):
        server.backend.client["shop"]["orders"].insert_one({"a": 1})
        assert "holds orders and no launchpad" in refusal(f"mongodb://127.0.0.1:{port}/shop")
        assert server.backend.client["shop"].list_collection_names() == ["orders"]


def test_hosts_that_are_not_there_are_told() -> None:
    assert "no MongoDB server listens" in refusal(f"mongodb://me:{SECRET}@127.0.0.1:1/x")
    assert "is not known" in refusal(f"mongodb://me:{SECRET}@no-such-host.invalid/x")
    assert "cannot be used" in refusal(f"mongodb://me:{SECRET}@127.0.0.1:99999999/x")


def test_nothing_is_written_where_the_server_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no MongoDB server listens"):
        run_plan(plan(), tmp_path / "out", address=find_address("mongodb://127.0.0.1:1/x"))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the certificate, is missing"
)
def test_tls_options_pass_through(tmp_path: Path) -> None:
    import mongo_server

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with mongo_server.running(context=context) as (_, port):
        place = {"host": "127.0.0.1", "port": port, "name": "fireworks"}
        trusted = {"tls": True, "tlsCAFile": str(certificate)}
        opened = open_launchpad(find_address(files(tmp_path, **place, mongoclient_kwargs=trusted)))
        opened.connection.close()
        assert "cannot be trusted" in refusal(files(tmp_path, **place, mongoclient_kwargs={"tls": True}))
        assert "TLS" in refusal(files(tmp_path, **place))
