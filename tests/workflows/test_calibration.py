"""cosinter calibrate from its files to the fitted set, on a layer that grows parabolically (a known answer)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cosinter.analysis.continuum import measurements
from cosinter.analysis.continuum.ensemble import Draws
from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import InputError
from cosinter.workflows import variants
from cosinter.workflows.calibration import Calibration, CalibrationRequest, calibrate, experiments
from cosinter.workflows.cli import app
from cosinter.workflows.measurement_file import read_measurements
from cosinter.workflows.study import Study
from tests.analysis.continuum_fixture import arrhenius, parameter_set
from tests.parabolic_layer import LAYER, run_samples, thickness_nm

STUDY = Study.model_validate({"name": "s", "cases": [{"name": "bare"}, {"name": "other"}]})
ENERGY, BLIND = f"{LAYER}:energy", "contact.exchange_solid"
PRIOR = parameter_set(
    **{LAYER: arrhenius(1.4e-19, 243e3, "m2/s", log10_uncertainty=1.0, activation_energy_uncertainty=2e4)}
)
TRUTH = np.array([[0.8, -0.6]])
FACTOR = 1.1


@pytest.fixture(autouse=True)
def _known_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "run_samples", run_samples)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thicknesses after holds at 550-800 °C for :data:`TRUTH`, with an error of 10 %."""
    conditions = [(temperature, hours) for temperature in (550, 700, 800) for hours in (1, 5)]
    rng = np.random.default_rng(5)
    rows = ["case,hold_C,hold_h,interphase,interphase_factor"]
    blank = tmp_path / "blank.csv"
    blank.write_text("\n".join([rows[0], *(f"bare,{c},{h},1,2" for c, h in conditions)]))
    request = CalibrationRequest(STUDY, read_measurements(blank, STUDY), (LAYER,), prior=PRIOR)
    for (celsius, hours), run in zip(conditions, experiments(request)[1], strict=True):
        exact = thickness_nm(PRIOR, run.case, Draws((LAYER, ENERGY), TRUTH))[0]
        rows.append(f"bare,{celsius},{hours},{exact * FACTOR ** rng.normal():.6g},{FACTOR}")
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def fit(data: Path, names: tuple[str, ...], **options: Any) -> Calibration:
    request = CalibrationRequest(STUDY, read_measurements(data, STUDY), names, prior=PRIOR, **options)
    return calibrate(request, tell=lambda *_: None)


def test_known_parameters_are_recovered_within_their_errors(data: Path) -> None:
    found = fit(data, (LAYER, ENERGY, BLIND))
    posterior = found.posterior
    np.testing.assert_array_less(np.abs(posterior.mean[:2] - TRUTH[0]), 3.0 * posterior.deviation[:2])
    assert posterior.deviation[:2].max() < 0.3
    rate = found.fitted.arrhenius(LAYER)
    assert rate.kind == "fitted"
    assert "mine.csv" in rate.source
    for temperature in (850.0, 1000.0):
        truth = (
            1.4e-19 * 10**0.8 * np.exp(-(243e3 - 0.6 * 2e4) / 8.314462618 * (1 / temperature - 1 / 973.15))
        )
        assert rate(temperature) == pytest.approx(truth, rel=0.25)
    assert found.fitted[BLIND] == PRIOR[BLIND]
    content = found.content
    assert content["warnings"][0] == f"the measurements say nothing about {BLIND}: it keeps its prior"
    assert content["misfit_probability"] > 0.01
    assert content["leave_one_out"]["within_90_percent"] >= 0.7
    assert 0.4 < content["leave_one_out"]["rms_z_score"] < 1.6
    for row in content["measurements"]:
        assert row["prior"]["high"] / row["prior"]["low"] > 10.0
        assert row["posterior"]["high"] / row["posterior"]["low"] < 1.5
        assert row["left_out"]["low"] < row["left_out"]["median"] < row["left_out"]["high"]
    json.dumps(content, allow_nan=False)


def test_values_are_told_in_their_own_unit(data: Path) -> None:
    rows = {row["name"]: row for row in fit(data, (LAYER, ENERGY)).content["parameters"]}
    assert rows[LAYER]["unit"] == "m2/s"
    assert rows[LAYER]["prior"]["median"] == pytest.approx(1.4e-19)
    assert rows[LAYER]["prior"]["high"] == pytest.approx(1.4e-19 * 10**1.6449, rel=1e-3)
    assert rows[LAYER]["posterior"]["median"] == pytest.approx(1.4e-19 * 10**0.8, rel=0.3)
    assert rows[ENERGY]["unit"] == "kJ/mol"
    assert rows[ENERGY]["prior"]["low"] == pytest.approx(243.0 - 1.6449 * 20.0, rel=1e-3)


