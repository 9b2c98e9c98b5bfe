"""NASICON electrolytes: LiTi2(PO4)3 and Li1+xAlxTi2-x(PO4)3, ordered and neutral."""

from __future__ import annotations

from itertools import product
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import CompositionError, InputError, StructureError
from cosinter.structures.crystals import crystal

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from cosinter.structures.ordering_model import OrderingProblem

UNITS_PER_CELL = 6
LARGEST_ALUMINIUM = 0.6
"""Al solubility that the rhombohedral phase is built for; measured records reach x = 0.4 (data/crystals.yaml)."""

EXACT_TOLERANCE = 1e-3
LARGEST_UNITS = 30
LITHIUM_GAP_A = 2.5
"""Shortest Li-Li distance, Å, when lithium is put on M2: below the M1-M2 distance of the record (3.04 Å), above
the distance between the two halves of a split M2 site (0.16 Å)."""

CONTACT_A = 1.4


def ltp() -> Structure:
    """Build LiTi2(PO4)3, R-3c, hexagonal cell of 6 formula units, Li on M1 (6b)."""
    return crystal("LTP").structure


def latp(aluminium: float = 0.3, *, seed: int = 0, exact: bool = False) -> Structure:
    """Build ordered neutral Li1+xAlxTi2-x(PO4)3: Al on Ti (12c), the extra Li on M2 (36f) near Al.

    By default x is rounded to the nearest sixth, which the hexagonal cell of 6 formula units holds: x = 0.3
    becomes the ordered approximant x = 1/3 (2 Al, 110 atoms). With ``exact`` the smallest compact repeat of the
    primitive cell (2 formula units) that holds x itself is built: x = 0.3 takes 10 formula units, 183 atoms.
    The composition built stands in ``properties["aluminium"]`` beside ``properties["aluminium_asked"]``.

    The lattice is interpolated linearly between the records with x = 0, 0.3 and 0.4 (kept constant above);
    fractional coordinates are those of the records.

    Raises
    ------
    CompositionError
        x outside 0 to 0.6, or ``exact`` with an x that needs more than 30 formula units.
    """
    parent, m2, number, properties = _framework(aluminium, exact)
    result = _fill(parent, m2, number, seed)
    result.properties = {**properties, "ordering_seed": seed}
    return result


def latp_ordering(aluminium: float = 0.3, *, m1_vacancies: int = 0, exact: bool = False) -> OrderingProblem:
    """Set up the arrangements of Li1+xAlxTi2-x(PO4)3 for ``ordering_search.rank_orderings``.

    Cell, composition and rounding as in :func:`latp`; Al and Ti share 12c, the lithium stands on M1 (6b) and on
    M2 (36f, pairs of half sites 0.16 Å apart of which the energy never fills both).

    Parameters
    ----------
    m1_vacancies
        M1 sites left empty in the cell, their lithium on M2. The undistorted frame makes each cost several
        eV of point-charge energy, which relaxation takes back in part: compare families with different
        numbers by a calculator's energy, not by the electrostatic one.

    Raises
    ------
    CompositionError
        As :func:`latp`.
    InputError
        More M1 vacancies than M1 sites, or fewer than none.
    """
    from cosinter.structures.ordering import VACANCY, Sublattice
    from cosinter.structures.ordering_model import OrderingProblem

    cell, m2, number, properties = _framework(aluminium, exact)
    m1 = _lithium(cell, m2)
    if m1_vacancies != int(m1_vacancies) or not 0 <= m1_vacancies <= len(m1):
        raise InputError(f"{m1_vacancies} M1 vacancies asked, the cell has {len(m1)} M1 sites")
    titanium = tuple(i for i, s in enumerate(cell) if s.specie.symbol == "Ti")
    interstitial = number + m1_vacancies
    fillings = [
        (titanium, {"Al3+": number, "Ti4+": len(titanium) - number}),
        (tuple(m1), {"Li+": len(m1) - m1_vacancies, VACANCY: m1_vacancies}),
        (tuple(m2), {"Li+": interstitial, VACANCY: len(m2) - interstitial}),
    ]
    return OrderingProblem(
        cell=cell,
        sublattices=tuple(Sublattice(s, {ion: n for ion, n in c.items() if n}) for s, c in fillings),
        family=f"{m1_vacancies} M1 vacancies, {interstitial} Li on M2",
        properties=properties | {"m1_vacancies": m1_vacancies},
    )


