"""Statistics of displacements: mean square over all time origins, and how it grows with time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def mean_square_displacement(positions: FloatArray) -> FloatArray:
    """Mean square displacement over all ions and all time origins, shape [n_frames].

    <|r(t0 + t) - r(t0)|^2>, by the fast correlation algorithm, exact up to rounding (Calandrini et al., Collection
    SFN 12 (2011) 201, doi:10.1051/sfn/201112010). ``positions`` [n_frames, n_ions, 3] must be unwrapped.
    """
    centred = positions - positions.mean(axis=0)
    frames = len(centred)
    transform = np.fft.rfft(centred, n=2 * frames, axis=0)
    products = np.fft.irfft(np.abs(transform) ** 2, n=2 * frames, axis=0)[:frames].sum(axis=2)
    squares = np.vstack([np.sum(centred**2, axis=2), np.zeros(centred.shape[1])])
    ends = 2.0 * squares.sum(axis=0) - np.cumsum(
        np.vstack([np.zeros((1, centred.shape[1])), squares[: frames - 1] + squares[frames - 1 : 0 : -1]]),
        axis=0,
    )
    origins = np.arange(frames, 0, -1)[:, None]
    return np.asarray(np.maximum((ends - 2.0 * products) / origins, 0.0).mean(axis=1), dtype=np.float64)


def walk_exponent(positions: FloatArray, lags: NDArray[np.int_]) -> float:
    """Slope of log MSD against log t within the lags, of positions averaged over m frames.

    The average takes out the vibration, which would flatten the slope of slow ions; it shortens the time of a random
    walk by (m^2 - 1)/(3 m) frames.
    """
    m = max(1, int(lags[0]) // 2)
    msd = mean_square_displacement(places(positions, m))
    multiples = np.arange(-(-int(lags[0]) // m), int(lags[-1]) // m + 1)
    times = multiples * m - (m**2 - 1) / (3.0 * m)
    return float(np.polyfit(np.log(times), np.log(np.maximum(msd[multiples], 1.0e-12)), 1)[0])


def places(positions: FloatArray, width: int) -> FloatArray:
    """Means of ``positions`` over successive spans of ``width`` frames, shape [n_spans, n_ions, 3]."""
    whole = len(positions) // width
    return np.asarray(positions[: whole * width].reshape(whole, width, -1, 3).mean(axis=1), dtype=np.float64)
