"""Primal simplex in lockstep lanes: from artificial columns, or a given basis, to the certified least cost.

Every lane starts from the identity basis of artificial columns, with the free columns (open gases) pivoted in at once.
A finite penalty drives the artificial columns out while the true cost falls; a lane that keeps one is taken through an
exact first phase; in the last phase artificial columns are held at zero.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cosinter.analysis.equilibrium.tableau import (
    AMOUNT,
    FEASIBLE,
    FIRM,
    PIVOT,
    REFRESH,
    STALL,
    BoolArray,
    InfeasibleError,
    IntArray,
    Lanes,
    Program,
    UnboundedError,
    check_rounds,
    choose,
)
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import ConvergenceError

Phase = Literal["penalty", "first", "last"]
#: Penalty of artificial columns in units of the largest cost.
_PENALTY = 100.0


def solve(program: Program, index: IntArray, start: IntArray | None = None) -> tuple[Lanes, int]:
    """Bring the lanes ``index`` of ``program`` to their least cost; also count the exchanges.

    Raises
    ------
    InfeasibleError, UnboundedError, ConvergenceError
        See :func:`~cosinter.analysis.equilibrium.simplex.minimise`.
    """
    if start is None:
        state = _cold(program, index)
        return state, _phases(program, state)
    state, usable = _warm(program, index, start)
    pivots = _last_phase(program, state, np.flatnonzero(usable))
    rest = np.flatnonzero(~usable)
    if rest.size:
        cold = _cold(program, index[rest])
        pivots += _phases(program, cold)
        state.put(rest, cold)
    return state, pivots


def _cold(program: Program, index: IntArray) -> Lanes:
    """Artificial columns with every independent free column pivoted in; artificial amounts made positive."""
    rows = len(program.matrix)
    vectors = program.rhs[index][:, :, None]
    basis, inverse = _free_basis(program)
    table = np.zeros((len(index), rows + 1, rows + 1))
    table[:, :rows, :rows] = inverse
    table[:, :rows, rows:] = inverse @ vectors
    costs = program.costs_of(index)
    state = Lanes(program, index, costs, np.tile(basis, (len(index), 1)), vectors, table)
    flip = state.artificial & (state.levels[:, :, 0] < 0.0)
    state.basis[flip] += rows
    state.table[:, :rows][flip] *= -1.0
    return state


def _free_basis(program: Program) -> tuple[IntArray, FloatArray]:
    rows, columns = program.matrix.shape
    basis, inverse = np.arange(columns, columns + rows), np.eye(rows)
    for j in np.flatnonzero(program.free):
        column = inverse @ program.matrix[:, j]
        r = int(np.argmax(np.where(basis >= columns, np.abs(column), 0.0)))
        if basis[r] < columns or abs(column[r]) < PIVOT:
            continue
        row = inverse[r] / column[r]
        inverse -= np.outer(column, row)
        inverse[r], basis[r] = row, j
    return basis, inverse


def _warm(program: Program, index: IntArray, start: IntArray) -> tuple[Lanes, BoolArray]:
    """Read a starting basis; lanes where it is singular, not feasible or lacks a free column are not usable."""
    state = _cold(program, index)
    columns = program.matrix.shape[1]
    begin = np.asarray(start, dtype=np.intp)
    needed = np.flatnonzero(program.is_free[_free_basis(program)[0]])
    wanted = _free_basis(program)[0][needed]
    usable = (
        np.all((begin[:, :, None] == wanted).any(axis=1), axis=1)
        if wanted.size
        else np.ones(len(begin), bool)
    )
    matrices = program.extended[begin].transpose(0, 2, 1)
    usable &= np.abs(np.linalg.det(matrices)) > 1e-14
    chosen = np.flatnonzero(usable)
    part = state.take(chosen)
    part.basis = begin[chosen].copy()
    part.refresh()
    level = part.levels[:, :, 0]
    bad = (level < -AMOUNT) & ~part.free | (np.abs(level) > AMOUNT) & (part.basis >= columns)
    state.put(chosen, part)
    usable[chosen[bad.any(axis=1)]] = False
    return state, usable


def _phases(program: Program, state: Lanes) -> int:
    every = np.arange(len(state.index))
    largest = max(float(np.max(np.abs(program.costs), initial=0.0)), 1.0)
    state.price(state.costs, _PENALTY * largest)
    pivots = _descend(program, state, every, phase="penalty")
    left = np.flatnonzero(_artificial_amount(state) > AMOUNT)
    if left.size:
        first = state.take(left)
        first.price(np.zeros((1, program.matrix.shape[1])), 1.0)
        pivots += _descend(program, first, np.arange(left.size), phase="first")
        first.refresh()
        short = np.flatnonzero(_artificial_amount(first) > FEASIBLE)
        if short.size:
            raise InfeasibleError(int(first.index[short[0]]))
        state.put(left, first)
    return pivots + _last_phase(program, state, every)


def _artificial_amount(state: Lanes) -> FloatArray:
    return np.asarray(np.where(state.artificial, np.abs(state.levels[:, :, 0]), 0.0).sum(axis=1))


def _last_phase(program: Program, state: Lanes, lanes: IntArray) -> int:
    """Least true cost with artificial columns held at zero, and the certificate."""
    if not lanes.size:
        return 0
    part = state.take(lanes)
    part.price(program.costs_of(part.index), 0.0)
    pivots = 0
    for _ in range(4):
        pivots += (count := _descend(program, part, np.arange(lanes.size), phase="last"))
        part.refresh()
        if not count:
            break
    pivots += _repair(part)
    certify(program, part)
    state.costs, state.penalty = program.costs_of(state.index), 0.0
    state.put(lanes, part)
    return pivots


def _repair(state: Lanes) -> int:
    """Dual steps for amounts that round-off, or a right-hand side not quite on its tie line, left below zero."""
    pivots = 0
    closed = np.zeros(len(state.index), dtype=np.bool_)
    for attempt in range(2 * STALL):
        level = np.where(state.free | state.artificial, 0.0, state.levels[:, :, 0])
        leaving = np.argmin(level, axis=1)
        lanes = np.flatnonzero((level.min(axis=1) < -AMOUNT) & ~closed)
        if not lanes.size:
            break
        bland = np.full(lanes.size, attempt > STALL)
        closed[lanes[state.drop(lanes, leaving[lanes], np.full(lanes.size, -1.0), bland)]] = True
        pivots += lanes.size
    if pivots:
        state.refresh()
    return pivots


def certify(program: Program, state: Lanes) -> None:
    """Check reduced costs, balances and amounts of the final bases.

    Raises
    ------
    UnboundedError
        A free column outside the basis has a reduced cost: free columns that turn into each other without end.
    ConvergenceError
        Something is off by more than round-off.
    """
    reduced = state.reduced()
    loose = np.abs(reduced[:, program.free]) > 1e3 * program.tolerance
    if loose.any():
        lane, which = (int(i[0]) for i in np.nonzero(loose))
        raise UnboundedError(int(state.index[lane]), int(np.flatnonzero(program.free)[which]))
    level = state.levels[:, :, 0]
    basic = program.extended[state.basis]
    residual = np.abs(np.einsum("ki,kij->kj", level, basic) - state.vectors[:, :, 0]).max()
    lowest = np.where(state.free | state.artificial, 0.0, level).min()
    kept = _artificial_amount(state).max()
    if reduced.min() < -1e3 * program.tolerance or residual > AMOUNT or lowest < -FEASIBLE or kept > FEASIBLE:
        raise ConvergenceError(
            f"the linear program was not solved to precision: reduced cost {reduced.min():.1e}, "
            f"balance {residual:.1e}, lowest amount {lowest:.1e}"
        )


def _descend(program: Program, state: Lanes, lanes: IntArray, *, phase: Phase) -> int:
    """Primal simplex on ``lanes`` of ``state``; returns the number of exchanges."""
    pivots = 0
    work, place = state.take(lanes), lanes
    stalled = np.zeros(lanes.size, dtype=np.intp)
    stuck = np.zeros(lanes.size, dtype=np.bool_)
    rounds = 0
    while place.size:
        reduced = work.reduced()
        entering = reduced.argmin(axis=1)
        bland = stalled > STALL
        if bland.any():
            entering = np.where(bland, np.argmax(reduced < -program.tolerance, axis=1), entering)
        gain = reduced[np.arange(len(entering)), entering]
        live = ((gain < -program.tolerance) & ~stuck).nonzero()[0]
        if not live.size:
            break
        _step(program, work, live, entering[live], gain[live], stalled, stuck, phase)
        pivots += live.size
        rounds += 1
        check_rounds(rounds)
        if rounds % REFRESH == 0:
            work.refresh()
        if 3 * live.size < 2 * place.size:
            state.put(place, work)
            work, place, stalled, stuck = work.take(live), place[live], stalled[live], stuck[live]
    state.put(place, work)
    return pivots


def _step(
    program: Program,
    work: Lanes,
    live: IntArray,
    entering: IntArray,
    gain: FloatArray,
    stalled: IntArray,
    stuck: BoolArray,
    phase: Phase,
) -> None:
    """Exchange one column in each of the lanes ``live``."""
    column = work.column(live, entering)
    allowed = column > PIVOT
    level = np.maximum(work.levels[live, :, 0], 0.0)
    if program.any_free:
        allowed &= ~work.free[live]
    if phase == "last":
        fixed = work.artificial[live]
        allowed |= fixed & (np.abs(column) > PIVOT)
        level[fixed] = 0.0
    size = np.abs(column)
    ratio = np.where(allowed, level, np.inf) / np.where(allowed, size, 1.0)
    leaving = choose(ratio, size, work.basis[live], (stalled > STALL)[live])
    here = np.arange(live.size)
    unsure = size[here, leaving] < FIRM
    if unsure.any():
        leaving = _firm(work, live, leaving, column, ratio, unsure)
    step = ratio[here, leaving]
    if not (ends := step < np.inf).all():
        if phase == "last":
            first = int(np.flatnonzero(~ends)[0])
            raise UnboundedError(int(work.index[live[first]]), int(entering[first]))
        stuck[live[~ends]] = True
        live, leaving, entering = live[ends], leaving[ends], entering[ends]
        column, gain, step = column[ends], gain[ends], step[ends]
    stalled[live] = np.where(step > AMOUNT, 0, stalled[live] + 1)
    work.exchange(live, leaving, entering, column, gain)


def _firm(
    work: Lanes, live: IntArray, leaving: IntArray, column: FloatArray, ratio: FloatArray, unsure: BoolArray
) -> IntArray:
    """Choose again in the lanes ``unsure`` among pivots that stand above round-off (``ratio`` is changed)."""
    again = leaving.copy()
    for lane in np.flatnonzero(unsure):
        rows = np.arange(column.shape[1])
        least = work.least_pivot(np.full(rows.size, live[lane]), rows)
        ratio[lane, np.abs(column[lane]) < least] = np.inf
        again[lane] = np.argmin(ratio[lane])
    return again
