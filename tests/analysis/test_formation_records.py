"""Records made of formation energies: laws of mass action, units, errors, names that exist."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy.constants import N_A, R, electron_volt, k

from cosinter.analysis.assembly import transport_records
from cosinter.analysis.atoms.barriers import Barrier
from cosinter.analysis.atoms.formation import Delithiation, LithiumState, vacancy_steps
from cosinter.analysis.atoms.formation_records import (
    antisite_fraction,
    crossing_rate,
    polymorph_records,
    vacancy_energy,
)
from cosinter.analysis.atoms.rearrangement import AntisiteEnergy, Polymorph, Polymorphs
from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table

MODEL: dict[str, Any] = {"model": "chgnet", "version": "0", "parameters": {"source": "a paper"}}
EV = electron_volt * N_A


def pair(energy: float, spread: float | None = 0.2) -> AntisiteEnergy:
    return AntisiteEnergy(
        "LiNiO2", energy, spread, "", 0.0, 48, 12, True, ("a", "b"), {}, MODEL
    )  # fmt: skip


def hop(height: float, spread: float | None = 0.15) -> Barrier:
    found = SimpleNamespace(
        barrier_eV=height, uncertainty_eV=spread, hop_length_A=3.0, path="a hop", calculator=MODEL
    )
    return cast("Barrier", found)


def test_antisites_obey_mass_action() -> None:
    """f^2/(1-f)^2 = exp(-E/kT) far apart; f/(1-f) = 6 exp(-E/kT) bound; half of the sites for E = 0."""
    kT = k * 1000.0 / electron_volt
    apart = antisite_fraction(pair(0.4), temperature_K=1000.0)
    assert (apart.value / (1.0 - apart.value)) ** 2 == pytest.approx(math.exp(-0.4 / kT))
    bound = antisite_fraction(pair(0.4), temperature_K=1000.0, association="bound")
    assert bound.value / (1.0 - bound.value) == pytest.approx(6.0 * math.exp(-0.4 / kT))
    assert antisite_fraction(pair(0.0), temperature_K=700.0).value == pytest.approx(0.5)


@pytest.mark.parametrize("association", ["separate", "bound"])
def test_error_of_the_antisites_is_the_slope(association: Any) -> None:
    """log10 f moves with E as the record's uncertainty says, to first order in a shift of 1 meV."""
    low, high = (
        math.log10(antisite_fraction(pair(e), temperature_K=1000.0, association=association).value)
        for e in (0.5995, 0.6005)
    )
    record = antisite_fraction(pair(0.6, 0.001), temperature_K=1000.0, association=association)
    assert record.log10_uncertainty == pytest.approx(low - high, rel=1e-4)


def test_crossing_rate() -> None:
    record = crossing_rate(hop(0.5))
    for temperature in (600.0, 1000.0):
        expected = 3.0e-10 * 1e13 * math.exp(-0.5 * electron_volt / (k * temperature))
        assert float(record(temperature)) == pytest.approx(expected, rel=1e-6)
    assert record.unit == transport_records()["contact.interface_rate"].unit
    assert record.activation_energy_uncertainty == pytest.approx(0.15 * EV)
    in_decades = 0.15 * EV / (R * 973.15 * math.log(10.0))
    assert record.log10_uncertainty == pytest.approx(math.hypot(0.5, in_decades))


def test_polymorphs_by_name_of_the_table() -> None:
    form = Polymorph("rock_salt", 12.0, 9.0, 3.0, 4, 17.0, True, ("a",))
    found = Polymorphs("Li1Ni1O2", 1.0, "layered", (form,), 4.0, "", {}, MODEL)
    record = polymorph_records(found)["disordering_energy"]
    assert (record.value, record.uncertainty, record.unit) == (12000.0, pytest.approx(5000.0), "J/mol")
    assert set(polymorph_records(found)) <= set(load_table("thermochemistry")["cathode"])


def test_vacancy_energy_of_a_content() -> None:
    x, e = np.array([0.0, 0.5, 1.0]), np.array([-20.0, -23.0, -25.5])
    steps = vacancy_steps(x, e, lithium_energy_eV=-1.9, uncertainty_eV=0.2)
    states = tuple(LithiumState(float(c), 0.0, 0.0, 0.0, 0.0, 12, 3, 0.0, True, "") for c in x)
    found = Delithiation("Li1Ni1O2", "a reaction", -1.9, states, steps, steps, "", {}, MODEL)
    record = vacancy_energy(found, 0.9)
    assert record.value == pytest.approx((25.5 - 23.0) / 0.5 * EV - 1.9 * EV)
    assert record.uncertainty == pytest.approx(0.2 * EV)
    assert vacancy_energy(found, 0.1).value == pytest.approx((6.0 - 1.9) * EV)
    with pytest.raises(InputError, match="outside"):
        vacancy_energy(found, 1.2)


def test_the_names_exist() -> None:
    assert {"cathode.antisite_fraction", "contact.interface_rate"} <= set(transport_records())


def test_no_record_without_an_uncertainty() -> None:
    with pytest.raises(InputError, match="uncertainty"):
        antisite_fraction(pair(0.4, None), temperature_K=1000.0)
    with pytest.raises(InputError, match="uncertainty"):
        crossing_rate(hop(0.4, None))
    form = Polymorph("rock_salt", 12.0, 9.0, 3.0, 4, 17.0, True, ("a",))
    with pytest.raises(InputError, match="uncertainty"):
        polymorph_records(Polymorphs("Li1Ni1O2", 1.0, "layered", (form,), None, "", {}, MODEL))
    with pytest.raises(InputError, match="temperature"):
        antisite_fraction(pair(0.4), temperature_K=0.0)
    with pytest.raises(InputError, match="attempt"):
        crossing_rate(hop(0.4), attempt_frequency_Hz=0.0)
    with pytest.raises(InputError, match="association"):
        antisite_fraction(pair(0.4), temperature_K=900.0, association=cast("Any", "loose"))
