"""Many runs at once: samples of the parameters, or cases of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import nano

from cosinter.analysis.continuum.distribution import averaged, by_size, whole_powders
from cosinter.analysis.continuum.inputs import ModelInputs, SinterCase, model_inputs
from cosinter.analysis.continuum.run import compiled_model
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import UnknownNameError

if TYPE_CHECKING:
    from cosinter.analysis.continuum.ensemble import Draws, Shifts
    from cosinter.analysis.continuum.lanes import Batch
    from cosinter.analysis.continuum.run import Run

FloatArray = NDArray[np.float64]
Progress = Callable[[int, int], None]
Job = tuple[ParameterSet, tuple[SinterCase, ...], "Shifts | None"]

LANES = 6  # that share their steps: more lanes cost fewer calls, but every lane takes the steps of all
COMPILED_LANES = 200  # laid out at once; each takes steps of its own

OUTCOMES = (
    "layered_fraction",
    "spinel_fraction",
    "rock_salt_fraction",
    "lithium_per_metal",
    "interphase_nm",
    "asr_ohm_cm2",
    "capacity_mAh_per_g",
)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The end of many runs: ``values`` (n, names) with NaN in the rows of ``failures`` (row -> what went wrong)."""

    names: tuple[str, ...]
    values: FloatArray
    failures: Mapping[int, str]

    def column(self, name: str) -> FloatArray:
        """One outcome of every run (n)."""
        if name not in self.names:
            raise UnknownNameError("outcome", name, self.names)
        return np.asarray(self.values[:, self.names.index(name)])

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which runs ended (n)."""
        return np.asarray(np.isfinite(self.values).all(axis=1))


def run_samples(
    parameters: ParameterSet,
    case: SinterCase,
    draws: Draws,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Outcomes:
    """Run one case with every sample of the parameters.

    ``workers`` threads of the compiled model, or processes without it, share the samples; ``progress(done, all)`` is told.
    Samples whose integration does not end are tried again with smaller steps; what then still fails is a row of NaN with
    a sentence.

    Raises
    ------
    InputError
        A parameter is missing or outside its range.
    """
    from cosinter.analysis.continuum.ensemble import Draws, shifts

    count = len(draws.z)
    size = _chunk(count, workers)
    jobs = [
        (parameters, (case,), shifts(parameters, Draws(draws.names, draws.z[first : first + size])))
        for first in range(0, count, size)
    ]
    return _gather(jobs, count, workers, progress)


def run_cases(
    parameters: ParameterSet,
    cases: Sequence[SinterCase],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Outcomes:
    """Run every case with the same parameters; cases of one furnace programme run side by side.

    Raises
    ------
    InputError
        A parameter is missing or outside its range.
    """
    groups: dict[Any, list[int]] = {}
    for row, case in enumerate(cases):
        groups.setdefault((case.furnace, case.cells, case.tolerance), []).append(row)
    size = _chunk(len(cases), workers)
    rows = [group[first : first + size] for group in groups.values() for first in range(0, len(group), size)]
    jobs = [(parameters, tuple(cases[row] for row in chunk), None) for chunk in rows]
    found = _gather(jobs, len(cases), workers, progress)
    order = np.argsort(np.concatenate([np.asarray(chunk) for chunk in rows]))
    back = {int(np.flatnonzero(order == place)[0]): text for place, text in found.failures.items()}
    return Outcomes(found.names, found.values[order], back)


def _chunk(count: int, workers: int) -> int:
    if compiled_model():
        return COMPILED_LANES
    return min(LANES, max(1, -(-count // max(workers, 1))))


def _gather(jobs: Sequence[Job], count: int, workers: int, progress: Progress | None) -> Outcomes:
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial

    fast = compiled_model()
    values: list[FloatArray] = []
    failures: dict[int, str] = {}
    done = 0
    pool = ProcessPoolExecutor(workers) if workers > 1 and len(jobs) > 1 and not fast else None
    run = partial(_run, threads=workers if fast else 1)
    try:
        for ends, failed in pool.map(run, jobs) if pool else map(run, jobs):
            failures |= {done + row: text for row, text in failed.items()}
            values.append(ends)
            done += len(ends)
            if progress is not None:
                progress(done, count)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    return Outcomes(OUTCOMES, np.concatenate(values), failures)


def _run(job: Job, *, threads: int) -> tuple[FloatArray, dict[int, str]]:
    """The outcomes of one job (n, names) and what failed."""
    parameters, cases, moved = job
    inputs = model_inputs(parameters)
    single, classes = by_size(cases)
    if moved is not None and len(single) > 1:
        parts = [_single(parameters, inputs, (one,), moved, threads) for one in single]
        values = averaged(np.stack([part[0] for part in parts], axis=-2), OUTCOMES, classes[0])
        failed = {row: text for _, texts in parts for row, text in texts.items()}
        return values, failed
    values, failed = _single(parameters, inputs, tuple(single), moved, threads)
    if len(single) == len(cases):
        return values, failed
    owner = np.repeat(np.arange(len(cases)), [sizes.radii_m.size for sizes in classes])
    return whole_powders(values, OUTCOMES, classes), {int(owner[row]): text for row, text in failed.items()}


def _single(
    parameters: ParameterSet,
    inputs: ModelInputs,
    cases: tuple[SinterCase, ...],
    moved: Shifts | None,
    threads: int,
) -> tuple[FloatArray, dict[int, str]]:
    """Outcomes of grains of one size each (n, names); lanes that stop are tried again with smaller steps.

    Lanes that share their steps are tried again one by one.
    """
    from cosinter.analysis.continuum.lanes import make_batch
    from cosinter.analysis.continuum.run import TRIES, failure, run_batch

    batch = make_batch(inputs, cases, moved)
    run = run_batch(batch, tolerance=TRIES[0] * cases[0].tolerance, threads=threads)
    values = ends(parameters, batch, run, moved)
    stopped = run.record.failed_at.copy()
    for part in TRIES[1:]:
        stuck = np.flatnonzero(np.isfinite(stopped))
        for rows in np.split(stuck, 1 if compiled_model() else max(stuck.size, 1)):
            if rows.size == 0:
                continue
            some = None if moved is None else _rows(moved, rows)
            own = make_batch(inputs, cases if moved is not None else [cases[row] for row in rows], some)
            again = run_batch(own, tolerance=part * cases[0].tolerance, threads=threads)
            values[rows] = ends(parameters, own, again, some)
            stopped[rows] = again.record.failed_at
    failed = np.flatnonzero(np.isfinite(stopped))
    values[failed] = np.nan
    return values, {int(row): failure(batch.cases[row], float(stopped[row])) for row in failed}


def _rows(moved: Shifts, rows: NDArray[np.intp]) -> Shifts:
    from cosinter.analysis.continuum.ensemble import Shifts

    return Shifts(
        {name: values[rows] for name, values in moved.scalars.items()},
        {name: (ln[rows], energy[rows]) for name, (ln, energy) in moved.rates.items()},
        {name: values[rows] for name, values in moved.tables.items()},
    )


def ends(parameters: ParameterSet, batch: Batch, run: Run, moved: Shifts | None) -> FloatArray:
    """The outcomes (L, names) at the end of a batch."""
    from cosinter.analysis.continuum.conditions import conditions
    from cosinter.analysis.continuum.contact import layer_thickness
    from cosinter.analysis.continuum.rates import reservoirs_of, shells
    from cosinter.analysis.continuum.results import active_lithium
    from cosinter.analysis.observables.capacity import capacities

    lanes, n, state = batch.lanes, batch.cells, run.state
    with np.errstate(all="ignore"):
        now = conditions(lanes, len(lanes.gas_tables) - 1, float(lanes.knots[-1]))
        grain = shells(now, lanes, state, np.full((len(state), n), now.middle.mean()))
        held = reservoirs_of(lanes, state[:, 3 * n :])
        thickness = layer_thickness(lanes, held[3][:, None])[:, 0]
    lithium, spinel, salt = (batch.grid.mean(state[:, k * n : (k + 1) * n]) for k in range(3))
    layers = batch.sink.layer_volume(held[3]) * lanes.electrolyte / lanes.area
    resistance = _resistances(parameters, thickness, layers, moved)
    voltage = None if moved is None else moved.tables.get("capacity.open_circuit_voltage")
    capacity = capacities(
        parameters,
        active_lithium(batch, grain),
        resistance,
        lanes.area[:, 0],
        scalars={} if moved is None else moved.scalars,
        voltage_shift_V=0.0 if voltage is None else voltage[:, 0],
    )
    fractions = [np.clip(share, 0.0, 1.0) for share in (1.0 - spinel - salt, spinel, salt, lithium)]
    return np.stack([*fractions, thickness / nano, resistance, capacity], axis=1)


def _resistances(
    parameters: ParameterSet, thickness: FloatArray, layers: FloatArray, moved: Shifts | None
) -> FloatArray:
    """ASR in ohm cm2 (L): clean contact and product layer."""
    from cosinter.analysis.observables.impedance import OHM_M2_TO_OHM_CM2, layer_resistances

    conductivity = parameters.table("interphase.conductivity").array[None, :]
    clean = np.full(len(thickness), parameters.scalar("impedance.clean_interface"))
    if moved is not None:
        conductivity = conductivity * np.exp(moved.tables.get("interphase.conductivity", np.zeros((1, 1))))
        clean = moved.scalars.get("impedance.clean_interface", clean)
    return np.asarray(clean * OHM_M2_TO_OHM_CM2 + layer_resistances(thickness, layers, conductivity))
