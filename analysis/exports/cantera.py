"""Write phases as Cantera YAML: solids and pure melts of fixed composition, and one ideal gas.

Every species has a NASA9 polynomial per segment of temperature (McBride, Zehe, Gordon, NASA/TP-2002-211556)::

    Cp/R = a1 T^-2 + a2 T^-1 + a3 + a4 T + a5 T^2 + a6 T^3 + a7 T^4,   H/RT and S/R with the constants b1, b2

The powers are those of this package, so the hand-over is exact but for the T^-1/2 term of some tables. That one is replaced by
the seven powers within segments of at most 300 K. Mixing in melts and solid solutions is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import yaml
from scipy.constants import R

from cosinter.analysis.assembly import volume_per_mole
from cosinter.analysis.thermochemistry.functions import POWERS, FloatArray, PiecewiseCp
from cosinter.analysis.thermochemistry.library import Phase
from cosinter.analysis.thermochemistry.segments import as_segments
from cosinter.data.exceptions import InputError

LOWEST_K, HIGHEST_K = 298.15, 2000.0
GAS = "gas"
_NASA_POWERS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
_KEPT = [POWERS.index(power) for power in _NASA_POWERS]
_HALF = POWERS.index(-0.5)
_LONGEST_K = 300.0


def to_cantera(phases: Iterable[Phase], *, title: str = "", include_assumed: bool = True) -> str:
    """Write ``phases`` as the text of a Cantera YAML file (Cantera 3); G(T) is ours from 298.15 to 2000 K.

    Each solid and melt is a phase of its own (``fixed-stoichiometry``, named by :func:`cantera_names`), all gases are the
    phase ``gas`` (``ideal-gas``, in air where O2 and N2 are there). The note of each species holds its source, kind,
    uncertainty and range. A molar volume that no crystal gives is marked: it shifts G only away from 1 bar.

    Raises
    ------
    InputError
        No phase is left.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> document = yaml.safe_load(to_cantera([load_library().phase("NiO")]))
    >>> document["phases"][0]["thermo"], document["species"][0]["composition"]
    ('fixed-stoichiometry', {'Ni': 1.0, 'O': 1.0})
    """
    chosen = [phase for phase in phases if include_assumed or phase.kind != "assumed"]
    if not chosen:
        raise InputError("no phase is left to write for Cantera; allow assumed values or choose others")
    names = dict(zip((phase.name for phase in chosen), cantera_names(chosen), strict=True))
    gases = [phase for phase in chosen if phase.state == "g"]
    sections = [
        {
            "name": names[phase.name],
            "thermo": "fixed-stoichiometry",
            "elements": list(phase.composition),
            "species": [names[phase.name]],
            "state": {"T": LOWEST_K, "P": "1 bar"},
        }
        for phase in chosen
        if phase.state != "g"
    ]
    if gases:
        sections.append(_gas_phase([names[gas.name] for gas in gases], gases))
    document = {
        "description": title or "phases of cosinter",
        "units": {"length": "m", "quantity": "mol", "energy": "J"},
        "phases": sections,
        "species": [_species(phase, names[phase.name]) for phase in chosen],
    }
    return str(yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=False))


def cantera_names(phases: Sequence[Phase]) -> tuple[str, ...]:
    """Names of phases and species: a gas by its formula, the others by their name without brackets and blanks, each once."""
    names: list[str] = []
    for phase in phases:
        word = phase.formula if phase.state == "g" else phase.name
        word = re.sub(r"[^A-Za-z0-9.+-]+", "_", word).strip("_")
        word = f"{word}_{phase.state}" if word.lower() in {GAS, "no", "yes", "on", "off", "n", "y"} else word
        name, number = word, 1
        while name in names:
            name = f"{word}_{phase.state}" if number == 1 else f"{word}_{phase.state}{number}"
            number += 1
        names.append(name)
    return tuple(names)


def _gas_phase(names: Sequence[str], gases: Sequence[Phase]) -> dict[str, Any]:
    elements = sorted({element for gas in gases for element in gas.composition})
    air = {"O2": 0.21, "N2": 0.79}
    amounts: Mapping[str, float] = air if set(air) <= set(names) else {names[0]: 1.0}
    return {
        "name": GAS,
        "thermo": "ideal-gas",
        "elements": elements,
        "species": list(names),
        "state": {"T": LOWEST_K, "P": "1 bar", "X": dict(amounts)},
    }


def _species(phase: Phase, name: str) -> dict[str, Any]:
    low, high = phase.range_K
    note = (
        f"{phase.name}, {phase.formula} ({phase.state}); {phase.kind}; "
        f"H298 +-{phase.uncertainty_J_per_mol:.0f} J/mol; data {low:g} to {high:g} K; {phase.source}"
    )
    entry: dict[str, Any] = {
        "name": name,
        "composition": {element: float(amount) for element, amount in phase.composition.items()},
        "thermo": _nasa9(as_segments(phase.function, LOWEST_K, HIGHEST_K)),
    }
    if phase.state != "g":
        volume, estimated = volume_per_mole(phase.formula)
        entry["equation-of-state"] = {"model": "constant-volume", "molar-volume": float(volume)}
        if estimated:
            note += "; molar volume assumed (12 cm3 per mol O), it counts only away from 1 bar"
    return entry | {"note": note}


def _nasa9(segments: PiecewiseCp) -> dict[str, Any]:
    bounds, rows = [float(segments.bounds[0])], []
    for place, (low, high) in enumerate(pairwise(segments.bounds)):
        pieces = 1
        if segments.coefficients[place, _HALF] != 0.0:
            pieces = int(np.ceil((high - low) / _LONGEST_K))
        for start, end in pairwise(np.linspace(low, high, pieces + 1)):
            rows.append(_nasa9_row(segments, place, float(start), float(end)))
            bounds.append(float(end))
    return {
        "model": "NASA9",
        "reference-pressure": "1 bar",
        "temperature-ranges": bounds,
        "data": rows,
    }


def _nasa9_row(segments: PiecewiseCp, place: int, low: float, high: float) -> list[float]:
    """Nine coefficients; H and S are ours in the middle of the range."""
    row = np.array(segments.coefficients[place])
    if row[_HALF] != 0.0:
        row[_KEPT] += row[_HALF] * _inverse_root(low, high)
        row[_HALF] = 0.0
    shape = PiecewiseCp(np.asarray([low, high]), row[None, :], np.zeros(1), np.zeros(1))
    middle = 0.5 * (low + high)
    enthalpy = float(segments.enthalpy(middle)) - float(shape.enthalpy(middle))
    entropy = float(segments.entropy(middle)) - float(shape.entropy(middle))
    return [float(value) / R for value in (*row[_KEPT], enthalpy, entropy)]


def _inverse_root(low: float, high: float) -> FloatArray:
    """Coefficients of the seven powers that come closest to T^-1/2 between ``low`` and ``high`` (K), shape [7]."""
    temperature = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.linspace(0.0, np.pi, 60))
    scale = 0.5 * (low + high)  # powers of T/scale keep the matrix well conditioned
    basis = np.stack([(temperature / scale) ** power for power in _NASA_POWERS], axis=1)
    found = np.linalg.lstsq(basis, temperature**-0.5, rcond=None)[0]
    return np.asarray(found / scale ** np.asarray(_NASA_POWERS), dtype=np.float64)
