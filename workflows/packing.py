"""Carry a study to a computer without database or network, and bring its results back.

    <folder>/pack.json    what is inside: version, engines, stages and their keys, SHA-256 of every file
    <folder>/README.txt   how to run it
    <folder>/study.yaml   the study as the user wrote it
    <folder>/results/     plan.json, study.json and the stages that were finished already

What comes back is data of somebody else: :mod:`cosinter.workflows.packed` verifies names, kinds and checksums of files
before anything is copied, and nothing in a packed folder is ever executed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import DataError, InputError
from cosinter.workflows.addresses import Address, find_address, private_folder
from cosinter.workflows.flows import Outcome, Watch, publish, run_plan, study_documents
from cosinter.workflows.packed import (
    FORMAT,
    About,
    Mapped,
    StageRecord,
    changed_files,
    check_stage,
    check_tree,
    is_folder,
    is_plain,
    other_libraries,
    read_about,
    read_json,
    read_plan,
    versions_here,
)
from cosinter.workflows.plan import Plan, keyed
from cosinter.workflows.results import Results, digest, sha256, storage_errors, write_atomically
from cosinter.workflows.study_file import load_study
from cosinter.workflows.study_plan import make_plan
from cosinter.workflows.versions import differences, made_by_others
from cosinter.workflows.words import shown

README = """\
The study {study} of cosinter, packed to run without database or network. Python and this are needed:

    pip install 'cosinter=={version}'

with these engines, whose versions are part of every result:

{engines}

Run what is missing, here or as a job of a queue, again and again until all is done:

    cosinter run --packed FOLDER

FOLDER is the one with this file in it. Then carry it back and take its results over:

    cosinter unpack FOLDER --into RESULTS
