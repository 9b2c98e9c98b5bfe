"""A hop of one ion: its two end points, and what every way of choosing them shares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]

END_TOLERANCE_A = 0.5
DISTANCE_TOLERANCE_A = 1e-3
LAYERED_METALS = ("Ni", "Co", "Mn")


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
    perfect
        The undisturbed cell in which the hop was set up.
    lithium_per_metal
        Lithium left per transition metal in a layered oxide; None for other crystals.
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
    perfect: Structure | None = None
    lithium_per_metal: float | None = None


@dataclass(frozen=True)
class LithiumHop:
    """A symmetry-distinct pair of lithium sites: index of the start, vector to the end (Å, shape (3,)), length
    in Å, and the orbits (smallest site index of each) of start and end."""

    start: int
    step: FloatArray
    length_A: float
    orbits: tuple[int, int]


def hop_path(
    structure: Structure,
    start: int,
    step: FloatArray,
    *,
    removed: Sequence[int],
    name: str,
    note: str,
    via: FloatArray | None = None,
    offset: FloatArray | None = None,
) -> MigrationPath:
    """Take the sites ``removed`` out of a host and move the ion at ``start`` by ``step`` (Å, shape (3,)).

    ``offset`` (Å, shape (3,)) moves the ion away from its site before the hop: for the second stage of a path.
    """
    initial = structure.copy()
    initial.remove_sites(sorted(removed))
    mobile = start - sum(i < start for i in removed)
    lattice = structure.lattice
    if offset is not None:
        _move(initial, mobile, lattice.get_fractional_coords(offset))
    final = initial.copy()
    _move(final, mobile, lattice.get_fractional_coords(step))
    metals = sum(site.specie.symbol in LAYERED_METALS for site in initial)
    left = sum(site.specie.symbol == "Li" for site in initial)
    return MigrationPath(
        name=name,
        host=host_label(structure),
        initial=initial,
        final=final,
        mobile_index=mobile,
        hop_length_A=float(np.linalg.norm(step)),
        vacancies=len(removed),
        net_charge=float(sum(getattr(site.specie, "oxi_state", 0.0) or 0.0 for site in initial)),
        via=None if via is None else (float(via[0]), float(via[1]), float(via[2])),
        note=note,
        perfect=structure.copy(),
        lithium_per_metal=left / metals if _is_layered(structure) else None,
    )


def _move(structure: Structure, index: int, shift: FloatArray) -> None:
    site = structure[index]
    structure.replace(index, site.species, site.frac_coords + shift, properties=dict(site.properties))


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
    found = [n for n in structure.get_sites_in_sphere(target, END_TOLERANCE_A) if n.specie.symbol == "Li"]
    if not found or found[0].index == start:
        raise InputError(
            f"no other lithium site lies within 0.5 Å of the end of the hop {np.round(step, 2).tolist()} Å;"
            " give the vector between two lithium sites, in a cell wide enough to tell them apart"
        )
    neighbour = min(found, key=lambda n: float(n.nn_distance))
    return hop_path(
        structure,
        start,
        np.asarray(neighbour.coords - structure[start].coords),
        removed=(int(neighbour.index),),
        name=f"{host_label(structure)} vacancy hop",
        note="straight hop between two lithium sites",
    )


def distinct_hops(structure: Structure, *, cutoff_A: float) -> tuple[LithiumHop, ...]:
    """List the lithium-lithium neighbour pairs up to ``cutoff_A`` that symmetry does not relate, shortest first.

    Pairs count as one when their sites belong to the same two orbits of the space group (tolerance 0.01 Å)
    and their lengths agree within 0.001 Å. The start is on the orbit that comes first in the structure.
    """
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    with warnings.catch_warnings():
        # spglib announces a change of its error handling, which pymatgen does not use
        warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)
        orbits = SpacegroupAnalyzer(structure, 0.01).get_symmetry_dataset().equivalent_atoms
    lithium = [i for i, site in enumerate(structure) if site.specie.symbol == "Li"]
    found: list[LithiumHop] = []
    for start in lithium:
        for n in structure.get_neighbors(structure[start], cutoff_A):
            pair = (int(orbits[start]), int(orbits[n.index]))
            if n.specie.symbol != "Li" or pair[0] > pair[1]:
                continue
            length = float(n.nn_distance)
            if not any(h.orbits == pair and abs(h.length_A - length) < DISTANCE_TOLERANCE_A for h in found):
                step = np.asarray(n.coords - structure[start].coords)
                found.append(LithiumHop(start, step, length, pair))
    return tuple(sorted(found, key=lambda h: (round(h.length_A, 3), h.orbits)))


def repeats_for_width(structure: Structure, width_A: float) -> tuple[int, int, int]:
    """Count the repeats along a, b, c after which every lattice vector is at least ``width_A`` long."""
    a, b, c = (max(1, ceil(width_A / length - 1e-9)) for length in structure.lattice.abc)
    return a, b, c


def shortest_translation(structure: Structure) -> float:
    """Length of the shortest lattice translation, Å."""
    shifts = np.array([s for s in product((-1, 0, 1), repeat=3) if any(s)])
    return float(np.min(np.linalg.norm(shifts @ structure.lattice.matrix, axis=1)))


def host_label(structure: Structure) -> str:
    """Formula per two oxygens for a layered oxide, the reduced formula otherwise."""
    elements = structure.composition.element_composition
    if _is_layered(structure):
        amounts = ((el, 2.0 * elements[el] / elements["O"]) for el in ("Li", *LAYERED_METALS, "O"))
        return "".join(f"{el}{'' if abs(n - 1.0) < 1e-9 else f'{n:.3g}'}" for el, n in amounts if n)
    return str(elements.reduced_formula)


def _is_layered(structure: Structure) -> bool:
    symbols = {el.symbol for el in structure.composition.element_composition}
    return symbols <= {"Li", *LAYERED_METALS, "O"} and "O" in symbols and len(symbols) > 2
