"""Process maps: axes, lines and probabilities of a problem with a known answer, and their pictures and tables."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))
from design_fixture import SPREAD, STUDY, Formula, layered

from cosinter.analysis.continuum.design import Target
from cosinter.data.exceptions import ConvergenceError, InputError, StudyError
from cosinter.workflows.diagrams.process import map_drawing, probability_drawing
from cosinter.workflows.process_map import Axis, map_csv, parse_axis, process_map
from cosinter.workflows.variation import vary

LAYERED = Target("layered_fraction", ">=", 0.899)
X, Y = parse_axis("hold_C=650:780:26"), parse_axis("compensator.wt_percent=0:4:1")


def draw(**changes: Any) -> dict[str, Any]:
    options = {"outcome": "layered_fraction", "target": LAYERED, "tell": lambda *_: None, **changes}
    axes = options.pop("x", X), options.pop("y", Y)
    return process_map(Formula(STUDY), *axes, **options)


def test_axes_are_read_by_short_name_or_key() -> None:
    assert Axis("furnace.hold_C", (650.0, 676.0, 702.0, 728.0, 754.0, 780.0)) == X
    assert X.label == "temperature of the hold, °C"
    assert parse_axis("cathode.grain_radius_um=0.5,1").label == "cathode.grain_radius_um"
    gas = parse_axis("CO2=1e-5,1e-4,1e-2")
    assert gas.logarithmic
    assert gas.label.startswith("log10 of ")
    assert gas.positions() == pytest.approx([-5.0, -4.0, -2.0])


@pytest.mark.parametrize("text", ["hold_C=700", "hold_C=700,600", "hold_C", "cathode.formula=a,b"])
def test_an_axis_needs_ascending_numbers(text: str) -> None:
    with pytest.raises(InputError):
        parse_axis(text)


def test_every_field_is_the_run_at_its_point() -> None:
    content = draw()
    table = content["outcomes"]["layered_fraction"]
    for j, dose in enumerate(Y.values):
        for i, hold in enumerate(X.values):
            study = vary(STUDY, {"furnace.hold_C": hold, "compensator.wt_percent": dose})
            assert table[j][i] == pytest.approx(layered(study))
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_line_of_the_target_is_where_it_is_met() -> None:
    (line,) = draw()["target_lines"]
    hot, dose = np.array(line["x"]), np.array(line["y"])
    assert dose == pytest.approx(1.225 + (hot - 700.0) / 40.0, abs=1e-9)
    assert [hot.min(), hot.max()] == pytest.approx([651.0, 780.0])


def test_the_probability_is_that_of_a_normal_error() -> None:
    content = draw(samples=2000, y=parse_axis("dose=0.8:1.6:0.2"), x=parse_axis("hold_C=690:710:10"))
    chance = np.array(content["probability"])
    margin = np.array(content["outcomes"]["layered_fraction"]) - LAYERED.value
    assert chance == pytest.approx(norm.cdf(margin / SPREAD), abs=0.04)
    assert set(content["probability_lines"]) == {"0.5", "0.95"}
    (half,) = content["probability_lines"]["0.5"]
    assert np.array(half["y"]) == pytest.approx(1.225 + (np.array(half["x"]) - 700.0) / 40.0, abs=0.03)


def test_failed_runs_are_holes_with_a_reason() -> None:
    content = draw(x=parse_axis("hold_C=700:800:50"), samples=10)
    assert [row[2] for row in content["outcomes"]["layered_fraction"]] == [None] * 5
    assert content["failures"][0] == {"x": 800.0, "y": 0.0, "why": "too hot"}
    assert content["probability"][4][2] == 0.0  # a run that fails keeps no target
    rows = list(csv.DictReader(io.StringIO(map_csv(content))))
    assert rows[2]["layered_fraction"] == ""
    assert map_drawing(content).content("svg").count(b"the run failed") >= 1
    with pytest.raises(ConvergenceError, match="too hot"):
        draw(x=parse_axis("hold_C=790,800"))


def test_pictures_and_table_show_the_same() -> None:
    content = draw(samples=20)
    rows = list(csv.DictReader(io.StringIO(map_csv(content))))
    assert len(rows) == len(X.values) * len(Y.values)
    assert list(rows[0])[:3] == ["furnace.hold_C", "compensator.wt_percent", "layered_fraction"]
    assert float(rows[-1]["layered_fraction"]) == content["outcomes"]["layered_fraction"][-1][-1]
    for drawing in (map_drawing(content), probability_drawing(content)):
        assert drawing.content("png").startswith(b"\x89PNG")
        assert drawing.content("csv").decode() == map_csv(content)
        fields = [trace for trace in drawing.plotly()["data"] if trace.get("fill") == "toself"]
        assert len(fields) == len(rows)
        assert "Plotly.newPlot" in drawing.page()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="both axes"):
        draw(y=X)
    with pytest.raises(InputError, match="needs a target"):
        draw(target=None, samples=5)
    with pytest.raises(InputError, match="10000"):
        draw(x=parse_axis("hold_C=500:780:1"), y=parse_axis("dose=0:4:0.1"))
    with pytest.raises(StudyError):
        draw(x=parse_axis("hold_C=10:700:100"))
