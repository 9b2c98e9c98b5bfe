"""The data of ``cosinter react``: complete, finite, with the keys that other stages read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError
from cosinter.workflows.reactions import (
    ReactionRequest,
    map_content,
    reaction_content,
    strongest_kink,
    telling_kinks,
)

LIBRARY = load_library()
AIR = {"O2": 0.21}


def ask(*temperatures: float, **other: Any) -> dict[str, Any]:
    request = ReactionRequest("LiCoO2", "latp", temperatures, AIR, **{"solutions": False} | other)
    content = reaction_content(request, library=LIBRARY)
    return dict(json.loads(json.dumps(content, allow_nan=False)))


FULL = ask(700.0, at=0.4, basis="volume", samples=60, seed=5, onset_meV_per_atom=70.0, titrate=True)


def test_one_temperature_has_every_part() -> None:
    assert {
        "temperature_C", "atmosphere", "reactants", "kinks", "segments", "warnings", "point",
        "ties", "phases", "uncertainty", "titration", "onset",
    } <= set(FULL)  # fmt: skip
    assert FULL["temperature_C"] == 700.0
    assert FULL["point"]["fraction"]["volume"] == pytest.approx(0.4)


def test_every_named_product_says_where_it_comes_from() -> None:
    named = {product["phase"] for kink in FULL["kinks"] for product in kink["products"]}
    for tie in FULL["ties"]:
        named |= {product["phase"] for other in tie["alternatives"] for product in other["products"]}
    assert named <= set(FULL["phases"])
    latp = FULL["phases"]["Li1.3Al0.3Ti1.7(PO4)3"]
    assert (latp["energy_source"], latp["kind"]) == ("chgnet", "assumed")  # LiTi2(PO4)3, its end member
    for phase in FULL["phases"].values():
        assert phase["source"]
        assert phase["range_C"][0] < phase["range_C"][1]


def test_samples_answer_for_the_strongest_kink_and_the_asked_ratio() -> None:
    strongest = min(FULL["kinks"], key=lambda kink: kink["dG"]["meV_per_atom"])
    ratios = FULL["uncertainty"]["ratios"]
    assert [ratio["mole"] for ratio in ratios] == pytest.approx(
        [strongest["fraction"]["mole"], FULL["point"]["fraction"]["mole"]], abs=1e-9
    )
    for ratio, row in zip(ratios, (strongest, FULL["point"]), strict=True):
        energy = ratio["dG_meV_per_atom"]
        assert energy["p5"] < energy["p50"] < energy["p95"]
        assert energy["p5"] - 1.0 < row["dG"]["meV_per_atom"] < energy["p95"] + 30.0
        assert ratio["products"]


def test_titration_of_both_solids_with_sampled_potentials() -> None:
    first, second = FULL["titration"]
    assert (first["solid"], second["solid"]) == ("LiCoO2", "Li1.3Al0.3Ti1.7(PO4)3")
    taken = [step for step in second["steps"] if step["li2o_from"] >= 0.0]
    assert taken
    for step in taken:
        band = step["mu_interval_kJ_per_mol"]
        assert band["p5"] <= band["p50"] <= band["p95"]


def test_onset_of_the_asked_ratio() -> None:
    onset = FULL["onset"]
    assert onset["threshold_meV_per_atom"] == 70.0
    assert onset["mole"] == pytest.approx(FULL["point"]["fraction"]["mole"])
    assert onset["sampled"]["samples"] == 60


def test_a_range_holds_one_line_per_temperature() -> None:
    content = ask(600.0, 900.0)
    assert set(content) == {"reactants", "atmosphere", "temperatures", "warnings"}
    assert [line["temperature_C"] for line in content["temperatures"]] == [600.0, 900.0]
    single = ask(900.0)
    assert content["temperatures"][1] == single


def test_temperatures_beyond_the_data_are_warned_about() -> None:
    # the layered oxides and LATP hold to 1400 K = 1127 C
    content = ask(1000.0, 1190.0)
    cold, hot = content["temperatures"]
    assert any("outside its data" in warning for warning in hot["warnings"])
    assert set(content["warnings"]) == {*cold["warnings"], *hot["warnings"]}


def test_qualitative_energies_are_warned_about_once() -> None:
    """Lithium phosphate of a classical potential: a product, and a part of LATP's end member with aluminium."""
    library = LIBRARY.with_phases(replace(LIBRARY.phase("Li3PO4"), energy_source="pmmcs", qualitative=True))
    request = ReactionRequest("LiCoO2", "latp", (600.0, 900.0), AIR, solutions=False)
    content = reaction_content(request, library=library)
    told = [warning for warning in content["warnings"] if "qualitative" in warning]
    assert told == ["only qualitative, even the sign may be wrong: Li1.3Al0.3Ti1.7(PO4)3, Li3PO4"]
    for line in content["temperatures"]:
        assert [warning for warning in line["warnings"] if "qualitative" in warning] == told
    assert not any("qualitative" in warning for warning in FULL["warnings"])


