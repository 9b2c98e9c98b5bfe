"""A relaxation that is killed goes on; many at once; rules about bonds and symmetry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cosinter.analysis.atoms.abort_rules import AbortRules, ConnectivityRule, SymmetryRule
from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.checkpoint import Checkpoint
from cosinter.analysis.atoms.relax_many import RelaxationFailure, relax_many
from cosinter.analysis.atoms.relaxation import Relaxation, relax
from cosinter.data.exceptions import InputError, StorageError, StructureError, UnknownNameError
from cosinter.structures.named import build

SLOWED = """
import sys, time
from pathlib import Path
from cosinter.analysis.atoms.abort_rules import AbortRules, ConnectivityRule, SymmetryRule
from cosinter.analysis.atoms.calculators import make_calculator
from cosinter.analysis.atoms.relaxation import relax
from cosinter.structures.named import build
structure = build("li2tio3")
structure.perturb(0.05, seed=1)
pause = float(sys.argv[2])
found = relax(structure, make_calculator("pmmcs"), checkpoint=Path(sys.argv[1]), on_step=lambda step: time.sleep(pause))
print(found.energy_eV, found.steps)
"""


def relaxed_there(path: Path) -> tuple[float, int]:
    done = subprocess.run(
        [sys.executable, "-c", SLOWED, path, "0"], check=True, capture_output=True, text=True
    )
    energy, steps = done.stdout.split()
    return float(energy), int(steps)


def test_a_killed_relaxation_goes_on_from_its_last_step(tmp_path: Path) -> None:
    whole, _ = relaxed_there(tmp_path / "whole.json")
    path = tmp_path / "killed.json"
    process = subprocess.Popen([sys.executable, "-c", SLOWED, path, "0.1"])
    end = time.monotonic() + 60.0
    structure = build("li2tio3")
    structure.perturb(0.05, seed=1)
    kept = Checkpoint.of(path, structure, "pmmcs")
    while (kept.read() or (None, 0))[1] < 10:
        assert time.monotonic() < end, "no checkpoint was written"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    reached = kept.read()
    assert reached is not None
    energy, steps = relaxed_there(path)
    assert energy == pytest.approx(whole, abs=1e-3), "both within the force tolerance of one minimum"
    assert steps > reached[1], "steps count on"
    assert not path.exists()


def test_a_checkpoint_of_another_start_is_not_used(tmp_path: Path) -> None:
    nio, mno = build("nio"), build("mno")
    path = tmp_path / "kept.json"
    Checkpoint.of(path, nio, "pmmcs").write(nio, 7)
    assert Checkpoint.of(path, nio, "pmmcs").read() is not None
    assert Checkpoint.of(path, nio, "chgnet").read() is None
    assert Checkpoint.of(path, mno, "pmmcs").read() is None
    path.write_text("{", encoding="utf-8")
    assert Checkpoint.of(path, nio, "pmmcs").read() is None


def test_a_checkpoint_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write the checkpoint"):
        relax(build("nio"), make_calculator("pmmcs"), checkpoint=tmp_path / "none" / "kept.json")


def test_many_are_relaxed_in_order_and_one_that_fails_stops_no_other() -> None:
    structures = [build("nio"), build("li2co3"), build("li2o")]
    first, carbonate, third = relax_many(structures, "pmmcs", workers=2)
    assert isinstance(first, Relaxation)
    assert isinstance(third, Relaxation)
    assert isinstance(carbonate, RelaxationFailure)
    assert (carbonate.index, carbonate.kind) == (1, "UnknownNameError")
    assert first.energy_eV == pytest.approx(
        relax(structures[0], make_calculator("pmmcs")).energy_eV, abs=1e-9
    )
    with pytest.raises(InputError, match="workers is 0"):
        relax_many(structures, "pmmcs", workers=0)


def test_a_process_that_dies_costs_its_own_structure_only() -> None:
    found = relax_many([build("nio")], die, workers=1)[0]
    assert isinstance(found, RelaxationFailure)
    assert "the process died" in found.message


def die(_: object) -> object:
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def test_a_phosphate_keeps_its_bonds_and_a_notice_tells_what_it_lost() -> None:
    ltp = build("ltp")
    rules = AbortRules(connectivity="raise", symmetry="notice")
    found = relax(ltp, make_calculator("pmmcs"), rules=rules, max_steps=60)
    assert found.structure.composition == ltp.composition
    assert all("symmetry" in notice for notice in found.notices)


def test_a_broken_bond_is_told() -> None:
    ltp = build("ltp")
    torn = ltp.copy()
    phosphorus = next(site for site in torn if site.specie.symbol == "P")
    oxygen = torn.get_neighbors(phosphorus, 1.7)[0]
    away = (oxygen.coords - phosphorus.coords) / oxygen.nn_distance
    rule = ConnectivityRule(ltp, ("Li",))
    assert rule.broken(ltp) is None
    torn.translate_sites([oxygen.index], 1.2 * away, frac_coords=False)
    assert "cations of LiTi2(PO4)3 have changed their anion neighbours" in str(rule.broken(torn))


def test_a_lost_symmetry_is_told_and_a_drift_is_not() -> None:
    nio = build("nio")
    rule = SymmetryRule(nio, 0.1)
    drifted = nio.copy()
    drifted.translate_sites(list(range(len(nio))), [0.03, 0.01, 0.0])
    assert rule.broken(drifted) is None
    strained = nio.copy()
    strained.lattice = strained.lattice.from_parameters(4.17, 4.17, 4.6, 90, 90, 90)
    assert "has lost" in str(rule.broken(strained))


def test_a_rule_that_strikes_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SymmetryRule, "broken", lambda *_: "NiO has lost 47 of 48 symmetry operations")
    with pytest.raises(StructureError, match="lost 47 of 48 symmetry operations in step 0"):
        relax(build("nio"), make_calculator("pmmcs"), rules=AbortRules(symmetry="raise"))
    assert relax(build("nio"), make_calculator("pmmcs")).notices == (
        "NiO has lost 47 of 48 symmetry operations",
    )
    with pytest.raises(UnknownNameError, match="symmetry rule"):
        AbortRules(symmetry="shout")  # type: ignore[arg-type]
