"""Layered -> spinel -> rock salt of one composition on one oxygen lattice: which atom goes where.

The three share a cubic close packing of oxygen; only cations move. In a layered oxide (O3, R-3m) the metals fill
every second layer of octahedra. In the spinel of the same packing they fill 16d: 3/4 of the octahedra of the metal
layers and 1/4 of those of the lithium layers, so a quarter of the metals crosses over (the transformation of Li0.5NiO2
computed by Komurcuoglu, West and Urban, arXiv:2403.02520). In the rock salt metals, lithium and vacancies
share all octahedra. A 2 x 2 repeat of the hexagonal layered cell is one hexagonal cell of the spinel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import CompositionError, InputError, StructureError
from cosinter.structures.geometry import without_spglib_notice
from cosinter.structures.layered import METALS, layered_oxide, smallest_supercell
from cosinter.structures.packing import (
    PLACE,
    Places,
    folded,
    in_metal_layer,
    inside,
    oxygen_stacking,
    short_range_order,
    shortest,
    spinel_variants,
    tiled,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Name = Literal["layered", "spinel", "rock_salt"]
Moves = Literal["fewest", "shortest"]

LARGEST_REPEAT = 12
DRAWS = 200


@dataclass(frozen=True)
class Transformation:
    """What moves between two structures of the map.

    Attributes
    ----------
    displacements_A
        Shortest displacement of every atom, Å, shape (n, 3), in the mean of the two cells.
    to_lithium_layer, to_metal_layer
        Indices of metals that leave the metal layers, and of lithium that enters them.
    mean_A, largest_A
        Mean over all cations that move (more than 0.5 Å), and largest displacement.
    """

    displacements_A: FloatArray
    to_lithium_layer: tuple[int, ...]
    to_metal_layer: tuple[int, ...]
    mean_A: float
    largest_A: float

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain JSON types."""
        return {
            "displacements_A": self.displacements_A.tolist(),
            "to_lithium_layer": list(self.to_lithium_layer),
            "to_metal_layer": list(self.to_metal_layer),
            "mean_A": self.mean_A,
            "largest_A": self.largest_A,
        }


