"""How far crystals lie above the convex hull of one calculator's own energies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import N_A, elementary_charge

from cosinter.analysis.equilibrium.entry_table import EntryTable
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.energy_tables import EnergyTable

MEV_PER_ATOM = 1.0e3 / (N_A * elementary_charge)
OXYGEN = "O2(g)"


def above_hull(table: EnergyTable) -> Mapping[str, float]:
    """Static energy of every crystal of a table above the hull of all of them, meV/atom; 0 where it is stable.

    The hull is that of the calculator's own scale at 0 K without vibrations, with gaseous oxygen at the energy that the
    table takes from couples of measured oxides (``table.oxygen_J_per_mol``). Equations of the hull:
    :meth:`cosinter.analysis.equilibrium.entry_table.EntryTable.above_hull`.

    Raises
    ------
    InputError
        The table's calculator must not be asked for energies of reaction (their sign can be wrong), or it has no
        energy of oxygen.
    """
    if table.qualitative:
        raise InputError(
            f"{table.calculator} has no hull: the sign of its reaction energies can be wrong; take chgnet or a "
            "calculator of your own"
        )
    if table.oxygen_J_per_mol is None:
        raise InputError(
            f"the energies of {table.calculator} hold no couple of Mn or Co oxides, which fix the energy of oxygen; "
            "compute them with: cosinter energies"
        )
    formulas = {name: parse_formula(energy.formula) for name, energy in table.energies.items()}
    formulas[OXYGEN] = {"O": 2.0}
    elements = tuple(sorted({element for atoms in formulas.values() for element in atoms}))
    counts = np.array([[atoms.get(element, 0.0) for atoms in formulas.values()] for element in elements])
    energies = [energy.energy_J_per_mol for energy in table.energies.values()]
    entries = EntryTable(tuple(formulas), elements, counts, np.array([[*energies, table.oxygen_J_per_mol]]))
    above = entries.above_hull()[0] * MEV_PER_ATOM
    return {name: float(value) for name, value in zip(formulas, above, strict=True) if name != OXYGEN}
