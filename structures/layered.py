"""Layered oxides LiNixCoyMnzO2 (R-3m) of any composition, ordered, with oxidation states."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite, lcm
from typing import TYPE_CHECKING

from cosinter.data.exceptions import CompositionError
from cosinter.structures.crystals import crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Composition, Structure

METALS = ("Ni", "Co", "Mn")
OXYGEN_HEIGHT = 0.2415
"""z of O on 6c: between the CHGNet values of LiNiO2 (0.2426) and LiCoO2 (0.2416); see data/crystals.yaml."""

LARGEST_DENOMINATOR = 100
EXACT_TOLERANCE = 2e-6
SIMPLE_DENOMINATOR = 12
FRACTION_TOLERANCE = 1e-3
"""0.333 and 0.334 are read as 1/3: fractions with denominators up to 12 may be rounded this much; others not."""


def vegard_lattice(nickel: float, cobalt: float, manganese: float) -> tuple[float, float]:
    """Interpolate a and c (Å, hexagonal axes) linearly between LiNiO2, LiCoO2 and NCM111 of the crystal table.

    a = x_Ni' a(LiNiO2) + x_Co' a(LiCoO2) + 3 x_Mn a(NCM111), with x_Ni' = x_Ni - x_Mn and x_Co' = x_Co - x_Mn;
    the plane through the three records, hence exact at each of them.
    """
    weights = {"LiNiO2": nickel - manganese, "LiCoO2": cobalt - manganese, "NCM111": 3.0 * manganese}
    a = c = 0.0
    for name, weight in weights.items():
        lattice = crystal(name).structure.lattice
        a += weight * lattice.a
        c += weight * lattice.c
    return a, c


def _fraction(name: str, value: float) -> Fraction:
    if not isfinite(value) or not -FRACTION_TOLERANCE <= value <= 1.0 + FRACTION_TOLERANCE:
        raise CompositionError(
            f"{name} content {value:g} lies outside 0 to 1; give moles per formula unit Li_xMO2"
        )
    exact = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    if abs(float(exact) - value) <= EXACT_TOLERANCE:
        return exact
    rounded = Fraction(value).limit_denominator(SIMPLE_DENOMINATOR)
    if abs(float(rounded) - value) <= FRACTION_TOLERANCE:
        return rounded
    raise CompositionError(
        f"{name} content {value:g} is not a fraction with a denominator up to {LARGEST_DENOMINATOR}, so no cell of"
        f" practical size holds it; the nearest is {exact} = {float(exact):.6f}"
    )


def _contents(nickel: float, cobalt: float, manganese: float, lithium: float) -> list[Fraction]:
    """Exact Ni, Co, Mn, Li contents per formula unit."""
    names = ("nickel", "cobalt", "manganese", "lithium")
    contents = [_fraction(n, v) for n, v in zip(names, (nickel, cobalt, manganese, lithium), strict=True)]
    if sum(contents[:3]) != 1:
        raise CompositionError(
            f"Ni + Co + Mn = {nickel + cobalt + manganese:g} per formula unit, it must be 1;"
            " scale the three contents to a sum of 1"
        )
    return contents


def smallest_supercell(
    *, nickel: float, cobalt: float, manganese: float, lithium: float = 1.0
) -> tuple[int, int, int]:
    """Find the repeat of the hexagonal cell (3 formula units) that holds whole numbers of ions in every layer.

    The most compact na x nb x 1 with na·nb a multiple of the common denominator of the contents.

    >>> smallest_supercell(nickel=0.8, cobalt=0.1, manganese=0.1)
    (5, 2, 1)

    Raises
    ------
    CompositionError
        A content outside 0..1, a sum of metals other than 1, or no simple fraction.
    """
    contents = _contents(nickel, cobalt, manganese, lithium)
    units = lcm(*(x.denominator for x in contents))
    pairs = [(n, units // n) for n in range(1, units + 1) if units % n == 0 and n * n >= units]
    return (*min(pairs), 1)


def layered_contents(composition: Composition) -> tuple[float, float, float, float] | None:
    """Read Ni, Co, Mn, Li per formula unit out of a composition Li_x M O2; None when it is something else."""
    metals = float(sum(composition[m] for m in METALS))
    foreign = {el.symbol for el in composition} - {"Li", "O", *METALS}
    if foreign or metals <= 0.0 or abs(composition["O"] / metals - 2.0) > FRACTION_TOLERANCE:
        return None
    nickel, cobalt, manganese = (float(composition[m]) / metals for m in METALS)
    return nickel, cobalt, manganese, float(composition["Li"]) / metals


def nearest_numbers(contents: tuple[float, float, float], total: int) -> tuple[int, int, int]:
    """Round contents to whole numbers of Ni, Co, Mn with the given sum (largest remainders)."""
    numbers = [int(x * total + 1e-9) for x in contents]
    order = sorted(range(3), key=lambda k: numbers[k] - contents[k] * total)
    for k in order[: total - sum(numbers)]:
        numbers[k] += 1
    return numbers[0], numbers[1], numbers[2]


def oxidation_counts(metals: Sequence[int], lithium: int) -> dict[str, int]:
    """Count the ions that neutralise Li_l Ni_a Co_b Mn_c O_2(a+b+c).

    Starting from Ni2+, Co3+, Mn3+, electrons are taken in the order Mn3+ -> Mn4+, Ni2+ -> Ni3+, Ni3+ -> Ni4+,
    Co3+ -> Co4+ until the charge is 0: each Mn4+ comes with a Ni2+, and lithium vacancies oxidise nickel.

    Returns
    -------
    Ion -> number, zero counts left out. Always possible for 0 <= l <= a + b + c.
    """
    ni, co, mn = metals
    total = ni + co + mn
    holes = 4 * total - lithium - (2 * ni + 3 * co + 3 * mn)
    mn4 = min(mn, holes)
    ni_up = min(2 * ni, holes - mn4)
    co4 = holes - mn4 - ni_up
    ni4 = max(0, ni_up - ni)
    ni3 = ni_up - 2 * ni4
    counts = {"Ni2+": ni - ni3 - ni4, "Ni3+": ni3, "Ni4+": ni4, "Co3+": co - co4, "Co4+": co4}
    counts |= {"Mn3+": mn - mn4, "Mn4+": mn4}
    return {ion: n for ion, n in counts.items() if n}


def layered_oxide(
    *,
    nickel: float,
    cobalt: float,
    manganese: float,
    lithium: float = 1.0,
    supercell: tuple[int, int, int] | None = None,
    seed: int = 0,
) -> Structure:
    """Build an ordered, charge-neutral cell of Li_x Ni_a Co_b Mn_c O2 (R-3m, O3 stacking).

    Contents are moles per formula unit, a + b + c = 1, 0 <= x <= 1, fractions with denominators up to 100.
    ``supercell`` repeats the hexagonal cell of 3 formula units; by default :func:`smallest_supercell`. Ions
    are spread by :func:`cosinter.structures.ordering.arrange` (same seed, same cell). The lattice is that of
    full lithium (:func:`vegard_lattice`): relax it for x < 1.

    Raises
    ------
    CompositionError
        Contents that cannot be met, or a supercell that is too small (the smallest one is named).
    InputError
        A supercell that is not three positive integers.
    """
    from cosinter.structures.ordering import VACANCY, Sublattice, arrange, check_supercell, decorate

    contents = _contents(nickel, cobalt, manganese, lithium)
    fitting = smallest_supercell(nickel=nickel, cobalt=cobalt, manganese=manganese, lithium=lithium)
    cells = supercell if supercell is not None else fitting
    check_supercell(cells)
    ni, co, mn, li = _numbers(contents, cells, fitting)
    cell = layered_parent(vegard_lattice(*(float(x) for x in contents[:3]))) * cells
    lithium_sites = tuple(i for i, s in enumerate(cell) if s.specie.symbol == "Li")
    metal_sites = tuple(i for i, s in enumerate(cell) if s.specie.symbol == "Ni")
    ions = arrange(
        cell,
        [
            Sublattice(metal_sites, oxidation_counts((ni, co, mn), li)),
            Sublattice(lithium_sites, {"Li+": li, VACANCY: ni + co + mn - li}),
        ],
        seed=seed,
    )
    result = decorate(cell, ions)
    result.properties = {
        "crystal": "layered oxide R-3m",
        "kind": "assumed",
        "source": "lattice: linear between LiNiO2, LiCoO2 and NCM111 of the crystal table; ideal cation order",
        "ordering_seed": seed,
    }
    return result


def _numbers(contents: list[Fraction], cells: Sequence[int], fitting: tuple[int, int, int]) -> list[int]:
    """Whole numbers of Ni, Co, Mn, Li in a repeat of the 3-unit cell, or the error that names the one that fits."""
    units = 3 * cells[0] * cells[1] * cells[2]
    numbers = [x * units for x in contents]
    if any(n.denominator != 1 for n in numbers):
        nickel, cobalt, manganese, lithium = map(float, contents)
        raise CompositionError(
            f"supercell {cells[0]}x{cells[1]}x{cells[2]} ({units} formula units) cannot hold whole ions of"
            f" Li{lithium:g}Ni{nickel:g}Co{cobalt:g}Mn{manganese:g}O2;"
            f" the smallest that fits is {fitting[0]}x{fitting[1]}x{fitting[2]}"
        )
    return [int(n) for n in numbers]


def layered_parent(lattice: tuple[float, float]) -> Structure:
    """Build the 12-atom hexagonal cell of LiNiO2 (R-3m, Ni3+) with the lattice (a, c) in Å."""
    from pymatgen.core import Lattice, Structure

    return Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(*lattice),
        ["Li+", "Ni3+", "O2-"],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, OXYGEN_HEIGHT]],
    )
