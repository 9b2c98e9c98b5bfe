"""Open SQLite files so that they are durable, local and known to be ours; say in one sentence what went wrong."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from cosinter.data.exceptions import StorageError

APPLICATION_ID = 0x436F5369
"""Mark in the header of the file ("CoSi"): tells this kind of file from other SQLite databases."""
USER_VERSION = 2
"""Version of the tables below; older files are brought up to it (`upgrade`), newer ones refused."""
BUSY_TIMEOUT_S = 120.0
"""How long a writer waits for the other processes, in seconds."""
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs3",
        "nfs4",
        "cifs",
        "smb2",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "afs",
        "ncpfs",
        "9p",
        "ceph",
        "panfs",
        "pvfs2",
        "glusterfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.beegfs",
        "fuse.rclone",
    }
)

ORDERED_COLUMNS = (
    "CREATE INDEX document_by_state ON document (space, state, priority DESC, created) WHERE state IS NOT NULL",
    "CREATE INDEX document_by_scope ON document (space, scope, state, priority DESC, created)"
    " WHERE scope IS NOT NULL",
)
"""Indexes that hand out the documents of a state, or of a scope and a state, in the order of a queue."""

_SCHEMA = (
    "CREATE TABLE document (n INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, id BLOB NOT NULL,"
    " body BLOB NOT NULL, state, scope, priority, created, UNIQUE (space, id))",
    "CREATE INDEX document_by_space ON document (space)",
    *ORDERED_COLUMNS,
    "CREATE TABLE mark (space TEXT NOT NULL, field TEXT NOT NULL, value NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY (space, field, value, n)) WITHOUT ROWID",
    "CREATE INDEX mark_by_document ON mark (n)",
    "CREATE TABLE definition (space TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (space, name))",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {USER_VERSION}",
)


def file_system_type(path: Path) -> str:
    """Name the type of the file system that holds a path, as in /proc/mounts; "" where that is unknown."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t"))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def check_place(path: Path, *, allow_network: bool) -> bool:
    """Make the folder of a file; return whether it is remote; raise StorageError where it cannot serve."""
    if path.is_dir():
        raise StorageError(
            f"'{path}' is a folder; name the file of the store in it, such as '{path / 'fw.db'}'"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(f"the folder '{path.parent}' cannot be made: {exc.strerror or exc}") from exc
    kind = file_system_type(path.parent)
    if kind not in NETWORK_FILE_SYSTEMS:
        return False
    if not allow_network:
        raise StorageError(
            f"'{path}' lies on a network file system ({kind}), where locks cannot be trusted; choose a local disk,"
            " use a MongoDB server, or allow it explicitly if only this computer opens the file"
        )
    return True


def inode(path: Path) -> tuple[int, int] | None:
    """Identify the file behind a path; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def connect(path: Path, *, network: bool) -> sqlite3.Connection:
    """Open a store, making its tables in an empty file; commits wait for the disk.

    Raises
    ------
    sqlite3.Error
        To be passed through `explained`.
    StorageError
        The file belongs to another program or to a newer release.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
        _choose_journal(connection, network=network)
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) == USER_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection, path)  # another process may have been faster
    if not version:
        for statement in _SCHEMA:
            connection.execute(statement)
    elif version < USER_VERSION:
        from cosinter.workflows.embedded.upgrade import upgrade

        upgrade(connection)
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Version of the tables in the file; 0 for an empty one, StorageError for a foreign or newer one."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION_ID:
        if version > USER_VERSION:
            raise StorageError(
                f"'{path}' was written by a newer release (store version {version}, this one reads up to"
                f" {USER_VERSION}); update cosinter to open it"
            )
        return int(version)
    if application or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StorageError(f"'{path}' is a database of another program; choose another file for the store")
    return 0


def _choose_journal(connection: sqlite3.Connection, *, network: bool) -> None:
    wanted = "delete" if network else "wal"
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
        try:  # where WAL is impossible SQLite keeps the rollback journal, which is as safe and somewhat slower
            connection.execute(f"PRAGMA journal_mode = {wanted}")
            return
        except sqlite3.OperationalError as exc:  # the switch needs the file alone and does not wait for it
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


_EXPLANATIONS = {
    "full": "the disk that holds '{path}' is full; make room and run again, nothing that was finished is lost",
    "locked": "'{path}' was locked by another process for more than {wait:.0f} s; end that process and run again",
    "readonly": "'{path}' cannot be written; check the permissions of the file and of its folder",
    "unable to open": "'{path}' cannot be opened for writing; check the permissions of its folder",
    "not a database": "'{path}' is not a store of workflows; choose another file",
    "malformed": "'{path}' is damaged or cut short; restore it from a copy, or remove it and run again",
    "disk i/o": "reading or writing '{path}' failed ({text}); check the disk",
}


def explained(exc: sqlite3.Error, path: Path) -> StorageError:
    """Turn an error of SQLite into one sentence that says what to do."""
    text = str(exc)
    for part, sentence in _EXPLANATIONS.items():
        if part in text.lower():
            return StorageError(sentence.format(path=path, wait=BUSY_TIMEOUT_S, text=text))
    return StorageError(f"the store '{path}' failed: {text}")
