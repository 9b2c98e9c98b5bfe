"""Layered oxides LiNixCoyMnzO2 (R-3m) of any composition, ordered, with oxidation states."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, isfinite, lcm
from typing import TYPE_CHECKING

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.structures.crystals import crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Composition, Structure

    from cosinter.structures.ordering_model import OrderingProblem

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
        hint = "; the R-3m cell has one lithium site per metal" if name == "lithium" and value > 1.0 else ""
        raise CompositionError(
            f"{name} content {value:g} lies outside 0 to 1; give moles per formula unit Li_xMO2{hint}"
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
    *, nickel: float, cobalt: float, manganese: float, lithium: float = 1.0, stage: int = 1
) -> tuple[int, int, int]:
    """Find the repeat of the hexagonal cell (3 formula units) that holds whole numbers of ions in every layer.

    The most compact na x nb x nc with na·nb the common denominator of the contents; nc is 1 unless ``stage``
    (one lithium layer in ``stage`` filled) asks for more layers than 3.

    >>> smallest_supercell(nickel=0.8, cobalt=0.1, manganese=0.1)
    (5, 2, 1)

    Raises
    ------
    CompositionError
        A content outside 0..1, a sum of metals other than 1, or no simple fraction.
    """
    contents = _contents(nickel, cobalt, manganese, lithium)
    units = lcm(*(x.denominator for x in contents))
    return (*_compact(units), stage // gcd(stage, 3))


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


def oxidation_counts(
    metals: Sequence[int], lithium: int, *, units: int | None = None, divalent: int = 0
) -> dict[str, int]:
    """Count the ions that neutralise Li_l Ni_a Co_b Mn_c O_2n.

    Starting from Ni2+, Co3+, Mn3+, electrons are taken in the order Mn3+ -> Mn4+, Ni2+ -> Ni3+, Ni3+ -> Ni4+,
    Co3+ -> Co4+ until the charge is 0: each Mn4+ comes with a Ni2+, and lithium vacancies oxidise nickel.

    Parameters
    ----------
    metals
        Numbers of Ni, Co, Mn.
    units
        Formula units n of two oxygen; by default a + b + c.
    divalent
        Nickel ions that stay Ni2+, e.g. on lithium sites.

    Returns
    -------
    Ion -> number, zero counts left out.

    Raises
    ------
    CompositionError
        The charge cannot be 0: too much lithium, or too few metals that can be oxidised.
    """
    ni, co, mn = metals
    total = ni + co + mn if units is None else units
    holes = 4 * total - lithium - (2 * ni + 3 * co + 3 * mn)
    free = ni - divalent
    most = mn + 2 * free + co
    if not 0 <= holes <= most or min(ni, co, mn, lithium, divalent, free) < 0:
        raise CompositionError(
            f"Li{lithium}Ni{ni}Co{co}Mn{mn}O{2 * total} with {divalent} Ni2+ held cannot be neutral: it takes {holes}"
            f" electrons from Ni2+, Co3+, Mn3+, which give 0 to {most}; change the lithium or the nickel on its sites"
        )
    mn4 = min(mn, holes)
    ni_up = min(2 * free, holes - mn4)
    co4 = holes - mn4 - ni_up
    ni4 = max(0, ni_up - free)
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
    cells = supercell or smallest_supercell(
        nickel=nickel, cobalt=cobalt, manganese=manganese, lithium=lithium
    )
    check_supercell(cells)
    ni, co, mn, li = _numbers(contents, cells)
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


def layered_ordering(
    *,
    nickel: float,
    cobalt: float,
    manganese: float,
    lithium: float = 1.0,
    supercell: tuple[int, int, int] | None = None,
    stage: int = 1,
    antisite_pairs: int = 0,
    excess_nickel: int = 0,
) -> OrderingProblem:
    """Set up the arrangements of Li_x Ni_a Co_b Mn_c O2 for ``ordering_search.rank_orderings``.

    Parent, contents and ``supercell`` as in :func:`layered_oxide`. The O3 stacking is kept: the shift of the
    oxygen layers across an empty lithium layer (O1, H1-3) is not made.

    Parameters
    ----------
    stage
        One lithium layer in ``stage`` is filled, the others are empty: 2 empties every second layer. Needs a
        number of lithium layers (3 per cell along c) that ``stage`` divides, and x <= 1/stage.
    antisite_pairs
        Number of Ni2+ in the cell that stand on lithium sites in exchange for Li+ on metal sites.
    excess_nickel
        Number of Ni2+ that stand on lithium sites and replace Li+: Li_x-z Ni_a+z, the metal layer is reduced.

    Raises
    ------
    CompositionError
        Contents that cannot be met or made neutral, or a supercell that is too small (the smallest is named).
    InputError
        A supercell or a count that is no whole number in its range.
    """
    from cosinter.structures.ordering import VACANCY, Sublattice, check_supercell
    from cosinter.structures.ordering_model import OrderingProblem

    contents = _contents(nickel, cobalt, manganese, lithium)
    _check_stage(stage, contents[3])
    cells = supercell or smallest_supercell(
        nickel=nickel, cobalt=cobalt, manganese=manganese, lithium=lithium, stage=stage
    )
    check_supercell(cells)
    ni, co, mn, li = _numbers(contents, cells, stage)
    cell = layered_parent(vegard_lattice(*(float(x) for x in contents[:3]))) * cells
    units, guests = ni + co + mn, antisite_pairs + excess_nickel
    if min(antisite_pairs, excess_nickel) < 0 or antisite_pairs > ni or guests > li:
        raise InputError(
            f"{antisite_pairs} antisite pairs and {excess_nickel} excess nickel do not fit; the cell holds"
            f" {ni} Ni and {li} Li"
        )
    ions = oxidation_counts((ni + excess_nickel, co, mn), li - excess_nickel, units=units, divalent=guests)
    metal = {**ions, "Ni2+": ions.get("Ni2+", 0) - guests, "Li+": antisite_pairs}
    filled, empty = _lithium_layers(cell, 3 * cells[2], stage)
    lithium_ions = {"Li+": li - guests, "Ni2+": guests, VACANCY: len(filled) - li}
    sublattices = [
        Sublattice(tuple(i for i, s in enumerate(cell) if s.specie.symbol == "Ni"), _present(metal)),
        Sublattice(filled, _present(lithium_ions)),
    ]
    if empty:
        sublattices.append(Sublattice(empty, {VACANCY: len(empty)}))
    return OrderingProblem(
        cell=cell,
        sublattices=tuple(sublattices),
        family=_family(stage, antisite_pairs, excess_nickel),
        properties={
            "crystal": "layered oxide R-3m",
            "kind": "assumed",
            "source": "lattice: linear between LiNiO2, LiCoO2 and NCM111 of the crystal table; cation order searched",
            "stage": stage,
            "antisite_pairs": antisite_pairs,
            "excess_nickel": excess_nickel,
        },
    )


def _present(counts: dict[str, int]) -> dict[str, int]:
    return {ion: n for ion, n in counts.items() if n}


def _family(stage: int, antisite_pairs: int, excess_nickel: int) -> str:
    parts = [f"stage {stage}"] if stage > 1 else []
    parts += [f"{antisite_pairs} antisite pairs"] if antisite_pairs else []
    parts += [f"{excess_nickel} excess Ni"] if excess_nickel else []
    return ", ".join(parts) or "ideal layers"


def _check_stage(stage: int, lithium: Fraction) -> None:
    if stage != int(stage) or stage < 1:
        raise InputError(f"stage {stage} must be a whole number of at least 1; 2 empties every second layer")
    if lithium * stage > 1:
        raise CompositionError(
            f"stage {stage} fills one lithium layer in {stage} and holds at most {1.0 / stage:.4g} Li per formula"
            f" unit, not {float(lithium):g}"
        )


def _lithium_layers(cell: Structure, layers: int, stage: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Lithium sites of the filled and of the emptied layers, counted along c."""
    height = {
        i: round(float(s.frac_coords[2]) * layers) for i, s in enumerate(cell) if s.specie.symbol == "Li"
    }
    filled = tuple(i for i, z in height.items() if z % stage == 0)
    return filled, tuple(i for i in height if i not in set(filled))


