"""The problems of :mod:`benchmarks.grain_problems` with the integrator of the package, under NumPy or compiled.

Compiled code runs the same functions for one lane; only the tridiagonal systems have a second form, as loops.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import grain_problems as grain
from cosinter.analysis.continuum import primitives, rosenbrock
from cosinter.analysis.continuum.rosenbrock import RODAS, Control, Record, integrate, make_record

FloatArray = NDArray[np.float64]

MOST_STEPS = 5000
INTEGRATOR: tuple[Callable[..., Any], ...] = (
    rosenbrock._store, rosenbrock.error_norm, rosenbrock.attempt, rosenbrock.integrate, rosenbrock._segment,
    rosenbrock.fitting_step, rosenbrock._freeze,
)  # fmt: skip
__all__ = ["own_solver", "steps"]


def advance(state: FloatArray, control: Control, data: grain.Grain, record: Record) -> FloatArray:
    """To the end of the programme."""
    problem = (grain.rates, grain.prepare, grain.solve)
    return integrate(problem, grain.settle, RODAS, data.knots_s, state, control, data, 0.0, record)


def factor_tridiagonal(
    lower: FloatArray, diagonal: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Multipliers, pivots and upper diagonal, without pivoting (the matrices are diagonally dominant by columns)."""
    pivots, multipliers = diagonal.copy(), np.zeros_like(diagonal)
    for lane in range(diagonal.shape[0]):
        for row in range(1, diagonal.shape[1]):
            multipliers[lane, row] = lower[lane, row] / pivots[lane, row - 1]
            pivots[lane, row] -= multipliers[lane, row] * upper[lane, row - 1]
    return multipliers, pivots, upper


def solve_tridiagonal(factors: tuple[FloatArray, FloatArray, FloatArray], right: FloatArray) -> FloatArray:
    """Forward and back substitution."""
    multipliers, pivots, upper = factors
    x, last = right.copy(), right.shape[1] - 1
    for lane in range(right.shape[0]):
        for row in range(1, last + 1):
            x[lane, row] -= multipliers[lane, row] * x[lane, row - 1]
        x[lane, last] /= pivots[lane, last]
        for row in range(last - 1, -1, -1):
            x[lane, row] = (x[lane, row] - upper[lane, row] * x[lane, row + 1]) / pivots[lane, row]
    return x


@lru_cache(maxsize=1)
def compiled() -> Callable[..., Any]:
    """:func:`advance` as machine code; the equations are those of `grain_problems`."""
    import numba
    from numba.extending import register_jitable

    for loop in (factor_tridiagonal, solve_tridiagonal):
        _replace(getattr(primitives, loop.__name__), loop)
    for function in (*INTEGRATOR, *grain.EQUATIONS):
        register_jitable(error_model="numpy")(function)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_cache_folder())
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(advance)  # type: ignore[no-any-return]
    finally:
        numba.config.CACHE_DIR = before


def _cache_folder() -> Path:
    """Named after the source, since numba itself watches only the file of the outermost function."""
    files = [Path(str(module.__file__)) for module in (primitives, rosenbrock, grain)] + [Path(__file__)]
    digest = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    return Path(__file__).parent / "__pycache__" / f"kernel-{digest}"


def _replace(primitive: Callable[..., Any], loop: Callable[..., Any]) -> None:
    from numba.extending import overload

    def choose(*_: Any, **__: Any) -> Callable[..., Any]:
        return loop

    overload(primitive, jit_options={"error_model": "numpy"}, strict=False)(choose)


def _run(
    problem: str, cells: int, tolerance: float, fast: bool, factors: dict[str, float]
) -> tuple[Any, Any, Any]:
    data, state = grain.make_grain(problem, cells, **factors), grain.start(problem, cells)
    control = Control(tolerance, 1e-2 * tolerance, grain.KNOTS_S[-1], MOST_STEPS)
    record = make_record(*state.shape, capacity=1)
    end = (compiled() if fast else advance)(state, control, data, record)
    if np.isfinite(record.failed_at).any():
        raise SystemExit(f"problem {problem} stopped at {record.failed_at} s")
    return end, data, record


def own_solver(
    problem: str, cells: int, *, tolerance: float, fast: bool = False, **factors: float
) -> Callable[[], FloatArray]:
    """Quantities at the end; grid and start are made in the call, as a user would."""

    def solve() -> FloatArray:
        end, data, _ = _run(problem, cells, tolerance, fast, factors)
        return np.asarray(grain.quantities(end, data)[0])

    return solve


def steps(problem: str, cells: int, *, tolerance: float, **factors: float) -> str:
    """Accepted and rejected steps."""
    _, _, record = _run(problem, cells, tolerance, False, factors)
    return f"{record.counts[1]} + {record.counts[2]} rejected"
