"""Diffusivity and conductivity from the mean square displacement of the mobile ions in molecular dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, R, angstrom, electron_volt, elementary_charge, pico

from cosinter.analysis.atoms.calculators import uncertainty_of
from cosinter.analysis.atoms.displacement import mean_square_displacement, places, walk_exponent
from cosinter.analysis.atoms.molecular_dynamics import Trajectory, run_md
from cosinter.analysis.atoms.phonons import plain_fields
from cosinter.analysis.parameters import Arrhenius
from cosinter.data.exceptions import CompositionError, ConvergenceError, InputError, UnknownNameError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Regime = Literal["diffusive", "not settled", "none", "molten"]
Transport = Literal["diffusivity", "conductivity"]

_A2_PER_PS = float(angstrom**2 / pico)  # in m2/s
_SLOPE_RANGE = (0.75, 1.25)  # of log MSD against log t; 1 in the limit of long times
_MOLTEN_A = 1.5  # no atom of a solid host swings that far; half a shared edge of an octahedron
_AVERAGING_PS = 1.0  # several lithium vibrations (0.1 ps)
_SHORTEST_PS = 10.0  # five blocks of twenty frames
_NO_EVENT_MEAN = 3.0  # a Poisson mean of 3 gives no event in 5 % of the runs


@dataclass(frozen=True)
class Diffusivity:
    """Diffusion of one ion at one temperature; uncertainties are one standard error from blocks of the run.

    ``diffusivity_m2_per_s`` is the tracer value D = d<r^2>/dt/6 averaged over the directions,
    ``collective_diffusivity_m2_per_s`` that of the summed displacement, D_c = d<|sum r|^2>/dt/(6 N), and
    ``haven_ratio`` D/D_c, both ``None`` where they are uncertain by more than half.
    ``conductivity_S_per_m`` is the tracer-based Nernst-Einstein value n q^2 D/(kT) with the formal charge q.

    ``regime``: ``diffusive``; ``not settled``: ions moved, but the displacement does not grow like time;
    ``none``: no ion left its place; ``molten``: the host moved too. Only ``diffusive`` rows are a diffusivity;
    of the others only ``upper_limit_m2_per_s`` may be used (not of ``molten``). ``exponent`` is the slope of
    log MSD against log t in the fitted window of lag times, vibrations averaged out, ``msd_A2`` [n_lags] the
    displacement at ``lags_ps``.
    """

    formula: str
    mobile: str
    regime: Regime
    temperature_K: float
    mean_temperature_K: float
    diffusivity_m2_per_s: float
    diffusivity_error_m2_per_s: float
    upper_limit_m2_per_s: float | None
    collective_diffusivity_m2_per_s: float | None
    collective_error_m2_per_s: float | None
    haven_ratio: float | None
    conductivity_S_per_m: float
    conductivity_error_S_per_m: float
    exponent: float
    ions_that_hopped: int
    mobile_ions: int
    atoms: int
    vacancies: int
    defect_diffusivity_m2_per_s: float | None
    host_rms_A: float
    volume_A3: float
    fit_window_ps: tuple[float, float]
    lags_ps: FloatArray
    msd_A2: FloatArray
    blocks: int
    production_ps: float
    equilibration_ps: float
    timestep_fs: float
    seed: int
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return plain_fields(self)


def with_vacancies(structure: Structure, *, count: int, element: str = "Li", seed: int = 0) -> Structure:
    """Take ``count`` atoms of ``element``, chosen by ``seed``, out of a copy of the structure.

    The copy carries a charge; the calculator's ``compensation`` says where it goes.

    Raises
    ------
    CompositionError
        Fewer than ``count`` + 1 such atoms.
    """
    sites = [i for i, site in enumerate(structure) if site.specie.symbol == element]
    if not 0 <= count < len(sites):
        raise CompositionError(
            f"{count} {element} vacancies in {structure.composition.formula} asked, allowed are 0 to "
            f"{max(len(sites) - 1, 0)}; take a larger supercell"
        )
    chosen = np.random.default_rng(seed).choice(sites, size=count, replace=False)
    copy = structure.copy()
    copy.remove_sites([int(index) for index in chosen])
    return copy


def lithium_diffusivity(
    structure: Structure,
    calculator: Any,
    *,
    temperature_K: float,
    vacancies: int = 0,
    production_ps: float = 100.0,
    equilibration_ps: float = 10.0,
    timestep_fs: float = 2.0,
    seed: int = 0,
    on_progress: Callable[[float, float], None] | None = None,
) -> Diffusivity:
    """Diffusivity of lithium at one temperature: dynamics, then :func:`diffusivity_from`.

    With ``vacancies`` that many Li (by ``seed``) are taken out first. Then D is that of all Li at this vacancy
    content, and ``defect_diffusivity`` D_v = D N_Li/N_v that of one vacancy, which a defect model multiplies by its
    own vacancy fraction. One call is one temperature, so that a caller can keep each result and go on after a stop.
    For the parameters and errors see :func:`cosinter.analysis.atoms.molecular_dynamics.run_md`.
    """
    if not production_ps >= _SHORTEST_PS:
        raise InputError(
            f"production_ps is {production_ps!r}, allowed is {_SHORTEST_PS:g} or more for error bars"
        )
    crystal = with_vacancies(structure, count=vacancies, seed=seed) if vacancies else structure
    trajectory = run_md(
        crystal,
        calculator,
        temperature_K=temperature_K,
        production_ps=production_ps,
        equilibration_ps=equilibration_ps,
        timestep_fs=timestep_fs,
        seed=seed,
        on_progress=on_progress,
    )
    return diffusivity_from(trajectory, vacancies=vacancies)


def diffusivity_from(
    trajectory: Trajectory,
    *,
    blocks: int = 5,
    window: tuple[float, float] = (0.1, 0.5),
    hop_A: float = 3.0,
    vacancies: int = 0,
) -> Diffusivity:
    """Fit D to a trajectory.

    Parameters
    ----------
    trajectory
        From :func:`cosinter.analysis.atoms.molecular_dynamics.run_md`.
    blocks
        Parts of the run, each with its own slope; their scatter is the error.
    window
        First and last lag time of the fit as fractions of one block.
    hop_A
        Distance of neighbouring sites, Å; an ion farther than half of it from its start has hopped.
    vacancies
        Vacancies of the mobile ion in the cell, for ``defect_diffusivity``.

    Raises
    ------
    InputError
        Options out of range, or blocks too short for a fit.
    """
    positions, frame_ps = trajectory.positions_A, float(trajectory.times_ps[1] - trajectory.times_ps[0])
    size = (len(positions) - 1) // blocks if blocks >= 2 else 0
    if size < 20 or not 0.0 < window[0] < window[1] <= 1.0 or not hop_A > 0.0:
        raise InputError(
            f"{blocks} blocks of {size} frames with the window {window} and hops of {hop_A:g} Å, allowed are 2 or "
            "more blocks of 20 or more frames, a window within (0, 1] and a positive distance"
        )
    lags = np.arange(max(1, round(window[0] * size)), round(window[1] * size) + 1)
    lag_ps = np.asarray(lags * frame_ps, dtype=np.float64)
    msd = mean_square_displacement(positions)
    parts = [positions[i * size : (i + 1) * size + 1] for i in range(blocks)]
    tracer = _slope(lag_ps, msd[lags])
    error = _standard_error([_slope(lag_ps, mean_square_displacement(part)[lags]) for part in parts])
    collective = _collective(positions, parts, lags, lag_ps)
    exponent = walk_exponent(positions, lags)
    hopped = _hopped(positions, frame_ps, 0.5 * hop_A)
    regime, limit = _judge(
        trajectory, hopped, exponent, tracer, hop_A, (float(lag_ps[-1]), float(msd[lags[-1]]))
    )
    count = positions.shape[1]
    scale = nernst_einstein(
        1.0, trajectory.mobile_charge, count / trajectory.volume_A3, trajectory.temperature_K
    )
    trusted = collective is not None and error < 0.5 * tracer
    keep = np.unique(np.geomspace(1, size, 40).round().astype(int))
    return Diffusivity(
        formula=trajectory.formula,
        mobile=trajectory.mobile,
        regime=regime,
        temperature_K=trajectory.temperature_K,
        mean_temperature_K=float(trajectory.temperatures_K.mean()),
        diffusivity_m2_per_s=tracer,
        diffusivity_error_m2_per_s=error,
        upper_limit_m2_per_s=limit,
        collective_diffusivity_m2_per_s=collective[0] if collective else None,
        collective_error_m2_per_s=collective[1] if collective else None,
        haven_ratio=tracer / collective[0] if collective and trusted else None,
        conductivity_S_per_m=scale * tracer,
        conductivity_error_S_per_m=scale * error,
        exponent=exponent,
        ions_that_hopped=hopped,
        mobile_ions=count,
        atoms=trajectory.atoms,
        vacancies=vacancies,
        defect_diffusivity_m2_per_s=tracer * count / vacancies if vacancies else None,
        host_rms_A=float(trajectory.host_rms_A[-1]),
        volume_A3=trajectory.volume_A3,
        fit_window_ps=(float(lag_ps[0]), float(lag_ps[-1])),
        lags_ps=keep * frame_ps,
        msd_A2=msd[keep],
        blocks=blocks,
        production_ps=float(trajectory.times_ps[-1]),
        equilibration_ps=trajectory.equilibration_ps,
        timestep_fs=trajectory.timestep_fs,
        seed=trajectory.seed,
        calculator=trajectory.calculator,
    )


def nernst_einstein(
    diffusivity_m2_per_s: float, charge: float, number_per_A3: float, temperature_K: float
) -> float:
    """Conductivity sigma = n q^2 D/(kT) in S/m for ions of charge ``charge`` (in e) that move independently."""
    number = number_per_A3 / angstrom**3
    return float(
        number * (charge * elementary_charge) ** 2 * diffusivity_m2_per_s / (Boltzmann * temperature_K)
    )


def arrhenius_fit(
    rows: Sequence[Diffusivity],
    *,
    quantity: Transport = "diffusivity",
    temperature_range_K: tuple[float, float] | None = None,
) -> Arrhenius:
    """Fit ln k = ln k_ref - (E/R)(1/T - 1/T_ref) to runs at four or more temperatures, weighted with their errors.

    T_ref is the weighted harmonic mean of the temperatures, where the errors of k_ref and E are independent. Errors
    grow by sqrt(chi^2/(n - 2)) where the points scatter more than they should. The calculator's own error of a
    barrier is added to that of E in quadrature, and divided by RT_ref to that of ln k_ref. A conductivity is
    n q^2 D/(kT) with D from the fit, hence no straight line: its record is the tangent in the middle of the
    temperature range (in 1/T), E = E_D - R T_ref.

    Parameters
    ----------
    rows
        Runs of one material; only those with the regime ``diffusive`` count.
    quantity
        ``diffusivity`` (m2/s) or ``conductivity`` (S/m, tracer-based).
    temperature_range_K
        Range of the record; that of the runs if not given. Beyond the runs it is an extrapolation, and the note
        of the record says so.

    Raises
    ------
    ConvergenceError
        Fewer than four temperatures with diffusion.
    InputError
        Rows of different materials or vacancy contents.
    """
    if quantity not in ("diffusivity", "conductivity"):
        raise UnknownNameError("transport quantity", quantity, ("diffusivity", "conductivity"))
    kinds = {(row.formula, row.mobile, row.vacancies, row.atoms) for row in rows}
    if len(kinds) > 1:
        raise InputError(f"an Arrhenius fit takes runs of one cell, not of {len(kinds)} ({sorted(kinds)})")
    used = [row for row in rows if row.regime == "diffusive"]
    if len({row.temperature_K for row in used}) < 4:
        raise ConvergenceError(
            f"{len(used)} of {len(rows)} runs show diffusion, an Arrhenius fit needs 4 temperatures; run longer, "
            "hotter, or with vacancies"
        )
    temperatures = np.array([row.temperature_K for row in used])
    values = np.array([row.diffusivity_m2_per_s for row in used])
    errors = np.array([row.diffusivity_error_m2_per_s for row in used]) / values
    centre, slope, (spread, slope_error, middle) = _weighted_line(
        1.0 / temperatures, np.log(values), np.maximum(errors, 1.0e-3)
    )
    low, high = float(temperatures.min()), float(temperatures.max())
    limits = temperature_range_K or (low, high)
    reference, energy = 1.0 / middle, slope * R
    if quantity == "conductivity":
        # sigma = c D/T is no straight line: the tangent in the middle of the range in 1/T
        reference = 2.0 / (1.0 / limits[0] + 1.0 / limits[1])
        scale = np.mean(
            [row.conductivity_S_per_m / row.diffusivity_m2_per_s * row.temperature_K for row in used]
        )
        shift = 1.0 / reference - middle
        centre, spread = centre - slope * shift, math.hypot(spread, slope_error * shift)
        centre, energy = centre + math.log(float(scale) / reference), energy - R * reference
    model = str(used[0].calculator["model"])
    barrier = (uncertainty_of(model, "barrier").value or 0.0) * electron_volt / Boltzmann * R
    first, lengths = used[0], sorted({f"{row.production_ps:g}" for row in used}, key=float)
    return Arrhenius(
        reference_value=math.exp(centre),
        reference_temperature=reference,
        activation_energy=max(0.0, energy),
        activation_energy_uncertainty=math.hypot(slope_error * R, barrier),
        log10_uncertainty=math.hypot(spread, barrier / (R * reference)) / math.log(10.0),
        temperature_range=limits,
        unit={"diffusivity": "m2/s", "conductivity": "S/m"}[quantity],
        kind="computed",
        source=f"cosinter, molecular dynamics with {model}, of {first.formula}",
        note=(
            f"{len(used)} of {len(rows)} runs of {', '.join(lengths)} ps at {low:g} to {high:g} K, {first.atoms} "
            f"atoms, {first.vacancies} {first.mobile} vacancies; statistics alone give {slope_error * R:.3g} J/mol; "
            f"{'tracer-based (Nernst-Einstein, formal charge); ' if quantity == 'conductivity' else ''}"
            "an extrapolation outside these temperatures"
        ),
    )


def _weighted_line(
    x: FloatArray, y: FloatArray, errors: FloatArray
) -> tuple[float, float, tuple[float, float, float]]:
    """Fit y = y0 - e (x - x0): y0, e and (error of y0, error of e, x0), with x0 the weighted mean of x."""
    weights = errors**-2
    middle = float(np.average(x, weights=weights))
    y0 = float(np.average(y, weights=weights))
    spread = float(weights @ (x - middle) ** 2)
    slope = float(weights @ ((x - middle) * (y - y0))) / spread
    chi2 = float(weights @ (y - y0 - slope * (x - middle)) ** 2)
    growth = math.sqrt(max(1.0, chi2 / max(1, len(x) - 2)))
    return y0, -slope, (growth / math.sqrt(weights.sum()), growth / math.sqrt(spread), middle)


def _slope(lag_ps: FloatArray, msd: FloatArray) -> float:
    """D in m2/s from the slope of the displacement (Å^2) against lag time (ps), at least zero."""
    return max(0.0, float(np.polyfit(lag_ps, msd, 1)[0])) / 6.0 * _A2_PER_PS


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _collective(
    positions: FloatArray, parts: Sequence[FloatArray], lags: NDArray[np.int_], lag_ps: FloatArray
) -> tuple[float, float] | None:
    """D of the summed displacement and its error (m2/s), None where it is uncertain by more than half."""
    count = positions.shape[1]

    def slope(part: FloatArray) -> float:
        summed = part.sum(axis=1, keepdims=True)
        return _slope(lag_ps, mean_square_displacement(summed)[lags] / count)

    value, error = slope(positions), _standard_error([slope(part) for part in parts])
    return (value, error) if value > 0.0 and error < 0.5 * value else None


def _hopped(positions: FloatArray, frame_ps: float, distance_A: float) -> int:
    """Number of ions whose place, averaged over 1 ps, was ever farther than ``distance_A`` from the first one."""
    means = places(positions, max(1, round(_AVERAGING_PS / frame_ps)))
    return int(np.sum(np.linalg.norm(means - means[0], axis=2).max(axis=0) > distance_A))


def _judge(
    trajectory: Trajectory,
    hopped: int,
    exponent: float,
    tracer: float,
    hop_A: float,
    last: tuple[float, float],
) -> tuple[Regime, float | None]:
    """What the run shows, and the upper limit of D (m2/s) where it shows no diffusion."""
    if trajectory.host_rms_A[-1] > _MOLTEN_A:
        return "molten", None
    if hopped == 0:
        # fewer than 3 hops (95 %) of all ions together: D < a^2 3/(6 N t)
        time = float(trajectory.times_ps[-1]) * trajectory.positions_A.shape[1]
        return "none", hop_A**2 * _NO_EVENT_MEAN / (6.0 * time) * _A2_PER_PS
    if _SLOPE_RANGE[0] <= exponent <= _SLOPE_RANGE[1] and tracer > 0.0:
        return "diffusive", None
    return "not settled", last[1] / (6.0 * last[0]) * _A2_PER_PS
