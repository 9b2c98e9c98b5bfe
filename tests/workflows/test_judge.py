"""Verdicts follow from the numbers and their intervals; published figures are judged against stated tolerances."""

from __future__ import annotations

from typing import Any

import pytest

from cosinter.workflows.report.judge import headlines, layered_kept, published_rows, verdict
from cosinter.workflows.study import Case, Compensator, Study

STUDY = Study(
    name="x",
    cases=(Case(name="bare"), Case(name="helped", compensator=Compensator(LiOH_wt_percent=3.0))),
    published="ncm811-latp-compensator",
)


def outcome(
    name: str, layered: float, *, interval: tuple[float, float] | None = None, asr: float = 10.0
) -> dict[str, Any]:
    return {
        "summary": {
            "name": name,
            "layered_fraction": layered,
            "asr_ohm_cm2": asr,
            "capacity_mAh_per_g": 200.0 * layered,
        },
        "intervals": {"layered_fraction": list(interval)} if interval else None,
        "series": {"temperature_C": [25.0, 700.0, 25.0], "layered_fraction": [1.0, layered, layered]},
    }


@pytest.mark.parametrize(
    ("bare", "helped", "status", "word"),
    [
        (outcome("bare", 0.95), outcome("helped", 0.99), "survives", "without"),
        (outcome("bare", 0.5), outcome("helped", 0.99), "survives", "helped"),
        (outcome("bare", 0.5), outcome("helped", 0.6), "damaged", "every case"),
        (outcome("bare", 0.5), outcome("helped", 0.95, interval=(0.4, 1.0)), "undecided", "Undecided"),
        (
            outcome("bare", 0.95, interval=(0.4, 1.0)),
            outcome("helped", 0.95, interval=(0.5, 1.0)),
            "undecided",
            "Undecided",
        ),
    ],
)
def test_the_verdict(bare: dict[str, Any], helped: dict[str, Any], status: str, word: str) -> None:
    found = verdict(STUDY, {"bare": bare, "helped": helped})
    assert found.status == status
    assert word in found.headline
    assert "at least 0.9" in found.detail


def test_no_furnace_no_verdict() -> None:
    assert verdict(STUDY, {}).status == "undecided"
    assert headlines({}) == ()


def test_published_figures_are_inputs_agreements_misses_or_not_computed() -> None:
    cases = {"bare": outcome("bare", 0.5, asr=100.0), "helped": outcome("helped", 0.99, asr=10.0)}
    rows = {row.quantity: row for row in published_rows(STUDY, cases)}
    by_outcome = {row.outcome for row in rows.values()}
    assert by_outcome == {"input", "agrees", "not computed"}
    saving = next(row for name, row in rows.items() if "impedance" in name)
    assert saving.ours is not None
    assert saving.ours.value == pytest.approx(90.0)
    missed = published_rows(STUDY, {**cases, "bare": outcome("bare", 1.0, asr=10.0)})
    assert {row.outcome for row in missed} == {"input", "misses", "agrees", "not computed"}


def test_layered_kept_is_the_highest_temperature_before_the_fall() -> None:
    assert layered_kept([25.0, 600.0, 700.0, 25.0], [1.0, 1.0, 0.95, 0.94], limit=0.9) == 700.0
    assert layered_kept([25.0, 600.0, 700.0], [0.1, 0.1, 0.1], limit=0.9) < 0.0
