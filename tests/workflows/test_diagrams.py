"""Drawings: every form of every diagram, readable labels, and what the pictures say against the numbers."""

import colorsys
import io
import itertools
import json
import re

import numpy as np
import pytest

from cosinter.analysis.equilibrium.diagrams import phase_diagram
from cosinter.analysis.equilibrium.interface import interface_reaction
from cosinter.analysis.equilibrium.potential_diagrams import potential_diagram
from cosinter.analysis.equilibrium.product_map import product_map
from cosinter.analysis.thermochemistry.library import load_library
from cosinter.data.exceptions import InputError
from cosinter.workflows.diagrams import drawing as diagrams
from cosinter.workflows.diagrams.ellingham import ellingham_drawing
from cosinter.workflows.diagrams.fields import _spread
from cosinter.workflows.diagrams.line import _colours, line_figure
from cosinter.workflows.diagrams.maps import map_scene
from cosinter.workflows.diagrams.products import family, kindred, ratio, rescaled, stretches, strongest
from cosinter.workflows.diagrams.scene import (
    GREY,
    TINTS,
    Scale,
    Scene,
    colour_at,
    inscribed,
    overlap,
    place_labels,
    pretty,
    subscripted,
)
from cosinter.workflows.diagrams.sections import ternary_scene

OXYGEN = {"O2": 0.21}


@pytest.fixture(scope="module")
def library():
    return load_library()


@pytest.fixture(scope="module")
def ternary(library):
    return phase_diagram(
        ("Li2O", "TiO2", "P2O5"), library=library, temperature_K=973.15, pressures_bar=OXYGEN
    )


@pytest.fixture(scope="module")
def line(library):
    return interface_reaction(
        "ncm811", "latp", library=library, temperature_K=973.15, pressures_bar=OXYGEN
    ).to_dict()


@pytest.fixture(scope="module")
def area(library):
    found = product_map(
        "LiCoO2",
        "latp",
        library=library,
        temperatures_K=[800.0, 900.0, 1000.0],
        pressures_bar=OXYGEN,
        resolution_K=10.0,
    )
    return found.to_dict()


@pytest.fixture(scope="module")
def drawings(library, ternary, line, area):
    solid = phase_diagram(
        ("Li2O", "TiO2", "P2O5", "Al2O3"), library=library, temperature_K=973.15, pressures_bar={}
    )
    fields = potential_diagram(
        "ncm811", ("Li2O", "O2"), library=library, temperature_K=973.15, pressures_bar={}
    )
    ellingham = ellingham_drawing(
        "ncm811",
        "latp",
        library=library,
        temperatures_C=(600.0, 700.0, 800.0),
        pressures_bar=OXYGEN | {"CO2": 4e-4},
    )
    return {
        "ternary": diagrams.section_drawing(ternary),
        "quaternary": diagrams.section_drawing(solid),
        "potentials": diagrams.potential_drawing(fields),
        "ellingham": ellingham,
        "line": diagrams.line_drawing(line),
        "map": diagrams.map_drawing(area),
    }


