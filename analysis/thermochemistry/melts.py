"""The LiOH-Li2CO3 melt, and the measured gas pressures over both salts.

Liquidus of a regular solution (W = 0: ideal) without solid solubility, y the mole fraction of Li2CO3 in the melt:

    R T ln(1 - y) + W y^2 = -dG_LiOH(T),   R T ln y + W (1 - y)^2 = -dG_Li2CO3(T),
    dG_i(T) = dH_i (1 - T / T_i), or G of the liquid less that of the solid, with their heat capacities

dH_i being the enthalpy of fusion. The same melt is a solution of the phase library
(``data/solutions.yaml``, salt_melt), where it competes with all other phases and gases; this closed form is its check.
The share of melt follows from the lever rule. The pure-compound tables miss the measured water pressure over
LiOH + Li2O (the NASA polynomials are 2.5 to 2.9 times too high), which is kept here as a function of its own.
Parameters: ``data/thermochemistry.yaml`` under ``melts``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import R

from cosinter.analysis.thermochemistry.functions import Combination, FloatArray, ThermoFunction
from cosinter.analysis.thermochemistry.library import PhaseLibrary
from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table


@dataclass(frozen=True)
class SaltMelt:
    """Melting of a LiOH-Li2CO3 mixture.

    Attributes
    ----------
    hydroxide_K, carbonate_K : melting points, K
    hydroxide_J, carbonate_J : enthalpies of fusion, J/mol
    interaction_J : regular-solution parameter W of the melt, J/mol; it must lie between -4 and 4 kJ/mol
    fusion : H(T) and S(T) of fusion of LiOH and of Li2CO3; None: constant, from melting points and enthalpies
    """

    hydroxide_K: float
    hydroxide_J: float
    carbonate_K: float
    carbonate_J: float
    interaction_J: float = 0.0
    fusion: tuple[ThermoFunction, ThermoFunction] | None = None

    def __post_init__(self) -> None:
        if min(self.hydroxide_K, self.hydroxide_J, self.carbonate_K, self.carbonate_J) <= 0.0:
            raise InputError("melting points and enthalpies of fusion must be positive")
        if abs(self.interaction_J) > 4e3:
            raise InputError(
                f"interaction of the melt must lie between -4000 and 4000 J/mol; got {self.interaction_J:g}"
            )

    def _solubility(self, temperature: FloatArray, salt: int) -> FloatArray:
        """Mole fraction of LiOH (0) or Li2CO3 (1) in the melt saturated with its solid; 1 above its melting point."""
        melting = (self.hydroxide_K, self.carbonate_K)[salt]
        if self.fusion is None:
            change = (self.hydroxide_J, self.carbonate_J)[salt] * (1.0 - temperature / melting)
        else:
            melts = self.fusion[salt]
            change = melts.enthalpy(temperature) - temperature * melts.entropy(temperature)
        ideal = -change / (R * temperature)
        fraction = np.exp(np.minimum(ideal, 0.0))
        for _ in range(60):
            correction = self.interaction_J * (1.0 - fraction) ** 2 / (R * temperature)
            fraction = np.exp(np.minimum(ideal - correction, 0.0))
        return np.where(temperature >= melting, 1.0, fraction)

    def hydroxide_liquidus(self, temperature_K: ArrayLike) -> FloatArray:
        """Mole fraction of Li2CO3 in the melt saturated with solid LiOH, same shape as ``temperature_K``."""
        temperature = _positive(temperature_K)
        return 1.0 - self._solubility(temperature, 0)

    def carbonate_liquidus(self, temperature_K: ArrayLike) -> FloatArray:
        """Mole fraction of Li2CO3 in the melt saturated with solid Li2CO3, same shape as ``temperature_K``."""
        return self._solubility(_positive(temperature_K), 1)

    def eutectic(self) -> tuple[float, float]:
        """Temperature (K) and mole fraction of Li2CO3 of the eutectic."""
        from scipy.optimize import brentq

        def gap(temperature: float) -> float:
            return float(self.carbonate_liquidus(temperature) - self.hydroxide_liquidus(temperature))

        temperature = float(
            brentq(gap, 0.3 * self.hydroxide_K, min(self.hydroxide_K, self.carbonate_K), xtol=1e-10)
        )
        return temperature, float(self.carbonate_liquidus(temperature))

    def liquid_fraction(self, temperature_K: ArrayLike, carbonate_fraction: ArrayLike) -> FloatArray:
        """Mole share of melt by the lever rule; ``temperature_K`` and ``carbonate_fraction`` broadcast.

        Raises
        ------
        InputError
            A temperature is not positive, or a fraction lies outside 0 to 1.
        """
        temperature, x = np.broadcast_arrays(
            _positive(temperature_K), np.asarray(carbonate_fraction, dtype=np.float64)
        )
        if np.any((x < 0.0) | (x > 1.0)):
            raise InputError("carbonate fraction of the salt must lie between 0 and 1")
        low, high = self.hydroxide_liquidus(temperature), self.carbonate_liquidus(temperature)
        poor = np.where(x < low, x / np.where(low > 0.0, low, 1.0), 1.0)
        rich = np.where(x > high, (1.0 - x) / np.where(high < 1.0, 1.0 - high, 1.0), poor)
        return np.where(temperature < self.eutectic()[0], 0.0, rich)


def _positive(temperature_K: ArrayLike) -> FloatArray:
    temperature = np.asarray(temperature_K, dtype=np.float64)
    if np.any(temperature <= 0.0) or not np.all(np.isfinite(temperature)):
        raise InputError(f"temperature must be positive, in K; got {temperature}")
    return temperature


def salt_melt(library: PhaseLibrary | None = None) -> SaltMelt:
    """Load the LiOH-Li2CO3 melt of ``data/thermochemistry.yaml``.

    With a ``library`` the free energies of fusion are those of its salts, else they follow from the melting points
    and enthalpies of fusion alone (1.5 K higher at the eutectic).
    """
    table = load_table("thermochemistry")["melts"]
    hydroxide, carbonate = table["fusion"]["LiOH"], table["fusion"]["Li2CO3"]
    return SaltMelt(
        hydroxide_K=hydroxide["T"],
        hydroxide_J=hydroxide["dH"] * 1e3,
        carbonate_K=carbonate["T"],
        carbonate_J=carbonate["dH"] * 1e3,
        interaction_J=table["excess_enthalpy"]["value"] * 1e3,
        fusion=None if library is None else (_fusion(library, "LiOH"), _fusion(library, "Li2CO3")),
    )


def _fusion(library: PhaseLibrary, salt: str) -> ThermoFunction:
    liquid, solid = library.phase(f"{salt}_l"), library.phase(f"{salt}_s")
    return Combination(((1.0, liquid.function), (-1.0, solid.function)))


def water_pressure(temperature_K: ArrayLike) -> FloatArray:
    """Equilibrium H2O pressure over LiOH + Li2O(s), bar, same shape as ``temperature_K``.

    log10(p/Pa) = -A/T + B with one branch for solid and one for molten LiOH, joined where they cross
    (measured 601 to 820 K; continued outside).
    """
    temperature = _positive(temperature_K)
    record = load_table("thermochemistry")["melts"]["water_over_lioh"]
    solid, melt = (record[key]["B"] - record[key]["A"] / temperature for key in ("solid", "melt"))
    return np.asarray(10.0 ** np.minimum(solid, melt) * 1e-5, dtype=np.float64)
