"""The rigid-ion engine against finite differences, Madelung's constant and its own symmetries."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import elementary_charge, epsilon_0

from cosinter.analysis.atoms import lammps_library
from cosinter.analysis.atoms.calculators import to_atoms
from cosinter.analysis.atoms.lammps_engine import Ion, RigidIonLammps, ion_label, pmmcs_ions
from cosinter.data.exceptions import (
    EngineError,
    InputError,
    MissingEngineError,
    StructureError,
    UnknownNameError,
)
from cosinter.structures.migration import layered_hop
from cosinter.structures.named import build

FloatArray = lammps_library.FloatArray
MADELUNG_ROCK_SALT = 1.747564594633  # per nearest-neighbour distance; sum known to all these digits
COULOMB_EV_A = elementary_charge / (4.0 * np.pi * epsilon_0) * 1.0e10


def rock_salt(metal: str = "Ni", state: float = 2.0, a: float = 4.1684) -> Atoms:
    atoms = bulk(f"{metal}O", "rocksalt", a=a, cubic=True)
    states = [state if symbol == metal else -2.0 for symbol in atoms.get_chemical_symbols()]
    atoms.set_array("oxidation_state", np.array(states))
    return atoms


def distorted() -> Atoms:
    """Rattled, sheared, charge-ordered: Ni2+ and Ni3+ in one triclinic cell."""
    atoms = rock_salt()
    atoms.symbols[[0]] = "Li"
    atoms.arrays["oxidation_state"][:] = [1, -2, 3, -2, 2, -2, 2, -2]
    atoms.rattle(0.1, seed=1)
    strain = np.eye(3) + 0.05 * np.random.default_rng(0).normal(size=(3, 3))
    atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
    atoms.calc = RigidIonLammps()
    return atoms


def test_forces_are_the_gradient_of_the_energy() -> None:
    atoms = distorted()
    # step 1e-4 Å: truncation 1e-7, Ewald noise of 1e-10 eV gives 1e-6 eV/Å
    assert atoms.get_forces() == pytest.approx(calculate_numerical_forces(atoms, 1e-4), abs=1e-4)


def test_stress_is_the_strain_gradient_of_the_energy() -> None:
    atoms = distorted()
    assert atoms.get_stress() == pytest.approx(calculate_numerical_stress(atoms, 1e-5), abs=1e-5)


def test_rock_salt_coulomb_energy_is_madelungs() -> None:
    silent = {key: Ion(ion.label, *key, 0.0, 1.0, 1.0, 0.0, "") for key, ion in pmmcs_ions().items()}
    atoms = rock_salt(a=4.2)
    atoms.calc = RigidIonLammps(silent)
    expected = -4 * MADELUNG_ROCK_SALT * 1.2**2 * COULOMB_EV_A / 2.1
    # the Ewald sum's accuracy of 1e-6 in forces gives about 1e-5 in the energy
    assert atoms.get_potential_energy() == pytest.approx(expected, rel=2e-5)


def test_pair_term_of_a_lone_pair_matches_the_formula() -> None:
    ion = pmmcs_ions()["Ni", 2]
    atoms = Atoms("NiO", [[0, 0, 0], [2.0, 0, 0]], cell=[60.0] * 3, pbc=True)
    atoms.set_array("oxidation_state", np.array([2.0, -2.0]))
    energies = []
    for r in (1.9, 2.4):
        atoms.positions[1, 0] = r
        engine = RigidIonLammps()
        engine.charge_scale = 0.0
        atoms.calc = engine
        with pytest.raises(EngineError, match="LAMMPS stopped"):
            atoms.get_potential_energy()  # Ewald refuses a cell without charges
        atoms.calc = RigidIonLammps()
        energies.append(atoms.get_potential_energy())

    def pair(r: float) -> float:
        morse = ion.D * ((1.0 - np.exp(-ion.a * (r - ion.r0))) ** 2 - 1.0)
        return float(morse + ion.C / r**12 - 1.44 * COULOMB_EV_A / r)

    # periodic images of the dipole: order mu^2/V = 1e-3 eV at 60 Å
    assert energies[1] - energies[0] == pytest.approx(pair(2.4) - pair(1.9), abs=3e-3)


def test_energy_does_not_depend_on_the_frame() -> None:
    atoms = distorted()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    turned = atoms.copy()
    turned.rotate(37.0, (1, 2, 3), rotate_cell=True)
    turned.calc = RigidIonLammps()
    assert turned.get_potential_energy() == pytest.approx(energy, abs=1e-6)
    assert np.linalg.norm(turned.get_forces(), axis=1) == pytest.approx(
        np.linalg.norm(forces, axis=1), abs=1e-5
    )


def test_a_supercell_has_the_same_energy_per_atom() -> None:
    atoms = distorted()
    double = atoms.repeat((2, 1, 1))
    double.calc = RigidIonLammps()
    assert double.get_potential_energy() == pytest.approx(2 * atoms.get_potential_energy(), rel=1e-6)


def test_the_instance_is_reused_until_the_ions_change() -> None:
    atoms = distorted()
    before = atoms.get_potential_energy()
    instance = atoms.calc._lammps
    atoms.set_cell(atoms.cell * (1.0 + 1e-7), scale_atoms=True)
    assert atoms.get_potential_energy() != before  # a strain of 1e-7 is not overlooked
    assert atoms.calc._lammps is instance
    atoms.arrays["oxidation_state"][[2, 4]] = atoms.arrays["oxidation_state"][[4, 2]]
    assert atoms.get_potential_energy() != pytest.approx(before, abs=1e-3)
    assert atoms.calc._lammps is not instance
    atoms.calc.close()
    assert atoms.calc._lammps is None


def test_a_pickled_calculator_starts_a_new_instance() -> None:
    atoms = distorted()
    energy = atoms.get_potential_energy()
    atoms.calc = pickle.loads(pickle.dumps(atoms.calc))
    atoms.calc.reset()
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-9)


def test_uniform_shift_balances_a_vacancy_on_the_metals() -> None:
    atoms = distorted().repeat((2, 2, 2))
    del atoms[[index for index, symbol in enumerate(atoms.symbols) if symbol == "Li"][:2]]
    engine = RigidIonLammps()
    charges = engine.charges(atoms)
    assert charges.sum() == pytest.approx(0.0, abs=1e-12)
    nickel = atoms.symbols == "Ni"
    shift = charges - 0.6 * atoms.arrays["oxidation_state"]
    assert shift[nickel] == pytest.approx(0.6 * 2 / nickel.sum())
    assert shift[~nickel] == pytest.approx(0.0)
    with pytest.raises(InputError, match="balance the cell"):
        RigidIonLammps(compensation="refuse").charges(atoms)


def test_a_large_imbalance_is_refused() -> None:
    atoms = rock_salt()
    atoms.arrays["oxidation_state"][atoms.symbols == "Ni"] = 3.0
    atoms.calc = RigidIonLammps()
    with pytest.raises(InputError, match=r"sum to \+4 e"):
        atoms.get_potential_energy()


def test_without_oxidation_states_it_says_so() -> None:
    atoms = bulk("NiO", "rocksalt", a=4.17)
    atoms.calc = RigidIonLammps()
    with pytest.raises(InputError, match="oxidation states"):
        atoms.get_potential_energy()


@pytest.mark.parametrize(("metal", "state"), [("Zn", 2.0), ("Ni", 2.5)])
def test_unknown_ions_are_named(metal: str, state: float) -> None:
    atoms = rock_salt(metal, state)
    atoms.arrays["oxidation_state"][atoms.symbols == "O"] = -2.0
    atoms.calc = RigidIonLammps(compensation="background")
    with pytest.raises(UnknownNameError, match=f"{metal}{state:g}"):
        atoms.get_potential_energy()


def test_overlapping_atoms_are_a_clear_error() -> None:
    atoms = rock_salt()
    atoms.positions[1] = atoms.positions[0]
    atoms.calc = RigidIonLammps()
    with pytest.raises((StructureError, EngineError)):
        atoms.get_potential_energy()


def test_a_flat_cell_is_a_clear_error() -> None:
    atoms = rock_salt()
    atoms.cell[2] = atoms.cell[1]
    atoms.calc = RigidIonLammps()
    with pytest.raises(StructureError, match="no volume"):
        atoms.get_potential_energy()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("libmpi.so.12: cannot open shared object file")

    monkeypatch.setattr(lammps_library, "load_mpi", fail)
    atoms = rock_salt()
    atoms.calc = RigidIonLammps()
    with pytest.raises(MissingEngineError, match="pip install"):
        atoms.get_potential_energy()


def test_unknown_compensation_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="uniform"):
        RigidIonLammps(compensation="unifrm")  # type: ignore[arg-type]


def test_ion_names() -> None:
    assert [ion_label("Ni", 3), ion_label("O", -2), ion_label("Li", 1)] == ["Ni3+", "O2-", "Li+"]
    assert all(ion_label(*key) == ion.label for key, ion in pmmcs_ions().items())


@pytest.mark.parametrize("images", [1.2, 2.3, -7.7])
@pytest.mark.parametrize("name", ["pmmcs", "latp-shell"])
def test_a_crystal_far_outside_its_cell_is_the_same_crystal(name: str, images: float) -> None:
    from cosinter.analysis.atoms.calculators import make_calculator, single_point, to_atoms
    from cosinter.structures.named import build

    here = to_atoms(build("tio2"))
    there = here.copy()
    there.positions += images * here.cell.array[0] - images * here.cell.array[2]
    energy, forces = single_point(here, make_calculator(name))
    moved, felt = single_point(there, make_calculator(name))
    assert moved == pytest.approx(energy, abs=1e-6)
    assert felt == pytest.approx(forces, abs=1e-4)


@pytest.mark.parametrize("name", ["linio2", "ltp", "latp", "ncm811", "li3po4", "tio2", "nio", "hop"])
def test_the_ewald_sum_of_tilted_cells_holds_all_points(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the indices change nothing; LAMMPS' own choice is off by up to 1e-8 eV per atom."""
    atoms = to_atoms(layered_hop("LiNiO2").initial if name == "hop" else build(name, seed=1))
    atoms.calc = RigidIonLammps()
    ours, own_forces = atoms.get_potential_energy(), atoms.get_forces()
    limits = lammps_library.ewald_limits

    def twice(cell: FloatArray, *args: Any, **options: Any) -> tuple[int, int, int]:
        first, second, third = limits(cell, *args, **options)
        return lammps_library.closed_along_c((2 * first, 2 * second, 2 * third), cell)

    monkeypatch.setattr(lammps_library, "ewald_limits", twice)
    atoms.calc = RigidIonLammps()
    assert ours == pytest.approx(atoms.get_potential_energy(), abs=1e-10 * len(atoms))
    np.testing.assert_allclose(own_forces, atoms.get_forces(), atol=1e-6)


