"""Run the lanes of a batch in compiled code, several at a time in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from cosinter.analysis.continuum.compiled.integrator import lane_runner, steps_room
from cosinter.analysis.continuum.compiled.numbers import FloatArray, records, shared, workspace
from cosinter.analysis.continuum.lanes import Lanes
from cosinter.analysis.continuum.rosenbrock import Control, Record


@lru_cache(maxsize=1)
def runner() -> Callable[..., float]:
    """The compiled model; the first call of it ever takes most of a minute, later ones load the machine code."""
    folder = Path(__file__).parents[1]
    texts = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    return lane_runner(sha256(b"".join(texts)).hexdigest())


def integrate(lanes: Lanes, state: FloatArray, control: Control, record: Record, *, threads: int = 1) -> None:
    """Run all lanes to the end of the programme, ``state`` (L, m) in place, each with its own steps.

    ``record.failed_at`` (L) holds the time at which a lane stopped. ``record.counts`` adds the steps of all lanes; a record
    of several rows must belong to one lane.
    """
    run_lane, common, numbers, count = runner(), shared(lanes), records(lanes), len(state)

    def run_share(first: int) -> list[int]:
        work = workspace(common)
        times, segments = np.zeros(1), np.zeros(1, dtype=np.int64)
        rows = np.zeros((1, state.shape[1]))
        if len(record.times) > 1:
            times, segments, rows = record.times, record.segments, record.states[:, 0]
        steps = steps_room(state.shape[1], times, segments, rows)
        for lane in range(first, count, threads):
            work.potential[:] = 0.0
            record.failed_at[lane] = run_lane(
                common, numbers, lanes.plateau_shifts, lane, state[lane], work, steps, control
            )
        return [int(number) for number in steps.counts]

    if threads == 1 or count == 1:
        record.counts[:] += np.array(run_share(0))
        return
    with ThreadPoolExecutor(threads) as pool:
        for counts in pool.map(run_share, range(threads)):
            record.counts[:] += np.array(counts)
