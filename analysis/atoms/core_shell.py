"""The published shell model of LATP through LAMMPS: oxygen as a core and a massless shell that is always relaxed.

Import this module only when it is needed: it loads ASE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import combinations
from typing import Any, Literal

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from cosinter.analysis.atoms.lammps_engine import ion_label
from cosinter.analysis.atoms.lammps_library import (
    COULOMB_EV_A,
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
from cosinter.data.exceptions import EngineError, InputError, StructureError, UnknownNameError
from cosinter.data.tables import load_table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Atoms = Any  # ase.Atoms, whose own types are incomplete
ParameterSet = Literal["lowest", "initial"]

OXIDATION_STATE = "oxidation_state"
SHELL = "O2- shell"
_PO4 = 4  # oxygens around phosphorus
_SHELL_STEPS = 200
_LONGEST_MOVE_A = 0.1
_ROUNDING = 20.0 * np.finfo(float).eps  # of the excluded core-shell force; seen: 10
_NEAREST_A = 2.0e-5


@dataclass(frozen=True)
class ShellParameters:
    """Buckingham terms A (eV), rho (Å), C (eV Å^6) of each ion with the oxygen shell, and what holds the shell.

    ``core_charge``, ``shell_charge`` in e, ``spring`` in eV/Å^2; ``three_body`` is None or (k in eV/rad^2,
    theta0 in degrees, longest P-O bond in Å).
    """

    name: str
    pairs: Mapping[str, tuple[float, float, float]]
    core_charge: float
    shell_charge: float
    spring: float
    three_body: tuple[float, float, float] | None


def shell_parameters(name: ParameterSet = "lowest") -> ShellParameters:
    """Read one of the shipped sets; source in ``data/potentials.yaml``, section ``latp_shell``.

    Raises
    ------
    UnknownNameError
        No set of that name.
    """
    table = load_table("potentials")["latp_shell"]
    if name not in table["sets"]:
        raise UnknownNameError("parameter set of the LATP shell model", name, table["sets"])
    chosen = table["sets"][name]
    pairs = {
        ion: (float(row["A"]), float(row["rho"]), float(row["C"])) for ion, row in chosen["ions"].items()
    }
    angle = chosen["three_body"]
    return ShellParameters(
        name=name,
        pairs=pairs,
        **{key: float(value) for key, value in table["oxygen"].items()},
        three_body=(angle["k"], angle["theta0"], angle["bond_cutoff_A"]) if angle else None,
    )


class ShellModelLammps(Calculator):
    """Formal charges, Buckingham terms and oxygen shells, periodic in three directions.

    U = sum q_i q_j/(4 pi eps0 r) + A exp(-r/rho) - C/r^6 + K/2 d^2 + k/2 (theta - theta0)^2, with d from core to
    shell of oxygen. Energy, forces and stress are those of the shells at rest for the cores given (adiabatic):
    the force on an ion is that on its core plus that on its shell, the latter below ``shell_tolerance``.

    Parameters
    ----------
    parameters
        ``lowest`` (Li, Al, Ti, P, O) or ``initial`` (Li, Ti, P, O, with the O-P-O term), or a set of one's own.
    shell_tolerance
        Largest force component that may be left on a shell, eV/Å.
    cutoff_A, accuracy
        Real-space cut-off (Å) and relative force accuracy of the Ewald sum.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012
    cosinter_name = "latp-shell"

    def __init__(
        self,
        parameters: ParameterSet | ShellParameters = "lowest",
        *,
        shell_tolerance: float = 1.0e-5,
        cutoff_A: float | None = None,
        accuracy: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        table = load_table("potentials")["latp_shell"]
        self.shell = parameters if isinstance(parameters, ShellParameters) else shell_parameters(parameters)
        if not (math.isfinite(shell_tolerance) and shell_tolerance > 0.0):
            raise InputError(f"shell_tolerance is {shell_tolerance!r}, allowed is a positive number in eV/Å")
        self.shell_tolerance = shell_tolerance
        self.cutoff_A = float(table["cutoff_A"] if cutoff_A is None else cutoff_A)
        self.accuracy = float(table["ewald_accuracy"] if accuracy is None else accuracy)
        self._lammps: Any = None
        self._topology: tuple[Any, ...] = ()
        self._bonds: IntArray = np.empty((0, 2), dtype=np.int64)
        self._displacements: FloatArray | None = (
            None  # of the shells from their cores, in the frame of LAMMPS
        )

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
            No oxidation states, or a cell that is not neutral.
        UnknownNameError
            An ion the set has no parameters for.
        StructureError
            A phosphorus without four oxygens (sets with an O-P-O term), or atoms that overlap.
        EngineError
            LAMMPS reported an error, or the shells found no rest.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frozen: Atoms = self.atoms
        cell, rotation = lower_triangular(frozen.cell.array)
        cores = into_cell(frozen.positions @ rotation, cell)
        oxygens = np.flatnonzero(frozen.numbers == 8)
        with lammps_errors():
            self._load(frozen, cell)
            energy, all_forces, virial = self._relaxed(cores, oxygens)
        forces = all_forces[: len(frozen)]
        np.add.at(forces, oxygens, all_forces[len(frozen) :])
        if not (math.isfinite(energy) and np.isfinite(all_forces).all() and np.isfinite(virial).all()):
            self.close()
            raise StructureError(
                f"the shell-model energy of {frozen.get_chemical_formula()} is not finite: atoms overlap; "
                "check the starting structure"
            )
        stress = rotation @ virial @ rotation.T
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces @ rotation.T,
            "stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }

    def record(self, atoms: Atoms | None = None) -> dict[str, Any]:
        """Describe engine and parameters (JSON types); ``atoms`` are not needed."""
        table = load_table("potentials")["latp_shell"]
        return {
            "engine": "lammps",
            "version": metadata.version("lammps"),
            "parameters": {
                "source": table["source"],
                "set": self.shell.name,
                "cutoff_A": self.cutoff_A,
                "ewald_accuracy": self.accuracy,
                "shell_tolerance_eV_per_A": self.shell_tolerance,
                "charges": "formal charges; a cell that is not neutral is refused",
            },
        }

    # -- the shells -----------------------------------------------------------------------------------------

    def _relaxed(self, cores: FloatArray, oxygens: IntArray) -> tuple[float, FloatArray, FloatArray]:
        """Energy (eV), forces of cores and shells [n + shells, 3] and stress [3, 3] with the shells at rest.

        Steepest descent with the step length of Barzilai and Borwein, doi:10.1093/imanum/8.1.141: it needs forces
        only, so the digits of a total energy of -1e4 eV do not limit how still the shells come to lie.
        """
        shells = cores[oxygens]
        if self._displacements is not None:
            shells = shells + self._displacements
        forces = self._forces_at(cores, shells)
        push, step = forces[len(cores) :], 0.5 / self.shell.spring
        for _ in range(_SHELL_STEPS):
            if np.all(np.abs(push) <= self._allowed(shells - cores[oxygens])):
                break
            move = np.clip(step * push, -_LONGEST_MOVE_A, _LONGEST_MOVE_A)
            shells = shells + move
            forces = self._forces_at(cores, shells)
            change, push = push - forces[len(cores) :], forces[len(cores) :]
            length = float(np.vdot(move, move))
            step = length / max(float(np.vdot(move, change)), 1.0e-3 * length)
        else:
            self.close()
            raise EngineError(
                f"a force of {np.abs(push).max():.3g} eV/Å is left on the shells after {_SHELL_STEPS} steps, allowed "
                f"is {self.shell_tolerance:g}; the shell model breaks down here: check the distances in the structure"
            )
        self._displacements = shells - cores[oxygens]
        return float(self._lammps.get_thermo("pe")), forces, virial_stress(self._lammps)

    def _allowed(self, displacements: FloatArray) -> FloatArray:
        """Force that may stay on each shell, shape [shells, 1], eV/Å: the tolerance, or rounding where that is more.

        LAMMPS takes the Coulomb force between a core and its own shell, q q'/r^2, out of the sum again; at 1e-5 Å
        its rounding is 1e-4 eV/Å. It is equal and opposite on the two, so the force on the ion does not have it.
        """
        squares = np.sum(displacements**2, axis=1, keepdims=True)
        coulomb = COULOMB_EV_A * abs(self.shell.core_charge * self.shell.shell_charge)
        rounding = _ROUNDING * coulomb / np.maximum(squares, _NEAREST_A**2)
        return np.where(squares > 0.0, np.maximum(self.shell_tolerance, rounding), self.shell_tolerance)

    def _forces_at(self, cores: FloatArray, shells: FloatArray) -> FloatArray:
        scatter(self._lammps, "x", np.vstack([cores, shells]))
        self._lammps.command("run 0 post no")
        return gather(self._lammps, "f")

    # -- the LAMMPS instance --------------------------------------------------------------------------------

    def _labels(self, atoms: Atoms) -> list[str]:
        if OXIDATION_STATE not in atoms.arrays:
            raise InputError(
                f"{atoms.get_chemical_formula()} carries no oxidation states, which the LATP shell model needs; "
                "decorate the structure first"
            )
        states = atoms.arrays[OXIDATION_STATE]
        labels = [ion_label(*pair) for pair in zip(atoms.get_chemical_symbols(), states, strict=True)]
        for label in labels:
            if label not in self.shell.pairs:
                raise UnknownNameError(
                    f"ion of the LATP shell model (set {self.shell.name})", label, self.shell.pairs
                )
        if abs(float(states.sum())) > 1.0e-8:
            raise InputError(
                f"the oxidation states of {atoms.get_chemical_formula()} sum to {float(states.sum()):+g} e, allowed is "
                "0: the LATP shell model has formal charges; balance the cell"
            )
        return labels

    def _load(self, atoms: Atoms, cell: FloatArray) -> None:
        labels = self._labels(atoms)
        if self._lammps is not None and tuple(labels) == self._topology and self._bonds_hold(atoms):
            set_box(self._lammps, cell)
            self._set_reach(atoms, cell)
            return
        self.close()
        self._bonds = self._phosphate_bonds(atoms)
        self._lammps = new_instance()
        self._build(labels, atoms, cell)
        self._set_reach(atoms, cell)
        self._topology = tuple(labels)

    def _charges(self, atoms: Atoms) -> FloatArray:
        """Charges of the cores, then of the shells, in e."""
        oxygens = atoms.numbers == 8
        cores = np.where(oxygens, self.shell.core_charge, np.asarray(atoms.arrays[OXIDATION_STATE]))
        return np.append(cores, np.full(int(oxygens.sum()), self.shell.shell_charge))

    def _set_reach(self, atoms: Atoms, cell: FloatArray) -> None:
        charges = self._charges(atoms)
        set_ewald_limits(self._lammps, cell, charges, cutoff_A=self.cutoff_A, accuracy=self.accuracy)

    def _bonds_hold(self, atoms: Atoms) -> bool:
        from ase.geometry import find_mic

        if self.shell.three_body is None or not len(self._bonds):
            return True
        vectors = atoms.positions[self._bonds[:, 1]] - atoms.positions[self._bonds[:, 0]]
        _, lengths = find_mic(vectors, atoms.cell)  # type: ignore[no-untyped-call]
        return bool(np.max(lengths) < self.shell.three_body[2])

    def _phosphate_bonds(self, atoms: Atoms) -> IntArray:
        """Pairs (P, O) closer than the three-body term's cut-off, shape [bonds, 2], grouped by P."""
        from ase.neighborlist import neighbor_list

        if self.shell.three_body is None:
            return np.empty((0, 2), dtype=np.int64)
        limit = self.shell.three_body[2]
        first, second = neighbor_list("ij", atoms, {("P", "O"): limit})  # type: ignore[no-untyped-call]
        mask = atoms.numbers[first] == 15
        bonds = np.stack([first[mask], second[mask]], axis=1).astype(np.int64)
        for phosphorus in np.flatnonzero(atoms.numbers == 15):
            found = int((bonds[:, 0] == phosphorus).sum())
            if found != _PO4:
                raise StructureError(
                    f"phosphorus (site {phosphorus}) has {found} oxygens within {limit:g} Å, the O-P-O term of the "
                    "LATP shell model needs 4; check the structure or take the set 'lowest'"
                )
        return bonds

    def _build(self, labels: list[str], atoms: Atoms, cell: FloatArray) -> None:
        oxygens = np.flatnonzero(atoms.numbers == 8)
        kinds = [*sorted(set(labels)), SHELL]
        number = {kind: index for index, kind in enumerate(kinds, start=1)}
        extra = (
            "bond/types 1 angle/types 1 extra/bond/per/atom 1 extra/angle/per/atom 6 extra/special/per/atom 2"
        )
        self._lammps.commands_list(box_commands(cell, len(kinds), style="full", extra=extra))
        create_atoms(self._lammps, [number[label] for label in labels] + [number[SHELL]] * len(oxygens), cell)
        scatter(self._lammps, "q", self._charges(atoms))
        self._lammps.commands_list(self._force_field(number))
        shell_of = {int(oxygen): len(atoms) + place for place, oxygen in enumerate(oxygens)}
        self._lammps.commands_list(self._connections(shell_of))
        self._lammps.commands_list(
            [
                "compute virial all pressure NULL virial",
                "thermo_style custom step pe",
                "thermo_modify norm no lost ignore",
            ]
        )
        self._displacements = None

    def _force_field(self, number: Mapping[str, int]) -> list[str]:
        shell = number[SHELL]
        pairs = []
        for label, kind in number.items():
            if label == SHELL or label == "O2-":
                continue
            a, rho, c = self.shell.pairs[label]
            pairs.append(f"pair_coeff {min(kind, shell)} {max(kind, shell)} {a:.10g} {rho:.10g} {c:.10g}")
        a, rho, c = self.shell.pairs["O2-"]
        pairs.append(f"pair_coeff {shell} {shell} {a:.10g} {rho:.10g} {c:.10g}")
        stiffness, angle, _ = self.shell.three_body or (0.0, 109.47, 0.0)
        return [
            "special_bonds lj/coul 0.0 1.0 1.0",
            f"pair_style buck/coul/long/cs {self.cutoff_A:.6g}",
            "pair_coeff * * 0.0 1.0 0.0",
            *pairs,
            "pair_modify table 0 shift yes",
            f"kspace_style ewald {self.accuracy:.6g}",
            "bond_style harmonic",
            f"bond_coeff 1 {0.5 * self.shell.spring:.10g} 0.0",
            "angle_style harmonic",
            f"angle_coeff 1 {0.5 * stiffness:.10g} {angle:.10g}",
            "neighbor 0.5 bin",
        ]

    def _connections(self, shell_of: Mapping[int, int]) -> list[str]:
        """Springs from cores to shells and O-P-O angles between shells; LAMMPS counts from 1."""
        lines = [f"create_bonds single/bond 1 {core + 1} {shell + 1}" for core, shell in shell_of.items()]
        for phosphorus in np.unique(self._bonds[:, 0]):
            near = [shell_of[int(oxygen)] for oxygen in self._bonds[self._bonds[:, 0] == phosphorus, 1]]
            lines += [
                f"create_bonds single/angle 1 {one + 1} {phosphorus + 1} {other + 1}"
                for one, other in combinations(near, 2)
            ]
        return [f"{line} special no" for line in lines[:-1]] + lines[-1:]

    def close(self) -> None:
        """End the LAMMPS instance; the next call starts a new one."""
        instance, self._lammps, self._topology = self._lammps, None, ()
        self._displacements = None
        if instance is not None:
            instance.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lammps": None, "_topology": (), "_displacements": None}

    def __del__(self) -> None:
        if getattr(self, "_lammps", None) is not None:
            self.close()
