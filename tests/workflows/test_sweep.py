"""Sweeps: their layout, their table, and that a kill or a wider grid costs only what is missing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cosinter.analysis.continuum import batch
from cosinter.analysis.continuum.inputs import SinterCase
from cosinter.data.exceptions import ConvergenceError, InputError, MissingEngineError, UnknownNameError
from cosinter.workflows.cli import app
from cosinter.workflows.results import Results
from cosinter.workflows.study import Study
from cosinter.workflows.sweep import Sweep, all_samples, lay_out, run_sweep, table
from cosinter.workflows.sweep_figure import sweep_figure
from cosinter.workflows.table_file import check_table, table_bytes
from cosinter.workflows.variation import Changes, grid

STUDY = {
    "name": "s",
    "cases": [{"name": "bare"}, {"name": "salted", "compensator": {"LiOH_wt_percent": 2}}],
    "furnace": {"segments": [{"ramp_K_per_min": 20, "to_C": 450}, {"hold_h": 0.1}]},
}
POINTS = grid({"furnace.hold_C": (400.0, 450.0), "compensator.wt_percent": (0.0, 3.0)})


def study() -> Study:
    return Study.model_validate(STUDY)


class Fake:
    """A model whose outcomes are simple functions of the run and of the draws; it fails above 440 °C with salt."""

    def __init__(self) -> None:
        self.runs = 0

    def cases(self, parameters: Any, cases: Sequence[SinterCase], **_: Any) -> batch.Outcomes:
        self.runs += len(cases)
        values, failures = np.empty((len(cases), len(batch.OUTCOMES))), {}
        for row, case in enumerate(cases):
            dose, hottest = sum(case.doses.values()), max(case.furnace.temperatures_K)
            values[row] = hottest + dose * np.arange(len(batch.OUTCOMES))
            if dose > 0.0 and hottest > 713.0:
                failures[row] = f"no step at {hottest:.0f} K"
                values[row] = np.nan
        return batch.Outcomes(batch.OUTCOMES, values, failures)

    def samples(self, parameters: Any, case: SinterCase, draws: Any, **_: Any) -> batch.Outcomes:
        nominal = self.cases(parameters, [case])
        column = draws.names.index("interphase.parabolic_constant")
        values = nominal.values + draws.z[:, [column]]
        values[0] = np.nan
        return batch.Outcomes(batch.OUTCOMES, values, {0: "sample 0"})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    model = Fake()
    monkeypatch.setattr(batch, "run_cases", model.cases)
    monkeypatch.setattr(batch, "run_samples", model.samples)
    return model


def laid_out(points: Sequence[Changes] = POINTS, **options: Any) -> Sweep:
    return lay_out(study(), points, **options)


def test_equal_runs_are_one_and_runs_of_one_parameter_set_make_a_chunk() -> None:
    sweep = laid_out()
    assert [(row.changes["furnace.hold_C"], row.case) for row in sweep.rows] == [
        (point["furnace.hold_C"], case) for point in POINTS for case in ("bare", "salted")
    ]
    assert [len(stage.inputs["runs"]) for stage in sweep.plan.stages] == [2, 2]
    bare, none, again, salted = sweep.rows[:4]
    assert (bare.stage, bare.place) == (none.stage, none.place) == (again.stage, again.place)
    assert salted.place != bare.place


def test_a_chunk_is_found_by_its_content_whatever_sweep_it_is_in() -> None:
    narrow, wide = laid_out(POINTS[:2]), laid_out()
    assert {stage.name: narrow.plan.keys[stage.name] for stage in narrow.plan.stages}.items() <= dict(
        wide.plan.keys
    ).items()
    renamed = Study.model_validate({**STUDY, "cases": [{"name": "x"}], "title": "other"})
    assert (
        lay_out(renamed, [POINTS[0]]).rows[0].stage
        == lay_out(study(), [POINTS[0]], cases=["bare"]).rows[0].stage
    )


def test_samples_and_given_parameters_make_other_chunks() -> None:
    plain, sampled = laid_out(), laid_out(samples=100)
    assert not set(plain.plan.keys) & set(sampled.plan.keys)
    assert [len(stage.inputs["runs"]) for stage in sampled.plan.stages] == [1, 1, 1, 1]
    given = laid_out(parameters="{}")
    assert [stage.after for stage in given.plan.stages] == [(), ("parameters",)]


def test_wrong_cases_and_empty_sweeps_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown case 'bear'; did you mean bare"):
        laid_out(cases=["bear"])
    with pytest.raises(InputError, match="allowed are 1 to 100000"):
        laid_out([])


def test_the_table_holds_every_point_and_says_what_failed(fake: Fake, tmp_path: Path) -> None:
    sweep = laid_out()
    rows, outcome = run_sweep(sweep, tmp_path)
    assert outcome.complete
    assert fake.runs == 4
    assert [row["error"] for row in rows] == [None] * 7 + ["no step at 723 K"]
    assert rows[-1]["layered_fraction"] is None
    assert rows[0] == rows[2] | {"compensator.wt_percent": 0.0}
    assert rows[0]["layered_fraction"] == pytest.approx(673.15)
    assert rows[3]["capacity_mAh_per_g"] > rows[3]["layered_fraction"]
    assert all(list(row) == list(rows[0]) for row in rows)


def test_what_is_done_is_not_done_again(fake: Fake, tmp_path: Path) -> None:
    run_sweep(laid_out(POINTS[:2]), tmp_path)
    before = fake.runs
    rows, outcome = run_sweep(laid_out(), tmp_path)
    assert (len(outcome.kept), len(outcome.ran)) == (1, 1)
    again, outcome = run_sweep(laid_out(), tmp_path)
    assert outcome.ran == ()
    assert fake.runs == before + 2
    assert again == rows


def test_intervals_leave_failed_samples_out_and_name_what_decides(fake: Fake, tmp_path: Path) -> None:
    sweep = laid_out(POINTS[:2], samples=200)
    rows, _ = run_sweep(sweep, tmp_path)
    drawn = all_samples(sweep, tmp_path)
    assert drawn[0].shape == (200, len(batch.OUTCOMES))
    expected = np.quantile(drawn[0][1:, 0], [0.05, 0.5, 0.95])
    assert [rows[0][f"layered_fraction_{q}"] for q in ("low", "median", "high")] == pytest.approx(
        list(expected)
    )
    assert (rows[0]["samples"], rows[0]["failed_samples"]) == (200, 1)
    assert rows[0]["layered_fraction_dominant"].split("; ")[0] == "interphase.parabolic_constant"
    shift = drawn[3] - drawn[0]
    assert shift[1:] == pytest.approx(np.broadcast_to(shift[1], shift[1:].shape)), (
        "the draws are common to all runs"
    )


def test_a_chunk_that_breaks_is_told_in_its_rows_and_tried_again(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(parameters: Any, cases: Sequence[SinterCase], **_: Any) -> batch.Outcomes:
        if max(cases[0].furnace.temperatures_K) > 700.0:
            raise ConvergenceError("it broke")
        return fake.cases(parameters, cases)

    monkeypatch.setattr(batch, "run_cases", broken)
    rows, outcome = run_sweep(laid_out(), tmp_path)
    assert [row["error"] for row in rows] == [None] * 4 + ["it broke"] * 4
    assert len(outcome.failures) == 1
    monkeypatch.setattr(batch, "run_cases", fake.cases)
    rows, outcome = run_sweep(laid_out(), tmp_path)
    assert (len(outcome.ran), len(outcome.kept)) == (1, 1)
    assert [row["error"] for row in rows[:7]] == [None] * 7


def test_a_table_of_an_unfinished_sweep_says_what_was_not_run(tmp_path: Path) -> None:
    assert {row["error"] for row in table(laid_out(), tmp_path)} == {"was not run"}


SLOW = """
import json, sys, time
from pathlib import Path
import numpy as np
from cosinter.analysis.continuum import batch
from cosinter.workflows.study import Study
from cosinter.workflows.sweep import lay_out, run_sweep
from cosinter.workflows.variation import grid

