"""Cuts of a crystal along a plane: whole repeats, every termination, Tasker's types.

A cut is a whole number of repeats of :func:`cosinter.structures.geometry.oriented_cell`, so it always has the
crystal's composition, and it lies between two atomic planes. Strongly bound groups (phosphate, carbonate) stay
whole: they count as one ion at the height of their centre, so the cut need not be flat. Its dipole along the normal,

    mu = Σ q_i z_i   (e Å, formal charges),

divided by area and number of repeats is the charge that accumulates at the surfaces. Tasker
(doi:10.1088/0022-3719/12/22/036) sorts planes by it: type I has neutral planes, type II charged planes but a
cut without dipole, type III a dipole at this cut, whose field does not fall off with thickness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import StructureError
from cosinter.structures.geometry import Miller, OrientedCell, check_miller, oriented_cell
from cosinter.structures.hosts import CHARGE, EMPTY, Host
from cosinter.structures.matching import cells_of, compact_superlattice

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Tasker = Literal["I", "II", "III"]

ANCHOR = "anchor_A"
"""Site property of a cut: height that decides to which plane an ion belongs, Å."""

GROUPED = "grouped"
"""Site property of a cut: whether the ion belongs to a strongly bound group such as PO4."""

PLANE_TOLERANCE_A = 0.25
"""Ions that follow each other closer than this along the normal form one plane (pymatgen's default for the
terminations of interfaces)."""

POLARISATION_LIMIT = 1e-3
"""Dipole per area and repeat height, e/Å^2 (0.016 C/m^2), below which a slab counts as not polar; LiNiO2 (003) has 0.07."""

CHARGE_LIMIT = 1e-3
"""Charge of a plane per cell, e, below which it counts as neutral."""

CONTENT_TOLERANCE = 0.1 + 1e-9
BOND_REACH_A = 3.6
BOND_STRETCH = 1.25
"""A cation binds the oxygen within this times its shortest distance to oxygen."""

STRONG_BOND_VALENCE = 1.2
"""Anions bound at least this strongly (charge / coordination number; P-O 1.25, C-O 1.33) are never cut off."""


@dataclass(frozen=True)
class Cut:
    """One termination of a host along a plane, with ``layers`` repeats, before decoration.

    ``structure`` has c along the normal; ``step`` is the crystal's translation (Å) from below the slab to above it,
    ``shift`` the height of the cut as a fraction of the repeat, ``cut_valence_per_A2`` the strength (charge over
    coordination number) of the cation-anion bonds cut, per area of one surface. ``moved`` says which ions a
    reconstruction took to the other face ("" for none), ``moved_charge`` the size of their charge, e.
    """

    structure: Structure
    step: FloatArray
    shift: float
    label: str
    layers: int
    repeat_A: float
    tasker: Tasker
    dipole_eA: float
    cut_valence_per_A2: float
    moved: str = ""
    moved_charge: float = 0.0

    @property
    def polar(self) -> bool:
        """Whether the cut has a dipole that nothing has removed."""
        return self.tasker == "III" and not self.moved

    @property
    def rank(self) -> tuple[bool, float, float]:
        """What makes a cut better: no dipole, then weaker bonds cut, then ions of lower charge moved."""
        return self.polar, round(self.cut_valence_per_A2, 6), self.moved_charge

    @property
    def area(self) -> float:
        """Area of one face, Å²."""
        return float(self.structure.volume / self.structure.lattice.c)


def repeats_for(base: Host, miller: Miller, thickness_A: float, *, cells: int = 1) -> int:
    """Count the repeats that reach ``thickness_A`` (Å).

    With ``cells`` in the plane they also hold whole numbers of ions, and contents within 0.1 of the host's.
    """
    height = float(oriented(base, miller).cell.lattice.matrix[2, 2])
    repeats = max(1, ceil(thickness_A / height - 1e-6))
    while (repeats * cells) % base.unit or base.deviation(repeats * cells) > CONTENT_TOLERANCE:
        repeats += 1
    return repeats


def oriented(base: Host, miller: Miller) -> OrientedCell:
    """The host's oriented cell of a plane; remembered within the process, do not change it."""
    return _oriented(base.cell.to_json(), check_miller(miller))


@lru_cache(maxsize=64)
def _oriented(cell: str, miller: Miller) -> OrientedCell:
    from pymatgen.core import Structure

    return oriented_cell(Structure.from_str(cell, "json"), miller)


@dataclass(frozen=True)
class _Repeat:
    """One repeat of a plane's stacking: where its ions are and what must not be parted.

    ``places`` are fractional coordinates, whole groups, shape (n, 3); ``anchors`` the fractional height that decides
    on which side of a cut an ion falls; ``grouped`` ions of a strongly bound group; ``bonds`` rows of (cation, anion,
    repeats between the anion's image and its place, strength).
    """

    cell: Structure
    places: FloatArray
    anchors: FloatArray
    grouped: NDArray[np.bool_]
    bonds: list[tuple[int, int, int, float]]
    height: float
    area: float


