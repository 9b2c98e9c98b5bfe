"""The cubic close packing of oxygen that layered, spinel and rock-salt oxides share: its octahedra and tetrahedra.

Places are fractions of a repeat of the hexagonal cell of the layered oxide (O3, R-3m, obverse axes): oxygen at
z = 1/4 and 3/4, octahedra of the lithium layers at 0, of the metal layers at 1/2, and the R centrings of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]

CENTRINGS = np.array([[0.0, 0.0, 0.0], [2 / 3, 1 / 3, 1 / 3], [1 / 3, 2 / 3, 2 / 3]])
IDEAL_RATIO = 2.0 * sqrt(6.0)
"""c/a of hexagonal axes on a cubic lattice."""

PLACE = 1e-3


@dataclass(frozen=True)
class Places:
    """Ideal places of a repeat of the hexagonal layered cell, fractional, and the ideal cubic lattice."""

    lattice: FloatArray
    metal_layer: FloatArray
    lithium_layer: FloatArray
    oxygen: FloatArray
    repeat: tuple[int, int]

    @classmethod
    def of(cls, layered: Structure, repeat: tuple[int, int]) -> Places:
        """Places of a repeat; the cubic lattice has the volume of ``layered``."""
        edge = (layered.volume / (repeat[0] * repeat[1]) / (sqrt(3.0) / 2.0 * IDEAL_RATIO)) ** (1.0 / 3.0)
        unit = edge * np.array([[1.0, 0.0, 0.0], [-0.5, sqrt(3.0) / 2.0, 0.0], [0.0, 0.0, IDEAL_RATIO]])
        oxygen = [[0.0, 0.0, 0.25], [0.0, 0.0, 0.75]]
        return cls(
            lattice=np.diag([repeat[0], repeat[1], 1]) @ unit,
            metal_layer=_repeated([[0.0, 0.0, 0.5]], repeat),
            lithium_layer=_repeated([[0.0, 0.0, 0.0]], repeat),
            oxygen=_repeated(oxygen, repeat),
            repeat=repeat,
        )

    @property
    def octahedra(self) -> FloatArray:
        """All octahedra, those of the metal layers first, shape (n, 3)."""
        return np.concatenate([self.metal_layer, self.lithium_layer])

    def distances(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Shortest distances between fractional places, Å, shape (len(first), len(second))."""
        from pymatgen.core import Lattice

        return np.asarray(Lattice(self.lattice).get_all_distances(first, second))


def _repeated(sites: Any, repeat: tuple[int, int]) -> FloatArray:
    """All places of R-centred ``sites`` in a repeat, fractions of the repeat in [0, 1), shape (n, 3)."""
    steps = np.array([[i, j, 0] for i in range(repeat[0]) for j in range(repeat[1])])
    every = (np.array(sites)[:, None, None] + CENTRINGS[None, :, None] + steps[None, None]).reshape(-1, 3)
    every /= np.array([*repeat, 1])
    return np.asarray(every - np.floor(every + 1e-9))


@lru_cache(maxsize=1)
def spinel_variants() -> tuple[tuple[FloatArray, FloatArray, FloatArray], ...]:
    """16d, 16c and 8a in a 2 x 2 layered cell, fractional, for each way to lay a spinel on the oxygen packing.

    The spinel Fd-3m (origin 2: 16d at 1/2 1/2 1/2, 16c at 0 0 0, 8a at 1/8 1/8 1/8, O at u = 1/4) is turned to
    hexagonal axes and shifted until its oxygen coincides with the layered cell's and 16d takes 3/4 of the metal layers.
    """
    from pymatgen.core import Lattice, Structure

    spinel = Structure.from_spacegroup(
        "Fd-3m:2",
        Lattice.cubic(1.0),
        ["Ni", "Co", "Li", "O"],
        [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.125, 0.125, 0.125], [0.25, 0.25, 0.25]],
    )
    oxygen, metal = (
        _repeated([[0.0, 0.0, 0.25], [0.0, 0.0, 0.75]], (2, 2)),
        _repeated([[0.0, 0.0, 0.5]], (2, 2)),
    )
    found: dict[tuple[tuple[float, ...], ...], tuple[FloatArray, FloatArray, FloatArray]] = {}
    for axes in ([[0.5, -0.5, 0], [0, 0.5, -0.5], [1, 1, 1]], [[0, -0.5, 0.5], [-0.5, 0.5, 0], [1, 1, 1]]):
        sites = {el: _hexagonal(spinel, el, np.array(axes)) for el in ("Ni", "Co", "Li", "O")}
        for target in oxygen:
            shift = target - sites["O"][0]
            if not _coincide(sites["O"] + shift, oxygen):
                continue
            taken = _keys(sites["Ni"] + shift)
            if 4 * len(taken & _keys(metal)) == 3 * len(metal):
                octahedra, empty, tetrahedra = (inside(sites[e] + shift) for e in ("Ni", "Co", "Li"))
                found.setdefault(tuple(sorted(taken)), (octahedra, empty, tetrahedra))
    if len(found) != 4:
        raise StructureError(
            f"{len(found)} positions of the spinel on the oxygen packing were found instead of 4"
        )
    return tuple(found[key] for key in sorted(found))


