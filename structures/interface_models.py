"""Coherent interfaces between two crystals: built from whole repeats of both planes, then checked.

Planes are matched by :mod:`cosinter.structures.matching` (Zur and McGill), cut by :mod:`cosinter.structures.cuts`,
and stacked into a periodic cell with two interfaces. Every model is measured after it is built; nothing is trusted
from the match alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.cuts import (
    POLARISATION_LIMIT,
    Cut,
    Tasker,
    charges,
    cuts,
    heights,
    oriented,
    real_sites,
    spread,
    wrapped_in_plane,
)
from cosinter.structures.geometry import (
    Miller,
    angle,
    planar,
    plane_normal,
    translation_residual,
    von_mises,
)
from cosinter.structures.hosts import CHARGE, PART, ROLE, Host
from cosinter.structures.matching import LatticeMatch, cells_of, pymatgen_match
from cosinter.structures.slabs import decorated_level, sites_of, without_dipole

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

FloatArray = NDArray[np.float64]

RESIDUAL_LIMIT_A = 1e-3
ANGLE_LIMIT_DEG = 0.01
CONTACT_LIMIT_A = 1.4
STRAIN_LIMIT_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Side:
    """One slab of an interface: crystal, plane, whole repeats, and the number of its termination in
    :func:`cosinter.structures.cuts.cuts`."""

    host: Host
    miller: Miller
    layers: int
    cut: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything an interface is built from.

    ``gap_A`` is the distance between the outermost ions on both sides; ``offset`` shifts the film in the plane, in
    fractions of the common cell; ``seed`` decorates mixed sites.
    """

    film: Side
    substrate: Side
    match: LatticeMatch
    gap_A: float = 2.0
    offset: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    @property
    def atoms(self) -> int:
        """Number of ions, up to what decoration adds or leaves empty."""
        return sum(
            int(real_sites(oriented(side.host, side.miller).cell).sum()) * side.layers * cells_of(rows)
            for side, rows in ((self.film, self.match.film), (self.substrate, self.match.substrate))
        )


