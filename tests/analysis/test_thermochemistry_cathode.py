"""Free energy of the cathode: open-circuit potential, derivatives, limits, conversions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import R
from scipy.integrate import quad

from cosinter.analysis.thermochemistry.cathode import (
    FARADAY,
    CathodeModel,
    CathodePhase,
    ideal_mixing,
    ocv_integral,
    open_circuit_potential,
)
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

MODEL = CathodeModel(0.8, 0.1, 0.1)
PHASES: tuple[CathodePhase, ...] = ("layered", "spinel", "rock_salt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_open_circuit_potential_equals_pybamm() -> None:
    pybamm = pytest.importorskip("pybamm")
    curve = pybamm.ParameterValues("Chen2020")["Positive electrode OCP [V]"]
    for u in np.linspace(0.05, 0.99, 12):
        assert float(open_circuit_potential(u)) == pytest.approx(
            float(curve(pybamm.Scalar(u)).evaluate()), abs=1e-12
        )


@pytest.mark.parametrize("u", [0.0, 0.2, 0.31, 0.55, 0.9])
def test_integral_of_the_potential_equals_quadrature(u: float) -> None:
    expected = quad(lambda x: float(open_circuit_potential(x)), u, 1.0, epsabs=1e-12, limit=200)[0]
    assert float(ocv_integral(u)) == pytest.approx(expected, abs=1e-9)


def test_layered_free_energy_gives_back_the_potential_at_298_kelvin() -> None:
    # mu_Li - G_Li = -F U wherever the fit is used, by central differences (step 1e-5: error below 1 J/mol)
    u = np.linspace(0.27, 0.91, 9)
    step = 1e-5
    slope = (MODEL.gibbs("layered", u + step, 298.15) - MODEL.gibbs("layered", u - step, 298.15)) / (2 * step)
    lithium = float(load_library().phase("Li").gibbs(298.15))
    np.testing.assert_allclose((lithium - slope[0]) / FARADAY, open_circuit_potential(u), atol=1e-5)


def test_higher_temperature_adds_only_the_entropy_of_mixing() -> None:
    u = np.asarray([0.3, 0.5, 0.8])
    cold, hot = (MODEL.gibbs("layered", u, t)[0] - _frame(u, t) for t in (298.15, 973.15))
    np.testing.assert_allclose(hot - cold, R * (973.15 - 298.15) * ideal_mixing(u), atol=1e-6)


def _frame(u: np.ndarray, temperature: float) -> np.ndarray:
    lithium = float(load_library().phase("Li").gibbs(temperature))
    return float(MODEL.layered.gibbs(temperature)) - (1.0 - u) * lithium


@pytest.mark.parametrize("phase", PHASES)
def test_free_energy_is_excess_plus_ideal_mixing_and_finite_at_the_ends(phase: CathodePhase) -> None:
    u, temperature = np.linspace(0.0, 1.0, 101), np.asarray([700.0, 973.15])
    excess, total = MODEL.excess_gibbs(phase, u, temperature), MODEL.gibbs(phase, u, temperature)
    assert excess.shape == (2, 101)
    assert np.all(np.isfinite(excess))
    np.testing.assert_allclose(total - excess, R * temperature[:, None] * ideal_mixing(u), atol=1e-6)


@pytest.mark.parametrize("phase", PHASES)
def test_excess_has_no_jump_in_value_or_slope(phase: CathodePhase) -> None:
    # sampled every 1e-4: a jump of the slope by 1 kJ/mol would change the second difference by 0.1 J; the fit of the
    # potential itself bends by up to 60 kJ/mol per 0.01, i.e. 0.06 J per squared step
    u = np.arange(0.0, 1.0 + 5e-5, 1e-4)
    second = np.diff(MODEL.excess_gibbs(phase, np.clip(u, 0.0, 1.0), 973.15)[0], n=2)
    assert np.max(np.abs(second)) < 0.1


@pytest.mark.parametrize("phase", PHASES)
def test_chemical_potential_is_the_derivative_at_fixed_oxygen_pressure(phase: CathodePhase) -> None:
    # Omega = G - n_O mu_O; mu_Li = dOmega/du
    u, temperature, pressure, step = np.asarray([0.1, 0.3, 0.45, 0.6, 0.9]), 900.0, 0.21, 1e-5
    oxygen = float(MODEL.oxygen_potential(temperature, pressure)[0])

    def omega(x: np.ndarray) -> np.ndarray:
        return MODEL.gibbs(phase, x, temperature)[0] - MODEL.oxygen_per_metal(phase, x) * oxygen

    lithium = (omega(u + step) - omega(u - step)) / (2 * step)
    expected = 2 * lithium + oxygen - float(load_library().phase("Li2O").gibbs(temperature))
    np.testing.assert_allclose(MODEL.mu_li2o(phase, u, temperature, pressure)[0], expected, atol=2.0)


def test_layered_lithium_potential_rises_with_lithium() -> None:
    mu = MODEL.mu_li2o("layered", np.linspace(0.01, 0.99, 99), [600.0, 973.15], 0.21)
    assert np.all(np.diff(mu, axis=1) > 0.0)


def test_ends_are_the_phases_of_the_library() -> None:
    library, t = load_library(), 900.0
    nickel = CathodeModel(1.0, 0.0, 0.0)
    full = float(library.phase("LiNiO2").gibbs(t))
    assert float(nickel.gibbs("layered", 1.0, t)[0, 0]) == pytest.approx(full, abs=1e-6)
    assert float(nickel.gibbs("rock_salt", 0.0, t)[0, 0]) == pytest.approx(
        float(library.phase("NiO").gibbs(t)), abs=1e-6
    )
    cobalt = CathodeModel(0.0, 1.0, 0.0)
    spinel = float(library.phase("Co3O4").gibbs(t)) / 3.0
    assert float(cobalt.gibbs("spinel", 0.0, t)[0, 0]) == pytest.approx(spinel, abs=1e-6)


def test_spinel_and_rock_salt_end_members_hold_their_parameters() -> None:
    t, values = 973.15, {a["name"]: a["value"] for a in MODEL.assumptions()}
    layered = MODEL.gibbs("layered", [0.5, 1.0], t)[0]
    spinel = MODEL.gibbs("spinel", [0.5, 1.0], t)[0]
    rock_salt = MODEL.gibbs("rock_salt", 1.0, t)[0, 0]
    assert (layered[0] - spinel[0]) * 1e-3 == pytest.approx(values["spinel_stabilisation"])
    assert (spinel[1] - layered[1]) * 1e-3 == pytest.approx(values["lithiated_spinel_energy"])
    assert (rock_salt - layered[1]) * 1e-3 == pytest.approx(values["disordering_energy"])


def test_oxygen_content_follows_the_formula_of_each_form() -> None:
    np.testing.assert_allclose(
        MODEL.oxygen_per_metal("spinel", [0.0, 0.25, 0.5, 1.0]), [4 / 3, 5 / 3, 2.0, 2.0]
    )
    np.testing.assert_allclose(MODEL.oxygen_per_metal("rock_salt", [0.0, 1.0]), [1.0, 2.0])
    np.testing.assert_allclose(MODEL.oxygen_per_metal("layered", [0.0, 1.0]), [2.0, 2.0])


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(500.0, 1200.0), st.floats(-4.0, 0.0))
def test_conversions_are_a_state_function(u: float, temperature: float, log_pressure: float) -> None:
    pressure = 10.0**log_pressure

    def change(source: CathodePhase, target: CathodePhase) -> float:
        return float(MODEL.conversion_gibbs(source, target, u, temperature, pressure)[0, 0])

    assert change("layered", "spinel") + change("spinel", "rock_salt") == pytest.approx(
        change("layered", "rock_salt"), abs=1e-6
    )
    assert change("layered", "rock_salt") == pytest.approx(-change("rock_salt", "layered"), abs=1e-6)


def test_less_oxygen_and_more_heat_favour_rock_salt() -> None:
    low, high = (
        MODEL.conversion_gibbs("layered", "rock_salt", 0.6, [700.0, 973.15], p) for p in (1e-4, 0.21)
    )
    assert np.all(low < high)
    assert high[1, 0] < high[0, 0]
    released = (1.0 - 0.6) * 0.5 * R * np.asarray([700.0, 973.15]) * np.log(0.21 / 1e-4)
    np.testing.assert_allclose((high - low)[:, 0], released, rtol=1e-9)


def test_oxygen_pressure_may_follow_temperature() -> None:
    both = MODEL.mu_li2o("layered", [0.5], [700.0, 900.0], [1e-3, 0.21])
    assert both[0, 0] == pytest.approx(MODEL.mu_li2o("layered", 0.5, 700.0, 1e-3)[0, 0])
    assert both[1, 0] == pytest.approx(MODEL.mu_li2o("layered", 0.5, 900.0, 0.21)[0, 0])


def test_every_parameter_is_reported_with_its_kind() -> None:
    listed = MODEL.assumptions()
    assert {"disordering_energy", "spinel_stabilisation", "open_circuit_potential"} <= {
        a["name"] for a in listed
    }
    for record in listed:
        assert record["kind"] in {"measured", "computed", "assumed", "fitted"}
        assert record["source"]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(CompositionError):
        CathodeModel(0.5, 0.1, 0.1)
    with pytest.raises(CompositionError):
        CathodeModel(0.2, 0.0, 0.8)
    with pytest.raises(UnknownNameError, match="cathode phase 'fluorite'"):
        MODEL.gibbs("fluorite", 0.5, 900.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="between 0 and 1"):
        MODEL.gibbs("layered", 1.2, 900.0)
    with pytest.raises(InputError, match="strictly"):
        MODEL.mu_li2o("layered", 1.0, 900.0, 0.21)
    with pytest.raises(InputError, match="oxygen pressure"):
        MODEL.mu_li2o("layered", 0.5, 900.0, 0.0)
    with pytest.raises(InputError, match="temperature"):
        MODEL.gibbs("layered", 0.5, -3.0)
