"""Read NASA polynomials from the data that ship with Cantera.

Source: McBride, Gordon, Reno, NASA TM 4513 (1993). The polynomials are turned into
:class:`~cosinter.analysis.thermochemistry.functions.PiecewiseCp`, so that many temperatures cost one call.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from cosinter.analysis.thermochemistry.functions import PiecewiseCp
from cosinter.data.exceptions import DataError


@cache
def _species(file: str) -> dict[str, Any]:
    import cantera

    try:
        return {species.name: species for species in cantera.Species.list_from_file(file)}
    except cantera.CanteraError as error:
        raise DataError(f"Cantera's data file {file} cannot be read; reinstall cantera to mend it") from error


def _segments(thermo: Any) -> list[tuple[float, float, list[float], float, float]]:
    """List (T_low, T_high, Cp/R coefficients for the powers -2..4, H/R constant, S/R constant)."""
    coefficients = [float(value) for value in thermo.coeffs]
    kind = type(thermo).__name__
    if kind == "NasaPoly2":
        middle, high, low = coefficients[0], coefficients[1:8], coefficients[8:15]
        rows = [(thermo.min_temp, middle, low), (middle, thermo.max_temp, high)]
        return [(t0, t1, [0.0, 0.0, *c[:5]], c[5], c[6]) for t0, t1, c in rows if t1 > t0]
    if kind == "Nasa9PolyMultiTempRegion":
        blocks = [coefficients[1 + 11 * i : 12 + 11 * i] for i in range(int(coefficients[0]))]
        return [(b[0], b[1], b[2:9], b[9], b[10]) for b in blocks]
    raise DataError(f"thermodynamic data of type {kind} are not NASA polynomials")


@cache
def nasa_function(file: str, species: tuple[str, ...]) -> PiecewiseCp:
    """Join the records of ``species`` (for example solid forms, then the liquid) in Cantera's ``file``.

    Raises
    ------
    DataError
        The file or a species is missing, or is not a NASA 7 or 9 polynomial.
    """
    import cantera

    table = _species(file)
    missing = [name for name in species if name not in table]
    if missing:
        raise DataError(f"Cantera's data file {file} has no species {', '.join(missing)}")
    rows = [row for name in species for row in _segments(table[name].thermo)]
    gas_constant = cantera.gas_constant * 1e-3
    bounds = [rows[0][0], *(row[1] for row in rows)]
    coefficients = [[c[0], c[1], 0.0, *c[2:]] for _, _, c, _, _ in rows]
    return PiecewiseCp(
        np.asarray(bounds, dtype=np.float64),
        gas_constant * np.asarray(coefficients, dtype=np.float64),
        gas_constant * np.asarray([row[3] for row in rows], dtype=np.float64),
        gas_constant * np.asarray([row[4] for row in rows], dtype=np.float64),
    )
