"""Draw a :class:`~cosinter.workflows.report.figures.Figure`: for Plotly (plain dicts), as PNG, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any, Literal

from cosinter.workflows.report.figures import Dash, Figure, Line, Panel, thinned
from cosinter.workflows.report.text import formula_markup

INK, GRID, PAPER = "#23272e", "#e4e1db", "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_GAP, _TOP, _BOTTOM = 46, 30, 46


def plotly_spec(figure: Figure) -> dict[str, Any]:
    """Describe the figure as ``{"data", "layout"}`` for ``Plotly.newPlot``; all text is escaped.

    The legend is not part of it: the page draws one from ``Figure.entries`` (``legendgroup`` is the place therein).
    """
    panels = figure.panels
    gap, above = (_GAP + 18, _TOP + 18) if any(map(_is_long, panels)) else (_GAP, _TOP)
    plot = sum(panel.height for panel in panels) + gap * (len(panels) - 1)
    layout: dict[str, Any] = {
        "height": plot + above + _BOTTOM,
        "margin": {"l": 14 if panels[0].lifted else 54, "r": 14, "t": above, "b": _BOTTOM, "pad": 0},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": {"family": FONT, "size": 13, "color": INK},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": GRID, "font": {"color": INK}},
        "showlegend": False,
        "annotations": [],
        "xaxis": _x_axis(figure),
    }
    groups = {line.legend: f"g{place}" for place, line in enumerate(figure.entries)}
    data: list[dict[str, Any]] = []
    top = 1.0
    for number, panel in enumerate(panels, start=1):
        bottom = max(0.0, top - panel.height / plot)
        layout[_axis_key(number)] = _y_axis(panel, bottom, top)
        layout["annotations"].append(_heading(panel, top))
        for line in panel.lines:
            if panel.lifted and line.y:
                layout["annotations"].append(_in_place(line, number))
            data += _traces(thinned(line), number, group=groups.get(line.legend, ""), panel=panel)
        top = bottom - gap / plot
    layout["xaxis"]["anchor"] = "y" if len(panels) == 1 else f"y{len(panels)}"
    return {"data": data, "layout": layout}


def _axis_key(number: int) -> str:
    return "yaxis" if number == 1 else f"yaxis{number}"


def _x_axis(figure: Figure) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "title": {"text": str(formula_markup(figure.x_label)), "standoff": 8, "font": {"size": 13}},
        "gridcolor": GRID,
        "linecolor": INK,
        "ticks": "outside",
        "tickcolor": INK,
        "zeroline": False,
        "automargin": False,
    }
    return axis | ({"type": "log"} if figure.log_x else {})


def _y_axis(panel: Panel, bottom: float, top: float) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "domain": [bottom, top],
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": INK,
        "showticklabels": not panel.lifted,
        "showgrid": not panel.lifted,
        "nticks": 6,
        "rangemode": "normal",
    }
    if panel.log_y:
        axis["type"] = "log"
    if panel.y_range:
        axis["range"] = list(panel.y_range)
    return axis


def _heading(panel: Panel, top: float) -> dict[str, Any]:
    """The y label stands above its panel, where a phone has room for it."""
    return {
        "text": f"<b>{formula_markup(panel.y_label)}</b>".replace(": ", ":<br>" if _is_long(panel) else ": "),
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 5,
        "align": "left",
        "showarrow": False,
        "font": {"size": 13},
    }


def _is_long(panel: Panel) -> bool:
    """Whether the heading needs a second line on a phone."""
    return len(panel.y_label) > 42


def _in_place(line: Line, number: int) -> dict[str, Any]:
    """The name of a lifted line, above its right end."""
    return {
        "text": str(formula_markup(line.label)),
        "xref": "paper",
        "yref": "y" if number == 1 else f"y{number}",
        "x": 1,
        "y": line.y[-1],
        "xanchor": "right",
        "yanchor": "bottom",
        "yshift": 3,
        "showarrow": False,
        "font": {"size": 12.5, "color": line.colour},
        "bgcolor": "rgba(255,255,255,0.75)",
    }


def _traces(line: Line, number: int, *, group: str, panel: Panel) -> list[dict[str, Any]]:
    """A line and, below it, its band."""
    axis = "y" if number == 1 else f"y{number}"
    common: dict[str, Any] = {"type": "scatter", "yaxis": axis, "x": list(line.x), "legendgroup": group}
    traces = []
    if line.low is not None and line.high is not None:
        silent = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        traces.append(common | silent | {"y": list(line.low)})
        band = {"y": list(line.high), "fill": "tonexty", "fillcolor": _transparent(line.colour, 0.16)}
        traces.append(common | silent | band)
    stroke: dict[str, Any] = {"color": line.colour, "width": line.width, "dash": line.dash}
    main = common | {
        "y": list(line.y),
        "name": str(formula_markup(line.label)),
        "mode": "lines+markers" if line.markers else "lines",
        "line": stroke,
    }
    if line.markers:
        main["marker"] = {"size": 7, "color": line.colour}
    if line.stacked:
        main |= {"stackgroup": f"stack{number}", "fillcolor": _transparent(line.colour, 0.55)}
    if panel.lifted:
        main["hovertemplate"] = "%{x:.2f}<extra>%{fullData.name}</extra>"
    return [*traces, main]


def _transparent(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def figure_csv(figure: Figure) -> str:
    """Write the data of the figure in long format: panel, series, x, y, low, high (full precision)."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["panel", "series", figure.x_label, "value", "low", "high"])
    for panel in figure.panels:
        for line in panel.lines:
            blank = ("",) * len(line.x)
            for row in zip(line.x, line.y, line.low or blank, line.high or blank, strict=True):
                writer.writerow([panel.y_label, line.label, *row])
    return buffer.getvalue()


