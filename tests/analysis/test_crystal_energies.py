"""Energy of one crystal: units, bridges, hash, settings."""

from __future__ import annotations

import pytest

from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.crystal_energies import (
    CrystalEnergy,
    crystal_energy,
    crystal_entropy,
    phosphate_bridges,
    starting_cell,
    structure_sha256,
)
from cosinter.data.exceptions import DataError, InputError, UnknownNameError
from cosinter.structures.crystals import crystal


def test_lithia_with_the_rigid_ion_potential() -> None:
    found = crystal_energy("Li2O", make_calculator("pmmcs"))
    assert found.converged
    assert found.formula == "Li2O"
    assert found.ions == {"Li+": 2.0, "O2-": 1.0}
    assert found.atoms / found.formula_units == pytest.approx(3.0)
    # cubic a = 4.619 Å with four formulas, and the potential's lattice error of 0.1 % (data/potentials.yaml)
    assert found.volume_A3_per_atom * 12.0 == pytest.approx(4.619**3, rel=5e-3)
    assert CrystalEnergy.from_dict(found.to_dict()) == found


def test_the_rattle_does_not_decide_the_energy() -> None:
    values = {
        crystal_energy("TiO2_rutile", make_calculator("pmmcs"), seed=s).energy_eV_per_atom for s in (0, 3)
    }
    assert max(values) - min(values) < 1e-3


@pytest.mark.parametrize(
    ("name", "bridges"),
    [("LTP", 0.0), ("Li3PO4_beta", 0.0), ("TiP2O7", 1.0), ("Li4P2O7", 1.0), ("P2O5_o", 3.0)],
)
def test_bridges_between_phosphates(name: str, bridges: float) -> None:
    """PO4 has none, P2O7 one, P2O5 three: by their definition."""
    structure = starting_cell(name)
    units = len(structure) / crystal(name).structure.composition.num_atoms * crystal(name).formula_units
    assert phosphate_bridges(structure) / units == pytest.approx(bridges)


def test_hash_tells_cells_apart() -> None:
    one = starting_cell("Li2O")
    other = one.copy()
    other.scale_lattice(one.volume * 1.01)
    assert structure_sha256(one) == structure_sha256(starting_cell("Li2O"))
    assert structure_sha256(one) != structure_sha256(other)


def test_entropy_per_formula_of_the_crystal() -> None:
    found = crystal_entropy("NiO", make_calculator("pmmcs"))
    assert found["formula"] == "NiO"
    # 37.8 J/mol/K measured (thermochemistry table), 3 % below from the potential (potentials table)
    assert found["S298_J_per_mol_K"] == pytest.approx(37.8, rel=0.06)


def test_mistakes() -> None:
    with pytest.raises(UnknownNameError):
        starting_cell("unobtainium")
    with pytest.raises(InputError, match="rattle"):
        crystal_energy("Li2O", make_calculator("pmmcs"), rattle_A=1.0)
    with pytest.raises(DataError):
        CrystalEnergy.from_dict({"crystal": "Li2O"})
