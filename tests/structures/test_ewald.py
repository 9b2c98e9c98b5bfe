import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure
from scipy import constants

from cosinter.structures import ewald
from cosinter.structures.ewald import COULOMB_eV_A, ewald_matrix


def energy(structure):
    charges = np.array([site.specie.oxi_state for site in structure])
    return charges @ ewald_matrix(structure.lattice.matrix, structure.frac_coords) @ charges / 2.0


@pytest.mark.parametrize(
    ("group", "anion", "nearest", "madelung"),
    [
        # Madelung constants referred to the nearest distance: R. E. Crandall, J. P. Buhler, J. Phys. A 20 (1987) 5497
        ("Fm-3m", [0.5, 0.5, 0.5], 0.5, 1.747564594633182),
        ("Pm-3m", [0.5, 0.5, 0.5], np.sqrt(3.0) / 2.0, 1.762674773070988),
        ("F-43m", [0.25, 0.25, 0.25], np.sqrt(3.0) / 4.0, 1.638055053388789),
    ],
)
def test_madelung_constants(group, anion, nearest, madelung):
    a = 4.2
    structure = Structure.from_spacegroup(group, Lattice.cubic(a), ["Na+", "Cl-"], [[0, 0, 0], anion])
    expected = -madelung * COULOMB_eV_A / (nearest * a) * len(structure) / 2
    assert energy(structure) == pytest.approx(expected, rel=1e-11)


def test_coulomb_constant():
    metre = constants.e / (4 * np.pi * constants.epsilon_0)
    assert pytest.approx(metre * 1e10, rel=1e-14) == COULOMB_eV_A
    assert pytest.approx(14.3996, abs=1e-4) == COULOMB_eV_A  # CODATA e²/4πε0 in eV Å


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(3.0, 12.0), min_size=3, max_size=3),
    st.lists(st.floats(65.0, 115.0), min_size=3, max_size=3),
    st.integers(0, 10_000),
)
def test_any_cell_agrees_with_pymatgen(lengths, angles, seed):
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*lengths, *angles)
    charges = rng.integers(-3, 4, size=8)
    charges[-1] -= charges.sum()
    species = [f"X{abs(q)}{'+' if q >= 0 else '-'}" for q in charges]
    structure = Structure(lattice, species, rng.random((8, 3)))
    reference = EwaldSummation(structure, acc_factor=14.0).total_energy
    # pymatgen ends its sums at 1e-14 of the leading term; close pairs reach 1e3 eV
    assert energy(structure) == pytest.approx(reference, rel=1e-8, abs=1e-6)


def test_the_matrix_does_not_depend_on_the_splitting(monkeypatch):
    rng = np.random.default_rng(1)
    lattice = Lattice.from_parameters(4.0, 7.0, 15.0, 80.0, 95.0, 120.0).matrix
    points = rng.random((6, 3))
    first = ewald_matrix(lattice, points)
    monkeypatch.setattr(ewald, "RECIPROCAL_SHARE", 1.1)
    np.testing.assert_allclose(ewald_matrix(lattice, points), first, atol=1e-10)
    np.testing.assert_array_equal(first, first.T)
