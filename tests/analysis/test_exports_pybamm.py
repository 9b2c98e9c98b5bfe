"""The PyBaMM hand-over, solved with PyBaMM."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cosinter.analysis.exports.pybamm import pybamm_options, pybamm_values, to_pybamm
from cosinter.analysis.parameters import Arrhenius
from cosinter.data.exceptions import InputError
from tests.analysis.export_cases import GEOMETRY, SUMMARY, assembled_set, parameter_set

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pybamm.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:pybamm.*"),
]
CURRENT_A = 1e-4
INITIAL = "Initial concentration in positive electrode [mol.m-3]"


def document(summary: dict[str, Any] = SUMMARY, **options: Any) -> dict[str, Any]:
    made = to_pybamm(parameter_set(), summary, GEOMETRY, **options)
    loaded: dict[str, Any] = json.loads(json.dumps(made))
    return loaded


def charge(handed: dict[str, Any], *, seconds: float = 600.0) -> Any:
    """Charge the half-cell from the sintered state at constant current; the rest of the set is Xu2019."""
    pybamm = pytest.importorskip("pybamm")
    values = pybamm.ParameterValues("Xu2019")
    values.update(pybamm_values(handed), check_already_exists=False)
    values.update(
        {
            "Current function [A]": -CURRENT_A,
            "Upper voltage cut-off [V]": 5.0,
            "Lower voltage cut-off [V]": 1.0,
        }
    )
    model = pybamm.lithium_ion.SPM(pybamm_options(handed))
    return pybamm.Simulation(model, parameter_values=values).solve(np.linspace(0.0, seconds, 11)), values


def test_a_half_cell_runs_and_keeps_its_charge() -> None:
    solution, values = charge(document())
    electrode_volume = 4.2e-5 * 0.01 * 0.0154
    capacity = 48000.0 * 0.6 * 0.95 * 0.8 * electrode_volume * 96485.33
    assert values[INITIAL] == pytest.approx(0.85 * 48000.0)
    stoichiometry = solution["Average positive particle stoichiometry"].entries
    # Faraday's law; 1e-5: time integration tolerance of the solver
    assert stoichiometry[0] - stoichiometry[-1] == pytest.approx(CURRENT_A * 600.0 / capacity, rel=1e-5)
    assert stoichiometry[0] == pytest.approx(0.85, rel=1e-6)
    assert (
        3.6 < solution["Battery open-circuit voltage [V]"].entries[0] < 3.7
    )  # between 3.4 and 3.75 V of the table


def test_the_interphase_adds_its_resistance_on_the_cathode() -> None:
    with_film, _ = charge(document())
    without, _ = charge(document(SUMMARY | {"interphase_nm": 0.0}))
    # rho delta / (a L) per electrode area: 60 ohm cm² of grain surface, a = 3 * 0.456 / 2 um, L = 42 um
    specific = 60e-4 / (3.0 * 0.6 * 0.95 * 0.8 / 2e-6 * 4.2e-5)
    expected = CURRENT_A * specific / (0.01 * 0.0154)
    difference = with_film["Voltage [V]"].entries - without["Voltage [V]"].entries
    np.testing.assert_allclose(difference, expected, rtol=5e-3)


def test_options_survive_json_as_tuples() -> None:
    assert pybamm_options(document())["SEI"] == ("none", "constant")
    assert "SEI" not in pybamm_options(document(SUMMARY | {"interphase_nm": 0.0}))


def test_only_what_we_know_is_handed_over() -> None:
    handed = document()
    assert "Positive particle diffusivity [m2.s-1]" not in handed["parameters"]
    assert handed["missing"] == {"diffusivity": "left to the base set", "thickness": "left to the base set"}
    assert handed["assumed"] == []
    assert {entry["kind"] for entry in handed["parameters"].values()} <= {"measured", "computed"}


def test_assumed_values_are_listed_and_left_out_on_request() -> None:
    table = parameter_set()["capacity.open_circuit_voltage"].model_copy(update={"kind": "assumed"})
    parameters = parameter_set(**{"capacity.open_circuit_voltage": table})
    name = "Positive electrode OCP [V]"
    assert to_pybamm(parameters, SUMMARY, GEOMETRY)["assumed"] == [name]
    without = to_pybamm(parameters, SUMMARY, GEOMETRY, include_assumed=False)
    assert name not in without["parameters"]
    assert "open_circuit_potential" in without["missing"]


def test_an_arrhenius_diffusivity_keeps_its_reference_temperature() -> None:
    pybamm = pytest.importorskip("pybamm")
    record = Arrhenius(
        unit="m2/s",
        reference_value=1e-14,
        reference_temperature=310.0,
        activation_energy=30e3,
        temperature_range=(270.0, 330.0),
        source="made-up, of the cell",
        kind="measured",
    )
    handed = to_pybamm(parameter_set(**{"cell.lithium_diffusivity": record}), SUMMARY, GEOMETRY)
    function = pybamm_values(handed)["Positive particle diffusivity [m2.s-1]"]
    value = function(pybamm.Scalar(0.5), pybamm.Scalar(298.15)).evaluate()
    assert value == pytest.approx(float(record(298.15)), rel=1e-12)


def test_foreign_documents_are_refused() -> None:
    with pytest.raises(InputError, match="not a cosinter-pybamm"):
        pybamm_values({"format": "something", "version": "1.0"})
    with pytest.raises(InputError, match="version 1"):
        pybamm_options(document() | {"version": "2.0"})


def test_the_assembled_set_of_a_composite_charges_a_half_cell() -> None:
    handed = json.loads(json.dumps(to_pybamm(assembled_set(), SUMMARY, GEOMETRY)))
    assert handed["assumed"] == []
    solution, _ = charge(handed, seconds=3600.0)
    voltage = solution["Voltage [V]"].entries
    assert 3.0 < voltage[0] < voltage[-1] < 4.5


@pytest.mark.parametrize("case", ["bare", "compensated"])
def test_the_sets_of_the_main_job_are_there_by_name(case: str) -> None:
    """``pybamm.ParameterValues(name)`` and one hour of charging."""
    from cosinter.analysis.exports.pybamm_sets import half_cell_document, half_cell_options

    pybamm = pytest.importorskip("pybamm")
    name = f"NCM811_LATP_sintered_{case}"
    assert name in list(pybamm.parameter_sets)
    values = pybamm.ParameterValues(name)
    known = half_cell_document(case)["parameters"]
    assert values["Positive particle radius [m]"] == known["Positive particle radius [m]"]["value"]
    values.update({"Current function [A]": -CURRENT_A, "Upper voltage cut-off [V]": 4.4})
    model = pybamm.lithium_ion.SPM(half_cell_options(case))
    solution = pybamm.Simulation(model, parameter_values=values).solve(np.linspace(0.0, 3600.0, 11))
    voltage = solution["Voltage [V]"].entries
    assert 3.4 < voltage[0] < voltage[-1] < 4.4


def test_other_cases_are_refused() -> None:
    from cosinter.analysis.exports.pybamm_sets import half_cell_document

    with pytest.raises(InputError, match="bare"):
        half_cell_document("burnt")
