"""Exact cells of a convex piecewise linear function on a polytope, from values and gradients alone.

The value of a linear program is the upper envelope of planes, f(x) = max_k (g_k . x + h_k): convex in the right-hand
side (phase diagrams) and, with the sign turned, in the costs (potential diagrams). Every evaluation gives one plane.
Where the envelope of the planes found so far equals f at all its corners, convexity makes it equal f everywhere; where
it does not, the missing plane is found there. No point is sampled and no cell can be missed: the same idea as
:mod:`cosinter.analysis.equilibrium.line`, in one to three dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.data.exceptions import ConvergenceError, InputError

#: (points [k, d]) -> (values [k], gradients [k, d])
Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
_SAME_POINT = 1e-8
_SMALLEST_CELL = 1e-9
_MOST_ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Polytope:
    """The points with ``normals @ x <= offsets``; bounded.

    Attributes
    ----------
    normals : shape [constraints, d]
    offsets : shape [constraints]
    """

    normals: FloatArray
    offsets: FloatArray

    @classmethod
    def simplex(cls, dimension: int) -> Polytope:
        """All x_i >= 0 with sum x_i <= 1."""
        normals = np.vstack([-np.eye(dimension), np.ones((1, dimension))])
        return cls(normals, np.append(np.zeros(dimension), 1.0))

    @classmethod
    def box(cls, low: FloatArray, high: FloatArray) -> Polytope:
        """All x with low <= x <= high."""
        unit = np.eye(len(low))
        return cls(np.vstack([-unit, unit]), np.concatenate([-np.asarray(low), np.asarray(high)]))

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return int(self.normals.shape[1])

    def cut(self, normals: FloatArray, offsets: FloatArray) -> Polytope:
        """Add constraints ``normals @ x <= offsets``."""
        return Polytope(np.vstack([self.normals, normals]), np.concatenate([self.offsets, offsets]))

    def centre(self) -> tuple[FloatArray, float]:
        """Centre and radius of the largest ball inside (a linear program); the radius is negative if there is none."""
        from scipy.optimize import linprog

        lengths = np.linalg.norm(self.normals, axis=1)
        result = linprog(
            np.append(np.zeros(self.dimension), -1.0),
            A_ub=np.column_stack([self.normals, lengths]),
            b_ub=self.offsets,
            bounds=[(None, None)] * (self.dimension + 1),
            method="highs",
        )
        if result.status != 0:
            return np.zeros(self.dimension), -1.0
        return np.asarray(result.x[:-1], dtype=np.float64), float(result.x[-1])

    def corners(self) -> FloatArray:
        """Corner points, shape [n, d].

        Raises
        ------
        InputError
            Nothing is inside.
        """
        centre, radius = self.centre()
        if radius <= _SAME_POINT:
            raise InputError("the range of the diagram is empty")
        if self.dimension == 1:
            ratio = self.offsets / self.normals[:, 0]
            return np.asarray([[ratio[self.normals[:, 0] < 0].max()], [ratio[self.normals[:, 0] > 0].min()]])
        return _distinct(_intersections(self.normals, self.offsets, centre))


@dataclass(frozen=True, eq=False)
class Envelope:
    """The cells on which the function is linear.

    Attributes
    ----------
    vertices : corners of all cells, shape [n, d]
    values : the function there, shape [n]
    cells : corners of each cell as rows of ``vertices``; in two dimensions in order around the cell
    gradients : of each cell, shape [cells, d]
    centres : mean of the corners of each cell, shape [cells, d]
    evaluations : points at which the function was called
    """

    vertices: FloatArray
    values: FloatArray
    cells: tuple[tuple[int, ...], ...]
    gradients: FloatArray
    centres: FloatArray
    evaluations: int

    def edges(self) -> tuple[tuple[int, int], ...]:
        """Edges of all cells, each once, as rows of ``vertices``."""
        found = {edge for cell in self.cells for edge in _cell_edges(self.vertices, cell)}
        return tuple(sorted(found))


def upper_envelope(evaluate: Evaluate, domain: Polytope, *, tolerance: float) -> Envelope:
    """Find all cells of a convex piecewise linear function.

    Parameters
    ----------
    evaluate : values and any supporting gradient of the function at many points at once
    domain : where; one to three dimensions
    tolerance : unit of the function; planes that rise less than this above their neighbours are not resolved

    Raises
    ------
    InputError
        The domain is empty.
    ConvergenceError
        The cells do not fill the domain, or new planes were found without end.
    """
    corners = domain.corners()
    values, slopes = evaluate(corners)
    frame = np.column_stack([corners, np.ones(len(corners))])
    base = np.asarray(np.linalg.lstsq(frame, values, rcond=None)[0], dtype=np.float64)
    search = _Search(domain, evaluate, base, tolerance)
    search.add(corners, values, slopes)
    search.add_at(np.vstack([corners.mean(axis=0), domain.centre()[0]]))
    for _ in range(_MOST_ROUNDS):
        vertices, heights = search.corners()
        if not search.improve(vertices, heights):
            return search.result(vertices, heights)
    raise ConvergenceError("the cells of the diagram were not found; two phases may be degenerate")


class _Search:
    """Planes and exact values found so far; energies relative to an affine base, which conditions them."""

    def __init__(self, domain: Polytope, evaluate: Evaluate, base: FloatArray, tolerance: float) -> None:
        self.domain, self.evaluate, self.base, self.tolerance = domain, evaluate, base, tolerance
        self.planes = np.zeros((0, domain.dimension + 1))
        self.points = np.zeros((0, domain.dimension))
        self.known = np.zeros(0)

    def add_at(self, points: FloatArray) -> FloatArray:
        """Evaluate at ``points`` and keep the planes; relative values there."""
        return self.add(points, *self.evaluate(points))

    def add(self, points: FloatArray, values: FloatArray, gradients: FloatArray) -> FloatArray:
        relative = values - points @ self.base[:-1] - self.base[-1]
        slopes = gradients - self.base[:-1]
        offsets = relative - np.einsum("kd,kd->k", slopes, points)
        self.planes = np.vstack([self.planes, np.column_stack([slopes, offsets])])
        self.points = np.vstack([self.points, points])
        self.known = np.append(self.known, relative)
        return np.asarray(relative, dtype=np.float64)

    def corners(self) -> tuple[FloatArray, FloatArray]:
        """Corners of the present envelope [n, d], and its height there [n]."""
        depth = max(float(np.ptp(self.known)), self.tolerance)
        top = float(self.known.max()) + depth
        planes = np.column_stack([self.planes[:, :-1] / depth, -np.ones(len(self.planes))])
        walls = np.column_stack([self.domain.normals, np.zeros(len(self.domain.offsets))])
        lid = np.append(np.zeros(self.domain.dimension), 1.0)
        normals = np.vstack([planes, walls, lid])
        offsets = np.concatenate([-self.planes[:, -1] / depth, self.domain.offsets, [top / depth]])
        inside = np.append(self.domain.centre()[0], (top - 0.4 * depth) / depth)
        found = _intersections(normals, offsets, inside)
        vertices = _distinct(found[found[:, -1] < top / depth - 1e-9][:, :-1])
        return vertices, np.max(vertices @ self.planes[:, :-1].T + self.planes[:, -1], axis=1)

    def improve(self, vertices: FloatArray, heights: FloatArray) -> bool:
        """Evaluate corners not seen before; tell whether a plane was missing."""
        distance = np.linalg.norm(vertices[:, None, :] - self.points[None, :, :], axis=2)
        new = distance.min(axis=1) > _SAME_POINT
        if not new.any():
            return False
        rise = self.add_at(vertices[new]) - heights[new]
        return bool(np.any(rise > self.tolerance))

    def result(self, vertices: FloatArray, heights: FloatArray) -> Envelope:
        planes = self._distinct_planes()
        gap = heights[:, None] - (vertices @ planes[:, :-1].T + planes[:, -1])
        cells, gradients = [], []
        for place, plane in enumerate(planes):
            corners = np.flatnonzero(gap[:, place] <= 2.0 * self.tolerance)
            if len(corners) > self.domain.dimension and _volume(vertices[corners]) > _SMALLEST_CELL * (
                _volume(self.domain.corners())
            ):
                cells.append(_ordered(vertices, corners))
                gradients.append(plane[:-1] + self.base[:-1])
        covered = sum(_volume(vertices[list(cell)]) for cell in cells)
        whole = _volume(self.domain.corners())
        if abs(covered - whole) > 1e-5 * whole:
            raise ConvergenceError(
                f"the cells found cover {covered / whole:.6f} of the diagram; two phases may be degenerate"
            )
        return Envelope(
            vertices=vertices,
            values=heights + vertices @ self.base[:-1] + self.base[-1],
            cells=tuple(cells),
            gradients=np.asarray(gradients),
            centres=np.asarray([vertices[list(cell)].mean(axis=0) for cell in cells]),
            evaluations=len(self.points),
        )

    def _distinct_planes(self) -> FloatArray:
        """One of several planes that are the same within the tolerance over the domain."""
        corners = self.domain.corners()
        heights = self.planes[:, :-1] @ corners.T + self.planes[:, -1:]
        kept: list[int] = []
        for place in range(len(heights)):
            if all(np.max(np.abs(heights[place] - heights[k])) > 4.0 * self.tolerance for k in kept):
                kept.append(place)
        return self.planes[kept]


def _intersections(normals: FloatArray, offsets: FloatArray, inside: FloatArray) -> FloatArray:
    from scipy.spatial import HalfspaceIntersection, QhullError

    try:
        found = HalfspaceIntersection(np.column_stack([normals, -offsets]), inside).intersections
    except QhullError as error:
        raise ConvergenceError(
            "the cells of the diagram were not found; two phases may be degenerate"
        ) from error
    return np.asarray(found[np.all(np.isfinite(found), axis=1)], dtype=np.float64)


def _distinct(points: FloatArray) -> FloatArray:
    """Merge points closer than the tolerance; shape [n, d]."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    label = np.arange(len(points))
    for low, high in sorted(tree.query_pairs(10.0 * _SAME_POINT)):
        label[label == label[high]] = label[low]
    return np.asarray([points[label == group].mean(axis=0) for group in np.unique(label)])


