from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.analysis.continuum.design import (
    FAILED,
    FloatArray,
    Front,
    Probability,
    Scores,
    Target,
    Variable,
    pareto_front,
    sure_shortfall,
    undominated,
)
from cosinter.data.exceptions import InputError, MissingEngineError

SQUARE = (Variable("x", 0.0, 1.0, 0.01), Variable("y", 0.0, 1.0, 0.01))


def test_values_are_those_that_can_be_set() -> None:
    dose = Variable("dose", 0.0, 8.0, 0.05)
    assert dose.value(0.0) == 0.0
    assert dose.value(1.0) == 8.0
    assert dose.value(0.3333) == pytest.approx(2.65, abs=1e-12)
    pressure = Variable("CO2", 1e-6, 1e-2, None)
    assert pressure.value(0.5) == 1e-4
    assert pressure.value(0.125) == pytest.approx(3.2e-6, rel=1e-12)


@given(st.floats(0.0, 1.0), st.floats(1e-3, 1e3), st.floats(1.5, 1e3))
def test_values_stay_in_the_range_and_keep_their_place(share: float, low: float, ratio: float) -> None:
    for variable, width in (
        (Variable("a", low, low * ratio, low * (ratio - 1.0) / 200.0), 1.0 / 200.0),
        (Variable("b", low, low * ratio, None), 0.1 / np.log(ratio)),
    ):
        value = variable.value(share)
        assert variable.low <= value <= variable.high
        assert variable.share(value) == pytest.approx(share, abs=0.51 * width + 1e-9)


@pytest.mark.parametrize(
    ("low", "high", "step"), [(1.0, 1.0, 0.1), (2.0, 1.0, 0.1), (0.0, 1.0, None), (0.0, np.inf, 1.0)]
)
def test_a_range_must_ascend(low: float, high: float, step: float | None) -> None:
    with pytest.raises(InputError, match="range of dose"):
        Variable("dose", low, high, step)


def test_shortfalls_are_relative_to_the_bound() -> None:
    outcomes = np.array([0.45, 0.9, 1.0, np.nan])
    assert Target("layered_fraction", ">=", 0.9).shortfall(outcomes) == pytest.approx(
        [0.5, 0.0, -1.0 / 9.0, FAILED]
    )
    assert Target("asr_ohm_cm2", "<=", 0.0).shortfall(np.array([2.0, -1.0])) == pytest.approx([2.0, -1.0])


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40), st.floats(0.01, 0.99)
)
def test_sure_means_that_at_least_that_share_keeps_every_target(
    rows: list[tuple[float, float]], probability: float
) -> None:
    shortfalls = np.array(rows)
    kept = np.mean(np.all(shortfalls <= 0.0, axis=1))
    assert (sure_shortfall(shortfalls, probability) <= 0.0) == (kept >= probability - 1e-12)


def test_probability_has_the_exact_interval() -> None:
    every = Probability.of(np.full((60, 2), -0.1))
    assert (every.value, every.high, every.samples) == (1.0, 1.0, 60)
    assert every.low == pytest.approx(0.025 ** (1.0 / 60.0), rel=1e-9)  # closed form for k = n
    half = Probability.of(np.array([[-1.0, 1.0], [-1.0, -1.0]]))
    assert half.value == 0.5


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=30))
def test_undominated_rows_by_definition(rows: list[tuple[int, ...]]) -> None:
    costs, worst = np.array(rows, dtype=float), np.linspace(-1.0, 0.0, len(rows))
    kept = {tuple(costs[row]) for row in undominated(costs, worst)}
    assert len(kept) == len(undominated(costs, worst))
    beaten = {
        tuple(one) for one in costs if any(np.all(other <= one) and np.any(other < one) for other in costs)
    }
    assert kept == {tuple(row) for row in costs} - beaten


