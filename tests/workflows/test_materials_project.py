"""The real mp-api client against a local server that speaks the API's shapes and misbehaves on purpose."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError, MissingEngineError, StorageError
from cosinter.workflows.commands import data as cli_data
from cosinter.workflows.sources import materials_project, mp_client
from cosinter.workflows.sources.materials_project import batches, check_elements, fetch, subsystems
from cosinter.workflows.sources.mp_client import FetchError, find_endpoint, find_key
from cosinter.workflows.sources.snapshots import (
    load_snapshot,
    read_manifest,
    snapshot_contents,
    snapshot_phases,
)
from cosinter.workflows.sources.user_data import snapshots_folder
from tests.workflows.materials_project_server import KEY, Service, running_service

SMALL = ("Li", "O", "C")
TEN = ("Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "O", "H", "C")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("pymatgen.core.SETTINGS", {})
    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.delenv("MP_API_ENDPOINT", raising=False)
    return tmp_path / "home"


@pytest.fixture
def service(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    pytest.importorskip("mp_api", reason="the extra mp is not installed: pip install 'cosinter[mp]'")
    with running_service() as found:
        monkeypatch.setenv("MP_API_KEY", KEY)
        monkeypatch.setenv("MP_API_ENDPOINT", found.address)
        yield found


class Clock:
    """Remembers pauses instead of waiting."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.lines: list[str] = []

    def run(self, elements: tuple[str, ...] = SMALL, *, timeout_s: float = 5.0) -> None:
        fetch(
            elements,
            name="mp",
            report=self.lines.append,
            sleep=self.pauses.append,
            timeout_s=timeout_s,
        )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".fetching" not in path.parts
    }


def test_documents_are_those_of_the_api(service: Service) -> None:
    from emmet.core.thermo import ThermoDoc

    for document in service.documents:
        assert ThermoDoc.model_validate(document).thermo_type.value == "GGA_GGA+U"


def test_fetch_freezes_what_works_offline(service: Service, home: Path) -> None:
    Clock().run()
    manifest = read_manifest("mp")
    assert (manifest.database_version, manifest.functional, manifest.count) == ("2025.09.25", "GGA_GGA+U", 5)
    assert manifest.elements == ("C", "Li", "O")
    service.requests.clear()
    phases = {phase.formula: phase for phase in snapshot_phases("mp", load_library())}
    assert set(phases) == {"Li2O", "Li2CO3"}
    assert not service.requests
    assert all(p.energy_source == "mp" and p.thermal_source == "descriptor" for p in phases.values())
    assert "2025.09.25" in phases["Li2O"].source
    assert not (snapshots_folder() / ".fetching" / "mp").exists()


def test_the_key_is_nowhere_on_disk_nor_in_messages(service: Service, home: Path) -> None:
    clock = Clock()
    service.bad_days = ["504", "reset", "garbage"]
    clock.run()
    assert len(clock.pauses) == 3
    assert not any(KEY in line for line in clock.lines)
    assert not any(KEY.encode() in data for data in contents(home).values())


def test_ten_elements_in_several_requests(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp_client, "PAGE", 3)
    Clock().run(TEN)
    systems = [system for request in service.requests for system in request]
    assert set(systems) == set(subsystems(TEN))
    assert len(set(systems)) == 1023
    assert max(len(",".join(request)) for request in service.requests) < 8000
    manifest, entries = load_snapshot("mp")
    assert manifest.count == len(service.documents) == len(entries)


def test_energies_arrive_with_mp2020_once(service: Service) -> None:
    from pymatgen.core.entries import ComputedEntry as Peer

    Clock().run(TEN)
    served = {
        record["entry_id"]: Peer.from_dict({k: v for k, v in record.items() if k != "structure"}).energy
        for document in service.documents
        for record in document["entries"].values()
    }
    _, entries = load_snapshot("mp")
    assert {entry.entry_id: pytest.approx(entry.corrected_energy, abs=1e-9) for entry in entries} == served


@pytest.mark.parametrize("fault", ["429:7", "500", "502", "503", "504", "reset", "cut", "garbage", "empty"])
def test_passing_faults_are_waited_out(service: Service, fault: str) -> None:
    clock = Clock()
    service.bad_days = [fault, fault]
    clock.run()
    assert len(clock.pauses) == 2
    assert clock.pauses[1] >= (7.0 if fault == "429:7" else clock.pauses[0])
    assert read_manifest("mp").count == 5


def test_an_answer_with_too_few_documents_is_not_believed(service: Service) -> None:
    clock = Clock()
    service.bad_days = ["short", "short"]
    clock.run()
    assert "sent 4 of 5 documents" in clock.lines[0]
    assert read_manifest("mp").count == 5


