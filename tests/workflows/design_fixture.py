"""A study whose runs follow a formula, so that the best designs are known by hand.

layered = 0.85 + 0.04 dose - 0.001 (T - 700 °C) - 0.01 (hold - 2 h) + 0.01 z; runs above 780 °C fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cosinter.analysis.continuum.batch import OUTCOMES, Outcomes
from cosinter.analysis.continuum.ensemble import Draws
from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet
from cosinter.workflows.design import COSTS
from cosinter.workflows.study import Case, Compensator, Study
from cosinter.workflows.variants import Variant, Variants
from cosinter.workflows.variation import Changes, vary

STUDY = Study(
    name="formula", cases=(Case(name="gel", compensator=Compensator(LiOH_wt_percent=2, Li2CO3_wt_percent=2)),)
)
SPREAD, HOTTEST_C = 0.01, 780.0
_EMPTY = ParameterSet(study="formula", cosinter_version="test", parameters={})
_CASE = SinterCase(
    name="gel",
    furnace=Furnace(times_s=(0.0, 1.0), temperatures_K=(300.0, 300.0), gases=(Gas(2e4, 0.0, 0.0),)),
)


def layered(study: Study) -> float:
    hold = sum(segment.hold_h or 0.0 for segment in study.furnace.segments)
    hot = COSTS["temperature"].of(study)
    return 0.85 + 0.04 * COSTS["dose"].of(study) - 0.001 * (hot - 700.0) - 0.01 * (hold - 2.0)


class Formula(Variants):
    def of(self, changes: Changes) -> Variant:
        return Variant(vary(self.study, changes), _EMPTY, _CASE)

    def run(
        self, variants: Sequence[Variant], *, progress: Callable[[int, int], None] | None = None
    ) -> Outcomes:
        return _outcomes([variant.study for variant in variants], np.zeros(len(variants)))

    def draws(self, variant: Variant, n: int, *, seed: int) -> Draws:
        return Draws(("luck", "nothing"), np.random.default_rng(seed).standard_normal((n, 2)))

    def samples(self, variant: Variant, draws: Draws) -> Outcomes:
        return _outcomes([variant.study] * len(draws.z), draws.z[:, 0])


def _outcomes(studies: Sequence[Study], errors: np.ndarray) -> Outcomes:
    share = np.array([layered(study) for study in studies]) + SPREAD * errors
    values = np.column_stack([share, 0.5 * (1.0 - share), 0.5 * (1.0 - share), share, 100.0 * (1.0 - share)])
    values = np.column_stack([values, 1000.0 * (1.0 - share), 200.0 * share])
    broken = np.array([COSTS["temperature"].of(study) > HOTTEST_C for study in studies])
    values[broken] = np.nan
    return Outcomes(OUTCOMES, values, {int(row): "too hot" for row in np.flatnonzero(broken)})
