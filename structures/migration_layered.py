"""Hops in layered oxides: lithium within its layer, and nickel out of the metal layer into the lithium layer.

Neighbours are taken along lattice vectors, images included, never by the shortest distance between site
indices: in small cells three sites can look mutually adjacent through the boundary.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.structures.crystals import crystal, read_formula, resolve
from cosinter.structures.migration_path import (
    LAYERED_METALS,
    MigrationPath,
    hop_path,
    host_label,
    shortest_translation,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Mechanism = Literal["divacancy", "single"]
NickelStage = Literal["to_tetrahedral", "to_lithium_layer", "over_tetrahedral"]

SMALLEST_REPEAT = 4
SMALLEST_NICKEL_REPEAT = 3
"""Three hops wide, the vacant triangle of a nickel path and its image are still apart by a row of lithium."""

NEIGHBOUR_TOLERANCE = 0.15
LAYER_HALF_THICKNESS_A = 0.8
NEIGHBOUR_SEARCH_A = 5.0
FACE_SHARING_A = 2.3
"""A lithium site whose octahedron shares a face with the tetrahedron lies about 1.8 Å from its centre."""


def layered_hop(
    host: Structure | str,
    *,
    mechanism: Mechanism = "divacancy",
    lithium_index: int = 0,
    lithium: float | None = None,
    seed: int = 0,
) -> MigrationPath:
    """Set up a lithium hop within the lithium layer of a layered oxide.

    - ``single``: into one vacancy, at first straight through the O-O dumbbell. The relaxed band may bow off the
      line: with pmmcs in LiNiO2 the saddle lies beside the dumbbell (Li-O 1.82, 1.87, 2.10, 2.10 Å).
    - ``divacancy``: into one vacancy of a pair, over the tetrahedral site between the three lithium sites.

    ``host`` is a formula (LiNiO2, LiCoO2, LiNi0.8Co0.1Mn0.1O2, ncm811 ...), built at least 4 x 4 wide, or a
    fully lithiated structure of that width. ``lithium_index`` counts the lithium ions of the host.
    ``lithium`` is the content per metal of the cell of the hop (nearest whole number of ions): the further ions
    are taken one by one from where they are farthest from the hop and from one another.

    Raises
    ------
    InputError
        Unknown mechanism, a cell less than 4 hops wide (names the smallest), no such lithium ion, no
        lithium layer around it, or a lithium content that the cell of the hop cannot have.
    CompositionError
        A formula that is not a fully lithiated layered oxide.
    """
    if mechanism not in ("divacancy", "single"):
        raise InputError(f"unknown hop mechanism '{mechanism}'; known: divacancy, single")
    structure = _wide_host(host, SMALLEST_REPEAT, seed) if isinstance(host, str) else host.copy()
    start = _lithium_site(structure, lithium_index)
    vectors = _layer_neighbours(structure, start)
    index, step = vectors[0]
    formula = host_label(structure)
    if mechanism == "single":
        removed, via = [index], None
        note = "hop into one vacancy, laid straight through the O-O dumbbell; the relaxed band may bow off it"
    else:
        other, side = _third_site(vectors, formula)
        removed, via = [index, other], _tetrahedral_site(structure, start, step, side)
        note = "hop over the tetrahedral site between three lithium sites, two of them vacant"
    centre = structure[start].coords + step / 2.0
    removed += _further_vacancies(structure, removed, kept=start, centre=centre, lithium=lithium)
    return hop_path(
        structure, start, step, removed=removed, via=via, name=f"{formula} {mechanism}", note=note
    )


def nickel_hop(
    host: Structure | str,
    *,
    stage: NickelStage = "to_tetrahedral",
    nickel_index: int = 0,
    lithium: float | None = None,
    seed: int = 0,
) -> MigrationPath:
    """Set up the way of nickel from the metal layer into the lithium layer, or one of its two hops.

    - ``to_tetrahedral``: from its octahedron through the shared face into the tetrahedron of the lithium layer.
    - ``to_lithium_layer``: from there through another face into an octahedral lithium site.
    - ``over_tetrahedral``: both in one band, for a calculator in which the tetrahedral site is no minimum.

    The tetrahedron shares its three other faces with lithium octahedra, which have to be vacant: three lithium
    ions are taken out. This is the first step from the layered to the spinel and rock-salt structures. ``host``,
    ``lithium`` and ``seed`` are those of :func:`layered_hop`; ``nickel_index`` counts the nickel ions of the host,
    and a structure must be at least 3 hops wide.

    Raises
    ------
    InputError
        Unknown stage, a host without such a nickel ion or without a lithium layer, a cell that is too small, or a
        lithium content that the cell of the hop cannot have.
    CompositionError
        A formula that is not a fully lithiated layered oxide.
    """
    if stage not in get_args(NickelStage):
        raise InputError(f"unknown stage '{stage}'; known: {', '.join(get_args(NickelStage))}")
    structure = _wide_host(host, SMALLEST_REPEAT, seed) if isinstance(host, str) else host.copy()
    nickel = [i for i, site in enumerate(structure) if site.specie.symbol == "Ni"]
    if not 0 <= nickel_index < len(nickel):
        raise InputError(
            f"nickel_index {nickel_index}: {host_label(structure)} has {len(nickel)} nickel ions, counted from 0"
        )
    start = nickel[nickel_index]
    rise, triangle = _tetrahedron_above(structure, start)
    removed, end = [index for index, _ in triangle], triangle[0][1]
    centre = structure[start].coords + rise
    removed += _further_vacancies(structure, removed, kept=start, centre=centre, lithium=lithium)
    middle = structure.lattice.get_fractional_coords(centre)
    step, offset, via, note = {
        "to_tetrahedral": (rise, None, None, "nickel into the face-sharing tetrahedron of the lithium layer"),
        "to_lithium_layer": (
            end - rise,
            rise,
            None,
            "nickel from that tetrahedron into a lithium octahedron",
        ),
        "over_tetrahedral": (end, None, middle, "nickel over the tetrahedron into a lithium octahedron"),
    }[stage]
    return hop_path(
        structure,
        start,
        step,
        removed=removed,
        offset=offset,
        via=via,
        name=f"{host_label(structure)} Ni {stage.replace('_', ' ')}",
        note=f"{note}, the three lithium sites around the tetrahedron vacant",
    )


def _further_vacancies(
    structure: Structure, removed: list[int], *, kept: int, centre: FloatArray, lithium: float | None
) -> list[int]:
    """Lithium ions to take out besides ``removed`` to reach ``lithium`` per metal: farthest from the hop first."""
    if lithium is None:
        return []
    metals = sum(site.specie.symbol in LAYERED_METALS for site in structure)
    free = [i for i, s in enumerate(structure) if s.specie.symbol == "Li" and i not in (*removed, kept)]
    stays = int(structure[kept].specie.symbol == "Li")
    highest = len(free) + stays
    number = highest - round(lithium * metals)
    if not 0 <= number <= len(free):
        raise InputError(
            f"lithium content {lithium:g} per metal cannot be had: with the vacancies of the hop this cell of "
            f"{metals} metals holds {stays / metals:.3g} to {highest / metals:.3g}"
        )
    lattice = structure.lattice
    coords = structure.frac_coords[free]
    gap = lattice.get_all_distances(coords, [lattice.get_fractional_coords(centre)])[:, 0]
    if removed:
        gap = np.minimum(gap, lattice.get_all_distances(coords, structure.frac_coords[removed]).min(axis=1))
    chosen: list[int] = []
    for _ in range(number):
        pick = int(np.argmax(np.round(gap, 6)))
        chosen.append(free[pick])
        gap = np.minimum(gap, lattice.get_all_distances(coords, coords[pick])[:, 0])
        gap[[free.index(i) for i in chosen]] = -1.0
    return chosen


def _wide_host(formula: str, width: int, seed: int) -> Structure:
    """Build a layered oxide by formula or name, at least ``width`` x ``width`` hexagonal cells wide."""
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
        for a, b in product(range(width, width + units + 1), repeat=2)
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
    near = [n for n in _neighbours(structure, start) if n.specie.symbol == "Li"]
    if not near:
        raise InputError(
            "no other lithium ion lies within 5 Å of the chosen one; give a lithiated layered oxide"
        )
    vectors, shortest = _nearest_shell(structure, start, near)
    if len(vectors) != 6 or np.linalg.svd(np.array([v for _, v in vectors]))[1][2] > LAYER_HALF_THICKNESS_A:
        raise InputError(
            f"the chosen lithium ion has {len(vectors)} lithium neighbours near {shortest:.2f} Å instead of six in a"
            " plane; give a fully lithiated layered oxide"
        )
    _check_width(structure, shortest, SMALLEST_REPEAT)
    vectors.sort(
        key=lambda item: (round(float(np.arctan2(item[1][1], item[1][0])) % (2 * np.pi), 6), item[0])
    )
    return vectors


def _neighbours(structure: Structure, index: int) -> list[Any]:
    return list(structure.get_neighbors(structure[index], NEIGHBOUR_SEARCH_A))


def _nearest_shell(
    structure: Structure, start: int, near: list[Any]
) -> tuple[list[tuple[int, FloatArray]], float]:
    """The nearest of ``near``, (index, vector in Å), and the shortest distance."""
    shortest = min(float(n.nn_distance) for n in near)
    ring = [n for n in near if float(n.nn_distance) < (1.0 + NEIGHBOUR_TOLERANCE) * shortest]
    return [(int(n.index), np.asarray(n.coords - structure[start].coords)) for n in ring], shortest


def _check_width(structure: Structure, hop: float, hops: int) -> None:
    width = shortest_translation(structure)
    if width < (hops - 0.3) * hop:
        raise InputError(
            f"the cell is {width:.1f} Å wide, less than {hops} hops of {hop:.2f} Å;"
            f" repeat it to at least {hops} x {hops} lithium sites per layer"
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


def _tetrahedron_above(structure: Structure, start: int) -> tuple[FloatArray, list[tuple[int, FloatArray]]]:
    """Centre of the tetrahedron of the lithium layer over a metal, and its three lithium octahedra.

    Vectors in Å from the metal; the centre is the mean of the four oxygens: three of the metal's own and the
    one straight above it, across the lithium layer.
    """
    near = _neighbours(structure, start)
    origin = structure[start].coords
    metals = [n for n in near if n.specie.symbol in LAYERED_METALS]
    ring, hop = _nearest_shell(structure, start, metals) if metals else ([], np.inf)
    if len(ring) != 6:
        raise InputError(
            f"the chosen nickel ion has {len(ring)} metal neighbours in its layer instead of six; give a layered oxide"
        )
    _check_width(structure, hop, SMALLEST_NICKEL_REPEAT)
    normal = np.linalg.svd(np.array([v for _, v in ring]))[2][2]
    normal *= np.sign(normal[np.argmax(np.abs(normal))])
    oxygen = [
        np.asarray(n.coords - origin)
        for n in near
        if n.specie.symbol == "O" and (n.coords - origin) @ normal > 0
    ]
    oxygen.sort(key=lambda v: float(np.linalg.norm(v)))
    apex = min(oxygen[3:], key=lambda v: float(np.linalg.norm(v - (v @ normal) * normal)))
    rise = np.mean([*oxygen[:3], apex], axis=0)
    triangle = [
        (int(n.index), np.asarray(n.coords - origin))
        for n in near
        if n.specie.symbol == "Li" and np.linalg.norm(n.coords - origin - rise) < FACE_SHARING_A
    ]
    if len({index for index, _ in triangle}) != 3:
        raise InputError(
            f"the tetrahedron over the chosen nickel ion touches {len(triangle)} lithium sites instead of three; "
            "give a fully lithiated layered oxide"
        )
    return np.asarray(rise), sorted(triangle, key=lambda item: item[0])