@dataclass(frozen=True)
class TopotacticMap:
    """Three structures with the same atoms in the same order, and what moves between them.

    Attributes
    ----------
    layered, spinel, rock_salt
        Atom i is the same atom in each. The layered cell has its own lattice; the others have the ideal cubic one of
        the same volume, on hexagonal axes. Oxidation states are those of the layered oxide.
    layered_to_spinel, spinel_to_rock_salt, layered_to_rock_salt
        Displacements.
    lithium_sites
        Where the spinel's lithium is: "8a" up to 1/2 Li per metal (LiM2O4 is full), else "16c" (Li2M2O4 is full):
        neighbouring 8a and 16c share faces and are not filled together.
    spinel_framework
        Space group of the spinel's metals (taken alike) and oxygen.
    """

    layered: Structure
    spinel: Structure
    rock_salt: Structure
    layered_to_spinel: Transformation
    spinel_to_rock_salt: Transformation
    layered_to_rock_salt: Transformation
    lithium_sites: Literal["8a", "16c"]
    spinel_framework: str

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain JSON types, without the structures."""
        steps = ("layered_to_spinel", "spinel_to_rock_salt", "layered_to_rock_salt")
        return {
            "formula": self.layered.composition.element_composition.reduced_formula,
            "atoms": len(self.layered),
            "lithium_sites": self.lithium_sites,
            "spinel_framework": self.spinel_framework,
            **{name: getattr(self, name).to_dict() for name in steps},
        }


def topotactic_map(
    *,
    nickel: float,
    cobalt: float,
    manganese: float,
    lithium: float = 1.0,
    moves: Moves = "fewest",
    seed: int = 0,
) -> TopotacticMap:
    """Map a layered oxide Li_x M O2 to its spinel and its rock salt, atom by atom.

    Contents are moles per formula unit, as in :func:`cosinter.structures.layered.layered_oxide`; the cell is the
    smallest repeat with even a and b that holds them. Cations go to the places for which the total cost is least (linear
    assignment). With ``moves="fewest"`` the cost is the distance: a quarter of the metals moves into the lithium
    layers, over 1.41 times the distance of neighbouring octahedra, because the octahedra that 16d leaves empty in the
    metal layers have none of 16d beside them in the lithium layers. With "shortest" it is the cube of the distance:
    twice as many metals move, each between neighbouring octahedra, which are the steps to build hops from. Of the
    spinel's four positions on the layered oxide the one with the least cost, then with most nickel among the metals
    that move, is taken. The rock salt's cations are a random
    arrangement (``seed``), of 200 the one with the least short-range order.

    Raises
    ------
    CompositionError
        Contents that no repeat up to 12 holds.
    StructureError
        A guard fails: oxygen not cubic close packed, metals not 3/4 : 1/4, framework not Fd-3m, charge not 0.
    """
    repeat = _even_repeat(nickel, cobalt, manganese, lithium)
    layered = layered_oxide(
        nickel=nickel, cobalt=cobalt, manganese=manganese, lithium=lithium, supercell=repeat, seed=seed
    )
    kinds = np.array([_kind(site.specie.symbol) for site in layered])
    places = Places.of(layered, (repeat[0], repeat[1]))
    if moves not in _POWERS:
        raise InputError(f"moves is {moves!r}, allowed is {' or '.join(_POWERS)}")
    ideal = _ideal_places(layered, kinds, places)
    spinel = _spinel_places(layered, ideal, kinds, places, _POWERS[moves])
    salt = _rock_salt_places(ideal, kinds, places, seed)
    cells = {
        "layered": layered,
        "spinel": _with_places(layered, places.lattice, spinel),
        "rock_salt": _with_places(layered, places.lattice, salt),
    }
    _guard(cells, kinds, (repeat[0], repeat[1]))
    steps = [_between(cells[a], cells[b], kinds) for a, b in _STEPS]
    number = int(np.sum(kinds == "lithium")), int(np.sum(kinds == "metal"))
    return TopotacticMap(
        layered=layered,
        spinel=cells["spinel"],
        rock_salt=cells["rock_salt"],
        layered_to_spinel=steps[0],
        spinel_to_rock_salt=steps[1],
        layered_to_rock_salt=steps[2],
        lithium_sites=_lithium_sites(*number),
        spinel_framework=_framework(cells["spinel"], kinds),
    )


_POWERS: dict[str, int] = {"fewest": 1, "shortest": 3}
_STEPS: tuple[tuple[Name, Name], ...] = (
    ("layered", "spinel"),
    ("spinel", "rock_salt"),
    ("layered", "rock_salt"),
)


def path_between(first: Structure, second: Structure, *, images: int) -> list[Structure]:
    """Interpolate cell and positions between two structures of a map, ends included, shortest way for every atom.

    Raises
    ------
    InputError
        Fewer than 2 images, or structures whose atoms differ.
    """
    from pymatgen.core import Lattice, Structure

    if images < 2:
        raise InputError(f"images is {images}, allowed is 2 or more")
    if [s.species_string for s in first] != [s.species_string for s in second]:
        raise InputError(
            "the two structures do not hold the same atoms in the same order; take both from one map"
        )
    start, end = first.lattice.matrix, second.lattice.matrix
    shift = shortest(second.frac_coords - first.frac_coords, (start + end) / 2.0)
    return [
        Structure(Lattice((1 - t) * start + t * end), first.species, first.frac_coords + t * shift)
        for t in np.linspace(0.0, 1.0, images)
    ]


def _kind(symbol: str) -> str:
    return "metal" if symbol in METALS else {"Li": "lithium", "O": "oxygen"}[symbol]


def _even_repeat(nickel: float, cobalt: float, manganese: float, lithium: float) -> tuple[int, int, int]:
    na, nb, _ = smallest_supercell(nickel=nickel, cobalt=cobalt, manganese=manganese, lithium=lithium)
    pairs = [
        (a * b, a, b)
        for a, b in product(range(2, LARGEST_REPEAT + 1, 2), repeat=2)
        if a >= b and (a * b) % (na * nb) == 0
    ]
    if not pairs:
        raise CompositionError(
            f"contents with the common denominator {na * nb} need more than {LARGEST_REPEAT} x {LARGEST_REPEAT} cells;"
            " take simpler fractions"
        )
    _, a, b = min(pairs, key=lambda p: (p[0], p[1] - p[2]))
    return a, b, 1


def _lithium_sites(lithium: int, metals: int) -> Literal["8a", "16c"]:
    return "8a" if 2 * lithium <= metals else "16c"


def _spinel_places(
    layered: Structure, ideal: FloatArray, kinds: NDArray[np.str_], places: Places, power: int
) -> FloatArray:
    """Fractional place of every atom in the spinel."""
    which = _lithium_sites(int(np.sum(kinds == "lithium")), int(np.sum(kinds == "metal")))
    best: tuple[tuple[float, int], FloatArray] | None = None
    for octahedra, empty, tetrahedra in spinel_variants():
        targets = {"metal": octahedra, "lithium": tetrahedra if which == "8a" else empty}
        result, total = ideal.copy(), 0.0
        for kind, sites in targets.items():
            atoms = np.flatnonzero(kinds == kind)
            result[atoms], distance = _assigned(ideal[atoms], tiled(sites, places.repeat), places, power)
            total += distance
        moved = np.flatnonzero((kinds == "metal") & (np.abs(folded(result - ideal)).max(axis=1) > PLACE))
        nickel = sum(layered[int(i)].specie.symbol == "Ni" for i in moved)
        if best is None or (round(total, 4), -nickel) < best[0]:
            best = ((round(total, 4), -nickel), result)
    assert best is not None
    return best[1]


def _ideal_places(layered: Structure, kinds: NDArray[np.str_], places: Places) -> FloatArray:
    """The ideal place of every atom of the layered cell (only oxygen is off it, along c)."""
    result = np.array(layered.frac_coords)
    for kind, sites in (
        ("oxygen", places.oxygen),
        ("metal", places.metal_layer),
        ("lithium", places.lithium_layer),
    ):
        atoms = np.flatnonzero(kinds == kind)
        result[atoms], _ = _assigned(result[atoms], sites, places)
    return result


def _assigned(
    atoms: FloatArray, sites: FloatArray, places: Places, power: int = 1
) -> tuple[FloatArray, float]:
    """Send every atom to a site so that the sum of distances to ``power`` is least; returns places and that sum."""
    from scipy.optimize import linear_sum_assignment

    if not len(atoms):
        return atoms, 0.0
    cost = places.distances(atoms, sites) ** power
    rows, columns = linear_sum_assignment(cost)
    return sites[columns[np.argsort(rows)]], float(cost[rows, columns].sum())


def _rock_salt_places(ideal: FloatArray, kinds: NDArray[np.str_], places: Places, seed: int) -> FloatArray:
    """Fractional place of every atom in the disordered rock salt."""
    metal, lithium = np.flatnonzero(kinds == "metal"), np.flatnonzero(kinds == "lithium")
    sites = places.octahedra
    near = places.distances(sites, sites)
    neighbours = (near > PLACE) & (near < 1.1 * np.min(near[near > PLACE]))
    rng = np.random.default_rng(seed)
    draws = [rng.permutation(len(sites)) for _ in range(DRAWS)]
    order = min(draws, key=lambda d: abs(short_range_order(neighbours, d[: len(metal)], len(sites))))
    result = ideal.copy()
    result[metal], _ = _assigned(ideal[metal], sites[order[: len(metal)]], places)
    chosen = sites[order[len(metal) : len(metal) + len(lithium)]]
    result[lithium], _ = _assigned(ideal[lithium], chosen, places)
    return result


def _with_places(layered: Structure, matrix: FloatArray, places: FloatArray) -> Structure:
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(matrix), layered.species, inside(places))


def _between(first: Structure, second: Structure, kinds: NDArray[np.str_]) -> Transformation:
    """Displacements between two structures, and which cations change layers."""
    mean = (first.lattice.matrix + second.lattice.matrix) / 2.0
    displacements = shortest(second.frac_coords - first.frac_coords, mean) @ mean
    lengths = np.linalg.norm(displacements, axis=1)
    before, after = in_metal_layer(first), in_metal_layer(second)
    moved = lengths[(kinds != "oxygen") & (lengths > 0.5)]
    crossing = np.flatnonzero((kinds == "metal") & before & ~after)
    entering = np.flatnonzero((kinds == "lithium") & ~before & after)
    return Transformation(
        displacements_A=displacements,
        to_lithium_layer=tuple(int(i) for i in crossing),
        to_metal_layer=tuple(int(i) for i in entering),
        mean_A=float(moved.mean()) if len(moved) else 0.0,
        largest_A=float(lengths.max()),
    )


def _guard(cells: dict[str, Structure], kinds: NDArray[np.str_], repeat: tuple[int, int]) -> None:
    """Check packing, metal layers, charge and contacts of all three structures."""
    metals = kinds == "metal"
    for name, cell in cells.items():
        stacking = oxygen_stacking(cell, repeat)
        if stacking != "ABCABC":
            raise StructureError(f"oxygen of the {name} structure is stacked {stacking}, it must be ABCABC")
        charge = sum(float(site.specie.oxi_state or 0.0) for site in cell)
        if abs(charge) > 1e-6:
            raise StructureError(f"the {name} structure has charge {charge:+g}, it must be 0")
        least = float((cell.distance_matrix + 1e3 * np.eye(len(cell))).min())
        if least < 1.5:
            raise StructureError(
                f"two atoms of the {name} structure are {least:.2f} Å apart, at least 1.5 Å is needed"
            )
    share = float(in_metal_layer(cells["spinel"])[metals].mean())
    if abs(share - 0.75) > 1e-9:
        raise StructureError(f"{share:.3f} of the spinel's metals are in the metal layers, it must be 3/4")


def _framework(spinel: Structure, kinds: NDArray[np.str_]) -> str:
    """Space group of metals, taken alike, and oxygen."""
    from pymatgen.core import Structure
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    kept = [i for i, kind in enumerate(kinds) if kind != "lithium"]
    plain = Structure(
        spinel.lattice, ["Ni" if kinds[i] == "metal" else "O" for i in kept], spinel.frac_coords[kept]
    )
    with without_spglib_notice():
        symbol = str(SpacegroupAnalyzer(plain, symprec=1e-3).get_space_group_symbol())
    if symbol != "Fd-3m":
        raise StructureError(f"the spinel's framework has space group {symbol}, it must be Fd-3m")
    return symbol
