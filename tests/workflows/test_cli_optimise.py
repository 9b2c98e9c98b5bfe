"""``cosinter optimise`` and ``cosinter map`` as a user meets them: mistakes cost nothing, answers are complete."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from design_fixture import Formula

from cosinter.workflows import variants
from cosinter.workflows.cli import app
from cosinter.workflows.commands.leaving import leave_well

STUDIES = Path(__file__).parents[2] / "data" / "studies"
MINIMAL = str(STUDIES / "minimal.yaml")
AXES = ("--x", "hold_C=600:700:50", "--y", "dose=0:2:1")

MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "no objective": (("optimise", MINIMAL), "name at least one objective"),
    "objective": (("optimise", MINIMAL, "--minimise", "cost"), "unknown objective 'cost'"),
    "target": (("optimise", MINIMAL, "--minimise", "dose", "--target", "layered=0.9"), "layered>=0.9"),
    "range": (("optimise", MINIMAL, "--minimise", "dose", "--free", "dose=5:1"), "FROM below TO"),
    "key": (("optimise", MINIMAL, "--minimise", "dose", "--free", "furnace.hold=1:2"), "furnace.hold"),
    "case": (("optimise", MINIMAL, "--minimise", "dose", "--case", "gel"), "unknown case 'gel'"),
    "probability": (("optimise", MINIMAL, "--minimise", "dose", "--robust", "1"), "0.5 to below 1"),
    "parameters": (("optimise", MINIMAL, "--minimise", "dose", "--parameters", "none.json"), "none.json"),
    "folder": (("optimise", MINIMAL, "--minimise", "dose", "--out", "no/such"), "cannot write into"),
    "axis": (("map", MINIMAL, "--x", "hold_C=700", "--y", "dose=0:2:1"), "two ascending values"),
    "outcome": (("map", MINIMAL, *AXES, "--outcome", "layred"), "layered"),
    "no target": (("map", MINIMAL, *AXES, "--outcome", "asr", "--samples", "4"), "needs a target"),
    "ending": (("map", MINIMAL, *AXES, "--out", "map.bmp"), "map.bmp"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, part = MISTAKES[name]
    assert leave_well(lambda: app(arguments, prog_name="cosinter", standalone_mode=False)) == 2
    said = capsys.readouterr().err
    assert part in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["optimise", "map"])
def test_help_teaches_with_examples(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert answer.output.count(f"cosinter {command} study.yaml") >= 4


@pytest.fixture
def by_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands run the formula of the fixture in place of the model."""
    monkeypatch.setattr(variants, "Variants", Formula)


@pytest.mark.usefixtures("by_formula")
def test_optimise_answers_in_words_in_json_and_in_files(tmp_path: Path) -> None:
    wish = ["--target", "layered>=0.899", "--minimise", "dose", "--maximise", "temperature"]
    options = [*wish, "--free", "dose,hold_C=650:750", "--generations", "10"]
    spoken = CliRunner().invoke(app, ["optimise", MINIMAL, *options, "--out", str(tmp_path / "design")])
    assert spoken.exit_code == 0, spoken.output
    assert "layered_fraction >= 0.899" in spoken.output
    names = {path.name for path in (tmp_path / "design").iterdir()}
    assert {"design.json", "front.csv", "front.png", "front.html", "map-hold-c-dose.png"} <= names
    kept = json.loads((tmp_path / "design" / "design.json").read_text(encoding="utf-8"))
    printed = json.loads(CliRunner().invoke(app, ["optimise", MINIMAL, *options, "--json"]).stdout)
    assert kept["nominal"] == printed["nominal"]


@pytest.mark.usefixtures("by_formula")
def test_an_impossible_wish_is_answered_with_the_nearest_design() -> None:
    options = ["--target", "layered>=0.899", "--minimise", "dose", "--free", "dose=0:1"]
    answer = CliRunner().invoke(app, ["optimise", MINIMAL, *options])
    assert answer.exit_code == 0
    assert "no design within the ranges" in answer.output
    assert "upper end of its range" in answer.output


@pytest.mark.usefixtures("by_formula")
def test_map_writes_both_pictures_and_one_table(tmp_path: Path) -> None:
    outs = [f"--out={tmp_path / name}" for name in ("m.png", "m.html", "m.csv", "m.json")]
    answer = CliRunner().invoke(app, ["map", MINIMAL, *AXES, "--samples", "8", *outs])
    assert answer.exit_code == 0, answer.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "m.png", "m-probability.png", "m.html", "m-probability.html", "m.csv", "m.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["target"]["value"] == 0.9
