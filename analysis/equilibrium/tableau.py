"""Working state of many simplexes that step in lockstep.

Each lane is its own linear program over the same columns. Per round all lanes price all columns in one matrix product,

    d = c - y A            reduced costs, shape [lanes, columns]

and every lane then exchanges one column of its basis by a rank-one update of its inverse, of shape [rows, rows].
Columns are counted per unit of their own size (per atom, if rows are elements), so the most negative reduced cost is
the column that lies furthest below the present tangent plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import ConvergenceError, EngineError

IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

#: Reduced costs above -PRICE times the largest cost count as zero.
PRICE = 1e-12
#: Entries of a column or row of the tableau below this, times a hundredth of the largest entry of their row of the
#: inverse where that is above one, cannot be pivots: they may be round-off.
PIVOT = 1e-9
#: Pivots above this stand above the round-off of any inverse up to 1e9.
FIRM = 1e-6
#: Amounts (of a right-hand side that sums to one) within this of zero are equal to zero.
AMOUNT = 1e-12
#: Ratios closer than this are tied.
TIE = 1e-13
#: Artificial amounts above this mean that no columns can make up the right-hand side.
FEASIBLE = 1e-10
#: Bases are inverted afresh after this many rounds.
REFRESH = 50
#: Steps without progress after which a lane follows Bland's rule, which cannot cycle.
STALL = 30
#: Reduced costs of one block of lanes: 1 MB, so that they stay in the cache.
_BLOCK = 1 << 17
_ROUNDS = 20_000


class InfeasibleError(EngineError):
    """No amounts of the columns make up the right-hand side of ``lane``."""

    def __init__(self, lane: int) -> None:
        super().__init__(f"no combination of the columns equals the right-hand side of lane {lane}")
        self.lane = lane

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return type(self), (self.lane,)


class UnboundedError(EngineError):
    """More and more (or less and less) of column ``ray`` lowers the cost of ``lane`` without end."""

    def __init__(self, lane: int, ray: int) -> None:
        super().__init__(f"the cost of lane {lane} falls without end along column {ray}")
        self.lane, self.ray = lane, ray

    def __reduce__(self) -> tuple[type, tuple[int, int]]:
        return type(self), (self.lane, self.ray)


@dataclass(frozen=True, eq=False)
class Program:
    """Columns of all lanes.

    Attributes
    ----------
    matrix : columns per unit of their size, shape [rows, columns]
    costs : per unit of size, shape [lanes or 1, columns]
    rhs : shape [lanes, rows], each summing to one in absolute value
    free : columns whose amount may have either sign, shape [columns]
    sizes, scales : size of each column [columns] and of each right-hand side [lanes]
    """

    matrix: FloatArray
    costs: FloatArray
    rhs: FloatArray
    free: BoolArray
    sizes: FloatArray
    scales: FloatArray

    @cached_property
    def extended(self) -> FloatArray:
        """Columns and then +1 and -1 artificial columns of each row, as rows, shape [columns + 2 rows, rows]."""
        unit = np.eye(len(self.matrix))
        return np.concatenate([self.matrix.T, unit, -unit])

    @cached_property
    def is_free(self) -> BoolArray:
        """Free columns among those of :attr:`extended`."""
        return np.concatenate([self.free, np.zeros(2 * len(self.matrix), dtype=np.bool_)])

    @cached_property
    def any_free(self) -> bool:
        """True where a column is free."""
        return bool(self.free.any())

    @cached_property
    def order(self) -> IntArray:
        """Numbers of the columns."""
        return np.arange(self.matrix.shape[1], dtype=np.intp)

    @cached_property
    def tolerance(self) -> float:
        """Reduced costs above minus this are zero."""
        return PRICE * max(float(np.max(np.abs(self.costs), initial=0.0)), float(np.finfo(float).tiny))

    def blocks(self, tables: int = 1) -> list[IntArray]:
        """Split the lanes so that ``tables`` tables of reduced costs stay in the cache."""
        size = max(1, _BLOCK // (self.matrix.shape[1] * tables))
        lanes = np.arange(len(self.rhs), dtype=np.intp)
        return [lanes[low : low + size] for low in range(0, lanes.size, size)]

    def plain(self, basis: IntArray) -> IntArray:
        """Number both artificial columns of a row alike: columns + row."""
        rows, columns = self.matrix.shape
        return np.where(basis >= columns + rows, basis - rows, basis)

    def sizes_of(self, columns: IntArray) -> FloatArray:
        """Sizes of basic columns numbered by :meth:`plain`; one for artificial columns; same shape."""
        sizes: FloatArray = np.append(self.sizes, np.ones(len(self.matrix)))[columns]
        return sizes

    def costs_of(self, lanes: IntArray) -> FloatArray:
        """Costs of ``lanes``, shape [lanes or 1, columns]."""
        return self.costs if len(self.costs) == 1 else self.costs[lanes]


def make_program(
    matrix: FloatArray, costs: FloatArray, rhs: FloatArray, free: BoolArray | None = None
) -> Program:
    """Scale columns and right-hand sides to size one.

    Raises
    ------
    ValueError
        Shapes do not fit, a column is empty, or a number is not finite.
    """
    table, price, target = (np.asarray(a, dtype=np.float64) for a in (matrix, np.atleast_2d(costs), rhs))
    target = np.atleast_2d(target)
    rows, columns = table.shape
    lanes = max(len(price), len(target))
    if price.shape[1] != columns or target.shape[1] != rows or {len(price), len(target)} - {1, lanes}:
        raise ValueError(
            f"matrix {table.shape}, costs {price.shape} and right-hand sides {target.shape} do not fit together"
        )
    if not all(np.isfinite(a).all() for a in (table, price, target)):
        raise ValueError("matrix, costs and right-hand sides must be finite numbers")
    sizes = np.abs(table).sum(axis=0)
    if np.any(sizes == 0.0):
        raise ValueError(f"column {int(np.argmin(sizes))} of the matrix is empty")
    scales = np.broadcast_to(np.abs(target).sum(axis=1), (lanes,))
    scales = np.where(scales > 0.0, scales, 1.0)
    flags = np.zeros(columns, dtype=np.bool_) if free is None else np.asarray(free, dtype=np.bool_)
    return Program(
        matrix=np.ascontiguousarray(table / sizes),
        costs=np.ascontiguousarray(price / sizes),
        rhs=np.broadcast_to(target, (lanes, rows)) / scales[:, None],
        free=flags,
        sizes=sizes,
        scales=scales,
    )


def scatter(basis: IntArray, amounts: FloatArray, columns: int) -> FloatArray:
    """Spread amounts of basic columns, shape [lanes, rows], over all columns, shape [lanes, columns]."""
    dense = np.zeros((len(basis), columns + basis.shape[1]))
    np.put_along_axis(dense, basis, amounts, axis=1)
    return dense[:, :columns]


@dataclass(eq=False)
class Lanes:
    """Bases of some lanes of a program; every method but :meth:`take` changes them in place.

    Attributes
    ----------
    program : all lanes
    index : which lanes of the program these are, shape [lanes]
    costs : shape [lanes or 1, columns]
    basis : columns of :attr:`Program.extended`, shape [lanes, rows]
    vectors : right-hand sides of interest, shape [lanes, rows, count]
    table : inverse of the basic columns and inverse @ vectors side by side; below them the duals and duals @ vectors,
        shape [lanes, rows + 1, rows + count]. One rank-one update exchanges a column
    penalty : cost of an artificial column
    """

    program: Program
    index: IntArray
    costs: FloatArray
    basis: IntArray
    vectors: FloatArray
    table: FloatArray
    penalty: float = 0.0

    @property
    def inverse(self) -> FloatArray:
        """Inverse of the basic columns, a view, shape [lanes, rows, rows]."""
        rows = self.basis.shape[1]
        return self.table[:, :rows, :rows]

    @property
    def levels(self) -> FloatArray:
        """Basic amounts, inverse @ vectors, a view, shape [lanes, rows, count]."""
        rows = self.basis.shape[1]
        return self.table[:, :rows, rows:]

    @property
    def duals(self) -> FloatArray:
        """Duals, a view, shape [lanes, rows]."""
        rows = self.basis.shape[1]
        return self.table[:, rows, :rows]

    def take(self, chosen: IntArray) -> Lanes:
        """Copy the lanes ``chosen``."""
        return Lanes(
            self.program,
            self.index[chosen],
            self.costs_in(chosen),
            self.basis[chosen],
            self.vectors[chosen],
            self.table[chosen],
            self.penalty,
        )

    def put(self, chosen: IntArray, part: Lanes) -> None:
        """Write lanes copied by :meth:`take` back."""
        self.basis[chosen], self.table[chosen] = part.basis, part.table

    def costs_in(self, lanes: IntArray) -> FloatArray:
        """Costs of some of these lanes, shape [lanes or 1, columns]."""
        return self.costs if len(self.costs) == 1 else self.costs[lanes]

    @property
    def artificial(self) -> BoolArray:
        """Basic columns that are artificial, shape [lanes, rows]."""
        return np.greater_equal(self.basis, self.program.matrix.shape[1])

    @property
    def free(self) -> BoolArray:
        """Basic columns that are free, shape [lanes, rows]."""
        flags: BoolArray = self.program.is_free[self.basis]
        return flags

    def basic_costs(self) -> FloatArray:
        """Costs of the basic columns, shape [lanes, rows]."""
        columns = np.minimum(self.basis, self.program.matrix.shape[1] - 1)
        lane = np.zeros(1, dtype=np.intp) if len(self.costs) == 1 else np.arange(len(columns))
        return np.where(self.artificial, self.penalty, self.costs[lane[:, None], columns])

    def price(self, costs: FloatArray, penalty: float) -> None:
        """Change to other costs and compute the duals y = c_B B^-1."""
        self.costs, self.penalty = costs, penalty
        rows = self.basis.shape[1]
        self.table[:, rows] = (self.basic_costs()[:, None, :] @ self.table[:, :rows])[:, 0]

    def refresh(self) -> None:
        """Invert the bases afresh; recompute levels, with one step of iterative refinement, and duals.

        Raises
        ------
        ConvergenceError
            A basis is singular.
        """
        rows = self.basis.shape[1]
        columns = self.program.extended[self.basis]
        try:
            inverse = np.linalg.inv(columns.transpose(0, 2, 1))
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("a basis of the linear program became singular") from error
        self.table = np.empty((len(columns), rows + 1, rows + self.vectors.shape[2]))
        self.table[:, :rows, :rows] = inverse
        levels = inverse @ self.vectors
        levels += inverse @ (self.vectors - columns.transpose(0, 2, 1) @ levels)
        self.table[:, :rows, rows:] = levels
        self.price(self.costs, self.penalty)

    def reduced(self) -> FloatArray:
        """Reduced costs of all columns, shape [lanes, columns]."""
        values = self.duals @ self.program.matrix
        return np.subtract(self.costs, values, out=values)

    def column(self, lanes: IntArray, entering: IntArray) -> FloatArray:
        """Entering columns in terms of the bases, shape [lanes, rows]."""
        inverse = self.inverse if len(lanes) == len(self.basis) else self.inverse[lanes]
        result: FloatArray = (inverse @ self.program.extended[entering][:, :, None])[:, :, 0]
        return result

    def least_pivot(self, lanes: IntArray, rows: IntArray) -> FloatArray:
        """Smallest trustworthy pivot in one row of each lane, shape [lanes]."""
        largest = np.abs(self.inverse[lanes, rows]).max(axis=1)
        return np.maximum(PIVOT, 0.01 * PIVOT * np.asarray(largest))

    def _entering(
        self, reduced: FloatArray, row: FloatArray, least: FloatArray | float, bland: BoolArray
    ) -> tuple[IntArray, FloatArray]:
        """Dual ratio test among entries of ``row`` above ``least``: columns and their entries (0: there is none)."""
        allowed = row > least
        ratio = np.where(allowed, reduced, np.inf)
        ratio /= np.where(allowed, row, 1.0)
        np.maximum(ratio, 0.0, out=ratio)
        order = self.program.order
        entering = choose(ratio, row, order, bland, tie=TIE * self.program.tolerance / AMOUNT)
        here = np.arange(len(entering))
        return entering, np.where(allowed[here, entering], row[here, entering], 0.0)

    def exchange(
        self, lanes: IntArray, leaving: IntArray, entering: IntArray, column: FloatArray, gain: FloatArray
    ) -> None:
        """Replace the basic columns at rows ``leaving`` by ``entering`` of reduced cost ``gain``."""
        pivot = column[np.arange(len(lanes)), leaving]
        row = self.table[lanes, leaving] / pivot[:, None]
        change = np.concatenate([column, -gain[:, None]], axis=1)[:, :, None] * row[:, None, :]
        if len(lanes) == len(self.table):
            self.table -= change
        else:
            self.table[lanes] -= change
        self.table[lanes, leaving] = row
        self.basis[lanes, leaving] = entering

    def drop(self, lanes: IntArray, leaving: IntArray, sign: FloatArray, bland: BoolArray) -> IntArray:
        """Dual exchange: the column at row ``leaving`` leaves, and the reduced costs stay positive.

        Parameters
        ----------
        sign : -1 where the leaving amount is (or turns) negative, +1 where positive, shape [lanes]

        Returns
        -------
        Positions in ``lanes`` where no column can take the place: their right-hand sides are out of reach.
        """
        every = len(lanes) == len(self.table)
        rows = self.basis.shape[1]
        reduced = self.table[lanes, rows, :rows] @ self.program.matrix
        np.subtract(self.costs if every else self.costs_in(lanes), reduced, out=reduced)
        row = (self.table[lanes, leaving, :rows] * sign[:, None]) @ self.program.matrix
        here = np.arange(len(lanes))
        entering, size = self._entering(reduced, row, PIVOT, bland)
        if size.min() < FIRM:
            entering, size = self._entering(reduced, row, self.least_pivot(lanes, leaving)[:, None], bland)
        gain, possible = reduced[here, entering], size > 0.0
        if possible.all():
            self.exchange(lanes, leaving, entering, self.column(lanes, entering), gain)
            return here[:0]
        kept = possible.nonzero()[0]
        lane, column = lanes[kept], entering[kept]
        self.exchange(lane, leaving[kept], column, self.column(lane, column), gain[kept])
        return (~possible).nonzero()[0]


def choose(
    ratio: FloatArray, size: FloatArray, order: IntArray, bland: BoolArray, *, tie: float = TIE
) -> IntArray:
    """Pick one candidate per lane: smallest ratio, of ties the largest pivot (Bland: the lowest column).

    ``ratio`` (infinite where not allowed) and ``size`` have shape [lanes, candidates], ``order`` that or [candidates],
    ``bland`` [lanes].
    """
    best = ratio.argmin(axis=1)
    tied = ratio <= ratio[np.arange(len(best)), best][:, None] + tie
    if np.count_nonzero(tied) == len(best):
        return np.asarray(best)
    tied &= ratio < np.inf
    best = np.argmax(np.where(tied, size, -1.0), axis=1)
    if bland.any():
        lowest = np.argmin(np.where(tied, order, np.iinfo(np.intp).max), axis=1)
        best = np.where(bland, lowest, best)
    return np.asarray(best)


def check_rounds(rounds: int) -> None:
    """Stop a search that does not end.

    Raises
    ------
    ConvergenceError
        More rounds than any sane program needs.
    """
    if rounds > _ROUNDS:
        raise ConvergenceError(f"the linear program was not solved in {_ROUNDS} rounds")
