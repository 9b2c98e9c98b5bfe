"""Read a packed folder as data of somebody else: every name, number and checksum in it is verified before it is used.

What a file says of itself is described by pydantic models, so that whatever else it holds is one sentence and not a
traceback later on. The kind of every file is looked at before it is opened: links, pipes and devices lead elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, ValidationError

from cosinter.data.exceptions import DataError, InputError, StorageError
from cosinter.workflows.flows import PUBLISHED
from cosinter.workflows.plan import Plan, Stage, made_with
from cosinter.workflows.results import Results, digest, sha256
from cosinter.workflows.words import shown

FORMAT = 1
LARGEST_RECORD = 50_000_000
"""Bytes of the largest JSON file that is read from a packed folder; a plan of 10,000 stages has 20 million."""

_PART = r"[A-Za-z0-9_+=][A-Za-z0-9_+=. ,()@-]*"
StageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,159}$")]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART}){{0,9}}$", max_length=400)]
Short = Annotated[str, Field(pattern=r"^[ -~]{0,200}$")]
Source = Annotated[
    str, Field(pattern=r"^(analysis|data|structures|workflows)(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")
]
Engine = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Time = Annotated[str, Field(pattern=r"^[0-9T:.+Z-]{10,40}$")]


class _Read(BaseModel):
    """A part of a file of somebody else; what is not known here is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class _Format(_Read):
    format: int


class About(_Read):
    """pack.json: what a packed folder holds, and what it was planned with."""

    study: Short
    cosinter_version: Short
    engines: dict[Engine, Short]
    code: dict[Source, Short]
    stages: dict[StageName, Key]
    files: dict[RelativePath, Checksum]


class StageRecord(_Read):
    """stage.json: how a result was made, and its files."""

    stage: StageName
    key: Key
    started: Time
    finished: Time
    seconds: float = Field(ge=0.0)
    function: Short
    inputs_key: Key
    after: dict[StageName, Key]
    cosinter_version: Short
    code: dict[Source, Short]
    engines: dict[Engine, Short]
    job: dict[Short, Short | int | float | bool | None] | None = None
    host: Short | None = None
    pid: int | None = None
    files: dict[RelativePath, int] = Field(max_length=10_000)
    sha256: dict[RelativePath, Checksum] = Field(max_length=10_000)


class _Stage(_Read):
    name: StageName
    function: Short
    inputs: dict[str, JsonValue]
    after: list[StageName]
    code: list[Source]
    engines: list[Engine]


class _Plan(_Read):
    study: Short
    stages: list[_Stage]
    keys: dict[StageName, Key]


class Mapped(RootModel[dict[str, JsonValue]]):
    """A JSON file that holds a mapping, whatever is in it."""


Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model]) -> Model:
    """Read a JSON file of a packed folder.

    Raises
    ------
    InputError
        It is missing, no plain file, too large, or holds something else than ``model`` describes.
    """
    try:
        if not is_plain(path):
            raise InputError(f"{path} is missing or no plain file")
        if path.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{path} has more than {LARGEST_RECORD} bytes; it was not written by cosinter")
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path} is damaged at {shown(where) or 'its start'} ({first['msg'].splitlines()[0]})"
        ) from error


def read_about(folder: Path) -> About:
    """Read pack.json.

    Raises
    ------
    InputError
        The folder is no packed folder, of another format, or damaged.
    """
    path = folder / "pack.json"
    if not is_plain(path):
        raise InputError(f"{folder} is not a packed folder (no pack.json in it); make one with cosinter pack")
    found = read_json(path, _Format).format
    if found != FORMAT:
        raise InputError(f"{path} has format {found}; this version of cosinter reads format {FORMAT}")
    return read_json(path, About)


def read_plan(root: Path) -> Plan:
    """Read the plan of a packed folder, if it names nothing but steps, sources and stages of its own.

    Raises
    ------
    InputError
        It does not.
    """
    from cosinter.workflows.steps.table import STEPS

    path = root / "plan.json"
    found = read_json(path, _Plan)
    before: set[str] = set()
    for stage in found.stages:
        if stage.name in before or stage.name not in found.keys:
            raise InputError(f"{path}: stage {stage.name} is there twice or has no key")
        if stage.function not in STEPS:
            raise InputError(
                f"{path}: stage {stage.name} asks for '{shown(stage.function)}', which is no step"
            )
        if not before.issuperset(stage.after):
            raise InputError(f"{path}: stage {stage.name} reads a stage that does not come before it")
        try:
            digest(stage.inputs)
        except ValueError as error:
            raise InputError(f"{path}: the inputs of stage {stage.name} hold no finite number") from error
        before.add(stage.name)
    stages = tuple(
        Stage(one.name, one.function, one.inputs, tuple(one.after), tuple(one.code), tuple(one.engines))
        for one in found.stages
    )
    return Plan(study=found.study, stages=stages, keys=found.keys)


