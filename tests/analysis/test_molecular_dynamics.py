"""Molecular dynamics: conservation, repetition, statics and quasi-harmonic volume as peers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.constants import Boltzmann, electron_volt

from cosinter.analysis.atoms.calculators import make_calculator, single_point, to_atoms
from cosinter.analysis.atoms.molecular_dynamics import Trajectory, _in_frame_of_host, run_md
from cosinter.analysis.atoms.quasiharmonic import quasi_harmonic
from cosinter.data.exceptions import (
    CompositionError,
    EngineError,
    InputError,
    StructureError,
    UnknownNameError,
)
from cosinter.structures.named import build

KT_EV = Boltzmann / electron_volt


def lithium_oxide(**options: object) -> Trajectory:
    structure = build("Li2O")
    structure.make_supercell([2, 2, 2])
    merged = {"temperature_K": 600.0, "production_ps": 2.0, "equilibration_ps": 1.0, **options}
    return run_md(structure, make_calculator("pmmcs", cutoff_A=8.0), **merged)  # type: ignore[arg-type]


def spread(run: Trajectory) -> float:
    """Root mean square of the total energy about its line, eV per atom."""
    line = np.polyfit(run.times_ps, run.energies_eV, 1)
    return float(np.std(run.energies_eV - np.polyval(line, run.times_ps))) / run.atoms


def test_energy_is_conserved_to_second_order_in_the_step() -> None:
    coarse = lithium_oxide(ensemble="nve", timestep_fs=2.0, sample_fs=20.0)
    fine = lithium_oxide(ensemble="nve", timestep_fs=1.0, sample_fs=20.0)
    for run in (coarse, fine):
        drift = np.polyfit(run.times_ps, run.energies_eV, 1)[0] / run.atoms
        assert abs(drift) < 0.01 * KT_EV * 600.0  # a hundredth of kT per ps
    # velocity Verlet: the energy it keeps differs from the true one by a term in dt^2
    assert 2.5 < spread(coarse) / spread(fine) < 6.0


@pytest.fixture(scope="module")
def run() -> Trajectory:
    return lithium_oxide()


def test_a_run_repeats_itself(run: Trajectory) -> None:
    assert np.array_equal(lithium_oxide().positions_A, run.positions_A)
    assert not np.allclose(lithium_oxide(seed=1).positions_A, run.positions_A, atol=0.01)


def test_the_thermostat_holds_the_temperature(run: Trajectory) -> None:
    # 96 atoms swing by sqrt(2/3N) = 8 %; some ten independent times in 2 ps leave 3 %
    assert run.temperatures_K.mean() == pytest.approx(600.0, rel=0.09)
    assert np.all(run.host_rms_A < 0.6)  # a solid
    assert run.positions_A.shape == (21, 64, 3)
    assert run.times_ps[-1] == pytest.approx(2.0)


def test_the_start_has_the_energy_of_the_statics() -> None:
    # a cell that is not in the frame of LAMMPS: primitive LATP-like rhombohedral axes
    structure = build("LTP").get_primitive_structure()
    calculator = make_calculator("pmmcs")
    run = run_md(structure, calculator, temperature_K=300.0, production_ps=1.0, equilibration_ps=0.0)
    assert run.cell_A == pytest.approx(structure.lattice.matrix, abs=1.0e-9)
    atoms = to_atoms(structure)
    kinetic = 1.5 * (len(atoms) - 1) * KT_EV * 600.0  # the start has twice the temperature, no drift
    # the Boltzmann constant of LAMMPS "metal" units is rounded in the eighth figure
    assert run.energies_eV[0] - kinetic == pytest.approx(single_point(atoms, calculator)[0], abs=1.0e-5)
    lithium = atoms.positions[[symbol == "Li" for symbol in atoms.get_chemical_symbols()]]
    moved = run.positions_A[0] - lithium
    cells = np.linalg.solve(structure.lattice.matrix.T, moved.T).T
    assert cells == pytest.approx(np.round(cells), abs=1.0e-6)


def test_drift_of_the_host_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(1, 5, 3))
    drift = rng.normal(size=(7, 1, 3))
    own = np.zeros((7, 5, 3))
    own[:, :2] = rng.normal(size=(7, 2, 3))
    own[0] = 0.0
    followed = np.array([True, True, False, False, False])
    drift[0] = 0.0
    mobile, host = _in_frame_of_host(rest + own + drift, followed, np.array([7.0, 7.0, 16.0, 47.9, 31.0]))
    assert mobile == pytest.approx((rest + own)[:, :2])
    assert host == pytest.approx(np.zeros(7), abs=1.0e-12)


def test_progress_is_told() -> None:
    told: list[tuple[float, float]] = []
    lithium_oxide(production_ps=1.0, on_progress=lambda done, whole: told.append((done, whole)))
    assert told[-1] == pytest.approx((2.0, 2.0))
    assert len(told) == 20


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"temperature_K": 0.0}, InputError),
        ({"temperature_K": float("nan")}, InputError),
        ({"production_ps": 0.1}, InputError),
        ({"equilibration_ps": -1.0}, InputError),
        ({"timestep_fs": 10.0}, InputError),
        ({"sample_fs": 3.0}, InputError),
        ({"ensemble": "npt"}, UnknownNameError),
        ({"mobile": "Na"}, CompositionError),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        lithium_oxide(**options)


def test_other_calculators_are_refused() -> None:
    with pytest.raises(InputError, match="pmmcs only"):
        run_md(
            build("Li2O"), make_calculator("ase.calculators.emt:EMT"), temperature_K=300.0, production_ps=1.0
        )


@pytest.mark.slow
def test_the_volume_is_that_of_the_quasi_harmonic_crystal() -> None:
    calculator = make_calculator("pmmcs")
    expected = quasi_harmonic(
        build("NiO"), calculator, temperatures_K=[0.0, 700.0], supercell=(2, 2, 2)
    ).volume_A3[1]
    structure = build("NiO")
    structure.make_supercell([3, 3, 3])
    run = run_md(
        structure, calculator, temperature_K=700.0, production_ps=1.0, equilibration_ps=20.0, mobile="Ni"
    )
    # neither quantum effects (none at 700 K) nor anharmonicity beyond the volume's should reach half a percent
    assert run.volume_A3 / 108.0 == pytest.approx(expected, rel=5.0e-3)


@pytest.mark.parametrize("distance_A", [0.0, 0.05, 0.5])
def test_overlapping_atoms_are_one_clear_error(distance_A: float) -> None:
    structure = build("Li2O")
    structure.make_supercell([2, 2, 2])
    oxygen = next(site for site in structure if site.specie.symbol == "O")
    structure.translate_sites(
        [0], oxygen.coords - structure[0].coords + [distance_A, 0, 0], frac_coords=False
    )
    with pytest.raises((StructureError, EngineError)):
        run_md(
            structure, make_calculator("pmmcs"), temperature_K=300.0, production_ps=1.0, equilibration_ps=1.0
        )