def _hull(points: FloatArray) -> Any:
    from scipy.spatial import ConvexHull, QhullError

    try:
        return ConvexHull(points)
    except QhullError:
        return None


def _volume(points: FloatArray) -> float:
    """Length, area or volume of the convex hull; 0 where the points are flat."""
    if points.shape[1] == 1:
        return float(np.ptp(points))
    hull = _hull(points)
    return 0.0 if hull is None else float(hull.volume)


def _ordered(vertices: FloatArray, corners: NDArray[np.intp]) -> tuple[int, ...]:
    """Corners of a cell: ascending (1-D), counter-clockwise (2-D), as they are (3-D)."""
    points = vertices[corners]
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
    elif points.shape[1] == 2:
        arms = points - points.mean(axis=0)
        order = np.argsort(np.arctan2(arms[:, 1], arms[:, 0]))
    else:
        order = np.arange(len(corners))
    return tuple(int(corners[place]) for place in order)


def _cell_edges(vertices: FloatArray, cell: tuple[int, ...]) -> list[tuple[int, int]]:
    """Edges of one cell; an edge between two coplanar facets is none."""
    if vertices.shape[1] < 3:
        pairs = zip(cell, (*cell[1:], cell[0]), strict=True)
        return [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    from scipy.spatial import ConvexHull

    hull = ConvexHull(vertices[list(cell)])
    normals: dict[tuple[int, int], list[FloatArray]] = {}
    for simplex, equation in zip(hull.simplices, hull.equations, strict=True):
        for a, b in combinations(sorted(int(cell[k]) for k in simplex), 2):
            normals.setdefault((a, b), []).append(equation[:-1])
    return [edge for edge, (one, other, *_) in normals.items() if float(one @ other) < 1.0 - 1e-9]
