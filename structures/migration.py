"""End points of lithium hops in layered oxides and NASICON, for barrier calculations.

Neighbours are taken along lattice vectors, images included, never by the shortest distance between site
indices: in small cells three sites can look mutually adjacent through the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.structures.crystals import crystal

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Mechanism = Literal["divacancy", "single"]

SMALLEST_REPEAT = 4
NEIGHBOUR_TOLERANCE = 0.15
LAYER_HALF_THICKNESS_A = 0.8
HOST_GAP_A = 2.5


@dataclass(frozen=True)
class MigrationPath:
    """Two end points of a hop, site by site in the same order.

    Attributes
    ----------
    name
        Short label, e.g. ``"LiNiO2 divacancy"``.
    host
        Formula of the undisturbed crystal.
    initial, final
        The cells before and after the hop; the mobile ion has the same index in both, and its fractional
        coordinates are not wrapped, so that a straight interpolation follows the hop.
    mobile_index
        Index of the mobile ion.
    hop_length_A
        Straight distance between the end points, Å.
    vacancies
        Number of lithium ions taken out.
    net_charge
        Sum of formal charges, e: -1 per vacancy. The calculator has to compensate it.
    via
        Fractional coordinates of a site on the way (tetrahedral site, M2), or None for a straight path.
    note
        What was chosen, in one sentence.
    """

    name: str
    host: str
    initial: Structure
    final: Structure
    mobile_index: int
    hop_length_A: float
    vacancies: int
    net_charge: float
    via: tuple[float, float, float] | None
    note: str


def layered_hop(
    host: Structure | str, *, mechanism: Mechanism = "divacancy", lithium_index: int = 0, seed: int = 0
) -> MigrationPath:
    """Set up a lithium hop within the lithium layer of a layered oxide.

    - ``single``: straight through the O-O dumbbell into one vacancy.
    - ``divacancy``: into one vacancy of a pair, over the tetrahedral site between the three lithium sites.

    ``host`` is a formula (LiNiO2, LiCoO2, LiNi0.8Co0.1Mn0.1O2, ncm811 ...), built at least 4 x 4 wide, or a
    fully lithiated structure of that width. ``lithium_index`` counts the lithium ions of the host.

    Raises
    ------
    InputError
        Unknown mechanism, a cell less than 4 hops wide (names the smallest), no such lithium ion, or no
        lithium layer around it.
    CompositionError
        A formula that is not a fully lithiated layered oxide.
    """
    if mechanism not in ("divacancy", "single"):
        raise InputError(f"unknown hop mechanism '{mechanism}'; known: divacancy, single")
    structure = _wide_host(host, seed) if isinstance(host, str) else host.copy()
    start = _lithium_site(structure, lithium_index)
    vectors = _layer_neighbours(structure, start)
    index, step = vectors[0]
    formula = _label(structure)
    if mechanism == "single":
        return _path(
            structure,
            (start, index, step),
            removed=(index,),
            via=None,
            name=f"{formula} single vacancy",
            note="straight hop through the O-O dumbbell into one vacancy",
        )
    other, side = _third_site(vectors, formula)
    via = _tetrahedral_site(structure, start, step, side)
    return _path(
        structure,
        (start, index, step),
        removed=(index, other),
        via=via,
        name=f"{formula} divacancy",
        note="hop over the tetrahedral site between three lithium sites, two of them vacant",
    )


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
    formula = _label(structure)
    return _path(
        structure,
        (start, index, step),
        removed=(index,),
        via=via,
        name=f"{host.strip().upper()} M1-M2-M1",
        note=f"vacancy hop between neighbouring M1 sites over M2 in {formula}",
    )


def vacancy_hop(structure: Structure, *, start: int, step: FloatArray) -> MigrationPath:
    """Set up a straight vacancy hop of the lithium at index ``start`` by the vector ``step`` (Å, shape (3,)).

    Raises
    ------
    InputError
        No lithium at either end (within 0.5 Å), or the two ends are the same site of the cell.
    """
    ends = [structure[start]] if 0 <= start < len(structure) else []
    if not ends or ends[0].specie.symbol != "Li":
        raise InputError(f"site {start} is not lithium; choose a lithium site of 0 to {len(structure) - 1}")
    target = structure[start].coords + np.asarray(step, dtype=float)
    found = [n for n in structure.get_sites_in_sphere(target, 0.5) if n.specie.symbol == "Li"]
    if not found or found[0].index == start:
        raise InputError(
            f"no other lithium site lies within 0.5 Å of the end of the hop {np.round(step, 2).tolist()} Å;"
            " give the vector between two lithium sites, in a cell wide enough to tell them apart"
        )
    neighbour = min(found, key=lambda n: float(n.nn_distance))
    vector = np.asarray(neighbour.coords - structure[start].coords)
    formula = _label(structure)
    return _path(
        structure,
        (start, int(neighbour.index), vector),
        removed=(int(neighbour.index),),
        via=None,
        name=f"{formula} vacancy hop",
        note="straight hop between two lithium sites",
    )


def _path(
    structure: Structure,
    hop: tuple[int, int, FloatArray],
    *,
    removed: tuple[int, ...],
    via: FloatArray | None,
    name: str,
    note: str,
) -> MigrationPath:
    start, _, step = hop
    initial = structure.copy()
    initial.remove_sites(sorted(removed))
    mobile = start - sum(i < start for i in removed)
    final = initial.copy()
    target = initial[mobile].frac_coords + structure.lattice.get_fractional_coords(step)
    final.replace(mobile, initial[mobile].species, target, properties=dict(initial[mobile].properties))
    return MigrationPath(
        name=name,
        host=_label(structure),
        initial=initial,
        final=final,
        mobile_index=mobile,
        hop_length_A=float(np.linalg.norm(step)),
        vacancies=len(removed),
        net_charge=float(sum(getattr(site.specie, "oxi_state", 0.0) or 0.0 for site in initial)),
        via=None if via is None else (float(via[0]), float(via[1]), float(via[2])),
        note=note,
    )


def _label(structure: Structure) -> str:
    """Formula per two oxygens for a layered oxide, the reduced formula otherwise."""
    elements = structure.composition.element_composition
    if {el.symbol for el in elements} <= {"Li", "Ni", "Co", "Mn", "O"} and elements["O"]:
        amounts = ((el, 2.0 * elements[el] / elements["O"]) for el in ("Li", "Ni", "Co", "Mn", "O"))
        return "".join(f"{el}{'' if abs(n - 1.0) < 1e-9 else f'{n:.3g}'}" for el, n in amounts if n)
    return str(elements.reduced_formula)


def _wide_host(formula: str, seed: int) -> Structure:
    """Build a layered oxide by formula or name, at least 4 x 4 hexagonal cells wide."""
    from cosinter.structures.crystals import read_formula, resolve
    from cosinter.structures.layered import layered_contents, layered_oxide, smallest_supercell

    try:
        composition = read_formula(crystal(resolve(formula)).formula)
    except UnknownNameError:
        composition = read_formula(formula)
    found = layered_contents(composition)
    if found is None or abs(found[3] - 1.0) > 1e-3:
        raise CompositionError(
            f"'{formula}' is not a fully lithiated layered oxide; give Li(Ni,Co,Mn)O2, e.g. LiNi0.8Co0.1Mn0.1O2"
        )
    repeat = smallest_supercell(nickel=found[0], cobalt=found[1], manganese=found[2])
    units = repeat[0] * repeat[1]
    wide = [
        (a * b, a - b, (a, b, 1))
        for a, b in product(range(SMALLEST_REPEAT, SMALLEST_REPEAT + units + 1), repeat=2)
        if a >= b and (a * b) % units == 0
    ]
    return layered_oxide(
        nickel=found[0], cobalt=found[1], manganese=found[2], supercell=min(wide)[2], seed=seed
    )


def _lithium_site(structure: Structure, lithium_index: int) -> int:
    lithium = [i for i, site in enumerate(structure) if site.specie.symbol == "Li"]
    if not 0 <= lithium_index < len(lithium):
        raise InputError(f"lithium_index {lithium_index} lies outside 0 to {len(lithium) - 1}")
    return lithium[lithium_index]


def _layer_neighbours(structure: Structure, start: int) -> list[tuple[int, FloatArray]]:
    """Lithium neighbours within the layer: (index, vector in Å), shortest first, then by angle.

    The layer is the plane through the nearest lithium ions; the cell must be at least 4 hops wide in it.
    """
    origin = structure[start].coords
    near = [n for n in structure.get_neighbors(structure[start], 5.0) if n.specie.symbol == "Li"]
    if not near:
        raise InputError(
            "no other lithium ion lies within 5 Å of the chosen one; give a lithiated layered oxide"
        )
    shortest = min(float(n.nn_distance) for n in near)
    ring = [n for n in near if float(n.nn_distance) < (1.0 + NEIGHBOUR_TOLERANCE) * shortest]
    vectors = [(int(n.index), np.asarray(n.coords - origin)) for n in ring]
    if len(vectors) != 6 or np.linalg.svd(np.array([v for _, v in vectors]))[1][2] > LAYER_HALF_THICKNESS_A:
        raise InputError(
            f"the chosen lithium ion has {len(vectors)} lithium neighbours near {shortest:.2f} Å instead of six in a"
            " plane; give a fully lithiated layered oxide"
        )
    _check_width(structure, shortest)
    vectors.sort(
        key=lambda item: (round(float(np.arctan2(item[1][1], item[1][0])) % (2 * np.pi), 6), item[0])
    )
    return vectors


def _check_width(structure: Structure, hop: float) -> None:
    shifts = np.array([s for s in product((-1, 0, 1), repeat=3) if any(s)])
    width = float(np.min(np.linalg.norm(shifts @ structure.lattice.matrix, axis=1)))
    if width < (SMALLEST_REPEAT - 0.3) * hop:
        raise InputError(
            f"the cell is {width:.1f} Å wide, less than {SMALLEST_REPEAT} hops of {hop:.2f} Å;"
            f" repeat it to at least {SMALLEST_REPEAT} x {SMALLEST_REPEAT} lithium sites per layer"
        )


def _third_site(vectors: list[tuple[int, FloatArray]], formula: str) -> tuple[int, FloatArray]:
    """Neighbour that forms a triangle with the start and the first neighbour."""
    index, step = vectors[0]
    hop = float(np.linalg.norm(step))
    for other, side in vectors[1:]:
        if other != index and abs(float(np.linalg.norm(side - step)) - hop) < NEIGHBOUR_TOLERANCE * hop:
            return other, side
    raise InputError(f"no three neighbouring lithium sites of {formula} form a triangle; use layered_oxide")


def _tetrahedral_site(structure: Structure, start: int, first: FloatArray, second: FloatArray) -> FloatArray:
    """Fractional coordinates of the tetrahedral site over three lithium sites: the mean of its four oxygens."""
    centre = structure[start].coords + (first + second) / 3.0
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal)
    oxygen = [n for n in structure.get_sites_in_sphere(centre, 3.2) if n.specie.symbol == "O"]
    offsets = [np.asarray(n.coords - centre) for n in oxygen]
    apex = min(offsets, key=lambda v: float(np.linalg.norm(v - (v @ normal) * normal)))
    height = float(apex @ normal)
    return np.asarray(structure.lattice.get_fractional_coords(centre - 0.5 * height * normal))


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