def _framework(aluminium: float, exact: bool) -> tuple[Structure, list[int], int, dict[str, Any]]:
    """The cell with every M2 site, the M2 indices, the number of Al, and the properties of what is built."""
    if not isfinite(aluminium) or not 0.0 <= aluminium <= LARGEST_ALUMINIUM:
        raise CompositionError(
            f"aluminium content {aluminium:g} lies outside 0 to {LARGEST_ALUMINIUM}: rhombohedral"
            " Li1+xAlxTi2-x(PO4)3 takes no more Al"
        )
    units = _exact_units(aluminium) if exact else UNITS_PER_CELL
    number = round(aluminium * units)
    cell, m2 = _parent(aluminium, units, exact)
    properties = {
        "crystal": "LATP" if number else "LTP",
        "kind": "computed",
        "source": crystal("LATP").source,
        "aluminium": number / units,
        "aluminium_asked": float(aluminium),
        "formula_units": units,
    }
    return cell, m2, number, properties


def _exact_units(aluminium: float) -> int:
    for units in range(2, LARGEST_UNITS + 1, 2):
        number = aluminium * units
        if abs(number - round(number)) <= EXACT_TOLERANCE * units:
            return units
    raise CompositionError(
        f"aluminium content {aluminium:g} needs more than {LARGEST_UNITS} formula units; take the nearest sixth,"
        f" {round(aluminium * UNITS_PER_CELL)}/{UNITS_PER_CELL}, or a fraction of a smaller denominator"
    )


def _lattice_of(aluminium: float) -> tuple[float, float]:
    """Hexagonal a, c in Å, linear between the tabulated compositions."""
    records = [(0.0, "LTP"), (0.3, "LATP"), (0.4, "LATP_x04")]
    lattices = [crystal(name).structure.lattice for _, name in records]
    x = [content for content, _ in records]
    return (
        float(np.interp(aluminium, x, [cell.a for cell in lattices])),
        float(np.interp(aluminium, x, [cell.c for cell in lattices])),
    )


