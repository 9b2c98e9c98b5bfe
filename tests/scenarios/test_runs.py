"""Whole runs as a user starts them: to the end, again, killed, with broken parts, on a full disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cosinter.analysis.parameters import ParameterSet

SMALL = """
name: small
cases:
  - name: bare
  - {name: helped, compensator: {LiOH_wt_percent: 3, Li2CO3_wt_percent: 2}}
furnace: {segments: [{ramp_K_per_min: 10, to_C: 600}, {hold_h: 0.5}, {cool_K_per_min: 10, to_C: 25}]}
atomistic: {calculator: CALCULATOR, relax: [tio2, nio], barriers: [], phonons: [], interfaces: []}
diffraction: {temperatures_C: [600]}
uncertainty_samples: 0
"""
MAIN = "from cosinter.workflows.cli import main; main()"


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def cosinter(*arguments: str | Path, **options: Any) -> tuple[int, str, str]:
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def study_file(folder: Path, calculator: str = "pmmcs") -> Path:
    path = folder / "small.yaml"
    path.write_text(SMALL.replace("CALCULATOR", calculator), encoding="utf-8")
    return path


def manifest(root: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads((root / "manifest.json").read_bytes())["stages"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    code, _, err = cosinter("run", study_file(folder), "--out", folder / "out")
    assert code == 0, err
    return folder


def test_a_run_leaves_what_others_script_against(finished: Path) -> None:
    root = finished / "out"
    assert ParameterSet.from_json((root / "parameters.json").read_bytes()).study == "small"
    assert (root / "report.html").stat().st_size > 10_000
    for row in manifest(root).values():
        assert row["executed"] == 1
        assert row["hash"]
        assert row["started"] <= row["finished"]


def test_balances_of_the_run_are_closed(finished: Path) -> None:
    for case in ("bare", "helped"):
        stage = next((finished / "out" / "stages" / f"sinter-{case}").iterdir())
        errors = json.loads((stage / "result.json").read_bytes())["summary"]["balance_error"]
        assert set(errors) == {"Li", "Ni", "Co", "Mn", "Ti", "Al", "P", "O", "C", "H"}
        assert max(errors.values()) < 1e-9


def test_a_second_run_does_nothing_and_says_so(finished: Path) -> None:
    before = manifest(finished / "out")
    code, out, _ = cosinter("run", finished / "small.yaml", "--out", finished / "out")
    assert code == 0
    assert "nothing to do" in out
    assert manifest(finished / "out") == before


def test_status_and_export_read_the_run(finished: Path) -> None:
    code, out, _ = cosinter("status", finished / "out", "--json")
    assert code == 0
    assert {row["state"] for row in json.loads(out)["stages"]} == {"done"}
    code, out, _ = cosinter(
        "export", finished / "out", "--to", "csv,bpx", "--out", finished / "x", "--case", "bare"
    )
    assert code == 0
    assert sorted(path.name for path in (finished / "x").rglob("*.*")) == [
        "bare.json", "parameter-tables.csv", "parameters.csv"
    ]  # fmt: skip


def test_every_format_is_written_and_read_by_its_tool(finished: Path) -> None:
    import cantera
    import pyarrow.parquet
    from ase.io import read
    from pycalphad import Database
    from pymatgen.core import Structure

    folder = finished / "everything"
    code, out, err = cosinter("export", finished / "out", "--to", "all", "--out", folder, "--json")
    assert code == 0, err
    assert {Path(name) for name in json.loads(out)} == {p for p in folder.rglob("*") if p.is_file()}
    parameters = ParameterSet.from_json((folder / "parameters.json").read_bytes())
    rows = pyarrow.parquet.read_table(folder / "parameters.parquet").to_pylist()
    assert {row["name"]: (row["unit"], row["kind"], row["source"]) for row in rows} == {
        name: (record.unit, record.kind, record.source) for name, record in parameters.parameters.items()
    }
    pytest.importorskip("bpx").parse_bpx_file(str(folder / "bpx" / "bare.json"))
    assert cantera.Solution(str(folder / "cantera.yaml"), "gas").n_species > 5
    assert {"NIO", "LI3PO4", "GAS"} <= set(Database(str(folder / "phases.tdb")).phases)
    (cif,) = folder.glob("structures/nio.cif")
    structure = Structure.from_file(cif)
    assert structure.composition.reduced_formula == "NiO"
    for ending, form in (("poscar", "vasp"), ("lammps", "lammps-data")):
        atoms = read(cif.with_suffix(f".{ending}"), format=form)
        assert abs(atoms.get_volume() / structure.volume - 1.0) < 1e-5
        assert len(atoms) == len(structure)


def test_half_cells_are_solved_and_stand_in_the_report(finished: Path, tmp_path: Path) -> None:
    import shutil

    pytest.importorskip("pybamm")
    root = tmp_path / "out"
    shutil.copytree(finished / "out", root)
    code, out, err = cosinter("cell", root, "--rates", "0.1,1", "--samples", "4", "--json")
    assert code == 0, err
    cells = {row["case"]: row for row in json.loads(out)}
    assert set(cells) == {"bare", "helped"}
    assert 0.0 < cells["bare"]["first_charge_mAh_per_g"] <= cells["helped"]["first_charge_mAh_per_g"]
    for row in cells.values():
        assert [discharge["rate_C"] for discharge in row["discharges"]] == [0.1, 1.0]
        assert row["asr_ohm_cm2"] > row["interphase_ohm_cm2"] > 0.0
    assert {path.name for path in (root / "cell").glob("*.png")} == {
        "bode-modulus.png", "bode-phase.png", "discharge.png", "nyquist.png", "rates.png"
    }  # fmt: skip
    lines = (root / "cell" / "cell.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 4
    assert 'id="cell"' in (root / "report.html").read_text(encoding="utf-8")

    before = json.loads((root / "cell" / "cell.json").read_bytes())
    (root / "cell" / "cell.json").write_text(
        json.dumps([row | {"stage_key": "old"} for row in before]), "utf-8"
    )
    code, _, err = cosinter("report", root)
    assert code == 0, err
    report = (root / "report.html").read_text(encoding="utf-8")
    assert 'id="cell"' not in report
    assert "half-cells of an earlier run" in report

    (root / "cell" / "cell.json").write_text("{", encoding="utf-8")
    code, _, err = cosinter("report", root)
    assert code == 1
    assert "cell.json is damaged" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rates", "fast"), "numbers separated by commas"),
        (("--rates", "0.1,0.1"), "each rate once"),
        (("--rates", "100"), "between 0.01 and 20"),
        (("--case", "burnt"), "burnt"),
    ],
)
def test_mistakes_about_half_cells_are_one_sentence(
    finished: Path, options: tuple[str, str], message: str
) -> None:
    code, _, err = cosinter("cell", finished / "out", *options)
    assert code == 2
    assert message in err
    assert not (finished / "out" / "cell").exists()


def test_patterns_are_written_followed_and_laid_over(finished: Path, tmp_path: Path) -> None:
    import numpy as np

    folder = tmp_path / "xrd"
    code, out, err = cosinter(
        "xrd", finished / "out", "--temperatures", "100,300,500", "--step", "0.05", "--out", folder, "--json"
    )
    assert code == 0, err
    rows = json.loads(out)["peaks"]
    ratios = {row["ratio_003_104"] for row in rows if row["case"] == "bare"}
    assert all(1.0 < ratio < 2.0 for ratio in ratios)
    first = next(row for row in rows if row["reflection"] == "layered (003)")
    assert abs(first["two_theta_deg"] - first["expected_deg"]) < 0.03
    names = {path.name for path in folder.iterdir()}
    assert {
        "bare-0300C.xy",
        "helped-cooled.xy",
        "xrd-map-bare.png",
        "xrd-stack-helped.svg",
        "xrd-peaks.png",
    } <= names

    angles, counts = np.loadtxt(folder / "bare-cooled.xy", unpack=True)
    assert angles[0] == 10.0
    mine = tmp_path / "mine.xy"
    np.savetxt(mine, np.column_stack([angles, 250.0 * counts + 30.0]))
    again = tmp_path / "again"
    code, out, err = cosinter(
        "xrd", finished / "out", "--case", "bare", "--temperatures", "300", "--step", "0.05",
        "--measured", mine, "--out", again, "--json",
    )  # fmt: skip
    assert code == 0, err
    residual = {row["pattern"]: row["residual"] for row in json.loads(out)["overlays"]}
    assert residual[next(name for name in residual if "after cooling" in name)] < 1e-3
    assert list(again.glob("xrd-overlay-*.png"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--temperatures", "hot"), "LOW:HIGH:STEP"),
        (("--temperatures", "100:200:0"), "STEP positive"),
        (("--temperatures", "1400"), "not reached"),
        (("--two-theta", "80:10"), "LOW must be below HIGH"),
        (("--case", "burnt"), "burnt"),
        (("--measured", "none.xy"), "cannot read"),
    ],
)
def test_mistakes_about_patterns_are_one_sentence(
    finished: Path, options: tuple[str, str], message: str
) -> None:
    code, _, err = cosinter("xrd", finished / "out", *options)
    assert code == 2
    assert message in err
    assert not (finished / "out" / "xrd").exists()


def test_runs_are_compared(finished: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(finished / "out", other)
    study = json.loads((other / "study.json").read_bytes())
    study["cathode"]["grain_radius_um"] = 7.5
    study["title"] = "larger <b>grains</b>"
    (other / "study.json").write_text(json.dumps(study), encoding="utf-8")
    page = tmp_path / "page.html"
    code, out, err = cosinter("compare", finished / "out", other, "--out", page, "--json")
    assert code == 0, err
    content = json.loads(out)
    assert [study["name"] for study in content["studies"]] == ["out", "other"]
    (setting,) = content["settings"]
    assert setting["name"] == "cathode.grain_radius_um"
    assert setting["values"][1] == "7.5"
    assert content["parameters"] == []
    assert len(content["outcomes"]) == 4
    text = page.read_text(encoding="utf-8")
    assert "larger &lt;b&gt;grains" in text
    assert "<b>grains" not in text
    assert text.count("data:image/svg+xml") == 3
    assert "http://" not in text.replace("http://www.w3.org", "")
    table = tmp_path / "table.csv"
    assert cosinter("compare", finished / "out", other, "--out", table)[0] == 0
    assert len(table.read_text(encoding="utf-8").splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("out",), "two or more"),
        (("out", "out"), "two or more"),
        (("out", "nowhere"), "not a results folder"),
        (("out", "out", "--out", "x.docx"), ".html, .csv, .json"),
    ],
)
def test_mistakes_in_a_comparison_are_one_sentence(
    finished: Path, arguments: tuple[str, ...], message: str
) -> None:
    places = [str(finished / word) if word in ("out", "nowhere") else word for word in arguments]
    code, _, err = cosinter("compare", *places)
    assert code == 2
    assert message in err


def test_a_changed_input_runs_only_what_depends_on_it(finished: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "out", tmp_path / "out")
    changed = tmp_path / "changed.yaml"
    changed.write_text(
        (finished / "small.yaml")
        .read_text(encoding="utf-8")
        .replace("LiOH_wt_percent: 3", "LiOH_wt_percent: 4"),
        encoding="utf-8",
    )
    code, out, err = cosinter("run", changed, "--out", tmp_path / "out", "--json")
    assert code == 0, err
    assert set(json.loads(out)["ran"]) == {"sinter-helped", "diffraction-helped", "report"}


@pytest.mark.parametrize("victim", ["parent", "workers"])
def test_kill_9_loses_nothing_and_repeats_nothing_finished(tmp_path: Path, victim: str) -> None:
    study, root = study_file(tmp_path), tmp_path / "out"
    process = start("run", study, "--out", root, start_new_session=True)
    wait_for(lambda: list(root.glob("stages/*/*/stage.json")), process)
    if victim == "parent":
        process.kill()
        kill_workers(root)
        process.wait()
    else:
        kill_workers(root)
    process.communicate(timeout=280)
    done = {path.parts[-3] for path in root.glob("stages/*/*/stage.json")}
    code, _, err = cosinter("run", study, "--out", root)
    assert code == 0, err
    rows = manifest(root)
    assert all(row["finished"] for row in rows.values())
    assert all(rows[name]["executed"] == 1 for name in done if name in rows) or victim == "workers"
    assert not list(root.glob("stages/*/.*"))


def workers_of(root: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cosinter.workflows.launchpad" in words and str(root / "launchpad.db").encode() in words:
            found.append(int(entry.parent.name))
    return found


def kill_workers(root: Path) -> None:
    for pid in workers_of(root):
        os.kill(pid, signal.SIGKILL)


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def test_interrupting_keeps_what_is_finished_and_leaves_no_workers(tmp_path: Path) -> None:
    study, root = study_file(tmp_path), tmp_path / "out"
    study.write_text(study.read_text().replace("uncertainty_samples: 0", "uncertainty_samples: 5000"))
    process = start("run", study, "--out", root, start_new_session=True)
    wait_for(lambda: list(root.glob("stages/*/*/stage.json")), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on where it was" in err
    assert workers_of(root) == []


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    study, root = study_file(tmp_path), tmp_path / "out"
    process = start("run", study, "--out", root, start_new_session=True)
    wait_for(lambda: workers_of(root), process)
    code, _, err = cosinter("run", study, "--out", root)
    assert code == 2
    assert "another cosinter run" in err
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


BROKEN = """
from ase.calculators.calculator import Calculator, all_changes

