"""Pictures of ``cosinter xrd``: patterns stacked, a heat map over temperature, peaks followed, a measured pattern beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cosinter.analysis.observables.peaks import Overlay
from cosinter.workflows.diagrams.drawing import Drawing, figure_drawing
from cosinter.workflows.report.figures import PALETTE, PATTERN_LIFT, Figure, Line, Panel, slug
from cosinter.workflows.xrd import FOLLOWED, Moment, matrix_csv, title

_ANGLE = "2θ / degrees"
_MAP_COLOURS = "magma_r"
_CAPTION = (
    "Cells are those at room temperature, as in a quasi-in-situ experiment that cools before it measures; products that are "
    "amorphous in reality scatter here like their crystals."
)


def stack_drawing(moments: Sequence[Moment], radiation: str) -> Drawing:
    """Patterns of one case above each other, the coolest at the bottom."""
    lines = []
    for place, moment in enumerate(moments):
        scaled = moment.pattern.scaled() + PATTERN_LIFT * place
        colour = PALETTE["other"][place % len(PALETTE["other"])]
        lines.append(
            Line(
                title(moment),
                tuple(moment.pattern.two_theta_deg.tolist()),
                tuple(scaled.tolist()),
                colour,
                width=1.0,
            )
        )
    panel = Panel("intensity, scaled and lifted", tuple(lines), lifted=True, height=80 + 70 * len(lines))
    figure = Figure(
        slug(f"xrd-stack-{moments[0].case}"),
        "diffraction",
        f"Powder patterns of {moments[0].case}",
        f"{_ANGLE}, {radiation}",
        (panel,),
        _CAPTION,
    )
    return figure_drawing(figure, _data(moments))


def map_drawing(moments: Sequence[Moment], radiation: str) -> Drawing:
    """Intensity over angle and temperature on heating, square root of the share of the highest point."""
    heating = [moment for moment in moments if not moment.cooled]
    angles = heating[0].pattern.two_theta_deg
    table = np.stack([moment.pattern.intensity for moment in heating])
    shade = np.sqrt(np.maximum(table, 0.0) / table.max())
    levels = [moment.temperature_C for moment in heating]
    heading = f"Powder patterns of {heating[0].case} on heating"

    def image(suffix: str) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas

        from cosinter.workflows.report.drawing import saved

        canvas = Canvas(figsize=(7.2, 3.6), dpi=160, layout="constrained")
        FigureCanvasAgg(canvas)
        axis = canvas.subplots()
        mesh = axis.pcolormesh(
            angles, levels, shade, cmap=_MAP_COLOURS, shading="nearest", rasterized=True, vmin=0.0, vmax=1.0
        )
        axis.set_xlabel(f"{_ANGLE}, {radiation}", fontsize=9)
        axis.set_ylabel("temperature / °C", fontsize=9)
        axis.tick_params(labelsize=8)
        bar = canvas.colorbar(mesh, ax=axis)
        bar.set_label("√(intensity / highest)", fontsize=8)
        bar.ax.tick_params(labelsize=8)
        canvas.suptitle(heading, fontsize=11, fontweight="bold", x=0.01, ha="left")
        return saved(canvas, suffix)

    def plotly() -> dict[str, Any]:
        trace = {
            "type": "heatmap",
            "x": angles.tolist(),
            "y": levels,
            "z": shade.round(4).tolist(),
            "colorscale": "Magma",
            "reversescale": True,
            "colorbar": {"title": {"text": "√(I / highest)"}},
        }
        layout = {
            "title": {"text": heading},
            "xaxis": {"title": {"text": f"{_ANGLE}, {radiation}"}},
            "yaxis": {"title": {"text": "temperature / °C"}},
            "height": 460,
        }
        return {"data": [trace], "layout": layout}

    name = slug(f"xrd-map-{heating[0].case}")
    return Drawing(name, heading, _CAPTION, image, plotly, lambda: matrix_csv(heating), _data(heating))


def peaks_drawing(moments: Sequence[Moment], rows: Sequence[dict[str, Any]]) -> Drawing:
    """I(003)/I(104) and the heights of what grows, over temperature on heating, for every case."""
    cases = list(dict.fromkeys(moment.case for moment in moments))
    colours = [*PALETTE["bare"][:1], *PALETTE["compensated"]]

    def panel(label: str, value: Callable[[str], list[tuple[float, float]]]) -> Panel | None:
        lines = []
        for place, case in enumerate(cases):
            points = value(case)
            if points:
                x, y = zip(*points, strict=True)
                lines.append(Line(case, tuple(x), tuple(y), colours[place % len(colours)], markers=True))
        return Panel(label, tuple(lines), height=150) if lines else None

    def ratios(case: str) -> list[tuple[float, float]]:
        return [
            (moment.temperature_C, moment.ratio)
            for moment in moments
            if moment.case == case and not moment.cooled and moment.ratio is not None
        ]

    def shares(reflection: str) -> Callable[[str], list[tuple[float, float]]]:
        return lambda case: [
            (row["temperature_C"], row["phase_weight_percent"])
            for row in rows
            if row["case"] == case and row["reflection"] == reflection and not row["cooled"]
        ]

    found = [panel("I(003)/I(104)", ratios)]
    for reflection, (label, _) in FOLLOWED.items():
        share = shares(reflection)
        once = reflection in ("rock salt (200)", "spinel (311)") or "strongest" in reflection
        if once and any(value > 0.01 for case in cases for _, value in share(case)):
            found.append(panel(f"{label} / weight %", share))
    figure = Figure(
        "xrd-peaks",
        "diffraction",
        "What a diffractometer would see",
        "temperature / °C",
        tuple(one for one in found if one is not None),
        "Ratio of the areas around (003) and (104), rock salt under (104) included; weight share of what grows in.",
    )
    return figure_drawing(figure, {"rows": list(rows)})


def overlay_drawing(moment: Moment, found: Overlay, name: str) -> Drawing:
    """A measured pattern, the simulated one scaled to it, and the difference."""
    x = tuple(found.two_theta_deg.tolist())
    difference = found.measured - found.fitted
    figure = Figure(
        slug(f"xrd-overlay-{moment.case}-{moment.temperature_C:g}{'-cooled' if moment.cooled else ''}"),
        "diffraction",
        f"{name} beside {title(moment)}",
        _ANGLE,
        (
            Panel(
                "counts",
                (
                    Line("measured", x, tuple(found.measured.tolist()), "#23272e", width=1.0),
                    Line("simulated, scaled", x, tuple(found.fitted.tolist()), "#b5482f", width=1.2),
                ),
                height=260,
            ),
            Panel(
                "difference",
                (Line("difference", x, tuple(difference.tolist()), "#55585f", width=1.0),),
                height=90,
            ),
        ),
        f"Scale and a constant base are fitted, nothing else: residual {found.residual:.3f} (0: the same shape, 1: nothing "
        "explained).",
    )
    return figure_drawing(figure, {"residual": found.residual, "scale": found.scale})


def _data(moments: Sequence[Moment]) -> dict[str, Any]:
    return {
        "patterns": [
            {
                "case": moment.case,
                "temperature_C": moment.temperature_C,
                "cooled": moment.cooled,
                "weight_percent": dict(moment.weight_percent),
                "ratio_003_104": moment.ratio,
                "missing": dict(moment.missing),
            }
            for moment in moments
        ]
    }
