"""Change numbers of a study by name, and lay out many such changes: grids and Latin hypercubes.

A key is a path of the study file (``cathode.grain_radius_um``, ``furnace.segments.0.to_C``) or one of these:

============================  ==========================================================================================
``furnace.hold_C``            the highest temperature, wherever the programme reaches it
``furnace.hold_h``            all holds at the highest temperature together; several keep their shares
``furnace.ramp_K_per_min``    every ramp
``furnace.cool_K_per_min``    every cooling
``compensator.wt_percent``    both salts together in their old ratio; 0 takes the compensator away
``compensator.LiOH_share``    mass of LiOH over the mass of both salts, 0 to 1
============================  ==========================================================================================

A key of a case (``compensator.coverage``) changes every case that has this section, or every case if none has it;
``cases.NAME.KEY`` changes one case.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import BaseModel, ValidationError

from cosinter.data.exceptions import InputError, StudyError, UnknownNameError
from cosinter.workflows.model_file import complaint, section_in
from cosinter.workflows.quantities import to_unit
from cosinter.workflows.study import Case, Study

Value = float | str
Changes = Mapping[str, Value]

LARGEST_DESIGN = 100_000
SALTS = ("LiOH_wt_percent", "Li2CO3_wt_percent")
_TOTAL, _SHARE = "wt_percent", "LiOH_share"
_HOLD_C, _HOLD_H = "furnace.hold_C", "furnace.hold_h"
_FURNACE = (_HOLD_C, _HOLD_H, "furnace.ramp_K_per_min", "furnace.cool_K_per_min")
#: What a study says beside the powder and the furnace.
_FIXED = (
    "name",
    "title",
    "cases",
    "reactions",
    "atomistic",
    "thermodynamics",
    "diffraction",
    "criterion",
    "uncertainty_samples",
    "published",
    "seed",
)


def vary(study: Study, changes: Changes) -> Study:
    """Return ``study`` with ``changes`` (key -> number, or text such as ``'90 min'``) made and checked.

    Raises
    ------
    UnknownNameError
        No such key.
    StudyError
        The value is not allowed, or the programme that results cannot run.

    >>> study = Study(name="s", cases=({"name": "c", "compensator": {"LiOH_wt_percent": 3, "Li2CO3_wt_percent": 1}},))
    >>> changed = vary(study, {"furnace.hold_C": 650.0, "compensator.wt_percent": 8.0})
    >>> changed.furnace.knots()[1][1], changed.cases[0].compensator.LiOH_wt_percent
    (650.0, 6.0)
    """
    data = study.model_dump(mode="json")
    of_cases: dict[str, dict[str, Value]] = {}
    known = keys(study)
    for key, value in changes.items():
        if key in _FURNACE:
            _change_furnace(study, data["furnace"], key, value)
        elif named := _cases_of(study, key):
            tail, names = named
            for name in names:
                of_cases.setdefault(name, {})[tail] = value
        elif key in known:
            _put(data, key, value, air=data["atmosphere"])
        else:
            raise UnknownNameError("key of the study", key, known)
    said = ", ".join(f"{key} = {value}" for key, value in changes.items())
    for case in data["cases"]:
        _change_case(case, of_cases.get(case["name"], {}), said)
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise StudyError(f"{said}: {complaint(error, Study)}") from error


def keys(study: Study) -> tuple[str, ...]:
    """Every key that :func:`vary` knows, in the order of the study file; those of one case not repeated."""
    plain = [key for key in _leaves(study, Study) if key.partition(".")[0] not in _FIXED]
    salts = [f"compensator.{name}" for name in (_TOTAL, _SHARE)]
    return (*_FURNACE, *salts, *_case_keys(), *plain)


def _case_keys() -> tuple[str, ...]:
    return tuple(key for key in _leaves(None, Case) if "." in key)


def _leaves(value: Any, model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Paths of the single numbers and words of a section; sections in lists count from 0."""
    for name, field in model.model_fields.items():
        here, inner = f"{prefix}{name}", section_in(field.annotation)
        held = getattr(value, name, None)
        if isinstance(held, tuple):
            for number, member in enumerate(held):
                if inner is not None:
                    yield from _leaves(member, inner, f"{here}.{number}.")
        elif inner is not None:
            yield from _leaves(held, inner, f"{here}.")
        else:
            yield here


