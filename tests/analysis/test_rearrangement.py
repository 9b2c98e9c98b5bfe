"""Antisites and polymorphs: bond counting, invariances, refusals, the cathode's table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from pymatgen.core import Structure

from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.formation import RelaxSettings, molar_to_eV
from cosinter.analysis.atoms.rearrangement import (
    antisite_energy,
    compare_with_cathode_table,
    polymorph_energies,
)
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError
from cosinter.data.tables import load_table
from cosinter.structures.layered import layered_oxide

BOND_EV = 0.05
BOND_A = 3.2
STILL = RelaxSettings(rattle_A=0.0)


class Bonds(Calculator):
    """0.05 eV for every pair Li-metal closer than 3.2 Å; no forces, so that energies can be counted."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        from ase.neighborlist import neighbor_list

        super().calculate(atoms, properties, system_changes)
        first, second = neighbor_list("ij", self.atoms, BOND_A)
        symbols = np.array(self.atoms.get_chemical_symbols())
        metal = ~np.isin(symbols, ["Li", "O"])
        value = BOND_EV * float(np.sum((symbols[first] == "Li") & metal[second]))
        self.results = {
            "energy": value,
            "free_energy": value,
            "forces": np.zeros((len(symbols), 3)),
            "stress": np.zeros(6),
        }


def layered(**contents: float) -> Structure:
    shares = {"nickel": 1.0, "cobalt": 0.0, "manganese": 0.0} | contents
    return layered_oxide(**shares, supercell=(2, 2, 1))


def exchanged(cell: Structure, lithium: int, metal: int) -> Structure:
    result = cell.copy()
    result.replace(lithium, cell[metal].specie)
    result.replace(metal, cell[lithium].specie)
    return result


def nearest_pair(cell: Structure) -> tuple[int, int]:
    distances = cell.distance_matrix
    pairs = [
        (i, j)
        for i, a in enumerate(cell)
        for j, b in enumerate(cell)
        if a.specie.symbol == "Li" and b.specie.symbol == "Ni"
    ]
    return min(pairs, key=lambda p: (round(distances[p], 4), p))


def test_antisite_pair_by_counting_bonds() -> None:
    """An ion of LiMO2 has 6 neighbours of its own kind and 6 of the other within 3.2 Å.

    Exchanged neighbours keep the bond between them and give up 5 unlike partners each for 6 more: each had 5 others
    unlike and 6 like, now 6 unlike and 5 like, so there are two Li-metal pairs more.
    """
    cell = layered()
    li, ni = nearest_pair(cell)
    swapped = exchanged(cell, li, ni)
    found = antisite_energy(cell, swapped, Bonds(), settings=STILL)
    assert found.energy_eV == pytest.approx(2 * BOND_EV)
    assert found.uncertainty_eV is None
    assert found.metals == 12
    assert antisite_energy(cell, cell, Bonds(), settings=STILL).energy_eV == 0.0


def test_exchange_of_equal_sites_costs_the_same() -> None:
    """Two pairs related by a lattice translation have one energy (pmmcs, after 5 steps of the same path)."""
    cell = layered()
    li, ni = nearest_pair(cell)
    shift = cell.lattice.get_cartesian_coords([0.5, 0.0, 0.0])
    short = RelaxSettings(rattle_A=0.0, max_steps=5)
    moved = [cell.get_sites_in_sphere(cell[i].coords + shift, 0.1)[0].index for i in (li, ni)]
    energies = [
        antisite_energy(cell, exchanged(cell, *pair), make_calculator("pmmcs"), settings=short).energy_eV
        for pair in ((li, ni), moved)
    ]
    # the Ewald sum is accurate to 1e-6 of the forces
    assert energies[0] == pytest.approx(energies[1], abs=1e-4)
    assert energies[0] > 0.0


def test_pmmcs_may_exchange_but_not_oxidise() -> None:
    cell = layered(nickel=10 / 12, cobalt=1 / 12, manganese=1 / 12)
    divalent = next(i for i, s in enumerate(cell) if str(s.specie) == "Ni2+")
    lithium = min(
        (i for i, s in enumerate(cell) if s.specie.symbol == "Li"),
        key=lambda i: cell.get_distance(i, divalent),
    )
    found = antisite_energy(cell, exchanged(cell, lithium, divalent), make_calculator("pmmcs"))
    assert found.converged
    assert found.uncertainty_eV is None
    assert "not assessed" in found.uncertainty_source
    json.dumps(found.to_dict())
    oxidised = cell.copy()
    oxidised.replace(divalent, "Ni3+")
    with pytest.raises(InputError, match="must not be asked"):
        antisite_energy(cell, oxidised, make_calculator("pmmcs"))
    with pytest.raises(CompositionError, match="same atoms"):
        antisite_energy(cell, layered(), make_calculator("pmmcs"))


def test_polymorphs_by_counting_bonds() -> None:
    """Per metal the size of the cell does not matter, and a mean lies between its parts."""
    cell = layered()
    li, ni = nearest_pair(cell)
    swapped = exchanged(cell, li, ni)
    found = polymorph_energies(
        {"layered": [cell, cell * (2, 1, 1)], "rock_salt": [swapped, cell]}, Bonds(), settings=STILL
    )
    assert found.form("layered").energy_kJ_per_mol_metal == pytest.approx(0.0, abs=1e-9)
    pair = antisite_energy(cell, swapped, Bonds(), settings=STILL).energy_eV / 12 / molar_to_eV(1.0)
    rock_salt = found.form("rock_salt")
    assert rock_salt.energy_kJ_per_mol_metal == pytest.approx(pair / 2)
    assert rock_salt.lowest_kJ_per_mol_metal == pytest.approx(min(pair, 0.0))
    # of two values the standard error is half their difference
    assert rock_salt.standard_error_kJ_per_mol_metal == pytest.approx(abs(pair) / 2)
    assert found.lithium_per_metal == 1.0
    assert found.formula == "Li1Ni1O2"
    json.dumps(found.to_dict())


def test_comparison_with_the_cathode_table() -> None:
    cell = layered()
    found = polymorph_energies(
        {"layered": [cell], "rock_salt": [exchanged(cell, *nearest_pair(cell))], "spinel": [cell]},
        Bonds(),
        settings=STILL,
    )
    rows = {row.name: row for row in compare_with_cathode_table(found)}
    table = load_table("thermochemistry")["cathode"]
    assert set(rows) == {"disordering_energy", "lithiated_spinel_energy"}
    for name, row in rows.items():
        assert row.table_kJ_per_mol == table[name]["value"]
        assert row.deviations is None
    half = polymorph_energies(
        {"layered": [layered(lithium=0.5)], "spinel": [layered(lithium=0.5) * (2, 1, 1)]},
        Bonds(),
        settings=STILL,
    )
    assert [row.name for row in compare_with_cathode_table(half)] == ["spinel_stabilisation"]


def test_polymorph_mistakes() -> None:
    cell = layered()
    with pytest.raises(InputError, match="must not be asked"):
        polymorph_energies({"layered": [cell]}, make_calculator("pmmcs"))
    with pytest.raises(UnknownNameError):
        polymorph_energies({"spinel": [cell]}, Bonds())
    with pytest.raises(InputError, match="no cell"):
        polymorph_energies({"layered": [cell], "spinel": []}, Bonds())
    with pytest.raises(CompositionError, match="one composition"):
        polymorph_energies({"layered": [cell], "spinel": [layered(lithium=0.5)]}, Bonds())
    with pytest.raises(UnknownNameError):
        polymorph_energies({"layered": [cell]}, Bonds(), settings=STILL).form("spinel")
