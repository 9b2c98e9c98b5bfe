"""The one way from a barrier to a diffusivity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from cosinter.analysis.parameters import Arrhenius


def hop_diffusivity(
    barrier_eV: float,
    uncertainty_eV: float,
    *,
    hop_length_m: float,
    neighbours: int,
    dimensionality: Literal[1, 2, 3],
    carrier_fraction: float = 1.0,
    correlation_factor: float = 1.0,
    attempt_frequency_Hz: float = 1.0e13,
    attempt_frequency_log10_uncertainty: float = 0.5,
    reference_temperature_K: float = 973.15,
    source: str = "climbing-image NEB with an assumed attempt frequency",
) -> Arrhenius:
    """Turn a barrier into a diffusivity: D(T) = f c z a^2 nu exp(-E/kT) / (2 d), random walk of single hops.

    z neighbours at distance a, d dimensions, nu the attempt frequency, c the share of neighbour sites that
    admit the hop (1 for the defect itself; the vacancy fraction for the tracer), f the correlation factor. See
    Van der Ven, Bhattacharya, Belak, Acc. Chem. Res. 46 (2013) 1216, doi:10.1021/ar200329r. The attempt
    frequency is assumed unless given: 1e13 Hz within a factor 10^0.5.

    With c = 1 the result is the diffusivity of a vacancy, which near full occupancy is also the chemical
    diffusivity of the ion (ideal lattice gas: tracer share x_v times thermodynamic factor 1/x_v).

    The uncertainty of the barrier enters twice and stays the same number: as
    ``activation_energy_uncertainty``, and at the reference temperature inside ``log10_uncertainty``, since it
    is the attempt frequency and not the value at that temperature that is known.

    Parameters
    ----------
    barrier_eV, uncertainty_eV
        Barrier and its standard deviation, eV.
    hop_length_m
        Distance a, m.
    neighbours, dimensionality
        z and d.
    reference_temperature_K
        Where the record is anchored, K.

    Returns
    -------
    Arrhenius record of D in m2/s, ``kind`` computed.

    Raises
    ------
    InputError
        A value out of its range.

    Example
    -------
    >>> D = hop_diffusivity(0.0, 0.0, hop_length_m=3e-10, neighbours=6, dimensionality=3)
    >>> round(float(D(300.0)) / (3e-10**2 * 1e13), 12)
    1.0
    """
    from scipy.constants import R, electron_volt, k

    from cosinter.analysis.parameters import Arrhenius

    _check_hop(
        {"hop_length_m": hop_length_m, "attempt_frequency_Hz": attempt_frequency_Hz,
         "reference_temperature_K": reference_temperature_K, "neighbours": neighbours,
         "carrier_fraction": carrier_fraction, "correlation_factor": correlation_factor},
        {"barrier_eV": barrier_eV, "uncertainty_eV": uncertainty_eV,
         "attempt_frequency_log10_uncertainty": attempt_frequency_log10_uncertainty},
    )  # fmt: skip
    if dimensionality not in (1, 2, 3):
        raise InputError(f"dimensionality is {dimensionality}, allowed is 1, 2 or 3")
    molar = electron_volt * R / k
    thermal_eV = k * reference_temperature_K / electron_volt
    geometry = correlation_factor * carrier_fraction * neighbours / (2.0 * dimensionality)
    rate = attempt_frequency_Hz * math.exp(-barrier_eV / thermal_eV)
    spread = math.hypot(attempt_frequency_log10_uncertainty, uncertainty_eV / thermal_eV / math.log(10.0))
    return Arrhenius(
        unit="m2/s",
        source=source,
        kind="computed",
        note=f"nu = {attempt_frequency_Hz:.3g} Hz (assumed), z = {neighbours}, d = {dimensionality}, "
        f"c = {carrier_fraction:g}, f = {correlation_factor:g}",
        reference_value=geometry * hop_length_m**2 * rate,
        reference_temperature=reference_temperature_K,
        activation_energy=barrier_eV * molar,
        activation_energy_uncertainty=uncertainty_eV * molar,
        log10_uncertainty=spread,
    )


def _check_hop(positive: dict[str, float], not_negative: dict[str, float]) -> None:
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"{name} is {value!r}, allowed is a positive number")
    for name, value in not_negative.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise InputError(f"{name} is {value!r}, allowed is zero or a positive number")
    for name in ("carrier_fraction", "correlation_factor"):
        if positive[name] > 1.0:
            raise InputError(f"{name} is {positive[name]!r}, allowed is at most 1")
