"""Slabs of any crystal plane: stoichiometric, neutral, with the dipoles of polar ones removed where that can be done.

Cuts and Tasker's types: :mod:`cosinter.structures.cuts`. A cut of type III loses its dipole when the share

    f = mu / (n q d)

of the outermost plane (charge q, n repeats of height d, dipole mu) moves to the other face, where it continues
the crystal (Tasker, doi:10.1088/0022-3719/12/22/036). f = 1/2 for planes of alternating charge at equal
distances, e.g. half the lithium of a layered oxide's (003) face.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import gcd, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.cuts import (
    ANCHOR,
    GROUPED,
    POLARISATION_LIMIT,
    Cut,
    Tasker,
    charges,
    cuts,
    face_plane,
    heights,
    normal_dipole,
    real_sites,
    repeats_for,
    termination_label,
    widened,
    wrapped_in_plane,
)
from cosinter.structures.geometry import Miller, check_miller, without_spglib_notice
from cosinter.structures.hosts import CHARGE, PART, ROLE, Host, decorate, host

if TYPE_CHECKING:
    from pymatgen.core import Structure

CONTACT_LIMIT_A = 1.4
LARGEST_SURFACE_CELL = 4
ARRANGEMENTS = 6
SEED_STEP = 1009
SHARE_TOLERANCE = 0.02
MIXED_TOLERANCE = 0.1 + 1e-6


@dataclass(frozen=True)
class SurfaceSlab:
    """A stoichiometric, neutral slab with vacuum.

    Attributes
    ----------
    structure
        c is along the normal.
    formula, miller, termination
        Formula as built, plane, and the ions of the outermost planes (bottom|top).
    tasker
        Type of this cut of the crystal; "III" also when a reconstruction has removed the dipole.
    dipole_before_eA, dipole_eA
        Dipole along the normal as cut (average charges), and of the slab as returned, e Å per cell.
    polar
        Whether the slab as returned still has a dipole: its energy then depends on thickness.
    reconstructed, moved_charge
        What was moved, e.g. "1 of 2 Li+ per surface cell to the other face", or "" when nothing was; the size of
        the charge of one ion moved, e.
    area_A2, thickness_A, layers
        Area of one face, height from the lowest to the highest ion, number of repeats.
    symmetric
        Whether a symmetry turns the slab upside down, so that both faces are alike.
    cut_valence_per_A2
        Strength of the bonds cut per area of a face.
    min_distance_A
        Shortest distance between two ions.
    """

    structure: Structure
    formula: str
    miller: Miller
    termination: str
    tasker: Tasker
    dipole_before_eA: float
    dipole_eA: float
    polar: bool
    reconstructed: str
    moved_charge: float
    area_A2: float
    thickness_A: float
    layers: int
    symmetric: bool
    cut_valence_per_A2: float
    min_distance_A: float

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain JSON types, without the structure."""
        rest = {k: v for k, v in asdict(self).items() if k not in ("structure", "miller")}
        return {**rest, "miller": list(self.miller), "atoms": len(self.structure)}


def surface_slabs(
    material: Structure | str,
    miller: Miller,
    *,
    thickness_A: float = 10.0,
    vacuum_A: float = 15.0,
    surface_cells: int | None = None,
    reconstruct: bool = True,
    seed: int = 0,
) -> list[SurfaceSlab]:
    """Cut every termination of a plane, best first: not polar, then the weakest bonds cut, then ions of lower charge
    moved, then the fewest atoms.

    Parameters
    ----------
    material
        Structure with oxidation states, tabulated name, or layered oxide's formula (see
        :func:`cosinter.structures.hosts.host`); named mixed crystals are cut on their average lattice.
    miller
        Plane, in the axes of the conventional cell.
    thickness_A
        Least thickness; whole repeats are stacked until it is reached.
    vacuum_A
        Empty space above the slab.
    surface_cells
        Number of surface cells in the plane; by default the fewest that hold the exact composition (NASICON:
        the nearest sixth of Al). With another number, mixed sites get the nearest whole numbers of ions.
    reconstruct
        Move ions of the outermost plane across polar slabs (Tasker), where whole numbers in up to
        4 surface cells allow it.
    seed
        Decoration of mixed sites; ions are then exchanged, fewest first, until the arrangement adds no dipole.

    Raises
    ------
    InputError
        A plane or size that makes no sense.
    StructureError
        No termination passes the guards (composition, charge 0, contacts, number of layers).
    """
    _check_sizes(thickness_A, vacuum_A, surface_cells)
    base = host(material)
    repeats = repeats_for(base, miller, thickness_A, cells=surface_cells or base.exact_unit)
    cells = surface_cells or base.exact_unit // gcd(base.exact_unit, repeats)
    made: list[SurfaceSlab] = []
    problems: list[str] = []
    for cut in cuts(base, miller, repeats, vacuum_A=vacuum_A):
        try:
            made.append(_finished(base, check_miller(miller), widened(cut, cells), reconstruct, seed))
        except StructureError as error:
            problems.append(str(error))
    if not made:
        raise StructureError(
            f"no slab of {base.label} {miller} passes its guards: {'; '.join(sorted(set(problems)))}"
        )
    return sorted(
        made, key=lambda s: (s.polar, round(s.cut_valence_per_A2, 6), s.moved_charge, len(s.structure))
    )


