"""Periodic Coulomb energies of point charges by Ewald summation, for many arrangements on one lattice."""

from __future__ import annotations

from itertools import product
from math import ceil, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import constants

FloatArray = NDArray[np.float64]

COULOMB_eV_A = constants.e / (4.0 * pi * constants.epsilon_0) / constants.angstrom
"""e²/(4π ε0) in eV Å, 14.39964."""

REACH = 5.5
"""Both sums end where erfc or the Gaussian has fallen to exp(-5.5²) = 7e-14."""

RECIPROCAL_SHARE = 2.0
"""Width of the Gaussians against the balanced choice sqrt(pi)/V^(1/3): the reciprocal sum is one matrix product."""


def ewald_matrix(matrix: FloatArray, fractional: FloatArray) -> FloatArray:
    """Tabulate the potential V_ij in eV/e² that a unit charge on j, its images and a background make on i.

    V_ij = k Σ_R erfc(a r_ijR)/r_ijR + (4πk/Ω) Σ_G≠0 exp(-G²/4a²)/G² cos(G·r_ij) - 2ka/√π δ_ij - πk/(Ω a²),
    k = e²/4πε0, r_ijR = |r_i - r_j + R|, without the term r = 0 (Ewald 1921, doi:10.1002/andp.19213690304).
    The energy of a cell with the charges q is E = ½ q·V·q, exact for neutral cells; a charged one stands in a
    uniform background.

    Parameters
    ----------
    matrix
        Lattice vectors as rows, Å, shape (3, 3).
    fractional
        Fractional coordinates, shape (n, 3).

    Returns
    -------
    Symmetric array of shape (n, n).
    """
    volume = float(abs(np.linalg.det(matrix)))
    width = RECIPROCAL_SHARE * sqrt(pi) / volume ** (1.0 / 3.0)
    total = _real_part(matrix, fractional, width) + _reciprocal_part(matrix, fractional, width)
    total -= pi / (volume * width**2)
    total[np.diag_indices(len(total))] -= 2.0 * width / sqrt(pi)
    return np.asarray(COULOMB_eV_A * (total + total.T) / 2.0)


def _shifts(vectors: FloatArray, radius: float, margin: float) -> FloatArray:
    """Whole-number combinations of ``vectors`` that may lie within ``radius``, widened by ``margin`` periods."""
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(vectors), axis=0)
    ranges = (range(-n, n + 1) for n in (ceil(radius / h + margin) for h in spacing))
    return np.array(list(product(*ranges)), dtype=float)


def _real_part(matrix: FloatArray, fractional: FloatArray, width: float) -> FloatArray:
    from scipy.special import erfc

    radius = REACH / width
    delta = fractional[:, None, :] - fractional[None, :, :]
    delta -= np.round(delta)
    cartesian = delta @ matrix
    total = np.zeros(cartesian.shape[:2])
    longest = float(np.linalg.norm(cartesian, axis=-1).max())
    for shift in _shifts(matrix, radius, 0.5) @ matrix:
        if np.linalg.norm(shift) > radius + longest:
            continue
        squared = np.einsum("ijk,ijk->ij", cartesian + shift, cartesian + shift)
        near = (squared > 1e-12) & (squared < radius**2)
        r = np.sqrt(squared[near])
        total[near] += erfc(width * r) / r
    return total


def _reciprocal_part(matrix: FloatArray, fractional: FloatArray, width: float) -> FloatArray:
    reciprocal: FloatArray = np.asarray(2.0 * pi * np.linalg.inv(matrix).T, dtype=float)
    indices = _shifts(reciprocal, 2.0 * width * REACH, 0.0)
    squared = np.sum((indices @ reciprocal) ** 2, axis=1)
    kept = (squared > 0.0) & (squared < (2.0 * width * REACH) ** 2)
    squared, phase = squared[kept], 2.0 * pi * fractional @ indices[kept].T
    weight = 4.0 * pi / abs(np.linalg.det(matrix)) * np.exp(-squared / (4.0 * width**2)) / squared
    c, s = np.cos(phase), np.sin(phase)
    return np.asarray((c * weight) @ c.T + (s * weight) @ s.T)
