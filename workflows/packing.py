"""Carry a study to a computer without database or network, and bring its results back.

    <folder>/pack.json    what is inside: version, engines, stages and their keys, SHA-256 of every file
    <folder>/README.txt   how to run it
    <folder>/study.yaml   the study as the user wrote it
    <folder>/results/     plan.json, study.json and the stages that were finished already

What comes back is data of somebody else: names, kinds and checksums of files are verified before anything is copied,
and nothing in a packed folder is ever executed.
"""

from __future__ import annotations

import json
import platform
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import InputError, StorageError
from cosinter.workflows.addresses import own_address
from cosinter.workflows.flows import Outcome, Watch, publish, run_plan, study_documents
from cosinter.workflows.plan import Plan, keyed, made_with
from cosinter.workflows.results import (
    Results,
    check_key,
    check_stage_name,
    sha256,
    storage_errors,
    write_atomically,
)
from cosinter.workflows.study_file import load_study
from cosinter.workflows.study_plan import make_plan
from cosinter.workflows.versions import differences, made_by_others

FORMAT = 1
LARGEST_RECORD = 50_000_000
"""Bytes of the largest JSON file that is read from a packed folder."""
README = """\
A study of cosinter, packed to run anywhere. Nothing but Python and this is needed:

    pip install 'cosinter=={version}'
    cosinter run --packed {folder}

Then carry this folder back and take its results over:

    cosinter unpack {folder} --into RESULTS
"""
_PRIVATE = ("host", "pid", "job")  # of a stage.json: they name computers and people


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
        The folder cannot be written.
    """
    question = load_study(study)
    plan = make_plan(question)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already; give --out a new folder")
    target = Results(out / "results")
    with storage_errors(out):
        target.root.mkdir(parents=True)
        write_atomically(out / "study.yaml", study.read_bytes())
        for name, text in {"plan.json": plan.to_json(), **study_documents(question)}.items():
            write_atomically(target.root / name, text)
        if results is not None:
            _copy_finished(plan, Results(results), target)
        about = _about(plan, out)
        write_atomically(
            out / "README.txt", README.format(version=about["cosinter_version"], folder=out.name)
        )
        write_atomically(out / "pack.json", json.dumps(about, indent=1))
    return plan


def _copy_finished(plan: Plan, source: Results, target: Results) -> None:
    for stage in plan.stages:
        key = plan.keys[stage.name]
        if source.is_complete(stage.name, key) and not source.damage(stage.name, key):
            folder = target.folder(stage.name, key)
            shutil.copytree(source.folder(stage.name, key), folder)
            record = json.loads((folder / "stage.json").read_bytes())
            shown = {name: value for name, value in record.items() if name not in _PRIVATE}
            write_atomically(folder / "stage.json", json.dumps(shown, indent=1))


def _about(plan: Plan, out: Path) -> dict[str, Any]:
    made = [made_with(stage) for stage in plan.stages]
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {
        "format": FORMAT,
        "study": plan.study,
        "cosinter_version": made[0]["cosinter_version"],
        "python": platform.python_version(),
        "engines": {name: version for one in made for name, version in one["engines"].items()},
        "code": {path: value for one in made for path, value in one["code"].items()},
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
        It is no packed folder, was changed, or other versions are installed here.
    EngineError
        See :func:`cosinter.workflows.flows.run_plan`.
    """
    about = _read_about(folder)
    root = folder / "results"
    for name in ("results/plan.json", "results/study.json"):
        if not _plain(folder / name) or sha256(folder / name) != about["files"].get(name):
            if name == "results/plan.json" and accept_other_version:
                continue  # an earlier run with other versions wrote its own
            raise InputError(f"{folder / name} is not the file that was packed; pack the study again")
    plan = _checked_plan(root)
    other = made_by_others(plan)
    if other and not accept_other_version:
        why = differences(about, _present(plan))
        raise InputError(
            f"{len(other)} stages of {folder} were planned with other versions ({', '.join(why[:4]) or 'of code'}); "
            f"install cosinter {about['cosinter_version']}, or use --accept-other-version"
        )
    return run_plan(
        keyed(plan.study, plan.stages), root, workers=workers, watch=watch, address=own_address(root)
    )


