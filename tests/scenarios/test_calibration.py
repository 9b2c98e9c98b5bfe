"""A calibration of the compensation model itself: what made the data is found again, and the fitted set runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cosinter.analysis.continuum.measurements import Comparison
from cosinter.analysis.parameters import ParameterSet
from cosinter.workflows.calibration import CalibrationRequest, experiments
from cosinter.workflows.cli import app
from cosinter.workflows.measurement_file import read_measurements
from cosinter.workflows.study_file import load_study

NAME = "interphase.parabolic_constant"
TRUTH, FACTOR = 0.7, 1.2
CONDITIONS = ("bare,650,5", "bare,750,1", "bare,750,5")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_growth_constant_is_found_again_in_data_of_the_model(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("name: s\ncases: [{name: bare}]\n")
    data = tmp_path / "mine.csv"
    head = "case,hold_C,hold_h,interphase,interphase_factor"
    data.write_text("\n".join([head, *(f"{line},1,{FACTOR}" for line in CONDITIONS)]))
    question = load_study(study)
    request = CalibrationRequest(question, read_measurements(data, question), (NAME,))
    _, runs = experiments(request)
    comparison = Comparison([(run.parameters, run.case) for run in runs], request.data.measurements)
    exact = np.exp(comparison.predict((NAME,), np.array([[TRUTH]]))[0])
    noise = FACTOR ** np.random.default_rng(2).normal(size=exact.size)
    rows = (f"{line},{value:.6g},{FACTOR}" for line, value in zip(CONDITIONS, exact * noise, strict=True))
    data.write_text("\n".join([head, *rows]))

    out = tmp_path / "fitted"
    options = ["--others", "fixed", "--walkers", "16", "--out", str(out)]
    command = ["calibrate", str(study), "--data", str(data), "--parameters", NAME, *options]
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 0, answer.exception
    content = json.loads((out / "calibration.json").read_text())
    (row,) = content["parameters"]
    assert row["fitted"]
    assert abs(row["mean_z"] - TRUTH) < 3.0 * row["deviation_z"]
    logarithms = [np.log(comparison.predict((NAME,), np.array([[TRUTH + step]]))[0]) for step in (-0.2, 0.2)]
    slopes = (logarithms[1] - logarithms[0]) / 0.4
    expected = 1.0 / np.sqrt(
        1.0 + np.sum((slopes / np.log(FACTOR)) ** 2)
    )  # Laplace's approximation, prior z ~ N(0, 1)
    assert expected < 0.75
    assert abs(row["deviation_z"] / expected - 1.0) < 0.3
    assert content["misfit_probability"] > 0.01
    assert ParameterSet.from_json((out / "parameters.json").read_bytes())[NAME].kind == "fitted"

    command = ["sinter", str(study), "--parameters", str(out / "parameters.json"), "--json"]
    sintered = CliRunner().invoke(app, command)
    assert sintered.exit_code == 0, sintered.exception
    assert json.loads(sintered.stdout)["cases"][0]["interphase_nm"] > 0.0
