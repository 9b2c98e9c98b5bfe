"""Least cost along a line of right-hand sides: the parametric (dual) simplex.

    b(t) = start + t (end - start),   t from 0 to 1

The least cost is convex and piecewise linear in t. Each lane is solved once in the middle, where both ends weigh the same
and right-hand sides are least degenerate, and then walks to both ends: a basis stays the best one until its first amount
reaches zero; that column leaves, and the column with the smallest ratio of reduced cost to (minus) its entry in the
leaving row enters. Lanes and both directions step together; a position is a kink where the slope y (end - start) changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cosinter.analysis.equilibrium.primal import certify, solve
from cosinter.analysis.equilibrium.tableau import (
    AMOUNT,
    REFRESH,
    STALL,
    BoolArray,
    InfeasibleError,
    IntArray,
    Lanes,
    Program,
    check_rounds,
    choose,
    make_program,
    scatter,
)
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import ConvergenceError

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.simplex import Basis

#: Stretches of t shorter than this hold no phase field.
_SHORT = 1e-12
#: A line that leaves what the columns can make up this close to its end does so by round-off.
_LAST = 1e-10


@dataclass(frozen=True, eq=False)
class Path:
    """Least cost of one lane over t, by its kinks.

    Attributes
    ----------
    positions : t of all kinks, 0 and 1 included, ascending, shape [kinks]
    values : least cost there, shape [kinks]
    slopes : d value / dt between them, shape [kinks - 1]
    duals : between them, shape [kinks - 1, rows]
    bases : basic columns between them, N + row for an artificial one, shape [kinks - 1, rows]
    columns, amounts : basic columns and their amounts at the kinks, shape [kinks, rows] each
    pivots : exchanges of columns on the way
    """

    positions: FloatArray
    values: FloatArray
    slopes: FloatArray
    duals: FloatArray
    bases: IntArray
    columns: IntArray
    amounts: FloatArray
    pivots: int

    def dense(self, columns: int) -> FloatArray:
        """Amounts of all ``columns`` at the kinks, shape [kinks, columns]; linear in t between them."""
        return scatter(self.columns, self.amounts, columns)

    def value(self, positions: FloatArray) -> FloatArray:
        """Least cost at any t, same shape."""
        return np.asarray(np.interp(positions, self.positions, self.values))


@dataclass(frozen=True, eq=False)
class _Line:
    """Lanes of lines: end - start [lanes, rows], t of the middle and smallest change of slope [lanes]."""

    change: FloatArray
    middle: FloatArray
    tolerance: FloatArray


@dataclass(eq=False)
class _Trail:
    """Bases in the order in which they were left: lane, way gone (0 to 1/2) at both ends, basis and table."""

    lanes: list[IntArray]
    spans: list[FloatArray]
    bases: list[IntArray]
    tables: list[FloatArray]

    def add(self, ids: IntArray, work: Lanes, begin: FloatArray, end: FloatArray) -> None:
        """Note the bases of ``work``, the best ones from ``begin`` to ``end``."""
        self.lanes.append(ids)
        self.spans.append(np.stack([begin, end], axis=1))
        self.bases.append(work.basis.copy())
        self.tables.append(work.table.copy())


def walk(
    matrix: FloatArray,
    costs: FloatArray,
    start: FloatArray,
    end: FloatArray,
    *,
    free: BoolArray | None = None,
    tolerance: float = 1e-9,
    basis: Basis | None = None,
) -> list[Path]:
    """Find every kink of the least cost between two right-hand sides, one path per lane.

    Parameters
    ----------
    matrix, costs, free : see :func:`~cosinter.analysis.equilibrium.simplex.minimise`
    start, end : right-hand sides at t = 0 and t = 1, shape [rows] or [lanes, rows]
    tolerance : a change of slope up to this, in units of cost per unit of right-hand side, is no kink
    basis : basis of a similar program at t = 1/2, where the walk then starts

    Raises
    ------
    InfeasibleError, UnboundedError, ConvergenceError, ValueError
        See :func:`~cosinter.analysis.equilibrium.simplex.minimise`; a line must be feasible from end to end.

    >>> matrix = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> path = walk(matrix, np.array([0.0, 0.0, -1.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0]))[0]
    >>> path.positions.tolist(), path.values.tolist()
    ([0.0, 0.5, 1.0], [0.0, -0.5, 0.0])
    """
    first, last = (np.atleast_2d(np.asarray(b, dtype=np.float64)) for b in (start, end))
    first, last = np.broadcast_arrays(first, last)
    middle = np.full(1, 0.5) if basis is not None else _middle(first, last)
    program = make_program(matrix, costs, first + middle[:, None] * (last - first), free)
    change = np.broadcast_to(last - first, program.rhs.shape)
    middle = np.broadcast_to(middle, (len(program.rhs),))
    paths: list[Path] = []
    for block in program.blocks(2):
        begin = None if basis is None else np.broadcast_to(basis.columns, program.rhs.shape)[block]
        state, pivots = solve(program, block, begin)
        there = middle[block]
        ways = np.concatenate([1.0 - there, -there])
        aim = 2.0 * ways[:, None] * np.tile(change[block] / program.scales[block, None], (2, 1))
        try:
            trail, steps = _both_ways(program, state, aim, REFRESH)
        except ConvergenceError:
            trail, steps = _both_ways(program, state, aim, 1)
        line = _Line(change[block], there, tolerance * program.scales[block])
        paths += _paths(program, block, line, trail, (pivots + steps) // len(block))
    return paths


def _middle(first: FloatArray, last: FloatArray) -> FloatArray:
    """Positions t where both ends weigh the same, shape [lanes]."""
    sizes = np.abs(first).sum(axis=1), np.abs(last).sum(axis=1)
    whole = sizes[0] + sizes[1]
    shares = np.where(whole > 0.0, sizes[0], 0.5) / np.where(whole > 0.0, whole, 1.0)
    return np.asarray(np.clip(shares, 0.02, 0.98))


def _both_ways(program: Program, state: Lanes, aim: FloatArray, refresh: int) -> tuple[_Trail, int]:
    """Walk from the middle to both ends, with fresh inverses every ``refresh`` rounds.

    Lane i goes up as lane i and down as lane i + lanes; half of ``aim`` leads to the end, shape [2 lanes, rows].
    """
    count = len(state.index)
    work = state.take(np.tile(np.arange(count), 2))
    rows = aim.shape[1]
    toward = work.table[:, :, :rows] @ aim[:, :, None]
    work.vectors = np.concatenate([work.vectors, aim[:, :, None]], axis=2)
    work.table = np.concatenate([work.table, toward], axis=2)
    trail = _Trail([], [], [], [])
    ids, travelled = np.arange(2 * count), np.zeros(2 * count)
    stalled = np.zeros(2 * count, dtype=np.intp)
    pivots = rounds = 0
    while ids.size:
        stop, leaving = _next_stop(work, travelled, stalled > STALL)
        ended = stop >= 0.5 - _SHORT
        stop = np.where(ended, 0.5, stop)
        trail.add(ids, work, travelled, stop)
        if ended.any():
            going = np.flatnonzero(~ended)
            _certify_end(program, work, np.flatnonzero(ended))
            work, ids, leaving = work.take(going), ids[going], leaving[going]
            travelled, stop, stalled = travelled[going], stop[going], stalled[going]
        if not ids.size:
            break
        stalled = np.where(stop - travelled > AMOUNT, 0, stalled + 1)
        here = np.arange(ids.size)
        lost = work.drop(here, leaving, np.sign(work.levels[here, leaving, 1]), stalled > STALL)
        if lost.size:
            if stop[lost].min() < 0.5 - _LAST:
                raise InfeasibleError(int(work.index[lost[int(stop[lost].argmin())]]))
            stop[lost] = 0.5
        travelled, pivots, rounds = stop, pivots + ids.size, rounds + 1
        check_rounds(rounds)
        if rounds % refresh == 0:
            work.refresh()
    return trail, pivots


def _next_stop(work: Lanes, travelled: FloatArray, bland: BoolArray) -> tuple[FloatArray, IntArray]:
    """Where the first amount of each lane reaches zero, and its row; infinity where none does."""
    level, slope = work.levels[:, :, 0], work.levels[:, :, 1]
    falls = slope < -AMOUNT
    if work.program.any_free:
        falls &= ~work.free
    ratio = np.where(falls, -level, np.inf) / np.where(falls, slope, 1.0)
    if (fixed := work.artificial).any():
        ratio[fixed] = np.where(np.abs(slope[fixed]) > AMOUNT, 0.0, np.inf)
    np.maximum(ratio, travelled[:, None], out=ratio)
    leaving = choose(ratio, np.abs(slope), work.basis, bland)
    return ratio[np.arange(len(leaving)), leaving], leaving


def _certify_end(program: Program, work: Lanes, ended: IntArray) -> None:
    part = work.take(ended)
    part.vectors = (part.vectors[:, :, 0] + 0.5 * part.vectors[:, :, 1])[:, :, None]
    part.refresh()
    certify(program, part)


def _paths(program: Program, block: IntArray, line: _Line, trail: _Trail, pivots: int) -> list[Path]:
    """Sort the trail by lane and t, drop empty stretches, join those of equal slope."""
    rows, count = line.change.shape[1], len(block)
    ids, bases = np.concatenate(trail.lanes), np.concatenate(trail.bases)
    spans, tables = np.concatenate(trail.spans), np.concatenate(trail.tables)
    down = ids >= count
    levels = tables[:, None, :rows, rows] + spans[:, :, None] * tables[:, None, :rows, rows + 1]
    lanes = ids % count
    middle = line.middle[lanes][:, None]
    spans = middle + 2.0 * spans * np.where(down[:, None], -middle, 1.0 - middle)
    spans[down], levels[down] = spans[down, ::-1], levels[down, ::-1]
    order = np.lexsort((spans[:, 0], lanes))
    order = order[(spans[:, 1] - spans[:, 0] > _SHORT)[order]]
    lanes, spans, levels = lanes[order], spans[order], levels[order]
    bases, duals = program.plain(bases[order]), tables[order, rows, :rows]
    slopes = np.einsum("ki,ki->k", duals, line.change[lanes])
    scales = program.scales[block]
    new = np.ones(len(lanes), dtype=np.bool_)
    new[1:] = (np.diff(lanes) > 0) | (np.abs(np.diff(slopes)) > line.tolerance[lanes[1:]])
    heads = np.flatnonzero(new)
    tails = np.append(heads[1:], len(lanes)) - 1
    levels = np.where(program.is_free[bases][:, None, :], levels, np.maximum(levels, 0.0))
    levels *= scales[lanes][:, None, None] / program.sizes_of(bases)[:, None, :]
    edges = np.searchsorted(lanes[heads], np.arange(len(block) + 1))
    origin = program.rhs[block] * scales[:, None] - line.middle[:, None] * line.change
    paths = []
    for lane, (low, high) in enumerate(pairwise(edges.tolist())):
        h, t = heads[low:high], tails[low:high]
        positions = np.append(spans[h, 0], 1.0)
        positions[0] = 0.0
        at = origin[lane] + positions[:, None] * line.change[lane]
        owner = np.append(h, t[-1])
        paths.append(
            Path(
                positions=positions,
                values=np.einsum("ki,ki->k", duals[owner], at),
                slopes=slopes[h],
                duals=duals[h],
                bases=bases[h],
                columns=bases[owner],
                amounts=np.concatenate([levels[h, 0], levels[t[-1:], 1]]),
                pivots=pivots,
            )
        )
    return paths
