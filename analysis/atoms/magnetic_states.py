"""Oxidation states of transition metals from the magnetic moments that a spin-aware calculator gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cosinter.data.exceptions import CompositionError, InputError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from pymatgen.core import Structure


def states_from_moments(structure: Structure, moments: Sequence[float]) -> Structure:
    """Copy a structure with the neutral oxidation states whose spins are nearest to ``moments``.

    Minimises sum_i | |m_i| - n_i | over the states of the transition metals, n_i the unpaired electrons of a state
    (``data/potentials.yaml``, high spin but for Ni3+ and Co3+), under charge 0; all other ions keep their states. A
    moment alone cannot tell (CHGNet gives Ni2+ about 1.7, Ni3+ 0.7 to 1.3, Ni4+ 0.1 to 0.6 Bohr magnetons), the balance
    of charge decides between neighbours. CHGNet: doi:10.1038/s42256-023-00716-3.

    Parameters
    ----------
    moments
        One per site, Bohr magnetons; the sign (the direction of the spin) does not count.

    Raises
    ------
    InputError
        Not one moment per site, or another ion without an oxidation state.
    CompositionError
        No choice of tabulated states is neutral.
    """
    if len(moments) != len(structure):
        raise InputError(f"{len(moments)} moments were given for {len(structure)} sites; give one per site")
    options, fixed = _options(structure)
    # least cost of every charge that the metals so far can have, and the states that lead there
    reached: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for index, states in options.items():
        ways: dict[int, tuple[float, tuple[int, ...]]] = {}
        for charge, (cost, chosen) in reached.items():
            for state, unpaired in states.items():
                total = cost + abs(abs(float(moments[index])) - unpaired)
                if charge + state not in ways or total < ways[charge + state][0] - 1e-12:
                    ways[charge + state] = (total, (*chosen, state))
        reached = ways
    if -fixed not in reached:
        raise CompositionError(
            f"{structure.composition.reduced_formula} has no neutral choice of oxidation states: its metals must carry "
            f"{-fixed:+d} e, possible are {min(reached):+d} to {max(reached):+d}"
        )
    result = structure.copy()
    for index, state in zip(options, reached[-fixed][1], strict=True):
        element = structure[index].specie.symbol
        result.replace(index, f"{element}{state}+", properties=dict(structure[index].properties))
    return result


def _options(structure: Structure) -> tuple[dict[int, dict[int, int]], int]:
    """States (state -> unpaired electrons) of every transition metal, and the charge of all other ions."""
    from pymatgen.core import Species

    known: dict[str, dict[int, int]] = {}
    for ion, unpaired in load_table("potentials")["dft"]["unpaired_electrons"]["values"].items():
        species = Species.from_str(ion)
        known.setdefault(species.symbol, {})[round(float(species.oxi_state or 0.0))] = int(unpaired)
    options: dict[int, dict[int, int]] = {}
    charge = 0.0
    for index, site in enumerate(structure):
        if site.specie.symbol in known:
            options[index] = known[site.specie.symbol]
            continue
        state = getattr(site.specie, "oxi_state", None)
        if state is None:
            raise InputError(
                f"{site.specie} (site {index}) carries no oxidation state; decorate the structure first"
            )
        charge += float(state)
    return options, round(charge)
