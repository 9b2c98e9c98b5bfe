"""Scene of a posterior: every calibrated parameter beside its prior, and every pair of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosinter.workflows.diagrams.drawing import Drawing, scene_drawing
from cosinter.workflows.diagrams.scene import INK, SEQUENCE, SOFT, Entry, Note, Patch, Scene, Stroke

FloatArray = NDArray[np.float64]

#: Probability inside the two contours of a pair, and their colours.
CONTOURS = ((0.95, SEQUENCE[2]), (0.68, SEQUENCE[4]))
MOST_POINTS = 1500
GRID_POINTS = 60
_GAP = 0.08
_BOX = 1.0 - _GAP
_LEAST_REACH = 3.0


def corner_drawing(names: Sequence[str], z: FloatArray, data: Mapping[str, Any]) -> Drawing:
    """Draw samples ``z`` (n, d) of the parameters ``names``; ``data`` goes into the JSON form."""
    return scene_drawing(corner_scene(names, z), data)


def corner_scene(names: Sequence[str], z: FloatArray) -> Scene:
    """Densities on the diagonal (dashed: the prior), the regions of 68 and 95 % of every pair below it.

    All axes count prior standard deviations; the thin lines cross in the middle of the prior.
    """
    count = len(names)
    points = z[:: max(1, len(z) // MOST_POINTS)]
    reach = max(_LEAST_REACH, 1.1 * float(np.abs(points).max()))
    patches, strokes, notes = [], [], []
    for row in range(count):
        for column in range(row + 1):
            cell = _Cell(column, count - 1 - row, reach)
            strokes += cell.frame(cross=row != column)
            if row == column:
                strokes += cell.densities(points[:, row])
            else:
                patches += cell.regions(points[:, [column, row]])
        notes.append(
            Note(x=row + 0.02, y=count - row - 0.06, text=names[row], anchor="left", level="bottom", size=7.0)
        )
    notes += _ticks(count, reach)
    side = max(4.6, 1.5 * count + 1.0)
    return Scene(
        name="posterior",
        title="What the measurements say about the parameters",
        subtitle="all axes in standard deviations of the prior",
        x_range=(-0.1, count + 0.35),
        y_range=(-0.2, count + 0.25),
        framed=False,
        patches=tuple(patches),
        strokes=tuple(strokes),
        notes=tuple(notes),
        entries=(
            Entry(text="posterior, 68 % of the samples", colour=CONTOURS[1][1]),
            Entry(text="posterior, 95 % of the samples", colour=CONTOURS[0][1]),
            Entry(text="prior (dashed)", colour=SOFT),
        ),
        width_inches=side + 2.4,
        height_inches=side,
        caption=(
            "Diagonal: density of each parameter, solid after the calibration, dashed before it. Below: regions that "
            "hold 68 and 95 % of the samples of a pair; a narrow slanted one says that only a combination is known."
        ),
    )


def _ticks(count: int, reach: float) -> list[Note]:
    """Ends and middle of every axis, below the lowest squares."""
    return [
        Note(x=column + place, y=-0.04, text=text, level="top", size=6.5, colour=SOFT, halo=False)
        for column in range(count)
        for place, text in ((0.06, f"{-reach:.1f}"), (0.5 * _BOX, "0"), (_BOX - 0.06, f"+{reach:.1f}"))
    ]


class _Cell:
    """One square of the corner, its lower left corner at (``column``, ``up``), showing -reach to reach."""

    def __init__(self, column: int, up: int, reach: float) -> None:
        self.column, self.up, self.reach = column, up, reach

    def grid(self, values: FloatArray) -> FloatArray:
        """Points across the samples and somewhat further, inside the square."""
        low, high = values.min(), values.max()
        margin = 0.25 * (high - low)
        return np.clip(np.linspace(low - margin, high + margin, GRID_POINTS), -self.reach, self.reach)

    def place(self, x: FloatArray, y: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Points given in standard deviations, on the page."""
        scale = 0.5 * _BOX / self.reach
        return (
            tuple(map(float, self.column + (x + self.reach) * scale)),
            tuple(map(float, self.up + (y + self.reach) * scale)),
        )

    def frame(self, *, cross: bool) -> list[Stroke]:
        """The border, and thin lines through the middle of the prior."""
        ends = np.array([-self.reach, self.reach])
        corners = ends[[0, 1, 1, 0, 0]], ends[[0, 0, 1, 1, 0]]
        x, y = self.place(*corners)
        lines = [Stroke(x=x, y=y, colour=INK, width=0.6)]
        for line in ((ends, 0.0 * ends), (0.0 * ends, ends)) if cross else ():
            x, y = self.place(*line)
            lines.append(Stroke(x=x, y=y, colour=SOFT, width=0.4))
        return lines

    def densities(self, values: FloatArray) -> list[Stroke]:
        """Prior (dashed) and posterior of one parameter, the higher one filling the square."""
        from scipy.stats import gaussian_kde, norm

        grid = np.union1d(self.grid(values), np.linspace(-self.reach, self.reach, GRID_POINTS))
        curves = {"prior": norm.pdf(grid), "posterior": gaussian_kde(values)(grid)}
        top = 1.08 * max(curve.max() for curve in curves.values())
        strokes = []
        for label, curve in curves.items():
            x, y = self.place(grid, (2.0 * curve / top - 1.0) * self.reach)
            is_prior = label == "prior"
            strokes.append(
                Stroke(
                    x=x, y=y, label=label, colour=SOFT if is_prior else SEQUENCE[5], width=1.2 if is_prior else 1.8,
                    dash="dash" if is_prior else "solid",
                )
            )  # fmt: skip
        return strokes

    def regions(self, pair: FloatArray) -> list[Patch]:
        """Regions of highest density of a pair (n, 2) that hold the share of the samples of each contour."""
        from contourpy import contour_generator
        from scipy.stats import gaussian_kde

        density = gaussian_kde(pair.T)
        across, up = (np.unique(self.grid(values)) for values in pair.T)
        x, y = np.meshgrid(across, up)
        lines = contour_generator(across, up, density(np.stack([x.ravel(), y.ravel()])).reshape(x.shape))
        at_samples = density(pair.T)
        patches = []
        for share, colour in CONTOURS:
            for line in lines.lines(float(np.quantile(at_samples, 1.0 - share))):
                xs, ys = self.place(*np.asarray(line).T)
                patches.append(Patch(x=xs, y=ys, colour=colour, label=f"{share:.0%} of the samples"))
        return patches
