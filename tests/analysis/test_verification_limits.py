"""The furnace model against exact solutions of its parts; reference numbers computed independently to 12 digits.

Potentials of an ideal solution are linear in small changes, mu/RT = 4 (u - 1/2) around u = 1/2; with changes of 1e-3 the
neglected terms are below 1e-5 of what is compared. T1, T5, T6, T9 and T10 stand in test_continuum_limits.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import R

from cosinter.analysis.continuum.furnace import Furnace
from cosinter.analysis.continuum.inputs import SinterCase, electrolyte_per_metal
from cosinter.analysis.continuum.model import simulate

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import arrhenius, scalar
from verification_fixture import (
    DIFFUSIVITY,
    METAL,
    PURE,
    RADIUS,
    T_HOLD,
    flat,
    gibbs,
    hold,
    ideal_set,
    sink,
)  # fmt: skip

SMALL = 1e-3
STIFFNESS = 4.0  # d(mu/RT)/du of an ideal solution at u = 1/2
BIOT = {0.1: 0.0291239635697, 1.0: 0.228635067779, 4.0: 0.511104119957, 100.0: 0.758821269735}  # Fo = 0.1
FLUX = {0.01: 0.123643354199, 0.1: 0.486761686342, 0.3: 1.09976812044}
RESERVOIR = {(0.25, 0.01): 0.737946133562, (0.25, 0.1): 0.97284368206,
             (1.0, 0.01): 0.490846050035, (1.0, 0.1): 0.903916528586}  # fmt: skip


def _case(furnace: Furnace, **options: float) -> SinterCase:
    chosen = {"cathode_volume_fraction": 1e-3, "cells": 30, "tolerance": 1e-4} | options
    return SinterCase("limit", furnace, grain_radius_m=RADIUS, **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(("biot", "exact"), BIOT.items())
def test_surface_exchange(biot, exact):
    """T2: M = 1 - sum 6 Bi^2 exp(-b^2 Fo)/[b^2 (b^2 + Bi (Bi - 1))], b cot b + Bi = 1."""
    parameters = ideal_set(
        **{
            "cathode.initial_lithium_per_metal": scalar(0.5 + SMALL, "1"),
            "contact.interface_rate": arrhenius(biot * DIFFUSIVITY / (RADIUS * STIFFNESS), 0.0, "m/s"),
        }
    )
    run = simulate(parameters, _case(hold(0.1)))
    uptake = (0.5 + SMALL - float(run["lithium_mean"][-1])) / SMALL
    assert uptake == pytest.approx(exact, abs=4e-4)


def test_constant_flux():
    """T3: (u_0 - u_s) D/(F R) = 3 Fo + 1/5 - 2 sum exp(-a^2 Fo)/a^2, tan a = a; the potential is that of the outer shell."""
    force = 1e6
    flux = SMALL * DIFFUSIVITY / RADIUS  # of lithium content, m/s
    parameters = ideal_set(
        **sink(-2.0 * force * R * T_HOLD),
        **{
            "cathode.initial_lithium_per_metal": scalar(0.5, "1"),
            "contact.interface_rate": arrhenius(flux / force, 0.0, "m/s"),
        },
    )
    run = simulate(parameters, _case(hold(*FLUX)))
    for fourier, exact in FLUX.items():
        end = run.sel(time=fourier * RADIUS**2 / DIFFUSIVITY, method="nearest")
        assert (0.5 - float(end["lithium_mean"])) / SMALL == pytest.approx(3.0 * fourier, rel=1e-4)
        outer = -float(end["mu_surface"]) / (2.0 * R * T_HOLD * STIFFNESS) / SMALL
        half_shell = 1.0 - float(end["radius"][-1]) / RADIUS  # the gradient at the surface is 1
        assert outer + half_shell == pytest.approx(exact, abs=4e-4)


@pytest.mark.parametrize(("ratio", "fourier"), RESERVOIR)
def test_finite_reservoir(ratio, fourier):
    """T4: well-stirred bath of ``ratio`` times the capacity of the grain, tan q = 3 q/(3 + ratio q^2).

    The joint between two steps of a titration is a straight line, so the electrolyte is such a bath there: the first step
    is made too short to matter, and the joint reaches over 1 % of the second.
    """
    amount = electrolyte_per_metal(METAL, 1.32e-4, 0.5)
    rise = 0.16 * amount * R * T_HOLD / ratio  # J per mol Li2O over the joint of 0.01 mol
    parameters = ideal_set(
        **sink(0.0, rise, vertices=(0.0, 1e-9, 1.0)),
        **{"cathode.initial_lithium_per_metal": scalar(0.5 + SMALL, "1")},
    )
    run = simulate(parameters, _case(hold(fourier), cathode_volume_fraction=0.5))
    lost = 0.5 + SMALL - float(run["lithium_mean"][-1])
    assert lost / (SMALL * ratio / (1.0 + ratio)) == pytest.approx(RESERVOIR[ratio, fourier], abs=1e-3)


KISSINGER = {2.0: 912.3626568, 5.0: 942.782495, 10.0: 967.1238421, 20.0: 992.7049478}


@pytest.mark.parametrize(("heating", "peak"), KISSINGER.items())
def test_kissinger_peak(heating, peak):
    """T6': the rate of a first-order conversion is greatest where E/(R T^2) = k(T)/beta; E = 200 kJ/mol, k(973.15 K) = 5e-3."""
    energy, step = 200e3, 1.0
    parameters = ideal_set(
        **gibbs(layered=0.0, spinel=-1e6, rock_salt=1e6),
        **sink(-1e6),
        **{
            "conversion.layered_to_spinel": arrhenius(5e-3, energy, "1/s"),
            "conversion.lithiated_activation_energy": scalar(energy, "J/mol"),
            "contact.interface_rate": arrhenius(1e-30, 0.0, "m/s"),
        },
    )
    knots = np.array([298.15, 600.0, peak - step, peak, peak + step])
    furnace = Furnace(tuple((knots - 298.15) * 60.0 / heating), tuple(knots), (PURE,) * 4)
    run = simulate(parameters, _case(furnace, cells=4))
    left = 1.0 - np.array([float(run["spinel_mean"].sel(time=t)) for t in furnace.times_s[2:]])
    rate = np.log(left) - energy / R / knots[2:]  # ln of k (1 - a), less a constant
    vertex = 0.5 * step * (rate[0] - rate[2]) / (rate[0] - 2.0 * rate[1] + rate[2])
    assert vertex == pytest.approx(0.0, abs=0.1)