def judge_line(designs: FloatArray) -> Scores:
    """Both coordinates cost, and x + y/2 must reach 0.7: the front is the line from (0.2, 1) to (0.7, 0)."""
    missing = 0.7 - designs[:, 0] - 0.5 * designs[:, 1]
    return Scores(designs.copy(), np.round(missing, 12)[:, None])


def test_the_front_of_a_linear_problem_is_found() -> None:
    front = pareto_front(SQUARE, judge_line, seed=1)
    x, y = front.designs.T
    assert front.feasible
    assert len(x) >= 25
    assert np.all(np.diff(x) > 0.0)
    assert np.all(np.diff(y) < 0.0)
    assert np.max(x + 0.5 * y) <= 0.7 + 0.02
    assert x[0] <= 0.22
    assert y[-1] <= 0.04
    nearest_to_ideal = np.hypot((x - x[0]) / np.ptp(x), (y - y[-1]) / np.ptp(y))
    assert front.compromise == np.argmin(nearest_to_ideal)


def test_the_least_dose_is_found_and_ties_go_to_the_safest() -> None:
    def judge(designs: FloatArray) -> Scores:
        missing = np.round(0.7 - designs[:, 0] - 0.5 * designs[:, 1], 12)
        return Scores(designs[:, :1].copy(), missing[:, None])

    front = pareto_front(SQUARE, judge, seed=2)
    assert front.designs.tolist() == [[0.2, 1.0]]


def test_an_impossible_target_gives_the_nearest_design() -> None:
    def judge(designs: FloatArray) -> Scores:
        return Scores(designs.copy(), (2.0 - designs.sum(axis=1) + 0.25)[:, None])

    front = pareto_front(SQUARE, judge, seed=0)
    assert not front.feasible
    assert front.converged
    assert front.designs.tolist() == [[1.0, 1.0]]
    assert front.scores.shortfalls[0, 0] == pytest.approx(0.25)


def test_failed_runs_are_never_chosen() -> None:
    def judge(designs: FloatArray) -> Scores:
        broken = designs[:, 0] < 0.5
        return Scores(np.where(broken[:, None], -FAILED, designs), np.where(broken, FAILED, -1.0)[:, None])

    front = pareto_front(SQUARE, judge, generations=30, seed=0)
    assert front.feasible
    assert front.designs[:, 0].min() == pytest.approx(0.5, abs=0.02)


def test_no_design_is_judged_twice_and_seeds_repeat() -> None:
    met: list[tuple[float, ...]] = []

    def judge(designs: FloatArray) -> Scores:
        met.extend(map(tuple, designs))
        return judge_line(designs)

    fronts: list[Front] = [
        pareto_front(SQUARE, judge, generations=12, population=16, seed=3) for _ in range(2)
    ]
    assert np.array_equal(fronts[0].designs, fronts[1].designs)
    assert len(met) == 2 * len(set(met))
    assert fronts[0].judged == len(set(met))


def test_a_start_is_judged_first() -> None:
    first: list[FloatArray] = []

    def judge(designs: FloatArray) -> Scores:
        first.append(designs)
        return judge_line(designs)

    pareto_front(SQUARE, judge, generations=1, population=8, start=np.array([[0.25, 0.5]]))
    assert [0.25, 0.5] in first[0].tolist()


def test_progress_counts_generations() -> None:
    told: list[tuple[int, int]] = []
    pareto_front(
        SQUARE, judge_line, generations=4, population=8, progress=lambda *step: told.append(step), seed=0
    )
    assert told == [(1, 4), (2, 4), (3, 4)]


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(InputError, match="no variable is free"):
        pareto_front((), judge_line)
    with pytest.raises(InputError, match="population 2"):
        pareto_front(SQUARE, judge_line, population=2)


def test_without_pymoo_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymoo.algorithms.moo.nsga2", None)
    with pytest.raises(MissingEngineError, match=r"cosinter\[design\]"):
        pareto_front(SQUARE, judge_line)