@pytest.mark.parametrize(("name", "grown"), [("hop", 1), ("tio2", 1), ("tio2", 2)])
def test_memory_that_was_never_set_is_not_read(
    name: str, grown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With LAMMPS' own choice of points, or (8, 8, 4) in TiO2, the energy was whatever lay in the memory before."""
    dice = np.random.default_rng(1)
    atoms = to_atoms(layered_hop("LiNiO2").initial if name == "hop" else build(name))
    limits = lammps_library.ewald_limits

    def more(cell: FloatArray, *args: Any, **options: Any) -> tuple[int, int, int]:
        first, second, third = (grown * index for index in limits(cell, *args, **options))
        return lammps_library.closed_along_c((first, second, third), cell)

    monkeypatch.setattr(lammps_library, "ewald_limits", more)
    energies = []
    for _ in range(4):
        rubbish = [np.full(size, np.nan) for size in dice.integers(4, 16000, 1500)]
        del rubbish  # the allocator hands it out again
        atoms.calc = RigidIonLammps()
        energies.append(atoms.get_potential_energy())
        atoms.calc.close()
    assert energies == pytest.approx([energies[0]] * 4, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(st.floats(-0.45, 0.45), min_size=3, max_size=3),
    edges=st.lists(st.floats(3.0, 20.0), min_size=3, max_size=3),
)
def test_limits_hold_every_point_within_reach(entries: list[float], edges: list[float]) -> None:
    """No point of the reciprocal lattice within the reach of the box has an index beyond the limits."""
    cell = np.diag(edges)
    cell[1, 0], cell[2, 0], cell[2, 1] = np.multiply(entries, [edges[0], edges[0], edges[1]])
    charges = np.asarray([1.2, -1.2] * 6)
    limits = np.asarray(lammps_library.ewald_limits(cell, charges, cutoff_A=10.0, accuracy=1e-6))
    box = np.asarray(lammps_library.ewald_limits(np.diag(edges), charges, cutoff_A=10.0, accuracy=1e-6))
    assert np.all(limits >= box)
    reach = np.max((box - 1) / edges)  # what the box needs, rounded down
    index = np.stack(
        np.meshgrid(*[np.arange(-n - 3, n + 4) for n in limits], indexing="ij"), axis=-1
    ).reshape(-1, 3)
    points = index @ np.linalg.inv(cell).T
    inside = np.linalg.norm(points, axis=1) <= reach
    assert np.all(np.abs(index[inside]) <= limits)


@settings(max_examples=200, deadline=None)
@given(
    limits=st.tuples(*[st.integers(1, 12)] * 3),
    entries=st.lists(st.floats(-0.45, 0.45), min_size=3, max_size=3),
    edges=st.lists(st.floats(3.0, 20.0), min_size=3, max_size=3),
)
def test_no_point_along_c_within_the_radius_lies_beyond_the_third_index(
    limits: tuple[int, int, int], entries: list[float], edges: list[float]
) -> None:
    """Closing is a fixed point that only ever raises the third index, and covers the sphere LAMMPS draws."""
    cell = np.diag(edges)
    cell[1, 0], cell[2, 0], cell[2, 1] = np.multiply(entries, [edges[0], edges[0], edges[1]])
    closed = lammps_library.closed_along_c(limits, cell)
    assert closed[:2] == limits[:2]
    assert closed[2] >= limits[2]
    assert lammps_library.closed_along_c(closed, cell) == closed
    radius = np.max(np.divide(closed, edges)) * np.sqrt(1.00001)  # LAMMPS widens G^2 by this
    along_c = np.arange(1, 2 * max(closed) + 20)[:, None] * np.linalg.inv(cell)[:, 2]
    inside = np.linalg.norm(along_c, axis=1) <= radius
    assert np.count_nonzero(inside) <= closed[2]
