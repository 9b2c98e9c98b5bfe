"""Files that a user hands us may be written by anybody: they are read, or refused in one sentence."""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosinter.data.exceptions import InputError
from cosinter.workflows.measurement_file import read_measurements
from cosinter.workflows.plain_yaml import MAX_DEPTH, MAX_TEXT, MAX_VALUES, first_unplain
from cosinter.workflows.queues.settings import load_queue
from cosinter.workflows.sources import snapshots
from cosinter.workflows.sources.entry_import import import_entries
from cosinter.workflows.sources.phase_store import add_phases
from cosinter.workflows.study import Study
from cosinter.workflows.study_file import load_study, parse_study
from cosinter.workflows.user_config import config_path, read_config
from cosinter.workflows.variants import read_parameters

ROOT = Path(__file__).parents[2]
STUDY = parse_study("name: a\ncases: [{name: bare}]")
PHASE = """\
name: Ni2TiO4
formula: Ni2TiO4
kind: assumed
H298: -1432.0
neumann_kopp: {NiO: 2, TiO2_rutile: 1}
uncertainty: {H298: 8.0, S298: 5.0}
source: made up for this test
"""
PARAMETERS = """
{"schema_version": "1.0", "study": "a", "cosinter_version": "1", "labels": {}, "parameters": {"x.y": {"type": "scalar",
"value": 2.0, "unit": "1", "uncertainty": 0.1, "source": "made up", "kind": "assumed"}}}
"""
SEEDS: Mapping[str, str] = {
    "study": (ROOT / "data" / "studies" / "protection.yaml").read_text(encoding="utf-8"),
    "phases": PHASE,
    "queue": (ROOT / "data" / "queues" / "slurm.yaml").read_text(encoding="utf-8"),
    "config": "calculators: ['ase.calculators.emt:EMT']\n",
    "measurements": "case,hold_C [K],layered,layered_error\nbare,973,0.9,0.01\n",
    "parameters": PARAMETERS,
    "entries": json.dumps(
        [
            {
                "entry_id": name,
                "composition": composition,
                "energy": energy,
                "parameters": {"run_type": "GGA"},
            }
            for name, composition, energy in (
                ("a", {"Li": 2, "O": 1}, -14.9),
                ("b", {"Li": 1}, -1.9),
                ("c", {"O": 2}, -9.9),
            )
        ]
    ),
}


def _config(path: Path) -> Any:
    config_path().write_bytes(path.read_bytes())
    return read_config()


READERS: Mapping[str, Callable[[Path], Any]] = {
    "study": load_study,
    "phases": add_phases,
    "queue": load_queue,
    "config": _config,
    "measurements": lambda path: read_measurements(path, STUDY),
    "parameters": read_parameters,
    "entries": lambda path: import_entries(path, name="others", corrections="included", replace=True),
}
YAML_MODELS = ("study", "queue", "config")
YAML_READERS = ("study", "phases", "queue", "config")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COSINTER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return tmp_path


def read_it(home: Path, kind: str, content: bytes) -> None:
    """Read a file: it is of use, or there is one sentence; nothing appears outside the user's own folder."""
    path = home / "given"
    path.write_bytes(content)
    try:
        READERS[kind](path)
    except InputError as error:
        assert str(error)
        assert kind not in YAML_MODELS or str(error).isprintable(), str(error)
        assert len(str(error)) < 1500
    assert {item.name for item in home.iterdir()} == {"given", "home"}
    assert {item.name for item in (home / "home").iterdir()} <= {"phases", "snapshots", "config.yaml"}
    for item in (home / "home" / "phases").glob("*"):
        item.unlink()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=8),
    st.sampled_from(["../x", "/etc/passwd", "2001-99-99", "1:2:3", "9" * 5000, "\x1b[31m", "os:system", "$(id)", "{{x}}"]),
)  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(sorted({*Study.model_fields, "formula", "segments", "hold_h", "to_C", "relax", "calculator", "phases"})),
    st.text(max_size=6),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=12,
)
SNIPPETS = (
    *(
        "!!python/object/apply:os.system ['touch hit']",
        "!!int x",
        "!!bool x",
        "!!timestamp x",
        "&a [*a]",
        "*a",
        "<<: *a",
    ),
    *(
        "? [a]: b",
        "{[a]: b}",
        "[[[[[[",
        "}",
        "---\n",
        "...\n",
        "|\n",
        ">",
        '"\\ud800"',
        "\t",
        "\x00",
        "\ufeff",
        "~: 1",
    ),
    *(
        "2001-99-99",
        "%YAML 9",
        "1e999",
        ".nan",
        "0x",
        "1:99:99",
        "'",
        "\u2028",
        "name: b\n",
        "../",
        ";",
        ",,",
        "=cmd()",
    ),
)


