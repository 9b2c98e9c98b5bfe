"""Many runs at once: samples of the parameters, or cases of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import ConvergenceError, UnknownNameError

if TYPE_CHECKING:
    from cosinter.analysis.continuum.ensemble import Draws

FloatArray = NDArray[np.float64]
Progress = Callable[[int, int], None]

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
    """Run one case with every sample of the parameters."""
    from cosinter.analysis.continuum.ensemble import moved

    return _collect(
        ((moved(parameters, draws, row), case) for row in range(len(draws.z))), len(draws.z), progress
    )


def run_cases(
    parameters: ParameterSet,
    cases: Sequence[SinterCase],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Outcomes:
    """Run every case with the same parameters."""
    return _collect(((parameters, case) for case in cases), len(cases), progress)


def _collect(
    runs: Iterable[tuple[ParameterSet, SinterCase]], count: int, progress: Progress | None
) -> Outcomes:
    values, failures = np.full((count, len(OUTCOMES)), np.nan), {}
    for row, (parameters, case) in enumerate(runs):
        try:
            values[row] = _one(parameters, case)
        except ConvergenceError as error:
            failures[row] = str(error)
        if progress is not None:
            progress(row + 1, count)
    return Outcomes(OUTCOMES, values, failures)


def _one(parameters: ParameterSet, case: SinterCase) -> list[float]:
    from cosinter.analysis.continuum.model import simulate
    from cosinter.analysis.continuum.results import summary
    from cosinter.analysis.observables.capacity import discharge_capacity
    from cosinter.analysis.observables.impedance import interface_resistance

    dataset = simulate(parameters, case)
    resistance = interface_resistance(parameters, dataset).asr_ohm_cm2
    capacity = discharge_capacity(parameters, dataset, asr_ohm_cm2=resistance).capacity_mAh_per_g
    end = summary(dataset, asr_ohm_cm2=resistance, capacity_mAh_per_g=capacity).to_dict()
    return [float(end[name]) for name in OUTCOMES]
