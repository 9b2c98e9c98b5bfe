"""The problems of :mod:`benchmarks.grain_problems` with the integrator of the package, under NumPy or compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import grain_problems as grain
from cosinter.analysis.continuum import compiled as kernel
from cosinter.analysis.continuum.compiled import available
from cosinter.analysis.continuum.rosenbrock import RODAS, Control, Record, integrate, make_record

FloatArray = NDArray[np.float64]

MOST_STEPS = 5000
__all__ = ["available", "own_solver", "steps"]


def advance(state: FloatArray, control: Control, data: grain.Grain, record: Record) -> FloatArray:
    """To the end of the programme."""
    problem = (grain.rates, grain.prepare, grain.solve)
    return integrate(problem, grain.settle, RODAS, data.knots_s, state, control, data, 0.0, record)


@lru_cache(maxsize=1)
def compiled() -> Callable[..., Any]:
    """:func:`advance` as machine code; the equations are those of `grain_problems`."""
    import numba
    from numba.extending import register_jitable

    kernel.compiled_advance()  # registers the integrator and the primitives
    for function in grain.EQUATIONS:
        register_jitable(error_model="numpy")(function)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(kernel._cache_folder([*kernel.MODULES, grain]))
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(advance)  # type: ignore[no-any-return]
    finally:
        numba.config.CACHE_DIR = before


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