def test_a_silent_server_is_waited_for_no_longer_than_told(service: Service) -> None:
    clock = Clock()
    service.bad_days = ["slow"]
    clock.run(timeout_s=0.4)
    assert clock.lines[0] == f"{service.address[7:-1]}: no answer in time; trying again in 2 s"


@pytest.mark.parametrize("fault", ["429", "504", "reset", "cut", "garbage", "empty", "short"])
def test_lasting_faults_leave_the_former_snapshot(service: Service, fault: str) -> None:
    clock = Clock()
    clock.run()
    before = contents(snapshots_folder())
    service.bad_days = [fault] * 50
    service.versions = ["2026.01.01"]
    with pytest.raises(FetchError, match="untouched") as caught:
        clock.run()
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert contents(snapshots_folder()) == before


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refused_key_is_the_users_mistake(service: Service, status: str) -> None:
    Clock().run()
    before = contents(snapshots_folder())
    clock = Clock()
    service.bad_days = [status]
    with pytest.raises(InputError, match=rf"refused the key.*\(HTTP {status}"):
        clock.run()
    assert clock.pauses == []
    assert contents(snapshots_folder()) == before


def test_wrong_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", KEY[::-1])
    with pytest.raises(InputError, match="refused the key") as caught:
        Clock().run()
    assert KEY[::-1] not in str(caught.value)


def test_a_cut_off_fetch_goes_on_where_it_stopped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materials_project, "LIST_LENGTH", 20)
    service.bad_days = ["fine", "fine", *["504"] * 20]
    with pytest.raises(FetchError, match="goes on later"):
        Clock().run()
    first = [tuple(request) for request in service.requests]
    service.bad_days.clear()
    service.requests.clear()
    Clock().run()
    second = [tuple(request) for request in service.requests]
    assert not set(first[:2]) & set(second)
    assert read_manifest("mp").count == 5


@pytest.mark.slow
def test_a_killed_fetch_goes_on_where_it_stopped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.bad_days = ["fine", "fine", *["slow"] * 20]
    code = (
        "from cosinter.workflows.sources import materials_project as m\n"
        "m.LIST_LENGTH = 20\n"
        f"m.fetch({SMALL!r}, name='mp')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60.0
    while len(service.requests) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    first = [tuple(request) for request in service.requests]
    assert len(first) == 3
    assert not list(snapshots_folder().glob("mp/*"))
    service.bad_days.clear()
    service.requests.clear()
    monkeypatch.setattr(materials_project, "LIST_LENGTH", 20)
    Clock().run()
    assert not set(first[:2]) & {tuple(request) for request in service.requests}
    assert read_manifest("mp").count == 5


def test_a_damaged_part_is_fetched_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materials_project, "LIST_LENGTH", 20)
    service.bad_days = ["fine", *["504"] * 20]
    with pytest.raises(FetchError):
        Clock().run()
    (part,) = snapshots_folder().glob(".fetching/mp/part-*.json.gz")
    part.write_bytes(part.read_bytes()[:-9])
    service.bad_days.clear()
    Clock().run()
    assert read_manifest("mp").count == 5


def test_a_long_pause_is_not_waited_for(service: Service) -> None:
    clock = Clock()
    service.bad_days = ["429:3600"]
    with pytest.raises(FetchError, match="asks for a pause of 3600 s"):
        clock.run()
    assert clock.pauses == []


def test_lists_too_long_for_the_server_are_halved(service: Service) -> None:
    service.longest = 60
    Clock().run(("Li", "O", "C", "Al", "Ni"))
    assert len([r for r in service.requests if len(",".join(r)) <= 60]) > 2
    assert read_manifest("mp").count == 9


def test_a_new_database_version_begins_anew(service: Service) -> None:
    clock = Clock()
    service.versions = ["2025.09.25", "2025.11.01", "2025.11.01", "2025.11.01"]
    clock.run()
    assert any("changed from 2025.09.25 to 2025.11.01" in line for line in clock.lines)
    assert read_manifest("mp").database_version == "2025.11.01"
    service.versions = ["a", "b", "c", "d"]
    before = contents(snapshots_folder())
    with pytest.raises(FetchError, match="changed twice"):
        clock.run()
    assert contents(snapshots_folder()) == before


def test_mixed_functionals_are_refused(service: Service) -> None:
    service.documents[0]["thermo_type"] = "GGA_GGA+U_R2SCAN"
    with pytest.raises(FetchError, match="GGA_GGA\\+U_R2SCAN where GGA_GGA\\+U was asked"):
        Clock().run()
    service.documents[0]["thermo_type"] = "GGA_GGA+U"
    next(iter(service.documents[0]["entries"].values()))["parameters"]["run_type"] = "R2SCAN"
    with pytest.raises(FetchError, match="mix functionals"):
        Clock().run()
    assert not list(snapshots_folder().glob("mp/*"))


