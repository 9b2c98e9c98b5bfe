from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import bson
import mongomock
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import ReturnDocument
from pymongo.errors import DocumentTooLarge, DuplicateKeyError

from cosinter.data.exceptions import StorageError
from cosinter.workflows.embedded import connection as sqlite_connection
from cosinter.workflows.embedded import transactions as sqlite_transactions
from cosinter.workflows.embedded.client import EmbeddedClient
from cosinter.workflows.embedded.documents import MAX_DOCUMENT_BYTES
from cosinter.workflows.embedded.store import DocumentFile, Entries, open_file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[DocumentFile]:
    opened = open_file(tmp_path / "store.db")
    yield opened
    opened.close()


def put(file: DocumentFile, name: str, body: str = "body") -> None:
    file.put("space", name.encode(), body.encode(), Entries(frozenset({("word", name)})))


def names(file: DocumentFile) -> list[str]:
    return [body.decode() for _, body in file.select("space")]


# --- transactions ---------------------------------------------------------------------------------------------


def test_documents_come_back_in_order_of_arrival_and_by_key(file: DocumentFile) -> None:
    for name in "cab":
        put(file, name, name)
    put(file, "a", "A")
    assert names(file) == ["c", "A", "b"]
    assert file.select("space", "word", ["a", "b"]) == [(2, b"A"), (3, b"b")]
    assert file.select("space", "word", [f"no{i}" for i in range(2000)] + ["c"]) == [(1, b"c")]
    assert file.remove("space", b"a")
    assert not file.remove("space", b"a")
    assert file.select("space", "word", ["a"]) == []


def test_ordinary_exception_keeps_what_was_done_and_a_stop_does_not(file: DocumentFile) -> None:
    with pytest.raises(KeyError), file.transaction():
        put(file, "kept", "kept")
        raise KeyError
    with pytest.raises(KeyboardInterrupt), file.transaction():
        put(file, "lost", "lost")
        raise KeyboardInterrupt
    assert names(file) == ["kept"]


def test_other_process_sees_nothing_of_an_open_transaction(file: DocumentFile) -> None:
    with sqlite3.connect(file.path) as other:
        with file.transaction():
            put(file, "a")
            assert other.execute("SELECT count(*) FROM document").fetchone() == (0,)
        assert other.execute("SELECT count(*) FROM document").fetchone() == (1,)
    other.close()


def test_interrupt_waits_for_the_transaction(file: DocumentFile) -> None:
    after = []
    with pytest.raises(SystemExit), file.transaction():
        with file.transaction():
            file.interrupt(SystemExit(1))
            put(file, "done", "done")
        after.append("still inside")
    assert after
    assert names(file) == ["done"]
    with pytest.raises(SystemExit):
        file.interrupt(SystemExit(1))


