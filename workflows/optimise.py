"""Design of a firing: which programmes keep the targets at the least dose, time, temperature or heat.

The content that :func:`optimise` gives is plain data: ``cosinter optimise --json`` prints it, the tables and pictures
are made of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.continuum.design import Front, Probability
from cosinter.analysis.exports.csv_table import csv_text
from cosinter.data.exceptions import ConvergenceError, StudyError
from cosinter.workflows.design import COSTS, FREE, Free, Request
from cosinter.workflows.design_search import Search
from cosinter.workflows.process_map import Axis, process_map
from cosinter.workflows.variants import Variants

if TYPE_CHECKING:
    from cosinter.analysis.continuum.batch import Outcomes
    from cosinter.analysis.continuum.design import FloatArray
    from cosinter.workflows.reactions import Tell

#: Relative distance to a target below which it is what limits a design.
_CLOSE = 0.01
#: Axes of the maps through the best design, and the runs along each.
MAPS = (("hold_h", "hold_C"), ("hold_C", "dose"))
GRID = 13
NO_DENSIFICATION = (
    "the model does not compute densification: let the ranges of hold_C and hold_h be those that sinter the "
    "electrolyte, or give the activation energy of its sintering"
)


def optimise(request: Request, variants: Variants, *, tell: Tell) -> dict[str, Any]:
    """Search the Pareto front and, where a probability is asked for, the robust one; JSON-able.

    Raises
    ------
    StudyError, UnknownNameError
        A free number cannot be set over its range.
    ConvergenceError
        No run ended.
    """
    began = time.monotonic()
    search = Search(request, variants, tell)
    search.check_ends()
    nominal = search.nominal()
    robust = search.robust(nominal) if request.probability is not None and nominal.feasible else None
    if search.failures and len(search.failures) == search.runs:
        raise ConvergenceError(f"none of {search.runs} runs ended; the first: {search.failures[0]}")
    answer = _Answer(search)
    return {
        "study": request.study.name,
        "case": request.study.cases[0].name,
        "objectives": [
            {"name": one.name, "sense": one.sense, "unit": one.unit} for one in request.objectives
        ],
        "targets": [asdict(target) for target in request.targets],
        "probability": request.probability,
        "samples": request.samples if request.probability is not None else 0,
        "sintering_kJ_per_mol": request.sintering_kJ_per_mol,
        "free": [{"name": name, **asdict(free)} for name, free in search.free.items()],
        "nominal": answer.part(nominal, sure=False),
        "robust": answer.part(robust, sure=True) if robust is not None else None,
        "runs": search.runs,
        "failed_runs": len(search.failures),
        "seconds": round(time.monotonic() - began, 3),
        "warnings": _warnings(request, search, nominal),
    }


def _warnings(request: Request, search: Search, nominal: Front) -> list[str]:
    held = request.sintering_kJ_per_mol is not None
    notes = [NO_DENSIFICATION] if {"hold_C", "hold_h"} & set(search.free) and not held else []
    if request.probability is not None and not nominal.feasible:
        notes.append(
            "no robust design was searched for: the targets do not hold even with the central parameters"
        )
    if search.failures:
        notes.append(
            f"{len(search.failures)} of {search.runs} runs failed and count as missing the targets; "
            f"the first: {search.failures[0]}"
        )
    return notes


class _Answer:
    """What the content says about the fronts of a search."""

    def __init__(self, search: Search) -> None:
        self.search, self.request, self.free = search, search.request, search.free

    def part(self, front: Front, *, sure: bool) -> dict[str, Any]:
        """What the content says about one front."""
        self.search.stage = "checking the designs"
        asked, best = self.request.probability is not None, front.compromise
        rows: list[dict[str, Any]] = []
        decisive: dict[str, list[str]] = {}
        for place, design in enumerate(front.designs):
            self.search.tell_stage(place, len(front.designs))
            row = self._row(design)
            if asked and (sure or place == best):
                decided = self._check(row, design)
                decisive = decided if place == best else decisive
            rows.append(row)
        return {
            "feasible": front.feasible,
            "converged": front.converged,
            "designs_judged": front.judged,
            "front": rows,
            "compromise": best,
            "limits": self._limits(rows[best], sure=sure),
            "decisive": decisive,
            "effects": self._effects(front.designs[best]),
        }

    def _row(self, design: FloatArray) -> dict[str, Any]:
        variant, values = self.search.known(design)
        costs = self.search.costs(variant, values)
        return {
            "design": dict(zip(self.free, map(float, design), strict=True)),
            "changes": self.search.changes(design),
            "objectives": {
                one.name: one.sign * cost for one, cost in zip(self.request.objectives, costs, strict=True)
            },
            "costs": {name: cost.of(variant.study) for name, cost in COSTS.items()},
            "outcomes": _plain(self.search.names, values),
            "sintering_work": self.request.work(variant.study),
            "probability": None,
            "intervals": None,
        }

    def _check(self, row: dict[str, Any], design: FloatArray) -> dict[str, list[str]]:
        """Add probability and intervals to a row from samples of its own; give what decides the targets' outcomes."""
        from cosinter.workflows.steps.sweep import dominant

        draws, outcomes, shortfalls = self.search.checked(design)
        row["probability"] = asdict(Probability.of(shortfalls))
        row["intervals"] = _intervals(outcomes)
        decided = dict(zip(outcomes.names, dominant(draws, outcomes), strict=True))
        return {target.outcome: decided[target.outcome] for target in self.request.targets}

    def _limits(self, row: Mapping[str, Any], *, sure: bool) -> list[str]:
        """What keeps a design from being better: targets that are missed or just kept, ends of ranges."""
        said, chance = [], row["probability"]
        if sure and chance["value"] < self.request.probability:
            said.append(
                f"the targets hold with probability {chance['value']:.3g} only (95 % interval {chance['low']:.3g} to "
                f"{chance['high']:.3g})"
            )
        for target in self.request.targets:
            value = row["outcomes"][target.outcome]
            missing = float(target.shortfall(np.array(np.nan if value is None else value)))
            if missing > 0.0:
                said.append(f"{target} is missed: {'the run failed' if value is None else f'{value:.4g}'}")
            elif missing > -_CLOSE:
                said.append(f"{target} is just kept: {value:.4g}")
        work = row["sintering_work"]
        if work is not None and work < 1.0 + _CLOSE:
            said.append(f"the work of sintering is {work:.3g} of that of the study's programme")
        for name, free in self.free.items():
            value = row["design"][name]
            for end, where in (("low", "lower"), ("high", "upper")):
                if value == getattr(free, end):
                    said.append(
                        f"{name} stands at the {where} end of its range, {value:g} {free.unit}".rstrip()
                    )
        return said

    def _effects(self, design: FloatArray) -> list[dict[str, Any]]:
        """What the targets' outcomes become when one free number alone goes to either end of its range."""
        wanted = [target.outcome for target in self.request.targets]
        if not wanted:
            return []
        moved = [
            (name, end, np.where(np.arange(len(design)) == place, getattr(free, end), design))
            for place, (name, free) in enumerate(self.free.items())
            for end in ("low", "high")
        ]
        self.search.judge(np.array([row for _, _, row in moved]))
        found: dict[str, dict[str, Any]] = {}
        for name, end, row in moved:
            outcomes = _plain(self.search.names, self.search.known(row)[1])
            found.setdefault(name, {"name": name})[end] = {key: outcomes[key] for key in wanted}
        return list(found.values())


