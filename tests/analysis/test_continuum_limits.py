"""The continuum model against exact solutions; reference numbers computed independently to 12 digits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import R, bar

from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.analysis.continuum.model import simulate

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import T_GRID, U_GRID, arrhenius, parameter_set, scalar, table

T_HOLD = 973.15
PURE = Gas(oxygen_Pa=bar, water_Pa=0.0, carbon_dioxide_Pa=0.0)
CRANK = {0.01: 0.308513750129, 0.05: 0.606939756679, 0.1: 0.770478738026, 0.3: 0.968524535116}
ZERO_GAS = {
    "thermo.oxygen_gas.gibbs": table(0.0 * T_GRID, "J/mol", temperature_K=T_GRID),
    "thermo.lithium_oxide.gibbs": table(0.0 * T_GRID, "J/mol", temperature_K=T_GRID),
}


def _gibbs(layered: float, spinel: float, rock_salt: float, slope: float = 0.0) -> dict[str, object]:
    grid = np.zeros((len(T_GRID), len(U_GRID))) + slope * U_GRID
    levels = {"layered": layered, "spinel": spinel, "rock_salt": rock_salt}
    return {
        f"cathode.{phase}.excess_gibbs": table(
            grid + level, "J/mol", temperature_K=T_GRID, lithium_per_metal=U_GRID
        )
        for phase, level in levels.items()
    }


def _sink(potential_per_lithium: float) -> dict[str, object]:
    values = np.full((3, len(T_GRID)), 2.0 * potential_per_lithium)
    return {
        "electrolyte.titration.potential": table(
            values, "J/mol", lithium_oxide_mol_per_mol=(0.0, 1.7, 3.4), temperature_K=T_GRID
        )
    }


def _diffusing(cells: int) -> np.ndarray:
    """Fractional uptake at the times of CRANK: ideal layered grain emptied into a sink without resistance."""
    surface = 0.2
    parameters = parameter_set(
        **ZERO_GAS,
        **_gibbs(0.0, 1e6, 2e6),
        **_sink(R * T_HOLD * np.log(surface / (1.0 - surface))),
        **{
            "cathode.layered.lithium_diffusivity": arrhenius(1e-16, 0.0, "m2/s"),
            "cathode.vacancy_exponent": scalar(0.0, "1"),
            "cathode.initial_lithium_per_metal": scalar(0.8, "1"),
            "contact.interface_rate": arrhenius(1e-6, 0.0, "m/s"),
            "interphase.parabolic_constant": arrhenius(1.0, 0.0, "m2/s"),
        },
    )
    times = (0.0, *(fo * 1e-12 / 1e-16 for fo in CRANK))
    furnace = Furnace(times, (T_HOLD,) * len(times), (PURE,) * (len(times) - 1))
    case = SinterCase("crank", furnace, cathode_volume_fraction=1e-3, cells=cells)
    run = simulate(parameters, case).sel(time=list(times[1:]))
    return np.asarray((0.8 - run["lithium_mean"]) / (0.8 - surface))


def test_crank_sphere_and_order_of_the_grid():
    """T1: M = 1 - (6/pi^2) sum exp(-n^2 pi^2 Fo)/n^2; the error at 40 cells is below 1e-3."""
    exact = np.array(list(CRANK.values()))
    coarse, fine = (np.abs(_diffusing(n) - exact).max() for n in (20, 40))
    assert fine < 1e-3
    assert np.log2(coarse / fine) > 1.7


def test_parabolic_layer_on_a_ramp():
    """T5: delta^2 = delta_0^2 + 2 int K dt; ramp + 1800 s, E = 120 kJ/mol, K(973.15 K) = 2e-16: 999.66158 nm."""
    force = 48.24e3
    parameters = parameter_set(
        **ZERO_GAS,
        **_gibbs(0.0, 1e6, 2e6, slope=0.0),
        **_sink(-force),
        **{
            "cathode.initial_lithium_per_metal": scalar(0.5, "1"),
            "cathode.layered.lithium_diffusivity": arrhenius(1.0, 0.0, "m2/s"),
            "contact.interface_rate": arrhenius(1e3, 0.0, "m/s"),
            "interphase.parabolic_constant": arrhenius(2e-16, 120e3, "m2/s"),
            "interphase.initial_thickness": scalar(1e-9, "m"),
            # one volume per Li along the whole titration: the second half as the first
            "electrolyte.titration.products": table(
                [[1, 0, 0, 0, 0], [0.5, 0.85, 0.5, 0.15, 0], [0, 1.7, 1.0, 0.3, 0]],
                "mol/mol",
                lithium_oxide_mol_per_mol=(0.0, 1.7, 3.4),
                product=range(5),
            ),
        },
    )
    furnace = Furnace.from_steps([(T_HOLD, 5.0 / 60.0), (T_HOLD, 1800.0)], gas=PURE)
    case = SinterCase("parabola", furnace, grain_radius_m=0.1, cathode_volume_fraction=0.5)
    delta = float(simulate(parameters, case)["interphase_thickness"][-1])
    # delta_0 of 1 nm adds 5e-7 relative; lithium drawn from a 10 cm grain lowers its potential by < 1e-4
    assert delta == pytest.approx(np.hypot(999.66158e-9, 1e-9), rel=2e-4)


def test_first_order_conversion_on_a_ramp():
    """T6: a = 1 - exp(-(A/beta)[I(T) - I(T0)]), E = 200 kJ/mol, k(973.15 K) = 5e-3, 5 K/min."""
    quick = {
        **ZERO_GAS,
        **_gibbs(0.0, -1e6, 1e6),
        **_sink(-1e6),
        "conversion.layered_to_spinel": arrhenius(5e-3, 200e3, "1/s"),
        "conversion.lithiated_activation_energy": scalar(200e3, "J/mol"),
        "conversion.spinel_to_rock_salt": arrhenius(1e-30, 200e3, "1/s"),
        "contact.interface_rate": arrhenius(1e-30, 0.0, "m/s"),
        "conversion.nuclei": scalar(1e9, "1"),
    }
    wanted = {873.15: 0.0994565878242, 923.15: 0.404758519541, 973.15: 0.888208411974}
    furnace = Furnace.from_steps([(temperature, 5.0 / 60.0) for temperature in wanted], gas=PURE)
    run = simulate(parameter_set(**quick), SinterCase("ramp", furnace, cells=8))
    got = [float(run["spinel_mean"].sel(time=time)) for time in furnace.times_s[1:]]
    # the way over to equilibrium, A^2/(A^2 + 0.01) with A = 124 RT, costs 7e-7 of the rate; steps of 1e-4 the rest
    np.testing.assert_allclose(got, list(wanted.values()), rtol=1e-4)


def test_linear_then_parabolic_layer():
    """T9, with the driving force of the model: rho = RT/(k c) + delta Omega dmu/K gives Deal and Grove's law."""
    force, constant, rate = 40e3, 2e-16, 2e-12
    parameters = parameter_set(
        **ZERO_GAS,
        **_gibbs(0.0, 1e6, 2e6),
        **_sink(-force),
        **{
            "cathode.initial_lithium_per_metal": scalar(0.5, "1"),
            "cathode.layered.lithium_diffusivity": arrhenius(1.0, 0.0, "m2/s"),
            "contact.interface_rate": arrhenius(rate, 0.0, "m/s"),
            "interphase.parabolic_constant": arrhenius(constant, 0.0, "m2/s"),
            "interphase.reference_driving_force": scalar(force, "J/mol"),
        },
    )
    furnace = Furnace((0.0, 600.0, 1800.0), (T_HOLD,) * 3, (PURE,) * 2)
    run = simulate(parameters, SinterCase("layer", furnace, grain_radius_m=0.1, cells=8))
    per_lithium = float(1.7 * 5.2e-5 + 4.7e-5 + 0.3 * 4.6e-5) / 3.4
    mean = float(2.7 * 4.7e-5 + 0.3 * 4.6e-5 + 1.7 * 1.9e-5) / 6.8
    linear = rate * 4.9e4 * per_lithium * force / (R * T_HOLD)
    parabolic = constant * per_lithium / mean
    length = parabolic / linear
    for time in (600.0, 1800.0):
        exact = -length + np.sqrt((length + 1e-9) ** 2 + 2.0 * parabolic * time)
        assert float(run["interphase_thickness"].sel(time=time)) == pytest.approx(exact, rel=1e-3)


def test_equal_potentials_give_no_flow():
    """T10: a grain at the potential of the sink neither gives nor takes; its potential is found to 1e-11 RT."""
    parameters = parameter_set(
        **ZERO_GAS,
        **_gibbs(0.0, 1e6, 2e6),
        **_sink(0.0),
        **{"cathode.initial_lithium_per_metal": scalar(0.5, "1")},
    )
    furnace = Furnace((0.0, 3600.0), (T_HOLD, T_HOLD), (PURE,))
    run = simulate(parameters, SinterCase("rest", furnace, cells=8))
    assert float(np.abs(run["lithium_mean"] - 0.5).max()) < 1e-9
    assert float(run["electrolyte_converted"].max()) < 1e-9
