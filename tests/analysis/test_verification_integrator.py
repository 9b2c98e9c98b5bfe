"""The Rosenbrock integrator alone: order, stiffness, invariants, lanes, failures, and the law of every solid-state reaction."""

from __future__ import annotations

import numpy as np
import pytest

from cosinter.analysis.continuum.rosenbrock import RODAS, RODAS3, Control, attempt, integrate, make_record

METHODS = pytest.mark.parametrize(("method", "order"), [(RODAS, 4), (RODAS3, 3)])


def _problem(rates, jacobian):
    """A small dense system y' = rates(t, y) in the form the integrator asks for; y (m), one lane or many."""

    def of_lanes(segment, time, state, data, work):
        return np.array([rates(time, y) for y in state])

    def prepare(segment, time, w, state, data, work):
        return np.array([np.linalg.inv(w * np.eye(len(y)) - jacobian(time, y)) for y in state])

    def solve(factors, right, data):
        return np.einsum("lij,lj->li", factors, right)

    return of_lanes, prepare, solve


def _settle(old, new, data):
    return np.isfinite(new).all(axis=1)


def _fixed_steps(problem, method, start, end, steps):
    state, h = np.atleast_2d(np.asarray(start, dtype=np.float64)), end / steps
    for number in range(steps):
        first = problem[0](0, number * h, state, None, None)
        state, _ = attempt(problem, method, 0, number * h, h, state, first, None, None)
    return state


def _adaptive(problem, start, knots, tolerance, **limits):
    start = np.atleast_2d(np.asarray(start, dtype=np.float64))
    record = make_record(*start.shape, capacity=1)
    control = Control(tolerance, 1e-2 * tolerance, float(knots[-1]), limits.get("most_steps", 10_000))
    end = integrate(problem, _settle, RODAS, np.asarray(knots, float), start, control, None, None, record)
    return end, record


def _kaps(stiffness):
    """y1' = -(2 + k) y1 + k y2^2, y2' = y1 - y2 - y2^2; y = (e^-2t, e^-t) for every k (Kaps)."""
    return _problem(
        lambda t, y: np.array([-(2.0 + stiffness) * y[0] + stiffness * y[1] ** 2, y[0] - y[1] - y[1] ** 2]),
        lambda t, y: np.array([[-(2.0 + stiffness), 2.0 * stiffness * y[1]], [1.0, -1.0 - 2.0 * y[1]]]),
    )


def _observed_order(errors):
    return float(np.log2(np.asarray(errors[:-1]) / np.asarray(errors[1:])).min())


@METHODS
def test_order_on_a_manufactured_solution(method, order):
    """y' = -y^2 + sin^2 t + cos t has y = sin t: non-linear, and explicit in time.

    Far below 1e-9 the difference quotient that stands for df/dt shows, so the steps stay coarse.
    """
    problem = _problem(
        lambda t, y: -(y**2) + np.sin(t) ** 2 + np.cos(t), lambda t, y: np.array([[-2.0 * y[0]]])
    )
    errors = [abs(_fixed_steps(problem, method, [0.0], 2.0, n)[0, 0] - np.sin(2.0)) for n in (5, 10, 20, 40)]
    assert _observed_order(errors) > order - 0.3


@METHODS
@pytest.mark.parametrize("stiffness", [1.0, 1e6])
def test_order_and_stiffness(method, order, stiffness):
    """No explicit method takes the steps of the stiff case; both stay accurate, and converge at two or more."""
    errors = [
        np.abs(_fixed_steps(_kaps(stiffness), method, [1.0, 1.0], 1.0, n)[0] - np.exp([-2.0, -1.0])).max()
        for n in (5, 10, 20, 40)
    ]
    assert _observed_order(errors) > (order - 0.3 if stiffness == 1.0 else 1.7)
    assert errors[-1] < 1e-5


def test_error_follows_the_tolerance():
    errors = []
    for tolerance in (1e-2, 1e-4, 1e-6, 1e-8):
        end, record = _adaptive(_kaps(1e4), [1.0, 1.0], (0.0, 0.4, 1.0), tolerance)
        errors.append(np.abs(end[0] - np.exp([-2.0, -1.0])).max())
        assert errors[-1] < 10.0 * tolerance
        assert not np.isfinite(record.failed_at).any()
    assert errors[-1] < 1e-3 * errors[0]


