"""Attempt frequencies on surfaces whose Hessians are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from pymatgen.core import Lattice, Structure
from scipy.constants import angstrom, atomic_mass, electron_volt

from cosinter.analysis.atoms.barriers import barrier
from cosinter.analysis.atoms.vineyard import attempt_frequency, vineyard_frequency
from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.migration import MigrationPath

A, HEIGHT, STIFF, GAIN = 2.5, 0.4, 4.0, 0.5
LITHIUM, OXYGEN = 6.94, 15.999  # standard atomic weights, u


class Valley(Calculator):
    """E(u) = height/2 [1 - cos(2 pi u_x/a)] + k/2 [1 + gain (1 - cos(2 pi u_x/a))/2] (u_y^2 + u_z^2) + bend.

    u is the place of lithium against a fixed point, or (``bound``) against oxygen, which makes the energy
    invariant to translations. At the saddle u_x = a/2 the two stiff modes are harder by 1 + gain. ``bend`` adds
    -bend (1 - cos(2 pi u_x/a))/2 u_y^2/2, a second unstable mode of the saddle if it is large.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, *, bound: bool = False, bend: float = 0.0) -> None:
        super().__init__()
        self.bound, self.bend = bound, bend

    def calculate(self, *args: object, **kwargs: object) -> None:
        super().calculate(*args, **kwargs)
        lithium, oxygen = self.atoms.positions
        x, y, z = lithium - (oxygen if self.bound else 0.0) - np.array([0.5, 3.0, 3.0])
        wave = 2 * np.pi / A
        hill, slope = (1 - np.cos(wave * x)) / 2, wave * np.sin(wave * x) / 2
        k_y, k_z = STIFF * (1 + GAIN * hill) - self.bend * hill, STIFF * (1 + GAIN * hill)
        energy = HEIGHT * hill + (k_y * y**2 + k_z * z**2) / 2
        change = (STIFF * GAIN * (y**2 + z**2) - self.bend * y**2) / 2
        force = -np.array([(HEIGHT + change) * slope, k_y * y, k_z * z])
        forces = np.array([force, -force if self.bound else 0.0 * force])
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": np.zeros(6)}


def place(x: float, *, bound: bool = False) -> Structure:
    oxygen = np.array([1.0, 1.0, 1.0]) if bound else np.array([1.75, 3.0, 6.0])
    lithium = np.array([0.5 + x, 3.0, 3.0]) + (oxygen if bound else 0.0)
    return Structure(Lattice.cubic(10.0), ["Li+", "O2-"], [lithium, oxygen], coords_are_cartesian=True)


def hertz(curvature_eV_per_A2: float, mass: float) -> float:
    return float(
        np.sqrt(curvature_eV_per_A2 * electron_volt / angstrom**2 / (mass * atomic_mass)) / (2 * np.pi)
    )


@pytest.mark.parametrize(
    ("bound", "atoms", "mass", "extent"),
    [(False, [0], LITHIUM, "partial"), (True, None, LITHIUM * OXYGEN / (LITHIUM + OXYGEN), "full")],
)
def test_prefactor_of_a_known_surface(
    bound: bool, atoms: Sequence[int] | None, mass: float, extent: str
) -> None:
    found = vineyard_frequency(
        place(0.0, bound=bound), place(A / 2, bound=bound), Valley(bound=bound), atoms=atoms
    )
    along = hertz(HEIGHT / 2 * (2 * np.pi / A) ** 2, mass)
    # nu_x nu_y nu_z / (nu_y' nu_z') with nu'^2 = (1 + gain) nu^2; differences over 0.01 Å err by (2 pi h/a)^2/6 = 1e-4
    assert found.frequency_Hz == pytest.approx(along / (1 + GAIN), rel=5e-4)
    assert found.imaginary_THz == pytest.approx(along / 1e12, rel=5e-4)
    assert found.lowest_THz == pytest.approx((along / 1e12, hertz(STIFF * (1 + GAIN), mass) / 1e12), rel=5e-4)
    assert found.extent == extent


def test_a_heavier_ion_is_slower_by_the_root_of_its_mass() -> None:
    pair = [place(0.0), place(A / 2)]
    light = vineyard_frequency(pair[0], pair[1], Valley(), atoms=[0])
    for structure in pair:
        structure.replace(0, "Na+")
    heavy = vineyard_frequency(pair[0], pair[1], Valley(), atoms=[0])
    assert light.frequency_Hz / heavy.frequency_Hz == pytest.approx(np.sqrt(22.98976928 / LITHIUM), rel=1e-6)


def test_from_a_band() -> None:
    path = MigrationPath("valley", "nothing", place(0.0), place(A), 0, A, 0, 0.0, None, "")
    hop = barrier(path, Valley(), cell="given", force_tolerance=0.005)
    found = attempt_frequency(hop, Valley(), radius_A=2.0)  # the oxygen is farther than that
    assert (found.atoms_moved, found.radius_A, found.extent) == (1, 2.0, "partial")
    assert found.frequency_Hz == pytest.approx(
        hertz(HEIGHT / 2 * (2 * np.pi / A) ** 2, LITHIUM) / (1 + GAIN), rel=1e-3
    )
    assert found.to_dict()["calculator"]["model"].endswith("Valley")


def test_what_is_no_saddle_is_refused() -> None:
    with pytest.raises(StructureError, match="no minimum"):
        vineyard_frequency(place(A / 2), place(A / 2), Valley(), atoms=[0])
    with pytest.raises(StructureError, match="0 unstable modes"):
        vineyard_frequency(place(0.0), place(A), Valley(), atoms=[0])
    with pytest.raises(StructureError, match="2 unstable modes"):
        vineyard_frequency(place(0.0), place(A / 2), Valley(bend=9.0), atoms=[0])


def test_bad_input() -> None:
    good = place(0.0)
    with pytest.raises(InputError, match="site indices"):
        vineyard_frequency(good, good, Valley(), atoms=[2])
    with pytest.raises(InputError, match="displacement_A"):
        vineyard_frequency(good, good, Valley(), displacement_A=0.5)
    other = good.copy()
    other.replace(0, "Na+")
    with pytest.raises(InputError, match="same ions"):
        vineyard_frequency(good, other, Valley())
