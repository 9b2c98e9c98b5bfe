"""Measured outcomes of furnace programmes, and the calibration problem they make with the continuum model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.batch import OUTCOMES, run_samples
from cosinter.analysis.continuum.calibration import Problem
from cosinter.analysis.continuum.ensemble import Draws, uncertain
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import ConvergenceError, InputError, UnknownNameError

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


@dataclass(frozen=True, eq=False)
class Comparison:
    """The model beside the measurements.

    Attributes
    ----------
    runs : parameter set and run of each experiment, by number; equal ones are run once
    measurements : what was measured
    workers : runs at the same time
    """

    runs: Sequence[tuple[ParameterSet, SinterCase]]
    measurements: Sequence[Measurement]
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.measurements:
            raise InputError("there is no measurement to calibrate with; add one")

    @cached_property
    def _distinct(self) -> tuple[list[tuple[ParameterSet, SinterCase]], list[int]]:
        """The runs that differ, and which of them each experiment is."""
        distinct: list[tuple[ParameterSet, SinterCase]] = []
        place: list[int] = []
        for parameters, case in self.runs:
            same = (i for i, (other, done) in enumerate(distinct) if other is parameters and done == case)
            place.append(next(same, len(distinct)))
            if place[-1] == len(distinct):
                distinct.append((parameters, case))
        return distinct, place

    @property
    def target(self) -> FloatArray:
        """What is compared (m)."""
        return np.array([m.target for m in self.measurements])

    @property
    def error(self) -> FloatArray:
        """Standard errors of :attr:`target` (m)."""
        return np.array([m.error for m in self.measurements])

    def predict(self, names: Sequence[str], z: FloatArray) -> FloatArray:
        """Predictions (n, m) comparable with :attr:`target` at ``z`` (n, d) of the sources of error ``names`` (d).

        A source that a run does not have does not change it; rows of failed runs hold NaN.
        """
        distinct, place = self._distinct
        ends = []
        for parameters, case in distinct:
            known = set(uncertain(parameters))
            here = [column for column, name in enumerate(names) if name in known]
            draws = Draws(tuple(names[column] for column in here), z[:, here])
            ends.append(run_samples(parameters, case, draws, workers=self.workers).values)
        rows = [place[m.experiment] for m in self.measurements]
        columns = [OUTCOMES.index(m.outcome) for m in self.measurements]
        found = np.stack(ends)[rows, :, columns].T
        positive = np.where(found > 0.0, found, np.nan)
        return np.asarray(np.where([m.logarithmic for m in self.measurements], np.log(positive), found))

    def others(self, names: Sequence[str]) -> tuple[str, ...]:
        """All sources of error of the runs that are not in ``names``."""
        every = dict.fromkeys(name for parameters, _ in self._distinct[0] for name in uncertain(parameters))
        return tuple(name for name in every if name not in names)

    def blame(self, names: Sequence[str], z: FloatArray) -> FloatArray:
        """Change of every prediction by one standard deviation of each of the :meth:`others` (m, k).

        Half the difference of the runs at +1 and -1 around ``z`` (d) of ``names``; where one of the two fails, the whole
        difference of the other from the middle.

        Raises
        ------
        ConvergenceError
            Both runs of one source fail, or that in the middle.
        """
        others = self.others(names)
        count = len(others)
        if not count:
            return np.zeros((len(self.measurements), 0))
        moves = np.concatenate([np.zeros((1, count)), np.eye(count), -np.eye(count)])
        points = np.hstack([np.tile(z, (len(moves), 1)), moves])
        middle, above, below = np.split(self.predict((*names, *others), points), [1, 1 + count])
        above, below = (
            np.where(np.isfinite(side), side, 2.0 * middle - other)
            for side, other in ((above, below), (below, above))
        )
        found = 0.5 * (above - below).T
        lost = np.flatnonzero(~np.isfinite(found).all(axis=0))
        if lost.size:
            raise ConvergenceError(
                f"the runs with {others[lost[0]]} moved by one standard deviation failed; give it a smaller uncertainty"
            )
        return np.asarray(found)

    def problem(self, names: Sequence[str], blame: FloatArray | None = None) -> Problem:
        """The calibration of the sources ``names``; ``blame`` (m, k) adds what the others do not know.

        Raises
        ------
        InputError
            A source of error is named twice, has no uncertainty or is not known.
        """
        for parameters, _ in self._distinct[0]:
            check_names(parameters, names)
        unknown = 0.0 if blame is None else blame @ blame.T
        return Problem(
            names=tuple(names),
            target=self.target,
            covariance=np.diag(self.error**2) + unknown,
            predict=lambda z: self.predict(names, z),
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