def figure_png(figure: Figure, *, width_inches: float = 7.2, dpi: int = 160) -> bytes:
    """Draw the figure as PNG."""
    return figure_image(figure, "png", width_inches=width_inches, dpi=dpi)


def figure_image(figure: Figure, suffix: str, *, width_inches: float = 7.2, dpi: int = 160) -> bytes:
    """Draw the figure as ``png``, ``svg`` or ``pdf`` with Matplotlib's Agg canvas, leaving its global state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    heights = [panel.height for panel in figure.panels]
    entries = figure.entries
    bands = {line.band: line for panel in figure.panels for line in panel.lines if line.band}
    columns = _legend_columns([*entries, *bands.values()])
    legend = 0.2 * math.ceil((len(entries) + len(bands)) / columns)
    canvas = Canvas(
        figsize=(width_inches, (sum(heights) + 40 * len(heights)) / 92.0 + legend + 0.8),
        dpi=dpi,
        layout="constrained",
        facecolor=PAPER,
    )
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for panel, axis in zip(figure.panels, axes[:, 0], strict=True):
        _draw_panel(axis, panel, log_x=figure.log_x)
    axes[-1, 0].set_xlabel(_plain(figure.x_label), fontsize=9)
    canvas.suptitle(_plain(figure.title), fontsize=11, fontweight="bold", x=0.01, ha="left", color=INK)
    if entries or bands:
        canvas.legend(
            handles=[*(_area(line, 0.16) for line in bands.values()), *map(_swatch, entries)],
            labels=[_plain(text) for text in (*bands, *(line.legend for line in entries))],
            loc="outside lower left",
            fontsize=8,
            frameon=False,
            ncols=columns,
        )
    return saved(canvas, suffix)


def saved(canvas: Any, suffix: str) -> bytes:
    """A Matplotlib figure as ``png``, ``svg`` or ``pdf``; the same figure gives the same bytes."""
    from matplotlib import rc_context

    metadata: dict[str, dict[str, str | None]] = {
        "png": {"Software": "cosinter"},
        "svg": {"Creator": "cosinter", "Date": None},
        "pdf": {"Creator": "cosinter", "CreationDate": None},
    }
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "cosinter"}):
        canvas.savefig(buffer, format=suffix, metadata=metadata[suffix])
    return buffer.getvalue()


def _legend_columns(entries: Sequence[Line]) -> int:
    """As many columns as the page has room for, where one would be long."""
    longest = max((len(line.legend) for line in entries), default=0)
    return 1 if len(entries) <= 8 else max(1, min(4, 110 // (longest + 8)))


_STROKES: dict[Dash, Literal["-", "--", ":", "-."]] = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
}


def _swatch(line: Line) -> Any:
    from matplotlib.lines import Line2D

    if line.stacked:
        return _area(line, 0.55)
    return Line2D([], [], color=line.colour, linestyle=_STROKES[line.dash], linewidth=1.5)


def _area(line: Line, alpha: float) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=line.colour, alpha=alpha, linewidth=0)


def _draw_panel(axis: Any, panel: Panel, *, log_x: bool) -> None:
    floor: list[float] | None = None
    for line in panel.lines:
        if line.stacked:
            base = floor or [0.0] * len(line.y)
            floor = [below + value for below, value in zip(base, line.y, strict=True)]
            axis.fill_between(line.x, base, floor, color=line.colour, alpha=0.55, linewidth=0)
            continue
        if line.low is not None and line.high is not None:
            axis.fill_between(line.x, line.low, line.high, color=line.colour, alpha=0.16, linewidth=0)
        marker = "o" if line.markers else None
        stroke, width = _STROKES[line.dash], 0.75 * line.width
        axis.plot(line.x, line.y, stroke, color=line.colour, linewidth=width, marker=marker, ms=3.5)
        if panel.lifted and line.y:
            place = (1.0, line.y[-1])
            axis.annotate(
                _plain(line.label), place, (0, 2), ("axes fraction", "data"), "offset points",
                ha="right", fontsize=8, color=line.colour,
            )  # fmt: skip
    for label in panel.labels:
        axis.text(
            label.x, label.y, _plain(label.text), rotation=label.angle, ha="center", va="center",
            rotation_mode="anchor", fontsize=7.5, color=INK,
        )  # fmt: skip
    axis.set_title(_plain(panel.y_label), loc="left", fontsize=9, color=INK)
    axis.grid(color=GRID, linewidth=0.6)
    axis.tick_params(which="both", labelsize=8, colors=INK, left=not panel.lifted, labelleft=not panel.lifted)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
    if not any(line.markers for line in panel.lines):
        axis.margins(x=0.0)
    if panel.y_range:
        axis.set_ylim(*panel.y_range)
    if panel.log_y:
        axis.set_yscale("log")
    if log_x:
        axis.set_xscale("log")


def _plain(text: str) -> str:
    """Text that Matplotlib does not read as mathematics; control characters dropped."""
    printable = "".join(letter for letter in text if letter.isprintable())
    return printable.replace("$", r"\$")
