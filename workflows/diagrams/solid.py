"""Quaternary diagrams: a tetrahedron to turn in the browser, and one view of it on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.diagrams import PhaseDiagram
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.workflows.diagrams.render import escaped
from cosinter.workflows.diagrams.scene import INK, PAPER, Mark, Scene, Stroke, place_labels, pretty
from cosinter.workflows.diagrams.sections import (
    LINE,
    STABLE,
    conditions,
    phase_label,
    shown_fractions,
    system_name,
)
from cosinter.workflows.report.drawing import FONT
from cosinter.workflows.report.figures import slug

#: Corners of the tetrahedron of unit sides, the fourth component on top.
TETRAHEDRON = np.asarray(
    [
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [0.5, np.sqrt(0.75), 0.0],
        [0.5, np.sqrt(1.0 / 12.0), np.sqrt(2.0 / 3.0)],
    ]
)
_FRAME = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
#: Direction of view on paper, degrees: around the vertical axis, and above the horizon.
AZIMUTH, ELEVATION = -14.0, 16.0
#: Size of the tetrahedron in Plotly's scene.
_ZOOM = 1.75
_NEAR, _FAR = (63, 74, 99), (176, 184, 196)


@dataclass(frozen=True)
class View:
    """Points as seen: on the page [n, 2] and towards the reader [n]."""

    page: FloatArray
    depth: FloatArray


def seen(points: FloatArray) -> View:
    """Turn points [n, 3] into the view and drop the depth (parallel projection)."""
    turn, tilt = np.radians(AZIMUTH), np.radians(ELEVATION)
    centred = points - TETRAHEDRON.mean(axis=0)
    right = centred[:, 0] * np.cos(turn) - centred[:, 1] * np.sin(turn)
    back = centred[:, 0] * np.sin(turn) + centred[:, 1] * np.cos(turn)
    up = centred[:, 2] * np.cos(tilt) + back * np.sin(tilt)
    return View(np.column_stack([right, up]), centred[:, 2] * np.sin(tilt) - back * np.cos(tilt))


def quaternary_scene(diagram: PhaseDiagram, *, basis: str = "mole") -> Scene:
    """One view of the tetrahedron: tie lines fade with distance."""
    lines = seen(shown_fractions(diagram, diagram.vertices, basis) @ TETRAHEDRON)
    frame = seen(TETRAHEDRON)
    strokes = [
        Stroke(
            x=tuple(lines.page[[a, b], 0]),
            y=tuple(lines.page[[a, b], 1]),
            width=0.9,
            colour=_faded(lines, a, b),
        )
        for a, b in sorted(diagram.edges, key=lambda edge: lines.depth[list(edge)].mean())
    ]
    back = int(np.argmin(frame.depth))
    strokes += [
        Stroke(
            x=tuple(frame.page[[a, b], 0]), y=tuple(frame.page[[a, b], 1]), colour=INK,
            width=1.0 if back in (a, b) else 1.6, dash="dash" if back in (a, b) else "solid",
        )
        for a, b in _FRAME
    ]  # fmt: skip
    points = seen(
        np.asarray([shown_fractions(diagram, p.fractions, basis) for p in diagram.stable]) @ TETRAHEDRON
    )
    marks = tuple(
        Mark(x=float(x), y=float(y), colour=STABLE, size=6.5, label=pretty(point.name))
        for (x, y), point in zip(points.page, diagram.stable, strict=True)
    )
    listed = [
        (float(x), float(y), phase_label(diagram, p))
        for (x, y), p in zip(points.page, diagram.stable, strict=True)
    ]
    notes, _ = place_labels(
        listed, inch=(6.0, 6.0), strokes=strokes, size=9.0, prefer=[_away(at) for at in points.page]
    )
    low, high = frame.page.min(axis=0), frame.page.max(axis=0)
    return Scene(
        name=slug(f"quaternary-{'-'.join(c.name for c in diagram.components)}"),
        title=system_name(diagram),
        subtitle=_subtitle(diagram, basis),
        x_range=(float(low[0]) - 0.12, float(high[0]) + 0.12),
        y_range=(float(low[1]) - 0.06, float(high[1]) + 0.06),
        framed=False,
        strokes=tuple(strokes),
        marks=marks,
        notes=tuple(notes),
        width_inches=8.2,
        height_inches=7.2,
        caption="Every tetrahedron between the tie lines is one set of four coexisting phases.",
    )


def _subtitle(diagram: PhaseDiagram, basis: str) -> str:
    section = "" if diagram.complete else "; a section: phases outside it coexist too, see the data"
    return f"{conditions(diagram.temperature_K, diagram.pressures_bar)}; {basis} fractions{section}"


def _away(at: FloatArray) -> tuple[float, float] | None:
    length = float(np.linalg.norm(at))
    return (float(at[0]) / length, float(at[1]) / length) if length > 0.25 else None


def _faded(view: View, a: int, b: int) -> str:
    """Dark in front, light behind."""
    span = float(np.ptp(view.depth)) or 1.0
    near = (float(view.depth[[a, b]].mean()) - float(view.depth.min())) / span
    return "#" + "".join(f"{round(f + near * (n - f)):02x}" for n, f in zip(_NEAR, _FAR, strict=True))


def quaternary_plotly(diagram: PhaseDiagram, *, basis: str = "mole") -> dict[str, Any]:
    """Describe the tetrahedron as ``{"data", "layout"}`` for ``Plotly.newPlot``; it turns with the mouse."""
    vertices = shown_fractions(diagram, diagram.vertices, basis) @ TETRAHEDRON
    points = np.asarray([shown_fractions(diagram, p.fractions, basis) for p in diagram.stable]) @ TETRAHEDRON
    hidden = {"visible": False, "showspikes": False}
    return {
        "data": [
            _lines(vertices, diagram.edges, colour=LINE, width=3.0),
            _lines(TETRAHEDRON, _FRAME, colour=INK, width=5.0),
            _cells(diagram, vertices),
            {
                "type": "scatter3d", "mode": "markers+text", "hoverinfo": "text", "textposition": "top center",
                "x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "z": points[:, 2].tolist(),
                "text": [escaped(phase_label(diagram, p)) for p in diagram.stable],
                "textfont": {"size": 13, "color": INK}, "marker": {"size": 5, "color": STABLE},
            },
        ],
        "layout": {
            "title": {
                "text": f"<b>{escaped(system_name(diagram))}</b><br><sup>{escaped(_subtitle(diagram, basis))}</sup>",
                "x": 0.01, "xanchor": "left", "font": {"size": 16},
            },
            "height": 720, "margin": {"l": 0, "r": 0, "t": 64, "b": 0}, "paper_bgcolor": PAPER, "showlegend": False,
            "font": {"family": FONT, "color": INK},
            "scene": {
                "xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "manual",
                "aspectratio": {name: _ZOOM * float(np.ptp(TETRAHEDRON[:, k])) for k, name in enumerate("xyz")},
                "camera": {"eye": {"x": 0.5, "y": -1.7, "z": 0.5}, "projection": {"type": "orthographic"}},
            },
        },
    }  # fmt: skip


def _lines(
    points: FloatArray, edges: tuple[tuple[int, int], ...], *, colour: str, width: float
) -> dict[str, Any]:
    axes: dict[str, list[float | None]] = {"x": [], "y": [], "z": []}
    for edge in edges:
        for place, name in enumerate(axes):
            axes[name] += [*points[list(edge), place].tolist(), None]
    return {
        "type": "scatter3d",
        "mode": "lines",
        "hoverinfo": "skip",
        "line": {"color": colour, "width": width},
        **axes,
    }


def _cells(diagram: PhaseDiagram, vertices: FloatArray) -> dict[str, Any]:
    """A point in the middle of every cell that names its phases."""
    centres = np.asarray([vertices[list(region.corners)].mean(axis=0) for region in diagram.regions])
    return {
        "type": "scatter3d", "mode": "markers", "hoverinfo": "text",
        "x": centres[:, 0].tolist(), "y": centres[:, 1].tolist(), "z": centres[:, 2].tolist(),
        "text": [escaped(" + ".join(map(pretty, region.phases))) for region in diagram.regions],
        "marker": {"size": 4, "color": "#4482a6", "opacity": 0.5, "symbol": "diamond"},
    }  # fmt: skip
