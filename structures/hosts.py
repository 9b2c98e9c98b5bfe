"""Hosts: crystals that are cut first, on their average lattice, and get their mixed ions afterwards.

An ordered supercell has fewer translations than the crystal it stands for, so cutting it makes surface cells
and interfaces larger than they need to be. A host keeps the crystal's own translations: every site that
several kinds of ions share, or that is partly filled, is marked with a role, and :func:`decorate` fills those
sites of any slab or interface with whole numbers of ions, neutral, and spread by
:func:`cosinter.structures.ordering.arrange`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cosinter.data.exceptions import CompositionError, InputError, StructureError, UnknownNameError
from cosinter.structures.crystals import crystal, read_formula, resolve
from cosinter.structures.layered import (
    LARGEST_DENOMINATOR,
    METALS,
    layered_contents,
    layered_parent,
    nearest_numbers,
    oxidation_counts,
    vegard_lattice,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

Family = Literal["ordered", "layered", "nasicon", "mixed"]

ROLE = "role"
PART = "interface_label"
CHARGE = "average_charge"
EMPTY = "X0+"
"""Species of a site that is empty until :func:`decorate` fills it."""

LARGEST_UNIT = 12
COUNT_TOLERANCE = 0.02
LITHIUM_GAP_A = 2.5
"""Shortest Li-Li distance, Å, of lithium put on M2: below the M1-M2 distance of the record (3.04 Å)."""

CONTACT_A = 1.6
"""Shortest distance, Å, of such lithium from any other ion; the shortest Li-O bonds of oxides have 1.8 Å."""

_NASICON = {"LTP": 0.0, "LATP": 0.3, "LATP_x017": 0.17, "LATP_x04": 0.4}


@dataclass(frozen=True)
class Host:
    """A crystal to be cut.

    Attributes
    ----------
    cell
        Its average structure. ``site_properties["role"]`` names sites to be filled, "" others; ``"average_charge"``
        holds the mean charge of a site, e; the species of a mixed site is its commonest ion.
    label
        Reduced formula, for messages.
    family
        How roles are filled: "ordered" (nothing to fill), "layered", "nasicon" or "mixed".
    contents
        Ni, Co, Mn, Li per formula unit (layered), Al per formula unit (nasicon), else empty.
    unit
        Number of primitive cells that a slab must hold a multiple of to be neutral.
    exact_unit
        The same for the exact composition (NASICON: the nearest sixth, as in
        :func:`cosinter.structures.nasicon.latp`).
    occupancies
        Role -> share of each ion (mixed).
    """

    cell: Structure
    label: str
    family: Family = "ordered"
    contents: tuple[float, ...] = ()
    unit: int = 1
    exact_unit: int = 1
    occupancies: dict[str, dict[str, float]] = field(default_factory=dict)

    def deviation(self, cells: int) -> float:
        """Largest difference (per formula unit) between the contents and what whole numbers in primitive cells give."""
        if self.family == "layered":
            numbers = nearest_numbers((self.contents[0], self.contents[1], self.contents[2]), cells)
            numbers_of = (*numbers, round(self.contents[3] * cells))
            return max(abs(n / cells - x) for n, x in zip(numbers_of, self.contents, strict=True))
        if self.family == "nasicon":
            return abs(round(self.contents[0] * 2 * cells) / (2 * cells) - self.contents[0])
        return 0.0


def host(material: Structure | str) -> Host:
    """Make the host of a structure with oxidation states, a crystal's name, or a layered oxide's formula.

    Raises
    ------
    UnknownNameError
        No crystal of that name.
    CompositionError
        A disordered crystal whose composition fits no small number of cells.
    InputError
        A structure with sites shared by several ions, without oxidation states, or with a charge.
    """
    if not isinstance(material, str):
        return _plain(material)
    layered = _layered_contents(material)
    if layered is not None:
        return _layered(layered)
    name = resolve(material)
    if name in _NASICON and _NASICON[name] > 0.0:
        return _nasicon(_NASICON[name])
    record = crystal(name)
    return _mixed(record.structure, record.formula) if record.disordered else _plain(record.structure)


def _plain(structure: Structure) -> Host:
    if not structure.is_ordered:
        raise InputError(
            f"{structure.composition.reduced_formula} has sites shared by several ions; order it first"
        )
    if any(getattr(site.specie, "oxi_state", None) is None for site in structure):
        raise InputError(
            f"{structure.composition.reduced_formula} has ions without oxidation state; add them, planes and"
            " dipoles are judged by charge"
        )
    charge = sum(float(site.specie.oxi_state or 0.0) for site in structure)
    if abs(charge) > 1e-6:
        raise InputError(f"{structure.composition.reduced_formula} has charge {charge:+g}, it must be 0")
    states = [float(site.specie.oxi_state or 0.0) for site in structure]
    return Host(
        _marked(structure, [site.species for site in structure], [""] * len(structure), states),
        _formula(structure),
    )


def _marked(
    structure: Structure, species: Sequence[Any], roles: Sequence[str], mean_charges: Sequence[float]
) -> Structure:
    from pymatgen.core import Structure

    return Structure(
        structure.lattice,
        list(species),
        structure.frac_coords,
        site_properties={ROLE: list(roles), CHARGE: list(mean_charges)},
    )


def _formula(structure: Structure) -> str:
    return str(structure.composition.element_composition.reduced_formula)


def _layered_contents(name: str) -> tuple[float, float, float, float] | None:
    try:
        formula = crystal(resolve(name)).formula
    except UnknownNameError:
        formula = name
    try:
        return layered_contents(read_formula(formula))
    except InputError:
        return None


def _layered(contents: tuple[float, float, float, float]) -> Host:
    """R-3m host with the Vegard lattice of full lithium."""
    parent = layered_parent(vegard_lattice(*contents[:3]))
    sites = {"Li": ("lithium", contents[3]), "Ni": ("metal", 4.0 - contents[3]), "O": ("", -2.0)}
    marks = [sites[site.specie.symbol] for site in parent]
    cell = _marked(parent, [site.species for site in parent], [m[0] for m in marks], [m[1] for m in marks])
    fractions = [Fraction(x).limit_denominator(LARGEST_DENOMINATOR) for x in contents]
    label = _layered_label(contents)
    return Host(cell, label, "layered", contents, exact_unit=lcm(*(x.denominator for x in fractions)))


def _layered_label(contents: tuple[float, float, float, float]) -> str:
    parts = zip(("Li", *METALS), (contents[3], *contents[:3]), strict=True)
    return "".join(_part(symbol, x) for symbol, x in parts) + "O2"


def _part(symbol: str, amount: float) -> str:
    if amount < 1e-6:
        return ""
    return symbol if abs(amount - 1.0) < 1e-6 else f"{symbol}{amount:.3g}"


def _nasicon(aluminium: float) -> Host:
    """R-3c host of Li1+xAlxTi2-x(PO4)3: Li on M1, the octahedra to be shared by Ti and Al, M2 empty."""
    record = crystal("LATP").structure
    lattice = crystal({v: k for k, v in _NASICON.items()}[aluminium]).structure.lattice
    vacant = ["Li" in _symbols(site) and not site.is_ordered for site in record]
    shared = ["Ti" in _symbols(site) for site in record]
    m2 = aluminium * sum(shared) / 2.0 / sum(vacant)
    species, roles, mean = [], [], []
    for site, is_m2, is_octahedron in zip(record, vacant, shared, strict=True):
        species.append(EMPTY if is_m2 else "Ti4+" if is_octahedron else site.species_string)
        roles.append("m2" if is_m2 else "octahedron" if is_octahedron else "")
        plain = 0.0 if is_m2 or is_octahedron else float(site.specie.oxi_state or 0.0)
        mean.append(m2 if is_m2 else 4.0 - aluminium / 2.0 if is_octahedron else plain)
    cell = _marked(record, species, roles, mean)
    cell.lattice = lattice
    label = f"Li{1 + aluminium:g}Al{aluminium:g}Ti{2 - aluminium:g}(PO4)3"
    return Host(cell, label, "nasicon", (aluminium,), exact_unit=3)


def _symbols(site: Any) -> set[str]:
    return {str(ion.symbol) for ion in site.species}


def _mixed(structure: Structure, label: str) -> Host:
    """Host of a crystal with shared sites; each set of like occupancies is a role, held by its commonest ion."""
    occupancies: dict[str, dict[str, float]] = {}
    species, roles, mean = [], [], []
    for site in structure:
        parts = {str(ion): float(x) for ion, x in site.species.items()}
        roles.append("" if site.is_ordered else site.species_string)
        species.append(max(parts, key=lambda ion: parts[ion]))
        mean.append(sum(float(ion.oxi_state or 0.0) * float(x) for ion, x in site.species.items()))
        if not site.is_ordered:
            occupancies[site.species_string] = parts
    cell = _marked(structure, species, roles, mean)
    unit = _smallest_unit(cell, occupancies)
    return Host(cell, label, "mixed", (), unit, unit, occupancies)


def _smallest_unit(cell: Structure, occupancies: dict[str, dict[str, float]]) -> int:
    from cosinter.structures.geometry import primitive_vectors

    roles = list(cell.site_properties[ROLE])
    cells = round(cell.volume / abs(np.linalg.det(primitive_vectors(cell))))
    for unit in range(1, LARGEST_UNIT + 1):
        numbers = [
            share * roles.count(role) * unit / cells
            for role, shares in occupancies.items()
            for share in shares.values()
        ]
        if all(abs(n - round(n)) <= COUNT_TOLERANCE for n in numbers):
            return unit
    raise CompositionError(
        f"{_formula(cell)} needs more than {LARGEST_UNIT} primitive cells for whole numbers of ions; pass an ordered"
        " structure instead of the name"
    )


def decorate(
    structure: Structure, material: Host, *, within: Sequence[int], seed: int = 0
) -> tuple[Structure, str]:
    """Fill the marked sites among ``within`` and drop those left empty; ``structure`` is not changed.

    Returns the filled structure, other sites in their order, and the formula reached (per formula unit for the
    layered and NASICON families).

    Raises
    ------
    CompositionError
        The sites cannot be filled neutrally with whole numbers of ions.
    StructureError
        No M2 site is far enough from other ions for a lithium that aluminium calls for.
    """
    from pymatgen.core import Species

    sites: dict[str, list[int]] = {}
    for index in within:
        sites.setdefault(str(structure[index].properties[ROLE]), []).append(index)
    fill = _FILLERS[material.family]
    ions, label = fill(structure, material, sites, seed)
    result = structure.copy()
    for index, ion in ions.items():
        if ion:
            charge = float(Species.from_str(ion).oxi_state or 0.0)
            result.replace(index, ion, properties={**structure[index].properties, CHARGE: charge})
    result.remove_sites([index for index, ion in ions.items() if not ion])
    return result, label


def _fill_nothing(
    structure: Structure, material: Host, sites: dict[str, list[int]], seed: int
) -> tuple[dict[int, str], str]:
    return {}, material.label


def _fill_layered(
    structure: Structure, material: Host, sites: dict[str, list[int]], seed: int
) -> tuple[dict[int, str], str]:
    """Nearest whole numbers of Ni, Co, Mn and Li; lithium vacancies oxidise nickel."""
    from cosinter.structures.ordering import VACANCY, Sublattice, arrange

    metal, lithium = sites["metal"], sites["lithium"]
    nickel, cobalt, manganese, content = material.contents
    numbers = nearest_numbers((nickel, cobalt, manganese), len(metal))
    held = round(content * len(metal))
    ions = arrange(
        structure,
        [
            Sublattice(tuple(metal), oxidation_counts(numbers, held)),
            Sublattice(tuple(lithium), {"Li+": held, VACANCY: len(lithium) - held}),
        ],
        seed=seed,
    )
    nickel, cobalt, manganese = (n / len(metal) for n in numbers)
    return ions, _layered_label((nickel, cobalt, manganese, held / len(metal)))


def _fill_nasicon(
    structure: Structure, material: Host, sites: dict[str, list[int]], seed: int
) -> tuple[dict[int, str], str]:
    """Nearest whole number of Al on Ti, and as many Li on M2, each near an Al and clear of other ions."""
    from cosinter.structures.ordering import Sublattice, arrange

    titanium, vacant = sites["octahedron"], sites["m2"]
    number = round(material.contents[0] * len(titanium) / 2.0)
    counts = {"Al3+": number, "Ti4+": len(titanium) - number}
    ions = arrange(structure, [Sublattice(tuple(titanium), counts)], seed=seed)
    distances = structure.distance_matrix + 1e3 * np.eye(len(structure))
    empty = {i for i, site in enumerate(structure) if site.species_string == EMPTY}
    real = [i for i in range(len(structure)) if i not in empty]
    lithium = [i for i in real if structure[i].specie.symbol == "Li"]
    aluminium = [i for i, ion in ions.items() if ion == "Al3+"]
    for _ in range(number):
        free = [
            i
            for i in vacant
            if i not in lithium
            and distances[i, real].min() > CONTACT_A
            and distances[i, lithium].min() >= LITHIUM_GAP_A
        ]
        if not free:
            raise StructureError(
                f"no M2 site is left at {LITHIUM_GAP_A} Å from other lithium; take a thicker slab or less aluminium"
            )
        pull = [np.sum(1.0 / distances[i, lithium]) - np.sum(1.0 / distances[i, aluminium]) for i in free]
        chosen = free[int(np.argmin(np.round(pull, 9)))]
        lithium.append(chosen)
        ions[chosen] = "Li+"
    for index in vacant:
        ions.setdefault(index, "")
    x = 2.0 * number / len(titanium)
    label = f"Li{1 + x:.3g}Al{x:.3g}Ti{2 - x:.3g}(PO4)3" if number else "LiTi2(PO4)3"
    return ions, label


def _fill_mixed(
    structure: Structure, material: Host, sites: dict[str, list[int]], seed: int
) -> tuple[dict[int, str], str]:
    from cosinter.structures.ordering import VACANCY, Sublattice, arrange

    sublattices = []
    for role, shares in material.occupancies.items():
        total = len(sites[role])
        counts = {ion: round(share * total) for ion, share in shares.items()}
        left = total - sum(counts.values())
        if left < 0 or any(
            abs(counts[ion] - share * total) > COUNT_TOLERANCE for ion, share in shares.items()
        ):
            raise CompositionError(
                f"{total} sites of {role} hold no whole numbers of ions of {material.label}; a slab needs a multiple"
                f" of {material.unit} primitive cells"
            )
        sublattices.append(Sublattice(tuple(sites[role]), {**counts, VACANCY: left}))
    return arrange(structure, sublattices, seed=seed), material.label


_FILLERS = {
    "ordered": _fill_nothing,
    "layered": _fill_layered,
    "nasicon": _fill_nasicon,
    "mixed": _fill_mixed,
}