def front_csv(content: Mapping[str, Any]) -> str:
    """One row per design of each front: free numbers, objectives, outcomes, and the probability where it was checked."""
    rows = [
        {
            "front": name,
            **row["design"],
            **{f"objective {key}": value for key, value in row["objectives"].items()},
            **row["outcomes"],
            **{f"probability {key}": value for key, value in (row["probability"] or {}).items()},
        }
        for name in ("nominal", "robust")
        if content[name] is not None
        for row in content[name]["front"]
    ]
    return csv_text(list(dict.fromkeys(key for row in rows for key in row)), rows)


def maps_through(
    content: Mapping[str, Any], request: Request, variants: Variants, *, tell: Tell
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Process maps over time and temperature, and over temperature and dose, through the best design.

    The best design is the compromise of the robust front where there is one.

    Returns
    -------
    dict
        Content of each map by name.
    list of str
        Why a map is missing that this study cannot have, e.g. over the dose of a case without salt.
    """
    part = content["robust"] or content["nominal"]
    best = part["front"][part["compromise"]]["changes"]
    target = request.targets[0] if request.targets else None
    drawn, notes = {}, []
    for across, up in MAPS:
        x, y = (_axis(request.chosen().get(name, FREE[name])) for name in (across, up))
        try:
            drawn[f"map-{across}-{up}".lower().replace("_", "-")] = process_map(
                variants,
                x,
                y,
                base=best,
                outcome=target.outcome if target is not None else "layered_fraction",
                target=target,
                tell=tell,
            )
        except StudyError as error:
            notes.append(f"no map of {across} and {up}: {error}")
    return drawn, notes


def _axis(free: Free) -> Axis:
    values = np.linspace(free.low, free.high, GRID)
    return Axis(free.key, tuple(float(f"{value:.6g}") for value in values))


def _plain(names: Sequence[str], values: FloatArray) -> dict[str, float | None]:
    """Outcomes by name; None where the run failed."""
    return {
        name: float(value) if np.isfinite(value) else None for name, value in zip(names, values, strict=True)
    }


def _intervals(outcomes: Outcomes) -> dict[str, list[float]] | None:
    """5 and 95 % quantiles of every outcome over the samples that ended."""
    good = outcomes.values[outcomes.good]
    if not len(good):
        return None
    low, high = np.quantile(good, [0.05, 0.95], axis=0)
    return {name: [float(low[place]), float(high[place])] for place, name in enumerate(outcomes.names)}
