"""Onset temperatures: brackets that hold the threshold, fading driving forces, samples."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cosinter.analysis.equilibrium.interface import interface_reaction
from cosinter.analysis.equilibrium.onset import SAMPLE_TOLERANCE_K, TOLERANCE_K, onset_temperature
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library
from cosinter.data.exceptions import InputError

LIBRARY = load_library()
AIR = {"O2": 0.21}


def force(first: str, second: str, kelvin: float, gases: dict[str, float], library: PhaseLibrary) -> float:
    reaction = interface_reaction(first, second, library=library, temperature_K=kelvin, pressures_bar=gases)
    return -reaction.strongest.dG_meV_per_atom


@pytest.mark.parametrize(
    ("first", "second", "gases"),
    [("ncm811", "latp", AIR), ("LiCoO2", "TiO2", AIR), ("Li2CO3", "TiO2", {"CO2": 4e-4})],
)
def test_the_bracket_holds_the_threshold(first: str, second: str, gases: dict[str, float]) -> None:
    threshold = force(first, second, 800.0, gases, LIBRARY)
    found = onset_temperature(
        first, second, library=LIBRARY, pressures_bar=gases, threshold_meV_per_atom=threshold
    )
    assert not found.above_at_start
    crossing = found.crossings[0]
    assert crossing.rises
    assert found.temperature == pytest.approx(800.0, abs=TOLERANCE_K)
    assert crossing.high_K - crossing.low_K <= TOLERANCE_K
    assert force(first, second, crossing.low_K, gases, LIBRARY) <= threshold
    assert force(first, second, crossing.high_K, gases, LIBRARY) >= threshold


def test_carbonation_fades_with_temperature() -> None:
    # Li2O + CO2 = Li2CO3 loses entropy: its driving force falls with temperature
    gases = {"CO2": 1.0}
    threshold = force("Li2O", "Li3PO4", 1100.0, gases, LIBRARY)
    found = onset_temperature(
        "Li2O", "Li3PO4", library=LIBRARY, pressures_bar=gases, threshold_meV_per_atom=threshold
    )
    assert found.above_at_start
    assert found.temperature == found.range_K[0]
    assert [crossing.rises for crossing in found.crossings] == [False]
    assert found.crossings[0].temperature == pytest.approx(1100.0, abs=TOLERANCE_K)


def test_a_fixed_ratio_has_its_own_onset() -> None:
    reaction = interface_reaction("LiCoO2", "latp", library=LIBRARY, temperature_K=900.0, pressures_bar=AIR)
    threshold = -reaction.at(0.3).dG_meV_per_atom
    found = onset_temperature(
        "LiCoO2",
        "latp",
        library=LIBRARY,
        pressures_bar=AIR,
        threshold_meV_per_atom=threshold,
        mole=0.3,
    )
    assert found.temperature == pytest.approx(900.0, abs=TOLERANCE_K)
    assert found.crossings[0].mole == 0.3


def test_an_onset_tells_where_data_end() -> None:
    limited = replace(LIBRARY.phase("LiCoO2"), range_K=(298.15, 780.0))
    short = LIBRARY.with_phases(limited)
    threshold = force("LiCoO2", "TiO2", 800.0, AIR, LIBRARY)
    above, below = (
        onset_temperature(
            "LiCoO2",
            "TiO2",
            library=short,
            pressures_bar=AIR,
            threshold_meV_per_atom=size,
            range_K=(600.0, 900.0),
        )
        for size in (threshold, force("LiCoO2", "TiO2", 750.0, AIR, LIBRARY))
    )
    (told,) = (text for text in above.crossings[0].warnings if text.startswith("LiCoO2 "))
    assert "outside its data (298.15 to 780 K)" in told
    assert not any(text.startswith("LiCoO2 ") for text in below.crossings[0].warnings)
    # the search itself runs beyond the data either way
    for found in (above, below):
        assert any("600 to 900 K" in text and text.startswith("LiCoO2 ") for text in found.warnings)
        content = found.to_dict()
        assert content["crossings"][0]["warnings"] == list(found.crossings[0].warnings)
        assert content["warnings"] == list(found.warnings)


def test_products_of_an_onset_are_checked_too() -> None:
    reaction = interface_reaction("LiCoO2", "TiO2", library=LIBRARY, temperature_K=800.0, pressures_bar=AIR)
    names = [product["phase"] for product in reaction.strongest.products]
    made = next(name for name in names if LIBRARY.phase(name).state == "s")
    short = LIBRARY.with_phases(replace(LIBRARY.phase(made), range_K=(298.15, 500.0)))
    threshold = force("LiCoO2", "TiO2", 800.0, AIR, LIBRARY)
    found = onset_temperature(
        "LiCoO2", "TiO2", library=short, pressures_bar=AIR, threshold_meV_per_atom=threshold
    )
    assert any(text.startswith(f"{made} ") for text in found.crossings[0].warnings)
    never = onset_temperature(
        "LiCoO2",
        "TiO2",
        library=short,
        pressures_bar=AIR,
        threshold_meV_per_atom=0.01,
        range_K=(600.0, 700.0),
    )
    assert never.above_at_start
    assert any(text.startswith(f"{made} ") for text in never.warnings)


def test_never_is_an_answer() -> None:
    found = onset_temperature(
        "LiCoO2", "latp", library=LIBRARY, pressures_bar=AIR, threshold_meV_per_atom=5000.0, samples=20
    )
    assert found.temperature is None
    assert found.crossings == ()
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["temperature_C"] is None
    assert content["sampled"]["probability_never"] == 1.0
    assert content["sampled"]["temperature_C"] is None


def test_samples_without_errors_share_the_onset() -> None:
    bare = PhaseLibrary([replace(phase, errors={"none": (0.0, 0.0)}) for phase in LIBRARY.phases])
    threshold = force("LiCoO2", "TiO2", 800.0, AIR, bare)
    found = onset_temperature(
        "LiCoO2", "TiO2", library=bare, pressures_bar=AIR, threshold_meV_per_atom=threshold, samples=10
    )
    np.testing.assert_allclose(found.sampled_K, 800.0, atol=SAMPLE_TOLERANCE_K)


def test_sampled_onsets_pass_the_threshold_of_their_sample() -> None:
    found = onset_temperature(
        "LiCoO2", "TiO2", library=LIBRARY, pressures_bar=AIR, threshold_meV_per_atom=30.0, samples=60, seed=2
    )
    passed = found.sampled_K[np.isfinite(found.sampled_K)]
    assert np.all((passed >= found.range_K[0]) & (passed <= found.range_K[1]))
    content = found.to_dict()["sampled"]
    assert 0.0 <= content["probability_at_start"] + content["probability_never"] <= 1.0
    assert content["temperature_C"]["p5"] <= content["temperature_C"]["p95"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold_meV_per_atom": 0.0},
        {"threshold_meV_per_atom": float("nan")},
        {"mole": 1.5},
        {"range_K": (900.0, 800.0)},
        {"samples": -1},
    ],
)
def test_wrong_requests_are_refused(wrong: dict[str, object]) -> None:
    arguments = {"threshold_meV_per_atom": 50.0} | wrong
    with pytest.raises(InputError):
        onset_temperature("LiCoO2", "TiO2", library=LIBRARY, pressures_bar=AIR, **arguments)  # type: ignore[arg-type]
