"""Relaxation of atoms and cell, with rules that stop a run that has gone astray."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cosinter.analysis.atoms.abort_rules import (
    GRACE_STEPS,
    AbortRules,
    nearest_neighbour_distances,
    structural_rules,
)
from cosinter.analysis.atoms.calculators import (
    AseAtoms,
    calculator_errors,
    calculator_name,
    calculator_record,
    check_finite,
    to_atoms,
    to_structure,
)
from cosinter.analysis.atoms.checkpoint import Checkpoint
from cosinter.data.exceptions import ConvergenceError, InputError, StructureError, UnknownNameError

if TYPE_CHECKING:
    from pymatgen.core import Structure

Optimizer = Literal["LBFGS", "FIRE"]

LOOK_EVERY = 10  # steps between looks at symmetry and bonds, which cost as much as a step


@dataclass(frozen=True)
class Step:
    """What ``on_step`` is told: step number, energy in eV, largest force in eV/Å, cell volume in Å^3."""

    number: int
    energy_eV: float
    max_force_eV_per_A: float
    volume_A3: float


@dataclass(frozen=True)
class Relaxation:
    """A relaxed structure. Lattices are (a, b, c in Å, alpha, beta, gamma in degrees); energies are totals of
    the calculator's own scale and must not be subtracted between compositions (see ``uncertainty_of``). ``notices`` say
    what has changed that the rules only note: symmetry, bonds."""

    structure: Structure
    energy_eV: float
    energy_eV_per_atom: float
    max_force_eV_per_A: float
    max_stress_eV_per_A3: float | None
    steps: int
    converged: bool
    lattice_before: tuple[float, ...]
    lattice_after: tuple[float, ...]
    volume_change_percent: float
    calculator: dict[str, Any]
    notices: tuple[str, ...] = ()

    @property
    def lattice_change_percent(self) -> tuple[float, float, float]:
        """Change of a, b, c against the start, in percent."""
        a, b, c = (
            100.0 * (after / before - 1.0)
            for before, after in zip(self.lattice_before[:3], self.lattice_after[:3], strict=True)
        )
        return a, b, c


def relax(
    structure: Structure,
    calculator: Any,
    *,
    force_tolerance: float = 0.01,
    max_steps: int = 500,
    stress_tolerance: float = 5.0e-4,
    cell: bool = True,
    optimizer: Optimizer = "LBFGS",
    soft_steps: int = 0,
    strict: bool = False,
    rules: AbortRules | None = None,
    checkpoint: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Relaxation:
    """Relax atoms and, with ``cell``, the cell (deformation-gradient filter of Tadmor/ASE, 6 strains).

    Parameters
    ----------
    structure
        Start, ordered; left untouched. Oxidation states and site properties are kept.
    force_tolerance
        Largest force allowed at the end, eV/Å.
    stress_tolerance
        With ``cell``, largest stress component allowed at the end, eV/Å^3 (5e-4 is 0.08 GPa).
    max_steps
        Steps of the main optimiser.
    soft_steps
        Steps of FIRE with at most 0.1 Å per move beforehand; 200 is right for a freshly built interface.
    strict
        Raise instead of returning ``converged=False`` when the steps run out.
    rules
        Abort rules; the defaults if not given.
    checkpoint
        File that keeps every fifth step: the same call goes on from there after a kill, and removes it at the end.
        Steps count on; abort rules still compare with the start.
    on_step
        Called after every step, for progress.

    Raises
    ------
    InputError
        Tolerance or step number out of range.
    StructureError
        An abort rule struck, or a number was not finite.
    EngineError
        The calculator failed.
    ConvergenceError
        ``strict`` and steps ran out.

    Example
    -------
    >>> from pymatgen.core import Lattice, Structure
    >>> from cosinter.analysis.atoms.calculators import make_calculator
    >>> nio = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.17), ["Ni2+", "O2-"], [[0, 0, 0], [0.5, 0, 0]])
    >>> relax(nio, make_calculator("pmmcs")).converged
    True
    """
    _check_options(force_tolerance, stress_tolerance, max_steps, optimizer)
    kept = Checkpoint.of(checkpoint, structure, calculator_name(calculator)) if checkpoint else None
    begun = kept.read() if kept else None
    atoms = to_atoms(begun[0] if begun else structure)
    atoms.calc = calculator
    watch = _Watch(atoms, calculator, rules or AbortRules(), on_step, kept, structure)
    watch.volume = float(structure.volume)
    if begun:
        watch.count, soft_steps = begun[1] - 1, 0
    with calculator_errors(calculator):
        target = _with_cell(atoms) if cell else atoms
        if soft_steps > 0:
            _run("FIRE", target, watch, force_tolerance, soft_steps, maxstep=0.1)
        converged = _settle(
            optimizer, target, watch, force_tolerance, max_steps, stress_tolerance if cell else None
        )
    if strict and not converged:
        raise ConvergenceError(
            f"{structure.composition.reduced_formula} is not relaxed after {watch.count} steps "
            f"(largest force {watch.force:.3g} eV/Å, asked {force_tolerance:g}); raise max_steps or soft_steps"
        )
    result = _result(structure, atoms, watch, converged, cell)
    if kept:
        kept.drop()
    return result


def _check_options(force_tolerance: float, stress_tolerance: float, max_steps: int, optimizer: str) -> None:
    if not (math.isfinite(force_tolerance) and force_tolerance > 0.0):
        raise InputError(f"force_tolerance is {force_tolerance!r}, allowed is a positive number in eV/Å")
    if not (math.isfinite(stress_tolerance) and stress_tolerance > 0.0):
        raise InputError(f"stress_tolerance is {stress_tolerance!r}, allowed is a positive number in eV/Å^3")
    if max_steps < 1:
        raise InputError(f"max_steps is {max_steps}, allowed is 1 or more")
    if optimizer not in ("LBFGS", "FIRE"):
        raise UnknownNameError("optimizer", optimizer, ("LBFGS", "FIRE"))


def _with_cell(atoms: AseAtoms) -> Any:
    from ase.filters import FrechetCellFilter

    return FrechetCellFilter(atoms)  # type: ignore[no-untyped-call]


def _run(name: Optimizer, target: Any, watch: _Watch, tolerance: float, steps: int, **options: float) -> bool:
    from ase import optimize

    driver = getattr(optimize, name)(target, logfile=None, **options)
    driver.attach(watch, interval=1)
    with warnings.catch_warnings():
        # the cell filter's matrix logarithm reports errors of 1e-13 as warnings
        warnings.filterwarnings("ignore", "logm result may be inaccurate", RuntimeWarning)
        return bool(driver.run(fmax=tolerance, steps=steps))


def _settle(
    name: Optimizer, target: Any, watch: _Watch, tolerance: float, steps: int, stress_tolerance: float | None
) -> bool:
    """Relax until forces and stress are small: the cell filter divides the stress by the number of atoms, so in
    a large cell a small generalised force still hides a stress, and the force limit is tightened."""
    first = watch.count
    while True:
        left = steps - max(0, watch.count - first)
        if left <= 0 or not _run(name, target, watch, tolerance, left):
            return False
        if stress_tolerance is None or np.abs(watch.atoms.get_stress()).max() <= stress_tolerance:
            return True
        tolerance *= 0.5


class _Watch:
    """Looks at every step, applies the abort rules and tells the caller."""

    def __init__(
        self,
        atoms: AseAtoms,
        calculator: Any,
        rules: AbortRules,
        on_step: Callable[[Step], None] | None,
        checkpoint: Checkpoint | None,
        start: Structure,
    ) -> None:
        self.atoms, self.calculator, self.rules, self.on_step = atoms, calculator, rules, on_step
        self.checkpoint = checkpoint
        self.structural = structural_rules(start, rules)
        self.volume = atoms.get_volume()
        self.formula = atoms.get_chemical_formula()
        self.count = -1
        self.energy = self.force = math.nan

    def __call__(self) -> None:
        self.count += 1
        self.energy = float(self.atoms.get_potential_energy())
        forces = np.asarray(self.atoms.get_forces())
        check_finite(self.calculator, self.energy, forces)
        self.force = float(np.linalg.norm(forces, axis=1).max())
        volume = self.atoms.get_volume()
        change = 100.0 * (volume / self.volume - 1.0)
        if abs(change) > self.rules.volume_change_percent:
            raise StructureError(
                f"{self.formula} changed its volume by {change:+.0f} % in step {self.count}, allowed is "
                f"±{self.rules.volume_change_percent:g} %; check the start or take another calculator"
            )
        if self.count > GRACE_STEPS and self.force > self.rules.force_eV_per_A:
            raise StructureError(
                f"{self.formula} still feels a force of {self.force:.3g} eV/Å after {self.count} steps, allowed "
                f"is {self.rules.force_eV_per_A:g}; start with soft_steps or a better structure"
            )
        if self.count % LOOK_EVERY == 0:
            self._look_at_structure()
        if self.checkpoint is not None and self.count % self.checkpoint.every == 0:
            self.checkpoint.write(to_structure(self.atoms), self.count)
        if self.on_step is not None:
            self.on_step(Step(self.count, self.energy, self.force, volume))

    def _look_at_structure(self) -> None:
        """Apply the rules about symmetry and bonds that end a run."""
        ending = [rule for response, rule in self.structural if response == "raise"]
        for broken in filter(None, (rule.broken(to_structure(self.atoms)) for rule in ending)):
            raise StructureError(f"{broken} in step {self.count}; take a better start or another calculator")


def _result(structure: Structure, atoms: AseAtoms, watch: _Watch, converged: bool, cell: bool) -> Relaxation:
    final = to_structure(atoms, site_properties=structure.site_properties)
    final.properties = dict(structure.properties)
    nearest = nearest_neighbour_distances(final, cutoff_A=watch.rules.isolation_A)
    if not np.isfinite(nearest).all():
        lost = int(np.argmax(nearest))
        raise StructureError(
            f"{final[lost].specie} (site {lost}) of {watch.formula} has no neighbour within "
            f"{watch.rules.isolation_A:g} Å after relaxation; the structure has fallen apart"
        )
    notices = []
    for response, rule in watch.structural:
        if broken := rule.broken(final):
            if response == "raise":
                raise StructureError(f"{broken}; take a better start or another calculator")
            notices.append(broken)
    return Relaxation(
        structure=final,
        energy_eV=watch.energy,
        energy_eV_per_atom=watch.energy / len(atoms),
        max_force_eV_per_A=watch.force,
        max_stress_eV_per_A3=float(np.abs(atoms.get_stress()).max()) if cell else None,
        steps=watch.count,
        converged=converged,
        lattice_before=tuple(map(float, structure.lattice.parameters)),
        lattice_after=tuple(map(float, final.lattice.parameters)),
        volume_change_percent=100.0 * (final.volume / structure.volume - 1.0),
        calculator=calculator_record(watch.calculator, structure),
        notices=tuple(notices),
    )
