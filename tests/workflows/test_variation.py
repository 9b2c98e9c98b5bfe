"""Studies changed by key, ranges of values and designs."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError, StudyError, UnknownNameError
from cosinter.workflows.study import Study
from cosinter.workflows.variation import (
    Changes,
    grid,
    keys,
    parse_bounds,
    parse_range,
    parse_variation,
    scattered,
    vary,
)

STUDY = Study.model_validate(
    {
        "name": "s",
        "cases": [
            {"name": "bare"},
            {"name": "mixed.1", "compensator": {"LiOH_wt_percent": 3.0, "Li2CO3_wt_percent": 1.0}},
            {"name": "LiOH", "compensator": {"LiOH_wt_percent": 2.0, "coverage": 0.3}},
        ],
        "furnace": {
            "segments": [
                {"ramp_K_per_min": 5, "to_C": 400},
                {"hold_h": 1},
                {"ramp_K_per_min": 2, "to_C": 700},
                {"hold_h": 2, "atmosphere": {"O2": 1.0}},
                {"hold_h": 4},
                {"cool_K_per_min": 5, "to_C": 25},
            ]
        },
        "atmosphere": {"O2": 0.5, "H2O": 0.002},
    }
)


def salts(study: Study) -> list[tuple[float, float] | None]:
    return [
        (case.compensator.LiOH_wt_percent, case.compensator.Li2CO3_wt_percent) if case.compensator else None
        for case in study.cases
    ]


def test_the_hold_temperature_moves_the_highest_plateau_and_nothing_else() -> None:
    changed = vary(STUDY, {"furnace.hold_C": 650})
    assert [temperature for _, temperature in changed.furnace.knots()] == [25, 400, 400, 650, 650, 650, 25]
    assert changed.model_copy(update={"furnace": STUDY.furnace}) == STUDY


def test_an_isothermal_programme_is_moved_as_a_whole() -> None:
    furnace = {"start_C": 600, "segments": [{"hold_h": 1}, {"cool_K_per_min": 5, "to_C": 25}]}
    changed = vary(Study.model_validate({"name": "s", "furnace": furnace}), {"furnace.hold_C": 500})
    assert [temperature for _, temperature in changed.furnace.knots()] == [500, 500, 25]


def test_the_hold_time_is_shared_by_the_holds_at_the_top_and_takes_units() -> None:
    changed = vary(STUDY, {"furnace.hold_h": "180 min"})
    holds = [segment.hold_h for segment in changed.furnace.segments if segment.hold_h]
    assert holds == pytest.approx([1.0, 1.0, 2.0], rel=1e-12)


def test_ramps_and_coolings_are_told_apart() -> None:
    segments = vary(
        STUDY, {"furnace.ramp_K_per_min": 10, "furnace.cool_K_per_min": "60 K/h"}
    ).furnace.segments
    assert [segment.ramp_K_per_min for segment in segments if segment.ramp_K_per_min] == [10, 10]
    assert segments[-1].cool_K_per_min == pytest.approx(1.0)


def test_the_dose_keeps_the_ratio_of_every_compensated_case_and_leaves_the_bare_one() -> None:
    assert salts(vary(STUDY, {"compensator.wt_percent": 8})) == [None, (6.0, 2.0), (8.0, 0.0)]


def test_no_dose_is_no_compensator() -> None:
    assert salts(vary(STUDY, {"compensator.wt_percent": 0})) == [None, None, None]
    assert salts(vary(STUDY, {"compensator.LiOH_wt_percent": 0})) == [None, (0.0, 1.0), None]


def test_the_share_of_lithium_hydroxide_keeps_the_dose() -> None:
    assert salts(vary(STUDY, {"compensator.LiOH_share": 0.25})) == [None, (1.0, 3.0), (0.5, 1.5)]
    both = vary(STUDY, {"compensator.LiOH_share": 1, "compensator.wt_percent": 5})
    assert salts(both) == [None, (5.0, 0.0), (5.0, 0.0)]


def test_one_case_is_changed_by_its_name_even_with_dots_in_it() -> None:
    changed = vary(STUDY, {"cases.mixed.1.compensator.wt_percent": 2})
    assert salts(changed) == [None, (1.5, 0.5), (2.0, 0.0)]
    added = vary(STUDY, {"cases.bare.compensator.LiOH_wt_percent": 1})
    assert salts(added)[0] == (1.0, 0.0)


def test_a_salt_is_put_into_every_case_where_none_has_one() -> None:
    bare = Study(name="s")
    assert salts(vary(bare, {"compensator.Li2CO3_wt_percent": 2})) == [(0.0, 2.0)]
    with pytest.raises(StudyError, match="LiOH_share as well"):
        vary(bare, {"compensator.wt_percent": 2})
    assert salts(vary(bare, {"compensator.wt_percent": 2, "compensator.LiOH_share": 0.5})) == [(1.0, 1.0)]


def test_an_atmosphere_added_to_a_segment_starts_as_that_of_the_study() -> None:
    first, fourth = (
        vary(STUDY, {f"furnace.segments.{number}.atmosphere.CO2": 0.1}).furnace.segments[number].atmosphere
        for number in (0, 3)
    )
    assert first is not None
    assert fourth is not None
    assert (first.O2, first.CO2, first.H2O) == (0.5, 0.1, 0.002)
    assert (fourth.O2, fourth.CO2) == (1.0, 0.1)


def test_every_key_that_is_listed_is_a_key() -> None:
    known = keys(STUDY)
    assert len(known) == len(set(known))
    for key in known:
        with pytest.raises(StudyError, match=re.escape(f"{key} = not a value: ")):
            vary(STUDY, {key: "not a value"})


@given(st.sampled_from([key for key in keys(STUDY) if "formula" not in key]), st.floats(allow_nan=True))
def test_any_number_is_taken_or_refused_in_one_sentence(key: str, value: float) -> None:
    try:
        changed = vary(STUDY, {key: value})
    except StudyError as error:
        assert key in str(error)
        assert "\n" not in str(error)
    else:
        assert math.isfinite(value)
        assert Study.model_validate_json(changed.model_dump_json()) == changed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"furnace.hold_c": 600}, "did you mean.*furnace.hold_C"),
        ({"cases.bear.compensator.coverage": 0.5}, "did you mean.*cases.bare"),
        ({"name": "x"}, "unknown key"),
        ({"furnace.hold_C": 1300}, "furnace.hold_C = 1300.*<= 1200"),
        ({"furnace.hold_C": 300}, "ramps from 400 to 300"),
        ({"compensator.LiOH_share": 1.5}, "from 0 .* to 1"),
        ({"compensator.wt_percent": -1}, "greater than or equal to 0"),
        ({"compensator.wt_percent": "much"}, "must be a number"),
        ({"furnace.hold_h": "3 kg"}, "must be a number"),
        ({"cathode.formula": "LiFePO4"}, "cathode"),
    ],
)
def test_mistakes_are_told(changes: Changes, said: str) -> None:
    with pytest.raises((StudyError, UnknownNameError), match=said):
        vary(STUDY, changes)


def test_a_programme_without_a_hold_has_no_hold_time() -> None:
    study = Study.model_validate({"name": "s", "furnace": {"segments": [{"ramp_K_per_min": 5, "to_C": 700}]}})
    with pytest.raises(StudyError, match="no hold at its highest temperature"):
        vary(study, {"furnace.hold_h": 2})
    with pytest.raises(StudyError, match="no segment of the programme has cool_K_per_min"):
        vary(study, {"furnace.cool_K_per_min": 2})


def test_ranges_hold_their_ends_and_round_numbers() -> None:
    assert parse_range("0:1:0.1") == tuple(i / 10 for i in range(11))
    assert parse_range("500:800:70") == (500.0, 570.0, 640.0, 710.0, 780.0)
    assert parse_range("3, 1,3, 0:1:1") == (3.0, 1.0, 0.0)
    assert parse_variation("electrolyte.formula=latp,ltp") == ("electrolyte.formula", ("latp", "ltp"))
    assert parse_bounds("-1:2.5") == (-1.0, 2.5)


@pytest.mark.parametrize(
    "text", ["", ",", "1:0:1", "0:1:0", "0:1:-1", "0:x:1", "0:inf:1", "0:1:nan", "0:1e9:1e-3"]
)
def test_ranges_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=re.escape("furnace.hold_C")):
        parse_range(text, name="furnace.hold_C")


@pytest.mark.parametrize("text", ["1", "1:1", "2:1", "1:2:3", "a:b", "0:inf"])
def test_bounds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="range"):
        parse_bounds(text)


@pytest.mark.parametrize("text", ["furnace.hold_C", "=1", "furnace.hold_C="])
def test_a_variation_has_a_key_and_values(text: str) -> None:
    with pytest.raises(InputError, match="KEY=FROM:TO:STEP"):
        parse_variation(text)


def test_a_grid_runs_its_last_axis_fastest_and_has_a_limit() -> None:
    points = grid({"a": (1.0, 2.0), "b": ("x", "y")})
    assert points == tuple({"a": a, "b": b} for a in (1.0, 2.0) for b in ("x", "y"))
    with pytest.raises(InputError, match="1000000 points"):
        grid({"a": tuple(map(float, range(1000))), "b": tuple(map(float, range(1000)))})


def test_scattered_points_fill_every_slice_of_every_axis_once() -> None:
    points = scattered({"a": (0.0, 10.0), "b": (-1.0, 1.0)}, 10, seed=3)
    slices = np.array([[point["a"], 5.0 * (point["b"] + 1.0)] for point in points]).astype(int)
    assert np.array_equal(np.sort(slices, axis=0), np.repeat(np.arange(10)[:, None], 2, axis=1))
    assert points == scattered({"a": (0.0, 10.0), "b": (-1.0, 1.0)}, 10, seed=3)
    with pytest.raises(InputError, match="allowed are 1 to"):
        scattered({"a": (0.0, 1.0)}, 0)
