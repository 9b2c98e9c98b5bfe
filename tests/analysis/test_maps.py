from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosinter.analysis.continuum.maps import contours
from cosinter.data.exceptions import InputError

X, Y = np.array([0.0, 1.0, 3.0, 4.0]), np.array([10.0, 20.0, 25.0])


@given(st.floats(-2.0, 2.0), st.floats(-0.5, 0.5), st.floats(0.1, 0.9))
def test_lines_of_a_plane_lie_in_the_plane(slope_x: float, slope_y: float, place: float) -> None:
    values = slope_x * X[None, :] + slope_y * Y[:, None]
    level = float(values.min() + place * np.ptp(values))
    for line in contours(X, Y, values, level):
        heights = slope_x * line[:, 0] + slope_y * line[:, 1]
        assert heights == pytest.approx(np.full(len(line), level), abs=1e-9)


def test_a_level_that_is_crossed_has_a_line_through_the_whole_map() -> None:
    (line,) = contours(X, Y, np.broadcast_to(X, (3, 4)), 2.0)
    assert line[:, 0] == pytest.approx(np.full(len(line), 2.0))
    assert sorted(line[:, 1])[:: len(line) - 1] == [10.0, 25.0]
    assert contours(X, Y, np.broadcast_to(X, (3, 4)), 5.0) == []


def test_no_line_beside_a_failed_run() -> None:
    values = np.broadcast_to(X, (3, 4)).copy()
    values[0, 1] = np.nan
    (line,) = contours(X, Y, values, 2.0)
    assert line[:, 1].min() == 20.0


def test_axes_must_ascend() -> None:
    with pytest.raises(InputError, match="x axis"):
        contours(X[::-1], Y, np.ones((3, 4)), 0.5)
    with pytest.raises(InputError, match="y axis"):
        contours(X, Y[:1], np.ones((1, 4)), 0.5)