KINDS = ("ternary", "quaternary", "potentials", "ellingham", "line", "map")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_has_ink_and_is_the_same_every_time(drawings, kind) -> None:
    from matplotlib.image import imread

    content = drawings[kind].content("png")
    pixels = imread(io.BytesIO(content))
    assert min(pixels.shape[:2]) > 500
    assert 0.01 < np.mean(np.any(pixels[..., :3] < 0.97, axis=2)) < 0.95
    assert drawings[kind].content("png") == content


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_needs_nothing_else(drawings, kind) -> None:
    page = drawings[kind].content("html").decode()
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page.split("<script>", 1)[0])
    spec = json.loads(re.search(r'id="spec">(.*?)</script>', page, re.DOTALL)[1])
    assert spec["data"]
    assert spec["layout"]["title"]["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_go_with_the_picture(drawings, kind) -> None:
    assert json.loads(drawings[kind].content("json"))
    rows = drawings[kind].content("csv").decode().splitlines()
    assert len(rows) > 5
    assert len({row.count(",") for row in rows if '"' not in row}) == 1


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_vectors_for_print(drawings, suffix) -> None:
    content = drawings["ternary"].content(suffix)
    assert content.startswith(b"%PDF" if suffix == "pdf" else b"<?xml")


def test_plotly_accepts_every_page(drawings) -> None:
    import plotly.graph_objects as go

    for drawing in drawings.values():
        go.Figure(drawing.plotly())


def test_endings_and_folders_that_cannot_be(drawings, tmp_path) -> None:
    for call in (
        lambda: drawings["map"].save(tmp_path / "map.gif"),
        lambda: drawings["map"].save(tmp_path / "map"),
        lambda: diagrams.reaction_line({}, tmp_path / "line.bmp"),
    ):
        with pytest.raises(InputError, match="ending"):
            call()
    with pytest.raises(InputError, match="cannot write"):
        drawings["ternary"].save(tmp_path / "none" / "x.json")
    drawings["ternary"].save(tmp_path / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_react_content_is_drawn(line, area, tmp_path) -> None:
    diagrams.reaction_line(line, tmp_path / "line.csv")
    diagrams.reaction_map(area, tmp_path / "map.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"line.csv", "map.csv"}
    with pytest.raises(InputError, match="at least two temperatures"):
        diagrams.reaction_map({"temperatures": area["temperatures"][:1]}, tmp_path / "map.png")


def test_names_in_a_triangle_do_not_cover_each_other(ternary) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from cosinter.workflows.diagrams import render as diagrams_render

    scene = ternary_scene(ternary)
    canvas = Figure(figsize=(scene.width_inches, scene.height_inches), dpi=100)
    renderer = FigureCanvasAgg(canvas).get_renderer()
    diagrams_render._draw(canvas, scene)
    boxes = [text.get_window_extent(renderer) for text in canvas.axes[0].texts]
    names = [text.get_text() for text in canvas.axes[0].texts]
    assert {"LiTi₂(PO₄)₃", "TiO₂ rutile", "Li₃PO₄"} <= set(names)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert not one.overlaps(other)
    width, height = canvas.get_size_inches() * 100
    for box in boxes:
        assert box.x0 >= 0.0
        assert box.y0 >= 0.0
        assert box.x1 <= width
        assert box.y1 <= height


def test_every_region_is_drawn_with_its_phases_and_potential(ternary) -> None:
    scene = ternary_scene(ternary)
    assert len(scene.patches) == len(ternary.regions)
    for patch, region in zip(scene.patches, ternary.regions, strict=True):
        assert patch.label.startswith(" + ".join(pretty(name) for name in region.phases))
    assert scene.scale is not None
    assert scene.scale.high == pytest.approx(0.0, abs=1e-6)
    assert Scene.model_validate_json(scene.model_dump_json()) == scene


def test_the_map_leaves_no_place_without_an_answer(area) -> None:
    scene = map_scene(area, basis="mole", minor=0.0)
    low, high = scene.y_range
    covered = 0.0
    for patch in scene.patches:
        x, y = np.asarray(patch.x), np.asarray(patch.y)
        covered += 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert covered == pytest.approx(high - low, rel=1e-6)


def test_every_number_of_a_map_has_its_own_colour_and_the_rest_is_grey(area) -> None:
    scene = map_scene(area, minor=0.0)
    numbered = [entry for entry in scene.entries if entry.sign]
    assert len({entry.colour for entry in numbered}) == len(numbered)
    assert len({patch.colour for patch in scene.patches}) == len(scene.entries)
    grey = [patch for patch in scene.patches if patch.colour == GREY]
    assert grey
    assert {scene.entries[patch.entry].text for patch in grey} == {"small regions: named in .html and .csv"}
    assert len(set(TINTS)) == len(TINTS)


def test_the_map_marks_the_strongest_ratio_at_every_temperature(area) -> None:
    scene = map_scene(area, basis="mass")
    drawn = {(y, x) for stroke in scene.strokes for x, y in zip(stroke.x, stroke.y, strict=True)}
    for line in area["temperatures"]:
        fraction = min(line["kinks"], key=lambda kink: kink["dG"]["meV_per_atom"])["fraction"]["mass"]
        assert any(y == line["temperature_C"] and x == pytest.approx(fraction) for y, x in drawn)
    assert "strongest ratio" in scene.subtitle


def test_pictures_say_what_is_left_out_and_what_bars_mean(drawings) -> None:
    for kind in ("ternary", "quaternary", "potentials"):
        assert "solid solutions left out" in drawings[kind].plotly()["layout"]["title"]["text"]
    notes = [note["text"] for note in drawings["ellingham"].plotly()["layout"]["annotations"]]
    assert "bars: ± one standard uncertainty" in notes


def test_main_products_are_those_above_the_share(line) -> None:
    everything = stretches(line, minor=0.0, grouped=False)
    assert len(everything) == len(line["kinks"]) - 1
    main = stretches(line)
    assert len(main) < len(everything) + 12
    assert main[0].start == 0.0
    assert main[-1].end == pytest.approx(1.0)
    assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(main))
    assert all(a.products != b.products for a, b in itertools.pairwise(main))
    with pytest.raises(InputError, match="minor"):
        stretches(line, minor=2.0)


def test_ratio_turns_moles_into_mass(line) -> None:
    weight = ratio(line, "mass")
    for kink in line["kinks"]:
        assert rescaled(kink["fraction"]["mole"], weight) == pytest.approx(kink["fraction"]["mass"])
    blind = {**line, "kinks": [k | {"fraction": k["fraction"] | {"volume": None}} for k in line["kinks"]]}
    with pytest.raises(InputError, match="ratio by volume is not known"):
        ratio(blind, "volume")


def test_the_line_goes_through_its_kinks_inside_its_band(line) -> None:
    figure = line_figure(line)
    drive = figure.panels[0].lines[0]
    for kink in line["kinks"]:
        value = np.interp(kink["fraction"]["mass"], drive.x, drive.y)
        assert value == pytest.approx(kink["dG"]["meV_per_atom"], abs=1e-6)
    assert all(low <= y <= high for low, y, high in zip(drive.low, drive.y, drive.high, strict=True))
    total = np.sum([stack.y for stack in figure.panels[1].lines if stack.stacked], axis=0)
    np.testing.assert_allclose(total, 1.0, atol=1e-9)


def test_the_strongest_ratio_is_marked_by_mole_and_by_mass(line) -> None:
    best = min(line["kinks"], key=lambda kink: kink["dG"]["meV_per_atom"])
    for basis in ("mole", "mass"):
        energies, shares = line_figure(line, basis=basis).panels
        assert best["fraction"]["mole"] != pytest.approx(best["fraction"]["mass"], abs=0.05)
        for wanted in ("mole", "mass"):
            assert f"{best['fraction'][wanted]:.2f} by {wanted}" in energies.labels[0].text
        for panel in (energies, shares):
            cursor = next(drawn for drawn in panel.lines if drawn.label == "strongest ratio")
            assert cursor.x == pytest.approx([best["fraction"][basis]] * 2)
    calm = {**line, "kinks": [kink | {"dG": kink["dG"] | {"meV_per_atom": 0.0}} for kink in line["kinks"]]}
    assert strongest(calm) is None
    assert line_figure(calm).panels[0].labels[0].text == "no reaction at any ratio"
    assert all(
        drawn.label != "strongest ratio" for panel in line_figure(calm).panels for drawn in panel.lines
    )


def test_names_of_areas_lie_inside_them_and_leave_the_legend(line) -> None:
    figure = line_figure(line)
    stack = [drawn for drawn in figure.panels[1].lines if drawn.stacked]
    labels = {label.text: label for label in figure.panels[1].labels}
    assert len(labels) >= 4
    assert not set(labels) & {entry.legend for entry in figure.entries}
    assert set(labels) | {entry.legend for entry in figure.entries} >= {drawn.label for drawn in stack}
    roof = np.cumsum([drawn.y for drawn in stack], axis=0)
    for place, drawn in enumerate(stack):
        if drawn.label in labels:
            label = labels[drawn.label]
            top = np.interp(label.x, drawn.x, roof[place])
            assert top - np.interp(label.x, drawn.x, drawn.y) < label.y < top


def test_the_band_has_its_name_on_paper(line) -> None:
    from cosinter.workflows.report.drawing import figure_image

    assert line_figure(line).panels[0].lines[0].band == "± one standard uncertainty"
    assert b"standard uncertainty" in figure_image(line_figure(line), "svg")


def test_a_compound_of_a_solution_has_a_tint_of_its_colour() -> None:
    def kink(*products):
        return {"products": [{"phase": phase, "formula": formula, "mol": 1.0} for phase, formula in products]}

    content = {
        "kinks": [
            kink(("Li1.3Al0.3Ti1.7(PO4)3", "Li1.3Al0.3Ti1.7(PO4)3"), ("TiO2_rutile", "TiO2")),
            kink(("LATP", "Li1.313Al0.313Ti1.687P3O12"), ("rock salt", "Ni0.9Co0.1O"), ("NiO", "NiO")),
            kink(("Li3PO4", "Li3PO4"), ("olivine", "LiNi0.8Co0.2PO4"), ("O2(g)", "O2")),
        ]
    }
    found = kindred(content, grouped=False)
    assert found == {"Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃": "LATP", "NiO": "rock salt"}
    colours = _colours(["LATP", "Li₃PO₄", "Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃"], found)
    hues = {
        name: colorsys.rgb_to_hsv(*(int(tint[k : k + 2], 16) / 255 for k in (1, 3, 5)))
        for name, tint in colours.items()
    }
    assert hues["Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃"][0] == pytest.approx(hues["LATP"][0], abs=0.01)
    assert hues["Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃"][1] < 0.7 * hues["LATP"][1]
    assert hues["Li₃PO₄"][0] != pytest.approx(hues["LATP"][0], abs=0.05)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TiO2_rutile", "TiO₂ rutile"),
        ("LiOH_s", "LiOH"),
        ("LiOH_l", "LiOH melt"),
        ("O2(g)", "O₂ gas"),
        ("LiTi2(PO4)3", "LiTi₂(PO₄)₃"),
    ],
)
def test_phases_are_written_for_a_reader(name, text) -> None:
    assert pretty(name) == text


