"""Draw a :class:`~cosinter.workflows.report_figures.Figure`: for Plotly (plain dicts), as PNG, as CSV."""

from __future__ import annotations

import csv
import html
import io
from typing import Any

from cosinter.workflows.report_figures import Figure, Line, Panel, thinned

INK, GRID, PAPER = "#23272e", "#e4e1db", "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_GAP, _TOP, _BOTTOM = 46, 30, 46
_LEGEND_ROW = 22


def plotly_spec(figure: Figure) -> dict[str, Any]:
    """Describe the figure as ``{"data", "layout"}`` for ``Plotly.newPlot``; all text is escaped."""
    panels = figure.panels
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
    legend = _LEGEND_ROW * len(labels) if len(labels) > 1 else 0
    plot = sum(panel.height for panel in panels) + _GAP * (len(panels) - 1)
    layout: dict[str, Any] = {
        "height": plot + _TOP + _BOTTOM + legend + (14 if legend else 0),
        "margin": {"l": 54, "r": 14, "t": _TOP, "b": _BOTTOM + legend + (14 if legend else 0), "pad": 0},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": {"family": FONT, "size": 13, "color": INK},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": GRID, "font": {"color": INK}},
        "legend": {
            "orientation": "v",
            "x": 0,
            "xanchor": "left",
            "y": -(_BOTTOM + 8) / plot,
            "yanchor": "top",
            "bgcolor": "rgba(0,0,0,0)",
            "itemwidth": 40,
        },
        "showlegend": len(labels) > 1,
        "annotations": [],
        "xaxis": _x_axis(figure),
    }
    data: list[dict[str, Any]] = []
    shown: set[str] = set()
    top = 1.0
    for number, panel in enumerate(panels, start=1):
        bottom = max(0.0, top - panel.height / plot)
        layout[_axis_key(number)] = _y_axis(panel, bottom, top)
        layout["annotations"].append(_heading(panel, top))
        for line in panel.lines:
            data += _traces(thinned(line), number, first=line.label not in shown, steps=panel)
            shown.add(line.label)
        top = bottom - _GAP / plot
    layout["xaxis"]["anchor"] = "y" if len(panels) == 1 else f"y{len(panels)}"
    return {"data": data, "layout": layout}


def _axis_key(number: int) -> str:
    return "yaxis" if number == 1 else f"yaxis{number}"


def _x_axis(figure: Figure) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "title": {"text": html.escape(figure.x_label), "standoff": 8},
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
        "showticklabels": panel.ticks,
        "showgrid": panel.ticks,
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
        "text": f"<b>{html.escape(panel.y_label)}</b>",
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 5,
        "showarrow": False,
        "font": {"size": 13},
    }


def _traces(line: Line, number: int, *, first: bool, steps: Panel) -> list[dict[str, Any]]:
    """A line and, below it, its band."""
    axis = "y" if number == 1 else f"y{number}"
    name = html.escape(line.label)
    common: dict[str, Any] = {"type": "scatter", "yaxis": axis, "x": list(line.x), "legendgroup": name}
    traces = []
    if line.low is not None and line.high is not None:
        silent = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        traces.append(common | silent | {"y": list(line.low)})
        band = {"y": list(line.high), "fill": "tonexty", "fillcolor": _transparent(line.colour, 0.16)}
        traces.append(common | silent | band)
    stroke: dict[str, Any] = {"color": line.colour, "width": line.width, "dash": line.dash}
    main = common | {
        "y": list(line.y),
        "name": name,
        "mode": "lines+markers" if line.markers else "lines",
        "line": stroke,
        "showlegend": first,
    }
    if line.markers:
        main["marker"] = {"size": 7, "color": line.colour}
    if line.stacked:
        main |= {"stackgroup": f"stack{number}", "fillcolor": _transparent(line.colour, 0.55)}
    if not steps.ticks:
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
    """Draw the figure as PNG with Matplotlib's Agg canvas, leaving its global state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    heights = [panel.height for panel in figure.panels]
    labels = list(dict.fromkeys(line.label for panel in figure.panels for line in panel.lines))
    legend = 0.2 * len(labels) if len(labels) > 1 else 0.0
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
    if legend:
        handles: dict[str, Any] = {}
        for axis in axes[:, 0]:
            handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        canvas.legend(
            handles=list(handles.values()),
            labels=list(handles),
            loc="outside lower left",
            fontsize=8,
            frameon=False,
        )
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": "cosinter"})
    return buffer.getvalue()


def _draw_panel(axis: Any, panel: Panel, *, log_x: bool) -> None:
    floor: list[float] | None = None
    for line in panel.lines:
        label = _plain(line.label)
        if line.stacked:
            base = floor or [0.0] * len(line.y)
            floor = [below + value for below, value in zip(base, line.y, strict=True)]
            axis.fill_between(line.x, base, floor, color=line.colour, alpha=0.55, linewidth=0, label=label)
            continue
        if line.low is not None and line.high is not None:
            axis.fill_between(line.x, line.low, line.high, color=line.colour, alpha=0.16, linewidth=0)
        style = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}[line.dash]
        marker = "o" if line.markers else None
        axis.plot(
            line.x,
            line.y,
            style,
            color=line.colour,
            linewidth=0.75 * line.width,
            marker=marker,
            ms=3.5,
            label=label,
        )
    axis.set_title(_plain(panel.y_label), loc="left", fontsize=9, color=INK)
    axis.grid(color=GRID, linewidth=0.6)
    axis.tick_params(labelsize=8, colors=INK, left=panel.ticks, labelleft=panel.ticks)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
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