def test_uncorrected_oxides_and_missing_elements_are_refused(service: Service) -> None:
    record = next(iter(service.documents[0]["entries"].values()))
    service.documents[0]["entries"] = {"GGA": {**record, "energy_adjustments": [], "correction": 0.0}}
    with pytest.raises(FetchError, match="without MP2020 correction"):
        Clock().run()
    service.documents[:] = [d for d in service.documents[1:] if d["chemsys"] != "Li"]
    with pytest.raises(FetchError, match="no entry of pure Li"):
        Clock().run()


def test_one_odd_document_is_left_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materials_project, "MOST_UNCORRECTED", 0.3)
    record = next(iter(service.documents[0]["entries"].values()))
    service.documents[0]["entries"] = {"GGA": {**record, "energy_adjustments": [], "correction": 0.0}}
    clock = Clock()
    clock.run()
    assert "left out mp-1960-GGA: an oxide without MP2020 correction" in clock.lines
    assert read_manifest("mp").count == 4


def test_a_page_that_comes_twice_is_noticed(service: Service) -> None:
    service.documents.append(service.documents[0])
    with pytest.raises(FetchError, match="sent 5 of 6 documents"):
        Clock().run()


def test_a_full_disk_leaves_the_former_snapshot(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock().run()
    service.versions = ["2026.01.01"]

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cosinter.workflows.sources.snapshots.write_atomically", full)
    with pytest.raises(StorageError, match="No space left"):
        Clock().run()
    monkeypatch.undo()
    monkeypatch.setenv("COSINTER_HOME", str(snapshots_folder().parent))


def test_no_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mp_api", reason="the extra mp is not installed: pip install 'cosinter[mp]'")
    with running_service() as gone:
        address = gone.address
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("MP_API_ENDPOINT", address)
    with pytest.raises(FetchError, match=r"no connection \(is there a network"):
        Clock().run()


def test_without_the_client(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setattr(mp_client, "version", missing)
    with pytest.raises(MissingEngineError, match=r"pip install 'cosinter\[mp\]'"):
        Clock().run()


def test_keys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no key"):
        find_key()
    monkeypatch.setattr("pymatgen.core.SETTINGS", {"PMG_MAPI_KEY": KEY})
    assert find_key() == KEY
    monkeypatch.setenv("MP_API_KEY", "too-short")
    with pytest.raises(InputError, match="32 letters and digits") as caught:
        find_key()
    assert "too-short" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://example.org/", "ftp://localhost/", "example.org"])
def test_a_key_is_never_sent_in_clear(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MP_API_ENDPOINT", address)
    with pytest.raises(InputError, match="must be an https address"):
        find_endpoint()


def test_subsystems_are_complete_and_lists_short() -> None:
    systems = subsystems(TEN)
    assert len(systems) == len(set(systems)) == 2**10 - 1
    cut = list(batches(systems, length=500))
    assert [system for batch in cut for system in batch] == list(systems)
    assert max(sum(len(system) + 3 for system in batch) for batch in cut) <= 500


@pytest.mark.parametrize(
    ("elements", "words"),
    [(("Li", "Xx"), "'Xx' is not"), (("Li",), "2 to 12"), (tuple("HBCNOFPSKVYWI"), "2 to 12")],
)
def test_wrong_elements(elements: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_elements(elements)


def test_the_command_prints_one_sentence(service: Service) -> None:
    run = CliRunner().invoke(cli_data.app, ["fetch", "--elements", "Li,O"])
    assert run.stdout == "snapshot mp: 3 entries, database 2025.09.25\n"
    service.bad_days = ["401"]
    service.versions = ["2026.01.01"]
    run = CliRunner().invoke(cli_data.app, ["fetch", "--elements", "Li,O"])
    assert isinstance(run.exception, InputError)
    assert "refused the key (HTTP 401)" in str(run.exception)
    assert KEY not in run.output
    assert CliRunner().invoke(cli_data.app, ["verify"]).stdout.startswith("mp: whole; 1 phases\n")


def test_carbonates_are_shifted_by_the_measured_error(service: Service) -> None:
    Clock().run()
    contents_ = snapshot_contents("mp", load_library())
    carbonate = next(phase for phase in contents_.phases if phase.formula == "Li2CO3")
    assert "mean error of carbonates" in carbonate.note
    measured = load_library().phase("Li2CO3")
    assert abs(float(carbonate.gibbs(900.0) - measured.gibbs(900.0))) < 2.0 * float(
        carbonate.gibbs_uncertainty(900.0)
    )
    assert any("gas" in reason or "element" in reason for _, reason in contents_.left_out)
