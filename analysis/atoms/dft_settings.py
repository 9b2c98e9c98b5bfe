"""What every DFT input needs and no code decides alike: spins, Hubbard terms, k-points, kinds of atoms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from pymatgen.core import Structure

Mesh = tuple[int, int, int]

K_SPACING_PER_A = 0.25  # between k-points, 2 pi included: usual for oxides with a gap, to be converged


@dataclass(frozen=True)
class Kind:
    """Atoms of one element in one oxidation state: ``label`` as in the input file (``Ni3``, ``O``), number of
    unpaired electrons, Hubbard U in eV (0 without)."""

    label: str
    element: str
    oxidation_state: int | None
    unpaired: int
    hubbard_U_eV: float


def kinds(structure: Structure, *, plus_u: bool = True) -> list[Kind]:
    """Kind of every site, in their order. Open d shells need their oxidation state.

    Raises
    ------
    InputError
        A 3d metal without oxidation state, or states that do not sum to zero.
    UnknownNameError
        A 3d ion whose number of unpaired electrons is not tabulated.
    """
    table = load_table("potentials")["dft"]
    if not structure.is_ordered:
        raise InputError(
            f"{structure.composition.reduced_formula} has sites shared by several species; "
            "take an ordered representative first"
        )
    states: list[float | None] = [getattr(site.specie, "oxi_state", None) for site in structure]
    known = [state for state in states if state is not None]
    if len(known) == len(states) and abs(sum(known)) > 1.0e-8:
        raise InputError(
            f"the oxidation states of {structure.composition.reduced_formula} sum to {sum(known):+g} e, allowed is 0: "
            "the spin of a DFT cell follows from balanced states; assign them anew"
        )
    values, hubbard = table["unpaired_electrons"]["values"], table["hubbard_U"]["values"]
    found: dict[tuple[str, float | None], Kind] = {}
    for site, state in zip(structure, states, strict=True):
        key = (site.specie.symbol, state)
        if key not in found:
            found[key] = _kind(*key, values, hubbard if plus_u else {})
    return [found[site.specie.symbol, state] for site, state in zip(structure, states, strict=True)]


def _kind(element: str, state: float | None, unpaired: dict[str, int], hubbard: dict[str, float]) -> Kind:
    from pymatgen.core import Element

    if not Element(element).is_transition_metal:
        return Kind(element, element, None if state is None else round(state), 0, 0.0)
    if state is None:
        raise InputError(
            f"{element} carries no oxidation state, from which its spin follows; decorate the structure first"
        )
    ion = f"{element}{state:g}+"
    if ion not in unpaired:
        raise UnknownNameError("ion with a known spin state", ion, unpaired)
    return Kind(f"{element}{state:g}", element, round(state), unpaired[ion], hubbard.get(element, 0.0))


def moments(sites: Sequence[Kind]) -> list[float]:
    """Starting magnetic moment of every site in Bohr magnetons, all parallel."""
    return [float(kind.unpaired) for kind in sites]


def multiplicity(sites: Sequence[Kind]) -> int:
    """Spin multiplicity 2S + 1 with all unpaired electrons parallel."""
    return 1 + sum(kind.unpaired for kind in sites)


def kpoint_mesh(structure: Structure, *, spacing_per_A: float = K_SPACING_PER_A, odd: bool = False) -> Mesh:
    """Number of k-points along each reciprocal vector b: the least n with |b|/n <= spacing (1/Å, 2 pi included).

    ``odd`` rounds up to odd numbers, which keep the origin in meshes that codes shift when they are even.

    Raises
    ------
    InputError
        A spacing that is not positive.
    """
    if not (math.isfinite(spacing_per_A) and spacing_per_A > 0.0):
        raise InputError(f"k-point spacing is {spacing_per_A!r}, allowed is a positive number in 1/Å")
    lengths = np.asarray(structure.lattice.reciprocal_lattice.abc)
    a, b, c = (max(1, math.ceil(length / spacing_per_A - 1.0e-6)) for length in lengths)
    return (a | 1, b | 1, c | 1) if odd else (a, b, c)