@dataclass(frozen=True)
class InterfaceModel:
    """A periodic cell of film and substrate with two interfaces.

    Attributes
    ----------
    structure
        The cell; ``site_properties["interface_label"]`` is "film" or "substrate"; charge 0.
    film, substrate
        Formulas as built (mixed crystals state the whole-number composition reached).
    film_miller, substrate_miller
        Planes that meet.
    termination
        Ions of the lowest and highest plane of each slab as cut, film first, e.g. ("Li|O", "Li2|O8P2").
    tasker
        Type of each cut of the crystal (Tasker), film first.
    dipole_eA, polar
        Dipole of each slab along the normal, e Å per cell, and whether it counts as polar, film first: energies of
        polar slabs and their interfaces depend on thickness.
    reconstructed
        What was moved to remove the dipoles, film first; "" for nothing.
    strain_percent
        Von Mises strain of the film; the substrate is unstrained.
    principal_strains_percent
        The film's two principal in-plane strains.
    strain_residual_percent
        Difference between that strain recomputed from the cells and pymatgen's value for the match.
    area_A2
        Area of one interface, Å².
    in_plane_residual_A
        Largest distance by which the in-plane vectors miss a translation of the film's or the substrate's crystal.
    normal_angle_deg
        Largest angle between the cell's normal and the normals of the two planes.
    min_distance_A
        Shortest distance between two ions.
    composition_ok
        Whether film and substrate each are whole repeats of their crystal, neutral on their own.
    atoms
        Number of ions.
    film_step, substrate_step
        Vectors (Å, in the cell's frame) that continue each slab to its bulk crystal.
    recipe
        What the model was built from; :func:`build_model` builds a variant of it.
    """

    structure: Structure
    film: str
    substrate: str
    film_miller: Miller
    substrate_miller: Miller
    termination: tuple[str, str]
    tasker: tuple[Tasker, Tasker]
    dipole_eA: tuple[float, float]
    polar: tuple[bool, bool]
    reconstructed: tuple[str, str]
    strain_percent: float
    principal_strains_percent: tuple[float, float]
    strain_residual_percent: float
    area_A2: float
    in_plane_residual_A: float
    normal_angle_deg: float
    min_distance_A: float
    composition_ok: bool
    atoms: int
    film_step: tuple[float, float, float]
    substrate_step: tuple[float, float, float]
    recipe: Recipe

    @property
    def polar_cuts(self) -> int:
        """Number of slabs of type III from which nothing was moved; their dipole is that of the plain cut."""
        return sum(t == "III" and not moved for t, moved in zip(self.tasker, self.reconstructed, strict=True))

    def checks(self) -> dict[str, bool]:
        """Say which guards the model passes."""
        return {
            "in_plane_residual": self.in_plane_residual_A < RESIDUAL_LIMIT_A,
            "normals_parallel": self.normal_angle_deg < ANGLE_LIMIT_DEG,
            "strain_as_reported": self.strain_residual_percent < STRAIN_LIMIT_DIFFERENCE,
            "composition": self.composition_ok,
            "contacts": self.min_distance_A >= CONTACT_LIMIT_A,
        }

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain JSON types, without the structure."""
        return {
            "film": self.film,
            "substrate": self.substrate,
            "miller": [list(self.film_miller), list(self.substrate_miller)],
            "termination": list(self.termination),
            "tasker": list(self.tasker),
            "dipole_eA": list(self.dipole_eA),
            "polar": list(self.polar),
            "reconstructed": list(self.reconstructed),
            "strain_percent": self.strain_percent,
            "principal_strains_percent": list(self.principal_strains_percent),
            "area_A2": self.area_A2,
            "atoms": self.atoms,
            "in_plane_residual_A": self.in_plane_residual_A,
            "normal_angle_deg": self.normal_angle_deg,
            "min_distance_A": self.min_distance_A,
            "composition_ok": self.composition_ok,
            "checks": self.checks(),
        }


def build_model(recipe: Recipe) -> InterfaceModel:
    """Build and measure the interface of a recipe; the caller looks at :meth:`InterfaceModel.checks`.

    Raises
    ------
    InputError
        A termination that does not exist, or a gap that is not between 0.5 and 10 Å.
    StructureError, CompositionError
        The mixed sites cannot be filled in this cell.
    """
    if not 0.5 <= recipe.gap_A <= 10.0:
        raise InputError(f"gap_A is {recipe.gap_A!r}, allowed is 0.5 to 10 Å")
    film = slab_of(recipe.film, recipe.match.film)
    substrate = slab_of(recipe.substrate, recipe.match.substrate)
    average, steps = _stacked(film, substrate, recipe)
    whole = all(
        _is_whole(_ions(average, label), base)
        for label, base in (("film", recipe.film.host), ("substrate", recipe.substrate.host))
    )
    limits = {
        label: POLARISATION_LIMIT * cut.area * cut.repeat_A * cut.layers
        for label, cut in (("film", film), ("substrate", substrate))
    }
    structure, formulas = _filled(average, recipe, limits)
    dipoles = (_dipole(structure, "film"), _dipole(structure, "substrate"))
    neutral = all(abs(_charge(structure, label)) < 1e-6 for label in ("film", "substrate"))
    return InterfaceModel(
        structure=structure,
        film=formulas[0],
        substrate=formulas[1],
        film_miller=recipe.film.miller,
        substrate_miller=recipe.substrate.miller,
        termination=(film.label, substrate.label),
        tasker=(film.tasker, substrate.tasker),
        dipole_eA=dipoles,
        polar=(abs(dipoles[0]) > limits["film"], abs(dipoles[1]) > limits["substrate"]),
        reconstructed=(film.moved, substrate.moved),
        principal_strains_percent=recipe.match.principal_percent,
        min_distance_A=float((structure.distance_matrix + 1e3 * np.eye(len(structure))).min()),
        composition_ok=whole and neutral,
        atoms=len(structure),
        film_step=steps[0],
        substrate_step=steps[1],
        recipe=recipe,
        **_measured(structure, recipe),
    )


def slab_of(side: Side, rows: NDArray[np.int64]) -> Cut:
    """Cut one slab in the common cell of whole-number ``rows``, without its dipole where the numbers of ions allow it.

    The cut is still to be decorated.
    """
    listed = cuts(side.host, side.miller, side.layers)
    if not 0 <= side.cut < len(listed):
        raise InputError(
            f"termination {side.cut} of {side.host.label} {side.miller} does not exist; there are {len(listed)}"
        )
    cut = spread(listed[side.cut], rows)
    return without_dipole(cut, exact=side.host.family == "ordered") if cut.tasker == "III" else cut


def _stacked(
    film: Cut, substrate: Cut, recipe: Recipe
) -> tuple[Structure, tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Put the film on the substrate: in-plane fractions are kept, so the film takes the substrate's cell.

    A match that changes the handedness of the film's cell turns the film upside down, which makes it a rotation.
    """
    from pymatgen.core import Lattice, Structure

    low, high = substrate.structure, film.structure
    turned = np.linalg.det(high.lattice.matrix[:2, :2]) * np.linalg.det(low.lattice.matrix[:2, :2]) < 0
    sizes = [float(heights(s)[real_sites(s)].max()) for s in (low, high)]
    z = sizes[1] - heights(high) if turned else heights(high)
    plane = np.array(low.lattice.matrix[:2])
    if np.linalg.det(plane[:, :2]) < 0:
        raise StructureError("the substrate's common cell is left-handed; its match was not reduced properly")
    matrix = np.vstack([plane, [0.0, 0.0, sum(sizes) + 2.0 * recipe.gap_A]])
    fractions = high.frac_coords[:, :2] + np.array(recipe.offset)
    upper = np.column_stack([fractions @ plane[:, :2], z + sizes[0] + recipe.gap_A])
    names = (ROLE, CHARGE)
    labels = ["substrate"] * len(low) + ["film"] * len(high)
    cell = Structure(
        Lattice(matrix),
        [site.species for site in [*low, *high]],
        np.concatenate([low.cart_coords, upper]),
        coords_are_cartesian=True,
        site_properties={PART: labels}
        | {name: [*low.site_properties[name], *high.site_properties[name]] for name in names},
    )
    onward = (film.step[:2] @ np.linalg.inv(high.lattice.matrix[:2, :2])) @ plane[:, :2]
    x, y = (-onward if turned else onward).tolist()
    steps = (
        (x, y, float(film.step[2])),
        (float(substrate.step[0]), float(substrate.step[1]), float(substrate.step[2])),
    )
    return wrapped_in_plane(cell), steps


