"""The runs behind a search for designs: every design is run once and remembered, with samples where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
from cosinter.workflows.design import COSTS, OUTCOMES, Free, Request
from cosinter.workflows.study import Study
from cosinter.workflows.variants import Variant, Variants

if TYPE_CHECKING:
    from cosinter.analysis.continuum.design import FloatArray
    from cosinter.workflows.reactions import Tell

#: How many times more samples check a robust design than have chosen it, with errors drawn anew.
CHECKED = 4
#: Searches for a robust front at most, each asking more of its samples than the one before.
ROUNDS = 4


class Search:
    """The runs behind a request; every design is run once and remembered."""

    def __init__(self, request: Request, variants: Variants, tell: Tell) -> None:
        self.request, self.variants = request, variants
        self.tell, self.stage = tell, ""
        self.free: Mapping[str, Free] = request.chosen()
        self.variables = [free.variable(name) for name, free in self.free.items()]
        self.runs, self.failures = 0, list[str]()
        self.seen: dict[tuple[float, ...], tuple[Variant, FloatArray]] = {}
        self.sampled: dict[tuple[float, ...], tuple[FloatArray, FloatArray]] = {}
        self.checks: dict[tuple[float, ...], tuple[Draws, Outcomes, FloatArray]] = {}
        self.level = request.probability or 0.0
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
        return self._front("front", self.judge)

    def robust(self, nominal: Front) -> Front:
        """The front of the designs that keep the targets with the probability asked for.

        Designs chosen by samples flatter them. Where fresh samples say that the best design holds less surely than asked
        for, the searching samples are asked for as much more, at most that all of them hold.
        """
        asked = self.request.probability or 0.0
        start = nominal.designs
        for _ in range(ROUNDS):
            front = self._front("robust front", self._judge_samples, start=start)
            best, start = front.designs[front.compromise], front.designs
            found = Probability.of(self.checked(best)[2]).value
            if not front.feasible or found >= asked or self.level >= _all(self.request.samples):
                break
            self.level = min(self.level + asked - found, _all(self.request.samples))
        return front

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

    def tell_stage(self, done: int, total: int) -> None:
        """Say how far the present stage is."""
        self.tell(self.stage, done, total)

    def judge(self, designs: FloatArray) -> Scores:
        """Run designs (n, d) with the central parameters."""
        variants = [self.variants.of(self.changes(design)) for design in designs]
        outcomes = self.variants.run(variants, progress=self.tell_stage)
        self._count(outcomes)
        for design, variant, row in zip(designs, variants, outcomes.values, strict=True):
            self.seen[tuple(map(float, design))] = variant, row
        costs = [self.costs(variant, row) for variant, row in zip(variants, outcomes.values, strict=True)]
        studies = [variant.study for variant in variants]
        return Scores(np.array(costs), self._shortfalls(outcomes, studies))

    def _judge_samples(self, designs: FloatArray) -> Scores:
        new = [design for design in designs if tuple(map(float, design)) not in self.seen]
        if new:
            self.judge(np.array(new))
        costs, missed = [], []
        for place, design in enumerate(designs):
            self.tell_stage(place, len(designs))
            middle, shortfalls = self._sampled(design)
            costs.append(self.costs(self.known(design)[0], middle))
            missed.append([sure_shortfall(shortfalls, self.level)])
        return Scores(np.array(costs), np.array(missed))

    def _sampled(self, design: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Medians of the outcomes of a design over its samples, and the shortfalls (samples, targets).

        A design is given up after the first quarter of the samples if more of them miss the targets than all may.
        """
        key = tuple(map(float, design))
        if key not in self.sampled:
            variant, wanted = self.known(design)[0], self.request.samples
            draws = self.variants.draws(variant, wanted, seed=self.request.seed)
            quarter = Draws(draws.names, draws.z[: max(1, wanted // 4)])
            outcomes = self._samples(variant, quarter)
            shortfalls = self._shortfalls(outcomes, [variant.study])
            if np.sum(shortfalls.max(axis=1) > 0.0) <= (1.0 - self.level) * wanted:
                rest = self._samples(variant, Draws(draws.names, draws.z[len(quarter.z) :]))
                outcomes = Outcomes(outcomes.names, np.concatenate([outcomes.values, rest.values]), {})
                shortfalls = self._shortfalls(outcomes, [variant.study])
            good = outcomes.values[outcomes.good]
            middle = np.median(good, axis=0) if len(good) else np.full(len(self.names), np.nan)
            self.sampled[key] = middle, shortfalls
        return self.sampled[key]

    def checked(self, design: FloatArray) -> tuple[Draws, Outcomes, FloatArray]:
        """Fresh samples of a design, their outcomes and shortfalls (samples, targets)."""
        key = tuple(map(float, design))
        if key not in self.checks:
            variant = self.known(design)[0]
            draws = self.variants.draws(variant, CHECKED * self.request.samples, seed=self.request.seed + 1)
            outcomes = self._samples(variant, draws)
            self.checks[key] = draws, outcomes, self._shortfalls(outcomes, [variant.study])
        return self.checks[key]

    def _samples(self, variant: Variant, draws: Draws) -> Outcomes:
        outcomes = self.variants.samples(variant, draws)
        self._count(outcomes)
        return outcomes

    def _count(self, outcomes: Outcomes) -> None:
        self.runs += len(outcomes.values)
        self.failures += outcomes.failures.values()

    def costs(self, variant: Variant, outcomes: FloatArray) -> list[float]:
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

    def known(self, design: FloatArray) -> tuple[Variant, FloatArray]:
        """Variant and outcomes of a design with the central parameters."""
        key = tuple(map(float, design))
        if key not in self.seen:
            self.judge(np.array([key]))
        return self.seen[key]


def _all(samples: int) -> float:
    """A share of the samples that only all of them make."""
    return 1.0 - 0.5 / samples
