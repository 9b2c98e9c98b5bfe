"""The user's own phases on disk, and the commands about the library."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.cli import app as main
from cosinter.workflows.commands.doctor import examine
from cosinter.workflows.commands.phases import app
from cosinter.workflows.sources import phase_store
from cosinter.workflows.sources.libraries import chosen_library

RECORD = """\
name: Ni2TiO4
formula: Ni2TiO4
kind: assumed
H298: -1432.0
neumann_kopp: {NiO: 2, TiO2_rutile: 1}
uncertainty: {H298: 8.0, S298: 5.0}
source: made up for this test
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of its own for each test."""
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one good phase."""
    path = tmp_path / "mine.yaml"
    path.write_text(RECORD, encoding="utf-8")
    return path


def run(*arguments: str | Path) -> str:
    answer = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.stdout


def test_a_phase_is_added_used_and_taken_back(file: Path, home: Path) -> None:
    assert phase_store.user_phases() == ()
    told = run("add", file)
    assert "added Ni2TiO4" in told
    assert "above 1 NiO + 1 NiTiO3" in told
    assert [phase.name for phase in phase_store.user_phases()] == ["Ni2TiO4"]
    assert "Ni2TiO4" in chosen_library()
    assert "Ni2TiO4" not in load_library()
    assert (home / "phases" / "Ni2TiO4.yaml").is_file()
    assert json.loads(run("remove", "ni2tio4", "--json")) == {"removed": "Ni2TiO4"}
    assert phase_store.user_phases() == ()


FORMS = """\
phases:
  LT-LiCoO2:
    formula: LiCoO2
    kind: assumed
    H298: -663.2
    neumann_kopp: {LiCoO2: 1}
    uncertainty: {H298: 5.0, S298: 2.0}
    source: made up for this test
  TiO2_B:
    formula: TiO2
    kind: assumed
    H298: -936.0
    neumann_kopp: {TiO2_rutile: 1}
    uncertainty: {H298: 3.0, S298: 2.0}
    source: made up for this test
  NiO_l:
    formula: NiO
    state: l
    kind: assumed
    H298: -190.0
    neumann_kopp: {NiO: 1}
    uncertainty: {H298: 5.0, S298: 2.0}
    source: made up for this test
"""


def test_forms_of_known_compositions_stand_beside_them_in_every_command(tmp_path: Path) -> None:
    path = tmp_path / "forms.yaml"
    path.write_text(FORMS, encoding="utf-8")
    before = chosen_library()
    run("add", path)
    after = chosen_library()
    assert set(after.names) == {*before.names, "LT-LiCoO2", "TiO2_B", "NiO_l"}
    assert set(json.loads(run("list", "--json"))) == set(after.names)
    line = ["react", "ncm811", "latp", "--temperature", "700", "--no-solutions", "--json"]
    answer = CliRunner().invoke(main, line, catch_exceptions=False)
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["reactants"]


def test_a_computed_phase_shows_its_reaction_and_where_its_error_is_from() -> None:
    (shown,) = json.loads(run("show", "LiCoO2", "--json"))
    assert shown["note"].startswith("LiCoO2 = 0.5 Li2O - 0.5 CoO + 0.5 Co3O4")
    assert {"Li2O", "CoO", "Co3O4", "chgnet LiCoO2"} <= set(shown["errors"])
    parts = [error["H298_kJ_per_mol"] for error in shown["errors"].values()]
    assert math.hypot(*parts) == pytest.approx(shown["uncertainty_kJ_per_mol"])
    text = " ".join(run("show", "LiCoO2").split())
    assert "LiCoO2 = 0.5 Li2O - 0.5 CoO + 0.5 Co3O4" in text
    assert f"± {shown['uncertainty_kJ_per_mol']:.2f} kJ/mol at 25 °C from chgnet LiCoO2" in text


