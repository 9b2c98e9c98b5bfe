"""The embedded store among thousands: order of the queue, older files, copies taken in full flight, signs of life."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import bson
import mongomock
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosinter.workflows.embedded import client as client_module
from cosinter.workflows.embedded import methods
from cosinter.workflows.embedded.client import EmbeddedClient
from cosinter.workflows.embedded.connection import USER_VERSION
from cosinter.workflows.embedded.documents import Document
from cosinter.workflows.embedded.serializers import install_serializers
from cosinter.workflows.embedded.store import DocumentFile, Entries
from cosinter.workflows.embedded.turns import Turns
from cosinter.workflows.launchpad import open_launchpad

QUEUE = [("spec._priority", -1), ("created_on", 1)]
FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EmbeddedClient]:
    opened = EmbeddedClient(tmp_path / "fw.db")
    yield opened
    opened.file.close()


# --- the queue ------------------------------------------------------------------------------------------------------

SPECS = st.fixed_dictionaries(
    {},
    optional={
        "_priority": st.sampled_from([0, 1, 2.5, -3, None, True, "high", [2], [], float("inf")]),
        "results": st.sampled_from(["/a", "/b", None, 7, ["/a", "/b"], {"x": 1}]),
    },
)
QUEUED = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["READY", "READY", "READY", "DONE", ["READY"], None, 1]),
        "created_on": st.sampled_from(["2026-01-01T00:00:00", "2026-01-01T00:00:00.5", None, 3, ["2026"]]),
        "spec": SPECS | st.sampled_from([None, [{"results": "/a", "_priority": 9}], "text"]),
    },
)
CLAIMS = st.tuples(
    st.sampled_from(
        [{}, {"spec.results": "/a"}, {"spec.results": {"$in": ["/a"]}}, {"spec.x": {"$exists": False}}]
    ),
    st.sampled_from([QUEUE, QUEUE[:1], [("spec._priority", -1), ("created_on", -1)], [("name", 1)]]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=st.lists(QUEUED, max_size=8), claims=st.lists(CLAIMS, max_size=6))
def test_claims_come_in_the_order_of_mongomock(client: EmbeddedClient, documents: list, claims: list) -> None:
    plain, embedded = mongomock.MongoClient()["db"]["c"], client["db"]["c"]
    embedded.delete_many({})
    for number, document in enumerate(documents):
        plain.insert_one({"_id": number, **document})
        embedded.insert_one({"_id": number, **document})
    for query, sort in claims:
        wanted = {**query, "state": "READY"}
        update = {"$set": {"state": "TAKEN"}}
        assert embedded.find_one(wanted, {"_id": 1}, sort=sort) == plain.find_one(
            wanted, {"_id": 1}, sort=sort
        )
        expected = plain.find_one_and_update(wanted, update, sort=sort)
        assert embedded.find_one_and_update(wanted, update, sort=sort) == expected
    assert list(embedded.find()) == list(plain.find())


def ready(count: int, scopes: int) -> list[dict[str, Any]]:
    return [
        {
            "fw_id": number,
            "state": "READY",
            "created_on": f"2026-01-01T00:00:00.{number:06}",
            "spec": {"_priority": number % 3, "results": f"/{number % scopes}"},
        }
        for number in range(count)
    ]


def test_claiming_reads_one_document_among_many(
    client: EmbeddedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fireworks = client["db"]["fireworks"]
    fireworks.insert_many(ready(300, scopes=3))
    read = []

    class Counted(Document):
        def __init__(self, body: bytes, n: int = 0) -> None:
            read.append(n)
            super().__init__(body, n)

    monkeypatch.setattr(client_module, "Document", Counted)
    taken = fireworks.find_one_and_update(
        {"spec.results": "/1", "state": "READY"}, {"$set": {"state": "RESERVED"}}, sort=QUEUE
    )
    assert taken["fw_id"] == 1
    assert fireworks.find_one({"state": "READY"}, {"fw_id": 1}, sort=QUEUE)["fw_id"] == 2
    assert len(read) <= 4


@pytest.mark.parametrize(
    ("wanted", "index"), [({"state": "READY"}, "state"), ({"scope": "/1", "state": "READY"}, "scope")]
)
def test_the_file_hands_out_the_queue_without_sorting(
    client: EmbeddedClient, monkeypatch: pytest.MonkeyPatch, wanted: dict, index: str
) -> None:
    run, plans = client.file._run, []

    def explained(sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        plans.extend(row[-1] for row in run(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall())
        return run(sql, parameters)

    monkeypatch.setattr(client.file, "_run", explained)
    client.file.first("space", wanted, [("priority", -1), ("created", 1)], lambda n, body: body)
    assert len(plans) == 1
    assert f"USING INDEX document_by_{index}" in plans[0]


def test_many_of_one_state_are_listed_with_few_fields(client: EmbeddedClient) -> None:
    fireworks = client["db"]["fireworks"]
    fireworks.insert_many(ready(30, scopes=3))
    fireworks.update_many({"spec.results": "/2"}, {"$set": {"state": "DONE"}})
    found = list(fireworks.find({"spec.results": "/2", "state": {"$ne": "READY"}}, {"fw_id": 1, "_id": 0}))
    assert found == [{"fw_id": number} for number in range(2, 30, 3)]
    assert fireworks.count_documents({}) == 30
    assert fireworks.count_documents({"state": "DONE"}) == 10
    assert [d["fw_id"] for d in fireworks.aggregate([{"$match": {"state": "DONE"}}, {"$limit": 2}])] == [2, 5]


# --- files ----------------------------------------------------------------------------------------------------------

VERSION_1 = """
CREATE TABLE document (n INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, id BLOB NOT NULL,
    body BLOB NOT NULL, UNIQUE (space, id));