def test_interruption_at_the_edges_leaves_no_open_transaction(
    file: DocumentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = file._begin

    def interrupted_begin(durable: bool) -> None:
        begin(durable)
        raise KeyboardInterrupt

    def interrupted_commit(cause: Exception | None) -> None:
        raise KeyboardInterrupt

    for name, interrupted in (("_begin", interrupted_begin), ("_commit", interrupted_commit)):
        monkeypatch.setattr(file, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            put(file, "lost", "lost")
        monkeypatch.undo()
        put(file, name, name)
    assert names(file) == ["_begin", "_commit"]


def test_full_disk_undoes_the_transaction_even_if_the_error_is_swallowed(file: DocumentFile) -> None:
    put(file, "before", "before")
    pages = file._all("PRAGMA page_count")[0][0]
    file._all(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(StorageError, match="is full"), file.transaction():
        put(file, "small", "small")
        with pytest.raises(StorageError, match="is full"):
            put(file, "large", "x" * 1_000_000)
        with pytest.raises(StorageError, match="is full"):
            put(file, "next", "next")
    assert names(file) == ["before"]
    file._all("PRAGMA max_page_count = 1000000")
    put(file, "after", "after")
    assert names(file) == ["before", "after"]
    assert file.damage() == []


def test_threads_take_turns(file: DocumentFile) -> None:
    put(file, "counter", "0")

    def count() -> None:
        for _ in range(10):
            with file.transaction():
                put(file, "counter", str(int(names(file)[0]) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(file) == ["40"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_children_open_their_own_connection(file: DocumentFile) -> None:
    put(file, "counter", "0")
    parents = file._connected()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(5):
                    with file.transaction():
                        put(file, "counter", str(int(names(file)[0]) + 1))
                status = int(file._connected() is parents)
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert names(file) == ["20"]
    assert file.damage() == []


# --- places and files that cannot serve -----------------------------------------------------------------------


def test_reopened_file_has_everything_and_survives_replacement(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.db"
    file = open_file(path)
    put(file, "a", "a")
    assert open_file(path) is file
    file.close()
    assert names(file) == ["a"]
    file.close()
    path.unlink()
    assert names(open_file(path)) == []


def test_write_ahead_log_is_used_and_every_commit_waits_for_the_disk(file: DocumentFile) -> None:
    assert file._all("PRAGMA journal_mode") == [("wal",)]
    assert file._all("PRAGMA synchronous") == [(2,)]  # FULL


def test_empty_file_left_by_a_kill_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    assert open_file(path).spaces() == []


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database at all\n" * 100)
    with pytest.raises(StorageError, match="is not a store"):
        open_file(text)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StorageError, match="another program"):
        open_file(other)
    with pytest.raises(StorageError, match="is a folder"):
        open_file(tmp_path)


def test_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    file = open_file(path)
    file._all(f"PRAGMA user_version = {sqlite_connection.USER_VERSION + 1}")
    file.close()
    with pytest.raises(StorageError, match="newer release"):
        file.spaces()


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    file = open_file(path)
    for i in range(200):
        put(file, f"{i}", "x" * 1000)
    file.close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StorageError, match="damaged or cut short"):
        DocumentFile(path)


def test_unwritable_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be made"):
        open_file(tmp_path / "file" / "store.db")
    if Path("/proc/self").exists():
        with pytest.raises(StorageError, match="cannot be opened for writing"):
            open_file("/proc/store.db")


def test_network_file_system_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "file_system_type", lambda path: "nfs4")
    with pytest.raises(StorageError, match=r"network file system \(nfs4\)"):
        open_file(tmp_path / "store.db")
    file = open_file(tmp_path / "store.db", allow_network=True)
    assert file._all("PRAGMA journal_mode") == [("delete",)]
    file.close()


def test_mounts_are_read_by_longest_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "/dev/a / ext4 rw 0 0\nserver:/x /home nfs4 rw 0 0\n/dev/b /home/my\\040disk xfs rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda self, **options: mounts)
    kind = sqlite_connection.file_system_type
    assert kind(Path("/var/x")) == "ext4"
    assert kind(Path("/home/u/x")) == "nfs4"
    assert kind(Path("/home/my disk/x")) == "xfs"
    assert kind(Path("/homes/x")) == "ext4"


def test_locked_file_is_explained(file: DocumentFile, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite_transactions, "BUSY_TIMEOUT_S", 0.05)
    with pytest.raises(StorageError, match="locked by another process"):
        put(file, "a")
    other.execute("ROLLBACK")
    other.close()
    put(file, "a", "a")
    assert names(file) == ["a"]


# --- the MongoDB language -------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EmbeddedClient]:
    opened = EmbeddedClient(tmp_path / "fw.db")
    yield opened
    opened.file.close()


def test_updates_are_on_disk_and_callers_objects_are_left_alone(client: EmbeddedClient) -> None:
    things = client["db"]["things"]
    mine = {"fw_id": 1, "deep": {"list": [1]}}
    things.insert_one(mine)
    mine["deep"]["list"].append(2)
    pushed = {"more": [1]}
    things.update_one({"fw_id": 1}, {"$push": {"deep.list": pushed}, "$set": {"state": "READY"}})
    pushed["more"].append(2)
    found = things.find_one({"state": "READY"})
    found["deep"]["list"].clear()
    assert things.find_one({"fw_id": 1})["deep"] == {"list": [1, {"more": [1]}]}


def test_unique_index_survives_reopening(client: EmbeddedClient, tmp_path: Path) -> None:
    things = client["db"]["things"]
    things.create_index("fw_id", unique=True)
    things.insert_many([{"fw_id": 1}, {"fw_id": 2}])
    client.file.close()
    again = EmbeddedClient(tmp_path / "fw.db")["db"]["things"]
    assert again.index_information()["fw_id_1"]["unique"]
    with pytest.raises(DuplicateKeyError):
        again.insert_one({"fw_id": 2})
    with pytest.raises(DuplicateKeyError):
        again.update_one({"fw_id": 1}, {"$set": {"fw_id": 2}})
    assert [d["fw_id"] for d in again.find()] == [1, 2]


def test_document_above_16_mb_is_refused_and_changes_nothing(client: EmbeddedClient) -> None:
    things = client["db"]["things"]
    things.insert_one({"fw_id": 1, "text": "small"})
    with pytest.raises(DocumentTooLarge):
        things.update_one({"fw_id": 1}, {"$set": {"text": "x" * MAX_DOCUMENT_BYTES}})
    with pytest.raises(DocumentTooLarge):
        things.insert_one({"text": "x" * MAX_DOCUMENT_BYTES})
    assert [d["text"] for d in things.find()] == ["small"]


def test_collections_are_listed_renamed_and_dropped(client: EmbeddedClient) -> None:
    database = client["db"]
    database.create_collection("empty")
    database["full"].insert_one({"x": 1})
    assert client.list_database_names() == ["db"]
    assert sorted(database.list_collection_names()) == ["empty", "full"]
    database["full"].rename("new")
    assert database["new"].count_documents({}) == 1
    database["new"].drop_indexes()
    database.drop_collection("new")
    assert database.list_collection_names() == ["empty"]


VALUES = st.sampled_from([1, 2, 2.0, 3, "READY", "1", None, True, [1, "READY"], [], {"a": 1}])
DOCUMENTS = st.dictionaries(st.sampled_from(["fw_id", "state", "launches", "other"]), VALUES, max_size=4)
QUERIES = st.dictionaries(
    st.sampled_from(["fw_id", "state", "launches", "other"]),
    VALUES
    | st.builds(lambda v: {"$in": v}, st.lists(VALUES.filter(lambda v: not isinstance(v, (list, dict))))),
    max_size=2,
)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), DOCUMENTS, DOCUMENTS),
        st.tuples(
            st.sampled_from(["update_one", "update_many", "replace", "modify", "delete"]), QUERIES, DOCUMENTS
        ),
    ),
    max_size=8,
)


