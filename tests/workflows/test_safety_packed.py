"""Packed folders of others: whatever they hold, it is refused in one sentence or stays where it belongs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import CosinterError, InputError, StorageError
from cosinter.workflows import packing
from cosinter.workflows.execution import run_stage
from cosinter.workflows.packed import check_stage, read_plan
from cosinter.workflows.packing import pack, run_packed, unpack
from cosinter.workflows.plan import Plan, Stage, keyed
from cosinter.workflows.results import Results, check_key, check_stage_name, sha256
from cosinter.workflows.words import shown

CODE = ("workflows/steps/sweep.py",)
PLAN = keyed(
    "small",
    [
        Stage("first", "given_parameters", {"text": "{}"}, code=CODE, engines=("numpy",)),
        Stage("second", "given_parameters", {"text": "[1]"}, ("first",), CODE),
    ],
)
UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
NASTY = st.one_of(
    st.sampled_from(
        [
            "../x", "../../sentinel/file", "/etc/passwd", "/dev/zero", "a/../../b", ".", "..", "", "~", "a\x00b", "x\n",
            "\x1b[31mred", "$(touch x)", "`id`", ";id", "{{os.path}}", "os:system", "stages", ".lock", "plan.json", "a" * 500,
            "com1", "ü", "name ", "../../../../../../tmp/x",
        ]
    ),
    st.text(max_size=12),
)  # fmt: skip
VALUE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.just(10**4000), st.floats(), NASTY, st.just(float("nan"))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NASTY, inner, max_size=3)),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed folder whose two stages are finished."""
    base = tmp_path_factory.mktemp("original")
    for stage in PLAN.stages:
        run_stage(base / "out", stage.name, plan=PLAN, job={"id": "7"})
    (base / "study.yaml").write_text("name: small\ncases: [{name: bare}]\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "make_plan", lambda study: PLAN)
        pack(base / "study.yaml", base / "packed", results=base / "out")
    return base / "packed"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something to lose beside the packed folder; runs only read."""
    (tmp_path / "sentinel").mkdir()
    (tmp_path / "sentinel" / "file").write_text("keep me", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(packing.tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(packing, "run_plan", lambda plan, root, **options: plan)
    return tmp_path


def fresh(original: Path, place: Path) -> Path:
    for name in ("packed", "out"):
        shutil.rmtree(place / name, ignore_errors=True)
    return Path(shutil.copytree(original, place / "packed", symlinks=True))


def outside(place: Path) -> dict[str, str]:
    """What lies beside the packed folder and the results folder."""
    found = {}
    for path in place.rglob("*"):
        if path.relative_to(place).parts[0] not in ("packed", "out", "tmp"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found


def attempt(action: Callable[[], Any]) -> Any:
    """What an action gives; None if it was refused in one printable sentence."""
    try:
        return action()
    except CosinterError as error:
        text = str(error)
        assert text.isprintable(), text
        assert len(text) < 2000
        return None


def take_everything(packed: Path, place: Path) -> None:
    """Run and unpack a folder of somebody else and look at what became of it."""
    before = outside(place)
    attempt(lambda: run_packed(packed))
    attempt(lambda: run_packed(packed, accept_other_version=True))
    found = attempt(lambda: unpack(packed, place / "out"))
    assert outside(place) == before
    assert (place / "sentinel" / "file").read_text(encoding="utf-8") == "keep me"
    if found is None:
        return
    assert all(text.isprintable() for pair in found.refused.items() for text in pair)
    for path in (place / "out").rglob("*"):
        assert not path.is_symlink()
        assert path.is_dir() or path.is_file()
        top = path.relative_to(place / "out").parts[0]
        assert top in ("plan.json", "study.json", "manifest.json", ".lock", "stages", "log")
    for folder in (place / "out" / "stages").glob("*/*"):
        assert PLAN.keys[folder.parent.name] == folder.name
        assert json.loads((folder / "result.json").read_bytes()) == {}
        text = next(s.inputs["text"] for s in PLAN.stages if s.name == folder.parent.name)
        assert (folder / "parameters.json").read_text(encoding="utf-8") == text
    Plan.read(place / "out").pending(Results(place / "out"))


def nodes(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in JSON data."""
    yield path
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in pairs:
        yield from nodes(value, (*path, key))


def mutated(content: Any, data: st.DataObject) -> Any:
    """The data with one place deleted, renamed or replaced."""
    path = data.draw(st.sampled_from(list(nodes(content))))
    how = data.draw(st.sampled_from(["replace", "delete", "rename", "add"]))
    if not path:
        return data.draw(VALUE)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if how == "replace" or isinstance(holder, list):
        holder[path[-1]] = data.draw(VALUE)
    elif how == "add":
        holder[data.draw(NASTY)] = data.draw(VALUE)
    else:
        value = holder.pop(path[-1])
        if how == "rename":
            holder[data.draw(NASTY)] = value
    return content


FILES = ("pack.json", "results/plan.json", "results/study.json", "first", "second")


def target_of(packed: Path, name: str) -> Path:
    if name in PLAN.keys:
        return packed / "results" / "stages" / name / PLAN.keys[name] / "stage.json"
    return packed / name


def mutate_and_take(original: Path, place: Path, data: st.DataObject) -> None:
    packed = fresh(original, place)
    for name in data.draw(st.lists(st.sampled_from(FILES), min_size=1, max_size=2, unique=True)):
        path = target_of(packed, name)
        if data.draw(st.booleans()) and data.draw(st.booleans()):
            raw = bytearray(path.read_bytes())
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
            path.write_bytes(
                bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else raw
            )
        else:
            content = mutated(json.loads(path.read_bytes()), data)
            path.write_text(dumps(content), encoding="utf-8", errors="surrogatepass")
    if data.draw(st.booleans()):  # a packer who means harm lists the right checksums
        trust(packed)
    take_everything(packed, place)


def dumps(content: Any) -> str:
    try:
        return json.dumps(content)
    except ValueError:  # a number too long for Python to print
        return json.dumps(str(type(content)))


def trust(packed: Path) -> None:
    try:
        about = json.loads((packed / "pack.json").read_bytes())
        about["files"] |= {
            f"results/{name}": sha256(packed / "results" / name) for name in ("plan.json", "study.json")
        }
        (packed / "pack.json").write_text(dumps(about), encoding="utf-8")
    except (ValueError, KeyError, TypeError):
        return


@settings(max_examples=120, **UNHURRIED)
@given(st.data())
def test_changed_json_does_no_harm(original: Path, place: Path, data: st.DataObject) -> None:
    mutate_and_take(original, place, data)


@pytest.mark.slow
@settings(max_examples=5000, **UNHURRIED)
@given(st.data())
def test_changed_json_does_no_harm_often(original: Path, place: Path, data: st.DataObject) -> None:
    mutate_and_take(original, place, data)


def test_an_unchanged_folder_is_taken_whole(original: Path, place: Path) -> None:
    found = unpack(fresh(original, place), place / "out")
    assert (found.taken, found.refused) == (("first", "second"), {})
    take_everything(fresh(original, place), place)
    assert run_packed(fresh(original, place)).keys == PLAN.keys


def _link(name: str, to: str) -> Callable[[Path], None]:
    def harm(packed: Path) -> None:
        path = packed / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to)

    return harm


