"""Phonons: thermodynamic identities, limits, and entropies against measured ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from pymatgen.core import Lattice, Structure
from scipy.constants import R

from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.phonons import Phonons, _apply_policy, phonon_free_energy
from cosinter.data.exceptions import EngineError, InputError, StructureError, UnknownNameError

TEMPERATURES = [0.0, 10.0, 295.0, 300.0, 305.0, 1000.0, 5000.0]


def rutile() -> Structure:
    # Howard, Sabine, Dickson, Acta Cryst. B 47 (1991) 462
    sites = [[0, 0, 0], [0.30478, 0.30478, 0.0]]
    return Structure.from_spacegroup("P4_2/mnm", Lattice.tetragonal(4.5937, 2.9587), ["Ti4+", "O2-"], sites)


def lithium_titanate() -> Structure:
    # crystals table, C2/c
    lattice = Lattice.from_parameters(5.0623, 8.7876, 9.7533, 90, 100.212, 90)
    species = ["Li+"] * 3 + ["Ti4+"] * 2 + ["O2-"] * 3
    sites = [
        [0.2617, 0.4205, 0.0001],
        [0.25, 0.75, 0.0],
        [0.0, 0.0852, 0.25],
        [0.0, 0.41749, 0.25],
        [0.0, 0.74971, 0.25],
        [0.14116, 0.26356, 0.1372],
        [0.10555, 0.58444, 0.13719],
        [0.13958, 0.09412, 0.63454],
    ]
    return Structure.from_spacegroup("C2/c", lattice, species, sites, tol=1e-3)


def lithium_phosphate() -> Structure:
    # Wang et al., J. Solid State Chem. 115 (1995) 313
    lattice = Lattice.orthorhombic(10.4612, 6.1113, 4.9208)
    species = ["Li+", "Li+", "P5+", "O2-", "O2-", "O2-"]
    sites = [
        [0.1627, 0.0016, 0.6992],
        [0.0754, 0.75, 0.2955],
        [0.0885, 0.25, 0.1921],
        [0.1582, 0.0441, 0.2946],
        [0.4497, 0.25, 0.2072],
        [0.0896, 0.25, 0.8777],
    ]
    return Structure.from_spacegroup("Pnma", lattice, species, sites, tol=1e-3)


@pytest.fixture(scope="module")
def titania() -> Phonons:
    return phonon_free_energy(
        rutile(), make_calculator("pmmcs"), supercell=(3, 3, 4), temperatures_K=TEMPERATURES
    )


def test_heat_capacity_reaches_dulong_and_petit(titania: Phonons) -> None:
    # the highest mode (about 26 THz) leaves (h nu/kT)^2/12 = 0.5 % at 5000 K for itself, 0.2 % on average;
    # the three translations left out at the zone centre are 3 of 18 * 1053 modes
    assert titania.heat_capacity_J_per_mol_K[-1] == pytest.approx(9 * R, rel=3e-3)
    assert titania.heat_capacity_J_per_mol_K[0] == 0.0


def test_entropy_is_minus_the_slope_of_the_free_energy(titania: Phonons) -> None:
    low, middle, high = (TEMPERATURES.index(t) for t in (295.0, 300.0, 305.0))
    free, entropy = titania.free_energy_kJ_per_mol * 1e3, titania.entropy_J_per_mol_K
    # central difference over 10 K: third derivative adds less than 1e-3 J/mol/K
    assert entropy[middle] == pytest.approx(-(free[high] - free[low]) / 10.0, abs=2e-3)
    slope = (entropy[high] - entropy[low]) / 10.0
    assert titania.heat_capacity_J_per_mol_K[middle] == pytest.approx(300.0 * slope, rel=1e-3)


def test_the_third_law_holds(titania: Phonons) -> None:
    assert titania.entropy_J_per_mol_K[0] == pytest.approx(0.0, abs=1e-9)
    assert titania.free_energy_kJ_per_mol[0] > 0.0  # zero-point energy
    assert np.all(np.diff(titania.entropy_J_per_mol_K) > 0.0)


def test_rutile_entropy_and_its_documented_deviation(titania: Phonons) -> None:
    entropy = titania.entropy_J_per_mol_K[TEMPERATURES.index(300.0)]
    assert entropy == pytest.approx(38.5, abs=0.5)  # computed before with this potential and supercell
    # measured 50.6 J/mol/K (NIST-JANAF, rutile, 298.15 K): the potential is too stiff, as its record says
    assert 100 * (entropy / 50.6 - 1) == pytest.approx(-24.0, abs=2.0)
    assert titania.entropy_uncertainty_percent == 15.0
    assert titania.imaginary_percent == 0.0
    assert titania.charges_used
    assert (titania.formula, titania.formula_units) == ("TiO2", 2.0)
    assert titania.displacements == 3  # symmetry: one of Ti, two of O


def test_the_result_is_plain_json_and_says_the_policy(titania: Phonons) -> None:
    record = json.loads(json.dumps(titania.to_dict()))
    assert record["imaginary_policy"] == "warn"
    assert record["entropy_J_per_mol_K"] == titania.entropy_J_per_mol_K.tolist()
    assert record["supercell"] == [3, 3, 4]


def test_the_answer_does_not_depend_on_the_cell(titania: Phonons) -> None:
    doubled = rutile()
    doubled.make_supercell([1, 1, 2])
    other = phonon_free_energy(
        doubled, make_calculator("pmmcs"), supercell=(3, 3, 2), temperatures_K=TEMPERATURES
    )
    # the mesh follows the primitive cell; relaxation to 1e-3 eV/Å leaves 0.1 %
    assert other.entropy_J_per_mol_K == pytest.approx(titania.entropy_J_per_mol_K, rel=3e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("structure", "supercell", "expected", "measured"),
    [
        (lithium_titanate(), (2, 1, 1), 99.0, 91.6),  # measured: CRC Handbook, Li2TiO3
        (lithium_phosphate(), (1, 2, 2), 97.7, None),
    ],
)
def test_entropies_computed_before(
    structure: Structure, supercell: tuple[int, int, int], expected: float, measured: float | None
) -> None:
    result = phonon_free_energy(
        structure, make_calculator("pmmcs"), supercell=supercell, temperatures_K=[300.0], imaginary="drop"
    )
    entropy = result.entropy_J_per_mol_K[0]
    assert entropy == pytest.approx(expected, abs=0.6)
    assert result.imaginary_percent < 0.1
    if measured is not None:  # within the stated uncertainty of 15 %
        assert entropy == pytest.approx(measured, rel=0.15)


def test_charge_ordered_ions_are_told_apart() -> None:
    lattice = Lattice.cubic(4.17)
    ordered = Structure.from_spacegroup("Fm-3m", lattice, ["Ni2+", "O2-"], [[0, 0, 0], [0.5, 0, 0]])
    ordered[0], ordered[1] = "Ni3+", "Li+"
    result = phonon_free_energy(
        ordered, make_calculator("pmmcs"), supercell=(2, 2, 2), temperatures_K=[300.0], imaginary="drop"
    )
    assert result.formula == "LiNi3O4"
    assert result.formula_units == 1.0
    assert result.displacements > 2


def nickel_oxide(a: float = 4.19) -> Structure:
    lattice = Lattice.cubic(a)
    return Structure.from_spacegroup("Fm-3m", lattice, ["Ni2+", "O2-"], [[0, 0, 0], [0.5, 0, 0]])


def test_an_unstable_crystal_is_refused() -> None:
    with pytest.raises(StructureError, match="allowed are 5 %"):
        phonon_free_energy(
            nickel_oxide(5.4),
            make_calculator("pmmcs"),
            supercell=(2, 2, 2),
            temperatures_K=[300.0],
            relax_tolerance=None,
            imaginary="drop",
        )


def test_few_imaginary_modes_follow_the_policy() -> None:
    _apply_policy("X", 0.0, 0.0, "error")
    _apply_policy("X", 2.0, -1.0, "drop")
    with pytest.warns(UserWarning, match=r"2\.00 % of the phonon modes of X"):
        _apply_policy("X", 2.0, -1.0, "warn")
    with pytest.raises(StructureError, match="larger supercell"):
        _apply_policy("X", 2.0, -1.0, "error")


class Clamped(Calculator):
    """Fails at once."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError("out of memory")


