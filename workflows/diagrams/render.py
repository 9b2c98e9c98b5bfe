"""Draw a :class:`~cosinter.workflows.diagrams.scene.Scene` with Matplotlib and with Plotly, and write its data as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from cosinter.workflows.diagrams.scene import (
    GRID,
    INK,
    PAPER,
    SOFT,
    Note,
    Patch,
    Scale,
    Scene,
    Stroke,
    text_size,
)
from cosinter.workflows.report.drawing import FONT, saved

_DASHES = {"solid": "-", "dash": (0, (5, 3)), "dot": (0, (1.2, 2.2))}
_VERTICAL = {"top": "top", "middle": "center", "bottom": "bottom"}


def scene_bytes(scene: Scene, suffix: str, *, dpi: int = 180) -> bytes:
    """Draw the scene as ``png``, ``svg`` or ``pdf``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(scene.width_inches, scene.height_inches), dpi=dpi, facecolor=PAPER)
    FigureCanvasAgg(canvas)
    _draw(canvas, scene)
    return saved(canvas, suffix)


def plot_box(scene: Scene) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the axes in inches; the rest is for title, labels, legend and colour bar."""
    right = legend_width(scene) + (0.95 if scene.scale else 0.0)
    left, low = (0.75, 0.62) if scene.framed else (0.25, 0.25)
    left += max((text_size(name, 8.5)[0] for name in scene.y_names), default=0.0)
    top = 0.62 if scene.subtitle else 0.42
    return left, low, scene.width_inches - left - right - 0.15, scene.height_inches - low - top


def legend_width(scene: Scene) -> float:
    """Inches that the legend takes on the right."""
    if not scene.entries:
        return 0.0
    widest = max(text_size(line, 7.5)[0] for entry in scene.entries for line in entry.text.split("\n"))
    return min(3.9, 0.5 + 1.1 * max(widest, text_size(scene.legend_title, 8.5)[0]))


def _draw(canvas: Any, scene: Scene) -> None:
    left, low, wide, high = plot_box(scene)
    w, h = scene.width_inches, scene.height_inches
    axis = canvas.add_axes((left / w, low / h, wide / w, high / h))
    axis.set_xlim(*scene.x_range)
    axis.set_ylim(*scene.y_range)
    if scene.framed:
        axis.set_xlabel(scene.x_label, fontsize=9.5, color=INK)
        axis.set_ylabel(scene.y_label, fontsize=9.5, color=INK)
        axis.tick_params(labelsize=8.5, colors=INK)
        if scene.x_ticks:
            axis.set_xticks(scene.x_ticks)
            axis.spines.bottom.set_bounds(scene.x_range[0], scene.x_ticks[-1])
            axis.xaxis.set_label_coords(
                0.5 * (scene.x_ticks[-1] - scene.x_range[0]) / (scene.x_range[1] - scene.x_range[0]), -0.07
            )
        if scene.y_names:
            axis.set_yticks(range(len(scene.y_names)), labels=scene.y_names)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color=GRID, linewidth=0.6)
        axis.set_axisbelow(True)
    else:
        axis.set_axis_off()
        axis.set_aspect("equal", anchor="C")
    _shapes(axis, scene)
    for note in scene.notes:
        _note(axis, note)
        if note.leader:
            axis.plot(
                *zip(note.leader, (note.x, note.y), strict=True),
                color=SOFT,
                linewidth=0.6,
                zorder=2.5,
                clip_on=False,
            )
    canvas.text(0.12 / w, 1.0 - 0.12 / h, scene.title, fontsize=11.5, fontweight="bold", va="top", color=INK)
    if scene.subtitle:
        canvas.text(0.12 / w, 1.0 - 0.36 / h, scene.subtitle, fontsize=8.5, va="top", color=SOFT)
    if scene.scale:
        _colour_bar(
            canvas, scene, ((left + wide + 0.2) / w, (low + 0.12 * high) / h, 0.14 / w, 0.62 * high / h)
        )
    if scene.entries:
        _legend(canvas, scene, left + wide + (0.95 if scene.scale else 0.0) + 0.15)


def _shapes(axis: Any, scene: Scene) -> None:
    for patch in scene.patches:
        edge = patch.border if patch.width else patch.colour
        axis.fill(
            patch.x, patch.y, facecolor=patch.colour, edgecolor=edge, linewidth=patch.width or 0.3, zorder=1
        )
    for stroke in scene.strokes:
        axis.plot(
            stroke.x, stroke.y, color=stroke.colour, linewidth=stroke.width, linestyle=_DASHES[stroke.dash],
            solid_capstyle="round", zorder=2, clip_on=scene.framed,
        )  # fmt: skip
    for mark in scene.marks:
        face = PAPER if mark.hollow else mark.colour
        axis.plot(
            mark.x, mark.y, "o", ms=mark.size, mfc=face, mec=mark.colour, mew=1.0, zorder=3, clip_on=False
        )


def _note(axis: Any, note: Note) -> None:
    from matplotlib.patheffects import withStroke

    axis.text(
        note.x, note.y, note.text.replace("$", r"\$"), fontsize=note.size, color=note.colour, ha=note.anchor,
        va=_VERTICAL[note.level], fontweight="bold" if note.bold else "normal", rotation=note.angle,
        rotation_mode="anchor", zorder=4,
        path_effects=[withStroke(linewidth=2.2, foreground=PAPER, alpha=0.85)] if note.halo else [],
    )  # fmt: skip


def _colour_bar(canvas: Any, scene: Scene, place: tuple[float, float, float, float]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    if scene.scale is None:
        return
    colours = LinearSegmentedColormap.from_list("scene", list(scene.scale.colours))
    shown = ScalarMappable(Normalize(scene.scale.low, scene.scale.high), colours)
    bar = canvas.colorbar(shown, cax=canvas.add_axes(place))
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.outline.set_visible(False)
    bar.ax.set_title(scene.scale.title, fontsize=8, color=INK, loc="left", pad=8)


def _legend(canvas: Any, scene: Scene, left: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    w, h = scene.width_inches, scene.height_inches
    top = h - 0.62
    if scene.legend_title:
        canvas.text(
            left / w, top / h, scene.legend_title, fontsize=8.5, fontweight="bold", va="top", color=INK
        )
        top -= 0.26
    for entry in scene.entries:
        rows = entry.text.count("\n") + 1
        box = FancyBboxPatch(
            (left / w, (top - 0.15) / h), 0.24 / w, 0.145 / h, boxstyle="square,pad=0", facecolor=entry.colour,
            edgecolor=SOFT, linewidth=0.5, transform=canvas.transFigure,
        )  # fmt: skip
        canvas.add_artist(box)
        canvas.text(
            (left + 0.12) / w, (top - 0.0725) / h, entry.sign, fontsize=7, ha="center", va="center", color=INK
        )
        canvas.text(
            (left + 0.32) / w, (top - 0.0725) / h if rows == 1 else top / h, entry.text, fontsize=7.5,
            va="center" if rows == 1 else "top", color=INK, linespacing=1.15,
        )  # fmt: skip
        top -= 0.135 * rows + 0.09


def scene_plotly(scene: Scene) -> dict[str, Any]:
    """Describe the scene as ``{"data", "layout"}`` for ``Plotly.newPlot``; all text is escaped."""
    leaders = [
        Stroke(x=(note.leader[0], note.x), y=(note.leader[1], note.y), colour=SOFT, width=0.6)
        for note in scene.notes
        if note.leader
    ]
    data = [*_plotly_patches(scene), *_plotly_strokes([*scene.strokes, *leaders]), *_plotly_marks(scene)]
    if scene.scale:
        data.append(_plotly_scale(scene.scale))
    axis = {
        "showgrid": scene.framed,
        "gridcolor": GRID,
        "zeroline": False,
        "visible": scene.framed,
        "linecolor": INK,
    }
    layout: dict[str, Any] = {
        "title": {
            "text": f"<b>{escaped(scene.title)}</b><br><sup>{escaped(scene.subtitle)}</sup>", "x": 0.01,
            "xanchor": "left", "font": {"size": 16},
        },
        "height": int(105 * scene.height_inches),
        "margin": {"l": 64 if scene.framed else 14, "r": 14, "t": 64, "b": 52 if scene.framed else 14},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": {"family": FONT, "size": 13, "color": INK},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": GRID, "font": {"color": INK}, "align": "left"},
        "showlegend": bool(scene.entries),
        "legend": {"title": {"text": escaped(scene.legend_title)}, "font": {"size": 11}},
        "xaxis": axis | {"title": {"text": escaped(scene.x_label)}, "range": list(scene.x_range)},
        "yaxis": axis | {"title": {"text": escaped(scene.y_label)}, "range": list(scene.y_range)},
        "annotations": [_plotly_note(note) for note in scene.notes],
    }  # fmt: skip
    if scene.x_ticks:
        layout["xaxis"] |= {"tickvals": list(scene.x_ticks)}
    if scene.y_names:
        names = [escaped(name) for name in scene.y_names]
        layout["yaxis"] |= {"tickvals": list(range(len(names))), "ticktext": names, "automargin": True}
    if not scene.framed:
        layout["yaxis"] |= {"scaleanchor": "x", "scaleratio": 1.0}
    return {"data": data, "layout": layout}


def escaped(text: str) -> str:
    """Text that the browser does not read as markup; line breaks stay."""
    import html

    return html.escape(text, quote=False).replace("\n", "<br>")


def _plotly_patches(scene: Scene) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    shown: set[int] = set()
    for patch in scene.patches:
        edge = {"color": patch.border if patch.width else patch.colour, "width": patch.width or 0.4}
        trace: dict[str, Any] = {
            "type": "scatter", "mode": "lines", "x": [*patch.x, patch.x[0]], "y": [*patch.y, patch.y[0]],
            "fill": "toself", "fillcolor": patch.colour, "hoveron": "fills", "text": escaped(patch.label),
            "hoverinfo": "text", "line": edge, "showlegend": False,
        }  # fmt: skip
        if patch.entry is not None:
            entry = scene.entries[patch.entry]
            name = f"{entry.sign}  {entry.text}" if entry.sign else entry.text
            trace |= {
                "name": escaped(name), "legendgroup": str(patch.entry), "legendrank": 1 + patch.entry,
                "showlegend": patch.entry not in shown,
            }  # fmt: skip
            shown.add(patch.entry)
        traces.append(trace)
    return traces


def _plotly_strokes(strokes: Sequence[Stroke]) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter", "mode": "lines", "x": list(stroke.x), "y": list(stroke.y), "showlegend": False,
            "line": {"color": stroke.colour, "width": 1.3 * stroke.width, "dash": stroke.dash},
            "text": escaped(stroke.label), "hoverinfo": "text" if stroke.label else "skip",
        }
        for stroke in strokes
    ]  # fmt: skip


def _plotly_marks(scene: Scene) -> list[dict[str, Any]]:
    if not scene.marks:
        return []
    return [
        {
            "type": "scatter", "mode": "markers", "x": [mark.x for mark in scene.marks],
            "y": [mark.y for mark in scene.marks], "showlegend": False, "hoverinfo": "text",
            "text": [escaped(mark.label) for mark in scene.marks],
            "marker": {
                "opacity": 1.0,
                "size": [1.4 * mark.size for mark in scene.marks],
                "color": [PAPER if mark.hollow else mark.colour for mark in scene.marks],
                "line": {"color": [mark.colour for mark in scene.marks], "width": 1.4},
            },
        }
    ]  # fmt: skip


def _plotly_scale(scale: Scale) -> dict[str, Any]:
    steps = len(scale.colours) - 1
    bar = {
        "title": {"text": escaped(scale.title), "font": {"size": 12}}, "thickness": 14, "len": 0.7, "outlinewidth": 0
    }  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "x": [None], "y": [None], "showlegend": False, "hoverinfo": "skip",
        "marker": {
            "color": [scale.low], "cmin": scale.low, "cmax": scale.high, "showscale": True, "colorbar": bar,
            "colorscale": [[k / steps, colour] for k, colour in enumerate(scale.colours)],
        },
    }  # fmt: skip


def _plotly_note(note: Note) -> dict[str, Any]:
    text = escaped(note.text)
    return {
        "x": note.x, "y": note.y, "text": f"<b>{text}</b>" if note.bold else text, "showarrow": False,
        "xanchor": note.anchor, "yanchor": note.level, "textangle": -note.angle,
        "font": {"size": 1.35 * note.size, "color": note.colour},
    }  # fmt: skip


def scene_csv(scene: Scene) -> str:
    """Write the shapes of the scene in long format: shape, number, label, x, y (full precision)."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["shape", "number", "label", scene.x_label or "x", scene.y_label or "y"])
    drawn: tuple[tuple[str, tuple[Patch | Stroke, ...]], ...] = (
        ("region", scene.patches),
        ("line", scene.strokes),
    )
    for kind, shapes in drawn:
        for number, shape in enumerate(shapes, start=1):
            for x, y in zip(shape.x, shape.y, strict=True):
                writer.writerow([kind, number, shape.label.replace("\n", "; "), x, y])
    for number, mark in enumerate(scene.marks, start=1):
        writer.writerow(["point", number, mark.label.replace("\n", "; "), mark.x, mark.y])
    return buffer.getvalue()
