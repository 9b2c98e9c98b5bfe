"""The report: complete, self-contained, safe, and drawn by a real browser where there is one."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import ValidationError

from cosinter.workflows.report.content import (
    Case,
    Number,
    PublishedRow,
    ReportContent,
    SinterSeries,
    Verdict,
)
from cosinter.workflows.report.drawing import figure_csv, figure_png, plotly_spec
from cosinter.workflows.report.figures import Figure, Line, Panel, figures, slug, thinned, write_figures
from cosinter.workflows.report.page import render_report, report_sections
from cosinter.workflows.report.parameters import parameter_rows
from cosinter.workflows.report.text import (
    duration_text,
    flattened,
    format_number,
    formula_markup,
    interval_text,
    linked_citation,
    parameter_anchor,
    weight_percent,
)
from tests.analysis.export_cases import parameter_set
from tests.workflows.synthetic_report import synthetic_content

VOID = {"meta", "br", "input", "link", "img", "hr", "line", "rect", "circle"}
LOADING = {"src", "srcset", "data", "poster", "action", "formaction", "background"}


class Page(HTMLParser):
    """Collects what the tests ask for and refuses unbalanced tags."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.figures: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            elif name in LOADING or (name == "href" and tag != "a"):
                self.loads.append((tag, value or ""))
            if name == "data-figure" and value:
                self.figures.append(value)
            assert not name.startswith("on"), f"inline event handler {name}"

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open, f"stray </{tag}>"
            assert self.open.pop() == tag, f"unbalanced </{tag}>"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return synthetic_content()


@pytest.fixture(scope="module")
def rendered(content: ReportContent) -> str:
    return render_report(content)


@pytest.fixture(scope="module")
def page(rendered: str) -> Page:
    return Page(rendered)


