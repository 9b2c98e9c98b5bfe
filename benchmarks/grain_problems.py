"""Two benchmark problems of one cathode grain, S (sink) and F (full contact), as finite volumes with a sparse Jacobian.

Dimensionless radius r = 0..1 (R = 2 um), Li per metal u(r, t), converted fraction a(r, t); invented numbers of the right
size. Furnace: 298.15 K to 973.15 K in 8100 s, hold to 9900 s, 823.15 K at 10800 s. With k(T) = k exp[-(E/R)(1/T - 1/973.15 K)]:

    du/dt = (1/r^2) d/dr(r^2 D du/dr),   D = D_L^(1-a) D_RS^a / R^2
    da/dt = k_f (1 - a) s - k_b a (1 - s),   s = 1/(1 + exp[(u - 0.55)/0.04])
    outflow at r = 1:  J_N - J_c,  J_N = (1 - theta) k_L (u_s - u_res),  J_c = k_c (1 - u_s),  J_cL = theta k_L (1 - u_res)
    k_L = 1/(R/k_s + d R^2/D_i);  k_c = k_e/R f theta,  f = 1/(1 + exp[-(T - 735)/5]);  theta = n/(n + eps), n/eps for n < 0
    dn/dt = -3 (J_c + J_cL) - k_v theta;  dd/dt = 1.1 (J_N + J_cL);  dg/dt = k_v theta

F starts from n = 0.15 (compensator), d = 1e-3 (layer over R), g = 0 (gas). S has no compensator and no layer
(n = d = 0 for good), so that its outflow is (k_s/R)(u_s - u_res).

Cells on r_f = x (1 + b) - b x^2, geometric mean of D at the faces, u_s from the conductance of the outer half cell.
States (L, 2N + 3): L copies of [u_1, a_1, ..., u_N, a_N, n, d, g] from the centre outwards. The functions run under NumPy
and compile for L = 1, as :mod:`cosinter.analysis.continuum.rosenbrock` wants them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R as GAS_CONSTANT

from cosinter.analysis.continuum.primitives import factor_tridiagonal, solve_tridiagonal

FloatArray = NDArray[np.float64]

RADIUS, SINK, COVER_EPS = 2e-6, 0.15, 2e-3
MIDDLE, WIDTH = 0.55, 0.04
KNOTS_S = (0.0, 8100.0, 9900.0, 10800.0)
KNOTS_K = (298.15, 973.15, 973.15, 823.15)
REFERENCE_K = 973.15
RATES = {  # value at 973.15 K in m2/s, m/s or 1/s; energy in J/mol; power of the radius that makes it 1/s
    "D_L": (1e-15, 60e3, 2), "D_RS": (1e-17, 150e3, 2), "k_s": (2e-9, 180e3, 1), "k_f": (5e-3, 200e3, 0),
    "k_b": (1e-3, 150e3, 0), "k_e": (1e-8, 100e3, 1), "D_i": (2e-16, 120e3, 2), "k_v": (1e-5, 190e3, 0),
}  # fmt: skip
RESERVOIRS = {"S": (0.0, 0.0, 0.0), "F": (0.15, 1e-3, 0.0)}
LAYER_VOLUME = {"S": 0.0, "F": 1.1}
QUANTITIES = ("mean u", "mean a", "surface u", "layer", "gas", "compensator")
# Limit of fine grids, Richardson over 1600 and 3200 cells at a tolerance of 1e-9
REFERENCE = {
    "S": np.array([0.48678994, 0.76697885, 0.16141982, 0.0, 0.0, 0.0]),
    "F": np.array([0.52761452, 0.66087736, 0.19632607, 0.22898161, 6.17469e-4, 0.0]),
}


class Grain(NamedTuple):
    """Grid and constants: ``centres`` and ``volumes`` (N), ``conductance`` (N - 1), ``values`` and ``energies`` (8)."""

    centres: FloatArray
    volumes: FloatArray
    conductance: FloatArray
    values: FloatArray
    energies: FloatArray
    knots_s: FloatArray
    knots_K: FloatArray
    layer_volume: float


class Rates(NamedTuple):
    """k(T) in 1/s."""

    layered: float
    ln_contrast: float
    sink: float
    forward: float
    backward: float
    feed: float
    layer: float
    gas: float


class Surface(NamedTuple):
    """The contact (L): conductance of the half cell, surface lithium, cover, conductances to sink and from feed."""

    half: FloatArray
    lithium: FloatArray
    theta: FloatArray
    theta_slope: FloatArray
    through: FloatArray
    sink: FloatArray
    feed: FloatArray


class Factors(NamedTuple):
    """W = w - J with a eliminated cell by cell and the reservoirs bordered (see `solve`)."""

    tridiagonal: Any
    diagonal: FloatArray
    coupling: FloatArray
    neighbours: FloatArray
    last: FloatArray
    border: FloatArray
    reservoirs: FloatArray
    inverse: FloatArray
    w: float
    gas: FloatArray


def make_grain(problem: str, cells: int, *, grading: float = 0.95, **factors: float) -> Grain:
    """``factors`` multiply the values of RATES at 973.15 K."""
    faces = graded_faces(cells, grading)
    volumes = np.diff(faces**3)
    centres = 0.75 * np.diff(faces**4) / volumes
    values = [factors.get(name, 1.0) * k / RADIUS**power for name, (k, _, power) in RATES.items()]
    return Grain(
        centres,
        volumes,
        3.0 * faces[1:-1] ** 2 / np.diff(centres),
        np.array(values),
        np.array([energy for _, energy, _ in RATES.values()]),
        np.array(KNOTS_S),
        np.array(KNOTS_K),
        LAYER_VOLUME[problem],
    )


def graded_faces(cells: int, grading: float = 0.95) -> FloatArray:
    """Faces from 0 to 1 (N + 1)."""
    x = np.linspace(0.0, 1.0, cells + 1)
    return np.asarray(x * (1.0 + grading) - grading * x**2)


def start(problem: str, cells: int, lanes: int = 1) -> FloatArray:
    """u = 1, a = 0."""
    state = np.zeros((lanes, 2 * cells + 3))
    state[:, 0 : 2 * cells : 2] = 1.0
    state[:, 2 * cells :] = RESERVOIRS[problem]
    return state


def constants(values: FloatArray, energies: FloatArray, temperature: float) -> Rates:
    """k(T) of all processes."""
    k = values * np.exp(-energies / GAS_CONSTANT * (1.0 / temperature - 1.0 / REFERENCE_K))
    melted = 1.0 / (1.0 + np.exp(-(temperature - 735.0) / 5.0))
    return Rates(k[0], np.log(k[1] / k[0]), k[2], k[3], k[4], k[5] * melted, k[6], k[7])


def rates_at(segment: int, time: float, data: Grain) -> Rates:
    t0, t1 = data.knots_s[segment], data.knots_s[segment + 1]
    a, b = data.knots_K[segment], data.knots_K[segment + 1]
    return constants(data.values, data.energies, a + (b - a) * (time - t0) / (t1 - t0))


def ready(u: FloatArray) -> FloatArray:
    """s(u)."""
    return 0.5 * (1.0 - np.tanh(0.5 * (u - MIDDLE) / WIDTH))


def contact(k: Rates, half: FloatArray, u: FloatArray, n: FloatArray, d: FloatArray) -> Surface:
    """Surface lithium from half (u_N - u_s) = outflow; all arrays (L)."""
    held = np.maximum(n, 0.0) + COVER_EPS
    theta = n / held
    slope = np.where(n > 0.0, COVER_EPS / held, 1.0) / held
    through = 1.0 / (1.0 / k.sink + d / k.layer)
    sink, feed = (1.0 - theta) * through, k.feed * theta
    lithium = (half * u + sink * SINK + feed) / (half + sink + feed)
    return Surface(half, lithium, theta, slope, through, sink, feed)


def _outer(k: Rates, state: FloatArray, data: Grain) -> Surface:
    cells = 2 * len(data.volumes)
    half = k.layered * np.exp(k.ln_contrast * state[:, cells - 1]) / (1.0 - data.centres[-1])
    return contact(k, half, state[:, cells - 2], state[:, cells], state[:, cells + 1])


def rates(segment: int, time: float, state: FloatArray, data: Grain, work: Any) -> FloatArray:
    """dy/dt (L, 2N + 3)."""
    k = rates_at(segment, time, data)
    cells = 2 * len(data.volumes)
    u, a = state[:, 0:cells:2], state[:, 1:cells:2]
    share = ready(u)
    face = data.conductance * k.layered * np.exp(0.5 * k.ln_contrast * (a[:, 1:] + a[:, :-1]))
    flow = face * (u[:, :-1] - u[:, 1:])
    out = np.zeros_like(state)
    surface = _outer(k, state, data)
    to_sink = surface.sink * (surface.lithium - SINK)
    to_grain = surface.feed * (1.0 - surface.lithium)
    past = surface.theta * surface.through * (1.0 - SINK)
    out[:, 0 : cells - 2 : 2] -= flow / data.volumes[:-1]
    out[:, 2:cells:2] += flow / data.volumes[1:]
    out[:, cells - 2] -= 3.0 * (to_sink - to_grain) / data.volumes[-1]
    out[:, 1:cells:2] = k.forward * (1.0 - a) * share - k.backward * a * (1.0 - share)
    out[:, cells] = -3.0 * (to_grain + past) - k.gas * surface.theta
    out[:, cells + 1] = data.layer_volume * (to_sink + past)
    out[:, cells + 2] = k.gas * surface.theta
    return out


def prepare(segment: int, time: float, w: float, state: FloatArray, data: Grain, work: Any) -> Factors:
    """Factors of W = w - J with the exact Jacobian J."""
    k = rates_at(segment, time, data)
    cells = 2 * len(data.volumes)
    u, a = state[:, 0:cells:2], state[:, 1:cells:2]
    share = ready(u)
    diagonal = w + k.forward * share + k.backward * (1.0 - share)
    coupling = -(k.forward * (1.0 - a) + k.backward * a) * share * (1.0 - share) / WIDTH / diagonal
    face = data.conductance * k.layered * np.exp(0.5 * k.ln_contrast * (a[:, 1:] + a[:, :-1]))
    flow = 0.5 * k.ln_contrast * face * (u[:, :-1] - u[:, 1:])
    surface = _outer(k, state, data)
    outer, border, reservoirs, jacobian = _contact_slopes(k, surface, u[:, -1], data.layer_volume)

    lower, middle, upper = np.zeros_like(u), np.full_like(u, w), np.zeros_like(u)
    lower[:, 1:] = -(face + flow * coupling[:, :-1]) / data.volumes[1:]
    upper[:, :-1] = -(face - flow * coupling[:, 1:]) / data.volumes[:-1]
    middle[:, :-1] += (face + flow * coupling[:, :-1]) / data.volumes[:-1]
    middle[:, 1:] += (face - flow * coupling[:, 1:]) / data.volumes[1:]
    middle[:, -1] += 3.0 * (outer[0] + outer[1] * coupling[:, -1]) / data.volumes[-1]
    tridiagonal = factor_tridiagonal(lower, middle, upper)
    unit = np.zeros_like(u)
    unit[:, -1] = 1.0
    last = solve_tridiagonal(tridiagonal, unit)
    border = -3.0 * border / data.volumes[-1]

    pull = reservoirs[0] + reservoirs[1] * coupling[:, -1]
    matrix = -jacobian - pull[:, None] * border[None, :] * last[:, -1]
    matrix[0, 0] += w
    matrix[1, 1] += w
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    inverse = np.zeros_like(matrix)
    inverse[0, 0], inverse[1, 1] = matrix[1, 1] / determinant, matrix[0, 0] / determinant
    inverse[0, 1], inverse[1, 0] = -matrix[0, 1] / determinant, -matrix[1, 0] / determinant
    return Factors(
        tridiagonal, diagonal, coupling, flow, last, border, reservoirs, inverse, w,
        np.stack((k.gas * surface.theta_slope, 3.0 * outer[1] / data.volumes[-1])),
    )  # fmt: skip


def _contact_slopes(
    k: Rates, surface: Surface, u: FloatArray, volume: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Derivatives of the contact.

    Outflow in (u_N, a_N) (2, L) and in (n, d) (2, L); (dn/dt, dd/dt) in (u_N, a_N), first index the variable
    (2, 2, L), and in (n, d) (2, 2, L).
    """
    total = surface.half + surface.sink + surface.feed
    own, excess, gap = surface.half / total, surface.lithium - SINK, 1.0 - surface.lithium
    by_a = k.ln_contrast * surface.half * (u - surface.lithium) / total  # d u_s / d a_N
    layer = -surface.through * surface.through / k.layer
    sink = np.stack((-surface.theta_slope * surface.through, (1.0 - surface.theta) * layer))
    feed = np.stack((k.feed * surface.theta_slope, np.zeros_like(layer)))
    past = (1.0 - SINK) * np.stack((surface.theta_slope * surface.through, surface.theta * layer))
    lithium = (-excess * sink + gap * feed) / total  # d u_s / d(n, d)
    outer = np.stack((own, by_a)) * (surface.sink + surface.feed)
    to_sink = sink * excess + surface.sink * lithium
    to_grain = feed * gap - surface.feed * lithium
    reservoirs = np.zeros((2, 2, len(u)))
    jacobian = np.zeros((2, 2, len(u)))
    for variable, slope in enumerate((own, by_a)):
        reservoirs[variable, 0] = 3.0 * surface.feed * slope
        reservoirs[variable, 1] = volume * surface.sink * slope
    jacobian[0] = -3.0 * (to_grain + past)
    jacobian[0, 0] -= k.gas * surface.theta_slope
    jacobian[1] = volume * (to_sink + past)
    return outer, to_sink - to_grain, reservoirs, jacobian


