"""``cosinter sensitivity``: the three methods, their files and what is refused.

The furnace is replaced by a formula of a few sources of error, so that the answer is known; the model itself is tested
elsewhere.
"""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cosinter.analysis.continuum.batch import OUTCOMES, Outcomes
from cosinter.analysis.continuum.ensemble import draw, moved, uncertain
from cosinter.analysis.continuum.origins import ADVICE, origin
from cosinter.data.exceptions import ConvergenceError, InputError, UnknownNameError
from cosinter.workflows.cli import app
from cosinter.workflows.diagrams.influence import influence_drawing
from cosinter.workflows.sensitivity import Request, sensitivity, sensitivity_csv, tornado_tables
from cosinter.workflows.study import Study
from cosinter.workflows.variants import Variants, one_case

GROWTH, CONTACT, HIDDEN = (
    "interphase.parabolic_constant",
    "contact.interface_rate",
    "enthalpy of Li3PO4",
)


def furnace(parameters, case, draws, *, workers=1, progress=None):
    """ln ASR = 3 + growth + contact/2; layered = 1/2 - growth/8 (clipped); every 97th run fails."""
    z = dict(zip(draws.names, draws.z.T, strict=True))
    values = np.ones((len(draws.z), len(OUTCOMES)))
    values[:, OUTCOMES.index("layered_fraction")] = np.clip(0.5 - z[GROWTH] / 8.0, 0.0, 1.0)
    values[:, OUTCOMES.index("asr_ohm_cm2")] = np.exp(3.0 + z[GROWTH] + 0.5 * z[CONTACT])
    failed = range(96, len(values), 97)
    values[list(failed)] = np.nan
    if progress is not None:
        progress(len(values), len(values))
    return Outcomes(OUTCOMES, values, dict.fromkeys(failed, "the step became too small"))


@pytest.fixture(autouse=True)
def _furnace(monkeypatch):
    monkeypatch.setattr("cosinter.analysis.continuum.batch.run_samples", furnace)


@pytest.fixture(scope="module")
def variant():
    study = Study(
        name="small",
        cases=({"name": "bare"}, {"name": "salt", "compensator": {"LiOH_wt_percent": 3}}),
    )
    return Variants(one_case(study, "bare")).of({})


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: small\ncathode: {formula: LiNi0.8Co0.1Mn0.1O2}\n"
        "electrolyte: {formula: 'Li1.3Al0.3Ti1.7(PO4)3'}\ncases: [{name: bare}]\n"
    )
    return path


def ask(variant, **request):
    return sensitivity(Request(**request), variant, tell=lambda what, done, total: None)


def test_ranks_name_the_cause_and_what_to_do(variant):
    content = ask(variant, outcomes=("asr", "layered_fraction", "capacity"), samples=500)
    resistance, layered, capacity = content["outcomes"]
    assert resistance["top"] == [GROWTH, CONTACT]
    assert layered["top"] == [GROWTH]
    assert capacity["top"] == capacity["next"] == []
    assert "×/÷ 10" in resistance["next"][0]
    assert ADVICE["assumed"] in resistance["next"][0]
    assert resistance["interval"]["p50"] == pytest.approx(np.exp(3.0), rel=0.1)
    assert (content["runs"], content["failed_runs"]) == (500, 5)
    assert "too small" in content["warnings"][0]
    assert len(resistance["sources"]) == len(uncertain(variant.parameters))


def test_sobol_splits_the_variance_of_the_logarithm(variant):
    """ln ASR = growth + contact/2: shares 4/5 and 1/5."""
    content = ask(variant, method="sobol", outcomes=("asr",), samples=12_000)
    shares = {row["name"]: row for row in content["outcomes"][0]["sources"]}
    assert shares[GROWTH]["ST"] == pytest.approx(0.8, abs=0.06)
    assert shares[CONTACT]["ST"] == pytest.approx(0.2, abs=0.04)
    assert shares["all others together"]["ST"] == pytest.approx(0.0, abs=1e-6)
    assert content["outcomes"][0]["top"] == [GROWTH, CONTACT]


def test_tornado_gives_the_outcome_at_both_ends(variant):
    content = ask(variant, method="tornado", outcomes=("asr",))
    part = content["outcomes"][0]
    assert part["nominal"] == pytest.approx(np.exp(3.0))
    bar = part["sources"][0]
    assert (bar["name"], bar["low"], bar["high"]) == (
        GROWTH,
        pytest.approx(np.exp(3.0 - 1.6448536)),
        pytest.approx(np.exp(3.0 + 1.6448536)),
    )
    assert content["runs"] == 1 + 2 * len(uncertain(variant.parameters))


