"""Average structures and weights of the phases in a sintered composite, for its powder pattern.

The cells are built from the crystal table with the occupancies that the composition asks for. What is assumed:

- layered Li_u M O2: cell of the table's layered oxide nearest in composition, **constant with u** (no sourced
  cell(u) at sintering temperature), vacancies on 3a, optional exchange of Li and Ni (``antisite``);
- spinel: cell edge half way between LiMn2O4 and Co3O4, oxygen at x = 0.3875 (both lie within 0.002 of it); up to u = 1/2 a filled
  (Li,M)3O4, above it Li_u M O2 with the further Li on the empty octahedra;
- rock salt Li_u M O_(1+u): volume by Vegard's law between NiO, CoO, MnO (u = 0) and the layered oxide (u = 1),
  cations at random;
- cells are those at room temperature: no thermal expansion, also in patterns of the hot composite;
- all phases of the cathode share one Li per metal, as in the continuum model; products that are amorphous in
  reality scatter here like their crystals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosinter.analysis.observables.diffraction import PhaseWeight
from cosinter.data.exceptions import InputError, UnknownNameError

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

    from cosinter.structures.crystals import CrystalRecord

_LAYERED_NAMES = ("linio2", "licoo2", "ncm111", "ncm622", "ncm811")
_LAYERED_OXYGEN_Z = 0.242  # mean of refined LiNiO2 and LiCoO2, kind: assumed for mixed metals
_MONOXIDES = {"Ni": "nio", "Co": "coo", "Mn": "mno"}


@dataclass(frozen=True)
class SinteredCathode:
    """Cathode after sintering, per mol of metal M.

    ``metals`` mole shares of Ni, Co, Mn (add up to 1); fractions are shares of M in each phase (add up to 1);
    ``antisite`` is the share of 3a sites that hold Ni.
    """

    metals: Mapping[str, float]
    lithium_per_metal: float
    layered_fraction: float
    spinel_fraction: float = 0.0
    rock_salt_fraction: float = 0.0
    antisite: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.layered_fraction, self.spinel_fraction, self.rock_salt_fraction)
        if min(shares) < -1e-9 or abs(sum(shares) - 1.0) > 1e-6:
            raise InputError(f"phase fractions {shares} must not be negative and must add up to 1")
        if not set(self.metals) <= set(_MONOXIDES) or abs(sum(self.metals.values()) - 1.0) > 1e-6:
            raise InputError(f"metals {dict(self.metals)} must be shares of Ni, Co, Mn that add up to 1")
        if min(self.metals.values()) < 0.0 or not 0.0 <= self.lithium_per_metal <= 1.0 + 1e-9:
            raise InputError(
                f"lithium per metal is {self.lithium_per_metal}; it must lie within 0 and 1, metals must be positive"
            )
        if not 0.0 <= self.antisite <= min(self.metals.get("Ni", 0.0), self.lithium_per_metal):
            raise InputError(
                f"antisite is {self.antisite}; it must lie between 0 and the shares of Ni and of Li"
            )


@dataclass(frozen=True)
class ProductMixture:
    """Phases with weights that add up to 1; ``missing`` (formula, weight fraction) have no structure in the table."""

    phases: tuple[PhaseWeight, ...]
    missing: tuple[tuple[str, float], ...]


def sintered_mixture(cathode: SinteredCathode, others: Mapping[str, float]) -> ProductMixture:
    """Turn a sintered composite into weighted structures.

    Parameters
    ----------
    cathode
        The cathode, 1 mol of metal.
    others
        Electrolyte that is left and products: crystal name or formula -> mol per mol of cathode metal.

    Returns
    -------
    ProductMixture
        Weight fractions of the whole, phases below 1e-6 left out. The shares of missing phases count in the
        total, so the others are not inflated.
    """
    from pymatgen.core import Composition

    grams: list[tuple[str, Structure | None, float]] = []
    for label, share, build in (
        ("layered", cathode.layered_fraction, layered_structure),
        ("spinel", cathode.spinel_fraction, spinel_structure),
        ("rock salt", cathode.rock_salt_fraction, rock_salt_structure),
    ):
        if share > 0.0:
            structure = build(cathode)
            grams.append((label, structure, share * _grams_per_metal(structure)))
    for name, mol in others.items():
        if mol < 0.0:
            raise InputError(f"amount of {name} is {mol} mol; it must not be negative")
        record = _table_record(name)
        if record is None:
            grams.append((name, None, mol * float(Composition(name).weight)))
        else:
            grams.append((name, _with_elements(record.structure), mol * _formula_mass(name, record)))
    total = sum(mass for _, _, mass in grams)
    shares = [(label, structure, mass / total) for label, structure, mass in grams if mass / total > 1e-6]
    return ProductMixture(
        tuple(PhaseWeight(s, share, label) for label, s, share in shares if s is not None),
        tuple((label, share) for label, s, share in shares if s is None),
    )


def layered_structure(cathode: SinteredCathode) -> Structure:
    """Build the average R-3m cell Li_u M O2 with vacancies and Li/Ni exchange on 3a."""
    from pymatgen.core import Lattice, Structure

    a, c = _layered_cell(cathode.metals)
    u, z = min(cathode.lithium_per_metal, 1.0), cathode.antisite
    lithium_site = {"Li": u - z, "Ni": z}
    metal_site = dict(cathode.metals) | {"Ni": cathode.metals.get("Ni", 0.0) - z, "Li": z}
    return Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(a, c),
        [_occupied(lithium_site), _occupied(metal_site), "O"],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, _LAYERED_OXYGEN_Z]],
    )


def spinel_structure(cathode: SinteredCathode) -> Structure:
    """Build the average Fd-3m cell: (Li,M)3O4 up to u = 1/2, Li_u M O2 above it (origin choice 1)."""
    from pymatgen.core import Lattice, Structure

    manganate, cobaltate = _conventional("limn2o4"), _conventional("co3o4")
    edge = 0.5 * (manganate.lattice.a + cobaltate.lattice.a)
    u = min(cathode.lithium_per_metal, 1.0)
    if u <= 0.5:
        # three cations to four oxygens: Li takes tetrahedra, metal the octahedra and what is left
        tetrahedral = {"Li": 3.0 * u / (1.0 + u)}
        metal_there = 1.0 - tetrahedral["Li"]
        tetrahedral |= {el: metal_there * x for el, x in cathode.metals.items()}
        spare = 0.0
    else:
        tetrahedral, spare = {"Li": 1.0}, u - 0.5
    species: list[str | Composition] = [_occupied(tetrahedral), _occupied(cathode.metals), "O"]
    places = [[0.0, 0.0, 0.0], [0.625, 0.625, 0.625], [0.3875, 0.3875, 0.3875]]
    if spare > 0.0:
        species.append(_occupied({"Li": spare}))
        places.append([0.125, 0.125, 0.125])
    return Structure.from_spacegroup("Fd-3m", Lattice.cubic(edge), species, places)


def rock_salt_structure(cathode: SinteredCathode) -> Structure:
    """Build the average Fm-3m cell Li_u M O_(1+u), volume by Vegard's law."""
    from pymatgen.core import Lattice, Structure

    u = min(cathode.lithium_per_metal, 1.0)
    monoxide = sum(x * _conventional(_MONOXIDES[el]).volume / 4.0 for el, x in cathode.metals.items())
    a, c = _layered_cell(cathode.metals)
    layered = Lattice.hexagonal(a, c).volume / 3.0
    edge = (4.0 * ((1.0 - u) * monoxide + u * layered) / (1.0 + u)) ** (1.0 / 3.0)
    cations = {"Li": u / (1.0 + u)} | {el: x / (1.0 + u) for el, x in cathode.metals.items()}
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(edge), [_occupied(cations), "O"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    )


