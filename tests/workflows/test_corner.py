"""The picture of a posterior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosinter.workflows.diagrams.corner import corner_drawing, corner_scene

NAMES = ("first", "second", "third")


def samples(*, width: float = 0.3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2000, 3)) * [width, 1.0, 2.0] + [1.0, 0.0, 0.0]


def test_the_regions_hold_their_share_of_the_samples() -> None:
    from matplotlib.path import Path as Outline

    z = samples()
    scene = corner_scene(NAMES, z)
    reach = max(3.0, 1.1 * np.abs(z[::1]).max())
    scale = 0.5 * 0.92 / reach
    x, y = (z[:, 0] + reach) * scale, 1.0 + (z[:, 1] + reach) * scale  # column 0, second square from below
    for share in (0.95, 0.68):
        outlines = [
            np.column_stack([p.x, p.y])
            for p in scene.patches
            if p.label.startswith(f"{share:.0%}") and max(p.x) < 1.0 and min(p.y) > 1.0
        ]
        inside = sum(Outline(outline).contains_points(np.column_stack([x, y])) for outline in outlines)
        assert np.mean(inside) == pytest.approx(share, abs=0.03)


def test_every_parameter_and_every_pair_is_drawn() -> None:
    scene = corner_scene(NAMES, samples())
    assert {note.text for note in scene.notes} >= set(NAMES)
    labels = [stroke.label for stroke in scene.strokes]
    assert labels.count("prior") == labels.count("posterior") == 3
    assert len([patch for patch in scene.patches if patch.label.startswith("68")]) >= 3


def test_a_narrow_posterior_keeps_its_shape() -> None:
    """Its density is drawn with points across it, not with those of the prior alone."""
    scene = corner_scene(("first",), samples(width=1e-3)[:, :1])
    curve = next(stroke for stroke in scene.strokes if stroke.label == "posterior")
    height = np.array(curve.y) - min(curve.y)
    assert np.count_nonzero(height > 0.5 * height.max()) > 5


@pytest.mark.parametrize("ending", ["png", "svg", "html", "csv", "json"])
def test_it_is_written_in_every_form(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"posterior.{ending}"
    corner_drawing(NAMES, samples(), {"parameters": list(NAMES)}).save(path)
    assert path.stat().st_size > 20
