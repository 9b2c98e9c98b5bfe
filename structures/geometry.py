"""Plane geometry that interface models are checked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]


def planar(vectors: FloatArray) -> FloatArray:
    """Turn two vectors (rows, Å) into their plane, the first along x; shape (2, 2)."""
    a, b = vectors[0], vectors[1]
    length = float(np.linalg.norm(a))
    along = float(a @ b) / length
    height = float(np.linalg.norm(b)) ** 2 - along**2
    return np.array([[length, 0.0], [along, np.sqrt(max(height, 0.0))]])


def von_mises(start: FloatArray, end: FloatArray) -> float:
    """Give the von Mises equivalent sqrt(2/3 e:e) of the Green-Lagrange strain that takes ``start`` to ``end`` (rows, 2 vectors).

    e is the deviator of E = (F^T F - 1)/2 with E_zz = 0.
    """
    f = np.linalg.solve(planar(start), planar(end)).T
    green = np.zeros((3, 3))
    green[:2, :2] = 0.5 * (f.T @ f - np.eye(2))
    deviator = green - np.eye(3) * np.trace(green) / 3.0
    return float(np.sqrt(2.0 / 3.0 * np.sum(deviator**2)))


def translation_residual(bulk: Structure, vector: FloatArray) -> float:
    """Find the largest distance (Å) by which a shift of the crystal by ``vector`` misses the crystal itself."""
    shift = bulk.lattice.get_fractional_coords(vector)
    worst = 0.0
    for ion in {site.species_string for site in bulk}:
        sites = np.array([s.frac_coords for s in bulk if s.species_string == ion])
        worst = max(worst, float(bulk.lattice.get_all_distances(sites + shift, sites).min(axis=1).max()))
    return worst


def plane_normal(bulk: Structure, miller: tuple[int, int, int]) -> FloatArray:
    """Normal of a lattice plane: the reciprocal vector of its Miller indices, shape (3,)."""
    return np.asarray(bulk.lattice.reciprocal_lattice.get_cartesian_coords(miller))


def angle(first: FloatArray, second: FloatArray) -> float:
    """Measure the angle between two lines, degrees."""
    cross = np.linalg.norm(np.cross(first, second))
    return float(np.degrees(np.arctan2(cross, abs(float(np.dot(first, second))))))
