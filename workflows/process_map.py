"""Process maps: an outcome, and the probability that a target holds, over two numbers of a study."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.continuum.design import Probability, Target
from cosinter.analysis.continuum.maps import contours
from cosinter.analysis.exports.csv_table import csv_text
from cosinter.data.exceptions import ConvergenceError, InputError
from cosinter.workflows.design import FREE, OUTCOMES
from cosinter.workflows.variants import Variants
from cosinter.workflows.variation import Changes, parse_variation

if TYPE_CHECKING:
    from cosinter.analysis.continuum.design import FloatArray
    from cosinter.workflows.reactions import Tell

#: Probabilities whose lines are drawn.
LEVELS = (0.5, 0.95)
MOST_POINTS = 10_000
#: An axis whose values span more than this ratio is drawn on a logarithmic scale.
_WIDE = 50.0


@dataclass(frozen=True)
class Axis:
    """One number of the study and the ascending values it takes."""

    key: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2 or any(b <= a for a, b in pairwise(self.values)):
            raise InputError(f"{self.key}: a map needs at least two ascending values, e.g. 500:800:25")

    @property
    def logarithmic(self) -> bool:
        """Whether the values span decades."""
        return self.values[0] > 0.0 and self.values[-1] / self.values[0] > _WIDE

    @property
    def label(self) -> str:
        """What stands at the axis."""
        known = next((free for free in FREE.values() if free.key == self.key), None)
        text = self.key if known is None else ", ".join(filter(None, (known.meaning, known.unit)))
        return f"log10 of {text}" if self.logarithmic else text

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "key": self.key,
            "label": self.label,
            "logarithmic": self.logarithmic,
            "values": list(self.values),
        }

    def positions(self) -> FloatArray:
        """Where the values stand on the axis."""
        return np.array([math.log10(value) if self.logarithmic else value for value in self.values])


def parse_axis(text: str) -> Axis:
    """Read ``furnace.hold_C=500:800:25``, or a short name: ``hold_C=500:800:25``.

    Raises
    ------
    InputError
        It is not KEY=RANGE, the values are words, or they do not ascend.

    >>> parse_axis("dose=0:2:1")
    Axis(key='compensator.wt_percent', values=(0.0, 1.0, 2.0))
    """
    name, values = parse_variation(text)
    key = FREE[name].key if name in FREE else name
    if not all(isinstance(value, float) for value in values):
        raise InputError(f"{text}: an axis of a map takes numbers")
    return Axis(key, tuple(float(value) for value in values))


def process_map(
    variants: Variants,
    x: Axis,
    y: Axis,
    *,
    outcome: str,
    target: Target | None,
    base: Changes | None = None,
    samples: int = 0,
    seed: int = 0,
    tell: Tell,
) -> dict[str, Any]:
    """Run the study at every point of a grid; JSON-able, tables as [y][x], None where a run failed.

    Parameters
    ----------
    outcome : the one that is drawn; the content holds all
    target : its line is drawn; with ``samples`` also the probability that it holds
    base : changes that hold at every point

    Raises
    ------
    InputError
        Both axes are the same, the grid is too large, or a probability is asked for without a target.
    StudyError, UnknownNameError
        A point of the grid that the study cannot have.
    ConvergenceError
        No run ended.
    """
    _check(x, y, target, samples)
    began = time.monotonic()
    points = [(i, j) for j in range(len(y.values)) for i in range(len(x.values))]
    runs = [variants.of({**(base or {}), x.key: x.values[i], y.key: y.values[j]}) for i, j in points]
    found = variants.run(runs, progress=lambda done, total: tell("running the map", done, total))
    if not np.any(found.good):
        raise ConvergenceError(f"none of {len(runs)} runs ended; the first: {found.failures[0]}")
    shape = len(y.values), len(x.values)
    chance: FloatArray | None = None
    if samples and target is not None:
        held = []
        for place, run in enumerate(runs):
            tell("running the samples", place, len(runs))
            drawn = variants.samples(run, variants.draws(run, samples, seed=seed)).column(target.outcome)
            held.append(Probability.of(target.shortfall(drawn)[:, None]).value)
        chance = np.reshape(held, shape)
    tables = {name: found.column(name).reshape(shape) for name, _ in OUTCOMES.values()}
    return {
        "study": variants.study.name,
        "case": variants.study.cases[0].name,
        "base": dict(base or {}),
        "x": x.to_dict(),
        "y": y.to_dict(),
        "outcome": outcome,
        "outcomes": {name: _plain(table) for name, table in tables.items()},
        "target": asdict(target) if target is not None else None,
        "target_lines": _lines(x, y, tables[target.outcome], target.value) if target is not None else [],
        "samples": samples,
        "probability": _plain(chance) if chance is not None else None,
        "probability_lines": {
            f"{level:g}": _lines(x, y, chance, level) for level in LEVELS if chance is not None
        },
        "failures": [
            {"x": x.values[points[row][0]], "y": y.values[points[row][1]], "why": why}
            for row, why in found.failures.items()
        ],
        "seconds": round(time.monotonic() - began, 3),
    }


def _check(x: Axis, y: Axis, target: Target | None, samples: int) -> None:
    if x.key == y.key:
        raise InputError(f"both axes of the map are {x.key}; choose two different keys")
    if len(x.values) * len(y.values) > MOST_POINTS:
        raise InputError(
            f"the map has {len(x.values)} x {len(y.values)} points; at most {MOST_POINTS} are allowed"
        )
    if samples and target is None:
        raise InputError("a probability needs a target, e.g. --target layered>=0.9")


def _plain(table: FloatArray) -> list[list[float | None]]:
    return [[float(value) if np.isfinite(value) else None for value in row] for row in table]


def _lines(x: Axis, y: Axis, values: FloatArray, level: float) -> list[dict[str, list[float]]]:
    """Lines of one height in the units of the axes."""
    found = contours(x.positions(), y.positions(), values, level)
    return [{"x": _back(x, line[:, 0]), "y": _back(y, line[:, 1])} for line in found]


def _back(axis: Axis, places: FloatArray) -> list[float]:
    return [float(place) for place in (10.0**places if axis.logarithmic else places)]


def map_csv(content: Mapping[str, Any]) -> str:
    """One row per point: both keys, every outcome, the probability where there is one."""
    x, y = content["x"], content["y"]
    tables = dict(content["outcomes"])
    if content["probability"] is not None:
        tables["probability"] = content["probability"]
    rows = [
        {x["key"]: wide, y["key"]: high, **{name: table[j][i] for name, table in tables.items()}}
        for j, high in enumerate(y["values"])
        for i, wide in enumerate(x["values"])
    ]
    return csv_text([x["key"], y["key"], *tables], rows)
