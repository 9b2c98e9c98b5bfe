"""What stands behind a source of error: its meaning, its size, and what would make it smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.constants import kilo

from cosinter.analysis.continuum.ensemble import LN10, LOGARITHMIC_TABLES
from cosinter.analysis.continuum.inputs import REQUIREMENTS
from cosinter.analysis.parameters import AnyRecord, Arrhenius, Kind, ParameterSet, SharedError, Table
from cosinter.data.exceptions import UnknownNameError

ENERGY = ":energy"
#: What to do about a number, by what stands behind it.
ADVICE: Mapping[Kind, str] = {
    "assumed": "no measurement stands behind it: measure or compute it",
    "computed": "computed: measure it, or compute it with a more exact method",
    "measured": "measured elsewhere: measure it on your own materials, at the temperature of firing",
    "fitted": "fitted: add measurements to the calibration",
}


@dataclass(frozen=True)
class Origin:
    """A source of error: what it is, one standard deviation in words, and where the value is from."""

    name: str
    meaning: str
    size: str
    kind: Kind
    source: str

    @property
    def advice(self) -> str:
        """What would make it smaller."""
        return ADVICE[self.kind]


def origin(parameters: ParameterSet, name: str) -> Origin:
    """Describe one of the names of :func:`cosinter.analysis.continuum.ensemble.uncertain`.

    Raises
    ------
    UnknownNameError
        The set has no such source of error.
    """
    shared = {error.name: error for error in parameters.shared_errors}
    if name in shared:
        return _shared(parameters, shared[name])
    stem = name.removesuffix(ENERGY)
    record = parameters.parameters.get(stem)
    if record is None:
        raise UnknownNameError("source of error", name, [*parameters.parameters, *shared])
    meaning = REQUIREMENTS[stem].meaning if stem in REQUIREMENTS else record.note
    if stem != name and isinstance(record, Arrhenius):
        size = f"± {record.activation_energy_uncertainty / kilo:.3g} kJ/mol"
        return Origin(name, f"activation energy: {meaning}", size, record.kind, record.source)
    return Origin(name, meaning, _size(stem, record), record.kind, record.source)


def _size(name: str, record: AnyRecord) -> str:
    if isinstance(record, Arrhenius):
        return _factor(record.log10_uncertainty * LN10)
    if isinstance(record, Table):
        spread = record.uncertainty or 0.0
        return spread_text(name, spread * LN10 if name in LOGARITHMIC_TABLES else spread, record.unit)
    if record.log10_uncertainty:
        return _factor(record.log10_uncertainty * LN10)
    return _plain(record.uncertainty or 0.0, record.unit)


def _factor(spread: float) -> str:
    """A spread of the natural logarithm, as a factor or, where small, as a percentage."""
    if spread < 0.1:
        return f"± {100.0 * spread:.2g} %"
    return f"×/÷ {np.exp(spread):.2g}"


def _plain(spread: float, unit: str) -> str:
    if unit == "J/mol":
        return f"± {spread / kilo:.3g} kJ/mol"
    return f"± {spread:.3g} {unit}".removesuffix(" 1")


def _shared(parameters: ParameterSet, error: SharedError) -> Origin:
    """The size is that of the table moved furthest, energies before others."""
    units = {name: parameters.parameters[name].unit for name in error.shifts}
    widest = {name: max(map(abs, shift)) for name, shift in error.shifts.items()}
    energies = {name: width for name, width in widest.items() if units[name] == "J/mol"}
    name = max(energies or widest, key=widest.__getitem__)
    size = spread_text(name, widest[name], units[name])
    return Origin(error.name, f"moves {', '.join(error.shifts)}", size, error.kind, error.source)


def spread_text(table: str, spread: float, unit: str) -> str:
    """One standard deviation of a table in words; that of its logarithm for pressures and conductivities."""
    return _factor(spread) if table in LOGARITHMIC_TABLES else _plain(spread, unit)