def _parent(aluminium: float, units: int, exact: bool) -> tuple[Structure, list[int]]:
    """The framework with Li on M1 and every M2 site as a dummy Li; returns it with the M2 indices."""
    from pymatgen.core import Lattice, Structure

    record = crystal("LATP").structure
    lattice = Lattice.hexagonal(*_lattice_of(aluminium))
    species, coordinates, m2 = [], [], []
    for site in record:
        if not site.is_ordered and any(ion.symbol == "Li" for ion in site.species):
            species.append("Li+")
            m2.append(True)
        else:
            species.append("Ti4+" if any(ion.symbol == "Ti" for ion in site.species) else site.species_string)
            m2.append(False)
        coordinates.append(site.frac_coords)
    cell = Structure(lattice, species, coordinates, site_properties={"m2": m2})
    if exact:
        primitive = _primitive(cell)
        repeat = primitive * _compact_repeat(primitive.lattice.matrix, units // 2)
        cell = Structure(
            repeat.lattice.get_lll_reduced_lattice(),
            repeat.species,
            repeat.cart_coords,
            coords_are_cartesian=True,
            to_unit_cell=True,
            site_properties=repeat.site_properties,
        )
    return cell, [i for i, site in enumerate(cell) if site.properties["m2"]]


def _primitive(cell: Structure) -> Structure:
    """Rhombohedral primitive cell (a third) of a cell on obverse hexagonal axes, site properties kept."""
    from pymatgen.core import Structure

    vectors = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3.0
    fractional = cell.frac_coords @ np.linalg.inv(vectors)
    fractional -= np.floor(fractional + 1e-6)
    keys = [tuple(np.round(f, 5)) for f in fractional]
    first = {
        (site.species_string, key): i
        for i, (site, key) in reversed(list(enumerate(zip(cell, keys, strict=True))))
    }
    kept = sorted(first.values())
    return Structure(
        vectors @ cell.lattice.matrix,
        [cell[i].species for i in kept],
        fractional[kept],
        site_properties={"m2": [cell[i].properties["m2"] for i in kept]},
    )


def _compact_repeat(matrix: NDArray[np.float64], size: int) -> list[list[int]]:
    """Hermite normal form of determinant ``size`` whose superlattice of ``matrix`` is the most compact."""
    best: tuple[float, NDArray[np.int64]] | None = None
    for a in (n for n in range(1, size + 1) if size % n == 0):
        for c in (n for n in range(1, size // a + 1) if (size // a) % n == 0):
            f = size // a // c
            for b, d, e in product(range(c), range(f), range(f)):
                rows = np.array([[a, b, d], [0, c, e], [0, 0, f]])
                shortest = _shortest_vector(rows @ matrix)
                if best is None or shortest > best[0] + 1e-6:
                    best = (shortest, rows)
    assert best is not None
    return [[int(x) for x in row] for row in best[1]]


def _shortest_vector(vectors: NDArray[np.float64]) -> float:
    shifts = [s for s in product((-2, -1, 0, 1, 2), repeat=3) if any(s)]
    return float(np.min(np.linalg.norm(np.array(shifts) @ vectors, axis=1)))


def _fill(cell: Structure, m2: list[int], number: int, seed: int) -> Structure:
    """Put ``number`` Al on Ti far apart and as many Li on M2, each near an Al, then drop the empty M2."""
    from cosinter.structures.ordering import Sublattice, arrange

    distances = cell.distance_matrix
    titanium = tuple(i for i, s in enumerate(cell) if s.specie.symbol == "Ti")
    ions = arrange(cell, [Sublattice(titanium, {"Al3+": number, "Ti4+": len(titanium) - number})], seed=seed)
    aluminium = [i for i, ion in ions.items() if ion == "Al3+"]
    chosen = _choose_m2(distances, m2, aluminium, _lithium(cell, m2), np.random.default_rng(seed))
    result = cell.copy()
    result.remove_site_property("m2")
    for index in aluminium:
        result.replace(index, "Al3+")
    result.remove_sites(sorted(set(m2) - set(chosen)))
    _check_contacts(result)
    return result.get_sorted_structure(key=lambda s: ("Li", "Al", "Ti", "P", "O").index(s.specie.symbol))


def _lithium(cell: Structure, m2: list[int]) -> list[int]:
    empty = set(m2)
    return [i for i, s in enumerate(cell) if s.specie.symbol == "Li" and i not in empty]


def _choose_m2(
    distances: NDArray[np.float64],
    m2: list[int],
    aluminium: list[int],
    lithium: list[int],
    rng: np.random.Generator,
) -> list[int]:
    """Pick one M2 site per Al that minimises Σ_Li 1/r - Σ_Al 1/r, no closer than ``LITHIUM_GAP_A`` to another Li."""
    chosen: list[int] = []
    for _ in aluminium:
        others = lithium + chosen
        free = [i for i in rng.permutation(m2) if i not in chosen]
        allowed = [int(i) for i in free if distances[i, others].min() >= LITHIUM_GAP_A]
        if not allowed:
            raise StructureError(
                f"no M2 site is left at {LITHIUM_GAP_A} Å from the other lithium; ask for less aluminium"
            )
        repulsion = [
            np.sum(1.0 / distances[i, chosen]) - np.sum(1.0 / distances[i, aluminium]) for i in allowed
        ]
        chosen.append(allowed[int(np.argmin(np.round(repulsion, 9)))])
    return chosen


def _check_contacts(structure: Structure) -> None:
    distances = structure.distance_matrix + 1e3 * np.eye(len(structure))
    if distances.min() < CONTACT_A:
        raise StructureError(
            f"two ions of the NASICON cell are {distances.min():.2f} Å apart, at least {CONTACT_A} Å is needed"
        )
