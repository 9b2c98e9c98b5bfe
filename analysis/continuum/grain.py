"""One spherical cathode grain: finite volumes, thermodynamics of its three phases, diffusion and conversion.

Cells are graded to the surface, r_f/R = x (1 + b) - b x^2 with b = 0.95. Arrays of cells run from the centre
outwards on their last axis; leading axes are independent copies (used for the Jacobian).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R

from cosinter.analysis.continuum.inputs import LITHIUM, PHASES, TEMPERATURE, ArrayTable, ModelInputs
from cosinter.analysis.continuum.partition import (
    LITHIUM_EDGE,
    PartitionTable,
    lithium_knots,
    make_partition,
)
from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]

GRADING = 0.95
THETA_MIN = 0.05
LITHIUM_KNOTS = 257
SPINEL_CORNER, SPINEL_SLOPE = 0.01, 4.0 / 3.0
TURN_WIDTH = 0.1


@dataclass(frozen=True)
class Grid:
    """Radii in units of the grain radius: ``faces`` (N + 1), ``centres`` (N), ``volumes`` (N, sum 1).

    ``conductance`` (N - 1): 3 r_f^2/(r_{i+1} - r_i), so that the flow of Li between cells per metal of the grain is
    conductance * D/R^2 * (u_i - u_{i+1}).
    """

    faces: FloatArray
    centres: FloatArray
    volumes: FloatArray
    conductance: FloatArray
    outer_weight: float

    @classmethod
    def make(cls, cells: int) -> Grid:
        """Grade ``cells`` shells towards the surface."""
        x = np.linspace(0.0, 1.0, cells + 1)
        faces = x * (1.0 + GRADING) - GRADING * x**2
        volumes = np.diff(faces**3)
        centres = 0.75 * np.diff(faces**4) / volumes
        conductance = 3.0 * faces[1:-1] ** 2 / np.diff(centres)
        return cls(faces, centres, volumes, conductance, (1.0 - centres[-1]) / (centres[-1] - centres[-2]))

    def surface(self, values: FloatArray) -> FloatArray:
        """Extrapolate cell values linearly to r = R."""
        return values[..., -1] + self.outer_weight * (values[..., -1] - values[..., -2])

    def mean(self, values: FloatArray) -> FloatArray:
        """Volume average over the last axis."""
        return np.asarray(values @ self.volumes)


def oxygen_per_metal(lithium: FloatArray) -> tuple[FloatArray, FloatArray]:
    """O per metal of layered, spinel and rock salt (first axis) at u, and its derivative in u.

    Layered Li_uMO2 and rock salt Li_uMO_(1+u); spinel holds 2 O down to u = 1/2 (LiM2O4) and 4(1 + u)/3 below
    (towards M3O4), the corner rounded as 2 - (4/3) w ln(1 + exp[(1/2 - u)/w]) with w = 0.01.
    """
    number, slope = np.empty((2, 3, *np.shape(lithium)))
    below = (0.5 - lithium) / SPINEL_CORNER
    number[0], slope[0] = 2.0, 0.0
    number[1], slope[1] = (
        2.0 - SPINEL_SLOPE * SPINEL_CORNER * np.logaddexp(0.0, below),
        SPINEL_SLOPE * _logistic(below),
    )
    number[2], slope[2] = 1.0 + lithium, 1.0
    return number, slope


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


@dataclass(frozen=True)
class GibbsAtTemperature:
    """Excess G of the three phases at one temperature: cubic in u within each interval of ``knots``.

    ``coefficients`` (3 phases, 4 powers, intervals) in units of RT.
    """

    knots: FloatArray
    coefficients: FloatArray

    def _locate(self, lithium: FloatArray) -> tuple[FloatArray, FloatArray]:
        inside = np.clip(lithium, self.knots[0], self.knots[-1])
        step = self.knots[1] - self.knots[0]
        index = np.minimum(((inside - self.knots[0]) / step).astype(np.intp), len(self.knots) - 2)
        return self.coefficients[:, :, index], inside - self.knots[index]

    def value_and_curvature(self, lithium: FloatArray) -> tuple[FloatArray, FloatArray]:
        """g/RT of the three phases (first axis) and the second derivative of the layered one."""
        c, d = self._locate(lithium)
        value = ((c[:, 0] * d + c[:, 1]) * d + c[:, 2]) * d + c[:, 3]
        return value, 6.0 * c[0, 0] * d + 2.0 * c[0, 1]

    def slope(self, lithium: FloatArray) -> FloatArray:
        """d(g/RT)/du of the three phases (first axis)."""
        c, d = self._locate(lithium)
        return np.asarray((3.0 * c[:, 0] * d + 2.0 * c[:, 1]) * d + c[:, 2])


def at_temperature(table: ArrayTable, temperature: float) -> FloatArray:
    """Interpolate a table with a temperature axis linearly to ``temperature`` (K); the axis is dropped."""
    grid = table.axis(TEMPERATURE)
    index = int(np.clip(np.searchsorted(grid, temperature) - 1, 0, len(grid) - 2))
    weight = (temperature - grid[index]) / (grid[index + 1] - grid[index])
    values = np.moveaxis(table.array, list(table.axes).index(TEMPERATURE), 0)
    return np.asarray((1.0 - weight) * values[index] + weight * values[index + 1])


@dataclass(frozen=True)
class GrainThermodynamics:
    """Splines of the excess G of the three phases over u at each tabulated temperature."""

    temperatures: FloatArray
    knots: FloatArray
    coefficients: FloatArray

    @classmethod
    def of(cls, inputs: ModelInputs) -> GrainThermodynamics:
        """Fit one cubic spline per phase and temperature, on an even grid of u.

        Raises
        ------
        InputError
            The tables of the three phases do not share their axes.
        """
        from scipy.interpolate import CubicSpline

        tables = [inputs.tables[f"cathode.{phase}.excess_gibbs"] for phase in PHASES]
        lithium, temperatures = tables[0].axis(LITHIUM), tables[0].axis(TEMPERATURE)
        if not all(t.same_axes(tables[0]) for t in tables):
            raise InputError(
                "the excess_gibbs tables of layered, spinel and rock_salt must share their axes; mend them"
            )
        knots = np.linspace(lithium[0], lithium[-1], LITHIUM_KNOTS)
        values = np.stack([t.array for t in tables])  # (phase, T, u)
        fine = CubicSpline(lithium, values, axis=2)(knots)
        spline = CubicSpline(knots, fine, axis=2)
        coefficients = np.moveaxis(spline.c, (0, 1), (2, 3))  # (phase, T, power, interval)
        return cls(temperatures, knots, np.ascontiguousarray(np.moveaxis(coefficients, 1, 0)))

    def at(self, temperature: float) -> GibbsAtTemperature:
        """Interpolate linearly to ``temperature`` (K)."""
        grid = self.temperatures
        index = int(np.clip(np.searchsorted(grid, temperature) - 1, 0, len(grid) - 2))
        weight = (temperature - grid[index]) / (grid[index + 1] - grid[index])
        mixed = (1.0 - weight) * self.coefficients[index] + weight * self.coefficients[index + 1]
        return GibbsAtTemperature(self.knots, mixed / (R * temperature))


@dataclass(frozen=True)
class GrainConditions:
    """Everything of the grain that depends on temperature and gas only.

    ``oxygen_potential`` = mu(O2)/2RT, ``ln_diffusivity`` (3) of the phases over R^2, conversion as ln prefactor
    and energy/RT at the reference and at u = 1.
    """

    gibbs: GibbsAtTemperature
    partition: PartitionTable
    oxygen_potential: float
    oxide_potential: float
    ln_diffusivity: FloatArray
    vacancy_floor: float
    vacancy_exponent: float
    ln_rates: tuple[float, float]
    energies: tuple[float, float]
    lithiated_energy: float
    reference_lithium: float


def partition_table(gibbs: GibbsAtTemperature, oxygen_potential: float) -> PartitionTable:
    """Tabulate how the three phases share lithium at one temperature and oxygen potential."""
    lithium, _ = lithium_knots()
    values, _ = gibbs.value_and_curvature(lithium)
    return make_partition(gibbs.slope(lithium), values, oxygen_per_metal(lithium), oxygen_potential)


@dataclass(frozen=True)
class GrainState:
    """Cells at one moment: phase ``fractions`` (3, ..., N), ``potential`` mu/RT of Li at fixed mu_O, Li ``contents``.

    ``contents`` (3, ..., N): Li per metal inside layered, spinel and rock salt at that potential; the first one, x,
    also serves as measure of the potential where no layered material is left.
    """

    fractions: FloatArray
    potential: FloatArray
    contents: FloatArray

    @property
    def x(self) -> FloatArray:
        """Li per metal of layered material in equilibrium with the cell."""
        return np.asarray(self.contents[0])

    @property
    def oxygen(self) -> FloatArray:
        """O per metal of each cell, sum_p f_p n_p(u_p)."""
        number = np.stack([oxygen_per_metal(self.contents[p])[0][p] for p in range(3)])
        return np.asarray((self.fractions * number).sum(axis=0))

    def affinities(self, conditions: GrainConditions) -> FloatArray:
        """Fall of the grand potential over RT in layered -> spinel and spinel -> rock salt (2, ..., N)."""
        omega = conditions.partition.grand_potentials(self.potential)
        return np.stack([omega[0] - omega[1], omega[1] - omega[2]])


def grain_state(
    conditions: GrainConditions,
    cells: tuple[FloatArray, FloatArray, FloatArray],
    *,
    guess: FloatArray | None = None,
) -> GrainState:
    """Share the lithium u of each cell between its phases; ``cells`` = (u, s, a), each (..., N); ``guess`` of mu/RT (N)."""
    u, s, a = cells
    fractions = np.stack([1.0 - s - a, s, a])
    potential = conditions.partition.potential(u, fractions, guess=guess)
    contents, _ = conditions.partition.contents(potential)
    contents = contents + (u - np.clip(u, LITHIUM_EDGE, 1.0 - LITHIUM_EDGE))
    return GrainState(fractions, potential, contents)


def layered_potential(conditions: GrainConditions, lithium: FloatArray) -> FloatArray:
    """mu of Li in the layered phase as Li2O/2, relative to Li2O(s)/2 at the oxygen potential of the gas, over RT.

    mu = dg/du + ln[u/(1 - u)] + mu_O/2 - G(Li2O)/2; the logarithm goes on as its tangent within 1e-6 of u = 0 and 1.
    """
    inside = np.clip(lithium, LITHIUM_EDGE, 1.0 - LITHIUM_EDGE)
    own = 0.5 * (conditions.oxygen_potential - conditions.oxide_potential)
    mixing = np.log(inside / (1.0 - inside)) + (lithium - inside) / LITHIUM_EDGE
    return np.asarray(conditions.gibbs.slope(inside)[0] + mixing + own)


def thermodynamic_factor(conditions: GrainConditions, lithium: FloatArray) -> FloatArray:
    """Theta = u(1-u) d(mu/RT)/du of the layered phase, not below 0.05 (no phase field in scope)."""
    inside = np.clip(lithium, LITHIUM_EDGE, 1.0 - LITHIUM_EDGE)
    _, curvature = conditions.gibbs.value_and_curvature(inside)
    return np.maximum(1.0 + inside * (1.0 - inside) * curvature, THETA_MIN)


def diffusion_rates(
    conditions: GrainConditions, grid: Grid, state: GrainState, *, outflow: FloatArray
) -> FloatArray:
    """dLi/dt per metal in every cell (1/s); ``outflow`` (...) leaves through the surface per metal of the grain.

    Fick's law for x, the lithium content of layered material at the local potential, so that lithium always runs
    down its potential: D = D_L^l D_S^s D_R^a (1 - x + v)^m Theta(x), phases averaged geometrically and the other
    factors arithmetically at each face.
    """
    x = state.x
    vacancy = (np.maximum(1.0 - x, 0.0) + conditions.vacancy_floor) ** conditions.vacancy_exponent
    factor = thermodynamic_factor(conditions, x) * vacancy
    ln_phase = np.tensordot(conditions.ln_diffusivity, state.fractions, axes=(0, 0))
    face = np.exp(0.5 * (ln_phase[..., 1:] + ln_phase[..., :-1])) * 0.5 * (factor[..., 1:] + factor[..., :-1])
    flow = grid.conductance * face * (x[..., :-1] - x[..., 1:])
    rate = np.zeros_like(x)
    rate[..., :-1] -= flow
    rate[..., 1:] += flow
    rate[..., -1] -= outflow
    return np.asarray(rate / grid.volumes)


def conversion_rates(
    conditions: GrainConditions, lithium: FloatArray, fractions: FloatArray, affinity: FloatArray
) -> FloatArray:
    """Rates of layered -> spinel, spinel -> rock salt and layered -> rock salt (3, ...) in 1/s.

    r = k(T,u) f_from (1 - e^-A) for A > 0 and -k f_to (1 - e^A) for A < 0, with A in units of RT, times
    |A|/(|A| + 0.1) so that the slope has no jump at A = 0. The direct way is open only where the chain is blocked:
    by the same factor of -A1 while spinel is unstable against layered (of A2 on the way back), with the slower of
    the two rates. k = k0 exp(-E(u)/RT), E linear in u from the measured value
    at the reference lithium content to the lattice mobility of Ni at u = 1; u is that of layered material at the local potential.
    """
    share = np.clip((lithium - conditions.reference_lithium) / (1.0 - conditions.reference_lithium), 0.0, 1.0)
    ln_rate = [
        ln_prefactor - energy - (conditions.lithiated_energy - energy) * share
        for ln_prefactor, energy in zip(conditions.ln_rates, conditions.energies, strict=True)
    ]
    layered, spinel, rock_salt = fractions
    first, second = affinity
    chain = [
        _net(np.exp(ln_rate[0]), first, layered, spinel),
        _net(np.exp(ln_rate[1]), second, spinel, rock_salt),
    ]
    total = first + second
    gate = drive(-np.where(total > 0.0, first, -second))
    direct = gate * _net(np.exp(np.minimum(ln_rate[0], ln_rate[1])), total, layered, rock_salt)
    return np.stack([*chain, direct])


def _net(rate: FloatArray, affinity: FloatArray, source: FloatArray, product: FloatArray) -> FloatArray:
    return np.asarray(rate * (drive(affinity) * source - drive(-affinity) * product))


def drive(affinity: FloatArray) -> FloatArray:
    """1 - e^-A for A > 0, else 0, flattened within RT/10 of zero so that the slope has no jump."""
    up = np.maximum(affinity, 0.0)
    return np.asarray(-np.expm1(-up) * up / (up + TURN_WIDTH))
