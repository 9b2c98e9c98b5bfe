"""Take a result from a neighbouring study instead of computing it again.

Studies whose results folders lie side by side (``results/a``, ``results/b``) share equal stages: the key of a stage is
the hash of all that goes into it, so a result with the same key is the same result.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from cosinter.data.exceptions import StorageError
from cosinter.workflows.results import SET_ASIDE, Results, storage_errors


def take_from_neighbour(results: Results, stage: str, key: str) -> Path | None:
    """Copy the result of a stage from a folder beside ``results``; None if no neighbour has it whole.

    Where the file system can, the files are linked instead of copied: results are never rewritten. A stage that the
    user asked to run again is not taken.

    Raises
    ------
    StorageError
        It could not be written.
    """
    events = results.events(stage, key)
    if events and events[-1]["event"] == SET_ASIDE:
        return None
    for neighbour in _neighbours(results.root):
        other = Results(neighbour)
        if not other.is_complete(stage, key) or other.damage(stage, key):
            continue
        with storage_errors(results.root):
            _copy(other.folder(stage, key), results, stage, key)
        results.log(stage, event="shared", key=key, message=f"taken from {neighbour.name}")
        return neighbour
    return None


def _neighbours(root: Path) -> list[Path]:
    try:
        return [
            entry for entry in sorted(root.parent.iterdir()) if entry != root and (entry / "stages").is_dir()
        ]
    except OSError:  # what lies beside cannot be read, so nothing is shared
        return []


def _copy(source: Path, results: Results, stage: str, key: str) -> None:
    working = results.folder(stage, key).with_name(f".{key}.{os.getpid()}@{socket.gethostname()}")
    shutil.rmtree(working, ignore_errors=True)
    try:
        shutil.copytree(source, working, copy_function=_link_or_copy)
        results.put_in_place(stage, key, working)
    except shutil.Error as error:
        raise StorageError(f"the result of {stage} in {source} could not be copied ({error})") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
