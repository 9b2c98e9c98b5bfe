"""The problems of :mod:`benchmarks.grain_problems` in SciPy, PyBaMM and FiPy, each given its best form we found.

SciPy integrates our finite volumes: LSODA with its band, BDF with the sparsity pattern (colour groups in one call).
PyBaMM discretises by itself (harmonic mean at the faces) on our graded faces, at equal size more accurate than its uniform
mesh, and solves with IDAKLU. FiPy 4.0.3 steps with backward Euler and two sweeps on the same faces; it has no step
control. Its non-uniform spherical mesh holds volumes of (r2^3 - r1^3)/2 beside faces of r^2, 3/2 too much, which the
coefficient of the transient term takes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R as GAS_CONSTANT

from benchmarks import grain_problems as grain

FloatArray = NDArray[np.float64]
Problem = Literal["S", "F"]
Solve = Callable[[], FloatArray]


def scipy_solver(problem: Problem, cells: int, *, method: Literal["LSODA", "BDF"], tolerance: float) -> Solve:
    """Segment by segment, as the kinks of T(t) ask for."""
    from scipy.integrate import solve_ivp
    from scipy.sparse import csc_matrix

    data = grain.make_grain(problem, cells)
    size = 2 * cells + 3
    offset = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    pattern = (offset <= 3) | (
        (np.arange(size)[:, None] >= 2 * cells - 2) & (np.arange(size) >= 2 * cells - 2)
    )
    options: dict[str, Any] = {"lband": 4, "uband": 4}
    if method == "BDF":
        options = {"jac_sparsity": csc_matrix(pattern), "vectorized": True}

    def solve() -> FloatArray:
        state = grain.start(problem, cells)[0]
        for segment in range(len(grain.KNOTS_S) - 1):

            def rates(time: float, y: FloatArray, segment: int = segment) -> FloatArray:
                lanes = y[None] if y.ndim == 1 else y.T
                return grain.rates(segment, time, lanes, data, None).T.reshape(y.shape)

            span = grain.KNOTS_S[segment : segment + 2]
            run = solve_ivp(
                rates, span, state, method=method, rtol=tolerance, atol=1e-2 * tolerance, **options
            )
            if not run.success:
                raise SystemExit(f"SciPy {method} failed: {run.message}")
            state = run.y[:, -1]
        return grain.quantities(state[None], data)[0]

    return solve


def pybamm_solver(problem: Problem, cells: int, *, tolerance: float, graded: bool = True) -> Solve:
    """Built once; the solve alone is returned."""
    import pybamm

    model, radius = _pybamm_model(problem)
    edges = {"edges": grain.graded_faces(cells)}
    submesh = pybamm.MeshGenerator(pybamm.UserSupplied1DSubMesh, edges) if graded else pybamm.Uniform1DSubMesh
    domain = radius.domain[0]
    geometry = {domain: {radius: {"min": pybamm.Scalar(0), "max": pybamm.Scalar(1)}}}
    mesh = pybamm.Mesh(geometry, {domain: submesh}, {radius: cells})
    built = pybamm.Discretisation(mesh, {domain: pybamm.FiniteVolume()}).process_model(model, inplace=False)
    solver = pybamm.IDAKLUSolver(rtol=tolerance, atol=1e-2 * tolerance)
    knots = np.array(grain.KNOTS_S)

    def solve() -> FloatArray:
        solution = solver.solve(built, knots, t_interp=knots)
        found = [solution[name].entries[-1] if name in model.variables else 0.0 for name in grain.QUANTITIES]
        return np.array(found, dtype=np.float64)

    return solve


def _pybamm_model(problem: Problem) -> tuple[Any, Any]:
    import pybamm

    domain = "negative particle"
    radius = pybamm.SpatialVariable("r_n", domain=[domain], coord_sys="spherical polar")
    u, a = (pybamm.Variable(name, domain=domain) for name in "ua")
    temperature = pybamm.Interpolant(np.array(grain.KNOTS_S), np.array(grain.KNOTS_K), pybamm.t)
    inverse = 1.0 / temperature - 1.0 / grain.REFERENCE_K
    k = {
        name: value / grain.RADIUS**power * pybamm.exp(-energy / GAS_CONSTANT * inverse)
        for name, (value, energy, power) in grain.RATES.items()
    }
    diffusivity = k["D_L"] * (k["D_RS"] / k["D_L"]) ** a
    surface = pybamm.surf(u)
    rhs: dict[Any, Any] = {}
    start: dict[Any, float] = {u: 1.0, a: 0.0}
    outflow = k["k_s"] * (surface - grain.SINK)
    variables: dict[str, Any] = {
        "mean u": pybamm.Integral(u, radius) / (4.0 * np.pi / 3.0),
        "mean a": pybamm.Integral(a, radius) / (4.0 * np.pi / 3.0),
        "surface u": surface,
    }
    if problem == "F":
        n, d, g = (pybamm.Variable(name) for name in ("compensator", "layer", "gas"))
        held = pybamm.maximum(n, 0.0)
        theta = held / (held + grain.COVER_EPS) + pybamm.minimum(n, 0.0) / grain.COVER_EPS
        melted = 1.0 / (1.0 + pybamm.exp(-(temperature - 735.0) / 5.0))
        through = 1.0 / (1.0 / k["k_s"] + d / k["D_i"])
        to_sink = (1.0 - theta) * through * (surface - grain.SINK)
        to_grain = k["k_e"] * melted * theta * (1.0 - surface)
        past = theta * through * (1.0 - grain.SINK)
        outflow = to_sink - to_grain
        rhs = {
            n: -3.0 * (to_grain + past) - k["k_v"] * theta,
            d: grain.LAYER_VOLUME["F"] * (to_sink + past),
            g: k["k_v"] * theta,
        }
        start |= dict(zip((n, d, g), grain.RESERVOIRS["F"], strict=True))
        variables |= {"compensator": n, "layer": d, "gas": g}
    share = 1.0 / (1.0 + pybamm.exp((u - grain.MIDDLE) / grain.WIDTH))
    rhs[u] = pybamm.div(diffusivity * pybamm.grad(u))
    rhs[a] = k["k_f"] * (1.0 - a) * share - k["k_b"] * a * (1.0 - share)
    model = pybamm.BaseModel()
    model.rhs = rhs
    model.initial_conditions = {name: pybamm.Scalar(value) for name, value in start.items()}
    model.boundary_conditions = {
        u: {
            "left": (pybamm.Scalar(0), "Neumann"),
            "right": (-outflow / pybamm.surf(diffusivity), "Neumann"),
        }
    }
    model.variables = variables
    return model, radius


FIPY_SHARES = (
    (5400.0, 1 / 8),
    (8100.0, 3 / 8),
    (9900.0, 3 / 8),
    (10800.0, 1 / 8),
)  # of the steps, up to each time


def _fipy_steps(count: int) -> Iterator[tuple[int, float, float]]:
    """(segment of the furnace, end of the step, its length)."""
    begin = 0.0
    for end, share in FIPY_SHARES:
        steps = max(1, round(count * share))
        segment = int(np.searchsorted(grain.KNOTS_S, end)) - 1
        for number in range(1, steps + 1):
            yield segment, begin + (end - begin) * number / steps, (end - begin) / steps
        begin = end


def fipy_solver(cells: int, *, steps: int, sweeps: int = 2) -> Solve:
    """Problem S: u is implicit, a is solved for at the u of the last sweep, the outflow is linear in u_N."""
    import fipy

    data = grain.make_grain("S", cells)

    def solve() -> FloatArray:
        mesh = fipy.SphericalGrid1D(dr=np.diff(grain.graded_faces(cells)))
        u = fipy.CellVariable(mesh=mesh, value=1.0, hasOld=True)
        face = fipy.FaceVariable(mesh=mesh, value=0.0)
        feed, pull = (fipy.CellVariable(mesh=mesh, value=0.0) for _ in range(2))
        source = feed - fipy.ImplicitSourceTerm(pull)
        equation = fipy.TransientTerm(coeff=2.0 / 3.0) == fipy.DiffusionTerm(face) + source
        linear, volumes, a = fipy.LinearLUSolver(), mesh.cellVolumes, np.zeros(cells)
        for segment, time, length in _fipy_steps(steps):
            k = grain.rates_at(segment, time, data)
            u.updateOld()
            before = a
            for _ in range(sweeps):
                share = grain.ready(u.value)
                forward, backward = k.forward * share, k.backward * (1.0 - share)
                a = (before + length * forward) / (1.0 + length * (forward + backward))
                inside = k.layered * np.exp(0.5 * k.ln_contrast * (a[1:] + a[:-1]))
                face.setValue(np.concatenate([[0.0], inside, [0.0]]))
                half = k.layered * np.exp(k.ln_contrast * a[-1]) / (1.0 - data.centres[-1])
                series = half * k.sink / (half + k.sink)
                last = np.arange(cells) == cells - 1
                pull.setValue(last * series / volumes)
                feed.setValue(last * series * grain.SINK / volumes)
                equation.sweep(var=u, dt=length, solver=linear)
        state = grain.start("S", cells)
        state[0, 0 : 2 * cells : 2], state[0, 1 : 2 * cells : 2] = u.value, a
        return grain.quantities(state, data)[0]

    return solve