def test_a_failing_calculator_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="out of memory"):
        phonon_free_energy(
            nickel_oxide(), Clamped(), supercell=(2, 2, 2), temperatures_K=[300.0], relax_tolerance=None
        )


def test_other_calculators_go_without_charges() -> None:
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    calculator = make_calculator("ase.calculators.emt:EMT")
    result = phonon_free_energy(copper, calculator, temperatures_K=[298.15], imaginary="error")
    assert not result.charges_used
    assert result.entropy_uncertainty_percent is None
    assert result.supercell == (3, 3, 3)
    # measured 33.16 J/mol/K (NIST-JANAF, copper); effective-medium theory is a rough model of it
    assert result.entropy_J_per_mol_K[0] == pytest.approx(33.16, rel=0.1)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"temperatures_K": []}, InputError),
        ({"temperatures_K": [-1.0]}, InputError),
        ({"temperatures_K": [float("nan")]}, InputError),
        ({"temperatures_K": [float("inf")]}, InputError),
        ({"supercell": (0, 1, 1)}, InputError),
        ({"displacement_A": 0.5}, InputError),
        ({"imaginary": "ignore"}, UnknownNameError),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], error: type[Exception]) -> None:
    merged = {"temperatures_K": [300.0], "supercell": (2, 2, 2), **options}
    with pytest.raises(error):
        phonon_free_energy(nickel_oxide(), make_calculator("pmmcs"), **merged)  # type: ignore[arg-type]


def test_a_charged_cell_is_refused() -> None:
    charged = nickel_oxide()
    charged[0] = "Ni3+"
    calculator = make_calculator("pmmcs", compensation="background")
    with pytest.raises(InputError, match="not neutral"):
        phonon_free_energy(
            charged, calculator, supercell=(2, 2, 2), temperatures_K=[300.0], relax_tolerance=None
        )
