"""The integrator and the furnace model beside SciPy, PyBaMM and FiPy: CPU time at equal error, in the same run.

    python -m benchmarks.continuum            problems S and F, stiffness, the model, 1,000 samples
    python -m benchmarks.continuum --full     FiPy's long run and 10,000 samples too

Errors are the largest over the quantities of a problem against its limit of fine grids. Each tool may choose its grid and
its tolerance; a setting counts where all tighter tolerances on that grid keep the error as well, so that no lucky
hit wins. Times are CPU seconds, the least of interleaved repeats, without set-up (a row of its own).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import grain_model, grain_peers, grain_problems
from benchmarks.grain_peers import Problem, Solve
from cosinter.analysis.continuum.run import compiled_model

FloatArray = NDArray[np.float64]

CELLS = (25, 35, 50, 70, 100)
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
TARGETS = (1e-3, 3e-4, 1e-4)
REPEATS = 9
FINALISTS = 4
STIFFNESS = {  # factors on the values at 973.15 K
    "as defined": {},
    "D_L 4400 times faster": {"D_L": 4400.0},
    "D_L 4400 times faster, D_RS 1000 times slower": {"D_L": 4400.0, "D_RS": 1e-3},
    "conversion 100 times faster": {"k_f": 100.0, "k_b": 100.0},
}
COLD = {
    "cosinter, NumPy": "from benchmarks import grain_own; grain_own.own_solver('F', 50, tolerance=1e-3)()",
    "cosinter, numba, compiled before": (
        "from benchmarks import grain_own; grain_own.own_solver('F', 50, tolerance=1e-3, fast=True)()"
    ),
    "SciPy LSODA": "from benchmarks import grain_peers as p; p.scipy_solver('F', 50, method='LSODA', tolerance=1e-3)()",
    "PyBaMM IDAKLU": "from benchmarks import grain_peers as p; p.pybamm_solver('F', 50, tolerance=1e-3)()",
}


@dataclass
class Setting:
    """One tool on one grid at one tolerance: its error and the least CPU seconds so far."""

    tool: str
    cells: int
    tolerance: float
    solve: Solve
    error: float = np.inf
    seconds: float = np.inf

    def run(self, problem: Problem) -> None:
        begin = time.process_time()
        found = self.solve()
        self.seconds = min(self.seconds, time.process_time() - begin)
        self.error = float(np.abs(found - grain_problems.REFERENCE[problem]).max())


def tools() -> dict[str, Callable[..., Solve]]:
    """Every tool with the same signature (problem, cells, tolerance=)."""
    from benchmarks import grain_own

    chosen: dict[str, Callable[..., Solve]] = {
        "cosinter, NumPy": grain_own.own_solver,
        "SciPy LSODA": lambda *at, tolerance: grain_peers.scipy_solver(
            *at, method="LSODA", tolerance=tolerance
        ),
        "SciPy BDF": lambda *at, tolerance: grain_peers.scipy_solver(*at, method="BDF", tolerance=tolerance),
        "PyBaMM IDAKLU": grain_peers.pybamm_solver,
    }
    if compiled_model():
        compiled = {
            "cosinter, numba": lambda *at, tolerance: grain_own.own_solver(
                *at, tolerance=tolerance, fast=True
            )
        }
        chosen = compiled | chosen
    return chosen


def settings(problem: Problem, tool: str, make: Callable[..., Solve]) -> list[Setting]:
    """All grids and tolerances, each run twice (the first run sets up)."""
    found = [
        Setting(tool, cells, tolerance, make(problem, cells, tolerance=tolerance))
        for cells in CELLS
        for tolerance in TOLERANCES
    ]
    for one in found:
        for _ in range(2):
            one.run(problem)
    return found


def accurate(found: list[Setting], target: float) -> list[Setting]:
    """The cheapest few settings whose error stays below ``target`` at every tighter tolerance on their grid."""
    kept = [
        one
        for one in found
        if all(
            other.error <= target
            for other in found
            if other.cells == one.cells and other.tolerance <= one.tolerance
        )
    ]
    return sorted(kept, key=lambda one: one.seconds)[:FINALISTS]


def race(problem: Problem) -> Iterator[str]:
    """CPU time of every tool at each target of error."""
    found = {tool: settings(problem, tool, make) for tool, make in tools().items()}
    finalists = {
        target: {tool: accurate(all_of, target) for tool, all_of in found.items()} for target in TARGETS
    }
    for _ in range(REPEATS):
        for of_target in finalists.values():
            for chosen in of_target.values():
                for one in chosen:
                    one.run(problem)
    for target, of_target in finalists.items():
        for tool, chosen in of_target.items():
            if not chosen:
                yield f"| {problem} | {target:.0e} | {tool} | - | - | - | not reached on this grid |"
                continue
            best = min(chosen, key=lambda one: one.seconds)
            yield (
                f"| {problem} | {target:.0e} | {tool} | {1e3 * best.seconds:.2f} ms | {best.error:.1e} "
                f"| {best.cells} | {best.tolerance:.0e} |"
            )


def against_fipy(full: bool) -> Iterator[str]:
    """FiPy at the errors it reaches, and the coarsest setting of ours that is as good."""
    from benchmarks import grain_own

    own = settings("S", "cosinter, NumPy", grain_own.own_solver)
    for steps in (200, 800) if full else (200,):
        theirs = Setting("FiPy", 50, 0.0, grain_peers.fipy_solver(50, steps=steps))
        theirs.run("S")
        ours = accurate(own, theirs.error)[0]
        yield (
            f"| {steps} steps | {theirs.seconds:.2f} s | {theirs.error:.1e} | {1e3 * ours.seconds:.1f} ms "
            f"| {ours.error:.1e} | {theirs.seconds / ours.seconds:.0f} |"
        )


def stiffness(problem: Problem = "F") -> Iterator[str]:
    """Cost of the same programme at one setting when processes get faster."""
    from benchmarks import grain_own

    ways = {"NumPy": False} | ({"numba": True} if compiled_model() else {})
    for name, factors in STIFFNESS.items():
        row = []
        for fast in ways.values():
            one = grain_own.own_solver(problem, 50, tolerance=1e-4, fast=fast, **factors)
            one()
            row.append(f"{1e3 * min(cpu(one) for _ in range(REPEATS)):.2f} ms")
        yield f"| {name} | {' | '.join(row)} | {grain_own.steps(problem, 50, tolerance=1e-4, **factors)} |"


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def cold() -> Iterator[str]:
    """Wall seconds of a fresh interpreter that imports, builds and solves F once."""
    for tool, command in COLD.items():
        if "numba" in tool and not compiled_model():
            continue
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
        yield f"| {tool} | {time.perf_counter() - begin:.2f} s |"


def report(*, full: bool = False) -> None:
    """Print all tables, row by row."""

    _table("problem", "error at most", "tool", "CPU time", "error", "cells", "tolerance")
    for problem in ("S", "F"):
        _rows(race(problem))
    if find_spec("fipy"):
        _table("FiPy, problem S", "CPU time", "error", "cosinter, NumPy", "error", "ratio")
        _rows(against_fipy(full))
    else:
        print("\nFiPy is not installed (extra bench)")
    _table("stiffness, problem F", "NumPy", *(["numba"] if compiled_model() else []), "steps")
    _rows(stiffness())
    _table("cold, problem F", "wall time")
    _rows(cold())
    grain_model.report(full=full)


def _table(*heads: str) -> None:
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)


def _rows(rows: Iterator[str]) -> None:
    for row in rows:
        print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="FiPy's long run and 10,000 samples too")
    report(full=parser.parse_args().full)


if __name__ == "__main__":
    main()
