"""Sensitivity measures against functions whose indices are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cosinter.analysis.continuum.batch import Outcomes
from cosinter.analysis.continuum.ensemble import Draws
from cosinter.analysis.continuum.sensitivity import (
    OTHERS,
    QUANTILE_95,
    ranks,
    sobol_design,
    sobol_indices,
    top,
    tornado,
    tornado_design,
)
from cosinter.data.exceptions import ConvergenceError, InputError

NAMES = ("a", "b", "c", "d")


def answer(draws: Draws, function, failed=()) -> Outcomes:
    """Outcomes ``y`` = function(z1, z2, ...) with rows that failed."""
    values = np.asarray(function(*draws.z.T), dtype=float)[:, None]
    values[list(failed)] = np.nan
    return Outcomes(("y",), values, dict.fromkeys(failed, "stopped"))


def normal(n: int, d: int = 4) -> Draws:
    return Draws(NAMES[:d], np.random.default_rng(7).standard_normal((n, d)))


def test_rank_correlation_of_a_linear_law():
    """Y = 3a + 4b: Pearson 0.6 and 0.8; for normal numbers Spearman = 6/pi asin(r/2)."""
    draws = normal(20_000)
    found = ranks(draws, answer(draws, lambda a, b, c, d: 3.0 * a - 4.0 * b), "y")
    rho = {one.name: one.rho for one in found.correlations}
    assert rho["b"] == pytest.approx(-6.0 / np.pi * np.arcsin(0.4), abs=0.01)
    assert rho["a"] == pytest.approx(6.0 / np.pi * np.arcsin(0.3), abs=0.015)
    assert top(found) == ("b", "a")
    assert [one.certain for one in found.correlations] == [True, True, False, False]


def test_the_interval_of_a_correlation_holds_it_in_95_of_100_cases():
    expected, inside = 6.0 / np.pi * np.arcsin(0.3), 0
    rng = np.random.default_rng(3)
    for _ in range(400):
        draws = Draws(("a", "b"), rng.standard_normal((60, 2)))
        one = next(
            c
            for c in ranks(draws, answer(draws, lambda a, b: 0.6 * a + 0.8 * b), "y").correlations
            if c.name == "a"
        )
        inside += one.low <= expected <= one.high
    # binomial: 380 +- 4.4; five standard deviations
    assert 358 <= inside <= 400


def test_chance_is_rarely_called_certain():
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(200):
        draws = Draws(tuple(map(str, range(30))), rng.standard_normal((100, 30)))
        noise = Outcomes(("y",), rng.standard_normal((100, 1)), {})
        false += bool(top(ranks(draws, noise, "y")))
    assert false <= 25  # 5 % of 200 = 10, five standard deviations above


def test_correlations_do_not_see_the_scale_of_the_outcome_and_leave_failures_out():
    draws = normal(500)
    plain = ranks(draws, answer(draws, lambda a, b, c, d: a + 0.5 * b), "y")
    bent = ranks(draws, answer(draws, lambda a, b, c, d: np.exp(3.0 * (a + 0.5 * b))), "y")
    assert plain.correlations == bent.correlations
    short = ranks(draws, answer(draws, lambda a, b, c, d: a + 0.5 * b, failed=range(100)), "y")
    assert (short.samples, short.failed) == (400, 100)
    alone = Draws(NAMES, draws.z[100:])
    assert short.correlations == ranks(alone, answer(alone, lambda a, b, c, d: a + 0.5 * b), "y").correlations


def test_an_outcome_that_does_not_move_has_no_cause():
    draws = normal(64)
    assert top(ranks(draws, answer(draws, lambda a, b, c, d: 0.0 * a + 2.0), "y")) == ()
    design = sobol_design(NAMES, NAMES, 16)
    assert top(sobol_indices(design, answer(design.draws, lambda a, b, c, d: 0.0 * a + 2.0), "y")) == ()
    rows = tornado_design(NAMES)
    assert top(tornado(rows, answer(rows, lambda a, b, c, d: 0.0 * a + 2.0), "y")) == ()


def test_too_few_runs_are_refused():
    draws = normal(30)
    with pytest.raises(ConvergenceError, match="19 of 30 runs ended"):
        ranks(draws, answer(draws, lambda a, b, c, d: a, failed=range(11)), "y")


def test_bars_of_a_tornado():
    design = tornado_design(NAMES)
    found = tornado(design, answer(design, lambda a, b, c, d: 7.0 + a - 2.0 * b + c * d, failed=[7]), "y")
    assert found.nominal == 7.0
    assert [bar.name for bar in found.bars] == ["b", "a", "c"]
    assert found.bars[0].low == pytest.approx(7.0 + 2.0 * QUANTILE_95)
    assert found.bars[0].high == pytest.approx(7.0 - 2.0 * QUANTILE_95)
    assert found.failed == {"d": "stopped"}
    assert top(found) == ("b", "a")
    with pytest.raises(ConvergenceError, match="as they are"):
        tornado(design, answer(design, lambda a, b, c, d: a, failed=[0]), "y")


def test_sobol_indices_of_a_sum_and_a_product():
    """Y = a + b c: variance 2; S1 = 1/2, 0, 0 and ST = 1/2, 1/2, 1/2."""
    design = sobol_design(NAMES, ("a", "b", "c"), 2048, seed=1)
    assert design.draws.z.shape == (2048 * 6, 4)
    found = sobol_indices(design, answer(design.draws, lambda a, b, c, d: a + b * c), "y")
    by_name = {one.name: one for one in found.indices}
    for name, first, total in (("a", 0.5, 0.5), ("b", 0.0, 0.5), ("c", 0.0, 0.5), (OTHERS, 0.0, 0.0)):
        assert by_name[name].first == pytest.approx(first, abs=0.06)
        assert by_name[name].total == pytest.approx(total, abs=0.06)
        assert abs(by_name[name].first - first) <= 2.0 * by_name[name].first_margin + 1e-12
    assert set(top(found)) == {"a", "b", "c"}


def test_sources_in_a_group_share_one_index():
    """Y = 3a + 4b + 12c: of the variance 169, b and c together hold 160."""
    design = sobol_design(NAMES, ("a",), 1024, seed=2)
    found = sobol_indices(design, answer(design.draws, lambda a, b, c, d: 3.0 * a + 4.0 * b + 12.0 * c), "y")
    by_name = {one.name: one for one in found.indices}
    assert by_name[OTHERS].total == pytest.approx(160.0 / 169.0, abs=0.02)
    assert by_name["a"].first == pytest.approx(9.0 / 169.0, abs=0.02)
    assert top(found) == ("a",)


def test_blocks_with_a_failed_run_are_left_out():
    design = sobol_design(NAMES, NAMES, 64, seed=4)
    whole = sobol_indices(design, answer(design.draws, lambda a, b, c, d: a + b), "y")
    rows = [0, 1, 13]  # blocks of 6 runs: the first and the third
    found = sobol_indices(design, answer(design.draws, lambda a, b, c, d: a + b, failed=rows), "y")
    assert (whole.blocks, found.blocks, found.failed) == (64, 62, 3)
    with pytest.raises(ConvergenceError, match="0 of 64 blocks"):
        sobol_indices(design, answer(design.draws, lambda a, b, c, d: a, failed=range(0, 384, 6)), "y")


def test_a_sobol_design_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="blocks of a Sobol design are 100"):
        sobol_design(NAMES, NAMES, 100)
    with pytest.raises(InputError, match="at least two"):
        sobol_design(("a",), ("a",), 16)
