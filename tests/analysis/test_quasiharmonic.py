"""Quasi-harmonic thermodynamics: identities, limits, and phonopy as a peer."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Structure
from scipy.constants import R

from cosinter.analysis.atoms.calculators import make_calculator, single_point, to_atoms
from cosinter.analysis.atoms.quasiharmonic import (
    QuasiHarmonic,
    quasi_harmonic,
    relax_at_volume,
    vinet,
)
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.named import build

GRID = (0.0, 5.0, 295.0, 300.0, 305.0, 695.0, 700.0, 705.0, 1000.0)
J_PER_GPA_A3 = 602.214076  # 1 GPa Å^3 = 1e-21 J, times Avogadro's number


@pytest.fixture(scope="module")
def oxide() -> QuasiHarmonic:
    return quasi_harmonic(build("NiO"), make_calculator("pmmcs"), temperatures_K=GRID, supercell=(2, 2, 2))


@pytest.mark.parametrize("temperature", [300.0, 700.0])
def test_entropy_is_minus_the_slope_of_the_gibbs_energy(oxide: QuasiHarmonic, temperature: float) -> None:
    i = GRID.index(temperature)
    slope = (oxide.gibbs_kJ_per_mol[i + 1] - oxide.gibbs_kJ_per_mol[i - 1]) * 1.0e3 / 10.0
    # G is from the fit in V, S interpolated apart from it: they agree as far as both fits do
    assert oxide.entropy_J_per_mol_K[i] == pytest.approx(-slope, rel=2.0e-3)


@pytest.mark.parametrize("temperature", [300.0, 700.0])
def test_the_heat_capacities_differ_by_alpha_squared_v_b_t(oxide: QuasiHarmonic, temperature: float) -> None:
    i = GRID.index(temperature)
    # C_p by the other road, T dS/dT along the line of zero pressure
    along = temperature * (oxide.entropy_J_per_mol_K[i + 1] - oxide.entropy_J_per_mol_K[i - 1]) / 10.0
    alpha = np.log(oxide.volume_A3[i + 1] / oxide.volume_A3[i - 1]) / 10.0
    assert oxide.expansion_per_K[i] == pytest.approx(alpha, rel=2.0e-2)
    excess = alpha**2 * oxide.volume_A3[i] * oxide.bulk_modulus_GPa[i] * temperature * J_PER_GPA_A3
    assert along - oxide.heat_capacity_v_J_per_mol_K[i] == pytest.approx(excess, rel=5.0e-2)
    assert oxide.heat_capacity_p_J_per_mol_K[i] == pytest.approx(along, rel=2.0e-3)


def test_the_third_law_holds(oxide: QuasiHarmonic) -> None:
    for name in ("entropy_J_per_mol_K", "expansion_per_K", "heat_capacity_p_J_per_mol_K"):
        assert getattr(oxide, name)[0] == pytest.approx(0.0, abs=1.0e-9)
    assert oxide.gibbs_kJ_per_mol[0] > 0.0  # zero-point energy
    # a 5 K Debye law leaves (12 pi^4/5) R (5/500)^3 n, below a tenth of 0.01 J/mol/K
    assert oxide.heat_capacity_p_J_per_mol_K[1] < 0.01
    assert np.all(np.diff(oxide.entropy_J_per_mol_K) > 0.0)
    assert np.all(np.diff(oxide.gibbs_kJ_per_mol) < 0.0)


def test_heat_capacity_nears_dulong_and_petit(oxide: QuasiHarmonic) -> None:
    # 16 THz at 1000 K: (h nu/kT)^2/12 = 5 % for the highest mode, less on average
    assert oxide.heat_capacity_v_J_per_mol_K[-1] == pytest.approx(6.0 * R, rel=0.05)
    assert np.all(oxide.heat_capacity_v_J_per_mol_K < 6.0 * R)
    assert np.all(oxide.heat_capacity_p_J_per_mol_K[1:] > oxide.heat_capacity_v_J_per_mol_K[1:])


def test_heat_softens_and_expands(oxide: QuasiHarmonic) -> None:
    assert np.all(np.diff(oxide.volume_A3) > 0.0)
    assert np.all(np.diff(oxide.bulk_modulus_GPa) < 0.0)
    assert np.all(oxide.entropy_J_per_mol_K[2:] > oxide.static_volume_entropy_J_per_mol_K[2:])


def test_phonopy_finds_the_same(oxide: QuasiHarmonic) -> None:
    from phonopy import PhonopyQHA
    from phonopy.physical_units import get_physical_units

    keep = [GRID.index(t) for t in (695.0, 700.0, 705.0)]
    vibrational = (oxide.free_energy_kJ_per_mol - oxide.static_energy_kJ_per_mol)[keep]
    unused = np.ones_like(vibrational)  # heat capacity and entropy only enter its C_p
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its notes on the number of temperatures
        peer = PhonopyQHA(
            volumes=oxide.volumes_A3,
            electronic_energies=oxide.static_energy_kJ_per_mol / get_physical_units().EvTokJmol,
            temperatures=np.array([GRID[i] for i in keep]),
            free_energy=vibrational,
            cv=unused,
            entropy=unused,
            eos="vinet",
        )
    middle = keep[1]
    assert peer.volume_temperature[1] == pytest.approx(oxide.volume_A3[middle], rel=1.0e-5)
    assert peer.bulk_modulus_temperature[1] == pytest.approx(oxide.bulk_modulus_GPa[middle], rel=1.0e-3)
    gibbs = peer.gibbs_temperature[1] * get_physical_units().EvTokJmol
    assert gibbs == pytest.approx(oxide.gibbs_kJ_per_mol[middle], abs=1.0e-3)
    assert peer.thermal_expansion[1] == pytest.approx(oxide.expansion_per_K[middle], rel=2.0e-2)


@given(
    st.floats(10.0, 500.0),
    st.floats(0.1, 3.0),
    st.floats(2.5, 8.0),
)
def test_the_equation_of_state_means_what_it_says(volume: float, modulus: float, derivative: float) -> None:
    def pressure(v: float) -> float:
        h = 1.0e-4 * volume
        return float(
            vinet(v - h, -1.0, volume, modulus, derivative) - vinet(v + h, -1.0, volume, modulus, derivative)
        ) / (2 * h)

    assert vinet(volume, -1.0, volume, modulus, derivative) == pytest.approx(-1.0)
    # central differences leave (h/V)^2 times a number near ten, and rounding
    assert pressure(volume) == pytest.approx(0.0, abs=1.0e-5 * modulus)
    d = 0.01 * volume
    bulk = -volume * (pressure(volume + d) - pressure(volume - d)) / (2 * d)
    assert bulk == pytest.approx(modulus, rel=0.01)
    low, high = ((volume - x) * 1.0 for x in (d, -d))
    stiff = [-(v) * (pressure(v + d) - pressure(v - d)) / (2 * d) for v in (low, high)]
    slope = (stiff[0] - stiff[1]) / (pressure(low) - pressure(high))
    assert slope == pytest.approx(derivative, rel=0.03)


def test_the_shape_relaxes_and_the_volume_stays() -> None:
    calculator = make_calculator("pmmcs")
    ground = relax(build("TiO2_rutile"), calculator, force_tolerance=1.0e-3)
    wanted = ground.structure.volume * 1.05
    found, energy = relax_at_volume(ground.structure, calculator, volume_A3=wanted)
    assert found.volume == pytest.approx(wanted, rel=1.0e-9)
    scaled = ground.structure.copy()
    scaled.scale_lattice(wanted)
    assert ground.energy_eV < energy < single_point(to_atoms(scaled), calculator)[0] - 1.0e-3
    atoms = to_atoms(found)
    atoms.calc = calculator
    normal = atoms.get_stress()[:3]
    # the generalised force, deviatoric stress times volume over atoms, ends below 1e-3 eV/Å
    assert np.ptp(normal) * wanted / len(atoms) < 3.0e-3
    assert np.all(normal > 0.01)  # in ASE's sign, tension at the larger volume


def test_the_result_is_plain_json(oxide: QuasiHarmonic) -> None:
    record = json.loads(json.dumps(oxide.to_dict()))
    assert record["imaginary_policy"] == "warn"
    assert record["imaginary_percent"] == [0.0] * 7
    assert record["formula"] == "NiO"
    assert record["formula_units"] == 4.0
    assert record["calculator"]["model"] == "pmmcs"


def test_a_minimum_outside_the_volumes_is_an_error() -> None:
    with pytest.raises(StructureError, match=r"NiO at 1000 K has its minimum at .* widen the strains"):
        quasi_harmonic(
            build("NiO"),
            make_calculator("pmmcs"),
            temperatures_K=[1000.0],
            strains=[-0.02, -0.015, -0.01, -0.005, 0.0],
            supercell=(1, 1, 1),
        )


@pytest.mark.parametrize(
    "strains", [[0.0, 0.01], [0.02, 0.01, 0.0, -0.01, -0.02], [-0.5, -0.1, 0.0, 0.1, 0.2]]
)
def test_bad_strains_are_refused(strains: list[float]) -> None:
    with pytest.raises(InputError, match="strains"):
        quasi_harmonic(build("NiO"), make_calculator("pmmcs"), temperatures_K=[300.0], strains=strains)


@pytest.mark.slow
def test_shares_of_imaginary_modes_are_recorded_or_refused() -> None:
    ltp: Structure = build("LTP").get_primitive_structure()
    with pytest.raises(StructureError, match="imaginary"):
        quasi_harmonic(ltp, make_calculator("pmmcs"), temperatures_K=[300.0], imaginary="error")
