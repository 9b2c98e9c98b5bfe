"""BPX documents, read by the reference reader."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from scipy.constants import physical_constants

from cosinter.analysis.exports.bpx import to_bpx
from cosinter.analysis.exports.electrode import Geometry
from cosinter.analysis.parameters import Arrhenius, Scalar
from cosinter.data.exceptions import InputError
from tests.analysis.export_cases import GEOMETRY, SUMMARY, assembled_set, parameter_set

FARADAY = physical_constants["Faraday constant"][0]


def parse(document: dict[str, Any]) -> Any:
    bpx = pytest.importorskip("bpx")
    # the reader writes into what it is given
    return bpx.parse_bpx_obj(copy.deepcopy(json.loads(json.dumps(document))))


def test_the_reference_reader_loads_the_file_and_finds_our_numbers() -> None:
    document = to_bpx(parameter_set(), SUMMARY, GEOMETRY)
    electrode = parse(document).parameterisation.positive_electrode
    active = 0.6 * 0.95 * 0.8
    assert electrode.surface_area_per_unit_volume == pytest.approx(3.0 * active / 2e-6, rel=1e-12)
    assert electrode.maximum_concentration == 48000.0
    assert electrode.maximum_stoichiometry == 0.85
    # 200 mAh/g of 97.28 g/mol: 1 - 0.2 * 3600 * 97.28 / F
    assert electrode.minimum_stoichiometry == pytest.approx(1.0 - 0.2 * 3600.0 * 97.28 / FARADAY, rel=1e-9)
    assert electrode.ocp.y[0] == 4.7
    user = parse(document).parameterisation.user_defined.model_dump()
    assert user["Interphase thickness [m]"] == pytest.approx(30e-9)
    assert user["Interphase resistivity [Ohm.m]"] == pytest.approx(60e-4 / 30e-9)
    assert "State" not in document


def test_furnace_diffusivities_are_not_extrapolated_to_the_cell() -> None:
    document = to_bpx(parameter_set(), SUMMARY, GEOMETRY)
    assert document["Parameterisation"]["Positive electrode"]["Diffusivity [m2.s-1]"] == 4.0e-15
    assert "diffusivity" in document["Header"]["Description"]
    cell = Arrhenius(
        unit="m2/s",
        reference_value=1e-14,
        reference_temperature=300.0,
        activation_energy=30e3,
        temperature_range=(270.0, 330.0),
        source="made-up, of the cell",
        kind="measured",
    )
    section = to_bpx(parameter_set(**{"cell.lithium_diffusivity": cell}), SUMMARY, GEOMETRY)[
        "Parameterisation"
    ]
    assert section["Positive electrode"]["Diffusivity [m2.s-1]"] == pytest.approx(float(cell(298.15)))
    assert section["Positive electrode"]["Diffusivity activation energy [J.mol-1]"] == 30e3


def test_without_assumed_values_the_file_stays_valid_and_says_what_is_missing() -> None:
    document = to_bpx(parameter_set(), SUMMARY, GEOMETRY, include_assumed=False)
    parsed = parse(document)
    assert parsed.parameterisation.positive_electrode is None
    assert "[assumed]" not in document["Header"]["References"]
    for name in ("thickness", "diffusivity", "reaction_rate_constant"):
        assert name in document["Header"]["Description"]
    user = parsed.parameterisation.user_defined.model_dump()
    assert user["Positive electrode maximum concentration [mol.m-3]"] == 48000.0


def test_supplied_values_complete_a_file_without_assumed_ones() -> None:
    own = {"source": "our own cell", "kind": "measured"}
    supplied = {
        "thickness": Scalar(value=7e-5, unit="m", **own),
        "diffusivity": Scalar(value=1e-15, unit="m2/s", **own),
        "reaction_rate_constant": Scalar(value=1e-6, unit="mol/m2/s", **own),
    }
    document = to_bpx(parameter_set(), SUMMARY, GEOMETRY, supplied=supplied, include_assumed=False)
    assert parse(document).parameterisation.positive_electrode.thickness == 7e-5
    assert "Entropic change coefficient [V.K-1]" not in document["Parameterisation"]["Positive electrode"]


def test_user_defined_holds_numbers_and_tables_only() -> None:
    section = to_bpx(parameter_set(), SUMMARY, GEOMETRY, include_assumed=False)["Parameterisation"][
        "User-defined"
    ]
    for value in section.values():
        assert isinstance(value, float) or set(value) == {"x", "y"}


def test_a_cathode_without_capacity_is_refused() -> None:
    with pytest.raises(InputError, match="no capacity left"):
        to_bpx(parameter_set(), SUMMARY | {"lithium_per_metal": 0.1}, GEOMETRY)


@pytest.mark.parametrize(
    "change",
    [
        {"layered_fraction": None},
        {"layered_fraction": 1.2},
        {"interphase_nm": -3.0},
        {"lithium_per_metal": 2.0},
    ],
)
def test_a_broken_summary_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        to_bpx(parameter_set(), SUMMARY | change, GEOMETRY)


def test_geometry_is_checked() -> None:
    with pytest.raises(InputError, match="grain_radius_m"):
        Geometry(0.0, 0.5)
    with pytest.raises(InputError, match="cathode_volume_fraction"):
        Geometry(1e-6, 1.5)


def test_exporting_changes_nothing_of_the_callers() -> None:
    summary = copy.deepcopy(SUMMARY)
    parameters = parameter_set()
    before = parameters.to_json()
    to_bpx(parameters, summary, GEOMETRY)
    assert summary == SUMMARY
    assert parameters.to_json() == before


def test_the_assembled_set_of_a_composite_gives_a_complete_file() -> None:
    electrode = parse(to_bpx(assembled_set(), SUMMARY, GEOMETRY)).parameterisation.positive_electrode
    # 222.2 mAh/g of 97.28 g/mol; 4.2 V is the usual end of charge there, the table is good to some 0.1 V when extrapolated
    assert electrode.minimum_stoichiometry == pytest.approx(1.0 - 0.2222 * 3600.0 * 97.28 / FARADAY, rel=1e-3)
    end_of_charge = min(zip(electrode.ocp.x, electrode.ocp.y, strict=True), key=lambda p: abs(p[0] - 0.19))[1]
    assert 4.1 < end_of_charge < 4.5
    # LiNiO2-type oxides: one metal per 33.8 cubic angstrom
    assert electrode.maximum_concentration == pytest.approx(1e30 / 33.8 / 6.02214e23, rel=0.01)