def test_several_phases_are_stored_or_none(tmp_path: Path, home: Path) -> None:
    record = {key: value for key, value in yaml.safe_load(RECORD).items() if key != "name"}
    path = tmp_path / "two.yaml"
    path.write_text(json.dumps({"phases": {"a": record, "b": {**record, "H298": -1400.0}}}))
    phase_store.add_phases(path)
    assert set(phase_store.stored_files()) == {"a", "b"}
    path.write_text(json.dumps({"phases": {"d1": {**record, "H298": -1390.0}, "B": record}}))
    with pytest.raises(InputError, match="a phase named b is already"):
        phase_store.add_phases(path)
    assert set(phase_store.stored_files()) == {"a", "b"}


BROKEN = {
    "cut off": ("name: [Co2", "not valid YAML"),
    "a list": ("- 1\n", "is a mapping"),
    "key twice": (RECORD + "H298: -1.0\n", "'H298' is given twice"),
    "alias": ("a: &x 1\nb: *x\n", "aliases are not read"),
    "python": ("!!python/object/apply:os.system [ls]\n", "not valid YAML"),
    "several keys": ("phases: {a: {}}\nname: b\n", "must be the only key"),
    "own name": ("phases: {a: {name: b}}\n", "without its own name"),
    "not a record": ("phases: {a: 1}\n", "must be a record"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_sentence_and_stores_nothing(name: str, tmp_path: Path, home: Path) -> None:
    text, part = BROKEN[name]
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        phase_store.add_phases(path)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_files_that_are_no_text_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe")
    for wrong in (path, tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError, match=str(wrong.name)):
            phase_store.add_phases(wrong)
    path.write_bytes(b"#" * (phase_store.MAX_BYTES + 1))
    with pytest.raises(InputError, match="too many"):
        phase_store.add_phases(path)


CHAIN = """\
phases:
  Albite: {formula: Zr2TiO6, kind: assumed, H298: -3150.0, S298: 152.0, neumann_kopp: {ZrO2: 2, TiO2_rutile: 1},
    uncertainty: {H298: 8.0, S298: 5.0}, source: made up for this test}
  ZrO2: {formula: ZrO2, kind: assumed, H298: -1100.0, S298: 50.0, Cp: [{T: [298.15, 1400.0], coef: [70.0]}],
    uncertainty: {H298: 2.0, S298: 2.0}, source: made up for this test}
"""


def test_sums_may_refer_to_phases_that_come_later(tmp_path: Path) -> None:
    """In the file as well as in the folder, where the alphabet decides the order."""
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    run("add", path)
    assert [phase.name for phase in phase_store.user_phases()] == ["ZrO2", "Albite"]
    assert chosen_library(("measured", "user")).phase("Zr2TiO6").name == "Albite"


def test_a_sum_whose_part_was_taken_back_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    run("add", path)
    run("remove", "ZrO2")
    with pytest.raises(InputError, match=r"Albite\.yaml: unknown phase 'ZrO2'"):
        phase_store.user_phases()


def test_only_phases_of_the_user_are_removed(file: Path) -> None:
    phase_store.add_phases(file)
    with pytest.raises(InputError, match="CoO belongs to the package"):
        phase_store.remove_phase("CoO")
    with pytest.raises(UnknownNameError, match="phase of yours 'Co2O'"):
        phase_store.remove_phase("Co2O")


def test_a_stored_phase_that_was_damaged_is_named_and_can_be_removed(file: Path, home: Path) -> None:
    phase_store.add_phases(file)
    (home / "phases" / "Ni2TiO4.yaml").write_text("H298: 1\n")
    with pytest.raises(InputError, match=r"Ni2TiO4\.yaml"):
        phase_store.user_phases()
    assert next(check for check in examine() if check.name == "your own phases").good is False
    run("remove", "Ni2TiO4")
    assert phase_store.user_phases() == ()


def test_list_and_show_speak_json() -> None:
    listed = json.loads(run("list", "--elements", "Li,Ti,O", "--state", "s", "--json"))
    assert "Li2TiO3" in listed
    assert "O2(g)" not in listed
    assert "NiO" not in listed
    assert listed["Li4TiO4"]["thermal_source"] == "neumann_kopp"
    forms = json.loads(run("show", "AlOOH", "--json"))
    assert [form["name"] for form in forms] == ["AlOOH_diaspore", "AlOOH_boehmite"]
    lithia = json.loads(run("show", "Li2O", "--json"))[0]
    assert lithia["table"][0]["temperature_C"] == 25.0
    assert lithia["table"][0]["inside_range"]
    assert lithia["table"][0]["G_kJ_per_mol"] == pytest.approx(-598.7 - 298.15 * 0.03793, abs=0.05)
    assert lithia["alternatives"][0]["H298"] == -597.9


def test_tables_on_the_screen_name_sources_and_extrapolation() -> None:
    assert "Ni2P" in run("list", "--elements", "Ni,P")
    shown = run("show", "LiPO3")
    assert "source:" in shown
    assert "extrapolated" in shown
    assert "other assessment" in shown
    assert "(LiOH)2(g)" in run("show", "(LiOH)2(g)")


@pytest.mark.parametrize("name", ["spinel", "rock salt", "rock_salt", "Layered oxide", "LATP", "salt melt"])
def test_a_solution_shows_its_end_members(name: str) -> None:
    *others, content = json.loads(run("show", name, "--json"))
    assert [other["formula"] for other in others] == (["Li1.3Al0.3Ti1.7(PO4)3"] if name == "LATP" else [])
    assert content["name"].lower() == name.replace("_", " ").lower()
    assert len(content["members"]) >= 2
    assert content["uncertainty_kJ_per_mol"] > 0.0
    assert len(content["source"]) > 20
    shown = run("show", name)
    assert "mixing: ideal on the sites" in shown
    assert content["members"][0]["name"][:6] in shown


def test_an_end_member_counts_as_what_it_is_made_of() -> None:
    (content,) = json.loads(run("show", "spinel", "--json"))
    members = {member["name"]: member for member in content["members"]}
    (cobalt,) = json.loads(run("show", "Co3O4", "--json"))
    assert members["Co3O4"]["H298_kJ_per_mol"] == pytest.approx(cobalt["H298_kJ_per_mol"])
    assert members["NiMn2O4"]["made_of"] == {"NiO": 1, "Mn2O3": 1}
    assert members["NiMn2O4"]["energy_source"] == "measured"


def test_gases_are_found_by_their_formula() -> None:
    assert [form["name"] for form in json.loads(run("show", "O2", "--json"))] == ["O2(g)"]
    assert json.loads(run("show", "H2O", "--json"))[0]["name"] == "H2O(g)"
    assert json.loads(run("show", "CO₂", "--json"))[0]["name"] == "CO2(g)"
    assert json.loads(run("show", "LiOH", "--json"))[0]["state"] == "s"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("list", "--elements", "Li,Xx"), "'Xx' is not an element"),
        (("list", "--elements", ","), "--elements is empty"),
        (("list", "--state", "q"), "must be s, l or g"),
    ],
)
def test_wrong_filters_are_refused(arguments: tuple[str, ...], part: str) -> None:
    with pytest.raises(InputError, match=part):
        run(*arguments)


def test_check_and_doctor_show_the_known_reactions() -> None:
    content = json.loads(run("check", "--json"))
    assert all(row["good"] for row in content["consistency"])
    assert len(content["decompositions"]) >= 6
    names = {check.name for check in examine()}
    assert {"LiOH melts", "formation of Li2CO3", "your own phases"} <= names


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("phases", "add", "none.yaml"), "none.yaml: cannot be read"),
        (("phases", "show", "Li2TiO"), "did you mean"),
        (("phases", "remove", "NiO"), "NiO belongs to the package"),
        (("phases", "remove", "Ni3O"), "unknown phase of yours"),
        (("phases", "show", "NaCl"), "element Na of 'NaCl' is in no phase of the library"),
        (("phases", "list", "--elements", "Zz"), "'Zz' is not an element"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], part: str
) -> None:
    code = "from cosinter.workflows.cli import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2, answer.stderr
    assert part in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
