"""Diffusivities: exactly known motions, recovered Arrhenius laws, and a short run of LATP."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.constants import R, electron_volt, physical_constants

from cosinter.analysis.atoms.calculators import calculator_record, make_calculator
from cosinter.analysis.atoms.diffusion import (
    Diffusivity,
    arrhenius_fit,
    diffusivity_from,
    lithium_diffusivity,
    nernst_einstein,
    with_vacancies,
)
from cosinter.analysis.atoms.displacement import mean_square_displacement
from cosinter.analysis.atoms.molecular_dynamics import Trajectory
from cosinter.data.exceptions import CompositionError, ConvergenceError, InputError, UnknownNameError
from cosinter.structures.named import build

FRAME_PS = 0.1
STEP_A = 0.3
EXACT = STEP_A**2 / (6.0 * FRAME_PS) * 1.0e-8  # Å^2/ps in m2/s
SITES = np.random.default_rng(7).uniform(0.0, 20.0, size=(1, 30, 3))


def trajectory(positions: NDArray[np.float64], host_rms_A: float = 0.2) -> Trajectory:
    frames = len(positions)
    return Trajectory(
        formula="LiX",
        mobile="Li",
        mobile_charge=1.0,
        atoms=2 * positions.shape[1],
        temperature_K=1000.0,
        times_ps=np.arange(frames) * FRAME_PS,
        positions_A=positions,
        energies_eV=np.zeros(frames),
        temperatures_K=np.full(frames, 1000.0),
        host_rms_A=np.full(frames, host_rms_A),
        cell_A=20.0 * np.eye(3),
        ensemble="nvt",
        timestep_fs=2.0,
        equilibration_ps=1.0,
        seed=0,
        calculator=calculator_record(make_calculator("pmmcs")),
    )


def walk(seed: int, frames: int = 1001) -> NDArray[np.float64]:
    """Steps of length STEP_A in random directions from SITES."""
    steps = np.random.default_rng(seed).normal(size=(frames, SITES.shape[1], 3))
    steps *= STEP_A / np.linalg.norm(steps, axis=2, keepdims=True)
    steps[0] = 0.0
    return np.asarray(SITES + np.cumsum(steps, axis=0))


def test_ballistic_motion_is_exact_and_no_diffusion() -> None:
    velocity = np.random.default_rng(0).normal(size=(1, 30, 3))
    positions = SITES + velocity * (np.arange(201) * FRAME_PS)[:, None, None]
    expected = np.mean(np.sum(velocity**2, axis=2)) * (np.arange(201) * FRAME_PS) ** 2
    assert mean_square_displacement(positions) == pytest.approx(expected, rel=1e-8, abs=1e-8)
    row = diffusivity_from(trajectory(positions))
    # the time taken off for the averaging is that of a random walk: 2 ln(20/4)/ln(19.5/3.5)
    assert row.exponent == pytest.approx(1.87, abs=0.02)
    assert row.regime == "not settled"


def test_a_random_walk_gives_its_diffusivity_within_the_error() -> None:
    rows = [diffusivity_from(trajectory(walk(seed))) for seed in range(60)]
    pulls = [(row.diffusivity_m2_per_s - EXACT) / row.diffusivity_error_m2_per_s for row in rows]
    # five blocks: Student's t with 4 degrees of freedom is within 1 in 63 % and within 3 in 96 % of the cases;
    # binomial spread of 60 walks is 6 % and 2.5 %
    assert 0.45 < np.mean(np.abs(pulls) < 1.0) < 0.85
    assert np.mean(np.abs(pulls) < 3.0) > 0.88
    values = np.array([row.diffusivity_m2_per_s for row in rows])
    assert values.mean() == pytest.approx(EXACT, abs=3.0 * values.std() / math.sqrt(60))
    assert {row.regime for row in rows} == {"diffusive"}
    assert np.mean([row.exponent for row in rows]) == pytest.approx(1.0, abs=0.03)


def test_vibration_does_not_change_the_diffusivity() -> None:
    rattle = np.random.default_rng(5).normal(scale=0.4, size=(1001, 30, 3))
    still, shaken = (diffusivity_from(trajectory(p)) for p in (walk(1), walk(1) + rattle))
    assert shaken.diffusivity_m2_per_s == pytest.approx(still.diffusivity_m2_per_s, rel=0.02)
    assert shaken.exponent == pytest.approx(still.exponent, abs=0.1)


def test_haven_ratio_of_independent_and_of_rigid_motion() -> None:
    independent = [diffusivity_from(trajectory(walk(seed, frames=6001))) for seed in range(6)]
    ratios = [row.haven_ratio for row in independent if row.haven_ratio is not None]
    # the collective slope is that of one walker, uncertain by a quarter in 600 ps
    assert len(ratios) >= 3
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.5)
    together = SITES + (walk(0, frames=6001)[:, :1] - SITES[:, :1])
    assert diffusivity_from(trajectory(together)).haven_ratio == pytest.approx(1.0 / 30.0)


def test_ions_at_rest_give_an_upper_limit() -> None:
    rattle = np.random.default_rng(2).normal(scale=0.2, size=(1001, 30, 3))
    row = diffusivity_from(trajectory(SITES + rattle), hop_A=3.0)
    assert row.regime == "none"
    assert row.ions_that_hopped == 0
    # three hops of 3 Å, all 30 ions together, in 100 ps
    assert row.upper_limit_m2_per_s == pytest.approx(3.0**2 * 3.0 / (6.0 * 30 * 100.0) * 1e-8)
    assert row.upper_limit_m2_per_s is not None
    assert row.diffusivity_m2_per_s < row.upper_limit_m2_per_s


def test_hops_back_and_forth_are_no_diffusion() -> None:
    rng = np.random.default_rng(3)
    side = np.cumsum(rng.random((1001, 30)) < 0.05, axis=0) % 2
    positions = SITES + 3.0 * side[:, :, None] * np.array([1.0, 0.0, 0.0])
    row = diffusivity_from(trajectory(positions))
    assert row.regime == "not settled"
    assert row.upper_limit_m2_per_s is not None
    assert row.upper_limit_m2_per_s > row.diffusivity_m2_per_s


def test_a_moving_host_is_molten() -> None:
    row = diffusivity_from(trajectory(walk(0), host_rms_A=3.0))
    assert row.regime == "molten"
    assert row.upper_limit_m2_per_s is None


def test_nernst_einstein_value() -> None:
    # n = 1e28 m-3, D = 1e-12 m2/s, 300 K: 1e28 (1.602177e-19)^2 1e-12/(1.380649e-23 300) = 0.061975 S/m
    assert nernst_einstein(1.0e-12, 1.0, 0.01, 300.0) == pytest.approx(0.061975, rel=1e-4)
    # facts: 2e-12 and 5e-12 m2/s in LATP are 0.75 and 1.9 mS/cm; 8 Li in 1304 Å^3 (x = 1/3)
    for diffusivity, conductivity in ((2.0e-12, 0.075), (5.0e-12, 0.19)):
        assert nernst_einstein(diffusivity, 1.0, 8 / 1304, 298.0) == pytest.approx(conductivity, rel=0.06)


def test_defect_diffusivity_is_per_vacancy() -> None:
    row = diffusivity_from(trajectory(walk(0)), vacancies=3)
    assert row.defect_diffusivity_m2_per_s == pytest.approx(10.0 * row.diffusivity_m2_per_s)
    assert diffusivity_from(trajectory(walk(0))).defect_diffusivity_m2_per_s is None


@pytest.mark.parametrize("options", [{"blocks": 1}, {"blocks": 90}, {"window": (0.6, 0.5)}, {"hop_A": 0.0}])
def test_bad_fits_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="blocks"):
        diffusivity_from(trajectory(walk(0)), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def row() -> Diffusivity:
    return diffusivity_from(trajectory(walk(0)))


def law(row: Diffusivity, energy: float, prefactor: float, error: float) -> list[Diffusivity]:
    rows = []
    for temperature in (800.0, 950.0, 1150.0, 1400.0):
        value = prefactor * math.exp(-energy / (R * temperature))
        scale = nernst_einstein(1.0, 1.0, 0.01, temperature)
        rows.append(
            dataclasses.replace(
                row,
                temperature_K=temperature,
                diffusivity_m2_per_s=value,
                diffusivity_error_m2_per_s=error * value,
                conductivity_S_per_m=scale * value,
                conductivity_error_S_per_m=scale * error * value,
            )
        )
    return rows


@given(st.floats(1.0e4, 2.0e5), st.floats(1.0e-9, 1.0e-5), st.floats(0.02, 0.5))
def test_an_ideal_law_is_recovered(energy: float, prefactor: float, error: float) -> None:
    rows = law(diffusivity_from(trajectory(walk(0, frames=101))), energy, prefactor, error)
    record = arrhenius_fit(rows)
    assert record.activation_energy == pytest.approx(energy, rel=1e-6)
    for item in rows:
        assert record(item.temperature_K) == pytest.approx(item.diffusivity_m2_per_s, rel=1e-6)
    # 0.15 eV of the potential is always in it
    assert record.activation_energy_uncertainty > 0.15 * physical_constants["Faraday constant"][0]


def test_statistics_and_potential_both_count(row: Diffusivity) -> None:
    record = arrhenius_fit(law(row, 5.0e4, 1.0e-7, 0.1), quantity="diffusivity")
    x = 1.0 / np.array([800.0, 950.0, 1150.0, 1400.0])
    statistics = 0.1 / math.sqrt(np.sum((x - x.mean()) ** 2)) * R
    potential = 0.15 * electron_volt * physical_constants["Avogadro constant"][0]
    assert record.activation_energy_uncertainty == pytest.approx(math.hypot(statistics, potential), rel=1e-6)
    assert record.reference_temperature == pytest.approx(1.0 / x.mean())
    spread = math.hypot(0.1 / 2.0, potential / (R * record.reference_temperature)) / math.log(10.0)
    assert record.log10_uncertainty == pytest.approx(spread, rel=1e-6)
    assert (record.kind, record.unit) == ("computed", "m2/s")
    assert record.temperature_range == (800.0, 1400.0)


def test_conductivity_record_says_what_it_is(row: Diffusivity) -> None:
    record = arrhenius_fit(
        law(row, 5.0e4, 1.0e-7, 0.1), quantity="conductivity", temperature_range_K=(600.0, 1100.0)
    )
    assert record.unit == "S/m"
    assert "tracer-based" in record.note
    assert record.temperature_range == (600.0, 1100.0)
    assert "800 to 1400 K" in record.note
    # sigma T follows the law of D, wherever the record is used; at the ends of the range the tangent is off by
    # ln(T/T_ref) - 1 + T_ref/T, at most 6 %
    middle = 2.0 / (1.0 / 600.0 + 1.0 / 1100.0)
    assert record.reference_temperature == pytest.approx(middle)
    assert record.activation_energy == pytest.approx(5.0e4 - R * middle)
    for temperature, tolerance in ((middle, 1e-6), (600.0, 0.06), (1100.0, 0.06)):
        exact = nernst_einstein(1.0e-7 * math.exp(-5.0e4 / (R * temperature)), 1.0, 0.01, temperature)
        assert record(temperature) == pytest.approx(exact, rel=tolerance)


def test_rows_without_diffusion_do_not_count(row: Diffusivity) -> None:
    rows = law(row, 5.0e4, 1.0e-7, 0.1)
    rows[0] = dataclasses.replace(rows[0], regime="none")
    with pytest.raises(ConvergenceError, match="3 of 4 runs show diffusion"):
        arrhenius_fit(rows)
    rows[0] = dataclasses.replace(rows[0], formula="NaX")
    with pytest.raises(InputError, match="one cell"):
        arrhenius_fit(rows)
    with pytest.raises(UnknownNameError):
        arrhenius_fit(rows[1:], quantity="viscosity")  # type: ignore[arg-type]


@given(st.integers(0, 7), st.integers(0, 100))
def test_vacancies_take_that_many_ions(count: int, seed: int) -> None:
    structure = CRYSTAL
    found = with_vacancies(structure, count=count, seed=seed)
    assert found.composition["Li+"] == structure.composition["Li+"] - count
    assert len(found) == len(structure) - count
    assert found.charge == -count
    assert found == with_vacancies(structure, count=count, seed=seed)


CRYSTAL = build("Li2O")


def test_too_many_vacancies_are_refused() -> None:
    with pytest.raises(CompositionError, match="larger supercell"):
        with_vacancies(CRYSTAL, count=8)


def test_a_short_run_of_latp_conducts() -> None:
    calculator = make_calculator("pmmcs", cutoff_A=8.0, accuracy=1.0e-4)
    row = lithium_diffusivity(
        build("LATP"), calculator, temperature_K=1200.0, production_ps=10.0, equilibration_ps=1.0
    )
    assert (row.mobile_ions, row.atoms) == (8, 110)
    assert row.ions_that_hopped >= 4
    # 100 ps of 220 atoms gave 4.3e-9 +- 1.2e-9 m2/s; eight ions in 10 ps can be off by a factor of five
    assert 0.8e-9 < row.diffusivity_m2_per_s < 2.2e-8
    assert row.host_rms_A < 1.0
    record = json.loads(json.dumps(row.to_dict()))
    assert record["calculator"]["model"] == "pmmcs"
    assert len(record["msd_A2"]) == len(record["lags_ps"])


def test_a_run_too_short_for_error_bars_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="error bars"):
        lithium_diffusivity(CRYSTAL, make_calculator("pmmcs"), temperature_K=1000.0, production_ps=5.0)


@pytest.mark.slow
def test_latp_against_the_production_run() -> None:
    calculator = make_calculator("pmmcs", cutoff_A=8.0, accuracy=1.0e-4)
    structure = build("LATP")
    structure.make_supercell([2, 1, 1])
    row = lithium_diffusivity(structure, calculator, temperature_K=1200.0, production_ps=70.0, seed=3)
    assert row.regime == "diffusive"
    # production run with full accuracy and another seed: 4.3e-9 +- 1.2e-9 m2/s; three standard errors of both
    assert row.diffusivity_m2_per_s == pytest.approx(
        4.3e-9, abs=3.0 * math.hypot(1.2e-9, row.diffusivity_error_m2_per_s)
    )