"""
_PRIVATE = frozenset({"host", "pid", "job"})  # of a stage.json; they name computers and people


@dataclass(frozen=True)
class Unpacked:
    """What became of the stages of a packed folder."""

    taken: tuple[str, ...]
    kept: tuple[str, ...]
    refused: Mapping[str, str]
    other_version: tuple[str, ...]


def pack(study: Path, out: Path, *, results: Path | None = None) -> Plan:
    """Write a folder that holds a study, its plan and the stages that ``results`` has already.

    Raises
    ------
    InputError
        The study cannot be used, or ``out`` holds something already.
    StorageError
        The folder cannot be written; nothing half-written is left.
    """
    question = load_study(study)
    plan = make_plan(question)
    out = out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already; give --out a new folder")
    working = out.with_name(f".{out.name}.{os.getpid()}")
    target = Results(working / "results")
    with storage_errors(out):
        try:
            target.root.mkdir(parents=True)
            write_atomically(working / "study.yaml", study.read_bytes())
            for name, text in {"plan.json": plan.to_json(), **study_documents(question)}.items():
                write_atomically(target.root / name, text)
            if results is not None:
                _copy_finished(plan, Results(results), target)
            about = _about(plan, working)
            write_atomically(working / "pack.json", json.dumps(about, indent=1))
            working.rename(out)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    return plan


def _copy_finished(plan: Plan, source: Results, target: Results) -> None:
    """Copy the whole results of a plan; those that an old version left without checksums stay behind."""
    stages = {stage.name: stage for stage in plan.stages}
    for name in stages:
        key = plan.keys[name]
        try:
            record = check_stage(source, stages, name, key)
        except InputError:
            continue
        _copy_stage(source, record, target.folder(name, key))


def _about(plan: Plan, out: Path) -> dict[str, Any]:
    """Write README.txt and say what the folder holds."""
    from cosinter import __version__

    versions = versions_here(plan)
    engines = "\n".join(f"    {name} {version}" for name, version in sorted(versions["engines"].items()))
    text = README.format(study=plan.study, version=__version__, engines=engines)
    write_atomically(out / "README.txt", text)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {
        "format": FORMAT,
        "study": plan.study,
        "cosinter_version": __version__,
        "python": platform.python_version(),
        **versions,
        "stages": dict(plan.keys),
        "files": {path.relative_to(out).as_posix(): sha256(path) for path in files},
    }


def run_packed(
    folder: Path, *, workers: int = 2, watch: Watch | None = None, accept_other_version: bool = False
) -> Outcome:
    """Run what is missing of a packed folder, on this computer and without any other.

    ``accept_other_version``: also with other versions of cosinter or its engines; the results then carry the keys of
    these versions.

    Raises
    ------
    InputError
        It is no packed folder, was changed, or other versions or data of the user's own are here.
    EngineError
        See :func:`cosinter.workflows.flows.run_plan`.
    """
    about = read_about(folder)
    root = folder.resolve() / "results"
    check_tree(folder.resolve())
    _check_unchanged(folder, about, plan_too=not accept_other_version)
    plan = read_plan(root)
    other = made_by_others(plan)
    if other and not accept_other_version:
        why = ", ".join(shown(text) for text in differences(about.model_dump(), versions_here(plan))[:4])
        raise InputError(
            f"{len(other)} stages of {folder} were planned with other versions ({why or 'of code'}), {other[0]} "
            f"first; install cosinter {about.cosinter_version}, or use --accept-other-version"
        )
    data = other_libraries(plan)
    if data:
        raise InputError(f"{folder} cannot be run here: {data}")
    try:
        plan = keyed(plan.study, plan.stages)
    except DataError as error:
        raise InputError(f"{folder} was planned with other sources ({error})") from error
    address = _private_address(root)
    outcome = run_plan(plan, root, workers=workers, watch=watch, address=address)
    shutil.rmtree(address.path.parent if address.path else "", ignore_errors=True)
    return outcome


def _check_unchanged(folder: Path, about: About, *, plan_too: bool) -> None:
    plan = "results/plan.json"
    changed = [name for name in changed_files(folder, about) if name.startswith("results/")]
    if plan not in about.files:
        changed.insert(0, plan)
    for name in changed:
        if name != plan:
            raise InputError(f"{folder / name} is not the file that was packed; pack the study again")
        if plan_too:
            raise InputError(
                f"{folder / name} is not the file that was packed; pack the study again, or use "
                "--accept-other-version if it was run with that before"
            )


def _private_address(root: Path) -> Address:
    """A LaunchPad outside the packed folder: one that came with it could hold jobs of somebody else."""
    folder = private_folder(Path(tempfile.gettempdir()) / f"cosinter-{os.getuid()}-{digest(str(root))}")
    return find_address(folder / "launchpad.db")


def unpack(folder: Path, into: Path) -> Unpacked:
    """Take the finished stages of a packed folder over into a results folder; what is there already stays.

    Raises
    ------
    InputError
        It is no packed folder, or a run is at work in ``into``.
    StorageError
        The results folder cannot be written.
    """
    read_about(folder)
    root = folder.resolve() / "results"
    if not (is_folder(root) and (is_folder(root / "stages") or not os.path.lexists(root / "stages"))):
        raise InputError(f"{root} is missing or a link; pack the study again")
    theirs = read_plan(root)
    source, target = Results(root), Results(into)
    if source.root == target.root:
        raise InputError(f"{into} is the packed folder itself; give --into another results folder")
    with target.lock():
        target.sweep()
        if not (target.root / "plan.json").exists():
            with storage_errors(target.root):
                write_atomically(target.root / "plan.json", theirs.to_json())
                if is_plain(root / "study.json"):
                    text = read_json(root / "study.json", Mapped).model_dump_json(indent=1)
                    write_atomically(target.root / "study.json", text)
        plan = Plan.read(target.root)
        found = _take_all(source, target, theirs, plan)
        with storage_errors(target.root):
            publish(plan, target)
    return found


def _take_all(source: Results, target: Results, theirs: Plan, plan: Plan) -> Unpacked:
    taken: list[str] = []
    kept: list[str] = []
    other: list[str] = []
    refused: dict[str, str] = {}
    stages = {stage.name: stage for stage in theirs.stages}
    for folder in sorted((source.root / "stages").glob("*/*")):
        name, key = folder.parent.name, folder.name
        if name.startswith(".") or key.startswith("."):
            continue  # of a run that was killed
        try:
            record = check_stage(source, stages, name, key)
            if not _is_new(target, record):
                kept.append(name)
                continue
            _take(source, target, record)
        except InputError as error:
            refused[f"{shown(name)}/{shown(key)}"] = str(error)
            continue
        taken.append(name)
        if plan.keys.get(name) != key:
            other.append(f"{name}/{key}")
    return Unpacked(tuple(taken), tuple(kept), refused, tuple(other))


def _is_new(target: Results, record: StageRecord) -> bool:
    """Say whether a result is to be taken; one that is here and whole stays.

    Raises
    ------
    InputError
        The one that is here is not the same.
    """
    name, key = record.stage, record.key
    if not target.is_complete(name, key) or target.damage(name, key):
        return True
    here = json.loads((target.folder(name, key) / "stage.json").read_bytes()).get("sha256")
    if here != record.sha256:
        raise InputError("another result of the same inputs is here already; it was kept")
    return False


def _take(source: Results, target: Results, record: StageRecord) -> None:
    final = target.folder(record.stage, record.key)
    working = final.with_name(f".{record.key}.unpacking")
    with storage_errors(target.root):
        shutil.rmtree(working, ignore_errors=True)
        try:
            _copy_stage(source, record, working, private=frozenset())
            target.put_in_place(record.stage, record.key, working)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    target.log(record.stage, event="unpacked", key=record.key)


def _copy_stage(source: Results, record: StageRecord, target: Path, *, private: Set[str] = _PRIVATE) -> None:
    """Copy the files that a record lists, look at what arrived, and seal them with the record."""
    folder = source.folder(record.stage, record.key)
    for name, checksum in record.sha256.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(folder / name, path)
        if sha256(path) != checksum:
            raise InputError("its files changed while they were copied")
    text = record.model_dump_json(indent=1, exclude=set(private))
    write_atomically(target / "stage.json", text)


def _copy_file(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as given, target.open("wb") as written:
        shutil.copyfileobj(given, written)
        written.flush()
        os.fsync(written.fileno())
