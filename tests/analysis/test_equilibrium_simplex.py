"""The batched simplex and its walk against HiGHS: random, degenerate, infeasible and unbounded programs."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from cosinter.analysis.equilibrium.simplex import (
    Basis,
    InfeasibleError,
    Path,
    UnboundedError,
    minimise,
    walk,
)

Array = np.ndarray[Any, np.dtype[np.float64]]


def highs(matrix: Array, costs: Array, rhs: Array, free: Any = None) -> tuple[int, float]:
    """Status (0 solved, 2 infeasible, 3 unbounded) and least cost of the oracle."""
    flags = np.zeros(matrix.shape[1], dtype=bool) if free is None else free
    found = linprog(
        costs,
        A_eq=matrix,
        b_eq=rhs,
        bounds=[(None, None) if flag else (0.0, None) for flag in flags],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return found.status, found.fun


def random_system(seed: int) -> tuple[Array, Array, Array, Array]:
    """Columns, costs and two mixtures over 3 to 8 rows; every third system has ties, duplicates and few columns."""
    random = np.random.default_rng(seed)
    rows, size = int(random.integers(3, 9)), int(random.integers(6, 90))
    compounds = random.integers(0, 5, (rows, size)) * (random.random((rows, size)) < 0.6)
    matrix = np.concatenate([np.eye(rows), compounds], axis=1).astype(float)
    matrix = matrix[:, matrix.any(axis=0)]
    costs = -random.uniform(0.0, 2.0, matrix.shape[1]) * matrix.sum(axis=0)
    costs[:rows] = 0.0
    if seed % 3 == 0:
        costs = np.round(costs)  # exact ties
        twins = random.integers(0, matrix.shape[1], 6)
        matrix, costs = np.concatenate([matrix, matrix[:, twins]], axis=1), np.append(costs, costs[twins])
        pair = random.integers(0, matrix.shape[1], (2, 4))  # phases exactly on tie lines
        matrix = np.concatenate([matrix, matrix[:, pair[0]] + matrix[:, pair[1]]], axis=1)
        costs = np.append(costs, costs[pair[0]] + costs[pair[1]])
    first, second = random.integers(0, matrix.shape[1], 2)
    return matrix, costs, matrix[:, first], matrix[:, second]


def check_path(path: Path, matrix: Array, costs: Array, start: Array, end: Array, atol: float = 1e-8) -> None:
    """Kinks ascend and bend, amounts balance and cost what they should, and the oracle agrees at and between them."""
    scale = 0.5 * (np.abs(start).sum() + np.abs(end).sum())
    assert path.positions[0] == 0.0
    assert path.positions[-1] == 1.0
    assert np.all(np.diff(path.positions) > 0.0)
    assert np.all(np.diff(path.slopes) > 0.0)
    dense = path.dense(matrix.shape[1])
    assert dense.min() >= 0.0
    between = 0.5 * (path.positions[1:] + path.positions[:-1])
    np.testing.assert_allclose(
        dense @ matrix.T, start + path.positions[:, None] * (end - start), atol=1e-11 * scale
    )
    np.testing.assert_allclose(dense @ costs, path.values, atol=1e-10 * scale)
    for t in [*path.positions, *between]:
        status, value = highs(matrix, costs, start + t * (end - start))
        assert status == 0
        assert path.value(t) == pytest.approx(value, abs=atol * scale)


@pytest.mark.parametrize("block", range(12))
def test_random_systems_equal_highs(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        matrix, costs, start, end = random_system(seed)
        check_path(walk(matrix, costs, start, end)[0], matrix, costs, start, end)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(40))
def test_many_more_random_systems_equal_highs(block: int) -> None:
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        matrix, costs, start, end = random_system(seed)
        check_path(walk(matrix, costs, start, end)[0], matrix, costs, start, end)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.booleans())
def test_any_program_ends_like_highs(seed: int, opened: int, elements: bool) -> None:
    random = np.random.default_rng(seed)
    rows, size = int(random.integers(2, 8)), int(random.integers(2, 30))
    matrix = random.integers(-1 if opened else 0, 4, (rows, size)).astype(float)
    if elements:
        matrix = np.concatenate([np.eye(rows), matrix], axis=1)
    matrix = matrix[:, matrix.any(axis=0)]
    if matrix.shape[1] == 0:
        return
    costs = np.round(random.normal(0.5, 1.0, matrix.shape[1]), 1)
    free = np.zeros(matrix.shape[1], dtype=bool)
    free[random.integers(0, matrix.shape[1], opened)] = True
    rhs = random.integers(0, 4, rows).astype(float)
    status, value = highs(matrix, costs, rhs, free)
    feasible = highs(matrix, np.zeros(matrix.shape[1]), rhs, free)[0] == 0
    if not feasible:
        with pytest.raises(InfeasibleError):
            minimise(matrix, costs, rhs, free=free)
    elif status != 0:
        with pytest.raises(UnboundedError):
            minimise(matrix, costs, rhs, free=free)
    else:
        found = minimise(matrix, costs, rhs, free=free)
        assert found.value[0] == pytest.approx(value, abs=1e-8)
        dense = found.dense(matrix.shape[1])[0]
        np.testing.assert_allclose(matrix @ dense, rhs, atol=1e-10)
        assert dense[~free].min(initial=0.0) >= 0.0
        assert np.all(costs - found.duals[0] @ matrix >= -1e-9)
        assert found.duals[0] @ rhs == pytest.approx(value, abs=1e-8)


def test_lanes_equal_single_programs() -> None:
    matrix, costs, start, end = random_system(7)
    random = np.random.default_rng(1)
    many = costs + random.normal(0.0, 0.05, (300, len(costs)))
    batch = walk(matrix, many, start, end)
    assert len(batch) == 300
    for lane in range(0, 300, 37):
        alone = walk(matrix, many[lane], start, end)[0]
        np.testing.assert_allclose(batch[lane].positions, alone.positions, atol=1e-12)
        np.testing.assert_allclose(batch[lane].values, alone.values, atol=1e-12)
    mixtures = random.uniform(0.0, 1.0, (500, len(start)))
    together = minimise(matrix, costs, mixtures)
    for lane in range(0, 500, 61):
        assert together.value[lane] == pytest.approx(
            minimise(matrix, costs, mixtures[lane]).value[0], abs=1e-12
        )


def test_a_warm_start_needs_fewer_exchanges_and_gives_the_same_answer() -> None:
    matrix, costs, start, end = random_system(11)
    cold = minimise(matrix, costs, start + end)
    nearby = costs + np.random.default_rng(2).normal(0.0, 1e-3, len(costs))
    warm, fresh = (
        minimise(matrix, nearby, start + end, start=cold.basis),
        minimise(matrix, nearby, start + end),
    )
    assert warm.pivots < fresh.pivots
    assert warm.value == pytest.approx(fresh.value, abs=1e-12)
    path = walk(matrix, nearby, start, end, basis=cold.basis)[0]
    check_path(path, matrix, nearby, start, end)


def test_a_useless_starting_basis_is_replaced() -> None:
    matrix, costs, start, end = random_system(12)
    rows = len(start)
    singular = Basis(np.zeros((1, rows), dtype=np.intp))
    elsewhere = minimise(matrix, costs, np.eye(rows)[0] + 1e-3).basis
    expected = minimise(matrix, costs, end).value
    for basis in (singular, elsewhere):
        assert minimise(matrix, costs, end, start=basis).value == pytest.approx(expected, abs=1e-12)


def test_the_number_of_exchanges_stays_small() -> None:
    # ten rows, 1000 columns: about two exchanges per row to start and two per kink
    random = np.random.default_rng(3)
    compounds = random.integers(0, 5, (10, 1000)) * (random.random((10, 1000)) < 0.4)
    matrix = np.concatenate([np.eye(10), compounds[:, compounds.any(axis=0)]], axis=1)
    costs = -random.exponential(0.3, matrix.shape[1]) * matrix.sum(axis=0)
    path = walk(matrix, costs, matrix[:, 40], matrix[:, 70])[0]
    assert path.pivots <= 50 + 3 * len(path.positions)


def test_identical_ends_have_no_kink_between() -> None:
    matrix, costs, start, _ = random_system(5)
    path = walk(matrix, costs, start, 2.0 * start)[0]
    assert path.positions.tolist() == [0.0, 1.0]
    path = walk(matrix, costs, start, start)[0]
    assert path.positions.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(path.values[0], path.values[1])


def test_the_middle_can_be_a_kink() -> None:
    matrix = np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    path = walk(matrix, np.asarray([0.0, 0.0, -1.0]), np.asarray([1.0, 0.0]), np.asarray([0.0, 1.0]))[0]
    np.testing.assert_allclose(path.positions, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(path.values, [0.0, -0.5, 0.0])


def test_a_bend_below_the_tolerance_is_no_kink() -> None:
    matrix = np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    ends = np.asarray([1.0, 0.0]), np.asarray([0.0, 1.0])
    for cost, kinks in ((-1e-12, 2), (-1e-6, 3)):
        assert len(walk(matrix, np.asarray([0.0, 0.0, cost]), *ends)[0].positions) == kinks
    assert len(walk(matrix, np.asarray([0.0, 0.0, -1e-6]), *ends, tolerance=1e-3)[0].positions) == 2


def test_free_columns_take_either_sign_along_a_line() -> None:
    # O is open at -1: Li2O (-4) takes it up from Li, LiO (-2.9) gives it off
    matrix = np.asarray([[1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0]])
    costs, free = np.asarray([0.0, -4.0, -2.9, -1.0]), np.asarray([False, False, False, True])
    path = walk(matrix, costs, np.asarray([1.0, 0.0]), np.asarray([1.0, 1.0]), free=free)[0]
    dense = path.dense(4)
    np.testing.assert_allclose(dense @ matrix.T, [[1.0, 0.0], [1.0, 1.0]], atol=1e-14)
    assert dense[0, 3] < 0.0
    assert path.values[1] - path.values[0] == pytest.approx(-1.0)


def test_a_line_out_of_reach_names_its_lane() -> None:
    matrix = np.asarray([[1.0, 1.0], [0.0, 1.0]])
    costs = np.zeros((3, 2))
    ends = np.asarray([[1.0, 0.5], [1.0, 0.2], [1.0, 0.1]]), np.asarray([[1.0, 1.0], [1.0, 2.0], [1.0, 0.9]])
    with pytest.raises(InfeasibleError) as caught:
        walk(matrix, costs, *ends)
    assert caught.value.lane == 1
    assert pickle.loads(pickle.dumps(caught.value)).lane == 1


def test_free_columns_that_react_with_each_other_are_unbounded() -> None:
    matrix, free = np.asarray([[1.0, 2.0, 1.0]]), np.asarray([True, True, False])
    with pytest.raises(UnboundedError) as caught:
        minimise(matrix, np.asarray([-1.0, -1.0, 0.0]), np.asarray([1.0]), free=free)
    assert caught.value.ray == 1
    assert pickle.loads(pickle.dumps(caught.value)).ray == 1
    consistent = minimise(matrix, np.asarray([-1.0, -2.0, 0.0]), np.asarray([1.0]), free=free)
    assert consistent.value == pytest.approx([-1.0])


def test_the_highest_degeneracy_does_not_cycle() -> None:
    # Beale's example, which cycles under plain Dantzig pricing; least cost -0.05
    matrix = np.asarray(
        [
            [0.25, -60.0, -1 / 25, 9.0, 1.0, 0.0, 0.0],
            [0.5, -90.0, -1 / 50, 3.0, 0.0, 1.0, 0.0],
            [0, 0, 1, 0, 0, 0, 1.0],
        ]
    )
    costs = np.asarray([-0.75, 150.0, -0.02, 6.0, 0.0, 0.0, 0.0])
    assert minimise(matrix, costs, np.asarray([0.0, 0.0, 1.0])).value == pytest.approx([-0.05])


def test_two_hundred_copies_of_the_same_column_do_not_matter() -> None:
    matrix, costs, start, end = random_system(4)
    copies = np.tile(matrix, 200)
    path = walk(copies, np.tile(costs, 200), start, end)[0]
    alone = walk(matrix, costs, start, end)[0]
    np.testing.assert_allclose(path.positions, alone.positions, atol=1e-12)
    np.testing.assert_allclose(path.values, alone.values, atol=1e-12)


def test_nearly_parallel_columns_of_a_solution_are_solved_exactly() -> None:
    # a fine composition grid of a curved free energy: bases become badly conditioned
    x = np.linspace(0.0, 1.0, 4001)
    matrix = np.stack([x, 1.0 - x])
    mixing = x * np.log(np.maximum(x, 1e-300)) + (1.0 - x) * np.log(np.maximum(1.0 - x, 1e-300))
    path = walk(matrix, mixing, np.asarray([0.0, 1.0]), np.asarray([1.0, 0.0]))[0]
    assert len(path.positions) == 4001
    np.testing.assert_allclose(path.positions, x, atol=1e-12)
    np.testing.assert_allclose(path.values, mixing, atol=1e-12)


def test_mixtures_off_their_tie_line_by_round_off_are_solved() -> None:
    matrix = np.asarray([[2.0, 1.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 1.0]])
    rhs = (matrix[:, 0] + 0.3 * matrix[:, 1]) / 3.0
    rhs[2] -= 3e-12
    found = minimise(matrix, np.asarray([-1.0, -1.0, -2.0]), rhs)
    np.testing.assert_allclose(found.dense(3)[0], [1 / 3, 0.1, 0.0], atol=1e-10)


def test_no_amount_at_all_costs_nothing() -> None:
    found = minimise(np.eye(2), np.ones(2), np.zeros(2))
    assert found.value.tolist() == [0.0]
    assert not found.unique[0]


def test_uniqueness_of_the_duals() -> None:
    matrix = np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    found = minimise(matrix, np.asarray([0.0, 0.0, -1.0]), np.asarray([[1.0, 2.0], [1.0, 1.0], [1.0, 0.0]]))
    assert found.unique.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("matrix", "costs", "rhs"),
    [
        (np.eye(2), np.ones(3), np.ones(2)),
        (np.eye(2), np.ones(2), np.ones(3)),
        (np.eye(2), np.ones((2, 2)), np.ones((3, 2))),
        (np.eye(2), np.asarray([1.0, np.nan]), np.ones(2)),
        (np.eye(2), np.ones(2), np.asarray([np.inf, 1.0])),
        (np.asarray([[1.0, 0.0]]), np.ones(2), np.ones(1)),
    ],
)
def test_bad_arrays_are_refused(matrix: Array, costs: Array, rhs: Array) -> None:
    with pytest.raises(ValueError, match=r"fit together|finite|empty"):
        minimise(matrix, costs, rhs)
