"""Samples of the uncertain parameters: independent standard normal numbers, and what they change.

A source of error is a parameter (its name), the activation energy of an Arrhenius record (``<name>:energy``), or a
:class:`~cosinter.analysis.parameters.SharedError` that moves several tables together. With z ~ N(0, 1) of each source

    scalar       x + u z,  or  x 10^(u z) where u is the uncertainty of log10 x; kept inside the allowed range
    Arrhenius    ln k(T_ref) + u ln(10) z,   E_a + u_E z_E  (not below 0)
    table        values + u z + sum_s d_s z_s;  for pressures and conductivities the same in ln of the values

with d_s the shift by one standard deviation of shared source s. The plateaus of the titration keep their order: where
the errors would let one fall below the one before it, they are joined (:mod:`cosinter.analysis.continuum.staircase`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.inputs import REQUIREMENTS, TITRATED
from cosinter.analysis.continuum.staircase import not_falling
from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError, UnknownNameError

FloatArray = NDArray[np.float64]
Method = Literal["latin", "sobol"]

LOGARITHMIC_TABLES = (
    "interphase.conductivity",
    "compensator.lithium_hydroxide.equilibrium_pressure",
    "compensator.lithium_carbonate.equilibrium_pressure",
)
PLATEAUS = "electrolyte.titration.potential"
LARGEST_SAMPLE = 1_000_000
LN10 = float(np.log(10.0))


@dataclass(frozen=True, eq=False)
class Draws:
    """Independent standard normal numbers ``z`` (n, d) of the sources of error ``names`` (d)."""

    names: tuple[str, ...]
    z: FloatArray


@dataclass(frozen=True, eq=False)
class Shifts:
    """What every sample changes, for all n samples at once; parameters that do not move are left out.

    Attributes
    ----------
    scalars : name -> values (n), inside the allowed range
    rates : name -> (ln of the value at the reference temperature (n), activation energy in J/mol (n))
    tables : name -> what to add to the table (to its ln for :data:`LOGARITHMIC_TABLES`), (n, 1) or (n, points of the
        first axis that is not temperature)
    """

    scalars: Mapping[str, FloatArray]
    rates: Mapping[str, tuple[FloatArray, FloatArray]]
    tables: Mapping[str, FloatArray]


def uncertain(parameters: ParameterSet) -> tuple[str, ...]:
    """Names of the sources of error of a set, in its order, shared sources last."""
    names = []
    for name, record in parameters.parameters.items():
        if isinstance(record, Arrhenius):
            names += [name] if record.log10_uncertainty else []
            names += [f"{name}:energy"] if record.activation_energy_uncertainty else []
        elif record.uncertainty or (isinstance(record, Scalar) and record.log10_uncertainty):
            names.append(name)
    return (*names, *(error.name for error in parameters.shared_errors))


def draw(parameters: ParameterSet, n: int, *, method: Method = "latin", seed: int = 0) -> Draws:
    """Draw ``n`` samples of all sources of error of a set.

    Parameters
    ----------
    method : ``latin`` (Latin hypercube) or ``sobol`` (scrambled Sobol sequence, best with a power of 2)

    Raises
    ------
    InputError
        ``n`` is not between 1 and 1000000, or nothing in the set is uncertain.
    """
    from scipy.stats import norm, qmc

    names = uncertain(parameters)
    if not 1 <= n <= LARGEST_SAMPLE:
        raise InputError(f"sample size is {n}, allowed is 1 to {LARGEST_SAMPLE}; change it")
    if not names:
        raise InputError(
            "no parameter of the set has an uncertainty, so there is nothing to sample; add some"
        )
    rng = np.random.default_rng(seed)
    if method == "latin":
        points = qmc.LatinHypercube(d=len(names), rng=rng).random(n)
    else:
        points = qmc.Sobol(d=len(names), rng=rng).random_base2(max(n - 1, 0).bit_length())[:n]
    return Draws(names, np.asarray(norm.ppf(np.clip(points, 1e-9, 1.0 - 1e-9)), dtype=np.float64))


def moved(parameters: ParameterSet, draws: Draws, row: int) -> ParameterSet:
    """The full parameter set of one sample.

    Raises
    ------
    UnknownNameError
        ``draws`` names a source of error that the set does not have.
    """
    found = shifts(parameters, Draws(draws.names, draws.z[row : row + 1]))
    records: dict[str, AnyRecord] = dict(parameters.parameters)
    for name, value in found.scalars.items():
        records[name] = records[name].model_copy(update={"value": float(value[0])})
    for name, (logarithm, energy) in found.rates.items():
        update = {"reference_value": float(np.exp(logarithm[0])), "activation_energy": float(energy[0])}
        records[name] = records[name].model_copy(update=update)
    for name, shift in found.tables.items():
        records[name] = parameters.table(name).shifted(shift[0], logarithmic=name in LOGARITHMIC_TABLES)
    return parameters.model_copy(update={"parameters": records})


def shifts(parameters: ParameterSet, draws: Draws) -> Shifts:
    """What all samples change, as arrays over the samples.

    Raises
    ------
    UnknownNameError
        ``draws`` names a source of error that the set does not have.
    InputError
        A shared error moves a free energy of the cathode by a shift that is not affine in the lithium content.
    """
    known = uncertain(parameters)
    for name in draws.names:
        if name not in known:
            raise UnknownNameError("source of error", name, known)
    z = {name: draws.z[:, column] for column, name in enumerate(draws.names)}
    scalars, rates = {}, {}
    for name, record in parameters.parameters.items():
        if isinstance(record, Scalar) and name in z:
            scalars[name] = _moved_scalar(name, record, z[name])
        elif isinstance(record, Arrhenius) and (name in z or f"{name}:energy" in z):
            rates[name] = _moved_rate(record, z.get(name, 0.0 * draws.z[:, 0]), z.get(f"{name}:energy"))
    return Shifts(scalars, rates, _moved_tables(parameters, z))


def _moved_scalar(name: str, record: Scalar, z: FloatArray) -> FloatArray:
    if record.log10_uncertainty:
        values = record.value * 10.0 ** (record.log10_uncertainty * z)
    else:
        values = record.value + (record.uncertainty or 0.0) * z
    need = REQUIREMENTS.get(name)
    return values if need is None else np.asarray(np.clip(values, need.low, need.high), dtype=np.float64)


def _moved_rate(record: Arrhenius, z: FloatArray, energy: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    logarithm = np.log(record.reference_value) + record.log10_uncertainty * LN10 * z
    shift = 0.0 * z if energy is None else record.activation_energy_uncertainty * energy
    return logarithm, np.maximum(record.activation_energy + shift, 0.0)


def _moved_tables(parameters: ParameterSet, z: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    tables: dict[str, FloatArray] = {}

    def add(name: str, amount: Sequence[float], size: FloatArray) -> None:
        shift = np.outer(size, amount)
        tables[name] = tables[name] + shift if name in tables else shift

    for name, record in parameters.parameters.items():
        if isinstance(record, Table) and name in z:
            unit = LN10 if name in LOGARITHMIC_TABLES else 1.0
            add(name, [unit * (record.uncertainty or 0.0)], z[name])
    for error in parameters.shared_errors:
        if error.name in z:
            for name, amount in error.shifts.items():
                _check_affine(error.name, name, amount)
                add(name, amount, z[error.name])
    if PLATEAUS in tables:
        tables[PLATEAUS] = _joined(parameters.table(PLATEAUS), tables[PLATEAUS])
    return tables


def _check_affine(error: str, name: str, amount: Sequence[float]) -> None:
    if not name.endswith(".excess_gibbs") or len(amount) < 3:
        return
    straight = np.linspace(amount[0], amount[-1], len(amount))
    if np.max(np.abs(straight - amount)) > 1e-6 * (1.0 + np.max(np.abs(amount))):
        raise InputError(
            f"shared error '{error}' moves {name} by a shift that is not affine in the lithium content; replace it"
        )


def _joined(record: Table, shift: FloatArray) -> FloatArray:
    """Shifts (n, vertices) of the plateaus that let none fall below the one before it, at any temperature."""
    if shift.shape[1] == 1:
        return shift
    along_vertices = np.moveaxis(record.array, record.shift_axis or 0, 0).reshape(shift.shape[1], -1)
    rise = np.maximum(np.diff(along_vertices, axis=0).min(axis=1), 0.0)
    lowest = np.concatenate([[0.0], np.cumsum(rise)])
    widths = np.diff(record.axis(TITRATED))
    # the last vertex is the end of the titration: it follows the last plateau
    weights = np.append(widths, 1e-9 * widths[-1])
    return np.asarray(not_falling(lowest + shift, weights) - lowest, dtype=np.float64)


@dataclass(frozen=True)
class Interval:
    """5th, 50th and 95th percentile of one outcome over the ``samples`` that worked; ``failed`` did not."""

    low: float
    median: float
    high: float
    samples: int
    failed: int


def interval(outcomes: Sequence[float] | FloatArray, *, failed: int = 0) -> Interval:
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
