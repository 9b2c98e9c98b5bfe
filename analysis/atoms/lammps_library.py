"""The LAMMPS library: how it is found, started, and how its errors become ours."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import elementary_charge, epsilon_0

from cosinter.data.exceptions import CosinterError, EngineError, MissingEngineError, StructureError

FloatArray = NDArray[np.float64]

COULOMB_EV_A = elementary_charge / (4.0 * math.pi * epsilon_0) * 1.0e10
EWALD_RADIUS_MARGIN = 1.0e-5  # LAMMPS widens G by 5e-6 against rounding
BAR_TO_EV_PER_A3 = 1.0e5 / 1.602176634e-19 * 1.0e-30


def lower_triangular(cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn a cell A (rows a, b, c) into LAMMPS form L with A R = L, R orthogonal, shapes [3, 3] each.

    Raises
    ------
    StructureError
        The cell is flat.
    """
    lengths = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) <= 1.0e-4 * float(lengths.prod()):
        raise StructureError("the cell has no volume; a periodic cell needs three independent vectors")
    lower = np.asarray(np.linalg.cholesky(cell @ cell.T), dtype=np.float64)
    return lower, np.asarray(np.linalg.solve(cell, lower), dtype=np.float64)


@cache
def load_mpi() -> None:
    """Make the MPI library of the ``mpich`` wheel known before LAMMPS asks the loader for it."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return  # a LAMMPS built without MPI, or with the system's own, needs no help
    for file in files:
        if file.name.startswith("libmpi.so.12"):
            ctypes.CDLL(os.fspath(file.locate().resolve()), mode=ctypes.RTLD_GLOBAL)  # type: ignore[attr-defined]
            return


def new_instance() -> Any:
    """Start LAMMPS without screen output or log file.

    Raises
    ------
    MissingEngineError
        The library, or the MPI library it wants, is not there.
    """
    try:
        load_mpi()
        import lammps

        return lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    except (ImportError, OSError) as error:
        raise MissingEngineError(
            f"the LAMMPS library cannot be loaded ({error}); install it with: pip install 'lammps[mpi]'"
        ) from error


@contextmanager
def lammps_errors() -> Iterator[None]:
    """Turn what the LAMMPS library raises (plain exceptions) into one EngineError."""
    try:
        yield
    except CosinterError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise EngineError(f"LAMMPS stopped: {text}; check the cell and the distances in it") from error


def set_box(lammps: Any, cell: FloatArray) -> None:
    """Give a running LAMMPS the cell [3, 3] (lower triangular, Å); its atoms stay where they are."""
    xx, yy, zz = cell.diagonal()
    lammps.command(
        f"change_box all x final 0 {xx:.17g} y final 0 {yy:.17g} z final 0 {zz:.17g} "
        f"xy final {cell[1, 0]:.17g} xz final {cell[2, 0]:.17g} yz final {cell[2, 1]:.17g} units box"
    )


def box_commands(cell: FloatArray, types: int, *, style: str, extra: str = "") -> list[str]:
    """Commands that make an empty periodic box of the lower-triangular cell [3, 3] (Å), metal units."""
    edges = (cell[0, 0], cell[1, 1], cell[2, 2], cell[1, 0], cell[2, 0], cell[2, 1])
    box = "0 {:.17g} 0 {:.17g} 0 {:.17g} {:.17g} {:.17g} {:.17g}".format(*edges)
    return [
        "units metal",
        f"atom_style {style}",
        "atom_modify map array sort 0 0.0",
        "boundary p p p",
        "box tilt large",
        f"region cell prism {box} units box",
        f"create_box {types} cell {extra}".rstrip(),
        "mass * 1.0",
    ]


def into_cell(positions: FloatArray, cell: FloatArray) -> FloatArray:
    """Move atoms [n, 3] into the cell (rows): LAMMPS loses those more than one image outside."""
    fractional = positions @ np.linalg.inv(cell)
    return np.asarray(positions - np.floor(fractional) @ cell)


def scatter(lammps: Any, name: str, values: FloatArray) -> None:
    """Set a per-atom property (``x`` [n, 3] or ``q`` [n]) of all atoms, in the order of their numbers."""
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    lammps.scatter_atoms(name, 1, 3 if name == "x" else 1, (ctypes.c_double * flat.size)(*flat))


def gather(lammps: Any, name: str) -> FloatArray:
    """Read a vector property (``x`` or ``f``) of all atoms, shape [n, 3], in the order of their numbers."""
    values: FloatArray = np.ctypeslib.as_array(lammps.gather_atoms(name, 1, 3)).reshape(-1, 3)
    return values.copy()


def virial_stress(lammps: Any) -> FloatArray:
    """Stress [3, 3] (eV/Å^3, positive under tension) from ``compute virial all pressure NULL virial``."""
    xx, yy, zz, xy, xz, yz = (float(value) for value in lammps.numpy.extract_compute("virial", 0, 1))
    tensor: FloatArray = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return -tensor * BAR_TO_EV_PER_A3


def ewald_limits(
    cell: FloatArray, charges: FloatArray, *, cutoff_A: float, accuracy: float
) -> tuple[int, int, int]:
    """Largest index of the reciprocal lattice along each axis that an Ewald sum of relative force ``accuracy`` needs.

    The reach follows LAMMPS: splitting g from the error in real space, then for each edge L of the box the least k with
    2 q^2 g/L (1/(pi k N))^1/2 exp[-(pi k/(g L))^2] below the error (Kolafa and Perram, Mol. Simul. 9 (1992) 351,
    doi:10.1080/08927029208049126); G is the largest 2 pi k/L. Of a tilted cell all points within G have indices up to
    G |a_i|/(2 pi). LAMMPS' own choice for such cells is smaller: it drops points, and in some cells reads memory that
    was never set; :func:`closed_along_c` guards against the second.

    Parameters
    ----------
    cell
        Lower-triangular, rows are the axes, Å, shape [3, 3].
    charges
        In e, shape [n].
    accuracy
        Relative to the force between two unit charges 1 Å apart.

    >>> ewald_limits(np.diag([4.2, 4.2, 4.2]), np.asarray([1.2, -1.2] * 4), cutoff_A=15.0, accuracy=1e-6)
    (2, 2, 2)
    """
    edges, count = np.diag(cell), len(charges)
    strength = COULOMB_EV_A * float(np.sum(np.square(charges)))
    error = accuracy * COULOMB_EV_A
    if not strength > 0.0:
        return 1, 1, 1
    share = error * math.sqrt(count * cutoff_A * float(np.prod(edges))) / (2.0 * strength)
    splitting = (1.35 - 0.15 * math.log(error)) if share >= 1.0 else math.sqrt(-math.log(share))
    splitting /= cutoff_A

    def missing(index: int, edge: float) -> float:
        decay = math.exp(-((math.pi * index / (splitting * edge)) ** 2))
        return float(2.0 * strength * splitting / edge * math.sqrt(1.0 / (math.pi * index * count)) * decay)

    reach = 0.0
    for edge in edges:
        index = next(index for index in itertools.count(1) if missing(index, float(edge)) <= error)
        reach = max(reach, index / float(edge))
    first, second, third = (max(1, math.ceil(reach * float(np.linalg.norm(axis)) - 1e-9)) for axis in cell)
    return closed_along_c((first, second, third), cell)


def closed_along_c(limits: tuple[int, int, int], cell: FloatArray) -> tuple[int, int, int]:
    """Raise the third index until no point (0, 0, m) within LAMMPS' radius lies beyond it.

    For a tilted cell LAMMPS takes every (0, 0, m) up to the *largest* of the three indices that lies within
    G = max_j 2 pi k_j/L_j (L the diagonal of the cell), but computes phases along c up to the third index only: points
    between the two are read from memory that was never set. In a lower-triangular cell abs(0, 0, m) = 2 pi m/L_z, so
    the third index has to reach L_z max_j k_j/L_j.

    Parameters
    ----------
    cell
        Lower-triangular, rows are the axes, Å, shape [3, 3].

    >>> closed_along_c((8, 8, 4), np.diag([4.6, 4.6, 2.96]))
    (8, 8, 5)
    """
    first, second, third = limits
    edges = np.diag(cell)
    radius = float(np.max(np.divide(limits, edges))) * (1.0 + EWALD_RADIUS_MARGIN)
    return first, second, max(third, math.floor(radius * float(edges[2])))


def set_ewald_limits(
    lammps: Any, cell: FloatArray, charges: FloatArray, *, cutoff_A: float, accuracy: float
) -> None:
    """Give the Ewald sum of a cell the indices of :func:`ewald_limits`."""
    limits = ewald_limits(cell, charges, cutoff_A=cutoff_A, accuracy=accuracy)
    lammps.command(f"kspace_modify kmax/ewald {' '.join(str(index) for index in limits)}")


def create_atoms(lammps: Any, types: list[int], cell: FloatArray) -> None:
    """Create atoms of these types, numbered from 1, along the diagonal of the cell; positions are set later.

    Raises
    ------
    EngineError
        LAMMPS did not take them all.
    """
    count = len(types)
    places = np.outer((np.arange(count) + 0.5) / count, cell.sum(axis=0)).ravel().tolist()
    made = lammps.create_atoms(count, list(range(1, count + 1)), types, places)
    if made != count:
        raise EngineError(f"LAMMPS took {made} of {count} atoms; the cell is degenerate")