def test_metals_are_one_where_the_reactants_hold_several() -> None:
    assert family("LiCoPO4", "LiCoPO4", grouped=True) == "LiMPO₄"
    assert family("LiNi0.8Co0.1Mn0.1O2", "LiNi0.8Co0.1Mn0.1O2", grouped=True) == "LiMO₂"
    assert family("Co3O4", "Co3O4", grouped=True) == "M₃O₄"
    assert family("Co3O4", "Co3O4", grouped=False) == "Co₃O₄"
    assert family("Li3PO4", "Li3PO4", grouped=True) == "Li₃PO₄"
    assert subscripted("Li1.3Al0.3") == "Li₁.₃Al₀.₃"


def test_labels_keep_clear_of_each_other_and_of_marks() -> None:
    rng = np.random.default_rng(5)
    marks = [(float(x), float(y), "Li2TiO3") for x, y in rng.random((12, 2))]
    notes, boxes = place_labels(marks, inch=(5.0, 5.0))
    assert len(notes) == len(boxes) == 12
    pairs = [(a, b) for k, a in enumerate(boxes) for b in boxes[k + 1 :]]
    assert sum(overlap(a, b) > 0.0 for a, b in pairs) <= 1


def test_names_at_line_ends_move_apart_and_keep_their_order() -> None:
    moved = _spread([10.0, 9.9, 9.8, 0.0], 1.0)
    assert all(a - b >= 1.0 - 1e-9 for a, b in itertools.pairwise(moved))
    assert moved[3] == 0.0
    assert np.mean(moved[:3]) == pytest.approx(9.9)


