"""When a relaxation has gone astray: limits, symmetry and bonds compared with the start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.geometry import without_spglib_notice

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Response = Literal["ignore", "notice", "raise"]

GRACE_STEPS = 20  # a poor start may be rough for this many steps before the force rule counts
_BOND = 1.3  # times the sum of covalent radii: between bonds and next neighbours in the oxides and phosphates here
_SLACK = 1.1  # a bond is lost, or made, when it crosses the limit by this factor
_ANIONS = frozenset({"O", "F", "N", "S", "Cl"})


@dataclass(frozen=True)
class AbortRules:
    """When a relaxation is given up (StructureError), or what is told about it (``Relaxation.notices``).

    ``volume_change_percent`` against the start; ``force_eV_per_A`` after 20 steps; ``isolation_A``: an atom whose
    nearest neighbour is farther than this has left the crystal.

    ``symmetry``: an operation of the start (spglib, ``symmetry_tolerance_A``) no longer maps the crystal onto
    itself within the tolerance. ``connectivity``: a cation has lost or gained a bond to an anion, bonds being
    shorter than 1.3 times the sum of covalent radii (Cordero et al., doi:10.1039/b801115j) and changed when they
    cross that by 10 %; ``connectivity_ignores`` are elements whose coordination is free (mobile lithium). Each is
    ignored, noted in the result, or raised; raised also under way, every ten steps.
    """

    volume_change_percent: float = 30.0
    force_eV_per_A: float = 20.0
    isolation_A: float = 4.0
    symmetry: Response = "notice"
    symmetry_tolerance_A: float = 0.1
    connectivity: Response = "notice"
    connectivity_ignores: tuple[str, ...] = ("Li",)

    def __post_init__(self) -> None:
        for name in ("symmetry", "connectivity"):
            if getattr(self, name) not in ("ignore", "notice", "raise"):
                raise UnknownNameError(
                    f"answer of the {name} rule", getattr(self, name), ("ignore", "notice", "raise")
                )
        if not self.symmetry_tolerance_A > 0.0:
            raise InputError(
                f"symmetry_tolerance_A is {self.symmetry_tolerance_A!r}, allowed is a positive number in Å"
            )


INTERFACE_RULES = AbortRules(symmetry="ignore", connectivity="ignore")
"""Rules for freshly built interfaces, where atoms are meant to find new neighbours."""


class SymmetryRule:
    """Symmetry operations of a starting structure, to be looked for in later ones with the same sites."""

    def __init__(self, start: Structure, tolerance_A: float) -> None:
        self.tolerance_A = tolerance_A
        self._start = np.asarray(start.frac_coords, dtype=np.float64)
        self._rotations, self._translations = _operations(start, tolerance_A)
        self._images = _images(start, self._rotations, self._translations)

    def broken(self, now: Structure) -> str | None:
        """Say in one sentence which share of the operations ``now`` has lost; None if it has them all."""
        moved = now.frac_coords - self._start
        coordinates = now.frac_coords - moved.mean(axis=0)  # a drift of the whole crystal breaks nothing
        mapped = np.einsum("oij,nj->oni", self._rotations, coordinates) + self._translations[:, None, :]
        apart = mapped - coordinates[self._images]
        apart -= np.round(apart)
        deviations = np.linalg.norm(apart @ now.lattice.matrix, axis=2).max(axis=1)
        metric = now.lattice.matrix @ now.lattice.matrix.T
        turned = np.einsum("oji,jk,okl->oil", self._rotations, metric, self._rotations)
        deviations = np.maximum(
            deviations, np.abs(turned - metric).max(axis=(1, 2)) / (2.0 * max(now.lattice.abc))
        )
        lost = int((deviations > self.tolerance_A).sum())
        if lost == 0:
            return None
        return (
            f"{now.composition.reduced_formula} has lost {lost} of {len(self._rotations)} symmetry operations of its "
            f"start (largest deviation {deviations.max():.2g} Å, tolerance {self.tolerance_A:g} Å)"
        )


def _operations(structure: Structure, tolerance_A: float) -> tuple[FloatArray, FloatArray]:
    import spglib

    species = [site.species_string for site in structure]
    numbers = [sorted(set(species)).index(name) for name in species]
    with without_spglib_notice():
        found = spglib.get_symmetry(
            (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers), symprec=tolerance_A
        )
    if found is None:
        return np.eye(3)[None], np.zeros((1, 3))
    return np.asarray(found["rotations"], dtype=np.float64), np.asarray(
        found["translations"], dtype=np.float64
    )


def _images(structure: Structure, rotations: FloatArray, translations: FloatArray) -> IntArray:
    """Site onto which each operation maps each site, shape [operations, sites]."""
    from scipy.spatial import cKDTree

    species = [site.species_string for site in structure]
    label = np.array([sorted(set(species)).index(name) for name in species], dtype=np.float64)
    wrapped = structure.frac_coords % 1.0 % 1.0
    tree = cKDTree(np.column_stack([wrapped, label]), boxsize=[1.0, 1.0, 1.0, 0.0])
    found = []
    for rotation, translation in zip(rotations, translations, strict=True):
        mapped = (structure.frac_coords @ rotation.T + translation) % 1.0 % 1.0
        found.append(tree.query(np.column_stack([mapped, label]))[1])
    return np.asarray(found, dtype=np.int64)


class ConnectivityRule:
    """Bonds between cations and anions of a starting structure, to be compared with later ones with the same sites."""

    def __init__(self, start: Structure, ignores: tuple[str, ...]) -> None:
        self._start = start
        self._radii = _covalent_radii(start)
        charges = [getattr(site.specie, "oxi_state", None) for site in start]
        signs = [
            (-1 if site.specie.symbol in _ANIONS else 1) if charge is None else int(np.sign(charge))
            for site, charge in zip(start, charges, strict=True)
        ]
        self._anion = np.array([sign < 0 for sign in signs])
        self._cation = np.array(
            [sign > 0 and site.specie.symbol not in ignores for sign, site in zip(signs, start, strict=True)]
        )
        self._bonds = self._near(start)

    def _near(self, structure: Structure) -> tuple[IntArray, IntArray, FloatArray]:
        """Cation, anion and image [n, 3] of the pairs within the limit of a bond."""
        if not (self._cation.any() and self._anion.any()):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3))
        reach = _BOND * (self._radii[self._cation].max() + self._radii[self._anion].max())
        first, second, image, distance = structure.get_neighbor_list(reach)
        mask = self._cation[first] & self._anion[second]
        mask &= distance < _BOND * (self._radii[first] + self._radii[second])
        return first[mask], second[mask], image[mask]

    def _beyond(self, structure: Structure, bonds: tuple[IntArray, IntArray, FloatArray]) -> IntArray:
        """Cations of those of ``bonds`` that are clearly longer than a bond in ``structure``."""
        first, second, image = bonds
        vectors = structure.frac_coords[second] + image - structure.frac_coords[first]
        lengths = np.linalg.norm(vectors @ structure.lattice.matrix, axis=1)
        far = lengths > _SLACK * _BOND * (self._radii[first] + self._radii[second])
        return np.asarray(first[far])

    def broken(self, now: Structure) -> str | None:
        """Say in one sentence which cations changed their neighbours; None if none did."""
        lost, gained = (
            Counter(self._beyond(now, self._bonds)),
            Counter(self._beyond(self._start, self._near(now))),
        )
        sites = sorted(set(lost) | set(gained))
        if not sites:
            return None
        before = Counter(self._bonds[0])
        worst = max(sites, key=lambda site: lost[site] + gained[site])
        return (
            f"{len(sites)} cations of {now.composition.reduced_formula} have changed their anion neighbours: "
            f"{now[worst].species_string} (site {worst}) had {before[worst]}, lost {lost[worst]} and gained "
            f"{gained[worst]}"
        )


def _covalent_radii(structure: Structure) -> FloatArray:
    from ase.data import covalent_radii

    return np.array([covalent_radii[site.specie.Z] for site in structure], dtype=np.float64)


def nearest_neighbour_distances(structure: Structure, *, cutoff_A: float) -> FloatArray:
    """Distance (Å) of every atom to its nearest neighbour, shape [n]; inf if beyond ``cutoff_A``."""
    centres, _, _, distances = structure.get_neighbor_list(cutoff_A)
    nearest = np.full(len(structure), np.inf)
    np.minimum.at(nearest, centres, distances)
    return nearest


def structural_rules(start: Structure, rules: AbortRules) -> list[tuple[Response, Any]]:
    """Make the rules that are not ignored, with what to do when one strikes; ``rule.broken(now)`` asks them."""
    found: list[tuple[Response, Any]] = []
    if rules.symmetry != "ignore":
        found.append((rules.symmetry, SymmetryRule(start, rules.symmetry_tolerance_A)))
    if rules.connectivity != "ignore":
        found.append((rules.connectivity, ConnectivityRule(start, rules.connectivity_ignores)))
    return found
