"""The commands about atoms, as a user types them: what they print, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table
from cosinter.structures.migration import path_names
from cosinter.workflows import atoms_benchmark
from cosinter.workflows.cli import app
from cosinter.workflows.commands.crystals import parse_plane
from cosinter.workflows.references import reference_barrier

INTERFACE_KEYS = {
    "film", "substrate", "miller", "strain_percent", "area_A2", "atoms", "in_plane_residual_A", "min_distance_A",
    "composition_ok",
}  # fmt: skip
BARRIER_KEYS = {
    "host", "path", "barrier_eV", "reverse_barrier_eV", "images", "climbing", "converged", "calculator",
}  # fmt: skip


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


def refused(*arguments: str | Path) -> str:
    """What a mistake in the input raises; ``leave_well`` turns it into one sentence and exit code 2."""
    result = run(*arguments)
    assert isinstance(result.exception, InputError), result
    return str(result.exception)


def test_orderings_are_ranked_and_written(tmp_path: Path) -> None:
    from pymatgen.core import Composition, Structure

    result = run("orderings", "ncm811", "--count", 6, "--keep", 2, "--out", tmp_path / "o", "--json")
    rows = json.loads(result.stdout)["candidates"]
    assert [row["rank"] for row in rows] == [1, 2]
    assert rows[0]["electrostatic_energy_eV"] <= rows[1]["electrostatic_energy_eV"] + 1e-6
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        "001.cif",
        "001.json",
        "002.cif",
        "002.json",
    ]
    best = Structure.from_file(tmp_path / "o" / "001.json")
    assert best.charge == 0
    assert best.composition.element_composition == Composition("Li30 Ni24 Co3 Mn3 O60")


def test_orderings_can_be_ranked_by_a_calculator() -> None:
    rows = json.loads(
        run(
            "orderings", "licoo2", "--supercell", "1,1,1", "--count", 1, "--calculator", "pmmcs", "--json"
        ).stdout
    )
    assert rows["candidates"][0]["energy_eV"] < 0.0


def test_a_slab_tells_its_polarity(tmp_path: Path) -> None:
    out = tmp_path / "slab.cif"
    result = run("slab", "nio", "100", "--thickness", 6, "--out", out, "--json")
    best = json.loads(result.stdout)["slabs"][0]
    assert (best["tasker"], best["polar"]) == ("I", False)
    assert out.read_text(encoding="utf-8")


def test_interfaces_have_the_keys_that_scripts_read(tmp_path: Path) -> None:
    result = run(
        "interface", "linio2", "li2tio3", "--film-plane", "001", "--substrate-plane", "001", "--models", 2,
        "--out", tmp_path / "i", "--json",
    )  # fmt: skip
    rows = json.loads(result.stdout)
    assert rows
    assert all(row.keys() >= INTERFACE_KEYS for row in rows)
    assert all(row["in_plane_residual_A"] < 1e-3 and row["min_distance_A"] >= 1.4 for row in rows)
    assert (tmp_path / "i" / "01.json").is_file()
    assert json.loads((tmp_path / "i" / "interfaces.json").read_text(encoding="utf-8")) == rows


def test_a_barrier_has_the_keys_that_scripts_read(tmp_path: Path) -> None:
    result = run("barrier", "li4ti5o12", "--out", tmp_path / "b", "--json")
    found = json.loads(result.stdout)
    assert found.keys() >= BARRIER_KEYS
    assert found["images"][0].keys() == {"distance_A", "energy_eV", "max_force_eV_per_A"}
    assert found["barrier_eV"] == max(image["energy_eV"] for image in found["images"])
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"barrier.json", "path.png", "path.xyz"}


def test_the_hosts_of_hops_are_listed() -> None:
    listed = json.loads(run("barrier", "--list", "--json").stdout)
    assert listed["LTP"] == ["m1-m2-m1"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("orderings", "ncm811", "--supercell", "2,2,1"), "the smallest that fits is 5x2x1"),
        (("orderings", "ncm811", "--supercell", "2,2"), "give three whole numbers"),
        (("orderings", "Li1.4NiO2"), "lithium content 1.4"),
        (("orderings", "tio2"), "is neither"),
        (("orderings", "latp", "--stage", "2"), "those of layered oxides"),
        (("slab", "ncm811", "1x4"), "plane '1x4'"),
        (("slab", "ncm811", "000"), "name no plane"),
        (("interface", "ncm811", "latp", "--max-atoms", "20"), "more than max_atoms 20"),
        (("barrier", "unobtainium"), "unknown host of a hop"),
        (("barrier", "li2tio3", "--path", "over-the-hill"), "unknown path in li2tio3"),
        (("barrier", "linio2", "--lithium", "0.4"), "0.9"),
        (("barrier", "ltp", "--calculator", "psychic"), "psychic"),
        (("benchmark", "atoms", "--calculator", "psychic"), "psychic"),
    ],
)
def test_mistakes_get_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    message = refused(*arguments)
    assert sentence in message
    assert "\n" not in message


def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot make the folder" in refused("barrier", "ltp", "--out", tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("text", "plane"), [("104", (1, 0, 4)), ("1,-1,4", (1, -1, 4)), ("(012)", (0, 1, 2))]
)
def test_planes_are_read(text: str, plane: tuple[int, int, int]) -> None:
    assert parse_plane(text) == plane


def test_a_benchmark_shows_its_holes_and_is_not_run_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atoms_benchmark, "STRUCTURES", ("tio2_rutile", "li2co3"))
    monkeypatch.setattr(atoms_benchmark, "BARRIERS", ())
    monkeypatch.setattr(atoms_benchmark, "VIBRATIONS", ("tio2_rutile",))
    tables, outcome = atoms_benchmark.run_benchmark(["pmmcs"], tmp_path)
    rutile, carbonate = tables["structures"]
    assert abs(rutile["lattice_error_percent"]["c"]) < 3 * 1.5, "the stated error of the potential is 1.5 %"
    assert "sign" in rutile["hull_note"]
    assert carbonate["lattice_error_percent"] is None
    assert "C4+" in carbonate["error"]
    entropy = tables["entropies"][0]
    assert entropy["measured_entropy_J_per_mol_K"] == pytest.approx(50.3, abs=0.5)
    assert abs(entropy["entropy_deviation_percent"]) < 2 * 15, "the stated error of the potential is 15 %"
    assert len(outcome.failures) == 1
    again, second = atoms_benchmark.run_benchmark(["pmmcs"], tmp_path)
    assert len(second.kept) == 2
    assert again["entropies"] == tables["entropies"]


def test_every_cited_barrier_belongs_to_a_path_that_can_be_computed() -> None:
    for row in load_table("references")["barriers"]:
        assert row["path"] in path_names(row["host"])
        assert reference_barrier(row["host"].lower(), row["path"]) is not None


def test_the_same_hop_is_cited_before_a_long_range_energy() -> None:
    row = reference_barrier("li4ti5o12", "8a-16c-8a")
    assert row is not None
    assert row["same_hop"]
    assert reference_barrier("LiNi0.5Mn0.5O2", "dumbbell") is None
