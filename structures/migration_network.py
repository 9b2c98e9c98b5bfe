"""Vacancy hops between neighbouring lithium sites of lithium titanates and Li3PO4, named by their symmetry.

The cell is repeated until every lattice vector is at least 8.5 Å long, as in the other hosts, so that a vacancy
and its images stay apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import UnknownNameError
from cosinter.structures.crystals import resolve
from cosinter.structures.migration_path import (
    LithiumHop,
    MigrationPath,
    distinct_hops,
    hop_path,
    repeats_for_width,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]

WIDTH_A = 8.5
HOP_CUTOFF_A = {"Li2TiO3": 3.1, "Li3PO4_gamma": 3.3, "Li3PO4_beta": 3.2, "Li4Ti5O12": 3.7}
"""Longest vacancy hop looked at, Å: the first shell of lithium neighbours."""

_TETRAHEDRAL_LITHIUM_A = 2.2
"""The four oxygens of a tetrahedral (8a) lithium lie within this distance, Å, and no others."""

_PATHS = {
    "Li2TiO3": (*(f"in_plane_{n}" for n in range(1, 6)), "to_liti2_layer_1", "to_liti2_layer_2"),
    "Li3PO4_gamma": tuple(f"vacancy_{n}" for n in range(1, 7)),
    "Li3PO4_beta": tuple(f"vacancy_{n}" for n in range(1, 8)),
    "Li4Ti5O12": ("8a-16c-8a",),
}


def network_hop_names() -> dict[str, tuple[str, ...]]:
    """List the paths of every host of :func:`network_hop`; within a kind they are numbered by length."""
    return dict(_PATHS)


def network_hop(host: str, path: str | None = None, *, seed: int = 0) -> MigrationPath:
    """Set up a named lithium vacancy hop in Li2TiO3, Li4Ti5O12 or Li3PO4 (gamma or beta).

    - Li2TiO3: ``in_plane_1`` ... within the pure lithium layer, ``to_liti2_layer_1`` ... from there into LiTi2.
    - Li4Ti5O12: ``8a-16c-8a``, over the octahedral 16c site half way between two tetrahedral sites, in the
      ordered representative; of the pairs that differ by their octahedral (16d) neighbours the one is taken whose
      16c site has a share of lithium nearest to the average, one in six.
    - Li3PO4: ``vacancy_1`` ... all hops to first neighbours, by length.

    The first path is taken if none is named; ``seed`` orders Li4Ti5O12.

    Raises
    ------
    UnknownNameError
        Another host or path.
    """
    from cosinter.structures.named import build

    key = resolve(host)
    if key not in _PATHS:
        raise UnknownNameError("host of a lithium vacancy hop", host, _PATHS)
    name = _PATHS[key][0] if path is None else path
    if name not in _PATHS[key]:
        raise UnknownNameError(f"path in {key}", name, _PATHS[key])
    cell = build(host, seed=seed)
    found = _spinel_hop(cell) if key == "Li4Ti5O12" else _numbered(key, cell)[name]
    return _in_supercell(cell, found, key=key, name=name)


def _numbered(key: str, cell: Structure) -> dict[str, LithiumHop]:
    """Distinct hops by name: numbered by length within each kind."""
    names: dict[str, LithiumHop] = {}
    count: dict[str, int] = {}
    for hop in distinct_hops(cell, cutoff_A=HOP_CUTOFF_A[key]):
        kind = _titanate_kind(cell, hop) if key == "Li2TiO3" else "vacancy"
        if kind is not None:
            count[kind] = count.get(kind, 0) + 1
            names[f"{kind}_{count[kind]}"] = hop
    return names


def _titanate_kind(cell: Structure, hop: LithiumHop) -> str | None:
    """Kind of a hop in Li2TiO3 (C2/c): lithium layers at z = 0, 1/2, LiTi2 layers at z = 1/4, 3/4."""
    mixed = [abs((2.0 * cell[orbit].frac_coords[2]) % 1.0 - 0.5) < 0.25 for orbit in hop.orbits]
    if all(mixed):
        return None
    return "to_liti2_layer" if any(mixed) else "in_plane"


def _spinel_hop(cell: Structure) -> LithiumHop:
    """The 8a-8a pair whose 16c site has octahedral neighbours nearest to the average, the shortest of them."""
    pairs = [
        h for h in distinct_hops(cell, cutoff_A=HOP_CUTOFF_A["Li4Ti5O12"]) if _between_tetrahedra(cell, h)
    ]
    return min(
        pairs, key=lambda h: (abs(_lithium_share(cell, h) - 1.0 / 6.0), round(h.length_A, 3), h.orbits)
    )


def _between_tetrahedra(cell: Structure, hop: LithiumHop) -> bool:
    ends = (cell[hop.start].coords, cell[hop.start].coords + hop.step)
    return all(
        sum(n.specie.symbol == "O" for n in cell.get_sites_in_sphere(end, _TETRAHEDRAL_LITHIUM_A)) == 4
        and not _on_octahedral_site(cell, end)
        for end in ends
    )


def _on_octahedral_site(cell: Structure, place: FloatArray) -> bool:
    """Whether a place has another cation at the 16d-16d distance, a/sqrt(8) = 2.95 Å."""
    return any(
        n.specie.symbol != "O" and 0.1 < n.nn_distance < 3.2 for n in cell.get_sites_in_sphere(place, 3.3)
    )


def _lithium_share(cell: Structure, hop: LithiumHop) -> float:
    """Share of lithium among the six 16d cations around the 16c site half way of the hop."""
    middle = cell[hop.start].coords + hop.step / 2.0
    near = [
        n for n in cell.get_sites_in_sphere(middle, 3.2) if n.specie.symbol != "O" and n.nn_distance > 2.2
    ]
    return float(np.mean([n.specie.symbol == "Li" for n in near]))


def _in_supercell(cell: Structure, hop: LithiumHop, *, key: str, name: str) -> MigrationPath:
    wide = cell.copy()
    wide.make_supercell(repeats_for_width(cell, WIDTH_A))
    origin = cell[hop.start].coords
    start = _site_at(wide, origin)
    end = _site_at(wide, origin + hop.step)
    middle = wide.lattice.get_fractional_coords(origin + hop.step / 2.0)
    middle += wide[start].frac_coords - wide.lattice.get_fractional_coords(origin)
    found = hop_path(
        wide,
        start,
        hop.step,
        removed=(end,),
        via=middle if key == "Li4Ti5O12" else None,
        name=f"{key} {name}",
        note=f"lithium vacancy hop over {hop.length_A:.3f} Å between sites of the orbits {hop.orbits[0]} and"
        f" {hop.orbits[1]} of the unit cell",
    )
    return replace(found, host=key)


def _site_at(structure: Structure, place: FloatArray) -> int:
    lattice = structure.lattice
    distances = lattice.get_all_distances(lattice.get_fractional_coords(place), structure.frac_coords)[0]
    return int(np.argmin(distances))
