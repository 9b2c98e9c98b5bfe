"""Results of other versions are found by their inputs, and taken only together with what they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosinter.workflows import plan as plans
from cosinter.workflows.execution import run_stage
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.results import Results
from cosinter.workflows.versions import accept_older, made_by_others, outdated


def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    from cosinter.workflows.steps import table

    def first(task: Any) -> dict[str, Any]:
        return {"value": task.inputs["value"]}

    def second(task: Any) -> dict[str, Any]:
        return {"twice": 2 * task.upstream["first"].data["value"]}

    monkeypatch.setattr(table, "STEPS", {"first": first, "second": second})


def two_stages(value: int = 1) -> Plan:
    code = ("workflows/plan.py",)
    return keyed(
        "two",
        [
            Stage("first", "first", {"value": value}, code=code, engines=("numpy",)),
            Stage("second", "second", {}, after=("first",), code=code),
        ],
    )


def run(plan: Plan, root: Path) -> None:
    for stage in plan.stages:
        run_stage(root, stage.name, plan=plan)


@pytest.fixture
def updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Results of two stages, after which the version of NumPy has changed."""
    steps(monkeypatch)
    run(two_stages(), tmp_path / "out")
    real = plans._version
    monkeypatch.setattr(plans, "_version", lambda name: "99.0" if name == "numpy" else real(name))
    return Results(tmp_path / "out")


def test_a_new_engine_asks_for_new_results_and_says_which_engine_it_is(updated: Results) -> None:
    plan = two_stages()
    assert [stage.name for stage in plan.pending(updated)] == ["first", "second"]
    first, second = outdated(plan, updated)
    assert first.stage == "first"
    assert first.differences[0].startswith("numpy ")
    assert first.differences[0].endswith("-> 99.0")
    assert second.differences == ()


def test_accepted_results_are_not_computed_again(updated: Results) -> None:
    plan, accepted = accept_older(two_stages(), updated)
    assert [older.stage for older in accepted] == ["first", "second"]
    assert plan.pending(updated) == ()
    run(plan, updated.root)
    assert updated.executed("first", plan.keys["first"]) == 1
    assert made_by_others(plan) == ("first", "second")
    assert made_by_others(two_stages()) == ()


def test_other_inputs_are_never_accepted(updated: Results) -> None:
    plan, accepted = accept_older(two_stages(value=2), updated)
    assert accepted == ()
    assert len(plan.pending(updated)) == 2


def test_a_result_is_not_accepted_without_what_it_was_made_from(updated: Results) -> None:
    first = next((updated.root / "stages" / "first").iterdir())
    (first / "result.json").unlink()
    plan, accepted = accept_older(two_stages(), updated)
    assert accepted == ()
    assert len(plan.pending(updated)) == 2