class Raises(Calculator):
    implemented_properties = ["energy", "forces", "stress"]
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        raise ZeroDivisionError("it broke")

class Nan(Calculator):
    implemented_properties = ["energy", "free_energy", "forces", "stress"]
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        import numpy as np
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float("nan"), "free_energy": float("nan"),
                        "forces": np.full((len(atoms), 3), np.nan), "stress": np.zeros(6)}
"""


@pytest.mark.parametrize("name", ["Raises", "Nan"])
def test_a_broken_calculator_is_one_sentence_and_exit_code_1(tmp_path: Path, name: str) -> None:
    (tmp_path / "brokencalc.py").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(f"calculators: ['brokencalc:{name}']", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COSINTER_HOME": str(tmp_path)}
    study = study_file(tmp_path, f"brokencalc:{name}")
    code, _, err = cosinter("run", study, "--out", tmp_path / "out", env=environment)
    assert code == 1
    assert "Traceback" not in err
    assert "failed: relax-tio2" in err
    assert not list((tmp_path / "out").glob("stages/relax-*/*/stage.json"))
    assert list((tmp_path / "out").glob("stages/sinter-bare/*/stage.json")), (
        "the rest of the workflow goes on"
    )


def test_a_full_disk_is_one_sentence_and_leaves_no_half_result(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small tmpfs here")
    try:
        code, _, err = cosinter("run", study_file(tmp_path), "--out", disk / "out")
        assert code == 1
        assert "full" in err
        assert "Traceback" not in err
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
