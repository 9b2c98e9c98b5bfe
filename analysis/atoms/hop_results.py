"""What a hop must offer to be computed, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pymatgen.core import Structure

CellOf = Literal["start", "host", "given"]


class HopPath(Protocol):
    """What a path must offer; ``structures.migration.MigrationPath`` does.

    Looked at if there: ``note`` (what was chosen), ``perfect`` (the undisturbed cell), ``lithium_per_metal``.
    """

    @property
    def name(self) -> str:
        """Name of the hop."""

    @property
    def host(self) -> str:
        """Name of the crystal."""

    @property
    def initial(self) -> Structure:
        """Structure before the hop."""

    @property
    def final(self) -> Structure:
        """Structure after the hop, same order of sites."""

    @property
    def mobile_index(self) -> int:
        """Site index of the hopping ion."""

    @property
    def hop_length_A(self) -> float:  # noqa: N802
        """Length of the hop in Å."""

    @property
    def via(self) -> tuple[float, float, float] | None:
        """Fractional coordinates of a site on the way, or None."""


@dataclass(frozen=True)
class PathImage:
    """One image of the band. ``distance_A`` is the way of the hopping ion from the start, ``energy_eV`` is
    relative to the first image, ``max_force_eV_per_A`` is the residual of the band (true force at the ends)."""

    distance_A: float
    energy_eV: float
    max_force_eV_per_A: float
    structure: Structure


@dataclass(frozen=True)
class IntermediateMinimum:
    """A valley between two humps, relaxed from its lowest image: energy over the start (eV), and how far the
    hopping ion then is from its places at the start and at the end (Å)."""

    image: int
    energy_eV: float
    from_start_A: float
    from_end_A: float
    structure: Structure


@dataclass(frozen=True)
class Barrier:
    """A minimum-energy path with all its images.

    ``uncertainty_eV`` is one standard deviation of the calculator, ``None`` if it was never measured.
    ``climbing_image`` is the index of the highest saddle, ``None`` if the band has no inner maximum; ``humps`` are
    all inner maxima, each of which climbs. ``curvature_eV_per_A2`` is that of the energy along the band at the
    highest saddle, over the length of the whole configuration; negative at a maximum. ``cell`` says whose relaxed
    cell the band lives in.
    """

    host: str
    path: str
    barrier_eV: float
    reverse_barrier_eV: float
    images: tuple[PathImage, ...]
    climbing: bool
    climbing_image: int | None
    humps: tuple[int, ...]
    minima: tuple[IntermediateMinimum, ...]
    curvature_eV_per_A2: float | None
    converged: bool
    max_force_eV_per_A: float
    steps: int
    mobile_index: int
    hop_length_A: float
    uncertainty_eV: float | None
    cell: CellOf
    note: str
    calculator: dict[str, Any]

    @property
    def energy_difference_eV(self) -> float:  # noqa: N802
        """Energy of the end against the start, eV; zero for a symmetric hop."""
        return self.images[-1].energy_eV

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; structures are left out."""
        return {
            "host": self.host,
            "path": self.path,
            "barrier_eV": self.barrier_eV,
            "reverse_barrier_eV": self.reverse_barrier_eV,
            "images": [
                {
                    "distance_A": image.distance_A,
                    "energy_eV": image.energy_eV,
                    "max_force_eV_per_A": image.max_force_eV_per_A,
                }
                for image in self.images
            ],
            "climbing": self.climbing,
            "converged": self.converged,
            "calculator": self.calculator,
            "uncertainty_eV": self.uncertainty_eV,
            "climbing_image": self.climbing_image,
            "humps": list(self.humps),
            "minima": [
                {
                    "image": minimum.image,
                    "energy_eV": minimum.energy_eV,
                    "from_start_A": minimum.from_start_A,
                    "from_end_A": minimum.from_end_A,
                }
                for minimum in self.minima
            ],
            "curvature_eV_per_A2": self.curvature_eV_per_A2,
            "max_force_eV_per_A": self.max_force_eV_per_A,
            "steps": self.steps,
            "hop_length_A": self.hop_length_A,
            "cell": self.cell,
            "note": self.note,
        }
