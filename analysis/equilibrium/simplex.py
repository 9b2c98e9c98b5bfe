"""Linear programs with few rows and many columns, thousands at once, and along a line of right-hand sides.

    minimise  c n   subject to   A n = b,   n_j >= 0 unless column j is free

A dense simplex in plain NumPy whose lanes step together (:mod:`~cosinter.analysis.equilibrium.tableau`): the cost of one
round is one matrix product for all of them. Dantzig pricing on columns per unit of size, Bland's rule after steps
without progress, fresh inverses at intervals and at the end, and a final certificate: no reduced cost below zero,
balances closed, amounts not below -1e-12 of the right-hand side. Nothing here knows phases or units.

Method: G. B. Dantzig, Linear Programming and Extensions (1963); R. G. Bland, doi:10.1287/moor.2.2.103;
parametric right-hand side: T. Gal, Postoptimal Analyses, Parametric Programming (1995), doi:10.1515/9783110871203.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosinter.analysis.equilibrium.primal import solve
from cosinter.analysis.equilibrium.tableau import (
    BoolArray,
    InfeasibleError,
    IntArray,
    Lanes,
    Program,
    UnboundedError,
    make_program,
    scatter,
)
from cosinter.analysis.equilibrium.walk import Path, walk
from cosinter.analysis.thermochemistry.functions import FloatArray

__all__ = ["Basis", "InfeasibleError", "Path", "Solution", "UnboundedError", "minimise", "walk"]

#: Amounts above this (of a right-hand side that sums to one) are present.
PRESENT = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """Where to start from: the basic columns of each lane.

    Attributes
    ----------
    columns : column, or N + row for the artificial column of a row, shape [lanes, rows]
    """

    columns: IntArray


@dataclass(frozen=True, eq=False)
class Solution:
    """The least cost of each lane.

    Attributes
    ----------
    basis : basic columns
    amounts : amounts of the basic columns, shape [lanes, rows]
    duals : y with c - y A >= 0, shape [lanes, rows]
    value : least cost, shape [lanes]
    unique : True where the duals are the only ones (no basic amount is zero), shape [lanes]
    pivots : exchanges of columns, all lanes together
    """

    basis: Basis
    amounts: FloatArray
    duals: FloatArray
    value: FloatArray
    unique: BoolArray
    pivots: int

    def dense(self, columns: int) -> FloatArray:
        """Amounts of all ``columns``, shape [lanes, columns]."""
        return scatter(self.basis.columns, self.amounts, columns)


def minimise(
    matrix: FloatArray,
    costs: FloatArray,
    rhs: FloatArray,
    *,
    free: BoolArray | None = None,
    start: Basis | None = None,
) -> Solution:
    """Solve one linear program per lane.

    Parameters
    ----------
    matrix : shape [rows, columns], the same for all lanes
    costs : shape [columns], or [lanes, columns]
    rhs : shape [rows], or [lanes, rows]
    free : columns whose amount may have either sign, shape [columns]
    start : basis of a similar program; lanes where it is not feasible start from the beginning

    Raises
    ------
    InfeasibleError
        No amounts of the columns equal a right-hand side.
    UnboundedError
        A cost falls without end.
    ConvergenceError
        The certificate of a solution failed (columns scaled too wildly for double precision).
    ValueError
        Shapes do not fit, or a number is not finite.

    >>> matrix = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> solution = minimise(matrix, np.array([0.0, 0.0, -1.0]), np.array([1.0, 2.0]))
    >>> solution.dense(3).tolist(), solution.value.tolist()
    ([[0.0, 1.0, 1.0]], [-1.0])
    """
    program = make_program(matrix, costs, rhs, free)
    parts, pivots = [], 0
    for block in program.blocks():
        begin = None if start is None else np.broadcast_to(start.columns, program.rhs.shape)[block]
        state, count = solve(program, block, begin)
        parts.append(_read(program, state))
        pivots += count
    columns, amounts, duals, value, unique = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Solution(Basis(columns), amounts, duals, value, unique, pivots)


def _read(program: Program, state: Lanes) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, BoolArray]:
    """Basis, amounts, duals, value and uniqueness in the caller's units."""
    columns = program.plain(state.basis)
    levels = state.levels[:, :, 0]
    levels = np.where(state.free, levels, np.maximum(levels, 0.0))
    unique = np.all(~state.artificial & (state.free | (levels > PRESENT)), axis=1)
    scale = program.scales[state.index]
    value = np.einsum("ki,ki->k", state.basic_costs(), levels) * scale
    return columns, levels * scale[:, None] / program.sizes_of(columns), state.duals, value, unique