@pytest.mark.parametrize("method", ["ranks", "sobol", "tornado"])
def test_every_method_is_drawn_in_every_form(variant, method):
    content = ask(variant, method=method, outcomes=("asr",), samples=1000)
    drawing = influence_drawing(content, "asr_ohm_cm2")
    assert drawing.content("png").startswith(b"\x89PNG")
    assert GROWTH.encode() in drawing.content("svg")
    assert GROWTH.encode() in drawing.content("html")
    json.loads(json.dumps(content, allow_nan=False))
    rows = list(csv.DictReader(sensitivity_csv(content).splitlines()))
    assert rows[0]["name"] == GROWTH
    assert rows[0]["outcome"] == "asr_ohm_cm2"


def test_wrong_questions_are_refused():
    with pytest.raises(InputError, match="samples are 10, allowed is 50"):
        Request(samples=10)
    with pytest.raises(UnknownNameError, match="colour"):
        Request(outcomes=("colour",))
    with pytest.raises(InputError, match="no outcome"):
        Request(outcomes=())


def test_too_few_samples_for_sobol_are_refused_with_the_number_that_does(variant):
    with pytest.raises(InputError, match="need 278 samples"):
        ask(variant, method="sobol", outcomes=("asr",), samples=200)
    assert ask(variant, method="sobol", outcomes=("asr",), samples=278)["runs"] >= 16 * 13


def test_no_run_that_ended_is_an_error(variant, monkeypatch):
    def broken(parameters, case, draws, **_):
        count = len(draws.z)
        values = np.full((count, len(OUTCOMES)), np.nan)
        return Outcomes(OUTCOMES, values, dict.fromkeys(range(count), "stopped"))

    monkeypatch.setattr("cosinter.analysis.continuum.batch.run_samples", broken)
    with pytest.raises(ConvergenceError, match="0 of 60 runs ended"):
        ask(variant, samples=60)


def test_every_source_of_error_can_be_described(variant):
    parameters = variant.parameters
    for name in uncertain(parameters):
        about = origin(parameters, name)
        assert about.advice
        assert len(about.source) > 2
        assert about.size.startswith(("±", "×/÷"))
    assert origin(parameters, "conversion.layered_to_spinel:energy").size == "± 25 kJ/mol"
    assert origin(parameters, "cathode disordering energy").size == "± 8 kJ/mol"
    assert origin(parameters, HIDDEN).kind == "measured"
    with pytest.raises(UnknownNameError, match="colour"):
        origin(parameters, "colour")


def test_the_command_writes_what_it_is_asked_for(study_file, tmp_path):
    folder, picture = tmp_path / "out", tmp_path / "bars.png"
    arguments = ["sensitivity", str(study_file), "--outcome", "asr,layered", "--samples", "200"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(folder), "--plot", str(picture)])
    assert done.exit_code == 0, done.output
    assert "to measure or compute next:" in done.output
    assert GROWTH.split(".")[0] in done.output
    assert {path.name for path in folder.iterdir()} == {
        "sensitivity.json",
        "sensitivity.csv",
        "asr_ohm_cm2.svg",
        "layered_fraction.svg",
    }
    assert picture.stat().st_size > 5000
    printed = CliRunner().invoke(app, [*arguments, "--method", "tornado", "--json"])
    assert json.loads(printed.stdout)["method"] == "tornado"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--case", "none"], UnknownNameError),
        (["--outcome", "colour"], UnknownNameError),
        (["--samples", "3"], InputError),
        (["--plot", "bars.doc"], InputError),
        (["--parameters", "missing.json"], InputError),
    ],
)
def test_the_command_refuses_before_it_computes(study_file, options, error):
    done = CliRunner().invoke(app, ["sensitivity", str(study_file), *options])
    assert isinstance(done.exception, error)


def test_bars_for_the_report(variant):
    from cosinter.workflows.report.rows import TornadoBar

    names = ("layered_fraction", "asr_ohm_cm2")
    layered, resistance = tornado_tables(variant.parameters, variant.case, names, bars=2)
    assert [bar["name"] for bar in resistance["bars"]] == [GROWTH, CONTACT]
    assert layered["nominal"] == 0.5
    assert all(TornadoBar(**bar).meaning for bar in resistance["bars"])


def test_samples_of_an_assembled_set_can_all_be_run(variant):
    """Every sample passes the checks of the model's own input."""
    from cosinter.analysis.continuum.inputs import model_inputs

    draws = draw(variant.parameters, 20, seed=1)
    for row in range(20):
        model_inputs(moved(variant.parameters, draws, row))