def test_reversed_force_reverses_the_flow():
    """T10: an oxide above the grain fills it as fast as one equally far below empties it (same coverage, u = 1/2)."""
    changes = []
    for level in (-2e3, 2e3):
        parameters = ideal_set(
            **{
                "thermo.lithium_oxide.gibbs": flat(-level),
                "contact.interface_rate": arrhenius(1e-30, 0.0, "m/s"),
                "contact.exchange_solid": arrhenius(1e-11, 0.0, "m/s"),
            }
        )
        case = _case(hold(0.01), doses={"lithium_oxide": 1.0}, solid_coverage=0.5)
        run = simulate(parameters, case)
        changes.append(float(run["lithium_mean"][-1]) - 0.5)
    assert abs(changes[1]) > 1e-5
    assert changes[0] == pytest.approx(-changes[1], rel=1e-6)


def test_grain_boundaries_shorten_the_way():
    """Hart: D + 3 (w/d) D_gb. A grain of crystallites empties as a single crystal of that diffusivity."""
    width, crystallite, factor = 5e-10, 1e-7, 4.0
    along = factor * DIFFUSIVITY * crystallite / (3.0 * width)
    start = {"cathode.initial_lithium_per_metal": scalar(0.5 + SMALL, "1")}
    boundaries = start | {"cathode.grain_boundary.lithium_diffusivity": arrhenius(along, 0.0, "m2/s")}
    many = simulate(ideal_set(**boundaries), _case(hold(0.05), crystallite_size_m=crystallite))
    quick = start | {"cathode.layered.lithium_diffusivity": arrhenius(5.0 * DIFFUSIVITY, 0.0, "m2/s")}
    one = simulate(ideal_set(**quick), _case(hold(0.05)))
    assert float(many["lithium_mean"][-1]) == pytest.approx(float(one["lithium_mean"][-1]), abs=1e-8)
    assert float(many["lithium_mean"][-1]) < 0.5 + 0.2 * SMALL


def test_coating_is_a_resistance_in_series():
    """A film of thickness L and conductivity s acts as a transfer rate k = R T s/(F^2 L c_M) (T2 with that Biot number)."""
    from scipy.constants import physical_constants

    faraday, thickness = physical_constants["Faraday constant"][0], 1e-8
    rate = DIFFUSIVITY / (RADIUS * STIFFNESS)  # Bi = 1
    conductivity = rate * faraday**2 * thickness * METAL / (R * T_HOLD)
    parameters = ideal_set(
        **{
            "cathode.initial_lithium_per_metal": scalar(0.5 + SMALL, "1"),
            "coating.conductivity": arrhenius(conductivity, 0.0, "S/m"),
        }
    )
    run = simulate(parameters, _case(hold(0.1), coating_thickness_m=thickness))
    uptake = (0.5 + SMALL - float(run["lithium_mean"][-1])) / SMALL
    assert uptake == pytest.approx(BIOT[1.0], abs=4e-4)
