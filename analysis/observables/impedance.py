"""Area-specific resistance of the sintered interface: a clean contact in series with the product layer.

    ASR = ASR_0 + delta/sigma_25C

The layer is a mixture of products. Its conductivity is taken at the upper Hashin-Shtrikman bound, for which the
best conductor (a phosphate glass) encloses the others; the Bruggeman effective medium, without any preferred
matrix, is reported beside it as the pessimistic reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import centi

from cosinter.analysis.parameters import ParameterSet
from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    import xarray

FloatArray = NDArray[np.float64]
OHM_M2_TO_OHM_CM2 = 1.0 / centi**2


@dataclass(frozen=True)
class InterfaceResistance:
    """ASR in ohm cm2 of the grain area, its parts, and the standard uncertainty of log10(ASR)."""

    asr_ohm_cm2: float
    clean_ohm_cm2: float
    layer_ohm_cm2: float
    layer_bruggeman_ohm_cm2: float
    log10_uncertainty: float


def _checked(fractions: ArrayLike, conductivities: ArrayLike) -> tuple[FloatArray, FloatArray]:
    share = np.asarray(fractions, dtype=np.float64)
    sigma = np.asarray(conductivities, dtype=np.float64)
    if share.shape != sigma.shape or share.ndim != 1 or np.any(share < 0.0) or not share.sum() > 0.0:
        raise InputError(
            f"volume shares {share.tolist()} must be >= 0, not all 0, one per conductivity; mend them"
        )
    if np.any(sigma <= 0.0) or not np.all(np.isfinite(sigma)):
        raise InputError(f"conductivities {sigma.tolist()} S/m must be above 0; mend them")
    return share / share.sum(), sigma


def hashin_shtrikman(fractions: ArrayLike, conductivities: ArrayLike) -> float:
    """Upper bound of the conductivity of an isotropic mixture, S/m.

    sigma = [sum f_k/(sigma_k + 2 sigma_max)]^-1 - 2 sigma_max over the phases present; Hashin and Shtrikman,
    J. Appl. Phys. 33 (1962) 3125, doi:10.1063/1.1728579.

    >>> round(hashin_shtrikman([1.0], [3.0]), 12)
    3.0

    Raises
    ------
    InputError
        Shares are negative or all zero, conductivities not above 0.
    """
    return float(_upper_bound(*_checked(fractions, conductivities)))


def _upper_bound(share: FloatArray, sigma: FloatArray) -> FloatArray:
    """Upper bound of Hashin and Shtrikman (...) of shares and conductivities (..., phases)."""
    best = np.where(share > 0.0, sigma, 0.0).max(axis=-1)
    parts = share / (sigma / best[..., None] + 2.0)
    return np.asarray(best * (1.0 / parts.sum(axis=-1) - 2.0))


def bruggeman(fractions: ArrayLike, conductivities: ArrayLike) -> float:
    """Conductivity of the effective medium in three dimensions, S/m.

    sum f_k (sigma_k - sigma)/(sigma_k + 2 sigma) = 0; Bruggeman, Ann. Phys. 416 (1935) 636,
    doi:10.1002/andp.19354160705.

    >>> round(bruggeman([0.5, 0.5], [2.0, 2.0]), 12)
    2.0

    Raises
    ------
    InputError
        See :func:`hashin_shtrikman`.
    """
    from scipy.optimize import brentq

    share, sigma = _checked(fractions, conductivities)
    present = sigma[share > 0.0]
    low, high = np.log(present.min()), np.log(present.max())
    if high - low < 1e-12:
        return float(present[0])

    def residual(log_sigma: float) -> float:
        ratio = np.exp(np.log(sigma) - log_sigma)
        return float(np.sum(share * (ratio - 1.0) / (ratio + 2.0)))

    return float(np.exp(brentq(residual, low, high, xtol=1e-13)))


def layer_resistances(thickness_m: ArrayLike, volumes: ArrayLike, conductivities: ArrayLike) -> FloatArray:
    """Resistance of product layers, min(delta, sum_k d_k)/sigma, in ohm cm2 (n); 0 where nothing has formed.

    Contact before any reaction belongs to ``impedance.clean_interface``, so of the layer only what has grown counts.

    Parameters
    ----------
    thickness_m : thickness of each layer, the layer at the start included (n)
    volumes : thickness d_k of each product in m; round-off below 0 counts as 0 (n, products)
    conductivities : S/m (n, products), or (products) for all layers alike

    Raises
    ------
    InputError
        A conductivity is not above 0 and finite.
    """
    thickness = np.asarray(thickness_m, dtype=np.float64)
    share = np.maximum(np.asarray(volumes, dtype=np.float64), 0.0)
    sigma = np.broadcast_to(np.asarray(conductivities, dtype=np.float64), share.shape)
    if np.any(sigma <= 0.0) or not np.all(np.isfinite(sigma)):
        raise InputError("conductivities of the products must be above 0 S/m and finite; mend them")
    total = share.sum(axis=-1)
    there = (total > 0.0) & (thickness > 0.0)
    found = np.zeros(thickness.shape)
    shares = share[there] / total[there, None]
    found[there] = (
        np.minimum(thickness, total)[there] / _upper_bound(shares, sigma[there]) * OHM_M2_TO_OHM_CM2
    )
    return found


def interface_resistance(parameters: ParameterSet, dataset: xarray.Dataset) -> InterfaceResistance:
    """ASR at 25 C of the interface at the end of a continuum run.

    Needs ``impedance.clean_interface`` (ohm m2) and ``interphase.conductivity`` (S/m per product) besides the
    ``product_thickness`` and ``interphase_thickness`` of the run.

    Raises
    ------
    InputError
        The products of the run and of the conductivity table differ in number.
    UnknownNameError
        A parameter is missing.
    """
    end = dataset.isel(time=-1)
    volumes = np.asarray(end["product_thickness"], dtype=np.float64)
    table = parameters.table("interphase.conductivity")
    sigma = table.array
    if sigma.shape != volumes.shape:
        raise InputError(
            f"interphase.conductivity holds {sigma.size} products, the run {volumes.size}; they must agree"
        )
    record = parameters["impedance.clean_interface"]
    clean = parameters.scalar("impedance.clean_interface") * OHM_M2_TO_OHM_CM2
    volumes, thickness = np.maximum(volumes, 0.0), float(end["interphase_thickness"])
    layer = float(layer_resistances([thickness], volumes[None, :], sigma)[0])
    grown = min(thickness, float(volumes.sum()))
    pessimistic = grown / bruggeman(volumes, sigma) * OHM_M2_TO_OHM_CM2 if layer > 0.0 else 0.0
    shared = float(parameters.shared_spread("interphase.conductivity").max()) / np.log(10.0)
    products = np.hypot(table.uncertainty or 0.0, shared)
    spread = np.array([getattr(record, "log10_uncertainty", None) or 0.0, products])
    weights = np.array([clean, layer]) / max(clean + layer, 1e-300)
    return InterfaceResistance(
        asr_ohm_cm2=clean + layer,
        clean_ohm_cm2=clean,
        layer_ohm_cm2=layer,
        layer_bruggeman_ohm_cm2=pessimistic,
        log10_uncertainty=float(np.hypot(*(weights * spread))),
    )
