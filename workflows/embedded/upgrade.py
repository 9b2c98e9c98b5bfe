"""Bring a store that an older release wrote up to the present tables, inside the transaction of the caller."""

from __future__ import annotations

import sqlite3

import bson

from cosinter.workflows.embedded.connection import ORDERED_COLUMNS, USER_VERSION
from cosinter.workflows.embedded.documents import queue_keys


def upgrade(connection: sqlite3.Connection) -> None:
    """Turn version 1 (states among the marks, no columns to order by) into version 2."""
    for column in ("state", "scope", "priority", "created"):
        connection.execute(f"ALTER TABLE document ADD COLUMN {column}")
    for (n,) in connection.execute("SELECT n FROM document").fetchall():
        body = connection.execute("SELECT body FROM document WHERE n = ?", (n,)).fetchone()[0]
        connection.execute(
            "UPDATE document SET state = ?, scope = ?, priority = ?, created = ? WHERE n = ?",
            (*queue_keys(bson.decode(body)), n),
        )
    connection.execute("DELETE FROM mark WHERE field = 'state'")
    for statement in ORDERED_COLUMNS:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {USER_VERSION}")