def run_cases(parameters, cases, **_):
    time.sleep(0.2)
    hottest = [max(case.furnace.temperatures_K) for case in cases]
    return batch.Outcomes(batch.OUTCOMES, np.outer(hottest, np.ones(len(batch.OUTCOMES))), {})

batch.run_cases = run_cases
study = Study.model_validate_json(sys.argv[1])
sweep = lay_out(study, grid({"furnace.hold_C": tuple(np.arange(400.0, 460.0, 10.0))}))
print(json.dumps(run_sweep(sweep, Path(sys.argv[2]))[0]))
"""


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, json.dumps(STUDY)]
    whole = subprocess.run([*command, tmp_path / "whole"], check=True, capture_output=True).stdout
    root = tmp_path / "far from whole" / "killed"
    process = subprocess.Popen([*command, root], stdout=subprocess.PIPE)
    end = time.monotonic() + 60.0
    while len(list(root.glob("stages/*/*/stage.json"))) < 2:
        assert time.monotonic() < end, "the sweep did not start"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = {path.parent.parent.name for path in root.glob("stages/*/[!.]*/stage.json")}
    assert 2 <= len(done) < 6
    resumed = subprocess.run([*command, root], check=True, capture_output=True).stdout
    assert resumed == whole
    results = Results(root)
    starts = {name: [event["event"] for event in results.events(name)].count("started") for name in done}
    assert set(starts.values()) == {1}, "what was finished is not started again"


def test_fireworks_and_this_process_give_the_same_numbers(tmp_path: Path) -> None:
    sweep = lay_out(study(), grid({"furnace.hold_C": (300.0, 320.0)}), samples=2)
    here, _ = run_sweep(sweep, tmp_path / "first" / "here")
    jobs, outcome = run_sweep(sweep, tmp_path / "second" / "jobs", here=False)
    assert outcome.complete
    assert [row["error"] for row in here] == [None] * 4
    assert here == jobs
    assert here == run_sweep(sweep, tmp_path / "second" / "jobs")[0], (
        "each goes on with what the other has done"
    )


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(STUDY), encoding="utf-8")
    return path


def test_the_command_writes_table_and_picture(fake: Fake, study_file: Path, tmp_path: Path) -> None:
    out, picture, results = tmp_path / "s.csv", tmp_path / "s.svg", tmp_path / "results"
    options = (
        "--vary",
        "furnace.hold_C=400:430:10",
        "--vary",
        "compensator.wt_percent=0,2",
        "--results",
        results,
    )
    answer = run(study_file, *options, "--samples", 30, "--out", out, "--plot", picture, "--json")
    assert answer.exit_code == 0, answer.output
    content = json.loads(answer.stdout)
    assert (content["failed"], content["ran"]) == (0, 4)
    with out.open(encoding="utf-8") as handle:
        read = list(csv.DictReader(handle))
    assert len(read) == len(content["rows"]) == 16
    assert float(read[5]["asr_ohm_cm2_high"]) == content["rows"][5]["asr_ohm_cm2_high"]
    assert picture.read_bytes().startswith(b"<?xml")
    shown = run(study_file, *options, "--samples", 30)
    assert "16 rows; 0 chunks ran" in shown.stdout


def test_the_command_counts_what_failed(fake: Fake, study_file: Path, tmp_path: Path) -> None:
    some = run(study_file, "--vary", "furnace.hold_C=430,445", "--results", tmp_path / "r")
    assert some.exit_code == 0
    assert "1 of 4 runs failed" in some.stderr
    none = run(study_file, "--vary", "furnace.hold_C=445", "--case", "salted", "--results", tmp_path / "r")
    assert isinstance(none.exception, ConvergenceError)
    assert "none of the 1 runs ended: no step at 718 K" in str(none.exception)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vary", "furnace.hold_c=400:500:50"), "did you mean"),
        (("--vary", "furnace.hold_C"), "KEY=FROM:TO:STEP"),
        (("--vary", "furnace.hold_C=400", "--vary", "furnace.hold_C=500"), "given twice"),
        (("--vary", "furnace.hold_C=400:500:50", "--scatter", "5"), "FROM:TO with FROM below TO"),
        (("--vary", "furnace.hold_C=400:1300:50"), "<= 1200"),
        (("--vary", "furnace.hold_C=400", "--case", "none"), "unknown case"),
        (("--vary", "furnace.hold_C=400", "--out", "x.xlsx"), ".csv, .parquet, .json"),
        (("--vary", "furnace.hold_C=400", "--out", "no/folder/x.csv"), "no such folder"),
        (("--vary", "furnace.hold_C=400", "--plot", "x.doc"), "choose one of"),
        (("--vary", "furnace.hold_C=400", "--parameters", "none.json"), "cannot be read"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    study_file: Path, tmp_path: Path, options: Sequence[str], said: str
) -> None:
    answer = run(study_file, "--results", tmp_path / "r", *options)
    assert isinstance(answer.exception, InputError)
    assert said in str(answer.exception)
    assert not (tmp_path / "r").exists()


def test_a_scattered_design_has_as_many_points_as_asked_for(
    fake: Fake, study_file: Path, tmp_path: Path
) -> None:
    axes = ("--vary", "furnace.hold_C=350:430", "--vary", "atmosphere.O2=0.1:1")
    answer = run(study_file, *axes, "--scatter", 7, "--results", tmp_path / "r", "--json")
    rows = json.loads(answer.stdout)["rows"]
    assert len({(row["furnace.hold_C"], row["atmosphere.O2"]) for row in rows}) == 7
    assert len(rows) == 14


COLUMNS = ("T", "word", "count", "error")
ROWS = [
    {"T": 0.1, "word": "a,b", "count": 3, "error": None},
    {"T": None, "word": "ü", "count": None, "error": "x"},
]


def test_tables_keep_numbers_words_and_holes_in_every_form() -> None:
    assert table_bytes(".csv", COLUMNS, ROWS).decode() == 'T,word,count,error\n0.1,"a,b",3,\n,ü,,x\n'
    assert json.loads(table_bytes(".json", COLUMNS, ROWS)) == ROWS
    pytest.importorskip("pyarrow")
    import io

    import pyarrow.parquet

    read = pyarrow.parquet.read_table(io.BytesIO(table_bytes(".parquet", COLUMNS, ROWS)))
    assert read.to_pylist() == ROWS
    assert [str(field.type) for field in read.schema] == ["double", "string", "int64", "string"]


def test_parquet_without_its_library_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingEngineError, match=r"pip install 'cosinter\[parquet\]'"):
        check_table(tmp_path / "x.parquet")


def test_a_picture_has_a_line_per_case_and_other_value_and_skips_failed_runs(
    fake: Fake, tmp_path: Path
) -> None:
    rows, _ = run_sweep(laid_out(), tmp_path)
    figure = sweep_figure(study(), rows, axes=list(POINTS[0]))
    assert [line.label for line in figure.panels[0].lines] == [
        "bare, wt_percent 0",
        "salted, wt_percent 0",
        "bare, wt_percent 3",
        "salted, wt_percent 3",
    ]
    assert [len(line.x) for line in figure.panels[0].lines] == [2, 2, 2, 1]
    assert figure.x_label == "furnace.hold_C"
    with pytest.raises(InputError, match="at least two numbers"):
        sweep_figure(study(), rows[:1], axes=list(POINTS[0]))