def test_the_page_is_balanced_and_its_anchors_resolve(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    internal = [link[1:] for link in page.links if link.startswith("#")]
    assert set(internal) <= set(page.ids)


def test_every_section_stands_in_the_contents_in_order(page: Page, content: ReportContent) -> None:
    anchors = [section.anchor for section in report_sections(content)]
    assert len(anchors) == 17
    contents = [link[1:] for link in page.links if link.startswith("#") and link[1:] in anchors]
    assert contents == anchors
    assert [name for name in page.ids if name in anchors] == anchors


def test_nothing_is_loaded_from_anywhere(page: Page, rendered: str) -> None:
    assert page.loads == []
    outgoing = {link for link in page.links if not link.startswith("#")}
    assert outgoing == {"https://doi.org/10.1000/test.123"}
    assert "default-src 'none'" in rendered
    style = rendered[rendered.index("<style>") : rendered.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert rendered.count("plotly.js v") == 1


def test_the_verdict_and_the_numbers_come_first(page: Page, content: ReportContent) -> None:
    text = page.text
    first = text.index(content.verdict.headline, text.index("Contents"))
    numbers = [text.index(f" {shown} ") for shown in ("96.3", "187", "612", "64.3")]
    assert first < min(numbers) < max(numbers) < text.index("Inputs went into")
    assert "71.2 – 119" in text
    assert "Synthetic test data" in text


def test_all_numbers_are_there(page: Page, content: ReportContent) -> None:
    text = page.text
    shown = [
        *(number.value for headline in content.headlines for number in headline.values.values()),
        *(row.published.value for row in content.published),
        *(row.barrier_eV for row in content.barriers),
        *(kink.dG_meV_per_atom for table in content.reactions for kink in table.kinks),
        *(value for row in content.ladder for value in row.mu_kJ_per_mol),
        *(pattern.ratio_003_104 for pattern in content.diffraction),
        *(run.interphase_nm[-1] for run in content.sinter),
    ]
    for value in shown:
        assert format_number(value) in text, value
    for row in content.parameters:
        assert row.name in text
        assert row.value in text
    for pattern in content.diffraction:
        for percent in pattern.weight_percent.values():
            assert weight_percent(percent) in text
    for word in (
        "misses",
        "agrees",
        "input",
        "not computed",
        "open",
        "closed",
        "failed",
        "5 min 11 s",
        "51 ms",
    ):
        assert word in text


def test_numbers_link_to_their_parameter(page: Page) -> None:
    target = parameter_anchor("cathode.capacity_reference")
    assert f"#{target}" in page.links
    assert target in page.ids


def test_users_text_is_data_everywhere(content: ReportContent) -> None:
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}</title>$a_b$"
    hostile = content.model_copy(
        update={
            "study_name": attack,
            "summary": attack,
            "cases": tuple(case.model_copy(update={"label": attack}) for case in content.cases),
            "verdict": Verdict(status="fails", headline=attack, detail=attack),
            "study": {attack: [attack, {attack: None}]},
            "warnings": (attack, f"doi:10.1000/{attack}"),
            "parameters": tuple(
                row.model_copy(update={"name": f"{row.name}{attack}", "source": attack})
                for row in content.parameters
            ),
            "ladder": tuple(row.model_copy(update={"reservoir": attack}) for row in content.ladder),
            "versions": {attack: attack},
        }
    )
    text = render_report(hostile)
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert "<script>alert" not in text
    assert "<img" not in text
    assert attack in " ".join(page.words)
    assert set(link[1:] for link in page.links if link.startswith("#")) <= set(page.ids)
    assert all(link.startswith(("#", "https://doi.org/10.")) for link in page.links)


def test_figure_data_is_json_that_cannot_leave_its_element(content: ReportContent, rendered: str) -> None:
    start = rendered.index('id="figure-data">') + len('id="figure-data">')
    block = rendered[start : rendered.index("</script>", start)]
    assert not set("<>&") & set(block)
    specs = json.loads(block)
    assert set(specs) == {figure.name for figure in figures(content)}
    temperature = specs["sintering"]["data"][0]
    assert temperature["y"] == list(content.sinter[0].temperature_C)


def test_bars_of_a_tornado_lie_within_the_range_of_the_table(content: ReportContent) -> None:
    """0.4 to 0.9 is the whole range; 0.55 to 0.65 is a fifth of it, from 30 %, whichever way it runs."""
    (table,) = content.tornado
    wide, narrow = table.bars
    assert (table.left_percent(wide), table.width_percent(wide)) == (0.0, 100.0)
    assert table.left_percent(narrow) == pytest.approx(30.0)
    assert table.width_percent(narrow) == pytest.approx(20.0)


def test_sections_without_data_are_left_out() -> None:
    small = ReportContent(
        study_name="small",
        verdict=Verdict(status="undecided", headline="Nothing computed yet"),
        cases=(Case(name="only"),),
    )
    text = render_report(small)
    page = Page(text)
    assert report_sections(small) == ()
    assert page.figures == []
    assert "plotly.js v" not in text
    assert "Synthetic" not in page.text
    assert len(text) < 40_000


def test_rendering_twice_gives_the_same_bytes_also_after_a_round_trip(
    content: ReportContent, rendered: str
) -> None:
    again = ReportContent.model_validate_json(content.model_dump_json())
    assert again == content
    assert render_report(again) == rendered


def test_figures_are_written_as_pictures_and_data(content: ReportContent, tmp_path: Path) -> None:
    paths = write_figures(content, tmp_path / "new" / "figures")
    assert {path.stem for path in paths} == {figure.name for figure in figures(content)}
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    rows = list(
        csv.DictReader(io.StringIO((tmp_path / "new" / "figures" / "sintering.csv").read_text("utf-8")))
    )
    lithium = [float(row["value"]) for row in rows if row["panel"] == "lithium per metal"]
    assert lithium == [value for run in content.sinter for value in run.lithium_per_metal]


def test_drawing_leaves_matplotlib_alone(content: ReportContent) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    backend = matplotlib.get_backend(auto_select=False)
    first = figures(content)[0]
    assert figure_png(first) == figure_png(first)
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend(auto_select=False) == backend


def test_bands_lines_and_stacks_reach_the_drawing() -> None:
    band = Line("a", (0.0, 1.0), (1.0, 2.0), "#112233", low=(0.5, 1.5), high=(1.5, 2.5))
    stack = Line("b", (0.0, 1.0), (1.0, 1.0), "#445566", stacked=True)
    figure = Figure(
        "f", "charts", "F", "x", (Panel("y", (band,), log_y=True), Panel("z", (stack,))), "", log_x=True
    )
    spec = plotly_spec(figure)
    assert [trace.get("fill") for trace in spec["data"]] == [None, "tonexty", None, None]
    assert spec["data"][1]["fillcolor"] == "rgba(17,34,51,0.16)"
    assert spec["data"][3]["stackgroup"] == "stack2"
    assert spec["layout"]["yaxis"]["type"] == "log"
    assert spec["layout"]["xaxis"]["anchor"] == "y2"
    assert spec["layout"]["yaxis"]["domain"][0] > spec["layout"]["yaxis2"]["domain"][1]
    assert figure_csv(figure).splitlines()[1:3] == ["y,a,0.0,1.0,0.5,1.5", "y,a,1.0,2.0,1.5,2.5"]
    assert len(figure_png(figure)) > 1000


def test_long_smooth_lines_are_thinned_for_the_screen_and_keep_their_ends() -> None:
    x = tuple(float(place) for place in range(10_001))
    line = thinned(Line("a", x, x, "#000000"))
    assert len(line.x) <= 1200
    assert (line.x[0], line.x[-1]) == (0.0, 10_000.0)
    assert line.x == line.y
    assert max(b - a for a, b in zip(line.x, line.x[1:], strict=False)) <= 9.0


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, "–"),
        (0.0, 3, "0"),
        (1234.5, 3, "1230"),
        (9.996, 3, "10.0"),
        (-0.00123, 3, "−0.00123"),
        (2.1e-15, 2, "2.1×10⁻¹⁵"),
        (222.25, 4, "222.2"),
        (3e7, 1, "3×10⁷"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, digits: int, text: str) -> None:
    assert format_number(value, digits) == text