def _numbers(contents: list[Fraction], cells: Sequence[int], stage: int = 1) -> list[int]:
    """Whole numbers of Ni, Co, Mn, Li in a repeat of the 3-unit cell, or the error that names the one that fits."""
    units = 3 * cells[0] * cells[1] * cells[2]
    numbers = [x * units for x in contents]
    if any(n.denominator != 1 for n in numbers) or 3 * cells[2] % stage:
        nickel, cobalt, manganese, lithium = map(float, contents)
        height = stage // gcd(stage, 3)
        needed = lcm(*(x.denominator for x in contents))
        wide, deep = _compact(needed // gcd(needed, 3 * height))
        layers = f" in {stage}-fold stages ({3 * cells[2]} lithium layers)" if stage > 1 else ""
        raise CompositionError(
            f"supercell {cells[0]}x{cells[1]}x{cells[2]} ({units} formula units) cannot hold whole ions of"
            f" Li{lithium:g}Ni{nickel:g}Co{cobalt:g}Mn{manganese:g}O2{layers};"
            f" the smallest that fits is {wide}x{deep}x{height}"
        )
    return [int(n) for n in numbers]


def _compact(cells: int) -> tuple[int, int]:
    """The most compact na x nb with na·nb = ``cells``, na >= nb."""
    return min((n, cells // n) for n in range(1, cells + 1) if cells % n == 0 and n * n >= cells)


def layered_parent(lattice: tuple[float, float]) -> Structure:
    """Build the 12-atom hexagonal cell of LiNiO2 (R-3m, Ni3+) with the lattice (a, c) in Å."""
    from pymatgen.core import Lattice, Structure

    return Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(*lattice),
        ["Li+", "Ni3+", "O2-"],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, OXYGEN_HEIGHT]],
    )