def surface_slab(material: Structure | str, miller: Miller, **options: Any) -> SurfaceSlab:
    """Cut the best slab of a plane: the first of :func:`surface_slabs`, same options."""
    return surface_slabs(material, miller, **options)[0]


def _check_sizes(thickness: float, vacuum: float, cells: int | None) -> None:
    for name, value in (("thickness_A", thickness), ("vacuum_A", vacuum)):
        if not isfinite(value) or not 0.0 < value <= 200.0:
            raise InputError(f"{name} is {value!r}, allowed is a number above 0 up to 200 Å")
    if cells is not None and not 1 <= cells <= 50:
        raise InputError(f"surface_cells is {cells!r}, allowed is a whole number from 1 to 50")


def _finished(base: Host, miller: Miller, cut: Cut, reconstruct: bool, seed: int) -> SurfaceSlab:
    if cut.tasker == "III" and reconstruct:
        cut = _narrowest(cut, exact=base.family == "ordered")
    average = cut.structure
    limit = POLARISATION_LIMIT * cut.area * cut.repeat_A * cut.layers
    slab, formula = decorated_level(average, base, limit_eA=limit, seed=seed)
    area = float(slab.volume / slab.lattice.c)
    z = heights(slab)
    slab = wrapped_in_plane(slab)
    for name in (ANCHOR, GROUPED, ROLE, CHARGE):
        slab.remove_site_property(name)
    least = float((slab.distance_matrix + 1e3 * np.eye(len(slab))).min())
    _guard(base, slab, average, least, cut)
    return SurfaceSlab(
        structure=slab,
        formula=formula,
        miller=miller,
        termination=termination_label(average),
        tasker=cut.tasker,
        dipole_before_eA=round(cut.dipole_eA, 6) + 0.0,
        dipole_eA=round(normal_dipole(slab), 6) + 0.0,
        polar=bool(abs(normal_dipole(slab)) / (area * cut.repeat_A * cut.layers) > POLARISATION_LIMIT),
        reconstructed=cut.moved,
        moved_charge=cut.moved_charge,
        area_A2=area,
        thickness_A=float(z.max() - z.min()),
        layers=cut.layers,
        symmetric=turns_over(slab),
        cut_valence_per_A2=cut.cut_valence_per_A2,
        min_distance_A=least,
    )


def _guard(base: Host, slab: Structure, average: Structure, least: float, cut: Cut) -> None:
    """Refuse a slab with another composition, a charge, a close contact, or lost layers."""
    charge = float(charges(slab).sum())
    if abs(charge) > 1e-6:
        raise StructureError(f"the slab {cut.label} has charge {charge:+g}, it must be 0")
    same = average.composition.fractional_composition.almost_equals(
        base.cell.composition.fractional_composition
    )
    if not same:
        raise StructureError(f"the slab {cut.label} is not a whole number of {base.label}")
    if least < CONTACT_LIMIT_A:
        raise StructureError(
            f"two ions of the slab {cut.label} are {least:.2f} Å apart, at least 1.4 Å is needed"
        )
    top = float(heights(slab).max() - heights(slab).min())
    if not (cut.layers - 1) * cut.repeat_A - 1e-6 <= top <= (cut.layers + 1) * cut.repeat_A:
        raise StructureError(
            f"the slab {cut.label} is {top:.1f} Å thick with {cut.layers} repeats of {cut.repeat_A:.1f} Å"
        )