@st.composite
def contents(draw: st.DrawFn, kind: str) -> bytes:
    """Bytes, a YAML tree, or a good file with a few places overwritten."""
    how = draw(st.sampled_from(["bytes", "tree", "changed", "changed"]))
    if how == "bytes":
        return draw(st.binary(max_size=200))
    if how == "tree":
        tree = draw(st.dictionaries(WORDS, TREES, max_size=6))
        return yaml.safe_dump(tree, allow_unicode=draw(st.booleans())).encode("utf-8", "surrogatepass")
    text = SEEDS[kind]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        end = min(len(text), place + draw(st.sampled_from([0, 0, 1, 5, 40])))
        new = draw(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=4)))
        text = text[:place] + new + text[end:]
    return text.encode("utf-8", "surrogatepass")


UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@pytest.mark.parametrize("kind", READERS)
def test_the_seeds_are_good(home: Path, kind: str) -> None:
    (home / "given").write_text(SEEDS[kind], encoding="utf-8")
    READERS[kind](home / "given")


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=60, **UNHURRIED)
@given(st.data())
def test_whatever_a_file_holds_it_is_one_sentence(home: Path, kind: str, data: st.DataObject) -> None:
    read_it(home, kind, data.draw(contents(kind)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=5000, **UNHURRIED)
@given(st.data())
def test_whatever_a_file_holds_it_is_one_sentence_often(home: Path, kind: str, data: st.DataObject) -> None:
    read_it(home, kind, data.draw(contents(kind)))


BOMBS = {
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "itself": "&a [*a]",
    "lists": "[" * 100_000,
    "mappings": "{a: " * 50_000,
    "items": "- " * 100_000,
    "many": "a: [" + "1," * (MAX_VALUES + 1) + "]",
    "base 60": "seed: 1" + ":1" * 400_000,
    "digits": "seed: " + "9" * 10_000,
    "key": "? [a]\n: b",
    "date": "name: 2001-99-99",
    "infinite": "seed: 1" + ":1" * 9_000 + ".5",
}


@pytest.mark.parametrize("kind", YAML_READERS)
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.timeout(20)
def test_what_would_fill_the_memory_is_refused(home: Path, kind: str, bomb: str) -> None:
    (home / "given").write_text(BOMBS[bomb], encoding="utf-8")
    with pytest.raises(InputError):
        READERS[kind](home / "given")


@pytest.mark.parametrize("kind", YAML_READERS)
@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch hit']",
        "!!python/object/new:os.system ['touch hit']",
        "!!python/name:os.system ''",
        "!!python/module:antigravity ''",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch hit']",
    ],
)
def test_a_tag_runs_nothing(home: Path, kind: str, value: str) -> None:
    (home / "given").write_text(f"name: {value}\n", encoding="utf-8")
    with pytest.raises(InputError, match="a tag"):
        READERS[kind](home / "given")
    assert not (home / "hit").exists()


def test_plain_yaml_is_plain() -> None:
    for path in (ROOT / "data").rglob("studies/*.yaml"):
        assert first_unplain(path.read_text(encoding="utf-8")) is None
    assert first_unplain("a: [1, {b: c}]\n") is None
    assert first_unplain("[" * MAX_DEPTH + "]" * MAX_DEPTH) is None
    assert first_unplain("x" * MAX_TEXT) is None
    for text, line, word in [
        ("a: 1\nb: *x", 2, "aliases"),
        ("a:\n  - !!str 1", 2, "tag"),
        ("\n\n? {a: b}\n: c", 3, "key"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, "deep"),
        ("x" * (MAX_TEXT + 1), 1, "shorter"),
        ("- 1\n" * (MAX_VALUES + 1), MAX_VALUES, "split"),
    ]:
        found = first_unplain(text)
        assert found is not None
        assert found.line == line
        assert word in found.problem


def test_entries_that_unpack_without_end_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_BYTES", 1000)
    path = home / "entries.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 2000 + b"]"))
    with pytest.raises(InputError, match="unpacks to more than 1000 bytes"):
        import_entries(path, name="bomb")


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for folder in ("analysis", "data", "structures", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_no_source_has_a_way_to_run_data() -> None:
    """No pickle, eval, exec or shell; YAML is loaded by a safe loader, arrays without objects."""
    for place, call in _calls():
        name = ast.unparse(call.func)
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert name not in ("eval", "exec", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load"), (
            place
        )
        assert not name.startswith(("pickle.", "marshal.", "shelve.", "dill.", "joblib.", "torch.load")), (
            place
        )
        assert given.get("shell", "False") == "False", place
        if name == "yaml.load":
            assert "Loader" in given, place
        if name in ("np.load", "numpy.load"):
            assert given.get("allow_pickle") == "False", place
    for path in (ROOT / folder for folder in ("analysis", "data", "structures", "workflows")):
        for module in path.rglob("*.py"):
            imported = [
                alias.name
                for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
                if isinstance(node, ast.Import)
                for alias in node.names
            ]
            assert not {"pickle", "marshal", "shelve"} & set(imported), module
