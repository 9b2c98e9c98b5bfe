"""Quasi-harmonic thermodynamics of a crystal: phonons at several volumes, G(T) at zero pressure and what follows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import N_A, angstrom, electron_volt, giga, kilo

from cosinter.analysis.atoms.calculators import calculator_errors, to_atoms, to_structure, uncertainty_of
from cosinter.analysis.atoms.phonons import ImaginaryPolicy, Phonons, phonon_free_energy, plain_fields
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import ConvergenceError, InputError, StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]

#: Volumes against the relaxed one; more above it, because crystals expand.
VOLUME_STRAINS = (-0.03, -0.01, 0.01, 0.03, 0.05, 0.07, 0.09)
_KJ_PER_EV = electron_volt * N_A / kilo
_J_PER_GPA_A3 = giga * angstrom**3 * N_A  # J/mol in one GPa Å^3 per formula unit
_GPA_PER_EV_A3 = electron_volt / angstrom**3 / giga
_ENTROPY_DEGREE = 3  # of S and C_V as polynomials of the volume
_FIT_EV = 2.0e-3  # largest misfit of the equation of state per formula unit that is let pass


@dataclass(frozen=True)
class QuasiHarmonic:
    """Thermodynamics at zero pressure, per formula unit; arrays have the shape [n_temperatures] or [n_volumes].

    ``gibbs_kJ_per_mol`` counts from the static lattice at its own best volume: compositions must not be compared
    with it. ``free_energy_kJ_per_mol`` [n_temperatures, n_volumes] is static + vibrational on the same zero.
    ``expansion_per_K`` is the volumetric one; ``static_volume_entropy_J_per_mol_K`` is the harmonic S. The imaginary
    shares and lowest frequencies are one per volume; the imaginary modes are left out of the sums as
    ``imaginary_policy`` allowed.
    """

    formula: str
    formula_units: float
    temperatures_K: FloatArray
    gibbs_kJ_per_mol: FloatArray
    volume_A3: FloatArray
    expansion_per_K: FloatArray
    bulk_modulus_GPa: FloatArray
    entropy_J_per_mol_K: FloatArray
    static_volume_entropy_J_per_mol_K: FloatArray
    heat_capacity_p_J_per_mol_K: FloatArray
    heat_capacity_v_J_per_mol_K: FloatArray
    volumes_A3: FloatArray
    static_energy_kJ_per_mol: FloatArray
    free_energy_kJ_per_mol: FloatArray
    imaginary_percent: FloatArray
    lowest_frequency_THz: FloatArray
    imaginary_policy: ImaginaryPolicy
    fit_misfit_eV: float
    supercell: tuple[int, int, int]
    displacements: int
    entropy_uncertainty_percent: float | None
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return plain_fields(self)


def quasi_harmonic(
    structure: Structure,
    calculator: Any,
    *,
    temperatures_K: Sequence[float] | FloatArray,
    strains: Sequence[float] = VOLUME_STRAINS,
    supercell: tuple[int, int, int] | None = None,
    displacement_A: float = 0.01,
    relax_tolerance: float = 1.0e-3,
    imaginary: ImaginaryPolicy = "warn",
    on_volume: Callable[[int, int], None] | None = None,
) -> QuasiHarmonic:
    """Compute G(T) = min_V [E(V) + F_vib(T, V)] at zero pressure, and its derivatives.

    At each volume the cell's shape and the atoms are relaxed at that volume, and the phonons computed. F(T, V) is
    fitted in V with Vinet's equation of state (doi:10.1029/JB092iB09p09319); S and C_V are interpolated in V, and
    alpha = (dS/dV)_T/B, C_p = C_V + alpha^2 V B T.

    Parameters
    ----------
    structure
        Ordered crystal; relaxed first.
    temperatures_K
        Temperatures, 0 or above, K.
    strains
        Relative changes of the relaxed volume, ascending, five or more.
    supercell, displacement_A, relax_tolerance, imaginary
        As of :func:`cosinter.analysis.atoms.phonons.phonon_free_energy`; the policy counts for every volume.
    on_volume
        Called after every volume with their number done and in all.

    Raises
    ------
    InputError
        Options out of range.
    StructureError
        The free energy has its minimum outside the volumes, or the policy refuses a volume's imaginary modes.
    ConvergenceError
        A relaxation or the fit of the equation of state failed.
    EngineError
        The calculator failed.
    """
    _check_strains(strains)
    ground = relax(structure, calculator, force_tolerance=relax_tolerance, strict=True).structure
    units = ground.composition.get_reduced_formula_and_factor()[1]
    found: list[tuple[float, float, Phonons]] = []
    for strain in strains:
        cell, energy = relax_at_volume(
            ground, calculator, volume_A3=ground.volume * (1.0 + strain), force_tolerance=relax_tolerance
        )
        phonons = _phonons_at(
            strain,
            cell,
            calculator,
            supercell=supercell,
            temperatures_K=temperatures_K,
            displacement_A=displacement_A,
            relax_tolerance=None,
            imaginary="error" if imaginary == "error" else "drop",
        )
        found.append((cell.volume / units, energy / units, phonons))
        if on_volume is not None:
            on_volume(len(found), len(strains))
    result = _assemble(found, float(units), imaginary, uncertainty_of(calculator, "entropy").value)
    worst = float(result.imaginary_percent.max())
    if imaginary == "warn" and worst > 0.0:
        warnings.warn(
            f"up to {worst:.2f} % of the phonon modes of {result.formula} are imaginary (lowest "
            f"{result.lowest_frequency_THz.min():.2f} THz); they are left out of the sums",
            stacklevel=2,
        )
    return result


def relax_at_volume(
    structure: Structure, calculator: Any, *, volume_A3: float, force_tolerance: float = 1.0e-3
) -> tuple[Structure, float]:
    """Relax the shape of the cell and the atoms at a given volume; return the structure and its energy (eV).

    Raises
    ------
    ConvergenceError
        Not relaxed after 500 steps.
    EngineError
        The calculator failed.
    """
    from ase.filters import FrechetCellFilter
    from ase.optimize import LBFGS

    atoms = to_atoms(structure)
    atoms.set_cell(atoms.cell.array * (volume_A3 / atoms.get_volume()) ** (1.0 / 3.0), scale_atoms=True)
    atoms.calc = calculator
    with calculator_errors(calculator), warnings.catch_warnings():
        # the cell filter's matrix logarithm reports errors of 1e-13 as warnings
        warnings.filterwarnings("ignore", "logm result may be inaccurate", RuntimeWarning)
        target: Any = FrechetCellFilter(atoms, constant_volume=True)  # type: ignore[no-untyped-call]
        driver: Any = LBFGS(target, logfile=None)  # type: ignore[arg-type]
        converged = driver.run(fmax=force_tolerance, steps=500)
        energy = float(atoms.get_potential_energy())
    if not converged:
        raise ConvergenceError(
            f"{structure.composition.reduced_formula} is not relaxed at {volume_A3:.4g} Å^3 after 500 steps; "
            "raise relax_tolerance or take smaller strains"
        )
    return to_structure(atoms, site_properties=structure.site_properties), energy


def vinet(volume: Any, energy: float, volume_0: float, bulk_modulus: float, derivative: float) -> Any:
    """Energy of Vinet's equation of state, E0 + 9 B0 V0/eta^2 {1 - [1 - eta (1 - x)] exp[eta (1 - x)]}.

    x = (V/V0)^(1/3), eta = 3/2 (B0' - 1); doi:10.1029/JB092iB09p09319, integrated. Units consistent, e.g. eV and
    Å^3 with B0 in eV/Å^3.
    """
    eta = 1.5 * (derivative - 1.0)
    y = eta * (1.0 - np.cbrt(volume / volume_0))
    return energy + 9.0 * bulk_modulus * volume_0 / eta**2 * (1.0 - (1.0 - y) * np.exp(y))


def _phonons_at(strain: float, cell: Structure, calculator: Any, **options: Any) -> Phonons:
    try:
        return phonon_free_energy(cell, calculator, **options)
    except StructureError as error:
        raise StructureError(f"at a volume change of {100.0 * strain:+g} %: {error}") from error


def _check_strains(strains: Sequence[float]) -> None:
    values = np.asarray(strains, dtype=np.float64)
    if values.ndim != 1 or len(values) < 5 or not np.all(np.diff(values) > 0.0):
        raise InputError(f"strains are {strains!r}, allowed are five or more ascending numbers")
    if not (values[0] >= -0.2 and values[-1] <= 0.2):
        raise InputError(f"strains go from {values[0]:g} to {values[-1]:g}, allowed are -0.2 to 0.2")


def _assemble(
    found: Sequence[tuple[float, float, Phonons]],
    units: float,
    policy: ImaginaryPolicy,
    percent: float | None,
) -> QuasiHarmonic:
    """Fit the free energies of all temperatures and derive the rest."""
    first = found[0][2]
    temperatures = first.temperatures_K
    volumes = np.array([row[0] for row in found])
    static = np.array([row[1] for row in found])
    ground, _ = _fit_eos(volumes, static)
    static -= ground[0]
    vibrational = np.array([row[2].free_energy_kJ_per_mol for row in found]).T / _KJ_PER_EV
    entropies = np.array([row[2].entropy_J_per_mol_K for row in found]).T
    heats = np.array([row[2].heat_capacity_J_per_mol_K for row in found]).T
    fits = [_fit_eos(volumes, static + row) for row in vibrational]
    gibbs, volume, modulus = (np.array([fit[0][i] for fit in fits]) for i in range(3))
    _check_inside(first.formula, temperatures, volume, volumes)
    modulus = modulus * _GPA_PER_EV_A3
    entropy, slope = _interpolate(volumes, entropies, volume)
    harmonic, _ = _interpolate(volumes, entropies, np.full_like(volume, ground[1]))
    heat_v, _ = _interpolate(volumes, heats, volume)
    expansion = slope / (modulus * _J_PER_GPA_A3)
    return QuasiHarmonic(
        formula=first.formula,
        formula_units=units,
        temperatures_K=temperatures,
        gibbs_kJ_per_mol=gibbs * _KJ_PER_EV,
        volume_A3=volume,
        expansion_per_K=expansion,
        bulk_modulus_GPa=modulus,
        entropy_J_per_mol_K=entropy,
        static_volume_entropy_J_per_mol_K=harmonic,
        heat_capacity_p_J_per_mol_K=heat_v + expansion**2 * volume * modulus * temperatures * _J_PER_GPA_A3,
        heat_capacity_v_J_per_mol_K=heat_v,
        volumes_A3=volumes,
        static_energy_kJ_per_mol=static * _KJ_PER_EV,
        free_energy_kJ_per_mol=(static + vibrational) * _KJ_PER_EV,
        imaginary_percent=np.array([row[2].imaginary_percent for row in found]),
        lowest_frequency_THz=np.array([row[2].lowest_frequency_THz for row in found]),
        imaginary_policy=policy,
        fit_misfit_eV=max(fit[1] for fit in fits),
        supercell=first.supercell,
        displacements=first.displacements,
        entropy_uncertainty_percent=percent,
        calculator=first.calculator,
    )


def _fit_eos(volumes: FloatArray, energies: FloatArray) -> tuple[FloatArray, float]:
    """Fit Vinet's equation: (E0, V0, B0, B0') in eV, Å^3, eV/Å^3, 1, and the largest misfit in eV."""
    from scipy.optimize import OptimizeWarning, curve_fit

    curvature, slope, _ = np.polyfit(volumes, energies, 2)
    start = -slope / (2.0 * curvature) if curvature > 0.0 else volumes[-1]
    start = float(np.clip(start, volumes[0], volumes[-1]))
    guess = (float(energies.min()), start, max(2.0 * curvature * start, 0.05), 4.5)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            fit, _ = curve_fit(vinet, volumes, energies, p0=guess, maxfev=20000)
    except (RuntimeError, OptimizeWarning) as error:
        raise ConvergenceError(
            "Vinet's equation of state does not fit the free energies; take other strains or lower temperatures"
        ) from error
    misfit = float(np.abs(vinet(volumes, *fit) - energies).max())
    if misfit > _FIT_EV:
        raise ConvergenceError(
            f"Vinet's equation of state misses a free energy by {misfit:.3g} eV per formula unit, allowed is "
            f"{_FIT_EV:g}; the crystal changes between these volumes, take smaller strains"
        )
    return np.asarray(fit, dtype=np.float64), misfit


def _check_inside(formula: str, temperatures: FloatArray, volume: FloatArray, volumes: FloatArray) -> None:
    outside = (volume < volumes[0]) | (volume > volumes[-1])
    if outside.any():
        worst = int(np.argmax(outside))
        raise StructureError(
            f"the free energy of {formula} at {temperatures[worst]:g} K has its minimum at {volume[worst]:.4g} Å^3 per "
            f"formula unit, the volumes go from {volumes[0]:.4g} to {volumes[-1]:.4g}; widen the strains or lower "
            "the temperature"
        )


def _interpolate(volumes: FloatArray, values: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value and slope by volume of ``values`` [n_temperatures, n_volumes] at one volume for each temperature."""
    middle, width = volumes.mean(), np.ptp(volumes)
    x, here = (volumes - middle) / width, (at - middle) / width
    rows = [np.polynomial.Polynomial.fit(x, row, _ENTROPY_DEGREE, domain=[-1, 1]) for row in values]
    value = np.array([row(point) for row, point in zip(rows, here, strict=True)])
    slope = np.array([row.deriv()(point) for row, point in zip(rows, here, strict=True)])
    return value, slope / width
