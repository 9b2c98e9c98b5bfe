"""The sintered cathode against lithium, by PyBaMM: first charge and discharge, rates, impedance.

Single-particle model (Marquis et al., J. Electrochem. Soc. 166 (2019) A3693, doi:10.1149/2.0341915jes) of a half-cell: the
grains that are still layered, radius R, share eps of the electrode of thickness L, carry the current over 3 eps L/R grain area
per electrode area, through the interphase::

    U_cell = U(u_surface) - eta(i) - i ASR,    i = I R/(3 eps L),    j0 = F k [u (1 - u)]^(1/2)

Loss of lithium: the first charge starts from the lithium that the furnace has left. Loss of active material: eps counts layered
metal only. A lithium counter electrode gives back on discharge what the furnace took; a graphite one would not.

The interphase is a resistor in series with the double layer; its own capacitance is not known. (As PyBaMM's "SEI film" it would
draw its drop from the capacitive current too, which is 1 + R_film/R_ct times too much impedance at high frequency.)

The voltage table ends at 0.98 lithium per metal and goes on along its slope; the charge transfer ends the discharge there.
Left out, the same for all cases: the drop over LATP and lithium, percolation, contact lost by fracture.

**Fade is not predicted**: nothing in this package runs at 25 °C but the growth of the interphase (:func:`growth_nm`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, centi, gram, hour, milli, nano, physical_constants

from cosinter.analysis.exports.electrode import (
    Geometry,
    SinteredElectrode,
    sintered_electrode,
)
from cosinter.analysis.parameters import ParameterSet, Scalar, Table
from cosinter.data.exceptions import EngineError, InputError, MissingEngineError

FloatArray = NDArray[np.float64]
FARADAY = physical_constants["Faraday constant"][0]
RATES_C = (0.1, 0.2, 0.5, 1.0, 2.0)
TEMPERATURE_K = 298.15
_BASE_SET = "Xu2019"
_MARGIN_V = 1e-4  # a discharge starts at the upper cut-off, not beyond it
_QUANTILES = (0.05, 0.95)
_MAH_PER_G = gram * 1.0 / (milli * hour)


@dataclass(frozen=True)
class Discharge:
    """One constant-current discharge to the lower cut-off.

    ``capacity_mAh_per_g`` counts the oxide before sintering; ``interval`` is its 5 to 95 % range (None without samples);
    ``charge_mAh_per_g`` and ``voltage_V`` [n] are the curve.
    """

    rate_C: float
    capacity_mAh_per_g: float
    mean_voltage_V: float
    interval: tuple[float, float] | None
    charge_mAh_per_g: tuple[float, ...]
    voltage_V: tuple[float, ...]


@dataclass(frozen=True)
class Spectrum:
    """Impedance per electrode area at half of the window: ``frequency_Hz`` [n], ``real`` and ``imaginary`` in ohm cm2 [n]."""

    frequency_Hz: tuple[float, ...]
    real_ohm_cm2: tuple[float, ...]
    imaginary_ohm_cm2: tuple[float, ...]


@dataclass(frozen=True)
class HalfCell:
    """What a sintered cathode does against lithium at 25 °C.

    ``first_charge_mAh_per_g`` is limited by lithium lost in the furnace; ``asr_ohm_cm2`` per grain area and
    ``interphase_ohm_cm2`` per electrode area; ``growth_nm`` the interphase that grows in a year at 25 °C; ``assumed`` the values
    that rest on an assumption; ``seconds`` PyBaMM's set-up and solve times.
    """

    case: str
    first_charge_mAh_per_g: float
    discharges: tuple[Discharge, ...]
    spectrum: Spectrum
    asr_ohm_cm2: float
    interphase_ohm_cm2: float
    growth_nm: float
    samples: int
    assumed: tuple[str, ...]
    missing: Mapping[str, str]
    seconds: Mapping[str, float]


def half_cell(
    parameters: ParameterSet,
    summary: Mapping[str, Any],
    geometry: Geometry,
    *,
    rates_C: Sequence[float] = RATES_C,
    asr_interval_ohm_cm2: tuple[float, float] | None = None,
    samples: int = 0,
    seed: int = 1,
) -> HalfCell:
    """Solve the half-cell of one sintered case.

    Parameters
    ----------
    parameters, summary, geometry
        As in :func:`cosinter.analysis.exports.electrode.sintered_electrode`.
    rates_C
        Discharge rates; 1 C passes the reference capacity of the undamaged cathode in an hour.
    asr_interval_ohm_cm2
        5 to 95 % range of the resistance of the interphase, for the intervals.
    samples
        Draws of diffusivity, rate constant and resistance (log-normal, Sobol) behind the intervals; 0: none.

    Raises
    ------
    InputError
        A rate is not between 0.01 and 20 C, or the set lacks what a cell needs.
    MissingEngineError
        PyBaMM is not installed.
    EngineError
        PyBaMM found no solution.
    """
    if not rates_C or not all(0.01 <= rate <= 20.0 for rate in rates_C):
        raise InputError(f"rates {', '.join(f'{r:g}' for r in rates_C)} C must lie between 0.01 and 20 C")
    electrode = sintered_electrode(parameters, summary, geometry, temperature_K=TEMPERATURE_K)
    start = time.perf_counter()
    cell = _Cell(electrode, parameters, geometry)
    built = time.perf_counter()
    base = cell.inputs()
    charge = cell.charge(base)
    curves = [cell.discharge(rate, base) for rate in rates_C]
    spectrum = cell.spectrum(base)
    solved = time.perf_counter()
    drawn = [
        cell.inputs(*point) for point in _draws(electrode, asr_interval_ohm_cm2, samples=samples, seed=seed)
    ]
    discharges = []
    for rate, (passed, voltage) in zip(rates_C, curves, strict=True):
        found = [float(cell.discharge(rate, point)[0][-1]) for point in drawn]
        low, high = np.quantile(found, _QUANTILES) if found else (0.0, 0.0)
        discharges.append(
            Discharge(
                rate_C=rate,
                capacity_mAh_per_g=float(passed[-1]),
                mean_voltage_V=float(np.trapezoid(voltage, passed) / max(passed[-1], 1e-12)),
                interval=(float(low), float(high)) if found else None,
                charge_mAh_per_g=_thinned(passed),
                voltage_V=_thinned(voltage),
            )
        )
    return HalfCell(
        case=electrode.case,
        first_charge_mAh_per_g=charge,
        discharges=tuple(discharges),
        spectrum=spectrum,
        asr_ohm_cm2=cell.asr / centi**2,
        interphase_ohm_cm2=cell.asr / cell.area_ratio / centi**2,
        growth_nm=growth_nm(parameters, 365.25 * 24.0 * hour),
        samples=len(drawn),
        assumed=cell.assumed,
        missing=electrode.missing,
        seconds={
            "set-up": built - start,
            "one case": solved - built,
            "intervals": time.perf_counter() - solved,
        },
    )


def growth_nm(parameters: ParameterSet, seconds: float, *, temperature_K: float = TEMPERATURE_K) -> float:
    """Interphase that grows on a bare contact at the temperature of the cell, sqrt(k_p t) in nm.

    The parabolic constant is extrapolated from the furnace far beyond what it was measured for; it is told to show that it
    explains no fade, not to predict any.
    """
    constant = float(parameters.arrhenius("interphase.parabolic_constant")(temperature_K))
    return float(np.sqrt(constant * seconds) / nano)


class _Cell:
    """One PyBaMM model with what varies as inputs: built once, solved many times."""

    def __init__(self, electrode: SinteredElectrode, parameters: ParameterSet, geometry: Geometry) -> None:
        self._pybamm = _engine()
        number = _numbers(electrode)
        potential = electrode.known("open_circuit_potential")
        if not isinstance(potential, Table):
            raise InputError(f"no half-cell without a voltage: {electrode.missing['open_circuit_potential']}")
        self._potential = potential
        self._lower = parameters.scalar("capacity.lower_cutoff")
        self._upper = parameters.scalar("capacity.upper_cutoff")
        self._reference = parameters.scalar("capacity.reference")
        self._number = number
        solid = geometry.cathode_volume_fraction * (1.0 - geometry.porosity)
        density = number["maximum_concentration"] * parameters.scalar("cathode.molar_mass")
        self._mass = solid * number["thickness"] * density  # kg of oxide before sintering per m2
        self.area_ratio = number["surface_area"] * number["thickness"]
        self.asr = electrode.state["asr_ohm_cm2"] * centi**2
        self.assumed = tuple(
            sorted(
                name
                for name in (*_NUMBERS, "open_circuit_potential")
                if (value := electrode.known(name)) is not None and value.kind == "assumed"
            )
        )
        self._simulation, self._impedance = self._build()

    def inputs(
        self, diffusivity: float = 1.0, rate: float = 1.0, resistance: float = 1.0
    ) -> dict[str, float]:
        """Inputs of the model; the arguments multiply what is known."""
        return {
            "diffusivity": self._number["diffusivity"] * diffusivity,
            "rate": self._number["reaction_rate_constant"] * rate,
            "film": self.asr * resistance / self.area_ratio,
        }

    def charge(self, inputs: Mapping[str, float]) -> float:
        """Capacity of the first charge at C/10 from the sintered state, mAh/g."""
        passed, _ = self._solve(inputs, -0.1, self._number["initial_stoichiometry"])
        return float(passed[-1])

    def discharge(self, rate_C: float, inputs: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Charge (mAh/g) and voltage (V) of a discharge from equilibrium at the upper cut-off."""
        return self._solve(inputs, rate_C, self._content(self._upper))

    def spectrum(self, inputs: Mapping[str, float]) -> Spectrum:
        """Impedance half way between the cut-offs."""
        frequency = np.logspace(5.0, -3.0, 129)
        middle = 0.5 * (self._content(self._upper) + self._content(self._lower))
        values = dict(inputs) | {"current": 0.0, "stoichiometry": middle}
        found = np.asarray(self._impedance.solve(frequency, inputs=values)["Impedance [Ohm]"]) / centi**2
        return Spectrum(tuple(frequency.tolist()), tuple(found.real.tolist()), tuple((found.imag).tolist()))

    def _content(self, voltage: float) -> float:
        (axis,) = self._potential.axes.values()
        return float(np.interp(-voltage, -self._potential.array, np.asarray(axis)))

    def _solve(
        self, inputs: Mapping[str, float], rate_C: float, stoichiometry: float
    ) -> tuple[FloatArray, FloatArray]:
        current = rate_C * self._reference * self._mass / hour  # A/m2
        values = dict(inputs) | {"current": current, "stoichiometry": stoichiometry}
        first = self._first_voltage(values)
        if not self._lower < first < self._upper + _MARGIN_V:
            return np.zeros(1), np.asarray([first])
        end = 1.6 * hour / abs(rate_C)
        times = np.linspace(0.0, end, 401)
        try:
            with warnings.catch_warnings():
                # the voltage table ends at 0.98 lithium per metal; the last steps go on along its slope
                warnings.filterwarnings("ignore", message=".*extrapolation occurred.*")
                solution = self._simulation.solve(times, inputs=values)
        except self._pybamm.SolverError as error:
            raise EngineError(f"PyBaMM found no solution at {rate_C:g} C: {error}") from error
        passed = np.asarray(solution["Time [s]"].entries) * abs(current) / self._mass * _MAH_PER_G
        return passed, np.asarray(solution["Voltage [V]"].entries)

    def _first_voltage(self, values: Mapping[str, float]) -> float:
        """Voltage the moment the current flows: the model's own equations at the uniform stoichiometry."""
        share, local = values["stoichiometry"], values["current"] / self.area_ratio
        (axis,) = (np.asarray(x) for x in self._potential.axes.values())
        rest = float(np.interp(share, axis, self._potential.array))
        exchange = FARADAY * values["rate"] * (share * (1.0 - share)) ** 0.5
        overpotential = 2.0 * R * TEMPERATURE_K / FARADAY * float(np.arcsinh(0.5 * local / exchange))
        return float(rest - overpotential - values["current"] * values["film"])

    def _build(self) -> tuple[Any, Any]:
        pybamm = self._pybamm
        options = {
            "working electrode": "positive",
            "surface form": "differential",
            "contact resistance": "true",
        }
        values = pybamm.ParameterValues(_BASE_SET)
        values.update(self._values(), check_already_exists=False)
        model = pybamm.lithium_ion.SPM(options)
        simulation = pybamm.Simulation(model, parameter_values=values, solver=pybamm.IDAKLUSolver())
        impedance = pybamm.EISSimulation(pybamm.lithium_ion.SPM(options), parameter_values=values)
        return simulation, impedance

    def _values(self) -> dict[str, Any]:
        pybamm, number = self._pybamm, self._number
        table = self._potential
        (axis,) = (np.asarray(x) for x in table.axes.values())
        maximum = number["maximum_concentration"]

        def potential(stoichiometry: Any) -> Any:
            return pybamm.Interpolant(axis, table.array, stoichiometry, name="U", interpolator="linear")

        def exchange(electrolyte: Any, surface: Any, maximum: Any, temperature: Any) -> Any:
            share = surface / maximum
            return FARADAY * pybamm.InputParameter("rate") * (share * (1.0 - share)) ** 0.5

        def ideal(electrolyte: Any, metal: Any, temperature: Any) -> Any:
            return pybamm.Scalar(1e8)

        def diffusivity(stoichiometry: Any, temperature: Any) -> Any:
            return pybamm.InputParameter("diffusivity")

        return {
            "Positive electrode OCP [V]": potential,
            "Positive electrode exchange-current density [A.m-2]": exchange,
            "Exchange-current density for lithium metal electrode [A.m-2]": ideal,
            "Positive particle diffusivity [m2.s-1]": diffusivity,
            "Positive particle radius [m]": number["radius"],
            "Positive electrode active material volume fraction": number["active_fraction"],
            "Positive electrode thickness [m]": number["thickness"],
            "Maximum concentration in positive electrode [mol.m-3]": maximum,
            "Initial concentration in positive electrode [mol.m-3]": maximum
            * pybamm.InputParameter("stoichiometry"),
            "Contact resistance [Ohm]": pybamm.InputParameter("film"),
            "Electrode height [m]": 1.0,
            "Electrode width [m]": 1.0,
            "Current function [A]": pybamm.InputParameter("current"),
            "Lower voltage cut-off [V]": self._lower,
            "Upper voltage cut-off [V]": self._upper + _MARGIN_V,
        }


