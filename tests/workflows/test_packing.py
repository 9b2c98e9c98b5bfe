"""A packed folder runs alone and comes back; what does not belong into it is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import CosinterError, InputError
from cosinter.workflows import packing
from cosinter.workflows import plan as plans
from cosinter.workflows.execution import run_stage
from cosinter.workflows.flows import run_plan
from cosinter.workflows.packing import pack, run_packed, unpack
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.results import Results, sha256

STUDY = """
name: small
cases: [{name: bare}]
furnace: {segments: [{ramp_K_per_min: 10, to_C: 500}, {cool_K_per_min: 10, to_C: 25}]}
atomistic: {relax: [nio], barriers: [], phonons: [], interfaces: []}
diffraction: {temperatures_C: [500]}
uncertainty_samples: 0
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "small.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed folder whose stages were run."""
    folder = tmp_path_factory.mktemp("far") / "packed"
    pack(study, folder)
    assert run_packed(folder).complete
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "packed"))


def test_there_and_back(finished: Path, study: Path, tmp_path: Path) -> None:
    back = unpack(finished, tmp_path / "out")
    plan = Plan.read(tmp_path / "out")
    assert set(back.taken) == {stage.name for stage in plan.stages}
    assert (back.kept, back.refused, back.other_version) == ((), {}, ())
    assert plan.pending(Results(tmp_path / "out")) == ()
    assert (tmp_path / "out" / "report.html").is_file()
    assert set(unpack(finished, tmp_path / "out").kept) == set(back.taken)
    again = tmp_path / "again"
    pack(study, again, results=tmp_path / "out")
    assert Plan.read(again / "results").pending(Results(again / "results")) == ()
    assert run_packed(again).ran == ()


def test_a_packed_folder_names_no_computer_and_no_place(study: Path, finished: Path, tmp_path: Path) -> None:
    unpack(finished, tmp_path / "out")
    pack(study, tmp_path / "packed", results=tmp_path / "out")
    for path in (tmp_path / "packed").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert os.uname().nodename not in json.loads(text).get("host", "")
        assert str(tmp_path) not in text
        assert str(Path.home()) + "/" not in text


def test_other_versions_are_told_and_their_results_kept_apart(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(study, tmp_path / "packed")
    real = plans._version
    monkeypatch.setattr(plans, "_version", lambda name: "99.0" if name == "cantera" else real(name))
    with pytest.raises(InputError, match=r"cantera .* -> 99\.0"):
        run_packed(tmp_path / "packed")
    assert not (tmp_path / "packed" / "results" / "stages").exists()


OWN_PHASE = """\
name: Ni2TiO4
formula: Ni2TiO4
kind: assumed
H298: -1432.0
neumann_kopp: {NiO: 2, TiO2_rutile: 1}
uncertainty: {H298: 8.0, S298: 5.0}
source: made up for this test
"""


def test_a_study_with_phases_of_the_users_own_is_not_run_without_them(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of a result says which phases it was made with; the steps read them from the user's folder."""
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "phases").mkdir(parents=True)
    (tmp_path / "home" / "phases" / "Ni2TiO4.yaml").write_text(OWN_PHASE, encoding="utf-8")
    pack(study, tmp_path / "packed")
    plan = Plan.read(tmp_path / "packed" / "results")
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "other"))
    with pytest.raises(InputError, match="phases Ni2TiO4"):
        run_packed(tmp_path / "packed")
    with pytest.raises(InputError, match="phases Ni2TiO4"):
        run_stage(tmp_path / "packed" / "results", "thermodynamics", plan=plan)


