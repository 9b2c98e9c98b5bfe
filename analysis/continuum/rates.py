"""Right-hand side of the compensation model and its derivatives, in the form the integrator asks for.

State (L, 3N + 14): Li per metal, spinel and rock salt of the shells, then the extents of :data:`contact.EXTENTS`. The
Jacobian couples shells through lithium alone: spinel and rock salt are eliminated shell by shell, the extents through
the five reservoirs they make up, so that one tridiagonal system and one of five unknowns are left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.continuum.cells import (
    CellFunctions,
    Side,
    cell_functions,
    conversion_rates,
    flows,
    half_conductance,
    phase_fractions,
    share_lithium,
)
from cosinter.analysis.continuum.conditions import Conditions, conditions
from cosinter.analysis.continuum.contact import contact_rates
from cosinter.analysis.continuum.lanes import Lanes

FloatArray = NDArray[np.float64]

# Li of LiOH, Li2CO3, Li2O (mol per mol metal), Li2O taken (times n_E), film lost: change per unit of each extent
STOICHIOMETRY = np.array(
    [
        [-2.0, 0.0, -2.0, -2.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0],
        [0.0, -2.0, 2.0, 0.0, -2.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0],
        [2.0, 2.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, -1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ]
)
# Li that leaves the grain per unit of each extent
OUTFLOW = np.array([0.0, 0.0, 0.0, -2.0, -2.0, -2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0])


def reservoirs_of(lanes: Lanes, extents: FloatArray) -> FloatArray:
    """The five reservoirs (5, L) from extents (L, 14)."""
    held = STOICHIOMETRY @ np.ascontiguousarray(extents.T)
    held[3] /= lanes.electrolyte[:, 0]
    held[:3] += lanes.doses.T
    return held


class Shells(NamedTuple):
    """The shells at one moment: fractions (3, L, N), potential mu/RT (L, N) and functions of it."""

    share: FloatArray
    potential: FloatArray
    functions: CellFunctions


def shells(now: Conditions, lanes: Lanes, state: FloatArray, guess: FloatArray) -> Shells:
    """Share the lithium of every shell and evaluate what follows; ``guess`` (L, N) of mu/RT is updated."""
    n = len(lanes.volumes)
    share = phase_fractions(state[:, n : 2 * n], state[:, 2 * n : 3 * n])
    potential = share_lithium(now, lanes, state[:, :n], share, guess)
    guess[:] = potential
    return Shells(share, potential, cell_functions(now, lanes, potential))


def inner_side(potential: FloatArray, functions: CellFunctions) -> Side:
    """The shells inside of every face."""
    return Side(
        potential[:, :-1],
        functions.content[:, :, :-1],
        functions.slope[:, :, :-1],
        functions.factor[:, :, :-1],
    )


def outer_side(potential: FloatArray, functions: CellFunctions) -> Side:
    """The shells outside of every face."""
    return Side(
        potential[:, 1:], functions.content[:, :, 1:], functions.slope[:, :, 1:], functions.factor[:, :, 1:]
    )


def rates(segment: int, time: float, state: FloatArray, lanes: Lanes, guess: FloatArray) -> FloatArray:
    """dy/dt (L, m) at one time of the programme."""
    now = conditions(lanes, segment, time)
    return rates_at(now, state, lanes, guess)


def rates_at(now: Conditions, state: FloatArray, lanes: Lanes, guess: FloatArray) -> FloatArray:
    """dy/dt (L, m) under given conditions."""
    n = len(lanes.volumes)
    grain = shells(now, lanes, state, guess)
    functions = grain.functions
    last = slice(n - 1, n)
    held = reservoirs_of(lanes, state[:, 3 * n :])
    extents = contact_rates(
        now,
        lanes,
        grain.potential[:, last] + now.own,
        functions.content[0, :, last],
        half_conductance(
            now,
            lanes,
            functions.content[:, :, last],
            functions.factor[:, :, last],
            functions.slope[:, :, last],
            grain.share[:, :, last],
        ),
        held.reshape(5, len(state), 1),
    )
    extents = np.ascontiguousarray(extents[:, :, 0])
    inner, outer = inner_side(grain.potential, functions), outer_side(grain.potential, functions)
    flow = flows(now, lanes, grain.share, inner, outer)[0]
    change = np.zeros((len(state), n))
    change[:, :-1] -= flow
    change[:, 1:] += flow
    change[:, n - 1] -= OUTFLOW @ extents
    conversion = conversion_rates(lanes, functions, grain.share)
    out = np.empty_like(state)
    out[:, :n] = change / lanes.volumes
    out[:, n : 2 * n] = conversion[0] - conversion[1]
    out[:, 2 * n : 3 * n] = conversion[1] + conversion[2]
    out[:, 3 * n :] = extents.T
    return out
