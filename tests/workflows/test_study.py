"""The study file: what is accepted, and that every mistake is one clear sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import StudyError
from cosinter.workflows.study import Study
from cosinter.workflows.study_file import load_study, parse_study

STUDIES = Path(__file__).parents[2] / "data" / "studies"

MISTAKES = {
    "": ("empty",),
    "name: [": ("line 1", "not valid YAML"),
    "- a": ("mapping",),
    "name: a\nname: b": ("line 2", "'name'", "line 1"),
    "a: &x 1\nname: *x": ("line 2", "aliases"),
    "cases: [{name: x}]": ("'name' is missing",),
    "name: ../x": ("line 1", "name", "'../x'"),
    "name: a\nfurnce: 1": ("line 2", "unknown key 'furnce'", "'furnace'"),
    "name: a\ncases:\n  - name: x\n    compensator: {LiOH_wt_percnt: 3}": ("line 4", "'LiOH_wt_percent'"),
    "name: a\ncathode: {grain_radius_um: -1}": ("cathode.grain_radius_um", "-1", "> 0.005 and <= 100"),
    "name: a\ncathode: {grain_radius_um: 2 h}": ("cathode.grain_radius_um", "2 h", "micrometer"),
    "name: a\ncathode: {grain_radius_um: true}": ("cathode.grain_radius_um", "True", "not a number"),
    "name: a\natmosphere: {O2: .nan}": ("atmosphere.O2", "finite"),
    "name: a\natmosphere: {O2: 0}": ("atmosphere.O2", "> 0"),
    "name: a\ncathode: {formula: LiNi0.3Mn0.7O2}": ("cathode.formula", "charge-balanced", "Mn 0.7 > Ni 0.3"),
    "name: a\ncathode: {formula: LiFeO2}": ("cathode.formula", "Fe"),
    "name: a\ncathode: {formula: LiQq2}": ("cathode.formula", "LiQq2"),
    "name: a\ncathode: {formula: Li2NiO3}": ("cathode.formula", "Li1 and O2"),
    "name: a\nelectrolyte: {formula: LiTi2P3O11}": ("electrolyte.formula", "charge-balanced", "+2"),
    "name: a\nelectrolyte: {formula: Li1.9Al0.9Ti1.1(PO4)3}": ("electrolyte.formula", "0 to 0.6"),
    "name: a\nelectrolyte: {formula: NaCl}": ("electrolyte.formula", "Li and O"),
    "name: a\nelectrolyte: {formula: Li7La3Zr2FeO12}": ("electrolyte.formula", "holds Fe"),
    "name: a\ncathode: {crystallite_um: 0.2}": ("cathode", "polycrystalline, and only there"),
    "name: a\ncathode: {morphology: polycrystalline}": ("cathode", "crystallite_um belongs"),
    "name: a\ncathode: {morphology: polycrystalline, crystallite_um: 5}": ("5 µm", "radius 1 µm"),
    "name: a\ncathode: {grain_size_spread: 3}": ("cathode.grain_size_spread", "3", "<= 1.5"),
    "name: a\ncathode: {antisite_fraction: 0.5}": ("cathode.antisite_fraction", "0.5", "<= 0.2"),
    "name: a\ncases: [{name: b, coating: {material: gold}}]": ("gold", "LiNbO3", "give its conductivity"),
    "name: a\ncases: [{name: b, coating: {thickness_nm: -1}}]": ("coating.thickness_nm", "-1", ">= 0"),
    "name: a\ncases: [{name: b, coating: {conductivity: {value: -1}}}]": ("conductivity.value", "-1", "> 0"),
    "name: a\ncases: [{name: b, crucible: {evaporation_mm_per_s: -1}}]": ("evaporation_mm_per_s", ">= 0"),
    "name: a\ncases: [{name: b}, {name: B}]": ("case name b", "twice"),
    "name: a\ncases: [{name: b, compensator: {coverage: 0.5}}]": ("compensator", "above 0"),
    "name: a\nfurnace: {segments: []}": ("furnace.segments", "at least 1"),
    "name: a\nfurnace: {segments: [{hold_h: 2, to_C: 3}]}": ("to_C belongs to",),
    "name: a\nfurnace: {segments: [{hold_h: 2, ramp_K_per_min: 3, to_C: 30}]}": ("one of",),
    "name: a\nfurnace: {segments: [{ramp_K_per_min: 5, to_C: 10}]}": ("goes up", "cool_K_per_min"),
    "name: a\nfurnace: {segments: [{cool_K_per_min: 5, to_C: 90}]}": ("goes down",),
    "name: a\nfurnace: {segments: [{ramp_K_per_min: 5, to_C: 7000}]}": ("to_C", "7000", "<= 1200"),
    "name: a\nfurnace: {segments: [{ramp_K_per_min: 0.0001, to_C: 700}]}": ("at most 1000 h",),
    "name: a\nfurnace: {segments: [{ramp_K_per_min: .inf, to_C: 700}]}": ("finite",),
    "name: a\nseed: -1": ("seed", ">= 0"),
    "name: a\natomistic: {calculator: 'os.system(1)'}": ("atomistic.calculator",),
    "name: !!python/object/apply:os.system ['true']": ("not valid YAML",),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_sentence_with_key_value_and_range(text: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(text, name="x.yaml")
    message = str(caught.value)
    assert message.startswith("x.yaml")
    assert "\n" not in message
    for part in MISTAKES[text]:
        assert part in message


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path: Path) -> None:
    assert load_study(path).name == path.stem


def test_minimal_study_has_ten_lines_and_every_default() -> None:
    text = (STUDIES / "minimal.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 10
    assert parse_study(text).furnace == Study(name="x").furnace


def test_units_at_the_users_edge() -> None:
    text = "name: a\nfurnace: {segments: [{ramp_K_per_min: 300 K/h, to_C: 973.15 K}, {hold_h: 90 min}]}"
    times, temperatures = zip(*parse_study(text).furnace.knots(), strict=True)
    assert temperatures == pytest.approx((25.0, 700.0, 700.0), abs=1e-9)
    assert times == pytest.approx((0.0, 2.25, 3.75), abs=1e-9)


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"\x00\xff\xfe", "not a text file"), (b"a: 1\x00", "zero bytes"), (b"x" * 1_000_001, "too many")],
)
def test_files_that_are_no_study(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=part):
        load_study(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such file"):
        load_study(tmp_path / "none.yaml")
    with pytest.raises(StudyError, match="is a folder"):
        load_study(tmp_path)


def test_a_file_cut_anywhere_is_refused_or_still_a_study(tmp_path: Path) -> None:
    whole = (STUDIES / "ncm811-latp.yaml").read_text(encoding="utf-8")
    refused = 0
    for end in range(0, len(whole), 37):
        try:
            parse_study(whole[:end])
        except StudyError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 0


json_like: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(sorted(Study.model_fields)), value=json_like)
def test_any_value_gives_a_study_or_a_sentence(key: str, value: Any) -> None:
    text = yaml.safe_dump({"name": "a", key: value}, allow_unicode=True)
    try:
        study = parse_study(text)
    except StudyError as error:
        assert str(error)
    else:
        assert Study.model_validate(study.model_dump(mode="json")) == study


def test_schema_is_json_and_shows_units_and_ranges() -> None:
    schema = json.loads(json.dumps(Study.model_json_schema()))
    ramp = schema["$defs"]["Segment"]["properties"]["ramp_K_per_min"]
    assert "number" in json.dumps(ramp)
    assert "string" in json.dumps(ramp)
    assert schema["additionalProperties"] is False
