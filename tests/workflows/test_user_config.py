"""Code of other packages runs only where the user said so."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cosinter.data.exceptions import InputError, StudyError
from cosinter.workflows.cli import app
from cosinter.workflows.execution import run_stage
from cosinter.workflows.plan import Stage, keyed
from cosinter.workflows.steps.table import STEPS
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


STEPS_WITH_A_CALCULATOR: dict[str, dict[str, Any]] = {
    "relax": {"name": "nio", "seed": 1},
    "phonon": {"name": "nio", "seed": 1},
    "barrier": {"host": "linio2", "mechanism": "dumbbell"},
    "vibrations": {"name": "nio"},
    "interface": {
        "film": "nio",
        "substrate": "nio",
        "film_miller": [0, 0, 1],
        "substrate_miller": [0, 0, 1],
    },
    "energy": {"crystal": "NiO", "settings": {}},
    "entropy": {"crystal": "NiO"},
}


@pytest.mark.parametrize("function", STEPS_WITH_A_CALCULATOR)
def test_a_plan_of_others_cannot_name_code(tmp_path: Path, function: str) -> None:
    """The check stands where the stage runs, so that a plan.json does not get past it."""
    inputs = {**STEPS_WITH_A_CALCULATOR[function], "calculator": "antigravity:geohash"}
    plan = keyed("others", [Stage("stage", function, inputs)])
    with pytest.raises(InputError, match="not allowed here"):
        run_stage(tmp_path / "out", "stage", plan=plan)
    assert "antigravity" not in sys.modules


def test_every_step_that_takes_a_calculator_is_tried() -> None:
    modules = {inspect.getmodule(step) for step in STEPS.values()}
    sources = "".join(inspect.getsource(module) for module in modules if module is not None)
    assert "make_calculator" not in sources
    named = {name for name, step in STEPS.items() if '"calculator"]' in inspect.getsource(step)}
    assert named == set(STEPS_WITH_A_CALCULATOR)


def test_a_command_cannot_name_code() -> None:
    for arguments in (
        ["barrier", "linio2", "--calculator", "antigravity:geohash"],
        ["orderings", "ncm811", "--calculator", "antigravity:geohash"],
        ["energies", "--calculator", "antigravity:geohash", "--phases", "LTP"],
        ["interface", "nio", "nio", "--adhesion", "--calculator", "antigravity:geohash"],
    ):
        answer = CliRunner().invoke(app, arguments)
        assert "not allowed here" in str(answer.exception), arguments
    assert "antigravity" not in sys.modules


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
