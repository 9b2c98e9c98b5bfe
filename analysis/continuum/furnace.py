"""The furnace programme: temperature in seconds and the gas around the composite.

T(t) is piecewise linear between knots; the partial pressures are constant within each segment. The solver
starts afresh at every knot, so no kink lies inside an integration step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import bar, hour

from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]

LONGEST_PROGRAMME_S = 1000.0 * hour
LOWEST_TEMPERATURE_K, HIGHEST_TEMPERATURE_K = 250.0, 1400.0
LONGEST_KNOTS = 1000


def _check(name: str, value: float, *, low: float, high: float, unit: str) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        raise InputError(
            f"{name} is {value:g} {unit}, allowed is {low:g} to {high:g} {unit}; mend the furnace programme"
        )


@dataclass(frozen=True)
class Gas:
    """Partial pressures in Pa around the composite during one segment (closed pores: inside the pores)."""

    oxygen_Pa: float = 0.21 * bar
    water_Pa: float = 0.01 * bar
    carbon_dioxide_Pa: float = 4.0e-4 * bar

    def __post_init__(self) -> None:
        _check("oxygen pressure", self.oxygen_Pa, low=1e-15, high=1000.0 * bar, unit="Pa")
        _check("water pressure", self.water_Pa, low=0.0, high=1000.0 * bar, unit="Pa")
        _check("carbon dioxide pressure", self.carbon_dioxide_Pa, low=0.0, high=1000.0 * bar, unit="Pa")


@dataclass(frozen=True)
class Furnace:
    """Knots of T(t) and the gas of each segment between them.

    ``times_s`` ascending from 0, ``temperatures_K`` of the same length n, ``gases`` of length n - 1.

    Raises
    ------
    InputError
        Times that do not ascend, lengths that do not match, a temperature outside 250-1400 K, or a programme
        longer than 1000 h (or one that never ends).
    """

    times_s: tuple[float, ...]
    temperatures_K: tuple[float, ...]
    gases: tuple[Gas, ...]

    def __post_init__(self) -> None:
        count = len(self.times_s)
        if count < 2 or count > LONGEST_KNOTS:
            raise InputError(
                f"the furnace programme has {count} knots, allowed is 2 to {LONGEST_KNOTS}; add steps"
            )
        if len(self.temperatures_K) != count or len(self.gases) != count - 1:
            raise InputError(
                f"the furnace programme has {count} times, {len(self.temperatures_K)} temperatures and "
                f"{len(self.gases)} gases; n times ask for n temperatures and n - 1 gases"
            )
        times = np.asarray(self.times_s, dtype=np.float64)
        if not np.all(np.isfinite(times)) or times[0] != 0.0 or np.any(np.diff(times) <= 0.0):
            raise InputError(
                f"furnace times {self.times_s} s must ascend from 0 and be finite; mend the programme"
            )
        _check("programme length", times[-1], low=1e-3, high=LONGEST_PROGRAMME_S, unit="s")
        for temperature in self.temperatures_K:
            _check(
                "furnace temperature",
                temperature,
                low=LOWEST_TEMPERATURE_K,
                high=HIGHEST_TEMPERATURE_K,
                unit="K",
            )

    @property
    def duration_s(self) -> float:
        """Length of the programme (s)."""
        return self.times_s[-1]

    def temperature(self, time_s: float | FloatArray) -> FloatArray:
        """T(t) in K, same shape as ``time_s`` (s); constant outside the programme."""
        return np.asarray(np.interp(time_s, self.times_s, self.temperatures_K))

    @classmethod
    def from_steps(
        cls,
        steps: Sequence[tuple[float, float] | tuple[float, float, Gas]],
        *,
        start_K: float = 298.15,
        gas: Gas | None = None,
    ) -> Furnace:
        """Build a programme from steps (to_K, rate_K_per_s) and holds (at_K, seconds).

        A step whose temperature differs from the present one is a ramp and its number a rate > 0 in K/s; a step
        at the present temperature is a hold and its number a duration > 0 in s. A third member gives that step
        its own gas.

        >>> five = 5.0 / 60.0
        >>> Furnace.from_steps([(973.15, five), (973.15, 7200.0), (298.15, five)]).times_s
        (0.0, 8100.0, 15300.0, 23400.0)
        """
        times, temperatures, gases = [0.0], [start_K], []
        for to_K, number, *own in steps:
            if not (np.isfinite(number) and number > 0.0):
                raise InputError(
                    f"furnace step to {to_K:g} K has rate or duration {number:g}: it would never end; give a number > 0"
                )
            change = abs(to_K - temperatures[-1])
            times.append(times[-1] + (change / number if change > 0.0 else number))
            temperatures.append(to_K)
            gases.append(own[0] if own else gas or Gas())
        return cls(tuple(times), tuple(temperatures), tuple(gases))