def _present(plan: Plan) -> dict[str, Any]:
    made = [made_with(stage) for stage in plan.stages]
    return {
        "engines": {name: version for one in made for name, version in one["engines"].items()},
        "code": {path: value for one in made for path, value in one["code"].items()},
    }


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / "pack.json"
    if not _plain(path):
        raise InputError(f"{folder} is not a packed folder (no pack.json in it); make one with cosinter pack")
    about = _json(path)
    if not isinstance(about, dict) or not all(
        isinstance(about.get(key), dict) for key in ("engines", "code", "stages", "files")
    ):
        raise InputError(f"{path} is damaged; pack the study again")
    if about.get("format") != FORMAT:
        raise InputError(f"{path} has format {about.get('format')!r}; this version reads format {FORMAT}")
    return about


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{path} is larger than {LARGEST_RECORD} bytes; it was not written by cosinter")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON") from error


def _checked_plan(root: Path) -> Plan:
    """The plan of a packed folder, if it names nothing but stages and sources of cosinter.

    Raises
    ------
    InputError
        It does not.
    """
    from cosinter.workflows.steps.table import STEPS

    try:
        plan = Plan.read(root)
        before: set[str] = set()
        for stage in plan.stages:
            check_stage_name(stage.name)
            check_key(plan.keys[stage.name])
            if stage.function not in STEPS or not before.issuperset(stage.after):
                raise StorageError(f"stage {stage.name} does not follow from cosinter's own steps")
            before.add(stage.name)
    except (StorageError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{root / 'plan.json'} cannot be used: {error}") from error
    return plan


def unpack(folder: Path, into: Path) -> Unpacked:
    """Take the finished stages of a packed folder over into a results folder; what is there already stays.

    Raises
    ------
    InputError
        It is no packed folder, or a run is at work in ``into``.
    StorageError
        The results folder cannot be written.
    """
    _read_about(folder)
    source, target = Results(folder / "results"), Results(into)
    theirs = _checked_plan(source.root)
    with target.lock():
        target.sweep()
        if not (target.root / "plan.json").exists():
            with storage_errors(target.root):
                write_atomically(target.root / "plan.json", theirs.to_json())
                study = source.root / "study.json"
                if _plain(study):
                    write_atomically(target.root / "study.json", study.read_bytes())
        plan = Plan.read(target.root)
        found = _take_all(source, target, plan)
        with storage_errors(target.root):
            publish(plan, target)
    return found


def _take_all(source: Results, target: Results, plan: Plan) -> Unpacked:
    taken: list[str] = []
    kept: list[str] = []
    refused: dict[str, str] = {}
    for folder in sorted((source.root / "stages").glob("*/*")):
        name, key = folder.parent.name, folder.name
        if name.startswith(".") or key.startswith("."):
            continue  # of a run that was killed
        problem = _problem(source, name, key)
        if not problem and target.is_complete(name, key):
            if _sums(target, name, key) == _sums(source, name, key):
                kept.append(name)
                continue
            problem = "another result of the same inputs is here already; it was kept"
        if problem:
            refused[f"{name}/{key}"] = problem
            continue
        _take(source, target, name, key)
        taken.append(f"{name}/{key}" if plan.keys.get(name) != key else name)
    other = tuple(name for name in taken if "/" in name)
    return Unpacked(tuple(name.partition("/")[0] for name in taken), tuple(kept), refused, other)


def _sums(results: Results, name: str, key: str) -> Any:
    return json.loads((results.folder(name, key) / "stage.json").read_bytes()).get("sha256")


def _problem(source: Results, name: str, key: str) -> str:
    """Why a stage of a packed folder cannot be taken; "" if it can."""
    try:
        folder = source.folder(name, key)
    except StorageError as error:
        return str(error)
    if folder.is_symlink() or folder.parent.is_symlink() or not _plain(folder / "stage.json"):
        return "it has no stage.json, or is a link"
    record = _json(folder / "stage.json")
    sums = record.get("sha256") if isinstance(record, dict) else None
    if not isinstance(sums, dict) or record.get("key") != key or record.get("stage") != name:
        return "its stage.json does not describe it"
    present = set()
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or _plain(path)):
            return f"{path.name} is a link or no plain file"
        if path.is_file() and path != folder / "stage.json":
            present.add(path.relative_to(folder).as_posix())
    if present != set(sums):
        return "its files are not those that stage.json lists"
    if "result.json" not in present or not source.is_complete(name, key) or source.damage(name, key):
        return "its files are not those that were written (checksum)"
    return ""


def _take(source: Results, target: Results, name: str, key: str) -> None:
    final = target.folder(name, key)
    working = final.with_name(f".{key}.unpacking")
    with storage_errors(target.root):
        shutil.rmtree(working, ignore_errors=True)
        try:
            shutil.copytree(source.folder(name, key), working, symlinks=True)
            target.put_in_place(name, key, working)
        except shutil.Error as error:
            raise StorageError(f"stage {name} could not be copied ({error})") from error
    target.log(name, event="unpacked", key=key)


def _plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False