def test_round_off_at_the_end_of_an_interval_is_zero() -> None:
    assert interval_text(Number(value=1.0, low=5.9e-17, high=1.0)) == "0 – 1.00"
    assert interval_text(Number(value=1.0, low=1e-6, high=1.0)) == "1.00×10⁻⁶ – 1.00"


def test_only_formulas_get_small_numbers() -> None:
    assert formula_markup("Li1.3Al0.3Ti1.7(PO4)3") == (
        "Li<sub>1.3</sub>Al<sub>0.3</sub>Ti<sub>1.7</sub>(PO<sub>4</sub>)<sub>3</sub>"
    )
    assert formula_markup("+ 3 wt% Li2CO3") == "+ 3 wt% Li<sub>2</sub>CO<sub>3</sub>"
    for plain in ("NCM811", "M1 to M2", "LATP", "(104)", "700 °C"):
        assert formula_markup(plain) == plain
    assert formula_markup("<b>H2O") == "&lt;b&gt;H<sub>2</sub>O"


def test_dois_become_links_without_their_punctuation() -> None:
    text = str(
        linked_citation(
            "Somebody (2020), doi:10.1021/acs.jpcc.5c02329; see https://doi.org/10.1016/S1466-6049(01)00185-4."
        )
    )
    assert 'href="https://doi.org/10.1021/acs.jpcc.5c02329"' in text
    assert 'href="https://doi.org/10.1016/S1466-6049(01)00185-4"' in text
    assert text.endswith("</a>.")
    assert linked_citation("no DOI <here>") == "no DOI &lt;here&gt;"


def test_small_helpers() -> None:
    assert [duration_text(s) for s in (0.0, 0.012, 3.42, 312.0, 7500.0)] == [
        "0 ms",
        "12 ms",
        "3.4 s",
        "5 min 12 s",
        "2 h 5 min",
    ]
    assert list(flattened({"a": [1, {"b": None}], "c": "x"})) == [("a[0]", "1"), ("a[1].b", "–"), ("c", "x")]
    assert slug("+ 3 wt% LiOH") == "3-wt-lioh"
    assert slug("%%") == "unnamed"
    assert parameter_anchor("a b") != parameter_anchor("a_b")


def test_parameter_rows_follow_the_set() -> None:
    parameters = parameter_set()
    rows = parameter_rows(parameters)
    assert [row.name for row in rows] == list(parameters.parameters)
    assert {row.type for row in rows} == {"scalar", "arrhenius", "table"}
    arrhenius = next(row for row in rows if row.type == "arrhenius")
    assert "kJ/mol" in arrhenius.value
    assert all(len(row.value) < 60 for row in rows)


def test_content_that_contradicts_itself_is_refused(content: ReportContent) -> None:
    with pytest.raises(ValidationError, match="both be 'input'"):
        PublishedRow(quantity="q", published=Number(value=1.0), use="input", outcome="agrees", source="s")
    with pytest.raises(ValidationError, match="equal lengths"):
        SinterSeries.model_validate(content.sinter[0].model_dump() | {"interphase_nm": (1.0,)})
    with pytest.raises(ValidationError, match="unknown case"):
        ReportContent.model_validate(content.model_dump() | {"cases": (Case(name="other"),)})
    with pytest.raises(ValidationError, match="must differ"):
        ReportContent.model_validate(content.model_dump() | {"cases": content.cases[:1] * 2})


def test_deviation_is_given_for_compared_figures_only(content: ReportContent) -> None:
    deviations = [row.deviation_percent for row in content.published]
    assert deviations[0] is None
    assert deviations[1] == pytest.approx(100.0 * (96.31 - 99.9) / 99.9)
    assert deviations[3] is None


@pytest.mark.browser
def test_a_browser_draws_every_figure_without_errors(
    rendered: str, content: ReportContent, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium installed: apt-get install chromium")
    target = tmp_path / "report.html"
    target.write_text(rendered, encoding="utf-8")
    command = [
        browser,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000", "--window-size=1280,900"),
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        target.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert console == []
    drawn = re.findall(r'<div[^>]*data-figure="([^"]+)"[^>]*data-drawn="yes"', done.stdout)
    assert sorted(drawn) == sorted(figure.name for figure in figures(content))
    assert done.stdout.count('class="main-svg"') >= len(drawn)
    assert ">15 of 15<" in done.stdout