CREATE INDEX document_by_space ON document (space);
CREATE TABLE mark (space TEXT NOT NULL, field TEXT NOT NULL, value NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (space, field, value, n)) WITHOUT ROWID;
CREATE INDEX mark_by_document ON mark (n);
CREATE TABLE definition (space TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (space, name));
PRAGMA application_id = 0x436F5369;
PRAGMA user_version = 1;
"""


def test_file_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "fw.db") as old:
        old.executescript(VERSION_1)
        for number, document in enumerate(ready(20, scopes=2)):
            body = bson.encode({"_id": number, **document})
            n = old.execute(
                "INSERT INTO document (space, id, body) VALUES ('db.fireworks', ?, ?)",
                (bson.encode({"_": number}), body),
            ).lastrowid
            old.executemany(
                "INSERT INTO mark VALUES ('db.fireworks', ?, ?, ?)",
                [("state", "READY", n), ("fw_id", number, n)],
            )
    old.close()
    client = EmbeddedClient(tmp_path / "fw.db")
    fireworks = client["db"]["fireworks"]
    update = {"$set": {"state": "RUNNING"}}
    taken = fireworks.find_one_and_update({"state": "READY", "spec.results": "/1"}, update, sort=QUEUE)
    assert taken["fw_id"] == 5  # the first of "/1" with the highest priority, 2
    assert fireworks.count_documents({"state": "READY"}) == 19
    assert fireworks.find_one({"fw_id": 7})["spec"]["results"] == "/1"
    assert client.file._all("PRAGMA user_version") == [(USER_VERSION,)]
    assert client.file._all("SELECT count(*) FROM mark WHERE field = 'state'") == [(0,)]
    assert client.file.damage() == []
    client.file.close()


def write_and_confirm(folder: Path, writer: int) -> None:
    file = DocumentFile(folder / "store.db")
    for number in range(10_000):
        name = f"{writer}-{number}"
        with file.transaction():
            file.put("space", name.encode(), name.encode() * 40, Entries())
            file.put("latest", f"{writer}".encode(), name.encode(), Entries())
        with (folder / "confirmed").open("a") as confirmed:
            confirmed.write(f"{name}\n")


def contents(path: Path) -> dict[int, list[int]]:
    """Numbers of the documents of each writer in a copy, which must be sound and tell one story."""
    copy = DocumentFile(path)
    assert copy.damage() == []
    found: dict[int, list[int]] = {0: [], 1: []}
    for _, body in copy.select("space"):
        writer, number = body[: len(body) // 40].decode().split("-")
        found[int(writer)].append(int(number))
    latest = {body.decode() for _, body in copy.select("latest")}
    assert latest == {f"{writer}-{numbers[-1]}" for writer, numbers in found.items() if numbers}
    copy.close()
    return found


def safe_log_bytes(path: Path) -> int:
    """Least length of the log that a crash can leave: frames that a checkpoint began to move into the file were synced before.

    nBackfillAttempted of the index of the log, https://www.sqlite.org/walformat.html#walidxfmt; header 32, frame 24 + page.
    """
    frames = int.from_bytes(Path(f"{path}-shm").read_bytes()[128:132], sys.byteorder)
    page = int.from_bytes(path.read_bytes()[16:18], "big")
    return 32 + frames * (24 + page) if frames else 0


@FORK
@FORKS
def test_copies_taken_in_full_flight_hold_all_that_was_confirmed(tmp_path: Path) -> None:
    """What lies on the disk at any moment is sound; with the end of the log cut off it is an earlier state."""
    dice = random.Random(4)
    (tmp_path / "confirmed").touch()
    DocumentFile(tmp_path / "store.db").close()
    writers = []
    for writer in range(2):
        child = os.fork()
        if not child:
            try:
                write_and_confirm(tmp_path, writer)
            finally:
                os._exit(1)
        writers.append(child)
    try:
        for attempt in range(15):
            time.sleep(dice.uniform(0.01, 0.1))
            for child in writers:
                os.kill(child, signal.SIGSTOP)
                os.waitpid(child, os.WUNTRACED)
            confirmed = (tmp_path / "confirmed").read_text().split()
            copy = tmp_path / f"copy{attempt}" / "store.db"
            copy.parent.mkdir()
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{tmp_path}/store.db{suffix}", f"{copy}{suffix}")
            shutil.copytree(copy.parent, tmp_path / f"cut{attempt}")
            least = safe_log_bytes(tmp_path / "store.db")
            for child in writers:
                os.kill(child, signal.SIGCONT)
            whole = contents(copy)
            for writer, numbers in whole.items():
                assert numbers == list(range(len(numbers)))
                assert len(numbers) >= sum(name.startswith(f"{writer}-") for name in confirmed)
            log = tmp_path / f"cut{attempt}" / "store.db-wal"
            size = log.stat().st_size
            os.truncate(log, dice.randint(min(least, size), size))
            for writer, numbers in contents(tmp_path / f"cut{attempt}" / "store.db").items():
                assert numbers == whole[writer][: len(numbers)]
    finally:
        for child in writers:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert confirmed


@FORK
@FORKS
def test_a_turn_ends_with_its_process_and_is_not_inherited(tmp_path: Path) -> None:
    mine = Turns(tmp_path / "store.db")
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        Turns(tmp_path / "store.db").take()
        os.write(sender, b"x")
        time.sleep(60)
        os._exit(0)
    assert os.read(receiver, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    mine.take()
    child = os.fork()
    if not child:
        mine.close()
        mine = Turns(tmp_path / "store.db")
        signal.alarm(10)  # ends this process if the turn never comes
        mine.take()
        os._exit(0)
    time.sleep(0.1)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    mine.hand_on()
    assert os.waitpid(child, 0)[1] == 0
    mine.close()
    os.close(receiver)
    os.close(sender)


# --- FireWorks made faster ------------------------------------------------------------------------------------------


@pytest.fixture
def launchpad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    opened = open_launchpad(tmp_path / "fw.db")
    yield opened
    opened.connection.file.close()


def running(launchpad: Any, folder: Path) -> int:
    from fireworks import Firework, FWorker
    from launchpad_probe import Note

    launchpad.add_wf(Firework(Note(file=str(folder / "notes"), word="a")))
    launch_id: int = launchpad.checkout_fw(FWorker(), str(folder))[1]
    return launch_id


def heard(launchpad: Any, launch_id: int) -> Any:
    return launchpad.launches.find_one({"launch_id": launch_id})["state_history"][-1]


def test_pings_are_written_once_per_second_and_checkpoints_always(
    launchpad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_id = running(launchpad, tmp_path)
    first = heard(launchpad, launch_id)["updated_on"]
    launchpad.ping_launch(launch_id)
    assert heard(launchpad, launch_id)["updated_on"] == first
    monkeypatch.setattr(methods, "FRESH", timedelta(0))
    launchpad.ping_launch(launch_id)
    assert heard(launchpad, launch_id)["updated_on"] > first
    launchpad.ping_launch(
        launch_id, checkpoint={"_task_n": 1, "_all_stored_data": {"when": datetime(2026, 1, 1)}}
    )
    assert launchpad.connection.file._durable
    checkpoint = heard(launchpad, launch_id)["checkpoint"]
    assert checkpoint == {"_task_n": 1, "_all_stored_data": {"when": "2026-01-01T00:00:00"}}
    assert launchpad.get_launch_by_id(launch_id).state == "RUNNING"
    ours = launchpad.launches.find_one({"launch_id": launch_id})
    launchpad.ping_launch(launch_id, ptime=datetime(2026, 5, 4, tzinfo=UTC))
    assert heard(launchpad, launch_id)["updated_on"] == "2026-05-04T00:00:00+00:00"
    assert launchpad.launches.find_one({"launch_id": launch_id}).keys() == ours.keys()
    for unusual in ({}, {"updated_on": None}, {"updated_on": "2026-01-01T00:00:00"}, {"updated_on": "soon"}):
        changed = {"$set": {"state_history": [{"state": "RUNNING", "created_on": first, **unusual}]}}
        launchpad.launches.update_one({"launch_id": launch_id}, changed)
        launchpad.ping_launch(launch_id)
        assert heard(launchpad, launch_id)["updated_on"] > first
    with pytest.raises(ValueError, match="No Launch exists"):
        launchpad.ping_launch(99)


def test_a_ping_does_not_revive_what_ended(launchpad: Any, tmp_path: Path) -> None:
    from fireworks import FWAction

    launch_id = running(launchpad, tmp_path)
    launchpad.complete_launch(launch_id, FWAction())
    before = launchpad.launches.find_one({"launch_id": launch_id})
    launchpad.ping_launch(launch_id, ptime=datetime.now(UTC))
    assert launchpad.launches.find_one({"launch_id": launch_id}) == before


def test_state_changes_wait_for_the_disk_and_pings_do_not(launchpad: Any, tmp_path: Path) -> None:
    file = launchpad.connection.file
    launch_id = running(launchpad, tmp_path)
    assert file._all("PRAGMA synchronous") == [(2,)]
    launchpad.ping_launch(launch_id, ptime=datetime.now(UTC))
    assert file._all("PRAGMA synchronous") == [(1,)]
    launchpad.mark_fizzled(launch_id)
    assert file._all("PRAGMA synchronous") == [(2,)]


def fresh_serializers() -> ModuleType:
    """FireWorks' module as it was written, whatever was installed in the one that is in use."""
    spec = importlib.util.find_spec("fireworks.utilities.fw_serializers")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TEXTS = st.text(max_size=6) | st.sampled_from(
    ["2026-11-24T03:22:02.5+00:00", "2026-11-24T03:22:02", "T", "2T", "2026-11-24", "1T1", "PyTask", "²T"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXTS
    | st.datetimes()
    | st.binary(max_size=3)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(TEXTS | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=VALUES)
def test_faster_serializers_give_the_same(value: Any) -> None:
    stock, ours = STOCK, OURS
    for function in ("recursive_dict", "_recursive_load"):
        expected, found = getattr(stock, function)(value), getattr(ours, function)(value)
        assert found == expected
        assert repr(found) == repr(expected)  # 1, 1.0 and True are equal


STOCK, OURS = fresh_serializers(), fresh_serializers()
install_serializers(OURS)