_NUMBERS = (
    "radius",
    "active_fraction",
    "surface_area",
    "thickness",
    "maximum_concentration",
    "initial_stoichiometry",
    "diffusivity",
    "reaction_rate_constant",
)


def _numbers(electrode: SinteredElectrode) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _NUMBERS:
        value = electrode.known(name)
        if value is None:
            raise InputError(f"no half-cell without {name}: {electrode.missing.get(name, 'not known')}")
        if isinstance(value, Table):
            raise InputError(f"{name} is a table, expected one number at {TEMPERATURE_K:g} K")
        found[name] = value.value if isinstance(value, Scalar) else float(value(TEMPERATURE_K))
    if "asr_ohm_cm2" not in electrode.state:
        raise InputError("no half-cell without asr_ohm_cm2 in the sintering summary; run the study again")
    if found["active_fraction"] <= 0.0:
        raise InputError(f"case {electrode.case}: nothing layered is left, there is no electrode to charge")
    return found


def _draws(
    electrode: SinteredElectrode, asr_interval: tuple[float, float] | None, *, samples: int, seed: int
) -> FloatArray:
    """Factors of diffusivity, rate constant and resistance, shape [samples, 3]; log-normal."""
    from scipy.stats import norm, qmc

    if samples <= 0:
        return np.ones((0, 3))
    power = int(np.ceil(np.log2(samples)))
    uniform = qmc.Sobol(3, rng=seed).random_base2(power)
    normal = norm.ppf(np.clip(uniform, 1e-6, 1.0 - 1e-6))
    spread = [
        getattr(electrode.known(name), "log10_uncertainty", None) or 0.0
        for name in ("diffusivity", "reaction_rate_constant")
    ]
    factors = 10.0 ** (normal[:, :2] * np.asarray(spread))
    resistance = np.ones(len(normal))
    if asr_interval is not None and min(asr_interval) > 0.0:
        asr = electrode.state["asr_ohm_cm2"]
        sides = np.log(np.asarray(asr_interval) / asr) / norm.ppf(_QUANTILES)
        # two half-normals: the median is the value of the nominal run
        resistance = np.exp(normal[:, 2] * np.where(normal[:, 2] < 0.0, sides[0], sides[1]))
    return np.column_stack([factors, resistance])


def _thinned(values: FloatArray, count: int = 120) -> tuple[float, ...]:
    place = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).astype(int))
    return tuple(float(value) for value in values[place])


def _engine() -> Any:
    try:
        import pybamm
    except ImportError as error:
        raise MissingEngineError("PyBaMM is not installed; pip install 'cosinter[cell]' brings it") from error
    return pybamm
