"""Thermodynamic figures in the report: bands that hold the line, scenes that come back from JSON, a page that shows them."""

import json
import re

import numpy as np
import pytest

from cosinter.analysis.equilibrium.interface import interface_reaction
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.workflows.report.content import Case, LadderRow, ReportContent, Scene, Verdict
from cosinter.workflows.report.figures import figures, write_figures
from cosinter.workflows.report.page import render_report
from cosinter.workflows.report.rows import Kink, Product
from cosinter.workflows.report.text import products_markup
from cosinter.workflows.report.thermodynamics import SceneFigure, reaction_charts, thermo_scenes

ATMOSPHERE = {"O2": 0.21, "CO2": 4e-4, "H2O": 0.01}


@pytest.fixture(scope="module")
def scenes():
    return thermo_scenes(
        "LiCoO2", "latp", "LiOH", library=load_library(), hottest_C=600.0, pressures_bar=ATMOSPHERE
    )


@pytest.fixture(scope="module")
def content(scenes):
    stored = json.loads(json.dumps([scene.model_dump(mode="json") for scene in scenes]))
    line = interface_reaction(
        "LiCoO2", "latp", library=load_library(), temperature_K=873.15, pressures_bar={"O2": 0.21}
    ).to_dict()
    return ReportContent(
        study_name="diagrams",
        verdict=Verdict(status="undecided", headline="only diagrams"),
        cases=(Case(name="bare", role="bare"),),
        ladder=(
            LadderRow(
                reservoir="LiOH", temperature_C=(600.0,), mu_kJ_per_mol=(0.0,), kind="measured", source="-"
            ),
        ),
        scenes=tuple(Scene.model_validate(scene) for scene in stored),
        charts=reaction_charts([line]),
    )


def test_scenes_survive_json(scenes, content) -> None:
    assert content.scenes == scenes
    assert [scene.name.partition("-")[0] for scene in scenes] == ["ternary", "map", "ellingham"]


def test_charts_hold_their_line_inside_the_band(content) -> None:
    (chart,) = content.charts
    (curve,) = chart.curves
    assert np.all(np.asarray(curve.low) <= curve.y)
    assert np.all(np.asarray(curve.high) >= curve.y)
    assert min(curve.y) < -10.0


def test_every_scene_is_a_figure_of_its_section(content) -> None:
    drawn = [figure for figure in figures(content) if isinstance(figure, SceneFigure)]
    assert [figure.section for figure in drawn] == ["reactions", "reactions", "ladder"]
    assert all(figure.title and figure.caption for figure in drawn)


def test_the_page_draws_them_with_a_legend_to_press(content) -> None:
    page = render_report(content)
    specs = json.loads(re.search(r'id="figure-data">(.*?)</script>', page, re.DOTALL)[1])
    for scene in content.scenes:
        assert f'data-figure="{scene.name}"' in page
        groups = {trace.get("legendgroup") for trace in specs[scene.name]["data"]} - {None}
        buttons = re.search(rf'id="figure-{scene.name}">(.*?)</figure>', page, re.DOTALL)[1].count(
            "data-group="
        )
        assert groups <= {f"g{k}" for k in range(max(buttons, len(scene.entries)))}
        assert "title" not in specs[scene.name]["layout"]


def test_files_lie_beside_the_report(content, tmp_path) -> None:
    written = {path.name for path in write_figures(content, tmp_path)}
    for scene in content.scenes:
        assert {f"{scene.name}.png", f"{scene.name}.csv"} <= written


@pytest.mark.parametrize(
    ("amounts", "text"),
    [
        (
            {"Li3PO4": 0.5, "CO2": -0.144, "O2": 0.25},
            "0.5 Li<sub>3</sub>PO<sub>4</sub> − 0.144 CO<sub>2</sub> + 0.25 O<sub>2</sub>",
        ),
        ({"CO2": -1.0, "CoO": 1.0}, "−1 CO<sub>2</sub> + 1 CoO"),
        ({}, "unchanged"),
    ],
)
def test_what_is_taken_up_is_subtracted(amounts, text) -> None:
    products = tuple(Product(phase=name, mol=mol) for name, mol in amounts.items())
    kink = Kink(mole_fraction=0.5, dG_kJ_per_mol=-1.0, dG_meV_per_atom=-1.0, products=products)
    assert products_markup(kink) == text


def test_the_band_promises_no_certainty(content) -> None:
    chart = next(chart for chart in content.charts if chart.name.startswith("drive"))
    assert "84 %" in chart.caption
    assert "certain to" not in chart.caption