def test_linear_invariants_are_kept_to_round_off():
    """A stiff reaction chain a <-> b -> c (Robertson's rates) keeps a + b + c at any tolerance."""

    def rates(t, y):
        back, on = 1e4 * y[1] * y[2] - 0.04 * y[0], 3e7 * y[1] ** 2
        return np.array([back, -back - on, on])

    def jacobian(t, y):
        first, last = np.array([-0.04, 1e4 * y[2], 1e4 * y[1]]), np.array([0.0, 6e7 * y[1], 0.0])
        return np.array([first, -first - last, last])

    for tolerance in (1e-2, 1e-5):
        end, _ = _adaptive(_problem(rates, jacobian), [1.0, 0.0, 0.0], (0.0, 40.0), tolerance)
        assert abs(end.sum() - 1.0) < 1e-14
    # Hairer and Wanner, table of ROBER at t = 40
    assert end[0] == pytest.approx([0.7158270687, 9.185534764e-6, 0.2841637457], rel=1e-4)


def test_a_lane_that_blows_up_is_named_and_the_others_go_on():
    """y' = y^2 has y = 1/(1/y0 - t): infinite at t = 1/y0."""
    problem = _problem(lambda t, y: y**2, lambda t, y: np.array([[2.0 * y[0]]]))
    with np.errstate(over="ignore", invalid="ignore"):
        end, record = _adaptive(problem, [[0.1], [2.0], [0.5]], (0.0, 1.0), 1e-6)
    assert np.isfinite(record.failed_at).tolist() == [False, True, False]
    assert record.failed_at[1] == pytest.approx(0.5, abs=1e-6)
    assert end[[0, 2], 0] == pytest.approx([1.0 / 9.0, 1.0], rel=1e-4)


LAWS = {  # T7: g(a) at a = 0.1, 0.5, 0.9, and f(a) = 1/g'(a)
    "contracting sphere": (
        lambda a: 3.0 * (1.0 - a) ** (2.0 / 3.0),
        (0.03451061539, 0.206299474, 0.5358411166),
    ),
    "Jander": (
        lambda a: 1.5 * (1.0 - a) ** (2.0 / 3.0) / (1.0 - (1.0 - a) ** (1.0 / 3.0)),
        (0.001190982575, 0.04255947298, 0.2871257023),
    ),
    "Ginstling and Brounshtein": (
        lambda a: 1.5 / ((1.0 - a) ** (-1.0 / 3.0) - 1.0),
        (0.001163581547, 0.03670614172, 0.184556531),
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_solid_state_laws(name):
    """T7: da/dt = f(a) from a = 0.1 reaches 0.5 and 0.9 after the differences of g; f is singular at a = 0 for the layers."""
    law, values = LAWS[name]

    def jacobian(t, y):
        return np.array([[(law(y[0] + 1e-7) - law(y[0] - 1e-7)) / 2e-7]])

    problem = _problem(lambda t, y: law(y), jacobian)
    for target, g in zip((0.5, 0.9), values[1:], strict=True):
        end, _ = _adaptive(problem, [0.1], (0.0, g - values[0]), 1e-8)
        assert end[0, 0] == pytest.approx(target, abs=1e-7)


STEFAN = {0.1: 0.220016272743, 1.0: 0.620062633314, 5.0: 1.05968701428}


@pytest.mark.parametrize(("number", "root"), STEFAN.items())
def test_moving_front(number, root):
    """T8: one-phase Stefan problem, front s = 2 l sqrt(t) with sqrt(pi) l exp(l^2) erf(l) = St.

    On the fixed coordinate eta = x/s: s^2 dv/dt = d2v/deta2 + eta s ds/dt dv/deta, v(0) = 1, v(1) = 0,
    s ds/dt = -St dv/deta at 1; central differences, quadratic at the front. It starts from the straight profile.
    """
    cells = 60
    eta = np.linspace(0.0, 1.0, cells + 1)
    h = eta[1]

    def rates(t, y):
        v, square = np.concatenate([[1.0], y[:-1], [0.0]]), y[-1]
        speed = -number * (3.0 * v[-1] - 4.0 * v[-2] + v[-3]) / (2.0 * h)
        curve = (v[2:] - 2.0 * v[1:-1] + v[:-2]) / h**2
        drift = eta[1:-1] * speed * (v[2:] - v[:-2]) / (2.0 * h)
        return np.concatenate([(curve + drift) / square, [2.0 * speed]])

    def jacobian(t, y):
        moved = y + 1e-7 * np.eye(len(y))
        return np.array([(rates(t, row) - rates(t, y)) / 1e-7 for row in moved]).T

    start = np.concatenate([1.0 - eta[1:-1], [1e-6]])
    end, _ = _adaptive(_problem(rates, jacobian), start, (0.0, 1.0), 1e-6)
    assert np.sqrt(end[0, -1]) / 2.0 == pytest.approx(root, rel=2e-4)