def test_a_result_under_another_key_is_refused(copy: Path, tmp_path: Path) -> None:
    """Even where names and checksums agree: the key must follow from the inputs and versions."""
    stage = a_stage(copy)
    record = json.loads((stage / "stage.json").read_bytes())
    record["key"] = "0" * 16
    (stage / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    stage.rename(stage.with_name("0" * 16))
    assert "its key is not that of" in unpack(copy, tmp_path / "out").refused[f"relax-nio/{'0' * 16}"]


def test_results_of_other_versions_come_back_beside(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = keyed("small", [Stage("given", "given_parameters", {"text": "{}"}, engines=("cantera",))])
    monkeypatch.setattr(packing, "make_plan", lambda question: plan)
    monkeypatch.setattr(packing, "run_plan", lambda *args, **options: run_plan(*args, **options, here=True))
    pack(study, tmp_path / "packed")
    real = plans._version
    with monkeypatch.context() as there:
        there.setattr(plans, "_version", lambda name: "99.0" if name == "cantera" else real(name))
        assert run_packed(tmp_path / "packed", accept_other_version=True).ran == ("given",)
    with Results(tmp_path / "out").lock():
        (tmp_path / "out" / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    found = unpack(tmp_path / "packed", tmp_path / "out")
    assert found.taken == ("given",)
    assert len(found.other_version) == 1
    assert plan.pending(Results(tmp_path / "out")) == plan.stages


def test_a_used_name_and_a_foreign_folder_are_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(InputError, match="exists already"):
        pack(study, tmp_path / "there")
    with pytest.raises(InputError, match="not a packed folder"):
        unpack(tmp_path / "there", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def a_stage(packed: Path) -> Path:
    return next((packed / "results" / "stages" / "relax-nio").iterdir())


def _more(stage: Path) -> None:
    (stage / "more.py").write_text("print(1)", encoding="utf-8")


def _changed(stage: Path) -> None:
    path = stage / "result.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0", "1", 1), encoding="utf-8")


def _link(stage: Path) -> None:
    (stage / "result.json").unlink()
    (stage / "result.json").symlink_to("/etc/passwd")


def _linked_folder(stage: Path) -> None:
    stage.rename(stage.parents[2] / "elsewhere")
    stage.symlink_to(stage.parents[2] / "elsewhere")


def _outside(stage: Path) -> None:
    record = json.loads((stage / "stage.json").read_bytes())
    target = stage.parents[3] / "study.yaml"
    record["files"]["../../../../study.yaml"] = target.stat().st_size
    record["sha256"]["../../../../study.yaml"] = sha256(target)
    (stage / "stage.json").write_text(json.dumps(record), encoding="utf-8")


def _another_key(stage: Path) -> None:
    stage.rename(stage.with_name("0" * 16))


def _pipe(stage: Path) -> None:
    os.mkfifo(stage / "pipe")


@pytest.mark.parametrize(
    "harm", [_more, _changed, _link, _linked_folder, _outside, _another_key, _pipe], ids=lambda f: f.__name__
)
def test_what_was_not_written_by_a_stage_is_not_taken(
    copy: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(a_stage(copy))
    found = unpack(copy, tmp_path / "out")
    assert [name.partition("/")[0] for name in found.refused] == ["relax-nio"]
    assert "relax-nio" not in found.taken
    assert not list((tmp_path / "out" / "stages").glob("relax-nio/*"))
    assert "sinter-bare" in found.taken


def test_another_result_of_the_same_inputs_is_kept(copy: Path, finished: Path, tmp_path: Path) -> None:
    unpack(finished, tmp_path / "out")
    stage = a_stage(copy)
    (stage / "result.json").write_text("{}", encoding="utf-8")
    record = json.loads((stage / "stage.json").read_bytes())
    record["files"]["result.json"], record["sha256"]["result.json"] = 2, sha256(stage / "result.json")
    (stage / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    before = (tmp_path / "out" / "stages" / "relax-nio" / stage.name / "result.json").read_bytes()
    assert "was kept" in next(iter(unpack(copy, tmp_path / "out").refused.values()))
    assert (tmp_path / "out" / "stages" / "relax-nio" / stage.name / "result.json").read_bytes() == before


NAMES = st.one_of(st.text(max_size=20), st.sampled_from(["../x", "/etc/x", "a/b", ".", "..", "x\n", "~"]))
HARMS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": NAMES,
        "function": st.one_of(NAMES, st.just("relax")),
        "code": st.lists(NAMES, max_size=2),
        "after": st.lists(NAMES, max_size=2),
        "inputs": st.dictionaries(NAMES, st.one_of(st.none(), st.integers(), NAMES), max_size=3),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HARMS, NAMES)
def test_a_plan_of_others_does_no_harm(tmp_path: Path, stage: dict[str, Any], key: str) -> None:
    """Whatever a plan.json says, it is refused or its stage fails inside the folder."""
    folder = tmp_path / "packed"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "results").mkdir(parents=True)
    content = {"study": "s", "stages": [{**stage, "engines": []}], "keys": {stage["name"]: key}}
    (folder / "results" / "plan.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "results" / "study.json").write_text("{}", encoding="utf-8")
    about = {"format": packing.FORMAT, "engines": {}, "code": {}, "stages": {}, "cosinter_version": "0"}
    about["files"] = {
        f"results/{name}": sha256(folder / "results" / name) for name in ("plan.json", "study.json")
    }
    (folder / "pack.json").write_text(json.dumps(about), encoding="utf-8")
    before = sorted(path for path in tmp_path.rglob("*") if folder not in (path, *path.parents))
    for action in (lambda: run_packed(folder), lambda: unpack(folder, folder / "out")):
        try:
            action()
        except CosinterError as error:
            assert len(str(error).splitlines()) <= 1
    assert sorted(path for path in tmp_path.rglob("*") if folder not in (path, *path.parents)) == before