def _cases_of(study: Study, key: str) -> tuple[str, list[str]] | None:
    """The key inside a case, and the names of the cases it changes; None for a key of something else."""
    known = {*_case_keys(), f"compensator.{_TOTAL}", f"compensator.{_SHARE}"}
    names = [case.name for case in study.cases]
    if key.startswith("cases."):
        for name in names:
            tail = key.removeprefix(f"cases.{name}.")
            if tail in known:
                return tail, [name]
        every = [f"cases.{name}.{tail}" for name in names for tail in known]
        raise UnknownNameError("key of a case", key, every)
    if key not in known:
        return None
    section = key.partition(".")[0]
    return key, [case.name for case in study.cases if getattr(case, section) is not None] or names


def _put(data: Any, key: str, value: Value, *, air: Mapping[str, Any]) -> None:
    """Set one value; an atmosphere that a segment does not have yet starts as that of the study, ``air``."""
    *path, last = key.split(".")
    for part in path:
        if isinstance(data, list):
            data = data[int(part)]
            continue
        if data.get(part) is None:
            data[part] = dict(air) if part == "atmosphere" else {}
        data = data[part]
    data[last] = value


def _change_furnace(study: Study, furnace: dict[str, Any], key: str, value: Value) -> None:
    segments, temperatures = furnace["segments"], [temperature for _, temperature in study.furnace.knots()]
    hottest = max(temperatures)
    name = key.removeprefix("furnace.")
    at_top = [segment for segment, end in zip(segments, temperatures[1:], strict=True) if end == hottest]
    if key == _HOLD_C:
        name = "to_C"
        if temperatures[0] == hottest:
            furnace["start_C"] = value
    changed = [segment for segment in (at_top if key in (_HOLD_C, _HOLD_H) else segments) if segment[name]]
    if key == _HOLD_H:
        _change_hold(changed, value)
        return
    if not changed and key != _HOLD_C:
        raise StudyError(f"{key} = {value}: no segment of the programme has {name}; add one")
    for segment in changed:
        segment[name] = value


def _change_hold(holds: Sequence[dict[str, Any]], value: Value) -> None:
    if not holds:
        raise StudyError(
            f"{_HOLD_H} = {value}: the programme has no hold at its highest temperature; add a segment with hold_h"
        )
    hours, before = _number(_HOLD_H, value, "hour"), sum(hold["hold_h"] for hold in holds)
    for hold in holds:
        hold["hold_h"] = hours * (hold["hold_h"] / before)


def _change_case(case: dict[str, Any], changes: Changes, said: str) -> None:
    for key, value in changes.items():
        if key.removeprefix("compensator.") not in (_TOTAL, _SHARE):
            _put(case, key, value, air={})
    salt = case["compensator"]
    wanted = {key: changes.get(f"compensator.{key}") for key in (_TOTAL, _SHARE)}
    if any(value is not None for value in wanted.values()):
        salt = case["compensator"] = _mixed(case["name"], salt or {}, wanted, said)
    if changes and salt and all(_is_zero(salt.get(name, 0.0)) for name in SALTS):
        case["compensator"] = None


def _mixed(
    case: str, salt: Mapping[str, Any], wanted: Mapping[str, Value | None], said: str
) -> dict[str, Any]:
    """The compensator with another total or another share of LiOH."""
    old = [_number(f"compensator.{name}", salt.get(name, 0.0)) for name in SALTS]
    before = sum(old)
    total = before if wanted[_TOTAL] is None else _number(f"compensator.{_TOTAL}", wanted[_TOTAL])
    if wanted[_SHARE] is not None:
        share = _number(f"compensator.{_SHARE}", wanted[_SHARE])
        if not 0.0 <= share <= 1.0:
            raise StudyError(
                f"compensator.{_SHARE} = {share:g}: must be from 0 (Li2CO3 only) to 1 (LiOH only)"
            )
    elif before > 0.0 or total == 0.0:
        share = old[0] / (before or 1.0)
    else:
        raise StudyError(
            f"{said}: case {case} holds no salt whose ratio could be kept; give compensator.{_SHARE} as well"
        )
    return {**salt, SALTS[0]: total * share, SALTS[1]: total * (1.0 - share)}


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0.0