def _grams_per_metal(structure: Structure) -> float:
    composition = structure.composition
    return float(composition.weight / sum(composition[el] for el in _MONOXIDES))


def _formula_mass(name: str, record: CrystalRecord) -> float:
    """g/mol of what ``name`` means: ``name`` as a formula if it reads as that compound, else the table's formula."""
    from pymatgen.core import Composition

    table = Composition(record.formula)
    try:
        asked = Composition(name)
    except ValueError:
        return float(table.weight)
    shares = asked.fractional_composition, table.fractional_composition
    same = shares[0].almost_equals(shares[1], rtol=0.02, atol=0.005)
    return float((asked if same else table).weight)


def _table_record(name: str) -> CrystalRecord | None:
    from cosinter.structures.crystals import crystal

    try:
        return crystal(name)
    except UnknownNameError:
        return None


def _with_elements(structure: Structure) -> Structure:
    """A copy without oxidation states: the composition changes here, the states would no longer add up."""
    bare = structure.copy()
    bare.remove_oxidation_states()
    return bare


def _conventional(name: str) -> Structure:
    """Conventional cell of a crystal of the table."""
    from cosinter.structures.crystals import crystal

    return crystal(name).structure


def _layered_cell(metals: Mapping[str, float]) -> tuple[float, float]:
    """(a, c) in Å of the layered oxide of the table that is nearest in composition."""

    def distance(cell: Structure) -> float:
        composition = cell.composition
        total = sum(composition[el] for el in _MONOXIDES)
        return sum(abs(composition[el] / total - metals.get(el, 0.0)) for el in _MONOXIDES)

    nearest = min((_conventional(name) for name in _LAYERED_NAMES), key=distance)
    return float(nearest.lattice.a), float(nearest.lattice.c)


def _occupied(site: Mapping[str, float]) -> Composition:
    """Drop empty species; rounding may push a full site a hair above 1, which pymatgen refuses."""
    from pymatgen.core import Composition

    total = sum(site.values())
    return Composition({el: share / max(total, 1.0) for el, share in site.items() if share > 1e-9})
