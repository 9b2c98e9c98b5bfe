"""Thousands of equilibria at once against one at a time, and the requests that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cosinter.analysis.equilibrium.lp import equilibrium, make_problem
from cosinter.analysis.equilibrium.table import equilibria
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError

LIBRARY = load_library()
COUNT = 2000
TEMPERATURES = np.linspace(500.0, 1300.0, COUNT)
OXYGEN = np.geomspace(1e-6, 1.0, COUNT)


def test_every_condition_equals_its_own_equilibrium() -> None:
    table = equilibria(
        LIBRARY, "LiNi0.8Co0.1Mn0.1O2", temperatures_K=TEMPERATURES, pressures_bar={"O2": OXYGEN}
    )
    assert len(table) == COUNT
    assert np.isfinite(table.amounts).all()
    balance = table.amounts @ table.problem.counts.T - table.compositions
    assert np.abs(balance).max() < 1e-11
    for i in range(0, COUNT, 173):
        pressures = {"O2": float(OXYGEN[i])}
        alone = equilibrium(
            LIBRARY, "LiNi0.8Co0.1Mn0.1O2", temperature_K=float(TEMPERATURES[i]), pressures_bar=pressures
        )
        assert table.products(i) == pytest.approx(dict(alone.amounts))
        assert table.gibbs_J[i] == pytest.approx(alone.gibbs_J, abs=1e-6)
        assert table.relative_mu("Li2O")[i] == pytest.approx(alone.relative_mu("Li2O"), abs=1e-4)


def test_compositions_that_lack_an_element_stand_beside_those_that_hold_it() -> None:
    mixtures = [{"Li": 1.0, "Co": x, "O": 2.0} for x in np.linspace(0.0, 1.0, 11)]
    table = equilibria(LIBRARY, mixtures, temperatures_K=900.0, pressures_bar={"O2": 0.2})
    assert table.products(0) == pytest.approx({"Li2O": 0.5, "O2(g)": 0.75})
    assert table.products(10) == pytest.approx({"LiCoO2": 1.0})
    assert table.unique.tolist() == [False, *[True] * 9, False]
    assert table.present.shape == table.amounts.shape


def test_phases_outside_their_data_are_named_once() -> None:
    table = equilibria(LIBRARY, "LiPO3", temperatures_K=[800.0, 1050.0, 1100.0], pressures_bar={})
    assert [text for text in table.warnings() if text.startswith("LiPO3")]
    assert sum(text.startswith("LiPO3") for text in table.warnings()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"temperatures_K": [900.0, 950.0], "pressures_bar": {"O2": [0.1, 0.2, 0.3]}},
            "2 temperatures, 3 pressures of O2",
        ),
        ({"temperatures_K": []}, "no temperatures"),
        ({"temperatures_K": [900.0, float("nan")]}, "between 250 and 2500"),
        ({"pressures_bar": {"O2": [0.1, -0.1]}}, "pressure of O2 must be above 0"),
        ({"pressures_bar": {"O2": 0.21, "CO2": [0.1, 0.2], "CO": 0.1}}, "not in equilibrium|without end"),
    ],
)
def test_wrong_requests_are_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"temperatures_K": 900.0, "pressures_bar": {"O2": 0.21}} | options
    with pytest.raises(InputError, match=message):
        equilibria(LIBRARY, "CoO", **arguments)


def test_foreign_elements_and_closed_gases_are_refused() -> None:
    table = equilibria(LIBRARY, "CoO", temperatures_K=900.0, pressures_bar={"O2": 0.21})
    with pytest.raises(InputError, match="element Li"):
        table.mu("Li2O")
    problem = make_problem(LIBRARY, ["Co", "O"], temperature_K=900.0, pressures_bar={"O2": 0.21})
    with pytest.raises(InputError, match="CO2 is not open"):
        problem.costs_at([900.0], {"CO2": 0.1})
