"""Geometry of lattice planes: cells oriented along a plane, and what interface models are checked with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Miller = tuple[int, int, int]

SAME_SITE_A = 1e-3
SEARCH_RANGE = 9


@contextmanager
def without_spglib_notice() -> Iterator[None]:
    """Silence one notice that spglib addresses to its callers (pymatgen), which users cannot act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)
        yield


@dataclass(frozen=True)
class OrientedCell:
    """The smallest cell of a crystal whose first two vectors span a lattice plane.

    Attributes
    ----------
    cell
        a along x, b in the xy plane, c upwards; the volume is that of the primitive cell and the height of c one
        spacing of the primitive lattice's planes. Site properties are kept.
    vectors
        The same cell vectors in the frame of the crystal, rows, Å, shape (3, 3).
    """

    cell: Structure
    vectors: FloatArray


def check_miller(miller: Miller) -> Miller:
    """Return Miller indices as plain integers, or raise InputError for 0 0 0, four indices or fractions."""
    if len(miller) != 3 or any(int(n) != n for n in miller) or not any(miller):
        raise InputError(f"Miller indices {miller!r} name no plane; give three integers, not all zero")
    return int(miller[0]), int(miller[1]), int(miller[2])


def primitive_vectors(structure: Structure) -> FloatArray:
    """Find a reduced basis of all translations of a crystal, in its own frame: rows, Å, shape (3, 3).

    A translation takes every ion, occupancies included, onto its like within ``SAME_SITE_A``.
    """
    kinds = [site.species_string for site in structure]
    rarest = min(sorted(set(kinds)), key=kinds.count)
    sites = np.array(
        [site.frac_coords for site, kind in zip(structure, kinds, strict=True) if kind == rarest]
    )
    shifts = [v - np.round(v) for v in sites - sites[0]]
    kept = [
        v
        for v in shifts
        if translation_residual(structure, structure.lattice.get_cartesian_coords(v)) < SAME_SITE_A
    ]
    number = len(kept)
    whole = [np.rint(v * number).astype(int) for v in kept]
    basis = _row_echelon([*whole, *(number * np.eye(3, dtype=int))])
    return _reduced(basis @ structure.lattice.matrix / number)


def _row_echelon(rows: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Bring integer rows to a triangular basis of the lattice they span, shape (3, 3)."""
    left = [[int(x) for x in row] for row in rows]
    basis = []
    for column in range(3):
        while len([row for row in left if row[column]]) > 1:
            active = [row for row in left if row[column]]
            pivot = min(active, key=lambda row: abs(row[column]))
            for row in active:
                if row is not pivot:
                    factor = row[column] // pivot[column]
                    row[:] = [x - factor * y for x, y in zip(row, pivot, strict=True)]
        pivot = next(row for row in left if row[column])
        left.remove(pivot)
        basis.append(pivot)
    return np.array(basis)


def _reduced(vectors: FloatArray) -> FloatArray:
    from pymatgen.core import Lattice

    return np.asarray(Lattice(vectors).get_lll_reduced_lattice().matrix)


def oriented_cell(structure: Structure, miller: Miller) -> OrientedCell:
    """Cut the smallest cell of a crystal whose a and b span the plane ``miller`` of the given cell.

    Raises
    ------
    InputError
        Indices that name no plane, or so large that no short vectors of the plane are found.
    """
    from pymatgen.core import Lattice, Structure

    miller = check_miller(miller)
    basis = primitive_vectors(structure)
    normal = plane_normal(structure, miller)
    cells = round(structure.volume / abs(np.linalg.det(basis)))  # products with a translation are n/cells
    indices = np.rint(basis @ normal / (2.0 * np.pi) * cells).astype(int)
    indices //= gcd(*(int(i) for i in indices))
    rows = _plane_basis(basis, indices)
    vectors = rows @ basis
    if np.linalg.det(vectors) < 0:
        vectors = vectors[[1, 0, 2]]
    first = vectors[0] / np.linalg.norm(vectors[0])
    up = np.cross(vectors[0], vectors[1])
    up /= np.linalg.norm(up)
    frame = np.array([first, np.cross(up, first), up])
    fractional = structure.cart_coords @ np.linalg.inv(vectors)
    fractional -= np.floor(fractional + 1e-7)
    kept = _distinct(structure, fractional, vectors)
    share = abs(np.linalg.det(vectors)) / structure.volume
    if len(kept) != round(len(structure) * share):
        raise StructureError(
            f"the cell along the plane {miller} holds {len(kept)} ions instead of {len(structure) * share:g};"
            " the crystal's translations are not exact, symmetrise it first"
        )
    cell = Structure(
        Lattice(vectors @ frame.T),
        [structure[i].species for i in kept],
        fractional[kept],
        site_properties={k: [v[i] for i in kept] for k, v in structure.site_properties.items()},
    )
    return OrientedCell(cell, vectors)


def _plane_basis(basis: FloatArray, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole-number rows: two shortest vectors in the plane of ``indices`` and the shortest to the next plane."""
    span = np.array(list(product(range(-SEARCH_RANGE, SEARCH_RANGE + 1), repeat=3)))
    lengths = np.linalg.norm(span @ basis, axis=1)
    span, lengths = span[np.argsort(lengths, kind="stable")], np.sort(lengths)
    step = span @ indices
    inside = span[(step == 0) & (lengths > 0)]
    above = span[step == 1]
    if not len(inside) or not len(above):
        raise InputError(
            f"no short vectors in the plane {tuple(map(int, indices))}; take lower Miller indices"
        )
    beside = inside[np.any(np.cross(inside, inside[0]) != 0, axis=1)]
    if not len(beside):
        raise InputError(
            f"no short vectors in the plane {tuple(map(int, indices))}; take lower Miller indices"
        )
    first, second = inside[0], beside[0]
    return np.array([first, second, above[0]])


def _distinct(structure: Structure, fractional: FloatArray, vectors: FloatArray) -> list[int]:
    """Indices of the first ion at each place of the smaller cell."""
    from pymatgen.core import Lattice

    lattice = Lattice(vectors)
    kept: list[int] = []
    for i, place in enumerate(fractional):
        kind = structure[i].species_string
        like = [k for k in kept if structure[k].species_string == kind]
        if not like or lattice.get_all_distances(place[None], fractional[like]).min() > 10 * SAME_SITE_A:
            kept.append(i)
    return kept


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