def test_the_largest_circle_of_a_square_is_in_its_middle() -> None:
    assert inscribed([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]) == pytest.approx((1.0, 1.0, 1.0))


def test_colours_follow_the_scale() -> None:
    scale = Scale(title="t", low=0.0, high=1.0, colours=("#000000", "#ffffff"))
    assert [colour_at(scale, value) for value in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [
        "#000000",
        "#000000",
        "#808080",
        "#ffffff",
        "#ffffff",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_pymatgen_draws_closed_systems_and_says_what_it_cannot(library, ternary) -> None:
    from cosinter.workflows.diagrams.pymatgen_plots import pymatgen_drawing

    closed = phase_diagram(("Li2O", "TiO2", "P2O5"), library=library, temperature_K=973.15, pressures_bar={})
    drawing = pymatgen_drawing(closed)
    assert drawing.content("png").startswith(b"\x89PNG")
    assert drawing.plotly()["data"]
    with pytest.raises(InputError, match="closed systems"):
        pymatgen_drawing(ternary)


def test_a_solution_keeps_its_name_and_is_one_product() -> None:
    assert family("olivine", "LiNi0.8Co0.1Mn0.1PO4", grouped=True) == "olivine"
    assert family("layered oxide", "Li0.45Ni1.26O2", grouped=True) == "layered oxide"


def test_a_page_lists_regions_in_their_order_and_names_the_band(drawings) -> None:
    listed = [trace for trace in drawings["map"].plotly()["data"] if trace["showlegend"]]
    listed.sort(key=lambda trace: trace["legendrank"])
    numbers = [int(trace["name"].split()[0]) for trace in listed if trace["name"][0].isdigit()]
    assert numbers == list(range(1, len(numbers) + 1))
    spec = drawings["line"].plotly()
    names = [trace["name"] for trace in spec["data"] if trace["showlegend"]]
    assert "± one standard uncertainty" in names
    assert len(set(names)) == len(names)
    assert any("by mole" in note["text"] for note in spec["layout"]["annotations"])
