"""``cosinter plot``: files that were asked for, help that teaches, mistakes in one sentence."""

import json
import re

import pytest
from typer.testing import CliRunner

from cosinter.data.exceptions import InputError
from cosinter.workflows.cli import app


def call(*arguments):
    """Exit code and output; an InputError is what main() turns into exit code 2."""
    result = CliRunner().invoke(app, ["plot", *arguments])
    return result


def test_help_shows_examples() -> None:
    text = call("--help").output
    assert "cosinter plot ternary Li2O-TiO2-P2O5" in text
    for command in ("ternary", "quaternary", "potentials", "ellingham", "map", "line"):
        assert command in text


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("ternary", "Li2O-TiO2-P2O5", "--temperature", "700"), "regions"),
        (("quaternary", "Li2O-TiO2-P2O5-Al2O3", "--atmosphere", "closed"), "regions"),
        (("potentials", "ncm811", "--axes", "Li2O,O2", "--lowest", "-200,-150"), "fields"),
        (("ellingham", "--temperature", "600:700:50"), "reservoirs"),
        (("map", "Li2O", "TiO2", "--temperature", "600:700:50"), "temperatures"),
        (("line", "LiCoO2", "latp", "--ratio-basis", "volume"), "kinks"),
    ],
)
def test_writes_what_is_asked_for(tmp_path, arguments, key) -> None:
    files = [tmp_path / "x.json", tmp_path / "x.csv"]
    result = call(*arguments, *(part for path in files for part in ("--out", str(path))))
    assert result.exit_code == 0, result.output
    assert json.loads(files[0].read_text())[key]
    assert files[1].read_text().count("\n") > 3


def test_without_a_name_the_picture_is_named_after_what_it_shows(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("map", "Li2O", "TiO2", "--temperature", "600:700:100").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["map-li2o-tio2-600-700.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ternary", "Li2O-TiO2-P2O5", "--exclude", "spinel"), "solid solution"),
        (("map", "LiCoO2", "latp", "--exclude", "spinel"), "solid solution"),
        (("line", "NaCl", "latp"), "element Na of 'NaCl'"),
        (("line", "LiCoO2", "lco"), "same composition"),
        (("potentials", "NaCl"), "element Na of 'NaCl'"),
        (("ternary", "Li2O-TiO2-P2O5", "--atmosphere", ""), "closed"),
        (("ternary", "Li2O-TiO2"), "must name 3 components"),
        (("quaternary", "Li2O-TiO2-P2O5"), "joined by '-', for example Li2O-TiO2-P2O5-Al2O3"),
        (("ternary", "Li2O-Xx-TiO2"), "element Xx"),
        (("ternary", "Li2O-TiO2-P2O5", "--atmosphere", "O2=-1"), "above 0"),
        (("ternary", "Li2O-TiO2-P2O5", "--atmosphere", "N2=1"), "inert"),
        (("ternary", "Li2O-TiO2-P2O5", "--temperature", "5000"), "from 25 to 1200"),
        (("ternary", "Li2O-TiO2-P2O5", "--temperature", "nan"), "from 25 to 1200"),
        (("ternary", "Li2O-TiO2-P2O5", "--energies", "guess"), "guess"),
        (("ternary", "Li2O-TiO2-P2O5", "--exclude", "Li3PO5"), "Li3PO"),
        (("ternary", "Li2O-TiO2-P2O5", "--out", "x.gif"), "ending"),
        (("potentials", "Co", "--axes", "Li2O"), "two species"),
        (("potentials", "Co", "--lowest", "a,b"), "not a number"),
        (("potentials", "Co", "--lowest", "-100"), "two numbers"),
        (("potentials", "Co", "--lowest", "nan,-100"), "lowest potential"),
        (("ellingham", "--atmosphere", "closed"), "needs open oxygen"),
        (("ellingham", "--temperature", "700"), "range"),
        (("map", "LiCoO2", "latp", "--temperature", "600:700:50", "--resolution", "0"), "above 0 K"),
        (("line", "Foo", "latp"), "unknown phase"),
    ],
)
def test_mistakes_are_one_sentence(arguments, words) -> None:
    result = call(*arguments)
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)


def test_solutions_are_excluded_beside_phases(tmp_path) -> None:
    file = tmp_path / "x.json"
    result = call("line", "LiCoO2", "latp", "--exclude", "Li3PO4,Spinel", "--out", str(file))
    assert result.exit_code == 0, result.output
    content = json.loads(file.read_text())
    formed = {product["phase"] for kink in content["kinks"] for product in kink["products"]}
    assert not formed & {"spinel", "Li3PO4"}


def test_every_file_is_checked_before_one_is_written(tmp_path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "none" / "b.json"
    result = call("ternary", "Li2O-TiO2-P2O5", "--out", str(first), "--out", str(second))
    assert isinstance(result.exception, InputError)
    assert "no such folder" in str(result.exception)
    assert not first.exists()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("ternary", "Li₂O-TiO₂-P₂O₅", "--temperature", "650"), "ternary-li2o-tio2-p2o5-650.png"),
        (("ellingham", "--temperature", "600:700:50"), "ellingham-li2o-ncm811-latp-600-700.png"),
    ],
)
def test_names_of_pictures_tell_what_and_at_which_temperature(tmp_path, monkeypatch, arguments, name) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ternary", "ncm811-latp-LiOH"),
        ("line", "ncm811", "TiO2"),
        ("line", "LiNi0.5Mn0.5O2", "TiO2"),
        ("potentials", "ncm811"),
        ("ellingham",),
    ],
)
def test_a_solution_without_an_end_member_names_the_source_to_add(arguments) -> None:
    result = call(*arguments, "--energies", "measured")
    assert isinstance(result.exception, InputError)
    assert re.search(r"is made of .*Li2MnO3.*lack; add the source chgnet$", str(result.exception))