def test_other_parameters_widen_the_answer_unless_they_are_held(data: Path) -> None:
    """At 550 °C alone the rate at 700 °C is known only as well as the activation energy, which is not fitted."""
    lines = data.read_text().splitlines()
    data.write_text("\n".join(line for line in lines if not line.startswith(("bare,7", "bare,8"))))
    free, held = (fit(data, (LAYER,), others=others) for others in ("linear", "fixed"))
    assert free.posterior.deviation[0] > 1.5 * held.posterior.deviation[0]
    assert free.content["others"]["largest"][0]["name"] == ENERGY
    assert ENERGY in free.content["warnings"][0]
    assert held.content["others"]["largest"] == []


def test_data_that_contradict_the_model_are_told(data: Path) -> None:
    lines = data.read_text().splitlines()
    data.write_text("\n".join([*lines, "bare,800,5,1.0,1.1"]) + "\n")
    warnings = fit(data, (LAYER,)).content["warnings"]
    assert any("does not describe the measurements within their errors" in warning for warning in warnings)


def test_a_line_that_cannot_run_is_named(data: Path) -> None:
    data.write_text("case,hold_C,layered,layered_error\nbare,600,1,0.1\nbare,5000,1,0.1\n")
    with pytest.raises(InputError, match=r"mine\.csv, line 3: furnace\.hold_C = 5000"):
        fit(data, (LAYER,))
    data.write_text("case,layered,layered_error\nbore,1,0.1\n")
    with pytest.raises(InputError, match=r"mine\.csv, line 2: unknown case 'bore'; did you mean bare"):
        fit(data, (LAYER,))


def test_a_parameter_that_differs_between_the_lines_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = parameter_set(**{LAYER: arrhenius(2e-19, 243e3, "m2/s", log10_uncertainty=1.0)})
    real = variants.Variants.of

    def of(self: variants.Variants, changes: Any) -> variants.Variant:
        run = real(self, changes)
        hot = changes.get("furnace.hold_C") == 800.0
        return variants.Variant(run.study, other if hot else run.parameters, run.case)

    monkeypatch.setattr(variants.Variants, "of", of)
    with pytest.raises(InputError, match=f"line 6: parameter {LAYER} is another one than in the study"):
        fit(data, (LAYER,))


@pytest.fixture
def cosinter(tmp_path: Path, data: Path) -> Callable[..., Any]:
    """Run the command in this process; the study and the prior lie beside the data."""
    (tmp_path / "study.yaml").write_text(STUDY.model_dump_json())
    (tmp_path / "prior.json").write_text(PRIOR.to_json())

    def run(*options: str) -> Any:
        fixed = ["--data", str(data), "--prior", str(tmp_path / "prior.json")]
        return CliRunner().invoke(app, ["calibrate", str(tmp_path / "study.yaml"), *fixed, *options])

    return run


def test_the_command_writes_a_set_that_reads_back(cosinter: Callable[..., Any], tmp_path: Path) -> None:
    folder, picture = tmp_path / "fitted", tmp_path / "p.html"
    answer = cosinter(
        "--parameters", f"{LAYER},{ENERGY}", "--out", str(folder), "--plot", str(picture), "--json"
    )
    assert answer.exit_code == 0, answer.output
    content = json.loads(answer.stdout)
    assert content == json.loads((folder / "calibration.json").read_text())
    found = ParameterSet.from_json((folder / "parameters.json").read_bytes())
    assert found[LAYER].kind == "fitted"
    assert found.labels["calibration"]["parameters"] == [LAYER, ENERGY]
    head, *rows = (folder / "samples.csv").read_text().splitlines()
    assert head.split(",") == [LAYER, ENERGY]
    assert len(rows) == content["chain"]["samples"]
    assert (folder / "posterior.png").read_bytes().startswith(b"\x89PNG")
    assert LAYER in picture.read_text()


def test_the_command_tells_people(cosinter: Callable[..., Any]) -> None:
    answer = cosinter("--parameters", f"{LAYER},{BLIND}", "--walkers", "32")
    assert answer.exit_code == 0, answer.output
    told = " ".join(answer.stdout.split())
    assert "6 measurements of 6 samples in mine.csv" in told
    assert f"note: the measurements say nothing about {BLIND}" in told
    assert "chain: 32 walkers" in told


def test_nothing_is_written_when_the_chain_is_too_short(cosinter: Callable[..., Any], tmp_path: Path) -> None:
    names = f"{LAYER},{ENERGY},{BLIND}"
    targets = {"--plot": tmp_path / "p.png", "--out": tmp_path / "fitted"}
    options = [str(part) for pair in targets.items() for part in pair]
    answer = cosinter("--parameters", names, "--steps", "100", *options)
    assert "has not converged" in str(answer.exception)
    answer = cosinter("--parameters", "contact", *options)
    assert "unknown parameter" in str(answer.exception)
    assert not any(target.exists() for target in targets.values())


def test_a_folder_that_cannot_be_is_refused_at_once(cosinter: Callable[..., Any], data: Path) -> None:
    answer = cosinter("--parameters", LAYER, "--out", str(data / "fitted"))
    assert isinstance(answer.exception, InputError)
    assert "mine.csv is a file" in str(answer.exception)
