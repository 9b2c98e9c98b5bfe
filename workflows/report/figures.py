"""The figures of the report as plain data: panels of lines over one axis.

Built once from :class:`~cosinter.workflows.report.content.ReportContent`; :mod:`cosinter.workflows.report.drawing`
turns each into an interactive chart, a PNG and a CSV, so the three never differ. Warm colours are cases without
compensator, cool ones with it; the stroke tells phases or temperatures apart, so colour is never the only sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cosinter.workflows.report.content import (
    Case,
    Chart,
    PatternRow,
    ReportContent,
    Role,
    Series,
    SinterSeries,
)

if TYPE_CHECKING:
    from cosinter.workflows.report.thermodynamics import SceneFigure

Dash = Literal["solid", "dash", "dot", "dashdot"]
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
PALETTE: Mapping[Role, tuple[str, ...]] = {
    "bare": ("#b5482f", "#d9885f", "#8f6a58", "#e3b08f"),
    "compensated": ("#1d6a8c", "#2f9e78", "#5a9bd4", "#14505f", "#7fbfa5", "#30709e"),
    "other": ("#55585f", "#8a6d9b", "#a08a3c", "#7a8ba0", "#5f7f62", "#9c6b5a", "#3f4a63", "#b59ab8"),
}
PATTERN_LIFT = 108.0
STOCKS = ("#4f7396", "#6fae8b", "#d2a24c", "#b8674f", "#8d7aa8", "#8f9399", "#c9b98f")


@dataclass(frozen=True)
class Line:
    """One line; ``low``/``high`` give a band, named ``band`` in a printed legend; ``stacked`` fills from the line below.

    Lines of one ``group`` share an entry of the legend (the label where none is given).
    """

    label: str
    x: Series
    y: Series
    colour: str
    dash: Dash = "solid"
    low: Series | None = None
    high: Series | None = None
    markers: bool = False
    stacked: bool = False
    width: float = 2.0
    group: str = ""
    band: str = ""

    @property
    def legend(self) -> str:
        """Name of the line's entry in the legend."""
        return self.group or self.label


@dataclass(frozen=True)
class Label:
    """A word around (x, y), turned by ``angle`` degrees on paper; one that names a line of the panel replaces its entry in
    the legend."""

    x: float
    y: float
    text: str
    angle: float = 0.0


@dataclass(frozen=True)
class Panel:
    """Lines that share a y axis; ``lifted`` lines stand above each other, labelled in place, on no scale."""

    y_label: str
    lines: tuple[Line, ...]
    log_y: bool = False
    y_range: tuple[float, float] | None = None
    lifted: bool = False
    height: int = 150
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Figure:
    """Panels above each other over one x axis; ``section`` is the anchor it belongs to."""

    name: str
    section: str
    title: str
    x_label: str
    panels: tuple[Panel, ...]
    caption: str
    log_x: bool = False

    @property
    def entries(self) -> tuple[Line, ...]:
        """The first line of each legend entry; none where a legend would say nothing."""
        first: dict[str, Line] = {}
        for panel in self.panels:
            named = {label.text for label in panel.labels}
            for line in panel.lines if not panel.lifted else ():
                if line.legend not in named:
                    first.setdefault(line.legend, line)
        return tuple(first.values()) if len(first) > 1 else ()


def figures(content: ReportContent) -> tuple[Figure | SceneFigure, ...]:
    """Build all figures the content has data for, in the order of the report."""
    from cosinter.workflows.report.cell import cell_charts
    from cosinter.workflows.report.thermodynamics import scene_figures

    colours = case_colours(content.cases)
    built: list[Figure | SceneFigure] = []
    if content.barriers:
        built.append(_barriers(content))
    if content.phonons:
        built.append(_phonons(content))
    built.extend(chart_figure(chart) for chart in content.charts if chart.section == "reactions")
    built.extend(scene_figures(content.scenes))
    if content.ladder:
        built.append(_ladder(content))
    if content.sinter:
        built.append(_programme(content, colours))
    if any(series.inventories for series in content.sinter):
        built.append(_inventories(content))
    if any(series.gas for series in content.sinter):
        built.append(_gas(content, colours))
    built.extend(chart_figure(chart) for chart in content.charts if chart.section == "charts")
    built.extend(
        chart_figure(chart)
        for chart in cell_charts(content.cells, {case.name: case.role for case in content.cases})
    )
    if content.diffraction:
        built.append(_diffraction(content, colours))
    return tuple(built)


