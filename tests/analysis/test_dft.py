"""Inputs of DFT codes, and CP2K itself where it is installed (on CI it must be)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from cosinter.analysis.atoms.calculators import calculator_record, make_calculator, single_point, to_atoms
from cosinter.analysis.atoms.dft import cp2k_command
from cosinter.analysis.atoms.dft_inputs import write_inputs
from cosinter.analysis.atoms.dft_settings import kinds, kpoint_mesh, multiplicity
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.structures.fingerprint import structure_sha256
from cosinter.structures.named import build

#: LiH molecule: bond 1.5957 Å (measured, NIST CCCBDB); box 8 Å.
BOND_A = 1.5957


def lithium_hydride(bond_A: float) -> Structure:
    return Structure(Lattice.cubic(8.0), ["Li+", "H-"], [[0, 0, 0], [0, 0, bond_A / 8.0]])


def test_spins_follow_from_oxidation_states() -> None:
    sites = kinds(build("ncm811"))
    unpaired = {site.label: site.unpaired for site in sites}
    assert {"Ni2": 2, "Ni3": 1, "Co3": 0, "Mn4": 3}.items() <= unpaired.items()
    assert multiplicity(sites) == 1 + sum(site.unpaired for site in sites)


def test_the_mesh_is_as_dense_as_asked() -> None:
    cell = Structure(Lattice.orthorhombic(4.0, 8.0, 40.0), ["Li+", "H-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert kpoint_mesh(cell, spacing_per_A=0.25) == (7, 4, 1)
    assert kpoint_mesh(cell, spacing_per_A=0.25, odd=True) == (7, 5, 1)
    with pytest.raises(InputError, match="positive"):
        kpoint_mesh(cell, spacing_per_A=0.0)


def test_vasp_inputs_are_those_of_the_materials_project(tmp_path: Path) -> None:
    from pymatgen.io.vasp import Incar, Poscar

    structure = build("linio2")
    write_inputs(structure, "vasp", tmp_path)
    incar = Incar.from_file(tmp_path / "INCAR")
    assert incar["ISPIN"] == 2
    assert len(incar["MAGMOM"]) == len(structure)
    assert 6.2 in incar["LDAUU"], "U of Ni in the Materials Project, doi:10.1103/PhysRevB.84.045115"
    assert Poscar.from_file(tmp_path / "POSCAR", check_for_potcar=False).structure.composition.num_atoms == 12
    assert not (tmp_path / "POTCAR").exists(), "potentials are licensed"
    kept = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    assert kept["structure_sha256"] == structure_sha256(structure)


def test_espresso_inputs_are_read_back_by_ase(tmp_path: Path) -> None:
    from ase.io.espresso import read_espresso_in

    structure = build("ltp")
    files = write_inputs(structure, "espresso", tmp_path, kind="static")
    path = next(file for file in files if file.suffix == ".in")
    with path.open(encoding="utf-8") as stream:
        atoms = read_espresso_in(stream)
    assert len(atoms) == len(structure)
    assert atoms.cell.volume == pytest.approx(structure.volume, rel=1e-6)


@pytest.mark.parametrize("code", ["vasp", "espresso"])
def test_unbalanced_charges_are_refused(code: str, tmp_path: Path) -> None:
    charged = build("linio2")
    charged.remove_sites([0])
    with pytest.raises(InputError, match="sum to"):
        write_inputs(charged, code, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_unknown_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="castep"):
        write_inputs(build("nio"), "castep", tmp_path)  # type: ignore[arg-type]


def test_cp2k_relaxes_a_molecule_end_to_end() -> None:
    """Tolerance 5 %: a double-zeta basis and coarse grids stand for speed here, not for accuracy."""
    if cp2k_command() is None:
        assert not os.environ.get("CI"), "CI installs CP2K"
        pytest.skip("CP2K is not installed (Debian: cp2k, cp2k-data)")
    start = lithium_hydride(1.7)
    settings = {"kpoints": (1, 1, 1), "cutoff_Ry": 300.0, "relative_cutoff_Ry": 40.0}
    calculator = make_calculator("cp2k", start, **settings)
    energies = [single_point(to_atoms(lithium_hydride(bond)), calculator)[0] for bond in (1.69, 1.71)]
    _, forces = single_point(to_atoms(start), calculator)
    assert forces[1, 2] == pytest.approx(-(energies[1] - energies[0]) / 0.02, rel=0.03), "force = -dE/dz"
    found = relax(start, calculator, cell=False, force_tolerance=0.05)
    assert found.converged
    assert found.structure.get_distance(0, 1) == pytest.approx(BOND_A, rel=0.05)
    record = calculator_record(calculator, start)
    assert (record["model"], record["structure_sha256"]) == ("cp2k", structure_sha256(start))