def _hexagonal(spinel: Structure, element: str, axes: FloatArray) -> FloatArray:
    """Fractional places of an element on hexagonal axes of a cubic cell, each once, shape (n, 3)."""
    cubic = np.array([site.frac_coords for site in spinel if site.specie.symbol == element])
    every = np.concatenate([cubic + s for s in product(range(-2, 3), repeat=3)]) @ np.linalg.inv(axes)
    return inside(every[np.all((every > -1e-6) & (every < 1 - 1e-6), axis=1)])


def inside(places: FloatArray) -> FloatArray:
    """Bring fractional places into the cell, those just below 0 to 0."""
    return np.asarray(places - np.floor(places + 1e-6))


def _keys(places: FloatArray) -> set[tuple[float, ...]]:
    return {tuple(np.round(p, 4) % 1.0) for p in inside(places)}


def _coincide(first: FloatArray, second: FloatArray) -> bool:
    return _keys(first) == _keys(second)


def tiled(sites: FloatArray, repeat: tuple[int, int]) -> FloatArray:
    """Places of a 2 x 2 cell in a larger repeat of even sides."""
    tiles = (repeat[0] // 2, repeat[1] // 2)
    steps = np.array([[i, j, 0] for i in range(tiles[0]) for j in range(tiles[1])])
    return np.asarray(((sites[:, None] + steps[None]) / np.array([*tiles, 1])).reshape(-1, 3))


def folded(shift: FloatArray) -> FloatArray:
    """Bring fractional differences to the nearest image."""
    return np.asarray(shift - np.round(shift))


def shortest(shift: FloatArray, matrix: FloatArray) -> FloatArray:
    """Turn fractional differences into those of the nearest images in a cell (rows, Å), shape (n, 3)."""
    images = np.array(list(product((-1, 0, 1), repeat=3)), dtype=float)
    every = folded(shift)[:, None] + images[None]
    lengths = np.round(np.linalg.norm(every @ matrix, axis=2), 6)
    return np.asarray(every[np.arange(len(shift)), np.argmin(lengths, axis=1)])


def in_metal_layer(structure: Structure) -> NDArray[np.bool_]:
    """Whether each atom lies nearer to the middle of a metal layer (z = 1/6, 1/2, 5/6) than of a lithium layer."""
    third = (structure.frac_coords[:, 2] * 3.0) % 1.0
    return np.asarray(np.abs(third - 0.5) < 0.25)


def oxygen_stacking(structure: Structure, repeat: tuple[int, int]) -> str:
    """Name the oxygen layers of a repeat of the hexagonal cell along c by their place in the plane.

    "ABCABC" or a rotation or reversal of it is cubic close packing; letters are in the order of first occurrence.
    """
    oxygen = np.array([site.frac_coords for site in structure if site.specie.symbol == "O"])
    names: dict[tuple[float, float], str] = {}
    text = ""
    for layer in range(6):
        here = oxygen[np.abs(folded(oxygen[:, 2] - (layer + 0.5) / 6.0)) < 1.0 / 12.0]
        places = {tuple(np.round((p[:2] * repeat) % 1.0 + 1e-9, 2) % 1.0) for p in here}
        if len(places) != 1 or len(here) != repeat[0] * repeat[1]:
            return text + "?"
        text += names.setdefault(places.pop(), "ABCDEF"[len(names)])
    return text


def short_range_order(neighbours: NDArray[np.bool_], chosen: NDArray[np.int64], total: int) -> float:
    """Warren-Cowley parameter of the first shell, 1 - P(metal next to other) / share of others."""
    inside = np.zeros(total, dtype=bool)
    inside[chosen] = True
    others = float(neighbours[inside][:, ~inside].sum()) / float(neighbours[inside].sum())
    return 1.0 - others / (1.0 - len(chosen) / total)
