"""Bridge to pymatgen: its entries in, its conventions of kinks out.

pymatgen gives a kink as (x, energy) with ``norm=True``: x is the fraction of all atoms that come from the first
reactant, the energy is in eV per atom, of the elements without reservoir only where elements are open; with
``norm=False``: x is the mole fraction and the energy is per x first + (1 - x) second. Its energies count from the
lowest entry of each reactant (``use_hull_energy=False``; our totals) or from the reactants' own equilibria
(``use_hull_energy=True``, and the default with open elements; our mutual energies).

Nothing here imports pymatgen: an entry is anything with ``composition`` and ``energy``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from cosinter.analysis.equilibrium.entry_table import EntryTable, InterfaceProfile
from cosinter.data.exceptions import InputError


class Entry(Protocol):
    """What is needed of a pymatgen entry."""

    @property
    def composition(self) -> Any:
        """pymatgen Composition."""

    @property
    def energy(self) -> float:
        """Corrected energy of the composition, eV."""


def from_pymatgen(entries: Iterable[Entry]) -> EntryTable:
    """Convert PDEntry, ComputedEntry or alike, corrections included, into arrays (eV); all entries are kept.

    Raises
    ------
    InputError
        There is no entry, or an energy is not a finite number.
    """
    listed = list(entries)
    if not listed:
        raise InputError("there must be at least one entry")
    known: dict[Any, int] = {}
    symbols: dict[str, int] = {}
    size = len(listed)
    places: list[int] = []
    amounts: list[float] = []
    for j, entry in enumerate(listed):
        for element, amount in entry.composition.items():
            row = known.get(element)
            if row is None:
                row = known[element] = symbols.setdefault(element.symbol, len(symbols))
            places.append(row * size + j)
            amounts.append(amount)
    flat = np.bincount(places, weights=np.asarray(amounts, dtype=np.float64), minlength=len(symbols) * size)
    counts = flat.astype(np.float64).reshape(-1, size)
    order = sorted(symbols)
    energies = np.asarray([[entry.energy for entry in listed]], dtype=np.float64)
    names = tuple(map(_label, listed))
    return EntryTable(names, tuple(order), counts[[symbols[symbol] for symbol in order]], energies)


def _label(entry: Entry) -> str:
    """Name of an entry; its id, or its formula, where it has none."""
    for label in (getattr(entry, "name", None), getattr(entry, "entry_id", None)):
        if label:
            return str(label)
    return str(entry.composition.reduced_formula)


def pymatgen_kinks(
    profile: InterfaceProfile, *, norm: bool = True, mutual: bool = False
) -> list[tuple[float, float]]:
    """List the kinks of ``profile`` as pymatgen's ``get_kinks`` gives them: [(x, energy)], x ascending.

    ``mutual`` is pymatgen's ``use_hull_energy=True`` (closed) or ``include_no_mixing_energy=False`` (open).
    """
    if not norm:
        energies = profile.mutual if mutual else profile.totals
        return list(zip(profile.mole.tolist(), energies.tolist(), strict=True))
    energies = profile.per_closed_atom(mutual=mutual)
    return list(zip(profile.atomic.tolist(), energies.tolist(), strict=True))
