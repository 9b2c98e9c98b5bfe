"""How well lithium sits at each place along the normal of an interface, and the hop across it.

For every lithium of a cell with film and substrate, that one is taken out; every such cell holds the same atoms, so their
energies may be compared with any calculator:

    energy(i) = <E(without j)>_j in the middle of the film - E(without i).

Negative: the site binds lithium more strongly than the film does, and a vacancy there costs more. It is the energy of
moving a lithium from the middle of the film into a vacancy at i, vacancies far from each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.atoms.calculators import calculator_name, calculator_record, single_point, to_atoms
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import InputError
from cosinter.structures.fingerprint import structure_sha256
from cosinter.structures.migration_path import MigrationPath, vacancy_hop

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
Side = Literal["film", "interface", "substrate"]
Parts = tuple[FloatArray, FloatArray]

LABEL = "interface_label"
LARGEST_OVERLAP_A = 3.0
"""How far atoms of film and substrate may have changed places along the normal."""
_COMPENSATION = {
    "uniform": "the charge of the vacancy is spread evenly over all transition metals of film and substrate",
    "background": "the charge of the vacancy is left to the uniform background of the Ewald sum",
    "refuse": "none: cells are neutral",
}


@dataclass(frozen=True)
class LithiumSite:
    """One lithium: index in the cell, height above the cell's origin along the normal (Å), part, relative energy (eV).

    ``distance_A`` to the nearer interface plane; ``label`` is the crystal the site belongs to.
    """

    index: int
    z_A: float
    distance_A: float
    label: Literal["film", "substrate"]
    side: Side
    energy_eV: float
    converged: bool


@dataclass(frozen=True)
class ProfileBin:
    """Lithium sites of a slice: middle (Å), number, mean, lowest and highest energy (eV)."""

    z_A: float
    sites: int
    energy_eV: float
    lowest_eV: float
    highest_eV: float


@dataclass(frozen=True)
class SiteProfile:
    """Site energies of lithium along the normal, lowest site first.

    Attributes
    ----------
    interfaces_A
        Heights of the two interface planes, film above the first and below the second (periodic), Å.
    height_A
        Period along the normal, Å.
    reference_sites
        Indices of the film's lithium whose mean is the zero of energy.
    step_eV
        Mean over the substrate's interior (the site farthest from the planes if none) minus the film's, eV.
    compensation
        What happens to the charge of the vacancy.
    relaxed
        Whether the atoms around each vacancy were relaxed (cell fixed).
    """

    sites: tuple[LithiumSite, ...]
    bins: tuple[ProfileBin, ...]
    interfaces_A: tuple[float, float]
    height_A: float
    reference_sites: tuple[int, ...]
    step_eV: float
    compensation: str
    relaxed: bool
    structure_sha256: str
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        record = asdict(self)
        lists = ("sites", "bins", "interfaces_A", "reference_sites")
        return record | {name: list(record[name]) for name in lists}


def site_profile(
    structure: Structure,
    calculator: Any,
    *,
    relax_steps: int = 200,
    force_tolerance: float = 0.05,
    interface_width_A: float = 3.0,
    bin_width_A: float = 1.5,
    on_site: Callable[[int, float], None] | None = None,
) -> SiteProfile:
    """Take out each lithium in turn and give its site energy along the normal of the interface (module's equation).

    Parameters
    ----------
    structure
        Relaxed cell with ``site_properties["interface_label"]`` film or substrate, film and substrate stacked along c
        (:class:`cosinter.structures.interfaces.InterfaceModel`).
    relax_steps
        Steps of relaxation after each removal, cell fixed; 0 leaves every atom where it was (the vertical energy).
    force_tolerance
        Force at which the relaxation ends earlier, eV/Å.
    interface_width_A
        Sites within this of an interface plane are ``side`` interface.
    bin_width_A
        Width of the slices of ``bins``.
    on_site
        Called with the site's index and the total energy (eV) after each.

    Raises
    ------
    InputError
        No labels, no lithium in one of the parts, or a width that is not positive.
    StructureError, EngineError
        A cell fell apart, or the calculator failed.
    """
    for name, value in (("interface_width_A", interface_width_A), ("bin_width_A", bin_width_A)):
        if not (np.isfinite(value) and value > 0.0):
            raise InputError(f"{name} is {value!r}, allowed is a positive number")
    if relax_steps < 0:
        raise InputError(f"relax_steps is {relax_steps}, allowed is 0 or more")
    labels, lithium = _labelled(structure)
    height = cell_height(structure)
    planes = interface_planes(structure)
    z = np.mod(structure.frac_coords[lithium, 2], 1.0) * height
    distance = np.min([np.abs(_wrapped(z - plane, height)) for plane in planes], axis=0)
    totals, settled = [], []
    for index in lithium:
        energy, done = _without(structure, index, calculator, relax_steps, force_tolerance)
        totals.append(energy)
        settled.append(done)
        if on_site is not None:
            on_site(index, energy)
    part = np.array([labels[i] for i in lithium])
    middle = _interior(part == "film", distance, interface_width_A)
    inner = _interior(part == "substrate", distance, interface_width_A)
    relative = float(np.mean(np.array(totals)[middle])) - np.array(totals)
    sites = [
        LithiumSite(
            index=index,
            z_A=float(z[k]),
            distance_A=float(distance[k]),
            label="film" if part[k] == "film" else "substrate",
            side="interface"
            if distance[k] < interface_width_A
            else ("film" if part[k] == "film" else "substrate"),
            energy_eV=float(relative[k]),
            converged=settled[k],
        )
        for k, index in enumerate(lithium)
    ]
    return SiteProfile(
        sites=tuple(sorted(sites, key=lambda site: site.z_A)),
        bins=_bins(z, relative, bin_width_A, height),
        interfaces_A=planes,
        height_A=height,
        reference_sites=tuple(lithium[k] for k in np.flatnonzero(middle)),
        step_eV=float(np.mean(relative[inner])),
        compensation=_compensation(calculator),
        relaxed=relax_steps > 0,
        structure_sha256=structure_sha256(structure),
        calculator=calculator_record(calculator),
    )


def crossing_hop(structure: Structure, *, max_length_A: float = 5.0) -> MigrationPath:
    """Set up the shortest hop of a lithium of the film into a vacant neighbouring site of the substrate.

    Raises
    ------
    InputError
        No labels, no lithium in one of the parts, or no pair within ``max_length_A``.
    """
    labels, lithium = _labelled(structure)
    best: tuple[float, int, FloatArray] | None = None
    for start in (i for i in lithium if labels[i] == "film"):
        for near in structure.get_neighbors(structure[start], max_length_A):
            if near.specie.symbol == "Li" and labels[near.index] == "substrate":
                vector = np.asarray(near.coords - structure[start].coords)
                found = (round(float(near.nn_distance), 6), start, vector)
                best = min(best or found, found, key=lambda item: (item[0], item[1]))
    if best is None:
        raise InputError(
            f"no lithium of the film has one of the substrate within {max_length_A:g} Å; raise max_length_A or take "
            "another termination"
        )
    return vacancy_hop(structure, start=best[1], step=best[2])


def cell_height(structure: Structure) -> float:
    """Period along the normal of the (a, b) plane, Å."""
    matrix = structure.lattice.matrix
    return float(abs(np.linalg.det(matrix)) / np.linalg.norm(np.cross(matrix[0], matrix[1])))


def interface_planes(structure: Structure) -> tuple[float, float]:
    """Heights (Å, 0 to the period) of the planes half-way between film and substrate: below and above the film.

    Raises
    ------
    InputError
        No labels, or film and substrate are not two slabs stacked along c.
    """
    labels, _ = _labelled(structure)
    height = cell_height(structure)
    z = np.mod(structure.frac_coords[:, 2], 1.0) * height
    film, substrate = (z[np.array([label == part for label in labels])] for part in ("film", "substrate"))
    centre = _circular_mean(film, height)
    inside = _wrapped(film - centre, height)
    outside = np.mod(substrate - centre, height)  # 0 to period, the film lies around both ends
    lower, upper = float(inside.min()), float(inside.max())
    first, last = float(outside.min()), float(outside.max())
    if max(upper - first, last - height - lower) > LARGEST_OVERLAP_A:
        raise InputError(
            "film and substrate are not two slabs stacked along c; give a cell of coherent_interfaces"
        )
    planes = (centre + 0.5 * (lower + last - height), centre + 0.5 * (upper + first))
    return float(np.mod(planes[0], height)), float(np.mod(planes[1], height))


def _labelled(structure: Structure) -> tuple[list[str], list[int]]:
    """Labels of all sites and the indices of lithium."""
    labels = [str(site.properties.get(LABEL)) for site in structure]
    lithium = [i for i, site in enumerate(structure) if site.specie.symbol == "Li"]
    if set(labels) != {"film", "substrate"}:
        raise InputError(
            f'the sites are labelled {sorted(set(labels))}; each needs site_properties["{LABEL}"] film or substrate'
        )
    for part in ("film", "substrate"):
        if not any(labels[i] == part for i in lithium):
            raise InputError(f"the {part} holds no lithium; a site energy needs some on both sides")
    return labels, lithium


def _without(
    structure: Structure, index: int, calculator: Any, steps: int, tolerance: float
) -> tuple[float, bool]:
    """Energy (eV) of the cell without site ``index``, and whether the forces reached the tolerance."""
    cell = structure.copy()
    cell.remove_sites([index])
    if steps == 0:
        return single_point(to_atoms(cell), calculator)[0], True
    relaxed = relax(cell, calculator, cell=False, force_tolerance=tolerance, max_steps=steps)
    return relaxed.energy_eV, relaxed.converged


def _interior(members: NDArray[np.bool_], distance: FloatArray, width: float) -> NDArray[np.bool_]:
    """The members farther than ``width`` from an interface, or the farthest ones (within 0.5 Å) where there are none."""
    inner = members & (distance >= width)
    if inner.any():
        return inner
    return np.asarray(members & (distance > distance[members].max() - 0.5))


def _bins(z: FloatArray, energy: FloatArray, width: float, height: float) -> tuple[ProfileBin, ...]:
    number = max(1, round(height / width))
    slot = np.minimum((z / height * number).astype(int), number - 1)
    found = []
    for k in range(number):
        inside = energy[slot == k]
        if inside.size:
            middle = (k + 0.5) * height / number
            found.append(
                ProfileBin(
                    float(middle),
                    int(inside.size),
                    float(inside.mean()),
                    float(inside.min()),
                    float(inside.max()),
                )
            )
    return tuple(found)


def _wrapped(z: FloatArray, height: float) -> FloatArray:
    """Shortest signed distance of periodic heights."""
    return np.asarray(z - height * np.round(z / height))


def _circular_mean(z: FloatArray, height: float) -> float:
    angle = np.angle(np.mean(np.exp(2j * np.pi * z / height)))
    return float(np.mod(angle / (2.0 * np.pi), 1.0) * height)


def _compensation(calculator: Any) -> str:
    if calculator_name(calculator) == "pmmcs":
        return _COMPENSATION[calculator.compensation]
    return "the calculator's own electrons: neutral cells"
