"""Point defects of layered oxides with formal charges: lithium vacancies and Ni-Li antisite pairs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import CompositionError, InputError, StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

OXIDATION_STEPS = (("Mn3+", "Mn4+"), ("Ni2+", "Ni3+"), ("Ni3+", "Ni4+"), ("Co3+", "Co4+"))
"""Who gives an electron first; the order of :func:`cosinter.structures.layered.oxidation_counts`."""

SAME_DISTANCE_A = 0.05


def distinct_lithium_sites(structure: Structure, *, symprec: float = 0.01) -> tuple[tuple[int, ...], ...]:
    """Group the lithium sites by the symmetry of the structure (spglib), largest group first.

    Parameters
    ----------
    symprec
        Tolerance of positions, Å.

    Raises
    ------
    StructureError
        The structure holds no lithium.
    """
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    lithium = set(_lithium(structure))
    with warnings.catch_warnings():
        # spglib 2.7 addresses a notice to its callers (pymatgen), which users cannot act on
        warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)
        dataset = SpacegroupAnalyzer(structure, symprec=symprec).get_symmetry_dataset()
    orbits: dict[int, list[int]] = {}
    for index, orbit in enumerate(dataset.equivalent_atoms):
        if index in lithium:
            orbits.setdefault(int(orbit), []).append(index)
    return tuple(sorted((tuple(sites) for sites in orbits.values()), key=lambda sites: (-len(sites), sites)))


def lithium_vacancy(
    structure: Structure,
    *,
    index: int | Sequence[int] | None = None,
    number: int = 1,
    seed: int = 0,
    compensate: bool = True,
) -> Structure:
    """Remove lithium ions, each with an electron of the nearest metal that can give one.

    Metals are oxidised in the order Mn3+ -> Mn4+, Ni2+ -> Ni3+, Ni3+ -> Ni4+, Co3+ -> Co4+, of one kind the
    nearest to the vacancy. The other sites keep their order; ``properties["defect"]`` records what was done.

    Parameters
    ----------
    index
        Sites to empty; by default ``number`` lithium sites drawn with ``seed``.
    compensate
        Oxidise metals; if not, the cell is left with the charge -1 per vacancy.

    Raises
    ------
    InputError
        A site that is no lithium, or a number outside 1 to the lithium ions there are.
    CompositionError
        No metal is left that can be oxidised.
    """
    lithium = _lithium(structure)
    if index is None:
        if not 1 <= number <= len(lithium):
            raise InputError(f"{number} vacancies asked, the cell takes 1 to {len(lithium)}")
        chosen = sorted(int(i) for i in np.random.default_rng(seed).choice(lithium, number, replace=False))
    else:
        chosen = sorted({index} if isinstance(index, int) else {int(i) for i in index})
        wrong = sorted(set(chosen) - set(lithium))
        if wrong or not chosen:
            raise InputError(
                f"sites {wrong or chosen} are no lithium sites; these are {lithium[0]} to {lithium[-1]}"
            )
    result = structure.copy()
    oxidised = []
    if compensate:
        oxidised = [_oxidise_nearest(result, site) for site in chosen]
    result.remove_sites(chosen)
    defect = {
        "kind": "lithium vacancy",
        "removed": chosen,
        "oxidised": [site - sum(gone < site for gone in chosen) for site in oxidised],
        "charge_e": 0 if compensate else -len(chosen),
    }
    result.properties = {**structure.properties, "defect": defect}  # a copy shares its properties
    return result


def antisite_pair(structure: Structure, *, separation_A: float | None = None, seed: int = 0) -> Structure:
    """Exchange one lithium and one nickel; the nickel on the lithium site becomes Ni2+.

    Of the pairs at the wanted distance those with Ni2+ are taken first, then ``seed`` decides. Where the nickel
    was Ni3+ or Ni4+, the electrons come from the metals nearest to the lithium on the metal site, whose
    effective charge is negative (steps of :func:`lithium_vacancy`), so that the charge of the cell stays.

    Parameters
    ----------
    separation_A
        Distance of the two sites, Å; the nearest one that exists is taken. By default the shortest.

    Returns
    -------
    The cell, sites in the same order; ``properties["defect"]`` holds the sites and their distance.

    Raises
    ------
    StructureError
        No lithium or no nickel, or no pair within 0.5 Å of the distance.
    CompositionError
        No metal can give the electrons.
    """
    lithium = _lithium(structure)
    nickel = [i for i, site in enumerate(structure) if site.specie.symbol == "Ni"]
    if not nickel:
        raise StructureError(f"{structure.composition.reduced_formula} holds no nickel to exchange")
    _states(structure)
    distances = structure.lattice.get_all_distances(
        structure.frac_coords[lithium], structure.frac_coords[nickel]
    )
    wanted = float(distances.min()) if separation_A is None else separation_A
    found = _nearest_distance(distances, wanted)
    pairs = np.argwhere(np.abs(distances - found) < SAME_DISTANCE_A)
    charges = np.array([structure[nickel[b]].specie.oxi_state for _, b in pairs])
    pairs = pairs[charges == charges.min()]
    a, b = pairs[np.random.default_rng(seed).integers(len(pairs))]
    li, ni = lithium[int(a)], nickel[int(b)]
    surplus = round(float(charges.min()) - 2.0)
    if surplus < 0:
        raise CompositionError(f"nickel site {ni} is {structure[ni].specie}; an antisite takes Ni2+ or above")
    result = structure.copy()
    result.replace(li, "Ni2+")
    result.replace(ni, "Li+")
    oxidised = [_oxidise_nearest(result, ni, spared=li) for _ in range(surplus)]
    defect = {
        "kind": "antisite pair",
        "nickel_on_lithium": li,
        "lithium_on_nickel": ni,
        "separation_A": float(distances[a, b]),
        "oxidised": oxidised,
    }
    result.properties = {**structure.properties, "defect": defect}
    return result


def _nearest_distance(distances: NDArray[np.float64], wanted: float) -> float:
    found = float(distances.flat[int(np.argmin(np.abs(distances - wanted)))])
    if not abs(found - wanted) <= 0.5:
        raise StructureError(
            f"no Li-Ni pair is {wanted:g} Å apart; the cell has pairs from {distances.min():.2f} to"
            f" {distances.max():.2f} Å, the nearest at {found:.2f} Å"
        )
    return found


def _lithium(structure: Structure) -> list[int]:
    sites = [i for i, site in enumerate(structure) if site.is_ordered and site.specie.symbol == "Li"]
    if not sites:
        raise StructureError(f"{structure.composition.reduced_formula} holds no lithium site to work on")
    return sites


def _states(structure: Structure) -> list[str]:
    """Ions of the sites, e.g. "Ni3+"; refuses a structure without oxidation states."""
    if any(getattr(site.specie, "oxi_state", None) is None for site in structure):
        raise InputError(
            f"{structure.composition.reduced_formula} has no oxidation states; add them"
            " (structure.add_oxidation_state_by_element) or build it with layered_oxide"
        )
    return [str(site.specie) for site in structure]


def _oxidise_nearest(structure: Structure, centre: int, *, spared: int | None = None) -> int:
    """Take one electron, in place, from the metal nearest to ``centre`` of the first kind that can give one."""
    states = _states(structure)
    for before, after in OXIDATION_STEPS:
        sites = [i for i, ion in enumerate(states) if ion == before and i != spared]
        if sites:
            points = structure.frac_coords
            distances = structure.lattice.get_all_distances(points[centre], points[sites])[0]
            chosen = sites[int(np.argmin(np.round(distances, 4)))]
            structure.replace(chosen, after)
            return chosen
    raise CompositionError(
        f"{structure.composition.reduced_formula} has no Mn3+, Ni2+, Ni3+ or Co3+ left to oxidise;"
        " for a vacancy take compensate=False, which leaves the cell charged"
    )
