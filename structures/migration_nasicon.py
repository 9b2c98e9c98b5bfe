"""Lithium hops M1 - M2 - M1 in NASICON phosphates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.crystals import crystal
from cosinter.structures.migration_path import MigrationPath, hop_path, host_label

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]

HOST_GAP_A = 2.5
"""Shortest distance, Å, from the M2 position of a hop to a lithium ion that stays."""


def nasicon_hop(host: str = "ltp", *, seed: int = 0) -> MigrationPath:
    """Set up a lithium vacancy hop M1 -> M2 -> M1' in LiTi2(PO4)3 (``ltp``) or its Al-doped form (``latp``).

    ``via`` is the M2 position (18e, mean of the split 36f pair of data/crystals.yaml). In LATP the pair of M1
    sites is taken whose M2 position lies farthest from the lithium that stays.

    Raises
    ------
    UnknownNameError
        Another host.
    """
    from cosinter.structures.named import build

    if host.strip().lower() not in ("ltp", "latp"):
        raise UnknownNameError("NASICON host", host, ("ltp", "latp"))
    structure = build(host, seed=seed)
    start, index, step, via = _m1_pair(structure)
    return hop_path(
        structure,
        start,
        step,
        removed=(index,),
        via=via,
        name=f"{host.strip().upper()} M1-M2-M1",
        note=f"vacancy hop between neighbouring M1 sites over M2 in {host_label(structure)}",
    )


def _m1_pair(structure: Structure) -> tuple[int, int, FloatArray, FloatArray]:
    """Choose neighbouring M1 sites (start, end index, vector Å) and the M2 position between (fractional)."""
    halves = _m2_halves()
    lithium = [i for i, site in enumerate(structure) if site.specie.symbol == "Li"]
    m1 = [i for i in lithium if _is_m1(structure[i].frac_coords)]
    best: tuple[float, int, int, FloatArray, FloatArray] | None = None
    for start in m1:
        for n in structure.get_neighbors(structure[start], 6.4):
            if n.index not in m1 or n.index == start:
                continue
            step = np.asarray(n.coords - structure[start].coords)
            via = _nearest_m2(structure, halves, structure[start].frac_coords, step)
            others = [i for i in lithium if i not in (start, n.index)]
            gap = float(np.min(structure.lattice.get_all_distances(via, structure.frac_coords[others])))
            if best is None or gap > best[0] + 1e-3:
                best = (gap, start, int(n.index), step, via)
    if best is None or best[0] < HOST_GAP_A:
        raise InputError("every M2 position between two M1 sites is taken; use a host with less aluminium")
    return best[1:]


def _is_m1(fractional: FloatArray) -> bool:
    """Whether the site lies on 6b of R-3c: (0 0 0), (0 0 1/2) and their rhombohedral translations."""
    lattice_points = [(0.0, 0.0), (2.0 / 3.0, 1.0 / 3.0), (1.0 / 3.0, 2.0 / 3.0)]
    heights = [0.0, 1.0 / 3.0, 2.0 / 3.0]
    for (x, y), z in zip(lattice_points, heights, strict=True):
        for half in (0.0, 0.5):
            delta = np.asarray(fractional) - np.array([x, y, z + half])
            if np.max(np.abs(delta - np.round(delta))) < 0.02:
                return True
    return False


def _m2_halves() -> FloatArray:
    """Fractional coordinates of the 36f lithium sites of the LATP record, shape (36, 3)."""
    record = crystal("LATP").structure
    return np.array(
        [s.frac_coords for s in record if not s.is_ordered and any(ion.symbol == "Li" for ion in s.species)]
    )


def _nearest_m2(structure: Structure, halves: FloatArray, start: FloatArray, step: FloatArray) -> FloatArray:
    """M2 position (mean of the two halves) nearest to the middle of the hop, as an image near it."""
    middle = start + structure.lattice.get_fractional_coords(step) / 2.0
    images = halves - np.round(halves - middle)
    order = np.argsort(np.linalg.norm((images - middle) @ structure.lattice.matrix, axis=1))
    return np.asarray(images[order[:2]].mean(axis=0))
