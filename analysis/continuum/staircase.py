"""The nearest staircase that does not fall: isotonic regression of many staircases at once.

The free energy g(n) of an electrolyte that took up n Li2O is convex. If, after an error moved them, a plateau mu_k of
width w_k lies below the one before it, the phases between the two steps are not stable and both reactions run as
one, at the mean of their potentials: the lower convex hull of g through the same vertices. Its slopes are the
weighted isotonic regression

    mu*_k = max_{i <= k} min_{j >= k}  sum_{i..j} w mu / sum_{i..j} w                              (J/mol Li2O)

(Barlow, Bartholomew, Bremner, Brunk, Statistical inference under order restrictions, Wiley 1972, section 1.2), which
leaves sum_k w_k mu_k, the free energy of the whole titration, as it was.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def not_falling(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted isotonic regression along the last axis: shape [..., k], ``weights`` [k] positive."""
    count = weights.size
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    zero = np.zeros((*values.shape[:-1], 1))
    sums = np.concatenate([zero, np.cumsum(values * weights, axis=-1)], axis=-1)
    found = np.full(values.shape, -np.inf)
    for first in range(count):
        means = (sums[..., first + 1 :] - sums[..., first : first + 1]) / (edges[first + 1 :] - edges[first])
        lowest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        found[..., first:] = np.maximum(found[..., first:], lowest)
    return found
