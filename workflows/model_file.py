"""Read a YAML file that a pydantic model describes, and say in one sentence what is wrong with it and where."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cosinter.data.exceptions import StudyError
from cosinter.workflows.plain_yaml import first_unplain
from cosinter.workflows.words import printable, shown

MAX_BYTES = 1_000_000

Model = TypeVar("Model", bound=BaseModel)


def load_model(path: Path, model: type[Model], *, kind: str, example: str) -> Model:
    """Read and check a file.

    Parameters
    ----------
    kind : what the file is called in messages, such as "study".
    example : what the least useful file holds, such as "at least a name".

    Raises
    ------
    StudyError
        Names the file, the line, the key, its value and what is allowed.
    """
    return parse_model(_read(path, kind), model, name=str(path), kind=kind, example=example)


def parse_model(text: str, model: type[Model], *, name: str, kind: str, example: str) -> Model:
    """Check the text of a file; ``name`` is used in messages.

    Raises
    ------
    StudyError
        See :func:`load_model`.
    """
    node, data = _loaded(text, name, kind, example)
    if not isinstance(data, dict):
        raise StudyError(f"{name}: a {kind} is a mapping of keys to values, found {type(data).__name__}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        line = _line(node, _plain(_innermost(error.errors())[0]["loc"]))
        raise StudyError(f"{name}, line {line}: {complaint(error, model)}") from error


def complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem in one sentence: its key, value and what is allowed."""
    problems = _innermost(error.errors())
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return printable(_sentence(problems[0], model)) + more


def _read(path: Path, kind: str) -> str:
    try:
        if path.is_dir():
            raise StudyError(f"{path}: is a folder, expected a {kind} file (YAML)")
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise StudyError(f"{path}: no such file") from error
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from error
    if len(raw) > MAX_BYTES:
        raise StudyError(
            f"{path}: {len(raw)} bytes are too many for a {kind} file; at most {MAX_BYTES} are read"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not a text file (byte {error.start} is not UTF-8)") from error
    if "\x00" in text:
        raise StudyError(f"{path}: is not a text file (it holds zero bytes)")
    return text


def _loaded(text: str, name: str, kind: str, example: str) -> tuple[Any, Any]:
    """The text as YAML nodes, which know their lines, and as plain data."""
    import yaml

    try:
        unplain = first_unplain(text)
        if unplain is not None:
            raise StudyError(f"{name}, line {unplain.line}: {printable(unplain.problem)}")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise StudyError(f"{name}: the file is empty; a {kind} needs {example}")
        _refuse_twins(node, name)
        return node, yaml.safe_load(text)
    except StudyError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyError(f"{name}{where}: not valid YAML ({printable(why)}); is the file cut off?") from error
    except (ValueError, OverflowError) as error:  # a date or a number that is none, such as 2001-99-99
        why = str(error).partition(";")[0]
        raise StudyError(
            f"{name}: a value cannot be read ({printable(why)}); put it in quotes if it is a word"
        ) from error


def _refuse_twins(node: Any, name: str) -> None:
    for mapping in _mappings(node):
        seen: dict[str, int] = {}
        for key, _ in mapping.value:
            if key.value in seen:
                line, before = key.start_mark.line + 1, seen[key.value]
                raise StudyError(
                    f"{name}, line {line}: key '{shown(key.value)}' was already given in line {before}"
                )
            seen[key.value] = key.start_mark.line + 1


def _mappings(node: Any) -> Iterator[Any]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)


def _sentence(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    location = _plain(problem["loc"])
    if problem["type"] == "extra_forbidden":  # the last part is the user's own word, whatever it looks like
        location = (*_plain(problem["loc"][:-1]), problem["loc"][-1])
    key = ".".join(str(part) for part in location) or "file"
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'{_nearest(location, model)}"
    if problem["type"] == "missing":
        return f"key '{key}' is missing"
    return f"{key} = {_shown(problem.get('input'))}: {_allowed(problem, model)}"


def _plain(location: Sequence[Any]) -> tuple[Any, ...]:
    """A location as the file writes it, without the names of validators."""
    return tuple(part for part in location if not (isinstance(part, str) and "[" in part))


def _innermost(problems: Sequence[Any]) -> list[Any]:
    """Drop a complaint about a container whose member is complained about as well."""
    locations = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if not any(
            other[: len(problem["loc"])] == problem["loc"] and other != problem["loc"] for other in locations
        )
    ]


def _allowed(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    if problem["type"] == "string_pattern_mismatch":
        return f"must be {_described(problem['loc'], model)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:] if not message[:2].isupper() else message
    bounds = _bounds(problem["loc"], model)
    return f"{message} (allowed: {bounds})" if bounds and message.startswith("input should be") else message


def _described(location: Sequence[Any], model: type[BaseModel]) -> str:
    """What the schema says of a text, or of the texts in a list."""
    found = _field(location, model)
    if found is None:
        return "another text"
    inner = next(filter(None, _descriptions(found.annotation)), None)
    return inner or found.description or "another text"


def _descriptions(annotation: Any) -> Iterator[str | None]:
    if get_origin(annotation) is Annotated:
        yield from (item.description for item in annotation.__metadata__ if isinstance(item, FieldInfo))
    for inner in get_args(annotation):
        yield from _descriptions(inner)


def _bounds(location: Sequence[Any], model: type[BaseModel]) -> str:
    """The allowed range of a number, e.g. '> 0 and <= 1000'."""
    found = _field(location, model)
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = [*found.metadata, *_metadata(found.annotation)] if found is not None else []
    return " and ".join(
        f"{sign} {getattr(item, name):g}"
        for item in limits
        for name, sign in signs.items()
        if hasattr(item, name)
    )


def _metadata(annotation: Any) -> Iterator[Any]:
    """Constraints written inside an annotation, e.g. of ``Celsius | None``."""
    if get_origin(annotation) is Annotated:
        for item in annotation.__metadata__:
            yield from item.metadata if isinstance(item, FieldInfo) else (item,)
    for inner in get_args(annotation):
        yield from _metadata(inner)


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Mapping | list) else "{...}"
    return text if len(text) <= 60 else text[:57] + "..."


def _line(node: Any, location: Sequence[Any]) -> int:
    """The line of the file where the innermost key of ``location`` that exists is written."""
    import yaml

    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return int(line)


def _model_at(location: Sequence[Any], whole: type[BaseModel]) -> type[BaseModel] | None:
    """The section that holds the last key of ``location``."""
    model: type[BaseModel] | None = whole
    names = iter(part for part in location[:-1] if isinstance(part, str))
    for name in names:
        field = model.model_fields.get(name) if model is not None else None
        model = section_in(field.annotation) if field is not None else None
        if field is not None and get_origin(field.annotation) is dict:
            next(names, None)  # a name of the user's own choice
    return model


def _field(location: Sequence[Any], whole: type[BaseModel]) -> FieldInfo | None:
    names = [part for part in location if isinstance(part, str)]
    model = _model_at(names, whole)
    return model.model_fields.get(names[-1]) if model is not None and names else None


def _nearest(location: Sequence[Any], whole: type[BaseModel]) -> str:
    model = _model_at(location, whole)
    if model is None:
        return ""
    known = list(model.model_fields)
    near = get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known here: {', '.join(known)}"


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, alone, in a list or as a choice; None for numbers and words."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple, dict, Annotated):
        for inner in get_args(annotation):
            found = section_in(inner)
            if found is not None:
                return found
    return None