def _pipe(packed: Path) -> None:
    os.mkfifo(packed / "results" / ".lock")


LINKS = {
    "lock": _link("results/.lock", "../../sentinel/file"),
    "log": _link("results/log", "../../sentinel"),
    "log of a worker": _link("results/log/worker-1.txt", "../../../sentinel/file"),
    "launchpad": _link("results/launchpad.db", "../../sentinel/file"),
    "stages": _link("results/stages", "../../sentinel"),
    "results": _link("results", "../sentinel"),
    "stage": _link("results/stages/first", "../../../sentinel"),
    "plan": _link("results/plan.json", "../../sentinel/file"),
    "pack": _link("pack.json", "../sentinel/file"),
    "device": _link("results/study.json", "/dev/zero"),
    "pipe": _pipe,
}


@pytest.mark.parametrize("harm", LINKS.values(), ids=LINKS)
def test_nothing_is_run_where_links_lead_elsewhere(
    original: Path, place: Path, harm: Callable[[Path], None]
) -> None:
    packed = fresh(original, place)
    harm(packed)
    for accept in (False, True):
        with pytest.raises(InputError, match=r"link|not a packed folder"):
            run_packed(packed, accept_other_version=accept)
    take_everything(packed, place)


def test_a_launchpad_that_came_along_is_not_opened(
    original: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = fresh(original, place)
    (packed / "results" / "launchpad.db").write_bytes(b"jobs of somebody else")
    used = []
    monkeypatch.setattr(packing, "run_plan", lambda plan, root, **options: used.append(options["address"]))
    run_packed(packed)
    assert packed not in used[0].path.parents
    assert not used[0].path.parent.exists()


def test_a_private_folder_of_somebody_else_is_refused(original: Path, place: Path) -> None:
    packed = fresh(original, place)
    root = packed.resolve() / "results"
    private = place / "tmp" / f"cosinter-{os.getuid()}-{packing.digest(str(root))}"
    private.mkdir(mode=0o777)
    private.chmod(0o777)
    with pytest.raises(StorageError, match="open to others"):
        run_packed(packed)


@pytest.mark.parametrize("name", ["plan.json", "stages/x", "launchpad.db", "log/first.txt", "index.html"])
def test_a_report_replaces_nothing_of_a_results_folder(tmp_path: Path, name: str) -> None:
    """The files of the stage ``report`` are copied to the top; only those that a report has may be there."""
    plan = keyed("s", [Stage("report", "given_parameters", {"text": "{}"})])
    results = Results(tmp_path / "out")
    run_stage(results.root, "report", plan=plan)
    folder = results.folder("report", plan.keys["report"])
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}", encoding="utf-8")
    record = json.loads((folder / "stage.json").read_bytes())
    record["files"][name], record["sha256"][name] = 2, sha256(folder / name)
    (folder / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="no report has"):
        check_stage(results, {"report": plan.stages[0]}, "report", plan.keys["report"])