def _number(key: str, value: Any, unit: str = "dimensionless") -> float:
    try:
        return to_unit(value, unit) if isinstance(value, str) else float(value)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{key} = {value}: must be a number") from error


def parse_variation(text: str) -> tuple[str, tuple[Value, ...]]:
    """Read ``KEY=RANGE``; see :func:`parse_range`."""
    key, values = split_variation(text)
    return key, parse_range(values, name=key)


def split_variation(text: str) -> tuple[str, str]:
    """Cut ``KEY=VALUES`` in two.

    Raises
    ------
    InputError
        One of them is missing.
    """
    key, _, values = (part.strip() for part in text.partition("="))
    if not key or not values:
        raise InputError(f"'{text}' is not KEY=FROM:TO:STEP, for example furnace.hold_C=500:800:25")
    return key, values


def parse_range(text: str, *, name: str = "range") -> tuple[Value, ...]:
    """Read ``500:800:25`` (ends included), ``500,550``, one number, or words such as ``LiOH,Li2CO3``.

    Raises
    ------
    InputError
        Nothing is given, a range is empty, or it has too many steps.

    >>> parse_range("0:0.3:0.1")
    (0.0, 0.1, 0.2, 0.3)
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(f"{name}: no value is given; write FROM:TO:STEP or a list a,b,c")
    values: list[Value] = []
    for part in parts:
        values += _spaced(part, name) if part.count(":") == 2 else [_plain(part)]
    return tuple(dict.fromkeys(values))


def parse_bounds(text: str, *, name: str = "range") -> tuple[float, float]:
    """Read ``FROM:TO`` with FROM below TO.

    Raises
    ------
    InputError
        It is anything else.
    """
    numbers = _numbers(text, name, "FROM:TO, for example 500:800")
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise InputError(f"{name}={text}: write FROM:TO with FROM below TO, for example 500:800")
    return numbers[0], numbers[1]


def _numbers(text: str, name: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError as error:
        raise InputError(f"{name}={text}: write {form}") from error
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{name}={text}: must be finite")
    return numbers


def _spaced(text: str, name: str) -> list[float]:
    low, high, step = _numbers(text, name, "FROM:TO:STEP, for example 500:800:25")
    if not (step > 0.0 and low <= high):
        raise InputError(f"{name}={text}: FROM must not exceed TO, and STEP must be above 0")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > LARGEST_DESIGN:
        raise InputError(f"{name}={text}: gives {count} values; at most {LARGEST_DESIGN} are allowed")
    return [float(f"{low + i * step:.12g}") for i in range(count)]


def _plain(part: str) -> Value:
    try:
        return float(part)
    except ValueError:
        return part


def grid(axes: Mapping[str, Sequence[Value]]) -> tuple[dict[str, Value], ...]:
    """Every combination of the values of the axes, the last axis running fastest.

    Raises
    ------
    InputError
        There are more than 100000.
    """
    count = math.prod(len(values) for values in axes.values())
    if count > LARGEST_DESIGN:
        raise InputError(f"the axes make {count} points; at most {LARGEST_DESIGN} are allowed")
    return tuple(dict(zip(axes, point, strict=True)) for point in product(*axes.values()))


def scattered(
    bounds: Mapping[str, tuple[float, float]], n: int, *, seed: int = 0
) -> tuple[dict[str, float], ...]:
    """``n`` points of a Latin hypercube inside ``bounds`` (key -> lowest, highest).

    Raises
    ------
    InputError
        ``n`` is not from 1 to 100000.
    """
    import numpy as np
    from scipy.stats import qmc

    if not 1 <= n <= LARGEST_DESIGN:
        raise InputError(f"{n} points are asked for; allowed are 1 to {LARGEST_DESIGN}")
    unit = qmc.LatinHypercube(d=len(bounds), rng=np.random.default_rng(seed)).random(n)
    low, high = (np.array([pair[end] for pair in bounds.values()]) for end in (0, 1))
    return tuple(dict(zip(bounds, map(float, row), strict=True)) for row in low + unit * (high - low))
