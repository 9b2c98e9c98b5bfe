"""Common superlattices of two planes, by the algorithm of Zur and McGill (doi:10.1063/1.333084).

All superlattices of both planes up to an area are listed (Hermite normal forms), reduced, and compared. Unlike
pymatgen's ``ZSLGenerator``, which compares the two reduced cells vector by vector, every short basis of the film's
cell is tried, so that nearly degenerate cells are not missed; and the planes are those of primitive cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosinter.structures.geometry import planar, von_mises

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BASES = np.array(
    [
        [[a, b], [c, d]]
        for a, b, c, d in product((-1, 0, 1), repeat=4)
        if abs(a * d - b * c) == 1
        and (a, b) > (0, 0)  # (a, b) and its negative turn the plane by 180 degrees
    ]
)


@dataclass(frozen=True)
class LatticeMatch:
    """A common cell of two planes.

    ``film`` and ``substrate`` are whole-number rows, shape (2, 2), that turn each plane's vectors into the common
    cell; a film matrix of the other sign of determinant turns the film upside down. ``area_A2`` is the substrate's,
    ``strain_percent`` the film's von Mises strain, ``principal_percent`` its two principal strains.
    """

    film: IntArray
    substrate: IntArray
    area_A2: float
    strain_percent: float
    principal_percent: tuple[float, float]

    @property
    def largest_percent(self) -> float:
        """The larger of von Mises and principal strains, the number that limits are compared with."""
        return max(self.strain_percent, *(abs(x) for x in self.principal_percent))


def cells_of(rows: IntArray) -> int:
    """Count the cells that whole-number rows, shape (2, 2), put together."""
    return abs(round(float(np.linalg.det(rows))))


def superlattices(vectors: FloatArray, number: int) -> IntArray:
    """List the sublattices of index ``number`` of a plane as reduced whole-number rows, shape (k, 2, 2)."""
    found = []
    for i in (n for n in range(1, number + 1) if number % n == 0):
        found += [_shortened(np.array([[i, j], [0, number // i]]), vectors) for j in range(number // i)]
    return np.array(found)


def compact_superlattice(vectors: FloatArray, number: int) -> IntArray:
    """Find the sublattice of index ``number`` whose shortest vector is longest, then the other shortest, shape (2, 2)."""
    listed = superlattices(vectors, number)
    lengths = [np.round(np.linalg.norm(rows @ vectors, axis=1), 6) for rows in listed]
    best = max(range(len(listed)), key=lambda k: (lengths[k].min(), -lengths[k].max()))
    return np.asarray(listed[best])


def _shortened(rows: IntArray, vectors: FloatArray) -> IntArray:
    """Gauss-reduce a plane's basis: the shorter vector first, angle between 60 and 120 degrees, determinant positive."""
    rows = rows.copy()
    while True:
        first, second = rows @ vectors
        if second @ second < first @ first - 1e-9:
            rows = rows[::-1]
            continue
        steps = round(float(first @ second) / float(first @ first) - 1e-9)
        if steps == 0:
            return rows if np.linalg.det(rows) > 0 else rows * np.array([[1], [-1]])
        rows = np.array([rows[0], rows[1] - steps * rows[0]])


def lattice_matches(
    film: FloatArray, substrate: FloatArray, *, max_area_A2: float, max_strain_percent: float
) -> list[LatticeMatch]:
    """Find the common cells of two planes within the limits, by area, then strain.

    Parameters
    ----------
    film, substrate
        Two vectors of each plane, rows, Å, shape (2, 2).
    max_area_A2
        Largest area of the substrate's cell, Å².
    max_strain_percent
        Limit of :attr:`LatticeMatch.largest_percent`.

    Returns
    -------
    One match per area and strain (cells that differ only by a symmetry have both alike).
    """
    film, substrate = planar(film), planar(substrate)
    areas = (abs(float(np.linalg.det(film))), abs(float(np.linalg.det(substrate))))
    limit = max_strain_percent / 100.0
    listed: dict[int, IntArray] = {}
    distinct: dict[tuple[float, float], LatticeMatch] = {}
    for count in range(1, int(max_area_A2 / areas[1] + 1e-9) + 1):
        area = count * areas[1]
        least, most = (area / areas[0] / (1.0 + sign * limit) ** 2 for sign in (1.0, -1.0))
        for number in range(max(1, int(np.ceil(least))), int(most) + 1):
            if number not in listed:
                listed[number] = superlattices(film, number)
            for match in _compare(film, substrate, listed[number], superlattices(substrate, count), limit):
                key = (round(match.area_A2, 2), round(match.strain_percent, 3))
                distinct.setdefault(key, match)
    return [distinct[key] for key in sorted(distinct)]


def _compare(
    film: FloatArray, substrate: FloatArray, films: IntArray, substrates: IntArray, limit: float
) -> list[LatticeMatch]:
    """Strain of every basis of every film cell against every substrate cell; those within ``limit``, least first."""
    bases = (_BASES[:, None] @ films[None]).reshape(-1, 2, 2)
    inverse = np.linalg.inv(bases @ film)
    found = []
    for rows in substrates:
        gradient = inverse @ (rows @ substrate)  # rows: film cell @ gradient = substrate cell
        stretches = np.linalg.svd(gradient, compute_uv=False)
        for k in np.flatnonzero(np.abs(stretches - 1.0).max(axis=1) <= limit):
            cell = bases[k] @ film
            strain = 100.0 * von_mises(cell, rows @ substrate)
            if strain <= 100.0 * limit:
                principal = (100.0 * float(stretches[k, 1] - 1.0), 100.0 * float(stretches[k, 0] - 1.0))
                area = abs(float(np.linalg.det(rows @ substrate)))
                found.append(LatticeMatch(bases[k], rows, area, strain, principal))
    return sorted(found, key=lambda m: round(m.strain_percent, 6))


def nearest_match(film: FloatArray, substrate: FloatArray, *, max_area_A2: float) -> LatticeMatch | None:
    """Find the least-strained common cell with a generous limit of 30 %, for messages; None if there is none."""
    for strain in (8.0, 15.0, 30.0):
        found = lattice_matches(film, substrate, max_area_A2=max_area_A2, max_strain_percent=strain)
        if found:
            return min(found, key=lambda m: (round(m.largest_percent, 1), m.area_A2))
    return None


def pymatgen_match(match: LatticeMatch, film: FloatArray, substrate: FloatArray) -> Any:
    """The same match as pymatgen's ``ZSLMatch``, for an independent account of the strain; vectors shape (2, 3), Å."""
    from pymatgen.analysis.interfaces.zsl import ZSLMatch

    make: Any = ZSLMatch
    return make(
        film_sl_vectors=match.film @ film,
        substrate_sl_vectors=match.substrate @ substrate,
        film_vectors=film,
        substrate_vectors=substrate,
        film_transformation=match.film,
        substrate_transformation=match.substrate,
    )
