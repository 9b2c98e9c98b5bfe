"""The shell model of LATP beside the published relaxation and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from cosinter.analysis.atoms.calculators import make_calculator, to_atoms
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.named import build


def test_it_relaxes_ltp_to_the_cell_of_gulp() -> None:
    """GULP run stored with the parameters (dcaseGH/inorganicSolids): a 8.1087, c 21.363; 0.5 % for cut-offs."""
    calculator = make_calculator("latp-shell", parameters="initial")
    found = relax(build("ltp"), calculator, force_tolerance=0.02)
    a, _, c = found.lattice_after[:3]
    assert found.converged
    assert a == pytest.approx(8.1087, rel=0.005)
    assert c == pytest.approx(21.363, rel=0.005)


def test_forces_and_stress_are_slopes_of_the_energy() -> None:
    atoms = to_atoms(build("tio2"))
    atoms.rattle(0.05, seed=3)
    atoms.calc = make_calculator("latp-shell", shell_tolerance=1e-7)
    forces = atoms.get_forces()
    slopes = calculate_numerical_forces(atoms, eps=1e-3, iatoms=[0, 3])
    assert forces[[0, 3]] == pytest.approx(slopes, abs=2e-4)
    assert np.abs(forces.sum(axis=0)).max() < 1e-5
    # pairs that cross the cut-off leave 2e-4 of 0.4 eV/Å^3
    assert atoms.get_stress() == pytest.approx(calculate_numerical_stress(atoms, eps=1e-4), abs=2e-4)


def test_what_it_lacks_is_told() -> None:
    with pytest.raises(UnknownNameError, match="Ni"):
        make_calculator("latp-shell", build("nio"))
    with pytest.raises(InputError, match="shell_tolerance"):
        make_calculator("latp-shell", shell_tolerance=0.0)