def test_progress_is_told() -> None:
    told: list[str] = []
    request = ReactionRequest(
        "LiCoO2", "TiO2", (500.0, 600.0), AIR, samples=10, titrate=True, solutions=False
    )
    reaction_content(request, library=LIBRARY, tell=lambda what, done, total: told.append(what))
    assert {
        "mixing line at 500 °C",
        "mixing line at 600 °C",
        "sampling the errors of the phases",
        "titrating TiO2",
    } <= set(told)


def test_excluded_phases_stay_out_everywhere() -> None:
    content = ask(700.0, exclude=("Li3PO4",), samples=20)
    text = json.dumps({key: content[key] for key in ("kinks", "ties", "uncertainty")})
    assert "Li3PO4" not in text.replace("Li3PO4_", "")


def test_solutions_form_and_are_named_with_their_source() -> None:
    content = ask(700.0, solutions=True, samples=20)
    plain = ask(700.0, samples=20)
    assert "spinel" in content["solutions"]
    assert plain["solutions"] == []
    named = {product["phase"] for kink in content["kinks"] for product in kink["products"]}
    assert "spinel" in named
    assert named <= set(content["phases"])
    assert content["phases"]["spinel"]["kind"] == "assumed"
    assert content["phases"]["spinel"]["energy_source"] == "chgnet"  # its least trusted end member
    assert "spinel" in content["uncertainty"]["anywhere"]
    best, without = (min(kink["dG"]["kJ_per_mol"] for kink in lines["kinks"]) for lines in (content, plain))
    assert best < without


def test_ties_stand_at_the_ratios_that_are_shown() -> None:
    request = ReactionRequest("ncm811", "latp", (700.0,), AIR, at=0.37)
    content = reaction_content(request, library=LIBRARY)
    shown = {kink["fraction"]["mole"] for kink in telling_kinks(content["kinks"])} | {0.37}
    ties = {tie["mole"] for tie in content["ties"]}
    assert len(shown) < 0.2 * len(content["kinks"])
    assert 0.37 in ties <= shown
    assert strongest_kink(content["kinks"])["fraction"]["mole"] in ties
    others = [other for tie in content["ties"] for other in tie["alternatives"]]
    assert {product["phase"] for other in others for product in other["products"]} <= set(content["phases"])
    assert len(json.dumps(content["ties"])) < 100_000


def test_a_solution_can_be_excluded_by_name() -> None:
    content = ask(700.0, solutions=True, exclude=("spinel", "CoTiO3"))
    assert "spinel" not in content["solutions"]
    named = {product["phase"] for kink in content["kinks"] for product in kink["products"]}
    assert named.isdisjoint({"spinel", "CoTiO3"})


def test_a_map_is_made_of_lines() -> None:
    request = ReactionRequest("LiCoO2", "TiO2", (500.0, 700.0), AIR, solutions=False)
    content = map_content(request, library=LIBRARY)
    temperatures = [line["temperature_C"] for line in content["temperatures"]]
    assert temperatures == sorted(temperatures)
    assert temperatures[0] == pytest.approx(500.0)
    assert temperatures[-1] == pytest.approx(700.0)


def test_wrong_requests_are_refused() -> None:
    for wrong in ({"at": 2.0}, {"samples": -3}, {"onset_meV_per_atom": -1.0}, {"exclude": ("nothing",)}):
        with pytest.raises(InputError):
            ask(700.0, **wrong)