def solve(factors: Factors, right: FloatArray, data: Grain) -> FloatArray:
    """x from W x = right: a_i = p_i + q_i u_i in every cell, then u, with (n, d) by their Schur complement, then g."""
    cells = 2 * len(data.volumes)
    own = right[:, 1:cells:2] / factors.diagonal
    bare = right[:, 0:cells:2].copy()
    moved = factors.neighbours * (own[:, 1:] + own[:, :-1])
    bare[:, :-1] -= moved / data.volumes[:-1]
    bare[:, 1:] += moved / data.volumes[1:]
    bare[:, -1] -= factors.gas[1] * own[:, -1]
    u = solve_tridiagonal(factors.tridiagonal, bare)
    pull = factors.reservoirs[0] + factors.reservoirs[1] * factors.coupling[:, -1]
    left = np.empty((2, len(right)))
    for row in range(2):
        left[row] = right[:, cells + row] + factors.reservoirs[1, row] * own[:, -1] + pull[row] * u[:, -1]
    n = factors.inverse[0, 0] * left[0] + factors.inverse[0, 1] * left[1]
    d = factors.inverse[1, 0] * left[0] + factors.inverse[1, 1] * left[1]
    out = np.empty_like(right)
    u = u + factors.last * np.expand_dims(factors.border[0] * n + factors.border[1] * d, 1)
    out[:, 0:cells:2] = u
    out[:, 1:cells:2] = own + factors.coupling * u
    out[:, cells], out[:, cells + 1] = n, d
    out[:, cells + 2] = (right[:, cells + 2] + factors.gas[0] * n) / factors.w
    return out


def settle(old: FloatArray, new: FloatArray, data: Grain) -> Any:
    """Every finite state is admissible."""
    return np.isfinite(new.sum(axis=1))


def quantities(state: FloatArray, data: Grain) -> FloatArray:
    """QUANTITIES (L, 6) at the end of the programme."""
    cells = 2 * len(data.volumes)
    surface = _outer(constants(data.values, data.energies, data.knots_K[-1]), state, data)
    means = [state[:, first:cells:2] @ data.volumes for first in (0, 1)]
    return np.stack([*means, surface.lithium, *(state[:, cells + i] for i in (1, 2, 0))], axis=1)


EQUATIONS = (
    constants, rates_at, ready, contact, _outer, rates, prepare, _contact_slopes, solve, settle
)  # fmt: skip