def _filled(
    average: Structure, recipe: Recipe, limits: dict[str, float]
) -> tuple[Structure, tuple[str, str]]:
    """Decorate both parts, level their dipoles, and take the marks off."""
    cell, formulas = average, []
    for label, base in (("film", recipe.film.host), ("substrate", recipe.substrate.host)):
        cell, formula = decorated_level(cell, base, part=label, limit_eA=limits[label], seed=recipe.seed)
        formulas.append(formula)
    cell = cell.copy()
    for name in (ROLE, CHARGE):
        cell.remove_site_property(name)
    return cell, (formulas[0], formulas[1])


def _dipole(structure: Structure, label: str) -> float:
    inside = sites_of(structure, label)
    return round(float(charges(structure)[inside] @ heights(structure)[inside]), 6) + 0.0


def _measured(structure: Structure, recipe: Recipe) -> dict[str, Any]:
    """Strain, area, residual and tilt, from the cell as built and the two crystals."""
    from pymatgen.analysis.elasticity.strain import Deformation

    sides = {"film": recipe.film, "substrate": recipe.substrate}
    film, substrate = (oriented(side.host, side.miller).vectors[:2] for side in sides.values())
    reported = pymatgen_match(recipe.match, film, substrate)
    cell = structure.lattice.matrix
    vectors = {"film": recipe.match.film @ film, "substrate": recipe.match.substrate @ substrate}
    strain = 100.0 * von_mises(vectors["film"], cell[:2])
    deformation: Any = Deformation(reported.match_transformation)
    residual = max(
        float(np.max(np.abs(planar(cell[:2]) - planar(vectors["substrate"])))),
        *(translation_residual(sides[k].host.cell, v) for k in sides for v in vectors[k]),
    )
    tilt = max(
        *(angle(np.cross(*vectors[k]), plane_normal(sides[k].host.cell, sides[k].miller)) for k in sides),
        angle(cell[2], np.cross(cell[0], cell[1])),
    )
    return {
        "strain_percent": strain,
        "strain_residual_percent": abs(
            strain - 100.0 * float(deformation.green_lagrange_strain.von_mises_strain)
        ),
        "area_A2": float(np.linalg.norm(np.cross(cell[0], cell[1]))),
        "in_plane_residual_A": residual,
        "normal_angle_deg": tilt,
    }


def _ions(structure: Structure, label: str) -> Composition:
    from pymatgen.core import Composition

    ions = [site.species for site in structure if site.properties[PART] == label]
    return sum(ions, Composition({}))


def _is_whole(part: Composition, base: Host) -> bool:
    """Whether a part is a whole number of formula units of its host, empty sites counted too."""
    crystal = base.cell.composition
    return bool(
        part.num_atoms > 0 and part.fractional_composition.almost_equals(crystal.fractional_composition)
    )


def _charge(structure: Structure, label: str) -> float:
    return float(charges(structure)[sites_of(structure, label)].sum())
