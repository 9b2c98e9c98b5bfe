"""The one way from a barrier to a rate and to a diffusivity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    from cosinter.analysis.parameters import Arrhenius


UNIVERSAL_POTENTIALS = ("chgnet", "m3gnet", "mace", "matgl", "sevenn", "orb")
SOFTENING_SHARE = 0.2
"""Share of a barrier by which a universal potential may be too low, one standard deviation, assumed: the softening is
systematic (Deng et al. 2025, doi:10.1038/s41524-024-01500-6), its size for hops was not measured here; CHGNet gave
0.36 eV in LiTi2(PO4)3 where 0.41 eV (DFT) is quoted and 0.42 eV in Li2TiO3 (DFT 0.44 to 0.54)."""

ASSUMED_FREQUENCY_HZ = 1.0e13
ASSUMED_FREQUENCY_LOG10_UNCERTAINTY = 0.5

FrequencyKind = Literal["assumed", "computed"]


def softening_eV(barrier_eV: float, calculator: str) -> float:  # noqa: N802
    """Uncertainty (eV) of a barrier that comes from the softening of universal machine-learned potentials.

    The potential energy surface of these potentials is systematically too flat (Deng et al. 2025,
    doi:10.1038/s41524-024-01500-6): a share of the barrier, one-sided (the true barrier is more likely higher), which
    a symmetric record can only carry as a wider uncertainty. Zero for other calculators.

    Parameters
    ----------
    barrier_eV
        Computed barrier, eV.
    calculator
        Name or entry string of the calculator (``model`` of its record).
    """
    known = any(name in calculator.lower() for name in UNIVERSAL_POTENTIALS)
    return SOFTENING_SHARE * abs(barrier_eV) if known else 0.0


def hop_rate(
    barrier_eV: float,
    uncertainty_eV: float,
    *,
    attempt_frequency_Hz: float = ASSUMED_FREQUENCY_HZ,
    attempt_frequency_log10_uncertainty: float = ASSUMED_FREQUENCY_LOG10_UNCERTAINTY,
    attempt_frequency_kind: FrequencyKind = "assumed",
    paths: int = 1,
    softening_eV: float = 0.0,
    reference_temperature_K: float = 973.15,
    source: str = "climbing-image NEB",
) -> Arrhenius:
    """Turn a barrier into a rate: k(T) = n nu exp(-E/kT), harmonic transition-state theory, n equal ways out.

    The rate of one ion that may hop, e.g. of nickel into a tetrahedron whose lithium neighbours are gone; how often
    that is so is not in it. The attempt frequency is 1e13 Hz within a factor 10^0.5 (assumed) unless given, for
    instance from :func:`cosinter.analysis.atoms.vineyard.attempt_frequency` with kind ``computed``.

    The uncertainties of the barrier (``uncertainty_eV`` and ``softening_eV``, in quadrature) enter twice and stay the
    same number: as ``activation_energy_uncertainty``, and at the reference temperature inside
    ``log10_uncertainty``, since it is the attempt frequency and not the value at that temperature that is known.

    Parameters
    ----------
    barrier_eV, uncertainty_eV
        Barrier and its standard deviation, eV.
    attempt_frequency_Hz, attempt_frequency_log10_uncertainty, attempt_frequency_kind
        nu, its decades of uncertainty, and where it comes from.
    paths
        n.
    softening_eV
        From :func:`softening_eV` for universal potentials.
    reference_temperature_K
        Where the record is anchored, K.

    Returns
    -------
    Arrhenius record of k in 1/s, ``kind`` computed.

    Raises
    ------
    InputError
        A value out of its range.

    Example
    -------
    >>> k = hop_rate(0.0, 0.0, paths=2)
    >>> round(float(k(300.0)) / 2e13, 12)
    1.0
    """
    from scipy.constants import R, electron_volt, k

    from cosinter.analysis.parameters import Arrhenius

    _check_hop(
        {"attempt_frequency_Hz": attempt_frequency_Hz, "reference_temperature_K": reference_temperature_K,
         "paths": paths},
        {"barrier_eV": barrier_eV, "uncertainty_eV": uncertainty_eV, "softening_eV": softening_eV,
         "attempt_frequency_log10_uncertainty": attempt_frequency_log10_uncertainty},
    )  # fmt: skip
    if attempt_frequency_kind not in ("assumed", "computed"):
        raise InputError(
            f"attempt_frequency_kind is '{attempt_frequency_kind}', allowed is assumed or computed"
        )
    molar = electron_volt * R / k
    thermal_eV = k * reference_temperature_K / electron_volt
    spread_eV = math.hypot(uncertainty_eV, softening_eV)
    spread = math.hypot(attempt_frequency_log10_uncertainty, spread_eV / thermal_eV / math.log(10.0))
    note = f"nu = {attempt_frequency_Hz:.3g} Hz ({attempt_frequency_kind}), n = {paths}"
    if softening_eV > 0.0:
        note += (
            f"; {softening_eV:.2g} eV of the uncertainty stands for the softening of universal potentials, "
            "one-sided: the barrier is more likely higher"
        )
    return Arrhenius(
        unit="1/s",
        source=source,
        kind="computed",
        note=note,
        reference_value=paths * attempt_frequency_Hz * math.exp(-barrier_eV / thermal_eV),
        reference_temperature=reference_temperature_K,
        activation_energy=barrier_eV * molar,
        activation_energy_uncertainty=spread_eV * molar,
        log10_uncertainty=spread,
    )


def hop_diffusivity(
    barrier_eV: float,
    uncertainty_eV: float,
    *,
    hop_length_m: float,
    neighbours: int,
    dimensionality: Literal[1, 2, 3],
    carrier_fraction: float = 1.0,
    correlation_factor: float = 1.0,
    attempt_frequency_Hz: float = ASSUMED_FREQUENCY_HZ,
    attempt_frequency_log10_uncertainty: float = ASSUMED_FREQUENCY_LOG10_UNCERTAINTY,
    attempt_frequency_kind: FrequencyKind = "assumed",
    softening_eV: float = 0.0,
    reference_temperature_K: float = 973.15,
    source: str = "climbing-image NEB with an assumed attempt frequency",
) -> Arrhenius:
    """Turn a barrier into a diffusivity: D(T) = f c z a^2 nu exp(-E/kT) / (2 d), random walk of single hops.

    z neighbours at distance a, d dimensions, nu the attempt frequency, c the share of neighbour sites that
    admit the hop (1 for the defect itself; the vacancy fraction for the tracer), f the correlation factor. See
    Van der Ven, Bhattacharya, Belak, Acc. Chem. Res. 46 (2013) 1216, doi:10.1021/ar200329r. The rate of one hop, its
    attempt frequency and uncertainties are those of :func:`hop_rate`.

    With c = 1 the result is the diffusivity of a vacancy, which near full occupancy is also the chemical
    diffusivity of the ion (ideal lattice gas: tracer share x_v times thermodynamic factor 1/x_v).

    Parameters
    ----------
    barrier_eV, uncertainty_eV
        Barrier and its standard deviation, eV.
    hop_length_m
        Distance a, m.
    neighbours, dimensionality
        z and d.
    carrier_fraction, correlation_factor
        c and f.
    attempt_frequency_Hz, attempt_frequency_log10_uncertainty, attempt_frequency_kind, softening_eV
        As for :func:`hop_rate`.
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
    _check_hop(
        {"hop_length_m": hop_length_m, "neighbours": neighbours,
         "carrier_fraction": carrier_fraction, "correlation_factor": correlation_factor},
        {},
    )  # fmt: skip
    for name, share in (("carrier_fraction", carrier_fraction), ("correlation_factor", correlation_factor)):
        if share > 1.0:
            raise InputError(f"{name} is {share!r}, allowed is at most 1")
    if dimensionality not in (1, 2, 3):
        raise InputError(f"dimensionality is {dimensionality}, allowed is 1, 2 or 3")
    rate = hop_rate(
        barrier_eV,
        uncertainty_eV,
        attempt_frequency_Hz=attempt_frequency_Hz,
        attempt_frequency_log10_uncertainty=attempt_frequency_log10_uncertainty,
        attempt_frequency_kind=attempt_frequency_kind,
        softening_eV=softening_eV,
        reference_temperature_K=reference_temperature_K,
        source=source,
    )
    geometry = correlation_factor * carrier_fraction * neighbours / (2.0 * dimensionality)
    walk = f"z = {neighbours}, d = {dimensionality}, c = {carrier_fraction:g}, f = {correlation_factor:g}"
    return rate.model_copy(
        update={
            "unit": "m2/s",
            "reference_value": geometry * hop_length_m**2 * rate.reference_value,
            "note": rate.note.replace("n = 1", walk, 1),
        }
    )


def _check_hop(positive: dict[str, float], not_negative: dict[str, float]) -> None:
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"{name} is {value!r}, allowed is a positive number")
    for name, value in not_negative.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise InputError(f"{name} is {value!r}, allowed is zero or a positive number")
