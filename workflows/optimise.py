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

from cosinter.analysis.continuum.batch import Outcomes
from cosinter.analysis.continuum.design import (
    FAILED,
    Front,
    Judge,
    Probability,
    Scores,
    pareto_front,
    sure_shortfall,
)
from cosinter.analysis.continuum.ensemble import Draws
from cosinter.analysis.exports.csv_table import csv_text
from cosinter.data.exceptions import ConvergenceError, StudyError
from cosinter.workflows.design import COSTS, FREE, OUTCOMES, Free, Request
from cosinter.workflows.process_map import Axis, process_map
from cosinter.workflows.study import Study
from cosinter.workflows.variants import Variant, Variants

if TYPE_CHECKING:
    from cosinter.analysis.continuum.design import FloatArray
    from cosinter.workflows.reactions import Tell

#: How many times more samples check a robust design than have chosen it, with errors drawn anew.
CHECKED = 4
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
    search = _Search(request, variants, tell)
    search.check_ends()
    nominal = search.nominal()
    robust = search.robust(nominal) if request.probability is not None and nominal.feasible else None
    if search.failures and len(search.failures) == search.runs:
        raise ConvergenceError(f"none of {search.runs} runs ended; the first: {search.failures[0]}")
    parts = {"nominal": search.part(nominal, sure=False)}
    if robust is not None:
        parts["robust"] = search.part(robust, sure=True)
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
        "nominal": None,
        "robust": None,
        **parts,
        "runs": search.runs,
        "failed_runs": len(search.failures),
        "seconds": round(time.monotonic() - began, 3),
        "warnings": _warnings(request, search, nominal),
    }


def _warnings(request: Request, search: _Search, nominal: Front) -> list[str]:
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


