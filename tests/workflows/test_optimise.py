"""Designs: what is asked, what is found on a problem with a known answer, and what is said where nothing is found."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))
from design_fixture import SPREAD, STUDY, Formula, layered

from cosinter.analysis.continuum.design import Target
from cosinter.data.exceptions import ConvergenceError, InputError, StudyError, UnknownNameError
from cosinter.workflows import design_search
from cosinter.workflows.design import COSTS, FREE, Objective, Request, parse_free, parse_target
from cosinter.workflows.diagrams.process import front_drawing
from cosinter.workflows.optimise import NO_DENSIFICATION, front_csv, maps_through, optimise
from cosinter.workflows.variation import vary

LAYERED = Target("layered_fraction", ">=", 0.899)
DOSE = (Objective("dose"),)


def quiet(what: str, done: int, total: int) -> None:
    pass


def solve(request: Request) -> dict[str, Any]:
    return optimise(request, Formula(request.study), tell=quiet)


def test_targets_and_ranges_are_read() -> None:
    assert parse_target("layered >= 0.9") == Target("layered_fraction", ">=", 0.9)
    assert parse_target("asr_ohm_cm2<=5e1") == Target("asr_ohm_cm2", "<=", 50.0)
    assert parse_free("dose=0:5, ratio") == {"dose": (0.0, 5.0), "ratio": None}
    for wrong in ("layered>0.9", "layered=0.9", "layered>=x", "layered>=nan", ""):
        with pytest.raises(InputError, match=r"layered>=0\.9"):
            parse_target(wrong)
    with pytest.raises(UnknownNameError, match="layered"):
        parse_target("layred>=0.9")
    with pytest.raises(InputError, match=r"write cathode\.grain_radius_um=FROM:TO"):
        parse_free("cathode.grain_radius_um")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"objectives": ()}, "name at least one objective"),
        ({"objectives": (*DOSE, *DOSE)}, "named twice"),
        ({"probability": 0.3}, "from 0.5"),
        ({"probability": 0.99, "samples": 64}, "at least 100"),
        ({"sintering_kJ_per_mol": 0.4}, "10 to 1000 kJ/mol"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        Request(**{"study": STUDY, "targets": (LAYERED,), "objectives": DOSE, **changes})


def test_objectives_are_known_by_name() -> None:
    with pytest.raises(UnknownNameError, match="temperature"):
        Objective("temperatur")


def test_costs_follow_from_the_programme() -> None:
    cost = {name: one.of(STUDY) for name, one in COSTS.items()}
    ramp = (700.0 - 25.0) / 5.0 / 60.0  # h
    assert cost["dose"] == 4.0
    assert cost["temperature"] == 700.0
    assert cost["time"] == pytest.approx(2.0 + 2.0 * ramp)
    assert cost["energy"] == pytest.approx(675.0 * (2.0 + ramp))


def test_the_hold_stays_unless_an_objective_is_about_it() -> None:
    def frees(*names: str) -> set[str]:
        return set(Request(STUDY, (LAYERED,), tuple(map(Objective, names))).chosen())

    assert frees("dose") == {"dose", "ratio", "ramp", "CO2", "H2O"}
    assert frees("asr") == frees("dose")
    assert "hold_C" in frees("temperature")
    assert {"hold_C", "hold_h"} <= frees("energy")


def test_the_least_dose_is_found() -> None:
    content = solve(Request(STUDY, (LAYERED,), DOSE, free={"dose": None, "ratio": None}))
    (best,) = content["nominal"]["front"]
    assert best["design"]["dose"] == 1.25  # 0.85 + 0.04 d >= 0.899 from 1.225 on
    assert best["outcomes"]["layered_fraction"] == pytest.approx(0.9)
    assert any("just kept" in limit for limit in content["nominal"]["limits"])
    assert content["robust"] is None
    assert content["failed_runs"] == 0
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_dose_against_temperature_is_a_line() -> None:
    request = Request(
        STUDY,
        (LAYERED,),
        (Objective("dose"), Objective("temperature", "max")),
        free={"dose": (0.0, 5.0), "hold_C": (650.0, 780.0)},
        seed=1,
    )
    content = solve(request)
    front = content["nominal"]["front"]
    doses = np.array([row["objectives"]["dose"] for row in front])
    hot = np.array([row["objectives"]["temperature"] for row in front])
    assert len(front) > 15
    assert front[0]["design"]["hold_C"] <= 655.0
    assert front[-1]["design"]["hold_C"] == 780.0
    assert np.all(np.diff(hot) > 0.0)
    ideal = 1.225 + (hot - 700.0) / 40.0
    assert np.all(doses >= ideal - 1e-9)
    assert np.all(doses <= ideal + 0.1)
    assert NO_DENSIFICATION in content["warnings"]


@pytest.mark.parametrize("samples", [60, 400])
def test_a_robust_design_keeps_the_margin_of_the_spread(samples: int) -> None:
    request = Request(STUDY, (LAYERED,), DOSE, free={"dose": None}, probability=0.95, samples=samples)
    content = solve(request)
    (best,) = content["robust"]["front"]
    margin = 1.645 * SPREAD  # 95 % of a normal error lie above -1.645 sigma
    assert best["design"]["dose"] == pytest.approx((0.049 + margin) / 0.04, abs=6.0 / samples**0.5 * 0.3)
    held = norm.cdf((best["outcomes"]["layered_fraction"] - LAYERED.value) / SPREAD)
    assert best["probability"]["value"] == pytest.approx(held, abs=0.03)
    assert best["probability"]["value"] >= 0.95
    assert best["probability"]["samples"] == 4 * samples
    nominal = content["nominal"]["front"][0]
    assert nominal["design"]["dose"] == 1.25
    assert 0.4 < nominal["probability"]["value"] < 0.7
    assert content["robust"]["decisive"] == {"layered_fraction": ["luck"]}
    low, high = best["intervals"]["layered_fraction"]
    assert high - low == pytest.approx(2 * 1.645 * SPREAD, rel=0.25)


@pytest.mark.parametrize("probability", [0.9, 0.95])
def test_giving_up_early_loses_no_design(probability: float, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(STUDY, (LAYERED,), DOSE, free={"dose": None}, probability=probability, samples=80)
    bench = Formula(STUDY)
    luck = bench.draws(bench.of({}), request.samples, seed=request.seed).z[:, 0]
    doses = np.arange(0, 161) * 0.05
    kept = [np.mean(0.85 + 0.04 * dose + SPREAD * luck >= LAYERED.value) for dose in doses]
    least = doses[np.argmax(np.array(kept) >= probability)]
    monkeypatch.setattr(design_search, "ROUNDS", 1)
    content = solve(request)
    assert content["robust"]["front"][0]["design"]["dose"] == pytest.approx(least)
    assert content["runs"] < 80 * content["robust"]["designs_judged"]


def test_a_probability_out_of_reach_is_told() -> None:
    request = Request(
        STUDY, (LAYERED,), DOSE, free={"dose": (0.0, 1.3)}, probability=0.9, samples=50, generations=10
    )
    part = solve(request)["robust"]
    assert not part["feasible"]
    assert part["front"][0]["design"] == {"dose": 1.3}
    assert part["limits"][0].startswith("the targets hold with probability 0.")


def test_equal_sintering_trades_time_for_temperature() -> None:
    request = Request(
        STUDY,
        (),
        (Objective("temperature"), Objective("time")),
        free={"hold_C": (640.0, 720.0), "hold_h": (0.5, 10.0)},
        sintering_kJ_per_mol=400.0,
        generations=30,
    )
    content = solve(request)
    front = content["nominal"]["front"]
    assert len(front) > 10
    assert all(1.0 <= row["sintering_work"] < 1.25 for row in front)
    hours = {row["design"]["hold_C"]: row["design"]["hold_h"] for row in front}
    assert all(hold > 2.0 for hot, hold in hours.items() if hot < 700.0)
    assert NO_DENSIFICATION not in content["warnings"]
    own = solve(
        Request(STUDY, (), (Objective("time"),), free={"hold_h": (0.5, 4.0)}, sintering_kJ_per_mol=400.0)
    )["nominal"]["front"][0]
    assert own["design"]["hold_h"] == 2.0
    assert own["sintering_work"] == 1.0


def test_several_targets_must_hold_at_once() -> None:
    both = (LAYERED, Target("asr_ohm_cm2", "<=", 50.1))  # the second asks for layered >= 0.9499
    content = solve(Request(STUDY, both, DOSE, free={"dose": None}))
    assert content["nominal"]["front"][0]["design"]["dose"] == 2.5


def test_an_impossible_target_says_how_near_and_why() -> None:
    request = Request(STUDY, (LAYERED,), DOSE, free={"dose": (0.0, 1.0)}, probability=0.9)
    content = solve(request)
    part = content["nominal"]
    assert not part["feasible"]
    assert part["front"][0]["design"] == {"dose": 1.0}
    assert "layered_fraction >= 0.899 is missed: 0.89" in part["limits"]
    assert "dose stands at the upper end of its range, 1 wt%" in part["limits"]
    assert part["effects"] == [
        {
            "name": "dose",
            "low": {"layered_fraction": pytest.approx(0.85)},
            "high": {"layered_fraction": pytest.approx(0.89)},
        }
    ]
    assert content["robust"] is None
    assert any("robust" in warning for warning in content["warnings"])


def test_failed_runs_are_counted_and_avoided() -> None:
    request = Request(
        STUDY, (LAYERED,), (Objective("temperature", "max"),), free={"hold_C": (600.0, 800.0), "dose": None}
    )
    content = solve(request)
    assert content["nominal"]["front"][0]["objectives"]["temperature"] == 780.0
    assert content["failed_runs"] > 0
    assert any("too hot" in warning for warning in content["warnings"])


def test_nothing_but_failures_is_an_error() -> None:
    request = Request(STUDY, (LAYERED,), DOSE, free={"hold_C": (781.0, 800.0)}, generations=2)
    with pytest.raises(ConvergenceError, match="too hot"):
        solve(request)


def test_a_range_that_the_programme_cannot_have_is_told_before_any_run() -> None:
    request = Request(STUDY, (LAYERED,), DOSE, free={"hold_C": (10.0, 700.0)})
    with pytest.raises(StudyError, match="ramp"):
        solve(request)


def test_a_case_without_salt_needs_a_ratio() -> None:
    bare = vary(STUDY, {"compensator.wt_percent": 0.0})
    with pytest.raises(StudyError, match="LiOH_share"):
        solve(Request(bare, (LAYERED,), DOSE, free={"dose": None}))
    content = solve(Request(bare, (LAYERED,), DOSE, free={"dose": None, "ratio": None}))
    assert content["nominal"]["front"][0]["design"]["dose"] == 1.25


def test_tables_and_pictures_hold_every_design() -> None:
    request = Request(
        STUDY,
        (LAYERED,),
        (Objective("dose"), Objective("time")),
        free={"dose": None, "hold_h": None},
        probability=0.9,
        samples=20,
        generations=15,
    )
    content = solve(request)
    rows = list(csv.DictReader(io.StringIO(front_csv(content))))
    fronts = [*content["nominal"]["front"], *content["robust"]["front"]]
    assert [float(row["dose"]) for row in rows] == [row["design"]["dose"] for row in fronts]
    assert {row["front"] for row in rows} == {"nominal", "robust"}
    drawing = front_drawing(content)
    assert drawing.content("png").startswith(b"\x89PNG")
    marks = next(trace for trace in drawing.plotly()["data"] if trace["mode"] == "markers")
    assert marks["x"] == [row["objectives"]["dose"] for row in fronts]
    maps, notes = maps_through(content, request, Formula(STUDY), tell=quiet)
    assert set(maps) == {"map-hold-h-hold-c", "map-hold-c-dose"}
    assert notes == []
    part = content["robust"]
    best = part["front"][part["compromise"]]["changes"]
    drawn = maps["map-hold-c-dose"]
    assert drawn["base"] == best
    first = vary(STUDY, {**best, FREE["hold_C"].key: 450.0, FREE["dose"].key: 0.0})
    assert drawn["outcomes"]["layered_fraction"][0][0] == pytest.approx(layered(first))
