"""Measured outcomes of furnace programmes, and the calibration problem they make with the continuum model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.batch import OUTCOMES, run_samples
from cosinter.analysis.continuum.calibration import Problem
from cosinter.analysis.continuum.ensemble import Draws, uncertain
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import InputError, UnknownNameError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One measured outcome of one experiment.

    Attributes
    ----------
    experiment : number of the experiment, from 0
    outcome : one of :data:`~cosinter.analysis.continuum.batch.OUTCOMES`, in its unit
    value : what was measured
    error : standard error in the same unit; of ln(value) where ``logarithmic``
    """

    experiment: int
    outcome: str
    value: float
    error: float
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise UnknownNameError("outcome", self.outcome, OUTCOMES)
        if not (np.isfinite(self.error) and self.error > 0.0):
            raise InputError(
                f"standard error of {self.outcome} is {self.error:g}, it must be above 0; give it"
            )
        if not np.isfinite(self.value) or (self.logarithmic and self.value <= 0.0):
            raise InputError(
                f"{self.outcome} is {self.value:g}, it must be finite, and above 0 where its error is a factor; mend it"
            )

    @property
    def target(self) -> float:
        """What is compared with the prediction: the value, or its logarithm."""
        return float(np.log(self.value)) if self.logarithmic else self.value


def calibration_problem(
    names: Sequence[str],
    runs: Sequence[tuple[ParameterSet, SinterCase]],
    measurements: Sequence[Measurement],
    *,
    workers: int = 1,
) -> Problem:
    """Compare the model with measurements; ``runs`` are the experiments by number, equal ones are run once.

    All sources of error that are not in ``names`` keep their most probable value.

    Raises
    ------
    InputError
        There is no measurement, or a source of error is named twice or has no uncertainty.
    """
    for parameters in {id(parameters): parameters for parameters, _ in runs}.values():
        check_names(parameters, names)
    if not measurements:
        raise InputError("there is no measurement to calibrate with; add one")
    distinct: list[tuple[ParameterSet, SinterCase]] = []
    place: list[int] = []
    for parameters, case in runs:
        same = (i for i, (other, done) in enumerate(distinct) if other is parameters and done == case)
        place.append(next(same, len(distinct)))
        if place[-1] == len(distinct):
            distinct.append((parameters, case))
    rows = np.array([place[m.experiment] for m in measurements])
    columns = np.array([OUTCOMES.index(m.outcome) for m in measurements])
    logarithmic = np.array([m.logarithmic for m in measurements])

    def predict(z: FloatArray) -> FloatArray:
        draws = Draws(tuple(names), np.atleast_2d(z))
        ends = [run_samples(found, case, draws, workers=workers).values for found, case in distinct]
        found = np.stack(ends)[rows, :, columns].T
        positive = np.where(found > 0.0, found, np.nan)
        return np.asarray(np.where(logarithmic, np.log(positive), found))

    return Problem(
        names=tuple(names),
        target=np.array([m.target for m in measurements]),
        error=np.array([m.error for m in measurements]),
        predict=predict,
    )


def check_names(parameters: ParameterSet, names: Sequence[str]) -> None:
    """Refuse sources of error that cannot be calibrated.

    Raises
    ------
    InputError, UnknownNameError
        None is named, one is named twice, is not in the set, or has no uncertainty to start from.
    """
    if not names:
        raise InputError("no parameter to calibrate is named; name at least one")
    known = uncertain(parameters)
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"parameter {name} is named twice; name it once")
        if name in parameters.parameters and name not in known:
            raise InputError(
                f"parameter {name} has no uncertainty in the set, so it has no prior; give it one or leave it out"
            )
        if name not in known:
            raise UnknownNameError("parameter with an uncertainty", name, known)
