"""Manufactured solution of the grain with observed order in space and time, and a Jacobian that is the derivative.

    u(r, t) = 1/2 + A e^(-t/tau) (r^2 - r^4/2 - 2/5),  a(r) = 0.4 r^2,  no flow through the surface (du/dr = 0 at r = 1)
    J = -D du/dr,  1/D = u(1 - u) [(1 - a)/(D_0 V u(1 - u)) + a e^K/(D_0 (u(1 - u) + 1e-4))],  V = 1 - u + v
    source = du/dt + (1/r^2) d(r^2 J)/dr,  K = ln(D_layered/D_rock salt)

Layered and rock salt have the same ideal potential, so that both hold the lithium u of the cell.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cosinter.analysis.continuum.cells import LEAST_CONTENT
from cosinter.analysis.continuum.inputs import SinterCase, model_inputs
from cosinter.analysis.continuum.lanes import make_batch
from cosinter.analysis.continuum.linearised import prepare, solve
from cosinter.analysis.continuum.rates import rates
from cosinter.analysis.continuum.rosenbrock import RODAS, RODAS3, attempt
from cosinter.analysis.continuum.run import initial_state

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import arrhenius, parameter_set, scalar
from verification_fixture import DIFFUSIVITY, NEVER, RADIUS, gibbs, hold, ideal_set

AMPLITUDE, CONTRAST, FLOOR, SALT = 0.3, 3.0, 0.01, 0.4
RATE = DIFFUSIVITY / RADIUS**2  # D0/R^2 in 1/s
TIME = 0.2 / RATE  # of the run and of the decay


def _batch(cells):
    parameters = ideal_set(
        **gibbs(layered=0.0, spinel=1e6, rock_salt=0.0),
        **{
            "cathode.rock_salt.lithium_diffusivity": arrhenius(DIFFUSIVITY * np.exp(-CONTRAST), 0.0, "m2/s"),
            "cathode.vacancy_exponent": scalar(1.0, "1"),
            "cathode.vacancy_floor": scalar(FLOOR, "1"),
            "contact.interface_rate": arrhenius(NEVER, 0.0, "m/s"),
        },
    )
    case = SinterCase("manufactured", hold(0.2), grain_radius_m=RADIUS, cells=cells)
    return make_batch(model_inputs(parameters), [case])


def _exact(r, time):
    return 0.5 + AMPLITUDE * np.exp(-time / TIME) * (r**2 - 0.5 * r**4 - 0.4)


def _flow(r, time):
    """r^2 J; complex r gives its derivative without cancellation."""
    u = _exact(r, time)
    slope = AMPLITUDE * np.exp(-time / TIME) * 2.0 * (r - r**3)
    salt, mixing = SALT * r**2, u * (1.0 - u)
    layered = (1.0 - salt) / ((1.0 - u + FLOOR) * mixing)
    resistivity = layered + salt * np.exp(CONTRAST) / (mixing + LEAST_CONTENT)
    return -(r**2) * RATE / (mixing * resistivity) * slope


def _source(r, time):
    outflow = _flow(r + 1e-20j, time).imag / 1e-20 / r**2
    return -(_exact(r, time) - 0.5) / TIME + outflow


def _end(cells, steps, method=RODAS):
    """Lithium of the shells (N) after ``steps`` equal steps, their centres and their volumes."""
    batch = _batch(cells)
    lanes, r = batch.lanes, batch.grid.centres

    def driven(segment, time, state, data, work):
        change = rates(segment, time, state, data, work)
        change[:, :cells] += _source(r, time)
        return change

    state, guess, h = initial_state(lanes), np.zeros((1, cells)), TIME / steps
    state[0, :cells], state[0, 2 * cells : 3 * cells] = _exact(r, 0.0), SALT * r**2
    for number in range(steps):
        now = number * h
        first = driven(0, now, state, lanes, guess)
        state, _ = attempt((driven, prepare, solve), method, 0, now, h, state, first, lanes, guess)
    return state[0, :cells], r, lanes.volumes


def _orders(errors):
    return np.log2(np.asarray(errors[:-1]) / np.asarray(errors[1:]))


def test_order_in_space():
    """Second order (root mean square over the volume) on the graded grid, with a diffusivity that varies with r and u."""
    errors = []
    for cells in (10, 20, 40, 80):
        lithium, r, volumes = _end(cells, 20)
        errors.append(np.sqrt(volumes @ (lithium - _exact(r, TIME)) ** 2))
    assert _orders(errors).min() > 1.9
    assert errors[2] < 2e-5


@pytest.mark.parametrize(("method", "order"), [(RODAS, 4), (RODAS3, 3)])
def test_order_in_time(method, order):
    """Against 128 steps on the same grid; a semi-discrete parabolic problem may cost a Rosenbrock method up to one order."""
    fine = _end(20, 128)[0]
    errors = [np.abs(_end(20, steps, method)[0] - fine).max() for steps in (2, 4, 8)]
    assert _orders(errors).min() > order - 1.0
    assert errors[-1] < 1e-5


def test_jacobian_is_the_derivative():
    """J = w - (W^-1)^-1 column by column beside difference quotients, in a composite where every process runs."""
    switched_on = {
        name: record
        for name, record in ideal_set().parameters.items()
        if name.startswith(("cathode.grain_boundary", "cathode.anti", "cathode.open", "coating", "thermo."))
        or name.endswith(("carbonation", "evaporation_velocity"))
    }
    parameters = parameter_set(
        **switched_on
        | {
            "coating.conductivity": arrhenius(1e-9, 5e4, "S/m"),
            "coating.breakdown": arrhenius(1e-4, 1e5, "1/s"),
            "compensator.lithium_hydroxide.carbonation": arrhenius(1e-4, 5e4, "1/s"),
            "compensator.evaporation_velocity": scalar(1e-3, "m/s"),
        }
    )
    doses = {"lithium_hydroxide": 0.2, "lithium_carbonate": 0.1, "lithium_oxide": 0.02}
    case = SinterCase("all", hold(0.2), doses=doses, cells=6, coating_thickness_m=5e-9)
    lanes = make_batch(model_inputs(parameters), [case]).lanes
    random = np.random.default_rng(3)
    state, guess, n, w = initial_state(lanes), np.zeros((1, 6)), 6, 1e-3
    state[0, :n] = random.uniform(0.55, 0.85, n)
    state[0, n : 3 * n] = random.uniform(0.05, 0.3, 2 * n)
    state[0, 3 * n : -1], state[0, -1] = random.uniform(0.0, 2e-3, state.shape[1] - 3 * n - 1), 0.3
    units, step = np.eye(state.shape[1]), 1e-6
    factors = prepare(0, 0.0, w, state, lanes, guess)
    inverse = np.column_stack([solve(factors, unit[None], lanes)[0] for unit in units])
    moved = [
        [rates(0, 0.0, state + sign * step * unit, lanes, guess.copy())[0] for sign in (1.0, -1.0)]
        for unit in units
    ]
    quotients = np.column_stack([(up - down) / (2.0 * step) for up, down in moved])
    error = w * units - np.linalg.inv(inverse) - quotients
    assert np.all(np.abs(error) < 2e-4 * np.abs(quotients).max(axis=1, keepdims=True) + 1e-12)
