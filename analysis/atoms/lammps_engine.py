"""Rigid-ion energies through the LAMMPS library, as a thin ASE calculator.

Import this module only when it is needed: it loads ASE.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from cosinter.analysis.atoms.lammps_library import (
    box_commands,
    create_atoms,
    gather,
    into_cell,
    lammps_errors,
    lower_triangular,
    new_instance,
    scatter,
    set_box,
    set_ewald_limits,
    virial_stress,
)
from cosinter.data.exceptions import InputError, StructureError, UnknownNameError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from collections.abc import Iterator

FloatArray = NDArray[np.float64]
Atoms = Any  # ase.Atoms, whose own types are incomplete
Compensation = Literal["uniform", "background", "refuse"]
KSpace = Literal["auto", "ewald", "pppm"]

OXIDATION_STATE = "oxidation_state"
PPPM_FROM_ATOMS = 1000  # Ewald's time grows with n^1.5, that of the mesh with n


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
        Real-space cut-off (Å) and relative force accuracy of the long-range sum.
    kspace
        Long-range sum: ``ewald``, the particle mesh ``pppm``, or ``auto`` (the mesh from 1000 atoms on).
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
        kspace: KSpace = "auto",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if compensation not in ("uniform", "background", "refuse"):
            raise UnknownNameError("charge compensation", compensation, ("uniform", "background", "refuse"))
        if kspace not in ("auto", "ewald", "pppm"):
            raise UnknownNameError("long-range sum", kspace, ("auto", "ewald", "pppm"))
        table = load_table("potentials")["pmmcs"]
        self.kspace: KSpace = kspace
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
        cell, rotation = lower_triangular(frozen.cell.array)
        with lammps_errors():
            self._load(frozen, cell, into_cell(frozen.positions @ rotation, cell))
            self._lammps.command("run 0 post no")
            energy, forces = float(self._lammps.get_thermo("pe")), gather(self._lammps, "f")
            virial = virial_stress(self._lammps)
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

    def kspace_style(self, count: int) -> str:
        """Long-range sum that a cell of ``count`` atoms gets."""
        if self.kspace != "auto":
            return self.kspace
        return "pppm" if count >= PPPM_FROM_ATOMS else "ewald"

    def record(self, atoms: Atoms | None = None) -> dict[str, Any]:
        """Describe engine and parameters; with ``atoms`` also what their charges became (JSON types)."""
        parameters: dict[str, Any] = {
            "source": load_table("potentials")["pmmcs"]["sources"]["pedone2006"]["citation"],
            "cutoff_A": self.cutoff_A,
            "ewald_accuracy": self.accuracy,
            "kspace": self.kspace,
            "compensation": self.compensation,
        }
        if atoms is not None and OXIDATION_STATE in atoms.arrays:
            parameters["kspace"] = self.kspace_style(len(atoms))
            parameters["charges"] = self._charge_statement(atoms)
        return {"engine": "lammps", "version": metadata.version("lammps"), "parameters": parameters}

    def _charge_statement(self, atoms: Atoms) -> str:
        net = float(np.sum(atoms.arrays[OXIDATION_STATE]))
        if abs(net) < 1.0e-8:
            return "neutral cell, charges are 0.6 x oxidation state"
        if self.compensation == "background":
            return f"oxidation states sum to {net:+g} e; left to the uniform background of the Ewald sum"
        metals = sum(symbol in self.shift_elements for symbol in atoms.get_chemical_symbols())
        if self.compensation == "refuse" or metals == 0:
            return f"oxidation states sum to {net:+g} e; such a cell is refused"
        return (
            f"oxidation states sum to {net:+g} e; balanced by {-net / metals:+.4g} e on each of {metals} "
            "transition metals (times 0.6)"
        )

    # -- the LAMMPS instance --------------------------------------------------------------------------------

    def _load(self, atoms: Atoms, cell: FloatArray, positions: FloatArray) -> None:
        """Bring the instance to this cell (lower triangular) and these positions, building it if needed."""
        charges = self.charges(atoms)
        states = atoms.arrays[OXIDATION_STATE]
        topology = (tuple(atoms.numbers), tuple(states), tuple(charges))
        if self._lammps is None or topology != self._topology:
            self.close()
            self._lammps = new_instance()
            self._build(cell, self._types(atoms), charges)
            self._topology = topology
        else:
            set_box(self._lammps, cell)
        if self.kspace_style(len(charges)) == "ewald":
            set_ewald_limits(self._lammps, cell, charges, cutoff_A=self.cutoff_A, accuracy=self.accuracy)
        scatter(self._lammps, "x", positions)

    def _build(self, cell: FloatArray, ions: list[Ion], charges: FloatArray) -> None:
        kinds = sorted({ion.label: ion for ion in ions}.values(), key=lambda ion: ion.label)
        number = {ion.label: index for index, ion in enumerate(kinds, start=1)}
        pairs = [_pair_line(kinds, number, ion) for ion in kinds] if "O2-" in number else []
        self._lammps.commands_list(box_commands(cell, len(kinds), style="charge"))
        create_atoms(self._lammps, [number[ion.label] for ion in ions], cell)
        scatter(self._lammps, "q", charges)
        self._lammps.commands_list(
            [
                f"pair_style hybrid/overlay coul/long {self.cutoff_A:.6g} pedone {self.cutoff_A:.6g}",
                "pair_coeff * * coul/long",
                *pairs,
                "pair_modify pair coul/long table 0",
                "pair_modify pair pedone shift yes",
                f"kspace_style {self.kspace_style(len(ions))} {self.accuracy:.6g}",
                "neighbor 0.5 bin",
                "compute virial all pressure NULL virial",
                "thermo_style custom step pe",
                "thermo_modify norm no lost ignore",
            ]
        )

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


class LoadedLammps:
    """A running LAMMPS that holds one crystal, for molecular dynamics; made by :func:`loaded_lammps`.

    ``elements`` name the LAMMPS types in their order from 1. Positions are those of the atoms given, not turned
    into the frame of LAMMPS.
    """

    def __init__(self, lammps: Any, rotation: FloatArray, elements: tuple[str, ...]) -> None:
        self._lammps, self._rotation, self.elements = lammps, rotation, elements

    def commands(self, *lines: str) -> None:
        """Run LAMMPS commands; EngineError if LAMMPS refuses one."""
        with lammps_errors():
            self._lammps.commands_list(list(lines))

    def thermo(self, keyword: str) -> float:
        """A thermodynamic quantity of the last step, by its ``thermo_style`` keyword."""
        with lammps_errors():
            return float(self._lammps.get_thermo(keyword))

    def box(self) -> tuple[FloatArray, FloatArray]:
        """Origin [3] and cell [3, 3] (rows a, b, c) of the box in the frame of LAMMPS, Å."""
        low, high, xy, yz, xz, *_ = self._lammps.extract_box()
        (x, y, z), origin = np.subtract(high, low), np.asarray(low, dtype=np.float64)
        return origin, np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])

    def cell(self) -> FloatArray:
        """Cell [3, 3] (rows a, b, c) in the frame of the atoms given, Å."""
        return np.asarray(self.box()[1] @ self._rotation.T, dtype=np.float64)

    def positions(self) -> FloatArray:
        """Unwrapped positions of all atoms, shape [n, 3], Å."""
        with lammps_errors():
            inside = np.ctypeslib.as_array(self._lammps.gather_atoms("x", 1, 3)).reshape(-1, 3)
            images = np.ctypeslib.as_array(self._lammps.gather_atoms("image", 0, 3)).reshape(-1, 3)
        return np.asarray((inside + images @ self.box()[1]) @ self._rotation.T, dtype=np.float64)


@contextmanager
def loaded_lammps(atoms: Atoms, calculator: RigidIonLammps) -> Iterator[LoadedLammps]:
    """Load a crystal with the forces of ``calculator`` into a LAMMPS of its own, closed at the end."""
    own = copy.copy(calculator)  # without the LAMMPS instance of the original
    cell, rotation = lower_triangular(atoms.cell.array)
    try:
        with lammps_errors():
            own._load(atoms, cell, into_cell(atoms.positions @ rotation, cell))
        kinds = sorted({ion.label: ion for ion in own._types(atoms)}.values(), key=lambda ion: ion.label)
        yield LoadedLammps(own._lammps, rotation, tuple(ion.element for ion in kinds))
    finally:
        own.close()
