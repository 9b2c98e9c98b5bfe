"""Phases that a user writes down: what is read, and every way to be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.analysis.thermochemistry.library import load_library
from cosinter.analysis.thermochemistry.user_phases import make_phase
from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table

LIBRARY = load_library()

SUM: dict[str, Any] = {
    "name": "Ni2TiO4",
    "formula": "Ni2TiO4",
    "kind": "assumed",
    "H298": -1432.0,
    "neumann_kopp": {"NiO": 2, "TiO2_rutile": 1},
    "uncertainty": {"H298": 8.0, "S298": 5.0},
    "source": "made up for this test",
}
SEGMENTS: dict[str, Any] = {
    "name": "MgO",
    "formula": "MgO",
    "kind": "measured",
    "H298": -600.0,
    "S298": 27.0,
    "Cp": [
        {"T": [298.15, 600.0], "coef": [45.0, 0.004]},
        {"T": [600.0, 1200.0], "coef": [48.0, 0.002, -1e5]},
    ],
    "transitions": [{"T": 600.0, "dH": 0.5}],
    "uncertainty": {"H298": 1.0, "S298": 0.3},
    "source": "made up for this test",
}


def make(record: dict[str, Any], **changes: Any) -> Any:
    content = {key: value for key, value in {**record, **changes}.items() if value is not ...}
    return make_phase(content, library=LIBRARY, origin="mine.yaml")


def test_a_neumann_kopp_sum_keeps_its_enthalpy_and_takes_the_sum_of_entropies() -> None:
    phase = make(SUM)
    parts = [(2.0, LIBRARY.phase("NiO")), (1.0, LIBRARY.phase("TiO2_rutile"))]
    assert float(phase.enthalpy(298.15)) == pytest.approx(-1432e3)
    assert float(phase.entropy(700.0)) == pytest.approx(sum(n * float(p.entropy(700.0)) for n, p in parts))
    assert (phase.energy_source, phase.thermal_source, phase.kind) == ("user", "neumann_kopp", "assumed")
    assert phase.range_K[0] == 298.15


def test_segments_and_their_transition_are_integrated() -> None:
    phase = make(SEGMENTS)
    first = 45.0 * (600.0 - 298.15) + 0.002 * (600.0**2 - 298.15**2)
    assert float(phase.enthalpy(600.0)) == pytest.approx(-600e3 + first + 500.0)
    assert float(phase.enthalpy(599.999)) == pytest.approx(-600e3 + first, abs=0.2)
    assert (phase.energy_source, phase.thermal_source) == ("user", "measured")


def test_records_of_the_package_could_have_been_written_by_a_user() -> None:
    others = LIBRARY.restricted(exclude=["NiTiO3", "Ni(OH)2", "CoOOH"])
    for name in ("NiTiO3", "Ni(OH)2", "CoOOH"):
        record = {
            k: v for k, v in load_table("thermochemistry")["phases"][name].items() if k != "alternatives"
        }
        phase = make_phase({**record, "name": name, "source": "copied"}, library=others, origin="copy")
        grid = np.linspace(298.15, 900.0, 9)
        np.testing.assert_allclose(phase.gibbs(grid), LIBRARY.phase(name).gibbs(grid), rtol=1e-12)
        assert phase.errors == LIBRARY.phase(name).errors


def test_the_example_of_the_documentation_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "thermodynamics.md").read_text(encoding="utf-8")
    example = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert make(example).name == "Mg-oxide"


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown key": (SUM, {"H_298": -1.0}, "did you mean 'H298'"),
    "missing key": (SUM, {"source": ...}, "'source' is missing"),
    "no uncertainty": (SUM, {"uncertainty": ...}, "'uncertainty' is missing"),
    "negative uncertainty": (SUM, {"uncertainty": {"H298": -1.0, "S298": 1.0}}, "uncertainty.H298"),
    "nan": (SUM, {"H298": float("nan")}, "H298 = nan"),
    "infinite": (SUM, {"H298": float("-inf")}, "H298 = -inf"),
    "text": (SUM, {"H298": "many"}, "H298 = 'many'"),
    "joule": (SUM, {"H298": -1432000.0}, "is it in J/mol"),
    "entropy": (SUM, {"S298": 9000.0}, "S298 = 9000"),
    "kind": (SUM, {"kind": "guess"}, "kind"),
    "formula": (SUM, {"formula": "Ni2TiO4!"}, "cannot be read"),
    "element": (SUM, {"formula": "Co2XxO4", "name": "x"}, "'Xx' is not a chemical element"),
    "unbalanced": (SUM, {"neumann_kopp": {"NiO": 1, "TiO2_rutile": 1}}, "not balanced"),
    "unknown part": (SUM, {"neumann_kopp": {"NiO": 2, "TiO9": 1}}, "unknown phase 'TiO9'"),
    "taken": (SUM, {"name": "coo"}, "a phase named CoO is already"),
    "path": (SUM, {"name": "../../etc"}, "name"),
    "both": (SUM, {"Cp": SEGMENTS["Cp"]}, "either as Cp or as neumann_kopp"),
    "neither": (SUM, {"neumann_kopp": ...}, "either as Cp or as neumann_kopp"),
    "transition of a sum": (SUM, {"transitions": [{"T": 600.0, "dH": 1.0}]}, "need Cp segments"),
    "range": (SUM, {"range_K": [400.0, 900.0]}, "must begin at 298.15 K"),
    "no entropy": (SEGMENTS, {"S298": ...}, "'S298' is missing"),
    "gap": (
        SEGMENTS,
        {"Cp": [{"T": [298.15, 500.0], "coef": [45.0]}, {"T": [600.0, 900.0], "coef": [45.0]}]},
        "do not adjoin",
    ),
    "falling": (SEGMENTS, {"Cp": [{"T": [900.0, 298.15], "coef": [45.0]}]}, "does not rise"),
    "loose transition": (SEGMENTS, {"transitions": [{"T": 700.0, "dH": 1.0}]}, "no two Cp segments meet"),
    "negative Cp": (
        SEGMENTS,
        {"Cp": [{"T": [298.15, 1200.0], "coef": [45.0, -0.1]}], "transitions": []},
        "must be above 0",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_record_is_one_clear_sentence(name: str) -> None:
    record, changes, part = REFUSED[name]
    with pytest.raises(InputError) as caught:
        make(record, **changes)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_phase_under_another_name_is_refused() -> None:
    other = LIBRARY.phase("CoAl2O4")
    record = {
        **SUM,
        "name": "blue",
        "formula": "Co2Al4O8",
        "H298": 2e-3 * float(other.enthalpy(298.15)),
        "neumann_kopp": {"CoO": 2, "Al2O3": 2},
    }
    with pytest.raises(InputError, match="CoAl2O4 once more"):
        make(record)
    assert make(record, H298=record["H298"] + 5.0).name == "blue"


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-3000.0, 500.0),
    st.floats(allow_nan=True, allow_infinity=True),
    st.lists(st.floats(-200.0, 200.0), min_size=1, max_size=4),
)
def test_whatever_is_written_gives_finite_numbers_or_a_sentence(
    enthalpy: float, entropy: float, coefficients: list[float]
) -> None:
    record = {**SEGMENTS, "transitions": [], "Cp": [{"T": [298.15, 1300.0], "coef": coefficients}]}
    try:
        phase = make(record, H298=enthalpy, S298=entropy)
    except InputError:
        return
    grid = np.linspace(298.15, 1300.0, 40)
    assert np.all(np.isfinite(phase.gibbs(grid)))
    assert np.all(np.diff(phase.enthalpy(grid)) > 0.0)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("CaTiO3", "formula of another composition"),
        ("TiO2", "stands for TiO2"),
        ("ncm811", "stands for"),
        ("Spinel", "solid solution"),
        ("nio", "already in the library"),
    ],
)
def test_a_name_that_means_something_is_refused(name: str, meaning: str) -> None:
    with pytest.raises(InputError, match=meaning):
        make(SUM, name=name)
