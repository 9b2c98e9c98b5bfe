"""From a study and its finished stages to what the report shows: names of the cases, and parameters of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosinter.workflows.report.collect import Collected, make_content
from cosinter.workflows.results import StageResult
from cosinter.workflows.sources.libraries import library_inputs
from cosinter.workflows.steps.furnace import parameter_set
from cosinter.workflows.study import Study

STUDY = Study.model_validate(
    {
        "name": "x",
        "cases": [
            {"name": "bare"},
            {"name": "film", "coating": {"material": "LiAlO2", "thickness_nm": 4}},
            {
                "name": "salt",
                "compensator": {"LiOH_wt_percent": 3},
                "crucible": {"evaporation_mm_per_s": 0.02},
            },
        ],
    }
)


def test_every_case_is_called_by_what_protects_it() -> None:
    cases = make_content(Collected(STUDY, {})).cases
    assert [(case.label, case.role) for case in cases] == [
        ("unprotected", "bare"),
        ("4 nm LiAlO2", "compensated"),
        ("3 wt% LiOH, open crucible", "other"),
    ]


def _sintered(name: str, layered: float, **data: Any) -> dict[str, Any]:
    summary = {
        "name": name,
        "layered_fraction": layered,
        "capacity_mAh_per_g": 100.0,
        "asr_ohm_cm2": 50.0,
        "balance_error": {},
    }
    series = {
        "time_h": [0.0, 1.0],
        "temperature_C": [25.0, 700.0],
        "layered_fraction": [1.0, layered],
        "spinel_fraction": [0.0, 0.0],
        "rock_salt_fraction": [0.0, 1.0 - layered],
        "lithium_per_metal": [1.0, layered],
        "interphase_nm": [1.0, 9.0],
    }
    return {"summary": summary, "intervals": {}, "series": series, "warnings": [], **data}


@pytest.fixture
def found(tmp_path: Path) -> Collected:
    whole = {**STUDY.model_dump(mode="json"), "library": library_inputs(STUDY.thermodynamics.energies)}
    (tmp_path / "parameters.json").write_text(parameter_set(whole, None).to_json(), encoding="utf-8")
    bars = [{"name": "coating.breakdown", "meaning": "loss", "kind": "assumed", "low": 0.5, "high": 0.95}]
    levers = [
        {"outcome": "layered_fraction", "nominal": 0.95, "bars": bars},
        {"outcome": "asr_ohm_cm2", "nominal": 50.0, "bars": []},
    ]
    data = {
        "parameters": {},
        "sinter-bare": _sintered("bare", 0.5),
        "sinter-film": _sintered("film", 0.95, tornado=levers),
    }
    record = {"started": 0.0, "seconds": 1.0}
    stages = {
        name: StageResult(name, "0" * 64, tmp_path, content, record, 1) for name, content in data.items()
    }
    return Collected(STUDY, stages)


def test_parameters_of_a_case_stand_below_the_common_ones(found: Collected) -> None:
    names = [row.name for row in make_content(found).parameters]
    assert names[-3:] == [
        "coating.conductivity (film)",
        "coating.breakdown (film)",
        "compensator.evaporation_velocity (salt)",
    ]
    assert names.count("coating.conductivity") == 1


def test_a_film_can_save_the_cathode_and_says_what_it_hangs_on(found: Collected) -> None:
    content = make_content(found)
    assert content.verdict.headline == "The cathode survives with film."
    (table,) = content.tornado
    assert (table.case, table.outcome, table.bars[0].name) == (
        "film",
        "Layered fraction",
        "coating.breakdown",
    )
