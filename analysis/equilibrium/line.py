"""Exact kinks of a convex piecewise linear function on [0, 1] from values and slopes.

The free energy of equilibrium along a mixing line is the value of a linear program whose right-hand side moves along a
straight line: convex and piecewise linear. Two tangents meet either on the function (a kink) or below it (a new
tangent is found there); so every kink is hit exactly after about two evaluations each, with no sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cosinter.data.exceptions import ConvergenceError

#: A first evaluation this far inside each end gives the tangent of the outermost segment.
INSET = 1e-6
#: Slopes closer than this (relative to the span of the values, at least 1) are one segment.
SLOPE_TOLERANCE = 1e-7
_LARGEST = 400


@dataclass(frozen=True)
class Tangent:
    """The line value + slope (x - position)."""

    position: float
    value: float
    slope: float

    def at(self, x: float) -> float:
        """Height of the line at ``x``."""
        return self.value + self.slope * (x - self.position)

    def meets(self, other: Tangent) -> float:
        """Position where both lines have the same height."""
        rise = self.at(0.0) - other.at(0.0)
        return rise / (other.slope - self.slope)


def find_kinks(evaluate: Callable[[float], tuple[float, float]], *, tolerance: float = 1e-3) -> list[float]:
    """Find all kinks of a convex piecewise linear function on [0, 1], without the ends.

    Parameters
    ----------
    evaluate : x -> (value, slope of a tangent at x), same energy unit as ``tolerance``
    tolerance : a meeting point of two tangents within this distance of the function is a kink

    Returns
    -------
    Ascending positions. Segments shorter than 1e-6 at the ends, and kinks that bend the function by less than
    ``tolerance``, are not resolved.

    Raises
    ------
    ConvergenceError
        More than 400 evaluations were needed, which no piecewise linear function of this size does.
    """
    left, right = Tangent(INSET, *evaluate(INSET)), Tangent(1.0 - INSET, *evaluate(1.0 - INSET))
    kinks: list[float] = []
    stack = [(left, right)]
    evaluations = 0
    while stack:
        low, high = stack.pop()
        scale = max(1.0, abs(low.slope), abs(high.slope))
        if high.slope - low.slope <= SLOPE_TOLERANCE * scale:
            continue
        x = min(max(low.meets(high), low.position), high.position)
        evaluations += 1
        if evaluations > _LARGEST:
            raise ConvergenceError("the kinks of a mixing line were not found; two phases may be degenerate")
        value, slope = evaluate(x)
        touches = value - low.at(x) <= tolerance or value - high.at(x) <= tolerance
        if touches or x in (low.position, high.position):
            kinks.append(x)
            continue
        middle = Tangent(x, value, slope)
        stack.extend([(middle, high), (low, middle)])
    return sorted(kinks)
