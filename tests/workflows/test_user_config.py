"""Code of other packages runs only where the user said so."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosinter.data.exceptions import InputError, StudyError
from cosinter.workflows.execution import run_stage
from cosinter.workflows.plan import Stage, keyed
from cosinter.workflows.study_file import parse_study
from cosinter.workflows.user_config import allowed_calculator, check_calculator, config_path

EMT = "ase.calculators.emt:EMT"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path))
    return tmp_path


def allow(text: str) -> None:
    config_path().write_text(text, encoding="utf-8")


def test_own_calculators_need_no_leave() -> None:
    for name in ("pmmcs", "chgnet", "vasp", "unknown"):
        assert check_calculator(name) == name


def test_the_refusal_says_what_to_write_and_where(home: Path) -> None:
    with pytest.raises(InputError, match="add '- os:system' below 'calculators:'") as refused:
        allowed_calculator("os:system")
    assert str(home / "config.yaml") in str(refused.value)
    with pytest.raises(StudyError, match=r"line 2: atomistic\.calculator = 'os:system'"):
        parse_study("name: a\natomistic: {calculator: 'os:system'}")


def test_what_is_allowed_is_used() -> None:
    allow(f"calculators: ['{EMT}']")
    assert type(allowed_calculator(EMT)).__name__ == "EMT"
    with pytest.raises(InputError, match="not allowed here"):
        check_calculator("ase.calculators.lj:LennardJones")


def test_a_plan_of_others_cannot_name_code(tmp_path: Path) -> None:
    """The check stands where the stage runs, so that a plan.json does not get past it."""
    inputs = {"name": "nio", "calculator": "os:abort", "seed": 1}
    plan = keyed("others", [Stage("relax-nio", "relax", inputs)])
    with pytest.raises(InputError, match="not allowed here"):
        run_stage(tmp_path / "out", "relax-nio", plan=plan)


@pytest.mark.parametrize(
    "text",
    [
        "calculators: os:system",
        "calculators: ['os.system']",
        "calculator: []",
        "!!python/object/apply:os.abort []",
    ],
)
def test_a_broken_file_is_one_sentence(text: str) -> None:
    allow(text)
    with pytest.raises(StudyError, match=r"config\.yaml"):
        check_calculator(EMT)