class _Search:
    """The runs behind a request; every design is run once and remembered."""

    def __init__(self, request: Request, variants: Variants, tell: Tell) -> None:
        self.request, self.variants = request, variants
        self.tell, self.stage = tell, ""
        self.free: Mapping[str, Free] = request.chosen()
        self.variables = [free.variable(name) for name, free in self.free.items()]
        self.runs, self.failures = 0, list[str]()
        self.seen: dict[tuple[float, ...], tuple[Variant, FloatArray]] = {}
        self.names: tuple[str, ...] = tuple(name for name, _ in OUTCOMES.values())

    def check_ends(self) -> None:
        """Set every free number to both ends of its range, alone and all together, so that mistakes show at once."""
        low, high = ([getattr(variable, end) for variable in self.variables] for end in ("low", "high"))
        for ends in (low, high):
            self.variants.of(self.changes(ends))
            for name, value in self.changes(ends).items():
                self.variants.of({name: value, **self._salts(name)})

    def _salts(self, key: str) -> dict[str, float]:
        """The share of LiOH that a dose needs where the case holds no salt, if it is free."""
        ratio = self.free.get("ratio")
        return {} if ratio is None or key == ratio.key else {ratio.key: ratio.high}

    def changes(self, design: Sequence[float] | FloatArray) -> dict[str, float]:
        """Key of the study -> value."""
        return {free.key: float(value) for free, value in zip(self.free.values(), design, strict=True)}

    def nominal(self) -> Front:
        """The front with the central parameters."""
        return self._front("front", self._judge)

    def robust(self, nominal: Front) -> Front:
        """The front of the designs that keep the targets with the probability asked for."""
        return self._front("robust front", self._judge_samples, start=nominal.designs)

    def _front(self, what: str, judge: Judge, *, start: FloatArray | None = None) -> Front:
        request = self.request

        def begin(before: int, most: int) -> None:
            self.stage = f"{what}, generation {before + 1} of at most {most}"

        begin(0, request.generations)
        return pareto_front(
            self.variables,
            judge,
            population=request.population,
            generations=request.generations,
            seed=request.seed,
            start=start,
            progress=begin,
        )

    def _tell(self, done: int, total: int) -> None:
        self.tell(self.stage, done, total)

    def _judge(self, designs: FloatArray) -> Scores:
        variants = [self.variants.of(self.changes(design)) for design in designs]
        outcomes = self.variants.run(variants, progress=self._tell)
        self._count(outcomes)
        for design, variant, row in zip(designs, variants, outcomes.values, strict=True):
            self.seen[tuple(map(float, design))] = variant, row
        costs = [self._costs(variant, row) for variant, row in zip(variants, outcomes.values, strict=True)]
        studies = [variant.study for variant in variants]
        return Scores(np.array(costs), self._shortfalls(outcomes, studies))

    def _judge_samples(self, designs: FloatArray) -> Scores:
        costs, missed = [], []
        for place, design in enumerate(designs):
            self._tell(place, len(designs))
            variant = self.variants.of(self.changes(design))
            outcomes, shortfall = self._surely(variant)
            good = outcomes.values[outcomes.good]
            middle = np.median(good, axis=0) if len(good) else np.full(len(self.names), np.nan)
            costs.append(self._costs(variant, middle))
            missed.append([shortfall])
        return Scores(np.array(costs), np.array(missed))

    def _surely(self, variant: Variant) -> tuple[Outcomes, float]:
        """Outcomes of the samples, and the shortfall that holds as surely as asked for.

        A design is given up after the first quarter of the samples if more of them miss the targets than all may.
        """
        request, chance = self.request, self.request.probability or 0.0
        draws = self.variants.draws(variant, request.samples, seed=request.seed)
        quarter = Draws(draws.names, draws.z[: max(1, len(draws.z) // 4)])
        outcomes = self._samples(variant, quarter)
        shortfalls = self._shortfalls(outcomes, [variant.study])
        if np.sum(shortfalls.max(axis=1) > 0.0) <= (1.0 - chance) * len(draws.z):
            rest = self._samples(variant, Draws(draws.names, draws.z[len(quarter.z) :]))
            outcomes = Outcomes(outcomes.names, np.concatenate([outcomes.values, rest.values]), {})
            shortfalls = self._shortfalls(outcomes, [variant.study])
        return outcomes, sure_shortfall(shortfalls, chance)

    def _samples(self, variant: Variant, draws: Draws) -> Outcomes:
        outcomes = self.variants.samples(variant, draws)
        self._count(outcomes)
        return outcomes

    def _count(self, outcomes: Outcomes) -> None:
        self.runs += len(outcomes.values)
        self.failures += outcomes.failures.values()

    def _costs(self, variant: Variant, outcomes: FloatArray) -> list[float]:
        """Objectives to be minimised; those of a failed run are as bad as can be."""
        values = []
        for objective in self.request.objectives:
            if objective.name in COSTS:
                value = COSTS[objective.name].of(variant.study)
            else:
                value = float(outcomes[self.names.index(OUTCOMES[objective.name][0])])
            values.append(objective.sign * value if np.isfinite(value) else FAILED)
        return values

    def _shortfalls(self, outcomes: Outcomes, studies: Sequence[Study]) -> FloatArray:
        """Of every target (runs, targets); the last two columns: too little sintering, a run that did not end."""
        columns = [target.shortfall(outcomes.column(target.outcome)) for target in self.request.targets]
        works = [self.request.work(study) for study in studies]
        idle = np.array([-1.0 if work is None else -np.log(work) for work in works])
        ended = np.where(outcomes.good, -1.0, FAILED)
        return np.column_stack([*columns, np.broadcast_to(idle, ended.shape), ended])

    def part(self, front: Front, *, sure: bool) -> dict[str, Any]:
        """What the content says about one front."""
        self.stage = "checking the designs"
        asked, best = self.request.probability is not None, front.compromise
        rows: list[dict[str, Any]] = []
        decisive: dict[str, list[str]] = {}
        for place, design in enumerate(front.designs):
            self._tell(place, len(front.designs))
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
        variant, values = self._known(design)
        costs = self._costs(variant, values)
        return {
            "design": dict(zip(self.free, map(float, design), strict=True)),
            "changes": self.changes(design),
            "objectives": {
                one.name: one.sign * cost for one, cost in zip(self.request.objectives, costs, strict=True)
            },
            "costs": {name: cost.of(variant.study) for name, cost in COSTS.items()},
            "outcomes": _plain(self.names, values),
            "sintering_work": self.request.work(variant.study),
            "probability": None,
            "intervals": None,
        }

    def _check(self, row: dict[str, Any], design: FloatArray) -> dict[str, list[str]]:
        """Add probability and intervals to a row from samples of its own; give what decides the targets' outcomes."""
        from cosinter.workflows.steps.sweep import dominant

        count, seed = CHECKED * self.request.samples, self.request.seed + 1
        variant = self._known(design)[0]
        draws = self.variants.draws(variant, count, seed=seed)
        outcomes = self._samples(variant, draws)
        row["probability"] = asdict(Probability.of(self._shortfalls(outcomes, [variant.study])))
        row["intervals"] = _intervals(outcomes)
        decided = dict(zip(outcomes.names, dominant(draws, outcomes), strict=True))
        return {target.outcome: decided[target.outcome] for target in self.request.targets}

    def _known(self, design: FloatArray) -> tuple[Variant, FloatArray]:
        key = tuple(map(float, design))
        if key not in self.seen:
            self._judge(np.array([key]))
        return self.seen[key]

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
        self._judge(np.array([row for _, _, row in moved]))
        found: dict[str, dict[str, Any]] = {}
        for name, end, row in moved:
            outcomes = _plain(self.names, self._known(row)[1])
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