def cuts(base: Host, miller: Miller, repeats: int, *, vacuum_A: float = 15.0) -> list[Cut]:
    """Cut a host between all its atomic planes, the weakest bonds first."""
    repeat = _repeat(oriented(base, miller).cell)
    planes = _planes(repeat)
    shifts = _shifts(repeat, planes)
    found = [_cut(repeat, planes, shift, repeats, vacuum_A) for shift in shifts]
    return sorted(found, key=lambda c: (round(c.cut_valence_per_A2, 6), c.shift))


def real_sites(cell: Structure) -> NDArray[np.bool_]:
    """Whether a site holds an ion (and is not one that decoration may fill), shape (n,)."""
    return np.array([site.species_string != EMPTY for site in cell])


def _repeat(cell: Structure) -> _Repeat:
    """Find the bonds of a cell and move strongly bound anions to their centre's image."""
    height = float(cell.lattice.matrix[2, 2])
    places = np.array(cell.frac_coords)
    states = np.array([float(getattr(site.specie, "oxi_state", 0.0) or 0.0) for site in cell])
    found: list[tuple[int, int, Any, float]] = []
    for i in map(int, np.flatnonzero((states > 0) & real_sites(cell))):
        near = [n for n in cell.get_neighbors(cell[i], BOND_REACH_A) if states[n.index] < 0]
        least = min((n.nn_distance for n in near), default=0.0)
        shell = [n for n in near if n.nn_distance <= BOND_STRETCH * least]
        found += [(i, int(n.index), np.array(n.frac_coords), float(states[i]) / len(shell)) for n in shell]
    anchors = places[:, 2].copy()
    grouped = np.zeros(len(cell), dtype=bool)
    for i, j, image, strength in found:
        if strength >= STRONG_BOND_VALENCE:
            places[j], anchors[j] = image, places[i, 2]
            grouped[[i, j]] = True
    bonds = [(i, j, round(float(image[2] - places[j, 2])), strength) for i, j, image, strength in found]
    return _Repeat(cell, places, anchors, grouped, bonds, height, float(cell.volume / height))


def _planes(repeat: _Repeat) -> list[NDArray[np.int64]]:
    """Ions of each atomic plane of one repeat, from the bottom up; heights are periodic."""
    real = np.flatnonzero(real_sites(repeat.cell))
    z = (repeat.anchors[real] % 1.0) * repeat.height
    order = np.argsort(z, kind="stable")
    gaps = np.diff(z[order], append=z[order][0] + repeat.height)
    ends = np.flatnonzero(gaps > PLANE_TOLERANCE_A)
    if not len(ends):
        return [real]
    start = int(ends[-1]) + 1
    after = np.sort((ends - start) % len(z))[:-1] + 1
    return [real[part] for part in np.split(np.roll(order, -start), after)]


def _shifts(repeat: _Repeat, planes: list[NDArray[np.int64]]) -> list[float]:
    """Heights between neighbouring planes, as fractions of the repeat."""
    shifts = []
    for below, above in zip(planes, [*planes[1:], planes[0]], strict=True):
        top, foot = _ends(repeat.anchors[below])[1], _ends(repeat.anchors[above])[0]
        shifts.append((top + 0.5 * (1.0 - (top - foot) % 1.0)) % 1.0)
    return sorted(shifts)


def _ends(z: FloatArray) -> tuple[float, float]:
    """Lowest and highest fraction of a plane that may lie across the cell's boundary."""
    offset = (z - z[0] + 0.5) % 1.0 - 0.5
    return float(z[0] + offset.min()), float(z[0] + offset.max())


def _cut(repeat: _Repeat, planes: list[NDArray[np.int64]], shift: float, repeats: int, vacuum: float) -> Cut:
    whole = np.floor(repeat.anchors - shift).astype(int)  # repeats to take off so that all lie above the cut
    broken = sum(strength for i, j, image, strength in repeat.bonds if whole[j] + image != whole[i])
    slab = _slab(repeat, whole, repeats, vacuum)
    dipole = normal_dipole(slab)
    q = charges(repeat.cell)
    neutral = all(abs(float(q[plane].sum())) < CHARGE_LIMIT for plane in planes)
    polar = abs(dipole) / (repeat.area * repeat.height * repeats) > POLARISATION_LIMIT
    return Cut(
        structure=slab,
        step=np.asarray(repeat.cell.lattice.matrix[2]) * repeats,
        shift=shift,
        label=termination_label(slab),
        layers=repeats,
        repeat_A=repeat.height,
        tasker="III" if polar else "I" if neutral else "II",
        dipole_eA=dipole,
        cut_valence_per_A2=float(broken / repeat.area),
    )


