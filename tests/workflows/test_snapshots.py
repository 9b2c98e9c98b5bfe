"""Snapshots: whole or refused; imports with their corrections counted once."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cosinter.analysis.thermochemistry.corrections import DoubleCorrectionError
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError, StorageError, UnknownNameError
from cosinter.workflows.commands import data as cli_data
from cosinter.workflows.commands.doctor import examine
from cosinter.workflows.sources.entry_import import import_entries
from cosinter.workflows.sources.libraries import chosen_library
from cosinter.workflows.sources.snapshots import (
    check_name,
    freeze,
    load_snapshot,
    parse_json,
    read_manifest,
    snapshot_names,
    snapshot_phases,
)
from cosinter.workflows.sources.user_data import snapshots_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "home"))
    return tmp_path


def cell(edge: float, species: list[str]) -> dict[str, Any]:
    """Structure as pymatgen writes it: a cube with its atoms along the diagonal."""
    return {
        "lattice": {"matrix": [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]},
        "sites": [
            {"species": [{"element": e, "occu": 1}], "abc": [i / len(species)] * 3}
            for i, e in enumerate(species)
        ],
    }


def entry(identity: str, species: list[str], energy: float, **changes: Any) -> dict[str, Any]:
    """Energies of the Materials Project as shipped with pymatgen (mp-1960 and its elements), in a cube."""
    composition = {e: float(species.count(e)) for e in species}
    return {
        "@module": "pymatgen.core.entries",
        "@class": "ComputedStructureEntry",
        "entry_id": identity,
        "composition": composition,
        "energy": energy,
        "correction": 0.0,
        "energy_adjustments": [],
        "parameters": {"run_type": "GGA", "hubbards": {}},
        "data": {},
        "structure": cell(2.9, species),
        **changes,
    }


RAW = [
    entry("mp-1960", ["Li", "Li", "O"], -14.2636),
    entry("mp-1018134", ["Li"], -1.90892),
    entry("mp-12957", ["O", "O"], -9.89592),
]
LISTED = [
    {
        **RAW[0],
        "correction": -0.687,
        "energy_adjustments": [
            {"adj_per_atom": -0.687, "n_atoms": 1.0, "name": "MP2020 anion correction (oxide)"}
        ],
    },
    *RAW[1:],
]


def write(folder: Path, content: Any, name: str = "entries.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def store(name: str = "mine") -> None:
    freeze(LISTED, name=name, source="test", functional="GGA_GGA+U", elements=["Li", "O"])


def test_round_trip() -> None:
    store()
    manifest, entries = load_snapshot("mine")
    assert (manifest.count, manifest.elements, manifest.corrections) == (3, ("Li", "O"), "listed")
    assert entries[0].corrected_energy == pytest.approx(-14.9506)
    (phase,) = snapshot_phases("mine", load_library())
    assert phase.name == "Li2O (mp-1960)"
    assert not list(snapshots_folder().rglob(".*.json*"))


def test_a_stored_phase_takes_the_place_and_the_name_of_the_known_one() -> None:
    store()
    library = chosen_library(("mp", "measured", "chgnet", "assumed"))
    lithia = library.phase("Li2O")
    assert (lithia.name, lithia.energy_source) == ("Li2O", "mp")
    assert "mp-1960" in lithia.source
    assert set(library.names) == set(load_library().names)


def test_anchors_are_kept_and_made_again_where_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    store()
    library = load_library()
    first = snapshot_phases("mine", library)
    path = snapshots_folder() / "mine" / "anchors.json"
    kept = path.read_bytes()
    monkeypatch.setattr(
        "cosinter.workflows.sources.anchor_cache.find_anchors", lambda *_: pytest.fail("anew")
    )
    second = snapshot_phases("mine", library)
    assert float(first[0].gibbs(900.0)) == float(second[0].gibbs(900.0))
    monkeypatch.undo()
    monkeypatch.setenv("COSINTER_HOME", str(path.parents[2]))
    for damage in (b"{", b"[]", b'{"key": 1}', kept.replace(b'"key": "', b'"key": "x')):
        path.write_bytes(damage)
        snapshot_phases("mine", library)
        assert path.read_bytes() == kept


def test_equal_contents_are_equal_files() -> None:
    store("a")
    store("b")
    assert read_manifest("a").sha256 == read_manifest("b").sha256


def test_pymatgen_reads_a_snapshot() -> None:
    from pymatgen.core.entries import ComputedEntry

    store()
    path = snapshots_folder() / "mine" / read_manifest("mine").file
    record = json.loads(gzip.decompress(path.read_bytes()))[1]
    assert ComputedEntry.from_dict(record).energy == pytest.approx(-1.90892)


def damage_bytes(folder: Path) -> None:
    (path,) = folder.glob("entries-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def damage_half(folder: Path) -> None:
    (path,) = folder.glob("entries-*")
    path.write_bytes(path.read_bytes()[:50])


def damage_missing(folder: Path) -> None:
    (path,) = folder.glob("entries-*")
    path.unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def damage_fields(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"schema": 1}')


def damage_path(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "file": "../../secret"}))


def damage_version(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))


def damage_count(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "count": 7}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_bytes, "checksum"),
        (damage_half, "checksum"),
        (damage_missing, "cannot be read"),
        (damage_manifest, "manifest of snapshot 'mine' is damaged"),
        (damage_fields, "manifest of snapshot 'mine' is damaged"),
        (damage_path, "manifest of snapshot 'mine' is damaged"),
        (damage_version, "reads version 1"),
        (damage_count, "3 entries instead of 7"),
    ],
)
def test_damage_is_named(damage: Any, words: str) -> None:
    store()
    damage(snapshots_folder() / "mine")
    with pytest.raises(StorageError, match=words) as caught:
        load_snapshot("mine")
    assert "\n" not in str(caught.value)
    run = CliRunner().invoke(cli_data.app, ["verify"])
    assert isinstance(run.exception, StorageError)
    assert CliRunner().invoke(cli_data.app, ["list"]).exit_code == 0


def test_a_renewal_that_fails_leaves_the_former(monkeypatch: pytest.MonkeyPatch) -> None:
    store()
    before = read_manifest("mine")

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cosinter.workflows.sources.snapshots.write_atomically", full)
    with pytest.raises(StorageError, match="No space left"):
        freeze(RAW[1:], name="mine", source="test", functional="GGA_GGA+U", elements=["Li", "O"])
    assert load_snapshot("mine")[0] == before


def test_a_renewal_removes_the_former_entries() -> None:
    store()
    freeze(LISTED[:2], name="mine", source="test", functional="GGA_GGA+U", elements=["Li", "O"])
    assert len(list((snapshots_folder() / "mine").glob("entries-*"))) == 1
    assert load_snapshot("mine")[0].count == 2


@pytest.mark.parametrize("name", ["", ".hidden", "../x", "a/b", "a b", "x" * 65])
def test_wrong_names(name: str) -> None:
    with pytest.raises(InputError, match="snapshot name"):
        check_name(name)


def test_unknown_snapshots() -> None:
    assert snapshot_names() == ()
    with pytest.raises(InputError, match="nor any other"):
        read_manifest("mine")
    store()
    with pytest.raises(UnknownNameError, match="did you mean mine"):
        read_manifest("mien")


@pytest.mark.parametrize("data", [b"{", b"[NaN]", b"\x1f\x8b\x08broken", b"\xff\xfe", b"[" * 200_000])
def test_what_is_not_json(data: bytes) -> None:
    with pytest.raises(InputError, match="is not readable JSON"):
        parse_json(data, origin="file.json")


def test_import_listed(home: Path) -> None:
    done = import_entries(write(home, LISTED), name="mine")
    assert (done.manifest.count, done.manifest.source, done.left_out) == (3, "entries.json", ())
    (phase,) = snapshot_phases("mine", load_library())
    assert phase.energy_source == "mp"


def test_import_applies_once_and_keeps_what_it_applied(home: Path) -> None:
    import_entries(write(home, {"entries": RAW}), name="mine", corrections="apply")
    manifest, entries = load_snapshot("mine")
    assert manifest.corrections == "listed"
    assert entries[0].corrected_energy == pytest.approx(-14.2636 - 0.687)
    path = snapshots_folder() / "mine" / manifest.file
    with pytest.raises(DoubleCorrectionError, match="never applied twice"):
        import_entries(path, name="again", corrections="apply")
    assert snapshot_names() == ("mine",)


def test_import_included(home: Path) -> None:
    import_entries(write(home, RAW), name="labels", corrections="included")
    assert load_snapshot("labels")[1][0].corrected_energy == pytest.approx(-14.2636)
    with pytest.raises(DoubleCorrectionError, match="cannot also include"):
        import_entries(write(home, LISTED), name="labels", corrections="included", replace=True)


def test_peroxides_are_known_by_their_structure(home: Path) -> None:
    close = {
        "lattice": {"matrix": [[6.0, 0, 0], [0, 6.0, 0], [0, 0, 6.0]]},
        "sites": [
            {"species": [{"element": e, "occu": 1}], "abc": abc}
            for e, abc in (
                ("Li", [0.5, 0.5, 0]),
                ("Li", [0.5, 0, 0.5]),
                ("O", [0, 0, 0]),
                ("O", [0, 0, 0.25]),
            )
        ],
    }
    peroxide = entry("odd", ["Li", "Li", "O", "O"], -19.0, structure=close)
    import_entries(write(home, [*RAW, peroxide]), name="mine", corrections="apply")
    found = {item.entry_id: item for item in load_snapshot("mine")[1]}
    assert found["odd"].corrected_energy - found["odd"].energy_eV == pytest.approx(-2 * 0.465)


def test_import_refuses(home: Path) -> None:
    for content, words in (
        (RAW, "without MP2020 correction"),
        (LISTED[:2], "no pure O"),
        ([*LISTED, entry("s", ["Li"], -2.0, parameters={"run_type": "R2SCAN"})], "mix functionals"),
        ([*LISTED, LISTED[0]], "two computed entries have the id"),
        ([], "is empty"),
        ("no JSON", "is not readable JSON"),
    ):
        with pytest.raises(InputError, match=words):
            import_entries(write(home, content), name="mine")
    assert snapshot_names() == ()
    with pytest.raises(InputError, match="cannot read"):
        import_entries(home / "none.json", name="mine")


def test_commands(home: Path) -> None:
    path = write(home, RAW)
    run = CliRunner().invoke(cli_data.app, ["import", str(path), "--name", "mine", "--corrections", "apply"])
    assert run.stdout == "snapshot mine: 3 entries, GGA_GGA+U\n", run.exception
    listed = json.loads(CliRunner().invoke(cli_data.app, ["list", "--json"]).stdout)
    assert [item["name"] for item in listed["snapshots"]] == ["mine"]
    run = CliRunner().invoke(cli_data.app, ["verify", "mine"])
    assert "mine: whole; 1 phases" in run.stdout
    assert "2 entries make no phase: an element" in run.stdout
    checked = json.loads(CliRunner().invoke(cli_data.app, ["verify", "--json"]).stdout)
    assert checked["mine"]["phases"] == 1
    assert list(checked["mine"]["left_out"].values()) == [2]


def test_a_name_is_not_taken_twice_by_mistake(home: Path) -> None:
    import_entries(write(home, LISTED), name="mine")
    before = read_manifest("mine").sha256
    with pytest.raises(InputError, match="already; choose another --name, or add --replace"):
        import_entries(write(home, RAW), name="mine", corrections="included")
    assert read_manifest("mine").sha256 == before
    import_entries(write(home, RAW), name="mine", corrections="included", replace=True)
    assert read_manifest("mine").sha256 != before


def test_the_list_fits_80_columns(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_entries(write(home, LISTED), name="a-rather-long-name-of-mine")
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(cli_data.app, ["list"]).stdout
    for heading in ("name", "elements", "entries", "functional", "from"):
        assert heading in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_doctor_looks_at_every_snapshot(home: Path) -> None:
    import_entries(write(home, LISTED), name="good")
    import_entries(write(home, LISTED), name="bad")
    (snapshots_folder() / "bad" / read_manifest("bad").file).write_bytes(b"cut off")
    checks = {check.name: check for check in examine()}
    assert checks["snapshot good"].good
    assert "3 entries" in checks["snapshot good"].detail
    assert not checks["snapshot bad"].good
    assert "checksum" in checks["snapshot bad"].detail
    assert checks["your data folder"].good


def test_the_doctor_finds_a_data_folder_that_cannot_be(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = home / "file"
    blocker.parent.mkdir(parents=True, exist_ok=True)
    blocker.write_text("", encoding="utf-8")
    monkeypatch.setenv("COSINTER_HOME", str(blocker / "inside"))
    (check,) = [check for check in examine() if check.name == "your data folder"]
    assert not check.good
    assert "COSINTER_HOME" in check.detail


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("fetch", "--elements", "Li,Xx"), 2, "'Xx' is not a chemical element"),
        (("import", "none.json", "--name", "x"), 2, "cannot read none.json"),
        (("verify", "broken"), 1, "manifest of snapshot 'broken' is damaged"),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int, words: str) -> None:
    folder = snapshots_folder() / "broken"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    main = "from cosinter.workflows.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", main, "data", *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == code
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