def apply(
    collection: mongomock.Collection, kind: str, first: dict[str, object], second: dict[str, object]
) -> object:
    if kind == "insert":
        return len(collection.insert_many([dict(first), dict(second)]).inserted_ids)
    if kind == "replace":
        return collection.replace_one(first, second).matched_count
    if kind == "delete":
        return collection.delete_one(first).deleted_count
    if not second:
        return None
    if kind == "modify":
        found = collection.find_one_and_update(
            first, {"$set": second}, sort=[("fw_id", 1)], return_document=ReturnDocument.AFTER
        )
        return found and {field: value for field, value in found.items() if field != "_id"}
    return getattr(collection, kind)(first, {"$set": second}).matched_count


def outcome(collection: mongomock.Collection, *operation: object) -> object:
    try:
        return apply(collection, *operation)  # type: ignore[arg-type]
    except TypeError as exc:  # sorting numbers with texts fails alike on both
        return type(exc)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, queries=st.lists(QUERIES, min_size=3, max_size=3))
def test_same_answers_as_mongomock(client: EmbeddedClient, operations: list, queries: list) -> None:
    plain, embedded = mongomock.MongoClient()["db"]["c"], client["db"]["c"]
    embedded.delete_many({})
    for operation in operations:
        assert outcome(plain, *operation) == outcome(embedded, *operation)
    for query in [{}, *queries]:
        expected = [bson.decode(bson.encode(d)) for d in plain.find(query, {"_id": 0})]
        assert list(embedded.find(query, {"_id": 0})) == expected
        assert embedded.count_documents(query) == len(expected)
        one = embedded.find_one(query, {"_id": 0})
        assert one == (expected[0] if expected else None)


def test_spaces_share_no_documents(client: EmbeddedClient) -> None:
    client["a"]["x"].insert_one({"_id": 1, "state": "READY"})
    client["b"]["x"].insert_one({"_id": 1.0, "state": "DONE"})
    assert client["a"]["x"].find_one({"_id": 1.0})["state"] == "READY"
    assert client["b"]["x"].find_one({"state": "READY"}) is None
    with pytest.raises(DuplicateKeyError):
        client["a"]["x"].insert_one({"_id": 1})
    assert open_file(client.file.path) is client.file