def _slab(repeat: _Repeat, whole: NDArray[np.int64], repeats: int, vacuum: float) -> Structure:
    """Stack repeats and set c along the normal; the lowest ion is at height 0."""
    from pymatgen.core import Lattice, Structure

    cell = repeat.cell
    one = repeat.places - np.outer(whole, [0.0, 0.0, 1.0])
    places = np.concatenate([one + np.array([0.0, 0.0, k]) for k in range(repeats)]) @ cell.lattice.matrix
    real = np.tile(real_sites(cell), repeats)
    floor = float(places[real, 2].min())
    places[:, 2] -= floor
    anchors = np.concatenate([repeat.anchors - whole + k for k in range(repeats)]) * repeat.height - floor
    matrix = cell.lattice.matrix.copy()
    matrix[2] = [0.0, 0.0, float(places[real, 2].max()) + vacuum]
    return Structure(
        Lattice(matrix),
        [site.species for site in cell] * repeats,
        places,
        coords_are_cartesian=True,
        site_properties={
            ANCHOR: anchors.tolist(),
            GROUPED: repeat.grouped.tolist() * repeats,
            **{name: list(values) * repeats for name, values in cell.site_properties.items()},
        },
    )


def wrapped_in_plane(structure: Structure) -> Structure:
    """Bring all ions into the cell along a and b; heights stay."""
    from pymatgen.core import Structure

    places = np.array(structure.frac_coords)
    places[:, :2] -= np.floor(places[:, :2] + 1e-8)
    return Structure(
        structure.lattice,
        [site.species for site in structure],
        places,
        site_properties=structure.site_properties,
    )


def charges(structure: Structure) -> FloatArray:
    """Charges of the ions, e, shape (n,): averages of a host's mixed sites, else formal charges."""
    if CHARGE in structure.site_properties:
        return np.array(structure.site_properties[CHARGE], dtype=float)
    return np.array([float(site.specie.oxi_state or 0.0) for site in structure])


def normal_dipole(slab: Structure) -> float:
    """Dipole of a neutral slab along c: Σ q z, e Å, z from the cell's floor."""
    return float(charges(slab) @ heights(slab))


def heights(slab: Structure) -> FloatArray:
    """Height of each ion of a slab whose c is along the normal, Å, shape (n,); not wrapped."""
    return np.asarray(slab.frac_coords[:, 2] * slab.lattice.c)


def face_plane(slab: Structure, *, top: bool) -> list[int]:
    """Ions of the outermost plane of a cut; those of a group count at the height of its centre."""
    z = np.array(slab.site_properties[ANCHOR], dtype=float)
    real = np.flatnonzero(real_sites(slab))
    order = real[np.argsort(-z[real] if top else z[real], kind="stable")]
    gaps = np.abs(np.diff(z[order]))
    ends = np.flatnonzero(gaps > PLANE_TOLERANCE_A)
    return [int(i) for i in (order[: ends[0] + 1] if len(ends) else order)]


def termination_label(slab: Structure) -> str:
    """Name the ions of the lowest and the highest plane of a cut, e.g. "Li|Ni"."""
    names = []
    for top in (False, True):
        ions = [slab[i].specie.symbol for i in face_plane(slab, top=top)]
        names.append("".join(f"{s}{ions.count(s)}" if ions.count(s) > 1 else s for s in sorted(set(ions))))
    return "|".join(names)


def widened(cut: Cut, cells: int) -> Cut:
    """Repeat a cut in its plane to ``cells`` surface cells, as compact as can be."""
    return (
        spread(cut, compact_superlattice(cut.structure.lattice.matrix[:2, :2], cells)) if cells > 1 else cut
    )


def spread(cut: Cut, rows: NDArray[np.int64]) -> Cut:
    """Repeat a cut in its plane by whole-number rows, shape (2, 2)."""
    return replace(
        cut, structure=in_plane_supercell(cut.structure, rows), dipole_eA=cut.dipole_eA * cells_of(rows)
    )


def in_plane_supercell(slab: Structure, rows: NDArray[np.int64]) -> Structure:
    """Repeat a slab in its plane by whole-number rows, shape (2, 2); heights stay as they are, not wrapped."""
    from pymatgen.core import Lattice, Structure

    matrix = slab.lattice.matrix.copy()
    count = cells_of(rows)
    span = np.arange(-int(np.abs(rows).sum()), int(np.abs(rows).sum()) + 1)
    steps = np.array([(i, j) for i in span for j in span])
    inside = steps @ np.linalg.inv(rows)
    steps = steps[np.all((inside > -1e-6) & (inside < 1.0 - 1e-6), axis=1)]
    places = np.concatenate([slab.cart_coords + step @ matrix[:2] for step in steps])
    matrix[:2] = rows @ matrix[:2]
    if len(steps) != count:
        raise StructureError(
            f"a surface cell of {count} repeats has {len(steps)} translations; take another plane"
        )
    return Structure(
        Lattice(matrix),
        [site.species for site in slab] * count,
        places,
        coords_are_cartesian=True,
        site_properties={name: list(values) * count for name, values in slab.site_properties.items()},
    )
