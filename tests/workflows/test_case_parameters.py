"""From a study to the parameters and the run: films, crucibles, crystallites, sizes and other electrolytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.constants import zero_Celsius

from cosinter.analysis.coatings import coating_records
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import UnknownNameError
from cosinter.workflows.sources.libraries import library_inputs
from cosinter.workflows.steps.case_parameters import with_case
from cosinter.workflows.steps.furnace import parameter_set, sinter_case
from cosinter.workflows.study import Case, Study

FILM = {"value": 1.0e-9, "at_C": 100.0, "energy_kJ_per_mol": 50.0}
LOSS = {"value": 1.0e-6, "at_C": 400.0, "energy_kJ_per_mol": 200.0, "source": "own annealing series"}


def whole(**sections: Any) -> dict[str, Any]:
    study = Study.model_validate({"name": "x", **sections})
    data = study.model_dump(mode="json")
    return {**data, "case": data["cases"][0], "library": library_inputs(study.thermodynamics.energies)}


@pytest.fixture(scope="module")
def common() -> ParameterSet:
    inputs = whole()
    del inputs["case"]
    return parameter_set(inputs, None)


def test_a_bare_case_changes_nothing(common: ParameterSet) -> None:
    assert with_case(common, Case(name="bare")) is common


def test_a_film_of_the_table_replaces_both_laws_and_nothing_else(common: ParameterSet) -> None:
    found = with_case(common, Case.model_validate({"name": "c", "coating": {"material": "LiAlO2"}}))
    changed = {name for name in found.parameters if found.parameters[name] != common.parameters[name]}
    assert changed == set(coating_records("LiAlO2"))
    assert found.arrhenius("coating.breakdown") == coating_records("LiAlO2")["coating.breakdown"]


def test_a_film_of_the_users_own_is_taken_as_given(common: ParameterSet) -> None:
    coating = {"material": "secret", "thickness_nm": 5.0, "conductivity": FILM, "breakdown": LOSS}
    found = with_case(common, Case.model_validate({"name": "c", "coating": coating}))
    law = found.arrhenius("coating.breakdown")
    assert law(400.0 + zero_Celsius) == pytest.approx(1.0e-6, rel=1e-12)
    assert law.source == "own annealing series"
    assert found.arrhenius("coating.conductivity")(100.0 + zero_Celsius) == pytest.approx(1.0e-9, rel=1e-12)


def test_one_law_of_the_users_keeps_the_other_of_the_table(common: ParameterSet) -> None:
    found = with_case(common, Case.model_validate({"name": "c", "coating": {"conductivity": FILM}}))
    assert found.arrhenius("coating.breakdown") == common.arrhenius("coating.breakdown")
    assert found.arrhenius("coating.conductivity") != common.arrhenius("coating.conductivity")


def test_a_closed_crucible_keeps_the_vapour_and_an_open_one_does_not(common: ParameterSet) -> None:
    assert common.scalar("compensator.evaporation_velocity") == 0.0
    case = Case.model_validate({"name": "o", "crucible": {"evaporation_mm_per_s": "36 m/h"}})
    assert with_case(common, case).scalar("compensator.evaporation_velocity") == pytest.approx(
        0.01, rel=1e-12
    )


def test_the_run_gets_the_grains_and_the_film(common: ParameterSet) -> None:
    grains = {
        "grain_radius_um": 4.0,
        "grain_size_spread": 0.3,
        "morphology": "polycrystalline",
        "crystallite_um": "300 nm",
    }
    run = sinter_case(whole(cathode=grains, cases=[{"name": "c", "coating": {"thickness_nm": 12.0}}]), common)
    assert run.grain_radius_m == pytest.approx(4.0e-6)
    assert run.crystallite_size_m == pytest.approx(3.0e-7)
    assert run.coating_thickness_m == pytest.approx(1.2e-8)
    assert run.size_spread == 0.3
    plain = sinter_case(whole(), common)
    assert (plain.coating_thickness_m, plain.crystallite_size_m, plain.size_spread) == (0.0, None, 0.0)


def test_a_measured_disorder_replaces_that_of_the_table(common: ParameterSet) -> None:
    found = parameter_set(whole(cathode={"antisite_fraction": 0.055}), None)
    assert found.scalar("cathode.antisite_fraction") == 0.055
    assert found.parameters["cathode.antisite_fraction"].kind == "measured"
    assert common.parameters["cathode.antisite_fraction"].kind == "assumed"


def test_electrolytes_come_from_the_library_alone() -> None:
    found = parameter_set(whole(electrolyte={"formula": "Li4Ti5O12"}), None)
    assert found.labels["electrolyte.composition"] == {"Li": 4.0, "Ti": 5.0, "O": 12.0}
    with pytest.raises(UnknownNameError, match="Li7La3Zr2O12"):
        parameter_set(whole(electrolyte={"formula": "Li7La3Zr2O12"}), None)


def test_a_volume_that_is_only_estimated_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An electrolyte of the user's alone, without a crystal in the tables: 12 cm3 per mol of its 4 O."""
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path))
    (tmp_path / "phases").mkdir()
    record = {"formula": "Li3VO4", "kind": "assumed", "H298": -1850.0, "S298": 125.0, "source": "made up"}
    record |= {"Cp": [{"T": [298.15, 1400.0], "coef": [150.0]}], "uncertainty": {"H298": 5.0, "S298": 5.0}}
    (tmp_path / "phases" / "Li3VO4.yaml").write_text(json.dumps(record), encoding="utf-8")
    found = parameter_set(whole(electrolyte={"formula": "Li3VO4"}), None)
    volume = found.parameters["electrolyte.molar_volume"]
    assert (volume.kind, volume.source) == ("assumed", "no crystal in the tables: 12 cm3 per mol O")
    assert found.scalar("electrolyte.molar_volume") == pytest.approx(4.8e-5, rel=1e-12)


def test_an_electrolyte_that_takes_no_lithium_stays_as_it_is() -> None:
    """Li3PO4 is the last phosphate of the staircase: beside it Li2O stays Li2O, at its own potential."""
    found = parameter_set(whole(electrolyte={"formula": "Li3PO4"}), None)
    potential = found.table("electrolyte.titration.potential").array
    np.testing.assert_allclose(potential, 0.0, atol=1e-6)
    assert [product["formula"] for product in found.labels["electrolyte.products"]] == ["Li3PO4", "Li2O"]
    np.testing.assert_array_equal(found.table("electrolyte.titration.products").array, [[1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({}, ""),
        ({"compensator": {"LiOH_wt_percent": 3, "Li2CO3_wt_percent": 0.5}}, "3 wt% LiOH + 0.5 wt% Li2CO3"),
        (
            {"compensator": {"LiOH_wt_percent": 3}, "coating": {"thickness_nm": 5}},
            "3 wt% LiOH + 5 nm LiNbO3",
        ),
        ({"coating": {"thickness_nm": 0}}, ""),
    ],
)
def test_a_case_says_what_protects_its_cathode(case: dict[str, Any], words: str) -> None:
    assert Case.model_validate({"name": "c", **case}).protection == words
