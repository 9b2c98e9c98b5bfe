"""Check a phase library against known reactions: formation enthalpies, EMF, decomposition and melting temperatures.

A slip of the energy scale (a correction applied twice, another reference of phosphorus, a carbonate left uncorrected)
moves these numbers far outside their tolerances. Reactions, expected values and tolerances: ``data/references.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.constants import R

from cosinter.analysis.thermochemistry.library import PhaseLibrary
from cosinter.data.exceptions import UnknownNameError
from cosinter.data.tables import load_table

#: Temperatures between which dG = 0 is looked for, K.
LOWEST, HIGHEST = 250.0, 2500.0
UNITS = {"enthalpy": "kJ/mol", "gibbs": "kJ/mol", "temperature": "K"}


@dataclass(frozen=True)
class ConsistencyRow:
    """One known reaction: what the library gives, what is expected, and where that is from.

    ``value`` is None where the library gives no such temperature between 250 and 2500 K.
    """

    name: str
    quantity: str
    value: float | None
    expected: float
    tolerance: float
    unit: str
    source: str

    @property
    def good(self) -> bool:
        """Whether the value lies within the tolerance."""
        return self.value is not None and abs(self.value - self.expected) <= self.tolerance

    @property
    def detail(self) -> str:
        """One line: value and expectation."""
        shown = "none found" if self.value is None else f"{self.value:.1f} {self.unit}"
        return f"{shown}; known {self.expected:g} ± {self.tolerance:g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "good": self.good}


@dataclass(frozen=True)
class Decomposition:
    """Equilibrium temperature of a reaction at fixed pressures beside what was observed."""

    name: str
    temperature_K: float | None
    observed: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def check_consistency(library: PhaseLibrary) -> list[ConsistencyRow]:
    """Compare ``library`` with the known reactions of ``data/references.yaml``.

    Raises
    ------
    UnknownNameError
        A phase of a reaction is not in the library.
    """
    rows = []
    for known in load_table("references")["consistency"]:
        quantity = known["quantity"]
        reaction = _reaction(library, known["reaction"])
        if quantity == "temperature":
            value = reaction.temperature(known.get("pressures", {}))
        elif quantity == "enthalpy":
            value = reaction.enthalpy(known["T"]) * 1e-3
        else:
            value = reaction.gibbs(known["T"], {}) * 1e-3
        rows.append(
            ConsistencyRow(
                name=known["name"],
                quantity=quantity,
                value=value,
                expected=known["expected"],
                tolerance=known["tolerance"],
                unit=UNITS[quantity],
                source=known["source"],
            )
        )
    return rows


def decomposition_temperatures(library: PhaseLibrary) -> list[Decomposition]:
    """Equilibrium temperatures of the decompositions of ``data/references.yaml``, beside the observed ones.

    Raises
    ------
    UnknownNameError
        A phase of a reaction is not in the library.
    """
    return [
        Decomposition(
            row["name"],
            _reaction(library, row["reaction"]).temperature(row["pressures"]),
            row["observed"],
        )
        for row in load_table("references")["decompositions"]
    ]


@dataclass(frozen=True)
class _Reaction:
    library: PhaseLibrary
    amounts: Mapping[str, float]

    def enthalpy(self, temperature_K: float) -> float:
        phases = {phase.name: phase for phase in self.library.phases}
        return sum(n * float(phases[name].enthalpy(temperature_K)) for name, n in self.amounts.items())

    def gibbs(self, temperature_K: float, pressures_bar: Mapping[str, float]) -> float:
        phases = {phase.name: phase for phase in self.library.phases}
        work = sum(
            self.amounts.get(f"{gas}(g)", 0.0) * R * temperature_K * np.log(pressure)
            for gas, pressure in pressures_bar.items()
        )
        return float(work) + sum(
            n * float(phases[name].gibbs(temperature_K)) for name, n in self.amounts.items()
        )

    def temperature(self, pressures_bar: Mapping[str, float]) -> float | None:
        """Lowest temperature where dG changes from positive to negative, K; None where it does not."""
        from scipy.optimize import brentq

        grid = np.linspace(LOWEST, HIGHEST, 46)
        values = [self.gibbs(float(t), pressures_bar) for t in grid]
        for index in range(len(grid) - 1):
            if values[index] > 0.0 >= values[index + 1]:
                return float(
                    brentq(lambda t: self.gibbs(t, pressures_bar), grid[index], grid[index + 1], xtol=1e-3)
                )
        return None


def _reaction(library: PhaseLibrary, amounts: Mapping[str, float]) -> _Reaction:
    for name in amounts:
        if name not in library:
            raise UnknownNameError("phase", name, library.names)
    return _Reaction(library, amounts)
