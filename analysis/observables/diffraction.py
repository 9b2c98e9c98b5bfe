"""Simulated powder diffraction of phases and their mixtures.

Integrated intensity of a reflection of phase p in a thick flat specimen (Hill & Howard 1987,
doi:10.1107/S0021889887086199)::

    A(hkl, p) = C · w_p / (rho_p V_p²) · m |F|² · LP(theta)

w weight fraction, rho density (g/cm³), V cell volume (Å³), m multiplicity, F structure factor of the cell, LP =
(1 + cos² 2theta) / (sin² theta cos theta). w/rho is the volume that the phase takes; a volume v of powder scatters
(v/V²) m |F|² LP, because it holds v/V cells and each point of the reciprocal lattice fills 1/V of its space. The
result does not depend on the choice of cell. C holds beam, slits and the absorption of the mixture: equal for
all reflections, set to 1 here. Not modelled: anomalous dispersion, thermal motion, preferred orientation,
micro-absorption, background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import EngineError, InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Radiation = Literal["CuKa", "CuKa1", "CoKa", "CoKa1", "MoKa", "AgKa"]

SCHERRER_CONSTANT = 0.9  # full width at half maximum; Patterson 1939, doi:10.1103/PhysRev.56.978
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True)
class PhaseWeight:
    """A phase of a mixture: weights are relative and need not add up to one.

    ``crystallite_size_nm`` replaces the size given to :func:`powder_pattern` for this phase.
    """

    structure: Structure
    weight_fraction: float
    label: str
    crystallite_size_nm: float | None = None


@dataclass(frozen=True)
class Reflection:
    """One reflection: ``area`` in the units of ``Pattern.intensity`` times degrees; ``hkl`` one of its family."""

    two_theta_deg: float
    d_A: float
    area: float
    hkl: tuple[int, int, int]
    label: str


@dataclass(frozen=True)
class Pattern:
    """A powder pattern.

    ``two_theta_deg`` [n], ``intensity`` [n] (arbitrary units per degree), ``components`` label -> [n], which add up
    to ``intensity``; ``reflections`` sorted by angle.
    """

    wavelength_A: float
    two_theta_deg: FloatArray
    intensity: FloatArray
    components: dict[str, FloatArray]
    reflections: tuple[Reflection, ...] = field(repr=False)

    def scaled(self, maximum: float = 100.0) -> FloatArray:
        """Intensity [n] with its highest point at ``maximum``."""
        highest = float(self.intensity.max())
        if highest <= 0.0:
            raise InputError("the pattern has no intensity in its 2theta range; widen two_theta")
        return self.intensity * (maximum / highest)


def powder_pattern(
    phases: Sequence[PhaseWeight],
    *,
    wavelength: Radiation | float = "CuKa",
    two_theta: tuple[float, float] = (10.0, 80.0),
    step_deg: float = 0.02,
    crystallite_size_nm: float = 100.0,
    instrument_width_deg: float = 0.08,
) -> Pattern:
    """Simulate the powder pattern of a mixture.

    Each reflection is a Voigt profile of unit area: Lorentzian width (full, at half height) from the crystallite
    size L, K lambda/(L cos theta) with K = 0.9 (Scherrer), Gaussian width ``instrument_width_deg``.

    Parameters
    ----------
    phases
        Structures (partial occupancies allowed) with their weights; equal labels are added up.
    wavelength
        Name of the radiation, or Å.
    two_theta
        Range in degrees, within 0 to 180.

    Raises
    ------
    InputError
        No phase, negative or all-zero weights, a range or width that makes no sense.
    EngineError
        pymatgen could not compute the reflections of a phase.
    """
    _check_request(phases, two_theta, step_deg=step_deg, width=instrument_width_deg, size=crystallite_size_nm)
    length = _wavelength(wavelength)
    grid = np.arange(two_theta[0], two_theta[1] + 0.5 * step_deg, step_deg)
    total_weight = sum(phase.weight_fraction for phase in phases)
    components: dict[str, FloatArray] = {}
    reflections: list[Reflection] = []
    for phase in phases:
        share = phase.weight_fraction / total_weight
        sticks = _sticks(phase.structure, length, two_theta=two_theta, weight=share, label=phase.label)
        size = phase.crystallite_size_nm or crystallite_size_nm
        profile = _profile(grid, sticks, wavelength=length, size=size, width=instrument_width_deg)
        components[phase.label] = components.get(phase.label, np.zeros_like(grid)) + profile
        reflections.extend(sticks)
    total = np.sum(list(components.values()), axis=0)
    ordered = tuple(sorted(reflections, key=lambda r: (r.two_theta_deg, r.label)))
    return Pattern(length, grid, total, components, ordered)


def intensity_ratio_003_104(structure: Structure, *, wavelength: Radiation | float = "CuKa") -> float:
    """Compute I(003)/I(104) of a layered oxide from its integrated reflections.

    A measure of cation order: metal on the lithium sites lowers it (Ohzuku et al. 1993, doi:10.1149/1.2220730).

    Raises
    ------
    InputError
        The structure is not in the three-layer hexagonal cell (R-3m, c/a near 5).
    """
    cell = _layered_cell(structure)
    sticks = _sticks(cell, _wavelength(wavelength), two_theta=(5.0, 120.0), weight=1.0, label="")
    return _area_of(sticks, (0, 0, 3)) / _area_of(sticks, (1, 0, 4))


def pattern_ratio_003_104(pattern: Pattern, layered: Structure, *, half_window_deg: float = 0.35) -> float:
    """Compute I(003)/I(104) from peak areas of a whole pattern, as one would from a measured one.

    Integrates ``pattern`` within ``half_window_deg`` of the two angles of ``layered``. Whatever else scatters there
    is counted: rock salt lies close to (104), so it lowers this ratio even where the layered phase itself is intact.

    Raises
    ------
    InputError
        A window is not covered by the pattern, or holds no intensity.
    """
    lattice = _layered_cell(layered).lattice
    areas = []
    for hkl in ((0, 0, 3), (1, 0, 4)):
        sine = pattern.wavelength_A / (2.0 * lattice.d_hkl(hkl))
        centre = 2.0 * math.degrees(math.asin(sine)) if sine <= 1.0 else math.inf
        low, high = centre - half_window_deg, centre + half_window_deg
        if low < pattern.two_theta_deg[0] or high > pattern.two_theta_deg[-1]:
            raise InputError(
                f"the pattern does not cover {low:.2f} to {high:.2f} degrees 2theta; widen two_theta"
            )
        inside = (pattern.two_theta_deg >= low) & (pattern.two_theta_deg <= high)
        areas.append(float(np.trapezoid(pattern.intensity[inside], pattern.two_theta_deg[inside])))
    if areas[1] <= 0.0:
        raise InputError("the pattern has no intensity at (104); is the layered phase part of it?")
    return areas[0] / areas[1]


def _check_request(
    phases: Sequence[PhaseWeight],
    two_theta: tuple[float, float],
    *,
    step_deg: float,
    width: float,
    size: float,
) -> None:
    if not phases:
        raise InputError("a pattern needs at least one phase")
    for phase in phases:
        if not (math.isfinite(phase.weight_fraction) and phase.weight_fraction >= 0.0):
            raise InputError(f"weight of {phase.label} is {phase.weight_fraction}; it must be zero or more")
        own = phase.crystallite_size_nm
        if own is not None and not own > 0.0:
            raise InputError(f"crystallite size of {phase.label} is {own} nm; it must be positive")
    if sum(phase.weight_fraction for phase in phases) <= 0.0:
        raise InputError("all weights are zero; give at least one phase a positive weight")
    low, high = two_theta
    if not 0.0 < low < high < 180.0:
        raise InputError(f"two_theta is {two_theta}; it must be an ascending pair within 0 and 180 degrees")
    if not 0.0 < step_deg <= (high - low) / 2.0:
        raise InputError(f"step_deg is {step_deg}; it must be positive and well below the range")
    if not (size > 0.0 and width >= 0.0):
        raise InputError(
            f"crystallite_size_nm is {size} and instrument_width_deg {width}; they must be positive and not negative"
        )


def _wavelength(wavelength: Radiation | float) -> float:
    from pymatgen.analysis.diffraction.xrd import WAVELENGTHS

    from cosinter.data.exceptions import UnknownNameError

    if isinstance(wavelength, str):
        if wavelength not in WAVELENGTHS:
            raise UnknownNameError("radiation", wavelength, WAVELENGTHS)
        return float(WAVELENGTHS[wavelength])
    if not 0.1 <= wavelength <= 5.0:
        raise InputError(f"wavelength is {wavelength} Å; it must lie between 0.1 and 5 Å")
    return float(wavelength)


def _sticks(
    structure: Structure, wavelength: float, *, two_theta: tuple[float, float], weight: float, label: str
) -> list[Reflection]:
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    if weight == 0.0:
        return []
    try:
        calculator = XRDCalculator(wavelength=wavelength)
        raw: Any = calculator.get_pattern(structure, scaled=False, two_theta_range=two_theta)
    except (ValueError, ArithmeticError) as error:
        raise EngineError(f"the reflections of {label or structure.formula} failed: {error}") from error
    scale = weight / (float(structure.density) * structure.volume**2)
    sticks = []
    for angle, intensity, families, spacing in zip(raw.x, raw.y, raw.hkls, raw.d_hkls, strict=True):
        hkl = tuple(int(index) for index in families[0]["hkl"])
        short = (hkl[0], hkl[1], hkl[-1])  # hexagonal cells come as h k i l
        sticks.append(Reflection(float(angle), float(spacing), scale * float(intensity), short, label))
    return sticks


def _profile(
    grid: FloatArray, sticks: Sequence[Reflection], *, wavelength: float, size: float, width: float
) -> FloatArray:
    """Sum of Voigt profiles [n]; every reflection keeps its area."""
    from scipy.special import voigt_profile

    profile = np.zeros_like(grid)
    for stick in sticks:
        cosine = math.cos(math.radians(stick.two_theta_deg) / 2.0)
        lorentz = math.degrees(SCHERRER_CONSTANT * wavelength / (10.0 * size * cosine))
        gauss = width / _FWHM_PER_SIGMA
        profile += stick.area * voigt_profile(grid - stick.two_theta_deg, gauss, 0.5 * lorentz)
    return profile


def _layered_cell(structure: Structure) -> Structure:
    """Check that this is the hexagonal three-layer cell of a layered oxide, and hand it back."""
    ratio = structure.lattice.c / structure.lattice.a
    if not (structure.lattice.is_hexagonal() and 4.4 < ratio < 5.4):
        raise InputError(
            f"{structure.reduced_formula} is not in the three-layer hexagonal cell (c/a near 5), so (003) and (104) "
            "have no meaning; give the average R-3m structure in hexagonal axes"
        )
    return structure


def _area_of(sticks: Sequence[Reflection], hkl: tuple[int, int, int]) -> float:
    """Area of the family of ``hkl`` in a hexagonal R cell (obverse or reverse setting)."""
    wanted = _hexagonal_key(hkl)
    area = sum(stick.area for stick in sticks if _hexagonal_key(stick.hkl) == wanted)
    if area <= 0.0:
        raise InputError(f"reflection {hkl} has no intensity; is this a layered oxide?")
    return area


def _hexagonal_key(hkl: tuple[int, int, int]) -> tuple[int, int]:
    """(h² + hk + k², |l|): equal d-spacing in any hexagonal cell."""
    h, k, index = hkl
    return h * h + h * k + k * k, abs(index)
