"""The command line as a new user meets it: help, mistakes, exit codes, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cosinter.data.exceptions import InputError
from cosinter.workflows.cli import app, main
from cosinter.workflows.commands.react_options import parse_atmosphere
from cosinter.workflows.study_file import load_study

ENTRY = "from cosinter.workflows.cli import main; main()"
STUDIES = Path(__file__).parents[2] / "data" / "studies"
COMMANDS = (
    "run",
    "validate",
    "schema",
    "structure",
    "react",
    "phases",
    "data",
    "energies",
    "plot",
    "sinter",
    "optimise",
    "map",
    "sweep",
    "sensitivity",
    "calibrate",
    "report",
    "export",
    "cell",
    "xrd",
    "compare",
    "status",
    "doctor",
)


def cosinter(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ENTRY, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches(command: str) -> None:
    answer = cosinter(command, "--help")
    assert answer.returncode == 0
    assert "Usage" in answer.stdout


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "no such file": (("validate", "none.yaml"), "no such file"),
    "run on a folder": (("run", "."), "is a folder"),
    "unknown crystal": (("structure", "ncm8111"), "unknown"),
    "unknown element": (("react", "Xx2O3", "latp"), "Xx"),
    "unknown phase": (("react", "unobtainium", "latp"), "unobtainium"),
    "temperature": (("react", "LiCoO2", "latp", "--temperature", "5000"), "25 to 1200"),
    "not a number": (("react", "LiCoO2", "latp", "--temperature", "nan"), "25 to 1200"),
    "ratio": (("react", "LiCoO2", "latp", "--at", "2"), "0 to 1"),
    "gas": (("react", "LiCoO2", "latp", "--atmosphere", "N2=1"), "N2"),
    "pressure": (("react", "LiCoO2", "latp", "--atmosphere", "O2=-1"), "above 0"),
    "not results": (("status", "."), "not a results folder"),
    "not results to report": (("report", "."), "not a results folder"),
    "format": (("export", ".", "--to", "xlsx"), "known formats"),
    "parameters": (("sinter", str(STUDIES / "minimal.yaml"), "--parameters", "none.json"), "none.json"),
    "no folder": (("structure", "tio2", "--out", "no/such/folder/x.cif"), "cannot write"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(name: str, tmp_path: Path) -> None:
    arguments, part = MISTAKES[name]
    answer = cosinter(*arguments, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert part in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_study_key_writes_nothing(tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text("name: a\nfurnce: 1\n", encoding="utf-8")
    answer = cosinter("run", study, "--out", tmp_path / "out")
    assert answer.returncode == 2
    assert "furnace" in answer.stderr
    assert not (tmp_path / "out").exists()


def test_no_write_access_is_exit_code_2(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("", encoding="utf-8")
    answer = cosinter("run", STUDIES / "minimal.yaml", "--out", blocker / "out")
    assert answer.returncode == 2
    assert "no write access" in answer.stderr


def test_schema_and_validate_speak_json() -> None:
    assert json.loads(cosinter("schema").stdout)["title"] == "Study"
    valid = json.loads(cosinter("validate", STUDIES / "minimal.yaml", "--json").stdout)
    assert valid["name"] == "minimal"


def test_react_json_has_the_agreed_keys() -> None:
    answer = cosinter(
        "react", "LiCoO2", "Li1.3Al0.3Ti1.7(PO4)3", "--temperature", "900", "--atmosphere", "O2=0.21",
        "--at", "0.3", "--ratio-basis", "volume", "--json",
    )  # fmt: skip
    content = json.loads(answer.stdout)
    assert {"temperature_C", "atmosphere", "reactants", "kinks", "point"} <= set(content)
    for row in (*content["kinks"], content["point"]):
        assert set(row["fraction"]) == {"mole", "mass", "volume"}
        assert {"kJ_per_mol", "meV_per_atom"} <= set(row["dG"])
        assert all({"phase", "formula", "mol"} <= set(product) for product in row["products"])
    assert content["point"]["fraction"]["volume"] == pytest.approx(0.3, abs=1e-9)


def test_atmosphere_text() -> None:
    assert parse_atmosphere("O2=0.21, CO2=4e-4") == {"O2": 0.21, "CO2": 4e-4}
    assert parse_atmosphere("closed") == {}
    for wrong in ("", "O2", "O2=0.2,O2=0.3", "O2=inf", "O2=nan", "O2=0", "=1", "O2=1;CO2=2"):
        with pytest.raises(InputError, match="atmosphere"):
            parse_atmosphere(wrong)


OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "too few workers": (("run", "x.yaml", "-j", "0"), "--workers 0: must be from 1 to 64"),
    "workers in parts": (("run", "x.yaml", "-j", "1.5"), "--workers 1.5: must be a whole number from 1 to 64"),
    "no number": (("plot", "ternary", "A-B-C", "--temperature", "abc"), "--temperature abc: must be a number"),
    "choice": (("react", "A", "B", "--ratio-basis", "foo"), "--ratio-basis foo: must be one of mole, mass, volume"),
    "argument": (("react", "LiCoO2"), "argument SECOND is missing; see cosinter react --help"),
    "no value": (("react", "A", "B", "--at"), "--at"),
    "option": (("react", "A", "B", "--tempx", "3"), "--tempx"),
    "command": (("reakt",), "'reakt'. Did you mean 'react'"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_a_mistaken_option_is_one_sentence_too(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, part = OPTIONS[name]
    monkeypatch.setattr(sys, "argv", ["cosinter", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert part in told.err
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-c", ENTRY, "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert answer.returncode == 1
    assert answer.stderr == "error: cannot write the output (No space left on device)\n"


def test_a_closed_pipe_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run(
        [sys.executable, "-c", ENTRY, "schema"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert answer.returncode == 1
    assert answer.stderr == ""


def test_a_terminal_without_degree_signs_is_enough() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    answer = subprocess.run(
        [sys.executable, "-c", ENTRY, "phases", "show", "Li2O"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "kJ/mol" in answer.stdout
    assert answer.stdout.isascii()


HELP: dict[tuple[str, ...], tuple[str, ...]] = {
    ("react",): (
        "FIRST", "SECOND", "25 to 1200", "O2, CO2, H2O, CO, H2", "at most 20000", "mp:NAME",
        "phases of fixed composition", "--plot map.png",
    ),
    ("plot", "line"): ("FIRST", "SECOND", "25 to 1200", "mp:NAME", "O2, CO2, H2O, CO, H2"),
    ("plot", "map"): ("25 to 1200", "FROM:TO:STEP"),
    ("plot", "ternary"): ("SYSTEM", "25 to 1200"),
    ("plot", "potentials"): ("SOLID",),
    ("phases", "show"): ("NAME", "spinel"),
    ("data", "import"): ("FILE", "--replace"),
    ("data", "verify"): ("--json",),
}  # fmt: skip


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_tells_ranges_and_names(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).stdout
    told = " ".join(shown.replace("│", " ").split())
    assert [part for part in HELP[command] if part not in told] == []


def test_a_name_in_a_study_is_explained_in_words(tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text('name: "two words!"\n', encoding="utf-8")
    answer = cosinter("validate", study)
    assert answer.returncode == 2
    assert "line 1: name = 'two words!': must be 1 to 64 letters, digits, dots" in answer.stderr
    assert "^" not in answer.stderr
    study.write_text("name: a\natomistic: {relax: [ncm811, 'a b'], calculator: '1:2'}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"must be .*(letters, digits|'pmmcs')"):
        load_study(study)
