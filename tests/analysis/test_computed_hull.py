"""The hull of a calculator's own energies, beside pymatgen's."""

from __future__ import annotations

import pytest
from scipy.constants import N_A, elementary_charge

from cosinter.analysis.equilibrium.computed_hull import above_hull
from cosinter.analysis.thermochemistry.energy_tables import load_energy_table
from cosinter.data.exceptions import InputError


def test_the_hull_is_that_of_pymatgen() -> None:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    table = load_energy_table("chgnet")
    ours = above_hull(table)
    assert table.oxygen_J_per_mol is not None
    rows = [(name, row.formula, row.energy_J_per_mol) for name, row in table.energies.items()]
    rows.append(("O2", "O2", table.oxygen_J_per_mol))
    entries = [
        PDEntry(Composition(formula), energy / N_A / elementary_charge, name=name)
        for name, formula, energy in rows
        if not {"P", "C", "H", "Al"}
        & set(Composition(formula).as_dict())  # fewer elements: pymatgen is slow in nine
    ]
    peer = PhaseDiagram(entries)
    for entry in entries:
        if entry.name in ours:
            assert ours[entry.name] == pytest.approx(1e3 * peer.get_e_above_hull(entry), abs=1e-6)
    assert ours["TiO2_rutile"] > 5.0, (
        "the metastable polymorphs of this calculator give the test something to find"
    )


def test_a_potential_without_reaction_energies_has_no_hull() -> None:
    with pytest.raises(InputError, match="pmmcs has no hull: the sign"):
        above_hull(load_energy_table("pmmcs"))
