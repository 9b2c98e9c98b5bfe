"""``cosinter react`` as a user meets it: tables on 80 columns, JSON, pictures, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cosinter.workflows.cli import main
from cosinter.workflows.commands import react_tables


@dataclass(frozen=True)
class Answer:
    code: object
    stdout: str
    stderr: str


@pytest.fixture
def react(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run the command line as the shell would, in a fresh folder and with no data of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "none"))

    def run(*arguments: str, columns: int = 80, solutions: bool = False) -> Answer:
        monkeypatch.setenv("COLUMNS", str(columns))
        options = () if solutions else ("--no-solutions",)
        monkeypatch.setattr("sys.argv", ["cosinter", "react", *arguments, *options])
        with pytest.raises(SystemExit) as end:
            main()
        streams = capsys.readouterr()
        return Answer(end.value.code or 0, streams.out, streams.err)

    return run


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "open bracket": (("LiCoO2)", "latp"), "did you mean LiCoO2"),
    "element without phases": (("NaCoO2", "latp"), "element Na of 'NaCoO2' is in no phase"),
    "not a solution": (("LiNi0.5Co0.1O2", "latp"), "LiNi0.5Co0.1O2"),
    "range backwards": (("LiCoO2", "latp", "--temperature", "900:500:50"), "FROM must not exceed TO"),
    "range without end": (("LiCoO2", "latp", "--temperature", "500:900:1e-6"), "at most 1000"),
    "inert gas": (("LiCoO2", "latp", "--atmosphere", "Ar=1"), "Ar is inert"),
    "zero pressure": (("LiCoO2", "latp", "--atmosphere", "O2=0"), "above 0"),
    "gases that react": (
        ("LiCoO2", "latp", "--atmosphere", "O2=0.21,CO2=4e-4,CO=0.1"), "not in equilibrium with each other",
    ),
    "ratio": (("LiCoO2", "latp", "--at", "nan"), "from 0 to 1"),
    "samples": (("LiCoO2", "latp", "--uncertainty", "-1"), "--uncertainty"),
    "seed": (("LiCoO2", "latp", "--seed", "-1"), "--seed"),
    "onset": (("LiCoO2", "latp", "--onset", "0"), "--onset"),
    "source of energies": (("LiCoO2", "latp", "--energies", "guess"), "guess"),
    "energies twice": (("LiCoO2", "latp", "--energies", "measured,measured"), "each once"),
    "no snapshot": (("LiCoO2", "latp", "--energies", "mp,measured"), "snapshot"),
    "empty atmosphere": (("LiCoO2", "latp", "--atmosphere", ""), "or closed for a sealed system"),
    "same twice": (("LiCoO2", "lco"), "the same composition"),
    "same in other amounts": (("Li2TiO3", "Li4Ti2O6"), "the same composition"),
    "solution without solutions": (("LiCoO2", "latp", "--exclude", "spinel"), "solid solution"),
    "solution as reactant": (("LiCoO2", "rock salt"), "'rock salt' is a solution; write the formula of one"),
    "no name": ((" ", "latp"), "unknown phase"),
    "excluded unknown": (("LiCoO2", "latp", "--exclude", "Li4PO5"), "Li4PO5"),
    "form of a picture": (("LiCoO2", "latp", "--plot", "x.txt"), ".png"),
    "folder of a picture": (("LiCoO2", "latp", "--plot", "no/x.png"), "no such folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    name: str, react: Callable[..., Answer], tmp_path: Path
) -> None:
    arguments, part = MISTAKES[name]
    answer = react(*arguments)
    assert answer.code == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert part in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_everything_at_once_fits_80_columns(react: Callable[..., Answer]) -> None:
    answer = react(
        "ncm811", "latp", "--uncertainty", "60", "--at", "0.5", "--ratio-basis", "volume",
        "--onset", "100", "--titrate",
    )  # fmt: skip
    assert answer.code == 0, answer.stderr
    assert answer.stderr == ""
    assert max(map(len, answer.stdout.splitlines())) <= 80
    for part in ("x mole", "ties within 10 meV/atom", "60 samples", "mu_Li2O", "onset:", "n from"):
        assert part in answer.stdout
    assert "-0.0" not in answer.stdout
    assert "nan" not in answer.stdout.lower()


def test_an_onset_beyond_the_data_of_a_reactant_says_so(react: Callable[..., Answer]) -> None:
    closed = ("NiCO3", "MnO", "--temperature", "300", "--atmosphere", "closed", "--onset")
    inside, outside = (react(*closed, threshold).stdout for threshold in ("60", "75"))
    assert "passes 60 meV/atom at" in inside
    assert "outside its data" not in inside
    told = " ".join(outside.partition("note: onset:")[2].split())
    assert told.startswith("NiCO3 is used at")
    assert "outside its data (298.15 to 700 K)" in told


def test_a_long_line_with_solutions_is_shown_where_products_change(react: Callable[..., Answer]) -> None:
    answer = react("LiCoO2", "latp", solutions=True)
    assert answer.code == 0, answer.stderr
    assert "ratios: where products change" in answer.stdout
    assert "spinel" in answer.stdout
    rows = [line for line in answer.stdout.splitlines() if line[:7].strip().startswith(("0.", "1."))]
    assert 5 < len(rows) < 40
    assert max(map(len, answer.stdout.splitlines())) <= 80


@pytest.mark.parametrize("columns", [80, 100])
def test_a_range_is_one_row_per_temperature(columns: int, react: Callable[..., Answer]) -> None:
    answer = react("LiCoO2", "latp", "--temperature", "500:900:200", "--uncertainty", "20", columns=columns)
    assert answer.code == 0, answer.stderr
    assert max(map(len, answer.stdout.splitlines())) <= columns
    starts = [line.split()[0] for line in answer.stdout.splitlines() if line.strip()]
    assert [value for value in starts if value in {"500", "700", "900"}] == [
        "500", *("500", "700", "900"), *("500", "700", "900"),
    ]  # fmt: skip
    shown = answer.stdout.partition("20 samples")[2]
    assert "probability of products" in shown
    assert shown.count("O2(g) ") == 3
    assert " %" in shown


def test_json_of_a_range_is_complete_and_finite(react: Callable[..., Answer]) -> None:
    answer = react(
        "LiCoO2", "latp", "--temperature", "600,800", "--uncertainty", "20", "--at", "0.3",
        "--atmosphere", "O2=0.21,CO2=4e-4,H2O=0.01", "--json",
    )  # fmt: skip
    content = json.loads(answer.stdout)
    assert "NaN" not in answer.stdout
    assert [line["temperature_C"] for line in content["temperatures"]] == [600.0, 800.0]
    assert content["atmosphere"] == {"O2": 0.21, "CO2": 4e-4, "H2O": 0.01}
    assert all(line["uncertainty"]["samples"] == 20 for line in content["temperatures"])


def test_the_seed_repeats_the_answer(react: Callable[..., Answer]) -> None:
    arguments = ("LiCoO2", "TiO2", "--uncertainty", "30", "--json", "--seed")
    first, second, other = (react(*arguments, seed).stdout for seed in ("1", "1", "2"))
    assert first == second != other


def test_a_closed_system_has_no_atmosphere(react: Callable[..., Answer]) -> None:
    content = json.loads(react("LiCoO2", "TiO2", "--atmosphere", "closed", "--json").stdout)
    assert content["atmosphere"] == {}


@pytest.mark.parametrize(("temperature", "name"), [("700", "line.svg"), ("500:700:100", "map.png")])
def test_pictures_are_written(
    temperature: str, name: str, react: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = react("LiCoO2", "TiO2", "--temperature", temperature, "--plot", name)
    assert answer.code == 0, answer.stderr
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x89PNG") or b"<svg" in data[:500]
    assert name in answer.stderr


def test_a_range_shows_the_probabilities_at_the_ratio_asked_for(react: Callable[..., Answer]) -> None:
    arguments = ("LiCoO2", "latp", "--temperature", "600,800", "--uncertainty", "20", "--at", "0.3")
    shown = react(*arguments).stdout.partition("20 samples")[2]
    content = json.loads(react(*arguments, "--json").stdout)
    for line in content["temperatures"]:
        (ratio,) = [row for row in line["uncertainty"]["ratios"] if abs(row["mole"] - 0.3) < 1e-9]
        name, share = next(iter(ratio["products"].items()))
        assert f"{name} {100.0 * share:.0f} %" in shown
    assert shown.count("0.300") == 2


def test_a_carbonate_without_open_carbon_dioxide_is_noted(react: Callable[..., Answer]) -> None:
    content = json.loads(react("Li2CO3", "TiO2", "--json").stdout)
    assert content["warnings"][0].startswith("CO2 is not open")
    assert "note: CO2 is not open" in react("Li2CO3", "TiO2").stdout
    assert "not open" not in react("Li2CO3", "TiO2", "--atmosphere", "O2=0.21,CO2=4e-4").stdout


def test_subscripts_are_read(react: Callable[..., Answer]) -> None:
    content = json.loads(react("LiCoO₂", "TiO₂", "--json").stdout)
    assert content["reactants"] == ["LiCoO2", "TiO2"]


def kink(mole: float, energy: float, *products: tuple[str, float]) -> dict[str, object]:
    return {
        "fraction": {"mole": mole},
        "dG": {"meV_per_atom": energy},
        "products": [{"phase": name, "formula": name, "mol": mol} for name, mol in products],
    }


def test_rows_that_print_alike_are_one_and_traces_are_not_told() -> None:
    first, second, other = kink(0.33311, -5.0), kink(0.33339, -6.0), kink(0.3341, -4.0)
    assert react_tables._apart([first, second, other]) == [second, other]
    told = react_tables._told(
        [{"phase": n, "formula": n, "mol": m} for n, m in (("Li2O", 1.0), ("TiO2", 9e-5))]
    )
    assert [product["phase"] for product in told] == ["Li2O"]
    kept = react_tables._told(
        [{"phase": n, "formula": n, "mol": m} for n, m in (("Li2O", 1.0), ("TiO2", -2e-4))]
    )
    assert len(kept) == 2
