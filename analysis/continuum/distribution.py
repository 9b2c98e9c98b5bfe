"""Grains of many sizes: a lognormal distribution as a few size classes, and averages over them.

The volume of the powder is spread over the radius as a lognormal distribution, dV/dln r = N(ln r; ln r_50, s^2).
Classes are the nodes of a Gauss-Hermite rule in z = (ln r - ln r_50)/s, so that with m classes every average of a
polynomial of degree 2m - 1 in ln r is exact:

    r_i = r_50 exp(s z_i),   <f> = sum_i w_i f(r_i),   sum_i w_i = 1

Each class is a run of its own with the same composition (salt and electrolyte per metal); grains of different size
do not trade lithium.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from cosinter.analysis.continuum.inputs import SinterCase

FloatArray = NDArray[np.float64]

CLASSES = 5
MOST_CLASSES = 31
#: Outcomes that belong to the surface of the grains, and how they add up over it; all others go by volume.
BY_AREA = ("interphase_nm",)
IN_PARALLEL = ("asr_ohm_cm2",)


@dataclass(frozen=True, eq=False)
class SizeClasses:
    """Radii (m) and shares of volume (1) of the classes (m), smallest first."""

    radii_m: FloatArray
    volume_shares: FloatArray

    @property
    def area_shares(self) -> FloatArray:
        """Share of each class in the surface of all grains, proportional to volume over radius (m)."""
        area = self.volume_shares / self.radii_m
        return np.asarray(area / area.sum())


def size_classes(median_radius_m: float, spread: float, *, count: int = CLASSES) -> SizeClasses:
    """Make the classes of a lognormal distribution of volume over radius.

    Parameters
    ----------
    median_radius_m : radius below which half of the volume lies
    spread : standard deviation of ln r; 0 gives a single class

    Raises
    ------
    InputError
        The radius is not above 0, the spread is negative, or the number of classes is not from 1 to 31.

    >>> size_classes(1e-6, 0.0).volume_shares.tolist()
    [1.0]
    """
    if not (np.isfinite(median_radius_m) and median_radius_m > 0.0 and np.isfinite(spread) and spread >= 0.0):
        raise InputError(
            f"median radius {median_radius_m:g} m must be above 0 and size spread {spread:g} not below 0"
        )
    if not 1 <= count <= MOST_CLASSES:
        raise InputError(f"number of size classes is {count}, allowed is 1 to {MOST_CLASSES}")
    nodes, weights = np.polynomial.hermite_e.hermegauss(count if spread > 0.0 else 1)
    return SizeClasses(median_radius_m * np.exp(spread * nodes), weights / weights.sum())


def by_size(cases: Sequence[SinterCase]) -> tuple[list[SinterCase], list[SizeClasses]]:
    """One case of uniform grains (``size_spread`` 0) per size class of every case, and the classes of each case.

    The runs of these cases, in this order, go into :func:`whole_powders`.
    """
    classes = [size_classes(case.grain_radius_m, case.size_spread) for case in cases]
    single = [
        replace(case, grain_radius_m=float(radius), size_spread=0.0)
        for case, sizes in zip(cases, classes, strict=True)
        for radius in sizes.radii_m
    ]
    return single, classes


def whole_powders(values: FloatArray, names: Sequence[str], classes: Sequence[SizeClasses]) -> FloatArray:
    """Outcomes of every case (cases, names) from those of the runs that :func:`by_size` asked for (runs, names)."""
    ends = np.cumsum([sizes.radii_m.size for sizes in classes])[:-1]
    parts = np.split(np.asarray(values, dtype=np.float64), ends)
    return np.stack([averaged(part, names, sizes) for part, sizes in zip(parts, classes, strict=True)])


def averaged(values: FloatArray, names: Sequence[str], classes: SizeClasses) -> FloatArray:
    """Outcomes of the whole powder (..., names) from those of its classes (..., classes, names).

    Fractions, lithium and capacity are averaged by volume, the thickness of the interphase by area; resistances of
    the surface are in parallel, 1/ASR = sum_i a_i/ASR_i. A class that failed (NaN) makes the whole NaN.
    """
    area = classes.area_shares[:, None]
    whole = np.sum(values * classes.volume_shares[:, None], axis=-2)
    for column, name in enumerate(names):
        here = values[..., column : column + 1]
        if name in BY_AREA:
            whole[..., column] = np.sum(here * area, axis=-2)[..., 0]
        elif name in IN_PARALLEL:
            whole[..., column] = 1.0 / np.sum(area / here, axis=-2)[..., 0]
    return np.asarray(whole)
