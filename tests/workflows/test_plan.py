"""The content address of a stage: a changed source or engine re-runs what depends on it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosinter.workflows.plan import Plan, Stage
from cosinter.workflows.study_file import load_study
from cosinter.workflows.study_plan import make_plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_study(ROOT / "data" / "studies" / "ncm811-latp.yaml"))


def _imports(node: ast.AST) -> Iterator[str]:
    """Modules that run with the code below ``node``; imports for types alone do not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
            yield child.module
        yield from _imports(child)


def _sources(start: list[str]) -> set[str]:
    """Sources below science and data that the files ``start`` import, directly or not, and the tables they read."""
    found: set[str] = set()
    todo = list(start)
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        text = (ROOT / path).read_text(encoding="utf-8")
        found.update(f"data/{name}.yaml" for name in re.findall(r'load_table\("([\w/]+)"\)', text))
        for module in _imports(ast.parse(text)):
            parts = module.split(".")
            file = Path(*parts[1:]).with_suffix(".py") if parts[0] == "cosinter" and parts[1:] else None
            if file and file.parts[0] in ("analysis", "structures", "data") and (ROOT / file).is_file():
                todo.append(file.as_posix())
    return found


def _code(plan: Plan, stage: Stage) -> set[str]:
    """What the key of a stage covers, with the stages it reads."""
    return set(stage.code).union(*(_code(plan, plan.stage(name)) for name in stage.after))


STARTS = {
    "parameters": ["analysis/assembly.py", "analysis/atoms/hopping.py", "workflows/steps/case_parameters.py"],
    "sinter": ["workflows/steps/furnace.py", "workflows/steps/case_parameters.py"],
}


@pytest.mark.parametrize("function", STARTS)
def test_every_source_of_the_furnace_is_part_of_the_key(plan: Plan, function: str) -> None:
    stage = next(stage for stage in plan.stages if stage.function == function)
    code = _code(plan, stage)
    missing = [
        path for path in _sources(STARTS[function]) if not any(f"{path}/".startswith(f"{c}/") for c in code)
    ]
    assert missing == []


def test_every_path_of_a_stage_is_there(plan: Plan) -> None:
    assert [path for stage in plan.stages for path in stage.code if not (ROOT / path).exists()] == []


def test_the_plan_of_a_study_is_always_the_same(plan: Plan) -> None:
    again = make_plan(load_study(ROOT / "data" / "studies" / "ncm811-latp.yaml"))
    assert again.keys == plan.keys
