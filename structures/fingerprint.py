"""A name for a structure that changes when the structure does."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymatgen.core import Structure


def structure_sha256(structure: Structure) -> str:
    """Hash species, lattice (1e-4 Å) and positions (1e-4 of the cell) of ``structure``, in the order of its sites."""
    lines = [" ".join(f"{value:.4f}" for value in row) for row in structure.lattice.matrix]
    lines += [
        f"{site.species_string} " + " ".join(f"{x % 1.0:.4f}" for x in site.frac_coords) for site in structure
    ]
    return hashlib.sha256("\n".join(lines).replace("-0.0000", "0.0000").encode()).hexdigest()