def turns_over(slab: Structure) -> bool:
    """Whether some symmetry of the slab exchanges its two faces."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    with without_spglib_notice():
        operations = SpacegroupAnalyzer(slab, symprec=0.01).get_symmetry_operations()
    return any(op.rotation_matrix[2, 2] < -0.5 for op in operations)


def _narrowest(cut: Cut, *, exact: bool) -> Cut:
    """Remove the dipole in the fewest surface cells; the cut itself if none fits."""
    for cells in range(1, LARGEST_SURFACE_CELL + 1):
        changed = without_dipole(widened(cut, cells), exact=exact)
        if changed.moved:
            return changed
    return cut


def without_dipole(cut: Cut, *, exact: bool = True) -> Cut:
    """Move part of an outermost plane across the cut so that the dipole vanishes.

    ``exact`` asks for a whole number of ions within 0.02; else within a tenth of the face, for cuts whose mixed
    sites can level the rest. Where no outermost plane of single ions of one kind fits, the cut comes back as it is.
    """
    thickness = cut.layers * cut.repeat_A
    for direction in (1.0, -1.0):
        face = face_plane(cut.structure, top=direction < 0)
        kinds = {cut.structure[i].species_string for i in face}
        if len(kinds) != 1 or any(cut.structure[i].properties[GROUPED] for i in face):
            continue
        share = -direction * cut.dipole_eA / (float(charges(cut.structure)[face].sum()) * thickness)
        number = round(share * len(face))
        tolerance = SHARE_TOLERANCE if exact else MIXED_TOLERANCE * len(face)
        if 0 < number < len(face) and abs(number - share * len(face)) <= tolerance:
            return _moved(cut, face, number, direction)
    return cut


def _moved(cut: Cut, face: list[int], number: int, direction: float) -> Cut:
    """Move ``number`` ions of a face by the crystal's own step to the other face."""
    from pymatgen.core import Lattice, Structure

    slab = cut.structure
    chosen = _apart(slab, face, number)
    places = slab.cart_coords.copy()
    places[chosen] += direction * cut.step
    real = real_sites(slab)
    vacuum = slab.lattice.c - float(heights(slab)[real].max() - heights(slab)[real].min())
    anchors = np.array(slab.site_properties[ANCHOR])
    anchors[chosen] += direction * cut.step[2]
    floor = places[real, 2].min()
    places[:, 2] -= floor
    matrix = slab.lattice.matrix.copy()
    matrix[2, 2] = float(places[real, 2].max()) + vacuum
    result = Structure(
        Lattice(matrix),
        [site.species for site in slab],
        places,
        coords_are_cartesian=True,
        site_properties={**slab.site_properties, ANCHOR: (anchors - floor).tolist()},
    )
    ion = slab[face[0]].species_string
    text = f"{number} of {len(face)} {ion} per surface cell to the other face"
    return replace(cut, structure=result, moved=text, moved_charge=abs(float(charges(slab)[face[0]])))


def _apart(slab: Structure, face: list[int], number: int) -> list[int]:
    """Choose ions of a face one after the other, each the farthest from those chosen."""
    chosen = [face[0]]
    while len(chosen) < number:
        left = [i for i in face if i not in chosen]
        chosen.append(max(left, key=lambda i: round(min(slab.get_distance(i, k) for k in chosen), 6)))
    return chosen


def decorated_level(
    average: Structure, base: Host, *, part: str | None = None, limit_eA: float, seed: int
) -> tuple[Structure, str]:
    """Decorate a slab, or the ``part`` "film" or "substrate" of an interface, and level its dipole.

    Up to 6 seeds are tried until the dipole is below ``limit_eA`` (e Å); the least is kept. Returns the whole
    structure and the formula reached.
    """
    tried = []
    for k in range(ARRANGEMENTS if base.family != "ordered" else 1):
        cell, formula = decorate(average, base, within=sites_of(average, part), seed=seed + SEED_STEP * k)
        inside = sites_of(cell, part)
        cell = _levelled(cell, limit_eA, inside)
        left = abs(float(charges(cell)[inside] @ heights(cell)[inside]))
        tried.append((round(left, 6), k, cell, formula))
        if left <= limit_eA:
            break
    _, _, best, label = min(tried, key=lambda item: item[:2])
    return best, label


def sites_of(structure: Structure, part: str | None) -> list[int]:
    """Indices of the ions of "film" or "substrate"; all of them for None."""
    return [i for i, site in enumerate(structure) if part is None or site.properties[PART] == part]


def _levelled(slab: Structure, limit: float, within: list[int]) -> Structure:
    """Exchange ions of like sites, the most helpful pair each time, until the dipole is below the limit (e Å).

    Only what the arrangement of mixed sites adds can be removed so; what is left is the cut's own.
    """
    result = slab.copy()
    part = np.array(within)
    z = heights(result)[part]
    roles = [result.site_properties[ROLE][i] for i in part]
    like = np.array([[a == b and a != "" for b in roles] for a in roles])
    while abs(dipole := float(charges(result)[part] @ z)) > limit:
        q = charges(result)[part]
        change = (q[:, None] - q[None, :]) * (z[None, :] - z[:, None])
        left = np.where(like, np.abs(dipole + change), np.inf)
        i, j = divmod(int(np.argmin(np.round(left, 6))), len(part))
        if left[i, j] >= abs(dipole) - 1e-6:
            break
        _exchange(result, int(part[i]), int(part[j]))
    return result


def _exchange(slab: Structure, i: int, j: int) -> None:
    ions = (slab[i].species, slab[j].species)
    marks = (dict(slab[i].properties), dict(slab[j].properties))
    slab.replace(i, ions[1], properties={**marks[0], CHARGE: marks[1][CHARGE]})
    slab.replace(j, ions[0], properties={**marks[1], CHARGE: marks[0][CHARGE]})