def check_tree(folder: Path) -> None:
    """Refuse a folder with anything but folders and plain files: to run in it is to write into it.

    Raises
    ------
    InputError
        Names the first link, pipe or device.
    """
    try:
        odd = next((path for path in _below(folder) if not (is_plain(path) or is_folder(path))), None)
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})") from error
    if odd is not None:
        raise InputError(
            f"'{shown(str(odd.relative_to(folder)))}' in {folder} is a link or no plain file, which could lead "
            "anywhere else; pack the study again"
        )


def changed_files(folder: Path, about: About) -> list[str]:
    """Files of a packed folder that are not what was packed; those that are missing are made again by a run."""
    try:
        return [
            name
            for name, checksum in about.files.items()
            if is_plain(folder / name) and sha256(folder / name) != checksum
        ]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})") from error


def check_stage(source: Results, stages: Mapping[str, Stage], name: str, key: str) -> StageRecord:
    """Check that a finished stage of a packed folder is whole and has the key of its inputs and versions.

    Parameters
    ----------
    stages : those of the plan, by name.

    Raises
    ------
    InputError
        Says what is wrong.
    """
    try:
        return _checked(source.folder(name, key), stages, name, key)
    except StorageError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})") from error


def _checked(folder: Path, stages: Mapping[str, Stage], name: str, key: str) -> StageRecord:
    if not (is_folder(folder.parent) and is_folder(folder)):
        raise InputError("it is a link")
    record = read_json(folder / "stage.json", StageRecord)
    if (record.stage, record.key) != (name, key):
        raise InputError("its stage.json is of another stage")
    present = set()
    for path in _below(folder):
        if not (is_plain(path) or is_folder(path)):
            raise InputError(f"'{shown(path.name)}' is a link or no plain file")
        if is_plain(path) and path != folder / "stage.json":
            present.add(path.relative_to(folder).as_posix())
    if not present == set(record.sha256) == set(record.files) or "result.json" not in present:
        raise InputError("its files are not those that stage.json lists")
    if any(sha256(folder / path) != checksum for path, checksum in record.sha256.items()):
        raise InputError("its files are not those that were written (checksum)")
    if name == "report" and any(
        path.partition("/")[0] not in {*PUBLISHED, "result.json"} for path in present
    ):
        raise InputError("it holds files that no report has")
    read_json(folder / "result.json", Mapped)
    if _key(stages.get(name), record) != key:
        raise InputError("its key is not that of its inputs, code and engines")
    return record


"""What the stage ``report`` writes; it is copied to the top of a results folder and must not replace anything there."""


def _key(stage: Stage | None, record: StageRecord) -> str | None:
    """The key that a stage has with the versions in its record; None if the record is of another stage."""
    if stage is None or (stage.function, set(stage.after)) != (record.function, set(record.after)):
        return None
    try:
        return digest(
            {
                "function": stage.function,
                "inputs": stage.inputs,
                "after": {name: record.after[name] for name in stage.after},
                "code": [record.code[path] for path in stage.code],
                "engines": {name: record.engines[name] for name in stage.engines},
            }
        )
    except (KeyError, ValueError):  # a version is not recorded, or an input is NaN
        return None


def versions_here(plan: Plan) -> dict[str, Any]:
    """Engines and sources of a plan as they are here; sources that this version does not have are left out."""
    code: dict[str, str] = {}
    for path in sorted({path for stage in plan.stages for path in stage.code}):
        with suppress(DataError):
            code |= made_with(Stage("", "", {}, code=(path,)))["code"]
    engines = sorted({name for stage in plan.stages for name in stage.engines})
    return {"engines": made_with(Stage("", "", {}, engines=tuple(engines)))["engines"], "code": code}


def other_libraries(plan: Plan) -> str:
    """What of the user's own data differs from those that the stages of a plan were made for; "" if nothing does."""
    from cosinter.workflows.sources.libraries import check_library

    seen: list[Mapping[str, Any]] = []
    for stage in plan.stages:
        planned = stage.inputs.get("library")
        if isinstance(planned, Mapping) and planned not in seen:
            seen.append(planned)
            try:
                check_library(planned)
            except InputError as error:
                return str(error)
            except (KeyError, TypeError, AttributeError):
                return f"stage {stage.name} names no library of phases"
    return ""


def is_plain(path: Path) -> bool:
    """True for a file that is no link, pipe or device."""
    return _has_kind(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """True for a folder that is no link."""
    return _has_kind(path, stat.S_ISDIR)


def _has_kind(path: Path, kind: Any) -> bool:
    try:
        return bool(kind(path.lstat().st_mode))
    except (OSError, ValueError):
        return False


def _below(folder: Path) -> Iterator[Path]:
    """Everything below a folder, without following links; OSError where it cannot be listed."""
    for place, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            yield Path(place) / name


def _raise(error: OSError) -> None:
    raise error