@given(NASTY)
def test_a_stage_and_a_key_stay_below_the_stages(name: str) -> None:
    root = Path("/results")
    for check, make in ((check_stage_name, lambda: (name, "0" * 16)), (check_key, lambda: ("relax", name))):
        try:
            check(name)
        except StorageError as error:
            assert str(error).isprintable()
            continue
        folder = Path(os.path.normpath(Results(root).folder(*make())))
        assert folder.parent.parent == root / "stages"
        assert name.isascii()


@given(NASTY)
def test_a_foreign_word_is_shown_harmlessly(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 80


def test_a_plan_of_nan_is_refused(original: Path, place: Path) -> None:
    packed = fresh(original, place)
    path = packed / "results" / "plan.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"[1]"', "NaN"), encoding="utf-8")
    with pytest.raises(InputError, match="no finite number"):
        read_plan(packed / "results")


@pytest.mark.parametrize("library", [{}, {"energies": 1}, {"energies": [1]}, {"energies": ["mp:../../x"]}])
def test_a_library_of_somebody_else_is_no_path(
    place: Path, monkeypatch: pytest.MonkeyPatch, library: dict[str, Any]
) -> None:
    plan = keyed("small", [Stage("first", "reaction", {"library": library})])
    monkeypatch.setattr(packing, "make_plan", lambda study: plan)
    (place / "study.yaml").write_text("name: small\ncases: [{name: bare}]\n", encoding="utf-8")
    pack(place / "study.yaml", place / "packed")
    with pytest.raises(InputError, match=r"names no library|snapshot name"):
        run_packed(place / "packed")
