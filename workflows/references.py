"""Cited values that computed ones are shown beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosinter.data.exceptions import UnknownNameError
from cosinter.data.tables import load_table


def reference_barrier(host: str, path: str) -> Mapping[str, Any] | None:
    """The record of ``data/references.yaml`` to show beside a barrier, if there is one; that of the same hop first.

    ``host`` is any name of the crystal, ``path`` one of :func:`cosinter.structures.migration.path_names`.
    """
    from cosinter.structures.crystals import resolve

    try:
        wanted = resolve(host)
    except UnknownNameError:
        return None
    rows = [
        row
        for row in load_table("references")["barriers"]
        if resolve(row["host"]) == wanted and row["path"] == path
    ]
    return min(rows, key=lambda row: not row["same_hop"]) if rows else None
