"""How the three phases of the cathode share lithium at equal chemical potential, tabulated over temperature.

Each phase p has mu_p(u)/RT = [dG_p/du - n_p'(u) mu_O]/RT + ln[u/(1 - u)]. With m_p = mu_p(1/2) and xi = (mu - m_p)/RT
the lithium content u_p(xi) depends little on temperature, and its grand potential is
omega_p = omega_p(0) - RT integral_0^xi u_p, so that d(omega_p)/d(mu) = -u_p holds exactly. The content is tabulated over
xi at the temperatures of the Gibbs tables; an error of G_p that is affine in u only moves m_p and omega_p(0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, bar
from scipy.special import xlogy

from cosinter.analysis.continuum.grain import at_temperature, oxygen_per_metal
from cosinter.analysis.continuum.inputs import LITHIUM, PHASES, TEMPERATURE, ModelInputs
from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]

LITHIUM_EDGE = 1.0e-8
XI_START, XI_STEP, XI_PIECES = -70.0, 0.25, 560
LOGIT_POINTS = 801


class GrainTables(NamedTuple):
    """``pieces`` (T, 5, 3, n) of u_p over xi (see :func:`primitives.lookup`); ``middle`` m_p and ``grand`` omega_p(0) in

    J/mol (T, 3); ``oxygen`` mu_O, ``oxide`` G(Li2O) in J/mol (T) over ``temperatures`` (T) in K.
    """

    temperatures: FloatArray
    pieces: FloatArray
    middle: FloatArray
    grand: FloatArray
    oxygen: FloatArray
    oxide: FloatArray


def lithium_knots() -> tuple[FloatArray, FloatArray]:
    """Lithium contents even in ln[u/(1 - u)], from 1e-8 to 1 - 1e-8, and that logarithm."""
    edge = float(np.log((1.0 - LITHIUM_EDGE) / LITHIUM_EDGE))
    logit = np.linspace(-edge, edge, LOGIT_POINTS)
    return 1.0 / (1.0 + np.exp(-logit)), logit


def grain_tables(inputs: ModelInputs, oxygen_Pa: float) -> GrainTables:
    """Tabulate the three phases at one oxygen pressure (Pa).

    Raises
    ------
    InputError
        The tables of the three phases do not share their axes.
    """
    from scipy.interpolate import CubicSpline

    tables = [inputs.tables[f"cathode.{phase}.excess_gibbs"] for phase in PHASES]
    if not all(table.same_axes(tables[0]) for table in tables):
        raise InputError(
            "the excess_gibbs tables of layered, spinel and rock_salt must share their axes; mend them"
        )
    temperatures = tables[0].axis(TEMPERATURE)
    oxygen = np.array(
        [0.5 * float(at_temperature(inputs.tables["thermo.oxygen_gas.gibbs"], t)) for t in temperatures]
    ) + 0.5 * R * temperatures * np.log(oxygen_Pa / bar)
    oxide = np.array(
        [float(at_temperature(inputs.tables["thermo.lithium_oxide.gibbs"], t)) for t in temperatures]
    )
    content, slope = oxygen_per_metal(lithium_knots()[0])
    half = LOGIT_POINTS // 2
    pieces = np.empty((len(temperatures), 5, 3, XI_PIECES))
    middle, grand = np.empty((2, len(temperatures), 3))
    for phase, table in enumerate(tables):
        spline = CubicSpline(table.axis(LITHIUM), table.array, axis=1)
        lithium, logit = lithium_knots()
        rt = (R * temperatures)[:, None]
        potential = spline(lithium, 1) - slope[phase] * oxygen[:, None]
        middle[:, phase] = potential[:, half]
        free = spline(0.5) - content[phase, half] * oxygen + rt[:, 0] * 2.0 * xlogy(0.5, 0.5)
        grand[:, phase] = free - 0.5 * middle[:, phase]
        rising = np.maximum.accumulate((potential - potential[:, half : half + 1]) / rt + logit, axis=1)
        for row, xi in enumerate(rising):
            pieces[row, :, phase] = _pieces(xi, logit)
    return GrainTables(temperatures, pieces, middle, grand, oxygen, oxide)


def _pieces(xi: FloatArray, logit: FloatArray) -> FloatArray:
    """Cubic pieces of u over an even grid of xi, and their integral from xi = 0 (5, n).

    Within 1e-8 of u = 0 and 1 the content goes on as its tangent, so that every content has a potential.
    """
    grid = XI_START + XI_STEP * np.arange(XI_PIECES + 1)
    rising = xi + 1e-12 * np.arange(len(xi))
    at = np.interp(grid, rising, logit)
    value = 1.0 / (1.0 + np.exp(-at))
    edge = LITHIUM_EDGE * (1.0 - LITHIUM_EDGE)
    first, last = (
        (logit[1] - logit[0]) / (rising[1] - rising[0]),
        (logit[-1] - logit[-2]) / (rising[-1] - rising[-2]),
    )
    slope = value * (1.0 - value) * np.gradient(at, XI_STEP)
    slope = np.where(grid >= rising[-1], edge * last, np.where(grid <= rising[0], edge * first, slope))
    value += edge * (last * np.maximum(grid - rising[-1], 0.0) + first * np.minimum(grid - rising[0], 0.0))
    secant = np.diff(value) / XI_STEP
    slope[1:] = np.minimum(slope[1:], 3.0 * secant)  # no overshoot where two contents coexist
    slope[:-1] = np.minimum(slope[:-1], 3.0 * secant)
    left, right = value[:-1], value[1:]
    a, b = slope[:-1] * XI_STEP, slope[1:] * XI_STEP
    cubic = np.stack([left, a, 3.0 * (right - left) - 2.0 * a - b, 2.0 * (left - right) + a + b])
    whole = XI_STEP * (cubic[0] + cubic[1] / 2.0 + cubic[2] / 3.0 + cubic[3] / 4.0)
    before = np.concatenate([[0.0], np.cumsum(whole)[:-1]])
    zero = round(-XI_START / XI_STEP)
    return np.vstack([before - before[zero], cubic])
