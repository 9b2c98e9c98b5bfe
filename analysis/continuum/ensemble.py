"""Spread of the outcome from the uncertainties of the parameters: Latin hypercube samples and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.inputs import REQUIREMENTS
from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import ConvergenceError, InputError

FloatArray = NDArray[np.float64]

LOGARITHMIC_TABLES = (
    "interphase.conductivity",
    "compensator.lithium_hydroxide.equilibrium_pressure",
    "compensator.lithium_carbonate.equilibrium_pressure",
)
LARGEST_SAMPLE = 100_000


def uncertain(parameters: ParameterSet) -> tuple[str, ...]:
    """Names of the random numbers of a set: one per scalar and table, two per Arrhenius record (``name:energy``)."""
    names = []
    for name, record in parameters.parameters.items():
        if isinstance(record, Arrhenius):
            names += [name] if record.log10_uncertainty else []
            names += [f"{name}:energy"] if record.activation_energy_uncertainty else []
        elif record.uncertainty or (isinstance(record, Scalar) and record.log10_uncertainty):
            names.append(name)
    return tuple(names)


def sample(parameters: ParameterSet, n: int, *, seed: int = 0) -> Iterator[ParameterSet]:
    """Draw ``n`` parameter sets: Latin hypercube over independent normal errors.

    A scalar with ``log10_uncertainty`` and the reference value of an Arrhenius record move in log10, everything
    else by its standard deviation; a table moves as a whole, by one offset (one factor for conductivities and
    pressures). Scalars stay inside the range the model allows.

    Raises
    ------
    InputError
        ``n`` is not between 1 and 100000, or no parameter has an uncertainty.
    """
    from scipy.stats import norm, qmc

    names = uncertain(parameters)
    if not 1 <= n <= LARGEST_SAMPLE:
        raise InputError(f"sample size is {n}, allowed is 1 to {LARGEST_SAMPLE}; change it")
    if not names:
        raise InputError(
            "no parameter of the set has an uncertainty, so there is nothing to sample; add some"
        )
    points = qmc.LatinHypercube(d=len(names), rng=np.random.default_rng(seed)).random(n)
    for row in norm.ppf(np.clip(points, 1e-9, 1.0 - 1e-9)):
        shift = dict(zip(names, map(float, row), strict=True))
        moved = {name: _moved(name, record, shift) for name, record in parameters.parameters.items()}
        yield parameters.model_copy(update={"parameters": moved})


def _moved(name: str, record: AnyRecord, shift: Mapping[str, float]) -> AnyRecord:
    z = shift.get(name, 0.0)
    if isinstance(record, Arrhenius):
        energy = record.activation_energy + record.activation_energy_uncertainty * shift.get(
            f"{name}:energy", 0.0
        )
        value = record.reference_value * 10.0 ** (record.log10_uncertainty * z)
        return record.model_copy(update={"reference_value": value, "activation_energy": max(energy, 0.0)})
    if name not in shift:
        return record
    if isinstance(record, Table):
        return _moved_table(name, record, z)
    if record.log10_uncertainty:
        value = record.value * 10.0 ** (record.log10_uncertainty * z)
    else:
        value = record.value + (record.uncertainty or 0.0) * z
    if (need := REQUIREMENTS.get(name)) is not None:
        value = float(np.clip(value, need.low, need.high))
    return record.model_copy(update={"value": value})


def _moved_table(name: str, record: Table, z: float) -> Table:
    offset = (record.uncertainty or 0.0) * z
    values = record.array * 10.0**offset if name in LOGARITHMIC_TABLES else record.array + offset
    return record.model_copy(update={"values": values.tolist()})


@dataclass(frozen=True)
class Interval:
    """5th, 50th and 95th percentile of one outcome over the ``samples`` that worked; ``failed`` did not."""

    low: float
    median: float
    high: float
    samples: int
    failed: int


def interval(outcomes: Sequence[float], *, failed: int = 0) -> Interval:
    """Summarise outcomes by their 5 %, 50 % and 95 % quantiles.

    Raises
    ------
    InputError
        There is no outcome.
    """
    values = np.asarray(outcomes, dtype=np.float64)
    if values.size == 0:
        raise InputError(
            f"no outcome to summarise ({failed} samples failed); look at the errors of the samples"
        )
    low, median, high = (float(q) for q in np.quantile(values, [0.05, 0.5, 0.95]))
    return Interval(low, median, high, int(values.size), failed)


def intervals(
    parameters: Iterable[ParameterSet], run: Callable[[ParameterSet], Mapping[str, float]]
) -> dict[str, Interval]:
    """Run every set and give the interval of each outcome; runs that do not converge are counted as failed.

    Raises
    ------
    InputError
        No run ended.
    """
    rows: list[Mapping[str, float]] = []
    failed = 0
    for drawn in parameters:
        try:
            rows.append(run(drawn))
        except ConvergenceError:
            failed += 1
    if not rows:
        raise InputError(
            f"none of {failed} samples ended; look at the parameters with the widest uncertainty"
        )
    return {name: interval([row[name] for row in rows], failed=failed) for name in rows[0]}