def write_figures(content: ReportContent, folder: Path) -> tuple[Path, ...]:
    """Write every figure as PNG and its data as CSV into ``folder``; give the paths.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    from cosinter.workflows.report.drawing import figure_csv, figure_png
    from cosinter.workflows.report.thermodynamics import SceneFigure
    from cosinter.workflows.results import storage_errors

    written: list[Path] = []
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for figure in figures(content):
            picture, data = folder / f"{figure.name}.png", folder / f"{figure.name}.csv"
            if isinstance(figure, SceneFigure):
                image, numbers = figure.png(), figure.csv()
            else:
                image, numbers = figure_png(figure), figure_csv(figure)
            picture.write_bytes(image)
            data.write_text(numbers, encoding="utf-8")
            written += [picture, data]
    return tuple(written)


def case_colours(cases: Iterable[Case]) -> dict[str, str]:
    """Give every case a colour of its role, by name."""
    return dict(zip((case.name for case in cases), colours_of([case.role for case in cases]), strict=True))


def colours_of(roles: Sequence[Role]) -> list[str]:
    """The next free colour of each role."""
    used: dict[Role, int] = {}
    colours = []
    for role in roles:
        place = used.get(role, 0)
        used[role] = place + 1
        colours.append(PALETTE[role][place % len(PALETTE[role])])
    return colours


def _neutral(place: int) -> tuple[str, Dash]:
    """Colour and stroke for a line that belongs to no case."""
    grey = PALETTE["other"]
    return grey[place % len(grey)], DASHES[(place // len(grey)) % len(DASHES)]


def _barriers(content: ReportContent) -> Figure:
    lines = []
    for place, row in enumerate(content.barriers):
        colour, dash = _neutral(place)
        label = f"{row.host}, {row.mechanism}" if row.mechanism else f"{row.host}: {row.name}"
        lines.append(Line(label, row.distance_A, row.energy_eV, colour, dash, markers=True))
    return Figure(
        "barriers",
        "barriers",
        "What a lithium ion climbs",
        "distance along the path / Å",
        (Panel("energy / eV", tuple(lines), height=280),),
        "Energy of the moving ion along its minimum-energy path, relative to the start. The highest point is the barrier "
        "that sets how fast lithium leaves or refills a grain; each dot is one relaxed image.",
    )


def _phonons(content: ReportContent) -> Figure:
    lines = []
    for place, row in enumerate(content.phonons):
        colour, dash = _neutral(place)
        lines.append(Line(row.formula, row.temperature_K, row.free_energy_kJ_per_mol, colour, dash))
    return Figure(
        "phonons",
        "phonons",
        "Vibrational free energy",
        "temperature / K",
        (Panel("F(vib) / kJ per mol of formula", tuple(lines), height=240),),
        "Harmonic free energy of the lattice vibrations. Soft lattices fall faster with temperature, which is how heat "
        "shifts the balance between products.",
    )


def _ladder(content: ReportContent) -> Figure:
    lines = []
    ordered = sorted(content.ladder, key=lambda row: -row.mu_kJ_per_mol[-1])
    for place, row in enumerate(ordered):
        colour, dash = _neutral(place)
        width = row.uncertainty_kJ_per_mol
        low = tuple(mu - width for mu in row.mu_kJ_per_mol) if width else None
        high = tuple(mu + width for mu in row.mu_kJ_per_mol) if width else None
        lines.append(
            Line(row.reservoir, row.temperature_C, row.mu_kJ_per_mol, colour, dash, low, high, markers=True)
        )
    return Figure(
        "ladder",
        "ladder",
        "Who gives lithium oxide to whom",
        "temperature / °C",
        (Panel("μ(Li₂O) − μ°(Li₂O, solid) / kJ per mol", tuple(lines), height=340),),
        "Lithium oxide runs down this ladder: a reservoir can feed every one below it. A compensator protects the cathode "
        "only where it stands above the cathode at the same temperature. Bands are one standard uncertainty.",
    )


_PHASES = (
    ("layered", "layered_fraction"),
    ("spinel", "spinel_fraction"),
    ("rock salt", "rock_salt_fraction"),
)


def _programme(content: ReportContent, colours: Mapping[str, str]) -> Figure:
    """Temperature, phases, lithium and interphase of all cases over the furnace programme."""

    def line(series: SinterSeries, column: str, *, label: str = "", dash: Dash = "solid") -> Line:
        case = content.case(series.case).title
        title = f"{case}, {label}" if label else case
        return Line(title, series.time_h, getattr(series, column), colours[series.case], dash, group=case)

    runs = content.sinter
    damaged = tuple(
        line(run, column, label=label, dash=dash)
        for run in runs
        for (label, column), dash in zip(_PHASES[1:], DASHES[1:3], strict=True)
    )
    panels = (
        Panel("temperature / °C", tuple(line(run, "temperature_C") for run in runs), height=110),
        Panel(
            "layered share of the metal",
            tuple(line(run, "layered_fraction") for run in runs),
            y_range=(-0.03, 1.05),
        ),
        Panel("spinel (dashed), rock salt (dotted)", damaged),
        Panel("lithium per metal", tuple(line(run, "lithium_per_metal") for run in runs)),
        Panel("interphase / nm", tuple(line(run, "interphase_nm") for run in runs)),
    )
    return Figure(
        "sintering",
        "sintering",
        "Through the furnace",
        "time / h",
        panels,
        "One furnace programme, read from top to bottom: as the temperature rises, the electrolyte draws lithium "
        "through a growing interphase, the grain loses lithium, and the layered phase turns to spinel (dashed) "
        "and rock salt (dotted). "
        "The distance between warm and cool lines is what the compensator buys.",
    )


def _inventories(content: ReportContent) -> Figure:
    """Lithium by reservoir, stacked, a panel per case; a reservoir keeps its colour in all of them."""
    runs = [series for series in content.sinter if series.inventories]
    names = list(dict.fromkeys(name for series in runs for name in series.inventories))
    panels = []
    for series in runs:
        lines = tuple(
            Line(
                name, series.time_h, amounts, STOCKS[names.index(name) % len(STOCKS)], stacked=True, width=0.8
            )
            for name, amounts in series.inventories.items()
        )
        panels.append(Panel(f"{content.case(series.case).title}: mol Li per mol metal", lines))
    return Figure(
        "lithium",
        "lithium",
        "Where the lithium is",
        "time / h",
        tuple(panels),
        "Lithium is only moved, never made: the upper edge of each stack stays level if the balance closes. The dose adds "
        "to the stack at the start; what matters is how much of it the cathode holds at the end.",
    )


def _gas(content: ReportContent, colours: Mapping[str, str]) -> Figure:
    names = list(dict.fromkeys(name for series in content.sinter for name in series.gas))
    lines = []
    for series in content.sinter:
        for name, amounts in series.gas.items():
            label = f"{content.case(series.case).title}, {name}"
            dash = DASHES[names.index(name) % len(DASHES)]
            lines.append(Line(label, series.time_h, amounts, colours[series.case], dash))
    return Figure(
        "gas",
        "lithium",
        "Gas given off",
        "time / h",
        (Panel("mol gas per mol metal", tuple(lines), height=230),),
        "Oxygen tells of metal reduction on the way to rock salt (below zero: taken up), water and carbon dioxide of the "
        "compensator falling apart.",
    )


def chart_figure(chart: Chart) -> Figure:
    """A chart as a figure, in the colours of the roles of its curves."""
    colours = colours_of([curve.role for curve in chart.curves])
    lines = tuple(
        Line(
            curve.label,
            curve.x,
            curve.y,
            colour,
            DASHES[place % len(DASHES)]
            if chart.section == "cell"
            else "solid",  # cases may lie upon each other
            curve.low,
            curve.high,
            markers=len(curve.x) <= 25,
        )
        for place, (curve, colour) in enumerate(zip(chart.curves, colours, strict=True))
    )
    panel = Panel(chart.y_label, lines, log_y=chart.log_y, height=280)
    return Figure(
        f"chart-{chart.name}", chart.section, chart.title, chart.x_label, (panel,), chart.caption, chart.log_x
    )


def _diffraction(content: ReportContent, colours: Mapping[str, str]) -> Figure:
    """Patterns above each other, each scaled to 100 and lifted by a constant."""
    rows = sorted(content.diffraction, key=lambda row: row.temperature_C)
    lines = tuple(
        _pattern_line(
            row,
            f"{content.case(row.case).title}, {row.temperature_C:g} °C",
            lift=PATTERN_LIFT * place,
            colour=colours[row.case],
        )
        for place, row in enumerate(rows)
    )
    panel = Panel("intensity, scaled and lifted", lines, lifted=True, height=60 + 90 * len(lines))
    radiation = ", ".join(dict.fromkeys(row.radiation for row in rows if row.radiation))
    return Figure(
        "diffraction",
        "diffraction",
        "Simulated X-ray diffraction of the product mixture",
        f"2θ / degrees, {radiation}" if radiation else "2θ / degrees",
        (panel,),
        "Each pattern has its strongest line at 100 and is lifted for sight; coolest at the bottom. The layered phase "
        "shows (003) and (104), near 19° and 44° with Cu Kα; rock salt fills in just below (104), so their ratio falls as "
        "order is lost.",
    )


def _pattern_line(row: PatternRow, label: str, *, lift: float, colour: str) -> Line:
    highest = max(row.intensity, default=0.0) or 1.0
    y = tuple(round(100.0 * value / highest + lift, 2) for value in row.intensity)
    x = tuple(round(angle, 3) for angle in row.two_theta_deg)
    return Line(label, x, y, colour, width=1.1)


def slug(text: str) -> str:
    """Make a file name and anchor of any text: lower-case letters, digits and hyphens."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
    return "-".join(part for part in kept.split("-") if part) or "unnamed"


def thinned(line: Line, most: int = 1200) -> Line:
    """Keep at most ``most`` points of a smooth line for the screen, ends included; shorter lines stay as they are."""
    count = len(line.x)
    if count <= most or line.width < 1.5:
        return line
    step = (count - 1) / (most - 1)
    keep = sorted({math.floor(place * step + 0.5) for place in range(most)})

    def pick(series: Series | None) -> Series | None:
        return None if series is None else tuple(series[index] for index in keep)

    x, y = pick(line.x) or (), pick(line.y) or ()
    return replace(line, x=x, y=y, low=pick(line.low), high=pick(line.high))
