"""`python -m benchmarks.verification`: measure the tables of docs/verification.md and write them there.

--composites 2000     random composites of the property table (all of them: hours)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks import grain_model, grain_own, grain_problems
from benchmarks.random_composites import random_composite
from tests.analysis import test_verification_manufactured as manufactured
from tests.analysis.verification_fixture import random_base

PAGE = Path(__file__).parents[1] / "docs" / "verification.md"
START, END = "<!-- measured: {} -->", "<!-- end -->"


def space() -> Iterator[str]:
    """Manufactured solution: root mean square error over the volume and observed order."""
    before = None
    for cells in (10, 20, 40, 80, 160):
        lithium, r, volumes = manufactured._end(cells, 20)
        error = float(np.sqrt(volumes @ (lithium - manufactured._exact(r, manufactured.TIME)) ** 2))
        yield f"| {cells} | {error:.2e} | {'' if before is None else f'{np.log2(before / error):.2f}'} |"
        before = error


def problems() -> Iterator[str]:
    """Problems S and F on refined grids with tight steps, and their Richardson limit beside the reference."""
    for problem in ("S", "F"):
        before, last = None, None
        for cells in (25, 50, 100, 200, 400):
            found = grain_own.own_solver(problem, cells, tolerance=1e-6)()
            error = float(np.abs(found - grain_problems.REFERENCE[problem]).max())
            order = "" if before is None else f"{np.log2(before / error):.2f}"
            limit = (
                ""
                if last is None
                else f"{np.abs((4.0 * found - last) / 3.0 - grain_problems.REFERENCE[problem]).max():.1e}"
            )
            yield f"| {problem} | {cells} | {error:.2e} | {order} | {limit} |"
            before, last = error, found


def steps() -> Iterator[str]:
    """Problems S and F at 50 cells against tight steps on the same grid."""
    for problem in ("S", "F"):
        exact = grain_own.own_solver(problem, 50, tolerance=1e-8)()
        for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
            found = grain_own.own_solver(problem, 50, tolerance=tolerance)()
            count = grain_own.steps(problem, 50, tolerance=tolerance)
            yield f"| {problem} | {tolerance:.0e} | {count} | {np.abs(found - exact).max():.1e} |"


def composites(count: int) -> Iterator[str]:
    """Worst balance, dissipation and bounds over random composites at every accepted step."""
    from cosinter.analysis.continuum.model import simulate
    from cosinter.data.exceptions import ConvergenceError

    base, failed, worst, least, low, high, accepted = random_base(), 0, 0.0, np.inf, np.inf, -np.inf, 0
    begin = time.process_time()
    for seed in range(count):
        parameters, case = random_composite(base, seed)
        try:
            run = simulate(parameters, case)
        except ConvergenceError:
            failed += 1
            continue
        accepted += run.sizes["time"] - 1
        worst = max(worst, float(run["balance_error"].max()))
        least = min(least, float(run["dissipation"].min()))
        shares = [run[name] for name in ("layered", "spinel", "rock_salt", "lithium")]
        low = min([low, float(run["compensator"].min()), *(float(share.min()) for share in shares)])
        high = max([high, *(float(share.max()) for share in shares)])
    yield f"| composites, accepted steps | {count}, {accepted} |"
    yield f"| stopped with a ConvergenceError | {failed} |"
    yield f"| largest balance error of ten elements, relative to the inventory | {worst:.1e} |"
    yield f"| least dissipation, J/(mol s) | {least:.1e} |"
    yield f"| least amount or fraction; largest fraction | {low:.1e}; 1 {high - 1.0:+.1e} |"
    yield f"| CPU time | {time.process_time() - begin:.0f} s |"


def write(name: str, heads: str, rows: Iterator[str]) -> None:
    """Replace the table ``name`` of the page, and print it."""
    table = "\n".join([f"| {heads} |", f"|{'---|' * (heads.count('|') + 1)}", *rows])
    print(f"\n{table}", flush=True)
    text = PAGE.read_text(encoding="utf-8")
    start = START.format(name)
    before, rest = text.split(start, 1)
    PAGE.write_text(f"{before}{start}\n{table}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--composites", type=int, default=200)
    parser.add_argument("--only", nargs="*", help="names of tables")
    chosen = parser.parse_args()
    tables: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
        "space": ("cells | error | order", space),
        "problems": ("problem | cells | error | order | error of the Richardson limit", problems),
        "steps": ("problem | tolerance | steps | error of time", steps),
        "model": ("case | cells | tolerance | fractions | thickness, ASR, capacity", grain_model.convergence),
        "composites": ("property | worst", lambda: composites(chosen.composites)),
    }
    for name, (heads, rows) in tables.items():
        if not chosen.only or name in chosen.only:
            write(name, heads, rows())


if __name__ == "__main__":
    main()
