"""The cells of a convex piecewise linear function: known functions, and random ones against Qhull."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from cosinter.analysis.equilibrium.envelope import Polytope, upper_envelope
from cosinter.data.exceptions import ConvergenceError, InputError


def of_planes(planes):
    """The function max_k (g_k . x + h_k) with the gradient of one of its highest planes."""
    planes = np.asarray(planes, dtype=float)

    def evaluate(points):
        heights = points @ planes[:, :-1].T + planes[:, -1]
        best = heights.argmax(axis=1)
        return heights[np.arange(len(points)), best], planes[best, :-1]

    return evaluate


def cell_volume(found, cell):
    points = found.vertices[list(cell)]
    return np.ptp(points) if points.shape[1] == 1 else ConvexHull(points).volume


def test_one_dimension_gives_the_kinks_of_an_absolute_value() -> None:
    found = upper_envelope(of_planes([[-1.0, 0.3], [1.0, -0.3]]), Polytope.simplex(1), tolerance=1e-9)
    np.testing.assert_allclose(np.sort(found.vertices[:, 0]), [0.0, 0.3, 1.0], atol=1e-12)
    assert len(found.cells) == 2


def test_a_pyramid_over_a_square_has_four_cells_that_meet_in_the_middle() -> None:
    pyramid = of_planes([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    found = upper_envelope(
        pyramid, Polytope.box(np.array([-1.0, -1.0]), np.array([1.0, 1.0])), tolerance=1e-9
    )
    assert len(found.cells) == 4
    middle = int(np.argmin(np.linalg.norm(found.vertices, axis=1)))
    np.testing.assert_allclose(found.vertices[middle], 0.0, atol=1e-9)
    assert all(middle in cell for cell in found.cells)
    assert len(found.edges()) == 8


def test_a_plane_is_one_cell() -> None:
    found = upper_envelope(of_planes([[2.0, -1.0, 5.0]]), Polytope.simplex(2), tolerance=1e-9)
    assert len(found.cells) == 1
    np.testing.assert_allclose(found.gradients, [[2.0, -1.0]])
    np.testing.assert_allclose(np.sort(found.values), [4.0, 5.0, 7.0])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_random_planes_fill_the_simplex_and_every_cell_carries_its_plane(dimension, count, seed) -> None:
    rng = np.random.default_rng(seed)
    planes = rng.normal(size=(count, dimension + 1)) * 1e4
    evaluate = of_planes(planes)
    found = upper_envelope(evaluate, Polytope.simplex(dimension), tolerance=1e-6)
    volumes = [cell_volume(found, cell) for cell in found.cells]
    assert sum(volumes) == pytest.approx(1.0 / np.prod(range(1, dimension + 1)), rel=1e-5)
    for cell, gradient in zip(found.cells, found.gradients, strict=True):
        shares = rng.dirichlet(np.ones(len(cell)), size=5)
        points = shares @ found.vertices[list(cell)]
        np.testing.assert_allclose(evaluate(points)[1], np.tile(gradient, (5, 1)), atol=1e-6)
        np.testing.assert_allclose(evaluate(points)[0], shares @ found.values[list(cell)], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 3), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_hull_of_random_points_is_found_from_its_support_alone(dimension, count, seed) -> None:
    """Lower hull of points over a simplex (a phase diagram), with Qhull on the points as the oracle."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    shares = np.vstack([np.eye(dimension + 1), rng.dirichlet(np.ones(dimension + 1), size=count)])
    energy = np.append(np.zeros(dimension + 1), -rng.random(count) * 1e5)

    def evaluate(points):
        values, slopes = [], []
        for point in points:
            target = np.append(point, 1.0 - point.sum())
            found = linprog(energy / 1e5, A_eq=shares.T, b_eq=target, bounds=(0, None), method="highs")
            dual = found.eqlin.marginals * 1e5
            values.append(found.fun * 1e5)
            slopes.append(dual[:-1] - dual[-1])
        return np.asarray(values), np.asarray(slopes)

    found = upper_envelope(evaluate, Polytope.simplex(dimension), tolerance=1e-3)
    hull = ConvexHull(np.column_stack([shares[:, :-1], energy / 1e5]))
    assert len(found.cells) == np.sum(hull.equations[:, -2] < -1e-9)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        Polytope.box(np.array([1.0]), np.array([0.0])).corners()


def test_a_function_that_is_not_convex_is_noticed() -> None:
    def dome(points):
        return -np.sum(points**2, axis=1), -2.0 * points

    with pytest.raises(ConvergenceError):
        upper_envelope(dome, Polytope.simplex(2), tolerance=1e-9)
